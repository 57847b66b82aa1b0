"""A Python file in, the application that a web server would be given out, and the server that is locked for it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence, Set
from typing import Literal

import attrs

from buildspec.errors import UsageError, quoted

Interface = Literal["asgi", "wsgi"]
PORT = 8000
"""Of a server that is told by its command line, where nothing else is said."""
_MADE_BY: Mapping[str, Interface] = {
    "FastAPI": "asgi",
    "Starlette": "asgi",
    "Quart": "asgi",
    "Litestar": "asgi",
    "get_asgi_application": "asgi",
    "Flask": "wsgi",
    "Bottle": "wsgi",
    "get_wsgi_application": "wsgi",
}
_PACKAGES: Mapping[str, Interface] = {
    "fastapi": "asgi",
    "starlette": "asgi",
    "quart": "asgi",
    "litestar": "asgi",
    "flask": "wsgi",
    "bottle": "wsgi",
    "django": "wsgi",
}
_MAKES = rf"\b({'|'.join(_MADE_BY)})\("
_ASSIGNED = re.compile(rf"^(\w+)[ \t]*(?::[^=\n]+)?=[ \t]*(?:\w+\.)*{_MAKES}", re.MULTILINE)
_RUNS = re.compile(r"\b(?:uvicorn|hypercorn|waitress)\.\w+\(|\bserve\(")
_DEVELOPS = re.compile(r"\bapp\w*\.run\(|\)\.run\(")
"""Runs the server of a framework, which it says is for development."""
_USUAL = ("app", "application", "api", "asgi", "wsgi")
_MAKER = re.compile(r"(?:create|make|build|get)_(?:\w+_)?app(?:lication)?")
_SIGNATURES: Mapping[tuple[str, ...], Interface] = {
    ("scope", "receive", "send"): "asgi",
    ("environ", "start_response"): "wsgi",
    ("env", "start_response"): "wsgi",
}
_HOST = "0.0.0.0"  # noqa: S104  # a container's own addresses
_SERVERS: Mapping[Interface, Mapping[str, Sequence[str]]] = {
    "asgi": {
        "uvicorn": ("-m", "uvicorn", "OBJECT", "--host", _HOST, "--port", "PORT"),
        "hypercorn": ("-m", "hypercorn", "OBJECT", "--bind", f"{_HOST}:PORT"),
    },
    "wsgi": {
        "gunicorn": ("-m", "gunicorn", "OBJECT", "--bind", f"{_HOST}:PORT"),
        "waitress": ("-m", "waitress", f"--listen={_HOST}:PORT", "OBJECT"),
    },
}


@attrs.frozen
class Application:
    """An application that a server calls: the module it is in, its name there, and how it is called."""

    module: str
    name: str
    interface: Interface

    def server(self, packages: Set[str]) -> str:
        """The server that is locked for it; empty without one."""
        return next((one for one in _SERVERS[self.interface] if one in packages), "")

    def command(self, server: str, port: int) -> tuple[str, ...]:
        """What the interpreter is given, for a server to serve it."""
        words = _SERVERS[self.interface][server]
        return tuple(one.replace("PORT", str(port)).replace("OBJECT", f"{self.module}:{self.name}") for one in words)

    def unserved(self, file: str) -> UsageError:
        """That no server is locked for it."""
        ways = " or ".join(_SERVERS[self.interface])
        return UsageError(
            f"{file} has a web application, {quoted(self.name)}, and requirements.txt has no server for it",
            f"add {ways} to it, with its version",
        )


def in_file(module: str, file: str, source: str, packages: Set[str]) -> Application | None:
    """The application that a server should be given when a file is to start; None where the file starts by itself.

    Args:
        module: as it would be imported.
        file: its path, for messages.
        source: of it.
        packages: that are locked.

    Raises:
        UsageError: the application is made in a function, or no server is locked for it.
    """
    if _RUNS.search(source):
        return None
    alone = _DEVELOPS.search(source) is not None
    if made := _ASSIGNED.search(source):
        found = Application(module, made[1], _MADE_BY[made[2]])
    elif (interface := _by_file(file)) and (name := next((one for one in _USUAL if _there(source, one)), "")):
        found = Application(module, name, interface)
    elif (inside := re.search(_MAKES, source)) and not alone:
        raise UsageError(
            f"{file} makes its application, of {inside[1]}, where no server can import it",
            "assign it to a name of a module, and say which: `--entry package.module:name`",
        )
    else:
        return None
    if found.server(packages):
        return found
    if alone:
        return None
    raise found.unserved(file)


def named(module: str, name: str, file: str, source: str, packages: Set[str]) -> Application | None:
    """The application that a name of a module is; None where it is a function to call.

    Args:
        module: as it would be imported.
        name: what is asked for.
        file: its path, for messages.
        source: of it.
        packages: that are locked.

    Raises:
        UsageError: it makes an application, or no server is locked for it.
    """
    interface = _interface(name, file, source, packages)
    if interface is None:
        return None
    found = Application(module, name, interface)
    if not found.server(packages):
        raise found.unserved(file)
    return found


def _interface(name: str, file: str, source: str, packages: Set[str]) -> Interface | None:
    if made := next((one for one in _ASSIGNED.finditer(source) if one[1] == name), None):
        return _MADE_BY[made[2]]
    if function := re.search(rf"^(?:async[ \t]+)?def[ \t]+{name}[ \t]*\(([^)]*)\)", source, re.MULTILINE):
        if _MAKER.fullmatch(name):
            raise UsageError(
                f"{quoted(name)} makes an application, and isn't one",
                f"assign what it makes, `app = {name}()`, and say that name: `--entry package.module:app`",
            )
        return _SIGNATURES.get(tuple(one.partition(":")[0].strip() for one in function[1].strip(" ,\n").split(",")))
    if name not in _USUAL or re.search(rf"^{name}\b[^\n]*\b(?:Typer|App)\(", source, re.MULTILINE):
        return None
    return _by_file(file) or next(
        (
            interface
            for one, interface in _PACKAGES.items()
            if re.search(rf"^(?:from|import) {one}\b", source, re.MULTILINE)
        ),
        next((interface for one, interface in _PACKAGES.items() if one in packages), None),
    )


def makes_one(source: str) -> bool:
    """Whether a file assigns an application to a name."""
    return _ASSIGNED.search(source) is not None


def has_server(interface: Interface, *, but: Interface, packages: Set[str]) -> bool:
    """Whether a server of an interface is locked, and none of the other one."""
    return not packages.isdisjoint(_SERVERS[interface]) and packages.isdisjoint(_SERVERS[but])


def is_awaited(name: str, source: str) -> bool:
    """Whether a function has to be awaited."""
    return re.search(rf"^async[ \t]+def[ \t]+{name}\b", source, re.MULTILINE) is not None


def _by_file(file: str) -> Interface | None:
    match file.rpartition("/")[2]:
        case "asgi.py":
            return "asgi"
        case "wsgi.py":
            return "wsgi"
    return None


def _there(source: str, name: str) -> bool:
    return re.search(rf"^{name}\b[^\n]*=|^(?:from|import)\b[^\n]*\b{name}\s*$", source, re.MULTILINE) is not None
