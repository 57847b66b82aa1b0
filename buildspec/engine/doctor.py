"""A machine in, what it can and can't do out: each finding is ok, or says what is missing and the fix."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

import attrs

from buildspec.engine import files
from buildspec.engine.client import SETUP, Client, EngineFacts
from buildspec.engine.host import find_file
from buildspec.engine.registries import of_bases, reachable, used_bases
from buildspec.errors import MachineError
from buildspec.plan.secrets import CA_BUNDLE
from buildspec.spec.load import Source
from buildspec.spec.model import DebianBase
from buildspec.spec.values import Platform

ENGINE = (27, 3)
"""Oldest engine: the first whose BuildKit gives secrets to a step as environment variables."""
BUILDX = (0, 17)
"""Oldest buildx: the first whose bake takes `--allow`."""
BYTES = 10 << 30
"""Free disk that a first build of a Node image with its cache needs, with room to spare."""
INODES = 500_000
"""Free inodes; a node_modules folder of claude-flow has 60,000 files, and several are unpacked at a time."""
BINFMT = Path("/proc/sys/fs/binfmt_misc")
_QEMU = {"arm64": "aarch64", "amd64": "x86_64", "386": "i386"}


@attrs.frozen
class Finding:
    """One line of the examination."""

    mark: Literal["ok", "note", "missing"]
    what: str
    text: str
    fix: str = ""


def examine(source: Source | None, environ: Mapping[str, str]) -> list[Finding]:
    """Look at everything a build needs.

    Args:
        source: the specification, for what it needs; None: look at the machine alone.
        environ: the environment.
    """
    client = Client()
    try:
        engine = client.facts()
    except MachineError as error:
        what = "docker client" if "no docker client" in error.message else "Docker Engine"
        findings = [Finding("missing", what, error.message.replace("\n", " "), error.fix)]
    else:
        findings = [*_engine(client, engine), *_platforms(client, engine, source)]
    findings += _disk()
    if source is not None:
        findings += [*_registries(source), *_assembling(source)]
    findings.append(_ca_bundle(environ))
    return findings


def _engine(client: Client, engine: EngineFacts) -> Iterator[Finding]:
    yield Finding("ok", "docker client", f"{client.client_version()}, context {engine.context}")
    yield _at_least("Docker Engine", engine.version, ENGINE)
    yield (
        _at_least("buildx", engine.buildx, BUILDX)
        if engine.buildx
        else Finding("missing", "buildx", "the client has no such plugin", SETUP)
    )
    store = "containerd's: holds images for several platforms"
    if engine.containerd_store:
        yield Finding("ok", "image store", store)
    else:
        yield Finding("missing", "image store", "the classic one, for a single platform", SETUP)


def _at_least(what: str, version: str, oldest: tuple[int, ...]) -> Finding:
    numbers = tuple(int(part) for part in re.findall(r"\d+", version)[: len(oldest)])
    if numbers >= oldest:
        return Finding("ok", what, version)
    return Finding("missing", what, f"{version}, and {'.'.join(map(str, oldest))} or newer is needed", SETUP)


def _platforms(client: Client, engine: EngineFacts, source: Source | None) -> Iterator[Finding]:
    builder = client.builder(os.environ.get("BUILDX_BUILDER", "") or engine.context)
    if builder is None:
        yield Finding("missing", "builder", "buildx can't use it", "look at `docker buildx ls`")
        return
    kind = "" if builder.driver == "docker" else ", which keeps images to itself"
    mark: Literal["ok", "missing"] = "ok" if builder.driver == "docker" else "missing"
    fix = "" if mark == "ok" else "unset BUILDX_BUILDER: the engine's own builder keeps images in its store"
    yield Finding(mark, "builder", f"{builder.name}, driver {builder.driver}{kind}", fix)
    yield Finding("ok", "BuildKit", builder.buildkit)
    yield Finding("ok", "runs natively", str(engine.native))
    wanted = source.spec.image.platforms if source else (Platform("linux", "amd64"), Platform("linux", "arm64"))
    for platform in dict.fromkeys(wanted):
        if platform != engine.native:
            yield _emulation(platform, builder.platforms)


def _emulation(platform: Platform, known: tuple[str, ...]) -> Finding:
    """Foreign images can be built without emulation, and not be run."""
    handler = BINFMT / f"qemu-{_QEMU.get(platform.arch, platform.arch)}"
    try:
        flags = re.search(r"(?m)^flags: *(\S*)", handler.read_text(encoding="ascii"))
        fixed = flags is not None and "F" in flags[1]
    except OSError:
        fixed = False
    if fixed or str(platform) in known:
        return Finding("ok", "runs by emulation", str(platform))
    text = f"{platform} is not emulated: its images can be built, and not run or tested here"
    return Finding("note", "runs by emulation", text, SETUP)


def _disk() -> Iterator[Finding]:
    places = {"cache": files.cache_folder(), "checkout": Path.cwd(), "engine": Path("/var/lib/docker")}
    seen: set[int] = set()
    for name, path in places.items():
        there = next(folder for folder in (path, *path.parents) if folder.exists())
        device = there.stat().st_dev
        if device in seen:
            continue
        seen.add(device)
        facts = os.statvfs(there)
        free, inodes = facts.f_bavail * facts.f_frsize, facts.f_favail
        enough = free >= BYTES and (inodes >= INODES or facts.f_files == 0)
        text = f"{free / 1e9:.1f} GB and {inodes:,} inodes free at {there}"
        fix = "" if enough else "make room: `docker buildx prune`, `docker image prune`"
        yield Finding("ok" if enough else "missing", f"disk ({name})", text, fix)


def _registries(source: Source) -> Iterator[Finding]:
    for name, why in reachable(of_bases(source.spec)).items():
        if why:
            fix = "check network and proxy, or build with `--profile debian`, which needs no image registry"
            yield Finding("note", "registry", f"{name} can't be used: {why}", fix)
        else:
            yield Finding("ok", "registry", f"{name} answers")


def _assembling(source: Source) -> Iterator[Finding]:
    if not any(isinstance(base, DebianBase) for base in used_bases(source.spec)):
        return
    sbin = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    lacking = [tool for tool in ("apt-get", "dpkg-deb", "mmdebstrap") if not shutil.which(tool, path=sbin)]
    if lacking:
        yield Finding("missing", "assembled bases", f"no {', '.join(lacking)}", SETUP)
    else:
        yield Finding("ok", "assembled bases", "apt-get, dpkg-deb and mmdebstrap are there")


def _ca_bundle(environ: Mapping[str, str]) -> Finding:
    found = find_file(CA_BUNDLE, Path.cwd(), environ)
    if found is None:
        text = "none found; steps trust what their base trusts"
        return Finding("note", "CA bundle", text, "set BUILDSPEC_CA_BUNDLE if this network inspects TLS")
    return Finding("ok", "CA bundle", f"{found}, mounted into steps that use the network")
