"""Image references in, what they point at now out: their registries are asked, side by side."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping

from buildspec.engine.registry import Manifest, repository
from buildspec.engine.transport import Deadline
from buildspec.errors import BuildspecError, MachineError
from buildspec.spec.lock import Entry
from buildspec.spec.values import Platform, Reference, ValueProblemError


def resolve(wanted: Mapping[str, tuple[str, ...]], seconds: float) -> Mapping[str, Entry]:
    """Ask registries what references point at.

    Args:
        wanted: platforms that each reference is wanted for.
        seconds: for all of them together.

    Raises:
        MachineError: one can't be resolved, or isn't there for a platform.
    """
    deadline = Deadline.after(seconds)
    found: dict[str, Entry] = {}
    errors: dict[str, BuildspecError] = {}

    def ask(reference: str) -> None:
        try:
            found[reference] = _ask(Reference.parse(reference), wanted[reference], deadline)
        except BuildspecError as error:
            errors[reference] = error

    threads = [threading.Thread(target=ask, args=(one,), daemon=True) for one in wanted]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if errors:
        lines = [f"{reference}: {error.message}" for reference, error in sorted(errors.items())]
        raise MachineError("\n".join(lines), "nothing was locked")
    return found


def _ask(reference: Reference, platforms: tuple[str, ...], deadline: Deadline) -> Entry:
    remote = repository(reference.registry, reference.repository, deadline, time.sleep, "pull")
    there = remote.manifest(reference.tag or "latest")
    if there is None:
        raise MachineError(f"there is no {reference}")
    listed = _platforms(there)
    if not listed:  # an image of one platform, which its configuration names
        return Entry(there.digest)
    missing = [one for one in platforms if one not in listed]
    if missing:
        raise MachineError(f"it isn't there for {', '.join(missing)}; it is for {', '.join(sorted(listed))}")
    return Entry(there.digest, {one: listed[one] for one in platforms})


def _platforms(manifest: Manifest) -> Mapping[str, str]:
    """Digests of the manifests of an index, by platform."""
    found: dict[str, str] = {}
    for entry in json.loads(manifest.data).get("manifests") or ():
        told = entry.get("platform") or {}
        parts = (told.get("os", ""), told.get("architecture", ""), told.get("variant", ""))
        try:
            found[str(Platform.parse("/".join(part for part in parts if part)))] = entry["digest"]
        except ValueProblemError:
            continue  # an attestation, or another system
    return found
