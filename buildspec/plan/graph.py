"""The stage graph: where each stage runs, which variants a selection needs, and in what order.

BuildKit gives a stage the platform of the stage it starts from and ignores `--platform` there. A stage that both
a target image and a build stage start from is therefore written twice, once for each place it runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache

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
    return _descent(spec, name).where


def chain(spec: Spec, name: str) -> tuple[str, ...]:
    """The stage and those it starts from, the one nearest to the base first."""
    names: list[str] = []
    while name in spec.stages:
        names.append(name)
        name = spec.stages[name].from_
    return tuple(reversed(names))


def base_of(spec: Spec, name: str) -> str:
    """The base at the root of a stage, or `scratch`."""
    return _descent(spec, name).base


def workdir_of(spec: Spec, name: str) -> str:
    """The working folder at the end of a stage; `/` when none of its chain sets one."""
    return _descent(spec, name).workdir


@attrs.frozen
class _Descent:
    """What a stage has from those it starts from."""

    base: str
    where: Where = Where.TARGET
    workdir: str = "/"


class _Identity:
    """A specification as a key; comparing two by their contents would take as long as what is remembered."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec

    def __hash__(self) -> int:
        return id(self.spec)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.spec is other.spec


def _descent(spec: Spec, name: str) -> _Descent:
    return _descents(_Identity(spec)).get(name) or _Descent(name)


@lru_cache(maxsize=1)
def _descents(key: _Identity) -> Mapping[str, _Descent]:
    """Of all stages at once: one by one, a chain of them would be walked again for each of its links."""
    stages = key.spec.stages
    found: dict[str, _Descent] = {}
    for start in stages:
        trail = []
        name = start
        while name in stages and name not in found:
            trail.append(name)
            name = stages[name].from_
        above = found.get(name) or _Descent(name)
        for one in reversed(trail):
            stage = stages[one]
            where = Where(stage.runs_on) if stage.runs_on else above.where
            below = stage.workdir
            folder = below if below.startswith("/") else f"{above.workdir.rstrip('/')}/{below}"
            above = found[one] = _Descent(above.base, where, folder if below else above.workdir)
    return found


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
