"""The tutorial, followed literally in an empty folder: all files written, all commands run, all outputs looked for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.registry import Registry

from engine.project import docker

pytestmark = pytest.mark.engine
ROOT = Path(__file__).parents[2]
SECONDS = 600
_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(block: str) -> Iterator[tuple[str, list[str]]]:
    """The commands of a block, each with the lines that it must print."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, *lines = part.splitlines()
        yield command, lines


def test_the_tutorial_holds_to_the_letter(real: tuple[Registry, Registry], tmp_path: Path) -> None:
    who = {
        "GIT_AUTHOR_NAME": "a",
        "GIT_AUTHOR_EMAIL": "a@b.test",
        "GIT_COMMITTER_NAME": "a",
        "GIT_COMMITTER_EMAIL": "a@b.test",
    }
    env = {
        **{name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")},
        **who,
        "BUILDSPEC": str(ROOT),
        "REGISTRY": real[0].host,
        "PATH": f".venv/bin:{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    folder = tmp_path
    followed = 0
    try:
        for language, path, text in _BLOCK.findall((ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")):
            if path:
                (folder / path).write_text(text, encoding="utf-8")
                continue
            assert language == "console"
            for command, lines in commands(text):
                if command.startswith("cd "):
                    folder /= command.removeprefix("cd ")
                    continue
                argv = ["bash", "-c", command]
                done = subprocess.run(
                    argv, cwd=folder, env=env, capture_output=True, text=True, timeout=SECONDS, check=False
                )
                said = done.stdout + done.stderr
                assert done.returncode == 0, f"$ {command}\n{said}"
                missing = [line for line in lines if line not in said]
                assert not missing, f"$ {command}\n{said}\nlacks {missing}"
                followed += 1
    finally:
        docker("rmi", "--force", "greeter:latest", f"{real[0].host}/you/greeter:v1.0")
    assert followed > 20
