"""What a build leaves to read: a table for people, result.json for programs."""

from __future__ import annotations

import json

import attrs
from conftest import Golden
from helpers.docker import ENGINE
from helpers.plans import AMD64, ARM64, GOLDENS, planned

from buildspec.engine.images import PlatformImage
from buildspec.engine.results import BuildResult, GateResult, ImageResult, StepTime
from buildspec.errors import StepError
from buildspec.gates.budgets import verdicts
from buildspec.report.columns import megabytes
from buildspec.report.result import document, failure, summary, table
from buildspec.spec.values import Platform

PLAN = planned(
    '[stages.tool]\nfrom = "node"\nruns-on = "build"\nrun = ["make"]\n'
    '[stages.check]\nfrom = "tool"\ngate = "test"\nrun = ["x"]\n'
    '[stages.advise]\nfrom = "tool"\ngate = "audit"\non-unavailable = "warn"\nrun = ["y"]\n'
    '[stages.app]\nfrom = "bare"\ncopy = [{ from = "tool", path = "/a" }]\nbudget = "1MB"\n'
)


def step(stage: str, platform: Platform, seconds: float, *, cached: bool = False, runs: bool = True) -> StepTime:
    return StepTime(
        stage=stage,
        platform=platform,
        text="RUN make" if runs else "COPY a b",
        origin=f"stages.{stage}.run",
        seconds=seconds,
        cached=cached,
        runs=runs,
        emulated=runs and platform != AMD64,
    )


IMAGE = ImageResult(
    target=PLAN.targets[0],
    digest=f"sha256:{'1' * 64}",
    platforms=(
        PlatformImage(platform=AMD64, digest=f"sha256:{'2' * 64}", compressed=51_234_567, unpacked=900_000),
        PlatformImage(platform=ARM64, digest=f"sha256:{'3' * 64}", compressed=5_000, unpacked=None),
    ),
    moved=True,
)
RESULT = BuildResult(
    plan=PLAN,
    engine=ENGINE,
    images=(IMAGE,),
    gates=(
        GateResult(target=PLAN.targets[1], outcome="unavailable", report="build/gates/advise"),
        GateResult(target=PLAN.targets[2], outcome="passed", report="build/gates/check"),
    ),
    steps=(
        step("tool", AMD64, 12.3456, cached=True),
        step("app", AMD64, 0.5, cached=True, runs=False),
        step("app", ARM64, 1.25, runs=False),
        step("check", AMD64, 100),
    ),
    skipped_secrets=("npmrc",),
    seconds=14.0049,
)


def test_the_whole_document(golden: Golden) -> None:
    found = document(RESULT, verdicts(IMAGE))
    golden(GOLDENS / "result.json", json.dumps(found, indent=2) + "\n")


def test_the_whole_summary(golden: Golden) -> None:
    golden(GOLDENS / "summary.txt", summary(RESULT, [*verdicts(IMAGE)], "build/result.json") + "\n")


def test_commands_under_emulation_are_told() -> None:
    slow = attrs.evolve(RESULT, steps=(step("app", ARM64, 9), step("app", AMD64, 1)))
    assert "1 commands ran under emulation; `nox -s plan` shows which stages" in summary(slow, (), "x")
    assert "emulation" not in summary(RESULT, (), "x")


def test_an_image_is_cached_when_all_its_steps_are_and_built_otherwise() -> None:
    amd64, arm64 = table(RESULT).splitlines()[1:]
    assert amd64.split()[-2:] == ["0.0", "cached"]
    assert arm64.split()[-2:] == ["1.2", "built"]


def test_a_failed_build_says_why_and_names_no_image() -> None:
    found = failure(PLAN, StepError("why", "what to do"))
    assert (found["outcome"], found["error"], found["fix"]) == ("failed", "why", "what to do")
    assert found["revision"] == "0123abc"
    assert "images" not in found


def test_sizes_are_in_powers_of_ten() -> None:
    assert (megabytes(None), megabytes(0), megabytes(131_949_999)) == ("unknown", "0.0 MB", "131.9 MB")
