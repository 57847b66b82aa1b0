"""Schema and reference say what the model says, and the files of this repository are not stale."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from helpers.plans import ROOT
from helpers.specs import MINIMAL
from jsonschema import Draft7Validator

from buildspec.render import reference
from buildspec.report.generated import SCHEMA as SCHEMA_FILE
from buildspec.spec import model, schema
from buildspec.spec.document import parse
from buildspec.spec.fields import fields, summary
from buildspec.spec.positions import Path as Keys

SCHEMA = schema.schema()
BAD = ROOT / "tests" / "specs" / "bad"
SHAPES = ("unknown-key", "missing-key", "wrong-type", "base-kind")
"""Rules about what a schema knows."""


def valid(text: str) -> bool:
    return bool(Draft7Validator(SCHEMA).is_valid(parse(text, "buildspec.toml").data))


def tables() -> list[type]:
    return [
        one
        for one in vars(model).values()
        if isinstance(one, type) and attrs.has(one) and one.__module__ == model.__name__
    ]


def test_the_specification_of_this_repository_names_its_schema() -> None:
    first = (ROOT / "buildspec.toml").read_text(encoding="utf-8").partition("\n")[0]
    assert first == f"#:schema ./{SCHEMA_FILE}"


def test_the_schema_is_one_of_draft_7() -> None:
    Draft7Validator.check_schema(SCHEMA)
    assert json.loads(schema.text()) == SCHEMA


@pytest.mark.parametrize(
    "file",
    [
        ROOT / "buildspec.toml",
        ROOT / "tests/specs/complete.toml",
        *sorted((ROOT / "tests/apps").glob("*/buildspec.toml")),
    ],
    ids=lambda file: file.parent.name,
)
def test_right_specifications_are_valid(file: Path) -> None:
    found = Draft7Validator(SCHEMA).iter_errors(parse(file.read_text(encoding="utf-8"), file.name).data)
    assert [one.message for one in found] == []


def misshapen() -> Iterator[Path]:
    """Flaws of shape, as the files have them: not those that a profile, an override or a variable brings about."""
    for file in sorted(BAD.glob("*.toml")):
        told = file.with_suffix(".txt").read_text(encoding="utf-8")
        if any(f"error[{rule}]" in told for rule in SHAPES) and not file.name.startswith("override"):
            yield file


@pytest.mark.parametrize("file", list(misshapen()), ids=lambda file: file.stem)
def test_a_flaw_of_shape_is_invalid_too(file: Path) -> None:
    assert not valid(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ('budget = "150MB"', True),
        ('budget = { compressed = "60 MiB" }', True),
        ('budget = "${size}"', True),
        ('budget = "150 megabytes"', False),
        ('copy = ["a", { path = "b" }]', True),
        ('copy = [{ to = "b" }]', False),
        ('cmd = "a b"', True),
        ("cmd = 3", False),
        ('gate = "tset"', False),
        ('healthcheck = { test = "x", interval = "1m30s" }', True),
        ('healthcheck = { test = "x", interval = "${often}" }', True),
        ('healthcheck = { test = "x", interval = "" }', False),
        ('[vars]\nx = { env = "X", default = 1 }', True),
        ('[vars]\nx = { enf = "X" }', False),
        ("[vars]\nx = [1]", False),
        ('[bases.b]\ndebian = "trixie"\npackages = []', True),
        ('[bases.b]\ndebian = "trixie"\npackages = []\nimage = "x"', False),
        ('[bases.b]\nimage = "${registry}/x"\ndigest = "${digest}"', True),
        ('[profiles.p.stages.app]\nbudget = "1MB"', True),
        ('[profiles.p]\nbases.node.family = "alpine"\nimage.deliver = { app = "x" }', True),
        ('[profiles.p.stages.app]\nfrm = "x"', False),
        ('[profiles.p]\nwaivers = [{ rule = "x" }]', False),
        ('[profiles.p.profiles.q]\nvars.a = "x"', False),
    ],
)
def test_the_schema_knows_short_forms_variables_kinds_and_overlays(text: str, right: bool) -> None:
    assert valid(f"{MINIMAL}{text}\n") is right


@pytest.mark.parametrize("cls", tables(), ids=lambda cls: cls.__name__)
def test_every_key_is_there_with_its_documentation_and_default(cls: type) -> None:
    table = SCHEMA if cls is model.Spec else SCHEMA["definitions"][cls.__name__]
    properties = {key: one for key, one in table["properties"].items() if key != "profiles"}
    assert set(properties) == {field.key for field in fields(cls)}
    assert table.get("required", []) == [field.key for field in fields(cls) if field.required]
    assert table["additionalProperties"] is False
    for field in fields(cls):
        assert field.doc
        assert properties[field.key]["description"] == field.doc
        empty = (
            field.default in (None, "", ())
            or field.default == {}
            or (attrs.has(type(field.default)) and not hasattr(type(field.default), "parse"))
        )
        plain = field.default if isinstance(field.default, str | int | float) else str(field.default)
        assert properties[field.key].get("default") == (None if empty else plain)


def patterned(item: Any, path: Keys = ()) -> Iterator[tuple[Keys, str]]:
    match item:
        case dict():
            if isinstance(pattern := item.get("pattern"), str):
                yield path, pattern
            for key, one in item.items():
                yield from patterned(one, (*path, key))
        case list():
            for at, one in enumerate(item):
                yield from patterned(one, (*path, at))


def test_a_string_with_a_variable_is_taken_wherever_strings_have_a_pattern() -> None:
    found = list(patterned(SCHEMA))
    assert len(found) > 10
    for _, pattern in found:
        assert Draft7Validator({"pattern": pattern}).is_valid("x ${name} y")


def test_the_reference_has_every_table_and_key() -> None:
    text = reference.text()
    for cls in tables():
        assert summary(cls) in text
        for field in fields(cls):
            assert f"| `{field.key}` |" in text
