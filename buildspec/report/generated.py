"""Everything that is made from other files, and what belongs in it."""

from __future__ import annotations

from pathlib import Path

from buildspec.render import reference
from buildspec.report import audit_page
from buildspec.report.diagnostics import AUDIT_PAGE
from buildspec.spec import schema

SCHEMA = "buildspec.schema.json"
"""Beside the specification, whose first line names it."""
REFERENCE = "docs/reference.md"


def generated(root: Path, project: Path) -> dict[Path, str]:
    """The files that are made, with what belongs in them.

    Args:
        root: folder of the specification, which gets the schema.
        project: this program's own folder, which alone keeps the pages of the documentation.
    """
    found = {root / SCHEMA: schema.text()}
    if root.resolve() != project.resolve():
        return found
    return {**found, root / REFERENCE: reference.text(), root / AUDIT_PAGE: audit_page.text()}
