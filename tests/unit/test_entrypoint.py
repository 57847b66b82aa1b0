"""Both entrypoints, the script under each shell there is and the module: when they start the tool, and where."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import attrs
import pytest
from helpers.registry import program as which

ROOT = Path(__file__).parents[2]
SECONDS = 20
SCRIPT = ROOT / "scripts" / "entrypoint.sh"
SHELLS = (["dash"], ["bash", "--posix"], ["busybox", "sh"], ["sh"])
TOOL = """
import process from 'node:process';
if (process.argv[2] === 'wait') {
  process.once('SIGTERM', () => process.exit(143));
  setInterval(() => {}, 1000);
}
console.log(JSON.stringify({ arguments: process.argv.slice(2), folder: process.cwd(), process: process.pid }));
process.exitCode = Number(process.env.CODE ?? 0);
"""
REQUIRED = {"REQUIRED_ENV": "CLAUDE_API_KEY", "ENV_EXEMPT": "--help --version version"}
WITH_KEY = {**REQUIRED, "CLAUDE_API_KEY": "k"}
REFUSED = "Error: CLAUDE_API_KEY environment variable is required\n"

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")


@attrs.frozen
class Start:
    """A way to start the tool, and its workspace."""

    command: list[str]
    workspace: Path

    def env(self, more: dict[str, str]) -> dict[str, str]:
        tool = str(self.workspace.parent / "cli.mjs")
        return {"PATH": os.environ["PATH"], "WORKDIR": str(self.workspace), "CLAUDE_FLOW_CLI": tool, **more}

    def __call__(self, *arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, *arguments],
            env=self.env(env),
            cwd=self.workspace.parent,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def folder(self, *arguments: str, env: dict[str, str]) -> Path:
        """Where the tool was started, with these arguments."""
        done = self(*arguments, env=env)
        assert (done.returncode, done.stderr) == (0, "")
        told = json.loads(done.stdout)
        assert told["arguments"] == list(arguments)
        return Path(told["folder"])


@pytest.fixture(params=[*SHELLS, ["node"]], ids=" ".join)
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Start:
    """Each entrypoint, with a tool that says how it was started."""
    program: list[str] = request.param
    found = which(program[0])
    if found is None:
        why = f"there is no {program[0]}; `scripts/quickstart --test` fetches BusyBox"
        (pytest.fail if os.environ.get("CI") and program[0] == "busybox" else pytest.skip)(why)
    (tmp_path / "cli.mjs").write_text(TOOL, encoding="utf-8")
    file = ROOT / "app" / "src" / "entrypoint.js" if program == ["node"] else SCRIPT
    return Start([found, *program[1:], str(file)], tmp_path / "workspace")


def test_it_starts_the_tool_in_the_workspace_which_it_makes(start: Start) -> None:
    assert start.folder("task", "a b", "", "--x=$(id) *", env=WITH_KEY) == start.workspace


def test_it_finds_a_workspace_that_is_there(start: Start) -> None:
    start.workspace.mkdir()
    assert start.folder("task", env=WITH_KEY) == start.workspace


@pytest.mark.parametrize("given", [{}, {"CLAUDE_API_KEY": ""}, {"WORKDIR": "/proc/none"}], ids=str)
def test_without_a_required_variable_it_refuses_and_makes_nothing(given: dict[str, str], start: Start) -> None:
    done = start("task", "--help", env={**REQUIRED, **given})
    assert (done.returncode, done.stdout, done.stderr) == (1, "", REFUSED)
    assert not start.workspace.exists()


@pytest.mark.parametrize("arguments", [["--help"], ["--version", "x"], ["version"], []], ids=str)
def test_what_the_tool_says_of_itself_needs_no_variable_and_no_workspace(arguments: list[str], start: Start) -> None:
    assert start.folder(*arguments, env=REQUIRED) == start.workspace
    assert start.folder(*arguments, env={**REQUIRED, "WORKDIR": "/proc/none"}) == start.workspace.parent


@pytest.mark.parametrize("first", ["", " ", "*", "--help --version", "--hel", "Version"])
def test_only_the_very_words_are_exempt(first: str, start: Start) -> None:
    assert start(first, env={**REQUIRED, "ENV_EXEMPT": "--help --version *help version"}).stderr == REFUSED


def test_each_required_variable_counts_and_none_means_none(start: Start) -> None:
    done = start("x", env={**WITH_KEY, "REQUIRED_ENV": "CLAUDE_API_KEY  OTHER_1"})
    assert (done.returncode, done.stderr) == (1, "Error: OTHER_1 environment variable is required\n")
    assert start.folder("x", env={}) == start.workspace


@pytest.mark.parametrize("name", ["A-B", "1A", "A}$(touch${IFS}made)", "*"])
def test_what_is_no_name_is_refused_and_not_run(name: str, start: Start) -> None:
    done = start("x", env={"REQUIRED_ENV": name})
    told = f"Error: REQUIRED_ENV has '{name}', which is not the name of a variable\n"
    assert (done.returncode, done.stderr) == (1, told)
    assert sorted(one.name for one in start.workspace.parent.iterdir()) == ["cli.mjs"]


def test_a_workspace_that_cannot_be_made_or_is_none_is_told(start: Start) -> None:
    done = start("x", env={**WITH_KEY, "WORKDIR": "/proc/none"})
    told = "Error: workspace /proc/none is not there, or can't be entered\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", told)
    for none in ("here", "-", "../x"):
        done = start("x", env={**WITH_KEY, "WORKDIR": none})
        told = f"Error: WORKDIR is not an absolute path: {none}\n"
        assert (done.returncode, done.stdout, done.stderr) == (1, "", told)


def test_the_tools_exit_code_is_its_own(start: Start) -> None:
    assert start("x", env={**WITH_KEY, "CODE": "42"}).returncode == 42


def test_the_tool_takes_its_place_and_gets_its_signals(start: Start) -> None:
    child = subprocess.Popen([*start.command, "wait"], env=start.env(WITH_KEY), stdout=subprocess.PIPE, text=True)
    with child:
        try:
            assert child.stdout is not None
            assert json.loads(child.stdout.readline())["process"] == child.pid
            child.send_signal(signal.SIGTERM)
            assert child.wait(SECONDS) == 143
        finally:
            child.kill()
