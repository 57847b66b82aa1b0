"""A Plan in, a tree for people out: what is built from what, and where each stage runs."""

from __future__ import annotations

from buildspec.plan.model import (
    AssembledSource,
    Health,
    ImageSource,
    Plan,
    PlannedStage,
    Source,
    Step,
    Target,
    Verbatim,
    Where,
    WriteFile,
)

RELEASE = ("[release]", 'registries = ["ghcr.io/acme"]', 'tags = ["v{version}", "v{major}.{minor}", "latest"]')
"""Lines of a specification that say where images go, and under which tags."""


def tree(plan: Plan) -> str:
    """The plan, for reading."""
    profiles = f", profile {' + '.join(plan.profiles)}" if plan.profiles else ""
    shared = plan.shared()
    lines = [f"{plan.image}{profiles}; build stages run on {plan.facts.native}", "", "bases"]
    lines += [f"  {source.name:24} {_source(source)}" for source in plan.sources]
    lines += ["", "stages"]
    lines += [line for stage in plan.stages for line in _stage(stage, shared[stage.name])]
    lines += ["", "targets"]
    lines += [f"  {target.name:24} {_target(target)}" for target in plan.targets]
    if plan.secrets:
        lines += ["", "secrets"]
        lines += [f"  {s.id:24} {'optional' if s.optional else 'required'}" for s in plan.secrets if not s.constant]
    if plan.facts.version:
        lines += ["", f"tags of {plan.facts.version}"]
        lines += [f"  {tag.stage:24} {tag.reference}{', which moves' if tag.moves else ''}" for tag in plan.tags]
        lines += [f"  {'none':24} {drop.pattern}: {drop.why}" for drop in plan.dropped]
        if not plan.tags and not plan.dropped:
            lines += ["  none: [release] needs registries and tags, such as", *(f"    {one}" for one in RELEASE)]
    return "\n".join(lines)


def _source(source: Source) -> str:
    match source:
        case ImageSource():
            return str(source.reference) + ("" if source.reference.digest else ", by its tag alone")
        case AssembledSource():
            recipe = source.recipes[0]
            platforms = ", ".join(recipe.platform for recipe in source.recipes)
            kind = "configured" if recipe.configured else "with a shell" if recipe.shell else "distroless"
            return f"Debian {recipe.suite}, {kind}, for {platforms}: {', '.join(recipe.packages)}"


def _stage(stage: PlannedStage, targets: tuple[str, ...]) -> list[str]:
    where = "once, on the build platform" if stage.where is Where.BUILD else "for each platform"
    if stage.emulated:
        where += f", EMULATED for {', '.join(map(str, stage.emulated))}"
    if len(targets) > 1:
        where += f"; shared by {', '.join(targets)}"
    return [
        f"  {stage.name:24} from {stage.source:20} {where}",
        *(_step(step) for step in stage.steps),
    ]


def _step(step: Step) -> str:
    """An instruction by its keyword, and where it comes from: of a fragment, which has several, with the line."""
    match step.does:
        case Verbatim(keyword=keyword):
            place = step.origin.place
            return f"    {keyword.lower():12} {step.origin.key}{f':{place.line}' if place else ''}"
        case WriteFile():
            name = "copy"
        case Health():
            name = "healthcheck"
        case other:
            name = type(other).__name__.lower()
    return f"    {name:12} {step.origin.key}"


def _target(target: Target) -> str:
    platforms = ", ".join(map(str, target.platforms))
    if target.gate:
        return f"{target.gate} gate, {platforms}"
    limits = [
        f"{size} {kind}"
        for kind, size in (("unpacked", target.budget.unpacked), ("compressed", target.budget.compressed))
        if size
    ]
    budget = f", at most {' and '.join(limits)}" if limits else ""
    return f"{f'image {target.tag}' if target.tag else 'measured'}, {platforms}{budget}"
