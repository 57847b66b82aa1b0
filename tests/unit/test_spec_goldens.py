"""Every flaw of `tests/specs/bad` is told as its golden text says, whole."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

import pytest
from conftest import Golden

from buildspec.checks import RULES, examine
from buildspec.checks.rules import is_waivable, name_of
from buildspec.errors import SpecError
from buildspec.spec.load import Selection

BAD = Path(__file__).parents[1] / "specs" / "bad"
FLAWS = sorted(BAD.glob("*.toml"))
# Rules of judgement have something to say about most of these short specifications: each is shown in its own alone.
JUDGED = {name_of(rule) for rule in RULES if is_waivable(rule)}


def told(flaw: Path, folder: Path) -> str:
    """What is said of a flawed specification; its first comment may hold options, folders its files."""
    file = folder / "buildspec.toml"
    shutil.copy(flaw, file)
    if flaw.with_suffix("").is_dir():
        shutil.copytree(flaw.with_suffix(""), folder / "stages")
    if flaw.with_suffix(".context").is_dir():
        shutil.copytree(flaw.with_suffix(".context"), folder / "app")
    try:
        found = examine(file, selection(file.read_text(encoding="utf-8"))).warnings
    except SpecError as error:
        found = error.diagnostics
    shown = SpecError(one for one in found if one.rule not in JUDGED - {flaw.stem})
    return f"{shown.message}\n\n{shown.fix}\n"


def selection(text: str) -> Selection:
    """Of a first line like `# --profile current --set node="22"`."""
    words = shlex.split(text.partition("\n")[0].removeprefix("#")) if text.startswith("# --") else []
    given = list(zip(words[::2], words[1::2], strict=True))
    profiles = tuple(value for option, value in given if option == "--profile")
    pairs = [value.partition("=") for option, value in given if option == "--set"]
    today = dict(given).get("--today", "")
    return Selection(profiles, {name: value for name, _, value in pairs}, today=today)


@pytest.mark.parametrize("flaw", FLAWS, ids=lambda path: path.stem)
def test_a_flaw_is_told_in_full(flaw: Path, tmp_path: Path, golden: Golden) -> None:
    golden(flaw.with_suffix(".txt"), told(flaw, tmp_path))
