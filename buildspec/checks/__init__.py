"""The type checker: a specification in, every problem that is knowable before anything runs out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from buildspec.checks import bases, fragments, graph
from buildspec.checks.rules import Rule, Subject, known
from buildspec.errors import Diagnostic, SpecError
from buildspec.spec.document import Document
from buildspec.spec.load import Selection, Source, draft

RULES: tuple[Rule, ...] = (
    graph.unknown_stage,
    graph.unknown_copy_source,
    graph.unknown_delivery,
    graph.stage_circle,
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


def check(source: Source) -> None:
    """Hold a specification against every rule.

    Raises:
        SpecError: what was found, all of it.
    """
    if found := list(findings(source)):
        raise SpecError(found)


def findings(source: Source) -> Iterator[Diagnostic]:
    """What the rules find; nothing that hangs on something UNKNOWN."""
    subject = Subject(source)
    for rule in RULES:
        yield from known(rule(subject))


def examine(path: Path, selection: Selection, document: Document | None = None) -> Source:
    """Load a specification and hold it against every rule; says all that is wrong at once.

    Args:
        path: the file.
        selection: profiles, overrides and variables.
        document: what `spec.load.read` gave for it, to read it once only.

    Raises:
        SpecError: what is wrong with its text, its types, its values and by the rules.
        UsageError: a profile or a variable of the selection doesn't exist.
    """
    written = draft(path, selection, document)
    if found := [*written.problems, *findings(written.source)]:
        raise SpecError(found)
    return written.source
