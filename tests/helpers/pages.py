"""The page of a rule, in `docs/rules/<id>.md`: its examples as files, and what the checker finds in them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import attrs

from buildspec.checks import findings
from buildspec.errors import Diagnostic, SpecError
from buildspec.spec.load import Selection, draft

FOLDER = Path(__file__).parents[2] / "docs" / "rules"
"""Where the pages are."""
TODAY = "2026-11-25"
"""The day on which the examples are looked at."""

_SECTION = re.compile(r"^## (.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```(\w+)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@attrs.frozen
class Page:
    """What the page of a rule says, by section."""

    rule: str
    """Its title: the rule's name."""
    about: str
    """What stands before the first section."""
    sections: Mapping[str, str]
    """Text by heading: `Why`, `Bad`, `Good`, `Fix`, `Waive`."""

    @property
    def bad(self) -> Mapping[str, str]:
        """Files of the example that goes against the rule, by path."""
        return dict(blocks(self.sections["Bad"]))

    @property
    def good(self) -> Mapping[str, str]:
        """Files of the example that doesn't."""
        return dict(blocks(self.sections["Good"]))


def read_page(path: Path) -> Page:
    """Split a page into its sections.

    Args:
        path: of the Markdown file.
    """
    head, *rest = _SECTION.split(path.read_text(encoding="utf-8"))
    title, _, about = head.partition("\n")
    return Page(title.removeprefix("# "), about.strip(), dict(zip(rest[::2], map(str.strip, rest[1::2]), strict=True)))


def blocks(text: str) -> Iterator[tuple[str, str]]:
    """Path and text of each fenced block that is a file: a bare `toml` one is `buildspec.toml`, others say it."""
    for language, path, content in _BLOCK.findall(f"{text}\n"):
        if path or language == "toml":
            yield path or "buildspec.toml", content


def write_files(folder: Path, files: Mapping[str, str]) -> Path:
    """Write the files of an example; returns its specification."""
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    return folder / "buildspec.toml"


def found_in(folder: Path, files: Mapping[str, str]) -> list[Diagnostic]:
    """All that is said of an example, what can be waived too.

    Args:
        folder: an empty one, for the files.
        files: by path.
    """
    try:
        written = draft(write_files(folder, files), Selection(today=TODAY))
    except SpecError as error:  # nothing more can be known of it
        return [*error.diagnostics]
    return [*written.problems, *findings(written.source)]
