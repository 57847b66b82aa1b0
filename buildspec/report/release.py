"""What is or was done with tags in, tables for people out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from buildspec.release.moves import Move, Repository
from buildspec.release.push import Step
from buildspec.report.columns import columns

_DONE = {
    "new": "is new",
    "move": "moves",
    "same": "is there already",
    "keep": "stays",
    "refuse": "REFUSED",
}


def plan(moves: Sequence[Move]) -> str:
    """Every tag with its old and new digest, and what is done with it."""
    rows = [("tag", "image", "old", "new", "")]
    rows += [
        (
            move.reference,
            move.stage,
            _short(move.old) or "-",
            _short(move.old if move.action == "keep" else move.digest) or "-",
            f"{_DONE[move.action]}{f': {move.why}' if move.why else ''}",
        )
        for move in moves
    ]
    return columns(rows)


def outcome(moves: Sequence[Move], found: Mapping[tuple[Repository, str], str]) -> str:
    """Registry, tag and digest, as read back.

    Args:
        moves: that were to be done.
        found: digest of each tag of each repository; one that couldn't be asked is missing.
    """
    rows = [("registry", "repository", "tag", "digest", "")]
    for move in moves:
        digest = found.get((move.repository, move.tag))
        told = "unknown: it could not be asked" if digest is None else _state(move, digest)
        rows.append((move.repository.registry, move.repository.name, move.tag, digest or "-", told))
    return columns(rows)


def _state(move: Move, digest: str) -> str:
    if digest == move.digest:
        return "published"
    if move.action == "keep":
        return f"stays: {move.why}"
    return "not published" if digest == move.old else "another image" if digest else "not published"


def line(step: Step) -> str:
    """What was done, in a line."""
    size = f" ({step.size / 1e6:.1f} MB)" if step.size else ""
    subject = _short(step.subject) if step.subject.startswith("sha256:") else step.subject
    return f"{step.repository}: {step.what} {subject}{size}"


def _short(digest: str) -> str:
    return digest.removeprefix("sha256:")[:12]
