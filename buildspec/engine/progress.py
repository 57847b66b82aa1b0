"""Lines of `--progress=rawjson` in, the steps of a build with their times, output and errors out."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import attrs

_LINES_KEPT = 200
"""Of a step's output, the newest."""
# Bake leaves the target out when it builds a single one, and BuildKit the platform when there is only one, and the
# stage when the Dockerfile has only one.
_NAME = re.compile(
    r"\[(?:(?P<target>[^\s/]+) +)??(?:(?P<platform>[a-z]+/[\w/]+(?:->[\w/]+)?) +)?(?:(?P<stage>[^\s/]+) +)?"
    r"(?P<number>\d+)/\d+\] (?P<text>.*)",
    re.DOTALL,
)
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,6})?\d*Z")


@attrs.define
class Step:
    """A step that BuildKit took or found in its cache."""

    name: str
    """As BuildKit calls it: `[production linux/arm64 runtime 2/5] COPY …`."""
    target: str = ""
    """Of the bake run; several targets may share a step, which then has the name of one of them."""
    stage: str = ""
    """In the Dockerfile; empty for BuildKit's own steps."""
    number: int = 0
    """Among those of the stage that BuildKit counts, from 1; 0 for its own steps."""
    platform: str = ""
    """It runs on."""
    text: str = ""
    """The instruction."""
    seconds: float = 0.0
    cached: bool = False
    running: bool = False
    done: bool = False
    cancelled: bool = False
    """It was stopped, because another one failed."""
    error: str = ""
    output: list[str] = attrs.Factory(list)

    @property
    def cached_or_skipped(self) -> bool:
        """Whether nothing was done for it: BuildKit doesn't even look at a step whose result nobody needs."""
        return self.cached or not (self.done or self.running)

    @property
    def brief(self) -> str:
        """The instruction in one line, without its mounts."""
        return " ".join(word for word in self.text.split() if not word.startswith("--mount="))

    @property
    def runs(self) -> bool:
        """Whether it is a command."""
        return self.text.startswith("RUN ")


@attrs.frozen
class Event:
    """Something to tell the user about: a step started, ended, or printed a line."""

    step: Step
    line: str = ""


class Progress:
    """Follows a build.

    Args:
        redact: takes secrets out of a text.
        tell: takes events, as they come.
        platforms: of each stage of the Dockerfile, for steps that BuildKit names without one.
    """

    def __init__(
        self, redact: Callable[[str], str], tell: Callable[[Event], None], platforms: Mapping[str, str]
    ) -> None:
        self._redact, self._tell, self._platforms = redact, tell, platforms
        self._steps: dict[str, Step] = {}
        self._unfinished: dict[tuple[str, int], bytes] = {}
        """By step and stream, what was printed since the last line end."""
        self.text: list[str] = []
        """Lines that aren't JSON: what buildx says when it fails."""

    @property
    def steps(self) -> tuple[Step, ...]:
        """All steps, in the order they were first heard of."""
        return tuple(self._steps.values())

    def feed(self, line: str) -> None:
        """Take a line of buildx' standard error."""
        if line.startswith("{"):
            try:
                told = json.loads(line)
            except ValueError:
                told = None
            if isinstance(told, dict):
                self._take(told)
                return
        if line.strip():
            self.text.append(self._redact(line))

    def _take(self, told: dict[str, Any]) -> None:
        for vertex in told.get("vertexes") or ():
            self._vertex(vertex)
        for log in told.get("logs") or ():
            self._log(log)

    def _step(self, name: str) -> Step:
        step = named(self._redact(name))
        if step.number and not step.stage and len(self._platforms) == 1:
            (step.stage,) = self._platforms
        step.platform = step.platform or self._platforms.get(step.stage, "")
        return step

    def _vertex(self, vertex: dict[str, Any]) -> None:
        digest = vertex.get("digest", "")
        step = self._steps.get(digest)
        if step is None:
            step = self._steps[digest] = self._step(vertex.get("name", ""))
        started, completed = vertex.get("started"), vertex.get("completed")
        if vertex.get("cached"):
            step.cached = True
        if error := vertex.get("error", ""):
            step.cancelled = _cancelled(error)
            step.error = step.error if step.cancelled else self._redact(error)
        if started and completed:
            # a step that several targets wait for is told once for each: the longest is the one that worked
            step.seconds = max(step.seconds, _seconds(started, completed))
            first = not step.done
            step.running, step.done = False, True
            if first or step.error:
                self._tell(Event(step))
        elif started and not step.running:
            step.running, step.done = True, False  # it may have been looked for in the cache before
            self._tell(Event(step))

    def _log(self, log: dict[str, Any]) -> None:
        """A piece of output: it ends where the program flushed, not where a line does."""
        source = (log.get("vertex", ""), log.get("stream", 1))
        step = self._steps.get(source[0])
        if step is None:
            return
        data = base64.b64decode(log.get("data") or "")
        *lines, self._unfinished[source] = (self._unfinished.get(source, b"") + data).split(b"\n")
        for line in lines:
            self._print(step, line)

    def _print(self, step: Step, line: bytes) -> None:
        # of what a progress bar writes over itself, the last is left
        shown = self._redact(line.decode(errors="replace").rstrip("\r").rpartition("\r")[2])
        step.output.append(shown)
        del step.output[:-_LINES_KEPT]
        self._tell(Event(step, shown))

    def finish(self) -> None:
        """Take what steps printed without ending the line."""
        for (digest, _), rest in self._unfinished.items():
            if rest.strip():
                self._print(self._steps[digest], rest)
        self._unfinished.clear()


def named(name: str) -> Step:
    """A step by BuildKit's name of it."""
    match = _NAME.fullmatch(name)
    if match is None:
        return Step(name)
    platform = (match["platform"] or "").partition("->")[0]
    return Step(name, match["target"] or "", match["stage"] or "", int(match["number"]), platform, match["text"])


def _cancelled(error: str) -> bool:
    """Whether a step stopped because another one failed."""
    return error.endswith("context canceled")  # not just anywhere: a command may say so too


def _seconds(started: str, completed: str) -> float:
    return max(0.0, (_time(completed) - _time(started)).total_seconds())


def _time(text: str) -> datetime:
    match = _TIME.fullmatch(text)
    if match is None:
        return datetime.fromisoformat(text)
    return datetime.fromisoformat(f"{match[1]}{match[2] or ''}+00:00")
