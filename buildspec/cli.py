"""The verbs: `python -m buildspec check | plan | build | doctor`. The only place that prints and gives exit codes.

What a verb doesn't need isn't imported: `check` loads neither the engine's client nor anything that draws.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

from buildspec import __version__
from buildspec.errors import BuildspecError, Diagnostic, ExitCode, MachineError, SpecError, StepError, UsageError

if TYPE_CHECKING:
    from types import FrameType

    from rich.console import Console

    from buildspec.checks import Examined
    from buildspec.engine.client import EngineFacts
    from buildspec.engine.host import Revision
    from buildspec.engine.results import ImageResult
    from buildspec.plan.model import Facts, Plan
    from buildspec.spec.load import Source
    from buildspec.spec.values import Platform

AUTO = "auto"
"""Profile that stands for the specification's own bases, or `debian` where their registries can't be reached."""
FALLBACK = "debian"


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb.

    Args:
        argv: its arguments; the process's own when None.

    Returns:
        The exit code, of `errors.ExitCode`.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    try:
        arguments = _parser().parse_args(argv)
        verb: Callable[[argparse.Namespace], ExitCode] = arguments.verb
        code = verb(arguments)
        sys.stdout.flush()  # here, where a reader that has gone is met
    except BuildspecError as error:
        _complain(error)
        return int(error.exit_code)
    except KeyboardInterrupt:
        from buildspec.engine import process

        process.stop()
        print("interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # the reader has seen enough; nothing may be written to it at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    return int(code)


def _interrupted(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _complain(error: BuildspecError) -> None:
    head = "" if isinstance(error, SpecError) else "error: "
    print(f"{head}{error.message}", file=sys.stderr)
    if error.fix:
        print(f"{'' if isinstance(error, SpecError) else 'fix: '}{error.fix}", file=sys.stderr)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise UsageError(message, f"see `{self.prog} --help`")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="buildspec", description="A type-checked build language for container images.")
    parser.add_argument("--version", action="version", version=f"buildspec {__version__}")
    verbs = parser.add_subparsers(required=True, metavar="VERB")

    def add(name: str, verb: Callable[[argparse.Namespace], ExitCode], about: str) -> argparse.ArgumentParser:
        sub = verbs.add_parser(name, help=about, description=about)
        sub.set_defaults(verb=verb)
        sub.add_argument("--file", default="buildspec.toml", metavar="PATH", help="the specification (buildspec.toml)")
        sub.add_argument(
            "--profile",
            action="append",
            default=[],
            metavar="NAME",
            help="lay a profile of the specification over it; several in order; "
            f"'{AUTO}': its own bases, or '{FALLBACK}' where their registries can't be reached",
        )
        sub.add_argument(
            "--set",
            action="append",
            default=[],
            metavar="NAME=VALUE",
            help="another value for a name of [vars]",
        )
        return sub

    checked = add("check", check, "Decode and type-check the specification; say all that is wrong with it.")
    checked.add_argument(
        "--format", choices=("text", "json", "sarif", "github"), default="text", help="how to say it (text)"
    )
    checked.add_argument("--strict", action="store_true", help="take warnings for errors")
    planned = add("plan", plan, "Show what would be built: stages, where they run, bases, images, gates.")
    planned.add_argument("--json", action="store_true", help="print it as JSON")
    built = add("build", build, "Build every delivered image for every platform, gates included.")
    for sub in (planned, built):
        sub.add_argument(
            "--platform",
            action="append",
            default=[],
            metavar="OS/ARCH",
            help="build for this platform alone; may be given several times",
        )
    built.add_argument("--no-cache", action="store_true", help="take every step again")
    built.add_argument("--refresh", action="store_true", help="assemble Debian bases from the newest packages")
    add("doctor", doctor, "Say what this machine can and can't do, with the fix.")
    return parser


# --- verbs -----------------------------------------------------------------------------------------------------


def check(arguments: argparse.Namespace) -> ExitCode:
    """Decode and type-check; in another format than text, standard output has the diagnostics and nothing else."""
    form = arguments.format
    try:
        found = _examined(arguments)
        _refuse(found.warnings if arguments.strict else ())
    except SpecError as error:
        if form == "text":
            raise
        print(_formats()[form](error.diagnostics))
        return ExitCode.WRONG_SPEC
    if form != "text":
        print(_formats()[form](found.warnings))
        return ExitCode.DONE
    for one in found.warnings:
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
    """Show what would be built."""
    from buildspec.engine.host import machine_platform, revision
    from buildspec.plan.printable import printable
    from buildspec.render.dockerfile import render
    from buildspec.report.plan import tree

    source = _loaded(arguments)
    facts = _facts(machine_platform(), revision(source.root, os.environ))
    found = _planned(source, facts, arguments)
    render(found)  # refuses what no Dockerfile can hold
    print(json.dumps(printable(found), indent=2, ensure_ascii=False) if arguments.json else tree(found))
    return ExitCode.DONE


def build(arguments: argparse.Namespace) -> ExitCode:
    """Build, and tell what came of it."""
    # The engine and git are asked while this process loads the rest of itself.
    from buildspec.engine.client import Client
    from buildspec.engine.host import revision
    from buildspec.engine.later import Later

    driver = Client()
    asked = Later(driver.facts)
    state = Later(lambda: revision(Path(arguments.file).parent, os.environ))

    from buildspec.engine import files
    from buildspec.engine.build import Options, Surroundings
    from buildspec.engine.build import build as run
    from buildspec.gates.budgets import verdicts
    from buildspec.render.bake import FOLDER
    from buildspec.report import console
    from buildspec.report import result as text

    source = _loaded(arguments)
    engine = _fit(asked.result())
    found = _planned(source, _facts(engine.native, state.result()), arguments)
    outcome = source.root / FOLDER / "result.json"
    with suppress(OSError):
        outcome.unlink()  # an earlier build's: if this one is killed, nobody must take it for this one's
    shown = console.progress(sys.stdout, _console)
    try:
        with shown:
            around = Surroundings(
                root=source.root,
                cache=files.cache_folder(),
                environ=os.environ,
                driver=driver,
                engine=engine,
                builder=os.environ.get("BUILDX_BUILDER", "") or engine.context,
                say=shown.say,
                tell=shown.tell,
            )
            result = run(
                found, around, Options(cache=not arguments.no_cache, refresh=arguments.refresh), _within_budget
            )
    except (BuildspecError, KeyboardInterrupt) as error:
        why = error if isinstance(error, BuildspecError) else StepError("interrupted")
        with suppress(MachineError):  # the first thing that went wrong is what counts
            files.write_json(outcome, text.failure(found, why))
        raise
    held = [verdict for image in result.images for verdict in verdicts(image)]
    files.write_json(outcome, text.document(result, held))
    print("\n" + text.summary(result, f"{FOLDER}/result.json"))
    return ExitCode.DONE


def doctor(arguments: argparse.Namespace) -> ExitCode:
    """Look at the machine."""
    from buildspec.engine import doctor as examination

    source = None
    try:
        source = _loaded(arguments)
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


# --- what they share -------------------------------------------------------------------------------------------


def _loaded(arguments: argparse.Namespace) -> Source:
    """The specification as the command line selects it; of its warnings, only the number is told."""
    found = _examined(arguments)
    if count := len(found.warnings):
        print(f"{count} warning{'s' if count != 1 else ''}; `nox -s check` shows them", file=sys.stderr)
    return found.source


def _refuse(warnings: Sequence[Diagnostic]) -> None:
    """Take warnings for errors."""
    if warnings:
        raise SpecError(replace(one, severity="error") for one in warnings)


def _formats() -> Mapping[str, Callable[[Sequence[Diagnostic]], str]]:
    from buildspec.report.diagnostics import FORMATS

    return FORMATS


def _examined(arguments: argparse.Namespace) -> Examined:
    from buildspec.checks import examine
    from buildspec.spec.load import Selection, read
    from buildspec.spec.overlay import profile_names

    path = Path(arguments.file)
    document = read(path, arguments.file)
    overrides: dict[str, str] = {}
    for text in arguments.set:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise UsageError(f"--set {text}: write it as --set name=value")
        overrides[name] = value

    def selected(*profiles: str) -> Examined:
        return examine(path, Selection(profiles, overrides, today=_today()), document)

    known = profile_names(document)
    if AUTO not in arguments.profile or AUTO in known:
        return selected(*arguments.profile)
    named = tuple(name for name in arguments.profile if name != AUTO)
    found = selected(*named)
    if FALLBACK in named or FALLBACK not in known:
        return found
    # JSON stands alone on standard output
    out = sys.stderr if getattr(arguments, "json", False) else sys.stdout
    return selected(*named, FALLBACK) if _needs_fallback(found.source, out) else found


def _today() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).date().isoformat()


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


def _facts(native: Platform, state: Revision) -> Facts:
    from buildspec.plan.model import Facts

    return Facts(native=native, revision=state.commit, epoch=state.epoch, day=_today())


def _planned(source: Source, facts: Facts, arguments: argparse.Namespace) -> Plan:
    from buildspec.plan.planner import make_plan
    from buildspec.spec.values import Platform, ValueProblemError

    try:
        platforms = tuple(Platform.parse(text) for text in arguments.platform)
    except ValueProblemError as problem:
        raise UsageError(f"--platform: {problem}") from problem
    return make_plan(source, facts, platforms)


def _fit(engine: EngineFacts) -> EngineFacts:
    """The engine, if it can build."""
    from buildspec.engine.client import SETUP

    if not engine.buildx:
        raise MachineError("the docker client has no buildx", SETUP)
    if not engine.containerd_store:
        raise MachineError("the engine's image store can't hold images for several platforms", SETUP)
    return engine


def _within_budget(images: Sequence[ImageResult]) -> None:
    from buildspec.gates.budgets import verdicts

    broken = [str(verdict) for image in images for verdict in verdicts(image) if not verdict.kept]
    if broken:
        raise StepError("\n".join(["over budget:", *(f"  {line}" for line in broken)]), "nothing was tagged")


def _console() -> Console:
    from rich.console import Console

    return Console(file=sys.stdout)


if __name__ == "__main__":
    sys.exit(main())
