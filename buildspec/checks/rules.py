"""What a rule is: a named function from a specification to diagnostics, documented by its docstring."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from buildspec.errors import Diagnostic
from buildspec.spec.document import spell
from buildspec.spec.load import Source
from buildspec.spec.positions import Path

Rule = Callable[[Source], Iterator[Diagnostic]]


def problem(source: Source, rule: str, path: Path, message: str, *, key: bool = False) -> Diagnostic:
    """A diagnostic at a path of the specification.

    Args:
        source: the specification.
        rule: its name.
        path: keys and indexes from the root.
        message: what is wrong, and the way out.
        key: point at the key, not at its value.
    """
    return Diagnostic(rule, f"{spell(path)}: {message}", source.document.place(path, key=key))
