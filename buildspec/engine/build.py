"""A Plan in, images in the engine's store out: bases, files, one bake run, sizes, and tags at the very end."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import attrs

from buildspec.engine import files, images
from buildspec.engine.assemble import AssembledBase, assemble_all, export, index
from buildspec.engine.client import Bake, Driver, EngineFacts
from buildspec.engine.host import Secrets, find_secrets
from buildspec.engine.invocation import request
from buildspec.engine.later import Later
from buildspec.engine.progress import Event, Progress
from buildspec.engine.redact import Redactor
from buildspec.engine.results import BuildResult, GateResult, ImageResult, StepTime
from buildspec.engine.retime import retimed
from buildspec.errors import MachineError
from buildspec.plan.model import AssembledSource, Plan, Target, Where
from buildspec.plan.printable import printable
from buildspec.plan.recipe import Recipe
from buildspec.plan.stages import UNAVAILABLE_MARK
from buildspec.render import bake
from buildspec.render.dockerfile import Dockerfile
from buildspec.render.dockerfile import render as render_dockerfile
from buildspec.spec import lock
from buildspec.spec.values import Platform

FRESH = 2.0
"""Seconds that an answer about tags holds: a build in another folder may move one while this one runs."""


@attrs.frozen(kw_only=True)
class Surroundings:
    """Where a build happens, and who is told about it."""

    root: Path
    """Folder of the specification."""
    cache: Path
    environ: Mapping[str, str]
    driver: Driver
    engine: EngineFacts
    builder: str
    say: Callable[[str], None]
    """Takes lines about what is done before and after the run."""
    tell: Callable[[Event], None]
    """Takes what happens during the run."""


@attrs.frozen(kw_only=True)
class Options:
    """How to build."""

    cache: bool = True
    """Use what was built before."""
    refresh: bool = False
    """Ask the Debian mirror for newer packages of assembled bases."""
    tags: bool = True
    """Move the images' tags."""
    packages: Mapping[str, Mapping[str, str]] = attrs.Factory(dict)
    """Versions by name that bases were locked with, by `Recipe.name`."""
    frozen: bool = False
    """Fail where a base can't be had with those."""


@attrs.frozen
class Prepared:
    """What stands under `build/` before the engine is asked for anything."""

    dockerfile: Dockerfile
    secrets: Secrets
    bases: Mapping[str, AssembledBase]
    """By recipe key."""


def prepare(plan: Plan, around: Surroundings, options: Options) -> Prepared:
    """Assemble bases, find secrets, and write Dockerfile, bake definition and plan.

    Args:
        plan: what to build.
        around: where.
        options: how.

    Raises:
        MachineError: a secret, a tool or a mirror is missing, or a base can't be had as it was locked.
        UsageError: a package or suite doesn't exist.
    """
    secrets = find_secrets(plan, around.root, around.environ)
    bases = _assembled(plan.recipes(), around, options) if plan.recipes() else {}
    layouts = {
        source.name: _layout(source, bases, around) for source in plan.sources if isinstance(source, AssembledSource)
    }
    dockerfile = render_dockerfile(plan)
    definition = bake.render(plan, layouts, secrets.sources)
    files.write(around.root / bake.DOCKERFILE, dockerfile.text)
    files.write(around.root / f"{bake.DOCKERFILE}.dockerignore", bake.dockerignore(plan))
    files.write_json(around.root / bake.DEFINITION, definition)
    files.write_json(around.root / bake.FOLDER / "plan.json", printable(plan))
    return Prepared(dockerfile, secrets, {recipe.key(): base for recipe, base in bases.items()})


def _assembled(recipes: Sequence[Recipe], around: Surroundings, options: Options) -> Mapping[Recipe, AssembledBase]:
    """All bases, those that are locked with the packages they were locked with as far as the mirror has them."""
    made = dict(assemble_all(recipes, around.cache, say=around.say, refresh=options.refresh))
    wanted = {one: options.packages[one.name] for one in recipes if one.name in options.packages}
    stale = [one for one, versions in wanted.items() if made[one].cached and made[one].packages != versions]
    if stale:  # made from what the mirror had before it was locked
        made |= assemble_all(stale, around.cache, say=around.say, refresh=True)
    for one, versions in wanted.items():
        if told := lock.difference(versions, made[one].packages):
            why = f"{lock.NAME} has other packages for the base {one.title} than the mirror now: {told}"
            if options.frozen:
                raise MachineError(why, "run `nox -s lock`, and review what has changed")
            around.say(why)
    return made


def _layout(source: AssembledSource, bases: Mapping[Recipe, AssembledBase], around: Surroundings) -> str:
    digest = index(around.cache, {recipe.platform: bases[recipe].digest for recipe in source.recipes})
    folder = f"{bake.BASES}/{source.name}"
    export(around.cache, digest, around.root / folder, source.name)
    return f"{folder}@{digest}"


def build(
    plan: Plan, around: Surroundings, options: Options, accept: Callable[[Sequence[ImageResult]], None]
) -> BuildResult:
    """Build every target of a plan; tag the images when all of it has succeeded.

    Args:
        plan: what to build.
        around: where.
        options: how.
        accept: raises what keeps the finished images from being tagged.

    Raises:
        StepError: a step or a gate failed; no image was tagged.
        MachineError: the machine, the engine or a registry isn't up to it.
    """
    start = time.monotonic()
    tags = [target.tag for target in plan.targets if target.tag]
    with files.locked(
        around.root / bake.FOLDER / ".lock",
        lambda: around.say("another build of this folder runs; waiting for it"),
    ):
        prepared = prepare(plan, around, options)
        asked = time.monotonic()
        before = Later(lambda: around.driver.digest_of(tags))
        progress, digests = _run(plan, around, prepared, options)
        if time.monotonic() - asked > FRESH:
            before = Later(lambda: around.driver.digest_of(tags))
        found = [_image(target, digests, around) for target in plan.targets if not target.gate]
        gates = tuple(_gate(target, around) for target in plan.targets if target.gate)
        accept(found)
        tagged = tuple(image for image in found if image.target.tag)
        if options.tags:
            tagged = _tag(tagged, before.result(), around.driver)
    return BuildResult(
        plan=plan,
        engine=around.engine,
        images=tagged,
        measured=tuple(image for image in found if not image.target.tag),
        gates=gates,
        steps=times(plan, prepared.dockerfile, progress),
        skipped_secrets=prepared.secrets.skipped,
        seconds=time.monotonic() - start,
    )


def _run(plan: Plan, around: Surroundings, prepared: Prepared, options: Options) -> tuple[Progress, Mapping[str, str]]:
    """Run bake, without tags: an image that was finished before a gate failed must not have one."""
    shutil.rmtree(around.root / bake.GATES, ignore_errors=True)

    def baked(run: Bake, tell: Callable[[Event], None]) -> tuple[Progress, Mapping[str, str]]:
        progress = Progress(Redactor(prepared.secrets.values), tell, _default_platforms(plan))
        code = around.driver.bake(run, progress.feed)
        progress.finish()
        if code == 0:
            return progress, _digests(Path(run.metadata))
        from buildspec.engine import failures

        again = failures.attempt(progress)
        if again is None or run in tried:
            raise failures.explain(plan, prepared.dockerfile, progress)
        around.say(f"{again.why}: building once more{'' if again.cache else ', without it'}")
        second = attrs.evolve(run, cache=run.cache and again.cache)
        tried.append(second)
        return baked(second, tell)

    tried: list[Bake] = []
    with files.scratch() as folder:
        run = attrs.evolve(
            request(plan, f"{folder}/metadata.json", prepared.secrets.reads),
            cwd=str(around.root),
            cache=options.cache,
            builder=around.builder,
            plugin=around.engine.plugin,
        )
        progress, digests = baked(run, around.tell)
    delivered = {target.name: digests[target.name] for target in plan.targets if target.tag and target.name in digests}
    if plan.facts.epoch is None:
        return progress, digests

    def quietly(run: Bake) -> Mapping[str, str]:
        around.say("writing the images with the time of the sources")
        return baked(run, lambda _: None)[1]

    times = retimed(delivered, run, quietly, around.driver, around.cache, plan.facts.epoch)
    return progress, {**digests, **times}


def _digests(metadata: Path) -> Mapping[str, str]:
    """By target, what a run of bake left."""
    try:
        told = json.loads(metadata.read_bytes())
    except (OSError, ValueError) as error:
        raise MachineError("buildx says it succeeded, and left no digests", "update buildx") from error
    found = {name: about.get("containerimage.digest", "") for name, about in told.items() if isinstance(about, Mapping)}
    return {name: digest for name, digest in found.items() if digest}


def _image(target: Target, digests: Mapping[str, str], around: Surroundings) -> ImageResult:
    digest = digests.get(target.name, "")
    if not digest:
        raise MachineError(f"buildx names no digest for '{target.name}'", "update buildx")
    measured = images.measure(digest, around.driver.save(digest), around.cache)
    missing = sorted(set(target.platforms) - {one.platform for one in measured})
    if missing:
        raise MachineError(
            f"the image '{target.name}' lacks {', '.join(map(str, missing))}",
            "the builder keeps images to itself: unset BUILDX_BUILDER, or use one with the docker driver",
        )
    return ImageResult(target=target, digest=digest, platforms=measured, moved=False)


def _tag(found: Sequence[ImageResult], before: Mapping[str, str], driver: Driver) -> tuple[ImageResult, ...]:
    """Move the local tags of all images, once all of them are there."""
    done: list[ImageResult] = []
    for image in found:
        moved = before.get(image.target.tag) != image.digest
        try:
            if moved:
                driver.tag(image.digest, image.target.tag)
        except MachineError as error:
            tags = [one.target.tag for one in done if one.moved]
            raise MachineError(
                f"{error.message}\ntagged before that: {', '.join(tags) or 'nothing'}", error.fix
            ) from error
        done.append(attrs.evolve(image, moved=moved))
    return tuple(done)


def _gate(target: Target, around: Surroundings) -> GateResult:
    report = f"{bake.GATES}/{target.name}"
    folder = around.root / report
    marks = [folder / UNAVAILABLE_MARK, *folder.glob(f"*/{UNAVAILABLE_MARK}")]
    outcome = "unavailable" if any(mark.exists() for mark in marks) else "passed"
    return GateResult(target=target, outcome=outcome, report=report)  # type: ignore[arg-type]


def _default_platforms(plan: Plan) -> dict[str, str]:
    """Where each stage runs when BuildKit doesn't say: it does only for builds of several platforms."""
    target = plan.targets[0].platforms[0]
    return {s.name: str(plan.facts.native if s.where is Where.BUILD else target) for s in plan.stages}


def times(plan: Plan, dockerfile: Dockerfile, progress: Progress) -> tuple[StepTime, ...]:
    """The steps of a run that came from the Dockerfile, each once for each platform it ran on."""
    by_name = {stage.name: stage for stage in plan.stages}
    merged: dict[tuple[str, Platform, int], StepTime] = {}
    for step in progress.steps:
        stage = by_name.get(step.stage)
        if stage is None:
            continue
        native = plan.facts.native
        platform = native if stage.where is Where.BUILD else Platform.parse(step.platform)
        taken = StepTime(
            stage=step.stage,
            platform=platform,
            text=step.brief,
            origin=origin.key if (origin := dockerfile.origin_of(step.stage, step.number, step.text)) else "",
            seconds=step.seconds,
            cached=step.cached_or_skipped,
            runs=step.runs,
            emulated=step.runs and platform != native,
        )
        key = (step.stage, platform, step.number)
        before = merged.get(key)
        # the same step for two targets: what was really done is what counts
        if before is None or (before.cached, -before.seconds) > (taken.cached, -taken.seconds):
            merged[key] = taken
    return tuple(merged.values())
