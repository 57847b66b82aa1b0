"""An image's archive in, everything that is in it out; digests and sizes of all of it are computed anew."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import tarfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import attrs

from buildspec.engine.contents import Attestation, ImageContents, LayerContents
from buildspec.engine.images import Chunks
from buildspec.errors import MachineError
from buildspec.spec.values import Platform, ValueProblemError

_CHUNK = 1 << 20
# What a layer starts with, by the way it is compressed.
_ZSTD = b"\x28\xb5\x2f\xfd"
_OPENERS: Mapping[bytes, Callable[[Any], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_ATTESTATION = "vnd.docker.reference.type"
_SUBJECT = "vnd.docker.reference.digest"


def unpack(archive: Path | Iterable[bytes], folder: Path) -> Mapping[str, Path]:
    """The blobs of an archive as files, by digest.

    Args:
        archive: a tar file or its bytes: an OCI layout.
        folder: an empty one, which keeps them.

    Raises:
        MachineError: it can't be read, or a blob has other bytes than its digest says.
    """
    blobs = _Blobs(folder)
    try:
        _unpack(archive, blobs)
    except (tarfile.TarError, EOFError, zlib.error, OSError) as error:
        raise MachineError(f"the archive can't be read: {error}", "write it again") from error
    found = {}
    for name, file in blobs.names.items():
        if name.startswith("blobs/"):
            digest = name.removeprefix("blobs/").replace("/", ":")
            if blobs.digests[file] != digest:
                raise MachineError(f"blob {digest} of the archive has the digest {blobs.digests[file]}", "build again")
            found[digest] = file
    return found


def read_archive(archive: Path | Iterable[bytes], folder: Path, digest: str = "") -> tuple[ImageContents, ...]:
    """Read every image of an archive.

    Args:
        archive: a tar file or its bytes: an OCI layout, or what `docker image save` of any age writes.
        folder: an empty one, which keeps what is read for as long as the result is used.
        digest: of the image; the only one of the archive when empty.

    Returns:
        An image for each platform, in the order of the index.

    Raises:
        MachineError: it can't be read, or doesn't hold the image.
    """
    blobs = _Blobs(folder)
    try:
        _unpack(archive, blobs)
        return tuple(_images(blobs, digest))
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError) as error:
        raise MachineError(f"the archive can't be read: {error}", "write it again") from error
    except (KeyError, TypeError, AttributeError, ValueError, ValueProblemError) as error:
        raise MachineError(f"the archive is no image: {type(error).__name__}: {error}", "write it again") from error
    except OSError as error:
        raise MachineError(f"the archive can't be read: {(error.strerror or str(error)).lower()}") from error


@attrs.define
class _Blobs:
    """Files of an archive by name, in a folder; and their digests."""

    folder: Path
    names: dict[str, Path] = attrs.Factory(dict)
    digests: dict[Path, str] = attrs.Factory(dict)

    def add(self, name: str, content: IO[bytes]) -> None:
        file = self.folder / f"{len(self.names)}.blob"
        self.digests[file] = _copied(content, file)
        self.names[name] = file

    def blob(self, digest: str) -> Path | None:
        algorithm, _, number = digest.partition(":")
        return self.names.get(f"blobs/{algorithm}/{number}")

    def document(self, digest: str) -> tuple[Any, str]:
        """A JSON document and its text."""
        file = self.blob(digest)
        if file is None:
            raise MachineError(f"the archive doesn't hold {digest}", "write it again, with all of its platforms")
        text = file.read_text(encoding="utf-8")
        return json.loads(text), text

    def wrong(self, descriptor: Mapping[str, Any], what: str) -> list[str]:
        """What of a descriptor isn't so of the bytes."""
        file = self.blob(descriptor["digest"])
        if file is None:
            return [f"{what} {descriptor['digest']} isn't there"]
        found = []
        if self.digests[file] != descriptor["digest"]:
            found.append(f"{what} {descriptor['digest']} has the digest {self.digests[file]}")
        if "size" in descriptor and file.stat().st_size != descriptor["size"]:
            found.append(f"{what} {descriptor['digest']} has {file.stat().st_size} bytes, not {descriptor['size']}")
        return found


def _copied(content: IO[bytes], file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("wb") as out:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            out.write(chunk)
    return f"sha256:{digest.hexdigest()}"


def _unpack(archive: Path | Iterable[bytes], blobs: _Blobs) -> None:
    opened: IO[bytes] = archive.open("rb") if isinstance(archive, Path) else Chunks(iter(archive))  # type: ignore[assignment]
    with opened, tarfile.open(fileobj=opened, mode="r|*") as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isreg() else None
            if content is not None:
                blobs.add(member.name.removeprefix("./"), content)
            elif member.issym() or member.islnk():  # older engines write a layer once, and links to it
                _link(member, blobs)


def _link(member: tarfile.TarInfo, blobs: _Blobs) -> None:
    parent = member.name.rpartition("/")[0] if member.issym() else ""
    parts: list[str] = []
    for part in f"{parent}/{member.linkname}".split("/"):
        parts = parts[:-1] if part == ".." else [*parts, part] if part not in ("", ".") else parts
    if (file := blobs.names.get("/".join(parts))) is not None:
        blobs.names[member.name.removeprefix("./")] = file


def _images(blobs: _Blobs, digest: str) -> Iterator[ImageContents]:
    if "index.json" not in blobs.names:
        yield from _old_images(blobs)
        return
    top = json.loads(blobs.names["index.json"].read_bytes())
    named = [one for one in top["manifests"] if not digest or one["digest"] == digest]
    if not named:
        raise MachineError(f"the archive doesn't hold {digest}", "look at `docker image ls --tree`")
    if len({one["digest"] for one in named}) > 1 and not all("platform" in one for one in named):
        raise MachineError("the archive holds several images", "save one image at a time")
    wrong: list[str] = []
    entries: list[tuple[Mapping[str, Any], bool]] = []
    indexes = blobs.names["index.json"].read_text(encoding="utf-8")
    for one in {one["digest"]: one for one in named}.values():
        wrong += blobs.wrong(one, "the index" if "manifests" in blobs.document(one["digest"])[0] else "the manifest")
        document, text = blobs.document(one["digest"])
        indexes += text if "manifests" in document else ""
        entries += [(entry, True) for entry in document["manifests"]] if "manifests" in document else [(one, False)]
    statements = [one for entry, _ in entries if _is_attestation(entry) for one in _attestations(entry, blobs)]
    for entry, indexed in entries:
        if not _is_attestation(entry) and blobs.blob(entry["digest"]) is not None:
            image = _image(entry, indexed, blobs, statements, wrong)
            yield attrs.evolve(image, texts={**image.texts, "index": indexes})


def _is_attestation(entry: Mapping[str, Any]) -> bool:
    return (entry.get("annotations") or {}).get(_ATTESTATION) == "attestation-manifest"


def _attestations(entry: Mapping[str, Any], blobs: _Blobs) -> Iterator[Attestation]:
    if blobs.blob(entry["digest"]) is None:
        return  # an engine leaves out what it never fetched
    for layer in blobs.document(entry["digest"])[0]["layers"]:
        document, text = blobs.document(layer["digest"])
        subjects = [f"{kind}:{number}" for one in document["subject"] for kind, number in one["digest"].items()]
        yield Attestation(
            kind=document["predicateType"],
            subjects=tuple(subjects),
            about=entry["annotations"].get(_SUBJECT, ""),
            document=document,
            text=text,
        )


def _image(
    entry: Mapping[str, Any], indexed: bool, blobs: _Blobs, statements: list[Attestation], wrong: list[str]
) -> ImageContents:
    manifest, manifest_text = blobs.document(entry["digest"])
    config, config_text = blobs.document(manifest["config"]["digest"])
    wrong = [*wrong, *blobs.wrong(entry, "the manifest"), *blobs.wrong(manifest["config"], "the configuration")]
    return ImageContents(
        platform=_platform(entry.get("platform") or config),
        indexed=indexed and "platform" in entry,
        digest=entry["digest"],
        config=config,
        texts={"configuration": config_text, "manifest": manifest_text},
        layers=tuple(_layers(config, manifest["layers"], blobs)),
        attestations=tuple(one for one in statements if one.about == entry["digest"]),
        wrong=tuple(wrong),
    )


def _old_images(blobs: _Blobs) -> Iterator[ImageContents]:
    """Of an archive without an index, as engines before 25 and skopeo's `docker-archive:` write it."""
    if "manifest.json" not in blobs.names:
        raise MachineError("the archive is no image: it has neither index.json nor manifest.json", "see `docker save`")
    listed = json.loads(blobs.names["manifest.json"].read_bytes())
    if len(listed) != 1:
        raise MachineError("the archive holds several images", "save one image at a time")
    for one in listed:
        text = blobs.names[one["Config"]].read_text(encoding="utf-8")
        config = json.loads(text)
        layers = []
        for name in one["Layers"]:
            file = blobs.names[name]
            blobs.names[f"blobs/{blobs.digests[file].replace(':', '/')}"] = file
            layers.append({"digest": blobs.digests[file], "size": file.stat().st_size})
        digest = blobs.digests[blobs.names[one["Config"]]]
        yield ImageContents(
            platform=_platform(config),
            indexed=False,
            digest=digest,
            config=config,
            texts={"configuration": text},
            layers=tuple(_layers(config, layers, blobs)),
            attestations=(),
            wrong=(),
        )


def _platform(told: Mapping[str, Any]) -> Platform:
    parts = (told.get("os", ""), told.get("architecture", ""), told.get("variant", ""))
    return Platform.parse("/".join(part for part in parts if part))


def _layers(
    config: Mapping[str, Any], descriptors: Sequence[Mapping[str, Any]], blobs: _Blobs
) -> Iterator[LayerContents]:
    diff_ids = config["rootfs"]["diff_ids"]
    made = [one.get("created_by") or one.get("comment") or "" for one in config.get("history") or () if _fills(one)]
    made += [""] * (len(descriptors) - len(made))
    if len(diff_ids) != len(descriptors):
        raise ValueError(f"the configuration has {len(diff_ids)} layers, and the manifest {len(descriptors)}")
    for number, (descriptor, diff_id) in enumerate(zip(descriptors, diff_ids, strict=True)):
        wrong = blobs.wrong(descriptor, "layer")
        file = blobs.blob(descriptor["digest"])
        if file is None:
            raise MachineError(f"the archive doesn't hold the layer {descriptor['digest']}", "write it again")
        plain, found = _plain(file, blobs)
        if found != diff_id:
            wrong.append(f"layer {descriptor['digest']} unpacks to {found}, not to {diff_id}")
        yield LayerContents(
            number=number,
            digest=descriptor["digest"],
            size=file.stat().st_size,
            diff_id=diff_id,
            wrong=tuple(wrong),
            instruction=made[number],
            file=plain,
        )


def _fills(entry: Mapping[str, Any]) -> bool:
    return not entry.get("empty_layer")


def _plain(file: Path, blobs: _Blobs) -> tuple[Path, str]:
    """A layer as a plain tar, and its digest; images share layers, and each is unpacked once."""
    plain = file.with_suffix(".tar")
    if plain in blobs.digests:
        return plain, blobs.digests[plain]
    with file.open("rb") as raw:
        head = raw.read(6)
        raw.seek(0)
        if head.startswith(_ZSTD):
            raise MachineError("a layer is compressed with zstd, which can't be read here", "build it with gzip")
        opener = next((how for magic, how in _OPENERS.items() if head.startswith(magic)), None)
        if opener is None:
            return file, blobs.digests[file]
        with opener(raw) as opened:
            blobs.digests[plain] = _copied(opened, plain)
    return plain, blobs.digests[plain]
