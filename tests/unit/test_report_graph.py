"""The plan as Mermaid and DOT, read back by small parsers."""

from __future__ import annotations

import re

import attrs
import pytest
from helpers.plans import FACTS, SMALL, default_plan, source

from buildspec.plan.model import Plan
from buildspec.plan.planner import make_plan
from buildspec.report.graph import dot, graph, mermaid

Read = tuple[dict[str, list[str]], set[tuple[str, str, bool]]]
"""Lines of each node's label by its id, and edges with whether they are dashed."""
PLANS = {"default": default_plan(), "debian": default_plan("debian"), "small": make_plan(source(SMALL), FACTS)}
HOSTILE = 'a"b\\n#quot;`<br/>;]}}\\'


def read_mermaid(text: str) -> Read:
    first, *lines = text.splitlines()
    assert first == "flowchart LR"
    nodes, edges = {}, set()
    for line in lines:
        if match := re.fullmatch(r'  (\w+)(?:\[\("|\["|\(\["|\[\["|\{\{")([^"]*)"(?:\)\]|\]|\]\)|\]\]|\}\})', line):
            label = [re.sub(r"#(\d+);", lambda code: chr(int(code[1])), one) for one in match[2].split("<br/>")]
            nodes[match[1]] = label
        else:
            match = re.fullmatch(r"  (\w+) (-->|-\.->) (\w+)", line)
            assert match, line
            edges.add((match[1], match[3], match[2] == "-.->"))
    return nodes, edges


def read_dot(text: str) -> Read:
    lines = text.splitlines()
    assert (lines[0], lines[-1]) == ("digraph plan {", "}")
    nodes, edges = {}, set()
    for line in lines[3:-1]:
        if match := re.fullmatch(r'  (\w+) \[label="((?:[^"\\]|\\.)*)", [a-z0-9=, ]+\];', line):
            parts = re.split(r"(?<!\\)((?:\\\\)*)\\n", match[2])
            joined = [a + b for a, b in zip(parts[::2], [*parts[1::2], ""], strict=True)]
            nodes[match[1]] = [re.sub(r"\\(.)", r"\1", one) for one in joined]
        else:
            match = re.fullmatch(r"  (\w+) -> (\w+)( \[style=dashed\])?;", line)
            assert match, line
            edges.add((match[1], match[2], bool(match[3])))
    return nodes, edges


def expected(plan: Plan) -> Read:
    nodes, edges = graph(plan)
    return {node.id: list(node.lines) for node in nodes}, {(one.start, one.end, one.copied) for one in edges}


@pytest.mark.parametrize("plan", PLANS.values(), ids=PLANS)
def test_both_say_what_the_graph_is(plan: Plan) -> None:
    assert read_mermaid(mermaid(plan)) == read_dot(dot(plan)) == expected(plan)


def test_names_mean_nothing_to_the_drawing() -> None:
    plan = PLANS["small"]
    first, *others = plan.stages
    plan = attrs.evolve(plan, stages=(attrs.evolve(first, name=HOSTILE), *others))
    plan = attrs.evolve(plan, targets=(), stages=plan.stages[:1])
    assert read_mermaid(mermaid(plan)) == read_dot(dot(plan)) == expected(plan)
    assert HOSTILE in read_dot(dot(plan))[0]["s0"]


def test_every_stage_leads_to_a_target_and_every_edge_to_a_node() -> None:
    nodes, edges = graph(PLANS["default"])
    assert {one.end for one in edges} | {one.start for one in edges} == {one.id for one in nodes}
    assert {one.start for one in edges} >= {one.id for one in nodes if one.kind not in ("image", "gate")}


def test_images_gates_budgets_and_places_are_told() -> None:
    labels = ["\n".join(lines) for lines in read_mermaid(mermaid(PLANS["default"]))[0].values()]
    assert "claude-flow:alpine\nlinux/amd64, linux/arm64\nat most 200.0 MB unpacked" in labels
    assert "test gate test\nlinux/amd64" in labels
    assert "builder\nonce, on the build platform" in labels
    assert "node\ndocker.io/library/node:20-alpine" in labels


def test_the_same_plan_is_drawn_in_the_same_bytes() -> None:
    for draw in (mermaid, dot):
        assert draw(default_plan()) == draw(default_plan())
