"""Rules about attestations, the licences they tell of, and the files in which packages keep theirs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from buildspec.gates.audit.subject import Finding, Subject, warning

PROVENANCE = ("https://slsa.dev/provenance/v1", "https://slsa.dev/provenance/v0.2")
SBOM = "https://spdx.dev/Document"
_WORDS = re.compile(r"[A-Za-z0-9.+-]+")


def attestation_missing(subject: Subject) -> Iterator[Finding]:
    """The image lacks an attestation that the specification asks for."""
    kinds = {one.kind for one in subject.image.attestations}
    if "provenance" in subject.expected.attestations and not kinds & set(PROVENANCE):
        yield Finding(rule="", path="attestations", message="there is no provenance for this platform")
    if "sbom" in subject.expected.attestations and SBOM not in kinds:
        yield Finding(rule="", path="attestations", message="there is no SBOM for this platform")


def provenance_wrong(subject: Subject) -> Iterator[Finding]:
    """A provenance is about another image, or says nothing of who built it."""
    for index, one in enumerate(subject.image.attestations):
        if one.kind in PROVENANCE:
            if subject.image.digest not in one.subjects:
                yield Finding(rule="", path=f"attestations[{index}]", message="is about another image than this one")
            predicate = one.document.get("predicate") or {}
            if not (predicate.get("buildDefinition") or {}).get("buildType") and not predicate.get("buildType"):
                yield Finding(rule="", path=f"attestations[{index}]", message="doesn't say how the image was built")


def sbom_wrong(subject: Subject) -> Iterator[Finding]:
    """An SBOM is about another image, or names no package."""
    for index, one in enumerate(subject.image.attestations):
        if one.kind == SBOM:
            if subject.image.digest not in one.subjects:
                yield Finding(rule="", path=f"attestations[{index}]", message="is about another image than this one")
            if not _packages(one.document):
                yield Finding(rule="", path=f"attestations[{index}]", message="names no package")


def _packages(document: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - any JSON
    predicate = document.get("predicate") or {}
    return [one for one in predicate.get("packages") or () if isinstance(one, dict)]


def licence_not_allowed(subject: Subject) -> Iterator[Finding]:
    """A package of the SBOM has a licence that `[audit]` doesn't allow."""
    allowed = set(subject.expected.licenses)
    for index, one in enumerate(subject.image.attestations if allowed else ()):
        for package in _packages(one.document) if one.kind == SBOM else ():
            told = str(package.get("licenseConcluded") or "")
            told = told if told not in ("", "NOASSERTION", "NONE") else str(package.get("licenseDeclared") or "")
            if not told or told in ("NOASSERTION", "NONE"):
                continue
            if not _is_allowed(told, allowed):
                name = f"{package.get('name', '?')} {package.get('versionInfo', '')}".strip()
                yield Finding(
                    rule="", path=f"attestations[{index}]", message=f"{name} is under {told}, which isn't allowed"
                )


def _is_allowed(expression: str, allowed: set[str]) -> bool:
    """Whether an SPDX licence expression can be met with these licences: one side of an OR, both of an AND."""
    alternatives = re.split(r"\s+OR\s+", expression.strip("() "))
    for alternative in alternatives:
        words = [one for one in _WORDS.findall(alternative) if one not in ("AND", "WITH", "OR")]
        exceptions = re.findall(r"\bWITH\s+([A-Za-z0-9.+-]+)", alternative)
        if all(word in allowed for word in words if word not in exceptions):
            return True
    return False


@warning
def licence_missing(subject: Subject) -> Iterator[Finding]:
    """A Debian package lacks its copyright file, or a Node package says nothing of a licence."""
    files = subject.image.files
    names = [path.rpartition("/")[2] for path in files if re.match(r"/var/lib/dpkg/status\.d/[^/.]+$", path)]
    status = (subject.image.content("/var/lib/dpkg/status", 1 << 26) or b"").decode(errors="replace")
    names += re.findall(r"(?m)^Package: (\S+)$", status)
    for name in names:
        if subject.image.resolve(f"/usr/share/doc/{name}/copyright") is None:
            yield Finding(
                rule="", path=f"/usr/share/doc/{name}/copyright", message=f"package '{name}' lacks its licence"
            )
    for path, one in files.items():
        if re.search(r"/node_modules/(?:@[^/]+/)?[^/@]+/package\.json$", path) and not _has_licence(subject, path):
            yield subject.at(one, "says nothing of a licence, and none lies beside it")


def _has_licence(subject: Subject, path: str) -> bool:
    folder = path.rpartition("/")[0]
    if any(f"{folder}/{name}" in subject.image.files for name in ("LICENSE", "LICENCE", "LICENSE.md", "LICENSE.txt")):
        return True
    try:
        told = json.loads(subject.image.content(path) or b"{}")
    except ValueError:
        return True
    return not isinstance(told, dict) or "version" not in told or bool(told.get("license") or told.get("licenses"))
