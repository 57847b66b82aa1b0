"""Values in, YAML out: strings that are the same in it whatever is in them."""

from __future__ import annotations

import json
import re
from typing import Any

_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
"""That YAML takes for something else."""


def flow(value: Any) -> str:  # noqa: ANN401 - any JSON
    """A value within a line, as JSON in ASCII.

    YAML has no pairs of surrogates for what lies beyond 16 bits, and a form of its own instead.
    """
    return re.sub(r"[^ -~]", lambda one: f"\\U{ord(one[0]):08x}", json.dumps(value, ensure_ascii=False))


def scalar(text: str, plain: str = "[a-z][a-z0-9_-]*") -> str:
    """A string, without quotes where it needs none.

    Args:
        text: the string.
        plain: pattern of what could stand without.
    """
    return text if re.fullmatch(plain, text) and text.lower() not in _WORDS else flow(text)
