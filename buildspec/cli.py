"""The verbs: `python -m buildspec check | plan | build | …`. The only place that prints and gives exit codes.

What a verb doesn't need isn't imported: `check` loads neither the engine's client nor anything that draws.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TextIO

import attrs

from buildspec.arguments import AUTO, FALLBACK, overrides, parse
from buildspec.errors import BuildspecError, Diagnostic, ExitCode, MachineError, SpecError, StepError, UsageError

if TYPE_CHECKING:
    import argparse
    from types import FrameType

    from rich.console import Console

    from buildspec.checks import Examined
    from buildspec.engine.client import EngineFacts
    from buildspec.engine.host import Revision
    from buildspec.engine.results import ImageResult
    from buildspec.plan.model import Facts, Plan
    from buildspec.spec.document import Document
    from buildspec.spec.load import Selection, Source
    from buildspec.spec.values import Platform


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
        arguments = parse(sys.argv[1:] if argv is None else argv)
        code = _VERBS[arguments.verb](arguments)
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


# --- verbs -----------------------------------------------------------------------------------------------------


def check(arguments: argparse.Namespace) -> ExitCode:
    """Decode and type-check; in another format than text, standard output has the diagnostics and nothing else."""
    form = arguments.format
    try:
        found, warnings = _examined_with_profiles(arguments)
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

    source = _loaded(arguments)
    if arguments.explain is not None:
        print(_explained(source, arguments))
        return ExitCode.DONE
    facts = _facts(machine_platform(), revision(source.root, os.environ), arguments)
    found = _planned(source, facts, arguments)
    render(found)  # refuses what no Dockerfile can hold
    print(_shown(found, source.root, arguments.format))
    return ExitCode.DONE


def _explained(source: Source, arguments: argparse.Namespace) -> str:
    from buildspec.report.explain import text
    from buildspec.spec.explain import explain, parse_path
    from buildspec.spec.load import read

    document = read(Path(arguments.file), arguments.file)
    selection = _selection(arguments, source.profiles, document)
    return text(explain(document, source.document, source.spec, selection, parse_path(arguments.explain)))


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


def generate(arguments: argparse.Namespace) -> ExitCode:
    """Write what is made from other files, or say what of it is stale."""
    from buildspec.engine import files
    from buildspec.render.reference import generated

    command = "python -m buildspec generate"
    texts = generated(Path(arguments.file).parent, Path(__file__).parents[1])
    stale = [path for path, text in texts.items() if not files.holds(path, text)]
    for path in texts:
        if arguments.check:
            print(f"{path}: {'stale' if path in stale else 'as it should be'}")
        else:
            print(f"{path}: {'written' if files.write(path, texts[path]) else 'nothing has changed'}")
    if arguments.check and stale:
        raise StepError(f"stale: {', '.join(map(str, stale))}", f"run `{command}`")
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
    found = _planned(source, _facts(engine.native, state.result(), arguments), arguments)
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
        raise SpecError(attrs.evolve(one, severity="error") for one in warnings)


def _formats() -> Mapping[str, Callable[[Sequence[Diagnostic]], str]]:
    from buildspec.report.diagnostics import FORMATS

    return FORMATS


def _examined_with_profiles(arguments: argparse.Namespace) -> tuple[Examined, Sequence[Diagnostic]]:
    """The specification as the command line selects it, and the warnings of this and of all other profiles."""
    from buildspec.checks import with_profiles
    from buildspec.spec.load import read

    path = Path(arguments.file)
    document = read(path, arguments.file)
    profiles: Sequence[str] = [name for name in arguments.profile if name != AUTO]
    found = None
    try:
        found = _examined(arguments, document)
        told: Sequence[Diagnostic] = found.warnings
        profiles = found.source.profiles
    except SpecError as error:
        told = error.diagnostics
    told, unseen = with_profiles(path, _selection(arguments, profiles, document), document, told)
    if found is None or any(one.severity == "error" for one in told):
        raise SpecError(told)
    if unseen:
        print(f"profiles that weren't looked at: {', '.join(unseen)}; `--profile NAME` does", file=sys.stderr)
    return found, told


def _examined(arguments: argparse.Namespace, document: Document | None = None) -> Examined:
    from buildspec.checks import examine
    from buildspec.spec.load import read
    from buildspec.spec.overlay import profile_names

    path = Path(arguments.file)
    document = document or read(path, arguments.file)

    def selected(*profiles: str) -> Examined:
        return examine(path, _selection(arguments, profiles, document), document)

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


def _selection(arguments: argparse.Namespace, profiles: Sequence[str], document: Document) -> Selection:
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
    return Selection(tuple(profiles), overrides(arguments), variables, os.environ, _today())


def _version(arguments: argparse.Namespace) -> str:
    """The version that is released, as semver.org writes it; empty when none is."""
    given: str = getattr(arguments, "release", "")
    if not given:
        return ""
    from buildspec.plan.tags import Version

    return str(Version.parse(given))


def _today() -> str:
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


def _facts(native: Platform, state: Revision, arguments: argparse.Namespace) -> Facts:
    from buildspec.plan.model import Facts

    return Facts(
        native=native,
        revision=state.commit,
        epoch=state.epoch,
        day=_today(),
        version=_version(arguments),
        build=arguments.build_number,
    )


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


_VERBS: Mapping[str, Callable[[argparse.Namespace], ExitCode]] = {
    "check": check,
    "plan": plan,
    "build": build,
    "generate": generate,
    "doctor": doctor,
}

if __name__ == "__main__":
    sys.exit(main())
