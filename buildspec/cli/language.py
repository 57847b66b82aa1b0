"""The verbs about the specification and the machine: check, plan, generate, doctor."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import attrs

from buildspec.cli.loading import (
    examined_with_profiles,
    facts,
    loaded,
    planned,
    say_what_is_not_locked,
    selection,
)
from buildspec.errors import Diagnostic, ExitCode, MachineError, SpecError, StepError

if TYPE_CHECKING:
    import argparse

    from buildspec.plan.model import Plan
    from buildspec.spec.load import Source


def check(arguments: argparse.Namespace) -> ExitCode:
    """Decode and type-check; in another format than text, standard output has the diagnostics and nothing else."""
    form = arguments.format
    try:
        found, warnings = examined_with_profiles(arguments)
        say_what_is_not_locked(found.source, arguments)
        _refuse(warnings if arguments.strict else ())
    except SpecError as error:
        if form == "text":
            raise
        print(_formats()[form](error.diagnostics))
        return ExitCode.WRONG_SPEC
    if form != "text":
        print(_formats()[form](warnings))
        return ExitCode.DONE
    for one in warnings:
        print(one.render(), file=sys.stderr)
    spec = found.source.spec
    count = len(spec.stages)
    gates = sum(1 for stage in spec.stages.values() if stage.gate)
    print(
        f"{arguments.file}: ok ({count} stages, {gates} of them gates; {len(spec.image.deliver)} images for "
        f"{', '.join(map(str, spec.image.platforms))})"
    )
    return ExitCode.DONE


def plan(arguments: argparse.Namespace) -> ExitCode:
    """Show what would be built, or where a value comes from."""
    from buildspec.engine.host import machine_platform, revision
    from buildspec.render.dockerfile import render

    source = loaded(arguments)
    if arguments.explain is not None:
        print(_explained(source, arguments))
        return ExitCode.DONE
    known = facts(machine_platform(), revision(source.root, os.environ), arguments)
    found = planned(source, known, arguments)
    render(found)  # refuses what no Dockerfile can hold
    print(_shown(found, source.root, arguments.format))
    return ExitCode.DONE


def _explained(source: Source, arguments: argparse.Namespace) -> str:
    from buildspec.report.explain import text
    from buildspec.spec.explain import explain, parse_path
    from buildspec.spec.load import read

    document = read(Path(arguments.file), arguments.file)
    chosen = selection(arguments, source.profiles, document)
    return text(explain(document, source.document, source.spec, chosen, parse_path(arguments.explain)))


def _shown(found: Plan, root: Path, form: str) -> str:
    from buildspec.report import graph
    from buildspec.report.plan import tree

    if form in ("mermaid", "dot"):
        return graph.mermaid(found) if form == "mermaid" else graph.dot(found)
    import shlex

    from buildspec.engine.invocation import invocation
    from buildspec.plan.printable import printable

    command = invocation(found, root, os.environ)
    if form == "json":
        import json

        return json.dumps({**printable(found), "command": command}, indent=2, ensure_ascii=False)
    return f"{tree(found)}\n\ncommand\n  {shlex.join(command)}"


_State = Literal["good", "stale", "kept", "broken"]
"""What has become of a generated file."""


def generate(arguments: argparse.Namespace) -> ExitCode:
    """Write what is made from the specification and from this program, or say what of it is stale.

    A file that somebody has written or changed is left alone, as is what can't be read or written; all others are
    written nevertheless.
    """
    root, texts = _texts(arguments)
    found: dict[_State, dict[str, str]] = {}
    for name, text in texts.items():
        path = root / name
        what, why = _generated(path, text, arguments)
        print(f"{path}: {why}")
        found.setdefault(what, {})[str(path)] = why
    command = _again(arguments)
    told = [f"{path} {why}" for what in ("broken", "kept") for path, why in found.get(what, {}).items()]
    if "stale" in found:
        told.append(f"stale: {', '.join(found['stale'])}")
    if "broken" in found:
        fix = "make sure that these can be read and written, or leave them out of generate.files"
        raise MachineError("\n".join(told), fix)
    if "kept" in found:
        way = _to_keep(found["kept"], [str(root / name) for name in texts])
        raise StepError("\n".join(told), f"to have it overwritten, run `{command} --force`; {way}")
    if "stale" in found:
        raise StepError("\n".join(told), f"run `{command.removesuffix(' --')}`")
    return ExitCode.DONE


def _to_keep(left: Collection[str], every: Iterable[str]) -> str:
    """How to say in a specification that files are somebody's own.

    Args:
        left: paths of those files.
        every: of all files that are made.
    """
    from typing import get_args

    from buildspec.spec.model import GeneratedFile

    wanted = [Path(path) for path in every if path not in left]
    listed = ", ".join(f'"{name}"' for path in wanted for name in get_args(GeneratedFile) if path.match(name))
    lines = [f"to keep it, write\n\n[generate]\nfiles = [{listed}]\n"]
    if any(Path(path).name == "compose.yaml" for path in left):
        lines.append("or have compose.yaml made, and write what is yours into compose.override.yaml\n")
    return "\n".join(lines).rstrip("\n")


def _generated(path: Path, text: str, arguments: argparse.Namespace) -> tuple[_State, str]:
    """Write a file, or only compare it; returns what has become of it, and that in words."""
    from buildspec.engine import files

    try:
        there = path.read_bytes()
    except FileNotFoundError:
        there = None
    except OSError as error:
        return "broken", f"can't be read: {(error.strerror or 'error').lower()}"
    # git may have given it the line ends of another system
    if there is not None and there.replace(b"\r\n", b"\n") == text.encode():
        return "good", "as it should be" if arguments.check else "nothing has changed"
    if there is not None and not arguments.force and (why := _kept(there)):
        return "kept", why
    if arguments.check:
        return "stale", "stale"
    try:
        files.write(path, text)
    except MachineError as error:
        return "broken", error.message.removeprefix(f"{path} ")
    return "good", "written"


def _texts(arguments: argparse.Namespace) -> tuple[Path, Mapping[str, str]]:
    """The folder of the specification, and the files that are made, by their path in it."""
    from buildspec.cli.loading import everywhere
    from buildspec.plan.model import Facts
    from buildspec.plan.planner import make_plan
    from buildspec.report.generated import Subject, documentation, generated

    source, asked = everywhere(arguments)
    # a platform has to be named, and none of the texts depends on which
    plan = make_plan(source, Facts(native=source.spec.image.platforms[0]))
    subject = Subject(spec=source.spec, plan=plan, frozen=source.lock.there, asked=tuple(asked))
    pages = documentation(source.root, Path(__file__).parents[2])
    if pages:  # the program's own noxfile installs the program
        subject = attrs.evolve(subject, install=("nox",))
    return source.root, {**generated(subject), **pages}


def _kept(there: bytes) -> str:
    """Why a file with this in it is left alone; empty when it isn't."""
    from buildspec.spec.seal import Seal, seal_of

    match seal_of(there.decode("utf-8", errors="replace")):
        case Seal.WHOLE:
            return ""
        case Seal.EDITED:
            return "was changed since it was generated"
        case Seal.FOREIGN:
            return "was not generated"


def _again(arguments: argparse.Namespace) -> str:
    """The command that writes the same files; what it is given goes at its end."""
    import shlex

    from buildspec.spec.seal import COMMAND

    given = ["--file", arguments.file] if arguments.file != "buildspec.toml" else []
    given += [part for name in arguments.profile for part in ("--profile", name)]
    given += [part for one in arguments.set for part in ("--set", one)]
    return f"{COMMAND} -- {shlex.join(given)}".rstrip()


def doctor(arguments: argparse.Namespace) -> ExitCode:
    """Look at the machine."""
    from buildspec.engine import doctor as examination

    source = None
    try:
        source = loaded(arguments)
    except SpecError as error:
        print(f"{arguments.file} is wrong, so only the machine is looked at; see `nox -s check`: {error.fix}")
    findings = examination.examine(source, os.environ)
    width = max(len(finding.what) for finding in findings)
    for finding in findings:
        print(f"{finding.mark:7}  {finding.what:{width}}  {finding.text}")
        if finding.fix:
            print(f"{'':7}  {'':{width}}  fix: {finding.fix}")
    missing = [finding.what for finding in findings if finding.mark == "missing"]
    if missing:
        raise MachineError(f"this machine lacks: {', '.join(missing)}", "see the fixes above")
    print("this machine can build")
    return ExitCode.DONE


def _refuse(warnings: Sequence[Diagnostic]) -> None:
    """Take warnings for errors."""
    if warnings:
        raise SpecError(attrs.evolve(one, severity="error") for one in warnings)


def _formats() -> Mapping[str, Callable[[Sequence[Diagnostic]], str]]:
    from buildspec.report.diagnostics import FORMATS

    return FORMATS
