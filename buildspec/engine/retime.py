"""Built images in, the same with a constant time on every file out: a build of another day gives the same bytes.

The time of the commit would not do: BuildKit makes files no newer than a time, and what its cache or a checkout has
from before the commit stays older. With a constant, layers are also the same from one commit to the next, and need not
travel.

The exporter that leaves images in the engine unpacks them at once, and BuildKit changes no times then. So an image that
is new is written once more, from BuildKit's cache, as a layout; it is given the commit's time, and loaded.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

from buildspec.engine import files
from buildspec.engine.client import Bake, Driver
from buildspec.errors import MachineError

FILES = 315_532_800
"""Seconds since 1970 that files have: 1980 begins, the first day that zip archives can write."""
_OUTPUT = "type=oci,tar=false,dest={folder},rewrite-timestamp=true,source-date-epoch={time}"
_FORM = 1
"""Raised whenever the same build would be given another digest."""


def retimed(
    digests: Mapping[str, str],
    run: Bake,
    bake: Callable[[Bake], Mapping[str, str]],
    driver: Driver,
    cache: Path,
    epoch: int,
) -> Mapping[str, str]:
    """Digests of the images with a constant time on every file that isn't their base's; the engine has them.

    Args:
        digests: of the images as they were built, by target.
        run: that built them.
        bake: runs bake, and gives the digests that it left.
        driver: of the engine.
        cache: folder of what is known of images by digest.
        epoch: seconds since 1970 that stand for the time of the build.

    Raises:
        MachineError: the engine doesn't take them.
        StepError: bake failed.
    """
    known = {name: _known(cache, digest) for name, digest in digests.items()}
    wanted = [digest for digest in known.values() if digest]
    there = driver.digest_of(wanted) if wanted else {}
    fresh = [name for name, digest in known.items() if digest not in there]
    if not fresh:
        return known
    with files.scratch() as place:
        folders = {name: place / name for name in fresh}
        outputs = [f"{name}.output={_OUTPUT.format(folder=one, time=FILES)}" for name, one in folders.items()]
        made = bake(
            attrs.evolve(
                run,
                metadata=f"{place}/metadata.json",
                targets=tuple(fresh),
                overrides=(*(f"{name}.tags=" for name in fresh), *outputs),
                allow=(*run.allow, f"fs.write={place}"),
                cache=True,
            )
        )
        for name, folder in folders.items():
            known[name] = _loaded(folder, made.get(name, ""), driver, epoch)
            files.write_json(_file(cache, digests[name]), {"digest": known[name]})
    return known


def _loaded(folder: Path, digest: str, driver: Driver, epoch: int) -> str:
    """Give an image of a layout the time of the build and load it; returns its digest."""
    from buildspec.engine import oci

    try:
        found = oci.dated(folder, digest, _text(epoch), _text(FILES))
        blobs = {one: oci.blob(folder, one) for one in oci.contents(folder, found)}
    except (OSError, ValueError, LookupError) as error:
        raise MachineError(f"buildx wrote no image as OCI has it: {error}", "update buildx") from error
    archive = folder / "image.tar"
    oci.write_archive(archive, blobs, found, blobs)
    driver.load(archive)
    return found


def _text(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _file(cache: Path, digest: str) -> Path:
    return cache / "retimed" / f"{digest.removeprefix('sha256:')}-{_FORM}.json"


def _known(cache: Path, digest: str) -> str:
    return str(files.read_json(_file(cache, digest)).get("digest", ""))
