"""A call that was begun early and is asked for later."""

from __future__ import annotations

import threading

import pytest

from buildspec.engine.later import Later


def test_it_has_begun_before_it_is_asked_for() -> None:
    begun = threading.Event()

    def call() -> int:
        begun.set()
        return 7

    later = Later(call)
    assert begun.wait(5)
    assert (later.result(), later.result()) == (7, 7)


def test_what_it_raised_is_raised_where_it_is_asked_for() -> None:
    later = Later(lambda: 1 // 0)
    with pytest.raises(ZeroDivisionError):
        later.result()
