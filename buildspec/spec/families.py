"""What the usual bases provide: C library, shell, package manager, user tools, programs and accounts.

Sources: the Dockerfiles of docker-library/node, of GoogleContainerTools/distroless and of the distributions'
own images, as of 2026-11. An assembled base's programs follow from its packages.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, assert_never

import attrs

from buildspec.spec.model import Base, DebianBase, ImageBase


@attrs.frozen(kw_only=True)
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
)
_DEBIAN = Traits(  # noqa: S604 - `shell` is a path
    family="debian",
    libc="glibc",
    shell="/bin/sh",
    packages="apt",
    accounts="shadow",
    programs={"sh": "/bin/sh", "bash": "/bin/bash", "apt-get": "/usr/bin/apt-get", "perl": "/usr/bin/perl"},
)
_DISTROLESS = Traits(family="distroless-base", libc="glibc", passwd=_DISTROLESS_PASSWD, group=_DISTROLESS_GROUP)
_NODE = {"node": "/usr/local/bin/node", "npm": "/usr/local/bin/npm", "npx": "/usr/local/bin/npx"}
_PYTHON = {"python3": "/usr/local/bin/python3", "python": "/usr/local/bin/python", "pip": "/usr/local/bin/pip"}


def _kin(traits: Traits, family: str, programs: Mapping[str, str]) -> Traits:
    return attrs.evolve(traits, family=family, programs={**traits.programs, **programs})


FAMILIES: Mapping[str, Traits] = {
    traits.family: traits
    for traits in (
        _ALPINE,
        _kin(_ALPINE, "alpine-node", _NODE),
        _kin(_ALPINE, "alpine-python", _PYTHON),
        _kin(_ALPINE, "wolfi", {}),
        _DEBIAN,
        _kin(_DEBIAN, "debian-node", _NODE),
        _kin(_DEBIAN, "debian-python", _PYTHON),
        _kin(_DEBIAN, "ubuntu", {}),
        _DISTROLESS,
        _kin(_DISTROLESS, "distroless-cc", {}),
        attrs.evolve(_DISTROLESS, family="distroless-static", libc=""),
        _kin(_DISTROLESS, "distroless-node", {"node": "/nodejs/bin/node"}),
        _kin(_DISTROLESS, "distroless-python", {"python3": "/usr/bin/python3", "python": "/usr/bin/python"}),
        Traits(family="scratch"),
    )
}

# Programs of Debian packages that commands and entrypoints name; the whole list is the archive's.
_PACKAGE_PROGRAMS: Mapping[str, tuple[str, ...]] = {
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
    return attrs.evolve(known, programs={**known.programs, **base.programs})


def assembled_traits(packages: tuple[str, ...], *, shell: bool) -> Traits:
    """Traits of a base assembled from these packages."""
    programs = {path.rsplit("/", 1)[1]: path for package in packages for path in _PACKAGE_PROGRAMS.get(package, ())}
    if not shell:
        return _kin(_DISTROLESS, "debian-distroless", programs)
    known = _kin(_DEBIAN, "debian-assembled", programs)
    return attrs.evolve(known, passwd=_DEBIAN_PASSWD, group=_DEBIAN_GROUP)


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
