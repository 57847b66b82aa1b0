"""TOML text: its values, the place of each, and what is said of text that isn't TOML."""

from __future__ import annotations

import tomllib
from functools import partial

import pytest
from helpers.specs import document, told

from buildspec.errors import Place
from buildspec.spec.document import Document
from buildspec.spec.positions import Path, spell

TEXT = """\
# a comment with [brackets] = "quotes"
title = "one"
dotted.key.deep = 1
"quoted key" = 'literal'
number = 1_000 # after it

[table]
inline = { a = 1, "b c" = [ "x", "y" ], d.e = true }
array = [
  "first", # with a comment
  [ 2, 3 ],
  { four = 4 },
]
long = \"\"\"
several
lines\"\"\"
raw = '''it''s'''
\tindented = 2026-02-20 07:30:00
größe = 5
""".replace("größe", '"größe"')

ARRAYS = """\
[[product]]
name = "a"
[[product.part]]
id = 1
[[product.part]]
id = 2
[product.box]
size = 3
[[product]]
name = "b"
[[product.part]]
id = 4
"""


def underlined(place: Place | None) -> str:
    """The text that a place underlines."""
    assert place is not None
    return place.text[place.column - 1 : place.column - 1 + place.width]


@pytest.mark.parametrize(
    ("path", "line", "key", "value"),
    [
        (("title",), 2, "title", '"one"'),
        (("dotted", "key"), 3, "key", "dotted.key"),
        (("dotted", "key", "deep"), 3, "deep", "1"),
        (("quoted key",), 4, '"quoted key"', "'literal'"),
        (("number",), 5, "number", "1_000"),
        (("table",), 7, "table", "[table]"),
        (("table", "inline"), 8, "inline", '{ a = 1, "b c" = [ "x", "y" ], d.e = true }'),
        (("table", "inline", "b c"), 8, '"b c"', '[ "x", "y" ]'),
        (("table", "inline", "b c", 1), 8, '"y"', '"y"'),
        (("table", "inline", "d", "e"), 8, "e", "true"),
        (("table", "array", 0), 10, '"first"', '"first"'),
        (("table", "array", 1, 1), 11, "3", "3"),
        (("table", "array", 2, "four"), 12, "four", "4"),
        (("table", "long"), 14, "long", '"""'),
        (("table", "raw"), 17, "raw", "'''it''s'''"),
        (("table", "indented"), 18, "indented", "2026-02-20 07:30:00"),
        (("table", "größe"), 19, '"größe"', "5"),
    ],
)
def test_every_key_and_value_has_its_place(path: Path, line: int, key: str, value: str) -> None:
    at_key, at_value = document(TEXT).place(path, key=True), document(TEXT).place(path)
    assert at_key is not None
    assert at_value is not None
    assert (at_key.line, underlined(at_key)) == (line, key)
    assert (at_value.line, underlined(at_value)) == (line, value)


@pytest.mark.parametrize(
    ("path", "line", "text"),
    [
        (("product", 0), 1, "[[product]]"),
        (("product", 0, "name"), 2, '"a"'),
        (("product", 0, "part", 1, "id"), 6, "2"),
        (("product", 0, "box", "size"), 8, "3"),
        (("product", 1, "name"), 10, '"b"'),
        (("product", 1, "part", 0, "id"), 12, "4"),
    ],
)
def test_tables_of_an_array_have_their_places(path: Path, line: int, text: str) -> None:
    place = document(ARRAYS).place(path)
    assert place is not None
    assert (place.line, underlined(place)) == (line, text)
    assert document(ARRAYS).data == tomllib.loads(ARRAYS)


def test_what_was_not_written_is_placed_at_the_nearest_table() -> None:
    place = document("[a.b]\nc = 1\n").place(("a", "b", "missing", "key"))
    assert place is not None
    assert (place.line, underlined(place)) == (1, "b")


def test_what_is_nowhere_is_placed_at_the_start() -> None:
    assert document("a = 1\n").place(("b",)) == Place("buildspec.toml", 1, 1, 1, "a = 1")
    assert document("").place(("b",)) == Place("buildspec.toml", 1, 1, 1, "")


@pytest.mark.parametrize("change", ["\ufeff{}", "{}"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_byte_order_mark_and_line_ends_move_nothing(change: str, end: str) -> None:
    plain, changed = document(TEXT), document(change.format(TEXT).replace("\n", end))
    assert changed.data == plain.data
    assert [changed.place(path) for path in plain.positions.spans] == [
        plain.place(path) for path in plain.positions.spans
    ]


def test_a_tab_and_what_is_not_ascii_count_as_one_column() -> None:
    place = document('a = "ä"\n\t"ö\t" = { b = 1 }\n').place(("ö\t", "b"))
    assert place is not None
    assert (place.line, place.column, underlined(place)) == (2, 15, "1")


def test_a_value_over_several_lines_is_underlined_in_its_first() -> None:
    place = document("a = [\n  1,\n]\n").place(("a",))
    assert place == Place("buildspec.toml", 1, 5, 1, "a = [")


def test_paths_are_spelled_as_in_toml() -> None:
    assert spell(("stages", "app", "copy", 0, "from")) == "stages.app.copy[0].from"
    assert spell(("labels", "org.example/a b", 'q"\\')) == 'labels."org.example/a b"."q\\"\\\\"'
    assert spell(("größe",)) == '"größe"'
    assert spell(()) == ""


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a", "1:2 syntax: expected '=' after key 'a', got the end of the file"),
        ("a =", "1:4 syntax: expected a value, got the end of the file"),
        ("= 1", "1:1 syntax: expected a key, got '='"),
        ("a = ]", "1:5 syntax: expected a value, got ']'"),
        ("a.b. = 1", "1:6 syntax: expected a key, got '='"),
        ("a b = 1", "1:3 syntax: expected '=' after key 'a', got 'b'"),
        ("ключ = 1", "1:1 syntax: key 'ключ' has to be in quotes"),
        ("a = yes", "1:5 syntax: 'yes' is not a value; TOML has 'true' and 'false'"),
        ("a = FALSE", "1:5 syntax: 'FALSE' is not a value; write 'false'"),
        ("a = 01", "1:5 syntax: '01' is not a value; put text in quotes"),
        ("a = 1.", "1:5 syntax: '1.' is not a value; put text in quotes"),
        ("a = \u0661", "1:5 syntax: '\u0661' is not a value; put text in quotes"),
        ("a = 1 2", "1:7 syntax: expected the end of the line, got '2'"),
        ("a = [1 2]", "1:8 syntax: expected ',' or ']' in the array of line 1, got '2'"),
        ("a = [\n1\nb = 2", "3:1 syntax: expected ',' or ']' in the array of line 1, got 'b'"),
        ("a = { b = 1", "1:5 syntax: the table that starts here is never closed"),
        ("a = {\nb = 1 c = 2 }", "2:7 syntax: expected ',' or '}' in the table of line 1, got 'c'"),
        ("a = '\n'", "1:5 syntax: the string that starts here is never closed in its line"),
        ('a = """x', "1:5 syntax: the string that starts here is never closed"),
        ("'''a''' = 1", "1:3 syntax: expected '=' after key '', got '''"),
        ('a = "\\ud800"', "1:6 syntax: '\\ud800' is not an escape"),
        ('a = "\\u12"', "1:6 syntax: '\\u' is not an escape; write '\\\\', or put the string in single quotes"),
        ("[a", "1:3 syntax: expected ']' after the table's name, got the end of the file"),
        ("[[a]", "1:4 syntax: expected ']]' after the table's name, got ']'"),
        ("[]", "1:2 syntax: expected a key, got ']'"),
        ("[a] b", "1:5 syntax: expected the end of the line, got 'b'"),
        ("a = 1\n\x07b = 2", "2:1 syntax: control character U+0007 is not allowed in TOML"),
        ("a = 1\rb = 2", "1:6 syntax: control character U+000D is not allowed in TOML"),
        ("a = 9223372036854775808", "1:5 syntax: an integer has to fit in 64 bits"),
        ("a = 0x1" + "0" * 16, "1:5 syntax: an integer has to fit in 64 bits"),
        ("a = 25:00:00", "1:5 syntax: '25:00:00' is not a value: invalid time"),
    ],
)
def test_what_is_not_toml_is_told_at_its_place(text: str, said: str) -> None:
    assert told(lambda: document(text)) == [said]


@pytest.mark.parametrize(
    ("text", "places"),
    [
        ("a = 1\na = 2\n", ["2:1"]),
        ("a = 1\na = 2\na = 3\nb = 2020-02-30\n", ["2:1", "3:1", "4:5"]),
        ("[a]\n[b]\n[a]\n", ["3:2"]),
        ("[a.b]\n[a]\nb = 1\n", ["3:1"]),
        ("[a]\nb.c = 1\n[a.b]\n", ["3:4"]),
        ("a = {}\n[a.b]\n", ["2:2"]),
        ("a = { b = 1, b = 2 }\n", ["1:14"]),
        ("a = []\n[[a]]\n", ["2:3"]),
        ("[a]\n[[a]]\n", ["2:3"]),
        ("a = 1\na.b = 2\n", ["2:1"]),
        ("[a.b.c]\n[a]\nb.d = 1\n", ["3:1"]),
        ("'a' = 1\n\"\\u0061\" = 2\n", ["2:1"]),
    ],
)
def test_what_is_defined_twice_is_told_each_time(text: str, places: list[str]) -> None:
    assert [one.split()[0] for one in told(lambda: document(text))] == places


@pytest.mark.parametrize(
    "text",
    [
        "[a.b]\n[a]\n",
        "[a]\nb.c = 1\n[a.b.d]\n",
        "[a]\n[[a.b]]\n[a.b.c]\n[[a.b]]\n[a.b.c]\n",
        "a.b = 1\na.c = 2\n[d]\n",
        'a = """\\\n   x"""\nb = """""\\""""""\n',
        "a = [ # c\n 1, # d\n # e\n]\n",
        "a = 0xff\nb = 0o17\nc = 0b1\nd = +1\ne = -0\nf = 1e5\ng = -inf\n",
        "a = 2026-01-01\nb = 07:32:00\nc = 2026-01-01T07:32:00.5-01:00\n",
        "",
        "# only a comment",
        "\n\n",
    ],
)
def test_values_are_those_that_the_standard_library_reads(text: str) -> None:
    assert document(text).data == tomllib.loads(text)


def test_dotted_keys_do_not_take_long() -> None:
    lines = "".join(f"a.b.c.d.e.f{number} = 1\n" for number in range(300))
    assert len(document(f"[x]\n{lines}").data["x"]["a"]["b"]["c"]["d"]["e"]) == 300


def nested(depth: int) -> str:
    return f"a = {'[' * depth}{']' * depth}\n"


def test_nesting_is_limited() -> None:
    assert isinstance(document(nested(30)), Document)
    for text in (nested(40), nested(20_000), f"{'a.' * 40}b = 1", f"[{'a.' * 20_000}b]", "a = " + "{a=" * 2000):
        (said,) = told(partial(document, text))
        assert "more than 32 levels of tables" in said


def test_the_number_of_values_is_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildspec.spec.scanner.MAX_VALUES", 1_000)
    assert len(document(f"a = [{'1,' * 999}]").data["a"]) == 999
    (said,) = told(lambda: document(f"a = [{'1,' * 1_000}]"))
    assert said.endswith("more than 1,000 keys and values; no image needs so many")
