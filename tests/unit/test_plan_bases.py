"""What stages start from: references of images, recipes of assembled bases."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from helpers.plans import AMD64, ARM64, copies, planned

from buildspec.errors import SpecError
from buildspec.plan.model import AssembledSource, ImageSource, Plan
from buildspec.plan.recipe import Recipe
from buildspec.spec.values import Platform

APP = '[stages.app]\nfrom = "core"\n'


def recipes(plan: Plan, name: str) -> tuple[Recipe, ...]:
    found = next(one for one in plan.sources if one.name == name)
    assert isinstance(found, AssembledSource)
    return found.recipes


def test_an_image_is_named_in_full_and_by_its_digest() -> None:
    plan = planned(f'[stages.app]\nfrom = "pinned"\n[bases.pinned]\nimage = "node:20"\ndigest = "sha256:{"a" * 64}"\n')
    (found,) = plan.sources
    assert isinstance(found, ImageSource)
    assert str(found.reference) == f"docker.io/library/node:20@sha256:{'a' * 64}"


def test_bases_that_nothing_starts_from_are_left_out() -> None:
    assert [one.name for one in planned('[stages.app]\nfrom = "bare"\n').sources] == ["bare"]


@pytest.mark.parametrize("chosen", [(), (ARM64,)])
def test_a_base_is_assembled_for_each_platform_that_is_built(chosen: Sequence[Platform]) -> None:
    found = recipes(planned(APP, platforms=chosen), "core")
    assert [one.platform for one in found] == [str(one) for one in chosen or (AMD64, ARM64)]
    assert not any(one.shell or one.configured for one in found)


def test_packages_of_the_first_stage_are_assembled_into_its_base() -> None:
    plan = planned('[stages.app]\nfrom = "core"\npackages = ["tzdata", "nodejs"]\n')
    assert plan.stage("app").source == "core.app"
    assert recipes(plan, "core.app")[0].packages == ("nodejs", "tzdata")
    assert plan.stage("app").steps == ()


def test_a_build_stage_gets_a_configured_base_for_the_builder_alone() -> None:
    plan = planned(
        '[stages.tool]\nfrom = "trixie"\nruns-on = "build"\npackages = ["npm"]\n'
        f'{APP}copy = [{{ from = "tool", path = "/a" }}]\n',
        platforms=[ARM64],
    )
    (found,) = recipes(plan, "trixie.tool.build")
    assert (found.platform, found.configured, found.packages) == (str(AMD64), True, ("nodejs", "npm"))
    assert [one.name for one in plan.sources] == ["core", "trixie.tool.build"]


def test_files_copied_from_a_base_are_those_of_the_target() -> None:
    plan = planned(f'{APP}copy = [{{ from = "trixie", path = "usr/bin/node" }}]\n')
    assert copies(plan, "app") == [("trixie", "/usr/bin/node", "./usr/bin/node")]
    assert [one.configured for one in recipes(plan, "trixie")] == [False, False]


def test_a_stage_called_build_is_not_taken_for_the_builders_variant() -> None:
    plan = planned(
        '[stages.build]\nfrom = "trixie"\npackages = ["npm"]\n'
        '[stages.tool]\nfrom = "trixie"\nruns-on = "build"\n'
        f'{APP}copy = [{{ from = "build", path = "/a" }}, {{ from = "tool", path = "/b" }}]\n'
    )
    assert plan.stage("build").source != plan.stage("tool").source
    assert recipes(plan, plan.stage("build").source)[0].packages == ("nodejs", "npm")
    assert recipes(plan, plan.stage("tool").source)[0].packages == ("nodejs",)


@pytest.mark.parametrize("name", ["../../app", "a b", "Up", "a.b", "-x"])
def test_a_name_that_is_no_folder_and_no_stage_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match="a base's name is small letters"):
        planned(f'[stages.app]\nfrom = "{name}"\n[bases."{name}"]\ndebian = "trixie"\npackages = []\n')


def test_everything_that_is_assembled_is_listed_once() -> None:
    plan = planned(
        '[stages.tool]\nfrom = "core"\n[stages.app]\nfrom = "core"\ncopy = [{ from = "tool", path = "/a" }]\n'
    )
    assert [one.platform for one in plan.recipes()] == ["linux/amd64", "linux/arm64"]
