"""Images read from archives: layers over each other, links, digests, and what isn't an image."""

from __future__ import annotations

import gzip
import json
import tarfile
from pathlib import Path

import pytest
from helpers.layouts import Files, archive, layer, packed, read
from hypothesis import given
from hypothesis import strategies as st

from buildspec.engine import contents
from buildspec.engine.archives import read_archive
from buildspec.errors import MachineError


def test_a_container_sees_the_last_layer_of_each_path(tmp_path: Path) -> None:
    image = read(tmp_path, archive({"a": b"1", "b/": b"", "b/c": b"2"}, {"a": b"3"}))
    assert image.content("/a") == b"3"
    assert [one.read() for one in image.layers[0].members if one.path == "/a"] == [b"1"]
    assert sorted(image.files) == ["/a", "/b", "/b/c"]


def test_a_whiteout_takes_away_a_file_and_all_below_a_folder(tmp_path: Path) -> None:
    image = read(tmp_path, archive({"a": b"1", "b/": b"", "b/c": b"2", "bc": b"3"}, {".wh.a": b"", ".wh.b": b""}))
    assert sorted(image.files) == ["/bc"]


def test_an_opaque_folder_hides_what_lower_layers_have_in_it(tmp_path: Path) -> None:
    image = read(tmp_path, archive({"b/": b"", "b/old": b"2"}, {"b/new": b"1", "b/.wh..wh..opq": b""}))
    assert sorted(image.files) == ["/b", "/b/new"]


def test_a_file_where_a_folder_was_hides_what_was_in_it(tmp_path: Path) -> None:
    image = read(tmp_path, archive({"b/": b"", "b/old": b"2"}, {"b": b"1"}))
    assert sorted(image.files) == ["/b"]


def test_links_are_followed_wherever_they_stand_in_a_path(tmp_path: Path) -> None:
    files: Files = {
        "usr/": b"",
        "usr/bin/": b"",
        "usr/bin/node": b"x",
        "bin": "-> usr/bin",
        "opt/n": "-> /bin/../bin/node",
    }
    image = read(tmp_path, archive(files))
    for path in ("/bin/node", "/opt/n", "/opt/../opt/n"):
        found = image.resolve(path)
        assert found is not None, path
        assert found.path == "/usr/bin/node"
    assert image.resolve("/bin/nothing") is None


def test_a_circle_of_links_leads_to_nothing(tmp_path: Path) -> None:
    image = read(tmp_path, archive({"a": "-> b", "b": "-> a"}))
    assert image.resolve("/a") is None


def test_a_hard_link_has_the_content_of_the_other(tmp_path: Path) -> None:
    info = tarfile.TarInfo("c")
    info.type, info.linkname = tarfile.LNKTYPE, "a"
    assert read(tmp_path, archive({"a": b"1", "c": info})).content("/c") == b"1"


def test_bytes_are_found_with_the_file_that_holds_them_though_it_was_deleted(tmp_path: Path) -> None:
    image = read(tmp_path, archive({"x": b"..", "note": b"the s3cret"}, {".wh.note": b""}))
    ((member, at),) = image.layers[0].find(b"s3cret")
    assert member is not None
    assert member.path == "/note"
    assert b"the s3cret" in image.layers[0].around(at, 10)
    assert list(image.layers[1].find(b"s3cret")) == []


def test_bytes_in_a_name_are_of_no_file(tmp_path: Path) -> None:
    ((member, _),) = read(tmp_path, archive({"a": b"1", "s3cret": b"2"})).layers[0].find(b"s3cret")
    assert member is None


def test_all_digests_of_a_right_image_are_right(tmp_path: Path) -> None:
    image = read(tmp_path, archive({"a": b"1"}))
    assert image.wrong == ()
    assert image.layers[0].wrong == ()
    assert (image.layers[0].unpacked, str(image.platform)) == (1, "linux/amd64")


def test_a_changed_byte_is_told(tmp_path: Path) -> None:
    data = archive({"a": b"1" * 2000})
    at = data.index(b"\x1f\x8b") + 4  # the time of gzip's head, which unpacks to the same
    image = read(tmp_path, data[:at] + b"\xff" + data[at + 1 :])
    assert "has the digest sha256:" in image.layers[0].wrong[0]


def test_an_archive_without_an_index_is_read_too(tmp_path: Path) -> None:
    plain = layer({"a": b"1"})
    config = {"os": "linux", "architecture": "arm64", "rootfs": {"diff_ids": ["sha256:0"]}, "history": []}
    listed = [{"Config": "c.json", "Layers": ["l/layer.tar"], "RepoTags": ["x:y"]}]
    files = {
        "c.json": json.dumps(config).encode(),
        "l/layer.tar": plain,
        "manifest.json": json.dumps(listed).encode(),
    }
    image = read(tmp_path, packed(files))
    assert (str(image.platform), image.content("/a")) == ("linux/arm64", b"1")
    assert "not to sha256:0" in image.layers[0].wrong[0]


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"", "can't be read"),
        (b"nonsense" * 100, "can't be read"),
        (gzip.compress(b"nonsense"), "can't be read"),
        (packed({"a": b"1"}), "neither index.json nor manifest.json"),
        (packed({"index.json": b"{"}), "is no image"),
        (packed({"index.json": b"[]"}), "is no image"),
        (packed({"index.json": b'{"manifests": []}'}), "doesn't hold"),
        (packed({"index.json": b'{"manifests": [{"digest": "sha256:1"}]}'}), "doesn't hold sha256:1"),
        (packed({"index.json": b'{"manifests": [{"digest": 1}]}'}), "is no image"),
        (packed({"manifest.json": b'[{"Config": "x"}, {}]'}), "several images"),
        (archive({"a": b"1"})[:900], "can't be read"),
    ],
)
def test_what_is_no_image_is_told(data: bytes, told: str, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match=told):
        read_archive([data], tmp_path)


def test_an_archive_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="no such file"):
        read_archive(tmp_path / "none.tar", tmp_path)


@given(data=st.text("ab", max_size=40), needle=st.text("ab", max_size=4), piece=st.integers(1, 9))
def test_bytes_are_found_wherever_a_file_is_cut_into_pieces(
    data: str, needle: str, piece: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    file = tmp_path_factory.getbasetemp() / "pieces"
    file.write_bytes(data.encode())
    found = [at for at in range(len(data)) if needle and data.startswith(needle, at)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(contents, "_PIECE", piece)
        assert list(contents._places(file, needle.encode())) == found
