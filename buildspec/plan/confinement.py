"""`[runtime]` in, how a container is confined out: the same for tests and for `compose.yaml`."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from buildspec.spec.model import Runtime

_IN_MEMORY = ("rw", "noexec", "nosuid", "nodev", "size=64m")
"""Options of a folder in memory; those of the specification go before them."""


@attrs.frozen(kw_only=True)
class Confinement:
    """What a container may do, in an engine's words."""

    cap_drop: tuple[str, ...] = ("ALL",)
    security: tuple[str, ...] = ("no-new-privileges:true",)
    read_only: bool
    pids: int
    memory: str
    """Of memory and swap together; empty for no limit."""
    cpus: float | None
    tmpfs: Mapping[str, str]
    """Options of folders in memory, by path."""
    volumes: tuple[str, ...]


def confinement(runtime: Runtime) -> Confinement:
    """How a container is confined.

    Args:
        runtime: `[runtime]`.
    """
    folders = [one.partition(":") for one in runtime.tmpfs]
    return Confinement(
        read_only=runtime.read_only,
        pids=runtime.pids,
        memory=runtime.memory,
        cpus=runtime.cpus,
        tmpfs={path: _options(given) for path, _, given in folders},
        volumes=runtime.volumes,
    )


def _options(given: str) -> str:
    """Options of a folder in memory: ours, but for those that the specification gives otherwise."""
    own = [one for one in given.split(",") if one]
    said = {_about(one) for one in own}
    return ",".join([*(one for one in _IN_MEMORY if _about(one) not in said), *own])


def _about(option: str) -> str:
    """What an option is about: `exec` of `noexec`, `size` of `size=64m`, `rw` of `ro`."""
    name = option.partition("=")[0].removeprefix("no")
    return "rw" if name == "ro" else name
