"""Bytes of a text in, its counts out."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")


class Counts:
    """Lines, words, characters and bytes, as far as they have been read."""

    def __init__(self) -> None:
        self.lines = self.words = self.characters = self.bytes = 0
        self.seen: Counter[str] = Counter()

    def __iadd__(self, other: Counts) -> Counts:
        self.lines += other.lines
        self.words += other.words
        self.characters += other.characters
        self.bytes += other.bytes
        self.seen += other.seen
        return self

    def top(self, number: int) -> list[tuple[str, int]]:
        """The most frequent words with their counts; those as frequent in alphabetical order."""
        return sorted(self.seen.items(), key=lambda pair: (-pair[1], pair[0]))[:number]


def count(lines: Iterable[bytes]) -> Counts:
    """Count a text; line by line, as it may be larger than memory."""
    counts = Counts()
    for line in lines:
        text = line.decode("utf-8", errors="replace")
        words = [word.casefold() for word in _WORD.findall(text)]
        counts.lines += line.endswith(b"\n")
        counts.words += len(words)
        counts.characters += len(text)
        counts.bytes += len(line)
        counts.seen.update(words)
    return counts
