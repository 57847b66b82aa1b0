"""Root file systems of assembled bases: packages' files, with what maintainer scripts write, without ballast.

Pure: trees and package lists in, trees and problems out.
"""

from __future__ import annotations

import fnmatch
import posixpath
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import attrs

from buildspec.engine.maintainer import DIRECTORIES, fix_shadow, put, write
from buildspec.engine.tree import Entry, Tree

UNMERGED = frozenset({"bin", "sbin", "lib", "lib32", "lib64", "libx32"})
"""Top folders that are links into `usr` on every Debian since 12."""

DOCS = (
    "usr/share/doc/*", "usr/share/man/*", "usr/share/info/*", "usr/share/locale/*", "usr/share/lintian/*",
    "usr/share/bug/*", "usr/share/linda/*", "usr/share/gtk-doc/*", "usr/share/doc-base/*",
    "usr/share/reportbug/*",
)  # fmt: skip
"""Patterns of documentation and translations; licences are kept, whatever matches."""
_LICENCES = re.compile(r"usr/share/doc/[^/]+/copyright")

_SHELLS = frozenset(
    ("sh", "bash", "rbash", "dash", "ash", "zsh", "ksh", "mksh", "csh", "tcsh", "fish", "posh",
     "busybox", "toybox")
)  # fmt: skip
_MANAGERS = frozenset(
    ("apt", "apt-get", "apt-cache", "apt-key", "aptitude", "dpkg", "dpkg-deb", "dpkg-query", "apk",
     "rpm", "dnf")
)  # fmt: skip

# Of no use where no maintainer script runs, or in a base without a shell. Packages asked for by name stay.
_DROPPED_ALWAYS = re.compile(r"debconf|debconf-i18n|cdebconf")
_DROPPED_DISTROLESS = re.compile(
    r"dash|bash|busybox.*|dpkg|apt|apt-utils|perl|perl-.*|libperl.*|[mg]awk|original-awk|node-corepack"
)
# Paths that unnamed packages bring into a base in which nobody types commands.
_BALLAST = (
    "usr/lib/*/gconv", "usr/share/gcc", "usr/share/gdb", "usr/share/systemtap", "usr/share/base-files",
    "usr/share/ca-certificates", "usr/share/bash-completion", "usr/share/menu", "usr/share/pixmaps",
    "usr/share/applications", "usr/share/debconf", "usr/share/pkgconfig", "usr/lib/*/pkgconfig",
    "usr/lib/*/libicutest.*", "usr/lib/*/libicutu.*", "usr/lib/ssl/misc", "usr/bin/openssl",
    "usr/bin/c_rehash", "etc/update-motd.d", "etc/issue*", "etc/skel", "etc/profile.d", "etc/ca-certificates",
    "usr/include", "usr/games", "usr/src", "usr/share/dict", "var/backups",
)  # fmt: skip
_TRIMMED = frozenset({"nodejs", "ca-certificates"})
"""Packages that are asked for and trimmed all the same: type declarations, certificates of the bundle."""
_NODE_MODULES = "usr/share/nodejs/"

# What a run leaves behind in a configured base: logs, caches, locks, backups, this machine's names.
_LEAVINGS = (
    "dev/*", "proc/*", "sys/*", "run/*", "tmp/*", "var/tmp/*", "var/log/*", "var/lib/apt/lists/*",
    "var/cache/ldconfig/*", "var/cache/apt/*.bin", "var/cache/apt/archives/*", "var/cache/debconf/*-old",
    "var/cache/man/*", "var/cache/fontconfig/*", "etc/.pwd.lock", "etc/passwd-", "etc/group-", "etc/shadow-",
    "etc/gshadow-", "etc/subuid-", "etc/subgid-", "etc/hostname", "etc/resolv.conf", "var/lib/dpkg/*-old",
    "var/lib/dpkg/lock*", "var/lib/dpkg/triggers/Lock", "var/lib/systemd/catalog/*",
    "var/lib/dbus/machine-id",
    "etc/apt/apt.conf.d/99mmdebstrap", "etc/apt/sources.list", "etc/apt/sources.list.d/*", "*/__pycache__/*",
)  # fmt: skip


@attrs.frozen
class Package:
    """A package that was unpacked."""

    name: str
    control: str
    """Its control stanza."""
    files: Mapping[str, Entry]
    """As the package ships them."""


def globs(patterns: Iterable[str]) -> Callable[[str], bool]:
    """Whether a path or a folder it is in matches one of the patterns; `*` matches `/` too."""
    alternatives = "|".join(fnmatch.translate(p.strip("/")).removesuffix(r"\Z") for p in patterns)
    if not alternatives:
        return lambda _: False
    matcher = re.compile(rf"(?:{alternatives})(?:/.*)?", re.DOTALL)
    return lambda path: matcher.fullmatch(path) is not None


def merged(path: str, entry: Entry) -> str:
    """The path below `usr` where that is the file's home; `bin` and its kind stay when they are links."""
    top, _, rest = path.partition("/")
    return f"usr/{path}" if top in UNMERGED and (rest or entry.kind == "dir") else path


def unpacked(
    packages: Sequence[Package], wanted: Iterable[str], exclude: Iterable[str], *, shell: bool
) -> tuple[Tree, tuple[str, ...]]:
    """The root file system of packages whose maintainer scripts don't run.

    Args:
        packages: all that were resolved.
        wanted: names of those that were asked for.
        exclude: patterns of paths to leave out.
        shell: whether the base has one; without it, more is left out.

    Returns:
        The tree, and the names of the packages that something is left of.
    """
    named = frozenset(wanted)
    kept = [p for p in packages if p.name in named or not _dropped(p.name, shell=shell)]
    tree: Tree = {}
    spared: set[str] = set()
    for package in kept:
        for path, entry in package.files.items():
            place = merged(path, entry)
            if not (entry.kind == "dir" and place in tree):
                tree[place] = entry
            if package.name in named - _TRIMMED:
                spared.add(place)
    whole = frozenset(tree)
    write(tree, {p.name for p in kept}, shell=shell)
    _leave_out(tree, DOCS, ())
    if not shell:
        _leave_out(tree, _BALLAST, spared)
        _prune_node_modules(tree, spared)
        _prune_scripts(tree)
    _leave_out(tree, exclude, ())
    _prune_links(tree, whole)
    there = [p for p in kept if p.name in named or _remains(tree, p)]
    _write_status(tree, there)
    return with_parents(tree), tuple(p.name for p in there)


def configured(tree: Tree, exclude: Iterable[str], extra: Mapping[str, str]) -> Tree:
    """The root file system mmdebstrap made, without what its run left behind.

    Args:
        tree: as mmdebstrap wrote it.
        exclude: patterns of paths to leave out.
        extra: text of files to add, by path.
    """
    _leave_out(tree, (*_LEAVINGS, *DOCS), ())
    _leave_out(tree, exclude, ())
    for path, mode in DIRECTORIES.items():
        tree.setdefault(path, Entry("dir", mode))
    for path, text in extra.items():
        put(tree, path, text)
    # Emptied, not absent: systemd and dbus take that for "not set up yet".
    put(tree, "etc/machine-id", "")
    # Debian's policy hook: services are not started while an image is built.
    put(tree, "usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", 0o755)
    if "etc/shadow" in tree:
        fix_shadow(tree, latest(tree) // 86400)
    return with_parents(tree)


def latest(tree: Tree) -> int:
    """When the newest package was made, in seconds since 1970: the newest time of a file in one.

    Times of packages' files come with the packages; those of other files say when they were assembled.
    """
    lists = [p for p in tree if p.startswith("var/lib/dpkg/info/") and p.endswith(".md5sums")]
    if not lists:
        return max((e.mtime for e in tree.values() if e.kind == "file"), default=0)
    owned = (line[34:] for path in lists for line in tree[path].read().decode(errors="replace").splitlines())
    places = (merged(path, _FILE) for path in owned if path.startswith(("usr/", "lib", "bin/", "sbin/")))
    return max((tree[p].mtime for p in places if p in tree and tree[p].kind == "file"), default=0)


_FILE = Entry("file", 0o644)


def problems(tree: Tree) -> tuple[str, ...]:
    """What keeps a base from being distroless: shells, package managers, setuid programs."""
    found = []
    for path, entry in sorted(tree.items()):
        name = posixpath.basename(path)
        program = posixpath.dirname(path).endswith(("bin", "sbin")) or (entry.kind == "file" and entry.mode & 0o111)
        if entry.kind != "dir" and program and name in _SHELLS:
            found.append(f"/{path} is a shell")
        elif entry.kind != "dir" and program and name in _MANAGERS:
            found.append(f"/{path} is a package manager")
        elif entry.kind == "file" and entry.mode & 0o6000:
            found.append(f"/{path} is setuid or setgid")
    return tuple(found)


def with_parents(tree: Tree) -> Tree:
    """The tree with every folder that something is in."""
    for path in list(tree):
        parent = posixpath.dirname(path)
        while parent and parent not in tree:
            tree[parent] = Entry("dir", 0o755)
            parent = posixpath.dirname(parent)
    return tree


def _remains(tree: Tree, package: Package) -> bool:
    """Whether anything but documentation is left of a package: scanners should see only what is there."""
    files = (merged(p, e) for p, e in package.files.items() if e.kind != "dir")
    return any(p in tree and not p.startswith("usr/share/doc/") for p in files)


def _dropped(name: str, *, shell: bool) -> bool:
    return bool(_DROPPED_ALWAYS.fullmatch(name)) or (not shell and bool(_DROPPED_DISTROLESS.fullmatch(name)))


def _leave_out(tree: Tree, patterns: Iterable[str], spared: Iterable[str]) -> None:
    """Take paths out; folders that something stays in come back as parents."""
    matches, keep = globs(patterns), frozenset(spared)
    for path in [p for p in tree if matches(p) and p not in keep and not _licence(p, tree[p])]:
        del tree[path]


def _licence(path: str, entry: Entry) -> bool:
    """A copyright file, or the link to another package's documentation that stands for one."""
    linked = entry.kind == "link" and posixpath.dirname(path) == "usr/share/doc"
    return linked or _LICENCES.fullmatch(path) is not None


def _write_status(tree: Tree, packages: Iterable[Package]) -> None:
    """Say which packages are there, where scanners look: dpkg's own file if dpkg is, else a file each."""
    stanzas = {p.name: p.control.strip() + "\n" for p in sorted(packages, key=lambda p: p.name)}
    if "usr/bin/dpkg" in tree:
        text = "\n".join(
            re.sub(r"(?m)^(Package:.*)$", r"\1\nStatus: install ok installed", s) for s in stanzas.values()
        )
        put(tree, "var/lib/dpkg/status", text)
        return
    for name, stanza in stanzas.items():
        put(tree, f"var/lib/dpkg/status.d/{name}", stanza)


def _prune_node_modules(tree: Tree, spared: Iterable[str]) -> None:
    """Of Debian's JavaScript packages, keep the files whose paths are compiled into node: parts of itself."""
    programs = [
        e for p, e in tree.items() if re.search(r"/libnode\.so\.\d+$|^usr/bin/node(js)?$", p) and e.kind == "file"
    ]
    used = {m.decode() for e in programs for m in re.findall(rb"/usr/share/nodejs/[\w@.+/-]+", e.read())}
    if not programs:
        return
    keep = {path.strip("/") for path in used} | set(spared)
    for path in [p for p in tree if p.startswith(_NODE_MODULES) and p not in keep]:
        del tree[path]


def _prune_scripts(tree: Tree) -> None:
    """Scripts whose interpreter is not there."""
    for path, entry in list(tree.items()):
        if entry.kind == "file" and entry.mode & 0o111:
            head = entry.read(128)
            found = re.match(rb"#!\s*(\S+)(?:[ \t]+(\S+))?", head)
            if found and not _interpreter_there(tree, *(g.decode("latin-1") if g else "" for g in found.groups())):
                del tree[path]


def _interpreter_there(tree: Tree, program: str, argument: str) -> bool:
    if program.endswith("/env"):
        return any(f"usr/{d}/{argument}" in tree for d in ("bin", "sbin", "local/bin"))
    return merged(program.strip("/"), _FILE) in tree


def _prune_links(tree: Tree, whole: frozenset[str]) -> None:
    """Links to files that the packages ship and that were left out."""
    while dangling := [p for p, e in tree.items() if e.kind == "link" and _lost(tree, whole, p, e.target)]:
        for path in dangling:
            del tree[path]


def _lost(tree: Tree, whole: frozenset[str], path: str, target: str) -> bool:
    place = posixpath.normpath(posixpath.join("/", posixpath.dirname(path), target)).strip("/")
    place = merged(place, _FILE)
    return place in whole and place not in tree and not any(p.startswith(f"{place}/") for p in tree)


def installed(tree: Tree) -> dict[str, str]:
    """Versions by name of a configured base's packages."""
    text = tree["var/lib/dpkg/status"].read().decode(errors="replace")
    stanzas = [dict(re.findall(r"(?m)^(Package|Version): (.*)$", s)) for s in text.split("\n\n")]
    return {s["Package"]: s["Version"] for s in sorted(stanzas, key=lambda s: s.get("Package", "")) if "Version" in s}
