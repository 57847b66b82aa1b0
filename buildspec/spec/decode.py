"""A document in, a typed Spec out, or every problem at once. Nothing is coerced."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from itertools import islice
from math import isfinite
from typing import Any, Literal, Union, get_args, get_origin

import attrs
from cattrs import (
    AttributeValidationNote,
    ClassValidationError,
    Converter,
    ForbiddenExtraKeysError,
    IterableValidationError,
    IterableValidationNote,
)
from cattrs.gen import make_dict_structure_fn, override

from buildspec.errors import MOST, Diagnostic, SpecError, quoted
from buildspec.spec import model, values
from buildspec.spec.document import Document
from buildspec.spec.overlay import PROFILES, closest, suggest
from buildspec.spec.positions import Path, spell
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
    data: dict[str, Any] = _copied(document.data)
    problems: list[Diagnostic] = []
    while True:
        try:
            spec: model.Spec = _converter().structure(data, model.Spec)
        except ClassValidationError as error:
            # what is wrong makes way for UNKNOWN, and the rest is decoded once more
            for flaw in list(islice(_flaws(error, (), data), MOST)):
                problems.append(flaw.diagnostic(document))
                flaw.hide(data)
            if len(problems) >= MOST:
                raise SpecError(problems) from None
        else:
            return spec, problems


def _same_version(document: Document) -> None:
    written = document.data.get("spec")
    (known,) = get_args(attrs.fields(attrs.resolve_types(model.Spec)).spec.type)
    if type(written) is int and written != known:
        message = f"spec: this program reads version {known} of the language, not {written}"
        raise SpecError([Diagnostic("wrong-value", message, document.place(("spec",)))])


# --- what is wrong --------------------------------------------------------------------------------------


class _ProblemError(ValueError):
    """What a hook has to say about a value."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


@attrs.frozen
class _Flaw:
    """A problem of a document, and what can't be known because of it."""

    rule: str
    message: str
    path: Path
    """What the message is about."""
    unknown: tuple[Path, ...]
    extra: str | None = None
    """A key at the path that shouldn't be there."""
    at_key: bool = False

    def diagnostic(self, document: Document) -> Diagnostic:
        message = f"{spell(self.path)}: {self.message}" if self.path else self.message
        where = self.path if self.extra is None else (*self.path, self.extra)
        return Diagnostic(self.rule, message, document.place(where, key=self.at_key))

    def hide(self, data: dict[str, Any]) -> None:
        """Put UNKNOWN into the data where it isn't known, and take out what shouldn't be there."""
        if self.extra is not None:
            del _at(data, self.path)[self.extra]
        for path in self.unknown:
            _at(data, path[:-1])[path[-1]] = UNKNOWN


def _at(data: Any, path: Path) -> Any:  # noqa: ANN401 - whatever TOML holds
    for part in path:
        data = data[part]
    return data


def _copied(value: Any) -> Any:  # noqa: ANN401 - whatever TOML holds
    if type(value) is dict:
        return {key: _copied(one) for key, one in value.items()}
    if type(value) is list:
        return [_copied(one) for one in value]
    return value


def _flaws(error: BaseException, path: Path, data: dict[str, Any]) -> Iterator[_Flaw]:
    """Flatten what cattrs raised: a tree of exceptions, with notes that say where each belongs."""
    match error:
        case ClassValidationError():
            yield from _keys_flaws(error, path, _at(data, path))
            for one in error.exceptions:
                if not isinstance(one, KeyError | ForbiddenExtraKeysError):
                    yield from _flaws(one, (*path, *_step(one)), data)
        case IterableValidationError():
            for one in error.exceptions:
                yield from _flaws(one, (*path, *_step(one)), data)
        case _ProblemError():
            yield _Flaw(error.rule, str(error), path, unknown=(path,))
        case _:
            raise error


def _keys_flaws(error: ClassValidationError, path: Path, table: dict[str, Any]) -> Iterator[_Flaw]:
    """Keys of a table that are unknown or missing; one that is misspelt isn't missing too."""
    known = [model.toml_key(field.name) for field in attrs.fields(error.cl)]
    if error.cl is model.Spec:
        known.append(PROFILES)
    misspelt = set()
    for one in error.exceptions:
        for key in sorted(one.extra_fields) if isinstance(one, ForbiddenExtraKeysError) else ():
            meant = closest(key, known)
            misspelt.add(meant)
            unknown = tuple((*path, *hidden) for hidden in _hidden(key, meant, table))
            hint = suggest(key, known) or f"; known: {', '.join(known)}"
            yield _Flaw("unknown-key", f"unknown key {quoted(key)}{hint}", path, unknown, extra=key, at_key=True)
    for one in error.exceptions:
        if isinstance(one, KeyError) and one.args[0] not in misspelt:
            key = one.args[0]
            yield _Flaw("missing-key", f"key '{key}' is missing", path, ((*path, key),), at_key=True)


def _hidden(key: str, meant: str, table: dict[str, Any]) -> Iterable[Path]:
    """What can't be known of a table because one of its keys is misspelt."""
    if not meant or meant == PROFILES:
        return ()
    if meant not in table:
        return ((meant,),)
    if type(table[key]) is dict and type(table[meant]) is dict:
        # with [stage.base] besides [stages.runtime], there is a stage called base
        return [(meant, name) for name in table[key] if name not in table[meant]]
    return ()


def _step(error: BaseException) -> Path:
    """From a table or array to the element that an exception is about."""
    for note in getattr(error, "__notes__", ()):
        if isinstance(note, AttributeValidationNote):
            return (model.toml_key(note.name),)
        if isinstance(note, IterableValidationNote):
            return (note.index,)
    return ()


# --- hooks: one for each type of the model --------------------------------------------------------------


@cache
def _converter() -> Converter:
    converter = Converter(detailed_validation=True)

    def register(fits: Callable[[Any], bool], make: Callable[[Any, Converter], Hook]) -> None:
        converter.register_structure_hook_factory(fits, lambda cls: _known(make(cls, converter)))

    # the last one that fits is taken
    register(attrs.has, _table)
    register(lambda cls: get_origin(cls) is tuple, _array)
    register(lambda cls: get_origin(cls) is Mapping, _mapping)
    register(lambda cls: get_origin(cls) is Literal, lambda *_: _literal)
    register(lambda cls: get_origin(cls) in (Union, types.UnionType), _optional)
    register(lambda cls: cls in _SCALARS, lambda cls, _: _parsed(cls))
    register(lambda cls: cls == model.Var, lambda *_: _variable)
    register(lambda cls: cls == model.Var | None, lambda *_: _variable)
    register(lambda cls: cls == model.Var | model.EnvironmentVar, _declared)
    register(lambda cls: cls == model.Command, _command)
    register(lambda cls: cls == model.Base, _base)
    register(lambda cls: cls in _SHORT, _short)
    # cattrs asks no predicate about the types it knows itself
    plain: tuple[tuple[type, Hook], ...] = ((str, _string), (int, _integer), (bool, _boolean), (float, _number))
    for cls, hook in plain:
        converter.register_structure_hook(cls, _known(hook))
    return converter


_SCALARS = (values.Platform, values.Size, values.Duration, values.Reference, values.Digest)
_SHORT: Mapping[type, Callable[[str], object]] = {
    model.Copy: lambda text: model.Copy(path=text),
    model.Budget: lambda text: model.Budget(unpacked=_parsed(values.Size)(text, None)),
}
"""Tables that may be written as a bare string, and what that means."""


def _known(hook: Hook) -> Hook:
    """The hook, which UNKNOWN passes by."""
    return lambda value, cls: UNKNOWN if value is UNKNOWN else hook(value, cls)


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


def _parsed(cls: Any) -> Hook:  # noqa: ANN401 - a class with `parse`
    def hook(value: object, _: object) -> Any:  # noqa: ANN401 - one of the class
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


def _table(cls: Any, converter: Converter) -> Hook:  # noqa: ANN401 - a class of the model
    renames: dict[str, Any] = {field.name: override(rename=model.toml_key(field.name)) for field in attrs.fields(cls)}
    structure: Hook = make_dict_structure_fn(
        cls, converter, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True, **renames
    )

    def hook(value: object, _: object) -> Any:  # noqa: ANN401 - one of the class
        if type(value) is not dict:
            raise _expect("a table", value)
        return structure(value, cls)

    return hook


def _array(cls: object, converter: Converter) -> Hook:
    item = get_args(cls)[0]
    hook = converter.get_structure_hook(item)
    what = "strings and tables" if item in _SHORT else "strings"

    def array(value: object, _: object) -> tuple[Any, ...]:
        if type(value) is not list:
            raise _expect(f"an array of {what}", value, "; put it in brackets" if type(value) is str else "")
        return tuple(_each(enumerate(value), hook, item).values())

    return array


def _mapping(cls: object, converter: Converter) -> Hook:
    item = get_args(cls)[1]
    hook = converter.get_structure_hook(item)

    def mapping(value: object, _: object) -> Mapping[str, Any]:
        if type(value) is not dict:
            hint = '; write it as { name = "value" }' if item is str else ""
            raise _expect("a table", value, hint)
        return types.MappingProxyType(_each(value.items(), hook, item))

    return mapping


def _each(items: Iterable[tuple[Any, Any]], hook: Hook, item: object) -> dict[Any, Any]:
    """Structure every element, and say what is wrong with each of them, not just with the first."""
    done: dict[Any, Any] = {}
    problems: list[Exception] = []
    for key, value in items:
        try:
            done[key] = hook(value, item)
        except (_ProblemError, ClassValidationError, IterableValidationError) as problem:
            problem.__notes__ = [IterableValidationNote(f"at {key!r}", key, item)]
            problems.append(problem.with_traceback(None))  # it would keep all that was being read
            if len(problems) == MOST:
                break
    if problems:
        raise IterableValidationError("wrong elements", problems, dict)
    return done


def _short(cls: Any, converter: Converter) -> Hook:  # noqa: ANN401 - a class of the model
    table = _table(cls, converter)

    def hook(value: object, _: object) -> Any:  # noqa: ANN401 - one of the class
        if type(value) is dict:
            return table(value, cls)
        if type(value) is str:
            return _SHORT[cls](value)
        raise _expect("a string or a table", value)

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
