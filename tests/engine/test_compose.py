"""What is generated, used without us: a service that compose runs, and images that bake builds."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
from helpers.compose import MISSING, compose_command
from helpers.plans import HEAD, source
from helpers.registry import free_port

from buildspec.render.compose import render
from buildspec.spec.model import Runtime
from engine.archive import saved
from engine.conftest import CopyOf
from engine.project import NATIVE, Project, copy_of, docker

pytestmark = pytest.mark.engine
KEY = {"BEACON_KEY": "sk-1"}
SECONDS = 120
STOP_SECONDS = 10.0


@attrs.frozen
class Service:
    """A project whose generated file compose reads."""

    project: Project
    port: int

    def compose(self, *argv: str, env: Mapping[str, str] = KEY) -> subprocess.CompletedProcess[str]:
        around = {key: value for key, value in os.environ.items() if key not in KEY} | dict(env)
        return subprocess.run(
            [*compose_command(), *argv],
            cwd=self.project.root,
            env=around,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )

    def good(self, *argv: str) -> str:
        done = self.compose(*argv)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def inspected(self) -> Any:
        (found,) = json.loads(docker("inspect", self.good("ps", "--all", "--quiet").strip()).stdout)
        return found

    def python(self, code: str) -> str:
        """What Python says in the container."""
        return docker("exec", self.inspected()["Id"], "/usr/bin/python3", "-c", code).stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that hasn't been started."""
    if not compose_command():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)
    found = Service(copy_of("beacon", tmp_path_factory.mktemp("compose")), free_port())
    port = ("--set", f"port={found.port}")
    found.project.build("--platform", NATIVE, *port).good()
    found.project.run("generate", *port).good()
    yield found
    found.compose("down", "--volumes", "--timeout", "1")
    found.project.remove_images()


@pytest.fixture
def service(built: Service) -> Service:
    """One that is up and healthy."""
    built.good("up", "--detach", "--wait", "--wait-timeout", "60")
    return built


# --- what compose makes of the file ----------------------------------------------------------------------------


def test_the_file_is_one_of_the_published_schema(built: Service) -> None:
    """Compose holds it against the schema of the Compose Specification, which is part of it."""
    built.good("config", "--quiet")
    file = built.project.root / "compose.yaml"
    text = file.read_text(encoding="utf-8")
    try:
        file.write_text(text.replace("read_only: true", 'read_ony: "x"'), encoding="utf-8")
        done = built.compose("config", "--quiet")
        assert done.returncode != 0
        assert "read_ony" in done.stderr
    finally:
        file.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("verb", [("config", "--quiet"), ("up", "--detach")])
@pytest.mark.parametrize("env", [{}, {"BEACON_KEY": ""}])
def test_without_a_required_variable_it_says_so_and_ends(
    verb: tuple[str, ...], env: dict[str, str], built: Service
) -> None:
    done = built.compose(*verb, env=env)
    assert done.returncode != 0
    assert "set BEACON_KEY" in done.stderr


HOSTILE = [
    "$x ${y} $$",
    "yes",
    "1e3",
    "0o17",
    "12e0345",
    "null",
    "~",
    'a"b\\',
    "a: b # c",
    "\ttab",
    "é \U0001f600 \x85",
]


def test_values_reach_a_container_as_they_are(tmp_path: Path) -> None:
    if not compose_command():
        (pytest.fail if os.environ.get("CI") else pytest.skip)(MISSING)
    spec = source(f"{HEAD}[stages.app]\nfrom = 'bare'\n").spec
    env = {f"V{number}": value for number, value in enumerate(HOSTILE)}
    runtime = Runtime(env=env, volumes=("/on", "/a b"), command=tuple(HOSTILE))
    (tmp_path / "compose.yaml").write_text(render(attrs.evolve(spec, runtime=runtime)), encoding="utf-8")
    argv = [*compose_command(), "config", "--format", "json"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=True)
    told = json.loads(done.stdout.replace("$$", "$"))["services"]["web"]
    assert told["environment"] == env
    assert told["command"] == HOSTILE
    assert [one["target"] for one in told["volumes"]] == ["/on", "/a b"]


# --- what runs -------------------------------------------------------------------------------------------------


def test_it_is_healthy_and_answers_this_machine_alone(service: Service) -> None:
    assert service.inspected()["State"]["Health"]["Status"] == "healthy"
    with socket.create_connection(("127.0.0.1", service.port), timeout=5) as link:
        assert link.recv(100).decode() == 'costs $5, $$5 and ${HOME}: "no"'
    bound = [one for all_of in service.inspected()["NetworkSettings"]["Ports"].values() for one in all_of]
    assert {one["HostIp"] for one in bound} == {"127.0.0.1"}


def test_every_rule_for_running_containers_is_kept(service: Service) -> None:
    """CIS Docker Benchmark, section 5; the numbers are its."""
    found = service.inspected()
    host, config = found["HostConfig"], found["Config"]
    assert host["ReadonlyRootfs"] is True  # 5.13
    assert (host["CapDrop"], host["CapAdd"]) == (["ALL"], None)  # 5.4
    assert host["SecurityOpt"] == ["no-new-privileges:true"]  # 5.26; 5.2 and 5.22: nothing is unconfined
    assert host["Privileged"] is False  # 5.5
    assert host["PidMode"] == host["UTSMode"] == host["UsernsMode"] == ""  # 5.16, 5.21, 5.31
    assert host["IpcMode"] == "private"  # 5.17
    assert host["NetworkMode"] != "host"  # 5.10
    assert host["Devices"] in (None, [])  # 5.18
    assert {one["Type"] for one in found["Mounts"]} == {"volume"}  # 5.6, 5.32: neither folders nor the engine's socket
    assert host["PidsLimit"] == 32  # 5.29
    assert host["Memory"] == host["MemorySwap"] == 64 << 20  # 5.11
    assert host["NanoCpus"] == 500_000_000  # 5.12
    ports = [int(port.partition("/")[0]) for port in host["PortBindings"]]
    assert all(port >= 1024 for port in ports)  # 5.8, 5.14
    assert host["RestartPolicy"] == {"Name": "on-failure", "MaximumRetryCount": 5}  # 5.15
    assert config["Healthcheck"]["Test"] == ["CMD", "/usr/bin/python3", "/app/beacon.py", "check"]  # 5.27
    assert host["Tmpfs"] == {
        "/tmp": "rw,noexec,nosuid,nodev,size=64m",
        "/var/tmp": "rw,noexec,nosuid,nodev,size=1m",
    }
    assert config["User"] == "1001:1001"
    assert host["Init"] is True


WRITES = """
import os
for path in ("/x", "/app/x", "/etc/x", "/var/x", "/app/beacon.py", "/tmp/x", "/var/tmp/x", "/data/x"):
    try:
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT))
        print(path)
    except OSError:
        pass
"""
RUNS = """
import os
os.close(os.open("/tmp/run", os.O_WRONLY | os.O_CREAT, 0o755))
try:
    os.execv("/tmp/run", ["run"])
except PermissionError:
    print("refused")
"""
KNOWN = """
for line in open("/proc/1/status"):
    if line.startswith(("CapEff", "CapBnd", "NoNewPrivs", "Uid")):
        print(*line.split())
"""


def test_it_writes_only_where_it_may(service: Service) -> None:
    assert service.python(WRITES).split() == ["/tmp/x", "/var/tmp/x", "/data/x"]
    assert service.python(RUNS).strip() == "refused"


def test_the_kernel_says_the_same(service: Service) -> None:
    assert service.python(KNOWN).splitlines() == [
        "Uid: 1001 1001 1001 1001",
        "CapEff: 0000000000000000",
        "CapBnd: 0000000000000000",
        "NoNewPrivs: 1",
    ]


def test_volumes_outlive_the_container(service: Service) -> None:
    service.python("open('/data/kept', 'w').write('1')")
    service.good("down", "--timeout", "1")
    service.good("up", "--detach", "--wait", "--wait-timeout", "60")
    assert service.python("print(open('/data/kept').read())").strip() == "1"


def test_it_ends_when_it_is_asked_to_with_its_code(service: Service) -> None:
    start = time.monotonic()
    service.good("stop")
    assert time.monotonic() - start < STOP_SECONDS
    state = service.inspected()["State"]
    assert (state["Status"], state["ExitCode"], state["OOMKilled"]) == ("exited", 7, False)


def test_the_image_can_be_named_by_its_digest(built: Service) -> None:
    digest = docker("image", "inspect", "--format", "{{.Id}}", built.project.name).stdout.strip()
    file = built.project.root / "compose.yaml"
    text = file.read_text(encoding="utf-8")
    try:
        pinned = re.sub(r'image: ".*"', f'image: "{built.project.name}@{digest}"', text)
        file.write_text(pinned, encoding="utf-8")
        built.good("up", "--detach", "--wait", "--wait-timeout", "60", "--pull", "never")
        assert built.inspected()["Image"] == digest
    finally:
        file.write_text(text, encoding="utf-8")


# --- what bake builds ------------------------------------------------------------------------------------------


def bake(project: Project, *argv: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["docker", "buildx", "bake", "--file", "docker-bake.json", *argv],
        cwd=project.root,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_the_generated_files_build_the_same_images_without_us(copied: CopyOf) -> None:
    project = copied("hello")
    ours = project.build().good()
    (tag,) = (image["tag"] for image in ours.result["images"])
    project.run("generate").good()
    docker("image", "rm", tag)
    shutil.rmtree(project.root / "build" / "gates")
    done = bake(project)
    assert done.returncode == 0, done.stderr
    assert {f"{tag} {target}": digest for target, digest in saved(tag).manifests().items()} == ours.digests()
    reports = {path.read_text(encoding="utf-8") for path in (project.root / "build" / "gates").rglob("gate")}
    assert reports == {"audit\n", "test\n"}
    labels = "{{json .Config.Labels}}"
    assert "revision" not in docker("image", "inspect", "--format", labels, tag).stdout
    assert bake(project, REVISION="abc123").returncode == 0
    told = json.loads(docker("image", "inspect", "--format", labels, tag).stdout)
    assert told["org.opencontainers.image.revision"] == "abc123"


def test_a_gate_that_fails_without_us_fails_the_build(copied: CopyOf) -> None:
    project = copied("hello")
    project.build().good()
    project.run("generate").good()
    assert bake(project).returncode == 0
    project.edit("app/greeting.txt", "hello", "goodbye")
    done = bake(project)
    assert done.returncode != 0
    assert "test" in done.stderr.rpartition("ERROR")[2]


SENT = """\
spec = 1
image = {{ name = "sent", platforms = ["{platform}"], deliver = {{ app = "" }} }}
context = {{ path = "{context}", ignore = ["*.log", "!keep.log", "secret"] }}
waivers = [{{ rule = "no-health-check", reason = "files" }}, {{ rule = "root-user", reason = "files" }}]

[stages.app]
from = "scratch"
copy = [{{ path = ".", to = "/" }}]
user = "1001:1001"
"""


@pytest.mark.parametrize("context", [".", "src"])
@pytest.mark.parametrize("tool", ["bake", "build"])
def test_ignored_files_are_not_sent(context: str, tool: str, tmp_path: Path) -> None:
    folder = tmp_path / context
    (folder / "secret").mkdir(parents=True)
    for name in ("kept.txt", "a.log", "keep.log", "secret/key"):
        (folder / name).write_text("x", encoding="utf-8")
    project = Project(tmp_path, "sent")
    project.write("buildspec.toml", SENT.format(platform=NATIVE, context=context))
    project.run("generate").good()
    out = ["--set", "*.output=type=local,dest=out"] if tool == "bake" else ["--output", "type=local,dest=out"]
    argv = ["bake", "--file", "docker-bake.json"] if tool == "bake" else ["build", "--file", "Dockerfile", context]
    argv = ["docker", "buildx", *argv, *out]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    sent = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*") if path.is_file()}
    own = {"buildspec.toml"} if context == "." else set()
    assert sent == {"kept.txt", "keep.log", *own}
