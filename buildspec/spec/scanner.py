"""TOML text in, its values and the place of each out, or what is wrong with the text and where.

The parsers there are tell neither where values stand nor, in a user's words, why a text isn't TOML; and tomlkit takes
minutes to merge some hundreds of dotted keys. The language is TOML 1.1.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Literal, NoReturn

import attrs

from buildspec.errors import quoted
from buildspec.spec.positions import Path, Positions, Span, spell

MAX_DEPTH = 32
"""Tables and arrays within each other; more is a mistake, and would exhaust the stack of what reads them."""
MAX_VALUES = 75_000
"""Keys and elements of arrays: 15 for each of 5,000 stages. More would take more than a second to read."""
MAX_FLAWS = 1000
"""After so many the rest isn't looked at."""


@attrs.frozen(repr=False, order=True)
class Flaw:
    """Something that isn't TOML."""

    start: int
    """Offset into the text of its first character."""
    end: int
    """Offset of the character after its last."""
    message: str


class ScanError(ValueError):
    """The text isn't TOML.

    Args:
        flaws: one or more, in the order of the text.
    """

    def __init__(self, flaws: Iterable[Flaw]) -> None:
        self.flaws = tuple(sorted(flaws))
        super().__init__("; ".join(flaw.message for flaw in self.flaws))


# What TOML allows nowhere, not even in strings and comments.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)")
_SPACE = re.compile(r"[ \t]*+")
# groups are atomic and not possessive: Python before 3.11.5 ends these too early (cpython#106052)
_BLANK = re.compile(r"(?>(?:[ \t\r\n]|#[^\n]*+)*)")
_LINE_END = re.compile(r"[ \t]*+(?:#[^\n]*+)?(?:\r?\n|\Z)")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_WORD = re.compile(r"[^\s,\[\]{}#=\"']+")
_STRINGS = {
    '"""': re.compile(r'"""(?>(?:[^"\\]++|\\.|"(?!""))*)"""(?:"{0,2})', re.DOTALL),
    "'''": re.compile(r"'''(?>(?:[^']++|'(?!''))*)'''(?:'{0,2})"),
    '"': re.compile(r'"(?>(?:[^"\\\n]++|\\[^\n])*)"'),
    "'": re.compile(r"'[^'\n]*+'"),
}
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|U[0-9A-Fa-f]{8}|x[0-9A-Fa-f]{2}|[ \t]*\n|.)", re.DOTALL)
_ESCAPED = frozenset('btnfre"\\')
_INTEGER = r"[+-]?(?:0|[1-9](?>(?:_?[0-9])*))"
_DIGITS = r"[0-9](?>(?:_?[0-9])*)"
_EXPONENT = rf"[eE][+-]?{_DIGITS}"
_TIME = r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?"
_SCALAR = re.compile(
    r"true|false|[+-]?(?:inf|nan)"
    r"|(?P<radix>0x[0-9A-Fa-f](?>(?:_?[0-9A-Fa-f])*)|0o[0-7](?>(?:_?[0-7])*)|0b[01](?>(?:_?[01])*))"
    rf"|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}(?:[Tt ]{_TIME}(?:[Zz]|[+-][0-9]{{2}}:[0-5][0-9])?)?|{_TIME}"
    rf"|{_INTEGER}(?:(?:\.{_DIGITS})(?:{_EXPONENT})?|{_EXPONENT})|(?P<integer>{_INTEGER})"
)
_AFTER_SCALAR = re.compile(r"[ \t\r\n,\]}#]|\Z")

_Kind = Literal["value", "array", "header", "implicit", "dotted"]

Scalar = Callable[[str], object]
"""From a string, number, boolean or date as TOML writes it to its value; raises ValueError."""


def scan(text: str, scalar: Scalar) -> tuple[dict[str, Any], Positions]:
    """Read a TOML document.

    Args:
        text: the document, without a byte-order mark.
        scalar: reads its scalars.

    Returns:
        Its tables as dicts and its arrays as lists, and the place of each table, key and element.

    Raises:
        ScanError: the text isn't TOML.
    """
    if (match := _CONTROL.search(text)) is not None:
        code = f"U+{ord(match.group()):04X}"
        raise ScanError([Flaw(match.start(), match.end(), f"control character {code} is not allowed in TOML")])
    scanner = _Scanner(text, scalar)
    try:
        scanner.document()
    except ScanError as error:
        raise ScanError([*scanner.flaws, *error.flaws]) from None
    if scanner.flaws:
        raise ScanError(scanner.flaws)
    return scanner.data, Positions(text, scanner.spans)


class _Scanner:
    """Reads one document, from its start to its end or to what stops it.

    A key that is defined twice and a date that doesn't exist stop nothing: all of them are collected.
    """

    def __init__(self, text: str, scalar: Scalar) -> None:
        self.text = text
        self.read = scalar
        self.data: dict[str, Any] = {}
        self.at = 0
        self.values = 0
        self.spans: dict[Path, Span] = {}
        self.flaws: list[Flaw] = []
        self.kinds: dict[Path, tuple[_Kind, int]] = {}  # what a path is, and where it was said
        self.elements: dict[Path, int] = {}  # index of the newest element of [[name]], by path

    # --- statements --------------------------------------------------------------------------------------

    def document(self) -> None:
        table: Path = ()
        while True:
            self.skip(_BLANK)
            if self.at >= len(self.text):
                return
            if self.text[self.at] == "[":
                table = self.header()
                self.insert(self.data, table, {})
            else:
                keys, value = self.pair(table)
                self.insert(self.data, (*table, *keys), value)
            self.line_end()

    def header(self) -> Path:
        start = self.at
        array = self.text.startswith("[[", start)
        self.at += 2 if array else 1
        parts = self.keys()
        close = "]]" if array else "]"
        if not self.text.startswith(close, self.at):
            self.stop(f"expected '{close}' after the table's name, got {self.here()}")
        self.at += len(close)
        path: Path = ()
        for name, span in parts[:-1]:
            path = self.into((*path, name))
            self.define(path, "implicit", span)
            self.spans.setdefault(path, Span(span, (start, self.at)))
        name, span = parts[-1]
        path = (*path, name)
        self.define(path, "array" if array else "header", span)
        self.spans.setdefault(path, Span(span, (start, self.at)))
        if array:
            self.elements[path] = self.elements.get(path, -1) + 1
            path = (*path, self.elements[path])
        self.spans[path] = Span(span, (start, self.at))
        return path

    def into(self, path: Path) -> Path:
        """The path, continued into the newest element when it names an array of tables."""
        return (*path, self.elements[path]) if path in self.elements else path

    def pair(self, table: Path) -> tuple[Path, object]:
        """Read a key and its value; the key's path is relative to the table."""
        parts = self.keys()
        if not self.text.startswith("=", self.at):
            self.stop(f"expected '=' after key '{parts[-1][0]}', got {self.here()}")
        self.at += 1
        path = table
        for name, span in parts[:-1]:
            path = (*path, name)
            self.define(path, "dotted", span)
            self.spans.setdefault(path, Span(span, (parts[0][1][0], span[1])))
        name, span = parts[-1]
        path = (*path, name)
        self.define(path, "value", span)
        self.skip(_SPACE)
        begin = self.at
        value = self.value(path)
        self.spans.setdefault(path, Span(span, (begin, self.at)))
        return path[len(table) :], value

    def insert(self, data: dict[str, Any], path: Path, value: object) -> None:
        """Put a value where its path says; a table that is there already stays."""
        here: Any = data
        for part, following in zip(path, (*path[1:], None), strict=True) if not self.flaws else ():
            default: object = value if following is None else [] if isinstance(following, int) else {}
            if isinstance(part, str):
                here = here.setdefault(part, default)
            else:
                here.extend([default] if part == len(here) else ())
                here = here[part]

    def line_end(self) -> None:
        if (match := _LINE_END.match(self.text, self.at)) is None:
            self.skip(_SPACE)
            self.stop(f"expected the end of the line, got {self.here()}")
        self.at = match.end()

    def define(self, path: Path, kind: _Kind, span: tuple[int, int]) -> None:
        """Note what a path is, and that it may not be that when it is something else already."""
        if path and isinstance(path[-1], int):
            return
        before, where = self.kinds.setdefault(path, (kind, span[0]))
        if where == span[0]:
            return
        match kind, before:
            case ("implicit", "implicit" | "header" | "dotted") | ("array", "array") | ("dotted", "dotted"):
                pass
            case "header", "implicit":
                self.kinds[path] = ("header", span[0])
            case _:
                line = self.text.count("\n", 0, where) + 1
                self.flaw(*span, f"'{spell(path)}' is defined already, in line {line}")

    # --- keys --------------------------------------------------------------------------------------------

    def keys(self) -> list[tuple[str, tuple[int, int]]]:
        """The parts of a key, each with its offsets; stops before what follows the key."""
        parts = []
        while True:
            self.skip(_SPACE)
            self.counted()
            start = self.at
            parts.append((self.key(), (start, self.at)))
            if len(parts) > MAX_DEPTH:
                self.stop(f"more than {MAX_DEPTH} levels of tables", parts[0][1][0])
            self.skip(_SPACE)
            if not self.text.startswith(".", self.at):
                return parts
            self.at += 1

    def key(self) -> str:
        if self.text.startswith(('"', "'"), self.at):
            start = self.at
            return str(self.plain(self.string(multiline=False), start))
        match = _BARE_KEY.match(self.text, self.at)
        end = match.end() if match else self.at
        if self.text[end : end + 1].isalpha():
            self.stop(f"key {self.here()} has to be in quotes")
        if match is None:
            self.stop(f"expected a key, got {self.here()}")
        self.at = end
        return match.group()

    # --- values ------------------------------------------------------------------------------------------

    def value(self, path: Path) -> object:
        start = self.at
        if len(path) > MAX_DEPTH and self.text.startswith(("[", "{"), start):
            self.stop(f"more than {MAX_DEPTH} levels of tables and arrays")
        match self.text[start : start + 1]:
            case '"' | "'":
                return self.plain(self.string(), start)
            case "[":
                return self.array(path)
            case "{":
                return self.inline(path)
            case _:
                return self.plain(self.scalar(), start)

    def plain(self, raw: str, start: int) -> object:
        """The value of a scalar."""
        try:
            return self.read(raw)
        except ValueError as error:
            self.flaw(start, start + len(raw), f"{quoted(raw)} is not a value: {error}")
            return None

    def string(self, *, multiline: bool = True) -> str:
        start = self.at
        quotes = self.text[start] * 3
        if not multiline or not self.text.startswith(quotes, start):
            quotes = self.text[start]
        if (match := _STRINGS[quotes].match(self.text, start)) is None:
            within = "" if len(quotes) > 1 else " in its line"
            self.stop(f"the string that starts here is never closed{within}", width=len(quotes))
        self.at = match.end()
        raw = match.group()
        if quotes[0] == '"' and "\\" in raw:
            self.escapes(raw, start, multiline=len(quotes) > 1)
        return raw

    def escapes(self, raw: str, start: int, *, multiline: bool) -> None:
        for match in _ESCAPE.finditer(raw):
            code = match.group(1)
            if len(code) > 1 and code[0] in "uUx":
                number = int(code[1:], 16)
                fine = number < 0xD800 or 0xE000 <= number < 0x110000
            else:
                fine = code in _ESCAPED or (multiline and "\n" in code)
            if not fine:
                self.at = start + match.start()
                shown = match.group().rstrip()
                hint = "; write '\\\\', or put the string in single quotes" if len(code) == 1 else ""
                self.stop(f"'{shown}' is not an escape{hint}", width=len(shown))

    def array(self, path: Path) -> list[object]:
        start = self.at
        self.at += 1
        elements: list[object] = []
        while True:
            self.skip(_BLANK)
            if self.closed("]", "array", start):
                return elements
            self.counted()
            begin = self.at
            element = (*path, len(elements))
            elements.append(self.value(element))
            self.spans[element] = Span((begin, self.at), (begin, self.at))
            self.separator("]", "array", start)

    def inline(self, path: Path) -> dict[str, Any]:
        start = self.at
        self.at += 1
        table: dict[str, Any] = {}
        while True:
            self.skip(_BLANK)
            if self.closed("}", "table", start):
                return table
            self.insert(table, *self.pair(path))
            self.separator("}", "table", start)

    def closed(self, bracket: str, what: str, start: int) -> bool:
        """Whether an array or inline table ends here; steps over its bracket."""
        if self.at >= len(self.text):
            self.at = start
            self.stop(f"the {what} that starts here is never closed", width=1)
        if self.text[self.at] != bracket:
            return False
        self.at += 1
        return True

    def separator(self, bracket: str, what: str, start: int) -> None:
        self.skip(_BLANK)
        if self.text.startswith(",", self.at):
            self.at += 1
        elif self.at < len(self.text) and self.text[self.at] != bracket:
            line = self.text.count("\n", 0, start) + 1
            self.stop(f"expected ',' or '{bracket}' in the {what} of line {line}, got {self.here()}")

    def scalar(self) -> str:
        match = _SCALAR.match(self.text, self.at)
        if match is None or _AFTER_SCALAR.match(self.text, match.end()) is None:
            self.not_a_value()
        digits = match["integer"] or match["radix"] or "0"
        # long ones are refused unread: Python takes its time over thousands of digits
        if len(digits) > 200 or not -(2**63) <= int(digits, 0) < 2**63:
            self.stop("an integer has to fit in 64 bits", width=len(digits))
        self.at = match.end()
        return match.group()

    def not_a_value(self) -> NoReturn:
        match = _WORD.match(self.text, self.at)
        if match is None:
            self.stop(f"expected a value, got {self.here()}")
        word = match.group()
        if word.lower() in ("true", "false"):
            hint = f"; write '{word.lower()}'"
        elif word.lower() in ("yes", "no", "on", "off", "null", "none", "nil"):
            hint = "; TOML has 'true' and 'false'"
        else:
            hint = "; put text in quotes"
        self.stop(f"{self.here()} is not a value{hint}", width=len(word))

    # --- helpers -----------------------------------------------------------------------------------------

    def flaw(self, start: int, end: int, message: str) -> None:
        """Note something wrong that one can read on after."""
        self.flaws.append(Flaw(start, end, message))
        if len(self.flaws) == MAX_FLAWS:
            raise ScanError([])

    def counted(self) -> None:
        self.values += 1
        if self.values > MAX_VALUES:
            self.stop(f"more than {MAX_VALUES:,} keys and values; no image needs so many")

    def skip(self, pattern: re.Pattern[str]) -> None:
        if (match := pattern.match(self.text, self.at)) is not None:
            self.at = match.end()

    def here(self) -> str:
        """What stands here, as a message quotes it."""
        if self.at >= len(self.text):
            return "the end of the file"
        if self.text[self.at] in "\r\n":
            return "the end of the line"
        match = _WORD.match(self.text, self.at)
        return quoted(match.group() if match else self.text[self.at])

    def stop(self, message: str, at: int | None = None, *, width: int | None = None) -> NoReturn:
        start = self.at if at is None else at
        if width is None:
            match = _WORD.match(self.text, start)
            width = len(match.group()) if match else 1
        raise ScanError([Flaw(start, start + width, message)])
