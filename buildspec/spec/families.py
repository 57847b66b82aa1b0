"""What the usual bases provide: C library, shell, package manager, user tools, programs and accounts.

An assembled base's programs follow from its packages. Sources, checked on 2026-11-25 (those that
change, as of 2026-08-21):
- platforms of the official images: docker-library/official-images, library/{alpine,debian,node,python,ubuntu}
- distroless images: GoogleContainerTools/distroless, README.md, common/BUILD.bazel, {nodejs,python3}/config.bzl
- Wolfi: wolfi-dev/os, wolfi-baselayout and busybox; chainguard-images/images, images/wolfi-base
- accounts: the Debian package base-passwd, and Alpine's alpine-baselayout
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, assert_never

import attrs

from buildspec.spec.lifetimes import parts
from buildspec.spec.model import Base, DebianBase, ImageBase
from buildspec.spec.unknown import UNKNOWN


@attrs.frozen(repr=False, kw_only=True)
class Traits:
    """What a base provides, as far as it is known."""

    family: str
    """Name of the family; empty when nothing is known."""
    libc: Literal["musl", "glibc", ""] = ""
    """C library."""
    shell: str = ""
    """Absolute path of the shell that shell-form commands use."""
    packages: Literal["apk", "apt", ""] = ""
    """Package manager."""
    accounts: Literal["busybox", "shadow", ""] = ""
    """Tools that create users: BusyBox's addgroup and adduser, or shadow's groupadd and useradd."""
    passwd: tuple[str, ...] = ()
    """Lines of /etc/passwd, where there is no tool to add one."""
    group: tuple[str, ...] = ()
    """Lines of /etc/group, likewise."""
    programs: Mapping[str, str] = attrs.Factory(dict)
    """Absolute paths of its interpreters and tools."""
    users: Mapping[str, int] = attrs.Factory(dict)
    """Accounts of its /etc/passwd with their ids."""
    entrypoint: bool = False
    """Its image has an entrypoint: `cmd` alone is arguments."""
    platforms: tuple[str, ...] = ()
    """What its image is published for; empty when that isn't known. The usual variant is left out."""


# Accounts of the distributions' own images, with their ids: alpine-baselayout and base-passwd.
_ALPINE_USERS = {
    "root": 0,
    "bin": 1,
    "daemon": 2,
    "lp": 4,
    "sync": 5,
    "shutdown": 6,
    "halt": 7,
    "mail": 8,
    "news": 9,
    "uucp": 10,
    "cron": 16,
    "ftp": 21,
    "sshd": 22,
    "games": 35,
    "ntp": 123,
    "guest": 405,
    "nobody": 65534,
}
_DEBIAN_USERS = {
    "root": 0,
    "daemon": 1,
    "bin": 2,
    "sys": 3,
    "sync": 4,
    "games": 5,
    "man": 6,
    "lp": 7,
    "mail": 8,
    "news": 9,
    "uucp": 10,
    "proxy": 13,
    "www-data": 33,
    "backup": 34,
    "list": 38,
    "irc": 39,
    "_apt": 42,
    "nobody": 65534,
}

_WOLFI_USERS = {
    "root": 0,
    "bin": 1,
    "daemon": 2,
    "adm": 3,
    "lp": 4,
    "sync": 5,
    "shutdown": 6,
    "halt": 7,
    "mail": 8,
    "news": 9,
    "uucp": 10,
    "operator": 11,
    "man": 13,
    "postmaster": 14,
    "cron": 16,
    "ftp": 21,
    "sshd": 22,
    "nonroot": 65532,
    "nobody": 65534,
}

# What the images are published for, in any version that is maintained; see `_of_version` for what only some have.
_ALPINE_PLATFORMS = ("amd64", "arm/v6", "arm/v7", "arm64", "386", "ppc64le", "riscv64", "s390x")
_DEBIAN_PLATFORMS = ("amd64", "arm/v5", "arm/v7", "arm64", "386", "ppc64le", "riscv64", "s390x")
_ALPINE_NODE_PLATFORMS = ("amd64", "arm/v6", "arm/v7", "arm64", "ppc64le", "s390x")
_DEBIAN_NODE_PLATFORMS = ("amd64", "arm/v7", "arm64", "ppc64le", "s390x")
_DISTROLESS_PLATFORMS = ("amd64", "arm/v7", "arm64", "ppc64le", "riscv64", "s390x")

# Accounts of a base without tools: those of the distroless images, which scanners and users expect.
_DISTROLESS_PASSWD = (
    "root:x:0:0:root:/root:/sbin/nologin",
    "nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin",
    "nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin",
)
_DISTROLESS_GROUP = ("root:x:0:", "nobody:x:65534:", "tty:x:5:", "staff:x:50:", "nonroot:x:65532:")

# Accounts of an assembled base with a shell: those of Debian's base-passwd that programs in containers look up.
_DEBIAN_PASSWD = (
    "root:x:0:0:root:/root:/bin/sh",
    "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin",
    "bin:x:2:2:bin:/bin:/usr/sbin/nologin",
    "sys:x:3:3:sys:/dev:/usr/sbin/nologin",
    "mail:x:8:8:mail:/var/mail:/usr/sbin/nologin",
    "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin",
    "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin",
)
_DEBIAN_GROUP = (
    "root:x:0:",
    "daemon:x:1:",
    "bin:x:2:",
    "sys:x:3:",
    "adm:x:4:",
    "tty:x:5:",
    "disk:x:6:",
    "mail:x:8:",
    "www-data:x:33:",
    "shadow:x:42:",
    "utmp:x:43:",
    "staff:x:50:",
    "users:x:100:",
    "nogroup:x:65534:",
)

_ALPINE = Traits(  # noqa: S604 - `shell` is a path
    family="alpine",
    libc="musl",
    shell="/bin/sh",
    packages="apk",
    accounts="busybox",
    programs={"sh": "/bin/sh", "wget": "/usr/bin/wget", "apk": "/sbin/apk"},
    users=_ALPINE_USERS,
    platforms=_ALPINE_PLATFORMS,
)
_DEBIAN = Traits(  # noqa: S604 - `shell` is a path
    family="debian",
    libc="glibc",
    shell="/bin/sh",
    packages="apt",
    accounts="shadow",
    programs={"sh": "/bin/sh", "bash": "/bin/bash", "apt-get": "/usr/bin/apt-get", "perl": "/usr/bin/perl"},
    users=_DEBIAN_USERS,
    platforms=_DEBIAN_PLATFORMS,
)
_DISTROLESS = Traits(
    family="distroless-base",
    libc="glibc",
    passwd=_DISTROLESS_PASSWD,
    group=_DISTROLESS_GROUP,
    users={"root": 0, "nobody": 65534, "nonroot": 65532},
    platforms=_DISTROLESS_PLATFORMS,
)
# Alpine's tools, made for glibc.
_WOLFI = attrs.evolve(_ALPINE, family="wolfi", libc="glibc", users=_WOLFI_USERS, platforms=("amd64", "arm64"))
_NODE = {"node": "/usr/local/bin/node", "npm": "/usr/local/bin/npm", "npx": "/usr/local/bin/npx"}
_PYTHON = {"python3": "/usr/local/bin/python3", "python": "/usr/local/bin/python", "pip": "/usr/local/bin/pip"}


def _kin(traits: Traits, family: str, programs: Mapping[str, str]) -> Traits:
    return attrs.evolve(traits, family=family, programs={**traits.programs, **programs})


def _node(traits: Traits, family: str, platforms: tuple[str, ...]) -> Traits:
    users = {**traits.users, "node": 1000}
    return attrs.evolve(_kin(traits, family, _NODE), users=users, entrypoint=True, platforms=platforms)


_DISTROLESS_NODE = attrs.evolve(
    _kin(_DISTROLESS, "distroless-node", {"node": "/nodejs/bin/node"}),
    entrypoint=True,
    platforms=("amd64", "arm/v7", "arm64", "ppc64le", "s390x"),
)
_DISTROLESS_PYTHON = attrs.evolve(
    _kin(_DISTROLESS, "distroless-python", {"python3": "/usr/bin/python3", "python": "/usr/bin/python"}),
    entrypoint=True,
    platforms=("amd64", "arm64", "riscv64"),
)

FAMILIES: Mapping[str, Traits] = {
    traits.family: traits
    for traits in (
        _ALPINE,
        _node(_ALPINE, "alpine-node", _ALPINE_NODE_PLATFORMS),
        _kin(_ALPINE, "alpine-python", _PYTHON),
        _WOLFI,
        _DEBIAN,
        _node(_DEBIAN, "debian-node", _DEBIAN_NODE_PLATFORMS),
        _kin(_DEBIAN, "debian-python", _PYTHON),
        attrs.evolve(
            _DEBIAN,
            family="ubuntu",
            users={**_DEBIAN_USERS, "ubuntu": 1000},
            platforms=("amd64", "arm/v7", "arm64", "ppc64le", "riscv64", "s390x"),
        ),
        _DISTROLESS,
        _kin(_DISTROLESS, "distroless-cc", {}),
        attrs.evolve(_DISTROLESS, family="distroless-static", libc=""),
        _DISTROLESS_NODE,
        _DISTROLESS_PYTHON,
        Traits(family="scratch"),
    )
}

DEBIAN_ARCHITECTURES: Mapping[str, str] = MappingProxyType(
    {
        "linux/386": "i386",
        "linux/amd64": "amd64",
        "linux/arm/v7": "armhf",
        "linux/arm64": "arm64",
        "linux/ppc64le": "ppc64el",
        "linux/riscv64": "riscv64",
        "linux/s390x": "s390x",
    }
)
"""Debian's name of each platform's architecture, of those that bases are assembled for."""
DEBIAN_PLATFORMS = tuple(platform.removeprefix("linux/") for platform in DEBIAN_ARCHITECTURES)

PACKAGES_WITHOUT_PROGRAMS = frozenset({"ca-certificates", "tzdata", "musl-locales", "libc6", "libstdc++", "libstdc++6"})
"""Packages that well-known images have for their files alone."""

# Programs of Debian packages that commands and entrypoints name; the whole list is the archive's.
PACKAGE_PROGRAMS: Mapping[str, tuple[str, ...]] = {
    "nodejs": ("/usr/bin/node",),
    "npm": ("/usr/bin/npm", "/usr/bin/npx"),
    "git": ("/usr/bin/git",),
    "curl": ("/usr/bin/curl",),
    "wget": ("/usr/bin/wget",),
    "bash": ("/usr/bin/bash",),
    "dash": ("/usr/bin/sh", "/usr/bin/dash"),
    "busybox-static": ("/usr/bin/busybox",),
    "tini": ("/usr/bin/tini",),
    "python3": ("/usr/bin/python3",),
    "python3-minimal": ("/usr/bin/python3",),
    "nginx": ("/usr/sbin/nginx",),
    "nginx-light": ("/usr/sbin/nginx",),
}


def traits(base: Base) -> Traits:
    """What a base provides.

    Args:
        base: of the specification; an unknown family gives traits that know nothing.
    """
    match base:
        case ImageBase():
            known = FAMILIES.get(base.family) or guess(str(base.image)) or Traits(family="")
        case DebianBase():
            known = assembled_traits(base.packages, shell=base.shell)
        case _:
            assert_never(base)
    return attrs.evolve(_of_version(known, base), programs={**known.programs, **base.programs})


_WITHOUT_RISCV = {"jessie", "stretch", "buster", "bullseye", "bookworm"}
"""Releases of Debian from before its port to riscv64."""
_WITHOUT_ACCOUNT = {"trusty", "xenial", "bionic", "focal", "jammy"}
"""Releases of Ubuntu whose images have no account `ubuntu`."""
_LAST_NODE_ON_ARM_32 = 22
"""The last major version of Node.js whose images are for 32-bit ARM too; the only one of those without a shell."""


def _of_version(known: Traits, base: Base) -> Traits:
    """The traits of a family, less what the version lacks that the base's name gives away."""
    if (base.image if isinstance(base, ImageBase) else base.debian) is UNKNOWN:
        return known
    lacking = set()
    users = known.users
    if known.family == "distroless-node" and ("Node.js", str(_LAST_NODE_ON_ARM_32)) not in parts(base):
        lacking.add("arm/v7")
    for product, version in parts(base):
        if version in _WITHOUT_RISCV or version.endswith("-debian12"):
            lacking.add("riscv64")
        if product == "Node.js" and version.isdecimal() and int(version) > _LAST_NODE_ON_ARM_32:
            lacking |= {"arm/v6", "arm/v7"}
        if version in _WITHOUT_ACCOUNT:
            users = {name: uid for name, uid in users.items() if name != "ubuntu"}
    platforms = tuple(one for one in known.platforms if one not in lacking)
    return attrs.evolve(known, platforms=platforms, users=users)


def assembled_traits(packages: tuple[str, ...], *, shell: bool) -> Traits:
    """Traits of a base assembled from these packages."""
    programs = {path.rsplit("/", 1)[1]: path for package in packages for path in PACKAGE_PROGRAMS.get(package, ())}
    if not shell:
        return attrs.evolve(_kin(_DISTROLESS, "debian-distroless", programs), platforms=DEBIAN_PLATFORMS)
    known = _kin(_DEBIAN, "debian-assembled", programs)
    users = {line.split(":")[0]: int(line.split(":")[2]) for line in _DEBIAN_PASSWD}
    return attrs.evolve(known, passwd=_DEBIAN_PASSWD, group=_DEBIAN_GROUP, users=users, platforms=DEBIAN_PLATFORMS)


def guess(reference: str) -> Traits | None:
    """The family that an image's well-known name gives away, or None."""
    name, _, tag = reference.partition("@")[0].removeprefix("docker.io/library/").partition(":")
    match name:
        case "alpine" | "debian" | "ubuntu":
            return FAMILIES[name]
        case "node" | "python":
            return FAMILIES[f"{'alpine' if 'alpine' in tag else 'debian'}-{name}"]
        case _ if name.startswith("gcr.io/distroless/"):
            kind = name.rsplit("/", 1)[1].partition("-")[0].rstrip("0123456789")
            return FAMILIES.get(f"distroless-{'node' if kind == 'nodejs' else kind}")
        case _:
            return None
