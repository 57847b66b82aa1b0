"""The type checker: a specification in, every problem that is knowable before anything runs out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Set
from pathlib import Path

import attrs

from buildspec.checks import (
    accounts,
    bases,
    cache,
    fragments,
    graph,
    images,
    injection,
    paths,
    platforms,
    programs,
    release,
    runtime,
    safety,
    tests,
    waivers,
)
from buildspec.checks.rules import Rule, Subject, is_waivable, known, name_of, severity_of
from buildspec.errors import MOST, Diagnostic, SpecError, in_order
from buildspec.spec.document import Document
from buildspec.spec.load import Selection, Source, draft
from buildspec.spec.overlay import profile_names
from buildspec.spec.scanner import MAX_VALUES

RULES: tuple[Rule, ...] = (
    graph.unknown_stage,
    graph.unknown_copy_source,
    graph.unknown_delivery,
    graph.stage_cycle,
    graph.reserved_name,
    graph.nothing_delivered,
    graph.start_from_gate,
    graph.copy_from_gate,
    graph.gate_delivered,
    graph.runs_on_conflict,
    graph.builder_delivered,
    graph.unused_stage,
    graph.duplicate_platform,
    graph.missing_fragment,
    bases.unknown_family,
    bases.packages_without_manager,
    bases.users_without_accounts,
    bases.run_without_shell,
    bases.shell_form_without_shell,
    bases.unknown_account,
    accounts.account_exists,
    bases.unknown_user,
    bases.unknown_owner,
    programs.command_not_in_image,
    images.libc_mismatch,
    images.user_not_in_image,
    images.root_user,
    images.user_out_of_range,
    images.config_not_inherited,
    images.base_past_end_of_life,
    images.unpinned_base,
    platforms.emulated_run,
    platforms.platform_leak,
    platforms.base_lacks_platform,
    cache.sources_before_dependencies,
    cache.missing_lock_file,
    cache.uncached_install,
    fragments.instruction_in_fragment,
    fragments.instruction_in_value,
    fragments.unfinished_instruction,
    fragments.directive_in_fragment,
    fragments.unused_fragment,
    fragments.undeclared_secret,
    fragments.line_break,
    safety.secret_in_env,
    safety.secret_in_arg,
    safety.secret_in_label,
    safety.secret_in_command,
    safety.download_at_run_time,
    safety.remote_add,
    safety.unsafe_run_flag,
    paths.path_escapes_context,
    paths.missing_path,
    paths.ignored_path,
    runtime.no_health_check,
    runtime.health_timing,
    runtime.volume_on_read_only,
    runtime.files_in_volume,
    runtime.required_env_has_default,
    runtime.bad_exempt_word,
    runtime.bad_port,
    runtime.ssh_port,
    runtime.bad_memory,
    runtime.bad_cpus,
    runtime.bad_pids,
    tests.unknown_test_image,
    tests.bad_pattern,
    tests.bad_test_path,
    release.bad_image_name,
    release.bad_tag,
    release.tag_collision,
    release.bad_registry,
    release.unfinished_release,
    release.bad_sign_key,
    injection.control_character,
    injection.leading_dash,
    injection.bad_env_name,
    injection.bad_name,
    injection.bad_path,
    injection.bad_label,
)
_BREAKS = frozenset({graph.unknown_stage, graph.unknown_copy_source, graph.unknown_delivery, graph.stage_cycle})
"""Rules that find the graph of stages broken."""
_OF_THE_WHOLE = frozenset(
    {
        graph.unused_stage,
        images.config_not_inherited,
        platforms.emulated_run,
        runtime.no_health_check,
        runtime.files_in_volume,
    }
)
"""Rules whose warnings a broken graph may bring about; they are told when it is whole."""


@attrs.frozen(repr=False)
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
    errors = 0
    for one in waivers.applied(subject, _found(subject), RULES):
        yield one
        errors += one.severity == "error"
        if errors == MOST:
            return


def _found(subject: Subject) -> Iterator[Diagnostic]:
    """What the rules find, up to so many errors that nobody waives."""
    waived = waivers.named(subject)
    errors = 0
    broken = False
    for rule in RULES:
        if broken and rule in _OF_THE_WHOLE:
            continue
        counts = severity_of(rule) == "error" and not (is_waivable(rule) and name_of(rule) in waived)
        for one in known(rule(subject)):
            yield attrs.evolve(one, severity=severity_of(rule))
            broken = broken or rule in _BREAKS
            errors += counts
            if errors == MOST:
                return


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


def with_profiles(
    path: Path, selection: Selection, document: Document, found: Iterable[Diagnostic]
) -> tuple[tuple[Diagnostic, ...], tuple[str, ...]]:
    """Examine a specification with each profile that isn't selected as well, one at a time on top of the selection.

    Args:
        path: the file.
        selection: what was examined.
        document: what `spec.load.read` gave for it.
        found: what was told of it.

    Returns:
        What was told and what the other profiles bring, in the order of the file; and the profiles that weren't
        looked at, as so large a specification with so many of them would take minutes.

    Raises:
        SpecError: the document is for another version of the language.
    """
    others = [name for name in profile_names(document) if name not in selection.profiles]
    most = MAX_VALUES // (len(document.positions.spans) + 1)
    told: Set[Diagnostic] = frozenset(found)
    for name in others[:most]:
        written = draft(path, attrs.evolve(selection, profiles=(*selection.profiles, name)), document)
        also = [*written.problems, *findings(written.source)]
        # a waiver is of use when any profile that has it uses it
        used = waivers.places(written.source) - {one.place for one in also if one.rule == waivers.UNUSED}
        told = {one for one in told if one.rule != waivers.UNUSED or one.place not in used}
        places = set(map(_what_to_mend, told))
        told |= {
            attrs.evolve(one, message=f"{one.message} (with --profile {name})")
            for one in also
            if one.rule != waivers.UNUSED and _what_to_mend(one) not in places
        }
    return in_order(told), tuple(others[most:])


def _what_to_mend(one: Diagnostic) -> tuple[object, ...]:
    """What is the same of two findings that are one thing to mend: another base may have other words for it."""
    return (one.rule, one.place, one.path) if one.place else (one.rule, one.message)


def _told(found: Iterable[Diagnostic]) -> tuple[Diagnostic, ...]:
    told = in_order(found)
    if any(one.severity == "error" for one in told):
        # what a waiver covers may not have been looked for because of an error
        raise SpecError(one for one in told if one.rule != waivers.UNUSED)
    return told
