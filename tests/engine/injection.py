"""Hostile values through a real BuildKit, read back from the image.

`PYTHONPATH=tests python -m engine.injection --count 10000`
"""

# ruff: noqa: T201 - a program, which prints what it counts

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from helpers.plans import planned

from buildspec.errors import SpecError
from buildspec.plan import model
from buildspec.render.dockerfile import render

PIECES = (
    *"$\\\"'`#{}()[]<>|&;*?!~%^=+-_.,:/@ \tä\u2028😀aZ0",
    "${HOME}", "$PATH", "$$", "\\$", "\\\\", '\\"', "<<EOF", "--flag", "# syntax=x/y", "# escape=`", "${{ x }}",
    "%{if}",     "\\n", " \\", "`id`", "$(id)", "ARG X", "\nUSER 0", "\r", "&&", "EOF",
)  # fmt: skip
BATCH = 100
"""Values an image: each is an ENV, a LABEL and an element of a command."""


def hostile(count: int, seed: int = 5) -> list[str]:
    """So many values, always the same."""
    chance = random.Random(seed)  # noqa: S311 - the same ones each time
    return ["".join(chance.choice(PIECES) for _ in range(chance.randrange(1, 12))) for _ in range(count)]


def dockerfile(values: list[str]) -> tuple[str, list[str], int]:
    """A Dockerfile with the values, those it holds, and how many had to be refused."""
    plan = planned("[stages.app]\nfrom = 'scratch'\n")
    (stage,) = plan.stages
    origin = model.Origin(key="stages.app.env", place=None)
    kept: list[str] = []
    for value in values:
        step = model.Step(model.Env("A", value), origin)
        try:
            render(_with(plan, stage, [step]))
        except SpecError:
            continue
        kept.append(value)
    does: list[model.Instruction] = [model.Env(f"V{at}", value) for at, value in enumerate(kept)]
    does += [model.Label(f"v{at}", value) for at, value in enumerate(kept)]
    does += [model.Entrypoint(tuple(kept) or ("x",)), model.Cmd(tuple(reversed(kept)) or ("x",))]
    text = render(_with(plan, stage, [model.Step(one, origin) for one in does])).text
    return text, kept, len(values) - len(kept)


def _with(plan: model.Plan, stage: model.PlannedStage, steps: list[model.Step]) -> model.Plan:
    import attrs

    return attrs.evolve(plan, stages=(attrs.evolve(stage, steps=tuple(steps)),))


def differences(values: list[str]) -> tuple[list[str], int]:
    """Build an image of the values and read them back; returns what differs, and how many were refused."""
    text, kept, refused = dockerfile(values)
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "Dockerfile").write_text(text, encoding="utf-8")
        tag = "buildspec-injection:test"
        argv = ["docker", "buildx", "build", "--quiet", "--load", "--provenance=false", "--tag", tag, folder]
        done = subprocess.run(argv, capture_output=True, text=True, check=False)
        if done.returncode:
            return [f"the build failed: {done.stderr[-2000:]}"], refused
        try:
            shown = subprocess.run(["docker", "image", "inspect", tag], capture_output=True, check=True)
        finally:
            subprocess.run(["docker", "image", "rm", tag], capture_output=True, check=False)
    config = json.loads(shown.stdout)[0]["Config"]
    env = dict(one.split("=", 1) for one in config["Env"])
    found = []
    for at, value in enumerate(kept):
        read = (env.get(f"V{at}"), config["Labels"].get(f"v{at}"), config["Entrypoint"][at], config["Cmd"][-1 - at])
        found += [f"{value!r} became {one!r}" for one in read if one != value]
    return found, refused


def main(argv: list[str]) -> int:
    """Run as many as asked for; the exit code says whether none differed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000)
    values = hostile(parser.parse_args(argv).count)
    wrong: list[str] = []
    refused = 0
    for start in range(0, len(values), BATCH):
        told, more = differences(values[start : start + BATCH])
        wrong, refused = wrong + told, refused + more
    read = 4 * (len(values) - refused)
    print(f"{len(values)} values: {refused} refused, {read} read back from images, {len(wrong)} differ")
    print("\n".join(wrong[:50]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
