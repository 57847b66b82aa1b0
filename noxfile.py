"""One session a verb: `nox -s build`, `nox -s build -- --platform linux/arm64`."""

from __future__ import annotations

import hashlib
import site
import subprocess
import sys
import sysconfig
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "none"

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))  # this package, of which nothing is installed yet

from buildspec.sessions import DEFAULT, define  # noqa: E402 - found by way of the line above

PROJECT = nox.project.load_toml(HERE / "pyproject.toml")
nox.options.sessions = [*DEFAULT]


def environment(name: str = "buildspec", *groups: str) -> str:
    """The Python of an environment that all verbs share; installs into it only what has changed."""
    folder = HERE / ".nox" / name
    python = folder / ("Scripts/python.exe" if sysconfig.get_platform().startswith("win") else "bin/python")
    wanted = nox.project.dependency_groups(PROJECT, *groups) if groups else ()
    asked = [(HERE / "pyproject.toml").read_bytes(), sys.version.encode(), str(folder).encode()]
    stamp = hashlib.sha256(b"\0".join([*asked, *(one.encode() for one in wanted)])).hexdigest()
    mark = folder / "installed"
    if mark.is_file() and mark.read_text() == stamp:
        return str(python)
    print(f"installing into {folder.relative_to(HERE)} ...", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    subprocess.run([python, "-m", "pip", "install", *quiet, "--editable", f"{HERE}[sbom]", *wanted], check=True)
    mark.write_text(stamp)
    return str(python)


def use_environment() -> None:
    """Let this process import what the verbs need."""
    folder = str(Path(environment()).parents[1])
    site.addsitedir(sysconfig.get_path("purelib", vars={"base": folder, "platbase": folder}))


define(before=use_environment)


@nox.session
def lint(session: nox.Session) -> None:
    """Hold this repository's own code against ruff and mypy."""
    python = environment("lint", "lint")
    session.run(python, "-m", "ruff", "check", ".", external=True)
    session.run(python, "-m", "ruff", "format", "--check", ".", external=True)
    session.run(python, "-m", "mypy", external=True)


@nox.session
def tests(session: nox.Session) -> None:
    """Run this repository's own tests: units first, then those that need an engine."""
    python = environment("tests", "test")
    session.run(python, "-m", "pytest", *(session.posargs or ["tests/unit", "tests/engine"]), external=True)


@nox.session
def faults(session: nox.Session) -> None:
    """Release through every transient fault of a registry, and print the table."""
    session.run(environment("tests", "test"), "tests/faults.py", external=True)


@nox.session
def bench(session: nox.Session) -> None:
    """Measure this program: `nox -s bench -- check`."""
    session.run(environment(), "tests/bench.py", *session.posargs, external=True)
