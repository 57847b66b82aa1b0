"""What rules about texts share: every string of a specification with its path, and places within fragments."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any

import attrs

from buildspec.checks.rules import Subject
from buildspec.errors import Diagnostic, Place
from buildspec.spec.fragments import Fragment
from buildspec.spec.model import Command, toml_key
from buildspec.spec.positions import Path
from buildspec.spec.unknown import UNKNOWN


def strings(value: Any, path: Path = ()) -> Iterator[tuple[Path, str]]:  # noqa: ANN401 - any part of a specification
    """Every string in a part of a specification that is known and not empty, with its path; keys are not among them.

    Args:
        value: a table, array or scalar of the typed specification.
        path: its own.
    """
    if type(value) is str and value:
        yield path, value
    for part, one in _parts(value):
        kind = type(one)
        if kind is str:  # here, as most are: a generator for each takes its time
            if one:
                yield (*path, part), one
        elif kind is not tuple or one:
            yield from strings(one, (*path, part))


def _parts(value: Any) -> Iterable[tuple[Any, Any]]:  # noqa: ANN401
    """What a table or array holds, with its keys or indexes; nothing for what is neither."""
    if value is UNKNOWN:
        return ()
    if type(value) is tuple:
        return enumerate(value)
    if keys := _keys(value.__class__):
        return ((key, getattr(value, name)) for name, key in keys)
    return value.items() if isinstance(value, Mapping) else ()


@cache
def _keys(cls: type) -> tuple[tuple[str, str], ...]:
    """The fields of a class of the model, each with its key in TOML."""
    of_model = attrs.has(cls) and cls.__module__ == "buildspec.spec.model"
    return tuple((field.name, toml_key(field.name)) for field in attrs.fields(cls)) if of_model else ()


def pairs(table: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """The pairs of a table of strings that are known."""
    if table is not UNKNOWN:
        yield from ((key, value) for key, value in table.items() if value is not UNKNOWN)


def items(array: tuple[str, ...]) -> Iterator[tuple[int, str]]:
    """The elements of an array of strings that are known, with their indexes."""
    if array is not UNKNOWN:
        yield from ((index, value) for index, value in enumerate(array) if value is not UNKNOWN)


def command_line(command: Command) -> str:
    """A command as one line, for a look at its words; what isn't known of it is left out."""
    if command is UNKNOWN:
        return ""
    return command if isinstance(command, str) else " ".join(word for _, word in items(command))


def in_fragment(fragment: Fragment, line: int, rule: str, message: str, within: tuple[int, int] = (0, 0)) -> Diagnostic:
    """A diagnostic at a line of a fragment.

    Args:
        fragment: where it is.
        line: from 1.
        rule: its name.
        message: what is wrong, and the way out.
        within: offsets into the line, to underline a part of it; the whole line without them.
    """
    text = fragment.line_text(line)
    start, end = within if within != (0, 0) else (len(text) - len(text.lstrip()), len(text.rstrip()))
    place = Place(fragment.file, line, start + 1, max(1, end - start), text)
    return Diagnostic(rule, message, place, fragment.file)


def without_line(one: Diagnostic) -> Diagnostic:
    """The diagnostic without the source line it points at, which would print a secret."""
    return one if one.place is None else attrs.evolve(one, place=attrs.evolve(one.place, text=""))


def lineage(subject: Subject, stage: str) -> Iterator[str]:
    """The stage, and the stages its image is built on, nearest first.

    Raises:
        UnknownError: what one of them starts from isn't known.
    """
    seen: set[str] = set()
    while stage in subject.spec.stages and stage not in seen:
        seen.add(stage)
        yield stage
        stage = subject.spec.stages[stage].from_
