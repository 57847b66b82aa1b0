"""requirements.txt in, what it locks out: the files that pip reads for it, and the packages that they pin."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

import attrs

from buildspec.errors import UsageError, quoted
from buildspec.new import project

LOCK = "requirements.txt"
_LOGIN = re.compile(r"(?<!ssh)://[^/\s@]+@")
_OTHER_FILE = re.compile(r"(-r|-c|--requirement|--constraint)(?:\s*=\s*|\s+|(?<=-[rc]))(\S+)")
_NO_PACKAGE = re.compile(r"--?(?!e\b|editable\b)[a-z].*")
_ADDRESS = re.compile(r"\S*://\S*")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@attrs.frozen
class Locked:
    """What is locked.

    Args:
        files: that pip reads, relative to the project's folder; none when nothing is needed.
        packages: names, in small letters and with `-` for `_` and `.`.
        hashed: their hashes are there.
    """

    files: tuple[str, ...] = ()
    packages: frozenset[str] = frozenset()
    hashed: bool = False


def read(folder: Path, *, needed: bool) -> Locked:
    """What a project's requirements.txt locks.

    Args:
        folder: the project's.
        needed: something else says that packages are.

    Raises:
        UsageError: it has a login, pins something to no version, refers to what isn't there, or is missing.
    """
    files: dict[str, str] = {}
    lines = [*_lines(folder, LOCK, files)]
    if loose := next((line for line in lines if "==" not in line.partition(";")[0]), ""):
        shown = quoted(_ADDRESS.sub("…", loose))
        raise UsageError(f"{LOCK} doesn't pin {shown} to a version, so that each build may get others", _way(folder))
    if not lines and needed:
        why = f"packages are needed, and there is no {LOCK}, so that each build may get others"
        raise UsageError(why, _way(folder))
    if not lines:
        return Locked()
    names = (re.sub(r"[-_.]+", "-", found[0]).lower() for line in lines if (found := _NAME.match(line)))
    return Locked(tuple(files), frozenset(names), any("--hash=" in line for line in lines))


def _way(folder: Path) -> str:
    """What locks a project's packages."""
    way = "`pip-compile --generate-hashes`"
    if (folder / "uv.lock").is_file():
        way = "`uv export --format requirements-txt --no-emit-project --no-dev --output-file requirements.txt`"
    elif (folder / "poetry.lock").is_file():
        way = "`poetry export --output requirements.txt`"
    return f"{way} writes one with every version and hash; commit it"


def _lines(folder: Path, name: str, seen: dict[str, str], *, pinned: bool = True) -> Iterator[str]:
    """The packages of a file and of those it refers to; all texts are added to what was seen."""
    seen[name] = text = project.text(folder / name)
    if _LOGIN.search(text):
        raise UsageError(
            f"{name} has an address with a login, which every image's history could show",
            "make it a secret: leave the line out, and give PIP_INDEX_URL the address when you build",
        )
    for raw in text.replace("\\\n", " ").splitlines():
        line = re.split(r"(?:^|\s)#", raw)[0].strip()
        if other := _OTHER_FILE.fullmatch(line):
            path = posixpath.normpath(posixpath.join(posixpath.dirname(name), other[2]))
            if not project.is_path(path) or not (folder / path).is_file():
                raise UsageError(
                    f"{name} refers to {quoted(_ADDRESS.sub('…', other[2]))}, which isn't here", _way(folder)
                )
            if path not in seen:
                yield from _lines(folder, path, seen, pinned=pinned and "r" in other[1].strip("-")[:1])
        elif line and pinned and not _NO_PACKAGE.fullmatch(line):
            yield line
