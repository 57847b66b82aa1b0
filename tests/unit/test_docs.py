"""What the documentation shows is decoded, and what it names exists."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.pages import blocks, found_in, write_files
from helpers.plans import ROOT
from helpers.specs import MINIMAL, document

from buildspec.arguments import VERBS, parse
from buildspec.spec.decode import decode
from buildspec.spec.overlay import apply_profiles, fill_variables, profile_names
from buildspec.spec.wellknown import VARIABLES

GUIDES = sorted((ROOT / "docs" / "guides").glob("*.md"))
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md")), *GUIDES]
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


def examples(page: Path) -> Iterator[dict[str, str]]:
    """The files of each example of a guide: a specification, and what follows it with a path."""
    files: dict[str, str] = {}
    for path, text in blocks(page.read_text(encoding="utf-8")):
        if path == "buildspec.toml" and files:
            yield files
            files = {}
        files[path] = text
    yield files


@pytest.mark.parametrize("page", GUIDES, ids=lambda page: page.stem)
def test_the_checker_has_nothing_against_the_examples_of_a_guide(page: Path, tmp_path: Path) -> None:
    for number, files in enumerate(examples(page)):
        folder = tmp_path / str(number)
        for name in (
            "package.json",
            "package-lock.json",
            "server.js",
            "health.js",
            "server.py",
            "requirements.txt",
            "go.mod",
            "go.sum",
        ):
            write_files(folder, {name: "x\n"})
        told = [one for one in found_in(folder, files) if one.rule != "unpinned-base"]
        assert [f"{one.place}: {one.rule}: {one.message}" for one in told] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_are_such_that_the_program_takes(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    # in a sentence, a session without arguments is a name
    shown = re.findall(r"nox -s ([a-z]+) -- ([^`\n]*)", text) + re.findall(r"^ {4,}nox -s ([a-z]+)()$", text, re.M)
    for verb, rest in shown:
        if verb in VERBS:
            words = shlex.split(re.split(r"#|\|\|", rest)[0])
            assert parse([verb, *words]).verb == verb


def test_the_readme_has_a_line_for_every_verb() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [verb for verb, one in VERBS.items() if one.of_specification and f"| `nox -s {verb}` |" not in text] == []


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
