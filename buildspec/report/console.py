"""Events of a build and its result in, what people read out: live on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from buildspec.engine.progress import Event, Step

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

LIVE_ROWS = 8
"""Running steps shown at a time."""
WORTH = 0.1
"""Seconds; a shorter step has no line of its own."""
SHORT = 90
"""Characters of an instruction."""


class _Count:
    """Steps and how many of them were cached; targets that share a step each tell of it."""

    def __init__(self) -> None:
        self.steps: dict[tuple[str, str], bool] = {}

    def add(self, step: Step) -> None:
        key = (_where(step), step.text)
        self.steps[key] = step.cached and self.steps.get(key, True)

    def __str__(self) -> str:
        return f"{len(self.steps)} steps, {sum(self.steps.values())} of them cached"


class PlainProgress:
    """One line when a step starts to work, its output, one line when it ends.

    Args:
        out: where to.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._seen: set[tuple[str, str]] = set()
        self._counted = _Count()

    def __enter__(self) -> PlainProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._counted.steps:
            self._print(str(self._counted))

    def say(self, line: str) -> None:
        """Print a line about what is done before and after the run."""
        self._print(line)

    def tell(self, event: Event) -> None:
        """Print an event."""
        step = event.step
        if not step.stage:
            return
        if event.line:
            self._print(f"{_where(step)} | {event.line}")
        elif step.done:
            self._counted.add(step)
            if step.error:
                self._once("failed", step, f"{_where(step)}: failed: {_short(step)}")
            elif _worked(step):
                self._once("done", step, f"{_where(step)}: done in {step.seconds:.1f} s: {_short(step)}")
        elif step.runs:
            self._once("runs", step, f"{_where(step)}: {_short(step)}")

    def _once(self, what: str, step: Step, line: str) -> None:
        """Targets that share a step each tell of it."""
        if (what, f"{_where(step)} {step.text}") not in self._seen:
            self._seen.add((what, f"{_where(step)} {step.text}"))
            self._print(line)

    def _print(self, line: str) -> None:
        self._out.write(f"{line}\n")
        self._out.flush()


class LiveProgress:
    """The running steps with their seconds and last line of output; steps that are done scroll by above.

    Args:
        console: a terminal.
    """

    def __init__(self, console: Console) -> None:
        from rich.live import Live

        self._console = console
        self._running: dict[str, tuple[Step, float, str]] = {}
        self._told: set[str] = set()
        self._counted = _Count()
        self._live = Live(console=console, get_renderable=self._render, refresh_per_second=5, transient=True)

    def __enter__(self) -> LiveProgress:
        self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.stop()
        if self._counted.steps:
            self.say(str(self._counted))

    def say(self, line: str) -> None:
        """Print a line about what is done before and after the run."""
        self._console.print(line, highlight=False, markup=False)

    def tell(self, event: Event) -> None:
        """Show an event."""
        step = event.step
        if not step.stage:
            return
        if step.done:  # its last output may come after its end
            self._running.pop(step.name, None)
            self._counted.add(step)
            if (step.error or _worked(step)) and step.name not in self._told:
                self._told.add(step.name)
                mark = "[red]failed[/red]" if step.error else f"[green]{step.seconds:6.1f} s[/green]"
                self._console.print(mark, _where(step), _plain(_short(step)), highlight=False)
            return
        _, since, last = self._running.get(step.name, (step, time.monotonic(), ""))
        self._running[step.name] = (step, since, event.line or last)

    def _render(self) -> RenderableType:
        from rich.table import Table

        table = Table.grid(padding=(0, 1), expand=True)
        table.add_column(justify="right", style="yellow", no_wrap=True, min_width=8)
        table.add_column(style="cyan", no_wrap=True, min_width=22)
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        now = time.monotonic()
        for step, since, last in list(self._running.values())[:LIVE_ROWS]:
            table.add_row(f"{now - since:5.1f} s", _where(step), _plain(last or _short(step)))
        return table


def _plain(text: str) -> RenderableType:
    from rich.text import Text

    return Text(text)


def _worked(step: Step) -> bool:
    """Whether a step came to its end, and that took long enough to be told."""
    return not step.cached and not step.cancelled and step.seconds >= WORTH


def _where(step: Step) -> str:
    return f"{step.stage} {step.platform}".strip()


def _short(step: Step) -> str:
    return step.brief if len(step.brief) <= SHORT else f"{step.brief[: SHORT - 3]}..."


Progress = PlainProgress | LiveProgress


def progress(out: TextIO, console: Callable[[], Console]) -> Progress:
    """What suits the stream.

    Args:
        out: where to.
        console: made only where it is needed: it takes a while to load.
    """
    return LiveProgress(console()) if out.isatty() else PlainProgress(out)
