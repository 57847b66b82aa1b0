"""Layers, indexes and layouts: the same tree gives the same bytes, and a layout is whole or absent."""

from __future__ import annotations

import errno
import gzip
import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import attrs
import pytest

from buildspec.engine import layers, oci
from buildspec.engine.tree import Entry, Span, Tree, read_tar
from buildspec.errors import MachineError

TREE: Tree = {
    "usr": Entry("dir", 0o755, mtime=50),
    "usr/b": Entry("file", 0o644, 1, 2, mtime=900, data=b"bee"),
    "usr/a": Entry("link", 0o777, mtime=10, target="b"),
    "bin": Entry("link", 0o777, target="usr/bin"),
}


def layer(tree: Tree, store: Path, *, level: int = 6) -> layers.Layer:
    store.mkdir(exist_ok=True)
    return layers.write_layer(tree, store, latest=100, level=level, work=store)


def opened(store: Path, made: layers.Layer) -> tarfile.TarFile:
    return tarfile.open(fileobj=io.BytesIO(gzip.decompress(oci.blob(store, made.digest).read_bytes())))


def image(store: Path) -> str:
    made = layer(TREE, store)
    return oci.write_image(store, made, "linux/arm/v7", created="1970-01-01T00:01:40Z", path="/bin", comment="x")


def test_the_order_of_a_tree_does_not_change_its_layer(tmp_path: Path) -> None:
    backwards = dict(reversed(TREE.items()))
    assert layer(TREE, tmp_path / "1") == layer(backwards, tmp_path / "2")


def test_the_number_of_cores_does_not_change_a_layer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # blocks that look back to what is in those before them, and more of them than wait at a time
    big: Tree = {"f": Entry("file", 0o644, data=os.urandom(1 << 10) * (8 << 10))}
    found = set()
    for cores in (1, 3):
        monkeypatch.setattr(os, "cpu_count", lambda n=cores: n)
        found.add(layer(big, tmp_path / str(cores)).digest)
    assert len(found) == 1


def test_a_layer_is_a_gzipped_tar_without_name_and_time_in_its_header(tmp_path: Path) -> None:
    data = os.urandom((1 << 20) + 1) + bytes(1 << 20)
    made = layer({"f": Entry("file", 0o644, data=data)}, tmp_path)
    packed = oci.blob(tmp_path, made.digest).read_bytes()
    raw = gzip.decompress(packed)
    assert packed[3:8] == bytes(5)
    assert made.digest == f"sha256:{hashlib.sha256(packed).hexdigest()}"
    assert made.diff_id == f"sha256:{hashlib.sha256(raw).hexdigest()}"
    assert (made.compressed, made.unpacked) == (len(packed), len(data))
    member = opened(tmp_path, made).extractfile("f")
    assert member is not None
    assert member.read() == data


def test_times_are_clamped_and_owners_are_numbers(tmp_path: Path) -> None:
    found = {m.name: m for m in opened(tmp_path, layer(TREE, tmp_path))}
    assert [*found] == sorted(found)
    assert {name: m.mtime for name, m in found.items()} == {"bin": 0, "usr": 50, "usr/a": 10, "usr/b": 100}
    assert (found["usr/b"].uid, found["usr/b"].gid, found["usr/b"].uname) == (1, 2, "")


def test_hard_links_survive_when_the_first_name_is_gone_and_names_sort_the_other_way(tmp_path: Path) -> None:
    source = tmp_path / "in.tar"
    with tarfile.open(source, "w") as tar:
        info = tarfile.TarInfo("./z")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"data"))
        for name in ("m", "b"):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.LNKTYPE, "./z"
            tar.addfile(link)
    tree: Tree = {}
    read_tar(source, tree)
    del tree["z"]
    made = layer(tree, tmp_path / "store")
    found = {m.name: (m.type, m.linkname) for m in opened(tmp_path / "store", made)}
    assert found == {"b": (tarfile.REGTYPE, ""), "m": (tarfile.LNKTYPE, "b")}
    assert made.unpacked == 4


def test_long_and_foreign_names_and_capabilities_are_kept(tmp_path: Path) -> None:
    capability = {"SCHILY.xattr.security.capability": "\x01\udc80\x02"}
    path = "usr/" + "ü" * 120
    made = layer({path: Entry("file", 0o755, xattrs=capability)}, tmp_path)
    member = next(iter(opened(tmp_path, made)))
    assert member.name == path
    assert member.pax_headers["SCHILY.xattr.security.capability"] == capability["SCHILY.xattr.security.capability"]


def test_content_may_stay_in_the_file_it_was_read_from(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"..content..")
    entry = Entry("file", 0o644, data=Span(tmp_path / "x", 2, 7))
    plain = attrs.evolve(entry, data=b"content")
    assert layer({"f": entry}, tmp_path / "1").digest == layer({"f": plain}, tmp_path / "2").digest
    assert entry.read(3) == b"con"


def test_an_index_names_platforms_with_their_variant(tmp_path: Path) -> None:
    manifest = image(tmp_path)
    digest = oci.write_index(tmp_path, {"linux/arm/v7": manifest})
    document = json.loads(oci.blob(tmp_path, digest).read_bytes())
    assert document["manifests"][0]["platform"] == {"os": "linux", "architecture": "arm", "variant": "v7"}
    assert document["manifests"][0]["digest"] == manifest


def test_an_index_of_a_missing_manifest_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MachineError):
        oci.write_index(tmp_path, {"linux/amd64": "sha256:" + "0" * 64})


def test_a_layout_holds_every_blob_and_is_left_alone_when_it_is_right(tmp_path: Path) -> None:
    digest = oci.write_index(tmp_path, {"linux/arm/v7": image(tmp_path)})
    dest = tmp_path / "out" / "layout"
    oci.export_layout(tmp_path, digest, dest, "base")
    assert json.loads((dest / "index.json").read_bytes())["manifests"][0]["digest"] == digest
    assert {p.name for p in (dest / "blobs/sha256").iterdir()} == {d[7:] for d in oci.contents(tmp_path, digest)}
    before = dest.stat()
    oci.export_layout(tmp_path, digest, dest, "base")
    assert (dest.stat().st_ino, dest.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert [p.name for p in dest.parent.iterdir()] == ["layout"]


def test_a_layout_that_is_damaged_or_another_one_is_replaced(tmp_path: Path) -> None:
    digest = oci.write_index(tmp_path, {"linux/arm/v7": image(tmp_path)})
    dest = tmp_path / "out" / "layout"
    oci.export_layout(tmp_path, digest, dest, "old")
    oci.export_layout(tmp_path, digest, dest, "base")
    assert b'"base"' in (dest / "index.json").read_bytes()
    lost = next((dest / "blobs/sha256").iterdir())
    lost.unlink()
    oci.export_layout(tmp_path, digest, dest, "base")
    assert lost.exists()
    assert [p.name for p in dest.parent.iterdir()] == ["layout"]


def test_blobs_are_copied_to_another_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = oci.write_index(tmp_path, {"linux/arm/v7": image(tmp_path)})

    def refuse(*_: object) -> None:
        raise OSError(errno.EXDEV, "other device")

    monkeypatch.setattr(os, "link", refuse)
    oci.export_layout(tmp_path, digest, tmp_path / "layout", "base")
    copied = oci.blob(tmp_path / "layout", digest)
    assert copied.read_bytes() == oci.blob(tmp_path, digest).read_bytes()


def test_an_export_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = oci.write_index(tmp_path, {"linux/arm/v7": image(tmp_path)})
    dest = tmp_path / "out" / "layout"
    oci.export_layout(tmp_path, digest, dest, "old")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    monkeypatch.setattr(os, "link", full)
    with pytest.raises(OSError, match="no space"):
        oci.export_layout(tmp_path, digest, dest, "base")
    assert b'"old"' in (dest / "index.json").read_bytes()
    assert [p.name for p in dest.parent.iterdir()] == ["layout"]


def test_a_layout_of_an_incomplete_cache_is_an_error_with_a_fix(tmp_path: Path) -> None:
    manifest = image(tmp_path)
    digest = oci.write_index(tmp_path, {"linux/arm/v7": manifest})
    oci.blob(tmp_path, manifest).unlink()
    with pytest.raises(MachineError) as caught:
        oci.export_layout(tmp_path, digest, tmp_path / "layout", "base")
    assert caught.value.fix
    assert not (tmp_path / "layout").exists()
