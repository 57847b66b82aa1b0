"""Profiles and variables: what changes a document between its text and its decoding."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Any

from buildspec.errors import Diagnostic, SpecError, UsageError
from buildspec.spec.document import Document, spell
from buildspec.spec.positions import Path

# A table of one of several kinds is told by these keys. An overlay that names another kind replaces the table:
# merged, it would be of two kinds at once.
_KINDS: dict[str, tuple[str, ...]] = {"bases": ("image", "debian")}
_NAME = re.compile(r"\$(\$\{)|\$\{([^}]*)\}")


def suggest(name: str, known: Iterable[str]) -> str:
    """`; did you mean '…'?`, or nothing when no known name is close."""
    close = get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def apply_profiles(document: Document, names: Sequence[str]) -> Document:
    """Lay the profiles over the document, in that order: tables merge, other values replace.

    Raises:
        UsageError: the document has no profile of that name.
    """
    data = {key: value for key, value in document.data.items() if key != "profiles"}
    profiles = document.data.get("profiles", {})
    moved: dict[Path, Path | str] = dict(document.moved)
    for name in names:
        if not isinstance(profiles, Mapping) or name not in profiles:
            known = sorted(profiles) if isinstance(profiles, Mapping) else []
            raise UsageError(
                f"{document.file} has no profile '{name}'{suggest(name, known)}",
                f"profiles: {', '.join(known) or 'none'}",
            )
        overlay = profiles[name]
        if isinstance(overlay, Mapping):
            data = _merge(data, overlay, (), ("profiles", name), moved)
    return Document(document.file, data, document.positions, moved)


def profile_names(document: Document) -> tuple[str, ...]:
    """The profiles a document defines, in its order."""
    profiles = document.data.get("profiles", {})
    return tuple(profiles) if isinstance(profiles, Mapping) else ()


def _merge(
    below: Mapping[str, Any], above: Mapping[str, Any], path: Path, origin: Path, moved: dict[Path, Path | str]
) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        at, written = (*path, key), (*origin, key)
        under = merged.get(key)
        if isinstance(value, Mapping) and isinstance(under, Mapping) and not _other_kind(at, under, value):
            merged[key] = _merge(under, value, at, written, moved)
        else:
            for stale in [known for known in moved if known[: len(at)] == at]:
                del moved[stale]
            merged[key] = value
            moved[at] = written
    return merged


def _other_kind(path: Path, below: Mapping[str, Any], above: Mapping[str, Any]) -> bool:
    kinds = _KINDS.get(str(path[0]), ()) if len(path) == 2 else ()
    named = {kind for kind in kinds if kind in above}
    return bool(named) and not named & below.keys()


def apply_overrides(document: Document, overrides: Mapping[str, str]) -> Document:
    """Replace values of `[vars]`, keeping their types.

    Args:
        document: with profiles applied.
        overrides: values by variable, as typed on the command line.

    Raises:
        UsageError: there is no such variable, or the value isn't of its type.
    """
    if not overrides:
        return document
    declared = document.data.get("vars", {})
    values = dict(declared) if isinstance(declared, Mapping) else {}
    moved = dict(document.moved)
    for name, text in overrides.items():
        if name not in values:
            raise UsageError(f"--set {name}={text}: [vars] has no '{name}'{suggest(name, values)}")
        values[name] = _typed(name, text, values[name])
        moved[("vars", name)] = f"--set {name}"
    return Document(document.file, {**document.data, "vars": values}, document.positions, moved)


def _typed(name: str, text: str, old: object) -> object:
    try:
        match old:
            case bool():
                return {"true": True, "false": False}[text]
            case int():
                return int(text)
            case float():
                return float(text)
            case _:
                return text
    except (KeyError, ValueError):
        kind = {bool: "true or false", int: "an integer", float: "a float"}[type(old)]
        raise UsageError(f"--set {name}={text}: variable '{name}' is {kind}") from None


@dataclass
class _Filler:
    document: Document
    values: Mapping[str, str]
    problems: list[Diagnostic] = field(default_factory=list)

    def fill(self, value: object, path: Path) -> object:
        match value:
            case str():
                return self.text(value, path)
            case Mapping():
                return {key: self.fill(item, (*path, key)) for key, item in value.items()}
            case list():
                return [self.fill(item, (*path, index)) for index, item in enumerate(value)]
            case _:
                return value

    def text(self, value: str, path: Path) -> str:
        def one(match: re.Match[str]) -> str:
            if match.group(1):
                return "${"
            name = match.group(2)
            if name not in self.values:
                hint = suggest(name, self.values) or "; add it to [vars]"
                place = self.document.place(path)
                self.problems.append(
                    Diagnostic("unknown-variable", f"{spell(path)}: no variable '{name}'{hint}", place)
                )
                return ""
            return self.values[name]

        return _NAME.sub(one, value) if "$" in value else value


def fill_variables(document: Document, given: Mapping[str, str]) -> Document:
    """Put the values of variables where strings say `${name}`; `$${` stays as `${`.

    Args:
        document: with profiles and overrides applied.
        given: variables beyond `[vars]`, such as `git.commit`; `[vars]` wins.

    Raises:
        SpecError: unknown names, all of them.
    """
    declared = document.data.get("vars", {})
    values = dict(given)
    if isinstance(declared, Mapping):
        values |= {name: _plain(value) for name, value in declared.items() if not isinstance(value, (dict, list))}
    filler = _Filler(document, values)
    data = {
        key: value if key == "vars" else filler.fill(value, (key,)) for key, value in document.data.items()
    }
    if filler.problems:
        raise SpecError(filler.problems)
    return Document(document.file, data, document.positions, document.moved)


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
