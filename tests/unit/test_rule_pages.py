"""Every rule has a page, and the checker agrees with its examples."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.pages import FOLDER, found_in, read_page

from buildspec.checks import RULES
from buildspec.checks.rules import Rule, is_waivable, name_of

READING = {"syntax", "encoding", "unreadable", "unknown-key", "missing-key", "wrong-type", "wrong-value", "base-kind"}
READING |= {"unknown-variable", "unused-waiver"}


def test_every_rule_has_a_page_and_every_page_a_rule() -> None:
    pages = {path.stem for path in FOLDER.glob("*.md")} - READING - {"README", "index"}
    assert pages == {name_of(rule) for rule in RULES}


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_a_page_says_what_why_how_to_fix_and_how_to_waive(rule: Rule) -> None:
    page = read_page(FOLDER / f"{name_of(rule)}.md")
    assert page.rule == name_of(rule)
    assert page.about
    assert list(page.sections) == ["Why", "Bad", "Good", "Fix", "Waive"]
    assert all(page.sections.values())
    assert (f'rule = "{page.rule}"' in page.sections["Waive"]) is is_waivable(rule)


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_the_bad_example_goes_against_the_rule_and_the_good_one_does_not(rule: Rule, tmp_path: Path) -> None:
    page = read_page(FOLDER / f"{name_of(rule)}.md")
    bad, good = tmp_path / "bad", tmp_path / "good"
    assert page.rule in {one.rule for one in found_in(bad, page.bad)}
    assert page.rule not in {one.rule for one in found_in(good, page.good)}
