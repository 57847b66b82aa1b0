"""Results of tests as people, CI and programs read them."""

from __future__ import annotations

from xml.etree import ElementTree as Xml

import attrs
from conftest import Golden
from helpers.plans import AMD64, ARM64, GOLDENS

from buildspec.gates.testing import Image, TestResult
from buildspec.report.testing import document, junit, text

APP = Image(stage="app", index="sha256:i", platform=AMD64, digest=f"sha256:{'1' * 64}")
PASSED = TestResult(name="starts", image=APP, problems=(), seconds=0.24, command=("--version",), stdout="v1\n")
FAILED = TestResult(
    name="answers",
    image=attrs.evolve(APP, platform=ARM64),
    problems=("ended with code 1, not 0", "standard output is another text:\n  --- expected\n  +++ got\n  -a\n  +b"),
    seconds=12.5,
    command=("node", "x.js"),
    stdout="".join(f"line {number}\n" for number in range(30)),
    stderr="\x1b[31mred\x1b[0m <&> \x00\n",
)


def test_what_failed_is_shown_whole_and_all_in_a_table(golden: Golden) -> None:
    golden(GOLDENS / "tests.txt", text([PASSED, FAILED]) + "\n")


def test_nothing_that_a_terminal_would_obey_is_shown() -> None:
    assert "\x1b" not in text([FAILED])


def test_junit_has_a_suite_for_each_image_and_platform(golden: Golden) -> None:
    written = junit([PASSED, FAILED])
    golden(GOLDENS / "tests.xml", written)
    root = Xml.fromstring(written)  # noqa: S314 - our own
    assert [(suite.get("name"), suite.get("failures")) for suite in root] == [
        ("app linux/amd64", "0"),
        ("app linux/arm64", "1"),
    ]


def test_the_document_names_the_digest() -> None:
    passed, failed = document([PASSED, FAILED])
    assert (passed["passed"], passed["digest"]) == (True, APP.digest)
    assert failed["problems"][0] == "ended with code 1, not 0"
