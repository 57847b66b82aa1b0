"""Images of the engine's store as files, unpacked when they are first asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from buildspec.engine.archives import unpack
from buildspec.engine.client import Driver


class Store:
    """What images are made of.

    Args:
        driver: of the engine.
        folder: for the files; whoever made it removes it.
    """

    def __init__(self, driver: Driver, folder: Path) -> None:
        self._driver, self._folder = driver, folder
        self._blobs: dict[str, Mapping[str, Path]] = {}

    def blobs(self, digest: str) -> Mapping[str, Path]:
        """All that an image is made of, as files by digest.

        Args:
            digest: of its index.

        Raises:
            MachineError: the engine doesn't have it.
        """
        if digest not in self._blobs:
            place = self._folder / digest.partition(":")[2]
            place.mkdir()
            self._blobs[digest] = unpack(self._driver.save(digest), place)
        return self._blobs[digest]
