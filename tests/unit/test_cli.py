"""The command line: exit codes, what goes where, and nothing left running."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from helpers.docker import ENGINE, INFO, FakeDriver
from helpers.images import image
from helpers.progress import failed, vertex
from helpers.servers import nobody, says, server
from helpers.specs import write

from buildspec import checks, cli
from buildspec.engine import client, doctor
from buildspec.engine.doctor import Finding
from buildspec.errors import Diagnostic, MachineError

SPEC = """\
spec = 1

[image]
name = "web"
platforms = ["linux/amd64", "linux/arm64"]
deliver = { app = "" }

[vars]
tag = "20"

[bases.node]
image = "r.test/node:${tag}"
family = "alpine-node"

[stages.app]
from = "node"
cmd = ["node"]
budget = "1MB"

[stages.check]
from = "node"
runs-on = "build"
gate = "test"
run = ["look"]

[[waivers]]
rule = "no-health-check"
reason = "no service"

[[waivers]]
rule = "root-user"
reason = "it only looks"

[[waivers]]
rule = "unpinned-base"
reason = "there is no registry"

[[waivers]]
rule = "base-past-end-of-life"
reason = "it is never run"

[profiles.debian]
waivers = [{ rule = "no-health-check", reason = "no service" }, { rule = "root-user", reason = "it only looks" }]
bases.node = { debian = "trixie", packages = ["nodejs"] }

[profiles.fast]
vars.tag = "24"
"""
SOON = 10.0
"""Seconds; longer than anything here takes."""


LABELS = """
[stages.app.labels]
v = "${version}"
b = "${build}"
c = "${git.commit}"
e = "${ci}"
"""


@attrs.frozen
class Said:
    """What a run of the command line came to."""

    code: int
    out: str
    err: str


Run = Callable[..., Said]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    write(tmp_path, SPEC)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.delenv("BUILDX_BUILDER", raising=False)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield tmp_path
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture
def run(root: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    def act(*argv: str) -> Said:
        code = cli.main(argv)
        return Said(code, *capsys.readouterr())

    return act


# --- exit codes ----------------------------------------------------------------------------------------------


def test_a_right_specification_is_told_in_a_line(run: Run) -> None:
    assert run("check") == Said(
        0, "buildspec.toml: ok (2 stages, 1 of them gates; 1 images for linux/amd64, linux/arm64)\n", ""
    )


def test_a_wrong_specification_is_told_on_standard_error_all_of_it(run: Run, root: Path) -> None:
    write(
        root,
        SPEC.replace("gate =", "gat =")
        .replace("linux/arm64", "linux/arm65")
        .replace('from = "node"\ncmd', 'from = "nod"\ncmd'),
    )
    said = run("check")
    assert (said.code, said.out) == (2, "")
    assert said.err.count("error[") == 3  # of types, of values and of rules at once
    assert said.err.endswith(" problems found; nothing was built\n")


def test_warnings_are_told_on_standard_error_and_stop_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    examine = checks.examine

    def warned(*args: Any) -> checks.Examined:
        return attrs.evolve(examine(*args), warnings=(Diagnostic("odd", "is odd", severity="warning"),))

    monkeypatch.setattr(checks, "examine", warned)
    said = run("check")
    assert (said.code, said.out[:18], said.err) == (0, "buildspec.toml: ok", "warning[odd]: is odd\n")


@pytest.mark.parametrize(
    ("argv", "told"),
    [
        ([], "the following arguments are required: VERB"),
        (["biuld"], "invalid choice: 'biuld'"),
        (["check", "--fast"], "unrecognized arguments: --fast"),
        (["build", "--platfrom", "linux/amd64"], "unrecognized arguments: --platfrom; did you mean '--platform'?"),
        (["check", "--file"], "--file: expected one argument"),
        (["check", "--file", "nowhere.toml"], "nowhere.toml does not exist"),
        (["check", "--file", "."], "is a folder"),
        (["check", "--set", "x"], "--set x: write it as --set name=value"),
        (["check", "--set", "=x"], "--set =x: write it as --set name=value"),
        (["check", "--set", "tga=1"], "[vars] has no 'tga'; did you mean 'tag'?"),
        (["check", "--profile", "debain"], "no profile 'debain'; did you mean 'debian'?"),
        (["check", "--profile", "auto", "--profile", "x"], "no profile 'x'"),
        (["plan", "2.0"], "'2.0' is not a version"),
        (
            ["push", "v1.0.0"],
            "[release] has no registries and no tags, so v1.0.0 goes nowhere\n\n[release]\nregistries = [",
        ),
        (["rollback", "v1.0.0"], "[release] has no registries and no tags"),
        (["plan", "--explain", "stages.ap.from"], "stages has no 'ap'; did you mean 'app'?"),
        (["plan", "--explain", "a..b"], "'a..b' is not a path"),
        (["plan", "--format", "png"], "invalid choice: 'png'"),
        (["plan", "--platform", "amd64"], "--platform: 'amd64' is not a platform; write it as 'linux/amd64'"),
        (["plan", "--platform", "linux/s390x"], "--platform linux/s390x: the image isn't built for it"),
    ],
)
def test_a_call_that_makes_no_sense_is_told_without_a_traceback(argv: Sequence[str], told: str, run: Run) -> None:
    said = run(*argv)
    assert (said.code, said.out) == (2, "")
    assert told in said.err
    assert "Traceback" not in said.err


def test_help_and_version_are_no_errors(run: Run) -> None:
    for option in ("--help", "--version"):
        with pytest.raises(SystemExit) as caught:
            run(option)
        assert caught.value.code == 0


# --- plan ----------------------------------------------------------------------------------------------------


def test_a_plan_is_a_tree_or_json_alone(run: Run) -> None:
    assert run("plan").out.startswith("web; build stages run on linux/")
    found = json.loads(run("plan", "--json", "--platform", "linux/arm64").out)
    assert found["targets"][0]["platforms"] == ["linux/arm64"]


def test_profiles_and_variables_change_the_plan_in_order(run: Run) -> None:
    def base(*argv: str) -> Any:
        return json.loads(run("plan", "--json", *argv).out)["bases"][0]

    assert base()["image"] == "r.test/node:20"
    assert base("--set", "tag=18")["image"] == "r.test/node:18"
    assert base("--profile", "fast")["image"] == "r.test/node:24"
    assert base("--profile", "fast", "--set", "tag=22")["image"] == "r.test/node:22"
    assert "assembled" in base("--profile", "fast", "--profile", "debian")


def test_a_profile_that_is_not_selected_is_checked_too(run: Run, root: Path) -> None:
    write(root, SPEC.replace('vars.tag = "24"', 'vars.tag = 24.5\nstages.app.user = "nobdy"'))
    said = run("check")
    assert (said.code, said.out) == (2, "")
    (line,) = (line for line in said.err.splitlines() if "nobdy" in line and "error" in line)
    assert line.startswith("buildspec.toml:")
    assert line.endswith("(with --profile fast)")
    assert run("plan").code == 0, "what isn't selected keeps nothing from being built"


def test_what_a_profile_finds_at_the_same_place_is_told_once(run: Run, root: Path) -> None:
    write(root, SPEC.replace('cmd = ["node"]', 'entrypoint = ["/nowhere/node"]'))
    said = run("check").err
    assert said.count("error[command-not-in-image]") == 1
    assert "base family 'alpine-node'" in said


def test_what_keeps_a_release_is_told_with_that_nothing_was_pushed(run: Run, root: Path) -> None:
    write(root, f'{SPEC}\n[release]\nregistries = ["127.0.0.1:9/x"]\ntags = ["v{{version}}"]\n')
    said = run("push", "v1.0.0")
    assert said.code == 1
    assert "error: v1.0.0 can't be released:\n  nothing was built" in said.err
    assert said.err.endswith("\nnothing was pushed\n")
    write(root, f'{SPEC}\n[release]\nregistries = ["127.0.0.1:9/x"]\n')
    said = run("push", "v1.0.0")
    assert said.code == 2
    assert 'has no tags, so v1.0.0 goes nowhere\n\ntags = ["v{version}"' in said.err
    assert said.err.endswith("fix: add this to [release] in buildspec.toml, with what is yours\n")


def test_a_waiver_is_of_use_when_one_profile_uses_it(run: Run, root: Path) -> None:
    waiver = '[[waivers]]\nrule = "health-timing"\nreason = "a slow one"\n\n[profiles.debian]'
    write(root, SPEC.replace("[profiles.debian]", waiver))
    assert "'health-timing' finds nothing; remove the waiver" in run("check").err
    slow = 'vars.tag = "24"\nstages.app.healthcheck = { test = ["node"], interval = "1s", timeout = "2s" }'
    write(root, SPEC.replace("[profiles.debian]", waiver).replace('vars.tag = "24"', slow))
    assert "health-timing" not in run("check").err


@pytest.mark.parametrize(("form", "start"), [("mermaid", "flowchart LR\n"), ("dot", "digraph plan {\n")])
def test_a_plan_is_drawn(form: str, start: str, run: Run) -> None:
    said = run("plan", "--format", form)
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(start)


FORMS = ("tree", "json", "mermaid", "dot")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    """Plans in every form, by Pythons that order their sets differently: each of these is started but once."""
    folder = tmp_path_factory.mktemp("drawn")
    write(folder, SPEC)
    argvs = [["plan", "v2.0.0", "--format", form] for form in FORMS]
    code = f"from buildspec.cli import main\nfor argv in {argvs}: print(main(argv), end='\\0')"
    children = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=folder,
            env={**os.environ, "PYTHONHASHSEED": seed, "XDG_CACHE_HOME": str(folder)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2", "3")
    ]
    outs = [child.communicate(timeout=6 * SOON)[0].split("\0") for child in children]
    return [dict(zip(FORMS, out, strict=False)) for out in outs]


@pytest.mark.parametrize("form", FORMS)
def test_the_same_specification_and_facts_give_the_same_bytes(form: str, drawn: list[dict[str, str]]) -> None:
    first, *others = (outs[form] for outs in drawn)
    assert first.count("\n") > 3
    assert first.endswith("\n0")  # the exit code
    assert others == [first, first]


def test_a_plan_of_a_version_has_its_tags_and_the_command(run: Run, root: Path) -> None:
    write(root, f'{SPEC}\n[release]\nregistries = ["r.test/x"]\ntags = ["v{{version}}", "latest", "build-{{build}}"]\n')
    found = json.loads(run("plan", "v2.0.0", "--json").out)
    assert [tag["reference"] for tag in found["release"]["tags"]] == ["r.test/x/web:v2.0.0", "r.test/x/web:latest"]
    assert found["release"]["dropped"][0]["pattern"] == "build-{build}"
    assert found["command"][:3] == ["docker", "buildx", "bake"]
    out = run("plan", "2.0.0", "--build-number", "7").out
    assert "tags of 2.0.0\n" in out
    assert "r.test/x/web:build-7\n" in out
    assert run("plan").out.splitlines()[-2:-1] == ["command"]


def test_facts_are_variables_of_the_specification(run: Run, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(root, SPEC.replace('tag = "20"', 'tag = "20"\nci = { env = "CI_RUN", default = "none" }') + LABELS)
    monkeypatch.setenv("CI_RUN", "5")

    def labels(*argv: str) -> Any:
        steps = json.loads(run("plan", "--json", *argv).out)["stages"][0]["steps"]
        return {step["name"]: step["value"] for step in steps if step["does"] == "label"}

    expected = {"v": "2.0.0", "b": "7", "c": "unknown", "e": "5"}
    assert labels("v2.0.0", "--build-number", "7").items() >= expected.items()
    assert labels("--set", "ci=own").items() >= {"v": "0.0.0-dev", "b": "0", "e": "own"}.items()


def test_where_a_value_comes_from_is_explained(run: Run) -> None:
    said = run("plan", "--explain", "bases.node.image", "--set", "tag=18")
    assert (said.code, said.err) == (0, "")
    assert said.out.splitlines() == [
        'bases.node.image = "r.test/node:18"',
        '  buildspec.toml:12:9, written as "r.test/node:${tag}"',
        '  vars.tag = "18"',
        "    --set tag",
        '    replaces "20", buildspec.toml:9:7',
    ]


# --- profile auto --------------------------------------------------------------------------------------------


def at(root: Path, registry: str) -> str:
    """The specification's base comes from there."""
    write(root, SPEC.replace("r.test", registry))
    return registry


def test_with_a_registry_that_answers_auto_is_the_specifications_own_bases(run: Run, root: Path) -> None:
    with server(says("401 Who are you")) as registry:
        at(root, registry)
        out = run("plan", "--profile", "auto").out
    assert out.startswith("profile auto: every registry of the bases answers; building on the specification's own")
    assert f"{registry}/node:20" in out


def test_without_a_registry_auto_is_the_profile_that_needs_none(run: Run, root: Path) -> None:
    registry = at(root, nobody())
    said = run("plan", "--profile", "fast", "--profile", "auto")
    assert said.out.splitlines()[:2] == [
        (
            f"profile auto: registry {registry} can't be used (connection refused); "
            "building with profile 'debian', which needs none"
        ),
        "web, profile fast + debian; build stages run on linux/amd64",
    ]


def test_json_stands_alone_whatever_is_decided(run: Run, root: Path) -> None:
    at(root, nobody())
    said = run("plan", "--json", "--profile", "auto")
    assert json.loads(said.out)["profiles"] == ["debian"]
    assert said.err.startswith("profile auto: ")


def test_auto_asks_nobody_where_there_is_nothing_to_decide(
    run: Run, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buildspec.engine.registries.reachable", lambda _: pytest.fail("asked"))
    assert run("plan", "--profile", "debian", "--profile", "auto").code == 0
    write(root, SPEC.replace("profiles.debian", "profiles.auto"))
    assert json.loads(run("plan", "--json", "--profile", "auto").out)["profiles"] == ["auto"]
    write(root, SPEC.replace("profiles.debian", "profiles.other"))
    assert json.loads(run("plan", "--json", "--profile", "auto").out)["profiles"] == []


# --- build ---------------------------------------------------------------------------------------------------


def use(monkeypatch: pytest.MonkeyPatch, content: bytes = b"x", **more: Any) -> FakeDriver:
    digest, archive = image(content, "linux/amd64", "linux/arm64")
    driver = FakeDriver({"app": digest}, {digest: archive}, **more)
    monkeypatch.setattr(client, "Client", lambda: driver)
    return driver


def result(root: Path) -> Any:
    return json.loads((root / "build/result.json").read_text(encoding="utf-8"))


def test_a_build_ends_with_a_table_and_leaves_its_result(run: Run, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driver = use(monkeypatch)
    said = run("build", "--no-cache")
    assert (said.code, said.err) == (0, "")
    assert "web:latest  linux/arm64" in said.out
    assert "test gate 'check' passed" in said.out
    assert [name for name, _ in driver.tagged] == ["web:latest"]
    assert not driver.bakes[0].cache
    found = result(root)
    assert (found["outcome"], found["images"][0]["digest"]) == ("built", driver.digests["app"])
    assert [one["kept"] for one in found["budgets"]] == [True, True]


def test_a_failed_step_is_exit_code_1_and_its_result_says_so(
    run: Run, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = vertex("a", "[check check 3/3] RUN look", 1, 2, error=failed("look", 7))
    driver = use(monkeypatch, code=1, lines=[line])
    said = run("build")
    assert said.code == 1
    assert said.err.startswith("error: test gate 'check' failed for linux/amd64: exit code 7\n")
    assert said.err.endswith("fix: nothing was tagged\n")
    assert driver.tagged == []
    assert (result(root)["outcome"], result(root)["error"][:10]) == ("failed", "test gate ")


def test_an_image_over_its_budget_is_exit_code_1_and_gets_no_tag(
    run: Run, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    driver = use(monkeypatch, bytes(2_000_000))
    said = run("build")
    assert said.code == 1
    assert said.err.splitlines()[:2] == [
        "error: over budget:",
        "  app for linux/amd64: 2.0 MB unpacked, 1.0 MB over its budget of 1.0 MB",
    ]
    assert driver.tagged == []
    assert result(root)["outcome"] == "failed"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"buildx": ""}, "the docker client has no buildx"),
        ({"containerd_store": False}, "the engine's image store can't hold images for several platforms"),
    ],
)
def test_a_machine_that_is_not_up_to_it_is_exit_code_3(
    change: Any, told: str, run: Run, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch)
    monkeypatch.setattr(FakeDriver, "facts", lambda _: attrs.evolve(ENGINE, **change))
    said = run("build")
    assert said.code == 3
    assert said.err.startswith(f"error: {told}\nfix: run scripts/engine")


def test_an_engine_that_is_away_is_exit_code_3(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_: FakeDriver) -> None:
        raise MachineError("Docker Engine does not answer", "start it")

    use(monkeypatch)
    monkeypatch.setattr(FakeDriver, "facts", away)
    assert run("build") == Said(3, "", "error: Docker Engine does not answer\nfix: start it\n")


def test_an_interrupted_build_is_not_taken_for_the_one_before(
    run: Run, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch)
    run("build")
    assert result(root)["outcome"] == "built"

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    driver = use(monkeypatch, during=interrupt)
    said = run("build")
    assert (said.code, said.err) == (130, "interrupted\n")
    assert driver.tagged == []
    assert (result(root)["outcome"], result(root)["error"]) == ("failed", "interrupted")


def test_a_result_that_cannot_be_written_does_not_hide_what_went_wrong(
    run: Run, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "build/result.json").mkdir(parents=True)
    use(monkeypatch, code=1, lines=["ERROR: no space left on device"])
    said = run("build")
    assert said.code == 3
    assert said.err.startswith("error: the engine's disk is full")


# --- doctor --------------------------------------------------------------------------------------------------


def test_a_doctor_who_misses_something_is_exit_code_3(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Finding("ok", "buildx", "0.29"), Finding("missing", "image store", "the classic one", "change it")]
    monkeypatch.setattr(doctor, "examine", lambda *_: found)
    said = run("doctor")
    assert said.code == 3
    assert said.out.splitlines() == [
        "ok       buildx       0.29",
        "missing  image store  the classic one",
        "                      fix: change it",
    ]
    assert said.err == "error: this machine lacks: image store\nfix: see the fixes above\n"


def test_a_doctor_looks_at_the_machine_when_the_specification_is_wrong(
    run: Run, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def examine(source: object, _: object) -> list[Finding]:
        asked.append(source)
        return [Finding("note", "a", "b")]

    monkeypatch.setattr(doctor, "examine", examine)
    assert run("doctor").out == "note     a  b\nthis machine can build\n"
    write(root, "spec = 2\n")
    said = run("doctor")
    assert said.code == 0
    assert said.out.startswith("buildspec.toml is wrong, so only the machine is looked at")
    assert [one is None for one in asked] == [False, True]


# --- as a program --------------------------------------------------------------------------------------------


def program(*argv: str) -> list[str]:
    return [sys.executable, "-m", "buildspec", *argv]


HEAVY = (
    *("rich", "python_on_whales", "pydantic", "asyncio", "ssl", "jsonschema"),
    *("buildspec.engine", "buildspec.plan", "buildspec.render", "buildspec.report"),
    *("buildspec.spec.schema", "buildspec.spec.fields", "buildspec.spec.explain"),
)


def test_a_check_loads_nothing_it_does_not_need(root: Path) -> None:
    code = f"import sys; from buildspec.cli import main; main(['check']); print({{*sys.modules}} & {{*{HEAVY}}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "set()"


def test_a_reader_that_has_gone_is_no_traceback(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(program("plan"), stdout=writing, stderr=subprocess.PIPE, check=False)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def started(root: Path, docker: str, monkeypatch: pytest.MonkeyPatch) -> subprocess.Popen[str]:
    """A build with a docker client that notes its process ids in `pids`."""
    folder = root / "bin"
    folder.mkdir()
    info = json.dumps({**INFO, "ClientInfo": {"Plugins": [{"Name": "buildx", "Version": "v0.29.1"}]}})
    note = f"sleep 60 & echo $$ $! > {root}/new; mv {root}/new {root}/pids; wait"
    script = f"#!/bin/sh\nnote() {{ {note}; }}\n{docker}"
    (folder / "docker").write_text(script.replace("INFO", info), encoding="utf-8")
    (folder / "docker").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    return subprocess.Popen(program("build"), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for(true: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("docker", "number"),
    [
        ("case $1 in info) echo 'INFO';; buildx) note;; esac", signal.SIGTERM),
        ("case $1 in info) note;; esac", signal.SIGHUP),
    ],
    ids=["bake", "info"],
)
def test_a_signal_ends_a_build_and_all_it_has_started(
    docker: str, number: signal.Signals, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = started(root, docker, monkeypatch)
    wait_for((root / "pids").exists)
    child.send_signal(number)
    _, err = child.communicate(timeout=SOON)
    assert (child.returncode, err) == (130, "interrupted\n")
    for pid in (root / "pids").read_text().split():
        wait_for(lambda pid=int(pid): not running(pid))  # type: ignore[misc]
