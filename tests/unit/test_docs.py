"""What the documentation shows is decoded, and what it names exists."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers.plans import ROOT
from helpers.specs import MINIMAL, document

from buildspec.arguments import VERBS
from buildspec.spec.decode import decode
from buildspec.spec.overlay import apply_profiles, fill_variables, profile_names
from buildspec.spec.wellknown import VARIABLES

PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{at}")
    for page in PAGES
    for at, block in enumerate(re.findall(r"^```toml\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_block_of_toml_is_right(block: str) -> None:
    # a part is shown without what every specification has
    written = document(block if re.search(r"^spec = 1$", block, re.M) else f"{MINIMAL}\n{block}")
    for profiles in ((), *((name,) for name in profile_names(written))):
        filled, problems = fill_variables(apply_profiles(written, profiles), VARIABLES)
        assert not problems
        decode(filled)


def test_the_readme_has_a_line_for_every_verb() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [verb for verb in VERBS if f"| `nox -s {verb}` |" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize(
    ("path", "runs"),
    [
        ("buildspec.toml", True),
        ("images/web/buildspec.toml", True),
        ("stages/test.Dockerfile", True),
        ("buildspec.schema.json", False),
        ("my-buildspec.toml", False),
        ("stages/more/test.Dockerfile", False),
    ],
)
def test_the_pre_commit_hook_runs_when_a_specification_has_changed(path: str, runs: bool) -> None:
    hook = (ROOT / ".pre-commit-hooks.yaml").read_text(encoding="utf-8")
    (pattern,) = re.findall(r"^  files: (.+)$", hook, re.M)
    assert bool(re.search(pattern, path)) is runs
    assert "- id: buildspec-check\n" in hook
    assert "  entry: buildspec check\n" in hook
