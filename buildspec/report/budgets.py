"""Verdicts on sizes in, the table for people and what is to blame out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from buildspec.gates.budgets import Verdict
from buildspec.report.columns import columns, megabytes

if TYPE_CHECKING:
    from buildspec.gates.blame import Heavy


_WORTH = 50_000
"""Bytes; a smaller change would be shown as none."""


def table(verdicts: Sequence[Verdict]) -> str:
    """Target and actual size of each stage and platform, as the architecture's table of sizes has it.

    Args:
        verdicts: one or more.
    """
    rows: list[tuple[str, ...]] = [("stage", "platform", "size", "target", "actual", "change", "")]
    for one in verdicts:
        change = "" if one.change is None or abs(one.change) < _WORTH else f"{one.change / 1e6:+.1f} MB"
        rows.append(
            (
                one.stage,
                str(one.platform),
                one.kind,
                megabytes(one.limit),
                megabytes(one.actual),
                change,
                "within" if one.kept else "OVER",
            )
        )
    return columns(rows, right={3, 4, 5})


def blamed(heavy: Iterable[Heavy]) -> str:
    """The largest layers, what made them, and what is largest in them."""
    lines = []
    for one in heavy:
        lines.append(f"  {megabytes(one.unpacked)} ({megabytes(one.compressed)} compressed): {one.instruction[:100]}")
        lines.append(f"    from {one.origin or 'the base'}")
        lines += [f"    {megabytes(size):>10}  {path}" for path, size in one.paths if size]
    return "\n".join(lines)
