"""Rules about the files of the context: they must be in it, be there, and not be ignored."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from pathlib import Path as FilePath
from posixpath import normpath

import attrs

from buildspec.checks.patterns import Ignored, compile_pattern, effort
from buildspec.checks.rules import Subject, copies, known, waivable
from buildspec.checks.safety import is_remote
from buildspec.errors import MOST, Diagnostic, quoted
from buildspec.spec.overlay import suggest
from buildspec.spec.positions import Path
from buildspec.spec.unknown import UNKNOWN, UnknownError

_DRIVE = re.compile(r"[A-Za-z]:")
_WILD = re.compile(r"[*?\[]")
_ENOUGH = 1000
"""Files and folders that are looked at for one that isn't ignored; a larger context has one, in all likelihood."""
_MOST_STEPS = 2_000_000
"""What may be spent on patterns, in the unit of their weight: more than a specification needs that a person wrote."""


def path_escapes_context(subject: Subject) -> Iterator[Diagnostic]:
    """A path leads out of the context, or the context out of the specification's folder."""
    yield from known(_context_escapes(subject))
    files = context_files(subject)
    for path, text in _copied(subject):
        if why := _escapes(text):
            message = f"{quoted(text)} {why}; name a file of the context, relative to its folder"
            yield subject.problem("path-escapes-context", path, message)
        elif files is not None and not is_remote(text):
            yield from known(_link_escapes(subject, path, text, files))

    yield from known(_named_contexts_escape(subject))
    for path, text, folder in _from_contexts(subject):
        if why := _escapes(text.removeprefix("/")):
            message = f"{quoted(text)} {why}; name a file of the folder, relative to it"
            yield subject.problem("path-escapes-context", path, message)
        elif (folder / text.lstrip("/")).exists() and not _within(folder, folder / text.lstrip("/")):
            message = f"{quoted(text)} is a link to what is outside of its folder; copy the file into it"
            yield subject.problem("path-escapes-context", path, message)


def _named_contexts_escape(subject: Subject) -> Iterator[Diagnostic]:
    for name, context in subject.spec.contexts.items():
        if context is not UNKNOWN:
            yield from known(_leads_out(subject, ("contexts", name, "path"), context.path))


def _from_contexts(subject: Subject) -> Iterator[tuple[Path, str, FilePath]]:
    """The paths that stages copy from named contexts, each with its place and the folder."""
    contexts = subject.spec.contexts
    for path, copy in () if contexts is UNKNOWN else copies(subject):
        if copy is UNKNOWN or copy.from_ is UNKNOWN or copy.path is UNKNOWN:
            continue
        context = contexts.get(copy.from_)
        if context is not None and context is not UNKNOWN and context.path is not UNKNOWN:
            yield (*path, "path"), copy.path, subject.source.root / context.path


def _link_escapes(subject: Subject, path: Path, text: str, files: Files) -> Iterator[Diagnostic]:
    link = next((name for name in files.matches(text) if not files.holds(name)), "")
    if link:
        message = f"{quoted(link)} is a link to what is outside of the context; copy the file into it"
        yield subject.problem("path-escapes-context", path, message)


def _context_escapes(subject: Subject) -> Iterator[Diagnostic]:
    yield from _leads_out(subject, ("context", "path"), subject.spec.context.path)


def _leads_out(subject: Subject, where: Path, path: str) -> Iterator[Diagnostic]:
    """A folder of the specification that isn't one beside it."""
    why = _escapes(path)
    whole = subject.source.root / path
    if not why and os.path.lexists(whole) and not _within(subject.source.root, whole):
        why = "is a link to what is outside of the specification's folder"
    if why:
        message = f"{quoted(path)} {why}; name a folder beside the specification"
        yield subject.problem("path-escapes-context", where, message)


def _escapes(path: str) -> str:
    """What is wrong with a relative path, by its text alone; empty when nothing is."""
    if "\\" in path:
        return r"has a '\', which not every machine reads the same way"
    if _DRIVE.match(path):
        return "starts with a drive letter"
    if path.startswith("/"):
        return "is absolute"
    return "leads upwards with '..'" if ".." in path.split("/") else ""


def _within(folder: FilePath, path: FilePath) -> bool:
    try:
        return path.resolve().is_relative_to(folder.resolve())
    except (OSError, RuntimeError):  # a circle of links
        return False


def _folder(subject: Subject) -> FilePath | None:
    """The context's folder; None when it isn't known, or isn't there, so that nothing can be said of its files."""
    context = subject.spec.context
    if context is UNKNOWN or context.path is UNKNOWN or "\0" in context.path or _escapes(context.path):
        return None
    folder = subject.source.root / context.path
    return folder if os.path.isdir(folder) else None  # noqa: PTH112 - Path.is_dir raises for a name that is too long


def _copied(subject: Subject) -> Iterator[tuple[Path, str]]:
    """The paths of the context that stages copy, each with its own place."""
    stages = subject.spec.stages
    for name, stage in () if stages is UNKNOWN else stages.items():
        if stage is UNKNOWN or stage.copy is UNKNOWN:
            continue
        for index, copy in enumerate(stage.copy):
            if copy is UNKNOWN or copy.from_ is UNKNOWN or copy.path is UNKNOWN or copy.from_:
                continue
            path: Path = ("stages", name, "copy", index)
            inner = (*path, "path")
            # a bare string is the whole of the element
            yield (inner if subject.source.document.written(inner) else path), copy.path


def _local(subject: Subject) -> Iterator[tuple[Path, str]]:
    """Those that other rules have nothing against."""
    for path, text in _copied(subject):
        if not is_remote(text) and not _escapes(text) and text and text.isprintable():
            yield path, text


@attrs.define(repr=False)
class Files:
    """The files of the context, each looked at once, however many copies name it."""

    folder: FilePath
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
        if not _WILD.search(part):
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
            self._held[name] = _within(self.folder, self.folder / name)
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
            inner = FilePath(parent).relative_to(self.folder).as_posix()
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


@waivable("error")
def missing_path(subject: Subject) -> Iterator[Diagnostic]:
    """A copy names a path or pattern of a context that nothing there matches."""
    for path, text, folder in _from_contexts(subject):
        if folder.is_dir() and not _escapes(text.removeprefix("/")) and not _is_in(folder, text.lstrip("/")):
            yield subject.problem("missing-path", path, f"nothing in {quoted(folder.name)} is called {quoted(text)}")
    files = context_files(subject)
    if files is None:
        return
    where = "the context" if subject.spec.context.path == "." else quoted(subject.spec.context.path)
    told = 0
    for path, text in _local(subject):
        if _is_missing(files, text):
            hint = _hint(files, text) if told < MOST else ""  # each takes its time, and nobody reads so many
            yield subject.problem("missing-path", path, f"nothing in {where} is called {quoted(text)}{hint}")
            told += 1


def _is_in(folder: FilePath, text: str) -> bool:
    """Whether a folder has what a path or pattern names."""
    try:
        return bool(Files(folder).matches(text or "."))
    except UnknownError:
        return True


def _is_missing(files: Files, text: str) -> bool:
    try:
        return not files.matches(text)
    except UnknownError:
        return False


def _hint(files: Files, text: str) -> str:
    parent, _, name = normpath(text).rpartition("/")
    if _WILD.search(text):
        return "; add a file, or correct the pattern"
    return suggest(name, files.names(parent)) or "; add it, or correct the path"


def ignored_path(subject: Subject) -> Iterator[Diagnostic]:
    """A copy names files of the context that `context.ignore` keeps from being sent."""
    yield from known(_ignored_path(subject))


def _ignored_path(subject: Subject) -> Iterator[Diagnostic]:
    files = context_files(subject)
    ignore = subject.spec.context.ignore
    if files is None or any(line is UNKNOWN for line in ignore):
        return
    files.spend(sum(map(effort, ignore)))
    ignored = Ignored.of(ignore)
    for path, text in _local(subject):
        yield from known(_unsent(subject, path, text, files, ignored))


def _unsent(subject: Subject, path: Path, text: str, files: Files, ignored: Ignored) -> Iterator[Diagnostic]:
    names = files.matches(text)
    if names and all(files.unsent(name, ignored) for name in names):
        message = f"all that {quoted(text)} names is left out by context.ignore; take it in again with '!' there"
        yield subject.problem("ignored-path", path, message)
