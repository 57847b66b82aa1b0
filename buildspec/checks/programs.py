"""Rules about the programs an image starts: whether anybody has put them there."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator

import attrs

from buildspec.checks.contents import descent, landing, overlap, root, workdir
from buildspec.checks.rules import Subject, each_stage, waivable
from buildspec.checks.texts import lineage
from buildspec.errors import Diagnostic, quoted
from buildspec.spec.families import PACKAGE_PROGRAMS, PACKAGES_WITHOUT_PROGRAMS, Traits
from buildspec.spec.model import Command, DebianBase, Stage
from buildspec.spec.positions import Path

_FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
# What every base with a shell has: of BusyBox, coreutils and what Debian calls essential.
_USUAL = frozenset(
    """
    [ arch awk base64 basename cat chgrp chmod chown chroot cksum cmp comm cp cut date dd df diff dirname du echo env
    expand expr false find fold grep gunzip gzip head hostname id install kill ln login ls md5sum mkdir mknod mktemp
    more mount mv nice nl nohup nproc od paste printenv printf ps pwd readlink realpath rm rmdir sed seq sh sha1sum
    sha256sum sha512sum shuf sleep sort split stat stty su sync tac tail tar tee test timeout touch tr true truncate
    tty umount uname unexpand uniq unlink uptime wc which whoami xargs yes
    """.split()  # noqa: SIM905 - as a list it would be a page
)


@attrs.frozen
class _Provided:
    """What may be run in a stage's image."""

    base: Traits
    programs: dict[str, str]
    """Programs of the base and of packages, with their paths."""
    landings: tuple[str, ...]
    """Where copies go."""
    path: tuple[str, ...]
    """Folders that programs are looked up in."""
    workdir: str


@waivable("error")
@each_stage
def command_not_in_image(subject: Subject, name: str, stage: Stage) -> Iterator[Diagnostic]:
    """An image starts a program that nobody has put there."""
    wanted = list(_started(subject, name, stage))
    there = _provided(subject, name) if wanted else None
    if there is None:
        return
    for path, command in wanted:
        if (why := _why_missing(command[0], there)) and not command[0].startswith("-"):
            yield subject.problem("command-not-in-image", (*path, 0), why)


def _started(subject: Subject, name: str, stage: Stage) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """The commands in exec form that a stage sets, each with its path."""
    given: list[tuple[Path, Command]] = [(("stages", name, "entrypoint"), stage.entrypoint)]
    if stage.cmd and not any(subject.spec.stages[one].entrypoint for one in lineage(subject, name)):
        base = subject.traits(name)
        if base is not None and not base.entrypoint:
            given.append((("stages", name, "cmd"), stage.cmd))
    if stage.healthcheck is not None:
        given.append((("stages", name, "healthcheck", "test"), stage.healthcheck.test))
    for path, command in given:
        if not isinstance(command, str) and command and command[0] not in {"CMD", "CMD-SHELL", "NONE"}:
            yield path, command


def _provided(subject: Subject, name: str) -> _Provided | None:
    """What a stage's image has to run; None when a command or an unknown package may have added to it."""
    base = subject.traits(name)
    if base is None or descent(subject, name).commands:
        return None
    programs = dict(base.programs)
    landings: list[str] = []
    folders = list(_FOLDERS)
    packages = set(getattr(root(subject, name), "packages", ()))
    for one in lineage(subject, name):
        stage = subject.spec.stages[one]
        packages |= set(stage.packages)
        landings += [landing(copy, workdir(subject, one)) for copy in stage.copy]
        folders += [part for part in stage.env.get("PATH", "").split(":") if part.startswith("/")]
    if isinstance(root(subject, name), DebianBase):
        packages -= {"dash"}
    for package in packages - PACKAGES_WITHOUT_PROGRAMS:
        if package not in PACKAGE_PROGRAMS:
            return None
        programs |= {posixpath.basename(path): path for path in PACKAGE_PROGRAMS[package] if path not in programs}
    return _Provided(base, {**programs, **base.programs}, tuple(landings), tuple(folders), workdir(subject, name))


def _why_missing(program: str, there: _Provided) -> str:
    """Why a program isn't there; empty when it is, or may be."""
    name = posixpath.basename(program)
    of_base = f"base family '{there.base.family}'"
    if "/" not in program:
        if name in there.programs or (there.base.shell and name in _USUAL) or "$" in program:
            return ""
        if any(overlap(place, f"{folder}/{name}") for place in there.landings for folder in there.path):
            return ""
        return f"no program is called {quoted(program)} there: {of_base} has none, and no package or copy brings it"
    full = posixpath.normpath(posixpath.join(there.workdir, program))
    if any(overlap(place, full) for place in there.landings) or full in there.programs.values():
        return ""
    if name in there.programs:
        usr_merged = full.replace("/usr", "", 1) == there.programs[name].replace("/usr", "", 1)
        same = usr_merged and there.base.libc == "glibc"
        return "" if same else f"{quoted(program)} isn't there: {of_base} has {name} at '{there.programs[name]}'"
    if there.base.shell and posixpath.dirname(full) in there.path:
        usual = name in _USUAL
        return "" if usual else f"{quoted(program)} isn't there: {of_base} has none, and no package or copy brings it"
    if there.base.shell and full.startswith(("/usr/", "/lib/", "/opt/", "/etc/", "/bin/", "/sbin/")):
        return ""
    return f"{quoted(program)} isn't there: nothing is copied to it"
