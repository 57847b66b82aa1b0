"""The printed plan: JSON, stable, and the same whatever the order of keys in the specification."""

from __future__ import annotations

import json
from typing import Any

import tomlkit
from conftest import Golden
from helpers.plans import AMD64, FACTS, GOLDENS, SMALL, default_plan, planned, source
from hypothesis import given
from hypothesis import strategies as st

from buildspec.plan.planner import make_plan
from buildspec.plan.printable import printable


def test_a_small_plan_is_printed_whole(golden: Golden) -> None:
    found = printable(make_plan(source(SMALL), FACTS))
    golden(GOLDENS / "small-plan.json", json.dumps(found, indent=2) + "\n")


def test_the_default_plan_is_json_without_loss() -> None:
    found = printable(default_plan("debian"))
    assert json.loads(json.dumps(found)) == found


def test_a_plan_says_nothing_of_this_machine_and_day() -> None:
    text = json.dumps(printable(make_plan(source(SMALL), FACTS)))
    assert "/nowhere" not in text
    assert FACTS.day not in text
    assert "TOKEN" in text  # the variable in the step
    assert "HTTPS_PROXY" not in text  # a place on this machine


def test_an_argument_without_a_value_differs_from_one_that_is_empty() -> None:
    plan = planned('[stages.app]\nfrom = "node"\nargs = { X = "" }\n[stages.c]\nfrom = "node"\ngate = "audit"\n')
    args = [step for stage in printable(plan)["stages"] for step in stage["steps"] if step["does"] == "arg"]
    assert args == [
        {"does": "arg", "from": "stages.app.args", "name": "X", "value": ""},
        {"does": "arg", "from": "stages.c.gate", "name": "BUILDSPEC_DAY"},
    ]


def shuffled(draw: st.DrawFn, value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    keys = draw(st.permutations(list(value)))
    return {key: shuffled(draw, value[key]) for key in keys}


DATA = tomlkit.parse(SMALL).unwrap()
EXPECTED = printable(make_plan(source(SMALL), FACTS))


@given(st.data())
def test_the_order_of_keys_changes_nothing(data: st.DataObject) -> None:
    text = tomlkit.dumps(data.draw(st.composite(lambda draw: shuffled(draw, DATA))()))
    assert printable(make_plan(source(text), FACTS)) == EXPECTED


def test_platforms_sizes_and_durations_are_printed_as_people_write_them() -> None:
    found = printable(make_plan(source(SMALL), FACTS))
    assert found["native"] == str(AMD64)
    assert found["targets"][0]["budget"] == {"unpacked": 150_000_000, "compressed": 60_000_000}
    health = next(step for stage in found["stages"] for step in stage["steps"] if step["does"] == "health")
    assert health["check"]["timeout"] == "5s"
