"""The plan as a tree for people."""

from __future__ import annotations

import attrs
import pytest
from conftest import Golden
from helpers.plans import FACTS, GOLDENS, HEAD, SMALL, default_plan, planned, source

from buildspec.plan.planner import make_plan
from buildspec.report.plan import tree


@pytest.mark.parametrize("name", ["default", "debian", "small"])
def test_the_whole_tree(name: str, golden: Golden) -> None:
    made = make_plan(source(SMALL), FACTS) if name == "small" else default_plan("" if name == "default" else name)
    golden(GOLDENS / f"{name}-tree.txt", tree(made) + "\n")


def test_emulation_can_not_be_overlooked() -> None:
    assert "EMULATED for linux/arm64" in tree(planned('[stages.app]\nfrom = "node"\nrun = ["x"]\n'))


def test_profiles_and_secrets_are_told() -> None:
    plan = planned('[stages.app]\nfrom = "node"\nsecrets = ["t"]\nrun = ["x"]\n[secrets.t]\nenv = "T"\n')
    text = tree(attrs.evolve(plan, profiles=("debian", "fast")))
    assert text.startswith("web, profile debian + fast; build stages run on linux/amd64\n")
    assert text.split()[-2:] == ["t", "required"]


def test_a_release_without_registries_or_tags_is_told_with_what_to_add() -> None:
    made = make_plan(source(HEAD + '[stages.app]\nfrom = "node"\n'), attrs.evolve(FACTS, version="1.0.0"))
    assert tree(attrs.evolve(made, tags=(), dropped=())).splitlines()[-5:] == [
        "tags of 1.0.0",
        "  none: [release] needs registries and tags, such as",
        "    [release]",
        '    registries = ["ghcr.io/acme"]',
        '    tags = ["v{version}", "v{major}.{minor}", "latest"]',
    ]
