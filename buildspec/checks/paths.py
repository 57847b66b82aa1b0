"""Rules about the files of the context: they must be in it, be there, and not be ignored."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path as FilePath
from posixpath import normpath

from buildspec.checks.context import WILD, Files, context_files, escapes, within
from buildspec.checks.patterns import Ignored, effort
from buildspec.checks.rules import Subject, copies, known, waivable
from buildspec.checks.safety import is_remote
from buildspec.errors import MOST, Diagnostic, quoted
from buildspec.spec.overlay import suggest
from buildspec.spec.positions import Path
from buildspec.spec.unknown import UNKNOWN, UnknownError


def path_escapes_context(subject: Subject) -> Iterator[Diagnostic]:
    """A path leads out of the context, or the context out of the specification's folder."""
    yield from known(_context_escapes(subject))
    files = context_files(subject)
    for path, text in _copied(subject):
        if why := escapes(text):
            message = f"{quoted(text)} {why}; name a file of the context, relative to its folder"
            yield subject.problem("path-escapes-context", path, message)
        elif files is not None and not is_remote(text):
            yield from known(_link_escapes(subject, path, text, files))

    yield from known(_named_contexts_escape(subject))
    for path, text, folder in _from_contexts(subject):
        if why := escapes(text.removeprefix("/")):
            message = f"{quoted(text)} {why}; name a file of the folder, relative to it"
            yield subject.problem("path-escapes-context", path, message)
        elif (folder / text.lstrip("/")).exists() and not within(folder, folder / text.lstrip("/")):
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
    why = escapes(path)
    whole = subject.source.root / path
    if not why and os.path.lexists(whole) and not within(subject.source.root, whole):
        why = "is a link to what is outside of the specification's folder"
    if why:
        message = f"{quoted(path)} {why}; name a folder beside the specification"
        yield subject.problem("path-escapes-context", where, message)


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
        if not is_remote(text) and not escapes(text) and text and text.isprintable():
            yield path, text


@waivable("error")
def missing_path(subject: Subject) -> Iterator[Diagnostic]:
    """A copy names a path or pattern of a context that nothing there matches."""
    for path, text, folder in _from_contexts(subject):
        if folder.is_dir() and not escapes(text.removeprefix("/")) and not _is_in(folder, text.lstrip("/")):
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
    if WILD.search(text):
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
