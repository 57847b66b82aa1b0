"""The verbs about images: build, test, audit."""

from __future__ import annotations

import os
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from buildspec.cli.loading import RESULT, facts, loaded, planned, say_what_base_is_not_locked, write_result
from buildspec.errors import BuildspecError, ExitCode, MachineError, StepError, UsageError

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from buildspec.engine.build import Surroundings
    from buildspec.engine.client import Client, EngineFacts
    from buildspec.engine.results import BuildResult, ImageResult
    from buildspec.gates.audit import Audited
    from buildspec.gates.budgets import Sizes, Verdict
    from buildspec.gates.testing import Image, TestResult
    from buildspec.plan.model import Plan
    from buildspec.spec.load import Source
    from buildspec.spec.values import Platform

SIZES = "sizes.json"


@attrs.frozen(kw_only=True)
class _Built:
    """What a build came to, and what is known of the same images from before."""

    source: Source
    result: BuildResult
    verdicts: Sequence[Verdict]
    around: Surroundings
    kept: Mapping[str, Any]
    """`tests` and `audit` of an earlier run on these very images, by the same specification."""

    @property
    def folder(self) -> Path:
        """Of what the tool leaves."""
        from buildspec.render.bake import FOLDER

        return self.source.root / FOLDER

    def write(self, **sections: Mapping[str, Any]) -> None:
        """Write `result.json` and its summary, with verdicts that were reached now."""
        from buildspec.report import result

        write_result(self.folder, result.document(self.result, self.verdicts, {**self.kept, **sections}))


def build(arguments: argparse.Namespace) -> ExitCode:
    """Build, and tell what came of it."""
    _build(arguments)
    return ExitCode.DONE


def _build(arguments: argparse.Namespace) -> _Built:
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
    from buildspec.gates import budgets, keys
    from buildspec.render.bake import FOLDER
    from buildspec.report import console
    from buildspec.report import result as text

    source = loaded(arguments)
    engine = _fit(asked.result())
    found = planned(source, facts(engine.native, state.result(), arguments), arguments)
    say_what_base_is_not_locked(source, found, arguments)
    folder = source.root / FOLDER
    before = files.read_json(folder / RESULT)
    last = budgets.read_sizes(files.read_json(folder / SIZES))
    with suppress(OSError):
        (folder / RESULT).unlink()  # an earlier build's: if this one is killed, nobody must take it for this one's
    shown = console.progress(sys.stdout, _console)
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
    try:
        with shown:
            options = Options(
                cache=not arguments.no_cache,
                refresh=arguments.refresh,
                packages=source.lock.packages,
                frozen=arguments.frozen,
            )
            result = run(found, around, options, lambda images: _within_budget(images, last, found, around))
    except (BuildspecError, KeyboardInterrupt) as error:
        why = error if isinstance(error, BuildspecError) else StepError("interrupted")
        with suppress(MachineError):  # the first thing that went wrong is what counts
            files.write_json(folder / RESULT, text.failure(found, why))
        raise
    every = (*result.images, *result.measured)
    held = [verdict for image in every for verdict in budgets.verdicts(image, last)]
    built = _Built(
        source=source,
        result=result,
        verdicts=held,
        around=around,
        kept={
            name: before[name]
            for name in keys.SECTIONS
            if keys.same(before, name, source.spec, keys.digests_of(result))
        },
    )
    files.write_json(folder / SIZES, budgets.written_sizes(last, every))
    built.write()
    print("\n" + text.summary(result, held, f"{FOLDER}/{RESULT}"))
    return built


def _within_budget(images: Sequence[ImageResult], last: Sizes, plan: Plan, around: Surroundings) -> None:
    from buildspec.gates.budgets import verdicts

    held = [verdict for image in images for verdict in verdicts(image, last)]
    broken = [verdict for verdict in held if not verdict.kept]
    if not broken:
        return
    from buildspec.report import budgets

    lines = ["over budget:", *(f"  {verdict}" for verdict in broken), "", budgets.table(held)]
    for image in images:
        over = {verdict.platform for verdict in broken if verdict.stage == image.target.name}
        with suppress(MachineError):  # that it is too big is what counts
            lines += _blamed(image, over, plan, around) if over else []
    raise StepError("\n".join(lines), "nothing was tagged")


def _blamed(image: ImageResult, over: Collection[Platform], plan: Plan, around: Surroundings) -> list[str]:
    """What makes an image too big, on those platforms."""
    from buildspec.engine import files
    from buildspec.engine.archives import read_archive
    from buildspec.gates.blame import blame
    from buildspec.report import budgets

    lines = []
    with files.scratch() as folder:
        for one in read_archive(around.driver.save(image.digest), folder, image.digest):
            if one.platform in over:
                lines += ["", f"largest layers of {image.target.name} for {one.platform}:"]
                lines.append(budgets.blamed(blame(one, plan, image.target.stage)))
    return lines


# --- test ------------------------------------------------------------------------------------------------------


def test(arguments: argparse.Namespace) -> ExitCode:
    """Run the test gates, and hold the tests of the specification against the built images, or against another."""
    from buildspec.engine import files
    from buildspec.engine.container import DockerContainers
    from buildspec.gates import keys
    from buildspec.gates.testing import Image, run_tests
    from buildspec.render.bake import FOLDER
    from buildspec.report import testing as text

    built = None
    if arguments.image:
        source = loaded(arguments)
        images = _images_of(arguments.image)
    else:
        built = _build(arguments)
        source = built.source
        images = [
            Image(stage=image.target.name, index=image.digest, platform=one.platform, digest=one.digest)
            for image in built.result.images
            for one in image.platforms
        ]
    if not source.spec.tests:
        raise StepError("no test ran: the specification has no [tests]", "add one, such as [tests.starts]")
    spec = source.spec
    if arguments.image:  # whatever it is called here, each test is about it
        tests = {name: attrs.evolve(test, image="") for name, test in spec.tests.items()}
        spec = attrs.evolve(spec, tests=tests)

    def tell(one: TestResult) -> None:
        mark = "passed" if one.passed else "FAILED"
        print(f"{mark}  {one.name} of {one.image.stage} for {one.image.platform}, {one.seconds:.1f} s", flush=True)

    print()
    with files.locked(
        source.root / FOLDER / ".test-lock", lambda: print("other tests of this folder run; waiting for them")
    ):
        results = run_tests(spec, images, DockerContainers(), source.root, tell)
    if not results:
        raise StepError("no test ran: none is about an image that was built", "see `image` of [tests]")
    files.write(source.root / FOLDER / "tests.xml", text.junit(results))
    if built is not None:
        key = keys.key("tests", source.spec, keys.digests_of(built.result))
        built.write(tests={"key": key, "results": text.document(results)})
    print("\n" + text.text(results))
    failed = [one for one in results if not one.passed]
    if failed:
        raise StepError(f"{len(failed)} of {len(results)} tests failed", f"details in {FOLDER}/tests.xml")
    return ExitCode.DONE


def _images_of(name: str) -> list[Image]:
    """An image of the engine for each platform that it has here."""
    from buildspec.engine import files
    from buildspec.engine.client import Client
    from buildspec.engine.images import measure
    from buildspec.gates.testing import Image

    driver = Client()
    digest = _local(driver, name)
    found = measure(digest, driver.save(digest), files.cache_folder())
    return [Image(stage=name, index=digest, platform=one.platform, digest=one.digest) for one in found]


# --- audit -----------------------------------------------------------------------------------------------------


def audit(arguments: argparse.Namespace) -> ExitCode:
    """Run the audit gates, and hold the built images, or others, against the rules of the audit."""
    if arguments.archive or arguments.image:
        return _audit_others(arguments)
    from buildspec.engine import files
    from buildspec.engine.archives import read_archive
    from buildspec.engine.host import find_secrets
    from buildspec.engine.redact import forms_of
    from buildspec.gates import audit as rules
    from buildspec.gates import keys
    from buildspec.gates.expected import expected, waivers_of
    from buildspec.report import audit as text
    from buildspec.report.diagnostics import sarif

    built = _build(arguments)
    spec, plan = built.source.spec, built.result.plan
    values = find_secrets(plan, built.source.root, os.environ).values
    hidden = {f"a secret ({number})": form.encode() for number, form in enumerate(sorted(forms_of(values)), 1)}
    waivers = waivers_of(spec, built.source.today)
    audited: list[Audited] = []
    for image in built.result.images:
        with files.scratch() as folder:
            contents = read_archive(built.around.driver.save(image.digest), folder, image.digest)
            hoped = expected(spec, image.target.name, plan.facts.epoch)
            audited += [rules.audit(one, hoped, hidden, waivers, image.target.name, plan) for one in contents]
    section = {"key": keys.key("audit", spec, keys.digests_of(built.result)), "results": text.document(audited)}
    files.write(built.folder / "audit.sarif", sarif(text.diagnostics(audited, arguments.file)) + "\n")
    built.write(audit=section)
    _tell(audited, arguments)
    for waiver in rules.unused(waivers, audited):
        where = f" at {waiver.at}" if waiver.at else ""
        print(f"warning[unused-waiver]: '{waiver.rule}' finds nothing{where}; remove the waiver", file=sys.stderr)
    _fail_for(audited)
    return ExitCode.DONE


def _audit_others(arguments: argparse.Namespace) -> ExitCode:
    """Audit images that this project didn't build: of an archive, or of the engine by name."""
    import time

    from buildspec.engine import files
    from buildspec.engine.archives import read_archive
    from buildspec.engine.client import Client
    from buildspec.gates import audit as rules
    from buildspec.gates.expected import waivers_of

    if arguments.archive and arguments.image:
        raise UsageError("--archive and --image exclude each other")
    waivers: Sequence[Any] = ()
    if Path(arguments.file).is_file():
        source = loaded(arguments)
        waivers = waivers_of(source.spec, source.today)
    name = arguments.archive or arguments.image
    if arguments.archive and not Path(name).is_file():
        raise UsageError(f"--archive: there is no file '{name}'")
    with files.scratch() as folder:
        if arguments.archive:
            contents = read_archive(Path(name), folder)
        else:
            digest = _local(Client(), name)
            contents = read_archive(Client().save(digest), folder, digest)
        nothing = rules.Expected(now=int(time.time()))
        audited = [rules.audit(one, nothing, {}, waivers, name) for one in contents]
    if not audited:
        raise MachineError(f"'{name}' holds no image", "write it again, with all of its platforms")
    _tell(audited, arguments)
    _fail_for(audited)
    return ExitCode.DONE


def _local(driver: Client, name: str) -> str:
    """Digest of an image of the engine."""
    digest = driver.digest_of([name]).get(name, "")
    if not digest:
        raise UsageError(f"--image: the engine has no image '{name}'", "pull or load it")
    return digest


def _tell(audited: Sequence[Audited], arguments: argparse.Namespace) -> None:
    from buildspec.report import audit as text
    from buildspec.report.diagnostics import sarif

    if arguments.format == "json":
        print(text.as_json(audited))
    elif arguments.format == "sarif":
        print(sarif(text.diagnostics(audited, arguments.file)))
    else:
        print("\n" + text.text(audited))


def _fail_for(audited: Sequence[Audited]) -> None:
    failed = [one for one in audited if not one.passed]
    if failed:
        named = ", ".join(f"{one.image} for {one.platform}" for one in failed)
        raise StepError(f"the audit failed: {named}", "remove what was found, or waive it in the specification")


# --- what they share -------------------------------------------------------------------------------------------


def _fit(engine: EngineFacts) -> EngineFacts:
    """The engine, if it can build."""
    from buildspec.engine.client import SETUP

    if not engine.buildx:
        raise MachineError("the docker client has no buildx", SETUP)
    if not engine.containerd_store:
        raise MachineError("the engine's image store can't hold images for several platforms", SETUP)
    return engine


def _console() -> Console:
    from rich.console import Console

    return Console(file=sys.stdout)


# --- reproduce -------------------------------------------------------------------------------------------------


def reproduce(arguments: argparse.Namespace) -> ExitCode:
    """Build, build again without any cache, and compare the images of every platform."""
    from buildspec.engine import files
    from buildspec.engine.build import Options
    from buildspec.engine.build import build as run
    from buildspec.report.columns import columns

    built = _build(arguments)
    plan = built.result.plan
    again = attrs.evolve(plan, targets=tuple(one for one in plan.targets if not one.gate and one.tag))
    with files.scratch() as folder:
        cache = folder
        (files.cache_folder() / "debs").mkdir(parents=True, exist_ok=True)
        (cache / "debs").symlink_to(files.cache_folder() / "debs")  # files by checksum: the mirror says which
        around = attrs.evolve(built.around, cache=cache, say=lambda _: None, tell=lambda _: None)
        print("\nbuilding all of it again, without any cache", flush=True)
        second = run(again, around, Options(cache=False, tags=False), lambda _: None)
    rows: list[tuple[str, ...]] = [("image", "platform", "first", "second", "")]
    told: list[str] = []
    for one, other in zip(built.result.images, second.images, strict=True):
        for first, later in zip(one.platforms, other.platforms, strict=True):
            same = first.digest == later.digest
            digests = [each.digest.removeprefix("sha256:")[:12] for each in (first, later)]
            rows.append((one.target.tag, str(first.platform), *digests, "the same" if same else "DIFFERS"))
        if one.digest != other.digest:
            told += _differences(one, other, built)
    print("\n" + columns(rows))
    if told:
        raise StepError("\n".join(["the second build gave other images:", *told]), "see docs/reproducible.md")
    return ExitCode.DONE


def _differences(one: ImageResult, other: ImageResult, built: _Built) -> list[str]:
    """The first difference for each platform of an image."""
    from buildspec.engine import files
    from buildspec.engine.archives import read_archive
    from buildspec.release.reproduce import difference

    with files.scratch() as folder:
        found = []
        for name, image in (("first", one), ("second", other)):
            place = Path(folder, name)
            place.mkdir()
            found.append(read_archive(built.around.driver.save(image.digest), place, image.digest))
        lines = []
        for first, second in zip(*found, strict=True):
            if why := difference(first, second, built.result.plan, one.target.stage):
                lines.append(f"  {one.target.name} for {first.platform}: {why}")
    return lines
