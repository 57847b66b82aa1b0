"""Print each rule with the verdicts on the two examples of its page; exit code 1 when one is wrong.

python tests/rules_table.py
"""

# ruff: noqa: E402, T201 - a program, which finds its modules and prints what it counts

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from helpers.pages import FOLDER, found_in, read_page

from buildspec.checks import RULES
from buildspec.checks.rules import is_waivable, name_of, severity_of


def verdict(rule: str, files: Mapping[str, str]) -> str:
    """What the checker says of an example as far as the rule goes: `found` or `nothing`."""
    with tempfile.TemporaryDirectory() as folder:
        return "found" if any(one.rule == rule for one in found_in(Path(folder), files)) else "nothing"


def main() -> int:
    """Print the table."""
    wrong = 0
    print(f"{'rule':30} {'severity':18} {'bad example':12} good example")
    for rule in RULES:
        name = name_of(rule)
        severity = f"{severity_of(rule)}{', waivable' if is_waivable(rule) else ''}"
        page = FOLDER / f"{name}.md"
        bad = good = "no page"
        if page.is_file():
            read = read_page(page)
            bad, good = verdict(name, read.bad), verdict(name, read.good)
        right = (bad, good) == ("found", "nothing")
        wrong += not right
        print(f"{name:30} {severity:18} {bad:12} {good}{'' if right else '   WRONG'}")
    print(f"{len(RULES)} rules, {wrong} wrong")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
