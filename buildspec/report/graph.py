"""A Plan in, its graph out, as Mermaid and as DOT: what is built from what, and where it runs."""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from buildspec.errors import visible
from buildspec.plan.model import AssembledSource, ImageSource, Plan, PlannedStage, Source, Target, Where


@attrs.frozen
class Node:
    """A base, a stage, an image or a gate."""

    id: str
    kind: str
    """`base`, `build`, `target`, `image` or `gate`."""
    lines: tuple[str, ...]


@attrs.frozen
class Edge:
    """From what is used to what uses it."""

    start: str
    end: str
    copied: bool = False
    """Files are copied or mounted; elsewhere, all of it is what the other starts from."""


def graph(plan: Plan) -> tuple[tuple[Node, ...], tuple[Edge, ...]]:
    """The nodes and edges of a plan, in its order."""
    ids = {source.name: f"b{at}" for at, source in enumerate(plan.sources)}
    ids |= {stage.name: f"s{at}" for at, stage in enumerate(plan.stages)}
    nodes = [
        *(Node(ids[source.name], "base", (source.name, _about(source))) for source in plan.sources),
        *(Node(ids[stage.name], stage.where.value, (stage.name, _where(stage))) for stage in plan.stages),
        *(
            Node(f"t{at}", "gate" if target.gate else "image", tuple(_target(target)))
            for at, target in enumerate(plan.targets)
        ),
    ]
    edges = [Edge(start, ids[stage.name], copied) for stage in plan.stages for start, copied in _used(stage, ids)]
    edges += [Edge(ids[target.stage], f"t{at}") for at, target in enumerate(plan.targets)]
    return tuple(nodes), tuple(dict.fromkeys(edges))


def _used(stage: PlannedStage, ids: dict[str, str]) -> Iterator[tuple[str, bool]]:
    if stage.source in ids:
        yield ids[stage.source], False
    for name in stage.uses:
        if name in ids:
            yield ids[name], True


def _about(source: Source) -> str:
    match source:
        case ImageSource():
            return str(source.reference)
        case AssembledSource():
            return f"Debian {source.recipes[0].suite}, assembled"


def _where(stage: PlannedStage) -> str:
    where = "once, on the build platform" if stage.where is Where.BUILD else "for each platform"
    return f"{where}, EMULATED" if stage.emulated else where


def _target(target: Target) -> Iterator[str]:
    yield f"{target.gate} gate {target.name}" if target.gate else target.tag or f"measured {target.name}"
    yield ", ".join(map(str, target.platforms))
    limits = (("unpacked", target.budget.unpacked), ("compressed", target.budget.compressed))
    if held := [f"{size} {kind}" for kind, size in limits if size]:
        yield f"at most {' and '.join(held)}"


# --- Mermaid ----------------------------------------------------------------------------------------------------

_MERMAID = {
    "base": ("[(", ")]"),
    "build": ("[", "]"),
    "target": ("([", "])"),
    "image": ("[[", "]]"),
    "gate": ("{{", "}}"),
}
_SPECIAL = set('"#&<>`\\;')
"""Characters that mean something in a label."""


def mermaid(plan: Plan) -> str:
    """The graph as a Mermaid flowchart: https://mermaid.js.org/syntax/flowchart.html."""
    nodes, edges = graph(plan)
    lines = ["flowchart LR"]
    for node in nodes:
        start, end = _MERMAID[node.kind]
        lines.append(f'  {node.id}{start}"{"<br/>".join(map(_mermaid_text, node.lines))}"{end}')
    lines += [f"  {edge.start} {'-.->' if edge.copied else '-->'} {edge.end}" for edge in edges]
    return "\n".join(lines)


def _mermaid_text(text: str) -> str:
    return "".join(f"#{ord(one)};" if one in _SPECIAL else one for one in visible(text))


# --- DOT --------------------------------------------------------------------------------------------------------

_DOT = {
    "base": "shape=cylinder",
    "build": "shape=box",
    "target": "shape=box, style=rounded",
    "image": "shape=box3d, style=bold",
    "gate": "shape=hexagon",
}


def dot(plan: Plan) -> str:
    """The graph in the DOT language: https://graphviz.org/doc/info/lang.html."""
    nodes, edges = graph(plan)
    lines = ["digraph plan {", "  rankdir=LR;", '  node [fontname="sans-serif"];']
    for node in nodes:
        label = "\\n".join(map(_dot_text, node.lines))
        lines.append(f'  {node.id} [label="{label}", {_DOT[node.kind]}];')
    lines += [f"  {edge.start} -> {edge.end}{' [style=dashed]' if edge.copied else ''};" for edge in edges]
    return "\n".join([*lines, "}"])


def _dot_text(text: str) -> str:
    return visible(text).replace("\\", "\\\\").replace('"', '\\"')
