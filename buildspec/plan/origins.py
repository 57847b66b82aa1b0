"""A path or layer of an image in, the stage and instruction that it comes from out."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from buildspec.plan.model import Copy, Origin, Plan, PlannedStage, Run, Step, Verbatim, Workdir, WriteFile


@attrs.frozen
class Traced:
    """Where a file comes from."""

    stage: str
    """Of the Dockerfile, or the base that has it."""
    origin: Origin | None
    """The instruction that may have made it; None for what a base has."""


def trace(plan: Plan, stage: str, path: str) -> Traced:
    """Follow a path back to the stage that made it.

    What a command makes can't be known: where a stage runs one after it got no such file from another stage, the
    command is taken for it.

    Args:
        plan: what was built.
        stage: of the Dockerfile, whose image has the path.
        path: absolute.
    """
    by_name = {one.name: one for one in plan.stages}
    for _ in range(10_000):  # a plan has no circles, and fewer stages than this
        here = by_name.get(stage)
        if here is None:
            return Traced(stage, None)
        candidate: Step | None = None
        moved = False
        for step, folder in reversed(_with_folders(by_name, here)):
            match step.does:
                case Copy() as copy if (inner := _source_of(copy, path, folder)) is not None:
                    if copy.source in by_name or copy.source in {one.name for one in plan.sources}:
                        stage, path, moved = copy.source, inner, True
                    elif candidate is None:
                        candidate = step
                    break
                case WriteFile(path=written) if written == path:
                    return Traced(stage, step.origin)
                case Run() | Verbatim(keyword="RUN"):
                    candidate = candidate or step
                case _:
                    pass
        if moved:
            continue
        if candidate is not None:
            return Traced(stage, candidate.origin)
        stage = here.source
    return Traced(stage, None)


def steps_of_layers(plan: Plan, stage: str, history: Sequence[Mapping[str, Any]]) -> Mapping[int, Step]:
    """The instruction that made each layer, by its number; the base's own layers have none.

    Args:
        plan: what an image was built by.
        stage: of the Dockerfile.
        history: of the image's configuration.
    """
    by_name = {one.name: one for one in plan.stages}
    steps: list[Step] = []
    while stage in by_name:
        steps = [*by_name[stage].steps, *steps]
        stage = by_name[stage].source
    # each instruction has a line in the history, those of the base come first
    before = len(history) - len(steps)
    filled = [index for index, entry in enumerate(history) if not entry.get("empty_layer")]
    return {number: steps[index - before] for number, index in enumerate(filled) if index >= before >= 0}


def _with_folders(by_name: dict[str, PlannedStage], stage: PlannedStage) -> list[tuple[Step, str]]:
    """The steps of a stage, each with the working folder it has."""
    folder = _folder(by_name, stage.source)
    found = []
    for step in stage.steps:
        if isinstance(step.does, Workdir):
            folder = posixpath.join(folder, step.does.path)
        found.append((step, folder))
    return found


def _folder(by_name: dict[str, PlannedStage], name: str) -> str:
    chain = []
    while name in by_name:
        chain.append(by_name[name])
        name = by_name[name].source
    folder = "/"
    for stage in reversed(chain):
        for step in stage.steps:
            if isinstance(step.does, Workdir):
                folder = posixpath.join(folder, step.does.path)
    return folder


def _source_of(copy: Copy, path: str, folder: str) -> str | None:
    """The path at the source of what a copy puts at a path; None when it puts nothing there."""
    target = posixpath.normpath(posixpath.join(folder, copy.to))
    for source in copy.paths:
        inside = posixpath.normpath(posixpath.join("/", source))
        into = (
            posixpath.join(target, posixpath.basename(inside))
            if copy.to.endswith("/") or len(copy.paths) > 1
            else target
        )
        for landing in (target, into):
            if path == landing or path.startswith(f"{landing.rstrip('/')}/"):
                rest = path[len(landing.rstrip("/")) :]
                return posixpath.normpath(inside + rest)
    return None
