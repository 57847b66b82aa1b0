"""Profiles, overrides and variables: what changes a document between its text and its decoding."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

import attrs

from buildspec.errors import MOST, Diagnostic, UsageError, quoted
from buildspec.spec.document import Document
from buildspec.spec.model import BASE_KINDS, toml_key
from buildspec.spec.model import Spec as Root
from buildspec.spec.positions import Path, spell
from buildspec.spec.unknown import UNKNOWN

PROFILES = "profiles"
"""Table of the overlays; it isn't part of the Spec, to which they have been applied."""

# A table of one of several kinds is told by these keys. An overlay that names another kind replaces the table:
# merged, it would be of two kinds at once.
_KINDS: Mapping[str, Iterable[str]] = {"bases": tuple(BASE_KINDS)}
_REFERENCE = re.compile(r"\$(\$\{)|\$\{([^}]*)(\}?)")
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{,60}")
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")
_FLOAT = re.compile(r"[+-]?[0-9]{1,18}(?:\.[0-9]{1,18})?")


_LEAST_START = 3
"""Letters of a start of a name that can be meant as the whole of it."""


def suggest(name: str, known: Iterable[str]) -> str:
    """`; did you mean '…'?`, or nothing when no known name is close."""
    close = closest(name, known)
    return f"; did you mean '{close}'?" if close else ""


def closest(name: str, known: Iterable[str]) -> str:
    """The known name that is nearest to this one, or an empty string."""
    if len(name) > 100:  # comparing takes its time, and no name that is meant is so long
        return ""
    names = tuple(known)
    if len(names) > 100:
        index = _neighbours(names)
        return next((index[one] for one in _shorter(name) if one in index), "")
    from difflib import get_close_matches  # here, as a right specification needs it not

    close = get_close_matches(name, names, n=1, cutoff=0.6)
    longer = [one for one in names if len(name) >= _LEAST_START and one.startswith(name)]
    return close[0] if close else longer[0] if len(longer) == 1 else ""


@lru_cache(maxsize=4)
def _neighbours(names: tuple[str, ...]) -> Mapping[str, str]:
    """Many names by themselves less a letter each: two that share that differ in a letter or two."""
    return {short: name for name in reversed(names) if len(name) <= 100 for short in _shorter(name)}


def _shorter(name: str) -> Iterable[str]:
    return (name, *(name[:at] + name[at + 1 :] for at in range(len(name))))


# --- profiles -------------------------------------------------------------------------------------------


def apply_profiles(document: Document, names: Sequence[str]) -> Document:
    """Lay the profiles over the document, in that order: tables merge, other values replace.

    Those that aren't tables are passed over; `profile_problems` tells of them.

    Raises:
        UsageError: the document has no profile of that name.
    """
    data = {key: value for key, value in document.data.items() if key != PROFILES}
    profiles = document.data.get(PROFILES, {})
    moved: dict[Path, Path | str] = dict(document.moved)
    for name in names if isinstance(profiles, Mapping) else ():
        if name not in profiles:
            known = profile_names(document)
            raise UsageError(
                f"{document.file} has no profile '{name}'{suggest(name, known)}",
                f"profiles: {', '.join(known) or 'none'}",
            )
        if isinstance(overlay := profiles[name], Mapping):
            data = _merge(data, overlay, (), (PROFILES, name), moved)
    return attrs.evolve(document, data=data, moved=moved)


def profile_names(document: Document) -> tuple[str, ...]:
    """The profiles a document defines, in its order."""
    profiles = document.data.get(PROFILES, {})
    return tuple(profiles) if isinstance(profiles, Mapping) else ()


def profile_problems(document: Document) -> list[Diagnostic]:
    """Profiles that aren't tables."""
    profiles = document.data.get(PROFILES, {})
    wrong: list[Path]
    if isinstance(profiles, Mapping):
        wrong = [(PROFILES, name) for name, value in profiles.items() if not isinstance(value, Mapping)]
    else:
        wrong = [(PROFILES,)]
    message = "expected a table of what differs; write it as [profiles.name]"
    return [
        Diagnostic("wrong-type", f"{spell(path)}: {message}", document.place(path, key=True)) for path in wrong[:MOST]
    ]


def _merge(
    below: Mapping[str, Any],
    above: Mapping[str, Any],
    path: Path,
    origin: Path,
    moved: dict[Path, Path | str],
) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        at, written = (*path, key), (*origin, key)
        under = merged.get(key)
        if isinstance(value, Mapping) and isinstance(under, Mapping) and not _other_kind(at, under, value):
            merged[key] = _merge(under, value, at, written, moved)
        else:
            _forget(moved, at, under)
            merged[key] = value
            moved[at] = written
    return merged


def _forget(moved: dict[Path, Path | str], path: Path, replaced: object) -> None:
    """Take out where a value, and what is in it, came from: something else stands there now."""
    moved.pop(path, None)
    for key, value in replaced.items() if isinstance(replaced, Mapping) else ():
        _forget(moved, (*path, key), value)


def _other_kind(path: Path, below: Mapping[str, Any], above: Mapping[str, Any]) -> bool:
    kinds = _KINDS.get(str(path[0]), ()) if len(path) == 2 else ()
    named = {kind for kind in kinds if kind in above}
    return bool(named) and not named & below.keys()


# --- overrides ------------------------------------------------------------------------------------------


def apply_overrides(document: Document, overrides: Mapping[str, str]) -> Document:
    """Replace values of `[vars]`, keeping their types.

    Args:
        document: with profiles applied.
        overrides: values by variable, as typed on the command line.

    Raises:
        UsageError: there is no such variable, or the value isn't of its type.
    """
    declared = document.data.get("vars", {})
    if not overrides or not isinstance(declared, Mapping):
        return document  # decoding says what is wrong with [vars]
    values = dict(declared)
    moved = dict(document.moved)
    for name, text in overrides.items():
        if name not in values:
            raise UsageError(
                f"--set {name}={text}: [vars] has no '{name}'{suggest(name, values)}",
                f"variables: {', '.join(values) or 'none'}",
            )
        old = values[name].get("default", "") if isinstance(values[name], Mapping) else values[name]
        if isinstance(old, str | int | float):
            values[name] = _set(name, text, old)
            moved["vars", name] = f"--set {name}"
    return attrs.evolve(document, data={**document.data, "vars": values}, moved=moved)


def _set(name: str, text: str, old: str | float) -> str | float:
    try:
        return typed(text, old)
    except ValueError as error:
        raise UsageError(f"--set {name}={text}: variable '{name}' is {error}") from error


def typed(text: str, old: str | float) -> str | float:
    """A value as typed, of the type that another one has.

    Raises:
        ValueError: it isn't of that type, which the message names.
    """
    match old:
        case bool():
            kind = "true or false"
            if text in ("true", "false"):
                return text == "true"
        case int():
            kind = "an integer"
            if _INTEGER.fullmatch(text):
                return int(text)
        case float():
            kind = "a number"
            if _FLOAT.fullmatch(text):
                return float(text)
        case _:
            return text
    raise ValueError(kind)


# --- variables ------------------------------------------------------------------------------------------


def fill_variables(document: Document, given: Mapping[str, str]) -> tuple[Document, list[Diagnostic]]:
    """Put the values of variables where strings say `${name}`; `$${` stands for `${`.

    Args:
        document: with profiles and overrides applied.
        given: variables beyond `[vars]`, such as `git.commit`; `[vars]` wins.

    Returns:
        The document, with UNKNOWN for strings that couldn't be filled, and what is wrong with these.
    """
    problems: list[Diagnostic] = []
    declared = _Filler(document, problems, _never).fill(document.data.get("vars", {}), ("vars",))
    filler = _Filler(document, problems, _lookup(document, declared, given))
    data = {key: declared if key == "vars" else filler.fill(value, (key,)) for key, value in document.data.items()}
    return attrs.evolve(document, data=data), problems


class _NoVariableError(ValueError):
    """What is wrong with a `${name}`; empty when that was said elsewhere."""


def _never(_: str) -> str:
    raise _NoVariableError("a variable can't be made of others; write '$${' for the characters themselves")


def _lookup(document: Document, declared: object, given: Mapping[str, str]) -> Callable[[str], str]:
    """The function from a variable's name to its value; it raises _NoVariableError."""
    roots = [toml_key(field.name) for field in attrs.fields(Root)]
    misspelt = any(key not in roots and closest(key, roots) == "vars" for key in islice(document.data, MOST))
    known = {**given, **(declared if isinstance(declared, Mapping) else {})}

    def value(name: str) -> str:
        if name in known:
            return _plain(known[name])
        if misspelt or not isinstance(declared, Mapping):
            raise _NoVariableError  # there is a table of variables, but it can't be read
        if _NAME.fullmatch(name):
            raise _NoVariableError(f"no variable is called '{name}'{suggest(name, known) or '; add it to [vars]'}")
        raise _NoVariableError(f"{quoted(name)} is no variable's name; write '$${{' to leave it to the shell")

    return value


def _plain(value: object) -> str:
    if value is UNKNOWN or not isinstance(value, str | int | float):
        raise _NoVariableError  # decoding says that it isn't of a variable's type
    return str(value).lower() if isinstance(value, bool) else str(value)


MAX_FILLED = 8_000_000
"""Characters of all strings with variables; a long value that is used often would fill the memory."""


@attrs.define(repr=False)
class _Filler:
    document: Document
    problems: list[Diagnostic]
    value: Callable[[str], str]
    filled: int = 0
    """Characters of the strings so far."""

    def fill(self, item: Any, path: Path) -> Any:  # noqa: ANN401 - whatever TOML holds
        if item is UNKNOWN:
            return item
        match item:
            case str():
                return self.text(item, path)
            case Mapping():
                return {key: self.fill(one, (*path, key)) for key, one in item.items()}
            case list():
                return [self.fill(one, (*path, index)) for index, one in enumerate(item)]
            case _:
                return item

    def text(self, text: str, path: Path) -> str:
        unknown: str = UNKNOWN
        if "${" not in text or isinstance(self.document.moved.get(path), str) or path in self.document.outside:
            return text  # what came from the command line or the environment is meant as it stands
        if len(self.problems) >= MOST:
            return unknown
        written = list(islice(_REFERENCE.finditer(self.document.written(path)), MOST))
        filled = ""
        at = 0
        wrong = False
        for index, match in enumerate(_REFERENCE.finditer(text)):
            filled += text[at : match.start()]
            at = match.end()
            try:
                put = self.one(match)
                self.count(len(put))
                filled += put
            except _NoVariableError as error:
                wrong = True
                if message := str(error):
                    place = self.document.place(path, within=_within(written, index, match))
                    self.problems.append(Diagnostic("unknown-variable", f"{spell(path)}: {message}", place))
                if len(self.problems) >= MOST or self.filled > MAX_FILLED:
                    break
        return unknown if wrong else filled + text[at:]

    def count(self, characters: int) -> None:
        if self.filled > MAX_FILLED:
            raise _NoVariableError
        self.filled += characters
        if self.filled > MAX_FILLED:
            raise _NoVariableError(f"variables have put in more than {MAX_FILLED:,} characters; use shorter values")

    def one(self, match: re.Match[str]) -> str:
        if match.group(1):
            return "${"
        if not match.group(3):
            raise _NoVariableError("'${' is never closed; write '$${' for the characters themselves")
        return self.value(match.group(2))


def _within(written: list[re.Match[str]], index: int, reference: re.Match[str]) -> tuple[int, int] | None:
    """Where in the written value its reference of that index stands; None when an escape hides it."""
    if index >= len(written) or written[index].group(3) != reference.group(3):
        return None
    start, end = written[index].span()
    return (start, end) if reference.group(3) else (start, start + 2)
