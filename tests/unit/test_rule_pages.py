"""Every rule has a page, and the checker agrees with its examples."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.pages import FOLDER, found_in, read_page

from buildspec.checks import RULES
from buildspec.checks.rules import is_waivable, name_of

PACKAGE = Path(__file__).parents[2] / "buildspec"
SAYING = {"Diagnostic", "_ProblemError", "note", "problem"}
"""What is called with the name of a rule."""
NOT_TEXT = {"encoding", "unreadable", "unwritable", "not-locked"}
"""Names without a bad example: it would have to be something else than text, or is of the command line."""
BY_NAME = {name_of(rule): rule for rule in RULES}
PAGES = sorted(path.stem for path in FOLDER.glob("*.md"))


def said() -> Iterator[str]:
    """Names of rules as the package's own source has them, wherever a problem is told."""
    for file in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            parts: list[ast.expr] = []
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                parts = node.args[:1] if name in SAYING else []
            elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in ("rule", "UNUSED"):
                parts = [node.value]
            for part in parts:
                # of `a if … else b`, both
                for one in (part.body, part.orelse) if isinstance(part, ast.IfExp) else (part,):
                    text = one.value if isinstance(one, ast.Constant) else None
                    if isinstance(text, str) and re.fullmatch(r"[a-z]+(?:-[a-z]+)*", text):
                        yield text


def test_every_name_that_is_told_has_a_page_and_every_page_is_told() -> None:
    assert set(PAGES) == set(said()) | BY_NAME.keys()


@pytest.mark.parametrize("name", PAGES)
def test_a_page_says_what_why_how_to_fix_and_how_to_waive(name: str) -> None:
    page = read_page(FOLDER / f"{name}.md")
    assert page.rule == name
    assert page.about
    assert list(page.sections) == ["Why", "Bad", "Good", "Fix", "Waive"]
    assert all(page.sections.values())
    assert (f'rule = "{page.rule}"' in page.sections["Waive"]) is (name in BY_NAME and is_waivable(BY_NAME[name]))


@pytest.mark.parametrize("name", PAGES)
def test_the_bad_example_goes_against_the_rule_and_the_good_one_does_not(name: str, tmp_path: Path) -> None:
    page = read_page(FOLDER / f"{name}.md")
    assert bool(page.bad) is (name not in NOT_TEXT)
    if page.bad:
        assert name in {one.rule for one in found_in(tmp_path / "bad", page.bad)}
    assert name not in {one.rule for one in found_in(tmp_path / "good", page.good)}
