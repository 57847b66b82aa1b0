"""Diagnostics in; text, JSON, SARIF or GitHub annotations out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from buildspec import __version__
from buildspec.errors import Diagnostic
from buildspec.spec.wellknown import AUDIT_RULES

VERSION = 1
"""Of the JSON form."""
PAGES = "docs/rules"
"""Folder of the rules' pages, relative to the root of this project."""
AUDIT_PAGE = "docs/audit.md"
"""Page of all rules of the audit."""


def text(diagnostics: Sequence[Diagnostic]) -> str:
    """As people read them, a blank line never between them: each with its source line and a caret."""
    return "\n".join(one.render() for one in diagnostics)


def as_json(diagnostics: Sequence[Diagnostic]) -> str:
    """A document for programs: `{"version": 1, "diagnostics": […]}`, in the order of the file."""
    document = {"version": VERSION, "diagnostics": [_plain(one) for one in diagnostics]}
    return json.dumps(document, indent=2, ensure_ascii=False)


def _plain(one: Diagnostic) -> dict[str, Any]:
    found: dict[str, Any] = {"rule": one.rule, "severity": one.severity, "message": one.message}
    if one.place is not None:
        found |= {
            "file": one.place.file,
            "line": one.place.line,
            "column": one.place.column,
            "end-column": one.place.column + one.place.width,
        }
    return {**found, "page": page(one.rule)}


def page(rule: str) -> str:
    """Where a rule is explained: a file, or a place of one."""
    return f"{AUDIT_PAGE}#{rule}" if rule in AUDIT_RULES else f"{PAGES}/{rule}.md"


def sarif(diagnostics: Sequence[Diagnostic]) -> str:
    """A SARIF 2.1.0 log, as code scanners exchange it: https://docs.oasis-open.org/sarif/sarif/v2.1.0/."""
    rules = sorted({one.rule for one in diagnostics})
    driver = {
        "name": "buildspec",
        "version": __version__,
        "rules": [{"id": rule, "helpUri": page(rule), "shortDescription": {"text": rule}} for rule in rules],
    }
    run = {
        "tool": {"driver": driver},
        "columnKind": "unicodeCodePoints",
        "results": [_result(one, rules.index(one.rule)) for one in diagnostics],
    }
    document = {"$schema": "https://json.schemastore.org/sarif-2.1.0.json", "version": "2.1.0", "runs": [run]}
    return json.dumps(document, indent=2, ensure_ascii=False)


def _result(one: Diagnostic, index: int) -> dict[str, Any]:
    found: dict[str, Any] = {
        "ruleId": one.rule,
        "ruleIndex": index,
        "level": one.severity,
        "message": {"text": one.message},
    }
    if one.place is not None:
        region = {
            "startLine": one.place.line,
            "startColumn": one.place.column,
            "endColumn": one.place.column + one.place.width,
        }
        found["locations"] = [
            {"physicalLocation": {"artifactLocation": {"uri": _uri(one.place.file)}, "region": region}}
        ]
    return found


def _uri(file: str) -> str:
    from urllib.parse import quote

    return quote(file.replace("\\", "/"))


def github(diagnostics: Sequence[Diagnostic]) -> str:
    """Annotations of a GitHub job: a workflow command a line."""
    return "\n".join(_annotation(one) for one in diagnostics)


def _annotation(one: Diagnostic) -> str:
    properties = {"title": one.rule}
    if one.place is not None:
        properties |= {
            "file": one.place.file,
            "line": str(one.place.line),
            "col": str(one.place.column),
            "endColumn": str(one.place.column + one.place.width),
        }
    listed = ",".join(f"{key}={_property(value)}" for key, value in properties.items())
    return f"::{one.severity} {listed}::{_data(one.message)}"


def _data(value: str) -> str:
    """As the runner unescapes it: actions/toolkit, packages/core/src/command.ts."""
    return value.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(value: str) -> str:
    return _data(value).replace(":", "%3A").replace(",", "%2C")


FORMATS: Mapping[str, Callable[[Sequence[Diagnostic]], str]] = {
    "text": text,
    "json": as_json,
    "sarif": sarif,
    "github": github,
}
