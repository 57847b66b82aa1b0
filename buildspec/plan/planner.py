"""A checked specification, a selection and facts in; the Plan out."""

from __future__ import annotations

from collections.abc import Sequence

from buildspec.errors import UsageError
from buildspec.plan import secrets
from buildspec.plan.bases import Bases
from buildspec.plan.graph import Node, names, order, place_of
from buildspec.plan.model import Facts, Plan, Target, Where
from buildspec.plan.stages import Expander
from buildspec.plan.tags import release_tags
from buildspec.spec.load import Source
from buildspec.spec.model import Budget, Image, Spec
from buildspec.spec.overlay import suggest
from buildspec.spec.values import Platform


def make_plan(source: Source, facts: Facts, platforms: Sequence[Platform] = ()) -> Plan:
    """Resolve what a build does.

    Args:
        source: the specification, checked.
        facts: of the engine and the sources.
        platforms: build for these alone; all of the specification's when empty.

    Raises:
        UsageError: a platform isn't one of the specification's, or the version is none.
    """
    spec = source.spec
    chosen = _chosen(spec.image, platforms)
    gates = [name for name, stage in spec.stages.items() if stage.gate]
    nodes = order(spec, [*spec.image.deliver, *gates])
    named = names(nodes)
    bases = Bases(spec, facts.native, _assembled_for(spec, nodes, chosen, facts.native), source.lock)
    tags, dropped = release_tags(spec, facts)
    expander = Expander(source, bases, named)
    stages = tuple(stage for node in nodes for stage in expander.expand(node))
    return Plan(
        image=spec.image.name,
        profiles=source.profiles,
        facts=facts,
        context=spec.context.path,
        contexts={name: spec.contexts[name].path for name in sorted(_copied_contexts(spec, nodes))},
        ignore=spec.context.ignore,
        sources=tuple(bases.found[name] for name in sorted(bases.found)),
        stages=stages,
        targets=tuple(_targets(spec, chosen, named, facts)),
        secrets=secrets.sources(expander.mounted, spec.secrets),
        tags=tags,
        dropped=dropped,
    )


def _measured(spec: Spec) -> frozenset[str]:
    """Stages that have a budget, and are neither delivered nor gates: measured wherever they are built anyway."""
    limited = (name for name, stage in spec.stages.items() if stage.budget != Budget() and not stage.gate)
    return frozenset(limited) - spec.image.deliver.keys()


def _copied_contexts(spec: Spec, nodes: Sequence[Node]) -> set[str]:
    return {copy.from_ for node in nodes for copy in spec.stages[node.stage].copy} & spec.contexts.keys()


def _assembled_for(
    spec: Spec, nodes: Sequence[Node], chosen: tuple[Platform, ...], native: Platform
) -> tuple[Platform, ...]:
    """The platforms that bases of target stages are assembled for.

    A build stage that copies from a target stage takes that of the engine's own platform, whatever is built for.
    """
    sources = (copy.from_ for node in nodes if node.where is Where.BUILD for copy in spec.stages[node.stage].copy)
    crossing = any(place_of(spec, name) is Where.TARGET for name in sources if name in spec.stages)
    return (*chosen, native) if crossing and native not in chosen else chosen


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


def _targets(spec: Spec, platforms: tuple[Platform, ...], named: dict[Node, str], facts: Facts) -> list[Target]:
    targets = []
    for name, suffix in sorted(spec.image.deliver.items()):
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
    for name, stage in sorted(spec.stages.items()):
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
    measured = _measured(spec)
    for node in sorted(node for node in named if node.stage in measured):
        twice = node.where is Where.BUILD and Node(node.stage, Where.TARGET) in named
        targets.append(
            Target(
                # bake takes no dot, and no stage has a capital
                name=f"{node.stage}-BUILD" if twice else node.stage,
                stage=named[node],
                platforms=(facts.native,) if node.where is Where.BUILD else platforms,
                labels={"org.opencontainers.image.title": spec.image.title or spec.image.name},
                budget=spec.stages[node.stage].budget,
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
