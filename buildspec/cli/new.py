"""The verb that starts a project: new."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from buildspec.errors import ExitCode, MachineError, UsageError, visible

if TYPE_CHECKING:
    import argparse

IGNORE = ".gitignore"
IGNORED = ("/build/", "/dist/", "/.nox/", "/.venv/")
"""What the verbs leave, which is no part of the sources."""


def new(arguments: argparse.Namespace) -> ExitCode:
    """Write a specification and what it needs, all of it or nothing."""
    from buildspec.new import KINDS, NOXFILE, kind_of, propose
    from buildspec.new.project import Wanted, text

    root = Path()
    try:
        kind = arguments.kind or kind_of(root)
        proposal = propose(Wanted(root, arguments.entry, arguments.port), kind)
    except OSError as error:
        reason = (error.strerror or "error").lower()
        raise MachineError(f"{error.filename or 'this folder'} can't be read: {reason}") from error
    texts = dict(proposal.files)
    if arguments.no_noxfile:
        del texts[NOXFILE]
    ignored = (*IGNORED, *KINDS[kind].ignored)
    if not (root / IGNORE).exists():
        texts[IGNORE] = "".join(f"{one}\n" for one in ignored)
    _refuse_to_overwrite(root, texts)
    _write(root, texts)
    print(visible(proposal.taken))
    for path in texts:
        print(f"{path}: written")
    for note in proposal.notes:
        print(f"note: {visible(note)}")
    print(
        "next: `nox -s check`, then `nox -s build`; where no image registry answers, `nox -s build -- --profile auto`"
    )
    there = {line.strip().strip("*/") for line in text(root / IGNORE).splitlines()}
    if missing := [one for one in ignored if one.strip("/") not in there]:
        print(f"{IGNORE}: not changed; add these lines: {' '.join(missing)}")
    return ExitCode.DONE


def _refuse_to_overwrite(root: Path, texts: Mapping[str, str]) -> None:
    from buildspec.new import NOXFILE

    there = [path for path in texts if (root / path).is_symlink() or (root / path).exists()]
    if there == [NOXFILE]:
        way = "keep it with `--no-noxfile`, and add to it: `from buildspec.sessions import define` and `define()`"
    else:
        way = "move what is there out of the way"
    if there:
        raise UsageError(f"there already, so nothing was written: {', '.join(there)}", way)


def _write(root: Path, texts: Mapping[str, str]) -> None:
    from buildspec.engine import files

    made: list[Path] = []
    try:
        for path, content in texts.items():
            folder = (root / path).parent
            made += [] if folder.exists() else [folder]
            made.append(root / path)
            files.write(root / path, content)
    except BaseException:
        for one in reversed(made):
            with suppress(OSError):
                one.rmdir() if one.is_dir() else one.unlink(missing_ok=True)
        raise
