"""Generated text in, the same with a checksum in its first lines out: by it, an edit by hand is found."""

from __future__ import annotations

import hashlib
import re
from enum import StrEnum

COMMAND = "nox -s generate"
_DIGITS = 16
_MARK = re.compile(r"(?<=; edit that instead\. Checksum: )[0-9a-f]{16}\b")
_HEAD = 400
"""Characters within which the checksum is: JSON has a line or two before it."""


class Seal(StrEnum):
    """What the first lines of a text say of the rest."""

    WHOLE = "whole"
    """It is as it was generated, by this version of the specification or another."""
    EDITED = "edited"
    FOREIGN = "foreign"
    """It was never generated."""


def origin(source: str, command: str = COMMAND) -> str:
    """The line that says where a text comes from, with a place for the checksum; it goes where comments go.

    Args:
        source: what the text is made from.
        command: what makes it.
    """
    return f"Made from {source} by `{command}`; edit that instead. Checksum: {'0' * _DIGITS}"


def sealed(text: str) -> str:
    """The text with its checksum.

    Args:
        text: has what `origin` returns in its first lines.
    """
    digest = hashlib.sha256(_blank(text).encode()).hexdigest()[:_DIGITS]
    return _MARK.sub(digest, text[:_HEAD], count=1) + text[_HEAD:]


def seal_of(text: str) -> Seal:
    """Whether a text is as it was generated; line ends may be those of another system.

    Args:
        text: of a file.
    """
    text = text.replace("\r\n", "\n")
    if _MARK.search(text[:_HEAD]) is None:
        return Seal.FOREIGN
    return Seal.WHOLE if sealed(text) == text else Seal.EDITED


def _blank(text: str) -> str:
    return _MARK.sub("0" * _DIGITS, text[:_HEAD], count=1) + text[_HEAD:]
