"""`python -m buildspec`."""

from __future__ import annotations

import gc
import sys

# Loading makes many objects, all of which stay: looking through them each time 700 are new takes a fifth of a check.
gc.set_threshold(100_000)

from buildspec.cli import main  # noqa: E402 - what it loads is what this is about

if __name__ == "__main__":
    sys.exit(main())
