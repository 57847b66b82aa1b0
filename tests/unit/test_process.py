"""Programs: what they printed, in bounded time, and nothing left running."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from buildspec.engine import process
from buildspec.engine.process import Failed
from buildspec.errors import MachineError

ENV = {"PATH": os.environ["PATH"]}
SOON = 5.0
"""Seconds; longer than anything here takes."""


def sh(script: str) -> list[str]:
    return ["sh", "-c", script]


def wait_for(true: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not true():
        assert time.monotonic() < end, "it never came true"
        time.sleep(0.002)


def gone(pid: int) -> bool:
    """Whether a process has ended, reaped by its parent or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


@pytest.fixture
def interrupted() -> Iterator[Callable[[Callable[[], bool]], None]]:
    """Raise KeyboardInterrupt in this thread as soon as something is true, as a signal does."""
    threads: list[threading.Thread] = []

    def when(true: Callable[[], bool]) -> None:
        def act() -> None:
            wait_for(true)
            os.kill(os.getpid(), signal.SIGINT)

        threads.append(threading.Thread(target=act))
        threads[-1].start()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield when
    for thread in threads:
        thread.join()
    signal.signal(signal.SIGINT, before)


# --- run -----------------------------------------------------------------------------------------------------


def test_what_a_program_prints_on_either_stream_is_returned() -> None:
    assert process.run(sh("echo a; echo b >&2"), ENV, timeout=SOON) == "a\nb\n"


def test_its_output_can_go_to_a_file_and_its_errors_are_returned(tmp_path: Path) -> None:
    with (tmp_path / "out").open("wb") as out:
        assert process.run(sh("echo a; echo b >&2"), ENV, timeout=SOON, out=out) == "b\n"
    assert (tmp_path / "out").read_bytes() == b"a\n"


def test_another_exit_code_is_told_with_what_was_printed() -> None:
    with pytest.raises(Failed) as caught:
        process.run(sh("echo why; exit 3"), ENV, timeout=SOON)
    assert (caught.value.program, caught.value.code, caught.value.output) == ("sh", 3, "why\n")


def test_a_failure_does_not_name_the_arguments() -> None:
    with pytest.raises(Failed) as caught:
        process.run(sh(": secret; exit 1"), ENV, timeout=SOON)
    assert "secret" not in str(caught.value)


def test_an_end_by_a_signal_is_a_negative_code() -> None:
    with pytest.raises(Failed) as caught:
        process.run(sh("kill -9 $$"), ENV, timeout=SOON)
    assert caught.value.code == -9


def test_bytes_that_are_no_text_do_no_harm() -> None:
    assert process.run(sh(r"printf 'a\377b'"), ENV, timeout=SOON) == "a\ufffdb"


def test_a_missing_program_is_named_with_the_way_out() -> None:
    with pytest.raises(MachineError, match="no-such-program is not installed") as caught:
        process.run(["no-such-program"], ENV, timeout=SOON, advice="install it")
    assert caught.value.fix == "install it"


def test_a_file_that_is_no_program_is_told_too(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("x")
    with pytest.raises(MachineError, match="x can't be run: permission denied"):
        process.run([str(tmp_path / "x")], ENV, timeout=SOON)


def test_a_program_that_takes_too_long_is_ended_with_its_children(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    start = time.monotonic()
    with pytest.raises(MachineError, match="sh took longer than 0 s"):
        process.run(sh(f"sleep 60 & echo $$ $! > {pids}; wait"), ENV, timeout=0.2)
    assert time.monotonic() - start < SOON
    for pid in pids.read_text().split():
        wait_for(lambda pid=int(pid): gone(pid))  # type: ignore[misc]


def test_a_program_reads_nothing_of_what_is_typed() -> None:
    reading, writing = os.pipe()
    os.write(writing, b"typed")
    os.close(writing)
    before = os.dup(0)
    os.dup2(reading, 0)
    try:
        assert process.run(["cat"], ENV, timeout=SOON) == ""
    finally:
        os.dup2(before, 0)
        for descriptor in (before, reading):
            os.close(descriptor)


def test_a_program_gets_the_environment_it_is_given_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "s")
    assert process.run(sh('echo "${SECRET-none}$MINE"'), {**ENV, "MINE": "m"}, timeout=SOON) == "nonem\n"


# --- stream --------------------------------------------------------------------------------------------------


def test_lines_are_handed_over_as_they_come(tmp_path: Path) -> None:
    seen: list[str] = []

    def each(line: str) -> None:
        seen.append(line)
        (tmp_path / line).touch()

    # the second line is printed when the first has arrived
    script = 'echo a >&2; while [ ! -e a ]; do sleep 0.01; done; printf "b\\r\\n" >&2; printf "c\\377" >&2; exit 7'
    assert process.stream(sh(script), ENV, cwd=str(tmp_path), each=each) == 7
    assert seen == ["a", "b", "c\ufffd"]


def test_its_output_is_left_out_and_its_exit_code_returned() -> None:
    assert process.stream(sh("echo a; exit 0"), ENV, cwd="/", each=pytest.fail) == 0


def test_what_a_listener_raises_ends_the_program() -> None:
    def each(line: str) -> None:
        raise BrokenPipeError(line)

    with pytest.raises(BrokenPipeError) as caught:
        process.stream(sh("echo $$ >&2; exec sleep 60"), ENV, cwd="/", each=each)
    assert gone(int(str(caught.value)))


def test_an_interrupt_ends_a_program_and_its_children(
    tmp_path: Path, interrupted: Callable[[Callable[[], bool]], None]
) -> None:
    pids: list[int] = []
    interrupted(lambda: len(pids) == 2)
    with pytest.raises(KeyboardInterrupt):
        process.stream(
            sh("sleep 60 & echo $$ >&2; echo $! >&2; wait"), ENV, cwd="/", each=lambda line: pids.append(int(line))
        )
    for pid in pids:
        wait_for(lambda pid=pid: gone(pid))  # type: ignore[misc]


def test_a_program_that_does_not_want_to_end_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "GRACE", 0.1)

    def each(line: str) -> None:
        raise KeyboardInterrupt(line)

    script = "trap '' TERM; echo $$ >&2; while true; do sleep 0.05; done"
    with pytest.raises(KeyboardInterrupt) as caught:
        process.stream(sh(script), ENV, cwd="/", each=each)
    assert gone(int(str(caught.value)))


# --- read ----------------------------------------------------------------------------------------------------


def test_output_is_read_in_chunks() -> None:
    chunks = list(process.read(["head", "-c", "3000000", "/dev/zero"], ENV))
    assert len(chunks) > 1
    assert sum(map(len, chunks)) == 3_000_000


def test_a_failure_comes_after_the_output_with_the_errors() -> None:
    found = process.read(sh("echo a; echo why >&2; exit 2"), ENV)
    assert next(found) == b"a\n"
    with pytest.raises(Failed) as caught:
        next(found)
    assert (caught.value.code, caught.value.output) == (2, "why\n")


def test_a_reader_that_stops_early_ends_the_program() -> None:
    found = process.read(sh("echo $$; exec cat /dev/zero"), ENV)
    pid = int(next(found).partition(b"\n")[0])
    del found
    assert gone(pid)


# --- stop ----------------------------------------------------------------------------------------------------


def test_what_other_threads_run_can_be_ended(tmp_path: Path) -> None:
    ended: list[int] = []

    def work() -> None:
        try:
            process.run(sh(f"touch {tmp_path}/up; exec sleep 60"), ENV, timeout=60)
        except Failed as error:
            ended.append(error.code)

    thread = threading.Thread(target=work)
    thread.start()
    wait_for((tmp_path / "up").exists)
    process.stop()
    thread.join(SOON)
    assert ended == [-signal.SIGTERM]


def test_nothing_to_end_is_no_trouble() -> None:
    process.run(["true"], ENV, timeout=SOON)
    process.stop()


def test_a_program_is_in_a_group_of_its_own_so_that_an_interrupt_reaches_it_once() -> None:
    printed = process.run([sys.executable, "-c", "import os; print(os.getpgrp() == os.getpid())"], ENV, timeout=SOON)
    assert printed == "True\n"


def test_what_is_read_has_a_time_limit_too() -> None:
    start = time.monotonic()
    with pytest.raises(MachineError, match="sh took longer than 0 s"):
        list(process.read(sh("echo a; exec sleep 60"), ENV, timeout=0.3))
    assert time.monotonic() - start < SOON
    assert b"".join(process.read(sh("echo a; sleep 0.1; echo b"), ENV, timeout=SOON)) == b"a\nb\n"
