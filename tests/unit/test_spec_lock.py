"""The lock file: written, read back, and found out when it was changed by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.specs import MINIMAL, decoded, told, write

from buildspec.plan.model import Facts, ImageSource
from buildspec.plan.planner import make_plan
from buildspec.spec.load import Selection, load
from buildspec.spec.lock import NAME, Entry, Lock, difference, read, references, text
from buildspec.spec.values import Platform

NODE = "docker.io/library/node:20-alpine"
DIGEST, AMD64, ARM64 = (f"sha256:{digit * 64}" for digit in "123")
ENTRIES = {
    NODE: Entry(DIGEST, {"linux/arm64": ARM64, "linux/amd64": AMD64}),
    "r.test/base:1": Entry(AMD64),
}


def locked(folder: Path, written: str = "") -> Lock:
    (folder / NAME).write_text(written or text(ENTRIES), encoding="utf-8", newline="")
    return read(folder)


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    lock = locked(tmp_path)
    assert lock.there
    assert dict(lock.entries) == ENTRIES
    assert (lock.digest(NODE), lock.digest("r.test/other:1")) == (DIGEST, "")


def test_line_ends_do_not_matter(tmp_path: Path) -> None:
    assert dict(locked(tmp_path, text(ENTRIES).replace("\n", "\r\n")).entries) == ENTRIES


def test_the_order_of_entries_is_always_the_same() -> None:
    assert text(ENTRIES) == text(dict(reversed(ENTRIES.items())))
    assert text(ENTRIES).index(NODE) < text(ENTRIES).index("r.test")


def test_without_a_file_nothing_is_locked(tmp_path: Path) -> None:
    lock = read(tmp_path)
    assert not lock.there
    assert lock.missing([NODE]) == (NODE,)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("version = 1", "version = 2", "has version 2, and this program reads 1"),
        (DIGEST, f"sha256:{'4' * 64}", f"was changed by hand: the checksum of '{NODE}' is another"),
        (ARM64, f"sha256:{'4' * 64}", f"was changed by hand: the checksum of '{NODE}' is another"),
        ("node:20", "node:22", "was changed by hand: the checksum of 'docker.io/library/node:22-alpine' is another"),
        (f'digest = "{DIGEST}"', "digest = 1", f"has no digest for '{NODE}'"),
        (f'digest = "{DIGEST}"\n', "", f"has no digest for '{NODE}'"),
        (DIGEST, "latest", f"has no digest for '{NODE}'"),
    ],
)
def test_a_file_that_was_changed_by_hand_is_told(old: str, new: str, why: str, tmp_path: Path) -> None:
    (line,) = told(lambda: locked(tmp_path, text(ENTRIES).replace(old, new)))
    assert line == f"-:- bad-lock: {NAME} {why}; run `nox -s lock`"


BASE = "trixie linux/amd64 distroless 0123456789ab"
PACKAGES = {BASE: {"zlib1g": "1:1.3", "base-files": "13.8"}}


def test_packages_are_written_and_read_back_too(tmp_path: Path) -> None:
    written = text(ENTRIES, PACKAGES)
    assert '  "base-files 13.8",\n  "zlib1g 1:1.3",\n' in written
    lock = locked(tmp_path, written)
    assert (dict(lock.packages), dict(lock.entries)) == (PACKAGES, ENTRIES)
    assert lock.missing([NODE, BASE, "another"]) == ("another",)


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("zlib1g 1:1.3", "zlib1g 1:1.4", f"was changed by hand: the checksum of '{BASE}' is another"),
        ("0123456789ab", "0123456789ac", "was changed by hand: the checksum of 'trixie"),
        ("zlib1g 1:1.3", "zlib1g", f"has no versions for '{BASE}'"),
        ("versions =", "version =", f"has no versions for '{BASE}'"),
    ],
)
def test_packages_that_were_changed_by_hand_are_told(old: str, new: str, why: str, tmp_path: Path) -> None:
    written = text({}, PACKAGES).replace(
        f"{old} =" if old == "versions" else old, f"{new} =" if old == "versions" else new
    )
    (line,) = told(lambda: locked(tmp_path, written))
    assert why in line


def test_a_difference_names_a_few_packages() -> None:
    assert difference({"a": "1"}, {"a": "1"}) == ""
    before, after = {"a": "1", "b": "1", "c": "1", "x": "1"}, {"a": "2", "c": "1", "d": "1", "x": "2"}
    assert difference(before, after) == "a 1 -> 2, b 1 -> (none), d (none) -> 1 and 1 more"


def test_a_conflict_that_was_left_in_is_told_at_its_place(tmp_path: Path) -> None:
    (first, *_) = told(lambda: locked(tmp_path, f"<<<<<<< ours\n{text(ENTRIES)}"))
    assert first.startswith("1:1 syntax:")


def test_references_are_those_without_a_digest_of_their_own() -> None:
    pinned = (
        f'[bases.other]\nimage = "r.test/base:1"\ndigest = "{DIGEST}"\n[bases.third]\nimage = "r.test/c@{DIGEST}"\n'
    )
    spec = decoded(
        MINIMAL.replace('platforms = ["linux/amd64"]', 'platforms = ["linux/arm64", "linux/amd64"]') + pinned
    )
    assert references([spec, spec]) == {NODE: ("linux/amd64", "linux/arm64")}


def test_a_build_takes_what_is_locked(tmp_path: Path) -> None:
    locked(tmp_path)
    source = load(write(tmp_path, MINIMAL), Selection())
    (base,) = make_plan(source, Facts(native=Platform("linux", "amd64"))).sources
    assert isinstance(base, ImageSource)
    assert str(base.reference) == f"{NODE}@{DIGEST}"
