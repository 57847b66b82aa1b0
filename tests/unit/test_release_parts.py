"""Results of several machines, joined by digest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from helpers.specs import MINIMAL, decoded

from buildspec.errors import StepError
from buildspec.gates import keys
from buildspec.release.parts import Part, joined, limited, subjects
from buildspec.release.ready import candidates, flaws
from buildspec.spec.values import Platform

BOTH = MINIMAL.replace('["linux/amd64"]', '["linux/arm64", "linux/amd64"]')
SPEC = decoded(f'{BOTH}\n[release]\nregistries = ["one.test/a", "two.test"]\n')
COMMIT = "0123456789abcdef"
AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")


def part(platform: str, **changes: Any) -> Part:
    """What the machine of a platform hands over."""
    digest = f"sha256:{platform[6:]}"
    result: dict[str, Any] = {
        "version": 2,
        "outcome": "built",
        "buildspec": "0",
        "image": "web",
        "profiles": [],
        "revision": COMMIT,
        "engine": {"native": platform},
        "seconds": 2.0 if "arm" in platform else 1.0,
        "images": [
            {"stage": "app", "tag": "web:latest", "digest": digest, "platforms": {platform: {"digest": digest}}}
        ],
        "gates": [{"stage": "audit", "outcome": "unavailable" if "arm" in platform else "passed"}],
        "budgets": [],
        "verdicts": [
            {
                "stage": "app",
                "platform": platform,
                "digest": digest,
                "tested": "passed",
                "audited": "passed",
                "within-budget": True,
            }
        ],
        "steps": [{"platform": platform}],
        "skipped-secrets": [],
        **{
            section: {"key": keys.key(section, SPEC, [digest]), "results": [{"digest": digest}]}
            for section in keys.SECTIONS
        },
    }
    return Part(name=platform, result={**result, **changes})


def index(stage: str, manifests: Mapping[Platform, str]) -> str:
    return f"{stage} of {' and '.join(manifests.values())}"


def join(*parts: Part, commit: str = COMMIT) -> dict[str, Any]:
    return joined(SPEC, (), commit, parts, index)


def told(*parts: Part, commit: str = COMMIT) -> str:
    with pytest.raises(StepError) as raised:
        join(*parts, commit=commit)
    return raised.value.message


@pytest.mark.parametrize("order", [("linux/amd64", "linux/arm64"), ("linux/arm64", "linux/amd64")])
def test_what_is_joined_is_ready_to_be_released(order: tuple[str, str]) -> None:
    document = join(*map(part, order))
    assert [*flaws(SPEC, (), document, COMMIT)] == []
    (image,) = document["images"]
    # platforms are listed as in the specification, whichever machine was first
    assert image["digest"] == "app of sha256:arm64 and sha256:amd64"
    assert [*image["platforms"]] == ["linux/arm64", "linux/amd64"]
    assert document["seconds"] == 2.0
    assert [one["outcome"] for one in document["gates"]] == ["unavailable"]
    assert len(document["tests"]["results"]) == len(document["verdicts"]) == len(document["steps"]) == 2


def test_a_part_is_held_to_its_own_platform() -> None:
    assert limited(SPEC, [ARM64]).image.platforms == (ARM64,)
    assert [*flaws(limited(SPEC, [ARM64]), (), part("linux/arm64").result, COMMIT)] == []
    assert limited(SPEC, [AMD64, ARM64]) == SPEC


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"outcome": "failed"}, "linux/amd64: nothing was built, or the last build failed"),
        ({"revision": "f" * 16}, "linux/amd64: what was built is of ffffffffffff"),
        ({"profiles": ["debian"]}, "linux/amd64: what was built is of profile debian"),
        ({"tests": {"key": "another", "results": []}}, "linux/amd64: 'app' for linux/amd64 has not been tested"),
        ({"audit": None}, "linux/amd64: 'app' for linux/amd64 has not been audited"),
        ({"verdicts": []}, "linux/amd64: 'app' for linux/amd64 has no verdict"),
        ({"images": []}, "linux/amd64: 'app' wasn't built"),
        ({"gates": None}, "aren't all whole"),
        ({"steps": 1}, "aren't all whole"),
    ],
)
def test_a_part_that_is_not_ready_is_named(changes: dict[str, Any], why: str) -> None:
    assert why in told(part("linux/amd64", **changes), part("linux/arm64"))


def test_every_platform_is_in_one_part() -> None:
    assert "no part is for linux/arm64" in told(part("linux/amd64"))
    assert "linux/amd64 is in linux/amd64, too" in told(*map(part, ("linux/amd64", "linux/amd64", "linux/arm64")))
    three = told(*map(part, ("linux/amd64", "linux/arm64", "linux/s390x")))
    assert "linux/s390x: the image isn't built for linux/s390x" in three


def test_parts_are_of_the_commit_that_is_checked_out() -> None:
    assert told(*map(part, ("linux/amd64", "linux/arm64")), commit="another").count("the sources are another") == 2


def test_subjects_are_named_in_every_registry() -> None:
    document = join(*map(part, ("linux/amd64", "linux/arm64")))
    document["images"][0]["digest"] = "sha256:abc"
    assert subjects(SPEC, candidates(document)) == "abc  one.test/a/web\nabc  two.test/web\n"
