"""Tests with a real engine: skipped where none runs, failed where one must; and applications to build."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from engine.project import Project, copy_of

SECONDS = 20
"""An engine has to answer a question about itself."""


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Look for an engine, before any fixture builds something."""
    if item.get_closest_marker("engine") is None or not (trouble := engine_trouble()):
        return
    if os.environ.get("CI"):
        pytest.fail(f"CI is set, and {trouble}", pytrace=False)
    pytest.skip(f"{trouble}; scripts/engine installs and starts one")


@cache
def engine_trouble() -> str:
    """Why no engine can be used; empty when one can."""
    if shutil.which("docker") is None:
        return "there is no docker client"
    argv = ["docker", "version", "--format", "{{.Server.Version}}"]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return f"the engine has not answered within {SECONDS} s"
    return "" if done.returncode == 0 else done.stderr.strip() or "no engine answers"


CopyOf = Callable[[str], Project]
"""Makes a copy of an application; its images go with the test."""


@pytest.fixture
def copied(tmp_path: Path) -> Iterator[CopyOf]:
    """Copies of applications for a test to change and build."""
    made: list[Project] = []

    def copy(app: str) -> Project:
        made.append(copy_of(app, tmp_path))
        return made[-1]

    yield copy
    for one in made:
        one.remove_images()
