"""Images made of Python values: OCI layouts in a tar, as an engine saves them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from buildspec.engine.archives import read_archive
from buildspec.engine.contents import ImageContents

Files = Mapping[str, bytes | str | tarfile.TarInfo]
"""By name: content, what a link points at (`-> target`), or a member as it is."""


def layer(files: Files) -> bytes:
    """A layer; each file belongs to root, and has mode 0644."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for name, content in files.items():
            if isinstance(content, tarfile.TarInfo):
                tar.addfile(content)
                continue
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content.removeprefix("-> ")
            elif name.endswith("/"):
                info.type, info.mode = tarfile.DIRTYPE, 0o755
            info.size = len(content) if isinstance(content, bytes) else 0
            tar.addfile(info, io.BytesIO(content if isinstance(content, bytes) else b""))
    return out.getvalue()


def archive(
    *layers: Files, config: Mapping[str, Any] | None = None, history: Sequence[str] = (), platform: str = "amd64"
) -> bytes:
    """A layout of one image in an index."""
    blobs: dict[str, bytes] = {}

    def put(data: bytes) -> dict[str, Any]:
        number = hashlib.sha256(data).hexdigest()
        blobs[f"blobs/sha256/{number}"] = data
        return {"digest": f"sha256:{number}", "size": len(data)}

    plain = [layer(one) for one in layers]
    document = {
        "os": "linux",
        "architecture": platform,
        "config": config or {},
        "rootfs": {"diff_ids": [f"sha256:{hashlib.sha256(one).hexdigest()}" for one in plain]},
        "history": [{"created_by": one} for one in history or ["COPY"] * len(plain)],
    }
    kind = "application/vnd.oci.image"
    manifest = {
        "schemaVersion": 2,
        "mediaType": f"{kind}.manifest.v1+json",
        "config": {"mediaType": f"{kind}.config.v1+json", **put(json.dumps(document).encode())},
        "layers": [{"mediaType": f"{kind}.layer.v1.tar+gzip", **put(gzip.compress(one, mtime=0))} for one in plain],
    }
    entry = {
        "mediaType": manifest["mediaType"],
        **put(json.dumps(manifest).encode()),
        "platform": {"os": "linux", "architecture": platform},
    }
    listed = {"schemaVersion": 2, "mediaType": f"{kind}.index.v1+json", "manifests": [entry]}
    index = put(json.dumps(listed).encode())
    blobs["index.json"] = json.dumps({"manifests": [index]}).encode()
    return packed(blobs)


def packed(files: Mapping[str, bytes]) -> bytes:
    """A tar of files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def read(folder: Path, data: bytes) -> ImageContents:
    """The one image of an archive."""
    folder.mkdir(exist_ok=True)
    (image,) = read_archive([data], folder)
    return image
