"""`test` and `audit` as users run them, on images that were built for it, with a real engine."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest
from audit_cases import elf

from engine.conftest import CopyOf
from engine.project import NATIVE, PLATFORMS, Outcome, Project, docker, until

pytestmark = pytest.mark.engine

CONFINED = """
[runtime]
env = { FROM_RUNTIME = "yes" }
volumes = ["/data", "/var/lib/hello/store", "/srv"]
memory = "64m"
cpus = 0.5
tmpfs = ["/scratch"]
"""
PASSING = r"""
[tests.says-it]
stdout = { equals = "HELLO" }
stderr = { equals = "" }

[tests.reads-its-input]
entrypoint = ["cat"]
run = ["-"]
stdin = "given\n"
stdout = { equals = "given" }

[tests.has-its-environment]
entrypoint = ["sh", "-c"]
run = ['echo "$FROM_RUNTIME $OWN" >&2; exit 3']
env = { OWN = "a b" }
stderr = { matches = "^yes a b$" }
exit = 3

[tests.reads-a-mounted-file]
entrypoint = ["cat", "/in/greeting"]
mount = { "/in/greeting" = "app/greeting.txt" }
stdout = "hello"

[tests.may-write-only-where-it-may]
entrypoint = ["sh", "-c"]
run = ["for f in /x /etc/x /loud.txt /in; do if echo 1 2>/dev/null > $f; then echo $f; fi; done; echo 1 > /scratch/x"]
stdout = { equals = "" }

[tests.may-write-its-volumes]
entrypoint = ["sh", "-c"]
run = ["for f in /data /var/lib/hello/store /srv; do echo 1 > $f/x; done"]
stderr = { equals = "" }
files."/data" = { owner = "1001:1001", mode = "0755" }
files."/srv/x" = { owner = "1001:1001", content = "1" }
files."/var/lib" = { owner = "0:0" }

[tests.has-no-rights]
entrypoint = ["sh", "-c"]
run = ["cat /proc/self/status"]
stdout = { contains = ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000", "NoNewPrivs:\t1", "Uid:\t1001"] }

[tests.has-limits]
entrypoint = ["sh", "-c"]
run = ["cd /sys/fs/cgroup && cat memory.max pids.max || cat memory/memory.limit_in_bytes pids/pids.max"]
stdout = { equals = "67108864\n256" }

[tests.has-its-files]
files."/loud.txt" = { owner = "0:0", mode = "0644", content = { equals = "HELLO" } }
files."/etc" = true
files."/no" = false
files."/loud.txt/no" = false

[tests.ends-when-asked]
entrypoint = ["sh", "-c"]
run = ["trap 'echo bye; exit 4' TERM; echo ready; while :; do sleep 0.1; done"]
stop = { after = "ready", within = "10s" }
stdout = "bye"
exit = 4
"""


def run_with(project: Project, tests: str, *arguments: str) -> Outcome:
    file = project.root / "buildspec.toml"
    text = file.read_text(encoding="utf-8")
    file.write_text(f"{text}\n{tests}", encoding="utf-8")
    return project.run("test", *arguments)


def containers() -> set[str]:
    return set(docker("ps", "--all", "--quiet", "--filter", "label=buildspec.test").stdout.split())


@pytest.fixture(autouse=True)
def _nothing_left() -> Iterator[None]:
    before = containers()
    yield
    assert containers() <= before, "a container is left"


def test_whatever_a_test_may_ask_for_is_held_against_each_platform(copied: CopyOf) -> None:
    project = copied("hello")
    outcome = run_with(project, CONFINED + PASSING).good()
    found = outcome.result["tests"]["results"]
    assert len(found) == 10 * len(PLATFORMS)
    assert all(one["passed"] for one in found)
    assert {one["digest"] for one in found} == {one["digest"] for one in outcome.result["verdicts"]}
    assert {one["tested"] for one in outcome.result["verdicts"]} == {"passed"}
    suites = Xml.parse(project.root / "build/tests.xml").getroot()  # noqa: S314 - our own
    assert [suite.get("failures") for suite in suites] == ["0"] * len(PLATFORMS)
    # the same images again: what is known of them stays
    again = project.build().good()
    assert {one["tested"] for one in again.result["verdicts"]} == {"passed"}
    # other tests: what is known says nothing of them
    project.edit("buildspec.toml", 'env = { OWN = "a b" }', 'env = { OWN = "a c" }')
    assert {one["tested"] for one in project.build().good().result["verdicts"]} == {"not yet"}


FAILING = r"""
[tests.says-another-thing]
stdout = { equals = "HELLO\nWORLD" }

[tests.ends-with-another-code]
entrypoint = ["sh", "-c"]
run = ["exit 7"]

[tests.hangs]
entrypoint = ["sleep", "1000"]
timeout = "2s"

[tests.ignores-its-signal]
entrypoint = ["sh", "-c"]
run = ["trap '' TERM; echo ready; while :; do sleep 0.1; done"]
stop = { after = "ready", within = "1s" }

[tests.has-no-such-program]
entrypoint = ["/no/such/program"]

[tests.needs-more-memory]
entrypoint = ["sh", "-c"]
run = ["x=x; while :; do x=$x$x; done"]

[tests.is-never-healthy]
entrypoint = ["sleep", "1000"]
healthy = "20s"

[tests.has-other-files]
files = { "/loud.txt" = { owner = "1:1", mode = "0600", content = "BYE" }, "/no" = true, "/etc/passwd" = false }

[tests.has-no-network]
entrypoint = ["cat", "/proc/net/dev"]
stdout = "eth0"
"""
TOLD = {
    "says-another-thing": ["standard output is another text:", "-WORLD"],
    "ends-with-another-code": ["ended with code 7, not 0"],
    "hangs": ["did not end within 2s"],
    "ignores-its-signal": ["did not end within 1s of SIGTERM, and was killed"],
    "has-no-such-program": ["the engine could not start it", "/no/such/program"],
    "needs-more-memory": ["was killed: it needs more memory than 64m"],
    "is-never-healthy": ["has no health check, so nothing says whether it is healthy"],
    "has-other-files": [
        "/loud.txt belongs to 0:0, not to 1:1",
        "/loud.txt has mode 0644, not 0600",
        "/loud.txt doesn't contain 'BYE'",
        "/no isn't there",
        "/etc/passwd is there",
    ],
    "has-no-network": ["standard output doesn't contain 'eth0'"],
}


def test_what_is_wrong_is_told_and_nothing_is_left_running(copied: CopyOf) -> None:
    project = copied("hello")
    start = time.monotonic()
    outcome = run_with(project, CONFINED + FAILING, "--platform", NATIVE)
    assert outcome.code == 1
    assert "9 of 9 tests failed" in outcome.err
    problems = {one["name"]: "\n".join(one["problems"]) for one in outcome.result["tests"]["results"]}
    for name, told in TOLD.items():
        for one in told:
            assert one in problems[name], problems[name]
            assert one in outcome.out
    assert {one["tested"] for one in outcome.result["verdicts"]} == {"failed"}
    assert time.monotonic() - start < 120


def test_a_container_becomes_healthy(copied: CopyOf) -> None:
    project = copied("hello")
    check = 'healthcheck = { test = ["cat", "/scratch/up"], interval = "1s", timeout = "500ms", retries = 1 }'
    project.edit("buildspec.toml", 'entrypoint = ["cat"]', f'entrypoint = ["cat"]\n{check}')
    project.edit("buildspec.toml", '[[waivers]]\nrule = "no-health-check"\nreason = "it ends with what it says"\n', "")
    tests = r"""
[tests.gets-well]
entrypoint = ["sh", "-c"]
run = ["echo up > /scratch/up; trap 'exit 0' TERM; while :; do sleep 0.1; done"]
healthy = "20s"
stop = {}

[tests.never-does]
entrypoint = ["sleep", "1000"]
healthy = "20s"
"""
    outcome = run_with(project, CONFINED + tests, "--platform", NATIVE)
    assert "tests" in outcome.result, outcome.told
    well, never = outcome.result["tests"]["results"]
    assert well["problems"] == []
    (told,) = never["problems"]
    assert told.startswith("was not healthy within 20s, but unhealthy; the last check said: cat: /scratch/up: No such")


def test_without_tests_none_ran_and_that_is_a_failure(copied: CopyOf) -> None:
    outcome = copied("hello").run("test", "--platform", NATIVE)
    assert outcome.code == 1
    assert "error: no test ran" in outcome.err


def test_a_failing_gate_comes_before_all_tests(copied: CopyOf) -> None:
    project = copied("hello")
    project.edit("buildspec.toml", "= HELLO ]", "= BYE ]")
    outcome = run_with(project, "[tests.runs]\n", "--platform", NATIVE)
    assert outcome.code == 1
    assert "test gate 'test' failed" in outcome.err
    assert "runs of production" not in outcome.out


LONG = '[tests.takes-long]\nentrypoint = ["sleep", "1000"]\ntimeout = "5m"\n'


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_test_ends_soon_and_removes_its_container(copied: CopyOf, number: signal.Signals) -> None:
    project = copied("hello")
    file = project.root / "buildspec.toml"
    file.write_text(file.read_text(encoding="utf-8") + LONG, encoding="utf-8")
    project.build("--platform", NATIVE).good()
    before = containers()
    child = project.start("test", "--platform", NATIVE)
    until(lambda: containers() - before, 60, "no container is made")
    start = time.monotonic()
    os.kill(child.pid, number)
    outcome = project.finish(child, 30)
    assert outcome.code == 130
    assert time.monotonic() - start < 15
    assert "Traceback" not in outcome.told


def test_a_killed_tests_container_is_removed_by_the_next_run(copied: CopyOf) -> None:
    project = copied("hello")
    file = project.root / "buildspec.toml"
    file.write_text(file.read_text(encoding="utf-8") + LONG, encoding="utf-8")
    project.build("--platform", NATIVE).good()
    before = containers()
    child = project.start("test", "--platform", NATIVE)
    until(lambda: containers() - before, 60, "no container is made")
    child.kill()
    project.finish(child, 30)
    assert containers() - before
    project.edit("buildspec.toml", LONG, '[tests.says-it]\nstdout = "HELLO"\n')
    project.run("test", "--platform", NATIVE).good()
    assert containers() <= before


def test_an_engine_that_goes_away_in_the_middle_is_told(copied: CopyOf, tmp_path: Path) -> None:
    """A socket of ours stands before the engine's, and is shut while a test runs."""
    project = copied("hello")
    file = project.root / "buildspec.toml"
    file.write_text(file.read_text(encoding="utf-8") + LONG, encoding="utf-8")
    project.build("--platform", NATIVE).good()
    before = containers()
    with Relay(tmp_path / "engine.sock") as relay:
        child = project.start("test", "--platform", NATIVE, env={"DOCKER_HOST": f"unix://{relay.path}"})
        until(lambda: containers() - before, 60, "no container is made")
        made = containers() - before
        relay.shut()
        outcome = project.finish(child, 60)
    docker("rm", "--force", *made)
    assert outcome.code == 3, outcome.told
    assert "Traceback" not in outcome.told
    assert "scripts/engine" in outcome.err


class Relay:
    """A socket that hands everything on to the engine's, until it is shut."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._server = socket.socket(socket.AF_UNIX)
        self._open: list[socket.socket] = []

    def __enter__(self) -> Relay:
        import threading

        self._server.bind(str(self.path))
        self._server.listen()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def _accept(self) -> None:
        import threading

        while True:
            try:
                here, _ = self._server.accept()
            except OSError:
                return
            there = socket.socket(socket.AF_UNIX)
            there.connect("/var/run/docker.sock")
            self._open += [here, there]
            for one, other in ((here, there), (there, here)):
                threading.Thread(target=self._pass_on, args=(one, other), daemon=True).start()

    @staticmethod
    def _pass_on(one: socket.socket, other: socket.socket) -> None:
        try:
            while data := one.recv(1 << 16):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def shut(self) -> None:
        """Go away as an engine does that is stopped."""
        self.path.unlink()
        self._server.close()
        for one in self._open:
            try:
                one.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue

    def __exit__(self, *_: object) -> None:
        self._server.close()
        for one in self._open:
            one.close()


# --- other people's images, and the audit as a verb ------------------------------------------------------------


def test_an_image_that_was_not_built_here_is_tested_and_audited(copied: CopyOf, tmp_path: Path) -> None:
    project = copied("hello")
    project.build().good()
    other = f"{project.name}:other"
    docker("tag", f"{project.name}:latest", other)
    outcome = run_with(project, '[tests.says-it]\nimage = "production"\nstdout = "HELLO"\n', "--image", other)
    outcome.good()
    assert outcome.out.count("passed  says-it of") == len(PLATFORMS)
    audited = project.run("audit", "--image", other, "--format", "json")
    assert audited.code == 1
    found = json.loads(audited.out)["results"]
    assert {one["platform"] for one in found} == set(PLATFORMS)
    assert {"health-check-missing", "needless-program"} <= {each["rule"] for one in found for each in one["findings"]}
    archive = tmp_path / "image.tar"
    docker("save", "--output", str(archive), other)
    elsewhere = Project(tmp_path, "elsewhere")
    from_file = elsewhere.run("audit", "--archive", str(archive), "--format", "json")
    assert [one["findings"] for one in json.loads(from_file.out)["results"]] == [one["findings"] for one in found]


def test_the_audit_of_a_project_knows_its_purpose_its_waivers_and_where_files_come_from(copied: CopyOf) -> None:
    project = copied("hello")
    project.edit("buildspec.toml", 'to = "/loud.txt" }]', 'to = "/loud.txt", mode = "0666" }]')
    outcome = project.run("audit", "--platform", NATIVE)
    assert outcome.code == 1
    assert "error[world-writable]: /loud.txt: has mode 0666" in outcome.out
    assert "from stage 'greeting', put there by stages.production.copy (buildspec.toml:" in outcome.out
    assert "needless-program" not in outcome.out, "its base has a shell on purpose"
    (verdict,) = outcome.result["verdicts"]
    assert (verdict["audited"], verdict["tested"]) == ("failed", "not yet")
    sarif = json.loads((project.root / "build/audit.sarif").read_text(encoding="utf-8"))
    assert "world-writable" in {one["ruleId"] for one in sarif["runs"][0]["results"]}
    waiver = '[[waivers]]\nrule = "{}"\nat = "{}"\nreason = "known"\n'
    project.write(
        "buildspec.toml",
        (project.root / "buildspec.toml").read_text(encoding="utf-8")
        + waiver.format("world-writable", "production:/loud.txt")
        + waiver.format("writable-application", "/loud.txt")
        + waiver.format("health-check-missing", "")
        + waiver.format("setuid-file", "/no/such"),
    )
    waived = project.run("audit", "--platform", NATIVE).good()
    assert waived.result["verdicts"][0]["audited"] == "passed"
    assert "'setuid-file' finds nothing at /no/such; remove the waiver" in waived.err
    page = (project.root / "build/summary.md").read_text(encoding="utf-8")
    assert f"| production | {NATIVE} |" in page


def test_a_native_module_for_another_machine_or_c_library_fails_with_its_path_and_stage(copied: CopyOf) -> None:
    project = copied("hello")
    (project.root / "app/native.node").write_bytes(elf("amd64"))
    (project.root / "app/musl.node").write_bytes(elf("amd64", needed=["libc.musl-x86_64.so.1"]))
    project.edit("buildspec.toml", 'copy = ["greeting.txt"]', 'copy = ["greeting.txt", "*.node"]')
    copies = ", ".join(
        f'{{ from = "greeting", path = "{one}.node", to = "/app/{one}.node" }}' for one in ("native", "musl")
    )
    project.edit("buildspec.toml", 'to = "/loud.txt" }]', f'to = "/loud.txt" }}, {copies}]')
    outcome = project.run("audit")
    assert outcome.code == 1
    found = {
        (one["platform"], each["rule"], each["path"], each["stage"])
        for one in outcome.result["audit"]["results"]
        for each in one["findings"]
    }
    assert ("linux/arm64", "foreign-machine", "/app/native.node", "greeting") in found
    assert ("linux/arm64", "foreign-machine", "/app/musl.node", "greeting") in found
    assert ("linux/amd64", "foreign-libc", "/app/musl.node", "greeting") in found
    assert not any(path == "/app/native.node" for target, _, path, _ in found if target == "linux/amd64")


def test_a_stage_that_is_not_delivered_has_its_budget_too_and_the_blame_is_laid(copied: CopyOf) -> None:
    project = copied("hello")
    project.edit("buildspec.toml", 'args = { WHOM = "world" }', 'args = { WHOM = "world" }\nbudget = "3MB"')
    outcome = project.build("--platform", NATIVE)
    assert outcome.code == 1
    assert f"greeting for {NATIVE}: " in outcome.err
    assert "largest layers of greeting" in outcome.err
    assert "Debian trixie, assembled from packages" in outcome.err
    assert "libc.so.6" in outcome.err or "/usr/lib" in outcome.err
    project.edit("buildspec.toml", 'budget = "3MB"', 'budget = "300MB"')
    kept = project.build("--platform", NATIVE).good()
    stages = {one["stage"] for one in kept.result["budgets"]}
    assert stages == {"greeting", "production"}
    assert kept.result["budgets"][0]["change"] is None
    again = project.build("--platform", NATIVE).good()
    assert {one["change"] for one in again.result["budgets"]} == {0}


def test_a_budget_follows_what_is_added(copied: CopyOf) -> None:
    project = copied("hello")
    project.build("--platform", NATIVE).good()
    project.write(
        "stages/greeting.Dockerfile",
        "RUN tr a-z A-Z < greeting.txt > loud.txt && head -c 500000 /dev/zero >> loud.txt\n",
    )
    project.edit("buildspec.toml", '[ "$(cat loud.txt)" = HELLO ]', "true")
    outcome = project.build("--platform", NATIVE).good()
    assert "+0.5 MB" in outcome.out
