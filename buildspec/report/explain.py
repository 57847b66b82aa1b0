"""An Explanation in, text for people out: a value, where it was written, and what it replaced."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import attrs

from buildspec.errors import visible
from buildspec.spec.explain import Explanation, Layer
from buildspec.spec.model import toml_key


def text(explanation: Explanation, indent: str = "") -> str:
    """The explanation, for reading."""
    layer = explanation.layer
    shown = toml(explanation.value)
    source = toml(layer.value)
    lines = [f"{indent}{explanation.path} = {shown}", f"{indent}  {_where(layer)}" + _as(source, shown)]
    lines += [f"{indent}  replaces {toml(one.value)}, {_where(one)}" for one in explanation.replaced]
    lines = [visible(line) for line in lines]
    return "\n".join([*lines, *(text(one, f"{indent}  ") for one in explanation.variables)])


def _as(source: str, shown: str) -> str:
    return f", written as {source}" if source != shown else ""


def _where(layer: Layer) -> str:
    return ", ".join(part for part in (layer.origin, str(layer.place or "")) if part)


def toml(value: Any) -> str:  # noqa: ANN401 - any value of a specification
    """A value as TOML writes it."""
    match value:
        case None:
            return "none"
        case bool() | int() | float() | str():
            return json.dumps(value, ensure_ascii=False)
        case Mapping():
            return _table({str(key): one for key, one in value.items()})
        case list() | tuple():
            return f"[{', '.join(map(toml, value))}]"
        case _ if attrs.has(type(value)) and hasattr(type(value), "parse"):
            return json.dumps(str(value), ensure_ascii=False)
        case _ if attrs.has(type(value)):
            held = attrs.asdict(value, recurse=False)
            return _table({toml_key(key): one for key, one in held.items() if one not in (None, "", (), {})})
        case _:
            return str(value)


def _table(held: Mapping[str, Any]) -> str:
    inside = ", ".join(f"{key} = {toml(one)}" for key, one in held.items())
    return f"{{ {inside} }}" if inside else "{}"
