"""Another repository: the wheel in a clean environment, a noxfile of three lines, and what `new` writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import uuid
import zipfile
from collections.abc import Iterator
from pathlib import Path

import attrs
import pytest
from helpers.plans import ROOT

from buildspec.arguments import VERBS
from engine.project import NATIVE, PLATFORMS, Project, copy_of, docker, image_id

pytestmark = pytest.mark.engine

INSTALL_SECONDS = 300
RUN_SECONDS = 600
SERVER = """\
const http = require('http')
http.createServer((_, answer) => answer.end('well\\n')).listen(process.env.PORT || 3000)
"""


@attrs.frozen
class Installed:
    """An environment that has nox and this project's wheel, and nothing of the checkout."""

    wheel: Path
    programs: Path

    def run(self, folder: Path, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run one of its programs in a folder."""
        around = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        argv = [str(self.programs / program), *arguments]
        return subprocess.run(
            argv, cwd=folder, env=around, capture_output=True, text=True, timeout=RUN_SECONDS, check=False
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    pip = ["-m", "pip", "--quiet", "--disable-pip-version-check", "--no-input"]

    def run(*argv: str) -> None:
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=INSTALL_SECONDS, check=False)
        assert done.returncode == 0, done.stderr

    run(sys.executable, *pip, "wheel", "--no-deps", "--wheel-dir", "wheels", str(ROOT))
    (wheel,) = (folder / "wheels").iterdir()
    run(sys.executable, "-m", "venv", "environment")
    programs = folder / "environment" / "bin"
    run(str(programs / "python"), *pip, "install", f"{wheel}[nox]")
    return Installed(wheel, programs)


@pytest.fixture
def named(tmp_path: Path) -> Iterator[Project]:
    """An empty folder, the images of which go with the test."""
    project = Project(tmp_path / (name := f"site-{uuid.uuid4().hex[:10]}"), name)
    project.root.mkdir()
    yield project
    project.remove_images()


def test_the_wheel_has_the_whole_package(installed: Installed) -> None:
    with zipfile.ZipFile(installed.wheel) as wheel:
        there = {name for name in wheel.namelist() if name.startswith("buildspec/")}
    package = ROOT / "buildspec"
    assert there == {
        str(path.relative_to(ROOT)) for path in package.rglob("*") if path.suffix != ".pyc" and path.is_file()
    }


def test_a_noxfile_of_three_lines_gives_all_sessions(installed: Installed, tmp_path: Path) -> None:
    project = copy_of("pulse", tmp_path, ROOT / "docs" / "examples")
    assert len((project.root / "noxfile.py").read_text().splitlines()) == 3
    listed = installed.run(project.root, "nox", "-l")
    assert listed.returncode == 0, listed.stderr
    missing = [
        name
        for name, verb in VERBS.items()
        if verb.of_specification and f" {name} -> {verb.about}" not in listed.stdout
    ]
    assert missing == []
    try:
        # from another folder: a session works in that of its noxfile
        file = ["--noxfile", str(project.root / "noxfile.py")]
        built = installed.run(tmp_path, "nox", *file, "-s", "build", "--", "--platform", NATIVE)
        assert built.returncode == 0, built.stdout + built.stderr
        assert image_id(f"{project.name}:latest")
        assert (project.root / "build" / "result.json").is_file()
        project.edit("buildspec.toml", 'budget = "2MB"', 'budget = "2KB"')
        assert installed.run(project.root, "nox", "-s", "build", "--", "--platform", NATIVE).returncode == 1
        project.edit("buildspec.toml", "budget", "budgte")
        assert installed.run(project.root, "nox", "-s", "build").returncode == 2
    finally:
        project.remove_images()


def test_a_node_project_is_built_and_tested_by_what_new_writes(installed: Installed, named: Project) -> None:
    named.write("package.json", json.dumps({"name": f"@acme/{named.name}", "version": "1.0.0"}))
    named.write("package-lock.json", json.dumps({"lockfileVersion": 3, "packages": {}}))
    named.write("index.js", SERVER)
    _written_and_tested(installed, named)
    run = docker("run", "--rm", "--entrypoint", "sh", f"{named.name}:latest")
    assert run.returncode == 127


def test_a_site_of_files_is_served_by_what_new_writes(installed: Installed, named: Project, tmp_path: Path) -> None:
    named.write("index.html", "<h1>It is served</h1>\n")
    (named.root / ".well-known").mkdir()
    named.write(".well-known/security.txt", "Contact: mailto:a@b.test\n")
    named.write(".htpasswd", "somebody:secret\n")
    named.write("README.md", "About this site\n")
    _written_and_tested(installed, named)
    made = docker("create", f"{named.name}:latest").stdout.strip()
    try:
        assert docker("cp", f"{made}:/srv/site", str(tmp_path / "served")).returncode == 0
    finally:
        docker("rm", made)
    served = {
        path.relative_to(tmp_path / "served").as_posix() for path in tmp_path.glob("served/**/*") if path.is_file()
    }
    assert served == {"index.html", ".well-known/security.txt"}
    chosen = ["--network", "none", "--entrypoint", "nginx", "--tmpfs", "/tmp", "--read-only"]
    run = docker("run", "--rm", *chosen, f"{named.name}:latest", "-t")
    assert "test is successful" in run.stderr


def _written_and_tested(installed: Installed, project: Project) -> None:
    written = installed.run(project.root, "python", "-m", "buildspec", "new")
    assert written.returncode == 0, written.stderr
    for session in ("test", "audit"):
        done = installed.run(project.root, "nox", "-s", session, "--", "--profile", "debian")
        assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads((project.root / "build" / "result.json").read_bytes())
    tests = {(one["platform"], one["passed"]) for one in result["tests"]["results"]}
    assert tests == {(platform, True) for platform in PLATFORMS}
