"""Rules about stages: what they name must exist, have no cycle, and end in something delivered."""

from __future__ import annotations

import re
from collections.abc import Iterator

from buildspec.checks.rules import problem
from buildspec.errors import Diagnostic
from buildspec.spec.load import Source
from buildspec.spec.overlay import suggest
from buildspec.spec.positions import Path

SCRATCH = "scratch"
_STAGE_NAME = re.compile(r"[a-z][a-z0-9_-]*", re.ASCII)


def unknown_stage(source: Source) -> Iterator[Diagnostic]:
    """A stage starts from, copies from, or is delivered as something that isn't there."""
    spec = source.spec
    known = {*spec.stages, *spec.bases, SCRATCH}
    for name, stage in spec.stages.items():
        if stage.from_ not in known:
            path: Path = ("stages", name, "from")
            yield problem(source, "unknown-stage", path, _nobody(stage.from_, known))
        for index, copy in enumerate(stage.copy):
            if copy.from_ and copy.from_ not in known - {SCRATCH}:
                path = ("stages", name, "copy", index, "from")
                yield problem(source, "unknown-stage", path, _nobody(copy.from_, known))
    for name in spec.image.deliver:
        if name not in spec.stages:
            message = f"no stage is called '{name}'{suggest(name, spec.stages)}"
            yield problem(source, "unknown-stage", ("image", "deliver", name), message, key=True)


def _nobody(name: str, known: set[str]) -> str:
    return f"no stage or base is called '{name}'{suggest(name, known) or '; add it to [bases]'}"


def stage_cycle(source: Source) -> Iterator[Diagnostic]:
    """Stages need each other in a circle, so that none can be the first."""
    stages = source.spec.stages
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> Iterator[Diagnostic]:
        if name in trail:
            circle = (*trail[trail.index(name) :], name)
            start = min(circle)
            if start not in done:
                shown = " -> ".join(circle)
                yield problem(
                    source, "stage-cycle", ("stages", trail[-1]), f"needs itself: {shown}", key=True
                )
                done.update(circle)
            return
        if name in done or name not in stages:
            return
        for other in (stages[name].from_, *(copy.from_ for copy in stages[name].copy)):
            yield from visit(other, (*trail, name))
        done.add(name)

    for name in stages:
        yield from visit(name, ())


def reserved_name(source: Source) -> Iterator[Diagnostic]:
    """A stage has the name of a base, of `scratch`, or one that Docker doesn't take."""
    for name in source.spec.stages:
        if name in source.spec.bases or name == SCRATCH:
            what = "a base is called that too" if name != SCRATCH else "that is the empty base"
            yield problem(source, "reserved-name", ("stages", name), f"{what}; choose another", key=True)
        elif _STAGE_NAME.fullmatch(name) is None:
            message = "a stage's name is small letters, digits, '-' and '_', and starts with a letter"
            yield problem(source, "reserved-name", ("stages", name), message, key=True)


def nothing_delivered(source: Source) -> Iterator[Diagnostic]:
    """`image.deliver` or `image.platforms` is empty, or two delivered stages have the same tag suffix."""
    image = source.spec.image
    if not image.deliver:
        yield problem(source, "nothing-delivered", ("image", "deliver"), "names no stage")
    if not image.platforms:
        yield problem(source, "nothing-delivered", ("image", "platforms"), "names no platform")
    seen: dict[str, str] = {}
    for stage, suffix in image.deliver.items():
        if suffix in seen:
            message = f"has the same tag suffix as '{seen[suffix]}'"
            yield problem(source, "tag-collision", ("image", "deliver", stage), message)
        seen[suffix] = stage


def copy_from_gate(source: Source) -> Iterator[Diagnostic]:
    """Something is made from a gate; gates are leaves, so that they run beside the images they guard."""
    stages = source.spec.stages
    for name, stage in stages.items():
        if stage.from_ in stages and stages[stage.from_].gate:
            message = f"'{stage.from_}' is a gate; start from '{stages[stage.from_].from_}'"
            yield problem(source, "copy-from-gate", ("stages", name, "from"), message)
        for index, copy in enumerate(stage.copy):
            if copy.from_ in stages and stages[copy.from_].gate:
                path: Path = ("stages", name, "copy", index, "from")
                message = f"'{copy.from_}' is a gate; nothing may be copied from one"
                yield problem(source, "copy-from-gate", path, message)
    for name in source.spec.image.deliver:
        if name in stages and stages[name].gate:
            yield problem(
                source, "copy-from-gate", ("image", "deliver", name), "a gate isn't delivered", key=True
            )


def runs_on_conflict(source: Source) -> Iterator[Diagnostic]:
    """A stage wants to run on the target, and what it starts from runs on the builder's platform."""
    stages = source.spec.stages
    for name, stage in stages.items():
        if stage.runs_on == "target" and stage.from_ in stages and stages[stage.from_].runs_on == "build":
            message = f"'{stage.from_}' runs on the builder's platform, and what starts from it does too"
            yield problem(source, "runs-on-conflict", ("stages", name, "runs-on"), message)
    for name in source.spec.image.deliver:
        if name in stages and _builds(source, name):
            message = "runs on the builder's platform, so it can't be delivered for others"
            yield problem(source, "runs-on-conflict", ("image", "deliver", name), message, key=True)


def _builds(source: Source, name: str) -> bool:
    stages, seen = source.spec.stages, set[str]()
    while name in stages and name not in seen:
        seen.add(name)
        if stages[name].runs_on:
            return stages[name].runs_on == "build"
        name = stages[name].from_
    return False
