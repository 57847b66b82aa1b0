"""A failed bake in, the error a user needs out: the step, its output, its place, or what the machine lacks."""

from __future__ import annotations

import re

import attrs

from buildspec.engine.progress import Progress, Step
from buildspec.errors import BuildspecError, Diagnostic, MachineError, StepError
from buildspec.plan.model import Origin, Plan
from buildspec.plan.stages import UNAVAILABLE
from buildspec.render.dockerfile import Dockerfile

LINES = 40
"""Of a failed step's output."""
_EXCERPT = re.compile(r"\s*\d+ \|")
"""Lines of the Dockerfile, as buildx shows them around the one that failed."""

# What buildx and BuildKit say when it isn't the step that is wrong: pattern, what it means, the way out.
_MACHINE = (
    (
        r"failed to resolve source metadata for (?P<what>\S+?):? |failed to do request|pull access denied",
        "the base {what} can't be fetched",
        "check its name and the network; where the specification has it, `--profile debian` needs no image registry",
    ),
    (
        r"no space left on device",
        "the engine's disk is full, of bytes or of inodes",
        "run `docker buildx prune`, then build again; `df --inodes` shows the latter",
    ),
    (
        r'no builder "[^"]*" found',
        "the builder is gone",
        "see `docker buildx ls`; unset BUILDX_BUILDER to use the engine's own",
    ),
    (
        r"[Cc]annot connect to the Docker daemon|error reading from server: EOF|closing transport|connection refused",
        "the engine went away during the build",
        "look at its log, or run scripts/engine, then build again",
    ),
    (
        r"additional privileges requested|ERROR: entitlement",
        "buildx asks for a permission this build didn't expect",
        "see the lines above",
    ),
)

_STALE = re.compile(
    r"snapshot \S* ?does not exist: not found|invalid mutable ref|content digest sha256:\w+: not found"
    r"|failed to mount \S*buildkit-mount\S*: .*no such file or directory"
)
"""What BuildKit says when something of its cache is gone: moby/buildkit, issues 4024, 1956 and 2961."""
_EMULATOR = "qemu: uncaught target signal"
"""What qemu says when it crashes, which depends on chance: tonistiigi/binfmt, issue 215."""


@attrs.frozen
class Attempt:
    """A second one, which is known to help."""

    why: str
    cache: bool
    """Whether it may use what was built before."""


def attempt(progress: Progress) -> Attempt | None:
    """Whether a failed bake is worth a second attempt.

    Args:
        progress: everything bake said.
    """
    step = next((one for one in progress.steps if one.error and one.stage), None)
    if step is not None and "did not complete successfully" in step.error:
        crashed = any(_EMULATOR in line for line in step.output)
        return Attempt("the emulator crashed", cache=True) if crashed else None
    told = "\n".join([*progress.text, *(one.error for one in progress.steps)])
    return Attempt("something of BuildKit's cache is gone", cache=False) if _STALE.search(told) else None


def explain(plan: Plan, dockerfile: Dockerfile, progress: Progress) -> BuildspecError:
    """What a failed bake means.

    Args:
        plan: what was built.
        dockerfile: with the origin of each line.
        progress: everything bake said.
    """
    text = "\n".join(progress.text)
    step = next((one for one in progress.steps if one.error and one.stage), None)
    if step is not None and "did not complete successfully" in step.error:
        return _step(plan, dockerfile, step, text)
    said = [line for line in progress.text if not _EXCERPT.match(line)]
    told = "\n".join([*said, *(one.error for one in progress.steps)])
    for pattern, meaning, fix in _MACHINE:
        if found := re.search(pattern, told):
            what = (found.groupdict().get("what") or "").strip()
            return MachineError(f"{meaning.format(what=what).replace('  ', ' ')}:\n{_last(progress.text)}", fix)
    if step is not None:
        return _step(plan, dockerfile, step, text)
    return StepError(f"buildx failed:\n{_last(progress.text)}")


def _step(plan: Plan, dockerfile: Dockerfile, step: Step, text: str) -> StepError:
    origin = _origin(dockerfile, step, text)
    stage = next((one.stage for one in plan.stages if one.name == step.stage), step.stage)
    gate = next((target for target in plan.targets if target.gate and target.name == stage), None)
    code = re.search(r".*did not complete successfully: exit code: (\d+)", step.error, re.DOTALL)
    where = f" for {step.platform}" if step.platform else ""
    reason = f"exit code {code[1]}" if code else step.error
    unavailable = gate is not None and gate.gate == "audit" and code is not None and int(code[1]) == UNAVAILABLE
    if unavailable:
        message = f"audit gate '{stage}': the service could not be asked, so nothing is known"
    elif gate:
        message = f"{gate.gate} gate '{stage}' failed{where}: {reason}"
    else:
        message = f"stage '{stage}' failed{where}: {reason}"
    parts = [message, _place(origin, step)]
    if step.output:
        shown = step.output[-LINES:]
        parts.append("its output:" if len(shown) == len(step.output) else f"the last {LINES} lines of its output:")
        parts += [f"  {line}" for line in shown]
    fix = f'nothing was tagged; stages.{stage}.on-unavailable = "warn" lets a build pass' if unavailable else ""
    return StepError("\n".join(part for part in parts if part), fix or "nothing was tagged")


def _origin(dockerfile: Dockerfile, step: Step, text: str) -> Origin | None:
    """What the failed instruction was made from: its number finds it, else buildx names the line."""
    if (origin := dockerfile.origin_of(step.stage, step.number, step.text)) is not None:
        return origin
    named = re.search(r"(?m)^\S*Dockerfile:(\d+)$", text)
    return dockerfile.origins.get(int(named[1])) if named else None


def _place(origin: Origin | None, step: Step) -> str:
    if origin is None or origin.place is None:
        return f"  {step.text.splitlines()[0] if step.text else step.name}"
    # the source line and a caret, as a diagnostic shows them
    shown = Diagnostic("", "", origin.place).render().split("\n")
    key = "" if origin.key == origin.place.file else f" ({origin.key})"
    return "\n".join([f"  {origin.place}{key}", *shown[1:]])


def _last(lines: list[str]) -> str:
    return "\n".join(f"  {line}" for line in lines[-LINES:])
