"""The type checker: a specification in, every problem that is knowable before anything runs out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import attrs

from buildspec.checks import bases, fragments, graph, waivers
from buildspec.checks.rules import Rule, Subject, known, severity_of
from buildspec.errors import Diagnostic, SpecError, in_order
from buildspec.spec.document import Document
from buildspec.spec.load import Selection, Source, draft

RULES: tuple[Rule, ...] = (
    graph.unknown_stage,
    graph.unknown_copy_source,
    graph.unknown_delivery,
    graph.stage_cycle,
    graph.reserved_name,
    graph.nothing_delivered,
    graph.tag_collision,
    graph.start_from_gate,
    graph.copy_from_gate,
    graph.gate_delivered,
    graph.runs_on_conflict,
    graph.builder_delivered,
    bases.unknown_family,
    bases.packages_without_manager,
    bases.users_without_accounts,
    bases.run_without_shell,
    bases.shell_form_without_shell,
    bases.unknown_account,
    bases.unknown_user,
    bases.unknown_owner,
    fragments.instruction_in_fragment,
    fragments.unfinished_instruction,
    fragments.directive_in_fragment,
    fragments.unused_fragment,
    fragments.undeclared_secret,
    fragments.line_break,
)


@attrs.frozen
class Examined:
    """A specification without errors."""

    source: Source
    warnings: tuple[Diagnostic, ...]
    """In the order of the file."""


def check(source: Source) -> tuple[Diagnostic, ...]:
    """Hold a specification against every rule; returns the warnings.

    Raises:
        SpecError: the errors that were found, and the warnings with them.
    """
    return _told(findings(source))


def findings(source: Source) -> Iterator[Diagnostic]:
    """What the rules find and the specification doesn't waive; nothing that hangs on something UNKNOWN."""
    subject = Subject(source)
    found = [replace(one, severity=severity_of(rule)) for rule in RULES for one in known(rule(subject))]
    yield from waivers.applied(subject, found, RULES)


def examine(path: Path, selection: Selection, document: Document | None = None) -> Examined:
    """Load a specification and hold it against every rule; says all that is wrong at once.

    Args:
        path: the file.
        selection: profiles, overrides, variables and the day.
        document: what `spec.load.read` gave for it, to read it once only.

    Raises:
        SpecError: what is wrong with its text, its types, its values and by the rules.
        UsageError: a profile or a variable of the selection doesn't exist.
    """
    written = draft(path, selection, document)
    return Examined(written.source, _told([*written.problems, *findings(written.source)]))


def _told(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    told = in_order(found)
    if any(one.severity == "error" for one in told):
        raise SpecError(told)
    return told
