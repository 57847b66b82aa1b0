"""Two builds of an image in, the first thing in which they differ out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from typing import Any

from buildspec.engine.contents import ImageContents, LayerContents, Member
from buildspec.plan.model import Plan
from buildspec.plan.origins import steps_of_layers

_KINDS: Mapping[str, str] = {
    "kind": "kind",
    "mode": "mode",
    "uid": "user",
    "gid": "group",
    "size": "size",
    "mtime": "time",
    "target": "target",
    "attributes": "extended attributes",
}
"""What a member says of itself, and how it is called."""


def difference(before: ImageContents, after: ImageContents, plan: Plan, stage: str) -> str:
    """The first layer, and in it the first path, in which two images for a platform differ; empty for none.

    Args:
        before: one.
        after: the other.
        plan: what both were built by.
        stage: of the Dockerfile.
    """
    if before.digest == after.digest:
        return ""
    made = steps_of_layers(plan, stage, before.history)
    for one, other in zip(before.layers, after.layers, strict=False):
        if one.diff_id != other.diff_id:
            step = made.get(one.number)
            where = "of the base" if step is None else f"from {step.origin.key}"
            return f"layer {one.number}, {where}: {_in_layer(one, other)}"
    if len(before.layers) != len(after.layers):
        return f"one has {len(before.layers)} layers, the other {len(after.layers)}"
    if found := next(_in_document(before.config, after.config, "the configuration"), ""):
        return found
    packed = [one.number for one, other in zip(before.layers, after.layers, strict=True) if one.digest != other.digest]
    if packed:
        return f"layer {packed[0]} holds the same, and is compressed otherwise: another version of the engine"
    return "the manifest is written otherwise: another version of the engine"


def _in_layer(one: LayerContents, other: LayerContents) -> str:
    theirs = {member.path: member for member in other.members}
    for member in one.members:
        match = theirs.pop(member.path, None)
        if match is None:
            return f"{member.path} is in the first alone"
        for field, name in _KINDS.items():
            first, second = getattr(member, field), getattr(match, field)
            if first != second:
                return f"{member.path} has another {name}: {_shown(field, first)}, then {_shown(field, second)}"
        if _content(member) != _content(match):
            return f"{member.path} has other content"
    if theirs:
        return f"{next(iter(theirs))} is in the second alone"
    return "its files come in another order"


def _shown(field: str, value: object) -> str:
    if isinstance(value, frozenset):
        return ", ".join(sorted(value)) or "none"
    return f"{value:04o}" if field == "mode" else str(value)


def _content(member: Member) -> str:
    return hashlib.sha256(member.read()).hexdigest() if member.kind == "file" else ""


def _in_document(one: Any, other: Any, path: str) -> Iterator[str]:  # noqa: ANN401 - any JSON
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in {**one, **other}:
            yield from _in_document(one.get(key), other.get(key), f"{path}.{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for number, (first, second) in enumerate(zip(one, other, strict=True)):
            yield from _in_document(first, second, f"{path}[{number}]")
    elif one != other:
        yield f"{path} is {one!r}, then {other!r}"
