"""Sizes of an image, read from its archive once and from the cache ever after."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.images import Archive, digest_of, image, tar
from helpers.plans import AMD64, ARM64

from buildspec.engine.images import PlatformImage, measure
from buildspec.errors import MachineError

PLAIN = tar({"a": bytes(1000), "b": bytes(24)})
PACKED = gzip.compress(tar({"c": bytes(5000)}, links={"d": "c"}))
ZSTD = b"\x28\xb5\x2f\xfd" + bytes(100)
UNKNOWN = b"\x42\x5a\x68 neither a tar nor anything"


def measured(made: Archive, digest: str, cache: Path) -> tuple[PlatformImage, ...]:
    data = made.bytes()
    # in pieces, as a program prints it
    return measure(digest, (data[at : at + 777] for at in range(0, len(data), 777)), cache)


def never() -> Iterator[bytes]:
    pytest.fail("the archive was read")
    yield b""


def test_each_platform_has_its_digest_and_sizes_and_attestations_are_none(tmp_path: Path) -> None:
    made = Archive()
    one, two = made.manifest([PLAIN, PACKED]), made.manifest([PACKED], "linux/arm64/v8")
    attestation = {**made.manifest([b'{"_type": "in-toto"}']), "platform": {"os": "unknown", "architecture": "unknown"}}
    found = measured(made, made.index(one, two, attestation), tmp_path)
    assert found == (
        PlatformImage(platform=AMD64, digest=one["digest"], compressed=len(PLAIN) + len(PACKED), unpacked=6024),
        PlatformImage(platform=ARM64, digest=two["digest"], compressed=len(PACKED), unpacked=5000),
    )


@pytest.mark.parametrize("layer", [ZSTD, UNKNOWN, b"\x1f\x8b broken", gzip.compress(b"no tar")])
def test_of_a_layer_that_cannot_be_read_the_unpacked_size_is_unknown(layer: bytes, tmp_path: Path) -> None:
    made = Archive()
    (found,) = measured(made, made.index(made.manifest([PLAIN, layer])), tmp_path)
    assert (found.unpacked, found.compressed) == (None, len(PLAIN) + len(layer))


def test_an_image_for_one_platform_needs_no_index(tmp_path: Path) -> None:
    made = Archive()
    digest = made.manifest([PACKED], "linux/arm64")["digest"]
    (found,) = measured(made, digest, tmp_path)
    assert (found.platform, found.digest, found.unpacked) == (ARM64, digest, 5000)


def test_an_image_without_layers_weighs_nothing(tmp_path: Path) -> None:
    made = Archive()
    (found,) = measured(made, made.index(made.manifest([])), tmp_path)
    assert (found.unpacked, found.compressed) == (0, 0)


def test_a_layer_that_two_platforms_share_is_counted_for_each(tmp_path: Path) -> None:
    digest, data = image(bytes(300), "linux/amd64", "linux/arm64")
    assert [one.unpacked for one in measure(digest, [data], tmp_path)] == [300, 300]


def test_the_second_time_the_archive_is_not_read(tmp_path: Path) -> None:
    digest, data = image(b"x", "linux/amd64", "linux/arm/v7")
    first = measure(digest, [data], tmp_path)
    assert measure(digest, never(), tmp_path) == first


@pytest.mark.parametrize("kept", ["", "null", "[1]", '[{"platform": "linux/amd64"}]', '[{"platform": "x"}]', "{"])
def test_a_damaged_note_in_the_cache_is_made_anew(kept: str, tmp_path: Path) -> None:
    digest, data = image(b"x", "linux/amd64")
    note = tmp_path / "images" / f"{digest.removeprefix('sha256:')}.json"
    note.parent.mkdir()
    note.write_text(kept)
    found = measure(digest, [data], tmp_path)
    assert measure(digest, never(), tmp_path) == found


def test_an_archive_of_something_else_is_told(tmp_path: Path) -> None:
    _, data = image(b"x", "linux/amd64")
    other = digest_of(b"other")
    with pytest.raises(MachineError, match=f"the engine's archive of {other} doesn't hold it"):
        measure(other, [data], tmp_path)


def test_an_archive_without_a_manifest_is_told(tmp_path: Path) -> None:
    made = Archive()
    index = made.index({"digest": digest_of(b"gone"), "platform": {"os": "linux", "architecture": "amd64"}})
    with pytest.raises(MachineError, match="lacks the manifest"):
        measured(made, index, tmp_path)


@pytest.mark.parametrize("cut", [0, 100, 700, -3000])
def test_an_archive_that_ends_early_is_told_and_not_kept(cut: int, tmp_path: Path) -> None:
    made = Archive()
    digest = made.index(made.manifest([PACKED, PLAIN]))
    with pytest.raises(MachineError):
        measure(digest, [made.bytes()[:cut]], tmp_path)
    assert not list(tmp_path.rglob("*.json"))
