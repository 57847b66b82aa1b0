"""The tests of a specification and built images in, a result for each test, image and platform out."""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path

import attrs

from buildspec.engine import process
from buildspec.engine.container import Container, Containers, Found, State
from buildspec.engine.process import Attached
from buildspec.errors import BuildspecError
from buildspec.spec.model import Runtime, Spec, Test, TestFile, Text
from buildspec.spec.values import Duration, Platform

AT_ONCE = min(4, os.cpu_count() or 1)
"""Containers that run side by side: more would starve each other, and break time limits by that."""
_POLL = 0.1
"""Seconds between two looks at a container."""
_SETTLE = 1.0
"""Seconds that a program has to start when nothing tells that it runs."""
_MOST_LINES = 40
"""Lines of a difference that are shown."""
_LONGEST_SEARCH = 5.0
"""Seconds for a pattern; one that goes back over and over would take years on a megabyte."""
_SEARCH = "import json, re, sys; sys.exit(re.search(*json.load(sys.stdin), re.MULTILINE) is None)"


@attrs.frozen(kw_only=True)
class Image:
    """A built image for one platform."""

    stage: str
    """Delivered stage, or how the image is called."""
    index: str
    """Digest that the engine knows it by."""
    platform: Platform
    digest: str
    """Of the manifest for this platform."""


@attrs.frozen(kw_only=True)
class TestResult:
    """What a test of an image came to."""

    name: str
    image: Image
    problems: tuple[str, ...]
    """What is wrong, each in a sentence or as a difference; none: it passed."""
    seconds: float
    command: tuple[str, ...]
    """Entrypoint and arguments, as far as the test gives them."""
    stdout: str = ""
    stderr: str = ""

    __test__ = False  # for pytest, which would take it for tests of its own

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


def run_tests(
    spec: Spec,
    images: Sequence[Image],
    containers: Containers,
    root: Path,
    each: Callable[[TestResult], None] = lambda _: None,
) -> tuple[TestResult, ...]:
    """Run every test against every image it is about, some side by side.

    Args:
        spec: with its `[tests]` and `[runtime]`.
        images: for every platform.
        containers: of the engine. Those of an earlier run of this folder are removed first: hold its lock.
        root: folder of the specification.
        each: told of each result as soon as there is one.

    Returns:
        The results in the order of the tests, then of the images.

    Raises:
        MachineError: the engine isn't up to it; tests that were running are ended, their containers removed.
    """
    folder = hashlib.sha256(str(root.resolve()).encode()).hexdigest()[:8]
    for name in containers.leftovers(folder):
        containers.remove(name)
    ended = threading.Event()
    runs = [
        _Run(name, test, image, spec.runtime, containers, root, folder, ended)
        for name, test in spec.tests.items()
        for image in images
        if test.image in ("", image.stage)
    ]

    def one(run: _Run) -> TestResult:
        result = run.result()
        each(result)
        return result

    with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        futures = [pool.submit(one, run) for run in runs]
        try:
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            for future in done:
                future.result()  # raises what went wrong first, before others are waited for
            return tuple(future.result() for future in futures)
        finally:
            ended.set()  # after an error or an interrupt: those that run end soon, and remove their containers
            pool.shutdown(wait=True, cancel_futures=True)


class _EndedError(BuildspecError):
    """Another test found the engine gone, or the user has enough."""


@attrs.frozen
class _Run:
    """One test of one image."""

    name: str
    test: Test
    image: Image
    runtime: Runtime
    containers: Containers
    root: Path
    folder: str
    ended: threading.Event

    def result(self) -> TestResult:
        start = time.monotonic()
        container = f"buildspec-test-{self.folder}-{uuid.uuid4().hex[:12]}"
        deadline = start + _seconds(self.test.timeout)
        try:
            self.containers.create(self._wanted(container))
            with self.containers.attached(container, self.test.stdin.encode()) as running:
                problems = list(self._lived(container, running, deadline))
                state = self.containers.state(container)
                if state.running:
                    self.containers.signal(container, "KILL")
                    running.wait(_SETTLE)
            problems += self._ended(state, running) if not problems else []
            problems += self._files(container)
        finally:
            with suppress(BuildspecError):  # what went wrong before is what counts
                self.containers.remove(container)
        return TestResult(
            name=self.name,
            image=self.image,
            problems=tuple(problems),
            seconds=time.monotonic() - start,
            command=(*self.test.entrypoint, *self.test.run),
            stdout=running.out,
            stderr=running.err,
        )

    def _wanted(self, name: str) -> Container:
        return Container(
            name=name,
            folder=self.folder,
            image=self.image.index,
            platform=self.image.platform,
            runtime=self.runtime,
            entrypoint=self.test.entrypoint,
            arguments=self.test.run,
            env=self.test.env,
            mounts={inside: (self.root / file).resolve() for inside, file in self.test.mount.items()},
            network=self.test.network,
        )

    # --- while it runs -----------------------------------------------------------------------------------------

    def _lived(self, container: str, running: Attached, deadline: float) -> Iterator[str]:
        """What goes wrong until it has ended, or has done what it should."""
        test = self.test
        if test.healthy is not None:
            problem = self._healthy(container, running, min(deadline, time.monotonic() + _seconds(test.healthy)))
            if problem:
                yield problem
                return
        if test.stop is not None:
            problem = self._running(container, running, deadline) or self._stopped(container, running, deadline)
            if problem:
                yield problem
        elif test.healthy is None and not self._wait(running, deadline):
            yield f"did not end within {test.timeout}"

    def _wait(self, running: Attached, deadline: float) -> bool:
        """Whether it has ended in time."""
        while not running.wait(min(_POLL, deadline - time.monotonic())):
            if self.ended.is_set():
                raise _EndedError("ended before its time")
            if time.monotonic() >= deadline:
                return False
        return True

    def _healthy(self, container: str, running: Attached, deadline: float) -> str:
        state = self.containers.state(container)
        while time.monotonic() < deadline:
            if state.health == "healthy":
                return ""
            if self._wait(running, time.monotonic() + _POLL):
                break
            state = self.containers.state(container)
            if not state.health and state.running:
                return "has no health check, so nothing says whether it is healthy"
            if state.health == "unhealthy":
                break
        told = f"; the last check said: {state.told}" if state.told else ""
        if not state.running:
            return f"ended with code {state.code} before it was healthy{told}"
        return f"was not healthy within {self.test.healthy}, but {state.health or 'without a health check'}{told}"

    def _running(self, container: str, running: Attached, deadline: float) -> str:
        """Wait until it can be asked to end; why it can't."""
        stop = self.test.stop
        if stop is not None and stop.after:
            while stop.after not in running.out + running.err:
                if self._wait(running, min(deadline, time.monotonic() + _POLL)):
                    if stop.after in running.out + running.err:
                        break
                    return f"ended with code {self.containers.state(container).code} without printing '{stop.after}'"
                if time.monotonic() >= deadline:
                    return f"did not print '{stop.after}' within {self.test.timeout}"
        elif self.test.healthy is None:
            self._wait(running, min(deadline, time.monotonic() + _SETTLE))
        return ""

    def _stopped(self, container: str, running: Attached, deadline: float) -> str:
        stop = self.test.stop
        assert stop is not None  # noqa: S101 - asked for only then
        if not self.containers.state(container).running:
            return f"ended with code {self.containers.state(container).code} before it was asked to"
        signal = str(stop.signal or self.containers.stop_signal(container))
        self.containers.signal(container, signal)
        end = time.monotonic() + _seconds(stop.within)
        if self._wait(running, min(deadline, end)):
            return ""
        if deadline < end:
            return f"did not end within {self.test.timeout}, {signal} or not, and was killed"
        return f"did not end within {stop.within} of {signal}, and was killed"

    # --- when it has ended -------------------------------------------------------------------------------------

    def _ended(self, state: State, running: Attached) -> Iterator[str]:
        """What is wrong with its exit code and its outputs."""
        test = self.test
        if state.error or not state.started:
            yield f"the engine could not start it: {state.error or running.err.strip()}"
            return
        if state.killed_for_memory:
            yield f"was killed: it needs more memory than {self.runtime.memory}"
        elif state.code != test.exit and (test.healthy is None or test.stop is not None):
            yield f"ended with code {state.code}, not {test.exit}"
        yield from compared("standard output", running.out, test.stdout)
        yield from compared("standard error", running.err, test.stderr)

    def _files(self, container: str) -> Iterator[str]:
        for path, wanted in self.test.files.items():
            yield from file_problems(path, self.containers.find(container, path), wanted)


def file_problems(path: str, found: Found | None, wanted: TestFile) -> Iterator[str]:
    """What is wrong with a file of a container.

    Args:
        path: of it.
        found: what is there; None for nothing.
        wanted: what should be.
    """
    if found is None:
        if wanted.exists:
            yield f"{path} isn't there"
        return
    if not wanted.exists:
        yield f"{path} is there"
        return
    owner = f"{found.uid}:{found.gid}"
    if wanted.owner and wanted.owner != owner:
        yield f"{path} belongs to {owner}, not to {wanted.owner}"
    if wanted.mode is not None and int(str(wanted.mode), 8) != found.mode:
        yield f"{path} has mode {found.mode:04o}, not {int(str(wanted.mode), 8):04o}"
    yield from compared(path, found.content, wanted.content)


def compared(what: str, got: str, wanted: Text) -> Iterator[str]:
    """What is wrong with a text.

    Args:
        what: it is, for the message.
        got: the text.
        wanted: what it must be.
    """
    if wanted.equals is not None and got.removesuffix("\n") != wanted.equals.removesuffix("\n"):
        lines = difflib.unified_diff(_lines(wanted.equals), _lines(got), "expected", "got", lineterm="", n=2)
        shown = [*lines][: _MOST_LINES + 1]
        cut = [*shown[:_MOST_LINES], "…"] if len(shown) > _MOST_LINES else shown
        yield "\n".join([f"{what} is another text:", *(f"  {line}" for line in cut)])
    for part in wanted.contains:
        if part not in got:
            yield f"{what} doesn't contain '{part}'"
    if wanted.matches:
        match fits(wanted.matches, got, _LONGEST_SEARCH):
            case None:
                yield f"'{wanted.matches}' takes longer than {_LONGEST_SEARCH:g} s on {what}; write a simpler pattern"
            case False:
                yield f"{what} doesn't match '{wanted.matches}'"


def fits(pattern: str, text: str, seconds: float) -> bool | None:
    """Whether a text has a part that a pattern describes; None when that can't be told in time.

    A process of its own, since nothing ends a search in this one.

    Args:
        pattern: a regular expression that compiles.
        text: is searched, line by line for `^` and `$`.
        seconds: for the search.
    """
    given = json.dumps([pattern, text]).encode()
    with process.attached([sys.executable, "-I", "-c", _SEARCH], os.environ, given) as search:
        return not search.code if search.wait(seconds) else None


def _lines(text: str) -> list[str]:
    """Lines that end in a line feed alone: a difference in a carriage return is one."""
    return text.removesuffix("\n").split("\n") if text else []


def _seconds(duration: Duration) -> float:
    return duration.milliseconds / 1000
