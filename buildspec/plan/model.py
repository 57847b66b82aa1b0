"""The Plan: everything a build will do, resolved, frozen and printable."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import attrs

from buildspec.errors import Place
from buildspec.plan.recipe import Recipe
from buildspec.spec.model import Budget, Command, Healthcheck
from buildspec.spec.values import Platform, Reference


class Where(StrEnum):
    """The platform a stage runs on."""

    TARGET = "target"
    BUILD = "build"


@attrs.frozen(kw_only=True)
class Facts:
    """What a plan depends on beyond the specification; gathered once."""

    native: Platform
    """The engine's own platform: build stages run there."""
    revision: str = ""
    """Commit of the sources, with `-dirty` when they differ from it."""
    epoch: int | None = None
    """Seconds since 1970 that stand for the time of the build; None: each build has its own."""
    day: str = ""
    """Today, as `2026-11-25`: what an advisory service answered yesterday isn't kept."""
    version: str = ""
    """Version that is to be released, without `v`; empty: none is."""
    build: str = ""
    """Number of the build, as CI counts them."""


@attrs.frozen(kw_only=True)
class Mount:
    """A secret in a step, as a file or as an environment variable."""

    id: str
    target: str = ""
    env: str = ""
    required: bool = False


@attrs.frozen(kw_only=True)
class Origin:
    """What an instruction was made from."""

    key: str
    """Path in the specification (`stages.base.packages`) or fragment file."""
    place: Place | None = None


@attrs.frozen
class Arg:
    """A build argument; without a value, one that the build is given."""

    name: str
    value: str | None = None


@attrs.frozen
class Shell:
    """What runs the commands that follow."""

    words: tuple[str, ...]


@attrs.frozen
class Env:
    """An environment variable."""

    name: str
    value: str


@attrs.frozen
class Workdir:
    """The working folder."""

    path: str


@attrs.frozen
class Copy:
    """Files from the context (`source` empty), a stage or a base."""

    paths: tuple[str, ...]
    to: str
    source: str = ""
    owner: str = ""
    mode: str = ""


@attrs.frozen
class WriteFile:
    """A small text file, written without any tool of the image."""

    path: str
    content: str
    mode: str = "0644"


@attrs.frozen
class Run:
    """A command of the specification or of ours, for the image's shell."""

    command: str
    mounts: tuple[Mount, ...] = ()
    options: tuple[str, ...] = ()
    """Further mounts, as Dockerfile flags."""


@attrs.frozen
class Verbatim:
    """An instruction of a fragment, as written; a RUN gets the stage's mounts."""

    keyword: str
    text: str
    mounts: tuple[Mount, ...] = ()


@attrs.frozen
class User:
    """The user the image runs as, in numbers."""

    user: str


@attrs.frozen
class Entrypoint:
    """The program."""

    command: Command


@attrs.frozen
class Cmd:
    """Its default arguments."""

    command: Command


@attrs.frozen
class Health:
    """The health check."""

    check: Healthcheck


@attrs.frozen
class Volume:
    """Folders that outlive a container."""

    paths: tuple[str, ...]


@attrs.frozen
class Expose:
    """A port."""

    port: str


@attrs.frozen
class Label:
    """A label of the image."""

    name: str
    value: str


@attrs.frozen
class StopSignal:
    """The signal that asks the program to end."""

    signal: str


Instruction = (
    Arg
    | Shell
    | Env
    | Workdir
    | Copy
    | WriteFile
    | Run
    | Verbatim
    | User
    | Entrypoint
    | Cmd
    | Health
    | Volume
    | Expose
    | Label
    | StopSignal
)


@attrs.frozen
class Step:
    """An instruction and what it was made from."""

    does: Instruction
    origin: Origin


@attrs.frozen(kw_only=True)
class PlannedStage:
    """A stage of the Dockerfile."""

    name: str
    """In the Dockerfile; helpers are called `<stage>.<what for>`."""
    stage: str
    """In the specification."""
    source: str
    """The stage or base (`bases`) it starts from, or `scratch`."""
    where: Where
    own_platform: bool
    """It starts from a base, on the builder's platform whatever the target is."""
    steps: tuple[Step, ...]
    emulated: tuple[Platform, ...] = ()
    """Target platforms for which its commands are emulated."""

    @property
    def uses(self) -> tuple[str, ...]:
        """Stages, bases and images that files are copied from, or that commands have at hand."""
        copied = [step.does.source for step in self.steps if isinstance(step.does, Copy) and step.does.source]
        runs = [step.does for step in self.steps if isinstance(step.does, Run)]
        return tuple(dict.fromkeys([*copied, *(name for run in runs for name in _mounted(run))]))

    @property
    def runs(self) -> bool:
        """Whether it has commands."""
        return any(
            isinstance(step.does, Run) or (isinstance(step.does, Verbatim) and step.does.keyword == "RUN")
            for step in self.steps
        )


@attrs.frozen(kw_only=True)
class ImageSource:
    """A base from a registry."""

    name: str
    reference: Reference


@attrs.frozen(kw_only=True)
class AssembledSource:
    """A base assembled from packages: one recipe a platform."""

    name: str
    recipes: tuple[Recipe, ...]


Source = ImageSource | AssembledSource


@attrs.frozen(kw_only=True)
class Target:
    """What one bake run is asked for: a delivered image, a gate, or a stage that has a budget."""

    name: str
    """Stage in the specification; target in the bake definition."""
    stage: str
    """Stage in the Dockerfile."""
    platforms: tuple[Platform, ...]
    gate: str = ""
    """`test` or `audit`; empty for a delivered image."""
    on_unavailable: str = "fail"
    tag: str = ""
    """Local name of a delivered image: `claude-flow:latest`; empty for a stage that is only measured."""
    labels: Mapping[str, str] = attrs.Factory(dict)
    budget: Budget = attrs.Factory(Budget)


@attrs.frozen(kw_only=True)
class ReleaseTag:
    """A tag that a release gives to an image in a registry."""

    stage: str
    """The delivered stage."""
    reference: str
    """`ghcr.io/acme/web:v2.0.0-alpine`."""
    pattern: str
    """What it was made from: `v{version}`."""
    moves: bool
    """A later release takes it over."""


@attrs.frozen
class Dropped:
    """A tag pattern that a release has no tag of."""

    pattern: str
    why: str


@attrs.frozen(kw_only=True)
class PlannedSecret:
    """A secret that steps mount, and where it is looked for."""

    id: str
    env: tuple[str, ...] = ()
    """Environment variables of this machine that hold it, the first that is set wins."""
    file_env: tuple[str, ...] = ()
    """Environment variables of this machine that name a file with it."""
    files: tuple[str, ...] = ()
    """Files of this machine, the first that exists wins."""
    constant: str = ""
    """No secret at all: a value that must not stay in the image, such as where the CA bundle is mounted."""
    optional: bool = True
    needed_by: str = ""
    """The stages that mount it, for messages."""


@attrs.frozen(kw_only=True)
class Plan:
    """All of it. `stages` stand in the order of the Dockerfile."""

    image: str
    profiles: tuple[str, ...]
    facts: Facts
    context: str
    contexts: Mapping[str, str]
    """Other folders that are copied from, by name."""
    ignore: tuple[str, ...]
    sources: tuple[Source, ...]
    stages: tuple[PlannedStage, ...]
    targets: tuple[Target, ...]
    secrets: tuple[PlannedSecret, ...]
    tags: tuple[ReleaseTag, ...] = ()
    """Of the release; none without a version."""
    dropped: tuple[Dropped, ...] = ()
    """Patterns that this release has no tag of."""

    def shared(self) -> Mapping[str, tuple[str, ...]]:
        """The targets that are made of each stage of the Dockerfile, by its name."""
        found: dict[str, list[str]] = {stage.name: [] for stage in self.stages}
        for target in self.targets:
            for name in self.needed(target):
                found[name].append(target.name)
        return {name: tuple(targets) for name, targets in found.items()}

    def stage(self, name: str) -> PlannedStage:
        """The stage of that name in the Dockerfile."""
        return next(stage for stage in self.stages if stage.name == name)

    def recipes(self) -> tuple[Recipe, ...]:
        """What has to be assembled, each once."""
        every = [r for source in self.sources if isinstance(source, AssembledSource) for r in source.recipes]
        return tuple(dict.fromkeys(every))

    def needed(self, target: Target) -> frozenset[str]:
        """Dockerfile stages that a target is made of."""
        by_name = {stage.name: stage for stage in self.stages}
        todo, done = [target.stage], set[str]()
        while todo:
            name = todo.pop()
            if name not in by_name or name in done:
                continue
            done.add(name)
            stage = by_name[name]
            todo += [stage.source, *stage.uses]
        return frozenset(done)


def _mounted(run: Run) -> list[str]:
    parts = [part for option in run.options for part in option.split(",")]
    return [part.removeprefix("from=") for part in parts if part.startswith("from=")]
