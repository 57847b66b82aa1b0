"""The audit on images that a real engine built."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from audit_cases import ROUTES, SECRET, Case
from audit_table import build, edit

from buildspec.engine.archives import read_archive
from buildspec.engine.redact import forms_of
from buildspec.gates.audit import Expected, audit

pytestmark = pytest.mark.engine
ROOT = Path(__file__).parents[2]


def test_every_rule_finds_what_it_is_about_and_nothing_else() -> None:
    done = subprocess.run(
        [sys.executable, "tests/audit_table.py"], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].endswith(" 0 wrong")


def hidden(secret: str) -> dict[str, bytes]:
    return {f"a secret ({number})": form.encode() for number, form in enumerate(sorted(forms_of([secret])), 1)}


def found(archive: Path, folder: Path, secret: str) -> list[str]:
    folder.mkdir()
    (image,) = read_archive(archive, folder)
    told = audit(image, Expected(), hidden(secret), (), "web").findings
    assert all(secret not in one.finding.message for one in told), "the finding itself tells the secret"
    return [one.finding.path for one in told if one.finding.rule == "build-secret"]


def test_a_secret_is_found_by_whichever_route_it_came(tmp_path: Path) -> None:
    names = {f"route-{number}": route for number, route in enumerate(ROUTES)}
    build(tmp_path, {**{name: ROUTES[route] for name, route in names.items()}, "none": Case()})
    missed = []
    for name, route in names.items():
        if ROUTES[route].edit:
            edit(tmp_path / f"{name}.tar", ROUTES[route].edit)
        secret = SECRET.replace("/", "-") if route == "the name of a file" else SECRET
        if not found(tmp_path / f"{name}.tar", tmp_path / f"{name}-read", secret):
            missed.append(route)
    assert missed == []
    assert len(names) >= 20
    assert found(tmp_path / "none.tar", tmp_path / "none-read", SECRET) == []
