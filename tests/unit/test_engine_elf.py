"""Machine, C library and libraries of programs."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from audit_cases import elf
from hypothesis import given
from hypothesis import strategies as st

from buildspec.engine.elf import Elf, read_elf


def test_what_a_program_asks_for_is_read() -> None:
    found = read_elf(elf("arm64", "/lib/ld-linux-aarch64.so.1", ["libc.so.6", "libssl.so.3"]))
    assert found == Elf(arch="arm64", interpreter="/lib/ld-linux-aarch64.so.1", needed=("libc.so.6", "libssl.so.3"))
    assert found is not None
    assert found.libc == "glibc"


@pytest.mark.parametrize(
    ("interpreter", "needed", "libc"),
    [
        ("", [], ""),
        ("", ["libm.so"], ""),
        ("/lib/ld-musl-x86_64.so.1", [], "musl"),
        ("", ["libc.musl-x86_64.so.1"], "musl"),
        ("", ["libc.so"], "musl"),
        ("", ["libc.so.6"], "glibc"),
        ("/lib64/ld-linux-x86-64.so.2", [], "glibc"),
        ("/lib/ld64.so.2", [], "glibc"),
    ],
)
def test_the_c_library_is_told_by_the_loader_or_by_its_name(interpreter: str, needed: list[str], libc: str) -> None:
    found = read_elf(elf("amd64", interpreter, needed))
    assert found is not None
    assert found.libc == libc


def test_this_interpreter_is_read() -> None:
    found = read_elf(Path(sys.executable).resolve().read_bytes())
    assert found is not None
    assert found.interpreter.startswith("/lib")
    assert any(name.startswith("libc.") for name in found.needed)


@pytest.mark.parametrize("data", [b"", b"\x7fELF", b"#!/bin/sh\n" * 9, b"\x7fELF\x09\x09" + bytes(90)])
def test_what_is_no_program_is_none(data: bytes) -> None:
    assert read_elf(data) is None


@given(st.data())
def test_a_damaged_program_is_no_traceback(data: st.DataObject) -> None:
    right = bytearray(elf("amd64", "/lib64/ld-linux-x86-64.so.2", ["libc.so.6"]))
    for _ in range(3):
        right[data.draw(st.integers(0, len(right) - 1))] = data.draw(st.integers(0, 255))
    read_elf(bytes(right[: data.draw(st.integers(0, len(right)))]))
