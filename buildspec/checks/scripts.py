"""A command of an image and what is copied there in, a script that an interpreter is given and nobody has copied out.

Nothing is said unless all that can be in the script's folder is known.
"""

from __future__ import annotations

import os
import posixpath
import re
from collections.abc import Iterator, Sequence

import attrs

from buildspec.checks.contents import landing, overlap
from buildspec.checks.context import Files, context_files
from buildspec.checks.rules import Subject
from buildspec.checks.safety import is_remote
from buildspec.checks.texts import items
from buildspec.errors import quoted
from buildspec.spec.families import guess
from buildspec.spec.model import Copy, DebianBase
from buildspec.spec.overlay import closest

# Options that stand alone; after any other, a path may be something else than the script.
_SWITCHES = {
    "node": frozenset({"--enable-source-maps", "--no-warnings", "--no-deprecation", "--trace-warnings"}),
    "python": frozenset({"-u", "-B", "-O", "-OO", "-I", "-s", "-S", "-E", "-P"}),
    "sh": frozenset({"-e", "-u", "-x", "-eu", "-ex", "-eux"}),
}
_INTERPRETERS = {"node": "node", "nodejs": "node", "sh": "sh", "bash": "sh", "dash": "sh", "ash": "sh"}
_PYTHON = re.compile(r"python3?(?:\.[0-9]+)?")
_VARIABLE = re.compile(r"\$(?:[A-Za-z_]\w*|\{[A-Za-z_]\w*\})/")
_WILD = re.compile(r"[*?\[\\]")
_OF_BASES = re.compile(
    r"/(?:bin|boot|busybox|dev|etc|home|lib|lib32|lib64|libx32|media|mnt|nodejs|opt|proc|root|run|sbin|srv|sys|tmp|usr"
    r"|var)(?:/|$)"
)
"""Folders that a base may have files in."""
_APPLICATIONS = ("/usr/src/app/",)
"""Folders within those that bases leave to applications."""


@attrs.frozen(repr=False)
class Placed:
    """A copy, and the working folder it starts from."""

    copy: Copy
    folder: str


def script(command: Sequence[str]) -> int:
    """The index of the script in what starts an interpreter; 0 when there is none that is known for sure."""
    name = posixpath.basename(command[0])
    kind = "python" if _PYTHON.fullmatch(name) else _INTERPRETERS.get(name, "")
    for index, word in enumerate(command[1:] if kind else (), 1):
        if word.startswith("/") or _VARIABLE.match(word):
            return index
        if word not in _SWITCHES[kind]:
            return 0
    return 0


def why_missing(subject: Subject, name: str, path: str, copies: Sequence[Placed]) -> str:
    """Why a script isn't there; empty when it is, or may be.

    Args:
        subject: the specification.
        name: the stage.
        path: of the script, as written: absolute, or after a variable.
        copies: all of the stage and of those it starts from, none of which has commands.

    Raises:
        UnknownError: something that it hangs on isn't known.
    """
    if _VARIABLE.match(path):
        return f"{quoted(path)} is taken as it stands: in an array, no variable is filled in; write the whole path"
    whole = posixpath.normpath(path)
    if path.endswith("/") or _may_be_elsewhere(subject, name, whole):
        return ""
    files = context_files(subject)
    siblings: list[str] = []
    for one in copies:
        found = _brought(one, whole, files)
        if found is None:
            return ""
        siblings += found
    folder = posixpath.dirname(whole)
    # node finds `main.js` as `main`, and python what is in a folder
    stem = posixpath.basename(whole)
    if any(sibling == stem or sibling.startswith(f"{stem}.") for sibling in siblings):
        return ""
    near = closest(stem, siblings)
    hint = f"did you mean '{posixpath.join(folder, near)}'?" if near else "copy it, or correct the path"
    return f"nothing copies {quoted(path)} there; {hint}"


def _may_be_elsewhere(subject: Subject, name: str, path: str) -> bool:
    """Whether a path may be of the base, or in a volume."""
    base = subject.base(name)
    if base is not None and not isinstance(base, DebianBase) and guess(str(base.image)) is None:
        return True  # somebody's own image, which may have anything anywhere
    of_base = base is not None and _OF_BASES.match(path) is not None and not path.startswith(_APPLICATIONS)
    return of_base or any(overlap(folder, path) for folder in _volumes(subject))


def _volumes(subject: Subject) -> Iterator[str]:
    """Folders that may come from outside of the image."""
    runtime = subject.spec.runtime
    yield from runtime.volumes
    yield from (text.partition(":")[0] for text in runtime.tmpfs)
    for stage in subject.spec.stages.values():
        yield from (text for _, text in items(stage.volumes))
    for test in subject.spec.tests.values():
        yield from test.mount


def _brought(one: Placed, path: str, files: Files | None) -> list[str] | None:
    """What a copy brings into the folder of a path; None when it may be more than is known."""
    copy = one.copy
    to = copy.to or copy.path
    if one.folder == "/" and not to.startswith("/"):
        return None  # the base's own working folder isn't known
    # what a pattern matches goes into the pattern's folder
    pattern = _WILD.search(copy.path) is not None
    place = landing(copy, one.folder) if copy.to or not pattern else posixpath.dirname(landing(copy, one.folder))
    folder = posixpath.dirname(path)
    if not overlap(place, folder):
        return []
    if place.startswith(f"{path}/"):
        return None  # the path is a folder, which may be a program too
    if copy.from_ or is_remote(copy.path) or files is None:
        return None
    names = files.matches(copy.path)
    if not names:
        return None
    found: list[str] = []
    for name in names:
        there = _of_name(name, place, folder, files)
        if there is None:
            return None
        found += there
    return found


def _of_name(name: str, place: str, folder: str, files: Files) -> list[str] | None:
    """What a file or folder of the context brings into a folder of the image, when it is copied to a place."""
    if _is_link(files, name):
        return None
    if not _is_folder(files, name):
        # a place that is a folder gets the file under its own name
        places = (place, posixpath.join(place, posixpath.basename(name)))
        return [posixpath.basename(one) for one in places if posixpath.dirname(one) == folder]
    if not f"{folder.rstrip('/')}/".startswith(f"{place.rstrip('/')}/"):
        return [posixpath.basename(place)] if posixpath.dirname(place) == folder else []
    inner = name
    for part in filter(None, folder[len(place.rstrip("/")) :].split("/")):
        inner = part if inner == "." else f"{inner}/{part}"
        if _is_link(files, inner) or not _is_folder(files, inner):
            return None  # it may be made before the build
    return [*files.names(inner if inner != "." else "")]


def _is_link(files: Files, name: str) -> bool:
    return os.path.islink(files.folder / name)  # noqa: PTH114 - Path's own raise for a name that is too long


def _is_folder(files: Files, name: str) -> bool:
    return os.path.isdir(files.folder / name)  # noqa: PTH112
