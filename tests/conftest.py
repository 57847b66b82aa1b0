"""Options and fixtures of all tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

Golden = Callable[[Path, str], None]
"""Compares a text with the file that holds what is expected."""


# Few examples, as unit tests end in seconds, and the same each time, so that a failure is that of the change at hand;
# `--hypothesis-profile=thorough` takes its time and looks for new ones.
_QUIET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
settings.register_profile(
    "quick", max_examples=15, derandomize=True, deadline=None, database=None, suppress_health_check=_QUIET
)
settings.register_profile("thorough", parent=settings.get_profile("quick"), max_examples=5000, derandomize=False)
settings.load_profile("quick")


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
