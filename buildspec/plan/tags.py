"""A version and tag patterns in, the tags of a release out; no registry is asked."""

from __future__ import annotations

import re
from typing import Self

import attrs

from buildspec.errors import UsageError
from buildspec.plan.model import Dropped, Facts, ReleaseTag
from buildspec.spec.model import Spec

# semver.org, "Is there a suggested regular expression": without the build metadata, which no tag can hold.
_NUMBER = r"(?:0|[1-9][0-9]{0,17})"
_PART = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_VERSION = re.compile(rf"v?({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-({_PART}(?:\.{_PART})*))?")
_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")
_LONGEST = 128
"""Characters of a tag: opencontainers/distribution-spec, spec.md, "Pulling manifests"."""


@attrs.frozen
class Version:
    """A version by semver.org, without build metadata."""

    major: int
    minor: int
    patch: int
    pre: str = ""
    """What comes before a release: `rc.1`."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `2.0.0`, `v2.0.0` or `v2.0.0-rc.1`.

        Raises:
            UsageError: it is none.
        """
        match = _VERSION.fullmatch(text)
        if match is None:
            why = "; leave out '+' and what follows, which no tag can hold" if "+" in text else ""
            raise UsageError(f"'{text}' is not a version{why}", "write it as '2.0.0', 'v2.0.0' or 'v2.0.0-rc.1'")
        major, minor, patch = (int(part) for part in match.groups()[:3])
        return cls(major, minor, patch, match[4] or "")

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}" + (f"-{self.pre}" if self.pre else "")


def release_tags(spec: Spec, facts: Facts) -> tuple[tuple[ReleaseTag, ...], tuple[Dropped, ...]]:
    """What a release would tag: the exact tags first, then those that move.

    Args:
        spec: its patterns, registries and delivered images.
        facts: with a version; without one there is no release.

    Raises:
        UsageError: the version is none, or makes a tag too long.
    """
    if not facts.version:
        return (), ()
    version = Version.parse(facts.version)
    values = {
        "version": str(version),
        "major": str(version.major),
        "minor": str(version.minor),
        "patch": str(version.patch),
        "build": facts.build,
        "commit": facts.revision,
    }
    dropped = tuple(Dropped(one, why) for one in spec.release.tags if (why := _why_dropped(one, version, values)))
    kept = [one for one in spec.release.tags if one not in {drop.pattern for drop in dropped}]
    tags = [
        ReleaseTag(
            stage=stage,
            reference=f"{registry}/{spec.image.name}:{_tag(pattern, suffix, values)}",
            pattern=pattern,
            moves=_moves(pattern),
        )
        for registry in spec.release.registries
        for stage, suffix in sorted(spec.image.deliver.items())
        for pattern in kept
    ]
    return tuple(sorted(tags, key=lambda tag: tag.moves)), dropped


def _moves(pattern: str) -> bool:
    """Whether a later release has the tag too."""
    names = set(_PLACEHOLDER.findall(pattern))
    return not (names & {"version", "build", "commit"} or {"major", "minor", "patch"} <= names)


def _why_dropped(pattern: str, version: Version, values: dict[str, str]) -> str:
    """Why a release has no tag of a pattern; empty when it has."""
    names = set(_PLACEHOLDER.findall(pattern))
    if "build" in names and not values["build"]:
        return "no build number was given; say --build-number"
    if "commit" in names and not values["commit"]:
        return "the sources are in no git repository"
    if version.pre and not names & {"version", "build", "commit"}:
        return f"{version} comes before a release, whose tag it is"
    if version.major == 0 and "major" in names and not names & {"version", "minor", "patch", "build", "commit"}:
        return "versions 0.x promise nothing to each other"
    return ""


def _tag(pattern: str, suffix: str, values: dict[str, str]) -> str:
    tag = _PLACEHOLDER.sub(lambda found: values[found[1]], pattern) + (f"-{suffix}" if suffix else "")
    if len(tag) > _LONGEST:
        raise UsageError(f"tag '{tag}' has {len(tag)} characters, and {_LONGEST} is the most", "give a shorter version")
    return tag
