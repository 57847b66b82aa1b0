"""Files that are whole or absent, and locks."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from buildspec.engine import files, oci
from buildspec.errors import MachineError


def test_a_file_is_written_with_its_folders(tmp_path: Path) -> None:
    file = tmp_path / "a" / "b"
    assert files.write(file, "é\n")
    assert file.read_bytes() == "é\n".encode()
    assert file.stat().st_mode & 0o777 == 0o644


def test_a_file_that_holds_it_already_is_not_touched(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(b"same")
    os.utime(file, (1, 1))
    assert not files.write(file, b"same")
    assert file.stat().st_mtime == 1
    assert files.write(file, b"other")
    assert file.stat().st_mtime > 1


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "a"
    file.write_text("old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(MachineError, match="a can't be written: no space left on device"):
        files.write(file, "new")
    assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [("a", "old")]


def test_an_interrupted_write_leaves_no_file_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        files.write(tmp_path / "a", "new")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(MachineError, match="can't be written"):
        files.write(tmp_path / "file" / "x", "")
    with pytest.raises(MachineError, match="can't be written"):
        files.write(tmp_path, "")
    with pytest.raises(MachineError, match="can't be written"), files.locked(tmp_path / "file" / "lock"):
        pytest.fail("not locked")


def test_json_is_for_people_to_read(tmp_path: Path) -> None:
    files.write_json(tmp_path / "a", {"é": [1]})
    assert (tmp_path / "a").read_text(encoding="utf-8") == '{\n  "é": [\n    1\n  ]\n}\n'


def test_a_lock_is_held_by_one_at_a_time_and_the_other_is_told_once(tmp_path: Path) -> None:
    lock = tmp_path / "sub" / "lock"
    told = threading.Event()
    order: list[str] = []

    def other() -> None:
        with files.locked(lock, told.set):
            order.append("other")

    with files.locked(lock, lambda: pytest.fail("nobody has it")):
        thread = threading.Thread(target=other)
        thread.start()
        assert told.wait(5)
        order.append("first")
    thread.join(5)
    assert order == ["first", "other"]
    assert lock.exists()


def test_a_lock_is_given_back_when_something_goes_wrong(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="x"), files.locked(tmp_path / "lock"):
        raise ValueError("x")
    with files.locked(tmp_path / "lock", lambda: pytest.fail("nobody has it")):
        pass


@pytest.mark.parametrize(
    ("given", "expected"), [("/c", "/c/buildspec"), ("c", "/h/.cache/buildspec"), ("", "/h/.cache/buildspec")]
)
def test_results_are_kept_where_the_desktop_standard_says(
    given: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", "/h")
    monkeypatch.setenv("XDG_CACHE_HOME", given)
    assert files.cache_folder() == Path(expected)


# --- folders that are gone at the end --------------------------------------------------------------------------


def test_a_folder_is_gone_at_the_end_whatever_happens(tmp_path: Path) -> None:
    def interrupted() -> None:
        with files.folder_beside(tmp_path, ".x-") as folder:
            (folder / "file").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_is_removed_by_the_next(tmp_path: Path) -> None:
    (tmp_path / ".x-young").mkdir()
    for name in (".x-old", ".y-old"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").touch()
        os.utime(tmp_path / name, (1, 1))
    with files.folder_beside(tmp_path, ".x-") as held:
        os.utime(held, (1, 1))  # as after a long time
        with files.folder_beside(tmp_path, ".x-"):
            assert held.is_dir(), "it is still used"
    assert {one.name for one in tmp_path.iterdir()} == {".x-young", ".y-old"}


# --- killed at any time, and a disk that is full ---------------------------------------------------------------

KILLED = """
import os, random, signal, sys, time
from pathlib import Path
from buildspec.engine import files, oci

folder, trials = Path(sys.argv[1]), int(sys.argv[2])
file, made = folder / "file", folder / "made"
size = 300_000


def act(round_):
    letter = "ab"[round_ % 2]
    files.write(file, letter * size)
    with oci.beside(made) as fresh:
        for name in ("1", "2"):
            (fresh / name).write_text(letter * size)
        oci.swap(fresh, made)


act(0)
start = time.monotonic()
for round_ in range(2, 10):
    act(round_)
longest = (time.monotonic() - start) / 8
seen = set()
for trial in range(trials):
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        for round_ in range(1, 1000):
            act(round_)
        os._exit(0)
    time.sleep(random.uniform(0, 2.5 * longest))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    names = sorted(one.name for one in made.iterdir())
    assert names == ["1", "2"], names
    texts = [file.read_text(), *((made / name).read_text() for name in names)]
    assert texts[1] == texts[2], "of two different rounds"
    for text in texts:
        assert text in ("a" * size, "b" * size), "half of a file"
    seen.add(texts[0][0])
assert seen == {"a", "b"}, seen
files.ABANDONED = 0.0
act(1)
left = [one.name for one in folder.iterdir() if one.is_dir() and one.name != "made"]
assert left == [], left
print("whole")
"""


def test_whatever_is_killed_leaves_the_old_or_the_new(tmp_path: Path) -> None:
    """500 trials: a process that writes is killed at a random time."""
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path), "500"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.stdout == "whole\n", done.stderr


@pytest.mark.parametrize("call", range(1, 6))
@pytest.mark.parametrize("name", ["write", "fsync", "replace", "mkdir", "chmod"])
def test_no_space_at_any_call_leaves_the_old(
    name: str, call: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The k-th call of the system that writes finds the disk full."""
    file, made = tmp_path / "file", tmp_path / "made"

    def act(text: str) -> None:
        files.write(file, text)
        with oci.beside(made) as fresh:
            (fresh / "1").write_text(text)
            (fresh / "2").write_text(text)
            oci.swap(fresh, made)

    act("old")
    left = call
    owner: object = {"replace": Path, "mkdir": os, "chmod": Path, "write": Path, "fsync": os}[name]
    method = "write_text" if name == "write" else name
    whole = getattr(owner, method)

    def full(*arguments: Any, **options: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        return whole(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(owner, method, full)
        with suppress(OSError, MachineError):
            act("new")
    assert file.read_text() in ("old", "new")
    texts = {(made / one).read_text() for one in ("1", "2")}
    assert texts in ({"old"}, {"new"})
    assert {one.name for one in tmp_path.iterdir()} == {"file", "made"}
