"""Rules about the files of the context: they must be in it, be there, and not be ignored."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path as FilePath
from posixpath import normpath

from buildspec.checks.patterns import Ignored, compile_pattern
from buildspec.checks.rules import Subject, known, waivable
from buildspec.checks.safety import is_remote
from buildspec.checks.texts import items
from buildspec.errors import Diagnostic, quoted
from buildspec.spec.overlay import suggest
from buildspec.spec.positions import Path
from buildspec.spec.unknown import UNKNOWN

_DRIVE = re.compile(r"[A-Za-z]:")
_WILD = re.compile(r"[*?\[]")
_ENOUGH = 1000
"""Files and folders that are looked at for one that isn't ignored; a larger context has one, in all likelihood."""


def path_escapes_context(subject: Subject) -> Iterator[Diagnostic]:
    """A path leads out of the context, or the context out of the specification's folder."""
    yield from known(_context_escapes(subject))
    links: dict[str, str] = {}  # many stages copy the same
    for path, text in _copied(subject):
        if why := _escapes(text):
            message = f"{quoted(text)} {why}; name a file of the context, relative to its folder"
            yield subject.problem("path-escapes-context", path, message)
            continue
        if text not in links:
            links[text] = _leaves_by_link(subject, text)
        if link := links[text]:
            message = f"{quoted(link)} is a link to what is outside of the context; copy the file into it"
            yield subject.problem("path-escapes-context", path, message)


def _context_escapes(subject: Subject) -> Iterator[Diagnostic]:
    path = subject.spec.context.path
    why = _escapes(path)
    whole = subject.source.root / path
    if not why and os.path.lexists(whole) and not _within(subject.source.root, whole):
        why = "is a link to what is outside of the specification's folder"
    if why:
        message = f"{quoted(path)} {why}; name a folder beside the specification"
        yield subject.problem("path-escapes-context", ("context", "path"), message)


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


def _leaves_by_link(subject: Subject, text: str) -> str:
    """The first path that a copy names and that leads out of the context; empty when none does."""
    folder = _folder(subject)
    if folder is None or is_remote(text):
        return ""
    return next((name for name in _matches(folder, text) if not _within(folder, folder / name)), "")


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


def _matches(folder: FilePath, text: str) -> Iterator[str]:
    """The files and folders that a path or pattern names, as paths relative to the folder."""
    found = [""]
    parts = [part for part in normpath(text).split("/") if part != "."]
    for part in parts:
        found = [name for parent in found for name in _children(folder, parent, part)]
    yield from (name or "." for name in found)


def _children(folder: FilePath, parent: str, part: str) -> Iterator[str]:
    """What one part of a path or pattern names in a folder; like Docker's, `**` is no more than `*` here."""
    before = f"{parent}/" if parent else ""
    if not _WILD.search(part):
        if os.path.lexists(folder / parent / part):
            yield before + part
        return
    pattern = compile_pattern(re.sub(r"\*+", "*", part))
    for name in _names(folder / parent) if pattern is not None else ():
        if pattern is not None and pattern.matches(name):
            yield before + name


def _names(folder: FilePath) -> list[str]:
    try:
        return sorted(os.listdir(folder))  # noqa: PTH208 - names alone, without an object for each
    except OSError:
        return []


@waivable("error")
def missing_path(subject: Subject) -> Iterator[Diagnostic]:
    """A copy names a path or pattern of the context that nothing there matches."""
    folder = _folder(subject)
    for path, text in _local(subject) if folder is not None else ():
        if folder is not None and next(_matches(folder, text), None) is None:
            hint = _hint(folder, text)
            where = "the context" if subject.spec.context.path == "." else quoted(subject.spec.context.path)
            yield subject.problem("missing-path", path, f"nothing in {where} is called {quoted(text)}{hint}")


def _hint(folder: FilePath, text: str) -> str:
    parent, _, name = normpath(text).rpartition("/")
    if _WILD.search(text):
        return "; add a file, or correct the pattern"
    return suggest(name, _names(folder / parent)) or "; add it, or correct the path"


def ignored_path(subject: Subject) -> Iterator[Diagnostic]:
    """A copy names files of the context that `context.ignore` keeps from being sent."""
    yield from known(_ignored_path(subject))


def _ignored_path(subject: Subject) -> Iterator[Diagnostic]:
    folder = _folder(subject)
    ignored = Ignored.of(line for _, line in items(subject.spec.context.ignore))
    if folder is None or any(line is UNKNOWN for line in subject.spec.context.ignore):
        return
    verdicts: dict[str, bool] = {}  # many stages copy the same
    for path, text in _local(subject):
        if text not in verdicts:
            names = list(_matches(folder, text))
            verdicts[text] = bool(names) and all(_all_ignored(folder, name, ignored) for name in names)
        if verdicts[text]:
            message = f"all that {quoted(text)} names is left out by context.ignore; take it in again with '!' there"
            yield subject.problem("ignored-path", path, message)


def _all_ignored(folder: FilePath, name: str, ignored: Ignored) -> bool:
    """Whether a file, or all that is in a folder, is ignored; an empty folder isn't."""
    if not (folder / name).is_dir() or (folder / name).is_symlink():
        return ignored.ignores(name)
    if name != "." and ignored.ignores(name) and not ignored.takes_again:
        return True
    looked = 0
    for parent, folders, files in os.walk(folder / name):
        inner = FilePath(parent).relative_to(folder).as_posix()
        before = "" if inner == "." else f"{inner}/"
        if any(not ignored.ignores(before + file) for file in files):
            return False
        if not ignored.takes_again:
            folders[:] = [one for one in folders if not ignored.ignores(before + one)]
        looked += len(files) + len(folders)
        if looked > _ENOUGH:
            return False
    return looked > 0 or (name != "." and ignored.ignores(name))
