"""The docker command line: python-on-whales' client, and the few options of buildx and time limits that it lacks."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from buildspec.engine import process
from buildspec.errors import MachineError
from buildspec.spec.values import Platform, ValueProblemError

if TYPE_CHECKING:
    from python_on_whales import DockerClient

ANSWER = 20.0
"""Seconds that an engine has for a question about itself."""
SETUP = "run scripts/engine, which installs and starts what is missing, or see `nox -s doctor`"

# What buildx would do for the provenance of a build, for each target: ask git about the context, and resolve it all
# for the metadata file. It takes a third of a cached run, and there is no provenance.
_SPARED = {"BUILDX_METADATA_PROVENANCE": "disabled", "BUILDX_GIT_INFO": "false"}

# Names of machines, as `docker info` has them from the kernel, where a platform's spelling is another.
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm/v7", "i686": "386"}


@attrs.frozen(kw_only=True)
class EngineFacts:
    """What an engine says about itself."""

    version: str
    native: Platform
    containerd_store: bool
    """Images are kept in containerd's store, which holds several platforms and their index."""
    buildx: str
    """Version of the client's plugin; empty without it."""
    plugin: str = ""
    """The plugin's program. It is run itself: by way of `docker`, every command takes a tenth of a second more."""
    context: str
    """Name of the client's context, and of its builder that keeps images in the engine."""


@attrs.frozen(kw_only=True)
class BuilderFacts:
    """What buildx says about a builder."""

    name: str
    driver: str
    buildkit: str
    """Version of BuildKit."""
    platforms: tuple[str, ...]


class Driver(Protocol):
    """What the rest of this folder needs of a docker client."""

    def facts(self) -> EngineFacts:
        """Ask the engine about itself."""

    def bake(self, run: Bake, each: Callable[[str], None]) -> int:
        """Run bake; hand over the lines of its progress as they come, and return its exit code."""

    def digest_of(self, names: Sequence[str]) -> dict[str, str]:
        """Digests of those local images that exist, by name."""

    def tag(self, digest: str, name: str) -> None:
        """Give a local image a name."""

    def save(self, digest: str) -> Iterable[bytes]:
        """The image as a tar: an OCI layout with all its platforms."""

    def load(self, archive: Path) -> None:
        """Take an image from such a tar."""


@attrs.frozen(kw_only=True)
class Bake:
    """One run of bake."""

    file: str
    """The definition, relative to `cwd`."""
    cwd: str
    metadata: str
    """File that gets the digests."""
    targets: tuple[str, ...]
    overrides: tuple[str, ...] = ()
    """As `--set` takes them."""
    allow: tuple[str, ...] = ()
    """Entitlements, as `--allow` takes them."""
    cache: bool = True
    builder: str = ""
    plugin: str = ""
    """Buildx' own program; `docker buildx` when empty."""
    env: Mapping[str, str] = attrs.Factory(dict)
    """Added to the environment: secrets that come as variables."""


class Client:
    """The docker command line of this machine.

    What python-on-whales can do is done by it. It takes a fifth of a second to load and has neither time limits nor
    `--allow`, `--progress=rawjson` and streams that end early; those few commands are run from here, with the same
    program and environment, and it is loaded when the first of the others is needed.
    """

    @cached_property
    def whales(self) -> DockerClient:
        """python-on-whales' client."""
        from python_on_whales import DockerClient

        return DockerClient(client_call=[self.program])

    @cached_property
    def program(self) -> str:
        """Path of the docker client."""
        found = shutil.which("docker")
        if found is None:
            raise MachineError("there is no docker client on this machine", SETUP)
        return found

    def _ask(self, *arguments: str, timeout: float = ANSWER) -> str:
        return process.run([self.program, *arguments], os.environ, timeout=timeout)

    def facts(self) -> EngineFacts:
        """Ask the engine about itself.

        Raises:
            MachineError: no client, no engine, or one that doesn't answer.
        """
        try:
            printed = self._ask("info", "--format", "json")
        except process.Failed as error:
            printed = error.output  # the client tells of itself all the same, and why the engine doesn't answer
        # warnings stand on lines of their own
        lines = printed.splitlines()
        told = next((found for line in lines if line.startswith("{") and (found := _json(line))), {})
        if told.get("ServerErrors") or not told.get("ServerVersion"):
            reasons = told.get("ServerErrors") or [line for line in lines if not line.startswith("{")]
            shown = _indented("\n".join(reasons or ["`docker info` gave no JSON: is it Docker's?"]))
            raise MachineError(f"Docker Engine does not answer:\n{shown}", SETUP)
        return parse_info(told)

    def client_version(self) -> str:
        """Version of the docker client."""
        found = self.whales.version().client
        return str(found.version if found else "unknown")

    def builder(self, name: str) -> BuilderFacts | None:
        """What buildx says about a builder; None when it can't use it."""
        from python_on_whales import DockerException

        try:
            found = self.whales.buildx.inspect(name)
            nodes = found.nodes or []
            node = nodes[0]
        except (DockerException, ValueError, IndexError):
            return None
        return BuilderFacts(
            name=name,
            driver=found.driver or "",
            buildkit=node.version or "",
            platforms=tuple(node.platforms or ()),
        )

    def bake(self, run: Bake, each: Callable[[str], None]) -> int:
        """Run bake.

        Args:
            run: what to run.
            each: takes a line of progress: JSON, as `--progress=rawjson` writes it, and text of errors at the end.

        Returns:
            The exit code of buildx.

        Raises:
            MachineError: there is no docker client.
        """
        env = {**os.environ, **_SPARED, **run.env}
        program = [run.plugin] if run.plugin else [self.program, "buildx"]
        return process.stream([*program, *bake_arguments(run)], env, cwd=run.cwd, each=each)

    def digest_of(self, names: Sequence[str]) -> dict[str, str]:
        """Digests of those local images that exist, by name."""
        try:
            printed = self._ask("image", "inspect", "--format", "{{json .RepoTags}} {{.Id}}", *names)
        except process.Failed as error:
            printed = error.output  # of those that exist all the same; the others are told on lines of their own
        found: dict[str, str] = {}
        for line in printed.splitlines():
            tags, _, digest = line.rpartition(" ")
            if digest.startswith("sha256:") and tags.startswith("["):
                found |= dict.fromkeys(json.loads(tags), digest)
                found[digest] = digest
        return {name: found[name] for name in names if name in found}

    def tag(self, digest: str, name: str) -> None:
        """Give a local image a name, which another image may have had.

        Raises:
            MachineError: the engine refuses.
        """
        from python_on_whales import DockerException

        try:
            self.whales.image.tag(digest, name)
        except DockerException as error:
            raise MachineError(f"{name} could not be tagged:\n{_indented(error.stderr or str(error))}") from error

    def save(self, digest: str) -> Iterable[bytes]:
        """The image as a tar: an OCI layout with all its platforms.

        Raises:
            MachineError: the engine doesn't have it.
        """
        try:
            yield from process.read([self.program, "image", "save", digest], os.environ)
        except process.Failed as error:
            raise MachineError(
                f"the engine can't hand over the image {digest}:\n{_indented(error.output)}",
                "the builder keeps images to itself: unset BUILDX_BUILDER, or use one with the docker driver",
            ) from error

    def load(self, archive: Path) -> None:
        """Take an image from a tar: an OCI layout with all its platforms.

        Raises:
            MachineError: the engine refuses.
        """
        from python_on_whales import DockerException

        try:
            self.whales.image.load(archive, quiet=True)
        except DockerException as error:
            raise MachineError(f"the engine can't take an image:\n{_indented(error.stderr or str(error))}") from error


def parse_info(told: Mapping[str, Any]) -> EngineFacts:
    """Facts from the JSON of `docker info`.

    Raises:
        MachineError: the engine runs on a platform that has no name here.
    """
    machine = str(told.get("Architecture", ""))
    client = told.get("ClientInfo") or {}
    buildx: Mapping[str, Any] = next((p for p in client.get("Plugins") or () if p.get("Name") == "buildx"), {})
    try:
        native = Platform.parse(f"{told.get('OSType', 'linux')}/{_MACHINES.get(machine, machine)}")
    except ValueProblemError as error:
        raise MachineError(f"the engine runs on {machine}, which has no name as a platform") from error
    return EngineFacts(
        version=str(told["ServerVersion"]),
        native=native,
        containerd_store="io.containerd.snapshotter" in str(told.get("DriverStatus")),
        buildx=str(buildx.get("Version", "")).removeprefix("v"),
        plugin=str(buildx.get("Path", "")),
        context=str(client.get("Context") or "default"),
    )


def bake_arguments(run: Bake) -> list[str]:
    """The command line of a bake run, after `docker buildx`."""
    argv = ["bake", "--progress", "rawjson", "--file", run.file, "--metadata-file", run.metadata]
    argv += ["--builder", run.builder] if run.builder else []
    argv += [] if run.cache else ["--no-cache"]
    for override in run.overrides:
        argv += ["--set", override]
    for entitlement in run.allow:
        argv += ["--allow", entitlement]
    return [*argv, *run.targets]


def _json(line: str) -> dict[str, Any]:
    try:
        return dict(json.loads(line))
    except ValueError:
        return {}


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.strip().splitlines()[-8:])
