"""Tests with a real engine: skipped where none runs, failed where one must; and applications to build."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from helpers.registry import MISSING, Proxy, Registry, program, proxy, registry

from engine.project import Project, copy_of, in_git

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


# --- releases ----------------------------------------------------------------------------------------------------

RELEASE = """
[release]
registries = ["{one}/acme", "{other}/mirror"]
tags = ["v{{version}}", "v{{major}}.{{minor}}", "v{{major}}", "latest", "build-{{build}}", "commit-{{commit}}"]

[tests.says]
stdout = "HELLO"

[[waivers]]
rule = "health-check-missing"
reason = "it ends with what it says"
"""


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Registry, Registry]]:
    """Two registries."""
    if program() is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)
    with registry(tmp_path_factory.mktemp("one")) as one, registry(tmp_path_factory.mktemp("two")) as other:
        yield one, other


@pytest.fixture
def between(real: tuple[Registry, Registry]) -> Iterator[tuple[Proxy, Proxy]]:
    """A proxy before each."""
    with proxy(real[0].port) as one, proxy(real[1].port) as other:
        yield one, other


ReadyWith = Callable[[str], Project]
"""Makes a project in git that is tested and audited, with more in its `[release]`."""


@pytest.fixture
def ready_with(copied: CopyOf, between: tuple[Proxy, Proxy]) -> ReadyWith:
    """Projects to release."""

    def make(more: str) -> Project:
        project = copied("hello")
        release = RELEASE.format(one=between[0].host, other=between[1].host)
        file = project.root / "buildspec.toml"
        text = file.read_text(encoding="utf-8").replace("[[waivers]]", f"{release}\n[[waivers]]", 1)
        file.write_text(text.replace("[release]", f"[release]\n{more}", 1), encoding="utf-8")
        project.write(".gitignore", "build\n")
        in_git(project, "init -q", "add .", "commit -qm first")
        project.run("test").good()
        project.run("audit").good()
        return project

    return make


@pytest.fixture
def ready(ready_with: ReadyWith) -> Project:
    """A project to release."""
    return ready_with("")
