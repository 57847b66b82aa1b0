"""Rules about stages: what they name must exist, have no cycle, and end in something delivered."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import attrs

from buildspec.checks.commands import commands
from buildspec.checks.contents import graph
from buildspec.checks.rules import (
    SCRATCH,
    Subject,
    copies,
    each_copy,
    each_delivered,
    each_stage,
    known,
    waivable,
)
from buildspec.errors import Diagnostic, quoted, shortened
from buildspec.spec.load import FOLDER
from buildspec.spec.model import Copy, Stage, toml_key
from buildspec.spec.overlay import suggest
from buildspec.spec.positions import Path
from buildspec.spec.unknown import UNKNOWN

_KEYS = frozenset(toml_key(field.name) for field in attrs.fields(Stage))
_STAGE_NAME = re.compile(r"[a-z][a-z0-9_-]*")


@each_stage
def unknown_stage(subject: Subject, name: str, stage: Stage) -> Iterator[Diagnostic]:
    """A stage starts from something that isn't there."""
    if stage.from_ != SCRATCH and stage.from_ not in subject.names:
        message = _nobody(stage.from_, subject.listed)
        yield subject.problem("unknown-stage", ("stages", name, "from"), message)


@each_copy
def unknown_copy_source(subject: Subject, path: Path, copy: Copy) -> Iterator[Diagnostic]:
    """Files are copied from something that isn't there."""
    contexts = subject.spec.contexts
    if copy.from_ and copy.from_ not in subject.names and copy.from_ not in contexts:
        listed = (*subject.listed, *contexts)
        yield subject.problem("unknown-copy-source", (*path, "from"), _nobody(copy.from_, listed))


def _nobody(name: str, there: Iterable[str]) -> str:
    return f"no stage or base is called {quoted(name)}{suggest(name, there) or '; add it to [stages] or [bases]'}"


@each_delivered
def unknown_delivery(subject: Subject, name: str, _: str) -> Iterator[Diagnostic]:
    """`image.deliver` names something that isn't a stage."""
    if name not in subject.spec.stages:
        message = f"no stage is called {quoted(name)}{suggest(name, subject.spec.stages)}"
        yield subject.problem("unknown-delivery", ("image", "deliver", name), message, key=True)


def stage_cycle(subject: Subject) -> Iterator[Diagnostic]:
    """Stages need each other in a cycle, so that none can be the first."""
    bases = () if subject.spec.bases is UNKNOWN else subject.spec.bases
    # what has the name of a base is wrong already, and may well mean the base
    needs = {
        name: _needs(stage) for name, stage in subject.spec.stages.items() if name not in bases and name != SCRATCH
    }
    for cycle in _cycles(needs):
        shown = [*cycle, cycle[0]] if len(cycle) < 8 else [*cycle[:4], "…", *cycle[-3:], cycle[0]]
        message = f"needs itself: {' -> '.join(map(shortened, shown))}"
        yield subject.problem("stage-cycle", ("stages", cycle[0]), message, key=True)


def _needs(stage: Stage) -> list[str]:
    """The names that a stage starts from and copies from, as far as they are known."""
    if stage is UNKNOWN:
        return []
    copies = () if stage.copy is UNKNOWN else stage.copy
    names = [stage.from_, *(copy.from_ for copy in copies if copy is not UNKNOWN)]
    return [name for name in names if name is not UNKNOWN]


def _cycles(needs: Mapping[str, list[str]]) -> Iterator[list[str]]:
    """A cycle for each stage that closes one, by a search in depth; without recursion, as chains can be long."""
    done: set[str] = set()
    for start in needs:
        trail: dict[str, Iterator[str]] = {}
        if start not in done:
            trail[start] = iter(needs[start])
        while trail:
            name = next(reversed(trail))
            following = next(trail[name], None)
            if following is None:
                trail.popitem()  # `del` would leave gaps, which the search for the last one passes again and again
                done.add(name)
            elif following in trail:
                names = list(trail)
                yield names[names.index(following) :]
            elif following in needs and following not in done:
                trail[following] = iter(needs[following])


def reserved_name(subject: Subject) -> Iterator[Diagnostic]:
    """A stage has the name of a base, of `scratch`, or one that Docker doesn't take; a context that of either."""
    yield from _stage_names(subject)
    yield from known(_context_names(subject))


def _context_names(subject: Subject) -> Iterator[Diagnostic]:
    for name in subject.spec.contexts:
        if name in subject.names or name == SCRATCH:
            message = "a stage or base is called that too; choose another"
            yield subject.problem("reserved-name", ("contexts", name), message, key=True)


def _stage_names(subject: Subject) -> Iterator[Diagnostic]:
    for name in subject.spec.stages:
        path = ("stages", name)
        if name == SCRATCH:
            yield subject.problem("reserved-name", path, "that is the empty base; choose another", key=True)
        elif _STAGE_NAME.fullmatch(name) is None:
            message = "a stage's name is small letters, digits, '-' and '_', and starts with a letter"
            yield subject.problem("reserved-name", path, message, key=True)
        else:
            yield from known(_taken_name(subject, name))


def _taken_name(subject: Subject, name: str) -> Iterator[Diagnostic]:
    if name in subject.spec.bases:
        message = "a base is called that too; choose another"
        yield subject.problem("reserved-name", ("stages", name), message, key=True)


def nothing_delivered(subject: Subject) -> Iterator[Diagnostic]:
    """`image.deliver` or `image.platforms` is empty."""
    image = subject.spec.image
    if image.deliver is not UNKNOWN and not image.deliver:
        yield subject.problem("nothing-delivered", ("image", "deliver"), "names no stage")
    if not image.platforms:
        yield subject.problem("nothing-delivered", ("image", "platforms"), "names no platform")


@each_stage
def start_from_gate(subject: Subject, name: str, stage: Stage) -> Iterator[Diagnostic]:
    """A stage starts from a gate; gates are leaves, so that they run beside the images they guard."""
    gate = subject.spec.stages.get(stage.from_)
    if gate is not None and gate.gate:
        message = f"'{stage.from_}' is a gate; start from '{gate.from_}'"
        yield subject.problem("start-from-gate", ("stages", name, "from"), message)


@each_copy
def copy_from_gate(subject: Subject, path: Path, copy: Copy) -> Iterator[Diagnostic]:
    """Files are copied from a gate; gates are leaves, so that they run beside the images they guard."""
    gate = subject.spec.stages.get(copy.from_)
    if gate is not None and gate.gate:
        message = f"'{copy.from_}' is a gate, from which nothing is copied; copy from '{gate.from_}'"
        yield subject.problem("copy-from-gate", (*path, "from"), message)


@each_delivered
def gate_delivered(subject: Subject, name: str, _: str) -> Iterator[Diagnostic]:
    """`image.deliver` names a gate."""
    stage = subject.spec.stages.get(name)
    if stage is not None and stage.gate:
        message = f"a gate isn't delivered; deliver '{stage.from_}'"
        yield subject.problem("gate-delivered", ("image", "deliver", name), message, key=True)


@each_stage
def runs_on_conflict(subject: Subject, name: str, stage: Stage) -> Iterator[Diagnostic]:
    """A stage wants to run on the target, and what it starts from runs on the builder's platform."""
    if stage.runs_on == "target" and subject.runs_on(stage.from_) == "build":
        message = f"'{stage.from_}' runs on the builder's platform, and what starts from it does too"
        yield subject.problem("runs-on-conflict", ("stages", name, "runs-on"), message)


@each_delivered
def builder_delivered(subject: Subject, name: str, _: str) -> Iterator[Diagnostic]:
    """A delivered stage runs on the builder's platform, whatever the target."""
    if name in subject.spec.stages and subject.runs_on(name) == "build":
        message = "runs on the builder's platform, so it can't be delivered for others"
        yield subject.problem("builder-delivered", ("image", "deliver", name), message, key=True)


@waivable("warning")
def unused_stage(subject: Subject) -> Iterator[Diagnostic]:
    """A stage is needed by nothing that is delivered, and by no gate."""
    yield from known(_unused_stage(subject))


def _unused_stage(subject: Subject) -> Iterator[Diagnostic]:
    needed = graph(subject).needed
    for name, stage in subject.spec.stages.items():
        if name not in needed and stage is not UNKNOWN and not _misspelt(subject, name):
            message = "nothing delivered and no gate needs it; deliver it, copy from it, or delete it"
            yield subject.problem("unused-stage", ("stages", name), message, key=True)


def _misspelt(subject: Subject, name: str) -> bool:
    """Whether a stage has a key that the language doesn't: it may have been meant as `gate`."""
    return not _KEYS.issuperset(subject.source.document.data["stages"][name])


def duplicate_platform(subject: Subject) -> Iterator[Diagnostic]:
    """A platform is named twice, in the same or in two spellings."""
    seen: set[str] = set()
    for index, platform in enumerate(subject.spec.image.platforms):
        if platform is UNKNOWN:
            continue
        if str(platform) in seen:
            message = f"'{platform}' is there already; delete one"
            yield subject.problem("duplicate-platform", ("image", "platforms", index), message)
        seen.add(str(platform))


def missing_fragment(subject: Subject) -> Iterator[Diagnostic]:
    """A stage is there for what it does, and does nothing: a gate without commands, an empty source of copies."""
    copied = {copy.from_ for _, copy in copies(subject) if copy is not UNKNOWN and copy.from_ is not UNKNOWN}
    for name, stage in subject.spec.stages.items():
        yield from known(_missing_fragment(subject, name, stage, copied=name in copied))


def _missing_fragment(subject: Subject, name: str, stage: Stage, *, copied: bool) -> Iterator[Diagnostic]:
    if commands(subject, name):
        return
    file = f"{FOLDER}/{name}.Dockerfile"
    if name not in subject.source.fragments and (subject.source.root / file).exists():
        return  # it can't be read, which is told already
    if stage.gate:
        message = f"a gate without commands lets everything pass; write {file}, or 'run'"
        yield subject.problem("missing-fragment", ("stages", name), message, key=True)
    elif stage.from_ == SCRATCH and not (stage.copy or stage.users or stage.packages) and copied:
        message = f"others copy from it, and it holds nothing; write {file}, 'run' or 'copy'"
        yield subject.problem("missing-fragment", ("stages", name), message, key=True)
