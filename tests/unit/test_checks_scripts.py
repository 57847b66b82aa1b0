"""Scripts that interpreters are given: missing ones are told where all that can be in their folder is known."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.specs import MINIMAL, write

from buildspec.checks import findings
from buildspec.spec.load import Selection, draft

RULE = "command-not-in-image"
FILES = ("index.js", "lib/util.js", "health.py")


def found(folder: Path, tail: str, head: str = MINIMAL) -> list[str]:
    """What is said of scripts, of a stage that goes on with this text, in a folder with files."""
    for name in FILES:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    source = draft(write(folder, head + tail), Selection()).source
    return [one.message for one in findings(source) if one.rule == RULE]


def test_a_script_that_nothing_copies_is_told_with_the_one_that_is_like_it(tmp_path: Path) -> None:
    tail = 'workdir = "/app"\ncopy = ["index.js"]\nentrypoint = ["node", "/app/main.js"]\n'
    assert found(tmp_path, tail) == [
        "stages.app.entrypoint[1]: nothing copies '/app/main.js' there; did you mean '/app/index.js'?"
    ]


@pytest.mark.parametrize(
    "tail",
    [
        'entrypoint = ["node", "/app/main.js"]',
        'workdir = "/app"\ncopy = ["."]\nentrypoint = ["node", "/app/main.js"]',
        'workdir = "/app"\ncopy = ["."]\nentrypoint = ["node", "/app/lib/main.js"]',
        'workdir = "/app"\ncopy = ["*.js"]\nentrypoint = ["node", "/app/health.py"]',
        'copy = [{ path = "lib", to = "/app" }]\nentrypoint = ["node", "--no-warnings", "/app/index.js"]',
        'copy = [{ path = "index.js", to = "/app/main.js" }]\nentrypoint = ["/usr/local/bin/node", "/app/index.js"]',
        'copy = [{ from = "other", path = "/x", to = "/srv" }]\nentrypoint = ["node", "/app/main.js"]',
        'healthcheck = { test = ["sh", "-eu", "/app/check.sh"] }',
        'workdir = "/app"\ncopy = ["."]\nentrypoint = ["node", "$APP/index.js"]',
        'workdir = "/usr/src/app"\ncopy = ["index.js"]\nentrypoint = ["node", "/usr/src/app/main.js"]',
    ],
)
def test_a_script_that_nothing_copies_is_told(tail: str, tmp_path: Path) -> None:
    (message,) = found(tmp_path, f'{tail}\n[stages.other]\nfrom = "scratch"\ncopy = ["lib"]\n')
    assert "nothing copies" in message or "no variable is filled in" in message


@pytest.mark.parametrize(
    "tail",
    [
        'workdir = "/app"\ncopy = ["index.js"]\nentrypoint = ["node", "/app/index.js"]',
        'workdir = "/app"\ncopy = ["index.js"]\nentrypoint = ["node", "/app/index"]',
        'workdir = "/app"\ncopy = ["."]\nentrypoint = ["node", "/app/lib/util.js"]',
        'workdir = "/app"\ncopy = ["*.js"]\nentrypoint = ["node", "/app/index.js"]',
        'workdir = "/app"\ncopy = ["lib/*.js"]\nentrypoint = ["node", "/app/lib/util.js"]',
        'copy = [{ path = "index.js", to = "/app/" }]\nentrypoint = ["node", "/app/index.js"]',
        'copy = [{ path = "index.js", to = "/app" }]\nentrypoint = ["node", "/app/index.js"]',
        'copy = [{ path = "index.js", to = "/app/main.js" }]\nentrypoint = ["node", "/app/main.js"]',
        'copy = [{ path = "lib", to = "/app" }]\nentrypoint = ["node", "/app"]',
        'copy = [{ path = "lib", to = "/app/lib" }]\nentrypoint = ["node", "/app"]',
        # the folder is made before the build, perhaps
        'workdir = "/app"\ncopy = ["."]\nentrypoint = ["node", "/app/dist/main.js"]',
        # what others bring isn't known
        'copy = [{ from = "other", path = "/x", to = "/app" }]\nentrypoint = ["node", "/app/main.js"]',
        'copy = [{ from = "other", path = "/x", to = "/app/main.js" }]\nentrypoint = ["node", "/app/main.js"]',
        'copy = [{ from = "other", path = "lib", to = "/app" }]\nentrypoint = ["node", "/app/main.js"]',
        'copy = [{ from = "other", path = "/", to = "/" }]\nentrypoint = ["node", "/app/main.js"]',
        'run = ["touch /app/main.js"]\nentrypoint = ["node", "/app/main.js"]',
        'copy = ["index.js"]\nentrypoint = ["node", "/app/main.js"]',
        'copy = ["gone"]\nworkdir = "/app"\nentrypoint = ["node", "/app/main.js"]',
        'packages = ["something"]\nentrypoint = ["node", "/app/main.js"]',
        'volumes = ["/app"]\nentrypoint = ["node", "/app/main.js"]',
        # or may be of the base
        'entrypoint = ["node", "/usr/lib/main.js"]',
        'entrypoint = ["node", "/opt/app/main.js"]',
        # or is no script, or not for sure
        'entrypoint = ["node", "-e", "/app/main.js"]',
        'entrypoint = ["node", "--require", "/app/main.js"]',
        'entrypoint = ["node", "main.js", "/app/main.js"]',
        'entrypoint = ["sh", "-c", "$APP/main.js"]',
        'entrypoint = ["env", "/app/main.js"]',
        'entrypoint = "node /app/main.js"',
    ],
)
def test_of_a_script_that_may_be_there_nothing_is_said(tail: str, tmp_path: Path) -> None:
    other = '[stages.other]\nfrom = "scratch"\ncopy = ["lib"]\n'
    assert found(tmp_path, f"{tail}\n{other}") == []


def test_what_the_stage_below_copies_counts_and_so_do_its_commands(tmp_path: Path) -> None:
    below = MINIMAL.replace('from = "node"', 'from = "base"')
    tail = 'entrypoint = ["node", "/app/{}"]\n[stages.base]\nfrom = "node"\nworkdir = "/app"\ncopy = ["index.js"]\n'
    assert found(tmp_path, tail.replace("{}", "index.js"), below) == []
    assert len(found(tmp_path, tail.replace("{}", "main.js"), below)) == 1
    assert found(tmp_path, tail.replace("{}", "main.js") + 'run = ["make"]\n', below) == []


def test_a_base_of_somebodys_own_may_have_anything(tmp_path: Path) -> None:
    own = MINIMAL.replace("docker.io/library/node:20-alpine", 'ghcr.io/acme/app:1"\nfamily = "alpine-node')
    assert found(tmp_path, 'entrypoint = ["node", "/app/main.js"]\n', own) == []


def test_a_path_longer_than_any_file_has_is_told_or_passed_over(tmp_path: Path) -> None:
    tail = f'workdir = "/app"\ncopy = ["."]\nentrypoint = ["node", "/app/{"x" * 5000}/y.js"]\n'
    assert found(tmp_path, tail) == []


def test_a_link_may_lead_to_the_script(tmp_path: Path) -> None:
    (tmp_path / "current").symlink_to("lib")
    tail = 'workdir = "/app"\ncopy = ["."]\nentrypoint = ["node", "/app/current/main.js"]\n'
    assert found(tmp_path, tail) == []
