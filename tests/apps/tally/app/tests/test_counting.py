from __future__ import annotations

import io
import unittest

from tally.counting import Counts, count


class Counting(unittest.TestCase):
    def counts(self, text: bytes) -> tuple[int, int, int, int]:
        found = count(io.BytesIO(text))
        return found.lines, found.words, found.characters, found.bytes

    def test_an_empty_text_has_nothing(self) -> None:
        self.assertEqual(self.counts(b""), (0, 0, 0, 0))

    def test_a_last_line_without_an_end_is_no_line(self) -> None:
        self.assertEqual(self.counts(b"one\ntwo"), (1, 2, 7, 7))

    def test_characters_are_not_bytes(self) -> None:
        self.assertEqual(self.counts("größer\n".encode()), (1, 1, 7, 9))

    def test_an_apostrophe_or_a_hyphen_does_not_end_a_word(self) -> None:
        self.assertEqual(self.counts(b"don't re-read _it_")[1], 3)

    def test_what_is_not_utf_8_is_counted_all_the_same(self) -> None:
        self.assertEqual(self.counts(b"\xff\xfe one\n"), (1, 1, 7, 7))

    def test_the_most_frequent_words_come_first(self) -> None:
        self.assertEqual(count(io.BytesIO(b"b a B c a b")).top(2), [("b", 3), ("a", 2)])

    def test_counts_add_up(self) -> None:
        total = Counts()
        for text in (b"a b\n", b"b\n"):
            total += count(io.BytesIO(text))
        self.assertEqual((total.lines, total.words, total.top(1)), (2, 3, [("b", 2)]))
