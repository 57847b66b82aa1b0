"""What is shown while a build runs: plain lines, or the running steps on a terminal."""

from __future__ import annotations

import io
from collections.abc import Callable

from conftest import Golden
from helpers.plans import GOLDENS
from helpers.progress import CANCELLED, failed, log, vertex
from rich.console import Console

from buildspec.engine.progress import Event, Progress, Step
from buildspec.engine.redact import Redactor
from buildspec.report.console import LiveProgress, PlainProgress, progress

CI = "[app deps 2/3] RUN --mount=type=cache,target=/c     npm ci"
SHARED = "[check deps 2/3] RUN --mount=type=cache,target=/c     npm ci"
TEST = "[check check 2/2] RUN npm test"
LONG = f"[app linux/arm64 app 2/3] RUN {'x' * 100}"
LINES = [
    vertex("i", "[internal] load build definition from Dockerfile", 0, 0.1),
    vertex("w", "[app deps 1/3] WORKDIR /app", 0, 0, cached=True),
    vertex("c", CI),
    vertex("c", CI, 1),
    vertex("c", SHARED, 1.1),
    log("c", "added 235 packages\nnpm notice [bold]new[/bold]\n\n"),
    vertex("c", CI, 1, 4.25),
    vertex("c", SHARED, 1.1, 4.3),
    log("c", "late words\n"),
    vertex("c2", CI.replace("deps", "linux/amd64 deps"), 5, 5, cached=True),
    vertex("q", "[app linux/arm64 app 1/3] COPY a b", 5, 5.05),
    vertex("l", LONG, 5),
    vertex("t", TEST, 5),
    vertex("t", TEST, 5, 6, error=failed("npm test", 1)),
    vertex("l", LONG, 5, 7, error=failed("x", 137) + CANCELLED),
    "ERROR: target check: failed to solve",
]


def feed(tell: Callable[[Event], None]) -> None:
    following = Progress(Redactor(), tell, {"deps": "linux/amd64", "check": "linux/amd64"})
    for line in LINES:
        following.feed(line)
    following.finish()


def test_elsewhere_a_build_is_plain_lines(golden: Golden) -> None:
    out = io.StringIO()
    with PlainProgress(out) as shown:
        shown.say("another build of this folder runs; waiting for it")
        feed(shown.tell)
    golden(GOLDENS / "plain-progress.txt", out.getvalue())


def test_a_build_that_took_no_step_says_nothing_of_steps() -> None:
    out = io.StringIO()
    with PlainProgress(out):
        pass
    assert out.getvalue() == ""


def terminal() -> tuple[Console, io.StringIO]:
    out = io.StringIO()
    return Console(file=out, force_terminal=True, width=80, color_system=None, legacy_windows=False), out


def test_on_a_terminal_what_is_done_is_told_once(golden: Golden) -> None:
    console, out = terminal()
    shown = LiveProgress(console)
    feed(shown.tell)
    golden(GOLDENS / "live-progress.txt", out.getvalue())


def test_on_a_terminal_what_runs_is_shown_with_its_last_line() -> None:
    console, out = terminal()
    shown = LiveProgress(console)
    for number in range(12):
        step = Step(f"[app s{number} 1/1] RUN x", "app", f"s{number}", 1, "linux/amd64", "RUN [bold]x", running=True)
        shown.tell(Event(step))
        shown.tell(Event(step, f"[red]{number}" if number else ""))
    console.print(shown._render())
    rows = out.getvalue().splitlines()
    assert len(rows) == 8
    assert rows[0].split()[2:] == ["s0", "linux/amd64", "RUN", "[bold]x"]
    assert rows[1].split()[2:] == ["s1", "linux/amd64", "[red]1"]


def test_output_that_comes_after_the_end_does_not_bring_a_step_back() -> None:
    console, out = terminal()
    shown = LiveProgress(console)
    feed(shown.tell)
    out.truncate(0)
    console.print(shown._render())
    assert out.getvalue().strip("\0\n ") == ""


def test_the_stream_decides_how_progress_is_shown() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    assert isinstance(progress(Terminal(), lambda: terminal()[0]), LiveProgress)
    assert isinstance(progress(io.StringIO(), lambda: terminal()[0]), PlainProgress)
