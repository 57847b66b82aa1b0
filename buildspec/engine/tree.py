"""A root file system in memory: entries by path, whose content stays in the tars it was read from."""

from __future__ import annotations

import tarfile
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import attrs

_XATTR = "SCHILY.xattr."


@attrs.frozen
class Span:
    """Bytes inside a file."""

    file: Path
    offset: int
    size: int

    def read(self, count: int = -1) -> bytes:
        """The first `count` bytes, or all of them."""
        with self.file.open("rb") as f:
            f.seek(self.offset)
            return f.read(self.size if count < 0 else min(count, self.size))


@attrs.frozen
class Entry:
    """A file, folder or symbolic link of a root file system."""

    kind: Literal["file", "dir", "link"]
    mode: int
    """Permission bits."""
    uid: int = 0
    gid: int = 0
    mtime: int = 0
    """Seconds since 1970."""
    target: str = ""
    """Where a symbolic link points."""
    data: bytes | Span = b""
    inode: str = ""
    """Files with the same one, if any, are hard links to each other."""
    xattrs: Mapping[str, str] = attrs.Factory(dict)

    @property
    def size(self) -> int:
        """Bytes of content."""
        return self.data.size if isinstance(self.data, Span) else len(self.data)

    def read(self, count: int = -1) -> bytes:
        """The first `count` bytes of content, or all of it."""
        if isinstance(self.data, Span):
            return self.data.read(count)
        return self.data if count < 0 else self.data[:count]


Tree = dict[str, Entry]
"""Entries by path, relative to the root, without `./` and trailing `/`."""


def read_tar(file: Path, into: Tree) -> None:
    """Add a tar's files, folders and links to a tree; device nodes are left out, content stays where it is.

    Args:
        file: an uncompressed tar, kept for as long as the tree is used.
        into: the tree; an entry that is there already is replaced, a folder keeps its first owner and mode.
    """
    with tarfile.open(file, "r:") as tar:
        for member in tar:
            path = member.name.removeprefix("./").strip("/")
            if path in ("", "."):
                continue
            if member.islnk():
                first = member.linkname.removeprefix("./").strip("/")
                original = into[first]
                linked = attrs.evolve(original, inode=original.inode or f"{file}:{first}")
                into[first] = into[path] = linked
            elif member.isdir():
                into.setdefault(path, _entry("dir", member))
            elif member.issym():
                into[path] = attrs.evolve(_entry("link", member), target=member.linkname)
            elif member.isfile():
                span = Span(file, member.offset_data, member.size)
                into[path] = attrs.evolve(_entry("file", member), data=span)


def _entry(kind: Literal["file", "dir", "link"], member: tarfile.TarInfo) -> Entry:
    xattrs = {k: v for k, v in member.pax_headers.items() if k.startswith(_XATTR)}
    return Entry(kind, member.mode & 0o7777, member.uid, member.gid, int(member.mtime), xattrs=xattrs)
