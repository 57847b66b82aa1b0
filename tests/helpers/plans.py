"""Plans for tests, made from a few lines of TOML without a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from buildspec.plan.model import Copy, Facts, Instruction, Plan, Run
from buildspec.plan.planner import make_plan
from buildspec.spec.decode import decode
from buildspec.spec.fragments import parse_fragment
from buildspec.spec.load import Source
from buildspec.spec.overlay import apply_profiles, fill_variables
from buildspec.spec.values import Platform
from helpers.specs import document

AMD64 = Platform("linux", "amd64")
ARM64 = Platform("linux", "arm64")
FACTS = Facts(native=AMD64, revision="0123abc", epoch=1_700_000_000, day="2026-11-25")
ROOT = Path(__file__).parents[2]
"""Of the repository."""
GOLDENS = ROOT / "tests" / "unit" / "goldens"

HEAD = """\
spec = 1

[image]
name = "web"
platforms = ["linux/amd64", "linux/arm64"]
deliver = { app = "" }

[bases.node]
image = "docker.io/library/node:20-alpine"

[bases.slim]
image = "docker.io/library/debian:13-slim"

[bases.bare]
image = "gcr.io/distroless/nodejs20-debian12"

[bases.trixie]
debian = "trixie"
packages = ["nodejs"]

[bases.core]
debian = "trixie"
packages = ["nodejs"]
shell = false

[users.web]
uid = 1001
gid = 1002

[users.ops]
uid = 2001
gid = 2002
home = "/srv/ops"

"""
"""Five bases, two users, and the image `app` for two platforms; stages follow."""


SMALL = (
    HEAD
    + """\
[stages.tool]
from = "trixie"
runs-on = "build"
packages = ["npm", "git"]
secrets = ["token", "proxy"]
run = ["npm ci"]

[stages.check]
from = "tool"
gate = "audit"
on-unavailable = "warn"
run = ["npm test"]

[stages.app]
from = "node"
packages = ["curl"]
users = ["web"]
workdir = "/app"
args = { EMPTY = "", A = "b" }
env = { MODE = "x", LEVEL = "" }
copy = [{ from = "tool", path = "/out", to = "./", owner = "web", mode = "0644" }]
user = "web"
entrypoint = ["node", "x.js"]
healthcheck = { test = ["node", "h.js"], timeout = "5s" }
labels = { b = "1", a = "2" }
budget = { unpacked = "150MB", compressed = "60MB" }

[secrets.token]
env = "TOKEN"
as-env = ["TOKEN"]
"""
)
"""A specification with a bit of everything."""


def source(text: str, fragments: Mapping[str, str] | None = None, profiles: Sequence[str] = ()) -> Source:
    """A specification that has been read, without its files."""
    filled, problems = fill_variables(apply_profiles(document(text), profiles), {})
    assert not problems
    parsed = {name: parse_fragment(one, f"stages/{name}.Dockerfile") for name, one in (fragments or {}).items()}
    return Source(Path("/nowhere"), filled, decode(filled), tuple(profiles), parsed)


def planned(
    stages: str,
    fragments: Mapping[str, str] | None = None,
    platforms: Sequence[Platform] = (),
    facts: Facts = FACTS,
) -> Plan:
    """The plan of stages on the bases and users of `HEAD`."""
    return make_plan(source(HEAD + stages, fragments), facts, platforms)


def default_plan(profile: str = "", platforms: Sequence[Platform] = ()) -> Plan:
    """The plan of this repository's own specification."""
    text = (ROOT / "buildspec.toml").read_text(encoding="utf-8")
    files = (ROOT / "stages").glob("*.Dockerfile")
    fragments = {file.name.removesuffix(".Dockerfile"): file.read_text(encoding="utf-8") for file in files}
    return make_plan(source(text, fragments, [profile] if profile else []), FACTS, platforms)


def steps(plan: Plan, stage: str) -> list[Instruction]:
    """The instructions of a stage of the Dockerfile."""
    return [step.does for step in plan.stage(stage).steps]


def commands(plan: Plan, stage: str) -> list[str]:
    """The commands of a stage that are ours or the specification's."""
    return [does.command for does in steps(plan, stage) if isinstance(does, Run)]


def copies(plan: Plan, stage: str) -> list[tuple[str, str, str]]:
    """Where each copy of a stage comes from, what of it, and where it goes."""
    return [(one.source, one.paths[0], one.to) for one in steps(plan, stage) if isinstance(one, Copy)]


def names(plan: Plan) -> list[str]:
    """The stages of the Dockerfile, in order."""
    return [stage.name for stage in plan.stages]
