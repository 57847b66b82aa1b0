"""Reports of several machines in, one of all of them out."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from xml.etree import ElementTree as Xml

from buildspec.errors import MachineError


def junit(texts: Sequence[str]) -> str:
    """JUnit XML with the suites of all.

    Raises:
        MachineError: one isn't what `report.testing.junit` writes.
    """
    try:
        first, *others = [Xml.fromstring(text) for text in texts]  # noqa: S314 - what our own machines wrote
        for count in ("tests", "failures"):
            first.set(count, str(sum(int(one.get(count, "")) for one in (first, *others))))
    except (Xml.ParseError, ValueError) as error:
        raise MachineError(f"what a machine says of its tests can't be read: {error}", "export it again") from error
    for one in others:
        first.extend(one)
    Xml.indent(first)
    return Xml.tostring(first, encoding="unicode", xml_declaration=True) + "\n"


def sarif(texts: Sequence[str]) -> str:
    """A SARIF log with the runs of all.

    Raises:
        MachineError: one isn't what `report.diagnostics.sarif` writes.
    """
    try:
        first, *others = [json.loads(text) for text in texts]
        first["runs"] += [run for one in others for run in one["runs"]]
    except (ValueError, LookupError, TypeError) as error:
        raise MachineError(f"what a machine says of its audit can't be read: {error}", "export it again") from error
    return json.dumps(first, indent=2, ensure_ascii=False) + "\n"


FORMS: Mapping[str, Callable[[Sequence[str]], str]] = {"tests.xml": junit, "audit.sarif": sarif}
"""By the name of the report."""
