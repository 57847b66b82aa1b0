"""A build's result in, the table for people and `result.json` for programs out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from buildspec import __version__
from buildspec.engine.results import BuildResult, GateResult, ImageResult, StepTime
from buildspec.errors import BuildspecError
from buildspec.gates.budgets import Verdict
from buildspec.plan.model import Plan
from buildspec.report import budgets
from buildspec.report.columns import columns, megabytes

VERSION = 2
"""Of the form of `result.json`."""


def document(result: BuildResult, verdicts: Iterable[Verdict], more: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """`result.json`: what was built, by digest, how long each step took, and every verdict on it.

    Args:
        result: of a build that succeeded.
        verdicts: of the budgets.
        more: `tests` and `audit`, as far as they ran on these very images.
    """
    held = [*verdicts]
    more = more or {}
    return {
        **_head(result.plan, "built"),
        "engine": {
            "version": result.engine.version,
            "buildx": result.engine.buildx,
            "native": str(result.engine.native),
        },
        "seconds": round(result.seconds, 3),
        "images": [_image(result, image) for image in result.images],
        "gates": [_gate(gate) for gate in result.gates],
        "budgets": [_verdict(verdict) for verdict in held],
        **more,
        "verdicts": _verdicts(result, held, more),
        "steps": [_step(step) for step in result.steps],
        "skipped-secrets": list(result.skipped_secrets),
    }


def failure(plan: Plan, error: BuildspecError) -> dict[str, Any]:
    """`result.json` of a build that failed: no image was tagged.

    Args:
        plan: what was to be built.
        error: why it wasn't.
    """
    return {**_head(plan, "failed"), "error": error.message, "fix": error.fix}


def _head(plan: Plan, outcome: str) -> dict[str, Any]:
    return {
        "version": VERSION,
        "outcome": outcome,
        "buildspec": __version__,
        "image": plan.image,
        "profiles": list(plan.profiles),
        "revision": plan.facts.revision,
    }


def _image(result: BuildResult, image: ImageResult) -> dict[str, Any]:
    return {
        "stage": image.target.name,
        "tag": image.target.tag,
        "digest": image.digest,
        "platforms": {
            str(one.platform): {
                "digest": one.digest,
                "compressed": one.compressed,
                "unpacked": one.unpacked,
                "seconds": round(_seconds(result.steps_of(image.target, one.platform)), 3),
                "cached": _all_cached(result.steps_of(image.target, one.platform)),
            }
            for one in image.platforms
        },
    }


def _gate(gate: GateResult) -> dict[str, Any]:
    return {
        "stage": gate.target.name,
        "kind": gate.target.gate,
        "outcome": gate.outcome,
        "report": gate.report,
    }


def _verdicts(result: BuildResult, held: Iterable[Verdict], more: Mapping[str, Any]) -> list[dict[str, Any]]:
    """For each delivered image and platform, by digest: whether it was tested, audited and is within its budget."""
    return [
        {
            "stage": image.target.name,
            "platform": str(one.platform),
            "digest": one.digest,
            "tested": _outcome(more.get("tests"), one.digest),
            "audited": _outcome(more.get("audit"), one.digest),
            "within-budget": all(verdict.kept for verdict in held if verdict.digest == one.digest),
        }
        for image in result.images
        for one in image.platforms
    ]


def _outcome(section: Mapping[str, Any] | None, digest: str) -> str:
    about = [one["passed"] for one in (section or {}).get("results", ()) if one["digest"] == digest]
    return "not yet" if not about else "passed" if all(about) else "failed"


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "stage": verdict.stage,
        "platform": str(verdict.platform),
        "digest": verdict.digest,
        "kind": verdict.kind,
        "limit": verdict.limit,
        "actual": verdict.actual,
        "change": verdict.change,
        "kept": verdict.kept,
    }


def _step(step: StepTime) -> dict[str, Any]:
    return {
        "stage": step.stage,
        "platform": str(step.platform),
        "instruction": step.text,
        "from": step.origin,
        "seconds": round(step.seconds, 3),
        "cached": step.cached,
        "command": step.runs,
        "emulated": step.emulated,
    }


def _seconds(steps: Iterable[StepTime]) -> float:
    return sum(step.seconds for step in steps if not step.cached)


def _all_cached(steps: Iterable[StepTime]) -> bool:
    return all(step.cached for step in steps)


def summary(result: BuildResult, verdicts: Sequence[Verdict], details: str) -> str:
    """What a build ends with.

    Args:
        result: of a build that succeeded.
        verdicts: of the budgets.
        details: file that says more.
    """
    lines = [table(result), "", *([budgets.table(verdicts), ""] if verdicts else []), *gates_text(result.gates)]
    if slow := emulated(result):
        lines.append(f"{len(slow)} commands ran under emulation; `nox -s plan` shows which stages")
    lines.append(f"{result.seconds:.1f} s in all; details in {details}")
    return "\n".join(lines)


def table(result: BuildResult) -> str:
    """What was built, how big it is and how long it took, in columns."""
    head = ("image", "platform", "digest", "unpacked", "compressed", "seconds", "")
    rows: list[tuple[str, ...]] = [head]
    for image in result.images:
        for one in image.platforms:
            steps = result.steps_of(image.target, one.platform)
            rows.append(
                (
                    image.target.tag,
                    str(one.platform),
                    one.digest.removeprefix("sha256:")[:12],
                    megabytes(one.unpacked),
                    megabytes(one.compressed),
                    f"{_seconds(steps):.1f}",
                    "cached" if _all_cached(steps) else "built",
                )
            )
    return columns(rows, right={3, 4, 5})


def gates_text(gates: Iterable[GateResult]) -> list[str]:
    """A line for each gate; one whose service could not be asked looks like nothing else."""
    lines = []
    for gate in gates:
        if gate.outcome == "unavailable":
            who = f"{gate.target.gate} gate '{gate.target.name}'"
            lines.append(f"WARNING: {who} could not ask its service: nothing is known")
        else:
            lines.append(f"{gate.target.gate} gate '{gate.target.name}' passed")
    return lines


def emulated(result: BuildResult) -> tuple[StepTime, ...]:
    """Commands that ran under emulation: the slowest thing a build can do."""
    return tuple(step for step in result.steps if step.emulated)
