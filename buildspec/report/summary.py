"""`result.json` in, the summary of a CI job out, in Markdown."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from buildspec.report.columns import megabytes

_MARKS = {"passed": "✅ passed", "failed": "❌ failed", "not yet": "— not yet"}


def markdown(document: Mapping[str, Any]) -> str:
    """What was built, and every verdict on it.

    Args:
        document: of a build that succeeded.
    """
    return "\n".join(_lines(document)) + "\n"


def _lines(document: Mapping[str, Any]) -> Iterator[str]:
    yield f"## {_cell(document['image'])}"
    yield ""
    verdicts = document["verdicts"]
    sizes = {one["digest"]: one for image in document["images"] for one in image["platforms"].values()}
    rows = [
        (
            one["stage"],
            one["platform"],
            f"`{one['digest'].removeprefix('sha256:')[:12]}`",
            megabytes(sizes[one["digest"]]["unpacked"]),
            megabytes(sizes[one["digest"]]["compressed"]),
            "✅ within" if one["within-budget"] else "❌ over",
            _MARKS[one["tested"]],
            _MARKS[one["audited"]],
        )
        for one in verdicts
    ]
    yield from _table(("image", "platform", "digest", "unpacked", "compressed", "budget", "tests", "audit"), rows)
    for gate in document["gates"]:
        if gate["outcome"] == "unavailable":
            yield ""
            yield f"⚠️ {gate['kind']} gate '{_cell(gate['stage'])}' could not ask its service: nothing is known"
    if document["budgets"]:
        yield from ("", "### Sizes", "")
        budgets = [
            (
                one["stage"],
                one["platform"],
                one["kind"],
                megabytes(one["limit"]),
                megabytes(one["actual"]),
                "✅" if one["kept"] else "❌",
            )
            for one in document["budgets"]
        ]
        yield from _table(("stage", "platform", "size", "target", "actual", ""), budgets)
    yield from _failed(document)


def _failed(document: Mapping[str, Any]) -> Iterator[str]:
    tests = [one for one in document.get("tests", {}).get("results", ()) if not one["passed"]]
    if tests:
        yield from ("", "### Failed tests", "")
        rows = [(one["name"], one["stage"], one["platform"], "; ".join(one["problems"])) for one in tests]
        yield from _table(("test", "image", "platform", "what is wrong"), rows)
    found = [
        (finding["severity"], finding["rule"], one["image"], one["platform"], finding["path"], finding["message"])
        for one in document.get("audit", {}).get("results", ())
        for finding in one["findings"]
    ]
    if found:
        yield from ("", "### Findings of the audit", "")
        yield from _table(("", "rule", "image", "platform", "at", "what is wrong"), found)


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{' --- |' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(_cell(one) for one in row)} |"


def _cell(text: str) -> str:
    """Text as a cell of a table holds it, whatever is in it."""
    flat = " ".join(text.split())
    return flat.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;")
