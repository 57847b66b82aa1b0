"""A Plan in, the run of bake that builds it out: to be done, or to be shown."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

import attrs

from buildspec.engine.client import Bake, bake_arguments
from buildspec.engine.host import find_file
from buildspec.plan.model import Plan
from buildspec.render import bake

METADATA = f"{bake.FOLDER}/metadata.json"
"""Stands for the file in a temporary folder that a build reads digests from."""


def request(plan: Plan, metadata: str, reads: Iterable[str]) -> Bake:
    """The run of bake for a plan: without tags, which images get when all of it has passed.

    Args:
        plan: what to build.
        metadata: file that gets the digests.
        reads: files outside of the specification's folder that hold secrets.
    """
    return Bake(
        file=bake.DEFINITION,
        cwd="",
        metadata=metadata,
        targets=(),
        overrides=tuple(f"{target.name}.tags=" for target in plan.targets if target.tag),
        allow=tuple(f"fs.read={path}" for path in reads),
    )


def invocation(plan: Plan, root: Path, environ: Mapping[str, str]) -> list[str]:
    """The command that a build on this machine runs, as far as it can be told without asking the engine.

    Args:
        plan: what to build.
        root: folder of the specification.
        environ: the environment.
    """
    builder = environ.get("BUILDX_BUILDER", "") or _context(environ)
    run = attrs.evolve(request(plan, METADATA, _reads(plan, root, environ)), builder=builder)
    return ["docker", "buildx", *bake_arguments(run)]


def _reads(plan: Plan, root: Path, environ: Mapping[str, str]) -> list[str]:
    """Files with secrets that bake asks for permission to read; see `host.find_secrets`."""
    found = []
    for secret in plan.secrets:
        if secret.constant or secret.id == "ca-bundle" or any(environ.get(name) for name in secret.env):
            continue
        file = find_file(secret, root, environ)
        if file is not None and not file.is_relative_to(root.resolve()):
            found.append(str(file))
    return found


def _context(environ: Mapping[str, str]) -> str:
    """Name of the client's context: docs.docker.com/engine/manage-resources/contexts."""
    if name := environ.get("DOCKER_CONTEXT"):
        return name
    folder = environ.get("DOCKER_CONFIG") or os.path.expanduser("~/.docker")  # noqa: PTH111 - as the client does it
    told: object = None
    with suppress(OSError, ValueError):
        told = json.loads(Path(folder, "config.json").read_bytes())
    name = told.get("currentContext") if isinstance(told, Mapping) and not environ.get("DOCKER_HOST") else None
    return name if isinstance(name, str) and name else "default"
