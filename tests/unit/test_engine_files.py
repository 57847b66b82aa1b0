"""Files that are whole or absent, and locks."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path

import pytest

from buildspec.engine import files
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
