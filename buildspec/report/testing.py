"""Results of tests in; a table, JSON and JUnit XML out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any
from xml.etree import ElementTree as Xml

from buildspec.errors import visible
from buildspec.gates.testing import TestResult
from buildspec.report.columns import columns

_LAST = 20
"""Lines of an output that are shown of a test that failed."""


def text(results: Sequence[TestResult]) -> str:
    """What failed, with what was printed, and a table at the end.

    Args:
        results: one or more.
    """
    blocks = [_block(one) for one in results if not one.passed]
    rows = [("test", "image", "platform", "digest", "seconds", "")]
    rows += [
        (
            one.name,
            one.image.stage,
            str(one.image.platform),
            one.image.digest.removeprefix("sha256:")[:12],
            f"{one.seconds:.1f}",
            "passed" if one.passed else "FAILED",
        )
        for one in results
    ]
    return "\n\n".join([*blocks, columns(rows, right={4})])


def _block(one: TestResult) -> str:
    command = f": {' '.join(one.command)}" if one.command else ""
    lines = [f"{one.name} of {one.image.stage} for {one.image.platform}{command}"]
    lines += [f"  {line}" for problem in one.problems for line in problem.split("\n")]
    for what, printed in (("standard output", one.stdout), ("standard error", one.stderr)):
        if shown := printed.splitlines():
            more = f", its last {_LAST} lines" if len(shown) > _LAST else ""
            lines += [f"  {what}{more}:", *(f"    {line}" for line in shown[-_LAST:])]
    return "\n".join(map(visible, lines))


def document(results: Iterable[TestResult]) -> list[dict[str, Any]]:
    """As `result.json` holds it."""
    return [
        {
            "name": one.name,
            "stage": one.image.stage,
            "platform": str(one.image.platform),
            "digest": one.image.digest,
            "passed": one.passed,
            "problems": list(one.problems),
            "seconds": round(one.seconds, 3),
        }
        for one in results
    ]


def junit(results: Sequence[TestResult]) -> str:
    """JUnit XML: a suite for each image and platform, as CI systems show it.

    Form: https://github.com/testmoapp/junitxml, which collects what readers have in common.
    """
    root = Xml.Element("testsuites", name="buildspec", tests=str(len(results)), failures=str(_failures(results)))
    for image in dict.fromkeys(one.image for one in results):
        own = [one for one in results if one.image == image]
        suite = Xml.SubElement(
            root,
            "testsuite",
            name=f"{image.stage} {image.platform}",
            tests=str(len(own)),
            failures=str(_failures(own)),
            time=f"{sum(one.seconds for one in own):.3f}",
        )
        properties = Xml.SubElement(suite, "properties")
        Xml.SubElement(properties, "property", name="digest", value=image.digest)
        for one in own:
            case = Xml.SubElement(
                suite, "testcase", name=_xml(one.name), classname=_xml(image.stage), time=f"{one.seconds:.3f}"
            )
            if not one.passed:
                failure = Xml.SubElement(case, "failure", message=_xml(one.problems[0].splitlines()[0]))
                failure.text = _xml(
                    "\n".join(visible(line) for problem in one.problems for line in problem.split("\n"))
                )
            Xml.SubElement(case, "system-out").text = _xml(one.stdout)
            Xml.SubElement(case, "system-err").text = _xml(one.stderr)
    Xml.indent(root)
    return Xml.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _failures(results: Iterable[TestResult]) -> int:
    return sum(not one.passed for one in results)


def _xml(value: str) -> str:
    """Text without what XML 1.0 has no way to write (its section 2.2)."""
    return "".join(
        one if one in "\t\n" or " " <= one <= "\ud7ff" or "\ue000" <= one <= "\ufffd" or one > "\uffff" else "\ufffd"
        for one in value.replace("\r", "\n")
    )
