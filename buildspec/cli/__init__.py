"""The verbs: `python -m buildspec check | plan | build | …`. The only place that prints and gives exit codes.

What a verb doesn't need isn't imported: `check` loads neither the engine's client nor anything that draws.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from buildspec.arguments import parse
from buildspec.errors import BuildspecError, ExitCode, MachineError, SpecError

if TYPE_CHECKING:
    from types import FrameType

_MODULES = {
    **dict.fromkeys(("check", "plan", "generate", "doctor"), "language"),
    **dict.fromkeys(("build", "test", "audit", "reproduce"), "images"),
    "new": "new",
    **dict.fromkeys(("push", "rollback", "lock", "bundle"), "release"),
    **dict.fromkeys(("export", "join"), "parts"),
}
"""Module of each verb, which has a function of its name."""
_OF_THE_MACHINE = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM}
)
"""What no verb can do anything about; any other that isn't met where it happens is a fault of ours."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run a verb.

    Args:
        argv: its arguments; the process's own when None.

    Returns:
        The exit code, of `errors.ExitCode`.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)
    try:
        arguments = parse(sys.argv[1:] if argv is None else argv)
        module = import_module(f"buildspec.cli.{_MODULES[arguments.verb]}")
        code = getattr(module, arguments.verb)(arguments)
        sys.stdout.flush()  # here, where a reader that has gone is met
    except BuildspecError as error:
        _complain(error)
        return int(error.exit_code)
    except KeyboardInterrupt:
        from buildspec.engine import process

        process.stop()
        print("interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    except BrokenPipeError:
        # the reader has seen enough; nothing may be written to it at exit either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 128 + signal.SIGPIPE
    except OSError as error:
        if error.errno not in _OF_THE_MACHINE:
            raise
        _complain(MachineError(f"{error.filename or 'this machine'}: {(error.strerror or str(error)).lower()}"))
        return int(ExitCode.NOT_UP_TO_IT)
    return int(code)


def _interrupted(_number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt


def _complain(error: BuildspecError) -> None:
    head = "" if isinstance(error, SpecError) else "error: "
    print(f"{head}{error.message}", file=sys.stderr)
    if error.fix:
        print(f"{'' if isinstance(error, SpecError) else 'fix: '}{error.fix}", file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
