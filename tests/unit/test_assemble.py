"""Assembled bases: their file systems, and a cache that trusts only what is whole."""

# ruff: noqa: S604 - `shell` is a field of ours, not of subprocess

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from buildspec.engine import assemble as module
from buildspec.engine import layers, oci, rootfs
from buildspec.engine.assemble import assemble, assemble_all, export, index
from buildspec.engine.rootfs import Package
from buildspec.engine.tree import Entry, Tree
from buildspec.errors import MachineError, UsageError
from buildspec.plan.recipe import Recipe

RECIPE = Recipe("trixie", "linux/arm64", ("nodejs",), shell=False, configured=False)


def file(text: str = "", mode: int = 0o644, mtime: int = 7) -> Entry:
    return Entry("file", mode, mtime=mtime, data=text.encode())


def shipped(name: str, files: Tree) -> Package:
    return Package(name, f"Package: {name}\nVersion: 1\n", files)


def unpacked(
    *packages: Package, wanted: tuple[str, ...] = (), shell: bool = False, exclude: tuple[str, ...] = ()
) -> Tree:
    return rootfs.unpacked(packages, wanted, exclude, shell=shell)[0]


def text(tree: Tree, path: str) -> str:
    return tree[path].read().decode()


NODE = shipped(
    "libnode1",
    {"usr/lib/t/libnode.so.1": file("..\0/usr/share/nodejs/acorn/dist/acorn.js\0..")},
)
ACORN = shipped(
    "node-acorn",
    {
        "usr/bin/acorn": Entry("link", 0o777, target="../share/nodejs/acorn/bin/acorn"),
        "usr/share/nodejs/acorn/bin/acorn": file("#!/usr/bin/node\n", 0o755),
        "usr/share/nodejs/acorn/dist/acorn.js": file("x"),
        "usr/share/doc/node-acorn/copyright": file("licence"),
        "usr/share/doc/node-acorn/README": file("long"),
    },
)


def test_files_in_unmerged_folders_move_below_usr() -> None:
    tree = unpacked(shipped("libc6", {"lib": Entry("dir", 0o755), "lib/x.so": file(), "lib64/ld.so": file()}))
    assert {"usr/lib/x.so", "usr/lib64/ld.so"} <= tree.keys()
    assert [(tree[p].kind, tree[p].target) for p in ("lib", "lib64", "bin")] == [
        ("link", "usr/lib"),
        ("link", "usr/lib64"),
        ("link", "usr/bin"),
    ]
    assert "lib/x.so" not in tree


def test_a_distroless_base_has_accounts_without_a_login_shell() -> None:
    tree = unpacked()
    users = text(tree, "etc/passwd").splitlines()
    assert [u.split(":")[0] for u in users] == ["root", "nobody", "nonroot"]
    assert all(u.endswith(":/sbin/nologin") for u in users)
    assert "nonroot:x:65532:" in text(tree, "etc/group").splitlines()
    assert (tree["home/nonroot"].uid, tree["tmp"].mode) == (65532, 0o1777)
    assert "hosts:" in text(tree, "etc/nsswitch.conf")


def test_a_base_with_a_shell_has_sh_awk_and_a_root_that_can_log_in() -> None:
    dash, mawk = shipped("dash", {"usr/bin/dash": file()}), shipped("mawk", {"usr/bin/mawk": file()})
    tree = unpacked(dash, mawk, shell=True)
    assert (tree["usr/bin/sh"].target, tree["usr/bin/awk"].target) == ("dash", "mawk")
    assert text(tree, "etc/passwd").startswith("root:x:0:0:root:/root:/bin/sh\n")


def test_certificates_become_one_bundle_in_a_fixed_order() -> None:
    mozilla = "usr/share/ca-certificates/mozilla"
    ca = shipped("ca-certificates", {f"{mozilla}/B.crt": file("bbb"), f"{mozilla}/A.crt": file("aaa\n")})
    tree = unpacked(ca, wanted=("ca-certificates",))
    assert text(tree, "etc/ssl/certs/ca-certificates.crt") == "aaa\nbbb\n"
    assert f"{mozilla}/A.crt" not in tree
    kept = unpacked(ca, wanted=("ca-certificates",), shell=True)
    assert text(kept, "etc/ca-certificates.conf") == "mozilla/A.crt\nmozilla/B.crt\n"


def test_documentation_goes_and_licences_stay() -> None:
    tree = unpacked(ACORN, shell=True)
    assert "usr/share/doc/node-acorn/copyright" in tree
    assert "usr/share/doc/node-acorn/README" not in tree


def test_of_javascript_packages_only_what_node_itself_loads_stays() -> None:
    tree = unpacked(NODE, ACORN, wanted=("libnode1",))
    assert [p for p in tree if p.startswith("usr/share/nodejs/") and tree[p].kind == "file"] == [
        "usr/share/nodejs/acorn/dist/acorn.js"
    ]
    assert "usr/bin/acorn" not in tree


def test_javascript_packages_asked_for_stay_with_what_they_require() -> None:
    npm = shipped("npm", {"usr/share/nodejs/npm/index.js": file("n")})
    tree = unpacked(NODE, ACORN, npm, wanted=("libnode1", "npm"))
    assert {"usr/share/nodejs/npm/index.js", "usr/share/nodejs/acorn/dist/acorn.js"} <= tree.keys()


def test_shells_and_package_managers_that_come_along_are_left_out_with_their_scripts() -> None:
    dash = shipped("dash", {"usr/bin/dash": file(), "usr/bin/sh": Entry("link", 0o777, target="dash")})
    script = shipped("tool", {"usr/bin/tool": file("#!/bin/sh\n", 0o755), "usr/bin/real": file("\x7fELF", 0o755)})
    dpkg = shipped("dpkg", {"usr/bin/dpkg": file("", 0o755)})
    tree, names = rootfs.unpacked((dash, dpkg, script), ("tool",), (), shell=False)
    assert rootfs.problems(tree) == ()
    assert "usr/bin/real" in tree
    assert not {"usr/bin/sh", "usr/bin/tool", "usr/bin/dpkg"} & tree.keys()
    assert names == ("tool",)


@pytest.mark.parametrize(
    ("path", "entry", "words"),
    [
        ("usr/bin/bash", file("", 0o755), "shell"),
        ("usr/bin/sh", Entry("link", 0o777, target="busybox"), "shell"),
        ("opt/tools/busybox", file("", 0o755), "shell"),
        ("usr/bin/apt-get", file("", 0o755), "package manager"),
        ("usr/bin/mount", file("", 0o4755), "setuid"),
    ],
)
def test_a_base_that_is_not_distroless_is_noticed(path: str, entry: Entry, words: str) -> None:
    found = rootfs.problems({path: entry})
    assert len(found) == 1
    assert f"/{path}" in found[0]
    assert words in found[0]


def test_a_folder_named_like_a_shell_is_none() -> None:
    assert rootfs.problems({"usr/share/bash": Entry("dir", 0o755), "etc/apt": file()}) == ()


def test_scanners_find_the_packages_that_are_there() -> None:
    empty = shipped("gcc-14-base", {"usr/share/doc/gcc-14-base/copyright": file()})
    tree = unpacked(NODE, empty, wanted=("libnode1",))
    assert text(tree, "var/lib/dpkg/status.d/libnode1") == "Package: libnode1\nVersion: 1\n"
    assert "var/lib/dpkg/status.d/gcc-14-base" not in tree
    full = unpacked(shipped("dpkg", {"usr/bin/dpkg": file()}), shell=True)
    assert "Status: install ok installed" in text(full, "var/lib/dpkg/status")


def test_patterns_of_a_recipe_leave_files_out_with_the_folders_they_name() -> None:
    tz = shipped("tzdata", {"usr/share/zoneinfo/Asia/Tokyo": file(), "usr/share/zoneinfo/UTC": file()})
    tree = unpacked(tz, wanted=("tzdata",), exclude=("/usr/share/zoneinfo/A*",))
    assert "usr/share/zoneinfo/UTC" in tree
    assert "usr/share/zoneinfo/Asia/Tokyo" not in tree


def configured_tree() -> Tree:
    return {
        "etc/shadow": file("root:*:20781:0:99999:7:::\n", 0o640),
        "etc/machine-id": file("0123\n"),
        "etc/hostname": file("host\n"),
        "etc/apt/sources.list.d/0000x.sources": file("mirror"),
        "etc/apt/apt.conf.d/99mmdebstrap": file("proxy"),
        "usr/lib/python3/__pycache__/x.pyc": file("pyc"),
        "usr/bin/git": file("git", mtime=864000),
        "var/log/dpkg.log": file("now"),
        "var/cache/ldconfig/aux-cache": file("now"),
        "var/lib/dpkg/info/git.md5sums": file("0" * 32 + "  usr/bin/git\n", mtime=9999999),
        "var/lib/dpkg/status": file("Package: git\nVersion: 2\n\nPackage: gone\nStatus: x\n\n", mtime=9999999),
    }


def test_what_a_run_of_mmdebstrap_leaves_behind_is_taken_out() -> None:
    tree = rootfs.configured(configured_tree(), (), {"etc/apt/x": "y"})
    gone = {p for p in configured_tree() if p not in tree}
    assert gone == {
        "etc/hostname",
        "etc/apt/sources.list.d/0000x.sources",
        "etc/apt/apt.conf.d/99mmdebstrap",
        "usr/lib/python3/__pycache__/x.pyc",
        "var/log/dpkg.log",
        "var/cache/ldconfig/aux-cache",
    }
    assert text(tree, "etc/machine-id") == ""
    assert text(tree, "etc/shadow") == "root:*:10:0:99999:7:::\n"
    assert text(tree, "etc/apt/x") == "y"
    assert rootfs.installed(tree) == {"git": "2"}


def test_the_newest_time_is_that_of_a_packages_file_not_of_this_run() -> None:
    assert rootfs.latest(configured_tree()) == 864000


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Recipe]:
    """Recipes that were assembled, by a stand-in that writes one small file."""
    calls: list[Recipe] = []

    def stand_in(recipe: Recipe, cache: Path, work: Path, say: Callable[[str], None]) -> dict[str, Any]:
        calls.append(recipe)
        say("assembling")
        layer = layers.write_layer({"f": file(recipe.platform)}, cache, latest=9, level=6, work=work)
        digest = oci.write_image(cache, layer, recipe.platform, created="x", path="/", comment="c")
        blobs = oci.contents(cache, digest)
        return {"digest": digest, "unpacked": 1, "compressed": 2, "packages": {"a": "1"}, "blobs": blobs}

    monkeypatch.setattr(module, "_make", stand_in)
    return calls


def quiet(_: str) -> None:
    pass


def test_a_base_is_assembled_once_and_then_found(tmp_path: Path, made: list[Recipe]) -> None:
    first = assemble(RECIPE, tmp_path, say=quiet)
    second = assemble(RECIPE, tmp_path, say=quiet)
    assert (first.cached, second.cached, len(made)) == (False, True, 1)
    assert attrs.evolve(second, cached=False, seconds=first.seconds) == first
    assert [*(tmp_path / "tmp").iterdir()] == []


def test_refresh_assembles_again(tmp_path: Path, made: list[Recipe]) -> None:
    assemble(RECIPE, tmp_path, say=quiet)
    assert not assemble(RECIPE, tmp_path, say=quiet, refresh=True).cached
    assert len(made) == 2


@pytest.mark.parametrize("harm", ["truncate", "remove", "record"])
def test_a_damaged_cache_is_noticed_and_made_good(tmp_path: Path, made: list[Recipe], harm: str) -> None:
    base = assemble(RECIPE, tmp_path, say=quiet)
    blob = oci.blob(tmp_path, base.digest)
    if harm == "record":
        (tmp_path / "recipes" / f"{RECIPE.key()}.json").write_text('{"blobs": ')
    elif harm == "remove":
        blob.unlink()
    else:
        os.truncate(blob, 3)
    again = assemble(RECIPE, tmp_path, say=quiet)
    assert (again.digest, again.cached, len(made)) == (base.digest, False, 2)
    assert oci.contents(tmp_path, base.digest)


def test_what_an_interrupted_run_left_is_cleared(tmp_path: Path, made: list[Recipe]) -> None:
    left = tmp_path / "tmp" / RECIPE.key() / "half"
    left.mkdir(parents=True)
    assemble(RECIPE, tmp_path, say=quiet)
    assert not left.exists()


def test_a_failure_leaves_no_record_and_no_half_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: Recipe, __: Path, work: Path, ___: object) -> dict[str, Any]:
        (work / "layer.tar.gz").write_bytes(b"half")
        raise MachineError("no mirror")

    monkeypatch.setattr(module, "_make", fail)
    with pytest.raises(MachineError):
        assemble(RECIPE, tmp_path, say=quiet)
    assert [p.name for p in tmp_path.rglob("*") if p.is_file()] == [f"{RECIPE.key()}.lock"]


def test_two_at_once_assemble_one_base_once(tmp_path: Path, made: list[Recipe]) -> None:
    bases: list[bool] = []
    workers = [
        threading.Thread(target=lambda: bases.append(assemble(RECIPE, tmp_path, say=quiet).cached)) for _ in range(4)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(10)
    assert sorted(bases) == [False, True, True, True]
    assert len(made) == 1


def test_all_recipes_are_answered_and_duplicates_made_once(tmp_path: Path, made: list[Recipe]) -> None:
    other = attrs.evolve(RECIPE, platform="linux/amd64")
    lines: list[str] = []
    found = assemble_all([RECIPE, other, RECIPE], tmp_path, say=lines.append, jobs=2)
    assert [*found] == [RECIPE, other]
    assert len(made) == 2
    assert sorted(lines) == [
        "trixie linux/amd64 distroless: assembling",
        "trixie linux/arm64 distroless: assembling",
    ]
    assert all(b.cached for b in assemble_all([RECIPE, other], tmp_path, say=lines.append).values())


def test_index_and_export_make_a_layout_of_all_platforms(tmp_path: Path, made: list[Recipe]) -> None:
    recipes = [RECIPE, attrs.evolve(RECIPE, platform="linux/amd64")]
    found = assemble_all(recipes, tmp_path / "cache", say=quiet)
    digest = index(tmp_path / "cache", {r.platform: b.digest for r, b in found.items()})
    export(tmp_path / "cache", digest, tmp_path / "layout", "base")
    assert len([*(tmp_path / "layout/blobs/sha256").iterdir()]) == 7


def test_a_cached_base_costs_about_a_millisecond(tmp_path: Path, made: list[Recipe]) -> None:
    assemble(RECIPE, tmp_path, say=quiet)
    start = time.perf_counter()
    for _ in range(20):
        assemble(RECIPE, tmp_path, say=quiet)
    assert (time.perf_counter() - start) / 20 < 0.005


def test_a_configured_base_of_another_architecture_is_refused(tmp_path: Path) -> None:
    foreign = "linux/s390x" if os.uname().machine != "s390x" else "linux/amd64"
    recipe = Recipe("trixie", foreign, (), shell=True, configured=True)
    with pytest.raises(MachineError, match="maintainer scripts"):
        module._configured(recipe, None, tmp_path, tmp_path, quiet)  # type: ignore[arg-type]


def test_a_base_with_a_shell_where_none_was_asked_for_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buildspec.engine.apt.mirror", lambda _: None)
    monkeypatch.setattr(module, "_unpacked", lambda *_: ({"usr/bin/sh": file("", 0o755)}, {}))
    with pytest.raises(UsageError, match="/usr/bin/sh is a shell"):
        assemble(RECIPE, tmp_path, say=quiet)
    assert not (tmp_path / "recipes" / f"{RECIPE.key()}.json").exists()


def test_the_module_imports_nothing_heavy() -> None:
    heavy = {"subprocess", "tarfile"}
    code = "import sys, buildspec.engine.assemble as a; print(*sys.modules)"
    import subprocess

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not heavy & set(done.stdout.split())
