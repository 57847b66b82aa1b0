"""What keeps an image from being tagged: gates, commands, budgets, bases; and what is said about it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from engine.conftest import CopyOf
from engine.project import NATIVE, Outcome, Project, docker, image_id

pytestmark = pytest.mark.engine


def failed(outcome: Outcome, code: int = 1) -> Mapping[str, Any]:
    """The result of a build that failed as it should, after a look at what all failures have in common."""
    assert outcome.code == code, outcome.told
    assert "Traceback" not in outcome.err.partition("its output:")[0]
    assert outcome.result["outcome"] == "failed"
    assert outcome.result["error"] in outcome.err
    assert "images" not in outcome.result
    return outcome.result


def names(project: Project) -> list[str]:
    """Tags of a project's images."""
    told = docker("image", "ls", "--format", "{{.Repository}}:{{.Tag}}", project.name).stdout.split()
    return sorted(told)


def place(project: Project, text: str) -> str:
    """Where in the specification a text is: `buildspec.toml:42:8`."""
    lines = (project.root / "buildspec.toml").read_text(encoding="utf-8").splitlines()
    found = [(number, line.index(text) + 1) for number, line in enumerate(lines, 1) if text in line]
    assert len(found) == 1
    return f"buildspec.toml:{found[0][0]}:{found[0][1]}"


# --- gates -----------------------------------------------------------------------------------------------------


def test_a_failing_unit_test_is_named_and_no_tag_moves(copied: CopyOf) -> None:
    project = copied("tally")
    project.build("--platform", NATIVE).good()
    before = {name: image_id(name) for name in names(project)}
    assert len(before) == 2
    project.edit("app/tally/counting.py", "counts.characters += len(text)", "counts.characters += len(line)")
    outcome = project.build("--platform", NATIVE)
    failed(outcome)
    assert f"test gate 'test' failed for {NATIVE}: exit code 1" in outcome.err
    told = [line.split()[1] for line in outcome.err.splitlines() if line.strip().startswith("FAIL: ")]
    assert told == ["test_characters_are_not_bytes"]
    assert "stages/test.Dockerfile:2:1" in outcome.err
    assert outcome.err.rstrip().endswith("nothing was tagged")
    assert {name: image_id(name) for name in names(project)} == before


def test_an_image_that_was_finished_before_the_gate_failed_has_no_tag(copied: CopyOf) -> None:
    project = copied("hello")
    # the gate begins only when the image has been exported long since
    project.edit(
        "buildspec.toml", """run = ['[ "$(cat loud.txt)" = HELLO ]']""", 'run = ["sleep 3", "echo too late; exit 4"]'
    )
    outcome = project.build("--platform", NATIVE)
    failed(outcome)
    assert "too late" in outcome.err
    assert place(project, '"echo too late; exit 4"') + " (stages.test.run)" in outcome.err
    assert names(project) == []


@pytest.mark.parametrize("on_unavailable", ["fail", "warn"])
def test_findings_of_an_audit_fail_the_build(copied: CopyOf, on_unavailable: str) -> None:
    project = copied("hello")
    project.edit("buildspec.toml", 'on-unavailable = "fail"', f'on-unavailable = "{on_unavailable}"')
    project.write("app/audit.sh", "echo one finding; exit 1\n")
    outcome = project.build("--platform", NATIVE)
    failed(outcome)
    assert f"audit gate 'audit' failed for {NATIVE}: exit code 1" in outcome.err
    assert "one finding" in outcome.err
    assert names(project) == []


def test_an_audit_that_could_not_ask_is_a_failure(copied: CopyOf) -> None:
    project = copied("hello")
    project.write("app/audit.sh", "echo nobody answers; exit 69\n")
    outcome = project.build("--platform", NATIVE)
    failed(outcome)
    assert "audit gate 'audit': the service could not be asked, so nothing is known" in outcome.err
    assert "nobody answers" in outcome.err
    assert 'stages.audit.on-unavailable = "warn" lets a build pass' in outcome.err
    assert names(project) == []


def test_an_audit_that_could_not_ask_is_a_warning_where_the_spec_says_so(copied: CopyOf) -> None:
    project = copied("hello")
    project.edit("buildspec.toml", 'on-unavailable = "fail"', 'on-unavailable = "warn"')
    project.write("app/audit.sh", "echo nobody answers; exit 69\n")
    for _ in range(2):  # the second time, the gate is cached
        outcome = project.build("--platform", NATIVE).good()
        assert "WARNING: audit gate 'audit' could not ask its service: nothing is known" in outcome.out.splitlines()
        assert "audit gate 'audit' passed" not in outcome.out
        gates = {gate["stage"]: gate["outcome"] for gate in outcome.result["gates"]}
        assert gates == {"audit": "unavailable", "test": "passed"}
    assert names(project) == [f"{project.name}:latest"]
    project.write("app/audit.sh", "exit 0\n")
    assert "audit gate 'audit' passed" in project.build("--platform", NATIVE).good().out.splitlines()


# --- commands --------------------------------------------------------------------------------------------------


def test_a_failing_command_of_a_fragment_is_shown_with_its_place_and_last_output(copied: CopyOf) -> None:
    project = copied("hello")
    project.write(
        "stages/greeting.Dockerfile",
        "# A comment\n\nRUN cat greeting.txt > loud.txt\n"
        'RUN for n in 1 2 3; do echo "line $n"; done && \\\n    no-such-program\n',
    )
    outcome = project.build("--platform", NATIVE)
    result = failed(outcome)
    assert f"stage 'greeting' failed for {NATIVE}: exit code 127" in result["error"]
    assert "stages/greeting.Dockerfile:4:1" in result["error"]
    assert '    4 | RUN for n in 1 2 3; do echo "line $n"; done && \\' in result["error"].splitlines()
    shown = [line.strip() for line in result["error"].partition("its output:\n")[2].splitlines()]
    # what a program writes to its two streams may come in any order
    assert [line for line in shown if line.startswith("line ")] == ["line 1", "line 2", "line 3"]
    assert any("no-such-program" in line for line in shown)


def test_of_a_long_output_the_last_lines_are_shown(copied: CopyOf) -> None:
    project = copied("hello")
    project.write("stages/greeting.Dockerfile", "RUN seq 1 500 && exit 3\n")
    outcome = project.build("--platform", NATIVE)
    result = failed(outcome)
    shown = result["error"].partition("lines of its output:\n")[2].split()
    assert shown == [str(number) for number in range(461, 501)]
    assert f"greeting {NATIVE} | 1\n" in outcome.out  # all of it was told when it came


def test_a_failing_command_of_the_spec_is_shown_with_its_place(copied: CopyOf) -> None:
    project = copied("hello")
    (project.root / "stages/greeting.Dockerfile").unlink()
    project.edit(
        "buildspec.toml", 'copy = ["greeting.txt"]\n', 'copy = ["greeting.txt"]\nrun = [\n  "true",\n  "false",\n]\n'
    )
    result = failed(project.build("--platform", NATIVE))
    assert place(project, '"false"') + " (stages.greeting.run)" in result["error"]


def test_a_file_that_is_not_there_is_shown_with_its_place(copied: CopyOf) -> None:
    project = copied("hello")
    project.edit("buildspec.toml", 'path = "loud.txt"', 'path = "quiet.txt"')
    result = failed(project.build("--platform", NATIVE))
    assert "quiet.txt" in result["error"]
    assert place(project, '{ from = "greeting", path = "quiet.txt"') + " (stages.production.copy)" in result["error"]


def test_a_file_that_the_context_lacks_is_told_before_anything_runs(copied: CopyOf) -> None:
    project = copied("hello")
    project.edit("buildspec.toml", 'copy = ["greeting.txt"]', 'copy = ["greting.txt"]')
    outcome = project.build("--platform", NATIVE)
    assert outcome.code == 2
    assert "did you mean 'greeting.txt'?" in outcome.err


# --- budgets ---------------------------------------------------------------------------------------------------


def test_an_image_over_its_budget_is_not_tagged_and_the_figures_are_told(copied: CopyOf) -> None:
    project = copied("hello")
    sizes = project.build("--platform", NATIVE).good().result["images"][0]["platforms"][NATIVE]
    docker("image", "rm", project.name)
    project.edit("buildspec.toml", 'budget = "100MB"', 'budget = { unpacked = "2MB", compressed = "1MB" }')
    outcome = project.build("--platform", NATIVE)
    failed(outcome)
    for kind, limit in (("unpacked", 2.0), ("compressed", 1.0)):
        actual = sizes[kind] / 1e6
        over = f"{actual - limit:.1f} MB over its budget of {limit:.1f} MB"
        assert f"production for {NATIVE}: {actual:.1f} MB {kind}, {over}" in outcome.err
    assert outcome.err.rstrip().endswith("nothing was tagged")
    assert names(project) == []


# --- what isn't the build's fault ------------------------------------------------------------------------------


def test_a_base_that_cannot_be_fetched_is_named_with_the_way_out(copied: CopyOf) -> None:
    project = copied("hello")
    # port 9 of this machine: nobody answers, at once
    project.edit(
        "buildspec.toml", 'debian = "trixie"\npackages = ["dash"]', 'image = "127.0.0.1:9/nowhere:1"\nfamily = "debian"'
    )
    outcome = project.build("--platform", NATIVE)
    failed(outcome, 3)
    assert "the base 127.0.0.1:9/nowhere:1 can't be fetched" in outcome.err
    assert "fix: " in outcome.err
    assert names(project) == []


def test_an_engine_that_is_away_is_told_with_the_way_out(copied: CopyOf) -> None:
    project = copied("hello")
    outcome = project.build(env={"DOCKER_HOST": "tcp://127.0.0.1:9"})
    assert outcome.code == 3
    assert "Docker Engine does not answer" in outcome.err
    assert "127.0.0.1:9" in outcome.err
    assert "fix: run scripts/engine" in outcome.err
    assert "{" not in outcome.err
    assert not (project.root / "build").exists()


def test_a_wrong_spec_is_told_in_full_and_the_engine_builds_nothing(copied: CopyOf, tmp_path: Path) -> None:
    project = copied("hello")
    project.edit("buildspec.toml", 'from = "debian"\nworkdir', 'form = "debian"\nworkdir')
    project.edit("buildspec.toml", 'budget = "100MB"', 'budget = "100 potatoes"')
    calls = tmp_path / "calls"
    client = tmp_path / "bin" / "docker"
    client.parent.mkdir()
    client.write_text(f'#!/bin/sh\necho "$@" >> {calls}\nexit 1\n')
    client.chmod(0o755)
    outcome = project.build(env={"PATH": f"{client.parent}:{os.environ['PATH']}"})
    assert outcome.code == 2
    assert "did you mean 'from'?" in outcome.err
    assert "100 potatoes" in outcome.err
    assert outcome.err.rstrip().endswith("2 problems found; nothing was built")
    asked = calls.read_text().splitlines() if calls.exists() else []
    assert [line for line in asked if not line.startswith("info ")] == []
    assert not (project.root / "build").exists()


def test_a_wrong_spec_is_told_though_the_engine_never_answers(copied: CopyOf) -> None:
    project = copied("hello")
    project.edit("buildspec.toml", 'from = "debian"\nworkdir', 'form = "debian"\nworkdir')
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        outcome = project.build(env={"DOCKER_HOST": address}, timeout=10)
    assert outcome.code == 2
    assert "did you mean 'from'?" in outcome.err


def test_a_platform_the_image_is_not_built_for_is_refused(copied: CopyOf) -> None:
    outcome = copied("hello").build("--platform", "linux/riscv64")
    assert outcome.code == 2
    assert "--platform linux/riscv64: the image isn't built for it" in outcome.err
    assert "linux/amd64, linux/arm64" in outcome.err


def test_a_file_that_can_be_read_says_that_the_last_build_failed(copied: CopyOf) -> None:
    project = copied("hello")
    good = project.build("--platform", NATIVE).good()
    assert good.result["outcome"] == "built"
    project.write("app/audit.sh", "exit 1\n")
    failed(project.build("--platform", NATIVE))
    text = json.loads((project.root / "build/result.json").read_text(encoding="utf-8"))
    assert text["outcome"] == "failed"
