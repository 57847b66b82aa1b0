"""Images as an engine hands them over: an OCI layout in a tar."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from typing import Any

import attrs


def digest_of(data: bytes) -> str:
    """Of a blob."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def tar(files: Mapping[str, bytes], links: Mapping[str, str] | None = None) -> bytes:
    """A tar with files, and hard links to them."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as made:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            made.addfile(info, io.BytesIO(data))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.LNKTYPE, target
            made.addfile(info)
    return out.getvalue()


@attrs.define
class Archive:
    """An image being put together."""

    blobs: dict[str, bytes] = attrs.Factory(dict)

    def add(self, data: bytes) -> dict[str, Any]:
        """A blob; returns its descriptor."""
        self.blobs[digest_of(data)] = data
        return {"digest": digest_of(data), "size": len(data)}

    def document(self, content: object) -> dict[str, Any]:
        """A blob of JSON."""
        return self.add(json.dumps(content).encode())

    def manifest(self, layers: Sequence[bytes], platform: str = "linux/amd64") -> dict[str, Any]:
        """An image for one platform."""
        os, arch, *variant = platform.split("/")
        described = {"os": os, "architecture": arch} | ({"variant": variant[0]} if variant else {})
        config = self.document(described)
        made = self.document({"config": config, "layers": [self.add(layer) for layer in layers]})
        return {**made, "platform": described}

    def index(self, *manifests: Mapping[str, Any]) -> str:
        """An image for several; returns its digest."""
        return str(self.document({"manifests": list(manifests)})["digest"])

    def bytes(self) -> bytes:
        """The tar."""
        files = {f"blobs/sha256/{digest.removeprefix('sha256:')}": data for digest, data in self.blobs.items()}
        return tar({"oci-layout": b"{}", **files, "index.json": b"{}", "manifest.json": b"[]"})


def image(content: bytes, *platforms: str) -> tuple[str, bytes]:
    """An image with one file for each platform: its digest, and its archive."""
    made = Archive()
    layer = gzip.compress(tar({"file": content}), mtime=0)
    return made.index(*(made.manifest([layer], platform) for platform in platforms)), made.bytes()
