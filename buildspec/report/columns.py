"""Rows in, text in columns out."""

from __future__ import annotations

from collections.abc import Collection, Sequence


def columns(rows: Sequence[tuple[str, ...]], right: Collection[int] = ()) -> str:
    """Rows below each other.

    Args:
        rows: of the same length.
        right: columns that are lined up at their right.
    """
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [cell.rjust(widths[at]) if at in right else cell.ljust(widths[at]) for at, cell in enumerate(row)]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def megabytes(size: int | None) -> str:
    """Bytes as `131.9 MB`."""
    return "unknown" if size is None else f"{size / 1e6:.1f} MB"
