"""A checked specification, a selection and facts in; the Plan out."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from buildspec.errors import UsageError
from buildspec.plan import secrets
from buildspec.plan.bases import Bases
from buildspec.plan.graph import Node, names, order, place_of
from buildspec.plan.model import Facts, Plan, Target, Where
from buildspec.plan.stages import Expander
from buildspec.spec.load import Source
from buildspec.spec.model import Image, Spec
from buildspec.spec.overlay import suggest
from buildspec.spec.values import Platform


def make_plan(source: Source, facts: Facts, platforms: Sequence[Platform] = ()) -> Plan:
    """Resolve what a build does.

    Args:
        source: the specification, checked.
        facts: of the engine and the sources.
        platforms: build for these alone; all of the specification's when empty.

    Raises:
        UsageError: a platform isn't one of the specification's.
    """
    spec = source.spec
    chosen = _chosen(spec.image, platforms)
    gates = [name for name, stage in spec.stages.items() if stage.gate]
    nodes = order(spec, [*spec.image.deliver, *gates])
    named = names(nodes)
    bases = Bases(spec, facts.native, chosen)
    expander = Expander(source, bases, named)
    stages = tuple(stage for node in nodes for stage in expander.expand(node))
    return Plan(
        image=spec.image.name,
        profiles=source.profiles,
        facts=facts,
        context=spec.context.path,
        ignore=spec.context.ignore,
        sources=tuple(bases.found[name] for name in sorted(bases.found)),
        stages=stages,
        targets=tuple(_targets(spec, chosen, named, facts)),
        secrets=secrets.sources(expander.mounted, spec.secrets),
    )


def _chosen(image: Image, platforms: Sequence[Platform]) -> tuple[Platform, ...]:
    unique = tuple(dict.fromkeys(image.platforms))
    for platform in platforms:
        if platform not in unique:
            known = [str(one) for one in unique]
            raise UsageError(
                f"--platform {platform}: the image isn't built for it{suggest(str(platform), known)}",
                f"image.platforms: {', '.join(known)}",
            )
    return tuple(platform for platform in unique if not platforms or platform in platforms)


def _targets(
    spec: Spec, platforms: tuple[Platform, ...], named: dict[Node, str], facts: Facts
) -> list[Target]:
    targets = []
    for name, suffix in spec.image.deliver.items():
        targets.append(
            Target(
                name=name,
                stage=named[Node(name, place_of(spec, name))],
                platforms=platforms,
                tag=f"{spec.image.name}:{suffix or 'latest'}",
                labels=_labels(spec.image, facts),
                budget=spec.stages[name].budget,
            )
        )
    for name, stage in spec.stages.items():
        if stage.gate:
            where = place_of(spec, name)
            targets.append(
                Target(
                    name=name,
                    stage=f"{named[Node(name, where)]}.report",
                    platforms=(facts.native,) if where is Where.BUILD else platforms,
                    gate=stage.gate,
                    on_unavailable=stage.on_unavailable,
                )
            )
    return targets


# https://specs.opencontainers.org/image-spec/annotations/#pre-defined-annotation-keys
def _labels(image: Image, facts: Facts) -> dict[str, str]:
    values = {
        "title": image.title or image.name,
        "description": image.description,
        "source": image.source,
        "licenses": image.licenses,
        "revision": facts.revision,
    }
    return {f"org.opencontainers.image.{key}": value for key, value in values.items() if value}


def printable(plan: Plan) -> dict[str, object]:
    """The plan as JSON holds it: stable, sorted, without host paths."""
    return {
        "version": 1,
        "image": plan.image,
        "profiles": list(plan.profiles),
        "native": str(plan.facts.native),
        "revision": plan.facts.revision,
        "epoch": plan.facts.epoch,
        "context": plan.context,
        "bases": [_printable_source(source) for source in plan.sources],
        "stages": [
            {
                "name": stage.name,
                "stage": stage.stage,
                "from": stage.source,
                "runs-on": stage.where.value,
                "emulated": [str(platform) for platform in stage.emulated],
                "steps": [_printable_step(step) for step in stage.steps],
            }
            for stage in plan.stages
        ],
        "targets": [
            {
                "name": target.name,
                "stage": target.stage,
                "platforms": [str(platform) for platform in target.platforms],
                "gate": target.gate or None,
                "tag": target.tag or None,
                "budget": {
                    "unpacked": target.budget.unpacked and target.budget.unpacked.bytes,
                    "compressed": target.budget.compressed and target.budget.compressed.bytes,
                },
            }
            for target in plan.targets
        ],
        "secrets": [{"id": secret.id, "optional": secret.optional} for secret in plan.secrets],
    }


def _printable_source(source: object) -> dict[str, object]:
    found = attrs.asdict(source, recurse=False)  # type: ignore[call-overload]
    if "reference" in found:
        return {"name": found["name"], "image": str(found["reference"])}
    recipes = [{**attrs.asdict(recipe), "key": recipe.key()} for recipe in found["recipes"]]
    return {"name": found["name"], "assembled": recipes}


def _printable_step(step: object) -> dict[str, object]:
    does, origin = step.does, step.origin  # type: ignore[attr-defined]
    what = {key: value for key, value in attrs.asdict(does).items() if value not in ("", ())}
    return {"does": type(does).__name__.lower(), "from": origin.key, **_jsonable(what)}


def _jsonable(value: dict[str, object]) -> dict[str, object]:
    return {key: str(item) if not isinstance(item, (str, int, list, tuple, dict)) else item for key, item in value.items()}
