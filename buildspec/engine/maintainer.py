"""What maintainer scripts would write into an unpacked base: folders, links, accounts, certificates."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from buildspec.engine.tree import Entry, Tree

DIRECTORIES: Mapping[str, int] = {
    "boot": 0o755, "dev": 0o755, "etc": 0o755, "home": 0o755, "media": 0o755, "mnt": 0o755, "opt": 0o755,
    "proc": 0o755, "root": 0o700, "run": 0o755, "run/lock": 0o1777, "srv": 0o755, "sys": 0o755, "tmp": 0o1777,
    "var/cache": 0o755, "var/lib": 0o755, "var/log": 0o755, "var/tmp": 0o1777,
}  # fmt: skip

# The accounts of Debian's base-passwd that programs in containers look up.
_USERS = (
    "daemon:x:1:1:daemon:/usr/sbin", "bin:x:2:2:bin:/bin", "sys:x:3:3:sys:/dev", "mail:x:8:8:mail:/var/mail",
    "www-data:x:33:33:www-data:/var/www", "nobody:x:65534:65534:nobody:/nonexistent",
)  # fmt: skip
_GROUPS = (
    "root:x:0:", "daemon:x:1:", "bin:x:2:", "sys:x:3:", "adm:x:4:", "tty:x:5:", "disk:x:6:", "mail:x:8:",
    "www-data:x:33:", "shadow:x:42:", "utmp:x:43:", "staff:x:50:", "users:x:100:", "nogroup:x:65534:",
)  # fmt: skip
NONROOT = 65532
"""User and group id of `nonroot` in distroless bases."""

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
    login = "/sbin/nologin" if not shell else "/bin/bash" if "usr/bin/bash" in tree else "/bin/sh"
    users = [f"root:x:0:0:root:/root:{login}"]
    groups = list(_GROUPS)
    if shell:
        users += [f"{user}:/usr/sbin/nologin" for user in _USERS]
    else:
        users += ["nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin"]
        users += [f"nonroot:x:{NONROOT}:{NONROOT}:nonroot:/home/nonroot:/sbin/nologin"]
        groups += [f"nonroot:x:{NONROOT}:"]
        tree["home/nonroot"] = Entry("dir", 0o700, NONROOT, NONROOT)
    put(tree, "etc/passwd", "\n".join(users) + "\n")
    put(tree, "etc/group", "\n".join(groups) + "\n")


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
