"""What a rule is: a named function from a specification to diagnostics, documented by its docstring."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import cached_property, wraps
from typing import Literal, TypeVar

import attrs

from buildspec.errors import Diagnostic
from buildspec.spec.families import FAMILIES, Traits, traits
from buildspec.spec.load import Source
from buildspec.spec.model import Base, Copy, Spec, Stage
from buildspec.spec.positions import Path, spell
from buildspec.spec.unknown import UNKNOWN, UnknownError

K = TypeVar("K")
T = TypeVar("T")

SCRATCH = "scratch"
"""The empty base; it needs no table."""


@attrs.frozen(repr=False, eq=False)
class Subject:
    """A specification under examination; what is wrong with its types is UNKNOWN.

    Two are never compared by their contents, which would take as long as what functions remember of one.
    """

    source: Source

    @property
    def spec(self) -> Spec:
        """The specification."""
        return self.source.spec

    def problem(self, rule: str, path: Path, message: str, *, key: bool = False) -> Diagnostic:
        """A diagnostic at a path of the specification.

        Args:
            rule: its name.
            path: keys and indexes from the root.
            message: what is wrong, and the way out.
            key: point at the key, not at its value.
        """
        place = self.source.document.place(path, key=key)
        return Diagnostic(rule, f"{spell(path)}: {message}", place, spell(path))

    @cached_property
    def names(self) -> frozenset[str]:
        """Of stages and bases."""
        return frozenset((*self.spec.stages, *self.spec.bases))

    @cached_property
    def listed(self) -> tuple[str, ...]:
        """Names that can be meant where a stage or base is named, in order."""
        return tuple(sorted({*self.names, SCRATCH}))

    def traits(self, stage: str) -> Traits | None:
        """What the base at the root of a stage provides; None when nothing is known of it.

        Raises:
            UnknownError: there is no such base or family, which other rules tell.
        """
        root = self._roots.get(stage, stage)
        if root == SCRATCH:
            return FAMILIES["scratch"]
        found = self._traits.get(root)
        if found is None:
            raise UnknownError
        return found if found.family else None

    @cached_property
    def _traits(self) -> Mapping[str, Traits]:
        """What each base provides, of those whose family there is."""
        found: dict[str, Traits] = {}
        for name, base in self.spec.bases.items():
            with suppress(UnknownError):
                if not base.family or base.family in FAMILIES:
                    found[name] = traits(base)
        return found

    def base(self, stage: str) -> Base | None:
        """The base at the root of a stage; None for `scratch` and for what isn't there."""
        return self.spec.bases.get(self._roots.get(stage, stage))

    def runs_on(self, stage: str) -> str:
        """Where a stage runs: as it says, else where the one it starts from does."""
        return self._places.get(stage, "target")

    @cached_property
    def _places(self) -> Mapping[str, str]:
        return inherited(self, lambda _: "target", lambda _, stage, above: str(stage.runs_on or above))

    @cached_property
    def _roots(self) -> Mapping[str, str]:
        """What each stage starts from in the end: not a stage, or one of the circle it runs into."""
        return inherited(self, lambda root: root, lambda _, __, above: above)


def inherited(subject: Subject, start: Callable[[str], T], step: Callable[[str, Stage, T], T]) -> Mapping[str, T]:
    """What each stage has of itself and of those it starts from; UNKNOWN where something of them isn't known.

    Of all stages at once: one by one, a chain of them would be walked again for each of its links.

    Args:
        subject: the specification.
        start: what there is at the root, which isn't a stage, or closes a circle of them.
        step: what a stage has, by its name, the stage itself, and what the one it starts from has.

    Raises:
        UnknownError: the stages aren't known.
    """
    stages = subject.spec.stages
    found: dict[str, T] = {}
    for first in stages:
        trail: dict[str, None] = {}
        name = first
        try:
            while name in stages and name not in found and name not in trail:
                trail[name] = None
                name = stages[name].from_
            if name not in found:
                found[name] = start(name)
            above = found[name]
        except UnknownError:
            above = UNKNOWN
        for one in reversed(trail):
            try:
                above = step(one, stages[one], above)
            except UnknownError:
                above = UNKNOWN
            found[one] = above
    return found


Rule = Callable[[Subject], Iterator[Diagnostic]]

Severity = Literal["error", "warning"]


def waivable(severity: Severity) -> Callable[[Rule], Rule]:
    """A decorator, the outermost, for a rule about judgement: its findings have that severity and can be waived.

    A rule without it finds what can't be built, whatever the reason: always an error.
    """

    def decorator(rule: Rule) -> Rule:
        vars(rule)["severity"] = severity
        return rule

    return decorator


def severity_of(rule: Rule) -> Severity:
    """How grave a rule's findings are."""
    found: Severity = getattr(rule, "severity", "error")
    return found


def is_waivable(rule: Rule) -> bool:
    """Whether a specification may waive a rule's findings."""
    return hasattr(rule, "severity")


def name_of(rule: Rule) -> str:
    """The rule's name in messages, waivers and the documentation: that of its function, in kebab case."""
    return str(getattr(rule, "__name__", "")).replace("_", "-")


def known(findings: Iterator[Diagnostic]) -> Iterator[Diagnostic]:
    """What is found up to the first look at something that isn't known: what hangs on it would be a guess."""
    try:
        yield from findings
    except UnknownError:
        return


def _each(
    items: Callable[[Subject], Iterable[tuple[K, T]]],
) -> Callable[[Callable[[Subject, K, T], Iterator[Diagnostic]]], Rule]:
    """A decorator that makes a rule about all items of one about a single item and what it is known by."""

    def decorator(rule: Callable[[Subject, K, T], Iterator[Diagnostic]]) -> Rule:
        @wraps(rule)
        def about_all(subject: Subject) -> Iterator[Diagnostic]:
            for key, item in items(subject):
                try:  # as `known` does, without a generator of its own for each item
                    yield from rule(subject, key, item)
                except UnknownError:
                    continue

        return about_all

    return decorator


def copies(subject: Subject) -> Iterator[tuple[Path, Copy]]:
    """The elements of all stages' `copy`, each with its path."""
    for name, stage in subject.spec.stages.items():
        if stage is not UNKNOWN and stage.copy is not UNKNOWN:
            for index, copy in enumerate(stage.copy):
                yield ("stages", name, "copy", index), copy


each_stage = _each(lambda subject: subject.spec.stages.items())
each_copy = _each(copies)
"""Of the elements of all stages' `copy`, each with its path."""
each_test = _each(lambda subject: subject.spec.tests.items())
each_base = _each(lambda subject: subject.spec.bases.items())
each_delivered = _each(lambda subject: subject.spec.image.deliver.items())
"""Of delivered stages, each with its tag suffix."""
each_fragment = _each(lambda subject: subject.source.fragments.items())
"""Of fragments, each with the stage it is named after."""
