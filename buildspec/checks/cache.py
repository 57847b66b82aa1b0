"""Rules about what makes builds slow or different each time: the order of steps, lock files, download caches."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from pathlib import Path as FilePath

import attrs

from buildspec.checks.commands import Install, Shell, commands
from buildspec.checks.contents import descent
from buildspec.checks.rules import Subject, each_stage, inherited, known, waivable
from buildspec.errors import Diagnostic, quoted
from buildspec.spec.model import Stage

_LOCKS = {
    "npm": ("package.json", ("package-lock.json", "npm-shrinkwrap.json")),
    "yarn": ("package.json", ("yarn.lock",)),
    "pnpm": ("package.json", ("pnpm-lock.yaml",)),
    "poetry": ("pyproject.toml", ("poetry.lock",)),
    "uv": ("pyproject.toml", ("uv.lock",)),
    "cargo": ("Cargo.toml", ("Cargo.lock",)),
    "go": ("go.mod", ("go.sum",)),
}
_CACHES = {
    "npm": "/root/.npm",
    "yarn": "/usr/local/share/.cache",
    "pnpm": "/root/.local/share/pnpm/store",
    "pip": "/root/.cache/pip",
    "poetry": "/root/.cache/pypoetry",
    "uv": "/root/.cache/uv",
    "cargo": "/usr/local/cargo/registry",
    "go": "/go/pkg/mod",
}
_DEPTH = 3
_SKIPPED = {"node_modules", ".git", ".venv", "venv", "target", "dist"}


def _steps(subject: Subject, name: str) -> Iterator[tuple[Shell, Install]]:
    for command in commands(subject, name):
        yield from ((command, one) for one in command.installs)


@waivable("warning")
@each_stage
def sources_before_dependencies(subject: Subject, name: str, _: Stage) -> Iterator[Diagnostic]:
    """Dependencies are installed on top of the sources, so that each changed line installs them again."""
    install = next((step[1] for step in _steps(subject, name) if step[1].dependencies), None)
    sources = descent(subject, name).sources if install is not None else None
    if install is not None and sources is not None:
        message = f"'{install.words}' comes after it in '{name}', so each changed line installs again"
        out = "copy the manifests alone, install, and copy the sources in a stage on top"
        path = ("stages", sources[0], "copy", sources[1])
        yield subject.problem("sources-before-dependencies", path, f"{message}; {out}")


@attrs.frozen(repr=False)
class _Files:
    """What the context says of dependencies."""

    names: frozenset[str]
    """Of all files, a few levels deep."""
    unlocked: frozenset[str]
    """Tools whose manifest is there without a lock file beside it."""


@waivable("error")
def missing_lock_file(subject: Subject) -> Iterator[Diagnostic]:
    """Dependencies are installed without a lock file, so that each build may get others."""
    foreign = inherited(
        subject, lambda _: False, lambda _, stage, above: any(copy.from_ for copy in stage.copy) or bool(above)
    )
    files = cache(lambda: _files(subject.source.root / subject.spec.context.path))  # read when a stage asks for it
    for name in subject.spec.stages:
        yield from known(_missing_lock_file(subject, name, files, foreign))


def _missing_lock_file(
    subject: Subject, name: str, files: Callable[[], _Files | None], foreign: Mapping[str, bool]
) -> Iterator[Diagnostic]:
    for command, install in _steps(subject, name):
        there = files() if install.dependencies or install.tool in {"cargo", "go"} else None
        if there is not None and (message := _unlocked(install, there, foreign=bool(foreign[name]))):
            yield command.problem(subject, "missing-lock-file", message)


def _unlocked(install: Install, files: _Files, *, foreign: bool) -> str:
    if install.tool == "pip":
        if foreign or posixpath.basename(install.requirements) in files.names:
            return ""
        return f"'{install.words}' reads {quoted(install.requirements)}, which the context doesn't have"
    if install.tool not in files.unlocked:
        return ""
    return f"'{install.words}' has no {_LOCKS[install.tool][1][0]} in the context; make one, and commit it"


def _files(folder: FilePath) -> _Files | None:
    if not folder.is_dir():
        return None
    found: list[set[str]] = []
    for at, folders, names in os.walk(folder):
        depth = len(FilePath(at).relative_to(folder).parts)
        folders[:] = [one for one in folders if depth < _DEPTH and one not in _SKIPPED]
        found.append(set(names))
    unlocked = set()
    for tool, (manifest, locks) in _LOCKS.items():
        there = [names for names in found if manifest in names]
        if there and all(names.isdisjoint(locks) for names in there):
            unlocked.add(tool)
    return _Files(frozenset[str]().union(*found), frozenset(unlocked))


@waivable("warning")
@each_stage
def uncached_install(subject: Subject, name: str, _: Stage) -> Iterator[Diagnostic]:
    """A language's package manager downloads everything again whenever its step runs: it has no cache mount."""
    for command in commands(subject, name):
        if any("type=cache" in mount.split(",") for mount in command.mounts):
            continue
        install = next((one for one in command.installs if one.fetches and one.tool in _CACHES), None)
        if install is not None:
            where = "" if command.fragment else f" in stages/{name}.Dockerfile"
            flag = f"RUN --mount=type=cache,target={_CACHES[install.tool]}"
            message = f"'{install.words}' downloads all again whenever it runs; write {flag}{where}"
            yield command.problem(subject, "uncached-install", message)
