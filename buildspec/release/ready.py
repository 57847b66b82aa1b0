"""The result of a build and the state of the sources in, what keeps them from being released out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import attrs

from buildspec.gates import keys
from buildspec.plan.tags import Version
from buildspec.spec.model import Spec
from buildspec.spec.values import Platform

_WANTED = {"tested": "nox -s test", "audited": "nox -s audit"}


@attrs.frozen(kw_only=True)
class Sources:
    """What git says."""

    commit: str
    """With `-dirty` when files differ from it; empty outside of a repository."""
    tagged: str | None
    """The commit that the version's tag is at; None when there is no such tag."""


@attrs.frozen(kw_only=True)
class Candidate:
    """An image that is ready."""

    stage: str
    digest: str
    """Of its index."""
    platforms: tuple[Platform, ...]


def candidates(result: Mapping[str, Any]) -> tuple[Candidate, ...]:
    """The images of `result.json`.

    Args:
        result: the document; anything at all.
    """
    try:
        return tuple(
            Candidate(
                stage=image["stage"],
                digest=image["digest"],
                platforms=tuple(Platform.parse(one) for one in image["platforms"]),
            )
            for image in result["images"]
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return ()


def obstacles(
    spec: Spec, profiles: Sequence[str], result: Mapping[str, Any], sources: Sources, version: Version
) -> Iterator[tuple[str, str]]:
    """What keeps images from being released, each with the way out.

    Args:
        spec: the specification.
        profiles: that are selected.
        result: `result.json`; anything at all.
        sources: what git says.
        version: that is to be released.
    """
    if result.get("outcome") == "built":
        yield from _of_sources(str(result.get("revision", "")), sources, version)
    yield from flaws(spec, profiles, result)


def flaws(spec: Spec, profiles: Sequence[str], result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What of the images themselves keeps them from being released, each with the way out.

    Args:
        spec: the specification.
        profiles: that are selected.
        result: `result.json`; anything at all.
    """
    if result.get("outcome") != "built":
        yield "nothing was built, or the last build failed", "run `nox -s test` and `nox -s audit`"
        return
    if list(result.get("profiles", ())) != list(profiles):
        told = " + ".join(result.get("profiles", ())) or "none"
        yield f"what was built is of profile {told}", "build, test and audit with the same --profile"
    found = {one.stage: one for one in candidates(result)}
    for stage in spec.image.deliver:
        if stage not in found:
            yield f"'{stage}' wasn't built", "run `nox -s test` and `nox -s audit`"
        elif missing := sorted(set(spec.image.platforms) - set(found[stage].platforms)):
            yield f"'{stage}' wasn't built for {', '.join(map(str, missing))}", "build without --platform"
    yield from _of_verdicts(spec, result)


def _of_sources(built: str, sources: Sources, version: Version) -> Iterator[tuple[str, str]]:
    if not sources.commit:
        yield "the sources are in no git repository, so nobody could tell what was released", "commit them"
        return
    if sources.commit.endswith("-dirty"):
        yield "files differ from the commit", "commit or stash them, then build, test and audit again"
    elif built != sources.commit:
        yield f"what was built is of {_short(built)}, and the sources are {_short(sources.commit)}", "build again"
    tag = f"v{version}"
    if sources.tagged is None:
        yield f"git has no tag {tag}", f"run `git tag {tag}`"
    elif sources.tagged != sources.commit.removesuffix("-dirty"):
        yield f"git's tag {tag} is at {_short(sources.tagged)}, not here", f"check out {tag}, or choose another version"


def _short(commit: str) -> str:
    return commit[:12] or "no commit"


def _of_verdicts(spec: Spec, result: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    verdicts = result.get("verdicts", ())
    digests = [one.get("digest", "") for one in verdicts]
    for section, told in zip(keys.SECTIONS, _WANTED, strict=True):
        current = keys.same(result, section, spec, digests)
        for one in verdicts:
            where = f"'{one['stage']}' for {one['platform']}"
            if one[told] == "failed":
                yield f"{where} failed `{_WANTED[told]}`", f"run `{_WANTED[told]}`, and see why"
            elif one[told] != "passed" or not current:
                yield f"{where} has not been {told}", f"run `{_WANTED[told]}`"
    for one in verdicts:
        if not one["within-budget"]:
            yield f"'{one['stage']}' for {one['platform']} is over its budget", "make it smaller"
