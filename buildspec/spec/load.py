"""A path in, everything the text of a specification says out: the Spec, its document, its fragments."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

import attrs

from buildspec.errors import Diagnostic, Place, SpecError
from buildspec.spec.decode import decode_draft
from buildspec.spec.document import Document, parse
from buildspec.spec.environment import apply_environment
from buildspec.spec.fragments import Fragment, parse_fragment
from buildspec.spec.lock import NAME, Lock
from buildspec.spec.lock import read as read_lock
from buildspec.spec.model import Spec
from buildspec.spec.overlay import apply_overrides, apply_profiles, fill_variables, profile_problems
from buildspec.spec.wellknown import VARIABLES

MAX_BYTES = 1_000_000
"""A file larger than this is refused before it is parsed: 5,000 stages fit in, and it would take its memory."""
MAX_FRAGMENT = 64_000
"""A fragment larger than this is refused: a person wrote it, and its commands are no data."""
FOLDER = "stages"
"""Where fragments are, next to the specification."""


@attrs.frozen(repr=False)
class Source:
    """A specification, read and decoded."""

    root: Path
    """Folder of the specification; all its paths are relative to it."""
    document: Document
    """As it was decoded: with profiles and overrides applied, and variables filled in."""
    spec: Spec
    profiles: tuple[str, ...]
    """Those that were applied, in order."""
    fragments: Mapping[str, Fragment]
    """Of `stages/<name>.Dockerfile`, by stage; also those no stage uses."""
    today: str = ""
    """The day, as `2026-11-25`, for what ends one day; empty: nothing has ended."""
    lock: Lock = attrs.Factory(Lock)
    """What image references pointed at when they were locked."""


@attrs.frozen(repr=False)
class Selection:
    """What the command line asks of a specification."""

    profiles: tuple[str, ...] = ()
    """Profiles to apply, in order."""
    overrides: Mapping[str, str] = attrs.Factory(dict)
    """Values of `[vars]`, as typed."""
    variables: Mapping[str, str] = attrs.Factory(dict)
    """Variables that come from outside, such as `git.commit`."""
    environ: Mapping[str, str] = attrs.Factory(dict)
    """The environment, for variables of `[vars]` that ask for it."""
    today: str = ""
    """The day, as `2026-11-25`."""


@attrs.frozen(repr=False)
class Draft:
    """A specification as far as it can be decoded."""

    source: Source
    """Its Spec has UNKNOWN where something is wrong."""
    problems: tuple[Diagnostic, ...]
    """What is wrong; nothing, when the source has no UNKNOWN."""


def load(path: Path, selection: Selection, document: Document | None = None) -> Source:
    """Read, overlay, fill and decode a specification, and read its fragments.

    `checks.examine` does this and holds it against the rules, and tells all problems at once.

    Args:
        path: the file.
        selection: profiles, overrides and variables.
        document: what `read` gave for it, to read it once only.

    Raises:
        SpecError: what is wrong with it.
        UsageError: a profile or a variable of the selection doesn't exist.
    """
    found = draft(path, selection, document)
    if found.problems:
        raise SpecError(found.problems)
    return found.source


def draft(path: Path, selection: Selection, document: Document | None = None) -> Draft:
    """Do what `load` does, and go on where something is wrong.

    Args:
        path: the file.
        selection: profiles, overrides and variables.
        document: what `read` gave for it, to read it once only.

    Raises:
        SpecError: it can't be read, isn't TOML, or is for another version of the language.
        UsageError: a profile or a variable of the selection doesn't exist.
    """
    written = document or read(path)
    overlaid = apply_overrides(apply_profiles(written, selection.profiles), selection.overrides)
    given, unset = apply_environment(overlaid, selection.environ)
    filled, unfilled = fill_variables(given, {**VARIABLES, **selection.variables})
    spec, undecoded = decode_draft(filled)
    fragments, unread = _fragments(path.parent)
    locked, unlocked = _lock(path.parent)
    source = Source(path.parent, filled, spec, tuple(selection.profiles), fragments, selection.today, locked)
    return Draft(source, (*profile_problems(written), *unset, *unfilled, *undecoded, *unread, *unlocked))


def read(path: Path, shown: str = "") -> Document:
    """Read and parse a specification.

    Args:
        path: the file.
        shown: how to call it in messages; its name when empty.

    Raises:
        SpecError: it can't be read, isn't UTF-8 or isn't TOML.
    """
    shown = shown or path.name
    return parse(_text(path, shown, MAX_BYTES), shown)


def _text(path: Path, shown: str, most: int) -> str:
    """The text of a file of so many bytes at most.

    Raises:
        SpecError: it can't be read, or isn't UTF-8.
    """
    try:
        raw = _bytes(path, shown, most)
    except FileNotFoundError as error:
        if path.is_symlink():
            raise _unreadable(shown, f"is a link to '{path.readlink()}', which does not exist") from error
        above = f": there is '{found}'" if (found := _above(path)) else ""
        raise _unreadable(shown, f"does not exist; write one, or name it with --file{above}") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _unreadable(shown, f"can't be read: {reason[:1].lower()}{reason[1:]}") from error
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise _not_utf8(raw, error.start, shown) from error


def _above(path: Path) -> str:
    """A file of the same name in a folder above the one where it isn't, as a relative path; empty when none has it."""
    folders = path.absolute().parent.parents
    return next(("../" * up + path.name for up, one in enumerate(folders, 1) if (one / path.name).is_file()), "")


def _bytes(path: Path, shown: str, most: int) -> bytes:
    """The bytes of a regular file; opening doesn't wait for the other end of a pipe."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise _unreadable(shown, f"is a {'folder' if stat.S_ISDIR(mode) else 'pipe or a device'}, not a file")
        with open(descriptor, "rb", closefd=False) as stream:
            raw = stream.read(most + 1)
    finally:
        os.close(descriptor)
    if len(raw) > most:
        size = f"{most // 10**6} MB" if most >= 10**6 else f"{most // 1000} kB"
        raise _unreadable(shown, f"is larger than {size}")
    return raw


def _not_utf8(raw: bytes, at: int, shown: str) -> SpecError:
    start = raw.rfind(b"\n", 0, at) + 1
    end = raw.find(b"\n", at) if b"\n" in raw[at:] else len(raw)
    before = raw[start:at].decode("utf-8")
    text = before + raw[at:end].decode("utf-8", "replace").rstrip("\r")
    what = f"byte 0x{raw[at]:02x} is not UTF-8"
    if raw.startswith((b"\xff\xfe", b"\xfe\xff")):
        what, text = "this is UTF-16", ""
    place = Place(shown, raw.count(b"\n", 0, at) + 1, len(before) + 1, 1, text)
    return SpecError([Diagnostic("encoding", f"{what}; save the file as UTF-8", place)])


def _unreadable(shown: str, why: str) -> SpecError:
    return SpecError([Diagnostic("unreadable", f"{shown} {why}")])


def _lock(root: Path) -> tuple[Lock, tuple[Diagnostic, ...]]:
    if not (root / NAME).exists():
        return Lock(), ()
    try:
        return read_lock(root), ()
    except SpecError as error:
        return Lock(), error.diagnostics


def _fragments(root: Path) -> tuple[dict[str, Fragment], list[Diagnostic]]:
    folder = root / FOLDER
    found: dict[str, Fragment] = {}
    problems: list[Diagnostic] = []
    for file in sorted(folder.glob("*.Dockerfile")) if folder.is_dir() else ():
        shown = f"{FOLDER}/{file.name}"
        try:
            found[file.name.removesuffix(".Dockerfile")] = parse_fragment(_text(file, shown, MAX_FRAGMENT), shown)
        except SpecError as error:
            problems += error.diagnostics
    return found, problems
