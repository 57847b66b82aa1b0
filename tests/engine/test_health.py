"""Both health checks in real containers: the script of the image with a shell, and the one of the image without."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import attrs
import pytest

from engine.project import FOREIGN, NATIVE, Project, docker, until

pytestmark = pytest.mark.engine

ROOT = Path(__file__).parents[2]
SECONDS = 900
KEY = "sk-test-0123456789"
HARD = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp")
CHECKS = {"production": ("/usr/bin/node", "/app/dist/healthcheck.js"), "runtime": ("/usr/local/bin/health-check",)}
"""By stage: the program, and its arguments."""
LEAVES = """
const { spawn } = await import('node:child_process');
spawn(process.execPath, ['-e', 'setTimeout(() => {}, 20000)'], { stdio: 'inherit' });
console.log('v2.0.0');
process.exit();
"""
"""A tool that leaves a process behind, which holds its output open."""
LIMIT = 8.0
"""Seconds: the limit of each question, and what a machine with other work takes to start a container."""


@attrs.frozen
class Images:
    """The image with a shell and the one without, by their stage."""

    names: dict[str, str]


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Images]:
    """Both images, built from this checkout under a name of their own."""
    folder = tmp_path_factory.mktemp("health")
    left = shutil.ignore_patterns("node_modules", "build", "dist", "coverage", "*.log")
    for name in ("app", "stages", "scripts"):
        shutil.copytree(ROOT / name, folder / name, ignore=left)
    shutil.copy(ROOT / "buildspec.toml", folder)
    name = f"health-{os.urandom(5).hex()}"
    project = Project(folder, name)
    project.edit("buildspec.toml", 'name = "claude-flow"\ntitle = "claude-flow"', f'name = "{name}"\ntitle = "{name}"')
    project.build("--profile", "debian", timeout=SECONDS).good()
    yield Images({"production": f"{name}:latest", "runtime": f"{name}:debian"})
    project.remove_images()


@attrs.frozen
class Said:
    """What a health check came to."""

    code: int
    out: str
    seconds: float


@pytest.fixture(params=["production", "runtime"])
def ask(request: pytest.FixtureRequest, images: Images, tmp_path: Path) -> Callable[..., Said]:
    """Run a health check in a container of its image, confined as it will be."""
    stage: str = request.param

    def act(*arguments: str, cli: str | None = None, env: dict[str, str] | None = None, platform: str = NATIVE) -> Said:
        name = f"health-{uuid.uuid4().hex[:12]}"
        argv = ["run", "--rm", "--name", name, "--platform", platform, "--network", "host", *HARD]
        if cli is not None:
            file = tmp_path / "cli.js"
            file.write_text(cli, encoding="utf-8")
            file.chmod(0o644)
            argv += ["--volume", f"{file}:/app/dist/cli.js:ro"]
        for key in env or {}:
            argv += ["--env", key]
        program, *first = CHECKS[stage]
        argv += ["--entrypoint", program, images.names[stage], *first, *arguments]
        start = time.monotonic()
        around = {**os.environ, **(env or {})}
        try:
            done = subprocess.run(
                ["docker", *argv], env=around, capture_output=True, text=True, timeout=60, check=False
            )
        except subprocess.TimeoutExpired:
            docker("rm", "--force", "--volumes", name)
            raise
        assert KEY not in done.stdout + done.stderr
        return Said(done.returncode, done.stdout, time.monotonic() - start)

    return act


Answer = Callable[[BaseHTTPRequestHandler], None]


@contextmanager
def api(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    """An API on loopback; its address, and the keys it was asked with."""
    keys: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            keys.append(self.headers.get("x-api-key", ""))
            answer(self)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", keys
    finally:
        server.shutdown()
        server.server_close()


def status(code: int) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        handler.send_header("content-length", "2")
        handler.end_headers()
        handler.wfile.write(b"{}")

    return answer


def test_it_is_well_without_a_key_and_asks_nobody(ask: Callable[..., Said]) -> None:
    with api(status(200)) as (address, keys):
        said = ask(env={"CLAUDE_BASE_URL": address})
    assert (said.code, said.out) == (0, "Health check passed - v2.0.0\n")
    assert keys == []


def test_it_is_well_when_the_api_answers_the_key(ask: Callable[..., Said]) -> None:
    with api(status(200)) as (address, keys):
        said = ask(env={"CLAUDE_BASE_URL": address, "CLAUDE_API_KEY": KEY})
    assert (said.code, said.out) == (0, "Health check passed - v2.0.0\n")
    assert keys == [KEY]


def test_it_is_well_on_the_other_platform_too(ask: Callable[..., Said]) -> None:
    # a loaded machine emulates no start of Node.js in three seconds
    said = ask(cli="console.log('v2.0.0');", env={"CLAUDE_FLOW_CHECK_MS": "45000"}, platform=FOREIGN)
    assert (said.code, said.out) == (0, "Health check passed - v2.0.0\n")


@pytest.mark.parametrize(
    ("code", "told"),
    [
        (401, "refused the key (HTTP 401)"),
        (403, "refused the key (HTTP 403)"),
        (500, "is failing (HTTP 500)"),
        (529, "is failing (HTTP 529)"),
    ],
)
def test_it_is_not_when_the_api_refuses_or_fails(code: int, told: str, ask: Callable[..., Said]) -> None:
    with api(status(code)) as (address, _):
        said = ask(env={"CLAUDE_BASE_URL": address, "CLAUDE_API_KEY": KEY})
    assert said.code == 1
    assert said.out == f"Claude API at {address.removeprefix('http://')} {told}\n"


def test_it_is_not_when_nobody_is_there(ask: Callable[..., Said]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"127.0.0.1:{server.getsockname()[1]}"  # nobody's, once it is closed
    said = ask(env={"CLAUDE_BASE_URL": f"http://{host}", "CLAUDE_API_KEY": KEY})
    assert (said.code, said.out) == (1, f"Failed to connect to Claude API at {host}: ECONNREFUSED\n")


def test_an_api_that_never_answers_is_not_waited_for(ask: Callable[..., Said]) -> None:
    with api(lambda _: time.sleep(30)) as (address, _):
        said = ask(env={"CLAUDE_BASE_URL": address, "CLAUDE_API_KEY": KEY})
    assert said.code == 1
    assert (
        said.out == f"Failed to connect to Claude API at {address.removeprefix('http://')}: no answer within 3000 ms\n"
    )
    assert said.seconds < LIMIT


@pytest.mark.parametrize(
    ("cli", "told"),
    [
        ("process.exit(3);", "Failed to get claude-flow version (exit code 3)\n"),
        ("process.kill(process.pid, 'SIGABRT');", "Failed to get claude-flow version (SIGABRT)\n"),
        (
            LEAVES,
            "",
        ),
        ("", "Failed to get claude-flow version (no version in its answer)\n"),
        ("console.log('hello');", "Failed to get claude-flow version (no version in its answer)\n"),
        ("setInterval(() => {}, 1000);", "claude-flow gave no version within 3000 ms\n"),
        (
            "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000);",
            "claude-flow gave no version within 3000 ms\n",
        ),
        ("if (process.env.CLAUDE_API_KEY) throw new Error('the key'); console.log('v2.0.0');", ""),
    ],
)
def test_a_tool_that_is_broken_or_hangs_is_told(cli: str, told: str, ask: Callable[..., Said]) -> None:
    with api(status(200)) as (address, _):
        said = ask(cli=cli, env={"CLAUDE_BASE_URL": address, "CLAUDE_API_KEY": KEY})
    assert (said.code, said.out) == ((1, told) if told else (0, "Health check passed - v2.0.0\n"))
    assert said.seconds < LIMIT


def test_a_tool_that_is_not_there_is_told(images: Images) -> None:
    # the other image's check stands beside the tool, and comes and goes with it
    program = CHECKS["runtime"][0]
    hidden = ("--env", "CLAUDE_FLOW_CLI=/none")
    done = docker("run", "--rm", *HARD, *hidden, "--entrypoint", program, images.names["runtime"])
    assert (done.returncode, done.stdout) == (1, "claude-flow CLI not found\n")


def test_the_basic_check_asks_no_api(images: Images) -> None:
    program = CHECKS["runtime"][0]
    env = ["--env", "CLAUDE_BASE_URL=http://127.0.0.1:9", "--env", f"CLAUDE_API_KEY={KEY}"]
    done = docker("run", "--rm", *HARD, *env, "--entrypoint", program, images.names["runtime"], "basic")
    assert (done.returncode, done.stdout) == (0, "Health check passed - v2.0.0\n")


@pytest.mark.parametrize("stage", CHECKS)
@pytest.mark.parametrize("cli", ["console.log('v2.0.0');", "setInterval(() => {}, 1000);"], ids=["good", "hangs"])
def test_nothing_of_it_stays_in_a_container_without_an_init(
    cli: str, stage: str, images: Images, tmp_path: Path
) -> None:
    file = tmp_path / "cli.js"
    file.write_text(cli, encoding="utf-8")
    file.chmod(0o644)
    sleeper = (
        "--entrypoint",
        "node" if stage == "runtime" else "/usr/bin/node",
        "--volume",
        f"{file}:/app/dist/cli.js:ro",
    )
    run = ("run", "--detach", "--no-healthcheck", *HARD, *sleeper, images.names[stage])
    started = docker(*run, "-e", "setInterval(() => {}, 1000)").stdout.strip()
    try:
        for _ in range(2):
            docker("exec", started, *CHECKS[stage])
        processes = docker("top", started, "-eo", "pid,stat,args").stdout.splitlines()[1:]
        assert len(processes) == 1, processes
    finally:
        docker("rm", "--force", "--volumes", started)


@pytest.mark.parametrize("stage", CHECKS)
def test_an_engine_takes_its_word(stage: str, images: Images, tmp_path: Path) -> None:
    """The image's own health check, asked by the engine: well at first, then not, when its API goes away."""
    often = ("--health-interval", "1s", "--health-retries", "1", "--health-start-period", "0s")
    with api(status(200)) as (address, _):
        env = ("--env", f"CLAUDE_BASE_URL={address}", "--env", f"CLAUDE_API_KEY={KEY}")
        started = docker(
            "run", "--detach", "--network", "host", *HARD, *often, *env, images.names[stage], "monitor", "--watch"
        ).stdout.strip()
        try:
            until(lambda: health(started)["Status"] == "healthy", 60, "it isn't healthy")
        except BaseException:
            docker("rm", "--force", "--volumes", started)
            raise
    try:
        until(lambda: health(started)["Status"] == "unhealthy", 60, "it isn't unhealthy")
        log = json.dumps(health(started))
        assert "Failed to connect to Claude API" in log
        assert KEY not in log
    finally:
        docker("rm", "--force", "--volumes", started)


def health(container: str) -> dict[str, str]:
    told: dict[str, str] = json.loads(docker("inspect", "--format", "{{json .State.Health}}", container).stdout)
    return told
