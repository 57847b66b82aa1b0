"""A project's folder in; `buildspec.toml` for it, a noxfile and what else they need out, as texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from buildspec.errors import UsageError
from buildspec.new import golang, node, python, static
from buildspec.new.project import Wanted

NOXFILE = "noxfile.py"
SPECIFICATION = "buildspec.toml"
_SESSIONS = """\
from buildspec.sessions import define  # not found? Install buildspec beside nox: `pipx inject nox FILE.whl`, or pip

define()
"""


class Kind:
    """A kind of project: the files that give it away, and what writes for it."""

    def __init__(self, files: tuple[str, ...], propose: Callable[[Wanted], Mapping[str, str]]) -> None:
        self.files = files
        self.propose = propose


KINDS: Mapping[str, Kind] = {
    "node": Kind(node.FILES, node.propose),
    "python": Kind(python.FILES, python.propose),
    "go": Kind(golang.FILES, golang.propose),
    "static": Kind(static.FILES, static.propose),
}


def propose(wanted: Wanted, kind: str = "") -> dict[str, str]:
    """The files for a project, by their paths in its folder.

    Args:
        wanted: the folder, and what the caller says about it.
        kind: of `KINDS`; looked for when empty.

    Raises:
        UsageError: the project is of no known kind, of several, or lacks something that an image of it needs.
    """
    chosen = KINDS[kind or _kind(wanted.folder)]
    if kind and not _there(chosen, wanted.folder):
        raise UsageError(f"no {' or '.join(chosen.files)} here, so this is no project of kind '{kind}'")
    return {NOXFILE: _SESSIONS, **chosen.propose(wanted)}


def _kind(folder: Path) -> str:
    found = {name: there for name, kind in KINDS.items() if (there := _there(kind, folder))}
    if not found:
        known = "; ".join(f"{name}: {' or '.join(kind.files)}" for name, kind in KINDS.items())
        raise UsageError("nothing here says what kind of project this is", f"known are {known}")
    if len(found) > 1:
        told = ", ".join(f"{there} ({name})" for name, there in found.items())
        ways = " or ".join(f"`--kind {name}`" for name in found)
        raise UsageError(f"this may be of several kinds: {told}", f"say what the image is of: {ways}")
    return next(iter(found))


def _there(kind: Kind, folder: Path) -> str:
    return next((name for name in kind.files if (folder / name).is_file()), "")
