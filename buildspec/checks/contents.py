"""The stage graph as the rules look at it: what is needed, where it runs, and where machine code comes from."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache

import attrs

from buildspec.checks.commands import Install, commands
from buildspec.checks.rules import Subject, inherited
from buildspec.checks.texts import lineage
from buildspec.spec.model import Copy, DebianBase, Stage
from buildspec.spec.unknown import UNKNOWN, UnknownError

# Files that hold no machine code, whatever made them.
_TEXTS = (".js", ".mjs", ".cjs", ".json", ".map", ".html", ".css", ".md", ".txt", ".toml", ".yaml", ".yml", ".py")
_MODULES = "node_modules"
_SOURCES = frozenset({".", "*", "**", "src", "lib", "source", "sources"})
LONGEST_PATH = 4096
"""Characters of a path that Linux takes (PATH_MAX of linux/limits.h); there is no file with a longer one."""
_MOST_LOOKS = 50_000
"""Stages and copies that a search looks at; a specification that needs more of them is none that a person wrote."""
_ACCOUNT_TOOLS = re.compile(r"\b(adduser|useradd|usermod)\b|/etc/passwd")


@attrs.frozen(repr=False)
class Made:
    """Machine code that a stage may have left."""

    stage: str
    install: Install


@attrs.frozen(repr=False)
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


@lru_cache(maxsize=1)
def graph(subject: Subject) -> Graph:
    """The graph of a specification.

    Raises:
        UnknownError: the stages, or what is delivered, aren't known.
    """
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
            yield from (Made(name, one) for one in command.installs if one.machine_code)
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


_MOST_USERS = 100
"""Users of an image that are told apart; no image has more."""


@attrs.frozen(repr=False)
class Descent:
    """What a stage's image has of the stage itself and of those it starts from."""

    workdir: str = "/"
    """The working folder at the end of the stage."""
    commands: bool = False
    """Some of them have commands, which may have made anything."""
    users: tuple[str, ...] = ()
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
    found = _descents(subject).get(stage, Descent())
    if found is UNKNOWN:
        raise UnknownError
    return found


def workdir(subject: Subject, stage: str) -> str:
    """The working folder at the end of a stage; `/` when none is set."""
    return descent(subject, stage).workdir


@lru_cache(maxsize=1)
def _descents(subject: Subject) -> Mapping[str, Descent]:
    return inherited(subject, lambda _: Descent(), lambda name, stage, above: _below(subject, name, stage, above))


def _below(subject: Subject, name: str, stage: Stage, above: Descent) -> Descent:
    folder = posixpath.join(above.workdir, stage.workdir)
    if len(folder) > LONGEST_PATH and not stage.workdir.startswith("/"):
        folder = above.workdir  # there can't be such a folder, and a chain of stages would make it longer and longer
    own = commands(subject, name)
    users = (*above.users, *stage.users)
    unknown = len(users) > _MOST_USERS or any(_ACCOUNT_TOOLS.search(command.text) for command in own)
    unknown = unknown or any(overlap(landing(copy, folder), "/etc/passwd") for copy in stage.copy)
    copied = [(name, index) for index, copy in enumerate(stage.copy) if _is_source(copy)]
    return Descent(
        folder,
        above.commands or bool(own),
        above.users if len(users) > _MOST_USERS else users,
        above.accounts_unknown or unknown,
        copied[0] if copied else above.sources,
    )


def _is_source(copy: Copy) -> bool:
    return not copy.from_ and posixpath.normpath(copy.path) in _SOURCES


_Place = tuple[str, str]
"""A stage, and an absolute path in its image."""


@attrs.define(repr=False)
class Search:
    """A search for machine code of one kind, through all stages that it may have come through.

    What was looked at is remembered, as many copies come the same way. That is bounded too: copies of copies can give a
    path as many forms as there are ways through the graph.
    """

    _subject: Subject
    _kind: Callable[[Made], bool]
    _found: dict[_Place, Made | None] = attrs.field(init=False, factory=dict)
    _looks: int = attrs.field(init=False, default=0)

    def first(self, stage: str, path: str) -> Made | None:
        """Machine code of that kind that may be below a path of a stage's image; None when there is none.

        Args:
            stage: its name.
            path: as in `copy`: absolute, or relative to the stage's working folder.

        Raises:
            UnknownError: something that it hangs on isn't known.
        """
        todo: list[tuple[_Place, _Place | None]] = [(_within(self._subject, stage, path), None)]
        users: dict[_Place, _Place | None] = {}
        while todo and self._looks < _MOST_LOOKS:
            place, user = todo.pop()
            if place not in self._found:
                users[place] = user
                self._found[place] = self._made(*place)
                if self._found[place] is None:
                    todo += ((source, place) for source in self._sources(*place))
            if (made := self._found[place]) is not None:
                while user is not None:
                    self._found[user] = made
                    user = users[user]
                return made
        return None

    def _made(self, stage: str, path: str) -> Made | None:
        """What a stage's own commands may have left there."""
        self._looks += 1
        own = graph(self._subject).made.get(stage, ())
        folder = workdir(self._subject, stage) if own else ""
        return next((one for one in own if self._kind(one) and _may_hold(path, one.install, folder)), None)

    def _sources(self, stage: str, path: str) -> Iterator[_Place]:
        """Where what is below a path came from; the last of them is looked at first."""
        stages = self._subject.spec.stages
        tainted = graph(self._subject).tainted
        parent = stages[stage].from_
        if parent in tainted:
            yield parent, path
        folder = workdir(self._subject, stage)
        for copy in stages[stage].copy if len(path) <= LONGEST_PATH else ():
            self._looks += 1
            if copy.from_ in tainted and (inner := _came_from(copy, path, folder)):
                yield _within(self._subject, copy.from_, inner)


def _within(subject: Subject, stage: str, path: str) -> _Place:
    return stage, posixpath.normpath(posixpath.join(workdir(subject, stage), path))


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


def runs_foreign(subject: Subject, name: str) -> bool:
    """Whether a stage that runs on the target runs programs there: its commands, or apt on a base from a registry."""
    if commands(subject, name):
        return True
    if not subject.spec.stages[name].packages or isinstance(subject.base(name), DebianBase):
        return False
    known = subject.traits(name)
    return known is not None and known.packages == "apt"
