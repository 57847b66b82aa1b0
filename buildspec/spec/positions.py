"""Valid TOML text in, the place of every key and value out.

tomlkit keeps each byte of a document but not where it stood, so the text is scanned once more. The scan
relies on the text being valid TOML: tomlkit has refused it before when it is not.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from dataclasses import dataclass, field

Path = tuple[str | int, ...]
"""Keys and array indexes from the root of a document to a value."""


@dataclass(frozen=True)
class Span:
    """Offsets into the text: the key's (its last part) and the value's."""

    key: tuple[int, int]
    value: tuple[int, int]


_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE = re.compile(r"[^\s.=\[\]{},#\"']+")
_SCALAR = re.compile(r"[^,\]}#\n\r]+")
_STRINGS = (
    re.compile(r'"""(?:[^"\\]|\\.|"(?!""))*"""(?:"{0,2})', re.DOTALL),
    re.compile(r"'''(?:[^']|'(?!''))*'''(?:'{0,2})", re.DOTALL),
    re.compile(r'"(?:[^"\\\n]|\\.)*"'),
    re.compile(r"'[^'\n]*'"),
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|.)")
_ESCAPED = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\", "e": "\x1b"}


@dataclass
class Positions:
    """Where each path of a document was written.

    Args:
        text: the whole document.
        spans: offsets by path.
    """

    text: str
    spans: dict[Path, Span] = field(default_factory=dict)
    _starts: list[int] = field(default_factory=list)

    def line_column(self, offset: int) -> tuple[int, int]:
        """Line and column of an offset, both from 1."""
        if not self._starts:
            self._starts = [0, *(m.end() for m in re.finditer("\n", self.text))]
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def line_text(self, line: int) -> str:
        """The source line of that number, without its end."""
        lines = self.text.split("\n")
        return lines[line - 1].rstrip("\r") if 0 < line <= len(lines) else ""

    def nearest(self, path: Path) -> Span | None:
        """The span of the path, or of the closest of its parents that was written down."""
        for end in range(len(path), 0, -1):
            if (span := self.spans.get(path[:end])) is not None:
                return span
        return None


def scan(text: str) -> Positions:
    """Find every key and value of a valid TOML document.

    Args:
        text: the document; a leading byte-order mark is skipped.

    Returns:
        A span for each table header, key and array element.
    """
    scanner = _Scanner(text)
    scanner.document()
    return Positions(text, scanner.spans)


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 1 if text.startswith("\ufeff") else 0
        self.spans: dict[Path, Span] = {}
        self.tables: dict[Path, int] = {}  # how many [[name]] headers were met, by path

    def skip(self, pattern: re.Pattern[str]) -> None:
        if (match := pattern.match(self.text, self.at)) is not None:
            self.at = match.end()

    def document(self) -> None:
        prefix: Path = ()
        while True:
            self.skip(_BLANK)
            if self.at >= len(self.text):
                return
            if self.text[self.at] == "[":
                prefix = self.header()
            else:
                self.pair(prefix)

    def header(self) -> Path:
        start = self.at
        array = self.text.startswith("[[", start)
        self.at += 2 if array else 1
        parts = self.keys()
        path: Path = ()
        for name, _span in parts[:-1]:
            path = self.into((*path, name))
        last, span = parts[-1]
        path = (*path, last)
        self.at = self.text.index("]", self.at) + (2 if array else 1)
        whole = Span(span, (start, self.at))
        if array:
            self.spans.setdefault(path, whole)
            self.tables[path] = self.tables.get(path, -1) + 1
            path = (*path, self.tables[path])
        self.spans[path] = whole
        return path

    def into(self, path: Path) -> Path:
        """The path, continued into the newest element when it names an array of tables."""
        return (*path, self.tables[path]) if path in self.tables else path

    def keys(self) -> list[tuple[str, tuple[int, int]]]:
        parts = []
        while True:
            self.skip(_SPACE)
            start = self.at
            parts.append((self.key(), (start, self.at)))
            self.skip(_SPACE)
            if self.text[self.at : self.at + 1] != ".":
                return parts
            self.at += 1

    def key(self) -> str:
        quote = self.text[self.at]
        if quote in "\"'":
            raw = self.string()
            return raw[1:-1] if quote == "'" else _unescape(raw[1:-1])
        match = _BARE.match(self.text, self.at)
        if match is None:  # pragma: no cover - only invalid TOML gets here
            raise ValueError(f"no key at offset {self.at}")
        self.at = match.end()
        return match.group()

    def string(self) -> str:
        for pattern in _STRINGS:
            if (match := pattern.match(self.text, self.at)) is not None:
                self.at = match.end()
                return match.group()
        raise ValueError(f"no string at offset {self.at}")  # pragma: no cover - only invalid TOML gets here

    def pair(self, prefix: Path) -> None:
        parts = self.keys()
        self.at = self.text.index("=", self.at) + 1
        path = prefix
        start = parts[0][1][0]
        for name, span in parts[:-1]:
            path = (*path, name)
            self.spans.setdefault(path, Span(span, (start, span[1])))
        name, span = parts[-1]
        path = (*path, name)
        self.skip(_SPACE)
        begin = self.at
        self.value(path)
        self.spans[path] = Span(span, (begin, self.at))

    def value(self, path: Path) -> None:
        match self.text[self.at]:
            case '"' | "'":
                self.string()
            case "[":
                self.array(path)
            case "{":
                self.inline(path)
            case _:
                self.skip(_SCALAR)
                while self.text[self.at - 1] in " \t":
                    self.at -= 1

    def array(self, path: Path) -> None:
        self.at += 1
        index = 0
        while True:
            self.skip(_BLANK)
            if self.text[self.at] == "]":
                self.at += 1
                return
            begin = self.at
            self.value((*path, index))
            self.spans[(*path, index)] = Span((begin, self.at), (begin, self.at))
            index += 1
            self.skip(_BLANK)
            if self.text[self.at] == ",":
                self.at += 1

    def inline(self, path: Path) -> None:
        self.at += 1
        while True:
            self.skip(_BLANK)
            if self.text[self.at] == "}":
                self.at += 1
                return
            self.pair(path)
            self.skip(_BLANK)
            if self.text[self.at] == ",":
                self.at += 1


def _unescape(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        code = match.group(1)
        return chr(int(code[1:], 16)) if code[0] in "uU" and len(code) > 1 else _ESCAPED.get(code, code)

    return _ESCAPE.sub(one, text)
