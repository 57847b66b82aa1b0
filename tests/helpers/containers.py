"""Containers without an engine: what they print and come to is said beforehand."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import attrs

from buildspec.engine.container import Container, Found, State
from buildspec.errors import MachineError

ENDED = State(started=True, running=False, code=0, killed_for_memory=False, error="", health="", told="")


@attrs.define
class FakeAttached:
    """A program that has printed something; it ends when it is told to, or has already."""

    out: str
    err: str
    ended: threading.Event

    def wait(self, seconds: float) -> bool:
        """Whether it has ended."""
        return self.ended.wait(max(0.0, min(seconds, 0.01)))


@attrs.define
class FakeContainers:
    """All containers are alike: they print `out` and `err`, and end with `state`."""

    out: str = ""
    err: str = ""
    state_: State = ENDED
    lives: bool = False
    """It runs until it is killed."""
    ends_on: str = ""
    """Signal that ends it."""
    files: Mapping[str, Found] = attrs.Factory(dict)
    left: tuple[str, ...] = ()
    broken: str = ""
    """What the engine says when it is asked about a container."""
    made: list[Container] = attrs.Factory(list)
    removed: list[str] = attrs.Factory(list)
    signals: list[str] = attrs.Factory(list)
    _running: dict[str, threading.Event] = attrs.Factory(dict)

    def create(self, wanted: Container) -> None:
        """Make a container."""
        self.made.append(wanted)
        self._running[wanted.name] = threading.Event()

    @contextmanager
    def attached(self, name: str, _: bytes) -> Iterator[FakeAttached]:
        """Start it."""
        if not self.lives:
            self._running[name].set()
        yield FakeAttached(self.out, self.err, self._running[name])

    def state(self, name: str) -> State:
        """Ask about it."""
        if self.broken:
            raise MachineError(self.broken)
        return attrs.evolve(self.state_, running=not self._running[name].is_set())

    def stop_signal(self, _: str) -> str:
        """Of its image."""
        return "SIGQUIT"

    def signal(self, name: str, signal: str) -> None:
        """Send one."""
        self.signals.append(signal)
        if signal in (self.ends_on, "KILL"):
            self._running[name].set()

    def find(self, _: str, path: str) -> Found | None:
        """A file."""
        return self.files.get(path)

    def remove(self, name: str) -> None:
        """Remove it."""
        self.removed.append(name)

    def leftovers(self, _: str) -> tuple[str, ...]:
        """Of an earlier run."""
        return self.left
