"""The verbs as nox sessions, for the noxfile of any repository: `from buildspec.sessions import define`, `define()`.

Nothing but nox is loaded until a session runs, so that a noxfile can install this package's dependencies itself.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

try:
    import nox
except ImportError as error:
    message = "nox is not in this environment; install it with `pip install 'buildspec[nox]'`, or nox beside buildspec"
    raise ImportError(message) from error

from buildspec.arguments import VERBS

DEFAULT = ("check", "plan")
"""What a bare `nox` runs: both change nothing."""


def define(before: Callable[[], object] = lambda: None) -> None:
    """Define a session for each verb; it works in the folder of the noxfile and ends with the verb's own exit code.

    Args:
        before: called when a session runs, before anything of this package but its verbs' names is loaded.
    """
    for name, verb in VERBS.items():
        if verb.of_specification:
            _define(name, verb.about, before)


def _define(name: str, about: str, before: Callable[[], object]) -> None:
    def session(session: nox.Session) -> None:
        # in this process, and not by session.run: another Python takes 0.1 s to start, and nox would end with 1
        before()
        from buildspec.cli import main

        _silence()
        if code := main([name, *session.posargs]):
            sys.exit(code)

    session.__doc__ = about
    nox.session(name=name, venv_backend="none", default=name in DEFAULT)(session)


def _silence() -> None:
    """Keep what other people's modules log to themselves out of the output, to which nox has logging lead."""
    for name in ("python_on_whales", "urllib3"):
        logger = logging.getLogger(name)
        logger.propagate = False
        logger.addHandler(logging.NullHandler())
