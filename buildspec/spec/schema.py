"""The model in, a JSON Schema out, for editors that complete and check TOML while one types."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from typing import Any, Literal, Union, get_args, get_origin

import attrs

from buildspec.spec import model, values
from buildspec.spec.fields import Field, fields, summary
from buildspec.spec.seal import origin

DIALECT = "http://json-schema.org/draft-07/schema#"
"""Draft 7: what Taplo and Even Better TOML understand."""
TITLE = "buildspec.toml"
OVERLAY = "Overlay"
"""What the names of definitions end in of which nothing is required."""
ORIGIN = origin("buildspec/spec/model.py")

_VARIABLE = r"\$\{"
"""A string with a variable in it is anything until the variable is filled in."""


def text() -> str:
    """The schema as a file."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"


def schema() -> dict[str, Any]:
    """The schema of a specification: the same for every run of one version."""
    definitions: dict[str, Any] = {}
    root = _table(model.Spec, definitions)
    # a profile is a specification of which nothing is required, at any depth
    _reference(model.Spec, definitions, optional=True)
    root["properties"]["profiles"] = {
        "type": "object",
        "description": "Overlays that `--profile NAME` lays over the rest: tables merge, other values replace.",
        "additionalProperties": {"$ref": f"#/definitions/{model.Spec.__name__}{OVERLAY}"},
    }
    return {
        "$schema": DIALECT,
        "$comment": ORIGIN,
        "title": TITLE,
        **root,
        "definitions": dict(sorted(definitions.items())),
    }


def _table(cls: type, definitions: dict[str, Any], *, optional: bool = False) -> dict[str, Any]:
    known = fields(cls)
    found: dict[str, Any] = {
        "type": "object",
        "description": summary(cls),
        "properties": {field.key: _property(field, definitions, optional=optional) for field in known},
        "additionalProperties": False,
    }
    required = [field.key for field in known if field.required]
    if required and not optional:
        found["required"] = required
    return found


def _property(field: Field, definitions: dict[str, Any], *, optional: bool) -> dict[str, Any]:
    found = _type(field.type, definitions, optional=optional)
    if "$ref" in found:
        found = {"allOf": [found]}  # in draft 7, nothing beside a reference counts
    if "anyOf" in found:
        # of several kinds, an editor shows what stands in the kinds
        kinds = [kind if "$ref" in kind else {"description": field.doc, **kind} for kind in found["anyOf"]]
        found = {"anyOf": kinds}
    described = {"description": field.doc, **found}
    default = _default(field.default)
    return described if default is None or optional else {**described, "default": default}


def _default(value: object) -> object:
    """A default as JSON holds it; None for an empty one, which is what leaving the key out says."""
    match value:
        case bool() | int() | float():
            return value
        case str() if value:
            return value
        case values.Duration() | values.Size():
            return str(value)
        case _:
            return None


def _type(cls: Any, definitions: dict[str, Any], *, optional: bool) -> dict[str, Any]:  # noqa: ANN401 - any type
    origin = get_origin(cls)
    if cls in _SCALARS:
        found: dict[str, Any] = _SCALARS[cls]()
        return found
    if origin is Literal:
        allowed = list(get_args(cls))
        return {"type": "integer" if isinstance(allowed[0], int) else "string", "enum": allowed}
    if origin is tuple:
        # an overlay's array replaces the whole one: its elements are no overlays
        return {"type": "array", "items": _type(get_args(cls)[0], definitions, optional=False)}
    if origin is Mapping or cls is Mapping:
        return {"type": "object", "additionalProperties": _type(get_args(cls)[1], definitions, optional=optional)}
    if origin in (Union, types.UnionType):
        inner = [one for one in get_args(cls) if one is not type(None)]
        kinds = [_type(one, definitions, optional=optional) for one in inner]
        # part of a base may be of both kinds
        several = "oneOf" if all(map(attrs.has, inner)) and not optional else "anyOf"
        return kinds[0] if len(kinds) == 1 else {several: kinds}
    if attrs.has(cls):
        return _reference(cls, definitions, optional=optional)
    raise TypeError(f"no schema for {cls!r}: add it to spec/schema.py")


def _reference(cls: type, definitions: dict[str, Any], *, optional: bool) -> dict[str, Any]:
    name = f"{cls.__name__}{OVERLAY if optional else ''}"
    if name not in definitions:
        definitions[name] = {}  # a place for it, before a table that is in itself asks for it
        definitions[name] = _table(cls, definitions, optional=optional)
    table = {"$ref": f"#/definitions/{name}"}
    if cls in _SHORT:
        return {"anyOf": [_SHORT[cls](), table]}
    return table


def _string(pattern: str = "", *examples: str) -> dict[str, Any]:
    found: dict[str, Any] = {"type": "string"}
    if pattern:
        found["pattern"] = f"{pattern}|{_VARIABLE}"
    if examples:
        found["examples"] = list(examples)
    return found


_SIZE = r"^[0-9]+(\.[0-9]+)? ?(B|kB|KB|MB|GB|KiB|MiB|GiB)$"
_SCALARS: Mapping[Any, Any] = {
    str: _string,
    bool: lambda: {"type": "boolean"},
    int: lambda: {"type": "integer"},
    float: lambda: {"type": "number"},
    values.Platform: lambda: _string(r"^[A-Za-z0-9]+/[A-Za-z0-9_-]+(/[A-Za-z0-9]+)?$", "linux/amd64", "linux/arm64"),
    values.Size: lambda: _string(_SIZE, "150MB", "64MiB"),
    values.Duration: lambda: _string(r"^([0-9]+(h|ms|m|s))+$", "30s", "1m30s", "500ms"),
    values.Reference: lambda: _string(
        r"^[a-zA-Z0-9._:/@\[\]-]+$", "docker.io/library/node:24-alpine", "gcr.io/distroless/static-debian13"
    ),
    values.Digest: lambda: _string(r"^sha256:[0-9a-f]{64}$"),
    values.Mode: lambda: _string(r"^([0-7]{3}|0[0-7]{3,4})$", "0644", "0755"),
    values.Signal: lambda: _string(r"^([A-Za-z0-9]+([+-][0-9]{1,2})?)$", "SIGTERM", "SIGINT"),
}
_SHORT: Mapping[type, Any] = {
    model.Copy: _string,
    model.Budget: _SCALARS[values.Size],
    model.Text: _string,
    model.TestFile: _SCALARS[bool],
}
"""Tables that may be written as a bare string or boolean."""
