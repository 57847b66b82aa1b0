"""Where the keys and values of a document stand: paths, offsets, lines and columns."""

from __future__ import annotations

import re
from collections.abc import Mapping

import attrs

from buildspec.errors import shortened

Path = tuple[str | int, ...]
"""Keys and array indexes from the root of a document to a value."""

_BLOCK = 4096
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


@attrs.frozen(repr=False)
class Span:
    """Offsets into the text, each from the first character to the one after the last."""

    key: tuple[int, int]
    """Of the key: of its last part, when it is dotted; of the value, for an element of an array."""
    value: tuple[int, int]
    """Of the value; of the header, for a table that has one."""


@attrs.frozen(repr=False)
class Positions:
    """Where each path of a document was written."""

    text: str
    """The whole document."""
    spans: Mapping[Path, Span] = attrs.Factory(dict)
    _breaks: list[int] = attrs.field(init=False, repr=False, eq=False)
    """Line breaks before each block of the text: an entry a line would take more memory than the text."""
    _lines: dict[int, str] = attrs.field(init=False, repr=False, eq=False, factory=dict)
    """Lines by their offsets, as they were asked for: a long one with many problems is held once."""

    @_breaks.default
    def _counted(self) -> list[int]:
        counts = [0]
        for start in range(0, len(self.text), _BLOCK):
            counts.append(counts[-1] + self.text.count("\n", start, start + _BLOCK))
        return counts

    def line_column(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1."""
        offset = min(offset, len(self.text))
        block = offset // _BLOCK
        line = self._breaks[block] + self.text.count("\n", block * _BLOCK, offset) + 1
        return line, offset - self.text.rfind("\n", 0, offset)

    def line_at(self, offset: int) -> str:
        """The source line that an offset is in, without its end."""
        start = self.text.rfind("\n", 0, offset) + 1
        if start not in self._lines:
            end = self.text.find("\n", start)
            self._lines[start] = self.text[start : end if end >= 0 else None]
        return self._lines[start]

    def nearest(self, path: Path) -> Span | None:
        """The span of the path, or of the closest of its parents that was written down."""
        for end in range(len(path), 0, -1):
            if (span := self.spans.get(path[:end])) is not None:
                return span
        return None
