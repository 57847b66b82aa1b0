"""The model's classes in, what is written about them out: each table's fields with types, defaults and documentation.

Schema and reference are made from this; there is no second list of names.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any

import attrs

from buildspec.spec.model import toml_key


@attrs.frozen(kw_only=True)
class Field:
    """A key of a table."""

    key: str
    """As TOML spells it."""
    type: Any
    """The annotation, resolved."""
    required: bool
    default: Any
    """None where there is none, or where it is a computed empty one."""
    doc: str
    """The documentation under the field, in one paragraph."""


def fields(cls: type) -> tuple[Field, ...]:
    """The keys of a table, in the order of the class.

    Args:
        cls: a class of the model.
    """
    docs = documentation(cls.__module__).get(cls.__name__, {})
    return tuple(_field(one, docs.get(one.name, "")) for one in attrs.fields(cls))


def _field(field: attrs.Attribute[Any], doc: str) -> Field:
    required = field.default is attrs.NOTHING
    default = getattr(field.default, "factory", lambda: field.default)()
    return Field(
        key=toml_key(field.name), type=field.type, required=required, default=None if required else default, doc=doc
    )


def summary(cls: type) -> str:
    """What a class stands for: its docstring, in one paragraph."""
    return _paragraph(inspect.getdoc(cls) or "")


@cache
def documentation(module: str) -> Mapping[str, Mapping[str, str]]:
    """The strings under the fields of each class of a module, which Python itself throws away.

    Args:
        module: its name.
    """
    tree = ast.parse(inspect.getsource(sys.modules[module]))
    found: dict[str, dict[str, str]] = {}
    for node in tree.body:
        if isinstance(node, ast.ClassDef):
            found[node.name] = dict(_under_fields(node))
    return found


def _under_fields(node: ast.ClassDef) -> list[tuple[str, str]]:
    pairs = []
    for field, text in zip(node.body, node.body[1:], strict=False):
        match field, text:
            case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str(doc))):
                pairs.append((name, _paragraph(doc)))
    return pairs


def _paragraph(text: str) -> str:
    return " ".join(text.split())
