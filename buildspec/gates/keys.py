"""What a verdict hangs on beside the image, as a key: a verdict of another key says nothing of this specification."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from buildspec import __version__
from buildspec.engine.results import BuildResult
from buildspec.spec.model import Spec

SECTIONS = ("tests", "audit")


def digests_of(result: BuildResult) -> tuple[str, ...]:
    """Digests of the images of a build, one for each platform."""
    return tuple(one.digest for image in result.images for one in image.platforms)


def key(section: str, spec: Spec, digests: Sequence[str]) -> str:
    """What a section's verdicts hang on: digests of the images, and what is asked of them.

    Args:
        section: one of SECTIONS.
        spec: the specification.
        digests: of the images, one for each platform.
    """
    asked = (spec.tests, spec.runtime) if section == "tests" else (spec.audit, spec.waivers, spec.runtime.volumes)
    text = json.dumps([__version__, section, sorted(digests), [_plain(one) for one in asked]], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any) -> Any:  # noqa: ANN401 - any part of a specification
    if attrs.has(type(value)):
        return {field.name: _plain(getattr(value, field.name)) for field in attrs.fields(type(value))}
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value


def same(before: Mapping[str, Any], section: str, spec: Spec, digests: Sequence[str]) -> bool:
    """Whether verdicts of an earlier `result.json` are about these images and this specification.

    Args:
        before: the document; anything at all.
        section: one of SECTIONS.
        spec: the specification.
        digests: of the images, one for each platform.
    """
    told = before.get(section)
    return isinstance(told, Mapping) and told.get("key") == key(section, spec, digests)
