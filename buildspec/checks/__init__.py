"""The type checker: a specification in, every problem that is knowable before anything runs out."""

from __future__ import annotations

from buildspec.checks import bases, fragments, graph
from buildspec.checks.rules import Rule
from buildspec.errors import SpecError
from buildspec.spec.load import Source

RULES: tuple[Rule, ...] = (
    graph.unknown_stage,
    graph.stage_cycle,
    graph.reserved_name,
    graph.nothing_delivered,
    graph.copy_from_gate,
    graph.runs_on_conflict,
    bases.unknown_family,
    bases.packages_without_manager,
    bases.users_without_accounts,
    bases.run_without_shell,
    bases.unknown_user,
    fragments.instruction_in_fragment,
    fragments.unused_fragment,
    fragments.undeclared_secret,
    fragments.line_break,
)


def check(source: Source) -> None:
    """Hold a specification against every rule.

    Raises:
        SpecError: what was found, all of it.
    """
    found = [diagnostic for rule in RULES for diagnostic in rule(source)]
    if found:
        raise SpecError(found)
