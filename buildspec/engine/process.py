"""Programs of this machine: a command in, what it printed out, in bounded time and with nothing left running."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import IO

from buildspec.errors import MachineError

GRACE = 10.0
"""Seconds a program has to end after SIGTERM, before it is killed."""
_CHUNK = 1 << 20
_running: set[subprocess.Popen[bytes]] = set()
_starting = threading.Lock()  # held until a program that was started is known to be running


class Failed(Exception):  # noqa: N818 - what happened, not what is wrong
    """A program ended with another code than 0.

    Args:
        program: its name.
        code: its exit code; negative for a signal.
        output: everything it printed.
    """

    def __init__(self, program: str, code: int, output: str) -> None:
        super().__init__(f"{program} ended with code {code}")
        self.program, self.code, self.output = program, code, output


def run(
    argv: Sequence[str],
    env: Mapping[str, str],
    *,
    timeout: float,
    out: IO[bytes] | None = None,
    advice: str = "",
    cwd: str | None = None,
) -> str:
    """Run a program to its end and return what it printed, both streams together.

    Args:
        argv: the program and its arguments.
        env: its whole environment.
        timeout: seconds.
        out: gets standard output instead.
        advice: the way out when the program isn't installed.
        cwd: the folder it runs in; this process's own when None.

    Raises:
        MachineError: the program is missing or took too long.
        Failed: it ended with another code than 0.
    """
    pipes = (out, subprocess.PIPE) if out else (subprocess.PIPE, subprocess.STDOUT)
    with _started(argv, env, pipes[0], pipes[1], advice, cwd=cwd) as child:
        try:
            printed, errors = child.communicate(timeout=timeout)
        except subprocess.TimeoutExpired as err:
            raise MachineError(f"{argv[0]} took longer than {timeout:.0f} s", "try again") from err
    text = (errors if out else printed).decode(errors="replace")
    if child.returncode:
        raise Failed(argv[0], child.returncode, text)
    return text


def stream(argv: Sequence[str], env: Mapping[str, str], *, cwd: str, each: Callable[[str], None]) -> int:
    """Run a program and hand over the lines of its standard error as they come; return its exit code.

    Args:
        argv: the program and its arguments.
        env: its whole environment.
        cwd: the folder it runs in.
        each: takes a line, without its end.

    Raises:
        MachineError: the program is missing.
    """
    with _started(argv, env, subprocess.DEVNULL, subprocess.PIPE, "", cwd=cwd) as child:
        assert child.stderr is not None  # noqa: S101 - asked for above
        for line in child.stderr:
            each(line.decode(errors="replace").rstrip("\r\n"))
        return child.wait()


def read(argv: Sequence[str], env: Mapping[str, str], *, timeout: float | None = None) -> Iterator[bytes]:
    """Run a program and hand over its standard output in chunks; it is ended when the reader stops early.

    Args:
        argv: the program and its arguments.
        env: its whole environment.
        timeout: seconds; None when only its reader knows how long it may take.

    Raises:
        MachineError: the program is missing or took too long.
        Failed: it ended with another code than 0.
    """
    import tempfile

    with tempfile.TemporaryFile() as errors, _started(argv, env, subprocess.PIPE, errors, "") as child:
        assert child.stdout is not None  # noqa: S101 - asked for above
        with _limited(child, timeout) as late:
            while chunk := child.stdout.read(_CHUNK):
                yield chunk
            child.wait()
        if late.is_set():
            raise MachineError(f"{argv[0]} took longer than {timeout:.0f} s", "try again")
        if child.returncode:
            errors.seek(0)
            raise Failed(argv[0], child.returncode, errors.read().decode(errors="replace"))


@contextmanager
def _started(
    argv: Sequence[str],
    env: Mapping[str, str],
    stdout: int | IO[bytes] | None,
    stderr: int | IO[bytes],
    advice: str,
    *,
    cwd: str | None = None,
    stdin: int = subprocess.DEVNULL,
) -> Iterator[subprocess.Popen[bytes]]:
    """A child in a process group of its own: an interrupt reaches it once, through us, and takes its children."""
    try:
        with _starting:
            child = subprocess.Popen(
                argv,
                env=dict(env),
                cwd=cwd,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                process_group=0,
            )
            _running.add(child)
    except FileNotFoundError as err:
        raise MachineError(f"{argv[0]} is not installed", advice) from err
    except OSError as err:
        raise MachineError(f"{argv[0]} can't be run: {(err.strerror or str(err)).lower()}", advice) from err
    try:
        yield child
    except BaseException:
        _end(child)
        raise
    finally:
        _running.discard(child)
        for pipe in (child.stdout, child.stderr):
            if pipe:
                pipe.close()


@contextmanager
def _limited(child: subprocess.Popen[bytes], seconds: float | None) -> Iterator[threading.Event]:
    """Kill a child that takes longer, so that whoever reads from it comes to an end; whether that was done."""
    late = threading.Event()

    def end() -> None:
        late.set()
        _signal(child, signal.SIGKILL)

    timer = None if seconds is None else threading.Timer(seconds, end)
    if timer:
        timer.start()
    try:
        yield late
    finally:
        if timer:
            timer.cancel()


def stop() -> None:
    """Ask the programs that other threads wait for to end; an interrupt doesn't reach those by itself."""
    with _starting:
        children = tuple(_running)
    for child in children:
        if child.returncode is None:
            _signal(child, signal.SIGTERM)


def _end(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is not None:
        return
    reaper = threading.Timer(GRACE, _signal, (child, signal.SIGKILL))
    reaper.start()
    try:
        _signal(child, signal.SIGTERM)
        # what it still prints must be read, or it may never get to its end
        child.communicate()
    finally:
        reaper.cancel()


def _signal(child: subprocess.Popen[bytes], number: signal.Signals) -> None:
    try:
        os.killpg(child.pid, number)
    except ProcessLookupError:
        return


MOST_OUTPUT = 1 << 20
"""Bytes of each stream that are kept of a program that runs beside us."""


class Attached:
    """A program that runs beside us: it is given its input, and what it prints is kept.

    Args:
        child: started with three pipes.
        given: its standard input.
    """

    def __init__(self, child: subprocess.Popen[bytes], given: bytes) -> None:
        self._child = child
        self._kept = (bytearray(), bytearray())
        self._threads = [
            threading.Thread(target=self._write, args=(given,), daemon=True),
            *(
                threading.Thread(target=self._read, args=(pipe, kept), daemon=True)
                for pipe, kept in zip((child.stdout, child.stderr), self._kept, strict=True)
            ),
        ]
        for thread in self._threads:
            thread.start()

    def _write(self, given: bytes) -> None:
        assert self._child.stdin is not None  # noqa: S101 - asked for
        with suppress(OSError):  # it may end without reading
            self._child.stdin.write(given)
        with suppress(OSError):
            self._child.stdin.close()

    @staticmethod
    def _read(pipe: IO[bytes] | None, kept: bytearray) -> None:
        assert pipe is not None  # noqa: S101 - asked for
        with suppress(OSError, ValueError):  # closed at the end, by another thread
            while chunk := pipe.read1(_CHUNK):  # type: ignore[attr-defined]
                kept += chunk[: max(0, MOST_OUTPUT - len(kept))]

    def wait(self, seconds: float) -> bool:
        """Whether it has ended within so many seconds; then everything it printed is there."""
        try:
            self._child.wait(timeout=max(0.0, seconds))
        except subprocess.TimeoutExpired:
            return False
        for thread in self._threads[1:]:
            thread.join(timeout=GRACE)
        return True

    @property
    def code(self) -> int | None:
        """Its exit code, negative for a signal; None while it runs."""
        return self._child.poll()

    @property
    def out(self) -> str:
        """What it has printed on standard output so far."""
        return bytes(self._kept[0]).decode(errors="replace")

    @property
    def err(self) -> str:
        """What it has printed on standard error so far."""
        return bytes(self._kept[1]).decode(errors="replace")


@contextmanager
def attached(argv: Sequence[str], env: Mapping[str, str], given: bytes = b"") -> Iterator[Attached]:
    """Run a program beside us; it is ended at the end at the latest.

    Args:
        argv: the program and its arguments.
        env: its whole environment.
        given: its standard input.

    Raises:
        MachineError: the program is missing.
    """
    with _started(argv, env, subprocess.PIPE, subprocess.PIPE, "", stdin=subprocess.PIPE) as child:
        try:
            yield Attached(child, given)
        finally:
            _signal_and_wait(child)


def _signal_and_wait(child: subprocess.Popen[bytes]) -> None:
    """End a child whose pipes other threads read."""
    if child.poll() is not None:
        return
    _signal(child, signal.SIGTERM)
    try:
        child.wait(timeout=GRACE)
    except subprocess.TimeoutExpired:
        _signal(child, signal.SIGKILL)
        child.wait()
