"""Names that mean something without being declared."""

from __future__ import annotations

from collections.abc import Mapping

SECRETS = ("npmrc", "ca-bundle", "proxy")
"""Secrets that need no table in the specification. All are optional."""

VARIABLES: Mapping[str, str] = {"version": "0.0.0-dev", "build": "0", "git.commit": "unknown"}
"""Variables that need no line in `[vars]`, and what they are where nothing is known: a check has no version."""
