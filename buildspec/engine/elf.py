"""The head of a program or library in, the machine and C library it was made for out.

Format: "Tool Interface Standard, Executable and Linking Format 1.2", and the numbers of machines in the Linux kernel's
include/uapi/linux/elf-em.h.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Mapping
from typing import Literal

import attrs

MAGIC = b"\x7fELF"
_LOAD, _DYNAMIC, _INTERP = 1, 2, 3
_NEEDED, _STRINGS = 1, 5
_MOST_HEADERS = 256
_MOST_TAGS = 4096

# e_machine -> architecture, as platforms name it; byte order and width decide between those of one number.
_MACHINES: Mapping[tuple[int, int, str], str] = {
    (3, 32, "<"): "386",
    (8, 64, "<"): "mips64le",
    (21, 64, "<"): "ppc64le",
    (22, 64, ">"): "s390x",
    (40, 32, "<"): "arm",
    (62, 64, "<"): "amd64",
    (183, 64, "<"): "arm64",
    (243, 64, "<"): "riscv64",
    (258, 64, "<"): "loong64",
}


@attrs.frozen(kw_only=True)
class Elf:
    """What a program, library or native module was made for."""

    arch: str
    """As platforms name it; `machine 42` for another."""
    interpreter: str = ""
    """Absolute path of the dynamic linker it asks for; empty for libraries and static programs."""
    needed: tuple[str, ...] = ()
    """Names of the libraries it asks for."""

    @property
    def libc(self) -> Literal["musl", "glibc", ""]:
        """The C library it was linked with; empty when that can't be told, or it needs none."""
        if "ld-musl" in self.interpreter or any(re.match(r"libc\.musl-", name) for name in self.needed):
            return "musl"
        if re.search(r"/ld(?:-linux[^/]*|64)\.so", self.interpreter) or "libc.so.6" in self.needed:
            return "glibc"
        # musl's own name for itself; glibc's has a version
        return "musl" if "libc.so" in self.needed else ""


def read_elf(data: bytes) -> Elf | None:
    """Read the headers of a file.

    Args:
        data: the whole file.

    Returns:
        None when it is no such file; what is damaged beyond its first header is left out.
    """
    if not data.startswith(MAGIC) or len(data) < 52:
        return None
    width = {1: 32, 2: 64}.get(data[4], 0)
    order = {1: "<", 2: ">"}.get(data[5], "")
    if not width or not order:
        return None
    machine = struct.unpack_from(f"{order}H", data, 18)[0]
    arch = _MACHINES.get((machine, width, order), f"machine {machine}")
    try:
        segments = list(_segments(data, width, order))
        return Elf(arch=arch, interpreter=_interpreter(data, segments), needed=_needed(data, segments, width, order))
    except (struct.error, ValueError):
        return Elf(arch=arch)


@attrs.frozen
class _Segment:
    kind: int
    offset: int
    address: int
    size: int


def _segments(data: bytes, width: int, order: str) -> Iterator[_Segment]:
    """The program headers."""
    if width == 64:
        (start,) = struct.unpack_from(f"{order}Q", data, 32)
        size, count = struct.unpack_from(f"{order}HH", data, 54)
        form, places = f"{order}IIQQQQ", (0, 2, 3, 5)
    else:
        (start,) = struct.unpack_from(f"{order}I", data, 28)
        size, count = struct.unpack_from(f"{order}HH", data, 42)
        form, places = f"{order}IIIII", (0, 1, 2, 4)
    for at in range(min(count, _MOST_HEADERS)):
        fields = struct.unpack_from(form, data, start + at * size)
        yield _Segment(*(fields[place] for place in places))


def _interpreter(data: bytes, segments: list[_Segment]) -> str:
    for one in segments:
        if one.kind == _INTERP:
            return data[one.offset : one.offset + one.size].rstrip(b"\0").decode(errors="replace")
    return ""


def _needed(data: bytes, segments: list[_Segment], width: int, order: str) -> tuple[str, ...]:
    tags: list[tuple[int, int]] = []
    entry = struct.Struct(f"{order}{'QQ' if width == 64 else 'II'}")
    for one in segments:
        if one.kind == _DYNAMIC:
            count = min(one.size // entry.size, _MOST_TAGS)
            tags += [entry.unpack_from(data, one.offset + at * entry.size) for at in range(count)]
    address = next((value for tag, value in tags if tag == _STRINGS), 0)
    table = next(
        (
            one.offset + address - one.address
            for one in segments
            if one.kind == _LOAD and one.address <= address < one.address + one.size
        ),
        0,
    )
    found = []
    for tag, value in tags:
        if tag == _NEEDED and table:
            end = data.index(b"\0", table + value)
            found.append(data[table + value : end].decode(errors="replace"))
    return tuple(found)
