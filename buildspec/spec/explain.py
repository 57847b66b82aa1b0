"""A path in, where its value comes from out: the file, a profile, the command line, the environment or a default."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from buildspec.errors import Place, UsageError, quoted
from buildspec.spec.document import Document
from buildspec.spec.environment import apply_environment
from buildspec.spec.load import Selection
from buildspec.spec.model import Spec, toml_key
from buildspec.spec.overlay import PROFILES, apply_overrides, apply_profiles, suggest
from buildspec.spec.positions import Path, spell
from buildspec.spec.wellknown import VARIABLES

_PART = re.compile(r"""(?:^|\.)(?:([A-Za-z0-9_-]+)|"((?:[^"\\]|\\["\\])*)"|'([^']*)')|\[([0-9]{1,9})\]""")
_REFERENCE = re.compile(r"(?<!\$)\$\{([^}]*)\}")


@attrs.frozen(kw_only=True)
class Layer:
    """A value, as one place gives it."""

    value: Any
    """As TOML holds it, variables not filled in."""
    place: Place | None
    origin: str
    """`profile debian`, `--set node`, `environment variable CI`, `default`; empty for the file itself."""


@attrs.frozen(kw_only=True)
class Explanation:
    """Where a value comes from."""

    path: str
    value: Any
    """With variables filled in."""
    layer: Layer
    """What gives it."""
    replaced: tuple[Layer, ...]
    """What it replaced, the latest first."""
    variables: tuple[Explanation, ...]
    """Of the variables in it."""


def parse_path(text: str) -> Path:
    """Read `stages.base.copy[0].from`; a key may be in quotes.

    Raises:
        UsageError: it is no path.
    """
    parts: list[str | int] = []
    at = 0
    while match := _PART.match(text, at):
        bare, double, single, index = match.groups()
        if double is not None:
            bare = re.sub(r"\\(.)", r"\1", double)
        parts.append(int(index) if index is not None else bare if bare is not None else single)
        at = match.end()
    if not parts or at < len(text) or isinstance(parts[0], int):
        raise UsageError(
            f"{quoted(text)} is not a path", "write it as 'stages.base.from' or 'stages.base.copy[0].from'"
        )
    return tuple(parts)


def explain(written: Document, filled: Document, spec: Spec, selection: Selection, path: Path) -> Explanation:
    """Say where a value of a specification comes from.

    Args:
        written: as it was read.
        filled: with profiles, overrides, the environment and variables.
        spec: decoded from that.
        selection: what was selected of it.
        path: of the value.

    Raises:
        UsageError: there is no such value.
    """
    held = _value_of(spec, path)
    layers = _layers(written, selection, path)
    found, value = _found(filled.data, path)
    if not layers:
        layer = Layer(value=held, place=None, origin="default")
        return Explanation(path=spell(path), value=held, layer=layer, replaced=(), variables=())
    names = _REFERENCE.findall(layers[-1].value) if isinstance(layers[-1].value, str) else []
    meant = layers[-1].origin.startswith(("--set", "environment"))  # as it stands
    return Explanation(
        path=spell(path),
        value=value if found else held,
        layer=layers[-1],
        replaced=tuple(reversed(layers[:-1])),
        variables=tuple(
            _variable(written, filled, spec, selection, name) for name in dict.fromkeys(() if meant else names)
        ),
    )


def _variable(written: Document, filled: Document, spec: Spec, selection: Selection, name: str) -> Explanation:
    if name in spec.vars:
        return explain(written, filled, spec, selection, ("vars", name))
    given = name in selection.variables
    value = selection.variables[name] if given else VARIABLES[name]
    origin = "a fact of this run" if given else "what stands for it where nothing is known"
    layer = Layer(value=value, place=None, origin=origin)
    return Explanation(path=name, value=value, layer=layer, replaced=(), variables=())


def _layers(written: Document, selection: Selection, path: Path) -> list[Layer]:
    """What gives the value, one on top of the other."""
    layers: list[Layer] = []
    last: tuple[Any, Any] | None = None
    for document, profile in _documents(written, selection):
        found, value, at = _nearest(document.data, path)
        if not found:
            layers, last = [], None
            continue
        origin = document.origin(at)
        if last != (value, origin):
            last = (value, origin)
            layers.append(_layer(document, at, value, profile))
    return layers


def _documents(written: Document, selection: Selection) -> Iterable[tuple[Document, str]]:
    """The document as each layer leaves it, and the profile that was laid over it last."""
    names = selection.profiles
    overlaid = written
    for count in range(len(names) + 1):
        overlaid = apply_profiles(written, names[:count])
        yield overlaid, names[count - 1] if count else ""
    overridden = apply_overrides(overlaid, selection.overrides)
    yield overridden, ""
    yield apply_environment(overridden, selection.environ)[0], ""


def _layer(document: Document, at: Path, value: Any, profile: str) -> Layer:  # noqa: ANN401 - whatever TOML holds
    origin = document.origin(at)
    if isinstance(origin, str):
        return Layer(value=value, place=None, origin=origin)
    if at[:2] in document.outside:
        return Layer(value=value, place=document.place(at), origin=f"environment variable {document.outside[at[:2]]}")
    if origin[0] == PROFILES:
        return Layer(value=value, place=document.place(at), origin=f"profile {origin[1]}")
    if profile and (span := document.positions.nearest((PROFILES, profile, *at))):
        # a table that the profile has added to
        place = Place(document.file, *document.positions.line_column(span.value[0]))
        return Layer(value=value, place=place, origin=f"profile {profile}")
    return Layer(value=value, place=document.place(at), origin="")


def _found(data: Any, path: Path) -> tuple[bool, Any]:  # noqa: ANN401 - whatever TOML holds
    for part in path:
        beside = dict(enumerate(data)) if isinstance(data, list) else data
        if not isinstance(beside, Mapping) or part not in beside:
            return False, None
        data = beside[part]
    return True, data


def _nearest(data: Any, path: Path) -> tuple[bool, Any, Path]:  # noqa: ANN401 - whatever TOML holds
    """The value at a path; or the string above it, which is short for a table."""
    for end in range(len(path), 0, -1):
        found, value = _found(data, path[:end])
        if found:
            return end == len(path) or isinstance(value, str), value, path[:end]
    return False, None, path


def _value_of(spec: Spec, path: Path) -> Any:  # noqa: ANN401 - any value of the model
    """The value at a path of a Spec.

    Raises:
        UsageError: there is none; says what there is beside it.
    """
    value: Any = spec
    for at, part in enumerate(path):
        beside = _beside(value)
        if part not in beside:
            above = spell(path[:at]) or "the specification"
            hint = suggest(str(part), map(str, beside))
            known = ", ".join(map(str, tuple(beside)[:40]))
            raise UsageError(f"{above} has no {quoted(str(part))}{hint}", f"there is: {known or 'nothing in it'}")
        value = beside[part]
    return value


def _beside(value: Any) -> Mapping[Any, Any]:  # noqa: ANN401 - any value of the model
    """What can be named below a value."""
    if attrs.has(type(value)) and type(value).__module__ == Spec.__module__:
        return {toml_key(field.name): getattr(value, field.name) for field in attrs.fields(type(value))}
    if isinstance(value, Mapping):
        return value
    if isinstance(value, Sequence) and not isinstance(value, str):
        return dict(enumerate(value))
    return {}
