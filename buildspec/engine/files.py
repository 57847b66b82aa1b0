"""Files that are whole or absent: written beside their place and renamed, and only when something changed."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from buildspec.errors import MachineError


def write(path: Path, content: str | bytes) -> bool:
    """Make a file hold `content`, and nothing else at any moment; return whether it had to be written.

    Args:
        path: the file; folders above it are made.
        content: text, written as UTF-8, or bytes.

    Raises:
        MachineError: the place can't be written.
    """
    if holds(path, content):
        return False
    data = content.encode() if isinstance(content, str) else content
    part = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}-", delete=False) as file:
            part = file.name
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        Path(part).chmod(0o644)
        Path(part).replace(path)
    except BaseException as error:
        if part:
            Path(part).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _unwritable(path, error) from error
        raise
    return True


def holds(path: Path, content: str | bytes) -> bool:
    """Whether a file holds `content`, and nothing else."""
    with suppress(OSError):
        return path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    return False


def _unwritable(path: Path, error: OSError) -> MachineError:
    return MachineError(f"{path} can't be written: {(error.strerror or 'error').lower()}")


def write_json(path: Path, document: object) -> bool:
    """Make a file hold a document as JSON, for people to read; see `write`."""
    return write(path, json.dumps(document, indent=2, ensure_ascii=False) + "\n")


def read_json(path: Path) -> dict[str, Any]:
    """An object; an empty one where there is none, or none that can be read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


@contextmanager
def locked(path: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Hold a lock against other processes and threads.

    Args:
        path: of the lock file, which stays.
        waiting: called once when somebody else has it.

    Raises:
        MachineError: the place can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        opened = path.open("a")
    except OSError as error:
        raise _unwritable(path, error) from error
    with opened as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


ABANDONED = 60.0
"""Seconds after which what no process holds is taken for left behind by one that was killed."""


@contextmanager
def folder_beside(parent: Path, prefix: str) -> Iterator[Path]:
    """A folder of this process, gone at the end; those of processes that were killed are removed, too.

    Args:
        parent: of the folder.
        prefix: of its name, and of theirs.
    """
    for one in parent.glob(f"{prefix}*"):
        _remove_abandoned(one)
    folder = Path(tempfile.mkdtemp(dir=parent, prefix=prefix))
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)  # let go by the kernel when this process ends, however it does
        yield folder
    finally:
        os.close(handle)
        shutil.rmtree(folder, ignore_errors=True)


def scratch() -> AbstractContextManager[Path]:
    """A folder for what nobody needs afterwards: see `folder_beside`."""
    return folder_beside(Path(tempfile.gettempdir()), f"buildspec-{os.getuid()}-")


def _remove_abandoned(folder: Path) -> None:
    with suppress(OSError):
        if folder.is_symlink() or time.time() - folder.stat().st_mtime < ABANDONED:
            return
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        finally:
            os.close(handle)


def cache_folder() -> Path:
    """Where results are kept between runs and projects: `$XDG_CACHE_HOME/buildspec`."""
    # https://specifications.freedesktop.org/basedir-spec: relative paths are to be ignored
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if given.startswith("/") else Path.home() / ".cache") / "buildspec"
