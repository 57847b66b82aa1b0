"""How a problem is shown: its place, its line and the caret."""

from __future__ import annotations

import pytest

from buildspec.errors import Diagnostic, ExitCode, Place, SpecError, quoted, visible


def shown(text: str, column: int, width: int) -> list[str]:
    return Diagnostic("rule", "message", Place("f", 7, column, width, text)).render().split("\n")


def test_a_problem_is_shown_with_place_line_and_caret() -> None:
    assert shown('packges = ["git"]', 1, 7) == [
        "f:7:1: error[rule]: message",
        '    7 | packges = ["git"]',
        "      | ^^^^^^^",
    ]


def test_a_problem_without_place_is_one_line() -> None:
    assert Diagnostic("rule", "message").render() == "error[rule]: message"


def test_an_empty_line_is_not_shown() -> None:
    assert shown("  ", 1, 1) == ["f:7:1: error[rule]: message"]


@pytest.mark.parametrize(
    ("text", "column", "width", "caret"),
    [
        ("abc", 3, 99, "  ^"),
        ("abc", 4, 1, "   ^"),
        ("abc", 99, 1, "   ^"),
        ("\tabc", 2, 2, "\t^^"),
        ("a\tbc", 3, 1, " \t^"),
        ('"äö" = 1', 6, 1, "     ^"),
        ('"日本" = 1', 6, 1, "       ^"),
        ('"日本" = 1', 2, 2, " ^^^^"),
        ("e\u0301 = 1", 4, 1, "  ^"),
    ],
)
def test_the_caret_is_below_what_it_means(text: str, column: int, width: int, caret: str) -> None:
    assert shown(text, column, width)[2] == f"      | {caret}"


def test_of_a_long_line_the_part_around_the_caret_is_shown() -> None:
    head, line, caret = shown("x" * 5000 + "HERE" + "y" * 5000, 5001, 4)
    assert head.startswith("f:7:5001:")
    assert len(line) < 200
    assert line[caret.index("^") : caret.rindex("^") + 1] == "HERE"


def test_nothing_a_terminal_would_obey_is_shown() -> None:
    bad = Diagnostic("rule", "got '\x1b[2J\n\u202e'", Place("f\x07", 1, 1, 1, "a\x00\x7f\x85\u2028b"))
    text = bad.render()
    assert all(one.isprintable() or one == "\n" for one in text)
    assert text.split("\n")[0] == "f␇:1:1: error[rule]: got '␛[2J␊\ufffd'"


def test_tabs_and_letters_of_all_alphabets_stay() -> None:
    assert visible("\täß日本") == "\täß日本"


def test_a_long_quotation_is_cut() -> None:
    assert quoted("a" * 60) == f"'{'a' * 60}'"
    assert quoted("a" * 61) == f"'{'a' * 60}…'"


def test_problems_come_once_each_in_file_order() -> None:
    late, early, nowhere = (
        Diagnostic("b", "late", Place("f", 9, 1)),
        Diagnostic("b", "early", Place("f", 2, 5)),
        Diagnostic("b", "nowhere"),
    )
    error = SpecError([late, early, nowhere, late])
    assert [one.message for one in error.diagnostics] == ["nowhere", "early", "late"]
    assert error.fix == "3 problems found; nothing was built"
    assert error.exit_code is ExitCode.WRONG_SPEC
    assert SpecError([late]).fix == "1 problem found; nothing was built"
