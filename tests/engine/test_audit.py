"""The audit on images that a real engine built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.engine
ROOT = Path(__file__).parents[2]


def test_every_rule_finds_what_it_is_about_and_nothing_else() -> None:
    done = subprocess.run(
        [sys.executable, "tests/audit_table.py"], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(" 0 wrong")
