"""Variables that the environment gives: only where the specification asks, of the default's type, at their place."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from helpers.specs import MINIMAL, told, write

from buildspec.errors import UsageError
from buildspec.spec.load import Selection, Source, load

ASKS = MINIMAL.replace('from = "node"', 'from = "node"\nlabels = { n = "${number}" }')


def loaded(folder: Path, variables: str, environ: Mapping[str, str], *profiles: str, **overrides: str) -> Source:
    file = write(folder, f"{ASKS}\n{variables}\n")
    return load(file, Selection(profiles, overrides, environ=environ))


def label(source: Source) -> str:
    return source.spec.stages["app"].labels["n"]


@pytest.mark.parametrize(
    ("variable", "environ", "value"),
    [
        ('{ env = "CI_RUN", default = "0" }', {"CI_RUN": "12"}, "12"),
        ('{ env = "CI_RUN", default = "0" }', {"CI_RUN": ""}, "0"),
        ('{ env = "CI_RUN", default = 7 }', {"CI_RUN": ""}, 7),
        ('{ env = "CI_RUN", default = "0" }', {"number": "12"}, "0"),
        ('{ env = "CI_RUN", default = 7 }', {"CI_RUN": "12"}, 12),
        ('{ env = "CI_RUN", default = 0.5 }', {"CI_RUN": "1"}, 1.0),
        ('{ env = "CI_RUN", default = false }', {"CI_RUN": "true"}, True),
        ('{ env = "CI_RUN" }', {"CI_RUN": "12"}, "12"),
        ('{ env = "CI_RUN", default = "0" }', {"CI_RUN": "${number} $${x}"}, "${number} $${x}"),
    ],
)
def test_the_environment_wins_over_the_default_and_has_its_type(
    variable: str, environ: Mapping[str, str], value: object, tmp_path: Path
) -> None:
    found = loaded(tmp_path, f"[vars]\nnumber = {variable}", environ).spec.vars["number"]
    assert (found, type(found)) == (value, type(value))


def test_nothing_of_the_environment_is_seen_that_is_not_asked_for(tmp_path: Path) -> None:
    said = told(lambda: loaded(tmp_path, "", {"number": "1"}))
    assert said == ["13:17 unknown-variable: stages.app.labels.n: no variable is called 'number'; add it to [vars]"]


@pytest.mark.parametrize(
    ("variable", "expected"),
    [
        (
            '{ env = "CI_RUN" }',
            "16:18 unset-variable: vars.number: environment variable 'CI_RUN' is not set; set it, or give a default",
        ),
        (
            '{ env = "TEXT", default = 0 }',
            "16:18 wrong-value: vars.number: environment variable 'TEXT' is not an integer, as its default is",
        ),
        (
            '{ env = "TEXT", defualt = 0 }',
            "16:26 unknown-key: vars.number: unknown key 'defualt'; did you mean 'default'?",
        ),
        ("{ default = 0 }", "16:1 missing-key: vars.number: key 'env' is missing"),
        ("{ env = 3 }", "16:18 wrong-type: vars.number.env: expected a string, got an integer; put it in quotes"),
    ],
)
def test_what_is_wrong_is_told_once_where_it_is_written(variable: str, expected: str, tmp_path: Path) -> None:
    said = told(lambda: loaded(tmp_path, f"[vars]\nnumber = {variable}", {"TEXT": "s3cret"}))
    assert said == [expected]


def test_an_empty_variable_is_none(tmp_path: Path) -> None:
    said = told(lambda: loaded(tmp_path, '[vars]\nnumber = { env = "CI_RUN" }', {"CI_RUN": ""}))
    assert said == [
        "16:18 unset-variable: vars.number: environment variable 'CI_RUN' is not set; set it, or give a default"
    ]


def test_a_profile_may_ask_and_is_where_its_mistakes_are_told(tmp_path: Path) -> None:
    text = '[vars]\nnumber = "1"\n[profiles.ci.vars]\nnumber = { env = "CI_RUN" }'
    assert label(loaded(tmp_path, text, {"CI_RUN": "5"})) == "1"
    assert label(loaded(tmp_path, text, {"CI_RUN": "5"}, "ci")) == "5"
    assert told(lambda: loaded(tmp_path, text, {}, "ci"))[0].startswith("18:18 unset-variable")


def test_an_override_wins_over_the_environment_and_keeps_the_type(tmp_path: Path) -> None:
    text = '[vars]\nnumber = { env = "CI_RUN", default = 1 }'
    assert loaded(tmp_path, text, {"CI_RUN": "5"}, number="9").spec.vars["number"] == 9
    with pytest.raises(UsageError, match="variable 'number' is an integer"):
        loaded(tmp_path, text, {}, number="nine")


def test_a_mistake_that_the_environment_brings_points_at_what_uses_it(tmp_path: Path) -> None:
    file = write(tmp_path, MINIMAL.replace("linux/amd64", "${p}") + '\n[vars]\np = { env = "P" }\n')
    said = told(lambda: load(file, Selection(environ={"P": "amd64"})))
    assert said[0].startswith("5:14 wrong-value: image.platforms[0]: 'amd64' is not a platform")


def test_well_known_variables_have_a_value_where_nothing_is_known(tmp_path: Path) -> None:
    labels = 'labels = { v = "${version}", b = "${build}", c = "${git.commit}" }'
    file = write(tmp_path, MINIMAL + labels)
    assert dict(load(file, Selection()).spec.stages["app"].labels) == {"v": "0.0.0-dev", "b": "0", "c": "unknown"}
    given = {"version": "2.0.0", "git.commit": "abc"}
    found = load(file, Selection(variables=given)).spec.stages["app"].labels
    assert (found["v"], found["c"]) == ("2.0.0", "abc")
    file = write(tmp_path, f'{MINIMAL}{labels}\n[vars]\nversion = "own"\n')
    assert load(file, Selection(variables=given)).spec.stages["app"].labels["v"] == "own"
