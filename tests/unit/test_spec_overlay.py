"""Profiles, overrides and variables: what they change, and what is said of those that can't be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from helpers.specs import MINIMAL, decoded, document, told

from buildspec.errors import Diagnostic, ExitCode, UsageError
from buildspec.spec.decode import decode
from buildspec.spec.document import Document
from buildspec.spec.overlay import (
    apply_overrides,
    apply_profiles,
    fill_variables,
    profile_names,
    profile_problems,
    suggest,
)
from buildspec.spec.positions import Path
from buildspec.spec.unknown import UNKNOWN

PROFILES = """\
plain = 1
table = { a = 1, b = { c = 2, d = 3 } }
list = [1, 2]

[bases.node]
image = "node:20"
family = "alpine-node"

[profiles.one]
plain = 10
table.b.c = 20
list = [3]

[profiles.two]
table.b = { c = 200, e = 5 }
new.key = "x"

[profiles.flat]
table = "none"

[profiles.deep]
plain.now = "a table"

[profiles.other-kind]
bases.node = { debian = "trixie", packages = ["nodejs"] }

[profiles.same-kind]
bases.node = { image = "node:24" }

[profiles.no-kind]
bases.node = { family = "alpine" }
"""


def merged(*names: str) -> Mapping[str, Any]:
    return apply_profiles(document(PROFILES), names).data


def where(overlaid: Document, *path: str | int) -> int:
    place = overlaid.place(path)
    assert place is not None
    return place.line


def test_without_a_profile_the_document_is_as_it_was_but_for_the_profiles() -> None:
    written = document(PROFILES).data
    assert merged() == {key: value for key, value in written.items() if key != "profiles"}


def test_tables_merge_and_other_values_replace() -> None:
    assert merged("one")["table"] == {"a": 1, "b": {"c": 20, "d": 3}}
    assert merged("one")["plain"] == 10
    assert merged("one")["list"] == [3]


def test_a_later_profile_wins() -> None:
    assert merged("one", "two")["table"]["b"] == {"c": 200, "d": 3, "e": 5}
    assert merged("two", "one")["table"]["b"] == {"c": 20, "d": 3, "e": 5}
    assert merged("two")["new"] == {"key": "x"}


def test_a_value_replaces_a_table_and_a_table_a_value() -> None:
    assert merged("flat")["table"] == "none"
    assert merged("deep")["plain"] == {"now": "a table"}
    assert merged("flat", "two")["table"] == {"b": {"c": 200, "e": 5}}


def test_a_base_of_another_kind_replaces_the_whole_base() -> None:
    assert merged("other-kind")["bases"]["node"] == {"debian": "trixie", "packages": ["nodejs"]}
    assert merged("same-kind")["bases"]["node"] == {"image": "node:24", "family": "alpine-node"}
    assert merged("no-kind")["bases"]["node"] == {"image": "node:20", "family": "alpine"}
    assert merged("other-kind", "same-kind")["bases"]["node"] == {"image": "node:24"}


def test_a_merged_value_is_placed_where_it_was_written_last() -> None:
    overlaid = apply_profiles(document(PROFILES), ("one", "two"))
    assert where(overlaid, "plain") == 10
    assert where(overlaid, "table", "a") == 2
    assert where(overlaid, "table", "b", "d") == 2
    assert where(overlaid, "table", "b", "c") == 15
    assert where(overlaid, "list", 0) == 12
    assert where(overlaid, "new", "key") == 16
    replaced = apply_profiles(document(PROFILES), ("two", "flat"))
    assert where(replaced, "table") == 19


def test_applying_profiles_changes_nothing_in_the_written_document() -> None:
    written = document(PROFILES)
    before = repr(written.data)
    apply_profiles(written, ("one", "two", "flat", "other-kind"))
    assert repr(written.data) == before
    assert not written.moved


def test_an_unknown_profile_is_an_error_of_usage_that_names_those_there_are() -> None:
    with pytest.raises(UsageError) as raised:
        merged("on")
    assert raised.value.message == "buildspec.toml has no profile 'on'; did you mean 'one'?"
    assert raised.value.fix == "profiles: one, two, flat, deep, other-kind, same-kind, no-kind"
    assert raised.value.exit_code is ExitCode.WRONG_SPEC
    with pytest.raises(UsageError) as raised:
        apply_profiles(document("a = 1"), ["x"])
    assert raised.value.fix == "profiles: none"


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("profiles = 3", ["profiles"]),
        ("[[profiles]]\na = 1", ["profiles"]),
        ("[profiles]\na = 1\nb = {}\nc = []", ["profiles.a", "profiles.c"]),
        ("", []),
    ],
)
def test_profiles_that_are_no_tables_are_told_and_passed_over(text: str, paths: list[str]) -> None:
    written = document(text)
    assert [one.message.partition(":")[0] for one in profile_problems(written)] == paths
    assert apply_profiles(written, [name for name in profile_names(written) if name != "b"]).data == {}


def test_profiles_are_named_in_the_order_of_the_file() -> None:
    assert profile_names(document(PROFILES))[:3] == ("one", "two", "flat")


# --- overrides --------------------------------------------------------------------------------------------------

VARS = document('[vars]\nname = "20"\nflag = true\ncount = 3\nratio = 1.5\nwrong = [1]\n')


def overridden(name: str, text: str) -> object:
    return apply_overrides(VARS, {name: text}).data["vars"][name]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("name", "24", "24"),
        ("name", "", ""),
        ("name", "true", "true"),
        ("name", "${x}", "${x}"),
        ("flag", "false", False),
        ("flag", "true", True),
        ("count", "-7", -7),
        ("count", "+7", 7),
        ("ratio", "2", 2.0),
        ("ratio", "-0.25", -0.25),
    ],
)
def test_an_override_has_the_type_of_what_it_replaces(name: str, text: str, value: object) -> None:
    assert overridden(name, text) == value
    assert type(overridden(name, text)) is type(value)


@pytest.mark.parametrize(
    ("name", "text", "kind"),
    [("flag", text, "true or false") for text in ("True", "1", "yes", "", " true", "true\n")]
    + [("count", text, "an integer") for text in ("1.0", "1_000", " 1", "1\n", "\u0661", "", "0x1", "9" * 5000)]
    + [("ratio", text, "a number") for text in ("nan", "inf", "1e5", "1,5", ".5", "", "\u0661.5")],
)
def test_an_override_of_another_type_is_an_error_of_usage(name: str, text: str, kind: str) -> None:
    with pytest.raises(UsageError) as raised:
        overridden(name, text)
    assert raised.value.message == f"--set {name}={text}: variable '{name}' is {kind}"


def test_an_override_of_what_is_not_there_is_an_error_of_usage() -> None:
    with pytest.raises(UsageError) as raised:
        overridden("nam", "24")
    assert raised.value.message == "--set nam=24: [vars] has no 'nam'; did you mean 'name'?"
    assert raised.value.fix == "variables: name, flag, count, ratio, wrong"


def test_an_overridden_value_has_no_place_in_the_file() -> None:
    overlaid = apply_overrides(VARS, {"name": "24"})
    assert overlaid.place(("vars", "name")) is None
    assert overlaid.place(("vars", "flag")) is not None
    assert VARS.data["vars"]["name"] == "20"


def test_variables_of_a_wrong_type_are_left_to_decoding() -> None:
    assert overridden("wrong", "1") == [1]
    assert apply_overrides(document("vars = 3"), {"x": "1"}).data == {"vars": 3}


# --- variables --------------------------------------------------------------------------------------------------


def filled(text: str, **given: str) -> tuple[Mapping[str, Any], list[Diagnostic]]:
    done, problems = fill_variables(document(text), {name.replace("_", "."): value for name, value in given.items()})
    return done.data, problems


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("${s}", "20"),
        ("a${s}b${s}c", "a20b20c"),
        ("${flag} ${off}", "true false"),
        ("${count}/${ratio}", "3/1.5"),
        ("$${s}", "${s}"),
        ("$${s} ${s}", "${s} 20"),
        ("$s $$s $(s) $", "$s $$s $(s) $"),
        ("{s} }{", "{s} }{"),
        ("${git.commit}", "abc"),
        ("${dollar}", "${s}"),
    ],
)
def test_variables_are_filled_in_once(value: str, text: str) -> None:
    declared = "[vars]\ns = '20'\nflag = true\noff = false\ncount = 3\nratio = 1.5\ndollar = '$${s}'\n"
    data, problems = filled(f"x = '{value}'\ny = [{{ z = '{value}' }}]\n{declared}", git_commit="abc", s="no")
    assert not problems
    assert data["x"] == text
    assert data["y"] == [{"z": text}]


def test_the_values_of_the_command_line_are_meant_as_they_stand() -> None:
    overlaid = apply_overrides(document("x = '${s}'\n[vars]\ns = ''\n"), {"s": "$${s} ${nothing}"})
    done, problems = fill_variables(overlaid, {})
    assert not problems
    assert done.data["x"] == "$${s} ${nothing}"


def test_keys_are_not_filled_in() -> None:
    assert filled("'${x}' = 1\n[vars]\nx = 'y'\n")[0]["${x}"] == 1


@pytest.mark.parametrize(
    ("text", "column", "width", "message"),
    [
        ("x = 'a ${nod} b'", 8, 6, "x: no variable is called 'nod'; did you mean 'node'?"),
        ("x = '${other}'", 6, 8, "x: no variable is called 'other'; add it to [vars]"),
        ("x = ['', 'a${other}']", 12, 8, "x[1]: no variable is called 'other'; add it to [vars]"),
        ("x = '${}'", 6, 3, "x: '' is no variable's name; write '$${' to leave it to the shell"),
        ("x = '${A:-b}'", 6, 7, "x: 'A:-b' is no variable's name; write '$${' to leave it to the shell"),
        ("x = '$$${node} ${A-}'", 16, 5, "x: no variable is called 'A-'; add it to [vars]"),
        ("x = 'a ${node'", 8, 2, "x: '${' is never closed; write '$${' for the characters themselves"),
        ('x = "\\u0024{nod}"', 5, 13, "x: no variable is called 'nod'; did you mean 'node'?"),
        ('x = """\n\n  ${nod}"""', 3, 6, "x: no variable is called 'nod'; did you mean 'node'?"),
    ],
)
def test_what_can_not_be_filled_in_is_told_at_its_place(text: str, column: int, width: int, message: str) -> None:
    data, problems = filled(f"{text}\n[vars]\nnode = '20'\n")
    assert [one.message for one in problems] == [message]
    (place,) = (one.place for one in problems)
    assert place is not None
    assert (place.column, place.width) == (column, width)
    assert data["x"] is UNKNOWN or data["x"][1] is UNKNOWN


def test_every_reference_that_can_not_be_filled_in_is_told() -> None:
    _, problems = filled("x = '${a} ${b} ${a}'\ny = '${c}'\n")
    assert [one.place.column for one in problems if one.place] == [6, 11, 16, 6]


def test_a_variable_is_not_made_of_others() -> None:
    data, problems = filled("x = '${b}'\n[vars]\na = '1'\nb = 'v${a}'\n")
    assert [one.message.partition(";")[0] for one in problems] == ["vars.b: a variable can't be made of others"]
    assert data["x"] is UNKNOWN


@pytest.mark.parametrize("declared", ["vars = 3", "vars = []", "[vars]\nnode = []", "[var]\nnode = '20'"])
def test_no_variable_is_called_unknown_when_the_table_can_not_be_read(declared: str) -> None:
    data, problems = filled(f"x = '${{node}}'\n{declared}\n")
    assert not problems
    assert data["x"] is UNKNOWN


def test_a_filled_value_is_still_held_against_its_type() -> None:
    text = MINIMAL.replace("20-alpine", "${tag}")
    done, problems = fill_variables(document(f"{text}[vars]\ntag = '20-alpine'\n"), {})
    assert not problems
    assert decode(done).bases == decoded(MINIMAL).bases
    broken, problems = fill_variables(document(f"{text}[vars]\ntag = '20 alpine'\n"), {})
    assert not problems
    (said,) = told(lambda: decode(broken))
    assert said.startswith("9:9 wrong-value: bases.node.image: 'docker.io/library/node:20 alpine' is not")


def test_a_suggestion_is_made_for_what_is_close_alone() -> None:
    assert suggest("packges", ["users", "packages"]) == "; did you mean 'packages'?"
    assert suggest("colour", ["users", "packages"]) == ""
    assert suggest("x", []) == ""
    assert suggest("prod", ["production", "test"]) == "; did you mean 'production'?"
    assert suggest("prod", ["production-a", "production-b"]) == ""
    assert suggest("pr", ["production"]) == ""
    assert suggest("a" * 5000, ["a" * 5001]) == ""


def test_spans_of_the_moved_are_paths() -> None:
    moved: Mapping[Path, Path | str] = apply_profiles(document(PROFILES), ("one",)).moved
    assert moved == {
        ("plain",): ("profiles", "one", "plain"),
        ("table", "b", "c"): ("profiles", "one", "table", "b", "c"),
        ("list",): ("profiles", "one", "list"),
    }
