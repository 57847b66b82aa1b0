"""The stage graph as the rules look at it: what is needed, where it runs, and where machine code comes from."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache

import attrs

from buildspec.checks.commands import Install, commands, installs
from buildspec.checks.rules import Subject
from buildspec.checks.texts import lineage
from buildspec.spec.model import Base, Copy, DebianBase
from buildspec.spec.unknown import UNKNOWN, UnknownError

# Files that hold no machine code, whatever made them.
_TEXTS = (".js", ".mjs", ".cjs", ".json", ".map", ".html", ".css", ".md", ".txt", ".toml", ".yaml", ".yml", ".py")
_MODULES = "node_modules"
_SOURCES = frozenset({".", "*", "**", "src", "lib", "source", "sources"})
_ACCOUNT_TOOLS = re.compile(r"\b(adduser|useradd|usermod)\b|/etc/passwd")


@attrs.frozen
class Made:
    """Machine code that a stage may have left."""

    stage: str
    install: Install


@attrs.frozen
class Graph:
    """What is asked of the graph again and again, found once."""

    subject: Subject
    made: Mapping[str, tuple[Made, ...]]
    """By stage, of its own commands."""
    tainted: frozenset[str]
    """Stages whose files may hold machine code, made there or where they come from."""
    targets: frozenset[str]
    """Stages that run on the target platforms for what is delivered and for the gates."""
    needed: frozenset[str]
    """Stages that something delivered or a gate needs."""
    inherited: frozenset[str]
    """Delivered stages, and those they are built from."""


class _Identity:
    """A subject as a key: two are never compared by their contents."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    def __hash__(self) -> int:
        return id(self.subject)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.subject is other.subject


def graph(subject: Subject) -> Graph:
    """The graph of a specification.

    Raises:
        UnknownError: the stages, or what is delivered, aren't known.
    """
    return _graph(_Identity(subject))


@lru_cache(maxsize=1)
def _graph(key: _Identity) -> Graph:
    subject = key.subject
    stages = subject.spec.stages
    made = {name: found for name in stages if (found := tuple(_made(subject, name)))}
    gates = [name for name, stage in stages.items() if stage is not UNKNOWN and stage.gate]
    roots = [name for name in (*subject.spec.image.deliver, *gates) if name in stages]
    inherited: set[str] = set()
    for name in subject.spec.image.deliver:
        for one in lineage(subject, name) if name in stages else ():
            if one in inherited:
                break  # and so are those it is built on
            inherited.add(one)
    return Graph(
        subject,
        made,
        frozenset(_tainted(subject, made)),
        frozenset(_reached(subject, roots, on_target=True)),
        frozenset(_reached(subject, roots, on_target=False)),
        frozenset(inherited),
    )


def _made(subject: Subject, name: str) -> Iterator[Made]:
    try:
        for command in commands(subject, name):
            yield from (Made(name, one) for one in installs(command) if one.machine_code)
    except UnknownError:
        return


def sources(subject: Subject, name: str) -> Iterator[str]:
    """The stages that a stage starts from and copies from.

    Raises:
        UnknownError: they aren't known.
    """
    stage = subject.spec.stages[name]
    for one in (stage.from_, *(copy.from_ for copy in stage.copy)):
        if one in subject.spec.stages:
            yield one


def _reached(subject: Subject, roots: list[str], *, on_target: bool) -> set[str]:
    todo = list(roots)
    found: set[str] = set()
    while todo:
        name = todo.pop()
        if name not in found and not (on_target and subject.runs_on(name) == "build"):
            found.add(name)
            todo += sources(subject, name)
    return found


def _tainted(subject: Subject, made: Mapping[str, tuple[Made, ...]]) -> set[str]:
    users: dict[str, list[str]] = {}
    for name in subject.spec.stages if made else ():
        for source in sources(subject, name):
            users.setdefault(source, []).append(name)
    found: set[str] = set()
    todo = list(made)
    while todo:
        if (name := todo.pop()) not in found:
            found.add(name)
            todo += users.get(name, ())
    return found


@attrs.frozen
class Descent:
    """What a stage's image has of the stage itself and of those it starts from."""

    workdir: str = "/"
    """The working folder at the end of the stage."""
    commands: bool = False
    """Some of them have commands, which may have made anything."""
    users: frozenset[str] = frozenset()
    """Users of `[users]` that were made."""
    accounts_unknown: bool = False
    """Commands or copies may have made more."""
    sources: tuple[str, int] | None = None
    """The last stage that copies the application's sources, and the index in its `copy`."""


def descent(subject: Subject, stage: str) -> Descent:
    """What a stage has from those it starts from.

    Raises:
        UnknownError: something of one of them isn't known.
    """
    found = _descents(_Identity(subject)).get(stage, Descent())
    if found is None:
        raise UnknownError
    return found


def workdir(subject: Subject, stage: str) -> str:
    """The working folder at the end of a stage; `/` when none is set."""
    return descent(subject, stage).workdir


@lru_cache(maxsize=1)
def _descents(key: _Identity) -> Mapping[str, Descent | None]:
    """Of all stages at once: one by one, a chain of them would be walked again for each of its links."""
    subject = key.subject
    found: dict[str, Descent | None] = {}
    for start in subject.spec.stages:
        trail: dict[str, None] = {}
        name = start
        try:
            while name in subject.spec.stages and name not in found and name not in trail:
                trail[name] = None
                name = subject.spec.stages[name].from_
            above = found.get(name, Descent())
        except UnknownError:
            above = None
        for one in reversed(trail):
            above = found[one] = _below(subject, one, above)
    return found


def _below(subject: Subject, name: str, above: Descent | None) -> Descent | None:
    if above is None:
        return None
    try:
        stage = subject.spec.stages[name]
        folder = posixpath.join(above.workdir, stage.workdir)
        own = list(commands(subject, name))
        unknown = any(_ACCOUNT_TOOLS.search(command.text) for command in own) or any(
            overlap(landing(copy, folder), "/etc/passwd") for copy in stage.copy
        )
        users = above.users.union(stage.users) if stage.users else above.users
    except UnknownError:
        return None
    copied = [(name, index) for index, copy in enumerate(stage.copy) if _is_source(copy)]
    sources = copied[0] if copied else above.sources
    return Descent(folder, above.commands or bool(own), users, above.accounts_unknown or unknown, sources)


def _is_source(copy: Copy) -> bool:
    return not copy.from_ and posixpath.normpath(copy.path) in _SOURCES


def origins(subject: Subject, stage: str, path: str) -> Iterator[Made]:
    """Machine code that may be below a path of a stage's image, whatever stages it came through.

    Args:
        subject: the specification.
        stage: a stage.
        path: as in `copy`: absolute, or relative to the stage's working folder.
    """
    known = graph(subject)
    todo = [(stage, posixpath.normpath(posixpath.join(workdir(subject, stage), path)))]
    seen: set[tuple[str, str]] = set()
    while todo:
        at, wanted = todo.pop()
        if (at, wanted) in seen or at not in known.tainted:
            continue
        seen.add((at, wanted))
        folder = workdir(subject, at)
        for made in known.made.get(at, ()):
            if _may_hold(wanted, made.install, folder):
                yield made
        parent = subject.spec.stages[at].from_
        if parent in subject.spec.stages:
            todo.append((parent, wanted))
        for copy in subject.spec.stages[at].copy:
            if copy.from_ in known.tainted and (inner := _came_from(copy, wanted, folder)):
                start = workdir(subject, copy.from_)
                todo.append((copy.from_, posixpath.normpath(posixpath.join(start, inner))))


def landing(copy: Copy, folder: str) -> str:
    """Where copies go, as an absolute path."""
    return posixpath.normpath(posixpath.join(folder, copy.to or copy.path))


def overlap(one: str, other: str) -> bool:
    """Whether one path is the other, or lies below it."""
    one, other = (f"{path.rstrip('/')}/" for path in (one, other))
    return one.startswith(other) or other.startswith(one)


def _came_from(copy: Copy, wanted: str, folder: str) -> str:
    """The path in the source that became the wanted one; empty when the copy brought nothing of it."""
    place = landing(copy, folder)
    if not overlap(place, wanted):
        return ""
    if wanted.startswith(f"{place.rstrip('/')}/") and not copy.path.endswith(_TEXTS):
        return posixpath.join(copy.path, wanted[len(place.rstrip("/")) + 1 :])
    return copy.path


def _may_hold(path: str, install: Install, folder: str) -> bool:
    if path.endswith(_TEXTS):
        return False
    if install.tool in {"npm", "yarn", "pnpm"}:
        # npm and its kin keep native modules in node_modules: what a bundler wrote elsewhere is JavaScript
        places = (posixpath.join(folder, _MODULES), f"/usr/local/lib/{_MODULES}")
        return _MODULES in path.split("/") or any(overlap(path, place) for place in places)
    return True


def root(subject: Subject, stage: str) -> Base | None:
    """The base at the root of a stage; None for `scratch` and for what isn't there."""
    name = stage
    for one in lineage(subject, stage):
        name = subject.spec.stages[one].from_
    return subject.spec.bases.get(name)


def runs_foreign(subject: Subject, name: str) -> bool:
    """Whether a stage that runs on the target runs programs there: its commands, or apt on a base from a registry."""
    if next(commands(subject, name), None) is not None:
        return True
    if not subject.spec.stages[name].packages or isinstance(root(subject, name), DebianBase):
        return False
    known = subject.traits(name)
    return known is not None and known.packages == "apt"
