"""OCI blobs, manifests, indexes and image layouts: content-addressed files, whole or absent."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from buildspec.engine import files
from buildspec.errors import MachineError
from buildspec.spec.values import Reference

if TYPE_CHECKING:
    from buildspec.engine.layers import Layer

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
CONFIG = "application/vnd.oci.image.config.v1+json"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


def write_image(store: Path, layer: Layer, platform: str, *, created: str, path: str, comment: str) -> str:
    """Write config and manifest of a one-layer image and return the manifest's digest.

    Args:
        store: the cache folder with `blobs/`.
        layer: the root file system.
        platform: `linux/arm64`, `linux/arm/v7`.
        created: RFC 3339 time of image and history.
        path: the environment variable PATH.
        comment: the one history line.
    """
    config = {
        **platform_object(platform),
        "created": created,
        "config": {"Env": [f"PATH={path}"]},
        "rootfs": {"type": "layers", "diff_ids": [layer.diff_id]},
        "history": [{"created": created, "created_by": comment}],
    }
    data = canonical(config)
    manifest = {
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": {"mediaType": CONFIG, "digest": put(store, data), "size": len(data)},
        "layers": [{"mediaType": LAYER, "digest": layer.digest, "size": layer.compressed}],
    }
    return put(store, canonical(manifest))


def write_index(store: Path, manifests: Mapping[str, str]) -> str:
    """Write the index of an image for several platforms and return its digest.

    Args:
        store: the cache folder with `blobs/`.
        manifests: manifest digests by platform.

    Raises:
        MachineError: a manifest is not in the store.
    """
    found = {platform: (digest, blob(store, digest)) for platform, digest in sorted(manifests.items())}
    try:
        return put(store, index_of(found))
    except FileNotFoundError as err:
        digest = next(digest for digest, file in found.values() if not file.exists())
        raise MachineError(
            f"the cache holds no manifest {digest}", "run it again: what is missing is assembled anew"
        ) from err


def index_of(manifests: Mapping[str, tuple[str, Path]]) -> bytes:
    """The index of an image for several platforms.

    Args:
        manifests: digest and file of each, by platform, in the order in which they are listed.
    """
    listed = [
        {"mediaType": MANIFEST, "digest": digest, "size": file.stat().st_size, "platform": platform_object(platform)}
        for platform, (digest, file) in manifests.items()
    ]
    return canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": listed})


def platform_object(platform: str) -> dict[str, str]:
    """A platform as configs and indexes spell it."""
    return dict(zip(("os", "architecture", "variant"), platform.split("/"), strict=False))


def canonical(document: object) -> bytes:
    """JSON whose bytes depend on the content alone."""
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def blob(store: Path, digest: str) -> Path:
    """Where a blob is kept."""
    return store / "blobs" / "sha256" / digest.removeprefix("sha256:")


def put(store: Path, data: bytes) -> str:
    """Add a small blob and return its digest."""
    digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
    if not intact(store, digest, len(data)):
        folder = blob(store, digest).parent
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=store, prefix=".blob-", delete=False) as part:
            part.write(data)
        Path(part.name).chmod(0o644)
        settle(Path(part.name), store, digest)
    return digest


def intact(store: Path, digest: str, size: int) -> bool:
    """Whether a blob is there with the right number of bytes."""
    try:
        return blob(store, digest).stat().st_size == size
    except FileNotFoundError:
        return False


def settle(part: Path, store: Path, digest: str) -> None:
    """Make a finished file a blob of the store."""
    place = blob(store, digest)
    place.parent.mkdir(parents=True, exist_ok=True)
    part.replace(place)


def contents(store: Path, digest: str) -> dict[str, int]:
    """Sizes in bytes by digest of an index or manifest and of everything it refers to.

    Raises:
        OSError: a document is not in the store.
        ValueError: a document is damaged.
    """
    data = blob(store, digest).read_bytes()
    document = json.loads(data)
    found = {digest: len(data)}
    for manifest in document.get("manifests", ()):
        found |= contents(store, manifest["digest"])
    if "config" in document:
        found |= {part["digest"]: part["size"] for part in (document["config"], *document["layers"])}
    return found


def export_layout(store: Path, digest: str, dest: Path, ref: str) -> None:
    """Make `dest` an OCI image layout that holds one index; see `assemble.export`."""
    try:
        sizes = contents(store, digest)
    except (OSError, ValueError, LookupError) as err:
        raise MachineError(
            f"the cache holds no complete image {digest}", "run it again: what is missing is assembled anew"
        ) from err
    named = {"mediaType": INDEX, "digest": digest, "size": sizes[digest]}
    named["annotations"] = {"org.opencontainers.image.ref.name": ref}
    top = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [named]})
    if _is_layout(dest, top, sizes):
        return
    dest.parent.mkdir(parents=True, exist_ok=True)
    with beside(dest) as fresh:
        (fresh / "blobs" / "sha256").mkdir(parents=True)
        for each in sizes:
            _link(blob(store, each), blob(fresh, each))
        (fresh / "oci-layout").write_bytes(canonical({"imageLayoutVersion": "1.0.0"}))
        (fresh / "index.json").write_bytes(top)
        swap(fresh, dest)


def _is_layout(dest: Path, top: bytes, sizes: Mapping[str, int]) -> bool:
    try:
        same = (dest / "index.json").read_bytes() == top and (dest / "oci-layout").is_file()
    except OSError:
        return False
    return same and all(intact(dest, digest, size) for digest, size in sizes.items())


def dated(store: Path, digest: str, created: str, instead_of: str) -> str:
    """The same image, created at another time; returns its digest.

    Args:
        store: folder with `blobs/`, which gets what is new.
        digest: of an index or manifest.
        created: RFC 3339 time of the image and of its own part of the history.
        instead_of: what stands there.
    """
    document = json.loads(blob(store, digest).read_bytes())
    for entry in document.get("manifests", ()):
        entry["digest"] = dated(store, entry["digest"], created, instead_of)
        entry["size"] = blob(store, entry["digest"]).stat().st_size
    if "config" in document:
        config = json.loads(blob(store, document["config"]["digest"]).read_bytes())
        for each in (config, *config.get("history", ())):
            if each.get("created") == instead_of:
                each["created"] = created
        data = canonical(config)
        document["config"] |= {"digest": put(store, data), "size": len(data)}
    return put(store, canonical(document))


def write_archive(file: Path, blobs: Mapping[str, Path], top: str, wanted: Iterable[str], name: str = "") -> None:
    """Write an OCI layout as a tar whose bytes depend on its content alone.

    An image for one platform also gets the `manifest.json` of `docker save`, which has no form for several: crane and
    engines without containerd's image store read no other.

    Args:
        file: to write.
        blobs: files by digest.
        top: digest of the index or manifest that it is about.
        wanted: digests of all that belongs to it.
        name: of the image, which `docker load` gives it; none when empty.

    Raises:
        MachineError: a blob is missing.
    """
    data = blob_of(blobs, top).read_bytes()
    document = json.loads(data)
    entry = {"mediaType": document.get("mediaType") or INDEX, "digest": top, "size": len(data)}
    full = str(Reference.parse(name)) if name else ""  # engines keep names in full
    if full:
        tag = full.rpartition(":")[2]
        entry["annotations"] = {"io.containerd.image.name": full, "org.opencontainers.image.ref.name": tag}
    index = canonical({"schemaVersion": 2, "mediaType": INDEX, "manifests": [entry]})
    with tarfile.open(file, "w", format=tarfile.GNU_FORMAT) as tar:
        _add(tar, "oci-layout", io.BytesIO(canonical({"imageLayoutVersion": "1.0.0"})))
        _add(tar, "index.json", io.BytesIO(index))
        if "config" in document:
            _add(tar, "manifest.json", io.BytesIO(canonical([_saved(document, full)])))
        for folder in ("blobs", "blobs/sha256"):  # some readers make no folder that isn't listed
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for digest in sorted({top, *wanted}):
            with blob_of(blobs, digest).open("rb") as content:
                _add(tar, _member(digest), content)


def _saved(manifest: Mapping[str, Any], name: str) -> dict[str, object]:
    """An image as `docker save` lists it: moby, image/tarexport/tarexport.go."""
    return {
        "Config": _member(manifest["config"]["digest"]),
        "RepoTags": [name] if name else [],
        "Layers": [_member(layer["digest"]) for layer in manifest["layers"]],
    }


def _member(digest: str) -> str:
    """What a blob is called in an archive."""
    return f"blobs/{digest.replace(':', '/')}"


def _add(tar: tarfile.TarFile, name: str, content: Any) -> None:  # noqa: ANN401 - a file, open for reading
    info = tarfile.TarInfo(name)
    content.seek(0, io.SEEK_END)
    info.size = content.tell()
    content.seek(0)
    info.mode = 0o644
    tar.addfile(info, content)


def blob_of(blobs: Mapping[str, Path], digest: str) -> Path:
    """A blob of an archive.

    Raises:
        MachineError: the archive lacks it.
    """
    try:
        return blobs[digest]
    except KeyError:
        raise MachineError(f"the engine's archive lacks {digest}", "build again") from None


@contextmanager
def beside(dest: Path) -> Iterator[Path]:
    """A folder next to `dest`, gone at the end whatever happens."""
    with files.folder_beside(dest.parent, f".{dest.name}-") as folder:
        folder.chmod(0o755)
        yield folder


def swap(fresh: Path, dest: Path) -> None:
    """Put `fresh` where `dest` is, which may be absent, taken, or being replaced by another process."""
    for _ in range(20):
        if _exchanged(fresh, dest):
            return  # what was there is where `fresh` was, and goes with that
        try:
            fresh.rename(dest)
        except OSError as err:
            if err.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        else:
            return
        with beside(dest) as aside:
            try:
                dest.rename(aside / "old")
            except FileNotFoundError:
                continue
    raise MachineError(f"{dest} is replaced by other processes all the time", "try again")


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two folders in one step, where the system can: renameat2(2), of Linux and most of its file systems."""
    import ctypes

    try:
        rename = ctypes.CDLL(None, use_errno=True).renameat2
    except (OSError, AttributeError):
        return False
    return bool(rename(_HERE, os.fsencode(one), _HERE, os.fsencode(other), _EXCHANGE) == 0)


_HERE, _EXCHANGE = -100, 2
"""AT_FDCWD and RENAME_EXCHANGE, of linux/fcntl.h and linux/fs.h."""


def _link(source: Path, dest: Path) -> None:
    try:
        os.link(source, dest)
    except OSError as err:
        if err.errno not in (errno.EXDEV, errno.EPERM, errno.EMLINK):
            raise
        shutil.copyfile(source, dest)
