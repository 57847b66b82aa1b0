"""An image's archive in, everything that is in it out.

That is configuration, history, layers with what was deleted later, and attestations; digests and sizes of all of it are
computed anew.
"""

from __future__ import annotations

import bz2
import gzip
import hashlib
import json
import lzma
import tarfile
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import IO, Any, Literal

import attrs

from buildspec.engine.images import Chunks
from buildspec.errors import MachineError
from buildspec.spec.values import Platform, ValueProblemError

_CHUNK = 1 << 20
_PIECE = 16 << 20
"""Bytes of a layer that are searched at once."""
_XATTR = "SCHILY.xattr."
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
# What a layer starts with, by the way it is compressed.
_ZSTD = b"\x28\xb5\x2f\xfd"
_OPENERS: Mapping[bytes, Callable[[Any], Any]] = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": lzma.open}
_ATTESTATION = "vnd.docker.reference.type"
_SUBJECT = "vnd.docker.reference.digest"
_KINDS: Mapping[bytes, Literal["file", "folder", "link", "hard link", "device", "pipe"]] = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.GNUTYPE_SPARSE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "link",
    tarfile.LNKTYPE: "hard link",
    tarfile.CHRTYPE: "device",
    tarfile.BLKTYPE: "device",
    tarfile.FIFOTYPE: "pipe",
}


@attrs.frozen(kw_only=True)
class Member:
    """A file, folder, link or device of a layer."""

    name: str
    """As the layer has it."""
    path: str
    """Absolute and normalised: `/usr/bin/su`."""
    kind: Literal["file", "folder", "link", "hard link", "device", "pipe"]
    mode: int
    """Permission bits, with those of set-user-id and its kin."""
    uid: int
    gid: int
    mtime: int
    """Seconds since 1970."""
    size: int
    """Bytes of a file."""
    target: str
    """Of a link, as it is written."""
    attributes: frozenset[str]
    """Names of its extended attributes: `security.capability`."""
    offset: int
    """Of its content in the unpacked layer."""
    layer: LayerContents = attrs.field(repr=False, eq=False)

    @property
    def source(self) -> Member | None:
        """What holds its content: of a hard link, the file of its own layer that it is another name of; else itself."""
        found: Member | None = self
        for _ in range(40):
            if found is None or found.kind != "hard link":
                return found
            found = self.layer.by_path.get(normal(found.target))
        return None  # a circle

    def read(self, count: int = -1) -> bytes:
        """The first `count` bytes of a file, or all of them."""
        with self.layer.file.open("rb") as file:
            file.seek(self.offset)
            return file.read(self.size if count < 0 else min(count, self.size))


@attrs.frozen(kw_only=True, eq=False)
class LayerContents:
    """A layer, unpacked into a file."""

    number: int
    """From 0, that of the base."""
    digest: str
    """As the manifest says."""
    size: int
    """Bytes as a registry ships it."""
    diff_id: str
    """As the configuration says: the digest of the unpacked layer."""
    wrong: tuple[str, ...]
    """What of this isn't so."""
    instruction: str
    """Of the history."""
    file: Path
    """The tar."""

    @cached_property
    def members(self) -> tuple[Member, ...]:
        """What it holds, in its order; whiteouts are among it."""
        with tarfile.open(self.file, "r:", errorlevel=0) as tar:
            return tuple(self._member(one) for one in tar)

    @cached_property
    def by_path(self) -> Mapping[str, Member]:
        """What it holds, by path; of several, the last."""
        return {one.path: one for one in self.members}

    def _member(self, one: tarfile.TarInfo) -> Member:
        return Member(
            name=one.name,
            path=normal(one.name),
            kind=_KINDS.get(one.type, "device"),
            mode=one.mode & 0o7777,
            uid=one.uid,
            gid=one.gid,
            mtime=int(one.mtime),
            size=one.size if one.isreg() else 0,
            target=one.linkname,
            attributes=frozenset(key.removeprefix(_XATTR) for key in one.pax_headers if key.startswith(_XATTR)),
            offset=one.offset_data,
            layer=self,
        )

    @property
    def unpacked(self) -> int:
        """Bytes of all its files."""
        return sum(one.size for one in self.members)

    def find(self, needle: bytes) -> Iterator[tuple[Member | None, int]]:
        """Where some bytes are: their offset, and the member that holds them; None where they are part of no file."""
        starts = self._starts
        for at in _places(self.file, needle):
            index = bisect_right(starts, at) - 1
            member = self._filled[index] if index >= 0 else None
            inside = member is not None and at < member.offset + member.size
            yield (member if inside else None), at

    def around(self, at: int, count: int) -> bytes:
        """The bytes before and after an offset of the unpacked layer."""
        with self.file.open("rb") as file:
            file.seek(max(0, at - count))
            return file.read(2 * count)

    @cached_property
    def _filled(self) -> tuple[Member, ...]:
        return tuple(sorted((one for one in self.members if one.size), key=lambda one: one.offset))

    @cached_property
    def _starts(self) -> tuple[int, ...]:
        return tuple(one.offset for one in self._filled)


@attrs.frozen(kw_only=True)
class Attestation:
    """A statement about an image, as in-toto writes them."""

    kind: str
    """`predicateType`."""
    subjects: tuple[str, ...]
    """Digests it says it is about."""
    about: str
    """Digest of the manifest it is attached to."""
    document: Mapping[str, Any]
    text: str


@attrs.frozen(kw_only=True, eq=False)
class ImageContents:
    """An image for one platform."""

    platform: Platform
    """As the index says; as the configuration does, where there is no index."""
    indexed: bool
    """Whether an index says it."""
    digest: str
    """Of its manifest."""
    config: Mapping[str, Any]
    """Of the image, as OCI's image-spec has it."""
    texts: Mapping[str, str]
    """The documents as they are written, by what they are: `configuration`, `manifest`, `index`."""
    layers: tuple[LayerContents, ...]
    attestations: tuple[Attestation, ...]
    wrong: tuple[str, ...]
    """Digests and sizes that aren't so, beyond those of layers."""

    @property
    def settings(self) -> Mapping[str, Any]:
        """What a container is started with: user, environment, command."""
        return self.config.get("config") or {}

    @property
    def history(self) -> tuple[Mapping[str, Any], ...]:
        """What the image was made by, the base's first."""
        return tuple(self.config.get("history") or ())

    @cached_property
    def files(self) -> Mapping[str, Member]:
        """What a container sees, by absolute path: of each path the last layer's, less what was deleted."""
        found: dict[str, Member] = {}
        for layer in self.layers:
            for one in layer.members:
                parent, _, name = one.path.rpartition("/")
                if name == _OPAQUE:
                    _drop_below(found, parent or "/", but=layer)
                elif name.startswith(_WHITEOUT):
                    gone = f"{parent}/{name.removeprefix(_WHITEOUT)}"
                    found.pop(gone, None)
                    _drop_below(found, gone, but=None)
                else:
                    if one.kind != "folder" and one.path in found and found[one.path].kind == "folder":
                        _drop_below(found, one.path, but=None)
                    found[one.path] = one
        return found

    def resolve(self, path: str) -> Member | None:
        """What a path leads to, links followed; None for nothing, or a circle."""
        todo = [part for part in path.split("/") if part]
        here: list[str] = []
        found: Member | None = None
        for _ in range(500):
            if not todo:
                return found if here else None
            part = todo.pop(0)
            if part == "..":
                here = here[:-1]
                continue
            whole = "/" + "/".join([*here, part])
            found = self.files.get(whole)
            if found is None and not any(one.startswith(f"{whole}/") for one in (self.files if todo else ())):
                return None
            if found is not None and found.kind == "link":
                here = [] if found.target.startswith("/") else here
                todo = [one for one in found.target.split("/") if one and one != "."] + todo
                continue
            here.append(part)
        return None

    def content(self, path: str, most: int = _CHUNK) -> bytes | None:
        """The start of a file, links followed; None where there is none."""
        found = self.resolve(path)
        found = found and found.source
        return found.read(most) if found is not None and found.kind == "file" else None


def normal(name: str) -> str:
    """A path of a tar as an absolute one."""
    return "/" + "/".join(part for part in name.split("/") if part not in ("", "."))


def _places(file: Path, needle: bytes) -> Iterator[int]:
    """Offsets at which some bytes begin in a file, read in pieces; mmap.find reads too far before Python 3.11.5."""
    before, kept = 0, b""
    with file.open("rb") as content:
        while needle and (piece := content.read(_PIECE)):
            kept += piece
            at = kept.find(needle)
            while at >= 0:
                yield before + at
                at = kept.find(needle, at + 1)
            gone = max(0, len(kept) - len(needle) + 1)
            before, kept = before + gone, kept[gone:]


def _drop_below(found: dict[str, Member], folder: str, *, but: LayerContents | None) -> None:
    before = folder.rstrip("/") + "/"
    for path in [path for path, one in found.items() if path.startswith(before) and one.layer is not but]:
        del found[path]


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


# --- reading ---------------------------------------------------------------------------------------------------


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
