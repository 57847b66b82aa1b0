"""Names that mean something without being declared."""

from __future__ import annotations

SECRETS = ("npmrc", "ca-bundle", "proxy")
"""Secrets that need no table in the specification. All are optional."""
