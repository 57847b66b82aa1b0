"""Where the keys and values of a document stand: paths, offsets, lines and columns."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Mapping

import attrs

from buildspec.errors import shortened

Path = tuple[str | int, ...]
"""Keys and array indexes from the root of a document to a value."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def spell(path: Path) -> str:
    """A path in TOML's spelling, array indexes in brackets: `stages.base.copy[0].from`."""
    return "".join(_spell(part) for part in path).removeprefix(".")


def _spell(part: str | int) -> str:
    if isinstance(part, int):
        return f"[{part}]"
    shown = shortened(part)
    if _BARE.fullmatch(part):
        return f".{shown}"
    escaped = shown.replace("\\", "\\\\").replace('"', '\\"')
    return f'."{escaped}"'


@attrs.frozen
class Span:
    """Offsets into the text, each from the first character to the one after the last."""

    key: tuple[int, int]
    """Of the key: of its last part, when it is dotted; of the value, for an element of an array."""
    value: tuple[int, int]
    """Of the value; of the header, for a table that has one."""


@attrs.frozen
class Positions:
    """Where each path of a document was written."""

    text: str
    """The whole document."""
    spans: Mapping[Path, Span] = attrs.Factory(dict)
    _lines: list[str] = attrs.field(init=False, repr=False)
    _starts: list[int] = attrs.field(init=False, repr=False)

    @_lines.default
    def _split(self) -> list[str]:
        return self.text.split("\n")

    @_starts.default
    def _offsets(self) -> list[int]:
        starts = [0]
        for line in self._lines:
            starts.append(starts[-1] + len(line) + 1)
        return starts

    def line_column(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1."""
        line = bisect_right(self._starts, offset, hi=len(self._lines))
        return line, offset - self._starts[line - 1] + 1

    def line_text(self, line: int) -> str:
        """The source line of that number, without its end; empty when there is none."""
        return self._lines[line - 1] if 0 < line <= len(self._lines) else ""

    def nearest(self, path: Path) -> Span | None:
        """The span of the path, or of the closest of its parents that was written down."""
        for end in range(len(path), 0, -1):
            if (span := self.spans.get(path[:end])) is not None:
                return span
        return None
