"""Every error a user can meet: one base class, one exit code a class, no printing."""

from __future__ import annotations

import unicodedata
from enum import IntEnum
from typing import TYPE_CHECKING, ClassVar, Literal

import attrs

if TYPE_CHECKING:
    from collections.abc import Iterable


class ExitCode(IntEnum):
    """What a verb's exit status says to the shell and to CI."""

    DONE = 0
    FAILED = 1  # a step, a gate or a budget failed
    WRONG_SPEC = 2  # the specification, or how the command was called, is wrong
    NOT_UP_TO_IT = 3  # the machine or a registry is


class BuildspecError(Exception):
    """Base of all errors that are told to the user without a traceback.

    Args:
        message: what went wrong, in one or more lines.
        fix: what to do about it, in one line; empty when the message says it.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class StepError(BuildspecError):
    """A build step, a gate or a budget failed."""


class UsageError(BuildspecError):
    """The command was called with arguments that make no sense."""

    exit_code = ExitCode.WRONG_SPEC


class MachineError(BuildspecError):
    """Something this machine, its engine or a registry should provide is not there."""

    exit_code = ExitCode.NOT_UP_TO_IT


@attrs.frozen(order=True)
class Place:
    """A place in a text the user wrote.

    Args:
        file: the path as the user would type it.
        line: counted from 1.
        column: counted from 1, in characters.
        width: characters to underline, at least 1; what goes beyond the line isn't shown.
        text: the source line, without its line end.
    """

    file: str
    line: int
    column: int
    width: int = 1
    text: str = ""

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


@attrs.frozen
class Diagnostic:
    """One problem in a specification.

    Args:
        rule: kebab-case name, as in the documentation of the rules.
        message: what is wrong, what was expected, and the way out.
        place: where it was written; None for a problem of the command line.
        path: what it is about, as a path of the specification (`stages.base.packages`) or the file of a fragment.
        severity: an error keeps everything from being built, a warning doesn't.
    """

    rule: str
    message: str
    place: Place | None = None
    path: str = ""
    severity: Literal["error", "warning"] = "error"

    def render(self) -> str:
        """As people read it: place, rule, message, the source line and a caret."""
        message = visible(self.message)
        if self.place is None:
            return f"{self.severity}[{self.rule}]: {message}"
        head = f"{visible(str(self.place))}: {self.severity}[{self.rule}]: {message}"
        if not self.place.text.strip():
            return head
        number = f"{self.place.line:5d}"
        line, caret = _excerpt(self.place)
        return f"{head}\n{number} | {line}\n{' ' * len(number)} | {caret}"


_EXCERPT = 160
"""Characters of a source line that are shown; of longer lines, those around the caret."""
_QUOTED = 60
"""Characters of a name or value that a message quotes."""


def visible(text: str) -> str:
    """The text with a stand-in for all that a terminal would obey or hide; tabs stay."""
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() or one == "\t" else _stand_in(one) for one in text)


def quoted(text: str) -> str:
    """The text in quotes; only the start of a long one."""
    return f"'{shortened(text)}'"


def shortened(text: str) -> str:
    """The text, or the start of a long one."""
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}…"


def _stand_in(one: str) -> str:
    if ord(one) < 0x20:
        return chr(0x2400 + ord(one))  # Unicode's pictures of control characters
    return "\u2421" if one == "\x7f" else "\ufffd"


def _excerpt(place: Place) -> tuple[str, str]:
    """The source line and the line with the caret below it."""
    start = min(place.column - 1, len(place.text))
    end = max(start + 1, min(start + place.width, len(place.text)))
    left = max(0, min(start - _EXCERPT // 2, len(place.text) - _EXCERPT))
    right = left + _EXCERPT
    before = ("…" if left else "") + visible(place.text[left:start])
    marked = visible(place.text[start : min(end, right)])
    after = visible(place.text[end:right]) + ("…" if right < len(place.text) else "")
    indent = "".join("\t" if one == "\t" else " " * _columns(one) for one in before)
    caret = "^" * max(1, sum(_columns(one) for one in marked))
    return before + marked + after, indent + caret


def _columns(one: str) -> int:
    """Columns a character takes on a terminal."""
    if one.isascii():
        return 1
    if unicodedata.combining(one):
        return 0
    return 2 if unicodedata.east_asian_width(one) in "WF" else 1


def in_order(diagnostics: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    """Each once, in the order of the files."""
    nowhere = Place("", 0, 0)
    return tuple(sorted(dict.fromkeys(diagnostics), key=lambda d: (d.place or nowhere, d.rule, d.message)))


MOST = 1000
"""Problems of a kind that are told; a text with more is none that a person wrote, and is not looked at further."""


MORE = ", and there may be more"


class SpecError(BuildspecError):
    """The specification is wrong: all its problems at once, in the order of the files.

    Args:
        diagnostics: one or more problems.
    """

    exit_code = ExitCode.WRONG_SPEC

    def __init__(self, diagnostics: Iterable[Diagnostic]) -> None:
        self.diagnostics = in_order(diagnostics)
        count = len(self.diagnostics)
        super().__init__(
            "\n".join(d.render() for d in self.diagnostics),
            f"{count} problem{'s' if count != 1 else ''} found{MORE if count >= MOST else ''}; nothing was built",
        )
