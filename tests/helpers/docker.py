"""Stand-ins for Docker: a program that answers as it is told, and a driver that notes what it is asked."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest

from buildspec.engine.client import Bake, EngineFacts
from buildspec.errors import MachineError
from helpers.plans import AMD64

ENGINE = EngineFacts(version="28.5.2", native=AMD64, containerd_store=True, buildx="0.29.1", context="default")
INFO: Mapping[str, Any] = {
    "ServerVersion": "28.5.2+dfsg4",
    "OSType": "linux",
    "Architecture": "x86_64",
    "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
    "ClientInfo": {
        "Context": "desktop",
        "Plugins": [{"Name": "compose"}, {"Name": "buildx", "Version": "v0.29.1", "Path": "/plugins/docker-buildx"}],
    },
}
"""As `docker info` prints it, shortened."""


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """Put a shell script called docker on the PATH; returns the file that gets its arguments, a line each run."""
    folder, log = tmp_path / "docker-bin", tmp_path / "docker-log"

    def make(script: str) -> Path:
        folder.mkdir(exist_ok=True)
        program = folder / "docker"
        program.write_text(f'#!/bin/sh\necho "$*" >> {log}\n{script}\n', encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
        return log

    return make


@attrs.define
class FakeDriver:
    """A docker client that has what a test gives it, and notes what it is asked to do."""

    digests: Mapping[str, str]
    """By target, what a bake leaves in its metadata."""
    archives: Mapping[str, bytes]
    """By digest."""
    code: int = 0
    lines: Sequence[str] = ()
    """Of progress."""
    local: dict[str, str] = attrs.Factory(dict)
    """Digests by tag, of images that are there."""
    refuses: str = ""
    """A tag that can't be given."""
    during: Callable[[Bake], None] = lambda _: None
    """Called while bake runs."""
    bakes: list[Bake] = attrs.Factory(list)
    tagged: list[tuple[str, str]] = attrs.Factory(list)
    loaded: list[str] = attrs.Factory(list)
    """Names of archives."""

    def facts(self) -> EngineFacts:
        return ENGINE

    def bake(self, run: Bake, each: Callable[[str], None]) -> int:
        self.bakes.append(run)
        for line in self.lines:
            each(line)
        self.during(run)
        if self.code == 0 and not Path(run.metadata).exists():
            told: dict[str, object] = {name: {"containerimage.digest": one} for name, one in self.digests.items()}
            Path(run.metadata).write_text(json.dumps({**told, "buildx.build.warnings": []}), encoding="utf-8")
        return self.code

    def digest_of(self, names: Sequence[str]) -> dict[str, str]:
        return {name: self.local[name] for name in names if name in self.local}

    def tag(self, digest: str, name: str) -> None:
        if name == self.refuses:
            raise MachineError(f"{name} could not be tagged", "try again")
        self.tagged.append((name, digest))

    def save(self, digest: str) -> Iterable[bytes]:
        return [self.archives[digest]]

    def load(self, archive: Path) -> None:
        self.loaded.append(archive.name)
