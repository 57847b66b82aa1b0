"""What an image holds: configuration, history, layers with what was deleted later, and attestations."""

from __future__ import annotations

import tarfile
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import attrs

from buildspec.spec.values import Platform

_CHUNK = 1 << 20
_PIECE = 16 << 20
"""Bytes of a layer that are searched at once."""
_XATTR = "SCHILY.xattr."
_WHITEOUT, _OPAQUE = ".wh.", ".wh..wh..opq"
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
