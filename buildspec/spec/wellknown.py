"""Names that mean something without being declared."""

from __future__ import annotations

from collections.abc import Mapping

SECRETS = ("npmrc", "ca-bundle", "proxy")
"""Secrets that need no table in the specification. All are optional."""

AUDIT_RULES = frozenset(
    {
        "user-is-root",
        "user-not-numeric",
        "user-without-account",
        "health-check-missing",
        "health-check-unusable",
        "command-in-shell-form",
        "program-missing",
        "program-not-executable",
        "secret-in-environment",
        "secret-in-labels",
        "port-out-of-range",
        "volume-of-system",
        "working-folder",
        "label-missing",
        "platform-differs",
        "creation-time-wrong",
        "build-trigger",
        "setuid-file",
        "file-capability",
        "credential-file",
        "build-secret",
        "cache-file",
        "needless-program",
        "empty-password",
        "number-used-twice",
        "world-writable",
        "writable-application",
        "unsafe-entry",
        "library-missing",
        "file-in-two-layers",
        "file-newer-than-image",
        "digest-differs",
        "licence-missing",
        "licence-not-allowed",
        "foreign-machine",
        "foreign-libc",
        "secret-in-history",
        "secret-in-file",
        "remote-file-in-history",
        "package-lists-kept",
        "attestation-missing",
        "provenance-wrong",
        "sbom-wrong",
    }
)
"""Names of the audit's rules, which a specification may waive; `gates.audit` has them."""

VARIABLES: Mapping[str, str] = {"version": "0.0.0-dev", "build": "0", "git.commit": "unknown"}
"""Variables that need no line in `[vars]`, and what they are where nothing is known: a check has no version."""
