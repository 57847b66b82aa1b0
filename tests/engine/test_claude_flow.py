"""The main job: this repository's own image, built from Debian packages for two platforms, and what it does."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import attrs
import pytest

from engine.archive import saved
from engine.project import FOREIGN, NATIVE, PLATFORMS, Outcome, Project, docker, image_id, until

pytestmark = pytest.mark.engine

CHECKOUT = Path(__file__).parents[2]
LATEST = "claude-flow:latest"
TAGS = (LATEST, "claude-flow:debian")
PROFILE = ("--profile", "debian")
SECONDS = 900
"""Longest wait for a build: the first one installs 235 packages from the npm registry."""
HARD = ("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--tmpfs", "/tmp")
KEY = ("--env", "CLAUDE_API_KEY=none")
REFUSED = "Error: CLAUDE_API_KEY environment variable is required\n"
ENVIRONMENT = {
    "CLAUDE_BASE_URL": "https://api.anthropic.com",
    "NODE_ENV": "production",
    "LOG_LEVEL": "info",
    "TIMEOUT_MS": "300000",
    "WORKDIR": "/workspace",
    "OUTPUT_DIR": "/output",
    "CACHE_DIR": "/cache",
}
VOLUMES = ("/workspace", "/output", "/cache", "/config")
NOISE = 0.3
"""Seconds by which two runs of the same command differ on a small machine that does other things, too."""


def copied(source: Path, folder: Path) -> Project:
    """What the image is made of, without what earlier builds have left."""
    left = shutil.ignore_patterns("node_modules", "build", "dist", "coverage", "*.log")
    shutil.copytree(source / "app", folder / "app", ignore=left)
    shutil.copytree(source / "stages", folder / "stages")
    shutil.copytree(source / "scripts", folder / "scripts")
    shutil.copy(source / "buildspec.toml", folder)
    return Project(folder, "claude-flow")


@attrs.frozen
class Built:
    """The image, built and built again."""

    project: Project
    first: Outcome
    second: Outcome


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    """The image under the names users know it by; tags that were there before are put back at the end."""
    before = {tag: image_id(tag) for tag in TAGS}
    project = copied(CHECKOUT, tmp_path_factory.mktemp("claude-flow"))
    first = project.build(*PROFILE, timeout=SECONDS).good()
    second = project.build(*PROFILE).good()
    yield Built(project, first, second)
    for image in second.result["images"]:
        if before[image["tag"]]:
            docker("tag", before[image["tag"]], image["tag"])
        if image["digest"] not in before.values():
            docker("image", "rm", "--force", image["digest"])


@pytest.fixture
def other(built: Built, tmp_path: Path) -> Iterator[Project]:
    """A copy of what was built, for changes; its images have a name of their own."""
    project = copied(built.project.root, tmp_path)
    name = f"claude-flow-{os.urandom(5).hex()}"
    project.edit("buildspec.toml", 'name = "claude-flow"\ntitle = "claude-flow"', f'name = "{name}"\ntitle = "{name}"')
    renamed = Project(project.root, name)
    yield renamed
    renamed.remove_images()


# --- what was built ------------------------------------------------------------------------------------------


def test_both_images_are_there_for_both_platforms(built: Built) -> None:
    images = {image["tag"]: image for image in built.first.result["images"]}
    assert images.keys() == set(TAGS)
    for tag, image in images.items():
        assert image["digest"] == image_id(tag)
        archive = saved(tag)
        assert {target: one["digest"] for target, one in image["platforms"].items()} == archive.manifests()
        for target, manifest in archive.manifests().items():
            told = image["platforms"][target]
            assert (told["compressed"], told["unpacked"]) == (archive.compressed(manifest), archive.unpacked(manifest))


def test_the_test_gate_passed_and_the_audit_said_what_it_knows(built: Built) -> None:
    gates = {gate["stage"]: gate["outcome"] for gate in built.first.result["gates"]}
    assert gates["test"] == "passed"
    assert gates["audit"] in ("passed", "unavailable")
    warned = "WARNING: audit gate 'audit' could not ask its service: nothing is known" in built.first.out
    assert warned == (gates["audit"] == "unavailable")


def test_no_command_was_emulated(built: Built) -> None:
    for outcome in (built.first, built.second):
        assert [step for step in outcome.result["steps"] if step["emulated"]] == []
        assert {step["platform"] for step in outcome.result["steps"] if step["command"]} == {NATIVE}


def test_every_program_in_it_is_the_targets_own(built: Built) -> None:
    machines = {"linux/amd64": 0x3E, "linux/arm64": 0xB7}  # e_machine of an ELF file
    for tag in TAGS:
        archive = saved(tag)
        for target, manifest in archive.manifests().items():
            programs = {path: one.data for path, one in archive.files(manifest).items() if one.data[:4] == b"\x7fELF"}
            wrong = [p for p, data in programs.items() if int.from_bytes(data[18:20], "little") != machines[target]]
            assert wrong == []
            assert "usr/bin/node" in programs


def test_no_key_of_the_runtime_is_in_the_image(built: Built) -> None:
    archive = saved(LATEST)
    for manifest in archive.manifests().values():
        config = archive.config(manifest)["config"]
        assert config["User"] == "1001:1001"
        given = dict(entry.split("=", 1) for entry in config["Env"])
        assert "CLAUDE_API_KEY" not in given
        assert given["REQUIRED_ENV"] == "CLAUDE_API_KEY"


def test_both_have_the_variables_of_the_design_and_folders_that_belong_to_their_user(built: Built) -> None:
    for tag in TAGS:
        archive = saved(tag)
        for manifest in archive.manifests().values():
            config = archive.config(manifest)["config"]
            given = dict(entry.split("=", 1) for entry in config["Env"])
            assert {name: given.get(name) for name in ENVIRONMENT} == ENVIRONMENT
            assert config["Volumes"].keys() == set(VOLUMES)
            files = archive.files(manifest)
            for folder in VOLUMES:
                info = files[folder.strip("/")].info
                assert (info.isdir(), info.uid, info.gid, info.mode) == (True, 1001, 1001, 0o755)
            assert files["app"].info.uid == 0


# --- what it does --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", PLATFORMS)
def test_it_prints_its_version(built: Built, target: str) -> None:
    done = docker("run", "--rm", "--platform", target, LATEST, "--version")
    assert (done.returncode, done.stdout.splitlines()[:1]) == (0, ["v2.0.0"]), done.stderr


def test_it_helps_without_rights_and_with_nothing_to_write_to(built: Built) -> None:
    done = docker("run", "--rm", *HARD, LATEST, "--help")
    assert done.returncode == 0, done.stderr
    assert "claude-flow" in done.stdout.lower()


def test_without_arguments_it_helps(built: Built) -> None:
    assert docker("run", "--rm", LATEST).stdout == docker("run", "--rm", LATEST, "--help").stdout != ""


def test_there_is_a_shell_in_the_one_image_and_none_in_the_other(built: Built) -> None:
    done = docker("run", "--rm", "--entrypoint", "sh", LATEST)
    assert done.returncode == 127
    assert "not found" in done.stderr
    done = docker("run", "--rm", "--entrypoint", "sh", "claude-flow:debian", "-c", "id -u; id -un; id -g")
    assert done.stdout.split() == ["1001", "claudeflow", "1001"]


def test_it_sets_up_an_empty_folder_as_user_1001(built: Built, tmp_path: Path) -> None:
    folder = tmp_path / "work"
    folder.mkdir()
    folder.chmod(0o777)  # umask
    done = docker("run", "--rm", *HARD, *KEY, "--volume", f"{folder}:/workspace", LATEST, "init")
    assert done.returncode == 0, done.stderr
    made = {path.name: path.stat() for path in folder.iterdir()}
    assert "CLAUDE.md" in made
    assert {(stat.st_uid, stat.st_gid) for stat in made.values()} == {(1001, 1001)}


def test_a_command_it_does_not_know_is_an_error(built: Built) -> None:
    done = docker("run", "--rm", *KEY, LATEST, "no-such-command")
    assert (done.returncode, "Unknown command: no-such-command" in done.stderr) == (1, True)


@pytest.mark.parametrize("tag", TAGS)
def test_asked_to_end_it_ends_with_143(tag: str, built: Built) -> None:
    started = docker("run", "--detach", *HARD, *KEY, tag, "monitor", "--watch").stdout.strip()
    try:
        until(lambda: docker("logs", started).stdout, 60, "it doesn't begin to monitor")
        # the entrypoint has become the tool, which is alone
        (process,) = docker("top", started, "-eo", "pid,args").stdout.splitlines()[1:]
        assert "node /app/dist/" in process
        asked = time.monotonic()
        docker("stop", "--timeout", "30", started)
        assert time.monotonic() - asked < 15
        assert docker("inspect", "--format", "{{.State.ExitCode}}", started).stdout.strip() == "143"
    finally:
        docker("rm", "--force", "--volumes", started)


@pytest.mark.parametrize("tag", TAGS)
def test_its_health_check_is_a_program_that_finds_it_well(built: Built, tag: str) -> None:
    told = docker("image", "inspect", "--format", "{{json .Config.Healthcheck}}", tag).stdout
    kind, program, *arguments = json.loads(told)["Test"]
    assert kind == "CMD"
    done = docker("run", "--rm", "--entrypoint", program, tag, *arguments)
    assert done.returncode == 0, done.stdout + done.stderr


# --- how it starts, and where it may write ---------------------------------------------------------------------


@pytest.mark.parametrize("user", ["1001:1001", "12345", "12345:0"])
@pytest.mark.parametrize("tag", TAGS)
def test_without_its_key_it_refuses_but_says_what_it_is(tag: str, user: str, built: Built) -> None:
    run = ("run", "--rm", "--user", user, *HARD, tag)
    for refused in (("status",), ("init", "--help"), ("",)):
        done = docker(*run, *refused)
        assert (done.returncode, done.stdout, done.stderr) == (1, "", REFUSED), refused
    for exempt in ((), ("--help",), ("--version",), ("version",)):
        done = docker(*run, *exempt)
        assert (done.returncode, done.stderr) == (0, ""), exempt
        assert re.search("usage|v2[.]0[.]0", done.stdout, re.IGNORECASE)


@pytest.mark.parametrize("tag", TAGS)
def test_any_other_user_can_run_it_and_write_what_is_his(tag: str, built: Built) -> None:
    hard = ("run", "--rm", "--user", "12345", *HARD, *KEY)
    done = docker(*hard, tag, "status")
    assert (done.returncode, done.stderr) == (0, "")
    # made by the engine, in memory, for that user
    done = docker(*hard, "--tmpfs", "/workspace:uid=12345,mode=0700", tag, "init", "--minimal")
    assert (done.returncode, done.stderr) == (0, "")
    # a workspace of another place, which isn't there and can't be made
    done = docker(*hard, "--env", "WORKDIR=/none", tag, "status")
    told = "Error: workspace /none is not there, or can't be entered\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", told)
    done = docker(*hard, "--env", "WORKDIR=/tmp/some/where", tag, "init", "--minimal")
    assert (done.returncode, done.stderr) == (0, "")


PROBE = """
const { readdirSync, rmSync, writeFileSync } = require('node:fs');
const todo = ['/'];
while (todo.length > 0) {
  const folder = todo.pop();
  if (folder === '/proc/' || folder === '/sys/') continue;
  try {
    writeFileSync(`${folder}.probe`, '');
    rmSync(`${folder}.probe`);
    console.log(folder.slice(0, -1));
  } catch {}
  try {
    for (const entry of readdirSync(folder, { withFileTypes: true }))
      if (entry.isDirectory()) todo.push(`${folder}${entry.name}/`);
  } catch {}
}
"""
"""Prints every folder in which a file can be made."""
LOOK = "const { uid, gid } = fs.statSync('/workspace/.claude/commands'); JSON.stringify({ uid, gid })"
ENGINES_OWN = {"/tmp", "/dev/shm", "/dev/mqueue"}


@contextmanager
def named_volumes() -> Iterator[list[str]]:
    """A new named volume for each folder: options of `docker run`."""
    names = {folder: f"claude-flow-{os.urandom(5).hex()}" for folder in VOLUMES}
    try:
        yield [word for folder, name in names.items() for word in ("--volume", f"{name}:{folder}")]
    finally:
        docker("volume", "rm", "--force", *names.values())


@pytest.mark.parametrize("tag", TAGS)
def test_new_volumes_can_be_written_and_nothing_else(tag: str, built: Built) -> None:
    with named_volumes() as volumes:
        run = ("run", "--rm", *HARD, *volumes)
        probe = ("--entrypoint", "/usr/bin/node", tag, "-e", PROBE)
        done = docker(*run, *probe)
        assert (done.returncode, done.stderr) == (0, "")
        assert {*done.stdout.split()} - ENGINES_OWN == {*VOLUMES}
        other = docker("run", "--rm", "--user", "12345", *HARD, *volumes, *probe)
        assert {*other.stdout.split()} - ENGINES_OWN == set()

        made = docker(*run, *KEY, tag, "init", "--minimal")
        assert (made.returncode, made.stderr) == (0, "")
        again = docker(*run, "--entrypoint", "/usr/bin/node", tag, "-p", LOOK)
        assert json.loads(again.stdout) == {"uid": 1001, "gid": 1001}


@pytest.mark.parametrize("tag", TAGS)
def test_without_a_word_about_volumes_the_same_can_be_written(tag: str, built: Built) -> None:
    done = docker("run", "--rm", *HARD, "--entrypoint", "/usr/bin/node", tag, "-e", PROBE)
    assert {*done.stdout.split()} - ENGINES_OWN == {*VOLUMES}


# --- what its layers hold ----------------------------------------------------------------------------------------

CACHES = re.compile(
    r"(^|/)(\.npm|_cacache|\.cache|\.node-gyp|\.git)(/|$)"
    r"|^(var/cache/(apt|apk|debconf)|var/lib/apt/lists|etc/apk/cache|var/log|tmp|var/tmp)/.|-debug-[^/]*\.log$"
)
"""What package managers keep, and what is left of work."""
OWN = ("cli.js", "entrypoint.js", "healthcheck.js", "node_modules", "package.json")
"""What the application is made of."""
WRITTEN_AGAIN = {"etc/passwd", "etc/group"}
"""Files of the base that are replaced by others."""
ADDED = {
    LATEST: ("passwd", "group", "volumes", "workdir", "app"),
    "claude-flow:debian": (
        "passwd",
        "group",
        "volumes",
        "workdir",
        "dist",
        "package.json",
        "health-check",
        "entrypoint",
    ),
}
"""What the layers above the base are for."""


@pytest.mark.parametrize("tag", TAGS)
def test_no_layer_has_caches_sources_or_what_only_a_build_needs(tag: str, built: Built) -> None:
    archive = saved(tag)
    manifest = json.loads((CHECKOUT / "app/package.json").read_text(encoding="utf-8"))
    tools = tuple(f"/node_modules/{name}/" for name in manifest["devDependencies"])
    for one in archive.manifests().values():
        paths = [path for layer in archive.layers(one) for path in layer]
        assert [path for path in paths if CACHES.search(path)] == []
        assert [path for path in paths if any(tool in f"/{path}/" for tool in tools)] == []
        below = {path.split("/")[1] for path in paths if path.startswith("app/")}
        assert below == {"dist", "package.json"}
        own = {path for path in paths if re.fullmatch(r"app/dist/[^/]+", path)}
        assert own == {f"app/dist/{name}" for name in OWN}


@pytest.mark.parametrize("tag", TAGS)
def test_no_file_is_in_two_layers_and_none_is_taken_back(tag: str, built: Built) -> None:
    archive = saved(tag)
    for one in archive.manifests().values():
        layers = archive.layers(one)
        times: dict[str, int] = {}
        for layer in layers:
            assert [path for path in layer if "/.wh." in f"/{path}"] == []
            for path, entry in layer.items():
                times[path] = times.get(path, 0) + (not entry.info.isdir())
        assert {path for path, count in times.items() if count > 1} == WRITTEN_AGAIN
        assert len(layers) <= 1 + len(ADDED[tag])


# --- building again ------------------------------------------------------------------------------------------


def test_nothing_changed_is_all_cached_and_the_same(built: Built) -> None:
    assert [step for step in built.second.result["steps"] if not step["cached"]] == []
    assert built.second.digests() == built.first.digests()
    assert {row[-1] for row in built.second.table().values()} == {"cached"}


def test_when_all_is_cached_it_takes_little_longer_than_buildx_itself(built: Built) -> None:
    # the one who asks knows which files of his are read
    env = {"BUILDX_BAKE_ENTITLEMENTS_FS": "0"}
    ours, theirs = [], []
    for _ in range(5):
        begin = time.monotonic()
        done = built.project.bake(env)
        theirs.append(time.monotonic() - begin)
        assert done.returncode == 0, done.stderr
        ours.append(built.project.build(*PROFILE).good().seconds)
    assert min(ours) <= 1.5 * min(theirs) + NOISE


def test_a_changed_line_installs_nothing_again(other: Project) -> None:
    """And for one foreign platform alone, everything runs on the machine's own."""
    source = other.root / "app/src/cli.js"
    source.write_text(f"{source.read_text(encoding='utf-8')}\n// {other.name}\n", encoding="utf-8")
    outcome = other.build(*PROFILE, "--platform", FOREIGN, timeout=SECONDS).good()
    for stage in ("base", "dev-deps", "prod-deps", "audit"):
        assert [step for step in outcome.steps(stage) if not step["cached"]] == []
    for stage in ("dev-deps", "prod-deps"):
        assert [step for step in outcome.steps(stage) if step["command"]] != []
    ran = [step for step in outcome.result["steps"] if step["command"] and not step["cached"]]
    assert {step["stage"] for step in ran} == {"builder", "test", "bundle"}
    assert {step["platform"] for step in ran} == {NATIVE}
    assert not any(step["emulated"] for step in outcome.result["steps"])
    assert all(list(image["platforms"]) == [FOREIGN] for image in outcome.result["images"])


def test_a_failing_unit_test_is_named_and_nothing_is_tagged(other: Project) -> None:
    flaw = "import test from 'node:test';\ntest('water runs uphill', () => { throw new Error('it does not'); });\n"
    (other.root / "app/tests/flaw.test.js").write_text(flaw, encoding="utf-8")
    outcome = other.build(*PROFILE, timeout=SECONDS)
    assert outcome.code == 1, outcome.told
    assert f"test gate 'test' failed for {NATIVE}" in outcome.err
    assert "water runs uphill" in outcome.err
    assert "stages/test.Dockerfile:1:1" in outcome.err
    assert outcome.result["outcome"] == "failed"
    assert docker("image", "ls", "--quiet", other.name).stdout == ""


# --- its audit gate, with an advisory service of our own --------------------------------------------------------

SERVICE = """\
import { createServer } from 'node:http';
import { gunzipSync } from 'node:zlib';
const advisory = { id: 7, title: 'Prototype pollution', url: 'https://advisories.example/7', severity: 'moderate',
  vulnerable_versions: '<999.1.0' };
const answers = {
  nothing: (response) => response.end('{}'),
  found: (response, asked) => response.end(JSON.stringify({ [Object.keys(asked).sort()[0]]: [advisory] })),
  refused: (response) => response.writeHead(401).end('who are you?'),
  absent: (response) => response.writeHead(404).end('<html>not here</html>'),
  null: (response) => response.end('null'),
  cut: (response) => response.socket.destroy(),
};
createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk)).on('end', () =>
    answers[process.env.ANSWER](response, JSON.parse(gunzipSync(Buffer.concat(chunks)))));
}).listen(4873, '127.0.0.1');
"""
ASK = """\
RUN ANSWER={answer} node tools/service.mjs & sleep 1; NO_PROXY=127.0.0.1 NPM_CONFIG_REGISTRY=http://127.0.0.1:4873/ \\
    node tools/audit.mjs --level moderate --report /gate --time-limit 20
"""


def audited(project: Project, answer: str) -> Outcome:
    """Build, with a service on loopback that answers so; it lives in the step that asks it."""
    project.write("stages/audit.Dockerfile", ASK.format(answer=answer))
    return project.build(*PROFILE, "--platform", NATIVE, timeout=SECONDS)


def test_an_audit_that_found_nothing_one_that_did_and_one_that_could_not_ask_never_look_alike(other: Project) -> None:
    other.edit("buildspec.toml", 'copy = ["tools/audit.mjs"]', 'copy = ["tools/audit.mjs", "tools/service.mjs"]')
    project_tools = other.root / "app/tools"
    (project_tools / "service.mjs").write_text(SERVICE, encoding="utf-8")
    nothing = audited(other, "nothing").good()
    assert {one["stage"]: one["outcome"] for one in nothing.result["gates"]}["audit"] == "passed"
    assert "could not ask" not in nothing.told

    found = audited(other, "found")
    assert found.code == 1
    assert f"audit gate 'audit' failed for {NATIVE}" in found.err
    assert "Prototype pollution (moderate)" in found.err
    assert "vulnerable: <999.1.0; fixed: >=999.1.0" in found.err
    assert found.result["outcome"] == "failed"

    for answer in ("refused", "absent", "null", "cut"):
        warned = audited(other, answer).good()
        assert {one["stage"]: one["outcome"] for one in warned.result["gates"]}["audit"] == "unavailable", answer
        assert "WARNING: audit gate 'audit' could not ask its service: nothing is known" in warned.out
        page = (other.root / "build/summary.md").read_text(encoding="utf-8")
        assert "audit gate 'audit' could not ask its service: nothing is known" in page

    other.edit("buildspec.toml", 'stages.audit.on-unavailable = "warn"', 'stages.audit.on-unavailable = "fail"')
    refused = audited(other, "refused")
    assert refused.code == 1
    assert "the advisory service could not be asked: the registry answered HTTP 401" in refused.err


def test_the_image_is_little_more_than_its_base(built: Built) -> None:
    """At most 150 MB, and 20 MB more than the base, on both platforms."""
    archive = saved(LATEST)
    for target, manifest in archive.manifests().items():
        base, *added = (sum(len(one.data) for one in layer.values()) for layer in archive.layers(manifest))
        assert base + sum(added) <= 150_000_000, target
        assert sum(added) <= 20_000_000, target


def test_all_tests_and_audits_pass_on_both_platforms(built: Built) -> None:
    tested = built.project.run("test", *PROFILE, timeout=SECONDS).good()
    assert {one["tested"] for one in tested.result["verdicts"]} == {"passed"}
    verdicts = built.project.run("audit", *PROFILE, timeout=SECONDS).good().result["verdicts"]
    assert {(one["stage"], one["platform"]) for one in verdicts} == {
        (stage, target) for stage in ("production", "runtime") for target in PLATFORMS
    }
    assert {(one["tested"], one["audited"], one["within-budget"]) for one in verdicts} == {("passed", "passed", True)}
