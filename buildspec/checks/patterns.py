"""Patterns of `.dockerignore` and of COPY, matched as Docker matches them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from posixpath import normpath

import attrs


@attrs.frozen
class Pattern:
    """A pattern as a machine that reads a path once: any pattern takes time in proportion to the path.

    Its states are bits of a number, bit `n` standing before the pattern's n-th token. A regular expression would take
    exponential time for some patterns that a person can write.
    """

    _eats: tuple[tuple[re.Pattern[str], int], ...]
    """For each kind of character that steps on: the states that step."""
    _stays: tuple[tuple[re.Pattern[str], int], ...]
    """For each kind of character that a state can read without leaving: those states."""
    _skips: int
    """States that may step on without a character."""
    _leaps: int
    """States that may step on twice without a character."""
    _end: int
    """The state in which a path has been matched."""

    def matches(self, path: str) -> bool:
        """Whether the whole of the path is matched; it has `/` between its parts, and none at its ends."""
        states = self._without_reading(1)
        for character in path:
            onward = staying = 0
            for kind, those in self._eats:
                onward |= those if states & those and kind.match(character) else 0
            for kind, those in self._stays:
                staying |= those if states & those and kind.match(character) else 0
            states = self._without_reading(((states & onward) << 1) | (states & staying))
            if not states:
                return False
        return bool(states & self._end)

    def _without_reading(self, states: int) -> int:
        while True:
            more = states | ((states & self._skips) << 1) | ((states & self._leaps) << 2)
            if more == states:
                return states
            states = more


# Source: moby/patternmatcher, patternmatcher.go, compile. `**/` is any number of folders, `**` at the end anything.
_TOKENS = re.compile(r"\*\*+/|\*\*+|\*|\?|\[\^?(?:\\.|[^\]\\])+\]|\\.|.", re.DOTALL)
_ANY, _NO_SLASH = r"[\s\S]", "[^/]"


def compile_pattern(text: str) -> Pattern | None:
    """A pattern that is normalised already; None for one that Docker doesn't take."""
    eats: dict[str, int] = {}
    stays: dict[str, int] = {}
    skips = leaps = at = 0
    pieces = _TOKENS.findall(text)
    for index, piece in enumerate(pieces):
        bit = 1 << at
        if piece == "*" or (piece.strip("*") == "" and index == len(pieces) - 1):
            kind = _NO_SLASH if piece == "*" else _ANY
            stays[kind] = stays.get(kind, 0) | bit
            skips |= bit
        elif piece.startswith("**"):
            # folders with their slash, or nothing at all
            leaps |= bit
            skips |= bit
            stays[_ANY] = stays.get(_ANY, 0) | bit << 1
            eats["/"] = eats.get("/", 0) | bit << 1
            at += 1
        else:
            kind = _character(piece)
            eats[kind] = eats.get(kind, 0) | bit
        at += 1
    try:
        return Pattern(_compiled(eats), _compiled(stays), skips, leaps, 1 << at)
    except re.error:
        return None


def _compiled(kinds: dict[str, int]) -> tuple[tuple[re.Pattern[str], int], ...]:
    return tuple((re.compile(kind, re.DOTALL), states) for kind, states in kinds.items())


def _character(piece: str) -> str:
    """A regular expression for the one character that a piece stands for."""
    if piece == "?":
        return _NO_SLASH
    if len(piece) > 1 and piece.startswith("["):
        return piece.replace("[[", "[\\[")
    return re.escape(piece[-1])


@attrs.frozen
class Ignored:
    """The patterns of an ignore file."""

    _patterns: tuple[tuple[Pattern, bool], ...]
    """Each with whether it takes in again what others leave out."""

    @classmethod
    def of(cls, lines: Iterable[str]) -> Ignored:
        """Read lines as `.dockerignore` has them. Source: moby/patternmatcher, ignorefile/ignorefile.go, and New."""
        found = []
        for line in lines:
            text = line.strip()
            again = text.startswith("!")
            if text and not text.startswith("#"):
                text = normpath(text.removeprefix("!").strip() or ".").lstrip("/")
                compiled = compile_pattern(text) if text not in ("", ".") else None
                found += [(compiled, again)] if compiled is not None else []
        return cls(tuple(found))

    @property
    def takes_again(self) -> bool:
        """Whether a file in an ignored folder may still be taken."""
        return any(again for _, again in self._patterns)

    def ignores(self, path: str) -> bool:
        """Whether a path of the context is left out: the last pattern decides that matches it, or a folder it is in."""
        parts = path.split("/")
        prefixes = ["/".join(parts[:end]) for end in range(len(parts), 0, -1)]
        for pattern, again in reversed(self._patterns):
            if any(pattern.matches(prefix) for prefix in prefixes):
                return not again
        return False
