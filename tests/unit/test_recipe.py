"""Recipes: what decides their key, and Debian's names of platforms."""

# ruff: noqa: S604 - `shell` is a field of ours, not of subprocess

from __future__ import annotations

from typing import Any

import attrs
import pytest

from buildspec.errors import UsageError
from buildspec.plan import recipe as module
from buildspec.plan.recipe import Recipe

RECIPE = Recipe("trixie", "linux/arm64", ("tzdata", "nodejs"), shell=False, configured=False)


def test_order_and_repetition_of_packages_do_not_change_the_key() -> None:
    other = attrs.evolve(RECIPE, packages=("nodejs", "tzdata", "nodejs"))
    assert other == RECIPE
    assert other.key() == RECIPE.key()
    assert other.packages == ("nodejs", "tzdata")


@pytest.mark.parametrize(
    "change",
    [
        {"suite": "forky"},
        {"platform": "linux/amd64"},
        {"packages": ("nodejs",)},
        {"shell": True},
        {"configured": True},
        {"exclude": ("/usr/share/zoneinfo/*",)},
    ],
)
def test_everything_in_a_recipe_is_part_of_the_key(change: dict[str, Any]) -> None:
    assert attrs.evolve(RECIPE, **change).key() != RECIPE.key()


def test_a_new_format_of_the_assembler_gives_a_new_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = RECIPE.key()
    monkeypatch.setattr(module, "FORMAT", module.FORMAT + 1)
    assert RECIPE.key() != before


def test_the_key_does_not_differ_between_runs() -> None:
    fixed = Recipe("s", "linux/amd64", ("a", "b"), shell=True, configured=False).key()
    assert len(fixed) == 64
    assert fixed == Recipe("s", "linux/amd64", ("b", "a"), shell=True, configured=False).key()


@pytest.mark.parametrize(
    ("platform", "architecture"),
    [
        ("linux/amd64", "amd64"),
        ("linux/arm/v7", "armhf"),
        ("linux/ppc64le", "ppc64el"),
        ("linux/386", "i386"),
    ],
)
def test_platforms_have_debian_names(platform: str, architecture: str) -> None:
    assert attrs.evolve(RECIPE, platform=platform).architecture == architecture


def test_a_platform_debian_lacks_is_an_error_that_lists_the_others() -> None:
    with pytest.raises(UsageError) as caught:
        _ = attrs.evolve(RECIPE, platform="windows/amd64").architecture
    assert "linux/arm64" in caught.value.fix
