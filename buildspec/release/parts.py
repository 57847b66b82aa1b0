"""Results of several machines in, each of some platforms of the same images; one result of all of them out.

Nothing is built again: the images of each platform are those that were tested and audited on its machine, and what is
new is the index that lists them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import attrs

from buildspec.errors import StepError
from buildspec.gates import keys
from buildspec.release.ready import Candidate, candidates, flaws
from buildspec.spec.model import Spec
from buildspec.spec.values import Platform

_AGAIN = "run build, test, audit and export for it, on the same commit"


@attrs.frozen(kw_only=True)
class Part:
    """What a machine handed over."""

    name: str
    """Where it is."""
    result: Mapping[str, Any]
    """Its `result.json`; anything at all."""


def limited(spec: Spec, platforms: Iterable[Platform]) -> Spec:
    """The same specification, for some of its platforms alone.

    Args:
        spec: the specification.
        platforms: those; any others are left out.
    """
    wanted = set(platforms)
    chosen = tuple(one for one in spec.image.platforms if one in wanted)
    return attrs.evolve(spec, image=attrs.evolve(spec.image, platforms=chosen))


def platforms_of(result: Mapping[str, Any]) -> frozenset[Platform]:
    """Platforms that any image of a result is for."""
    return frozenset(platform for one in candidates(result) for platform in one.platforms)


def joined(
    spec: Spec,
    profiles: Sequence[str],
    commit: str,
    parts: Sequence[Part],
    index: Callable[[str, Mapping[Platform, str]], str],
) -> dict[str, Any]:
    """`result.json` of all platforms.

    Args:
        spec: the specification.
        profiles: that are selected.
        commit: of the sources.
        parts: of the machines.
        index: makes the index of a stage's images by platform, in order, and returns its digest.

    Raises:
        StepError: a part isn't ready, two are for the same platform, or one is missing.
    """
    if why := [*_obstacles(spec, profiles, commit, parts)]:
        raise StepError("\n".join(["the parts can't be joined:", *(f"  {one}" for one in why)]), _AGAIN)
    try:
        _document(spec, parts, lambda *_: "")  # what isn't whole is told before anything is loaded
    except (KeyError, TypeError, AttributeError, ValueError, StopIteration) as error:
        names = ", ".join(part.name for part in parts)
        raise StepError(f"the parts can't be joined: {names} aren't all whole", _AGAIN) from error
    return _document(spec, parts, index)


def _document(spec: Spec, parts: Sequence[Part], index: Callable[[str, Mapping[Platform, str]], str]) -> dict[str, Any]:
    images = [_image(spec, stage, parts, index) for stage in sorted(spec.image.deliver)]
    digests = [one["digest"] for image in images for one in image["platforms"].values()]
    first = parts[0].result
    return {
        **{key: first[key] for key in ("version", "outcome", "buildspec", "image", "profiles", "revision", "engine")},
        "seconds": max(part.result["seconds"] for part in parts),
        "images": images,
        "gates": _gates(parts),
        "budgets": _unique(parts, "budgets"),
        **{
            section: {
                "key": keys.key(section, spec, digests),
                "results": [one for part in parts for one in part.result[section]["results"]],
            }
            for section in keys.SECTIONS
        },
        "verdicts": sorted(_unique(parts, "verdicts"), key=lambda one: (one["stage"], one["platform"])),
        "steps": _unique(parts, "steps"),
        "skipped-secrets": sorted({one for part in parts for one in part.result["skipped-secrets"]}),
    }


def _obstacles(spec: Spec, profiles: Sequence[str], commit: str, parts: Sequence[Part]) -> Iterator[str]:
    owner: dict[Platform, str] = {}
    for part in parts:
        own = platforms_of(part.result)
        for platform in sorted(own, key=str):
            if platform in owner:
                yield f"{part.name}: {platform} is in {owner[platform]}, too"
            elif platform not in spec.image.platforms:
                yield f"{part.name}: the image isn't built for {platform}"
            owner.setdefault(platform, part.name)
        yield from (f"{part.name}: {why}" for why, _ in flaws(limited(spec, own), profiles, part.result, commit))
    for platform in spec.image.platforms:
        if platform not in owner:
            yield f"no part is for {platform}"


def _image(
    spec: Spec, stage: str, parts: Sequence[Part], index: Callable[[str, Mapping[Platform, str]], str]
) -> dict[str, Any]:
    """A delivered image, with its index: of one platform, an image needs none."""
    found = {name: one for part in parts for name, one in _of_stage(part.result, stage)["platforms"].items()}
    ordered = {platform: found[str(platform)] for platform in dict.fromkeys(spec.image.platforms)}
    digests = {platform: one["digest"] for platform, one in ordered.items()}
    return {
        "stage": stage,
        "tag": _of_stage(parts[0].result, stage)["tag"],
        "digest": index(stage, digests),
        "platforms": {str(platform): one for platform, one in ordered.items()},
    }


def _of_stage(result: Mapping[str, Any], stage: str) -> Mapping[str, Any]:
    return next(one for one in result["images"] if one["stage"] == stage)


def _gates(parts: Sequence[Part]) -> list[Mapping[str, Any]]:
    """Each gate once; that its service could not be asked on one machine is what counts."""
    found: dict[str, Mapping[str, Any]] = {}
    for part in parts:
        for gate in part.result["gates"]:
            if gate["stage"] not in found or gate["outcome"] != "passed":
                found[gate["stage"]] = gate
    return list(found.values())


def _unique(parts: Sequence[Part], section: str) -> list[Any]:
    """All of a section, but nothing twice."""
    found: list[Any] = []
    for part in parts:
        found += [one for one in part.result[section] if one not in found]
    return found


def subjects(spec: Spec, images: Sequence[Candidate]) -> str:
    """What is about to be released, as `sha256sum` would write it: digest and repository, a line each.

    Args:
        spec: the specification.
        images: of the release.
    """
    return "".join(
        f"{one.digest.removeprefix('sha256:')}  {registry}/{spec.image.name}\n"
        for registry in spec.release.registries
        for one in images
    )
