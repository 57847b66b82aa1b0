"""The command line: `tally [--json] [--top N] [FILE...]`."""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from tally.counting import Counts, count

VERSION = "unreleased"
EPILOG = "Exit status: 0 all was counted; 1 a file could not be read; 2 wrong arguments; 128 and the signal's number."


def parser() -> argparse.ArgumentParser:
    """The arguments."""
    about = "Counts lines, words, characters and bytes."
    found = argparse.ArgumentParser(prog="tally", description=about, epilog=EPILOG)
    found.add_argument("files", nargs="*", default=["-"], metavar="FILE", help="what to count; standard input is -")
    found.add_argument("--json", action="store_true", help="print JSON")
    found.add_argument("--top", type=int, default=0, metavar="N", help="list the N most frequent words, too")
    found.add_argument("--version", action="version", version=f"tally {VERSION}")
    return found


def end(number: int, _frame: object) -> None:
    """End as a shell reports a signal; without this, the first process of a container would ignore it."""
    raise SystemExit(128 + number)


def main(argv: Sequence[str] | None = None) -> int:
    """Count, print, and return the exit status."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    arguments = parser().parse_args(argv)
    counted: dict[str, Counts] = {}
    status = 0
    for name in arguments.files:
        try:
            counted[name] = read(name)
        except OSError as error:
            print(f"tally: {name}: {(error.strerror or str(error)).lower()}", file=sys.stderr)
            status = 1
    try:
        show(counted, arguments)
        sys.stdout.flush()
    except BrokenPipeError:
        # the reader has seen enough; nothing may be written to it at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    return status


def read(name: str) -> Counts:
    """The counts of a file."""
    if name == "-":
        return count(sys.stdin.buffer)
    with Path(name).open("rb") as file:
        return count(file)


def show(counted: Mapping[str, Counts], arguments: argparse.Namespace) -> None:
    """Print the counts of each file, and of all when there are several."""
    if arguments.json:
        print(json.dumps({name: facts(counts, arguments.top) for name, counts in counted.items()}, ensure_ascii=False))
        return
    rows = dict(counted)
    if len(counted) > 1:
        rows["total"] = Counts()
        for counts in counted.values():
            rows["total"] += counts
    for name, counts in rows.items():
        print(f"{counts.lines:8}{counts.words:8}{counts.characters:8}{counts.bytes:8} {name}")
        for word, number in counts.top(arguments.top):
            print(f"{number:32} {word}")


def facts(counts: Counts, top: int) -> dict[str, object]:
    """The counts, for JSON."""
    found: dict[str, object] = {
        "lines": counts.lines,
        "words": counts.words,
        "characters": counts.characters,
        "bytes": counts.bytes,
    }
    return {**found, "top": dict(counts.top(top))} if top else found
