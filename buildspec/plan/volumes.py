"""Folders of volumes in, what makes them for the image's user out, without a shell and without emulation.

An engine gives a new volume the owner of the folder that the image has in its place. So the folders are made in an
empty stage and copied with their owner; each by the folder it is in, so that what leads to it keeps its own owner.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from buildspec.plan.model import Copy, Instruction, Workdir, WriteFile


def made(folders: Sequence[str]) -> Iterator[Instruction]:
    """Steps of an empty stage that has the folders, those of one parent in a folder of their own.

    A list of them comes first: BuildKit caches no folder that is made from nothing at all.

    Args:
        folders: absolute paths without `..`.
    """
    yield WriteFile("/volumes", "".join(f"{folder}\n" for folder in folders))
    for number, names in enumerate(_by_parent(folders).values()):
        yield from (Workdir(f"/{number}/{name}") for name in names)


def copied(helper: str, folders: Sequence[str], owner: str) -> Iterator[Copy]:
    """Steps that copy the folders into an image.

    Args:
        helper: the stage that `made` is about.
        folders: the same.
        owner: user and group, in numbers; root when empty.
    """
    for number, parent in enumerate(_by_parent(folders)):
        yield Copy((f"/{number}/",), f"{parent.rstrip('/')}/", source=helper, owner=owner)


def _by_parent(folders: Sequence[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for folder in folders:
        parent, name = posixpath.split(folder)
        found.setdefault(parent, []).append(name)
    return found
