"""`python -m buildspec`."""

from __future__ import annotations

import gc
import sys

# Loading makes many objects, all of which stay: looking through them each time 700 are new takes a fifth of a check.
gc.set_threshold(100_000)

from buildspec.cli import main  # noqa: E402 - what it loads is what this is about


def run() -> int:
    """Run a verb for the process that is about to end; returns its exit code."""
    code = main()
    gc.freeze()  # the interpreter would look through all objects once more at its end, which takes another tenth
    return code


if __name__ == "__main__":
    sys.exit(run())
