"""The model in, the reference of the language out, in Markdown: a section a table, a row a key."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Union, get_args, get_origin

import attrs

from buildspec.spec import model, schema, values
from buildspec.spec.families import FAMILIES
from buildspec.spec.fields import Field, fields, summary
from buildspec.spec.wellknown import SECRETS, VARIABLES

_HEAD = f"""\
<!-- {schema.ORIGIN} -->

# Reference

All tables and keys of `buildspec.toml`. A key without a default and not required may be left out.
Every string may hold variables: `${{name}}` is a value of `[vars]`; `$${{` stands for `${{` itself.

Editors that read a JSON Schema (Even Better TOML, Taplo) complete and check while one types; the first line of the file
tells them where it is, and `nox -s generate` writes it there:

```toml
#:schema ./buildspec.schema.json
```
"""

_PROFILES = """\
## Profiles

`[profiles.<name>]` is an overlay that `--profile <name>` lays over the rest: tables merge, other values replace. It may
hold every key of the root table but `profiles`, and nothing in it is required. A base of another kind replaces the
whole base.
"""


def text() -> str:
    """The reference as a file."""
    sections = [_HEAD, *(_section(cls) for cls in _tables()), _PROFILES, _names()]
    return "\n".join(sections)


def _tables() -> Iterator[type]:
    """The classes of all tables, each where it is first met from the root."""
    todo: list[Any] = [model.Spec]
    done: set[Any] = set()
    while todo:
        cls = todo.pop(0)
        if cls in done:
            continue
        done.add(cls)
        if attrs.has(cls) and cls not in _WORDS:
            yield cls
            todo += [field.type for field in fields(cls)]
        todo += get_args(cls)


def _section(cls: type) -> str:
    rows = [_row(field) for field in fields(cls)]
    head = "| key | type | default | |\n| --- | --- | --- | --- |"
    return "\n".join([f"## {_title(cls)}", "", summary(cls), "", head, *rows, ""])


def _title(cls: type) -> str:
    return _TITLES.get(cls, cls.__name__)


_TITLES: Mapping[type, str] = {
    model.Spec: "The root table",
    model.EnvironmentVar: "Variables of the environment",
    model.ImageBase: "Bases of a registry",
    model.DebianBase: "Bases of Debian packages",
}


def _row(field: Field) -> str:
    default = "required" if field.required else _default(field.default)
    return f"| `{field.key}` | {_type(field.type)} | {default} | {_cell(field.doc)} |"


def _default(value: object) -> str:
    match value:
        case None | "" | ():
            return ""
        case values.Duration() | values.Size():
            return f'`"{value}"`'
        case bool() | int() | float() | str():
            return f"`{json.dumps(value)}`"
        case _:
            return ""


def _cell(text: str) -> str:
    """Text as a cell of a table holds it; names in angle brackets would be taken for HTML."""
    return text.replace("|", "\\|")


_WORDS: Mapping[Any, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "float or integer",
    values.Platform: "string: platform",
    values.Size: "string: size",
    values.Duration: "string: duration",
    values.Reference: "string: image reference",
    values.Digest: "string: digest",
    values.Mode: "string: mode",
    values.Signal: "string: signal",
}
_SHORT: Mapping[Any, str] = {
    model.Copy: "string or ",
    model.Budget: "string: size, or ",
    model.Text: "string or ",
    model.TestFile: "boolean or ",
}


def _type(cls: Any) -> str:  # noqa: ANN401 - any type
    """A type, in TOML's words."""
    origin = get_origin(cls)
    if cls in _WORDS:
        return _WORDS[cls]
    if cls in (model.Var, model.Var | None):
        return "string, integer, float or boolean"
    if origin is Literal:
        return " or ".join(f"`{json.dumps(one)}`" for one in get_args(cls))
    if origin is tuple:
        return f"array of: {_type(get_args(cls)[0])}"
    if origin is Mapping:
        return f"table of: {_type(get_args(cls)[1])}"
    if origin in (Union, types.UnionType):
        kinds = tuple(one for one in get_args(cls) if one is not type(None))
        simple = set(kinds) & set(get_args(model.Var)) == set(get_args(model.Var))
        rest = [_type(one) for one in kinds if not simple or one not in get_args(model.Var)]
        return ", or ".join([*([_type(model.Var)] if simple else []), *rest])
    title = _title(cls)
    return f"{_SHORT.get(cls, '')}[table](#{title.lower().replace(' ', '-')})"


def _names() -> str:
    known = ", ".join(f"`{name}`" for name in sorted(FAMILIES))
    secrets = ", ".join(f"`{name}`" for name in SECRETS)
    rows = [f"| `${{{name}}}` | {_cell(_ABOUT[name])} | `{value}` |" for name, value in VARIABLES.items()]
    return "\n".join(
        [
            "## Names that need no line",
            "",
            "| variable | what it is | where nothing is known |\n| --- | --- | --- |",
            *rows,
            "",
            "`[vars]` may have a variable of the same name, which then counts.",
            "",
            f"Secrets: {secrets}. All are optional.",
            "",
            f"Families of bases: {known}.",
            "",
        ]
    )


_ABOUT: Mapping[str, str] = {
    "version": "version the verb was given, without `v`: `2.0.0` with `nox -s plan -- v2.0.0`",
    "build": "number the verb was given: `--build-number 4211`",
    "git.commit": "commit of the sources; ends in `-dirty` when files differ from it",
}
