"""Options and fixtures of all tests."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

Golden = Callable[[Path, str], None]
"""Compares a text with the file that holds what is expected."""

# Who wants no compiled modules (PYTHONDONTWRITEBYTECODE) wants none beside the sources; without any, pytest rewrites
# the asserts and each program that a test starts compiles the package on each run, which takes 3 s. They go where
# pytest keeps what it remembers, and none is used once it is stale.
if sys.dont_write_bytecode:
    sys.dont_write_bytecode = False
    sys.pycache_prefix = sys.pycache_prefix or str(Path(__file__).parents[1] / ".pytest_cache" / "compiled")
    os.environ |= {"PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": sys.pycache_prefix}

# The tests leave few circles of objects, and many objects that live as long as they do (what pytest collected, syntax
# trees, compiled strategies): looking through these as often as Python does by itself takes a tenth of all the time.
gc.set_threshold(100_000, 20, 20)

# Few examples, as unit tests end in seconds, and the same each time, so that a failure is that of the change at hand;
# `--hypothesis-profile=thorough` takes its time and looks for new ones.
_QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile(
    "quick", max_examples=15, derandomize=True, deadline=None, database=None, suppress_health_check=_QUIET
)
settings.register_profile("thorough", parent=settings.get_profile("quick"), max_examples=5000, derandomize=False)
settings.load_profile("quick")


def examples(count: int) -> settings:
    """More than the quick ones, for texts that can go wrong in many ways; never fewer than the profile has."""
    return settings(max_examples=max(count, settings().max_examples))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-goldens", action="store_true", help="write what is got as what is expected")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    """Compare a text with a file, whole; with --update-goldens, write the file instead."""
    update = bool(request.config.getoption("--update-goldens"))

    def compare(expected: Path, got: str) -> None:
        if update:
            expected.write_text(got, encoding="utf-8")
        assert expected.is_file(), f"{expected} is missing; write it with --update-goldens, and read it"
        assert got == expected.read_text(encoding="utf-8"), "if this is right, take it with --update-goldens"

    return compare
