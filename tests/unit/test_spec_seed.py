"""The Dockerfile that the project was asked for with, as a specification: what is wrong with it is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from buildspec.checks import findings
from buildspec.spec.load import Selection, draft

SEED = Path(__file__).parents[1] / "specs" / "seed" / "buildspec.toml"
WRONG = [
    # the images of today and of tomorrow
    ("base-past-end-of-life", "bases.node.image"),
    ("base-past-end-of-life", "bases.distroless.image"),
    ("unpinned-base", "bases.node.image"),
    ("unpinned-base", "bases.distroless.image"),
    # native modules of Alpine's musl, through `runtime`, in a glibc image
    ("libc-mismatch", "stages.production.copy[0]"),
    # a health check for a shell, in a stage that production only copies from, as are the volumes
    ("config-not-inherited", "stages.runtime.healthcheck"),
    ("config-not-inherited", "stages.runtime.volumes"),
    ("no-health-check", "stages.production"),
    # the key is asked for when it starts, and set to nothing in the image
    ("required-env-has-default", "stages.production.env.CLAUDE_API_KEY"),
    # slow, and another result each time
    ("missing-lock-file", "stages.dev-deps"),
    ("missing-lock-file", "stages.prod-deps"),
    ("uncached-install", "stages.dev-deps"),
    ("uncached-install", "stages.prod-deps"),
    ("emulated-run", "stages.dev-deps"),
    ("emulated-run", "stages.prod-deps"),
    ("emulated-run", "stages.builder"),
    ("emulated-run", "stages.runtime"),
    # the entrypoint script fetches whatever is newest, is never built, and isn't there
    ("download-at-run-time", "stages.script.entrypoint"),
    ("unused-stage", "stages.script"),
    ("missing-path", "stages.script.copy[0].path"),
]


@pytest.fixture(scope="module")
def found() -> set[tuple[str, str]]:
    written = draft(SEED, Selection(today="2026-11-25"))
    assert not written.problems
    return {(one.rule, one.path) for one in findings(written.source)}


@pytest.mark.parametrize(("rule", "path"), WRONG, ids=lambda value: value)
def test_what_is_wrong_with_the_seed_is_found(rule: str, path: str, found: set[tuple[str, str]]) -> None:
    assert (rule, path) in found
