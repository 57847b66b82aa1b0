"""Budgets and measured sizes in, a verdict for each image and platform out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import attrs

from buildspec.engine.results import ImageResult
from buildspec.spec.values import Platform, Size


@attrs.frozen(kw_only=True)
class Verdict:
    """A size held against its budget."""

    stage: str
    platform: Platform
    kind: Literal["unpacked", "compressed"]
    limit: int
    """Bytes."""
    actual: int | None
    """Bytes; None where they could not be measured."""

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


def verdicts(image: ImageResult) -> Iterator[Verdict]:
    """Hold a delivered image against its budget, on every platform."""
    budget = image.target.budget
    limits: tuple[tuple[Literal["unpacked", "compressed"], Size | None], ...] = (
        ("unpacked", budget.unpacked),
        ("compressed", budget.compressed),
    )
    for one in image.platforms:
        for kind, limit in limits:
            if limit is not None:
                actual = one.unpacked if kind == "unpacked" else one.compressed
                yield Verdict(
                    stage=image.target.name,
                    platform=one.platform,
                    kind=kind,
                    limit=limit.bytes,
                    actual=actual,
                )
