"""What maintainer scripts would write into an unpacked base: folders, links, accounts, certificates."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from buildspec.engine.tree import Entry, Tree
from buildspec.spec.families import assembled_traits

DIRECTORIES: Mapping[str, int] = {
    "boot": 0o755, "dev": 0o755, "etc": 0o755, "home": 0o755, "media": 0o755, "mnt": 0o755, "opt": 0o755,
    "proc": 0o755, "root": 0o700, "run": 0o755, "run/lock": 0o1777, "srv": 0o755, "sys": 0o755, "tmp": 0o1777,
    "var/cache": 0o755, "var/lib": 0o755, "var/log": 0o755, "var/tmp": 0o1777,
}  # fmt: skip

_NSSWITCH = """\
passwd:         files
group:          files
shadow:         files
hosts:          files dns
networks:       files
protocols:      files
services:       files
ethers:         files
rpc:            files
"""


def put(tree: Tree, path: str, text: str, mode: int = 0o644) -> None:
    """Write a file."""
    tree[path] = Entry("file", mode, data=text.encode())


def put_link(tree: Tree, path: str, target: str) -> None:
    """Make a symbolic link."""
    tree[path] = Entry("link", 0o777, target=target)


def write(tree: Tree, names: set[str], *, shell: bool) -> None:
    """What the maintainer scripts of base-files, base-passwd, ca-certificates, tzdata and mawk write.

    Args:
        tree: the packages' files; added to.
        names: of the packages.
        shell: whether the base has one.
    """
    there = {path.split("/", 2)[1] for path in tree if path.startswith("usr/")}
    for path, mode in DIRECTORIES.items():
        tree[path] = Entry("dir", mode)
    for top in ("bin", "sbin", "lib", *sorted(there & {"lib32", "lib64", "libx32"})):
        tree.setdefault(f"usr/{top}", Entry("dir", 0o755))
        put_link(tree, top, f"usr/{top}")
    put_link(tree, "var/run", "/run")
    put_link(tree, "var/lock", "/run/lock")
    put(tree, "etc/nsswitch.conf", _NSSWITCH)
    _write_accounts(tree, shell=shell)
    _write_certificates(tree, shell=shell)
    if "tzdata" in names:
        put_link(tree, "etc/localtime", "/usr/share/zoneinfo/Etc/UTC")
        put(tree, "etc/timezone", "Etc/UTC\n")
    if shell:
        _write_shell(tree)


def _write_accounts(tree: Tree, *, shell: bool) -> None:
    known = assembled_traits((), shell=shell)
    put(tree, "etc/passwd", "".join(f"{line}\n" for line in known.passwd))
    put(tree, "etc/group", "".join(f"{line}\n" for line in known.group))
    for line in known.passwd:
        name, _, uid, gid, _, home, _ = line.split(":")
        if name == "nonroot":
            tree[home.strip("/")] = Entry("dir", 0o700, int(uid), int(gid))


def _write_certificates(tree: Tree, *, shell: bool) -> None:
    prefix = "usr/share/ca-certificates/"
    files = sorted(p for p in tree if p.startswith(prefix) and p.endswith(".crt"))
    if files:
        parts = [tree[p].read().decode("ascii").strip() + "\n" for p in files]
        put(tree, "etc/ssl/certs/ca-certificates.crt", "".join(parts))
    if files and shell:
        put(tree, "etc/ca-certificates.conf", "".join(f"{p.removeprefix(prefix)}\n" for p in files))


def _write_shell(tree: Tree) -> None:
    """Links that package scripts or update-alternatives make, and root's dot files."""
    links = {"sh": ("dash", "bash"), "awk": ("gawk", "mawk", "original-awk"), "which": ("which.debianutils",)}
    for name, programs in links.items():
        there = [p for p in programs if f"usr/bin/{p}" in tree]
        if there and f"usr/bin/{name}" not in tree:
            put_link(tree, f"usr/bin/{name}", there[0])
    for source, place in (
        ("profile", "etc/profile"),
        ("dot.profile", "root/.profile"),
        ("dot.bashrc", "root/.bashrc"),
    ):
        if f"usr/share/base-files/{source}" in tree:
            tree[place] = tree[f"usr/share/base-files/{source}"]


def fix_shadow(tree: Tree, day: int) -> None:
    """Passwords were "last changed" when the packages were made, not on the day of assembly."""
    lines = [line.split(":") for line in tree["etc/shadow"].read().decode().splitlines()]
    text = "".join(":".join([*f[:2], str(day), *f[3:]]) + "\n" for f in lines)
    tree["etc/shadow"] = attrs.evolve(tree["etc/shadow"], data=text.encode())
