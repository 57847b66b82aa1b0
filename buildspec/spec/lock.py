"""`buildspec.lock`: what the references of a specification pointed at, and which packages its bases were made of.

Line ends don't matter: nothing is computed from the file's bytes, only from what it says.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import attrs

from buildspec.errors import Diagnostic, SpecError
from buildspec.spec.document import parse
from buildspec.spec.model import ImageBase, Spec

NAME = "buildspec.lock"
"""Beside the specification."""
VERSION = 1
_HEAD = """\
# What the image references of buildspec.toml pointed at, and the packages that its bases were assembled from.
# Made by `nox -s lock`; commit it.
"""
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SHOWN = 3
"""Packages that a difference names."""
_MOST = 1_000_000
"""Bytes; a larger file is something else."""


@attrs.frozen(repr=False)
class Entry:
    """What a reference pointed at."""

    digest: str
    """Of its index, or of its one manifest."""
    platforms: Mapping[str, str] = attrs.Factory(dict)
    """Digests of the manifests for the platforms it is wanted for."""

    def checksum(self, reference: str) -> str:
        """Of the reference and all that is said of it: an entry that was changed by hand has another."""
        listed = [reference, self.digest, *(f"{name} {digest}" for name, digest in sorted(self.platforms.items()))]
        import hashlib  # here, as a check without a lock file needs it not

        return f"sha256:{hashlib.sha256(chr(10).join(listed).encode()).hexdigest()}"


Packages = Mapping[str, str]
"""Versions by name."""


@attrs.frozen(repr=False)
class Lock:
    """A lock file; an empty one where there is none."""

    entries: Mapping[str, Entry] = attrs.Factory(dict)
    """By reference, spelled in full."""
    packages: Mapping[str, Packages] = attrs.Factory(dict)
    """Of bases that are assembled, by `Recipe.name`."""
    there: bool = False
    """Whether there is a file."""

    def digest(self, reference: str) -> str:
        """What a reference pointed at; empty when it isn't locked."""
        entry = self.entries.get(reference)
        return "" if entry is None else entry.digest

    def missing(self, wanted: Iterable[str]) -> tuple[str, ...]:
        """The references and bases that have no entry."""
        return tuple(sorted(set(wanted) - self.entries.keys() - self.packages.keys()))


def references(specs: Iterable[Spec]) -> Mapping[str, tuple[str, ...]]:
    """The image references that specifications want by their tag alone, with the platforms they want them for.

    Args:
        specs: the specification with each of its profiles.
    """
    found: dict[str, set[str]] = {}
    for spec in specs:
        for base in spec.bases.values():
            if isinstance(base, ImageBase) and base.digest is None and not base.image.digest:
                found.setdefault(str(base.image), set()).update(map(str, spec.image.platforms))
    return {reference: tuple(sorted(platforms)) for reference, platforms in sorted(found.items())}


def read(root: Path) -> Lock:
    """Read the lock file of a specification.

    Args:
        root: folder of the specification.

    Raises:
        SpecError: it is no lock file, or was changed by hand.
    """
    try:
        raw = (root / NAME).read_bytes()[: _MOST + 1]
        text = raw.decode("utf-8")
    except FileNotFoundError:
        return Lock()
    except (OSError, UnicodeDecodeError) as error:
        raise _wrong(f"can't be read: {error}") from error
    if len(raw) > _MOST:
        raise _wrong("is larger than a lock file is")
    data = parse(text, NAME).data
    if data.get("version") != VERSION:
        raise _wrong(f"has version {data.get('version')}, and this program reads {VERSION}")
    entries = {}
    told = data.get("references")
    for reference, entry in (told if isinstance(told, dict) else {}).items():
        entries[reference] = _entry(reference, entry)
    told = data.get("packages")
    packages = {base: _packages(base, one) for base, one in (told if isinstance(told, dict) else {}).items()}
    return Lock(entries, packages, there=True)


def _entry(reference: str, told: object) -> Entry:
    values = told if isinstance(told, dict) else {}
    platforms = {key: value for key, value in values.items() if "/" in key}
    digests = [values.get("digest"), *platforms.values()]
    if not all(isinstance(one, str) and _DIGEST.fullmatch(one) for one in digests):
        raise _wrong(f"has no digest for '{reference}'")
    entry = Entry(values["digest"], platforms)
    if values.get("checksum") != entry.checksum(reference):
        raise _wrong(f"was changed by hand: the checksum of '{reference}' is another")
    return entry


def _packages(base: str, told: object) -> Packages:
    values = told if isinstance(told, dict) else {}
    listed = values.get("versions")
    if not isinstance(listed, list) or not all(isinstance(one, str) and one.count(" ") == 1 for one in listed):
        raise _wrong(f"has no versions for '{base}'")
    packages = dict(one.split(" ") for one in listed)
    if values.get("checksum") != _checksum(base, packages):
        raise _wrong(f"was changed by hand: the checksum of '{base}' is another")
    return packages


def difference(before: Packages, after: Packages) -> str:
    """In a few words, what packages a base has now and had not, or the reverse; empty for none."""
    changed = sorted(one for one in {**before, **after} if before.get(one) != after.get(one))
    told = [f"{one} {before.get(one) or '(none)'} -> {after.get(one) or '(none)'}" for one in changed[:_SHOWN]]
    more = f" and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
    return ", ".join(told) + more


def _checksum(base: str, packages: Packages) -> str:
    import hashlib  # as above

    listed = [base, *(f"{name} {version}" for name, version in sorted(packages.items()))]
    return f"sha256:{hashlib.sha256(chr(10).join(listed).encode()).hexdigest()}"


def _wrong(why: str) -> SpecError:
    return SpecError([Diagnostic("bad-lock", f"{NAME} {why}; run `nox -s lock`")])


def text(entries: Mapping[str, Entry], packages: Mapping[str, Packages] | None = None) -> str:
    """A lock file: a table for each reference and base, in order, a line for each package: easy to review."""
    lines = [f"{_HEAD}version = {VERSION}"]
    for reference, entry in sorted(entries.items()):
        lines += ["", f'[references."{reference}"]', f'digest = "{entry.digest}"']
        lines += [f'"{name}" = "{digest}"' for name, digest in sorted(entry.platforms.items())]
        lines.append(f'checksum = "{entry.checksum(reference)}"')
    for base, versions in sorted((packages or {}).items()):
        lines += ["", f'[packages."{base}"]', "versions = ["]
        lines += [f'  "{name} {version}",' for name, version in sorted(versions.items())]
        lines += ["]", f'checksum = "{_checksum(base, versions)}"']
    return "\n".join(lines) + "\n"
