"""A document in, a typed Spec out, or every problem at once. Nothing is coerced."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator, Mapping
from functools import cache
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

from buildspec.errors import Diagnostic, SpecError
from buildspec.spec import model, values
from buildspec.spec.document import Document, spell
from buildspec.spec.overlay import suggest
from buildspec.spec.positions import Path


class _Problem(ValueError):
    """What a hook has to say about a value."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


def toml_key(name: str) -> str:
    """The key in TOML of a field: `runs_on` is `runs-on`, `from_` is `from`."""
    return name.rstrip("_").replace("_", "-")


def decode(document: Document) -> model.Spec:
    """Decode a document whose profiles, overrides and variables are applied.

    Raises:
        SpecError: everything that is wrong with its shape, its types and its values.
    """
    try:
        spec: model.Spec = _converter().structure(document.data, model.Spec)
    except (ClassValidationError, _Problem) as error:
        raise SpecError(list(_diagnostics(document, error, (), model.Spec))) from error
    return spec


def _diagnostics(document: Document, error: BaseException, path: Path, cls: Any) -> Iterator[Diagnostic]:  # noqa: ANN401 - any class of the model
    match error:
        case ClassValidationError() | IterableValidationError():
            for inner in error.exceptions:
                notes = getattr(inner, "__notes__", ())
                yield from _diagnostics(document, inner, (*path, *_steps(notes)), getattr(error, "cl", cls))
        case ForbiddenExtraKeysError():
            known = [toml_key(field.name) for field in attrs.fields(error.cl)]
            for key in sorted(error.extra_fields):
                text = f"{_prefix(path)}unknown key '{key}'{suggest(key, known)}"
                yield Diagnostic("unknown-key", text, document.place((*path, key), key=True))
        case KeyError():
            # cattrs notes the attribute that is missing; the table it is missing from is what can be shown
            key, path = str(error.args[0]), path[:-1]
            yield Diagnostic(
                "missing-key", f"{_prefix(path)}key '{key}' is missing", document.place(path, key=True)
            )
        case _Problem():
            yield Diagnostic(error.rule, f"{_prefix(path)}{error}", document.place(path))
        case _:
            raise error


def _prefix(path: Path) -> str:
    return f"{spell(path)}: " if path else ""


def _steps(notes: Any) -> Path:  # noqa: ANN401 - what __notes__ holds
    steps: list[str | int] = []
    for note in notes:
        if isinstance(note, AttributeValidationNote):
            steps.append(toml_key(note.name))
        elif isinstance(note, IterableValidationNote):
            steps.append(note.index)
    return tuple(steps)


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


def _expect(what: str, value: object) -> _Problem:
    return _Problem("wrong-type", f"expected {what}, got {_kind(value)}")


def _exact(cls: type, what: str) -> Callable[[Any, Any], Any]:
    def hook(value: Any, _: Any) -> Any:  # noqa: ANN401
        if type(value) is not cls:
            raise _expect(what, value)
        return value

    return hook


def _number(value: Any, _: Any) -> float:  # noqa: ANN401
    if type(value) not in (int, float):
        raise _expect("a number", value)
    return float(value)


def _scalar(value: Any, _: Any) -> Any:  # noqa: ANN401
    if type(value) not in (str, int, float, bool):
        raise _expect("a string, a number or a boolean", value)
    return value


def _parsed(cls: Any) -> Callable[[Any, Any], Any]:  # noqa: ANN401
    def hook(value: Any, _: Any) -> Any:  # noqa: ANN401
        if type(value) is not str:
            raise _expect("a string", value)
        try:
            return cls.parse(value)
        except values.ValueProblem as problem:
            raise _Problem("wrong-value", str(problem)) from problem

    return hook


def _literal(value: Any, cls: Any) -> Any:  # noqa: ANN401
    allowed = get_args(cls)
    if not any(type(value) is type(one) and value == one for one in allowed):
        listed = " or ".join(repr(one) for one in allowed)
        if type(value) is not type(allowed[0]):
            raise _expect(listed, value)
        raise _Problem("wrong-value", f"expected {listed}, got {value!r}")
    return value


def _command(value: Any, _: Any) -> Any:  # noqa: ANN401
    if type(value) is str:
        return value
    if type(value) is list and all(type(item) is str for item in value):
        return tuple(value)
    raise _expect("a string or an array of strings", value)


@cache
def _converter() -> Converter:
    converter = Converter(detailed_validation=True)
    exact: tuple[tuple[type, str], ...] = ((str, "a string"), (int, "an integer"), (bool, "a boolean"))
    for cls, what in exact:
        converter.register_structure_hook(cls, _exact(cls, what))
    converter.register_structure_hook(float, _number)
    converter.register_structure_hook_func(lambda cls: get_origin(cls) is Literal, _literal)
    converter.register_structure_hook_func(lambda cls: cls == model.Command, _command)
    converter.register_structure_hook_func(lambda cls: cls == model.Var, _scalar)
    converter.register_structure_hook_factory(attrs.has, lambda cls: _table(cls, converter))
    converter.register_structure_hook_factory(_is(tuple), lambda cls: _array(cls, converter))
    converter.register_structure_hook_factory(_is(Mapping), lambda cls: _mapping(cls, converter))
    converter.register_structure_hook_factory(_is_optional, lambda cls: _optional(cls, converter))
    for scalar in (values.Platform, values.Size, values.Duration, values.Reference, values.Digest):
        converter.register_structure_hook(scalar, _parsed(scalar))
    converter.register_structure_hook(model.Copy, _short(model.Copy, "path", converter))
    converter.register_structure_hook(model.Budget, _short(model.Budget, "unpacked", converter))
    converter.register_structure_hook_func(lambda cls: cls == model.Base, _base(converter))
    return converter


def _is(origin: type) -> Callable[[Any], bool]:
    return lambda cls: get_origin(cls) is origin


def _is_optional(cls: Any) -> bool:  # noqa: ANN401
    return get_origin(cls) in (Union, types.UnionType) and type(None) in get_args(cls)


def _optional(cls: Any, converter: Converter) -> Callable[[Any, Any], Any]:  # noqa: ANN401
    (inner,) = (one for one in get_args(cls) if one is not type(None))
    hook = converter.get_structure_hook(inner)
    return lambda value, _: hook(value, inner)


def _table(cls: type, converter: Converter) -> Callable[[Any, Any], Any]:
    renames = {field.name: override(rename=toml_key(field.name)) for field in attrs.fields(cls)}
    structure = make_dict_structure_fn(
        cls,
        converter,
        _cattrs_forbid_extra_keys=True,
        _cattrs_detailed_validation=True,
        _cattrs_include_init_false=False,
        **renames,  # type: ignore[arg-type]
    )

    def hook(value: Any, _: Any) -> Any:  # noqa: ANN401
        if not isinstance(value, Mapping):
            raise _expect("a table", value)
        return structure(value, cls)

    return hook


def _array(cls: Any, converter: Converter) -> Callable[[Any, Any], Any]:  # noqa: ANN401
    item = get_args(cls)[0]
    hook = converter.get_structure_hook(item)

    def array(value: Any, _: Any) -> tuple[Any, ...]:  # noqa: ANN401
        if type(value) is not list:
            raise _expect("an array", value)
        return tuple(_each(((index, one) for index, one in enumerate(value)), hook, item, cls).values())

    return array


def _mapping(cls: Any, converter: Converter) -> Callable[[Any, Any], Any]:  # noqa: ANN401
    item = get_args(cls)[1]
    hook = converter.get_structure_hook(item)

    def mapping(value: Any, _: Any) -> Mapping[str, Any]:  # noqa: ANN401
        if not isinstance(value, Mapping):
            raise _expect("a table", value)
        return types.MappingProxyType(_each(value.items(), hook, item, cls))

    return mapping


def _each(items: Any, hook: Callable[[Any, Any], Any], item: Any, cls: Any) -> dict[Any, Any]:  # noqa: ANN401
    """Structure every element, and say what is wrong with each of them, not just with the first."""
    done: dict[Any, Any] = {}
    problems: list[Exception] = []
    for key, value in items:
        try:
            done[key] = hook(value, item)
        except (_Problem, ClassValidationError, IterableValidationError) as problem:
            problem.__notes__ = [IterableValidationNote(f"at {key!r}", key, item)]
            problems.append(problem)
    if problems:
        raise IterableValidationError(f"While structuring {cls}", problems, cls)
    return done


def _short(cls: type, field: str, converter: Converter) -> Callable[[Any, Any], Any]:
    """A table that may be written as the bare string of its main field."""
    full = _table(cls, converter)

    def hook(value: Any, _: Any) -> Any:  # noqa: ANN401
        if isinstance(value, Mapping):
            return full(value, cls)
        if type(value) is not str:
            raise _expect("a string or a table", value)
        if cls is model.Copy:
            return model.Copy(path=value)
        return cls(**{field: _parsed(values.Size)(value, None)})

    return hook


def _base(converter: Converter) -> Callable[[Any, Any], Any]:
    def hook(value: Any, _: Any) -> Any:  # noqa: ANN401
        if not isinstance(value, Mapping):
            raise _expect("a table", value)
        kinds = [cls for key, cls in _BASES.items() if key in value]
        if len(kinds) != 1:
            wanted = " or ".join(f"'{key}'" for key in _BASES)
            raise _Problem("base-kind", f"a base has either {wanted}, and {'both are' if kinds else 'neither is'} there")
        return converter.structure(value, kinds[0])

    return hook


_BASES: dict[str, type] = {"image": model.ImageBase, "debian": model.DebianBase}
