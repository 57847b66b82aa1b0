"""Specifications for tests, and ways to hear what is said about them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from buildspec.errors import Diagnostic, SpecError
from buildspec.spec.decode import decode
from buildspec.spec.document import Document, parse
from buildspec.spec.model import Spec

MINIMAL = """\
spec = 1

[image]
name = "web"
platforms = ["linux/amd64"]
deliver = { app = "" }

[bases.node]
image = "docker.io/library/node:20-alpine"

[stages.app]
from = "node"
"""
"""The least that is a specification; its last table is [stages.app]."""


def document(text: str) -> Document:
    """The document of a text."""
    return parse(text, "buildspec.toml")


def decoded(text: str) -> Spec:
    """The Spec of a text, without profiles and variables."""
    return decode(document(text))


def problems(act: Callable[[], object]) -> tuple[Diagnostic, ...]:
    """What an action says is wrong."""
    with pytest.raises(SpecError) as raised:
        act()
    return raised.value.diagnostics


def told(act: Callable[[], object]) -> list[str]:
    """What an action says is wrong, as `line:column rule: message`."""
    return [
        f"{one.place.line if one.place else '-'}:{one.place.column if one.place else '-'} {one.rule}: {one.message}"
        for one in problems(act)
    ]


def write(folder: Path, text: str | bytes, fragments: Mapping[str, str] | None = None) -> Path:
    """Write a specification and its fragments; returns its path."""
    file = folder / "buildspec.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    for stage, commands in (fragments or {}).items():
        (folder / "stages").mkdir(exist_ok=True)
        (folder / "stages" / f"{stage}.Dockerfile").write_text(commands, encoding="utf-8")
    return file
