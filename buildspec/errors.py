"""Every error a user can meet: one base class, one exit code a class, no printing."""

from __future__ import annotations

from enum import IntEnum
from typing import ClassVar


class ExitCode(IntEnum):
    """What a verb's exit status says to the shell and to CI."""

    DONE = 0
    FAILED = 1  # a step, a gate or a budget failed
    WRONG_SPEC = 2  # the specification, or how the command was called, is wrong
    NOT_UP_TO_IT = 3  # the machine or a registry is


class BuildspecError(Exception):
    """Base of all errors that are told to the user without a traceback.

    Args:
        message: what went wrong, in one or more lines.
        fix: what to do about it, in one line; empty when the message says it.
    """

    exit_code: ClassVar[ExitCode] = ExitCode.FAILED

    def __init__(self, message: str, fix: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class StepError(BuildspecError):
    """A build step or a gate failed."""


class UsageError(BuildspecError):
    """The command was called with arguments that make no sense."""

    exit_code = ExitCode.WRONG_SPEC


class MachineError(BuildspecError):
    """Something this machine, its engine or a registry should provide is not there."""

    exit_code = ExitCode.NOT_UP_TO_IT
