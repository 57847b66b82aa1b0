"""The result of a build and the state of the sources in, what keeps them from being released out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import attrs

from buildspec.gates import keys
from buildspec.plan.tags import Version
from buildspec.spec.model import Spec
from buildspec.spec.values import Platform

_WORDS = dict(zip(keys.SECTIONS, ("tested", "audited"), strict=True))
_AGAIN = "run `nox -s test` and `nox -s audit`"


@attrs.frozen(kw_only=True)
class Sources:
    """What git says."""

    commit: str
    """With `-dirty` when files differ from it; empty outside of a repository."""
    tagged: str | None
    """The commit that the version's tag is at; None when there is no such tag."""


@attrs.frozen(kw_only=True)
class Candidate:
    """An image that was built."""

    stage: str
    digest: str
    """Of its index."""
    platforms: Mapping[Platform, str]
    """Digest of the manifest for each."""


@attrs.frozen(kw_only=True)
class _Verdict:
    """What `result.json` says of an image for a platform."""

    digest: str
    told: Mapping[str, str]
    """`passed`, `failed` or `not yet`, by section."""
    within_budget: bool


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
                platforms={Platform.parse(name): one["digest"] for name, one in image["platforms"].items()},
            )
            for image in result["images"]
        )
    except (KeyError, TypeError, ValueError, AttributeError):
        return ()


def _verdicts(result: Mapping[str, Any]) -> Mapping[tuple[str, Platform], _Verdict]:
    try:
        return {
            (one["stage"], Platform.parse(one["platform"])): _Verdict(
                digest=one["digest"],
                told={section: one[word] for section, word in _WORDS.items()},
                within_budget=one["within-budget"] is True,
            )
            for one in result["verdicts"]
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}


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
        yield from _of_sources(sources, version)
    told = not sources.commit or sources.commit.endswith("-dirty")
    yield from flaws(spec, profiles, result, None if told else sources.commit)


def flaws(
    spec: Spec, profiles: Sequence[str], result: Mapping[str, Any], commit: str | None
) -> Iterator[tuple[str, str]]:
    """What of the images themselves keeps them from being released, each with the way out.

    Args:
        spec: the specification.
        profiles: that are selected.
        result: `result.json`; anything at all.
        commit: of the sources, with `-dirty` when files differ from it; None when that doesn't matter.
    """
    if result.get("outcome") != "built":
        yield "nothing was built, or the last build failed", _AGAIN
        return
    built = str(result.get("revision", ""))
    if commit is not None and built != commit:
        yield f"what was built is of {_short(built)}, and the sources are {_short(commit)}", "build again"
    if result.get("profiles") != list(profiles):
        told = " + ".join(map(str, result.get("profiles") or ())) or "none"
        yield f"what was built is of profile {told}", "build, test and audit with the same --profile"
    found = {one.stage: one for one in candidates(result)}
    for stage in spec.image.deliver:
        if stage not in found:
            yield f"'{stage}' wasn't built", _AGAIN
        elif missing := sorted(set(spec.image.platforms) - set(found[stage].platforms)):
            yield f"'{stage}' wasn't built for {', '.join(map(str, missing))}", "build without --platform"
    for stage in sorted(found.keys() - spec.image.deliver.keys()):
        yield f"'{stage}' was built, and isn't delivered any more", _AGAIN
    yield from _of_verdicts(spec, result, found.values())


def _of_sources(sources: Sources, version: Version) -> Iterator[tuple[str, str]]:
    if not sources.commit:
        yield "the sources are in no git repository, so nobody could tell what was released", "commit them"
        return
    if sources.commit.endswith("-dirty"):
        yield "files differ from the commit", "commit or stash them, then build, test and audit again"
    tag = f"v{version}"
    if sources.tagged is None:
        yield f"git has no tag {tag}", f"run `git tag {tag}`"
    elif sources.tagged != sources.commit.removesuffix("-dirty"):
        yield f"git's tag {tag} is at {_short(sources.tagged)}, not here", f"check out {tag}, or choose another version"


def _short(commit: str) -> str:
    number, dash, dirty = commit.partition("-")
    return f"{number[:12]}{dash}{dirty}" or "no commit"


def _of_verdicts(spec: Spec, result: Mapping[str, Any], images: Collection[Candidate]) -> Iterator[tuple[str, str]]:
    digests = [digest for one in images for digest in one.platforms.values()]
    verdicts = _verdicts(result)
    current = {section: keys.same(result, section, spec, digests) for section in keys.SECTIONS}
    for one in images:
        for platform, digest in one.platforms.items():
            where = f"'{one.stage}' for {platform}"
            verdict = verdicts.get((one.stage, platform))
            if verdict is None or verdict.digest != digest:
                yield f"{where} has no verdict", _AGAIN
                continue
            for section, word in _WORDS.items():
                yield from _of_section(section, word, where, verdict.told[section] if current[section] else None)
            if not verdict.within_budget:
                yield f"{where} is over its budget", "make it smaller"


def _of_section(section: str, word: str, where: str, told: str | None) -> Iterator[tuple[str, str]]:
    """What a verdict says; None for one on other images or another specification."""
    run = f"`nox -s {section.removesuffix('s')}`"
    if told == "failed":
        yield f"{where} failed {run}", f"run {run}, and see why"
    elif told == "not yet" and section == "tests":
        yield f"no test is about {where}", "add one to [tests]"
    elif told != "passed":
        yield f"{where} has not been {word}", f"run {run}"
