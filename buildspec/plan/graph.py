"""The stage graph: where each stage runs, which variants a selection needs, and in what order.

BuildKit gives a stage the platform of the stage it starts from and ignores `--platform` there. A stage that both
a target image and a build stage start from is therefore written twice, once for each place it runs.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from buildspec.plan.model import Where
from buildspec.spec.model import Spec

SCRATCH = "scratch"


@attrs.frozen(order=True)
class Node:
    """A stage of the specification in one of the places it runs."""

    stage: str
    where: Where


def place_of(spec: Spec, name: str) -> Where:
    """Where a stage runs: as it says, else as the stage it starts from."""
    while name in spec.stages:
        stage = spec.stages[name]
        if stage.runs_on is not None:
            return Where(stage.runs_on)
        name = stage.from_
    return Where.TARGET


def chain(spec: Spec, name: str) -> tuple[str, ...]:
    """The stage and those it starts from, the one nearest to the base first."""
    names: list[str] = []
    while name in spec.stages:
        names.insert(0, name)
        name = spec.stages[name].from_
    return tuple(names)


def base_of(spec: Spec, name: str) -> str:
    """The base at the root of a stage, or `scratch`."""
    return spec.stages[chain(spec, name)[0]].from_


def workdir_of(spec: Spec, name: str) -> str:
    """The working folder at the end of a stage; `/` when none of its chain sets one."""
    folder = "/"
    for stage in chain(spec, name):
        below = spec.stages[stage].workdir
        if below:
            folder = below if below.startswith("/") else f"{folder.rstrip('/')}/{below}"
    return folder


def order(spec: Spec, wanted: Iterable[str]) -> tuple[Node, ...]:
    """The nodes that the wanted stages need, each after what it needs.

    Args:
        spec: checked: its stages exist and have no cycle.
        wanted: stages, in any order; where the graph leaves a choice, the result follows their names.
    """
    done: dict[Node, None] = {}
    # a stack, the next one last: chains of stages can be longer than Python's own
    todo = [Node(name, place_of(spec, name)) for name in sorted(set(wanted), reverse=True)]
    while todo:
        missing = [other for other in _parents(spec, todo[-1]) if other not in done]
        if missing:
            todo += reversed(missing)
        else:
            done[todo.pop()] = None
    return tuple(done)


def _parents(spec: Spec, node: Node) -> list[Node]:
    stage = spec.stages[node.stage]
    parents = [Node(stage.from_, node.where)] if stage.from_ in spec.stages else []
    copied = dict.fromkeys(copy.from_ for copy in stage.copy if copy.from_ in spec.stages)
    return parents + [Node(name, place_of(spec, name)) for name in copied]


def names(nodes: Iterable[Node]) -> dict[Node, str]:
    """Dockerfile names: the stage's own; `<stage>.build` for a second variant on the builder's platform."""
    nodes = tuple(nodes)
    twice = {node.stage for node in nodes if node.where is Where.TARGET}
    return {
        node: f"{node.stage}.build" if node.where is Where.BUILD and node.stage in twice else node.stage
        for node in nodes
    }
