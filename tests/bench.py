"""How long a check takes, side by side with bake, and how that grows: `nox -s bench -- check`.

No test: what is measured depends on the machine. Every claim has a line with its verdict.
"""

# ruff: noqa: T201 - a program, which prints what it measures

from __future__ import annotations

import atexit
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]
DEFINITION = HERE / "build" / "docker-bake.json"
ROUNDS = 9
SIZES = (10, 30, 100, 300, 1000, 3000, 5000)
PLATFORMS = ("linux/amd64", "linux/arm64", "linux/arm/v7", "linux/s390x")
SECONDS, MEGABYTES, LINEAR = 2.0, 150, 1.5
"""What 1,000 stages may take, and how much more than their number the time of more stages may grow."""

_MEASURE = """
import os, resource, subprocess, sys, time
start = time.perf_counter()
done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
sys.stderr.buffer.write(done.stderr)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000, done.returncode)
"""


def measured(*argv: str) -> tuple[float, float, float]:
    """Seconds by the clock and of the processor, and peak MB; raises CalledProcessError when the program fails."""
    # from a process of its own: the peak is that of the largest child so far
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, *argv],
        cwd=HERE,
        env={**os.environ, "PYTHONPYCACHEPREFIX": _compiled(), "PYTHONDONTWRITEBYTECODE": ""},
        capture_output=True,
        text=True,
        check=True,
    )
    seconds, used, memory, code = done.stdout.split()
    if code != "0":
        raise subprocess.CalledProcessError(int(code), argv, stderr=done.stderr)
    return float(seconds), float(used), float(memory)


@cache
def _compiled() -> str:
    """A folder for Python's compiled modules, as an installed program has them; the checkout stays clean."""
    folder = tempfile.mkdtemp(prefix="buildspec-bench-")
    atexit.register(shutil.rmtree, folder)
    return folder


def specification(stages: int) -> str:
    """So many stages: chains of 20 on the build platform, each copying from the one before, and the image."""
    platforms = ", ".join(f'"{one}"' for one in PLATFORMS)
    lines = [
        f'spec = 1\n[image]\nname = "bench"\nplatforms = [{platforms}]\ndeliver = {{ s{stages - 1} = "" }}',
        '[vars]\nnode = "20"\n[bases.node]\nimage = "docker.io/library/node:${node}-alpine"\nfamily = "alpine-node"',
        "[users.app]\nuid = 1001\ngid = 1001",
    ]
    for index in range(stages - 1):
        below = f's{index - 1}"' if index % 20 else 'node"\nruns-on = "build"'
        lines.append(f'[stages.s{index}]\nfrom = "{below}\nworkdir = "/app"\nenv = {{ STEP = "{index}" }}')
        lines.append(f'run = ["echo ${{node}} {index}"]')
        if index >= 20:
            lines.append(f'copy = [{{ from = "s{index - 20}", path = "/app", to = "/from{index}" }}]')
    last = range(max(0, stages - 21), stages - 1)
    copies = ", ".join(f'{{ from = "s{at}", path = "/app", to = "/s{at}" }}' for at in last)
    lines.append(f'[stages.s{stages - 1}]\nfrom = "node"\nusers = ["app"]\nworkdir = "/app"\ncopy = [{copies}]')
    lines.append('user = "app"\nentrypoint = ["node", "x.js"]\nhealthcheck = { test = ["node", "-v"] }')
    return "\n".join(lines) + "\n"


def verdict(claim: str, kept: bool) -> bool:
    """Say whether a claim holds."""
    print(f"{'holds' if kept else 'BROKEN'}: {claim}")
    return kept


def against_bake() -> bool:
    """The default specification in a cold process, and bake's own reading of what is generated from it."""
    check = (sys.executable, "-m", "buildspec", "check")
    bake = ("docker", "buildx", "bake", "--file", str(DEFINITION), "--print")
    trouble = "there is no docker client" if shutil.which("docker") is None else ""
    if not DEFINITION.is_file():
        trouble = trouble or f"{DEFINITION.relative_to(HERE)} isn't there; `nox -s build` makes it"
    measured(*check)  # compiled, and in the file cache
    if trouble:
        print(f"check: {statistics.median(measured(*check)[0] for _ in range(ROUNDS)):.3f} s; not compared: {trouble}")
        return True
    measured(*bake)
    pairs = [(measured(*check)[0], measured(*bake)[0]) for _ in range(ROUNDS)]
    ours, theirs = (statistics.median(times) for times in zip(*pairs, strict=True))
    print(f"median of {ROUNDS} alternating runs: check {ours:.3f} s, bake --print {theirs:.3f} s")
    return verdict(f"check is no slower than bake --print: ratio {ours / theirs:.2f}", ours <= theirs)


def growth() -> bool:
    """Check and plan of larger and larger specifications, each in a cold process, in seconds of the processor."""
    print(f"\n{'stages':>7} {'check':>9} {'plan':>9} {'growth':>7}   for {len(PLATFORMS)} platforms each")
    found: dict[int, tuple[float, float, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "buildspec.toml"
        for stages in SIZES:
            file.write_text(specification(stages), encoding="utf-8")
            runs = [_both(str(file)) for _ in range(1 if stages > 1000 else 3)]
            found[stages] = tuple(statistics.median(times) for times in zip(*runs, strict=True))
            check, plan, memory = found[stages]
            factor = plan / found[SIZES[0]][1]
            print(f"{stages:7} {check:7.2f} s {plan:7.2f} s {factor:6.1f}x   {memory:.0f} MB", flush=True)
    start = found[SIZES[0]][1]
    each = {stages: (plan - start) / stages for stages, (_, plan, _) in found.items() if stages >= 1000}
    slower = each[SIZES[-1]] / each[1000]
    check, plan, memory = found[1000]
    return all(
        [
            verdict(f"1,000 stages take {plan:.2f} s to check and plan, at most {SECONDS:.0f} s", plan <= SECONDS),
            verdict(f"1,000 stages take {memory:.0f} MB, at most {MEGABYTES} MB", memory <= MEGABYTES),
            verdict(f"a stage of {SIZES[-1]} takes {slower:.2f} times as long as one of 1,000", slower <= LINEAR),
        ]
    )


def _both(file: str) -> tuple[float, float, float]:
    program = (sys.executable, "-m", "buildspec")
    _, check, one = measured(*program, "check", "--file", file)
    _, plan, other = measured(*program, "plan", "--json", "--file", file)
    return check, plan, max(one, other)


def hostile() -> bool:
    """A file of 50 MB, in a cold process."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "buildspec.toml"
        with file.open("wb") as stream:
            stream.write(b"# " + b"x" * 50_000_000)
        code = "import sys; from buildspec.cli import main; sys.exit(0 if main(sys.argv[1:]) == 2 else 1)"
        seconds, _, memory = measured(sys.executable, "-c", code, "check", "--file", str(file))
    return verdict(f"50 MB are refused in {seconds:.2f} s and {memory:.0f} MB", seconds <= 1 and memory <= MEGABYTES)


def main(argv: list[str]) -> int:
    """Measure; the exit code says whether every claim holds."""
    if argv not in ([], ["check"]):
        print(f"usage: nox -s bench -- check, not {json.dumps(argv)}", file=sys.stderr)
        return 2
    return 0 if all([against_bake(), growth(), hostile()]) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
