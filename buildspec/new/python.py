"""A Python project in, its specification out: packages as a lock file has them, and an image without a shell."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs

from buildspec.errors import UsageError, quoted
from buildspec.new import applications, project, requirements
from buildspec.new.project import Proposal, Wanted, array, string
from buildspec.new.requirements import LOCK, Locked

FILES = ("pyproject.toml", LOCK)
_PYTHON = (3, 13, 5)
"""Version of Debian 13's, which is the base's."""
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
    """What starts.

    Args:
        arguments: of the interpreter.
        file: that they lead to.
        about: what starts, for people.
        port: that the arguments name; 0 when they name none.
    """

    arguments: tuple[str, ...]
    file: str
    about: str
    port: int = 0


def propose(wanted: Wanted) -> Proposal:
    """What would be written for a Python project.

    Raises:
        UsageError: its packages aren't locked, it needs another Python, or nothing says what starts.
    """
    manifest = _manifest(wanted.folder)
    own = project.table(manifest.get("project"))
    _refuse_another_python(own.get("requires-python") or _poetry(manifest).get("python"))
    locked = requirements.read(
        wanted.folder, needed=bool(own.get("dependencies") or _poetry(manifest).keys() - {"python"})
    )
    start = _start(wanted, own, locked)
    source = project.text(wanted.folder / start.file)
    port = start.port or project.port_of(wanted, source, server=_SERVERS.search(source) is not None)
    files = {"buildspec.toml": _specification(wanted, own, start, port, locked)}
    if locked.files:
        hashes = "--require-hashes " if locked.hashed else ""
        files["stages/dependencies.Dockerfile"] = _INSTALL.format(hashes=hashes)
    return Proposal(files=files, taken=f"starts {start.about}, {project.served(wanted, port)}")


def _manifest(folder: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(project.text(folder / "pyproject.toml"))
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"pyproject.toml isn't TOML: {error}") from error


def _poetry(manifest: Mapping[str, Any]) -> Mapping[str, Any]:
    """What Poetry's own table asks for, Python among it."""
    poetry = project.table(project.table(manifest.get("tool")).get("poetry"))
    return project.table(poetry.get("dependencies"))


def _refuse_another_python(asked: object) -> None:
    if isinstance(asked, str) and "|" not in asked and not all(map(_fits, asked.split(","))):
        here = ".".join(map(str, _PYTHON[:2]))
        raise UsageError(
            f"the project requires Python {quoted(asked)}, and the base without a shell has {here}",
            "docs/guides/other-languages.md shows how to write stages by hand, on a base that has it",
        )


def _fits(clause: str) -> bool:
    """Whether the base's Python is one of those that a clause of `requires-python`, or of Poetry's, asks for."""
    found = re.match(r"\s*(>=|<=|===?|!=|~=|>|<|\^|~|)\s*(\d+(?:\.\d+)*)", clause)
    if found is None:
        return True
    asked = tuple(map(int, found[2].split(".")))
    here = _PYTHON[: len(asked)]
    match found[1]:
        case ">=":
            return asked <= _PYTHON
        case ">":
            return asked < _PYTHON
        case "<":
            return here < asked
        case "<=":
            return here <= asked
        case "!=":
            return here != asked
        case "^":
            return asked <= _PYTHON and here[0] == asked[0]
        case "~=":
            return asked <= _PYTHON and here[:-1] == asked[:-1]
        case "~":
            return asked <= _PYTHON and here[:2] == asked[:2]
        case _:
            return here == asked


def _start(wanted: Wanted, own: Mapping[str, Any], locked: Locked) -> _Start:
    """What starts.

    Raises:
        UsageError: nothing says, or several could be meant.
    """
    for tier in [[wanted.entry]] if wanted.entry else _usual(wanted.folder, own, locked):
        found = {one: start for one in tier if (start := _started(wanted, one, locked))}
        if len(found) > 1:
            ways = " or ".join(f"`--entry {one}`" for one in found)
            raise UsageError(f"several may be what starts: {', '.join(map(quoted, found))}", f"say which: {ways}")
        if found:
            return next(iter(found.values()))
    why = f"there is no {quoted(wanted.entry)}" if wanted.entry else "nothing here says what starts"
    ways = "`--entry server.py`, a package with a `__main__`, or `--entry package.module:function`"
    raise UsageError(why, f"a package's __main__.py, [project.scripts], main.py and app.py do; or say it: {ways}")


def _usual(folder: Path, own: Mapping[str, Any], locked: Locked) -> Iterator[Iterable[str]]:
    """What projects usually start, the clearest first; of those that are side by side, one can be meant."""
    yield [one for one in project.table(own.get("scripts")).values() if isinstance(one, str)]
    yield [path.parent.name for path in _inside(folder, "__main__.py")]
    web = {name: [*_top(folder, name), *_inside(folder, name)] for name in ("wsgi.py", "asgi.py")}
    if all(web.values()):  # Django writes both
        name = "asgi.py" if applications.has_server("asgi", but="wsgi", packages=locked.packages) else "wsgi.py"
        web = {name: web[name]}
    yield [path.relative_to(folder).as_posix() for paths in web.values() for path in paths]
    for name in ("main.py", "app.py", "server.py"):
        yield [name]
    inside = [*_inside(folder, "main.py"), *_inside(folder, "app.py")]
    yield [path.relative_to(folder).as_posix() for path in inside if applications.makes_one(project.text(path))]


def _top(folder: Path, name: str) -> list[Path]:
    return [folder / name] if (folder / name).is_file() else []


def _inside(folder: Path, name: str) -> list[Path]:
    """Files of a name in the project's packages."""
    found = [path for parent in (folder / "src", folder) for path in sorted(parent.glob(f"*/{name}"))]
    return [path for path in found if path.parent.name not in {"src", "tests", "test", "venv", ".venv", "node_modules"}]


def _started(wanted: Wanted, entry: str, locked: Locked) -> _Start | None:
    """What a file, a module, or a name in a module starts; None where it isn't there."""
    if entry.endswith(".py"):
        if not project.is_path(entry) or not (wanted.folder / entry).is_file():
            return None
        return _served(wanted, _module(entry), entry, locked) or _Start((f"/app/{entry}",), entry, entry)
    module, colon, function = entry.partition(":")
    if not _MODULE.fullmatch(module) or (colon and not _MODULE.fullmatch(function)):
        return None
    path = module.replace(".", "/")
    names = (f"{path}.py", f"{path}/__init__.py") if colon else (f"{path}/__main__.py", f"{path}.py")
    tops = [f"{top}{one}" for top in ("src/", "") for one in names]
    file = next((name for name in tops if (wanted.folder / name).is_file()), "")
    if not file:
        return None
    if not colon:
        return _served(wanted, module, file, locked) or _Start(("-m", module), file, f"module {module}")
    if served := _served(wanted, module, file, locked, function):
        return served
    top = function.partition(".")[0]
    if applications.is_awaited(function, project.text(wanted.folder / file)):
        code = f"import asyncio, sys; from {module} import {top}; sys.exit(asyncio.run({function}()))"
    else:
        code = f"import sys; from {module} import {top}; sys.exit({function}())"
    return _Start(("-c", code), file, f"function {entry}")


def _module(file: str) -> str:
    """A file's name for `import`."""
    return file.removeprefix("src/").removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _served(wanted: Wanted, module: str, file: str, locked: Locked, name: str = "") -> _Start | None:
    """A server with the application of a file, or of a name in it; None where there is none, or it starts itself."""
    source = project.text(wanted.folder / file)
    if name:
        found = applications.named(module, name, file, source, locked.packages)
    else:
        found = applications.in_file(module, file, source, locked.packages)
    if found is None:
        return None
    if wanted.port == 0:
        raise UsageError(f"{file} has a web application, which a server serves", "leave out `--port 0`")
    server = found.server(locked.packages)
    port = wanted.port or project.port_in(source) or applications.PORT
    return _Start(found.command(server, port), file, f"{found.module}:{found.name} by {server}", port)


def _specification(wanted: Wanted, own: Mapping[str, Any], start: _Start, port: int, locked: Locked) -> str:
    health = () if port else project.without_health("a command that ends, not a service")
    tested = project.server_tests if port else project.command_tests
    return project.document(
        f"{project.HEAD}\n{project.waivers(health)}",
        project.image(project.image_name(own.get("name"), wanted.folder), own.get("description"), own.get("license")),
        project.context(["**/__pycache__", ".venv", "venv", "dist", "**/*.egg-info"]),
        _bases(locked=bool(locked.files)),
        _INDEX if locked.files else "",
        project.USER,
        _dependencies(locked),
        _production(wanted, start, port, locked=bool(locked.files)),
        tested(f"/app/{start.file}"),
        project.RUNTIME,
        project.generate(wanted.folder),
        _profile(health, locked=bool(locked.files)),
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
copy = COPIES
secrets = ["pip-index", "ca-bundle", "proxy"]

# The project's own tests: no image gets a tag unless they pass.
# [stages.test]
# from = "dependencies"
# gate = "test"
# copy = ["."]
# env = { PYTHONPATH = "/app:/dependencies" }
# run = ["python3 -m unittest discover"]"""


def _dependencies(locked: Locked) -> str:
    """The stage that installs; files that are in folders stay there, as they refer to each other."""
    copies = [
        f"{{ path = {string(one)}, to = {string(f'./{one}')} }}" if "/" in one else string(one) for one in locked.files
    ]
    return _DEPENDENCIES.replace("COPIES", f"[{', '.join(copies)}]") if copies else ""


def _production(wanted: Wanted, start: _Start, port: int, *, locked: bool) -> str:
    top = start.file.partition("/")[0]
    copies = ['{ from = "dependencies", path = "/dependencies", to = "/dependencies" }'] if locked else []
    copies += map(string, dict.fromkeys([top, *project.delivered(wanted.folder)]))
    path = ":".join(["/app/src" if top == "src" else "/app", *(["/dependencies"] if locked else [])])
    return project.production(
        env=f'{{ PYTHONPATH = "{path}", PYTHONDONTWRITEBYTECODE = "1", PYTHONUNBUFFERED = "1" }}',
        copies=copies,
        entrypoint=array(["python3", *start.arguments]),
        port=port,
        ask=["python3", "-c", _HEALTH],
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
