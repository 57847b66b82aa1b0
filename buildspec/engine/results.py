"""What a build came to: images by digest, gates, steps and their times."""

from __future__ import annotations

from typing import Literal

import attrs

from buildspec.engine.client import EngineFacts
from buildspec.engine.images import PlatformImage
from buildspec.plan.model import Plan, Target
from buildspec.spec.values import Platform


@attrs.frozen(kw_only=True)
class StepTime:
    """A step of the Dockerfile and what it took."""

    stage: str
    """In the Dockerfile."""
    platform: Platform
    """It ran on."""
    text: str
    origin: str
    """What it was made from: a key of the specification, or a fragment."""
    seconds: float
    cached: bool
    runs: bool
    """Whether it is a command."""
    emulated: bool
    """Whether it is a command of another platform than the engine's own."""


@attrs.frozen(kw_only=True)
class ImageResult:
    """A delivered image, or a stage that is only measured."""

    target: Target
    digest: str
    """Of the index."""
    platforms: tuple[PlatformImage, ...]
    moved: bool
    """Whether its tag was moved to it now: it was another image's, or nobody's."""


@attrs.frozen(kw_only=True)
class GateResult:
    """A gate that let the build pass."""

    target: Target
    outcome: Literal["passed", "unavailable"]
    """`unavailable`: the service it asks could not be asked, and the specification says that is a warning."""
    report: str
    """Folder with the files it left, relative to the specification."""


@attrs.frozen(kw_only=True)
class BuildResult:
    """All of it."""

    plan: Plan
    engine: EngineFacts
    images: tuple[ImageResult, ...]
    measured: tuple[ImageResult, ...] = ()
    """Stages that have a budget and aren't delivered."""
    gates: tuple[GateResult, ...]
    steps: tuple[StepTime, ...]
    skipped_secrets: tuple[str, ...]
    seconds: float
    """From the first question to the engine to the last tag."""

    def steps_of(self, target: Target, platform: Platform) -> tuple[StepTime, ...]:
        """The steps that a target's image for one platform is made of."""
        needed = self.plan.needed(target)
        native = self.plan.facts.native
        built = {stage.name for stage in self.plan.stages if stage.where.value == "build"}
        return tuple(
            step
            for step in self.steps
            if step.stage in needed and step.platform == (native if step.stage in built else platform)
        )
