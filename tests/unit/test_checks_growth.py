"""Work of the checker grows as the specification does: counted in calls, which no load of the machine changes."""

from __future__ import annotations

import cProfile
from collections.abc import Callable
from pathlib import Path

import pytest

from buildspec.checks import check
from buildspec.errors import SpecError
from buildspec.spec.load import Selection, load

SMALL, LARGE = 60, 240
LINEAR = 1.3
"""How much more than its size the calls for a larger specification may grow."""
HEAD = """
spec = 1
[bases.b]
image = "docker.io/library/alpine:3.22"
family = "alpine"
[users.app]
uid = 1000
gid = 1000
[image]
name = "x"
platforms = ["linux/amd64"]
"""


def chain(count: int) -> str:
    """Stages that start from each other, all of which are delivered."""
    deliver = ", ".join(f's{at} = "t{at}"' for at in range(count))
    stages = [f'[stages.s{at}]\nfrom = "{f"s{at - 1}" if at else "b"}"\ncmd = ["sh"]' for at in range(count)]
    return "\n".join([HEAD, f"deliver = {{ {deliver} }}", *stages])


def ignored(count: int) -> str:
    """Patterns and copies, each of which could match each."""
    patterns = ", ".join(f'"dir{at}"' for at in range(count))
    copies = ", ".join(f'"file{at}.txt"' for at in range(count))
    stage = f'[stages.s]\nfrom = "b"\nworkdir = "/w"\ncopy = [{copies}]\nuser = "app"'
    return f'{HEAD}deliver = {{ s = "" }}\n[context]\nignore = [{patterns}]\n{stage}'


def calls(text: str, folder: Path) -> int:
    """Calls of Python functions that checking takes, in a folder that has what is copied."""
    file = folder / "buildspec.toml"
    file.write_text(text, encoding="utf-8")
    source = load(file, Selection(today="2026-11-25"))
    counter = cProfile.Profile(builtins=False)  # counts in C: a function of our own would take longer than the checks
    counter.enable()
    try:
        check(source)
    except SpecError:
        pass  # only how long it takes is asked
    finally:
        counter.disable()
    return sum(entry.callcount for entry in counter.getstats())


@pytest.mark.parametrize("make", [chain, ignored])
def test_the_work_grows_as_the_specification_does(make: Callable[[int], str], tmp_path: Path) -> None:
    for at in range(LARGE):
        (tmp_path / f"file{at}.txt").touch()
    calls(make(SMALL), tmp_path)  # what is remembered for the whole process
    start, small, large = (calls(make(count), tmp_path) for count in (1, SMALL, LARGE))
    assert (large - start) / (small - start) < LINEAR * LARGE / SMALL
