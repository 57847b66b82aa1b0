"""npm's files in, facts about a project out: what is locked, what has scripts, what is of a workspace."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from buildspec.errors import UsageError
from buildspec.new import project

_PACKAGE = re.compile(r"(@[\w.~-]+/)?[\w.~-]+")
_MOST_NAMES = 8
"""Packages that a line names."""


def manifest(path: Path) -> Mapping[str, Any]:
    """A file of npm's.

    Raises:
        UsageError: it isn't JSON.
    """
    try:
        return project.table(json.loads(project.text(path)))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path.name} isn't JSON: {error}") from error


def refuse_workspaces(folder: Path) -> None:
    """Refuse a folder that is one, or has some: the lock file at the top is of all, and links lead from one to another.

    Raises:
        UsageError: it is.
    """
    here = folder.resolve()
    above = [one for one in here.parents if (one / "package.json").is_file()]
    if _workspaces(here) or any(_is_of(here.relative_to(one), _workspaces(one)) for one in above):
        raise UsageError(
            "npm workspaces aren't supported by new; write the stages by hand",
            "docs/guides/from-a-dockerfile.md shows how",
        )


def _workspaces(folder: Path) -> list[str]:
    try:
        found = manifest(folder / "package.json").get("workspaces")
    except UsageError:
        return []
    found = project.table(found).get("packages", found)
    return [one for one in found if isinstance(one, str)] if isinstance(found, list) else []


def _is_of(path: Path, workspaces: Iterable[str]) -> bool:
    return any(fnmatchcase(path.as_posix(), one.removeprefix("./").rstrip("/")) for one in workspaces)


def locked(folder: Path) -> tuple[str, ...]:
    """Names of the manifest, the lock file, and the project's own settings of npm.

    Raises:
        UsageError: there is no lock file of npm's.
    """
    lock = next((one for one in ("npm-shrinkwrap.json", "package-lock.json") if (folder / one).is_file()), "")
    if not lock:
        other = next((one for one in ("pnpm-lock.yaml", "yarn.lock", "bun.lock") if (folder / one).is_file()), "")
        why = f"{other} is another package manager's" if other else "there is no package-lock.json"
        message = f"{why}, and modules are installed as npm's lock file has them"
        raise UsageError(message, "`npm install --package-lock-only` writes one; commit it, and run this again")
    return ("package.json", lock, *([".npmrc"] if (folder / ".npmrc").is_file() else []))


def scripted(lock: Path) -> str:
    """Packages with install scripts that Linux would run for the image, as a text."""
    found = {
        path.rpartition("node_modules/")[2]
        for path, one in project.table(manifest(lock).get("packages")).items()
        if project.table(one).get("hasInstallScript") and not one.get("dev") and _on_linux(one.get("os"))
    }
    names = sorted(name for name in found if _PACKAGE.fullmatch(name))
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return ", ".join(names[:_MOST_NAMES]) + more


def _on_linux(systems: object) -> bool:
    """Whether npm installs a package on Linux, by its list of systems: `linux`, or `!win32`."""
    named = [str(one) for one in systems] if isinstance(systems, list) else []
    return "linux" in named or ("!linux" not in named and all(one.startswith("!") for one in named))
