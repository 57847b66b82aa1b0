"""Rules about what makes builds slow or different each time: the order of steps, lock files, download caches."""

from __future__ import annotations

import os
import posixpath
from collections.abc import Iterator
from pathlib import Path as FilePath

from buildspec.checks.commands import Install, Shell, commands, installs
from buildspec.checks.contents import descent
from buildspec.checks.rules import Subject, each_stage, waivable
from buildspec.checks.texts import lineage
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
        yield from ((command, one) for one in installs(command))


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


@waivable("error")
@each_stage
def missing_lock_file(subject: Subject, name: str, _: Stage) -> Iterator[Diagnostic]:
    """Dependencies are installed without a lock file, so that each build may get others."""
    folder = subject.source.root / subject.spec.context.path
    found = [one for one in _steps(subject, name) if one[1].dependencies or one[1].tool in {"cargo", "go"}]
    if not found or not folder.is_dir():
        return
    files = _files(folder)
    for command, install in found:
        message = _unlocked(install, files, foreign=_copies_from_stages(subject, name))
        if message:
            yield command.problem(subject, "missing-lock-file", message)


def _unlocked(install: Install, files: dict[str, set[str]], *, foreign: bool) -> str:
    if install.tool == "pip":
        wanted = posixpath.basename(install.requirements)
        if foreign or any(wanted in names for names in files.values()):
            return ""
        return f"'{install.words}' reads {quoted(install.requirements)}, which the context doesn't have"
    manifest, locks = _LOCKS[install.tool]
    there = [names for names in files.values() if manifest in names]
    if not there or any(lock in names for names in there for lock in locks):
        return ""
    return f"'{install.words}' has no {locks[0]} in the context; make one, and commit it"


def _copies_from_stages(subject: Subject, name: str) -> bool:
    return any(copy.from_ for one in lineage(subject, name) for copy in subject.spec.stages[one].copy)


def _files(folder: FilePath) -> dict[str, set[str]]:
    """Names of the files in each folder, a few levels deep."""
    found = {}
    for at, folders, names in os.walk(folder):
        depth = len(FilePath(at).relative_to(folder).parts)
        folders[:] = [one for one in folders if depth < _DEPTH and one not in _SKIPPED]
        found[at] = set(names)
    return found


@waivable("warning")
@each_stage
def uncached_install(subject: Subject, name: str, _: Stage) -> Iterator[Diagnostic]:
    """A language's package manager downloads everything again whenever its step runs: it has no cache mount."""
    for command in commands(subject, name):
        if any("type=cache" in mount.split(",") for mount in command.mounts):
            continue
        install = next((one for one in installs(command) if one.fetches and one.tool in _CACHES), None)
        if install is not None:
            where = "" if command.fragment else f" in stages/{name}.Dockerfile"
            flag = f"RUN --mount=type=cache,target={_CACHES[install.tool]}"
            message = f"'{install.words}' downloads all again whenever it runs; write {flag}{where}"
            yield command.problem(subject, "uncached-install", message)
