"""A project's folder in; `buildspec.toml` for it, a noxfile and what else they need out, as texts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

from buildspec.errors import UsageError
from buildspec.new import golang, node, python, static
from buildspec.new.project import Proposal, Wanted

NOXFILE = "noxfile.py"
SPECIFICATION = "buildspec.toml"
_SESSIONS = """\
from buildspec.sessions import define  # not found? Install buildspec beside nox: `pipx inject nox FILE.whl`, or pip

define()
"""


class Kind:
    """A kind of project: the files that give it away, what writes for it, and what Git should ignore of it."""

    def __init__(
        self, files: tuple[str, ...], propose: Callable[[Wanted], Proposal], ignored: tuple[str, ...] = ()
    ) -> None:
        self.files = files
        self.propose = propose
        self.ignored = ignored


KINDS: Mapping[str, Kind] = {
    "node": Kind(node.FILES, node.propose, ("node_modules/",)),
    "python": Kind(python.FILES, python.propose, ("__pycache__/",)),
    "go": Kind(golang.FILES, golang.propose),
    "static": Kind(static.FILES, static.propose),
}


def propose(wanted: Wanted, kind: str) -> Proposal:
    """What would be written for a project.

    Args:
        wanted: the folder, and what the caller says about it.
        kind: of `KINDS`.

    Raises:
        UsageError: the project is of another kind, or lacks something that an image of it needs.
    """
    chosen = KINDS[kind]
    if not _there(chosen, wanted.folder) and not (kind == "static" and wanted.entry):
        raise UsageError(f"no {' or '.join(chosen.files)} here, so this is no project of kind '{kind}'")
    found = chosen.propose(wanted)
    return attrs.evolve(found, files={NOXFILE: _SESSIONS, **found.files}, taken=f"{kind}: {found.taken}")


def kind_of(folder: Path) -> str:
    """The kind of the project in a folder.

    Raises:
        UsageError: it is of no known kind, or of several.
    """
    found = {name: there for name, kind in KINDS.items() if (there := _there(kind, folder))}
    if not found:
        known = "; ".join(f"{name}: {' or '.join(kind.files)}" for name, kind in KINDS.items())
        raise UsageError(
            "nothing here says what kind of project this is",
            f"known are {known}; docs/guides/other-languages.md shows how to write stages for others",
        )
    if len(found) > 1:
        told = ", ".join(f"{there} ({name})" for name, there in found.items())
        ways = " or ".join(f"`--kind {name}`" for name in found)
        raise UsageError(f"this may be of several kinds: {told}", f"say what the image is of: {ways}")
    return next(iter(found))


def _there(kind: Kind, folder: Path) -> str:
    return next((name for name in kind.files if (folder / name).is_file()), "")
