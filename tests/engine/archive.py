"""What is in an image, read from `docker image save` by other means than the package's own."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from typing import Any

import attrs


@attrs.frozen
class Entry:
    """Something in a layer."""

    info: tarfile.TarInfo
    data: bytes
    """Of a regular file."""


@attrs.frozen
class Archive:
    """An image: all its blobs by digest."""

    blobs: Mapping[str, bytes]
    top: str
    """Digest of its index, or of its one manifest."""

    def json(self, digest: str) -> Any:
        """A document."""
        return json.loads(self.blobs[digest])

    def manifests(self) -> dict[str, str]:
        """Digest of the manifest, by platform."""
        top = self.json(self.top)
        if "manifests" in top:
            return {_platform(entry["platform"]): entry["digest"] for entry in top["manifests"]}
        return {_platform(self.json(top["config"]["digest"])): self.top}

    def config(self, manifest: str) -> Any:
        """Configuration and history."""
        return self.json(self.json(manifest)["config"]["digest"])

    def compressed(self, manifest: str) -> int:
        """Bytes of the layers as a registry has them."""
        return sum(len(self.blobs[layer["digest"]]) for layer in self.json(manifest)["layers"])

    def layers(self, manifest: str) -> list[dict[str, Entry]]:
        """What each layer holds, by path; the base's come first."""
        return [self._layer(layer["digest"]) for layer in self.json(manifest)["layers"]]

    def _layer(self, digest: str) -> dict[str, Entry]:
        with tarfile.open(fileobj=io.BytesIO(gzip.decompress(self.blobs[digest]))) as tar:
            return {
                info.name.strip("/"): Entry(info, tar.extractfile(info).read() if info.isreg() else b"")  # type: ignore[union-attr]
                for info in tar
            }

    def unpacked(self, manifest: str) -> int:
        """Bytes of the files in all layers."""
        return sum(len(entry.data) for layer in self.layers(manifest) for entry in layer.values())

    def files(self, manifest: str) -> dict[str, Entry]:
        """What all layers together hold; of a path, the last one counts."""
        return {path: entry for layer in self.layers(manifest) for path, entry in layer.items()}

    def everything(self) -> Iterator[bytes]:
        """All bytes in which something could hide: documents, and layers unpacked."""
        for blob in self.blobs.values():
            yield gzip.decompress(blob) if blob.startswith(b"\x1f\x8b") else blob


def saved(name: str) -> Archive:
    """Read an image of the engine, and hold every digest against the bytes."""
    argv = ["docker", "image", "save", name]
    done = subprocess.run(argv, capture_output=True, timeout=120, check=True)
    blobs: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as tar:
        for member in tar:
            content = tar.extractfile(member)
            if content is None:
                continue
            data = content.read()
            if member.name.startswith("blobs/sha256/"):
                blobs[f"sha256:{hashlib.sha256(data).hexdigest()}"] = data
                assert member.name.endswith(hashlib.sha256(data).hexdigest()), f"{member.name} has other bytes"
            elif member.name == "index.json":
                blobs["index"] = data
    (top,) = json.loads(blobs.pop("index"))["manifests"]
    return Archive(blobs, top["digest"])


def _platform(told: Mapping[str, str]) -> str:
    return "/".join(told[key] for key in ("os", "architecture", "variant") if told.get(key))
