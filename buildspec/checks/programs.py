"""Rules about the programs an image starts, and the scripts they are given: whether anybody has put them there."""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from buildspec.checks.contents import descent, landing, workdir
from buildspec.checks.rules import Subject, inherited, known, waivable
from buildspec.checks.scripts import Placed, script
from buildspec.checks.scripts import why_missing as why_script_missing
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


_MOST_PLACES = 1000
"""Pairs of a copy and a folder of PATH that are looked at; an image with more is taken to have every program."""


@attrs.frozen(repr=False)
class _Provided:
    """What may be run in a stage's image."""

    base: Traits
    of_base: frozenset[str]
    """Paths of the base's own programs."""
    programs: Mapping[str, str]
    """Programs of packages, with their paths."""
    landings: tuple[str, ...] = ()
    """Where copies go, each with `/` at its end."""
    copies: tuple[Placed, ...] = ()
    """The copies themselves."""
    path: tuple[str, ...] = _FOLDERS
    """Folders that programs are looked up in."""

    def find(self, program: str) -> str:
        """The path of a program of the base or of a package; empty when there is none."""
        return self.base.programs.get(program) or self.programs.get(program, "")

    def holds(self, path: str) -> bool:
        """Whether a program of the base or of a package has that path."""
        return path in self.of_base or path in self.programs.values()

    def may_be_copied(self, path: str) -> bool:
        """Whether a copy goes to that path, above it or below it."""
        path = f"{path.rstrip('/')}/"
        return path.startswith(self.landings) or any(place.startswith(path) for place in self.landings)


@waivable("error")
def command_not_in_image(subject: Subject) -> Iterator[Diagnostic]:
    """An image starts a program, or a script, that nobody has put there."""
    started = inherited(subject, lambda _: False, lambda _, stage, above: bool(stage.entrypoint or above))
    provided = inherited(
        subject,
        lambda root: _of_base(subject, root),
        lambda name, stage, above: _with_stage(subject, name, stage, above),
    )
    for name, stage in subject.spec.stages.items():
        yield from known(_not_in_image(subject, name, list(_started(subject, name, stage, started)), provided))


def _not_in_image(
    subject: Subject,
    name: str,
    wanted: Sequence[tuple[Path, tuple[str, ...]]],
    provided: Mapping[str, _Provided | None],
) -> Iterator[Diagnostic]:
    if not wanted or subject.traits(name) is None or descent(subject, name).commands:
        return
    there = provided[name]
    if there is None:
        return
    for path, command in wanted:
        why = _why_missing(command[0], there, workdir(subject, name))
        if why and not command[0].startswith("-"):
            yield subject.problem("command-not-in-image", (*path, 0), why)
        elif (at := script(command)) and (why := why_script_missing(subject, name, command[at], there.copies)):
            yield subject.problem("command-not-in-image", (*path, at), why)


def _started(
    subject: Subject, name: str, stage: Stage, started: Mapping[str, bool]
) -> Iterator[tuple[Path, tuple[str, ...]]]:
    """The commands in exec form that a stage sets, each with its path."""
    given: list[tuple[Path, Command]] = [(("stages", name, "entrypoint"), stage.entrypoint)]
    if stage.cmd and not started[name]:
        base = subject.traits(name)
        if base is not None and not base.entrypoint:
            given.append((("stages", name, "cmd"), stage.cmd))
    if stage.healthcheck is not None:
        given.append((("stages", name, "healthcheck", "test"), stage.healthcheck.test))
    for path, command in given:
        if not isinstance(command, str) and command and command[0] not in {"CMD", "CMD-SHELL", "NONE"}:
            yield path, command


def _of_base(subject: Subject, root: str) -> _Provided | None:
    """What a base has to run; None when something unknown may have added to it."""
    base = subject.traits(root)
    if base is None:
        return None
    packages = getattr(subject.base(root), "packages", ())
    programs = _of_packages(packages, assembled=True)
    return None if programs is None else _Provided(base, frozenset(base.programs.values()), programs)


def _with_stage(subject: Subject, name: str, stage: Stage, above: _Provided | None) -> _Provided | None:
    """What a stage's image has to run; None when something unknown may have added to it."""
    if above is None or not (stage.packages or stage.copy or "PATH" in stage.env):
        return above
    programs = _of_packages(stage.packages, assembled=isinstance(subject.base(name), DebianBase))
    folder = workdir(subject, name)
    landings = (*above.landings, *(f"{landing(copy, folder).rstrip('/')}/" for copy in stage.copy))
    parts = stage.env.get("PATH", "").split(":")
    path = tuple(dict.fromkeys((*above.path, *(part for part in parts if part.startswith("/")))))
    if programs is None or len(landings) * len(path) > _MOST_PLACES:
        return None
    copies = (*above.copies, *(Placed(copy, folder) for copy in stage.copy))
    return attrs.evolve(above, programs={**above.programs, **programs}, landings=landings, copies=copies, path=path)


def _of_packages(packages: Iterable[str], *, assembled: bool) -> Mapping[str, str] | None:
    """The programs of packages, with their paths; None when one isn't known.

    Args:
        packages: their names.
        assembled: they are of an assembled base, whose traits tell of its shell.
    """
    wanted = set(packages) - PACKAGES_WITHOUT_PROGRAMS - ({"dash"} if assembled else set())
    if not wanted <= PACKAGE_PROGRAMS.keys():
        return None
    return {posixpath.basename(path): path for package in sorted(wanted) for path in PACKAGE_PROGRAMS[package]}


def _why_missing(program: str, there: _Provided, folder: str) -> str:
    """Why a program isn't there; empty when it is, or may be."""
    name = posixpath.basename(program)
    of_base = f"base family '{there.base.family}'"
    if "/" not in program:
        if there.find(name) or (there.base.shell and name in _USUAL) or "$" in program:
            return ""
        if any(there.may_be_copied(f"{folder}/{name}") for folder in there.path):
            return ""
        return f"no program is called {quoted(program)} there: {of_base} has none, and no package or copy brings it"
    full = posixpath.normpath(posixpath.join(folder, program))
    if there.may_be_copied(full) or there.holds(full):
        return ""
    if found := there.find(name):
        usr_merged = full.replace("/usr", "", 1) == found.replace("/usr", "", 1)
        same = usr_merged and there.base.libc == "glibc"
        return "" if same else f"{quoted(program)} isn't there: {of_base} has {name} at '{found}'"
    if there.base.shell and posixpath.dirname(full) in there.path:
        usual = name in _USUAL
        return "" if usual else f"{quoted(program)} isn't there: {of_base} has none, and no package or copy brings it"
    if there.base.shell and full.startswith(("/usr/", "/lib/", "/opt/", "/etc/", "/bin/", "/sbin/")):
        return ""
    return f"{quoted(program)} isn't there: nothing is copied to it"
