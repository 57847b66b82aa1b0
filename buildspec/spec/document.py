"""Text of a specification in, a document out: plain values, and the place of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import tomlkit
from tomlkit.exceptions import ParseError, TOMLKitError

from buildspec.errors import Diagnostic, Place, SpecError
from buildspec.spec.positions import Path, Positions, scan


@dataclass(frozen=True)
class Document:
    """A parsed specification.

    Args:
        file: path as the user would type it.
        data: tables as dicts, arrays as lists, scalars as Python's own types.
        positions: where each key and value stands in the file.
        moved: for values that came from an overlay or the command line, the path they were written at;
            a string names the command-line option.
    """

    file: str
    data: Mapping[str, Any]
    positions: Positions
    moved: Mapping[Path, Path | str] = field(default_factory=dict)

    def place(self, path: Path, *, key: bool = False, within: tuple[int, int] | None = None) -> Place | None:
        """Where the value at that path was written.

        Args:
            path: keys and indexes from the root.
            key: the place of the key, not of its value.
            within: offsets into the value's text, to underline a part of it.
        """
        origin = self._origin(path)
        if isinstance(origin, str):
            return None
        span = self.positions.nearest(origin)
        if span is None:
            return Place(self.file, 1, 1, 1, self.positions.line_text(1))
        exact = origin in self.positions.spans
        start, end = span.key if key or not exact else span.value
        if within is not None and exact:
            start, end = start + within[0], start + within[1]
        line, column = self.positions.line_column(start)
        text = self.positions.line_text(line)
        return Place(self.file, line, column, max(1, end - start), text)

    def _origin(self, path: Path) -> Path | str:
        for end in range(len(path), 0, -1):
            if (moved := self.moved.get(path[:end])) is not None:
                return moved if isinstance(moved, str) else (*moved, *path[end:])
        return path

    def spelled(self, path: Path) -> str:
        """The path as people read it: `stages.base.copy[0].from`."""
        return spell(path)


def spell(path: Path) -> str:
    """A path in TOML's spelling, array indexes in brackets."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += ("." if text else "") + (part if re.fullmatch(r"[\w-]+", part) else f'"{part}"')
    return text


def parse(text: str, file: str) -> Document:
    """Parse TOML text.

    Args:
        text: the whole file.
        file: its path as the user would type it.

    Raises:
        SpecError: the text isn't TOML; says where.
    """
    try:
        data = tomlkit.parse(text.removeprefix("\ufeff")).unwrap()
    except ParseError as error:
        line = error.line
        column = error.col + 1
        message = re.sub(r" at line \d+ col \d+$", "", str(error))
        source = Positions(text).line_text(line)
        raise SpecError([Diagnostic("syntax", message, Place(file, line, column, 1, source))]) from error
    except (TOMLKitError, RecursionError, ValueError) as error:
        reason = str(error) or "nested too deeply"
        raise SpecError([Diagnostic("syntax", reason, Place(file, 1, 1))]) from error
    return Document(file, data, scan(text))
