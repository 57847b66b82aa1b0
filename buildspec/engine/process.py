"""Programs of this machine: a command in, what it printed out, in bounded time and with nothing left running."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
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
) -> str:
    """Run a program to its end and return what it printed, both streams together.

    Args:
        argv: the program and its arguments.
        env: its whole environment.
        timeout: seconds.
        out: gets standard output instead.
        advice: the way out when the program isn't installed.

    Raises:
        MachineError: the program is missing or took too long.
        Failed: it ended with another code than 0.
    """
    pipes = (out, subprocess.PIPE) if out else (subprocess.PIPE, subprocess.STDOUT)
    with _started(argv, env, pipes[0], pipes[1], advice) as child:
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


def read(argv: Sequence[str], env: Mapping[str, str]) -> Iterator[bytes]:
    """Run a program and hand over its standard output in chunks; it is ended when the reader stops early.

    Args:
        argv: the program and its arguments.
        env: its whole environment.

    Raises:
        MachineError: the program is missing.
        Failed: it ended with another code than 0.
    """
    import tempfile

    with tempfile.TemporaryFile() as errors, _started(argv, env, subprocess.PIPE, errors, "") as child:
        assert child.stdout is not None  # noqa: S101 - asked for above
        while chunk := child.stdout.read(_CHUNK):
            yield chunk
        if child.wait():
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
) -> Iterator[subprocess.Popen[bytes]]:
    """A child in a process group of its own: an interrupt reaches it once, through us, and takes its children."""
    try:
        with _starting:
            child = subprocess.Popen(
                argv,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
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
