"""Files of a release: archives that are the same each time, and documents without what a scanner makes up."""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest
from helpers.layouts import Files, archive, packed
from helpers.plans import AMD64, HEAD, planned, source

from buildspec.engine.archives import read_archive, unpack
from buildspec.engine.oci import write_archive
from buildspec.errors import StepError
from buildspec.release.bundle import (
    Part,
    finish,
    parts,
    provenance,
    service_image,
    settled,
    strangers,
    write_application,
)

DIGEST = f"sha256:{'1' * 64}"


@pytest.fixture
def built(tmp_path: Path) -> tuple[Mapping[str, Path], str, Part]:
    """Blobs of an image of two layers, the digest of its index, and its one platform."""
    (tmp_path / "in").mkdir()
    blobs = unpack([archive({"a": b"1"}, {"b": b"2"}, platform="arm64")], tmp_path / "in")
    index = next(digest for digest, file in blobs.items() if b'"manifests": [' in file.read_bytes())
    (part,) = parts(blobs, index)
    return blobs, index, part


@pytest.mark.parametrize(
    ("release", "name"),
    [
        ("", f"web@{DIGEST}"),
        ('[release]\nregistries = ["r.test/acme", "s.test"]\n', f"r.test/acme/web:latest@{DIGEST}"),
    ],
)
def test_a_service_is_named_by_its_registry_and_digest(release: str, name: str) -> None:
    spec = source(f"{HEAD}[stages.app]\nfrom = 'bare'\n{release}").spec
    assert service_image(spec, {"app": DIGEST}) == name


def members(file: Path) -> dict[str, bytes]:
    with tarfile.open(file) as tar:
        return {one.name: content.read() for one in tar if (content := tar.extractfile(one))}


def test_an_archive_of_a_platform_is_read_back_and_the_same_each_time(
    tmp_path: Path, built: tuple[Mapping[str, Path], str, Part]
) -> None:
    blobs, _, part = built
    assert str(part.platform) == "linux/arm64"
    written = []
    for name in ("one.tar", "two.tar"):
        write_archive(tmp_path / name, blobs, part.digest, part.blobs, "web:latest")
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    (tmp_path / "out").mkdir()
    (image,) = read_archive(tmp_path / "one.tar", tmp_path / "out")
    assert (image.digest, image.content("/b")) == (part.digest, b"2")


@pytest.mark.parametrize(("name", "tags"), [("web:latest", ["docker.io/library/web:latest"]), ("", [])])
def test_an_archive_of_a_platform_is_also_what_docker_save_writes(
    tmp_path: Path, built: tuple[Mapping[str, Path], str, Part], name: str, tags: list[str]
) -> None:
    blobs, _, part = built
    write_archive(tmp_path / "one.tar", blobs, part.digest, part.blobs, name)
    found = members(tmp_path / "one.tar")
    (saved,) = json.loads(found["manifest.json"])
    assert saved["RepoTags"] == tags
    assert {saved["Config"], *saved["Layers"]} <= set(found)
    # a reader of that form looks at nothing else
    alone = packed({one: found[one] for one in ("manifest.json", saved["Config"], *saved["Layers"])})
    (tmp_path / "out").mkdir()
    (image,) = read_archive([alone], tmp_path / "out")
    assert (str(image.platform), image.content("/a"), image.content("/b")) == ("linux/arm64", b"1", b"2")
    assert [layer.wrong for layer in image.layers] == [(), ()]


def test_an_image_for_one_platform_needs_no_index(built: tuple[Mapping[str, Path], str, Part]) -> None:
    blobs, _, part = built
    assert parts(blobs, part.digest) == (part,)


def test_an_archive_of_several_platforms_is_a_layout_alone(
    tmp_path: Path, built: tuple[Mapping[str, Path], str, Part]
) -> None:
    blobs, index, part = built
    write_archive(tmp_path / "all.tar", blobs, index, part.blobs, "web:latest")
    found = members(tmp_path / "all.tar")
    assert "manifest.json" not in found
    assert [one["digest"] for one in json.loads(found["index.json"])["manifests"]] == [index]


def test_what_a_scanner_makes_up_follows_from_the_image() -> None:
    spdx = {"spdxVersion": "SPDX-2.3", "documentNamespace": "https://x/123", "creationInfo": {"created": "now"}}
    found = settled(spdx, DIGEST, 1_700_000_000)
    assert found["creationInfo"]["created"] == "2023-11-14T22:13:20Z"
    cyclone = settled({"bomFormat": "CycloneDX", "serialNumber": "urn:uuid:1"}, DIGEST, None)
    assert cyclone["metadata"]["timestamp"] == "1970-01-01T00:00:00Z"
    assert cyclone["serialNumber"] == found["documentNamespace"]
    assert settled({"bomFormat": "x"}, f"sha256:{'2' * 64}", None)["serialNumber"] != cyclone["serialNumber"]


def test_a_provenance_names_the_image_and_what_it_was_made_of() -> None:
    plan = planned('[stages.app]\nfrom = "node"\n')
    statement = provenance(plan, "app", Part(platform=AMD64, digest=DIGEST, blobs=()), "web:latest")
    assert statement["subject"] == [{"name": "web:latest", "digest": {"sha256": "1" * 64}}]
    uris = [one["uri"] for one in statement["predicate"]["buildDefinition"]["resolvedDependencies"]]
    assert uris == ["docker-image://docker.io/library/node:20-alpine", "git+."]


def test_every_file_has_a_checksum(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"1")
    finish(tmp_path, {"image": "web"})
    manifest = json.loads((tmp_path / "release.json").read_text(encoding="utf-8"))
    assert manifest["files"] == [{"name": "a.txt", "size": 1, "digest": f"sha256:{hashlib.sha256(b'1').hexdigest()}"}]
    sums = (tmp_path / "SHA256SUMS").read_text(encoding="utf-8").splitlines()
    assert [line.split("  ")[1] for line in sums] == ["a.txt", "release.json"]


# --- the application -------------------------------------------------------------------------------------------


def test_the_application_is_what_its_folder_has_in_the_end(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    layers = ({"app/one": b"1", "app/gone": b"2", "apple": b"3"}, {"app/.wh.gone": b"", "app/one": b"other"})
    (image,) = read_archive([archive(*layers)], tmp_path / "in")
    written = []
    for name in ("a.tar", "b.tar"):
        write_application(image, "/app", tmp_path / name)
        written.append((tmp_path / name).read_bytes())
    assert written[0] == written[1]
    assert members(tmp_path / "a.tar") == {"app/one": b"other"}


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def test_a_hard_link_has_the_content_of_its_own_layer(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    links: Files = {
        "app/b": special("app/b", tarfile.LNKTYPE, "app/a"),
        "app/d": special("app/d", tarfile.LNKTYPE, "app/c"),
    }
    below: Files = {"app/a": b"hello", "app/c": b"cc", **links}
    (image,) = read_archive([archive(below, {"app/.wh.a": b"", "app/c": b"other"})], tmp_path / "in")
    assert (image.content("/app/b"), image.content("/app/d")) == (b"hello", b"cc")
    write_application(image, "/app", tmp_path / "a.tar")
    assert members(tmp_path / "a.tar") == {"app/b": b"hello", "app/c": b"other", "app/d": b"cc"}


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (image,) = read_archive([archive({"app/a": b"1", "app/p": special("app/p", tarfile.FIFOTYPE)})], tmp_path / "in")
    with pytest.raises(StepError, match="/app/p of the image for linux/amd64 is no file, but a pipe"):
        write_application(image, "/app", tmp_path / "a.tar")


def test_an_application_that_is_not_there_is_told(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (image,) = read_archive([archive({"app": b"1"})], tmp_path / "in")
    with pytest.raises(StepError, match="has nothing in /app"):
        write_application(image, "/app", tmp_path / "a.tar")


# --- the folder ------------------------------------------------------------------------------------------------


def test_a_folder_is_a_bundle_s_own_when_its_manifest_lists_all_of_it(tmp_path: Path) -> None:
    dist = tmp_path / "dist"
    assert strangers(dist) == []
    dist.mkdir()
    (dist / "web.oci.tar").write_bytes(b"1")
    finish(dist, {})
    assert strangers(dist) == []
    (dist / "web-1.0-py3-none-any.whl").write_bytes(b"2")
    assert strangers(dist) == ["web-1.0-py3-none-any.whl"]
    (dist / "release.json").write_text("[]", encoding="utf-8")
    assert strangers(dist) == ["web-1.0-py3-none-any.whl", "web.oci.tar"]
    other = tmp_path / "file"
    other.touch()
    assert strangers(other) == ["file"]
