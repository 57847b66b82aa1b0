"""A release as a process that is ended: `python tests/releaser.py FOLDER CONTENT NAME HOST...`."""

# ruff: noqa: E402, T201 - a program, which finds its modules and prints what it has done

from __future__ import annotations

import signal
import sys
from pathlib import Path
from types import FrameType

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from faults import image, moves, remote

from buildspec.errors import BuildspecError
from buildspec.release.moves import Repository
from buildspec.release.push import Push


def main(folder: str, content: str, name: str, *hosts: str) -> int:
    """Release; exit code 1 where it can't be, 130 when it was ended."""
    signal.signal(signal.SIGTERM, _interrupted)
    made = image(Path(folder), "amd64", content.encode())
    where = [Repository(host, name) for host in hosts]
    push = Push(
        remotes={one: remote(one.registry, one.name, seconds=20) for one in where}, tell=lambda _: None, settle=0.3
    )
    wanted = [move for one in where for move in moves(one, made.digest)]
    print("begun", flush=True)
    try:
        push.upload([made], wanted)
        push.tag_exact(wanted)
        push.tag_moving(wanted, lambda move: move)
    except BuildspecError as error:
        print(error.message, flush=True)
        return 1
    except KeyboardInterrupt:
        push.stopped.set()
        return 130
    print(made.digest, flush=True)
    return 0


def _interrupted(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
