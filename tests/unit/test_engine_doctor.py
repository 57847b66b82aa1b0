"""The doctor: each finding is ok, or says what is missing and the fix."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
from helpers.docker import ENGINE
from helpers.plans import HEAD, source

from buildspec.engine import doctor, files
from buildspec.engine.client import SETUP, BuilderFacts, EngineFacts
from buildspec.engine.doctor import Finding, examine
from buildspec.errors import MachineError
from buildspec.plan.secrets import CA_BUNDLE

IMAGES = source(HEAD + '[stages.app]\nfrom = "bare"\n')
BUILDER = BuilderFacts(name="default", driver="docker", buildkit="v0.25.2", platforms=("linux/amd64",))


@attrs.define
class Machine:
    """A machine without anything wrong with it, until a test changes that."""

    engine: EngineFacts = ENGINE
    away: str = ""
    builder_facts: BuilderFacts | None = BUILDER
    registries: Mapping[str, str] = attrs.Factory(lambda: {"gcr.io": ""})

    def facts(self) -> EngineFacts:
        if self.away:
            raise MachineError(self.away, SETUP)
        return self.engine

    def client_version(self) -> str:
        return "28.2.2"

    def builder(self, name: str) -> BuilderFacts | None:
        assert name == "default"
        return self.builder_facts

    def find(self, what: str, environ: Mapping[str, str] | None = None, of: Any = IMAGES) -> Finding:
        found = {one.what: one for one in examine(of, environ or {})}
        return found[what]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(doctor, "Client", lambda: made)
    monkeypatch.setattr(doctor, "reachable", lambda _: made.registries)
    monkeypatch.setattr(doctor, "BINFMT", tmp_path / "binfmt")
    monkeypatch.setattr(doctor, "CA_BUNDLE", attrs.evolve(CA_BUNDLE, files=()))
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "not" / "yet" / "there")
    monkeypatch.setattr(shutil, "which", lambda tool, **_: f"/usr/bin/{tool}")
    monkeypatch.delenv("BUILDX_BUILDER", raising=False)
    monkeypatch.chdir(tmp_path)
    with_room(monkeypatch)
    return made


def with_room(monkeypatch: pytest.MonkeyPatch, free: int = 100 << 30, inodes: int = 10_000_000, kept: int = 1) -> None:
    facts = SimpleNamespace(f_bavail=free // 4096, f_frsize=4096, f_favail=inodes, f_files=kept)
    monkeypatch.setattr(os, "statvfs", lambda _: facts)


def test_a_machine_that_can_build_lacks_nothing(machine: Machine) -> None:
    findings = examine(IMAGES, {})
    assert [one for one in findings if one.mark == "missing"] == []
    assert [one.what for one in findings if not one.what.startswith("disk")] == [
        *("docker client", "Docker Engine", "buildx", "image store", "builder", "BuildKit", "runs natively"),
        *("runs by emulation", "registry", "CA bundle"),
    ]


@pytest.mark.parametrize(
    ("away", "what"),
    [
        ("there is no docker client on this machine", "docker client"),
        ("Docker Engine does not answer:\n  client version 1.52 is too new", "Docker Engine"),
    ],
)
def test_what_is_away_is_named_and_the_rest_looked_at(away: str, what: str, machine: Machine) -> None:
    machine.away = away
    found = machine.find(what)
    assert (found.mark, found.fix, "\n" in found.text) == ("missing", SETUP, False)
    assert machine.find("registry").mark == "ok"


@pytest.mark.parametrize(
    ("change", "what", "text"),
    [
        ({"version": "26.1.5+dfsg1"}, "Docker Engine", "26.1.5+dfsg1, and 27.3 or newer is needed"),
        ({"version": "dev"}, "Docker Engine", "dev, and 27.3 or newer is needed"),
        ({"buildx": "0.13.1+ds1"}, "buildx", "0.13.1+ds1, and 0.17 or newer is needed"),
        ({"buildx": ""}, "buildx", "the client has no such plugin"),
        ({"containerd_store": False}, "image store", "the classic one, for a single platform"),
    ],
)
def test_what_is_too_old_is_missing(change: Any, what: str, text: str, machine: Machine) -> None:
    machine.engine = attrs.evolve(ENGINE, **change)
    assert machine.find(what) == Finding("missing", what, text, SETUP)


@pytest.mark.parametrize("version", ["27.3.0", "28.5.2+dfsg4", "100.0"])
def test_what_is_new_enough_is_ok(version: str, machine: Machine) -> None:
    machine.engine = attrs.evolve(ENGINE, version=version)
    assert machine.find("Docker Engine") == Finding("ok", "Docker Engine", version)


def test_a_builder_that_keeps_its_images_is_no_use(machine: Machine) -> None:
    machine.builder_facts = attrs.evolve(BUILDER, driver="docker-container")
    found = machine.find("builder")
    assert (found.mark, "unset BUILDX_BUILDER" in found.fix) == ("missing", True)
    machine.builder_facts = None
    assert machine.find("builder").mark == "missing"


def test_emulation_is_ok_where_it_works_in_containers_too_and_a_note_elsewhere(machine: Machine) -> None:
    assert machine.find("runs by emulation").mark == "note"
    handler = doctor.BINFMT / "qemu-aarch64"
    handler.parent.mkdir()
    handler.write_text("enabled\ninterpreter /usr/bin/qemu\nflags: PO\n")
    assert machine.find("runs by emulation").mark == "note"
    handler.write_text("enabled\ninterpreter /usr/bin/qemu\nflags: POF\n")
    assert machine.find("runs by emulation") == Finding("ok", "runs by emulation", "linux/arm64")


def test_emulation_that_the_builder_knows_of_is_ok(machine: Machine) -> None:
    machine.builder_facts = attrs.evolve(BUILDER, platforms=("linux/amd64", "linux/arm64"))
    assert machine.find("runs by emulation").mark == "ok"


@pytest.mark.parametrize(
    ("room", "mark"),
    [({"free": 9 << 30}, "missing"), ({"inodes": 1000}, "missing"), ({"inodes": 0, "kept": 0}, "ok")],
)
def test_room_is_asked_for_in_bytes_and_inodes(
    room: dict[str, int], mark: str, machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_room(monkeypatch, **room)
    found = machine.find("disk (cache)")
    assert found.mark == mark
    assert bool(found.fix) == (mark == "missing")


def test_a_registry_that_does_not_answer_is_a_note_for_there_is_another_way(machine: Machine) -> None:
    machine.registries = {"gcr.io": "connection refused"}
    found = machine.find("registry")
    assert (found.mark, found.text) == ("note", "gcr.io can't be used: connection refused")
    assert "--profile debian" in found.fix


def test_tools_for_assembled_bases_are_asked_for_where_there_are_some(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assembled = source(HEAD + '[stages.app]\nfrom = "core"\n')
    assert machine.find("assembled bases", of=assembled).mark == "ok"
    monkeypatch.setattr(shutil, "which", lambda tool, **_: None if tool == "mmdebstrap" else "/x")
    assert machine.find("assembled bases", of=assembled) == Finding(
        "missing", "assembled bases", "no mmdebstrap", SETUP
    )


def test_the_ca_bundle_is_the_one_that_steps_are_given(machine: Machine, tmp_path: Path) -> None:
    assert machine.find("CA bundle").mark == "note"
    (tmp_path / "ca.pem").touch()
    found = machine.find("CA bundle", {"BUILDSPEC_CA_BUNDLE": str(tmp_path / "ca.pem")})
    assert (found.mark, found.text) == ("ok", f"{tmp_path}/ca.pem, mounted into steps that use the network")


def test_without_a_specification_the_machine_alone_is_looked_at(machine: Machine) -> None:
    found: Callable[[], list[str]] = lambda: [one.what for one in examine(None, {})]  # noqa: E731
    assert "registry" not in found()
    assert "runs by emulation" in found()
