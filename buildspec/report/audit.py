"""What the audit says in, text, JSON and SARIF out."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from buildspec.errors import Diagnostic, Place, visible
from buildspec.gates.audit import Audited, Located
from buildspec.report.columns import columns


def text(audited: Sequence[Audited]) -> str:
    """Every finding with what it comes from, and a table at the end.

    Args:
        audited: one or more.
    """
    blocks = [block for one in audited if (block := _block(one))]
    rows = [("image", "platform", "digest", "findings", "waived", "")]
    for one in audited:
        errors = sum(each.finding.severity == "error" for each in one.findings)
        warnings = len(one.findings) - errors
        found = ", ".join(_counted(count, what) for count, what in ((errors, "error"), (warnings, "warning")) if count)
        digest = one.digest.removeprefix("sha256:")[:12]
        waived = str(len(one.waived)) if one.waived else ""
        rows.append(
            (one.image, str(one.platform), digest, found or "none", waived, "passed" if one.passed else "FAILED")
        )
    return "\n\n".join([*blocks, columns(rows)])


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'s' if count != 1 else ''}"


def _block(audited: Audited) -> str:
    lines = [f"{audited.image} for {audited.platform}"] if audited.findings else []
    for one in audited.findings:
        found = one.finding
        lines.append(visible(f"  {found.severity}[{found.rule}]: {found.path}: {found.message}"))
        if where := _where(one):
            lines.append(f"      {where}")
    return "\n".join(lines)


def _where(one: Located) -> str:
    parts = []
    if one.stage:
        parts.append(f"from stage '{one.stage}'")
    if one.origin is not None:
        place = f" ({one.origin.place})" if one.origin.place is not None else ""
        parts.append(f"put there by {one.origin.key}{place}")
    return ", ".join(parts)


def document(audited: Iterable[Audited]) -> list[dict[str, Any]]:
    """As `result.json` holds it."""
    return [
        {
            "image": one.image,
            "platform": str(one.platform),
            "digest": one.digest,
            "passed": one.passed,
            "findings": [_finding(each) for each in one.findings],
            "waived": [_finding(each) for each in one.waived],
        }
        for one in audited
    ]


def _finding(one: Located) -> Mapping[str, Any]:
    return {
        "rule": one.finding.rule,
        "severity": one.finding.severity,
        "path": one.finding.path,
        "message": one.finding.message,
        "stage": one.stage,
        "from": "" if one.origin is None else one.origin.key,
    }


def as_json(audited: Iterable[Audited]) -> str:
    """The document alone."""
    return json.dumps({"version": 1, "results": document(audited)}, indent=2, ensure_ascii=False)


def diagnostics(audited: Iterable[Audited], file: str) -> tuple[Diagnostic, ...]:
    """The findings as problems of the specification, each at the instruction it comes from: what SARIF is made of.

    Args:
        audited: what was found.
        file: the specification, for what comes from none of its lines.
    """
    return tuple(
        Diagnostic(
            rule=each.finding.rule,
            message=f"{one.image} for {one.platform}: {each.finding.path}: {each.finding.message}",
            place=(each.origin.place if each.origin is not None else None) or Place(file, 1, 1),
            path=each.finding.path,
            severity=each.finding.severity,
        )
        for one in audited
        for each in one.findings
    )
