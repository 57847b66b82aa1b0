"""Variables of `[vars]` that the environment gives: tables in, their values out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from buildspec.errors import MOST, Diagnostic
from buildspec.spec.document import Document
from buildspec.spec.model import EnvironmentVar, toml_key
from buildspec.spec.overlay import typed
from buildspec.spec.positions import Path, spell
from buildspec.spec.unknown import UNKNOWN

_KEYS = frozenset(toml_key(field.name) for field in attrs.fields(EnvironmentVar))


def apply_environment(document: Document, environ: Mapping[str, str]) -> tuple[Document, list[Diagnostic]]:
    """Put values in the place of tables such as `{ env = "BUILD_NUMBER", default = "0" }`.

    Args:
        document: with profiles and overrides applied; tables that aren't of this form stay, for decoding to tell.
        environ: the environment; a variable that has a value there wins over the default, and has its type.

    Returns:
        The document, with UNKNOWN for what isn't known, and what is wrong with these.
    """
    declared = document.data.get("vars", {})
    asking = {name: one for name, one in declared.items() if _asks(one)} if isinstance(declared, Mapping) else {}
    if not asking:
        return document, []
    values, moved, outside = dict(declared), dict(document.moved), dict(document.outside)
    problems: list[Diagnostic] = []
    for name, table in asking.items():
        path: Path = ("vars", name)
        origin = document.origin((*path, "env"))
        key = "env" if environ.get(table["env"]) or "default" not in table else "default"
        try:
            values[name] = _value(table, environ)
        except ValueError as error:
            values[name] = UNKNOWN
            if len(problems) < MOST:
                place = document.place((*path, "env"))
                rule = "wrong-value" if environ.get(table["env"]) else "unset-variable"
                problems.append(Diagnostic(rule, f"{spell(path)}: {error}", place, spell(path)))
        if key == "env":
            outside[path] = table["env"]
        else:
            origin = document.origin((*path, key))
        moved[path] = origin
    data = {**document.data, "vars": values}
    return attrs.evolve(document, data=data, moved=moved, outside=outside), problems


def asked(document: Document) -> dict[str, bool]:
    """The environment variables that a specification asks for, those of its profiles included.

    Args:
        document: as it is written.

    Returns:
        Whether each is required: somewhere, it has no default.
    """
    profiles = document.data.get("profiles", {})
    tables = [document.data, *(profiles.values() if isinstance(profiles, Mapping) else ())]
    declared = [one.get("vars", {}) for one in tables if isinstance(one, Mapping)]
    asking = [one for table in declared if isinstance(table, Mapping) for one in table.values() if _asks(one)]
    without = {one["env"] for one in asking if "default" not in one}
    return {one["env"]: one["env"] in without for one in asking}


def _asks(value: Any) -> bool:  # noqa: ANN401 - whatever TOML holds
    """Whether it is a table of the form that asks for the environment, with nothing wrong in it."""
    if not isinstance(value, Mapping) or not value.keys() <= _KEYS:
        return False
    name = value.get("env")
    return isinstance(name, str) and name != "" and isinstance(value.get("default", ""), str | int | float)


def _value(table: Mapping[str, Any], environ: Mapping[str, str]) -> object:
    """The variable's value; a message has none of the environment's, which may be secret.

    Raises:
        ValueError: there is none, or it isn't of the default's type.
    """
    name = table["env"]
    if not environ.get(name):
        if "default" in table:
            return table["default"]
        raise ValueError(f"environment variable '{name}' is not set; set it, or give a default")
    try:
        return typed(environ[name], table.get("default", ""))
    except ValueError as error:
        raise ValueError(f"environment variable '{name}' is not {error}, as its default is") from error
