"""Which tags a release writes, leaves and refuses, decided from what registries have."""

from __future__ import annotations

from collections.abc import Sequence

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildspec.plan.model import ReleaseTag
from buildspec.plan.tags import Version
from buildspec.release.moves import Found, Move, Repository, back, decide, rank, versions_of

REPOSITORY = Repository("r.test", "acme/web")
PATTERNS = ("v{version}", "v{major}.{minor}", "v{major}", "latest")
SUFFIXES = {"app": "", "debug": "alpine"}
NEW, OLD, OTHER = "sha256:new", "sha256:old", "sha256:other"


def tags_of(version: Version, stage: str = "app", patterns: Sequence[str] = PATTERNS) -> list[ReleaseTag]:
    suffix = f"-{SUFFIXES[stage]}" if SUFFIXES[stage] else ""
    values = {"version": str(version), "major": version.major, "minor": version.minor, "build": 7, "commit": "abc"}
    return [
        ReleaseTag(
            stage=stage,
            reference=f"{REPOSITORY}:{pattern.format(**values)}{suffix}",
            pattern=pattern,
            moves=pattern in PATTERNS[1:],
        )
        for pattern in patterns
    ]


def decided(version: str, there: dict[str, str], stage: str = "app", patterns: Sequence[str] = PATTERNS) -> list[Move]:
    found = Found(tags=frozenset(there), digests=there)
    parsed = Version.parse(version)
    return list(decide(tags_of(parsed, stage, patterns), parsed, {stage: NEW}, SUFFIXES, {REPOSITORY: found}))


V200 = {"v2.0.0": OLD, "v2.0": OLD, "v2": OLD, "latest": OLD}
CASES: list[tuple[str, str, dict[str, str], str]] = [
    # what is released, into what, and what becomes of v{version}, v{major}.{minor}, v{major}, latest
    ("a first release", "1.0.0", {}, "new new new new"),
    ("a first release of 0.x", "0.1.0", {}, "new new new new"),
    ("a second patch", "2.0.1", V200, "new move move move"),
    ("a second minor", "2.1.0", V200, "new new move move"),
    ("a second major", "3.0.0", V200, "new new new move"),
    ("the same again", "2.0.0", dict.fromkeys(V200, NEW), "same same same same"),
    ("the same version of other bits", "2.0.0", V200, "refuse move move move"),
    ("the same, half done", "2.0.0", {"v2.0.0": NEW}, "same new new new"),
    (
        "the same, all but latest",
        "2.0.0",
        {"v2.0.0": NEW, "v2.0": NEW, "v2": NEW, "latest": OLD},
        "same same same move",
    ),
    ("a fix of the major before", "1.9.1", {**V200, "v1.9.0": OLD, "v1.9": OLD, "v1": OLD}, "new move move keep"),
    (
        "a fix of an older minor",
        "1.8.1",
        {"v1.9.0": OLD, "v1.8.0": OLD, "v1.8": OLD, "v1": OLD, "latest": OLD},
        "new move keep keep",
    ),
    ("a fix of an older patch", "1.9.1", {"v1.9.2": OLD, "v1.9": OLD, "v1": OLD, "latest": OLD}, "new keep keep keep"),
    ("a fix of a minor nobody released", "1.7.0", {"v1.9.0": OLD, "v1": OLD, "latest": OLD}, "new new keep keep"),
    ("a gap", "5.0.0", V200, "new new new move"),
    ("a gap back", "4.0.0", {"v5.0.0": OLD, "v5": OLD, "latest": OLD}, "new new new keep"),
    ("10 is more than 9", "2.10.0", {"v2.9.0": OLD, "v2.9": OLD, "v2": OLD, "latest": OLD}, "new new move move"),
    (
        "9 is less than 10",
        "2.9.1",
        {"v2.10.0": OLD, "v2.9.0": OLD, "v2.9": OLD, "v2": OLD, "latest": OLD},
        "new move keep keep",
    ),
    ("10.0.0 is more than 9.0.0", "10.0.0", {"v9.0.0": OLD, "latest": OLD}, "new new new move"),
    ("a pre-release is no version to go by", "1.0.0", {"v2.0.0-rc.1": OLD, "latest": OLD}, "new new new move"),
    ("tags without v count", "1.0.0", {"2.0.0": OLD, "latest": OLD}, "new new new keep"),
    ("tags of other images don't", "1.0.0", {"v2.0.0-alpine": OLD, "latest": OLD}, "new new new move"),
    ("words don't count", "1.0.0", {"main": OLD, "nightly": OLD, "sha-123": OLD, "latest": OLD}, "new new new move"),
    (
        "dates are versions as far as they look like some",
        "1.0.0",
        {"2024.01.15": OLD, "latest": OLD},
        "new new new move",
    ),
    ("a calendar version", "2.0.0", {"2024.1.15": OLD, "latest": OLD}, "new new new keep"),
    ("two numbers are no version", "1.0.0", {"3.0": OLD, "v3": OLD, "latest": OLD}, "new new new move"),
    ("leading zeros are no version", "1.0.0", {"v02.0.0": OLD, "latest": OLD}, "new new new move"),
    ("metadata is no version", "1.0.0", {"v2.0.0_build": OLD, "latest": OLD}, "new new new move"),
    ("a missing latest", "2.0.1", {"v2.0.0": OLD, "v2.0": OLD, "v2": OLD}, "new move move new"),
    ("a missing latest, and a newer version", "2.0.1", {"v3.0.0": OLD, "v2.0": OLD, "v2": OLD}, "new move move keep"),
    ("latest is it already", "2.0.1", {**V200, "latest": NEW}, "new move move same"),
    ("an empty repository of tags", "0.0.1", {}, "new new new new"),
    ("a patch of 0.x", "0.1.1", {"v0.1.0": OLD, "v0.1": OLD, "v0": OLD, "latest": OLD}, "new move move move"),
    ("1.0 after 0.x", "1.0.0", {"v0.9.9": OLD, "v0": OLD, "latest": OLD}, "new new new move"),
    ("0.x after 1.0", "0.10.0", {"v1.0.0": OLD, "v0.9.0": OLD, "v0": OLD, "latest": OLD}, "new new move keep"),
    ("a patch far ahead", "2.0.99", V200, "new move move move"),
    (
        "the first fix of the first release",
        "1.0.1",
        {"v1.0.0": OLD, "v1.0": OLD, "v1": OLD, "latest": OLD},
        "new move move move",
    ),
    (
        "half a release of it before",
        "1.0.1",
        {"v1.0.1": NEW, "v1.0": NEW, "v1": OLD, "latest": OLD},
        "same same move move",
    ),
    ("half a release of other bits before", "1.0.1", {"v1.0.1": OTHER, "v1.0": OLD}, "refuse move new new"),
    ("a moving tag of other people", "1.0.0", {"latest": OTHER}, "new new new move"),
    ("moving tags without any version", "1.0.0", {"v1": OTHER, "v1.0": OTHER, "latest": OTHER}, "new move move move"),
    ("a version whose moving tags are gone", "1.0.1", {"v1.0.0": OLD}, "new new new new"),
    ("a newer version whose moving tags are gone", "1.0.0", {"v1.0.1": OLD}, "new keep keep keep"),
    (
        "latest at an older version than the newest",
        "2.0.1",
        {"v2.0.0": OLD, "v3.0.0": OTHER, "latest": OLD},
        "new new new keep",
    ),
    (
        "two majors behind",
        "1.0.1",
        {"v1.0.0": OLD, "v2.0.0": OLD, "v3.0.0": OLD, "v1": OLD, "latest": OLD},
        "new new move keep",
    ),
    ("very large numbers", "1.0.0", {"v999999999999.0.0": OLD, "latest": OLD}, "new new new keep"),
]
ALPINE = [
    ("a first release of an image with a suffix", "1.0.0", {}, "new new new new"),
    ("it goes by its own versions", "1.0.0", {"v2.0.0": OLD, "latest-alpine": OLD}, "new new new move"),
    ("a newer one of its own keeps", "1.0.0", {"v2.0.0-alpine": OLD, "latest-alpine": OLD}, "new new new keep"),
    (
        "the same again",
        "1.0.0",
        {f"{one}-alpine": NEW for one in ("v1.0.0", "v1.0", "v1", "latest")},
        "same same same same",
    ),
    ("refused", "1.0.0", {"v1.0.0-alpine": OLD}, "refuse new new new"),
    ("a pre-release with its suffix", "1.0.0", {"v2.0.0-rc.1-alpine": OLD, "latest-alpine": OLD}, "new new new move"),
]


@pytest.mark.parametrize(("what", "version", "there", "told"), CASES, ids=[case[0] for case in CASES])
def test_what_becomes_of_each_tag(what: str, version: str, there: dict[str, str], told: str) -> None:
    assert " ".join(move.action for move in decided(version, there)) == told, what


@pytest.mark.parametrize(("what", "version", "there", "told"), ALPINE, ids=[case[0] for case in ALPINE])
def test_what_becomes_of_each_tag_of_an_image_with_a_suffix(
    what: str, version: str, there: dict[str, str], told: str
) -> None:
    assert " ".join(move.action for move in decided(version, there, "debug")) == told, what


@pytest.mark.parametrize("pattern", ["build-{build}", "commit-{commit}", "v{version}", "v{major}.{minor}.{patch}"])
@pytest.mark.parametrize(("old", "action"), [("", "new"), (NEW, "same"), (OLD, "refuse")])
def test_an_exact_tag_is_written_once(pattern: str, old: str, action: str) -> None:
    tag = ReleaseTag(stage="app", reference=f"{REPOSITORY}:x", pattern=pattern, moves=False)
    there = Found(tags=frozenset({"x"} if old else ()), digests={"x": old} if old else {})
    (move,) = decide([tag], Version(1, 0, 0), {"app": NEW}, SUFFIXES, {REPOSITORY: there})
    assert (move.action, move.exact) == (action, True)


def test_exact_tags_come_first_and_latest_last() -> None:
    version = Version(1, 0, 0)
    tags = [*reversed(tags_of(version)), *tags_of(version, "debug")]
    found = decide(tags, version, {"app": NEW, "debug": NEW}, SUFFIXES, {})
    assert [move.tag.removesuffix("-alpine") for move in found] == [
        *("v1.0.0", "v1.0.0", "v1.0", "v1.0", "v1", "v1", "latest", "latest")
    ]


def test_a_kept_tag_says_what_keeps_it() -> None:
    kept = decided("1.9.1", {"v2.0.0": OLD, "latest": OLD})[-1]
    assert (kept.action, kept.why, kept.newer, kept.old) == ("keep", "2.0.0 is newer", "v2.0.0", OLD)


# --- laws ------------------------------------------------------------------------------------------------------

NUMBERS = st.integers(0, 3)
VERSIONS = st.builds(Version, NUMBERS, NUMBERS, NUMBERS)


@attrs.define
class Registry:
    """A repository in memory: what a release writes is there for the next one."""

    tags: dict[str, str] = attrs.Factory(dict)

    def release(self, version: Version) -> None:
        """Release an image whose digest is its version."""
        found = Found(tags=frozenset(self.tags), digests=dict(self.tags))
        for move in decide(tags_of(version), version, {"app": str(version)}, SUFFIXES, {REPOSITORY: found}):
            if move.writes:
                self.tags[move.tag] = move.digest


@given(st.lists(VERSIONS, max_size=12))
def test_no_sequence_of_releases_moves_a_tag_to_a_lower_version(versions: list[Version]) -> None:
    registry = Registry()
    for version in versions:
        before = dict(registry.tags)
        registry.release(version)
        for tag, digest in registry.tags.items():
            if tag in before:
                assert rank(Version.parse(digest)) >= rank(Version.parse(before[tag])), tag


@given(st.lists(VERSIONS, min_size=1, max_size=12))
def test_after_any_sequence_each_moving_tag_is_at_the_highest_version_it_stands_for(versions: list[Version]) -> None:
    registry = Registry()
    for version in versions:
        registry.release(version)
    highest = max(versions, key=rank)
    assert registry.tags["latest"] == str(highest)
    for one in versions:
        same_major = [other for other in versions if other.major == one.major]
        same_minor = [other for other in same_major if other.minor == one.minor]
        assert registry.tags[f"v{one.major}"] == str(max(same_major, key=rank))
        assert registry.tags[f"v{one.major}.{one.minor}"] == str(max(same_minor, key=rank))
        assert registry.tags[f"v{one}"] == str(one)


@given(st.lists(VERSIONS, max_size=8), VERSIONS)
def test_the_same_release_again_writes_nothing(versions: list[Version], version: Version) -> None:
    registry = Registry()
    for one in [*versions, version]:
        registry.release(one)
    before = dict(registry.tags)
    registry.release(version)
    assert registry.tags == before


@given(st.frozensets(st.text("v0123456789.-abcrlatest", max_size=12)))
def test_whatever_tags_there_are_only_released_versions_are_found(tags: frozenset[str]) -> None:
    for version, tag in versions_of(tags, SUFFIXES, "app"):
        assert tag in tags
        assert str(version) in (tag, tag[1:])
        assert not version.pre


# --- going back ------------------------------------------------------------------------------------------------


def went_back(version: str, there: dict[str, str]) -> list[Move]:
    parsed = Version.parse(version)
    tags = tags_of(parsed)
    exact = {one.reference: tags[0].reference for one in tags}
    found = Found(tags=frozenset(there), digests=there)
    return list(back(tags, parsed, {REPOSITORY: found}, exact))


def test_moving_tags_go_back_to_what_was_released() -> None:
    there = {"v1.9.0": OLD, "v2.0.0": NEW, "v1.9": OTHER, "v1": OLD, "latest": NEW}
    assert [(move.tag, move.action, move.digest) for move in went_back("1.9.0", there)] == [
        ("v1.9", "move", OLD),
        ("v1", "same", OLD),
        ("latest", "move", OLD),
    ]


def test_nothing_goes_back_to_what_was_never_released() -> None:
    moves = went_back("1.9.0", {"latest": NEW})
    assert {move.action for move in moves} == {"refuse"}
    assert moves[0].why == "1.9.0 was never released there: there is no v1.9.0"
