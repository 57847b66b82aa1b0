"""A path in, everything the text of a specification says out: the Spec, its document, its fragments."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import attrs

from buildspec.errors import Diagnostic, Place, SpecError
from buildspec.spec.decode import decode
from buildspec.spec.document import Document, parse
from buildspec.spec.fragments import Fragment, parse_fragment
from buildspec.spec.model import Spec
from buildspec.spec.overlay import apply_overrides, apply_profiles, fill_variables

MAX_BYTES = 1_000_000
"""A specification larger than this is a mistake; it is refused before it is parsed."""


@attrs.frozen
class Source:
    """A specification, read and decoded."""

    root: Path
    """Folder of the specification; all its paths are relative to it."""
    document: Document
    spec: Spec
    profiles: tuple[str, ...]
    fragments: Mapping[str, Fragment]
    """Of `stages/<name>.Dockerfile`, by stage; also those no stage uses."""


@attrs.frozen
class Selection:
    """What the command line asks of a specification."""

    profiles: tuple[str, ...] = ()
    overrides: Mapping[str, str] = attrs.Factory(dict)
    """Values of `[vars]`, as typed."""
    variables: Mapping[str, str] = attrs.Factory(dict)
    """Variables that come from outside, such as `git.commit`."""


def read(path: Path, shown: str = "") -> Document:
    """Read and parse a specification.

    Args:
        path: the file.
        shown: how to call it in messages; its name when empty.

    Raises:
        SpecError: it can't be read, isn't UTF-8 or isn't TOML.
    """
    shown = shown or path.name
    try:
        if path.is_file() and path.stat().st_size > MAX_BYTES:
            raise _unreadable(shown, f"is larger than {MAX_BYTES // 1000} kB")
        text = path.read_bytes().decode("utf-8")
    except FileNotFoundError as error:
        raise _unreadable(shown, "does not exist; write one, or name it with --file") from error
    except OSError as error:
        raise _unreadable(shown, f"can't be read: {(error.strerror or 'error').lower()}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        message = f"byte 0x{error.object[error.start]:02x} is not UTF-8"
        raise SpecError([Diagnostic("encoding", message, Place(shown, line, 1))]) from error
    return parse(text.replace("\r\n", "\n"), shown)


def _unreadable(shown: str, why: str) -> SpecError:
    return SpecError([Diagnostic("unreadable", f"{shown} {why}")])


def load(path: Path, selection: Selection, document: Document | None = None) -> Source:
    """Read, overlay, fill and decode a specification, and read its fragments.

    Args:
        path: the file.
        selection: profiles, overrides and variables.
        document: what `read` gave for it, to read it once only.

    Raises:
        SpecError: what is wrong with it.
        UsageError: a profile or a variable of the selection doesn't exist.
    """
    written = document or read(path)
    overlaid = apply_overrides(apply_profiles(written, selection.profiles), selection.overrides)
    filled = fill_variables(overlaid, selection.variables)
    spec = decode(filled)
    root = path.parent
    return Source(root, filled, spec, tuple(selection.profiles), _fragments(root))


def _fragments(root: Path) -> dict[str, Fragment]:
    folder = root / "stages"
    found = {}
    for file in sorted(folder.glob("*.Dockerfile")) if folder.is_dir() else ():
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise _unreadable(f"stages/{file.name}", f"can't be read: {error}") from error
        found[file.name.removesuffix(".Dockerfile")] = parse_fragment(text, f"stages/{file.name}")
    return found
