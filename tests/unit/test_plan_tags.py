"""The tags of a release: exact ones, those that move, and those that a version doesn't get."""

from __future__ import annotations

import attrs
import pytest
from helpers.plans import FACTS, HEAD, source

from buildspec.errors import UsageError
from buildspec.plan.model import Dropped
from buildspec.plan.planner import make_plan
from buildspec.plan.tags import Version, release_tags
from buildspec.spec.model import Spec

RELEASE = """\
[stages.app]
from = "node"
[stages.small]
from = "bare"
[release]
registries = ["ghcr.io/acme", "localhost:5000"]
tags = ["v{version}", "v{major}.{minor}.{patch}", "v{major}.{minor}", "v{major}", "latest",
  "build-{build}", "commit-{commit}"]
"""
SPEC = source(HEAD.replace('deliver = { app = "" }', 'deliver = { app = "", small = "slim" }') + RELEASE).spec


def tags(version: str, build: str = "", revision: str = "abc", spec: Spec = SPEC) -> list[str]:
    """Of the first registry and image."""
    found, _ = release_tags(spec, attrs.evolve(FACTS, version=version, build=build, revision=revision))
    head = "ghcr.io/acme/web:"
    return [one.reference.removeprefix(head) for one in found if one.reference.startswith(head) and one.stage == "app"]


def test_a_version_gets_every_tag_those_that_move_last() -> None:
    assert tags("2.3.4", "7") == ["v2.3.4", "v2.3.4", "build-7", "commit-abc", "v2.3", "v2", "latest"]


def test_every_image_has_its_tags_in_every_registry() -> None:
    spec = attrs.evolve(SPEC, release=attrs.evolve(SPEC.release, tags=("v{version}", "latest")))
    found, dropped = release_tags(spec, attrs.evolve(FACTS, version="2.0.0"))
    assert not dropped
    assert [(one.stage, one.reference, one.moves) for one in found] == [
        ("app", "ghcr.io/acme/web:v2.0.0", False),
        ("small", "ghcr.io/acme/web:v2.0.0-slim", False),
        ("app", "localhost:5000/web:v2.0.0", False),
        ("small", "localhost:5000/web:v2.0.0-slim", False),
        ("app", "ghcr.io/acme/web:latest", True),
        ("small", "ghcr.io/acme/web:latest-slim", True),
        ("app", "localhost:5000/web:latest", True),
        ("small", "localhost:5000/web:latest-slim", True),
    ]


def test_what_comes_before_a_release_gets_exact_tags_alone() -> None:
    assert tags("2.3.4-rc.1", "7") == ["v2.3.4-rc.1", "build-7", "commit-abc"]


def test_version_0_has_no_tag_of_its_major_number() -> None:
    assert tags("0.3.4") == ["v0.3.4", "v0.3.4", "commit-abc", "v0.3", "latest"]


def test_what_is_dropped_is_told_with_the_reason() -> None:
    _, dropped = release_tags(SPEC, attrs.evolve(FACTS, version="0.1.0", revision=""))
    assert dropped == (
        Dropped("v{major}", "versions 0.x promise nothing to each other"),
        Dropped("build-{build}", "no build number was given; say --build-number"),
        Dropped("commit-{commit}", "the sources are in no git repository"),
    )


def test_without_a_version_nothing_is_tagged() -> None:
    assert release_tags(SPEC, FACTS) == ((), ())
    assert make_plan(source(HEAD + RELEASE.replace("small", "tiny")), FACTS).tags == ()


def test_a_tag_that_gets_too_long_is_refused() -> None:
    with pytest.raises(UsageError, match="has 129 characters, and 128 is the most"):
        tags(f"1.0.0-{'a' * 122}")
    with pytest.raises(UsageError):
        tags(f"1.0.0-{'a' * 120}")  # with the suffix of the other image


@pytest.mark.parametrize("text", ["2.0.0", "v2.0.0", "10.20.30", "1.0.0-rc.1", "v1.0.0-0a.x-y", "1.0.0--", "0.0.0-0"])
def test_a_version_is_read_with_and_without_v(text: str) -> None:
    assert str(Version.parse(text)) == text.removeprefix("v")


@pytest.mark.parametrize(
    "text",
    [
        *("", "2", "2.0", "v2", "2.0.0.0", "02.0.0", "2.0.00", "V2.0.0", "vv2.0.0", "2.0.0-", "2.0.0-01", "2.0.0-a..b"),
        *("2.0.0 ", "2.0.0\n", "2.0.0-é", "٢.0.0", "latest", "2.0.0+build", "-1.0.0", "1" * 5000),
    ],
)
def test_what_is_no_version_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="is not a version"):
        Version.parse(text)
