"""Reports of several machines as one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from xml.etree import ElementTree as Xml

import attrs
import pytest
from helpers.plans import AMD64, ARM64

from buildspec.errors import Diagnostic, MachineError
from buildspec.gates.testing import Image, TestResult
from buildspec.report import joined
from buildspec.report.diagnostics import sarif
from buildspec.report.testing import junit

APP = Image(stage="app", index="sha256:i", platform=AMD64, digest="sha256:a")
FIRST = TestResult(name="starts", image=APP, problems=(), seconds=0.2, command=(), stdout="<&>")
OTHER = attrs.evolve(FIRST, image=attrs.evolve(APP, platform=ARM64, digest="sha256:b"), problems=("no",))


def test_tests_are_those_that_a_single_machine_would_have_reported() -> None:
    whole = joined.junit([junit([FIRST]), junit([OTHER])])
    assert whole == junit([FIRST, OTHER])
    assert Xml.fromstring(whole).get("failures") == "1"  # noqa: S314 - our own
    assert joined.junit([junit([FIRST])]) == junit([FIRST])


def test_findings_are_a_run_for_each_machine() -> None:
    texts = [sarif([Diagnostic(rule, rule)]) for rule in ("first", "second")]
    runs = json.loads(joined.sarif(texts))["runs"]
    assert [[one["ruleId"] for one in run["results"]] for run in runs] == [["first"], ["second"]]


@pytest.mark.parametrize("form", [joined.junit, joined.sarif])
@pytest.mark.parametrize("text", ["", "{}", "<x/>", "[]", "3", "<testsuites tests='a'/>"])
def test_what_is_no_report_is_refused(form: Callable[[Sequence[str]], str], text: str) -> None:
    with pytest.raises(MachineError, match="can't be read"):
        form([text, text])
