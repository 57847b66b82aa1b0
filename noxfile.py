"""One session a verb: `nox -s build`, `nox -s build -- --platform linux/arm64`."""

from __future__ import annotations

import hashlib
import os
import site
import subprocess
import sys
import sysconfig
from pathlib import Path

import nox

nox.needs_version = ">=2024.10.9"
nox.options.default_venv_backend = "none"
nox.options.sessions = ["check", "plan"]

HERE = Path(__file__).resolve().parent
PROJECT = nox.project.load_toml(HERE / "pyproject.toml")


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


def verb(session: nox.Session) -> None:
    """Run the verb the session is named after, in this process: another Python would take 0.1 s to start.

    Nox ends with the verb's own exit code, which says more than that a session failed.
    """
    os.chdir(HERE)
    folder = str(Path(environment()).parents[1])
    site.addsitedir(sysconfig.get_path("purelib", vars={"base": folder, "platbase": folder}))
    from buildspec.cli import main

    if code := main([session.name, *session.posargs]):
        sys.exit(code)


@nox.session
def check(session: nox.Session) -> None:
    """Decode and type-check the specification; say all that is wrong with it."""
    verb(session)


@nox.session
def plan(session: nox.Session) -> None:
    """Show what would be built: stages, where they run, bases, targets."""
    verb(session)


@nox.session
def build(session: nox.Session) -> None:
    """Build every delivered image for every platform, gates included."""
    verb(session)


@nox.session
def test(session: nox.Session) -> None:
    """Build, then hold the [tests] against the images of every platform."""
    verb(session)


@nox.session
def audit(session: nox.Session) -> None:
    """Build, then look for what shouldn't be in the images of every platform."""
    verb(session)


@nox.session
def reproduce(session: nox.Session) -> None:
    """Build, build again without any cache, and compare."""
    verb(session)


@nox.session
def bundle(session: nox.Session) -> None:
    """Write the tested images and all that goes with them into dist/."""
    verb(session)


@nox.session
def export(session: nox.Session) -> None:
    """Write the tested images of this machine's platforms into build/part, for join."""
    verb(session)


@nox.session
def join(session: nox.Session) -> None:
    """Take what other machines exported, as images for all platforms."""
    verb(session)


@nox.session
def lock(session: nox.Session) -> None:
    """Record what image references point at and bases are assembled from, in buildspec.lock."""
    verb(session)


@nox.session
def push(session: nox.Session) -> None:
    """Push the tested images to every registry, and tag them there."""
    verb(session)


@nox.session
def rollback(session: nox.Session) -> None:
    """Move the moving tags back to a version that was released."""
    verb(session)


@nox.session
def generate(session: nox.Session) -> None:
    """Write Dockerfile, bake file, ignore file, compose.yaml and JSON Schema; `-- --check` for CI."""
    verb(session)


@nox.session
def doctor(session: nox.Session) -> None:
    """Say what this machine can and can't do, with the fix."""
    verb(session)


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
