"""Builds that don't run alone or don't run to their end: side by side, interrupted, killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from engine.conftest import CopyOf
from engine.project import NATIVE, Project, docker, image_id, until

pytestmark = pytest.mark.engine


def commands() -> dict[int, str]:
    """Command lines of all processes, by process id; those of running steps, too."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended meanwhile
            continue
    return found


def at_work_in(folder: Path) -> list[str]:
    """Command lines of processes that run in a folder."""
    found = []
    for number, command in commands().items():
        try:
            place = Path(f"/proc/{number}/cwd").readlink()
        except OSError:
            continue
        if place == folder:
            found.append(command)
    return found


def slow(project: Project, seconds: float) -> str:
    """Make a step take a while; returns what its command line holds and no other's does."""
    mark = f"{seconds}{int(project.name.rpartition('-')[2], 16) % 10**9:09d}"
    project.write(
        "stages/greeting.Dockerfile", f"RUN tr a-z A-Z < greeting.txt > loud.txt && echo begun && sleep {mark}\n"
    )
    return f"sleep {mark}"


def begun(project: Project, child: subprocess.Popen[str], mark: str) -> None:
    """Wait until the slow step runs."""

    def there() -> bool:
        assert child.poll() is None, project.finish(child, 1).told
        return any(command.strip() == mark for command in commands().values())

    until(there, 120, "the step doesn't begin")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "terminate"])
def test_an_interrupted_build_ends_in_seconds_and_leaves_nothing(
    copied: CopyOf, tmp_path: Path, number: signal.Signals
) -> None:
    project = copied("hello")
    project.build("--platform", NATIVE).good()
    before = image_id(project.name)
    mark = slow(project, 200.0)
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    child = project.start("build", "--platform", NATIVE, env={"TMPDIR": str(scratch)})
    begun(project, child, mark)
    asked = time.monotonic()
    child.send_signal(number)
    outcome = project.finish(child, 30)
    assert time.monotonic() - asked < 15
    assert outcome.code == 130
    assert "interrupted" in outcome.err
    assert "Traceback" not in outcome.err
    assert outcome.result["outcome"] == "failed"
    assert image_id(project.name) == before
    until(lambda: mark not in "".join(commands().values()), 15, "the step goes on")
    until(lambda: not at_work_in(project.root), 15, f"these go on: {at_work_in(project.root)}")
    assert list(scratch.iterdir()) == []
    # and nothing of it is in the way of the next one
    slow(project, 0.0)
    project.build("--platform", NATIVE).good()


def test_an_interrupted_assembly_of_a_base_leaves_no_process_and_no_mount(copied: CopyOf, tmp_path: Path) -> None:
    project = copied("tally")
    places = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "TMPDIR": str(tmp_path)}
    child = project.start("build", env=places)
    assert child.stdout is not None
    while "running mmdebstrap" not in (line := child.stdout.readline()):
        assert line, project.finish(child, 1).told
    until(lambda: any("mmdebstrap" in command for command in commands().values()), 30, "mmdebstrap doesn't start")
    child.send_signal(signal.SIGINT)
    asked = time.monotonic()
    assert project.finish(child, 60).code == 130
    assert time.monotonic() - asked < 20
    until(lambda: not any(str(tmp_path) in command for command in commands().values()), 15, "something goes on")
    assert str(tmp_path) not in Path("/proc/mounts").read_text()
    assert not [path for path in tmp_path.glob("*") if path.name.startswith(("mmdebstrap", "buildspec"))]
    assert [*(tmp_path / "cache" / "buildspec" / "tmp").iterdir()] == []


def test_a_build_that_is_killed_is_not_in_the_way_of_the_next_one(copied: CopyOf, tmp_path: Path) -> None:
    project = copied("hello")
    before = project.build("--platform", NATIVE).good().result["images"][0]["digest"]
    mark = slow(project, 200.0)
    child = project.start("build", "--platform", NATIVE, env={"TMPDIR": str(tmp_path)})
    begun(project, child, mark)
    child.kill()
    assert project.finish(child, 30).result == {}  # no earlier build's, either
    assert image_id(project.name) == before
    slow(project, 0.0)
    try:
        project.build("--platform", NATIVE).good()
    finally:
        # nobody could tell its client to end
        for number, command in commands().items():
            if "docker-bake.json" in command and at(number) == project.root:
                os.kill(number, signal.SIGTERM)


def at(number: int) -> Path | None:
    """The folder a process runs in."""
    try:
        return Path(f"/proc/{number}/cwd").readlink()
    except OSError:
        return None


def test_two_builds_of_one_folder_wait_for_each_other(copied: CopyOf) -> None:
    project = copied("hello")
    mark = slow(project, 2.0)
    first = project.start("build", "--platform", NATIVE)
    begun(project, first, mark)
    second = project.start("build", "--platform", NATIVE)
    outcomes = [project.finish(child, 120).good() for child in (first, second)]
    assert "another build of this folder runs; waiting for it" in outcomes[1].out
    assert outcomes[0].digests() == outcomes[1].digests()
    assert outcomes[1].table()[f"{project.name}:latest", NATIVE][-1] == "cached"
    assert docker("run", "--rm", project.name).stdout == "HELLO\n"


def test_builds_of_two_folders_run_side_by_side(copied: CopyOf) -> None:
    projects = [copied("hello"), copied("hello")]
    marks = [slow(project, 3.0) for project in projects]
    children = [project.start("build", "--platform", NATIVE) for project in projects]
    until(
        lambda: all(any(c.strip() == m for c in commands().values()) for m in marks), 60, "they don't run side by side"
    )
    for project, child in zip(projects, children, strict=True):
        project.finish(child, 120).good()
        assert docker("run", "--rm", project.name).stdout == "HELLO\n"
