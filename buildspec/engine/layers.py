"""A tree of entries in, a layer in the blob store out.

What is written depends on the tree alone: entries are sorted, owners are numbers, times are clamped, and the
gzip header carries neither name nor time. (The compressed bytes also depend on the machine's zlib.)
"""

from __future__ import annotations

import hashlib
import os
import struct
import tarfile
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import IO

import attrs

from buildspec.engine import oci
from buildspec.engine.tree import Entry, Tree

_BLOCK = 1 << 20  # bytes compressed at a time; part of the format: another size gives other bytes
_WINDOW = 1 << 15  # how far deflate looks back


@attrs.frozen
class Layer:
    """A layer in the blob store."""

    digest: str
    diff_id: str
    """Digest of the uncompressed tar."""
    compressed: int
    """Bytes."""
    unpacked: int
    """Bytes of the files' content."""


class _Gzip:
    """A gzip stream whose blocks are compressed on all cores; their number does not change the bytes."""

    def __init__(self, out: IO[bytes], level: int, workers: int) -> None:
        self._out, self._level, self._workers = out, level, workers
        self._pool = ThreadPoolExecutor(workers)
        self._queue: deque[Future[bytes]] = deque()
        self._pending = bytearray()
        self._tail = b""
        self._raw = hashlib.sha256()
        self._packed = hashlib.sha256()
        self._crc = self._size = self.written = 0
        self._emit(b"\x1f\x8b\x08\0\0\0\0\0\0\xff")

    def write(self, data: bytes) -> None:
        self._raw.update(data)
        self._crc = zlib.crc32(data, self._crc)
        self._size += len(data)
        self._pending += data
        while len(self._pending) >= _BLOCK:
            self._submit(bytes(self._pending[:_BLOCK]), last=False)
            del self._pending[:_BLOCK]

    def close(self) -> None:
        self._submit(bytes(self._pending), last=True)
        while self._queue:
            self._emit(self._queue.popleft().result())
        self._emit(struct.pack("<LL", self._crc, self._size & 0xFFFFFFFF))
        self.stop()

    def stop(self) -> None:
        self._pool.shutdown(wait=True, cancel_futures=True)

    def digests(self) -> tuple[str, str]:
        """Of the uncompressed and of the compressed bytes."""
        return f"sha256:{self._raw.hexdigest()}", f"sha256:{self._packed.hexdigest()}"

    def _submit(self, block: bytes, *, last: bool) -> None:
        self._queue.append(self._pool.submit(_deflate, block, self._tail, self._level, last))
        self._tail = block[-_WINDOW:]
        if len(self._queue) > 2 * self._workers:
            self._emit(self._queue.popleft().result())

    def _emit(self, data: bytes) -> None:
        self._packed.update(data)
        self.written += len(data)
        self._out.write(data)


def _deflate(block: bytes, window: bytes, level: int, last: bool) -> bytes:
    packer = zlib.compressobj(level, zlib.DEFLATED, -15, 9, zlib.Z_DEFAULT_STRATEGY, window)
    return packer.compress(block) + packer.flush(zlib.Z_FINISH if last else zlib.Z_SYNC_FLUSH)


def write_layer(tree: Tree, store: Path, *, latest: int, level: int, work: Path) -> Layer:
    """Write a tree as one layer into the blob store.

    Args:
        tree: the root file system.
        store: the cache folder with `blobs/`.
        latest: no time is later than this, in seconds since 1970.
        level: of compression, 1 to 9.
        work: folder for the unfinished file, on the store's file system.
    """
    part = work / "layer.tar.gz"
    seen: dict[str, str] = {}
    with part.open("wb") as out:
        packer = _Gzip(out, level, os.cpu_count() or 1)
        try:
            for path, entry in sorted(tree.items()):
                _write_entry(packer, path, entry, latest, seen)
            packer.write(b"\0" * (2 * tarfile.BLOCKSIZE))
            packer.close()
        finally:
            packer.stop()
    diff_id, digest = packer.digests()
    oci.settle(part, store, digest)
    unpacked = sum({e.inode or p: e.size for p, e in tree.items() if e.kind == "file"}.values())
    return Layer(digest, diff_id, packer.written, unpacked)


def _write_entry(packer: _Gzip, path: str, entry: Entry, latest: int, seen: dict[str, str]) -> None:
    info = tarfile.TarInfo(path)
    info.mode, info.uid, info.gid, info.mtime = entry.mode, entry.uid, entry.gid, min(entry.mtime, latest)
    info.pax_headers = dict(entry.xattrs)
    first = seen.setdefault(entry.inode, path) if entry.inode else path
    if entry.kind == "dir":
        info.type = tarfile.DIRTYPE
    elif entry.kind == "link":
        info.type, info.linkname = tarfile.SYMTYPE, entry.target
    elif first != path:
        info.type, info.linkname = tarfile.LNKTYPE, first
    else:
        info.size = entry.size
    packer.write(info.tobuf(tarfile.PAX_FORMAT, "utf-8", "surrogateescape"))
    if info.size:
        packer.write(entry.read())
        packer.write(b"\0" * (-info.size % tarfile.BLOCKSIZE))
