"""Where no engine runs, these tests are skipped, and say why; where one must run, they fail."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
NOWHERE = "tcp://127.0.0.1:9"
"""Port 9: nobody answers, at once."""


def all_marked(**changes: str) -> tuple[int, str]:
    """Exit code and output of all marked tests, with another environment."""
    env = {name: value for name, value in os.environ.items() if name != "CI"} | changes
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-m", "engine", str(HERE)]
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout


def outcomes(printed: str) -> set[str]:
    """What became of tests, by the last line."""
    return set(re.findall(r"\d+ (\w+)", printed.splitlines()[-1])) - {"deselected"}


def test_they_are_skipped_and_say_why() -> None:
    code, printed = all_marked(DOCKER_HOST=NOWHERE)
    assert (code, outcomes(printed)) == (0, {"skipped"}), printed
    assert "127.0.0.1:9" in printed
    assert "scripts/engine installs and starts one" in printed


def test_they_fail_where_ci_is_set() -> None:
    code, printed = all_marked(DOCKER_HOST=NOWHERE, CI="true")
    assert (code, outcomes(printed)) == (1, {"errors"}), printed
    assert "CI is set, and " in printed


@pytest.mark.parametrize("ci", ["", "true"])
def test_without_a_client_it_is_the_same(tmp_path: Path, ci: str) -> None:
    code, printed = all_marked(PATH=str(tmp_path), **({"CI": ci} if ci else {}))
    assert (code, outcomes(printed)) == ((1, {"errors"}) if ci else (0, {"skipped"})), printed
    assert "there is no docker client" in printed
