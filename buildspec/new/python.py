"""A Python project in, its specification out: packages as a lock file has them, and an image without a shell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from buildspec.errors import UsageError, quoted
from buildspec.new import project
from buildspec.new.project import Proposal, Wanted, array, string

FILES = ("pyproject.toml", "requirements.txt")
_LOCK = "requirements.txt"
_SERVERS = re.compile(
    r"\b(?:serve|serve_forever|start_server|runserver|run_app|listen)\(|\bapp\.run\(|\buvicorn\.run\(|HTTPServer\("
)
_MODULE = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*")
# Python's own http.client takes three times as long to load, which an emulated platform has no time for.
_HEALTH = (
    "import socket; s = socket.create_connection(('127.0.0.1', PORT), 15); "
    r"s.sendall(b'GET / HTTP/1.0\r\nHost: localhost\r\n\r\n'); assert s.recv(12)[9:10] in (b'2', b'3', b'4')"
)
_INSTALL = """\
# As requirements.txt has it: wheels made for the target's platform, whatever the builder's is; none is compiled.
ARG TARGETARCH
RUN --mount=type=cache,target=/root/.cache/pip \\
    case "$TARGETARCH" in amd64) machine=x86_64 ;; arm64) machine=aarch64 ;; *) exit 1 ;; esac && \\
    python3 -m pip install {hashes}--only-binary :all: --no-deps --no-compile --target /dependencies \\
        --platform "manylinux2014_$machine" --platform "manylinux_2_28_$machine" --requirement requirements.txt
"""


@attrs.frozen
class _Start:
    """What starts: arguments of the interpreter, and the file that they lead to."""

    arguments: tuple[str, ...]
    file: str


def propose(wanted: Wanted) -> Proposal:
    """What would be written for a Python project.

    Raises:
        UsageError: its packages aren't locked, or nothing says what starts.
    """
    manifest = _manifest(wanted.folder)
    own = project.table(manifest.get("project"))
    locked = _locked(wanted.folder, needed=bool(own.get("dependencies") or _poetry(manifest)))
    start = _start(wanted, own)
    source = project.text(wanted.folder / start.file)
    port = project.port_of(wanted, source, server=_SERVERS.search(source) is not None)
    files = {"buildspec.toml": _specification(wanted, own, start, port, locked=bool(locked))}
    if locked:
        hashes = "--require-hashes " if "--hash=" in locked else ""
        files["stages/dependencies.Dockerfile"] = _INSTALL.format(hashes=hashes)
    return Proposal(files=files, taken=f"starts {start.file}, {project.served(wanted, port)}")


def _manifest(folder: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(project.text(folder / "pyproject.toml"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"pyproject.toml isn't TOML: {error}") from error


def _poetry(manifest: Mapping[str, Any]) -> bool:
    """Whether Poetry's own table asks for packages beyond Python itself."""
    poetry = project.table(project.table(manifest.get("tool")).get("poetry"))
    return bool(project.table(poetry.get("dependencies")).keys() - {"python"})


def _locked(folder: Path, *, needed: bool) -> str:
    """What requirements.txt says; empty when nothing is needed."""
    found = project.text(folder / _LOCK)
    lines = [line.partition(" #")[0].strip() for line in found.replace("\\\n", " ").splitlines()]
    wanted = [line for line in lines if line and not line.startswith("#")]
    loose = next((line for line in wanted if "==" not in line or line.startswith("-")), "")
    if wanted and not loose:
        return found
    if not wanted and not needed:
        return ""
    why = (
        f"{_LOCK} doesn't pin {quoted(loose)} to a version"
        if loose
        else f"packages are needed, and there is no {_LOCK}"
    )
    way = "`pip-compile --generate-hashes`"
    if (folder / "uv.lock").is_file():
        way = "`uv export --format requirements-txt --no-emit-project --no-dev --output-file requirements.txt`"
    elif (folder / "poetry.lock").is_file():
        way = "`poetry export --output requirements.txt`"
    raise UsageError(
        f"{why}, so that each build may get others", f"{way} writes one with every version and hash; commit it"
    )


def _start(wanted: Wanted, own: Mapping[str, Any]) -> _Start:
    """What starts.

    Raises:
        UsageError: nothing says.
    """
    given = [wanted.entry] if wanted.entry else [*_usual(wanted.folder, own)]
    for one in given:
        if start := _started(wanted.folder, one):
            return start
    why = f"there is no {quoted(wanted.entry)}" if wanted.entry else "nothing here says what starts"
    ways = "`--entry server.py`, a package with a `__main__`, or `--entry package.module:function`"
    raise UsageError(why, f"a package's __main__.py, [project.scripts], main.py and app.py do; or say it: {ways}")


def _usual(folder: Path, own: Mapping[str, Any]) -> Iterator[str]:
    """What projects usually start, the clearest first."""
    yield from (one for one in project.table(own.get("scripts")).values() if isinstance(one, str))
    for parent in (folder / "src", folder):
        yield from sorted(
            path.parent.name for path in parent.glob("*/__main__.py") if path.parent.name not in {"tests", "test"}
        )
    yield from ("main.py", "app.py", "server.py")


def _started(folder: Path, entry: str) -> _Start | None:
    if entry.endswith(".py"):
        there = project.is_path(entry) and (folder / entry).is_file()
        return _Start((f"/app/{entry}",), entry) if there else None
    module, colon, function = entry.partition(":")
    if not _MODULE.fullmatch(module) or (colon and not _MODULE.fullmatch(function)):
        return None
    path = module.replace(".", "/")
    names = (f"{path}.py", f"{path}/__init__.py") if colon else (f"{path}/__main__.py", f"{path}.py")
    file = next(
        (name for top in ("src/", "") for name in (f"{top}{one}" for one in names) if (folder / name).is_file()), ""
    )
    if not file:
        return None
    if not colon:
        return _Start(("-m", module), file)
    top = function.partition(".")[0]
    return _Start(("-c", f"import sys; from {module} import {top}; sys.exit({function}())"), file)


def _specification(wanted: Wanted, own: Mapping[str, Any], start: _Start, port: int, *, locked: bool) -> str:
    health = () if port else project.without_health("a command that ends, not a service")
    tested = project.server_tests if port else project.command_tests
    return project.document(
        f"{project.HEAD}\n{project.waivers(health)}",
        project.image(project.image_name(own.get("name"), wanted.folder), own.get("description"), own.get("license")),
        project.context(["**/__pycache__", ".venv", "venv", "dist", "**/*.egg-info"]),
        _bases(locked=locked),
        _INDEX if locked else "",
        project.USER,
        _DEPENDENCIES if locked else "",
        _production(wanted, start, port, locked=locked),
        tested(f"/app/{start.file}"),
        project.RUNTIME,
        project.generate(wanted.folder),
        _profile(health, locked=locked),
    )


def _bases(*, locked: bool) -> str:
    build = '[bases.python]\nimage = "docker.io/library/python:3.13-slim-trixie"\n\n' if locked else ""
    what = (
        "Python with pip, to install with; and the same version without a shell, to deliver"
        if locked
        else "Python without a shell"
    )
    return f'# {what}.\n{build}[bases.distroless]\nimage = "gcr.io/distroless/python3-debian13"'


_INDEX = """\
# A network's own package index; without one, pip asks the public one.
[secrets.pip-index]
env = "PIP_INDEX_URL"
as-env = ["PIP_INDEX_URL"]
optional = true"""
_DEPENDENCIES = """\
# What it needs when it runs.
[stages.dependencies]
from = "python"
runs-on = "build"
workdir = "/app"
copy = ["requirements.txt"]
secrets = ["pip-index", "ca-bundle", "proxy"]

# The project's own tests: no image gets a tag unless they pass.
# [stages.test]
# from = "dependencies"
# gate = "test"
# copy = ["."]
# env = { PYTHONPATH = "/app:/dependencies" }
# run = ["python3 -m unittest discover"]"""


def _production(wanted: Wanted, start: _Start, port: int, *, locked: bool) -> str:
    top = start.file.partition("/")[0]
    copies = ['{ from = "dependencies", path = "/dependencies", to = "/dependencies" }'] if locked else []
    copies += map(string, dict.fromkeys([top, *project.delivered(wanted.folder)]))
    path = ":".join(["/app/src" if top == "src" else "/app", *(["/dependencies"] if locked else [])])
    test = array(["python3", "-c", _HEALTH.replace("PORT", str(port))])
    served = [
        f'expose = ["{port}"]',
        "# asks the server itself; give it a path of its own if `/` is dear",
        f"healthcheck = {{ test = {test}, {project.PATIENT} }}",
    ]
    return "\n".join(
        [
            "# What is delivered: no shell, no package manager, files that belong to root.",
            "[stages.production]",
            'from = "distroless"',
            'users = ["app"]',
            'workdir = "/app"',
            f'env = {{ PYTHONPATH = "{path}", PYTHONDONTWRITEBYTECODE = "1", PYTHONUNBUFFERED = "1" }}',
            "copy = [",
            *(f"  {one}," for one in copies),
            "]",
            'user = "app"',
            f"entrypoint = {array(['python3', *start.arguments])}",
            *(served if port else []),
            project.BUDGET,
        ]
    )


def _profile(health: tuple[str, ...], *, locked: bool) -> str:
    build = 'bases.python = { debian = "trixie", packages = ["python3", "python3-pip"] }\n' if locked else ""
    return f"""\
{project.PROFILE}
{project.waivers(health, unpinned=False)}
{build}\
[profiles.debian.bases.distroless]
debian = "trixie"
packages = ["python3", "ca-certificates", "tzdata"]
shell = false
exclude = ["usr/bin/tar", "usr/bin/py3*", "usr/sbin/*", "etc/rmt"] # packages bring them, and it never runs them"""
