"""Rules about images, platforms and caches, beyond what their pages show."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.specs import MINIMAL, document

from buildspec.checks import findings
from buildspec.checks.commands import Shell, installs
from buildspec.spec.decode import decode_draft
from buildspec.spec.fragments import parse_fragment
from buildspec.spec.load import Source


def found(text: str, rule: str, **fragments: str) -> list[str]:
    """The paths at which a rule finds something."""
    written = document(text)
    spec, _ = decode_draft(written)
    parsed = {name: parse_fragment(one, f"stages/{name}.Dockerfile") for name, one in fragments.items()}
    source = Source(Path("/nowhere"), written, spec, (), parsed, "2026-11-25")
    return [one.path for one in findings(source) if one.rule == rule]


@pytest.mark.parametrize(
    ("command", "words", "machine_code"),
    [
        ("npm ci", "npm ci", True),
        ("npm ci --ignore-scripts", "npm ci", False),
        ("cd /app && NODE_ENV=production npm install", "npm install", True),
        ("yarn", "yarn", True),
        ("yarn build", "", False),
        ("npm run build", "", False),
        ("npm run install-all", "", False),
        ("python3 -m pip install flask", "python3 -m", True),
        ("pip download x", "", False),
        ("make -j4", "make -j4", True),
        ("go mod download", "go mod", False),
        ("cargo build --release", "cargo build", True),
        ("echo npm ci", "", False),
        ("apk add npm", "", False),
    ],
)
def test_a_command_that_installs_is_known_by_its_words(command: str, words: str, machine_code: bool) -> None:
    told = list(installs(Shell("app", command)))
    assert [one.words for one in told] == ([words] if words else [])
    assert any(one.machine_code for one in told) is machine_code


@pytest.mark.parametrize("user", ["root", "0", "0:0", "00", "root:web", "000:5"])
def test_root_is_root_in_every_spelling(user: str) -> None:
    assert found(f"{MINIMAL}user = '{user}'\n", "root-user") == ["stages.app.user"]


def test_a_user_with_uid_0_is_root_and_one_of_a_stage_below_is_inherited() -> None:
    text = f"{MINIMAL}users = ['web']\nuser = 'web'\n[users.web]\nuid = 0\ngid = 5\n"
    assert found(text, "root-user") == ["stages.app.user"]
    assert found(text.replace("uid = 0", "uid = 5"), "root-user") == []
    below = MINIMAL.replace('from = "node"', 'from = "base"') + "[stages.base]\nfrom = 'node'\nuser = '1000'\n"
    assert found(below, "root-user") == []


def test_of_a_base_of_which_nothing_is_known_nothing_is_said() -> None:
    text = MINIMAL.replace("docker.io/library/node:20-alpine", "registry.example/some/thing:1")
    text += "user = '4711'\nentrypoint = ['thing']\n"
    for rule in ("user-not-in-image", "command-not-in-image", "base-lacks-platform", "base-past-end-of-life"):
        assert found(text, rule) == []
    assert found(text.replace("user = '4711'\n", ""), "root-user") == []


DISTROLESS = f"""{MINIMAL}
[bases.bare]
image = "gcr.io/distroless/nodejs24-debian13"
[stages.deps]
from = "node"
workdir = "/app"
run = ["npm ci"]
[stages.between]
from = "scratch"
copy = [
  {{ from = "deps", path = "node_modules", to = "/x/node_modules" }},
  {{ from = "deps", path = "dist", to = "/y" }},
]
[stages.last]
from = "bare"
"""


@pytest.mark.parametrize(
    ("path", "paths"),
    [
        ("/x", ["stages.last.copy[0]"]),
        ("/x/node_modules/sharp", ["stages.last.copy[0]"]),
        ("/", ["stages.last.copy[0]"]),
        ("/y", []),
        ("/x/node_modules/a/index.js", []),
    ],
)
def test_machine_code_is_followed_through_stages_to_where_it_goes(path: str, paths: list[str]) -> None:
    text = f"{DISTROLESS}copy = [{{ from = 'between', path = '{path}', to = '/z' }}]\n"
    assert found(text, "libc-mismatch") == paths


@pytest.mark.parametrize(
    ("tail", "wrong"),
    [
        ('entrypoint = ["node", "x.js"]', False),
        ('entrypoint = ["/nodejs/bin/node"]', False),
        ('entrypoint = ["/usr/bin/node"]', True),
        ('entrypoint = ["sh"]', True),
        ('cmd = ["x.js"]', False),
        ('entrypoint = ["server"]\ncopy = [{ from = "deps", path = "/s", to = "/usr/local/bin/server" }]', False),
        ('entrypoint = ["./server"]\nworkdir = "/srv"\ncopy = [{ from = "deps", path = "/srv", to = "/srv" }]', False),
        ('entrypoint = ["/srv/server"]', True),
    ],
)
def test_a_program_is_there_when_the_base_or_a_copy_brings_it(tail: str, wrong: bool) -> None:
    assert bool(found(f"{DISTROLESS}{tail}\n", "command-not-in-image")) is wrong


@pytest.mark.parametrize(
    ("image", "count"),
    [
        ("debian:bullseye-slim", 1),
        ("debian:12", 0),
        ("ubuntu:20.04", 1),
        ("ubuntu:noble", 0),
        ("python:3.9-slim-bullseye", 2),
        ("node:24", 0),
        ("node:18.20.4-alpine3.19", 2),
        ("node:lts-alpine", 0),
        ("gcr.io/distroless/nodejs18-debian11", 2),
        ("gcr.io/distroless/static-debian11:nonroot", 1),
    ],
)
def test_a_tag_says_what_has_ended(image: str, count: int) -> None:
    text = MINIMAL.replace("docker.io/library/node:20-alpine", image)
    assert len(found(text, "base-past-end-of-life")) == count


@pytest.mark.parametrize(
    ("image", "platform", "lacks"),
    [
        ("gcr.io/distroless/nodejs20-debian12", "linux/arm/v7", True),
        ("gcr.io/distroless/nodejs22-debian12", "linux/arm/v7", False),
        ("debian:12", "linux/amd64/v3", False),
        ("debian:12", "linux/loong64", True),
        ("alpine:3.22", "linux/arm/v5", True),
        ("alpine:3.22", "linux/arm64", False),
    ],
)
def test_what_a_base_is_published_for_is_known(image: str, platform: str, lacks: bool) -> None:
    text = MINIMAL.replace("docker.io/library/node:20-alpine", image).replace("linux/amd64", platform)
    assert bool(found(text, "base-lacks-platform")) is lacks


def test_apt_on_a_base_from_a_registry_is_emulated_and_apk_is_not() -> None:
    text = MINIMAL.replace('"linux/amd64"', '"linux/amd64", "linux/arm64"') + "packages = ['git']\n"
    assert found(text, "emulated-run") == []
    assert found(text.replace("node:20-alpine", "node:20"), "emulated-run") == ["stages.app"]
    assert found(text.replace("node:20-alpine", "node:20") + "runs-on = 'build'\n", "emulated-run") == []


@pytest.mark.parametrize(
    ("command", "leaks"),
    [
        ("gcc -o /out/x x.c", True),
        ('"$TARGETARCH-gcc" && gcc -o /out/x x.c', False),
        ("GOARCH=${TARGETARCH} go build -o /out/x", False),
        ("GOARCH=$TARGETARCHITECTURE go build -o /out/x", True),
        ("echo TARGETARCH && gcc -o /out/x x.c", True),
    ],
)
def test_what_is_made_for_the_target_leaks_from_no_builder(command: str, leaks: bool) -> None:
    stages = f"[stages.compile]\nfrom = 'node'\nruns-on = 'build'\nrun = ['{command}']\n"
    text = f"{MINIMAL}copy = [{{ from = 'compile', path = '/out/x', to = '/x' }}]\n{stages}"
    assert found(text, "platform-leak") == (["stages.app.copy[0]"] if leaks else [])
