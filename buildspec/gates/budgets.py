"""Budgets and measured sizes in, a verdict for each stage and platform out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Literal

import attrs

from buildspec.engine.results import ImageResult
from buildspec.spec.values import Platform, Size

Sizes = Mapping[tuple[str, str, str], int]
"""Bytes by stage, platform and kind, of the last build that had them."""


@attrs.frozen(kw_only=True)
class Verdict:
    """A size held against its budget."""

    stage: str
    platform: Platform
    digest: str
    """Of the manifest."""
    kind: Literal["unpacked", "compressed"]
    limit: int
    """Bytes."""
    actual: int | None
    """Bytes; None where they could not be measured."""
    change: int | None = None
    """Bytes more than the last time; None when there was none."""

    @property
    def kept(self) -> bool:
        """Whether the size is known and within the limit."""
        return self.actual is not None and self.actual <= self.limit

    def __str__(self) -> str:
        if self.actual is None:
            return f"{self.stage} for {self.platform}: {self.kind} size could not be measured"
        over = f"{(self.actual - self.limit) / 1e6:.1f} MB over" if not self.kept else "within"
        return (
            f"{self.stage} for {self.platform}: {self.actual / 1e6:.1f} MB {self.kind}, {over} its budget of "
            f"{self.limit / 1e6:.1f} MB"
        )


def verdicts(image: ImageResult, before: Sizes | None = None) -> Iterator[Verdict]:
    """Hold a stage's image against its budget, on every platform.

    Args:
        image: what was built.
        before: sizes of the last build.
    """
    budget = image.target.budget
    limits: tuple[tuple[Literal["unpacked", "compressed"], Size | None], ...] = (
        ("unpacked", budget.unpacked),
        ("compressed", budget.compressed),
    )
    for one in image.platforms:
        for kind, limit in limits:
            if limit is not None:
                actual = one.unpacked if kind == "unpacked" else one.compressed
                last = (before or {}).get((image.target.name, str(one.platform), kind))
                yield Verdict(
                    stage=image.target.name,
                    platform=one.platform,
                    digest=one.digest,
                    kind=kind,
                    limit=limit.bytes,
                    actual=actual,
                    change=None if last is None or actual is None else actual - last,
                )


def read_sizes(document: Mapping[str, object]) -> Sizes:
    """Sizes of the last build, from what `written_sizes` left; whatever is malformed is left out.

    Args:
        document: as JSON holds it.
    """
    found: dict[tuple[str, str, str], int] = {}
    listed = document.get("sizes")
    for one in listed if isinstance(listed, list) else ():
        match one:
            case {"stage": str(stage), "platform": str(platform), "kind": str(kind), "bytes": int(size)}:
                found[stage, platform, kind] = size
    return found


def written_sizes(last: Sizes, images: Iterable[ImageResult]) -> dict[str, object]:
    """What to hold the next build against, as JSON holds it: of stages that weren't built now, what was known.

    Args:
        last: sizes of the last build.
        images: of this one.
    """
    found = dict(last)
    for image in images:
        for one in image.platforms:
            found[image.target.name, str(one.platform), "compressed"] = one.compressed
            if one.unpacked is not None:
                found[image.target.name, str(one.platform), "unpacked"] = one.unpacked
    keys = ("stage", "platform", "kind")
    return {"sizes": [{**dict(zip(keys, key, strict=True)), "bytes": size} for key, size in sorted(found.items())]}
