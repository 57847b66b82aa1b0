"""Containers for tests: made, started, looked into and removed, each step in bounded time."""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import attrs

from buildspec.engine import process
from buildspec.engine.client import SETUP, Client
from buildspec.engine.images import Chunks
from buildspec.errors import MachineError
from buildspec.plan.confinement import confinement
from buildspec.render.bake import fields
from buildspec.spec.model import Runtime
from buildspec.spec.values import Platform

LABEL = "buildspec.test"
"""Label of every container that is made here; its value says for which folder."""
_SECONDS = 60.0
"""Longest wait for a step of the engine; making the first container of an image unpacks it."""
_MOST_CONTENT = 1 << 20
"""Bytes of a file that are read."""
_ABSENT = ("no such file", "could not find the file", "not a directory")
"""What an engine says of a path that isn't there, or that goes on below a file."""


@attrs.frozen(kw_only=True)
class Container:
    """What a container is made of."""

    name: str
    folder: str
    """Value of the label."""
    image: str
    """Digest of the image."""
    platform: Platform
    runtime: Runtime
    """How it is confined."""
    entrypoint: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    env: Mapping[str, str] = attrs.Factory(dict)
    mounts: Mapping[str, Path] = attrs.Factory(dict)
    """Read-only files and folders of this machine, by their path in it."""
    network: bool = False


@attrs.frozen(kw_only=True)
class State:
    """What an engine says of a container."""

    started: bool
    """Whether its program was ever started."""
    running: bool
    code: int
    """Exit code, once it has ended."""
    killed_for_memory: bool
    error: str
    """Why the engine couldn't start it."""
    health: str
    """`starting`, `healthy`, `unhealthy`; empty without a health check."""
    told: str
    """What the last health check printed."""


@attrs.frozen(kw_only=True)
class Found:
    """A file or folder of a container."""

    uid: int
    gid: int
    mode: int
    content: str
    """Of a file, its start."""


class Containers(Protocol):
    """What tests need of an engine."""

    def create(self, wanted: Container) -> None:
        """Make a container, without starting it."""

    def attached(self, name: str, given: bytes) -> Any:  # noqa: ANN401 - a context manager of process.Attached
        """Start a container, give it its input, and keep what it prints."""

    def state(self, name: str) -> State:
        """Ask about a container."""

    def stop_signal(self, name: str) -> str:
        """The signal that its image wants to be asked to end by."""

    def signal(self, name: str, signal: str) -> None:
        """Send a signal to its first process."""

    def find(self, name: str, path: str) -> Found | None:
        """A file or folder of it, links followed; None when there is none."""

    def remove(self, name: str) -> None:
        """Remove it with its volumes, running or not."""

    def leftovers(self, folder: str) -> tuple[str, ...]:
        """Names of the containers that an earlier run of a folder has left."""


class DockerContainers:
    """Containers of the engine that the docker command line talks to."""

    @cached_property
    def _program(self) -> str:
        return Client().program

    def _ask(self, *arguments: str) -> str:
        return process.run([self._program, *arguments], os.environ, timeout=_SECONDS)

    def _told(self, name: str, form: str) -> Any:  # noqa: ANN401 - any JSON
        try:
            return json.loads(self._ask("container", "inspect", "--format", f"{{{{json {form}}}}}", name))
        except (process.Failed, ValueError) as error:
            raise _gone(name, error) from error

    def create(self, wanted: Container) -> None:
        """Make a container, without starting it.

        Raises:
            MachineError: the engine refuses.
        """
        try:
            self._ask("container", "create", *options(wanted), wanted.image, *_command(wanted))
        except process.Failed as error:
            raise MachineError(f"the engine makes no container of {wanted.image}:\n{error.output.strip()}") from error

    @contextmanager
    def attached(self, name: str, given: bytes) -> Iterator[process.Attached]:
        """Start a container, give it its input, and keep what it prints."""
        argv = [self._program, "container", "start", "--attach", "--interactive", name]
        with process.attached(argv, os.environ, given) as running:
            yield running

    def state(self, name: str) -> State:
        """Ask about a container.

        Raises:
            MachineError: the engine doesn't answer, or has no such container any more.
        """
        told = self._told(name, ".State")
        health = told.get("Health") or {}
        log = health.get("Log") or [{}]
        return State(
            started=told.get("Status") != "created",
            running=bool(told.get("Running")),
            code=int(told.get("ExitCode") or 0),
            killed_for_memory=bool(told.get("OOMKilled")),
            error=str(told.get("Error") or ""),
            health=str(health.get("Status") or ""),
            told=str(log[-1].get("Output") or "").strip(),
        )

    def stop_signal(self, name: str) -> str:
        """The signal that its image wants to be asked to end by."""
        return str(self._told(name, ".Config.StopSignal") or "SIGTERM")

    def signal(self, name: str, signal: str) -> None:
        """Send a signal to its first process; one that has ended gets none."""
        with suppress(process.Failed):
            self._ask("container", "kill", "--signal", signal, name)

    def find(self, name: str, path: str) -> Found | None:
        """A file or folder of it, links followed; None when there is none.

        Raises:
            MachineError: the engine doesn't answer.
        """
        argv = [self._program, "container", "cp", "--follow-link", f"{name}:{path}", "-"]
        try:
            with tarfile.open(fileobj=Chunks(process.read(argv, os.environ, timeout=_SECONDS)), mode="r|") as tar:
                first = tar.next()
                if first is None:
                    return None
                content = tar.extractfile(first) if first.isreg() else None
                text = content.read(_MOST_CONTENT).decode(errors="replace") if content is not None else ""
                return Found(uid=first.uid, gid=first.gid, mode=first.mode & 0o7777, content=text)
        except process.Failed as error:
            if any(words in error.output.lower() for words in _ABSENT):
                return None
            raise _gone(name, error) from error
        except tarfile.ReadError:
            return None  # an empty stream: there is nothing

    def remove(self, name: str) -> None:
        """Remove it with its volumes, running or not; one that isn't there is fine."""
        with suppress(process.Failed):
            self._ask("container", "rm", "--force", "--volumes", name)

    def leftovers(self, folder: str) -> tuple[str, ...]:
        """Names of the containers that an earlier run of a folder has left."""
        try:
            listed = self._ask(
                "container", "ls", "--all", "--filter", f"label={LABEL}={folder}", "--format", "{{.Names}}"
            )
        except process.Failed as error:
            raise MachineError(f"Docker Engine does not answer:\n{error.output.strip()}", SETUP) from error
        return tuple(listed.split())


def _gone(name: str, error: Exception) -> MachineError:
    told = error.output.strip() if isinstance(error, process.Failed) else str(error)
    return MachineError(f"the engine says nothing of the container {name}:\n{told}", SETUP)


def options(wanted: Container) -> list[str]:
    """How a container is confined, as options of `docker container create`.

    Args:
        wanted: what to make.
    """
    limits = confinement(wanted.runtime)
    argv = ["--name", wanted.name, "--label", f"{LABEL}={wanted.folder}", "--platform", str(wanted.platform)]
    argv += ["--pull", "never", "--interactive"]
    for capability in limits.cap_drop:
        argv += ["--cap-drop", capability]
    for option in limits.security:
        argv += ["--security-opt", option]
    # what it prints is read as it comes; the engine would keep all of it on its disk
    argv += ["--pids-limit", str(limits.pids), "--log-driver", "none"]
    argv += ["--read-only"] if limits.read_only else []
    argv += [] if wanted.network else ["--network", "none"]
    for folder, given in limits.tmpfs.items():
        argv += ["--tmpfs", f"{folder}:{given}"]
    for folder in limits.volumes:
        argv += ["--volume", folder]
    if limits.memory:
        argv += ["--memory", limits.memory, "--memory-swap", limits.memory]
    if limits.cpus is not None:
        # an engine refuses more than it has
        argv += ["--cpus", f"{min(limits.cpus, float(os.cpu_count() or 1)):g}"]
    for key, value in {**wanted.runtime.env, **wanted.env}.items():
        argv += ["--env", f"{key}={value}"]
    for inside, file in wanted.mounts.items():
        argv += ["--mount", fields("type=bind", f"source={file}", f"target={inside}", "readonly")]
    if wanted.entrypoint:
        argv += ["--entrypoint", wanted.entrypoint[0]]
    return argv


def _command(wanted: Container) -> tuple[str, ...]:
    return (*wanted.entrypoint[1:], *wanted.arguments)
