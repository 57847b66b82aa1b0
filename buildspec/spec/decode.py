"""A document in, a typed Spec out, or every problem at once. Nothing is coerced."""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Mapping
from functools import cache
from itertools import islice
from math import isfinite
from typing import Any, Literal, Union, get_args, get_origin

import attrs
from cattrs import Converter

from buildspec.errors import MOST, Diagnostic, SpecError, quoted
from buildspec.spec import model, values
from buildspec.spec.document import Document
from buildspec.spec.overlay import PROFILES, closest, suggest
from buildspec.spec.positions import spell
from buildspec.spec.unknown import UNKNOWN

Hook = Callable[[Any, Any], Any]
"""What cattrs calls to structure a value as a type."""


def decode(document: Document) -> model.Spec:
    """Decode a document whose profiles, overrides and variables are applied.

    Raises:
        SpecError: everything that is wrong with its shape, its types and its values.
    """
    spec, problems = decode_draft(document)
    if problems:
        raise SpecError(problems)
    return spec


def decode_draft(document: Document) -> tuple[model.Spec, list[Diagnostic]]:
    """Decode what can be decoded of a document.

    Returns:
        The Spec, with UNKNOWN where the document is wrong, and what is wrong with it. UNKNOWN in the document
        stays UNKNOWN.

    Raises:
        SpecError: the document is for another version of the language, so that nothing is known of it; or its
            problems are too many.
    """
    _same_version(document)
    return _decoder().decode(document)


def _same_version(document: Document) -> None:
    written = document.data.get("spec")
    (known,) = get_args(attrs.fields(model.Spec).spec.type)
    if type(written) is int and written != known:
        message = f"spec: this program reads version {known} of the language, not {written}"
        raise SpecError([Diagnostic("wrong-value", message, document.place(("spec",)))])


class _ProblemError(ValueError):
    """What a hook has to say about a value."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


@cache
def _decoder() -> _Decoder:
    return _Decoder()  # one for all documents: cattrs takes longer to find the hooks than they take to read


class _Decoder:
    """Hooks for the types of the model, which cattrs finds, and the document they are reading.

    The hook of a table, array or mapping notes what the hooks of its elements raise, puts UNKNOWN in their place
    and goes on: all problems of a document are found in one walk.
    """

    def __init__(self) -> None:
        converter = Converter()

        def register(fits: Callable[[Any], bool], make: Callable[[Any, Converter], Hook]) -> None:
            converter.register_structure_hook_factory(fits, lambda cls: make(cls, converter))

        # the last one that fits is taken
        register(attrs.has, self._table)
        register(lambda cls: get_origin(cls) is tuple, self._array)
        register(lambda cls: get_origin(cls) is Mapping, self._mapping)
        register(lambda cls: get_origin(cls) is Literal, lambda *_: _literal)
        register(lambda cls: get_origin(cls) in (Union, types.UnionType), _optional)
        register(lambda cls: cls in _SCALARS, lambda cls, _: _parsed(cls))
        register(lambda cls: cls == model.Var, lambda *_: _variable)
        register(lambda cls: cls == model.Var | None, lambda *_: _variable)
        register(lambda cls: cls == model.Var | model.EnvironmentVar, _declared)
        register(lambda cls: cls == model.Command, _command)
        register(lambda cls: cls == model.Base, _base)
        register(lambda cls: cls in _SHORT, self._short)
        # cattrs asks no predicate about the types it knows itself
        plain: tuple[tuple[type, Hook], ...] = ((str, _string), (int, _integer), (bool, _boolean), (float, _number))
        for cls, hook in plain:
            converter.register_structure_hook(cls, hook)
        self.spec: Hook = converter.get_structure_hook(model.Spec)

    def decode(self, document: Document) -> tuple[model.Spec, list[Diagnostic]]:
        self.document = document
        self.path: list[str | int] = []
        self.problems: list[Diagnostic] = []
        return self.spec(document.data, model.Spec), self.problems

    def note(self, rule: str, message: str, key: str | None = None, *, at_key: bool = False) -> None:
        """Note a problem of the value at the path, or of a key in it."""
        path = tuple(self.path)
        where = path if key is None else (*path, key)
        text = f"{spell(path)}: {message}" if path else message
        self.problems.append(Diagnostic(rule, text, self.document.place(where, key=at_key)))
        if len(self.problems) >= MOST:
            raise SpecError(self.problems)

    def element(self, key: str | int, value: object, hook: Hook, cls: object) -> Any:  # noqa: ANN401 - one of cls
        """Structure what the value at the path has at a key; UNKNOWN when something is wrong with it."""
        if value is UNKNOWN:
            return value
        self.path.append(key)
        try:
            return hook(value, cls)
        except _ProblemError as problem:
            self.note(problem.rule, str(problem))
            return UNKNOWN
        finally:
            self.path.pop()

    def _table(self, cls: Any, converter: Converter) -> Hook:  # noqa: ANN401 - a class of the model
        fields = {model.toml_key(field.name): field for field in attrs.fields(cls)}
        hooks = {key: converter.get_structure_hook(field.type) for key, field in fields.items()}
        needed = [key for key, field in fields.items() if field.default is attrs.NOTHING]
        known = [*fields, PROFILES] if cls is model.Spec else [*fields]

        def table(value: object, _: object) -> Any:  # noqa: ANN401 - one of the class
            if type(value) is not dict:
                raise _expect("a table", value, _TABLES.get(cls, ""))
            if not value.keys() <= fields.keys() or not all(key in value for key in needed):
                value = self.repaired(value, known, needed)
            return cls(
                **{fields[key].name: self.element(key, one, hooks[key], fields[key].type) for key, one in value.items()}
            )

        return table

    def repaired(self, table: dict[str, Any], known: list[str], needed: list[str]) -> dict[str, Any]:
        """The table with known keys only, with UNKNOWN for what is missing; one that is misspelt isn't missing too."""
        repaired = {key: value for key, value in table.items() if key in known and key != PROFILES}
        misspelt = set()
        for key in sorted(table.keys() - repaired.keys()):
            hint = suggest(key, known) or f"; known: {', '.join(known)}"
            self.note("unknown-key", f"unknown key {quoted(key)}{hint}", key, at_key=True)
            if (meant := closest(key, known)) and meant != PROFILES:
                misspelt.add(meant)
                repaired[meant] = _hidden(table[key], repaired.get(meant, UNKNOWN))
        for key in needed:
            if key not in repaired:
                repaired[key] = UNKNOWN
                hint = "; write `spec = 1` as the first line" if key == "spec" else ""
                self.note("missing-key", f"key '{key}' is missing{hint}", at_key=True)
        return repaired

    def _array(self, cls: object, converter: Converter) -> Hook:
        item = get_args(cls)[0]
        hook = converter.get_structure_hook(item)
        what = "strings and tables" if item in _SHORT else "tables" if attrs.has(item) else "strings"

        def array(value: object, _: object) -> tuple[Any, ...]:
            if type(value) is not list:
                raise _expect(f"an array of {what}", value, "; put it in brackets" if type(value) is str else "")
            return tuple(self.element(index, one, hook, item) for index, one in enumerate(value))

        return array

    def _mapping(self, cls: object, converter: Converter) -> Hook:
        item = get_args(cls)[1]
        hook = converter.get_structure_hook(item)

        def mapping(value: object, _: object) -> Mapping[str, Any]:
            if type(value) is not dict:
                hint = f"; write it as {_as_table(value, self.path)}" if item is str else ""
                raise _expect("a table", value, hint)
            return types.MappingProxyType({key: self.element(key, one, hook, item) for key, one in value.items()})

        return mapping

    def _short(self, cls: Any, converter: Converter) -> Hook:  # noqa: ANN401 - a class of the model
        table = self._table(cls, converter)
        kind, meant = _SHORT[cls]
        expected = "a string or a table" if kind is str else "true, false or a table"

        def hook(value: object, _: object) -> Any:  # noqa: ANN401 - one of the class
            if type(value) is dict:
                return table(value, cls)
            if type(value) is kind:
                return meant(value)
            raise _expect(expected, value)

        return hook


def _as_table(value: object, path: list[str | int]) -> str:
    """How to write a table of strings that is something else."""
    names = [one for one in (value if type(value) is list else [value]) if type(one) is str]
    if path == ["image", "deliver"] and names and all(_BARE.fullmatch(one) for one in names):
        # two images can't have the same tag
        pairs = zip(names, ("", *names[1:]), strict=True)
        return "{ " + ", ".join(f'{name} = "{suffix}"' for name, suffix in pairs) + " }"
    return '{ name = "value" }'


def _hidden(misspelt: object, meant: Any) -> Any:  # noqa: ANN401 - whatever TOML holds
    """What is known of a key's value when another key was meant to be that one too."""
    if type(misspelt) is dict and type(meant) is dict:
        # with [stage.base] besides [stages.runtime], there is a stage called base
        return {**dict.fromkeys(misspelt, UNKNOWN), **meant}
    return meant


# --- hooks of values that have no elements, or choose among other hooks ----------------------------------

_SCALARS = (values.Platform, values.Size, values.Duration, values.Reference, values.Digest, values.Mode, values.Signal)
_SHORT: Mapping[type, tuple[type, Callable[[Any], object]]] = {
    model.Copy: (str, lambda text: model.Copy(path=text)),
    model.Budget: (str, lambda text: model.Budget(unpacked=_parsed(values.Size)(text, None))),
    model.Text: (str, lambda text: model.Text(contains=(text,))),
    model.TestFile: (bool, lambda there: model.TestFile(exists=there)),
}
"""Tables that may be written as a bare string or boolean, and what that means."""
_TABLES: Mapping[type, str] = {model.Healthcheck: '; write it as { test = ["…"] }'}
"""How to write tables that people expect to be something else."""
_BARE = re.compile(r"[A-Za-z0-9_-]{1,60}")


def _expect(what: str, value: object, hint: str = "") -> _ProblemError:
    return _ProblemError("wrong-type", f"expected {what}, got {_kind(value)}{hint}")


def _kind(value: object) -> str:
    """What a value is, in TOML's words."""
    match value:
        case bool():
            return "a boolean"
        case int():
            return "an integer"
        case float():
            return "a float"
        case str():
            return "a string"
        case Mapping():
            return "a table"
        case list():
            return "an array"
        case _:
            return "a date or time"


def _string(value: object, _: object) -> str:
    if type(value) is not str:
        scalar = type(value) in (bool, int, float)
        raise _expect("a string", value, "; put it in quotes" if scalar else "")
    return value


def _integer(value: object, _: object) -> int:
    if type(value) is not int:
        quoted = type(value) is str and value.isascii() and value.isdigit()
        raise _expect("an integer", value, "; take away the quotes" if quoted else "")
    return value


def _boolean(value: object, _: object) -> bool:
    if type(value) is not bool:
        quoted = value in ("true", "false")
        raise _expect("true or false", value, "; take away the quotes" if quoted else "")
    return value


def _number(value: object, _: object) -> float:
    if type(value) is not int and type(value) is not float:
        raise _expect("a number", value)
    if not isfinite(value):
        raise _ProblemError("wrong-value", f"expected a number, got {value}")
    return float(value)


def _variable(value: object, _: object) -> object:
    if type(value) not in (str, int, float, bool):
        raise _expect("a string, a number or a boolean", value)
    return value


def _declared(_: object, converter: Converter) -> Hook:
    """Of `[vars]`: tables that are right have made way for their values, so that a table has something wrong."""
    table = converter.get_structure_hook(model.EnvironmentVar)
    return lambda value, _: table(value, model.EnvironmentVar) if type(value) is dict else _variable(value, None)


_LONGEST_SECONDS = 10**9
"""What has more digits is no duration."""


def _parsed(cls: Any) -> Hook:  # noqa: ANN401 - a class with `parse`
    def hook(value: object, _: object) -> Any:  # noqa: ANN401 - one of the class
        if cls is values.Duration and type(value) is int:
            raise _expect("a string", value, f"; write '{value}s'" if 0 <= value < _LONGEST_SECONDS else "")
        try:
            return cls.parse(_string(value, None))
        except values.ValueProblemError as problem:
            raise _ProblemError("wrong-value", str(problem)) from problem

    return hook


def _literal(value: object, cls: object) -> object:
    allowed = get_args(cls)
    if any(type(value) is type(one) and value == one for one in allowed):
        return value
    listed = " or ".join(repr(one) for one in allowed)
    if type(value) is not type(allowed[0]):
        raise _expect(listed, value, "; take away the quotes" if value == str(allowed[0]) else "")
    hint = suggest(value, allowed) if isinstance(value, str) else ""
    got = quoted(value) if isinstance(value, str) else str(value)
    raise _ProblemError("wrong-value", f"expected {listed}, got {got}{hint}")


def _optional(cls: object, converter: Converter) -> Hook:
    (inner,) = (one for one in get_args(cls) if one is not type(None))
    hook = converter.get_structure_hook(inner)
    return lambda value, _: hook(value, inner)


def _command(_: object, converter: Converter) -> Hook:
    array = converter.get_structure_hook(tuple[str, ...])

    def hook(value: object, _: object) -> Any:  # noqa: ANN401 - one of model.Command
        if type(value) is str:
            return value
        if type(value) is list:
            return array(value, tuple[str, ...])
        raise _expect("a string or an array of strings", value)

    return hook


def _base(_: object, converter: Converter) -> Hook:
    def hook(value: object, _: object) -> Any:  # noqa: ANN401 - one of model.Base
        if type(value) is not dict:
            raise _expect("a table", value)
        named = [kind for kind in model.BASE_KINDS if kind in value]
        named = named or [kind for key in islice(value, MOST) if (kind := closest(key, model.BASE_KINDS))][:1]
        if len(named) != 1:
            wanted = " or ".join(f"'{kind}'" for kind in model.BASE_KINDS)
            text = f"a base has either {wanted}; {'both are' if named else 'neither is'} there"
            raise _ProblemError("base-kind", text)
        return converter.structure(value, model.BASE_KINDS[named[0]])

    return hook
