"""A Plan in, JSON out: stable, sorted, without clock and host paths."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import attrs

from buildspec.plan.model import AssembledSource, ImageSource, Instruction, Plan, PlannedStage, Source, Step, Target
from buildspec.spec.values import Duration, Platform, Size

VERSION = 1
"""Of the form: raised when something that programs read changes its meaning."""


def printable(plan: Plan) -> dict[str, Any]:
    """The plan as JSON holds it."""
    shared = plan.shared()
    return {
        "version": VERSION,
        "image": plan.image,
        "profiles": list(plan.profiles),
        "native": str(plan.facts.native),
        "revision": plan.facts.revision,
        "epoch": plan.facts.epoch,
        "context": plan.context,
        "contexts": dict(plan.contexts),
        "ignore": list(plan.ignore),
        "bases": [_source(source) for source in plan.sources],
        "stages": [_stage(stage, shared[stage.name]) for stage in plan.stages],
        "targets": [_target(target) for target in plan.targets],
        "release": _release(plan),
        "secrets": [{"id": s.id, "optional": s.optional} for s in plan.secrets if not s.constant],
    }


def _release(plan: Plan) -> dict[str, Any] | None:
    if not plan.facts.version:
        return None
    return {
        "version": plan.facts.version,
        "build": plan.facts.build or None,
        "tags": [attrs.asdict(tag) for tag in plan.tags],
        "dropped": [attrs.asdict(drop) for drop in plan.dropped],
    }


def _source(source: Source) -> dict[str, Any]:
    match source:
        case ImageSource():
            return {
                "name": source.name,
                "image": str(source.reference),
                "digest": source.reference.digest or None,
            }
        case AssembledSource():
            recipes = [{**_plain(attrs.asdict(recipe)), "key": recipe.key()} for recipe in source.recipes]
            return {"name": source.name, "assembled": recipes}


def _stage(stage: PlannedStage, targets: tuple[str, ...]) -> dict[str, Any]:
    return {
        "name": stage.name,
        "stage": stage.stage,
        "from": stage.source,
        "runs-on": stage.where.value,
        "targets": list(targets),
        "emulated": [str(platform) for platform in stage.emulated],
        "steps": [_step(step) for step in stage.steps],
    }


def _step(step: Step) -> dict[str, Any]:
    return {"does": type(step.does).__name__.lower(), "from": step.origin.key, **_fields(step.does)}


def _fields(instruction: Instruction) -> dict[str, Any]:
    """What an instruction says; a field at its default says nothing."""
    defaults = {field.name: field.default for field in attrs.fields(type(instruction))}
    values = attrs.asdict(instruction, recurse=False)
    return {name: _plain(value) for name, value in values.items() if value != defaults[name]}


def _plain(value: Any) -> Any:  # noqa: ANN401 - any field of an instruction
    match value:
        case Duration() | Size() | Platform():
            return str(value)
        case _ if attrs.has(type(value)):
            held = attrs.asdict(value, recurse=False)
            return {key: _plain(item) for key, item in held.items() if item not in ("", None) and item is not False}
        case Mapping():
            return {key: _plain(item) for key, item in value.items() if item is not None}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value


def _target(target: Target) -> dict[str, Any]:
    budget = {"unpacked": target.budget.unpacked, "compressed": target.budget.compressed}
    return {
        "name": target.name,
        "stage": target.stage,
        "platforms": [str(platform) for platform in target.platforms],
        "gate": target.gate or None,
        "on-unavailable": target.on_unavailable if target.gate == "audit" else None,
        "tag": target.tag or None,
        "labels": dict(target.labels),
        "budget": {kind: size.bytes for kind, size in budget.items() if size},
    }
