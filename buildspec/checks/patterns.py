"""Patterns of `.dockerignore` and of COPY, matched as Docker matches them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from operator import itemgetter
from posixpath import normpath

import attrs


@attrs.frozen(repr=False)
class Pattern:
    """A pattern as a machine that reads a path once: any pattern takes time in proportion to the path.

    Its states are bits of a number, bit `n` standing before the pattern's n-th token. A regular expression would take
    exponential time for some patterns that a person can write.
    """

    _characters: Mapping[str, int]
    """For each character that steps on: the states that step."""
    _kinds: tuple[tuple[re.Pattern[str], int], ...]
    """For each kind of character that steps on, `?` or `[a-z]`: the states that step."""
    _stay: int
    """States that can read any character without leaving."""
    _stay_inside: int
    """States that can read any character but `/` without leaving."""
    _skips: int
    """States that may step on without a character."""
    _leaps: int
    """States that may step on twice without a character."""
    _end: int
    """The state in which a path has been matched."""

    @property
    def weight(self) -> int:
        """How long it takes to read a character, about; that of a pattern that a person writes is a few."""
        return len(self._kinds) + (1 + self._skips.bit_count()) * (1 + self._end.bit_length() // 500)

    def matches(self, path: str) -> bool:
        """Whether the whole of the path is matched; it has `/` between its parts, and none at its ends."""
        states = self._without_reading(1)
        for character in path:
            onward = self._characters.get(character, 0)
            for kind, those in self._kinds:
                onward |= those if states & those and kind.match(character) else 0
            staying = self._stay if character == "/" else self._stay | self._stay_inside
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
_WILD = re.compile(r"[*?\[\\]")


def compile_pattern(text: str) -> Pattern | None:
    """A pattern that is normalised already; None for one that Docker doesn't take."""
    characters: dict[str, int] = {}
    kinds: dict[str, int] = {}
    stay = stay_inside = skips = leaps = at = 0
    pieces = _TOKENS.findall(text)
    for index, piece in enumerate(pieces):
        bit = 1 << at
        if piece == "*":
            stay_inside |= bit
            skips |= bit
        elif piece.strip("*") == "" and index == len(pieces) - 1:
            stay |= bit
            skips |= bit
        elif piece.startswith("**"):
            # folders with their slash, or nothing at all
            leaps |= bit
            skips |= bit
            stay |= bit << 1
            characters["/"] = characters.get("/", 0) | bit << 1
            at += 1
        elif piece == "?":
            kinds["[^/]"] = kinds.get("[^/]", 0) | bit
        elif len(piece) > 1 and piece.startswith("["):
            kind = piece.replace("[[", "[\\[")
            kinds[kind] = kinds.get(kind, 0) | bit
        else:
            characters[piece[-1]] = characters.get(piece[-1], 0) | bit
        at += 1
    try:
        compiled = tuple((re.compile(kind, re.DOTALL), states) for kind, states in kinds.items())
    except re.error:
        return None
    return Pattern(characters, compiled, stay, stay_inside, skips, leaps, 1 << at)


def effort(text: str) -> int:
    """How long it takes to compile a pattern, about, in the unit of a pattern's weight."""
    return len(text) * (1 + len(text) // 1000) + 300 * text.count("[")


@attrs.frozen(repr=False)
class Ignored:
    """The patterns of an ignore file."""

    _names: Mapping[str, tuple[int, bool]]
    """Paths without wildcards: the number of their line, and whether they take in again what others leave out."""
    _patterns: tuple[tuple[int, bool, Pattern], ...]
    """Those with wildcards, likewise, the last one first."""
    takes_again: bool
    """Whether a file in an ignored folder may still be taken."""
    weight: int
    """How long it takes to look at a character of a path, about."""

    @classmethod
    def of(cls, lines: Iterable[str]) -> Ignored:
        """Read lines as `.dockerignore` has them. Source: moby/patternmatcher, ignorefile/ignorefile.go, and New."""
        names: dict[str, tuple[int, bool]] = {}
        patterns: dict[str, tuple[int, bool, Pattern]] = {}
        for number, line in enumerate(lines):
            text = line.strip()
            again = text.startswith("!")
            if text and not text.startswith("#"):
                text = normpath(text.removeprefix("!").strip() or ".").lstrip("/")
                if text in ("", "."):
                    continue
                if _WILD.search(text) is None:
                    names[text] = (number, again)
                elif (compiled := compile_pattern(text)) is not None:
                    patterns[text] = (number, again, compiled)
        takes_again = any(again for _, again, *_ in (*names.values(), *patterns.values()))
        weight = 1 + sum(pattern.weight for _, _, pattern in patterns.values())
        return cls(names, tuple(sorted(patterns.values(), key=itemgetter(0), reverse=True)), takes_again, weight)

    def ignores(self, path: str) -> bool:
        """Whether a path of the context is left out: the last pattern decides that matches it, or a folder it is in."""
        parts = path.split("/")
        prefixes = ["/".join(parts[:end]) for end in range(len(parts), 0, -1)]
        last, again = max(self._names.get(prefix, (-1, True)) for prefix in prefixes)
        for number, other, pattern in self._patterns:
            if number < last:
                break
            if any(pattern.matches(prefix) for prefix in prefixes):
                return not other
        return not again
