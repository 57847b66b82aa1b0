"""What the verbs share: the specification as the command line selects it, and its plan."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from buildspec.arguments import AUTO, FALLBACK, overrides
from buildspec.errors import Diagnostic, SpecError, UsageError

RESULT = "result.json"
SUMMARY = "summary.md"

if TYPE_CHECKING:
    import argparse

    from buildspec.checks import Examined
    from buildspec.engine.host import Revision
    from buildspec.plan.model import Facts, Plan
    from buildspec.spec.document import Document
    from buildspec.spec.load import Selection, Source
    from buildspec.spec.values import Platform


def loaded(arguments: argparse.Namespace) -> Source:
    """The specification as the command line selects it; of its warnings, only the number is told."""
    found = examined(arguments)
    say_what_is_not_locked(found.source, arguments)
    if count := len(found.warnings):
        print(f"{count} warning{'s' if count != 1 else ''}; `nox -s check` shows them", file=sys.stderr)
    return found.source


def say_what_is_not_locked(source: Source, arguments: argparse.Namespace) -> None:
    """Say which references are taken by their tag though there is a lock file, or refuse them.

    Raises:
        SpecError: `--frozen` was given, and one isn't locked.
    """
    from buildspec.spec.lock import references

    _say_missing(source, references([source.spec]), arguments, "its tag is taken as it is today")


def _say_missing(source: Source, wanted: Iterable[str], arguments: argparse.Namespace, then: str) -> None:
    from buildspec.spec.lock import NAME

    missing = source.lock.missing(wanted)
    frozen = getattr(arguments, "frozen", False)
    if missing and (frozen or source.lock.there):
        told = f"{NAME} has no {', '.join(missing)}"
        if frozen:
            raise SpecError([Diagnostic("not-locked", f"{told}; run `nox -s lock`")])
        print(f"{told}, so {then}; `nox -s lock` records it", file=sys.stderr)


def say_what_base_is_not_locked(source: Source, plan: Plan, arguments: argparse.Namespace) -> None:
    """The same for the bases that a plan assembles."""
    _say_missing(source, [one.name for one in plan.recipes()], arguments, "it is made from today's packages")


def examined_with_profiles(arguments: argparse.Namespace) -> tuple[Examined, Sequence[Diagnostic]]:
    """The specification as the command line selects it, and the warnings of this and of all other profiles."""
    from buildspec.checks import with_profiles
    from buildspec.spec.load import read

    path = Path(arguments.file)
    document = read(path, arguments.file)
    profiles: Sequence[str] = [name for name in arguments.profile if name != AUTO]
    found = None
    try:
        found = examined(arguments, document)
        told: Sequence[Diagnostic] = found.warnings
        profiles = found.source.profiles
    except SpecError as error:
        told = error.diagnostics
    told, unseen = with_profiles(path, selection(arguments, profiles, document), document, told)
    if found is None or any(one.severity == "error" for one in told):
        raise SpecError(told)
    if unseen:
        print(f"profiles that weren't looked at: {', '.join(unseen)}; `--profile NAME` does", file=sys.stderr)
    return found, told


def examined(arguments: argparse.Namespace, document: Document | None = None) -> Examined:
    """The specification as the command line selects it, held against every rule.

    Args:
        arguments: of the command line.
        document: what `spec.load.read` gave for it, to read it once only.
    """
    from buildspec.checks import examine
    from buildspec.spec.load import read
    from buildspec.spec.overlay import profile_names

    path = Path(arguments.file)
    document = document or read(path, arguments.file)

    def selected(*profiles: str) -> Examined:
        return examine(path, selection(arguments, profiles, document), document)

    known = profile_names(document)
    if AUTO not in arguments.profile or AUTO in known:
        return selected(*arguments.profile)
    named = tuple(name for name in arguments.profile if name != AUTO)
    found = selected(*named)
    if FALLBACK in named or FALLBACK not in known:
        return found
    # what programs read stands alone on standard output
    out = sys.stderr if getattr(arguments, "format", "text") not in ("text", "tree") else sys.stdout
    return selected(*named, FALLBACK) if _needs_fallback(found.source, out) else found


def selection(arguments: argparse.Namespace, profiles: Sequence[str], document: Document) -> Selection:
    """What the command line and the environment ask of a specification."""
    from buildspec.spec.load import Selection

    variables = {}
    if version := _version(arguments):
        variables["version"] = version
    if build := getattr(arguments, "build_number", ""):
        variables["build"] = build
    if "${git.commit}" in document.positions.text:  # else git isn't asked: it takes longer than a check
        from buildspec.engine.host import revision

        if commit := revision(Path(arguments.file).parent, os.environ).commit:
            variables["git.commit"] = commit
    return Selection(tuple(profiles), overrides(arguments), variables, os.environ, today())


def everywhere(arguments: argparse.Namespace) -> tuple[Source, Collection[str]]:
    """The specification as the command line selects it, the same on every machine and at every commit.

    Of the environment, only variables count that have no default.

    Returns:
        It, and the names of all environment variables that it asks for.

    Raises:
        UsageError: the profile depends on what this machine reaches.
    """
    from buildspec.checks import examine
    from buildspec.spec.environment import asked
    from buildspec.spec.load import Selection, read
    from buildspec.spec.overlay import profile_names

    path = Path(arguments.file)
    document = read(path, arguments.file)
    if AUTO in arguments.profile and AUTO not in profile_names(document):
        raise UsageError(f"--profile {AUTO} depends on what this machine reaches", "name the profile that you mean")
    names = asked(document)
    environ = {name: os.environ[name] for name, required in names.items() if required and name in os.environ}
    chosen = Selection(tuple(arguments.profile), overrides(arguments), {}, environ, today())
    return examine(path, chosen, document).source, names


def _version(arguments: argparse.Namespace) -> str:
    """The version that is released, as semver.org writes it; empty when none is."""
    given: str = getattr(arguments, "release", "")
    if not given:
        return ""
    from buildspec.plan.tags import Version

    return str(Version.parse(given))


def today() -> str:
    """The day in UTC, as `2026-11-25`."""
    import time

    return time.strftime("%Y-%m-%d", time.gmtime())


def _needs_fallback(source: Source, out: TextIO) -> bool:
    """Whether a registry of the bases can't be used; says what was decided and why."""
    from buildspec.engine.registries import of_bases, reachable

    reasons = [
        f"registry {name} can't be used ({why})" for name, why in reachable(of_bases(source.spec)).items() if why
    ]
    if not reasons:
        print(
            f"profile {AUTO}: every registry of the bases answers; building on the specification's own bases", file=out
        )
        return False
    print(f"profile {AUTO}: {'; '.join(reasons)}; building with profile '{FALLBACK}', which needs none", file=out)
    return True


def facts(native: Platform, state: Revision, arguments: argparse.Namespace) -> Facts:
    """What a plan depends on beyond the specification."""
    from buildspec.plan.model import Facts

    return Facts(
        native=native,
        revision=state.commit,
        epoch=state.epoch,
        day=today(),
        version=_version(arguments),
        build=arguments.build_number,
    )


def planned(source: Source, facts: Facts, arguments: argparse.Namespace) -> Plan:
    """The plan for the platforms of the command line."""
    from buildspec.plan.planner import make_plan
    from buildspec.spec.values import Platform, ValueProblemError

    try:
        platforms = tuple(Platform.parse(text) for text in arguments.platform)
    except ValueProblemError as problem:
        raise UsageError(f"--platform: {problem}") from problem
    return make_plan(source, facts, platforms)


def every_profile(arguments: argparse.Namespace) -> tuple[Source, ...]:
    """The specification as the command line selects it, and with each other profile on top; all must be right."""
    from buildspec.checks import examine
    from buildspec.spec.load import read
    from buildspec.spec.overlay import profile_names

    path = Path(arguments.file)
    document = read(path, arguments.file)
    chosen = [name for name in arguments.profile if name != AUTO]
    others = [[*chosen, name] for name in profile_names(document) if name not in chosen]
    return tuple(
        examine(path, selection(arguments, profiles, document), document).source for profiles in (chosen, *others)
    )


def write_result(folder: Path, document: Mapping[str, Any]) -> None:
    """Write `result.json` and its summary, which a job of GitHub Actions shows.

    Args:
        folder: of what the tool leaves.
        document: of images that were built.
    """
    from buildspec.engine import files
    from buildspec.report import summary

    files.write_json(folder / RESULT, document)
    page = summary.markdown(document)
    files.write(folder / SUMMARY, page)
    if job := os.environ.get("GITHUB_STEP_SUMMARY", ""):
        with suppress(OSError), Path(job).open("a", encoding="utf-8") as out:
            out.write(page)
