"""Secrets out of every text that is shown or written."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from urllib.parse import quote

MASK = "[secret]"
SHORTEST = 4
"""Characters; a shorter value would blot out half of any text."""
_LINE = 76
"""Characters of a line, as base64 of coreutils writes it and MIME wants it (RFC 2045)."""


class Redactor:
    """Replaces the values of secrets, line by line and in the forms in which programs show them.

    Args:
        values: of secrets; each line of one that has several counts by itself.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        # the longest first: one secret may be the beginning of another
        ordered = sorted(forms_of(values), key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, ordered))) if ordered else None

    def __call__(self, text: str) -> str:
        """The text without secrets."""
        return self._pattern.sub(MASK, text) if self._pattern else text


def forms_of(values: Iterable[str]) -> frozenset[str]:
    """What secrets look like where they are shown: as they are, line by line, in addresses and in base64.

    Args:
        values: of secrets.
    """
    forms: set[str] = set()
    for value in values:
        for part in {value.strip(), *(line.strip() for line in value.splitlines())}:
            forms |= {part, quote(part, safe=""), *_in_base64(part)}
    return frozenset(form for form in forms if len(form) >= SHORTEST)


def _in_base64(text: str) -> list[str]:
    """The lines that base64 writes for a text, with a line end behind it or without: only the rest of them differs."""
    padded = base64.b64encode(text.encode()).decode()
    encoded = padded.rstrip("=")
    return [padded, encoded, *(encoded[at : at + _LINE] for at in range(0, len(encoded), _LINE))]
