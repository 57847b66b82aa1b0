"""The tags of a release and what registries have in, what is done with each tag out; nothing is asked or written here.

Exact tags are immutable: the same digest again is fine, another one is refused. Moving tags never go to a lower
version, which is decided from the versions that a registry has.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import attrs

from buildspec.errors import UsageError
from buildspec.plan.model import ReleaseTag
from buildspec.plan.tags import Version

_PLACEHOLDER = re.compile(r"\{([a-z]+)\}")

Action = Literal["new", "same", "move", "keep", "refuse"]


@attrs.frozen
class Repository:
    """A repository of a registry: `ghcr.io/acme/web`."""

    registry: str
    name: str

    @classmethod
    def of(cls, reference: str) -> tuple[Repository, str]:
        """The repository and tag of a reference: `ghcr.io/acme/web:v1.0.0`."""
        path, _, tag = reference.rpartition(":")
        registry, _, name = path.partition("/")
        return cls(registry, name), tag

    def __str__(self) -> str:
        return f"{self.registry}/{self.name}"


@attrs.frozen(kw_only=True)
class Found:
    """What a repository has."""

    tags: frozenset[str] = frozenset()
    """Names of all of them."""
    digests: Mapping[str, str] = attrs.Factory(dict)
    """Digests of those that were asked for, by name."""


@attrs.frozen(kw_only=True)
class Move:
    """What is done with a tag."""

    repository: Repository
    tag: str
    stage: str
    action: Action
    """`new` and `move` are written, `same` and `keep` are left, `refuse` stops everything."""
    digest: str
    """What it shall point at."""
    old: str = ""
    """What it points at; empty when it isn't there."""
    exact: bool = True
    """It belongs to this release alone."""
    why: str = ""
    """What a tag is kept or refused for."""
    newer: str = ""
    """The tag of the version that keeps it."""

    @property
    def writes(self) -> bool:
        """Whether something is written."""
        return self.action in ("new", "move")

    @property
    def reference(self) -> str:
        """In full."""
        return f"{self.repository}:{self.tag}"


def decide(
    tags: Sequence[ReleaseTag],
    version: Version,
    digests: Mapping[str, str],
    suffixes: Mapping[str, str],
    found: Mapping[Repository, Found],
) -> tuple[Move, ...]:
    """Decide what is done with every tag of a release.

    Args:
        tags: of the release, from the plan.
        version: that is released.
        digests: of the images, by delivered stage.
        suffixes: of the tags, by delivered stage.
        found: what each repository has.

    Returns:
        A move for each tag: exact ones first, then moving ones, those that stand for most versions last.
    """
    moves = []
    for one in tags:
        repository, tag = Repository.of(one.reference)
        here = found.get(repository, Found())
        old, new = here.digests.get(tag, ""), digests[one.stage]
        newer = ""
        if one.moves:
            newest = newest_of(here.tags, suffixes, one.stage, version, one.pattern)
            action, why = _moving(old, new, version, newest[0] if newest else None)
            newer = newest[1] if newest and action == "keep" else ""
        else:
            action, why = _exact(old, new)
        moves.append(
            Move(
                repository=repository,
                tag=tag,
                stage=one.stage,
                action=action,
                digest=new,
                old=old,
                exact=not one.moves,
                why=why,
                newer=newer,
            )
        )
    breadth = {one.reference: _breadth(one.pattern) for one in tags}
    return tuple(sorted(moves, key=lambda move: (not move.exact, breadth[move.reference])))


def _exact(old: str, new: str) -> tuple[Action, str]:
    if not old:
        return "new", ""
    if old == new:
        return "same", ""
    return "refuse", "is another image already; what has been released stays as it is"


def _moving(old: str, new: str, version: Version, newest: Version | None) -> tuple[Action, str]:
    if newest is not None and rank(newest) > rank(version):
        return "keep", f"{newest} is newer"
    if old == new:
        return "same", ""
    return ("move" if old else "new"), ""


def _breadth(pattern: str) -> int:
    """How many versions share a moving tag: those of a minor version, of a major one, all."""
    names = set(_PLACEHOLDER.findall(pattern))
    return 0 if "minor" in names else 1 if "major" in names else 2


def newest_of(
    tags: Iterable[str], suffixes: Mapping[str, str], stage: str, version: Version, pattern: str
) -> tuple[Version, str] | None:
    """The newest released version that a moving tag could stand for, and its tag.

    Args:
        tags: of the repository, other people's among them.
        suffixes: of the tags, by delivered stage.
        stage: whose tags count.
        version: that is released.
        pattern: of the moving tag: `v{major}.{minor}` is about versions of the same minor alone.
    """
    names = set(_PLACEHOLDER.findall(pattern))
    versions = [
        (one, tag)
        for one, tag in versions_of(tags, suffixes, stage)
        if ("major" not in names or one.major == version.major) and ("minor" not in names or one.minor == version.minor)
    ]
    return max(versions, key=lambda pair: (rank(pair[0]), pair[1]), default=None)


def versions_of(tags: Iterable[str], suffixes: Mapping[str, str], stage: str) -> Sequence[tuple[Version, str]]:
    """The released versions that tags of a stage name, with the tags; pre-releases aren't among them.

    Args:
        tags: of a repository: `v2.0.0`, `2.0.0`, `v2.0.0-alpine`, `latest`, whatever.
        suffixes: of the tags, by delivered stage.
        stage: whose tags count.
    """
    suffix = suffixes.get(stage, "")
    found = []
    for tag in tags:
        if suffix and not tag.endswith(f"-{suffix}"):
            continue
        try:
            version = Version.parse(tag.removesuffix(f"-{suffix}") if suffix else tag)
        except UsageError:
            continue
        if not version.pre:  # of a stage without a suffix, what has another's is taken for one, too
            found.append((version, tag))
    return found


def rank(version: Version) -> tuple[int, int, int]:
    """The order of released versions: semver.org, section 11."""
    return version.major, version.minor, version.patch


def back(
    tags: Sequence[ReleaseTag], version: Version, found: Mapping[Repository, Found], exact: Mapping[str, str]
) -> tuple[Move, ...]:
    """Decide how moving tags go back to a version that was released.

    Args:
        tags: that a release of that version had.
        version: to go back to.
        found: what each repository has.
        exact: the reference of the version's own tag, by the reference of each moving one.
    """
    moves = []
    for one in tags:
        if not one.moves:
            continue
        repository, tag = Repository.of(one.reference)
        here = found.get(repository, Found())
        _, own = Repository.of(exact[one.reference])
        old, new = here.digests.get(tag, ""), here.digests.get(own, "")
        action: Action = "same" if old == new else "move" if old else "new"
        why = ""
        if not new:
            action, why = "refuse", f"{version} was never released there: there is no {own}"
        moves.append(
            Move(
                repository=repository,
                tag=tag,
                stage=one.stage,
                action=action,
                digest=new,
                old=old,
                exact=False,
                why=why,
            )
        )
    breadth = {one.reference: _breadth(one.pattern) for one in tags}
    return tuple(sorted(moves, key=lambda move: breadth[move.reference]))
