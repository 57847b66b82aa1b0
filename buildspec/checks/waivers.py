"""Waivers: what the rules found in, what the specification doesn't know of out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from buildspec.checks.rules import Rule, Subject, is_waivable, name_of
from buildspec.errors import Diagnostic, Place, quoted
from buildspec.spec.load import Source
from buildspec.spec.model import Waiver
from buildspec.spec.overlay import suggest
from buildspec.spec.unknown import UNKNOWN, UnknownError
from buildspec.spec.wellknown import AUDIT_RULES

UNUSED = "unused-waiver"
"""What is found of a waiver that covers nothing."""

_DAY = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])")


def places(source: Source) -> frozenset[Place | None]:
    """Where the waivers of a specification are written."""
    count = 0 if source.spec.waivers is UNKNOWN else len(source.spec.waivers)
    return frozenset(source.document.place(("waivers", index)) for index in range(count))


def applied(subject: Subject, found: Iterable[Diagnostic], rules: Sequence[Rule]) -> Iterator[Diagnostic]:
    """What no waiver covers, and what is wrong with the waivers themselves.

    Args:
        subject: the specification.
        found: by the rules.
        rules: all of them.
    """
    found = list(found)
    known = {name_of(rule): rule for rule in rules}
    places = _places(found)
    waived: set[tuple[str, str]] = set()
    unknown = False
    for index, waiver in _waivers(subject):
        try:
            wrong = _wrong(subject, index, waiver, known)
            if waiver.rule in AUDIT_RULES and wrong is None:
                continue  # whether it is of use is for the audit to say
            place = (waiver.rule, waiver.at)
            hits = place in places
        except UnknownError:
            # which finding was meant isn't known: none of that rule's is told on a guess
            unknown = unknown or waiver is UNKNOWN or waiver.rule is UNKNOWN
            continue
        if wrong is not None:
            yield wrong
        elif not hits:
            where = f" at {waiver.at}" if waiver.at else ""
            message = f"{quoted(waiver.rule)} finds nothing{where}; remove the waiver"
            yield attrs.evolve(subject.problem(UNUSED, ("waivers", index), message), severity="warning")
        else:
            waived.add(place)
    covered = {at for place in waived for at in places[place]}
    yield from (one for at, one in enumerate(found) if not unknown and at not in covered)


def named(subject: Subject) -> frozenset[str]:
    """The rules that waivers name, as far as they are known."""
    waivers = [waiver for _, waiver in _waivers(subject) if waiver is not UNKNOWN]
    return frozenset(waiver.rule for waiver in waivers if waiver.rule is not UNKNOWN)


def _waivers(subject: Subject) -> list[tuple[int, Waiver]]:
    waivers = subject.spec.waivers
    return [] if waivers is UNKNOWN else list(enumerate(waivers))


def _wrong(subject: Subject, index: int, waiver: Waiver, known: Mapping[str, Rule]) -> Diagnostic | None:
    if waiver.rule not in known and waiver.rule not in AUDIT_RULES:
        message = f"no rule is called {quoted(waiver.rule)}{suggest(waiver.rule, (*known, *AUDIT_RULES))}"
        return subject.problem("unknown-rule", ("waivers", index, "rule"), message)
    if waiver.rule in known and not is_waivable(known[waiver.rule]):
        message = f"what {quoted(waiver.rule)} finds can't be built, so it can't be waived"
        return subject.problem("not-waivable", ("waivers", index, "rule"), message)
    if not waiver.reason.strip():
        return subject.problem("empty-reason", ("waivers", index, "reason"), "says nothing; say why it may be")
    if waiver.until and _DAY.fullmatch(waiver.until) is None:
        message = f"{quoted(waiver.until)} is not a day; write it as '2027-06-30'"
        return subject.problem("bad-day", ("waivers", index, "until"), message)
    if waiver.until and subject.source.today > waiver.until:
        message = f"ended on {waiver.until}; look at the finding again, then renew or remove it"
        return subject.problem("expired-waiver", ("waivers", index, "until"), message)
    return None


def _places(found: Sequence[Diagnostic]) -> Mapping[tuple[str, str], list[int]]:
    """Indexes of what a rule found, by rule and each place that a waiver can call it by; an empty one is any."""
    places: dict[tuple[str, str], list[int]] = {}
    for at, one in enumerate(found):
        ends = (match.start() for match in re.finditer(r"[.\[]", one.path))
        for place in {"", one.path, *(one.path[:end] for end in ends)}:
            places.setdefault((one.rule, place), []).append(at)
    return places
