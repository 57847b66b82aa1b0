"""Dockerfile fragments are split where BuildKit's parser splits them."""

from __future__ import annotations

import pytest

from buildspec.spec.fragments import Instruction, parse_fragment


def split(text: str) -> list[tuple[str, int, str]]:
    return [(one.keyword, one.line, one.text) for one in parse_fragment(text, "f").instructions]


def test_instructions_have_their_keyword_line_and_text() -> None:
    assert split('RUN one\n\n# a comment\n  arg A=1\nShell ["sh"]\n') == [
        ("RUN", 1, "RUN one"),
        ("ARG", 4, "  arg A=1"),
        ("SHELL", 5, 'Shell ["sh"]'),
    ]


@pytest.mark.parametrize("text", ["", "\n\n", "# only\n   # comments\n", "\ufeff# and a mark"])
def test_a_fragment_may_have_no_instruction(text: str) -> None:
    assert split(text) == []


@pytest.mark.parametrize(
    "first",
    [
        "RUN a \\\n  b",
        "RUN a \\  \n  b",
        "RUN a \\\n\n  b",
        "RUN a \\\n# a comment\n  # another\n  b",
        "RUN a \\\n  b \\\n  c",
        "RUN \\\n  a",
        "RUN a\\\\ \\\n b",
        "RUN <<EOF\nUSER root\nRUN a\nEOF",
        "RUN <<-EOF\n\tUSER root\n\t\tEOF",
        "RUN <<EOF cat >a && cat <<'END' >b\nUSER\nEOF\nUSER\nEND",
        "RUN <<  EOF\nUSER\nEOF",
        "RUN 3<<EOF cat\nUSER\nEOF",
        "RUN cat <<'one two'\nUSER\none two",
        "RUN cat <<eo'f'\nUSER\neof",
        'RUN cat <<"EOF" > a\nUSER\nEOF',
        "RUN cat <<eo\\'f\nUSER\neo'f",
        "RUN a \\\n  <<EOF\nUSER\nEOF",
        "RUN a && \\\n  cat <<EOF \\\n  >b\nUSER\nEOF",
        "COPY <<a.txt /b\nUSER\na.txt",
        "RUN <<EOF\n\nEOF",
        "RUN <<EOF\n  EOF\nEOF \nEOF",
        "RUN <<EOF\n\\\nEOF",
    ],
)
def test_an_instruction_goes_over_continued_lines_and_heredocs(first: str) -> None:
    assert [text for _, _, text in split(f"{first}\nRUN last\n")] == [first, "RUN last"]
    assert split(f"{first}\nRUN last\n")[1][1] == first.count("\n") + 2


@pytest.mark.parametrize(
    "first",
    [
        "RUN a \\\\",
        'RUN echo "a <<EOF"',
        "RUN echo '<<EOF'",
        "RUN cat<<EOF",
        "RUN cat <<<EOF",
        "RUN echo $((1<<EOF))",
        "RUN echo \\<<EOF",
        "RUN it's <<EOF",
        "RUN echo <<",
        "USER <<EOF",
        "ARG A=<<EOF",
    ],
)
def test_what_only_looks_like_more_is_not(first: str) -> None:
    assert [text for _, _, text in split(f"{first}\nRUN last\n")] == [first, "RUN last"]


def test_line_ends_and_byte_order_mark_make_no_difference() -> None:
    text = "RUN a \\\n  b\nRUN <<EOF\nc\nEOF\nRUN d\n"
    plain = parse_fragment(text, "f")
    assert parse_fragment("\ufeff" + text.replace("\n", "\r\n"), "f") == plain
    assert [one.line for one in plain.instructions] == [1, 3, 6]


def test_the_escape_directive_changes_what_continues_a_line() -> None:
    found = parse_fragment("# escape=`\nRUN a `\n  b\nRUN c \\\nRUN d\n", "f")
    assert [one.text for one in found.instructions] == ["RUN a `\n  b", "RUN c \\", "RUN d"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("# escape=`\n# syntax=x\n#check=skip=all\n# other=1\n# escape=\\\n", ["escape", "syntax", "check"]),
        ("#ESCAPE = `\n", ["escape"]),
        ("\n# escape=`\n", []),
        ("# a comment\n# escape=`\n", []),
        ("RUN a\n# syntax=x\n", []),
        ("# escape\n", []),
    ],
)
def test_directives_stand_at_the_top_alone(text: str, names: list[str]) -> None:
    assert [one.name for one in parse_fragment(text, "f").directives] == names


@pytest.mark.parametrize(
    ("text", "heredoc"),
    [
        ("RUN a \\", ""),
        ("RUN a \\\n", ""),
        ("RUN a \\\n# comment\n\n", ""),
        ("RUN <<EOF\nUSER\n", "EOF"),
        ("RUN <<A <<B\nA\n", "B"),
        ("RUN <<EOF", "EOF"),
    ],
)
def test_an_instruction_that_the_fragment_cuts_off_says_so(text: str, heredoc: str) -> None:
    (one,) = parse_fragment(text, "f").instructions
    assert one.unfinished
    assert one.heredoc == heredoc


@pytest.mark.parametrize("text", ["RUN a", "RUN a \\\nb", "RUN <<EOF\nEOF", "RUN a \\\\"])
def test_a_whole_instruction_is_finished(text: str) -> None:
    assert [one.unfinished for one in parse_fragment(text, "f").instructions] == [False]


def test_what_is_no_keyword_is_kept_as_it_stands() -> None:
    assert parse_fragment("&& b\n", "f").instructions == (Instruction("&&", "&& b", 1),)


def test_a_line_of_the_fragment_can_be_shown() -> None:
    assert parse_fragment("RUN a\r\n  RUN b\r\n", "f").line_text(2) == "  RUN b"


def test_a_long_fragment_takes_no_long_time() -> None:
    for text in ("RUN " + "<" * 60_000, "RUN " + "'" * 60_001, "RUN a \\\n" * 8000, "RUN " + "\\" * 60_000):
        assert parse_fragment(text, "f").instructions
