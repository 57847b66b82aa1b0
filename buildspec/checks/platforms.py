"""Rules about platforms: what is emulated, what leaks from the builder, and what bases are published for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from buildspec.checks.commands import commands
from buildspec.checks.contents import Search, graph, runs_foreign
from buildspec.checks.rules import Subject, copies, known, waivable
from buildspec.errors import Diagnostic
from buildspec.spec.families import traits
from buildspec.spec.model import Base, Copy, DebianBase
from buildspec.spec.positions import Path
from buildspec.spec.unknown import UNKNOWN
from buildspec.spec.values import Platform

_TARGET = re.compile(r"\$\{?TARGET(?:ARCH|PLATFORM)\b")
"""BuildKit's variables, which have a stage run once for each target."""


@waivable("warning")
def emulated_run(subject: Subject) -> Iterator[Diagnostic]:
    """A stage runs programs on several architectures, of which the builder has to emulate all but its own."""
    yield from known(_emulated_run(subject))


def _emulated_run(subject: Subject) -> Iterator[Diagnostic]:
    if len({one.arch for one in subject.spec.image.platforms}) < 2:
        return
    for name in subject.spec.stages:
        if name in graph(subject).targets:
            yield from known(_emulated(subject, name))


def _emulated(subject: Subject, name: str) -> Iterator[Diagnostic]:
    if not runs_foreign(subject, name):
        return
    path = ("stages", name)
    what = "its commands run"
    if not commands(subject, name):
        what = "apt runs"
    message = f"{what} on each platform, and are emulated on all but the builder's; do it in a stage with"
    yield subject.problem("emulated-run", path, f'{message} runs-on = "build", or waive it', key=True)


@waivable("error")
def platform_leak(subject: Subject) -> Iterator[Diagnostic]:
    """Files that may depend on the builder's platform are copied into a stage for the target's."""
    search = Search(
        subject, lambda made: subject.runs_on(made.stage) == "build" and not _asks_for_target(subject, made.stage)
    )
    for path, copy in copies(subject):
        yield from known(_platform_leak(subject, path, copy, search))


def _asks_for_target(subject: Subject, name: str) -> bool:
    """Whether a command of a stage reads what the target is: a cross compiler's, and pip's `--platform`."""
    return any(_TARGET.search(command.text) for command in commands(subject, name))


def _platform_leak(subject: Subject, path: Path, copy: Copy, search: Search) -> Iterator[Diagnostic]:
    if copy.from_ not in graph(subject).tainted or subject.runs_on(copy.from_) != "build":
        return
    if subject.runs_on(str(path[1])) == "build":
        return
    if made := search.first(copy.from_, copy.path):
        message = f"'{made.install.words}' in '{made.stage}', which runs on the builder's platform, may leave machine"
        out = "run it without install scripts, for $TARGETARCH, or on the target"
        yield subject.problem("platform-leak", path, f"{message} code in it; {out}")


@waivable("error")
def base_lacks_platform(subject: Subject) -> Iterator[Diagnostic]:
    """A base isn't published for a platform that the image is wanted for."""
    yield from known(_base_lacks_platform(subject))


def _base_lacks_platform(subject: Subject) -> Iterator[Diagnostic]:
    used = {subject.spec.stages[name].from_ for name in graph(subject).targets}
    wanted = dict.fromkeys(one for one in subject.spec.image.platforms if one is not UNKNOWN)
    for name, base in subject.spec.bases.items():
        if base is not UNKNOWN and name in used:
            yield from known(_lacking(subject, name, base, wanted))


def _lacking(subject: Subject, name: str, base: Base, wanted: Iterable[Platform]) -> Iterator[Diagnostic]:
    there = traits(base).platforms
    lacking = [one for one in wanted if not _has(there, one)]
    if there and lacking:
        what = "debian" if isinstance(base, DebianBase) else "image"
        missing = ", ".join(f"'{one}'" for one in lacking)
        message = f"isn't published for {missing}; it is for {', '.join(there)}"
        yield subject.problem("base-lacks-platform", ("bases", name, what), message)


def _has(there: tuple[str, ...], wanted: Platform) -> bool:
    """Whether one of them runs there; an architecture's later variants run what is for earlier ones."""
    variants = [one.partition("/")[2] for one in there if one.partition("/")[0] == wanted.arch]
    return any(not variant or variant <= (wanted.variant or "v8") for variant in variants)
