"""What keeps images from being released."""

from __future__ import annotations

from typing import Any

import pytest
from helpers.specs import MINIMAL, decoded

from buildspec.gates import keys
from buildspec.plan.tags import Version
from buildspec.release.ready import Sources, candidates, flaws, obstacles

SPEC = decoded(MINIMAL)
COMMIT = "0123456789abcdef"
CLEAN = Sources(commit=COMMIT, tagged=COMMIT)
VERDICT = {
    "stage": "app",
    "platform": "linux/amd64",
    "digest": "sha256:m",
    "tested": "passed",
    "audited": "passed",
    "within-budget": True,
}


def result(**changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "outcome": "built",
        "profiles": [],
        "revision": COMMIT,
        "images": [{"stage": "app", "digest": "sha256:i", "platforms": {"linux/amd64": {"digest": "sha256:m"}}}],
        "verdicts": [VERDICT],
    }
    for section in keys.SECTIONS:
        found[section] = {"key": keys.key(section, SPEC, ["sha256:m"]), "results": []}
    return {**found, **changes}


def told(found: dict[str, Any], sources: Sources = CLEAN, profiles: tuple[str, ...] = ()) -> list[str]:
    return [why for why, _ in obstacles(SPEC, profiles, found, sources, Version(1, 0, 0))]


def test_what_was_tested_and_audited_is_ready() -> None:
    assert told(result()) == []
    (one,) = candidates(result())
    assert (one.stage, one.digest, [str(each) for each in one.platforms]) == ("app", "sha256:i", ["linux/amd64"])


def test_a_bundle_is_of_the_sources_that_are_there() -> None:
    assert [*flaws(SPEC, (), result(), COMMIT)] == []
    assert [*flaws(SPEC, (), result(revision=f"{COMMIT}-dirty"), f"{COMMIT}-dirty")] == []
    ((why, _),) = flaws(SPEC, (), result(), f"{COMMIT}-dirty")
    assert why == "what was built is of 0123456789ab, and the sources are 0123456789ab-dirty"


def test_what_is_not_delivered_any_more_is_not_released() -> None:
    images = [*result()["images"], {"stage": "debug", "digest": "sha256:d", "platforms": {}}]
    assert told(result(images=images)) == ["'debug' was built, and isn't delivered any more"]


NO_VERDICT = "'app' for linux/amd64 has no verdict"


@pytest.mark.parametrize(
    ("found", "why"),
    [
        ({}, "nothing was built, or the last build failed"),
        (result(outcome="failed"), "nothing was built, or the last build failed"),
        (result(profiles=["debian"]), "what was built is of profile debian"),
        (result(revision="f" * 16), "what was built is of ffffffffffff, and the sources are 0123456789ab"),
        (result(images=[]), "'app' wasn't built"),
        (result(images="nonsense"), "'app' wasn't built"),
        (
            result(images=[{"stage": "app", "digest": "x", "platforms": {}}]),
            "'app' wasn't built for linux/amd64",
        ),
        (result(verdicts=[]), NO_VERDICT),
        (result(verdicts="nonsense"), NO_VERDICT),
        (result(verdicts=[{"stage": "app"}]), NO_VERDICT),
        (result(verdicts=[{**VERDICT, "digest": "sha256:of-another-build"}]), NO_VERDICT),
        (result(verdicts=[{**VERDICT, "stage": "other"}]), NO_VERDICT),
        (result(verdicts=[{**VERDICT, "within-budget": "no"}]), "'app' for linux/amd64 is over its budget"),
        (result(verdicts=[{**VERDICT, "tested": "not yet"}]), "no test is about 'app' for linux/amd64"),
        (result(verdicts=[{**VERDICT, "audited": "not yet"}]), "'app' for linux/amd64 has not been audited"),
        (result(verdicts=[{**VERDICT, "tested": "failed"}]), "'app' for linux/amd64 failed `nox -s test`"),
        (result(verdicts=[{**VERDICT, "audited": "failed"}]), "'app' for linux/amd64 failed `nox -s audit`"),
        (result(verdicts=[{**VERDICT, "within-budget": False}]), "'app' for linux/amd64 is over its budget"),
        (result(tests={"key": "of other tests"}), "'app' for linux/amd64 has not been tested"),
        (result(audit={}), "'app' for linux/amd64 has not been audited"),
    ],
)
def test_what_is_not_is_told(found: dict[str, Any], why: str) -> None:
    assert told(found) == [why]


@pytest.mark.parametrize(
    ("sources", "why"),
    [
        (
            Sources(commit="", tagged=None),
            "the sources are in no git repository, so nobody could tell what was released",
        ),
        (Sources(commit=f"{COMMIT}-dirty", tagged=COMMIT), "files differ from the commit"),
        (Sources(commit=COMMIT, tagged=None), "git has no tag v1.0.0"),
        (Sources(commit=COMMIT, tagged="e" * 16), "git's tag v1.0.0 is at eeeeeeeeeeee, not here"),
    ],
)
def test_version_tag_and_commit_must_agree(sources: Sources, why: str) -> None:
    assert told(result(), sources) == [why]
