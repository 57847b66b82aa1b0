"""The files of the context, for rules about paths: what a copy names, what is ignored, and what leads out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from posixpath import normpath

import attrs

from buildspec.checks.patterns import Ignored, compile_pattern, effort
from buildspec.checks.rules import Subject
from buildspec.spec.unknown import UNKNOWN, UnknownError

_DRIVE = re.compile(r"[A-Za-z]:")
WILD = re.compile(r"[*?\[]")
_ENOUGH = 1000
"""Files and folders that are looked at for one that isn't ignored; a larger context has one, in all likelihood."""
_MOST_STEPS = 2_000_000
"""What may be spent on patterns, in the unit of their weight: more than a specification needs that a person wrote."""


def escapes(path: str) -> str:
    """What is wrong with a relative path, by its text alone; empty when nothing is."""
    if "\\" in path:
        return r"has a '\', which not every machine reads the same way"
    if _DRIVE.match(path):
        return "starts with a drive letter"
    if path.startswith("/"):
        return "is absolute"
    return "leads upwards with '..'" if ".." in path.split("/") else ""


def within(folder: Path, path: Path) -> bool:
    """Whether a path is in a folder in the end, wherever links lead to."""
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a circle of links
        return False


def _folder(subject: Subject) -> Path | None:
    """The context's folder; None when it isn't known, or isn't there, so that nothing can be said of its files."""
    context = subject.spec.context
    if context is UNKNOWN or context.path is UNKNOWN or "\0" in context.path or escapes(context.path):
        return None
    folder = subject.source.root / context.path
    return folder if os.path.isdir(folder) else None  # noqa: PTH112 - Path.is_dir raises for a name that is too long


@attrs.define(repr=False)
class Files:
    """The files of the context, each looked at once, however many copies name it."""

    folder: Path
    _left: int = attrs.field(init=False, default=_MOST_STEPS)
    _matched: dict[str, list[str]] = attrs.field(init=False, factory=dict)
    _names: dict[str, Sequence[str]] = attrs.field(init=False, factory=dict)
    _held: dict[str, bool] = attrs.field(init=False, factory=dict)
    _unsent: dict[str, bool] = attrs.field(init=False, factory=dict)

    def matches(self, text: str) -> list[str]:
        """The files and folders that a path or pattern names, as paths relative to the folder.

        Raises:
            UnknownError: it takes more than may be spent.
        """
        if text not in self._matched:
            found = [""]
            for part in normpath(text).split("/"):
                if part != ".":
                    found = [name for parent in found for name in self._children(parent, part)]
            self._matched[text] = [name or "." for name in found]
        found = self._matched[text]
        if len(found) > 1:
            self.spend(len(found) // 4 + 1)  # whoever asks looks at each
        return found

    def _children(self, parent: str, part: str) -> Iterator[str]:
        """What one part of a path or pattern names in a folder; like Docker's, `**` is no more than `*` here."""
        before = f"{parent}/" if parent else ""
        if not WILD.search(part):
            if os.path.lexists(os.path.join(self.folder, before + part)):  # noqa: PTH118 - Path takes its time
                yield before + part
            return
        part = re.sub(r"\*+", "*", part)
        self.spend(effort(part))
        pattern = compile_pattern(part)
        for name in self.names(parent) if pattern is not None else ():
            if pattern is not None:
                self.spend(pattern.weight * len(name))
                if pattern.matches(name):
                    yield before + name

    def names(self, parent: str) -> Sequence[str]:
        """What is in a folder, sorted."""
        if parent not in self._names:
            try:
                # names alone, without an object for each
                self._names[parent] = sorted(os.listdir(self.folder / parent))  # noqa: PTH208
            except OSError:
                self._names[parent] = ()
        return self._names[parent]

    def holds(self, name: str) -> bool:
        """Whether a file is in the folder in the end, wherever links lead to."""
        if name not in self._held:
            self._held[name] = within(self.folder, self.folder / name)
        return self._held[name]

    def unsent(self, name: str, ignored: Ignored) -> bool:
        """Whether a file, or all that is in a folder, is ignored; an empty folder isn't."""
        if name not in self._unsent:
            self._unsent[name] = self._all_ignored(name, ignored)
        return self._unsent[name]

    def _all_ignored(self, name: str, ignored: Ignored) -> bool:
        if not (self.folder / name).is_dir() or (self.folder / name).is_symlink():
            return self._ignores(name, ignored)
        if name != "." and not ignored.takes_again and self._ignores(name, ignored):
            return True
        looked = 0
        for parent, folders, files in os.walk(self.folder / name):
            inner = Path(parent).relative_to(self.folder).as_posix()
            before = "" if inner == "." else f"{inner}/"
            if any(not self._ignores(before + file, ignored) for file in files):
                return False
            if not ignored.takes_again:
                folders[:] = [one for one in folders if not self._ignores(before + one, ignored)]
            looked += len(files) + len(folders)
            if looked > _ENOUGH:
                return False
        return looked > 0 or (name != "." and self._ignores(name, ignored))

    def _ignores(self, path: str, ignored: Ignored) -> bool:
        self.spend(ignored.weight * len(path) * (path.count("/") + 1))
        return ignored.ignores(path)

    def spend(self, steps: int) -> None:
        """Note that something is done which takes so many steps.

        Raises:
            UnknownError: it takes more than may be spent.
        """
        self._left -= steps
        if self._left < 0:
            raise UnknownError


@lru_cache(maxsize=1)
def context_files(subject: Subject) -> Files | None:
    """The files of the context, for all rules; None when nothing can be said of them."""
    folder = _folder(subject)
    return None if folder is None else Files(folder)
