"""Sizes and digests of a built image, read from the image itself and kept by digest: they can't change."""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import IO, Any

import attrs

from buildspec.engine import files
from buildspec.errors import MachineError
from buildspec.spec.values import Platform

_DOCUMENT = 4 << 20
"""Bytes; a larger blob is a layer: https://github.com/opencontainers/distribution-spec, "Push manifests"."""
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"


@attrs.frozen(kw_only=True)
class PlatformImage:
    """An image for one platform."""

    platform: Platform
    digest: str
    """Of its manifest."""
    compressed: int
    """Bytes of the layers, as a registry ships them."""
    unpacked: int | None
    """Bytes of all files in all layers; None where a layer's compression isn't known here."""


def measure(digest: str, archive: Iterable[bytes], cache: Path) -> tuple[PlatformImage, ...]:
    """Measure an image, or find its figures in the cache.

    Args:
        digest: of its index or, for an image of one platform, of its manifest.
        archive: the image as an OCI layout in a tar; not read when the cache has the figures.
        cache: folder of the figures.

    Raises:
        MachineError: the archive doesn't hold the image.
    """
    kept = cache / "images" / f"{digest.removeprefix('sha256:')}.json"
    try:
        return tuple(_read(entry) for entry in json.loads(kept.read_bytes()))
    except (OSError, ValueError, LookupError, TypeError):
        pass
    documents, layers = _blobs(digest, archive)
    found = tuple(_image(entry, documents, layers) for entry in _manifests(digest, documents))
    files.write_json(kept, [{**attrs.asdict(one, recurse=False), "platform": str(one.platform)} for one in found])
    return found


def _read(entry: Mapping[str, Any]) -> PlatformImage:
    return PlatformImage(**{**entry, "platform": Platform.parse(entry["platform"])})


def _manifests(digest: str, documents: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Descriptors of the image's manifests, each with its platform; attestations are none."""
    top = documents.get(digest)
    if top is None:
        raise MachineError(f"the engine's archive of {digest} doesn't hold it", "look at `docker image ls --tree`")
    if "manifests" not in top:
        return [{"digest": digest}]
    return [entry for entry in top["manifests"] if entry.get("platform", {}).get("os") != "unknown"]


def _image(entry: Mapping[str, Any], documents: Mapping[str, Any], layers: Mapping[str, int | None]) -> PlatformImage:
    manifest = documents.get(entry["digest"])
    if manifest is None:
        raise MachineError(f"the engine's archive lacks the manifest {entry['digest']}", "build again")
    config = documents.get(manifest["config"]["digest"], {})
    platform = entry.get("platform") or config
    parts = (platform.get("os", ""), platform.get("architecture", ""), platform.get("variant", ""))
    sizes = [layers.get(layer["digest"]) for layer in manifest["layers"]]
    return PlatformImage(
        platform=Platform.parse("/".join(part for part in parts if part)),
        digest=entry["digest"],
        compressed=sum(layer["size"] for layer in manifest["layers"]),
        unpacked=None if None in sizes else sum(size for size in sizes if size is not None),
    )


def _blobs(digest: str, archive: Iterable[bytes]) -> tuple[dict[str, Any], dict[str, int | None]]:
    """JSON documents by digest, and bytes of the files of each layer by digest."""
    import tarfile  # here, because figures from the cache take a millisecond and this takes four

    documents: dict[str, Any] = {}
    layers: dict[str, int | None] = {}
    try:
        with tarfile.open(fileobj=Chunks(iter(archive)), mode="r|") as tar:
            for member in tar:
                content = tar.extractfile(member) if member.name.startswith("blobs/sha256/") else None
                if content is not None:
                    _sort(f"sha256:{member.name.rpartition('/')[2]}", member.size, content, documents, layers)
    except (tarfile.TarError, EOFError, OSError, ValueError) as error:
        raise MachineError(f"the engine's archive of {digest} can't be read: {error}", "build again") from error
    return documents, layers


def _sort(digest: str, size: int, content: IO[bytes], documents: dict[str, Any], layers: dict[str, int | None]) -> None:
    head = content.read(4)
    if head[:1] == b"{" and size <= _DOCUMENT:
        documents[digest] = json.loads(head + content.read())
    else:
        layers[digest] = _unpacked(head, content)


def _unpacked(head: bytes, content: IO[bytes]) -> int | None:
    """Bytes of all regular files in a layer."""
    import gzip
    import tarfile
    import zlib

    if head == _ZSTD:
        return None
    whole = Chunks(_chunks(head, content))
    plain = gzip.GzipFile(fileobj=whole) if head.startswith(_GZIP) else whole
    try:
        with tarfile.open(fileobj=plain, mode="r|") as layer:
            return sum(member.size for member in layer if member.isfile())
    except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error):
        return None  # no tar, or compressed in a way that isn't known here; a broken archive ends the loop above


def _chunks(head: bytes, content: IO[bytes]) -> Iterator[bytes]:
    yield head
    while chunk := content.read(1 << 20):
        yield chunk


class Chunks(io.RawIOBase):
    """A file to read from, made of chunks."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks, self._rest = chunks, b""

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1) -> bytes:
        """So many bytes, or all that are left."""
        parts, have = [self._rest], len(self._rest)
        while size < 0 or have < size:
            chunk = next(self._chunks, b"")
            if not chunk:
                break
            parts.append(chunk)
            have += len(chunk)
        data = b"".join(parts)
        end = len(data) if size < 0 else size
        self._rest = data[end:]
        return data[:end]
