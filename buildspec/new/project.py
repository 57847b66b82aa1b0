"""What all kinds of projects share: facts about a folder, and pieces of the specification that is written for it."""

from __future__ import annotations

import json
import posixpath
import re
import unicodedata
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from buildspec.errors import UsageError, quoted
from buildspec.spec.seal import Seal, seal_of

_MOST = 1 << 20
"""Bytes of a source file that are read."""
_LONGEST_NAME = 100
_LONGEST_TEXT = 200
# What a program doesn't need when it runs: tests, tools, papers, and what is made from the rest.
_NOT_DELIVERED = re.compile(
    r"\..*|_.*|tests?|spec|docs?|examples?|scripts|coverage|build|dist|out|venv|stages|node_modules|.*\.egg-info"
    r"|.*\.(md|rst|lock|log|map)|.*[.-](test|spec)\.\w+|.*\.config\.\w+|(test_.*|conftest|setup|tasks)\.py"
    r"|(buildspec|tsconfig|jsconfig|package-lock|npm-shrinkwrap|pnpm-lock|requirements)\b.*|noxfile\.py"
    r"|pyproject\.toml|setup\.cfg|tox\.ini|(docker-)?compose\b.*|(Docker|Make|Proc)file.*|LICEN[CS]E.*|NOTICE",
    re.IGNORECASE,
)
_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+ -]*")
"""Names that mean themselves in `copy`."""
_PORTS = (
    r"\bPORT\b[^\n]{0,40}?(?:\|\||\?\?|,|\bor\b)\s*['\"]?(\d{2,5})\b",
    r"\blisten\(\s*(\d{2,5})\b",
    r"(?i)\bport\b['\"]?\s*[=:]\s*['\"]?(\d{2,5})\b",
    r"\(\s*\(\s*['\"][\w.]*['\"]\s*,\s*(\d{2,5})\s*\)",
)
IGNORED = (".git*", ".env*", ".nox", ".venv", "build", "**/*.log", "buildspec.*", "noxfile.py", "stages", "Dockerfile*")
"""What no build needs of any project."""


@attrs.frozen
class Wanted:
    """What is asked for.

    Args:
        folder: the project's.
        entry: what starts, as the user says it: a file, module or package; looked for when empty.
        port: that a server listens on; 0 says that it is none, and None that it is to be looked for.
    """

    folder: Path
    entry: str = ""
    port: int | None = None


@attrs.frozen(kw_only=True)
class Proposal:
    """What would be written for a project, and what is told about it.

    Args:
        files: texts, by their paths in the project's folder.
        taken: what the project was taken for, in a line.
        notes: what somebody should know before they build, each in a line.
    """

    files: Mapping[str, str]
    taken: str
    notes: tuple[str, ...] = ()


# --- facts -----------------------------------------------------------------------------------------------------------


def text(path: Path) -> str:
    """The start of a file; empty when there is none."""
    try:
        with path.open("rb") as file:
            return file.read(_MOST).decode(errors="replace")
    except OSError:
        return ""


def table(value: object) -> Mapping[str, Any]:
    """A table of somebody else's file; an empty one where it has something else."""
    return value if isinstance(value, dict) else {}


def image_name(given: object, folder: Path) -> str:
    """A name that registries take, from a project's own: without scope, in small letters."""
    for one in (given, folder.resolve().name):
        plain = unicodedata.normalize("NFKD", str(one or "").rpartition("/")[2]).encode("ascii", "ignore").decode()
        if name := re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:_LONGEST_NAME].strip("-"):
            return name
    return "app"


def port_in(source: str) -> int:
    """The port that a program's source names; 0 when it names none."""
    for pattern in _PORTS:
        if (found := re.search(pattern, source)) and 0 < int(found[1]) < 1 << 16:
            return int(found[1])
    return 0


def port_of(wanted: Wanted, source: str, *, server: bool) -> int:
    """The port that the program listens on; 0 when it is no server.

    Raises:
        UsageError: it is a server, and which port isn't to be seen.
    """
    if wanted.port is not None:
        return wanted.port
    if not server:
        return 0
    if found := port_in(source):
        return found
    raise UsageError(
        "this looks like a server, and its port isn't to be seen", "say it: `--port 3000`, or `--port 0` for no server"
    )


def served(wanted: Wanted, port: int) -> str:
    """What a program was taken for, by its port, as the end of a sentence about it."""
    if port:
        return f"listens on {port}"
    if wanted.port == 0:
        return "a command that ends"
    return "no port seen, so taken for a command that ends; a server? add `--port 8080`"


def is_path(name: str) -> bool:
    """Whether a path means itself in `copy`, in its folder."""
    return all(_SAFE.fullmatch(part) for part in name.split("/"))


def delivered(folder: Path) -> list[str]:
    """Files and folders at a project's top that a program may need when it runs."""
    names = sorted(path.name for path in folder.iterdir() if _NOT_DELIVERED.fullmatch(path.name) is None)
    if odd := [name for name in names if _SAFE.fullmatch(name) is None]:
        raise UsageError(f"names that `copy` would take for patterns: {', '.join(map(quoted, odd))}", "rename them")
    return names


# --- pieces ----------------------------------------------------------------------------------------------------------


def string(value: str) -> str:
    """A string of TOML that means the value, whatever is in it."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f").replace("${", "$${")


def array(values: Iterable[str]) -> str:
    """An array of strings on a line."""
    return f"[{', '.join(map(string, values))}]"


def image(name: str, description: object = "", licence: object = "") -> str:
    """`[image]` of a project."""
    lines = ["[image]", f"name = {string(name)}", f"title = {string(name)}"]
    plain = " ".join(description.split()) if isinstance(description, str) else ""
    if plain and plain.isprintable() and len(plain) <= _LONGEST_TEXT:
        lines.append(f"description = {string(plain)}")
    if isinstance(licence, str) and re.fullmatch(r"[A-Za-z0-9.+ ()-]{1,60}", licence):
        lines.append(f"licenses = {string(licence)}")
    return "\n".join(
        [
            *lines,
            '# source = "https://…"  # of the sources, for a label that scanners and registries show',
            'platforms = ["linux/amd64", "linux/arm64"]',
            'deliver = { production = "" } # stage = tag suffix',
        ]
    )


def context(ignored: Sequence[str] = (), path: str = "", common: Sequence[str] = IGNORED) -> str:
    """`[context]`: what is never sent to the engine."""
    lines = ["[context]", *([f"path = {string(path)}"] if path else []), f"ignore = {array([*common, *ignored])}"]
    return "\n".join(lines)


def generate(folder: Path, site: str = "", without: Iterable[str] = ()) -> str:
    """`[generate]`: what is for other tools, without what is the project's own.

    Args:
        folder: the project's.
        site: folder of the context, where that is another one.
        without: what isn't wanted.
    """
    own = [*_own(folder, site)]
    left = {*without, *(name for name, _ in own)}
    left |= {"docker-bake.json"} if "Dockerfile" in left else set()  # which is about the Dockerfile beside it
    kept = [f"# Left out, being the project's own: {', '.join(path for _, path in own)}."] if own else []
    return "\n".join(
        [
            _NO_WORKFLOWS,
            *kept,
            "[generate]",
            f"files = {array([one for one in _GENERATED if one not in left])}",
            '# requirements = "requirements/build.txt"',
        ]
    )


def _own(folder: Path, site: str) -> Iterator[tuple[str, str]]:
    """What is there already of what would be generated, each with the path that it was found at."""
    for name in _GENERATED:
        ignore = posixpath.join(site, name) if name == ".dockerignore" else name
        for one in _COMPOSE if name == "compose.yaml" else (ignore,):
            path = folder / one
            if (path.is_symlink() or path.exists()) and seal_of(text(path)) is Seal.FOREIGN:
                yield name, one


def production(*, env: str, copies: Iterable[str], entrypoint: str, port: int, ask: Sequence[str]) -> str:
    """The stage that is delivered: an interpreter's, on a base without a shell.

    Args:
        env: an inline table.
        copies: elements of `copy`, and comments.
        entrypoint: an array, perhaps with a comment.
        port: that it listens on; 0 for a command that ends.
        ask: asks a server on PORT for its health.
    """
    test = array([one.replace("PORT", str(port)) for one in ask])
    served = [
        f'expose = ["{port}"]',
        "# asks the server itself; give it a path of its own if `/` is dear",
        f"healthcheck = {{ test = {test}, {PATIENT} }}",
    ]
    return "\n".join(
        [
            "# What is delivered: no shell, no package manager, files that belong to root.",
            "[stages.production]",
            'from = "distroless"',
            'users = ["app"]',
            'workdir = "/app"',
            f"env = {env}",
            "copy = [",
            *(f"  {one}{'' if one.startswith('#') else ','}" for one in copies),
            "]",
            'user = "app"',
            f"entrypoint = {entrypoint}",
            *(served if port else []),
            BUDGET,
        ]
    )


HEAD = """\
#:schema ./buildspec.schema.json
# What this repository's image is. `nox -s check` says what is wrong with it; `nox -s build` builds it, `nox -s test`
# tests it, `nox -s audit` looks into it. The line above is for editors: `nox -s generate` writes that file.
spec = 1"""
PROFILE = """\
# No image registry is needed: bases are assembled from Debian packages. `--profile auto` takes it where none answers.
[profiles.debian]"""
USER = """\
# A user without rights; by its number, as Kubernetes wants it.
[users.app]
uid = 1001
gid = 1001"""
PATIENT = 'interval = "30s", timeout = "20s", start-period = "30s", start-interval = "3s"'
"""Times of a health check that starts an interpreter, which takes seconds where it is emulated."""
RUNTIME = """\
# How tests run it: without capabilities, and with nothing to write to but these.
[runtime]
read-only = true
tmpfs = ["/tmp"]
memory = "256m"

# Where it goes, with `nox -s push -- v1.0.0`:
# [release]
# registries = ["ghcr.io/you"]
# tags = ["v{version}", "v{major}.{minor}", "latest"]"""
BUDGET = '# budget = { unpacked = "200MB", compressed = "80MB" } # `nox -s build` fails above it'
_GENERATED = ("Dockerfile", "docker-bake.json", ".dockerignore", "compose.yaml", "buildspec.schema.json")
_COMPOSE = ("compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml")
"""Of several, Docker takes the first: one that is written would stand in the way of the project's own."""
_NO_WORKFLOWS = """\
# What `nox -s generate` writes. Add ".github/workflows/release.yml" and ".github/workflows/pull-request.yml" once
# `generate.requirements` names the file that says where CI installs this program from: no public index has it."""
_UNPINNED = (
    '{ rule = "unpinned-base", at = "bases", reason = "until `nox -s lock` has recorded digests; then remove this" }'
)
WITHOUT_HEALTH = (
    '{ rule = "no-health-check", at = "stages.production", reason = "REASON" }',
    '{ rule = "health-check-missing", reason = "REASON" }',
)


def without_health(reason: str) -> tuple[str, ...]:
    """Waivers for an image that can't be asked, for check and audit."""
    return tuple(one.replace('"REASON"', string(reason)) for one in WITHOUT_HEALTH)


def waivers(more: Iterable[str] = (), *, unpinned: bool = True) -> str:
    """`waivers`, one a line."""
    lines = [*([_UNPINNED] if unpinned else []), *more]
    return "\n".join(["waivers = [", *(f"  {line}," for line in lines), "]"]) if lines else "waivers = []"


def server_tests(expected: str) -> str:
    """`[tests]` of a server."""
    return f"""\
# Against the built image, on every platform; emulated ones take their time to start.
[tests.becomes-healthy]
healthy = "2m"
timeout = "3m"
files = {{ "/bin/sh" = false, {string(expected)} = {{ owner = "0:0" }} }}

# The first process of a container ends on no signal that it doesn't handle; once it does:
# [tests.ends-when-asked]
# stop = {{ within = "10s" }}"""


def command_tests(expected: str) -> str:
    """`[tests]` of a command."""
    return f"""\
# Against the built image, on every platform; emulated ones take their time to start.
[tests.runs]
# run = ["--version"]  # arguments
# stdout = "1.0.0"     # what it must print
exit = 0
timeout = "3m"
files = {{ "/bin/sh" = false, {string(expected)} = {{ owner = "0:0" }} }}"""


def document(*parts: str) -> str:
    """The parts of a file, with a blank line between them."""
    return "\n\n".join(part.rstrip() for part in parts if part) + "\n"
