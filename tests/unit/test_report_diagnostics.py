"""Diagnostics in each format say the same, and read back as they were."""

from __future__ import annotations

import json

from buildspec.errors import Diagnostic, Place
from buildspec.report.diagnostics import FORMATS

PLACE = Place("images/a b.toml", 4, 7, 3, "tags = ['y']")
ERROR = Diagnostic("bad-tag", "100% wrong:\nno, really", PLACE, "release.tags[0]")
WARNING = Diagnostic("unpinned-base", "no digest", None, severity="warning")


def test_as_text_each_has_its_place_and_a_caret() -> None:
    told = FORMATS["text"]([ERROR, WARNING]).splitlines()
    assert told[0].startswith("images/a b.toml:4:7: error[bad-tag]: 100% wrong:")
    assert "^^^" in "\n".join(told)
    assert told[-1] == "warning[unpinned-base]: no digest"


def test_as_json_columns_end_behind_the_last_character() -> None:
    document = json.loads(FORMATS["json"]([ERROR, WARNING]))
    first, second = document["diagnostics"]
    assert document["version"] == 1
    assert (first["file"], first["line"], first["column"], first["end-column"]) == ("images/a b.toml", 4, 7, 10)
    assert (first["rule"], first["severity"], first["message"]) == ("bad-tag", "error", ERROR.message)
    assert first["page"] == "docs/rules/bad-tag.md"
    assert second["severity"] == "warning"
    assert "file" not in second


def test_as_sarif_results_name_their_rule_and_region() -> None:
    (run,) = json.loads(FORMATS["sarif"]([ERROR, WARNING]))["runs"]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert [rules[result["ruleIndex"]] for result in run["results"]] == ["bad-tag", "unpinned-base"]
    assert [result["level"] for result in run["results"]] == ["error", "warning"]
    physical = run["results"][0]["locations"][0]["physicalLocation"]
    assert physical["artifactLocation"]["uri"] == "images/a%20b.toml"
    assert physical["region"] == {"startLine": 4, "startColumn": 7, "endColumn": 10}
    assert "locations" not in run["results"][1]


def test_as_github_annotations_nothing_ends_a_command_early() -> None:
    told = FORMATS["github"]([ERROR, WARNING]).splitlines()
    assert told == [
        "::error title=bad-tag,file=images/a b.toml,line=4,col=7,endColumn=10::100%25 wrong:%0Ano, really",
        "::warning title=unpinned-base::no digest",
    ]


def test_without_findings_each_format_is_whole() -> None:
    assert FORMATS["text"]([]) == FORMATS["github"]([]) == ""
    assert json.loads(FORMATS["json"]([]))["diagnostics"] == []
    assert json.loads(FORMATS["sarif"]([]))["runs"][0]["results"] == []
