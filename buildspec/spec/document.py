"""Text of a specification in, a document out: plain values, and the place of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import attrs

from buildspec.errors import Diagnostic, Place, SpecError
from buildspec.spec.positions import Path, Positions
from buildspec.spec.scanner import ScanError, scan


@attrs.frozen(repr=False)
class Document:
    """A parsed specification."""

    file: str
    """Path as the user would type it."""
    data: Mapping[str, Any]
    """Tables as dicts, arrays as lists, scalars as Python's own types."""
    positions: Positions
    """Where each key and value stands in the file."""
    moved: Mapping[Path, Path | str] = attrs.Factory(dict)
    """For values that came from an overlay or the command line, the path they were written at; a string names the
    command-line option."""
    outside: Mapping[Path, str] = attrs.Factory(dict)
    """For values that came from the environment, the variable's name; `moved` tells where the file asks for it."""

    def place(self, path: Path, *, key: bool = False, within: tuple[int, int] | None = None) -> Place | None:
        """Where the value at that path was written; None for one that came from the command line.

        Args:
            path: keys and indexes from the root.
            key: the place of the key, not of its value.
            within: offsets into the value's text, to underline a part of it.
        """
        origin = self.origin(path)
        if isinstance(origin, str):
            return None
        span = self.positions.nearest(origin)
        if span is None:
            return _place(self.file, self.positions, 0, 1)
        exact = origin in self.positions.spans
        start, end = span.key if key or not exact else span.value
        if within is not None and exact:
            start, end = start + within[0], start + within[1]
        return _place(self.file, self.positions, start, end)

    def written(self, path: Path) -> str:
        """The value at that path as it stands in the file; empty for one that isn't written there."""
        origin = self.origin(path)
        span = None if isinstance(origin, str) else self.positions.spans.get(origin)
        return self.positions.text[slice(*span.value)] if span else ""

    def origin(self, path: Path) -> Path | str:
        """The path that the value at a path was written at, or the command-line option it came from."""
        for end in range(len(path), 0, -1):
            if (moved := self.moved.get(path[:end])) is not None:
                return moved if isinstance(moved, str) else (*moved, *path[end:])
        return path


def _place(file: str, positions: Positions, start: int, end: int) -> Place:
    line, column = positions.line_column(start)
    text = positions.line_at(start)
    width = min(end - start, len(text) - column + 1)
    return Place(file, line, column, max(1, width), text)


def parse(text: str, file: str) -> Document:
    """Parse TOML text.

    Args:
        text: the whole file; a byte-order mark is skipped, and CR LF is LF.
        file: its path as the user would type it.

    Raises:
        SpecError: the text isn't TOML; says where.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    try:
        data, positions = scan(text, _scalar)
    except ScanError as error:
        written = Positions(text)
        flaws = error.flaws
        raise SpecError(
            Diagnostic("syntax", flaw.message, _place(file, written, flaw.start, flaw.end)) for flaw in flaws
        ) from error
    return Document(file, data, positions)


_ESCAPE = re.compile(r"\\(?:(x..|u.{4}|U.{8})|([ \t]*\n[ \t\n]*)|(.))", re.DOTALL)
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", "e": "\x1b", '"': '"', "\\": "\\"}


def _scalar(raw: str) -> object:
    """The value of a scalar that the scanner found to be well-formed; a day or time may still not exist.

    Strings, booleans and plain numbers, all that most specifications hold, are read here; the rest by tomlkit, which
    is loaded when there is something for it to read.
    """
    if raw[0] in "\"'":
        return _string(raw)
    if raw in ("true", "false"):
        return raw == "true"
    if raw.isdecimal():
        return int(raw)
    return float(raw) if raw.replace(".", "", 1).isdecimal() else _by_tomlkit(raw)


def _by_tomlkit(raw: str) -> object:
    import tomlkit
    from tomlkit.exceptions import TOMLKitError

    # TOML 1.1 lets a time be without seconds, tomlkit doesn't yet
    whole = re.sub(r"^((?:[0-9-]{10}[Tt ])?[0-9]{2}:[0-9]{2})(?!:)", r"\1:00", raw)
    try:
        return tomlkit.value(whole).unwrap()
    except TOMLKitError as error:
        reason = re.sub(r" at line \d+ col \d+$", "", str(error))
        raise ValueError(reason[:1].lower() + reason[1:]) from error


def _string(raw: str) -> str:
    long = raw[:3] in ('"""', "'''")
    text = raw[3:-3].removeprefix("\n") if long else raw[1:-1]
    return _ESCAPE.sub(_unescaped, text) if raw[0] == '"' and "\\" in text else text


def _unescaped(match: re.Match[str]) -> str:
    code, fold, letter = match.groups()
    return chr(int(code[1:], 16)) if code else "" if fold else _ESCAPED[letter]
