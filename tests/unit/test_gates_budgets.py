"""Budgets: a verdict for each image, platform and kind of size."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from helpers.plans import AMD64, ARM64, planned

from buildspec.engine import files
from buildspec.engine.images import PlatformImage
from buildspec.engine.results import ImageResult
from buildspec.gates.budgets import Verdict, read_sizes, verdicts, written_sizes
from buildspec.spec.model import Budget
from buildspec.spec.values import Size

TARGET = planned('[stages.app]\nfrom = "bare"\n').targets[0]


def image(budget: Budget, *sizes: tuple[int | None, int]) -> ImageResult:
    platforms = tuple(
        PlatformImage(platform=platform, digest="sha256:x", unpacked=unpacked, compressed=compressed)
        for platform, (unpacked, compressed) in zip((AMD64, ARM64), sizes, strict=False)
    )
    return ImageResult(target=attrs.evolve(TARGET, budget=budget), digest="sha256:i", platforms=platforms, moved=False)


BOTH = Budget(unpacked=Size(100_000_000), compressed=Size(40_000_000))


def test_every_limit_is_held_against_every_platform() -> None:
    found = list(verdicts(image(BOTH, (99_000_000, 40_000_000), (100_000_001, 50_000_000))))
    assert [(one.platform, one.kind, one.kept) for one in found] == [
        (AMD64, "unpacked", True),
        (AMD64, "compressed", True),
        (ARM64, "unpacked", False),
        (ARM64, "compressed", False),
    ]


def test_without_a_limit_there_is_no_verdict() -> None:
    assert list(verdicts(image(Budget(), (1, 1)))) == []
    assert [one.kind for one in verdicts(image(Budget(compressed=Size(1)), (1, 1)))] == ["compressed"]


def test_a_size_that_is_not_known_is_not_within_its_budget() -> None:
    unpacked, compressed = verdicts(image(BOTH, (None, 1)))
    assert (unpacked.kept, compressed.kept) == (False, True)
    assert str(unpacked) == "app for linux/amd64: unpacked size could not be measured"


@pytest.mark.parametrize(
    ("actual", "text"),
    [
        (90_000_000, "app for linux/amd64: 90.0 MB compressed, within its budget of 100.0 MB"),
        (112_340_000, "app for linux/amd64: 112.3 MB compressed, 12.3 MB over its budget of 100.0 MB"),
    ],
)
def test_a_verdict_says_how_far_it_is(actual: int, text: str) -> None:
    verdict = Verdict(
        stage="app", platform=AMD64, digest="sha256:1", kind="compressed", limit=100_000_000, actual=actual
    )
    assert str(verdict) == text


def test_the_change_since_the_last_build_is_told(tmp_path: Path) -> None:
    now = image(BOTH, (200, 100))
    files.write_json(tmp_path / "sizes.json", written_sizes({}, [image(BOTH, (150, 100))]))
    last = read_sizes(files.read_json(tmp_path / "sizes.json"))
    assert [one.change for one in verdicts(now, last)] == [50, 0]
    assert [one.change for one in verdicts(now)] == [None, None]


def test_sizes_that_nobody_can_read_are_none() -> None:
    malformed: tuple[dict[str, object], ...] = (
        {},
        {"sizes": None},
        {"sizes": [1, {"stage": "app"}, {"stage": "a", "platform": "b", "kind": "c", "bytes": "d"}]},
    )
    for wrong in malformed:
        assert read_sizes(wrong) == {}


def test_stages_that_were_not_built_keep_their_sizes() -> None:
    last = {("other", "linux/amd64", "unpacked"): 7}
    assert read_sizes(written_sizes(last, [image(BOTH, (1, 2))]))["other", "linux/amd64", "unpacked"] == 7
