"""Laws that hold for every text: whatever is written, there is a Spec or there are diagnostics, each at its place."""

from __future__ import annotations

import copy
import random
import tomllib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path as File
from typing import Any

import attrs
import pytest
import tomlkit
from helpers.specs import MINIMAL, document
from hypothesis import given, note
from hypothesis import strategies as st

from buildspec.checks import examine, findings
from buildspec.errors import Diagnostic, SpecError
from buildspec.spec.decode import decode, decode_draft
from buildspec.spec.document import Document, parse
from buildspec.spec.fragments import parse_fragment
from buildspec.spec.load import Selection, Source, draft, load
from buildspec.spec.overlay import apply_profiles, fill_variables
from buildspec.spec.positions import Path
from buildspec.spec.unknown import UNKNOWN
from buildspec.spec.values import Digest, Duration, Platform, Reference, Size, ValueProblemError

SPECS = File(__file__).parents[1] / "specs"
COMPLETE = (SPECS / "complete.toml").read_text(encoding="utf-8")
REAL = (File(__file__).parents[2] / "buildspec.toml").read_text(encoding="utf-8")
WRITTEN = document(COMPLETE)

# Pieces that TOML and the language are made of: put together at random, they come close to both.
PIECES = ["spec", "=", "1", "[", "]", "[[", "]]", "{", "}", ",", ".", "\n", " ", "\t", "#", '"', "'", '"""', "'''"]
PIECES += [
    "\\",
    "${",
    "$${",
    "}",
    "image",
    "stages",
    "app",
    "from",
    "vars",
    "profiles",
    "bases",
    "node",
    "true",
    "\r\n",
]
PIECES += ["0x", "2026-02-30", "1e5", "inf", "_", "\ufeff", "ö", "\x00", "\u2028", "\\u00e9", "\\ud800", "-"]
tomlish = st.lists(st.sampled_from(PIECES), max_size=40).map("".join)
names = st.text(max_size=8) | st.sampled_from(["a", "b", "a b", 'q"', "b\\", "ö", "", "a.b", "#", "\n"])
times = st.one_of(st.datetimes(), st.dates(), st.times())
scalars: st.SearchStrategy[object] = st.one_of(
    st.text(max_size=12), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.floats(allow_nan=False), times
)
values = st.recursive(
    scalars, lambda one: st.lists(one, max_size=3) | st.dictionaries(names, one, max_size=3), max_leaves=8
)


def sound(found: tuple[Diagnostic, ...] | list[Diagnostic], lines: list[str]) -> None:
    """Hold diagnostics against what is promised of them."""
    for one in found:
        assert one.rule
        assert one.message
        assert one.render()
        if one.place is not None and one.place.file == "buildspec.toml":
            assert 1 <= one.place.line <= len(lines)
            assert one.place.text == lines[one.place.line - 1]
            assert 1 <= one.place.column <= len(one.place.text) + 1
            assert one.place.width >= 1


def examined(text: str) -> None:
    """Decode a text and hold it against the rules."""
    file = File("nowhere/buildspec.toml")
    found = said(lambda: examine(file, Selection(), parse(text, "buildspec.toml")))
    sound(found, text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n"))


def said(act: Callable[[], object]) -> tuple[Diagnostic, ...]:
    """What an action says is wrong; nothing when it succeeds."""
    try:
        act()
    except SpecError as error:
        return error.diagnostics
    return ()


@given(st.text() | tomlish)
def test_any_text_is_a_spec_or_is_told_what_is_wrong(text: str) -> None:
    examined(text)


@given(st.binary() | st.text().map(lambda text: text.encode("utf-16")) | tomlish.map(str.encode))
def test_any_file_is_a_source_or_is_told_what_is_wrong(tmp_path: File, raw: bytes) -> None:
    file = tmp_path / "buildspec.toml"
    file.write_bytes(raw)
    with pytest.raises(SpecError) as raised:
        load(file, Selection())
    assert raised.value.diagnostics


@given(st.sampled_from([COMPLETE, REAL, MINIMAL]), st.data())
def test_a_specification_with_pieces_missing_and_added_is_still_read(text: str, data: st.DataObject) -> None:
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        end = min(len(text), at + data.draw(st.sampled_from([0, 0, 1, 2, 10, 60])))
        text = text[:at] + data.draw(st.sampled_from(["", *PIECES])) + text[end:]
    examined(text)


def places(value: object, path: Path = ()) -> Iterator[Path]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, one in value.items():
            yield from places(one, (*path, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from places(one, (*path, index))


PLACES = sorted(places(WRITTEN.data), key=str)


def has_unknown(value: object) -> bool:
    if value is UNKNOWN:
        return True
    cls: Any = type(value)
    if attrs.has(cls):
        return any(has_unknown(getattr(value, field.name)) for field in attrs.fields(cls))
    if isinstance(value, tuple):
        return any(has_unknown(one) for one in value)
    return hasattr(value, "values") and any(has_unknown(one) for one in value.values())


@given(st.lists(st.tuples(st.sampled_from(PLACES), values), min_size=1, max_size=4))
def test_values_of_any_kind_at_any_place_are_decoded_or_told(changes: list[tuple[Path, object]]) -> None:
    data: Any = copy.deepcopy(WRITTEN.data)
    for path, value in changes:
        # an earlier change may have taken the place away
        with suppress(KeyError, IndexError, TypeError):
            here = data
            for part in path[:-1]:
                here = here[part]
            here[path[-1]] = value
    changed = attrs.evolve(WRITTEN, data=data)
    filled, unfilled = fill_variables(changed, {})
    if [one.message for one in said(lambda: decode_draft(filled))]:
        assert type(data["spec"]) is int  # of another version, nothing more is said
        return
    spec, undecoded = decode_draft(filled)
    # a key too many is all that can be wrong without anything being unknown
    serious = [one for one in (*unfilled, *undecoded) if one.rule != "unknown-key"]
    assert has_unknown(spec) or not serious
    assert unfilled or undecoded or not has_unknown(spec)
    found = list(findings(Source(File(), filled, spec, (), {})))
    sound([*unfilled, *undecoded, *found], COMPLETE.split("\n"))


# --- places -------------------------------------------------------------------------------------------------------


def of_key(text: str) -> str:
    """The key that a piece of TOML is."""
    return next(iter(tomllib.loads(f"{text} = 1")))


@given(st.dictionaries(names, values, max_size=5))
def test_values_are_those_of_the_standard_library_and_places_point_at_them(data: dict[str, Any]) -> None:
    text = tomlkit.dumps(data)
    note(text)
    written = parse(text, "x")
    assert written.data == tomllib.loads(text)
    for path in places(written.data):
        span = written.positions.spans[path]
        key, value = text[slice(*span.key)], text[slice(*span.value)]
        if isinstance(path[-1], str):
            assert of_key(key) == path[-1]
        here: Any = written.data
        for part in path:
            here = here[part]
        header = isinstance(here, dict) and not value.startswith("{")
        if not header and not (isinstance(here, list) and value.startswith("[[") and f"\n{value}" in f"\n{text}"):
            assert tomllib.loads(f"v = {value}")["v"] == here


@given(st.sampled_from([COMPLETE, REAL]), st.randoms(use_true_random=False), st.booleans())
def test_every_line_says_the_same_wherever_it_stands(text: str, chance: random.Random, windows: bool) -> None:
    head, *tables = text.split("\n\n[")
    chance.shuffle(tables)
    moved = "\n\n[".join([head, *tables]).replace("\n", "\r\n" if windows else "\n")
    assert parse(moved, "x").data == parse(text, "x").data


def shuffled(value: object, chance: random.Random) -> object:
    if isinstance(value, dict):
        items = list(value.items())
        chance.shuffle(items)
        return {key: shuffled(one, chance) for key, one in items}
    if isinstance(value, list):
        return [shuffled(one, chance) for one in value]
    return value


@given(st.randoms(use_true_random=False))
def test_the_order_of_keys_does_not_change_the_spec(chance: random.Random) -> None:
    data = shuffled(WRITTEN.data, chance)
    assert isinstance(data, dict)
    assert decode(attrs.evolve(WRITTEN, data=data)) == decode(WRITTEN)


# --- overlays and variables -----------------------------------------------------------------------------------------

overlays = st.dictionaries(st.sampled_from("abc"), values, max_size=3)


def overlaid(data: dict[str, Any], *names: str) -> Document:
    return apply_profiles(attrs.evolve(WRITTEN, data=data), names)


@given(overlays, overlays, overlays)
def test_profiles_are_laid_over_each_other_in_order(base: Any, one: Any, two: Any) -> None:
    data = {**base, "profiles": {"one": one, "two": two}}
    once = overlaid(data, "one")
    assert overlaid(data, "one", "one").data == once.data
    both = overlaid(data, "one", "two")
    assert both.data == overlaid({**once.data, "profiles": {"two": two}}, "two").data
    assert both.data == overlaid(data, "one", "two", "two").data


@given(overlays, overlays)
def test_a_profile_that_says_the_same_changes_nothing(base: Any, one: Any) -> None:
    assert overlaid({**base, "profiles": {"same": base}}, "same").data == base
    assert overlaid({**base, "profiles": {"none": {}, "one": one}}, "none").data == base


@given(st.text(st.sampled_from("ab$${}} \\\n'")) | st.text())
def test_doubled_dollars_keep_any_text_as_it_is(text: str) -> None:
    written = attrs.evolve(WRITTEN, data={"x": text.replace("${", "$${"), "vars": {"a": "b"}})
    filled, problems = fill_variables(written, {})
    assert not problems
    assert filled.data["x"] == text


@given(st.text(), st.text())
def test_the_value_of_a_variable_is_never_read_again(before: str, value: str) -> None:
    written = attrs.evolve(WRITTEN, data={"x": f"{before.replace('$', '')}${{v}}"})
    filled, problems = fill_variables(written, {"v": value})
    assert not problems
    assert filled.data["x"] == before.replace("$", "") + value


# --- values and fragments -------------------------------------------------------------------------------------------

valuelike = st.text() | st.text(st.sampled_from("linux/amd64arv78:@.-_0123456789 MGKiBkshm"), max_size=20)


@pytest.mark.parametrize("cls", [Platform, Duration, Reference, Digest])
@given(valuelike)
def test_a_value_that_is_read_is_read_again_from_its_own_spelling(cls: Any, text: str) -> None:
    with suppress(ValueProblemError):
        value = cls.parse(text)
        assert cls.parse(str(value)) == value
        assert str(value).isascii()


@given(valuelike)
def test_a_size_is_read_or_refused(text: str) -> None:
    with suppress(ValueProblemError):
        assert Size.parse(text).bytes >= 0


commands = st.lists(
    st.sampled_from(["RUN ", "a", " ", "\\", "\n", "#", "<<EOF", "<<-", "EOF", "\t", "'", '"', "# escape=`", "`", "$"])
).map("".join)


@given(st.text() | commands)
def test_every_line_of_a_fragment_is_in_one_instruction_or_is_none(text: str) -> None:
    fragment = parse_fragment(text, "f")
    lines = fragment.text.split("\n")
    covered: set[int] = set()
    for one in fragment.instructions:
        own = range(one.line, one.line + one.text.count("\n") + 1)
        assert "\n".join(lines[own.start - 1 : own.stop - 1]).rstrip("\n") == one.text
        assert not covered & set(own)
        covered |= set(own)
    rest = [line for number, line in enumerate(lines, 1) if number not in covered]
    assert all(not line.strip() or line.strip().startswith("#") for line in rest)


@given(commands)
def test_fragments_of_any_text_are_held_against_the_rules(tmp_path: File, text: str) -> None:
    (tmp_path / "stages").mkdir(exist_ok=True)
    (tmp_path / "stages" / "app.Dockerfile").write_text(text, encoding="utf-8", newline="")
    written = draft(tmp_path / "buildspec.toml", Selection(), document(MINIMAL))
    sound(list(findings(written.source)), MINIMAL.split("\n"))
