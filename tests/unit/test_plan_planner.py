"""Targets, platforms and labels; and what this repository's own specification promises about emulation."""

from __future__ import annotations

import attrs
import pytest
from helpers.plans import AMD64, ARM64, FACTS, HEAD, default_plan, planned, source, steps

from buildspec.errors import UsageError
from buildspec.plan.model import AssembledSource, Plan, Target, User, WriteFile
from buildspec.plan.planner import make_plan
from buildspec.spec.values import Platform, Size

TWO = """\
[stages.app]
from = "bare"
budget = { unpacked = "150MB", compressed = "60MB" }

[stages.debug]
from = "node"

[stages.lint]
from = "node"
runs-on = "build"
gate = "test"
run = ["x"]

[stages.advise]
from = "node"
runs-on = "build"
gate = "audit"
on-unavailable = "warn"
run = ["x"]
"""
IMAGE = """\
[image]
name = "shop/web"
title = "Web"
description = "The shop"
source = "https://x.test/web"
licenses = "MIT"
platforms = ["linux/amd64", "linux/arm64", "linux/aarch64"]
deliver = { debug = "debug", app = "" }
"""


def two() -> Plan:
    spec = source(HEAD.replace(HEAD[HEAD.index("[image]") : HEAD.index("[bases.node]")], IMAGE) + TWO)
    return make_plan(spec, FACTS)


def target(plan: Plan, name: str) -> Target:
    return next(one for one in plan.targets if one.name == name)


def test_delivered_images_come_before_gates_each_by_name() -> None:
    assert [one.name for one in two().targets] == ["app", "debug", "advise", "lint"]


def test_an_image_has_its_tag_budget_and_every_platform_once() -> None:
    app, debug = target(two(), "app"), target(two(), "debug")
    assert (app.tag, debug.tag) == ("shop/web:latest", "shop/web:debug")
    assert app.platforms == (AMD64, ARM64)
    assert app.budget.unpacked == Size(150_000_000)
    assert app.stage == "app"


def test_a_gate_runs_where_its_stage_does_and_has_no_tag() -> None:
    found = target(two(), "advise")
    assert (found.stage, found.gate, found.on_unavailable, found.tag) == ("advise.report", "audit", "warn", "")
    assert found.platforms == (AMD64,)
    plan = planned('[stages.app]\nfrom = "node"\n[stages.check]\nfrom = "app"\ngate = "test"\n')
    assert target(plan, "check").platforms == (AMD64, ARM64)


def test_labels_say_what_is_known_and_nothing_else() -> None:
    assert dict(target(two(), "app").labels) == {
        "org.opencontainers.image.title": "Web",
        "org.opencontainers.image.description": "The shop",
        "org.opencontainers.image.source": "https://x.test/web",
        "org.opencontainers.image.licenses": "MIT",
        "org.opencontainers.image.revision": "0123abc",
    }
    bare = planned('[stages.app]\nfrom = "bare"\n', facts=attrs.evolve(FACTS, revision=""))
    assert dict(bare.targets[0].labels) == {"org.opencontainers.image.title": "web"}
    assert dict(target(two(), "lint").labels) == {}


@pytest.mark.parametrize("chosen", [[ARM64], [ARM64, AMD64], [ARM64, ARM64]])
def test_chosen_platforms_are_built_in_the_specifications_order(chosen: list[Platform]) -> None:
    plan = planned('[stages.app]\nfrom = "bare"\n', platforms=chosen)
    assert plan.targets[0].platforms == tuple(sorted(set(chosen)))


def test_a_platform_the_image_is_not_built_for_is_refused_with_those_it_is() -> None:
    with pytest.raises(UsageError) as caught:
        planned('[stages.app]\nfrom = "bare"\n', platforms=[Platform.parse("linux/arm")])
    assert caught.value.message == (
        "--platform linux/arm/v7: the image isn't built for it; did you mean 'linux/arm64'?"
    )
    assert caught.value.fix == "image.platforms: linux/amd64, linux/arm64"


def test_a_plan_says_what_it_was_made_of() -> None:
    plan = make_plan(source(HEAD + '[stages.app]\nfrom = "bare"\n[context]\npath = "src"\nignore = ["*.log"]\n'), FACTS)
    assert (plan.image, plan.profiles, plan.context, plan.ignore) == ("web", (), "src", ("*.log",))
    assert plan.facts is FACTS


# --- this repository's own specification ---------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["", "current", "debian"])
def test_the_default_specification_emulates_nothing(profile: str) -> None:
    plan = default_plan(profile)
    assert [stage.name for stage in plan.stages if stage.emulated] == []
    assert {platform for one in plan.targets if one.tag for platform in one.platforms} == {AMD64, ARM64}


@pytest.mark.parametrize("profile", ["", "debian"])
def test_the_default_specification_installs_and_tests_once_for_all_platforms(profile: str) -> None:
    plan = default_plan(profile)
    once = {stage.name for stage in plan.stages if stage.where == "build"}
    assert {"base", "dev-deps", "prod-deps", "builder", "test", "audit", "bundle"} <= once
    assert {one.name: one.platforms for one in plan.targets if one.gate} == {"audit": (AMD64,), "test": (AMD64,)}


def test_the_default_images_do_not_wait_for_the_gates() -> None:
    plan = default_plan()
    for one in plan.targets:
        if one.tag:
            assert not {"test", "audit"} & plan.needed(one)


def test_the_debian_profile_needs_no_image_registry() -> None:
    assert {type(one).__name__ for one in default_plan("debian").sources} == {"AssembledSource"}
    assert [one.configured for one in default_plan("debian").recipes()].count(True) == 1


def test_the_default_images_run_as_1001_and_know_that_user() -> None:
    plan = default_plan()
    for one in ("production", "runtime"):
        assert User("1001:1001") in steps(plan, one)
    (passwd,) = [w for w in steps(plan, "production") if isinstance(w, WriteFile) and w.path == "/etc/passwd"]
    assert "claudeflow:x:1001:1001:" in passwd.content


def test_a_build_stage_that_copies_from_a_target_stage_finds_its_base_for_the_engine_s_platform() -> None:
    text = """\
spec = 1
image = { name = "x", platforms = ["linux/amd64", "linux/arm64"], deliver = { app = "" } }
bases.small = { debian = "trixie", packages = ["tzdata"], shell = false }
bases.big = { debian = "trixie", packages = ["grep"] }

[stages.app]
from = "small"

[stages.look]
from = "big"
runs-on = "build"
gate = "test"
copy = [{ from = "app", path = "/etc/passwd", to = "/seen" }]
run = ["grep -q root /seen"]
"""
    plan = make_plan(source(text), FACTS, (ARM64,))
    (small,) = [one for one in plan.sources if one.name == "small"]
    assert isinstance(small, AssembledSource)
    assert {recipe.platform for recipe in small.recipes} == {"linux/arm64", "linux/amd64"}
