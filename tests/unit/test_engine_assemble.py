"""Bases assembled side by side: nobody waits for what isn't wanted any more."""

# ruff: noqa: S604 - `shell` is a field of ours, not of subprocess

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import pytest

from buildspec.engine import assemble as module
from buildspec.engine import process
from buildspec.engine.assemble import assemble_all
from buildspec.errors import UsageError
from buildspec.plan.recipe import Recipe

SLOW = Recipe("trixie", "linux/amd64", ("nodejs",), shell=True, configured=True)
WRONG = Recipe("trixie", "linux/amd64", ("nodjes",), shell=False, configured=False)


@pytest.mark.parametrize("error", [UsageError("no package nodjes"), KeyboardInterrupt()], ids=["error", "interrupt"])
def test_when_one_base_cannot_be_had_the_others_are_ended(
    error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    up = tmp_path / "up"

    def assemble(recipe: Recipe, *_: object, **__: object) -> NoReturn:
        if recipe == SLOW:
            process.run(["sh", "-c", f"touch {up}; exec sleep 60"], dict(os.environ), timeout=60)
        end = time.monotonic() + 10
        while not up.exists():
            assert time.monotonic() < end
            time.sleep(0.002)
        raise error

    monkeypatch.setattr(module, "assemble", assemble)
    say: Callable[[str], Any] = lambda _: None  # noqa: E731
    start = time.monotonic()
    with pytest.raises(type(error)):
        assemble_all([SLOW, WRONG], tmp_path, say=say, jobs=2)
    assert time.monotonic() - start < 10
