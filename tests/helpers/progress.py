"""Lines of `--progress=rawjson` as buildx 0.29 with BuildKit 0.25 writes them, shortened."""

from __future__ import annotations

import base64
import json
from typing import Any

from buildspec.engine.progress import Event, Progress
from buildspec.engine.redact import Redactor

SECOND = "2026-11-25T02:14:{:09.6f}123Z"
"""Go writes nanoseconds."""


def at(seconds: float) -> str:
    """A time, in seconds after the beginning."""
    return SECOND.format(seconds)


def vertex(digest: str, name: str, start: float | None = None, end: float | None = None, **more: Any) -> str:
    """A step: heard of, started or completed."""
    told = {"digest": digest, "name": name, **more}
    told |= {"started": at(start)} if start is not None else {}
    told |= {"completed": at(end)} if end is not None else {}
    return json.dumps({"vertexes": [told]})


def log(digest: str, data: str | bytes, stream: int = 1) -> str:
    """A piece of a step's output."""
    raw = data.encode() if isinstance(data, str) else data
    entry = {"vertex": digest, "stream": stream, "data": base64.b64encode(raw).decode(), "timestamp": at(1)}
    return json.dumps({"logs": [entry]})


def failed(command: str, code: int) -> str:
    """BuildKit's error of a command."""
    return f'process "/bin/sh -c {command}" did not complete successfully: exit code: {code}'


CANCELLED = ": context canceled: context canceled"
"""What it puts behind, when the command was stopped because another one failed."""


def excerpt(line: int, text: str) -> list[str]:
    """What buildx shows of the Dockerfile after a failure."""
    return [f"Dockerfile:{line}", "--------------------", f"  {line} | >>> {text}", "--------------------"]


def follow(
    lines: list[str], platforms: dict[str, str] | None = None, secrets: tuple[str, ...] = ()
) -> tuple[Progress, list[Event]]:
    """A progress that was fed with lines to their end, and what it told."""
    events: list[Event] = []
    progress = Progress(Redactor(secrets), events.append, platforms or {})
    for line in lines:
        progress.feed(line)
    progress.finish()
    return progress, events
