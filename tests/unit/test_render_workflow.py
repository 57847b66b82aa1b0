"""Workflows of GitHub Actions: what they run, with which rights, and that others' linters find nothing."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import attrs
import pytest
import yaml
from helpers.specs import MINIMAL, decoded
from hypothesis import example, given
from hypothesis import strategies as st

from buildspec.arguments import VERBS
from buildspec.render import workflow
from buildspec.spec.model import Generate, Spec

BOTH = MINIMAL.replace('["linux/amd64"]', '["linux/amd64", "linux/arm64"]')
GHCR = f'{BOTH}\n[release]\nregistries = ["ghcr.io/acme"]\ntags = ["v{{version}}"]\n'
HOSTS = ("ghcr.io/acme", "docker.io/acme", "registry.example-1.com:5000/team", "ghcr.io/other")
EVERYTHING = f"""\
{BOTH.replace('"linux/arm64"', '"linux/arm64", "linux/arm/v7"')}
[bases.trixie]
debian = "trixie"
packages = ["nodejs"]

[secrets.token]
env = "NPM_TOKEN"

[release]
registries = [{", ".join(f'"{one}"' for one in HOSTS)}]
tags = ["v{{version}}", "latest"]
sign-key = "env://SIGNING_KEY"
"""
ASKED = ("SOME_RUN", "a", "CI", "GITHUB_RUN_NUMBER", "RUNNER_ARCH", "PATH", "A }} ${{ github.token", "github_x")
SPECS = {
    "one platform": MINIMAL,
    "no registry": BOTH,
    "ghcr": GHCR,
    "everything": EVERYTHING,
    # what the checker lets nobody write, and the workflows withstand all the same
    "hostile": GHCR.replace("ghcr.io/acme", "a'b: ${{ github.token }} # x/acme").replace(
        'name = "web"', """name = '''w"'$(x)${{ secrets.A }}'''"""
    ),
    "requirements": GHCR + "\n[generate]\nrequirements = 'build/$(x) ${{ github.actor }}.txt'\n",
    "hostile secret": GHCR + "\n[secrets.a]\nenv = 'A }} ${{ github.token'\n[secrets.b]\nenv = 'github_token'\n",
}


def texts(spec: Spec) -> dict[str, str]:
    return {
        f"{name}{'-frozen' if frozen else ''}.yml": make(
            spec, frozen=frozen, install=("nox", "buildspec==0.1.0"), asked=ASKED
        )
        for frozen in (False, True)
        for name, make in (("release", workflow.release), ("pull-request", workflow.pull_request))
    }


def read(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.load(text, yaml.BaseLoader)  # noqa: S506 - which makes text of every scalar
    return found


def release(name: str) -> dict[str, Any]:
    return read(workflow.release(decoded(SPECS[name])))


def jobs(document: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["jobs"]
    return found


def steps(document: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    for job in jobs(document).values():
        yield from job["steps"]


@pytest.fixture(params=SPECS)
def written(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A repository with the workflows of a specification."""
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    for name, text in texts(decoded(SPECS[request.param])).items():
        (folder / name).write_text(text, encoding="utf-8")
    return tmp_path


def linted(program: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    there = Path(sys.executable).with_name(program)
    found = str(there) if there.is_file() else shutil.which(program)
    assert found, f"{program} comes with the dependency group 'test'"
    env = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run(
        [found, *arguments], cwd=cwd, env=env, capture_output=True, text=True, timeout=60, check=False
    )


def test_actionlint_finds_nothing(written: Path) -> None:
    files = sorted(map(str, (written / ".github" / "workflows").iterdir()))
    done = linted("actionlint", "-no-color", *files, cwd=written)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_zizmor_finds_nothing(written: Path) -> None:
    done = linted("zizmor", "--offline", "--no-progress", "--persona", "auditor", ".github", cwd=written)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No findings to report" in done.stdout + done.stderr


def test_both_linters_would_find_something(tmp_path: Path) -> None:
    """So that the tests above can fail."""
    folder = tmp_path / ".github" / "workflows"
    folder.mkdir(parents=True)
    text = workflow.release(decoded(GHCR)).replace('"$BUILDSPEC_VERSION"', "${{ github.event.release.tag_name }}")
    (folder / "release.yml").write_text(text.replace("runner: ubuntu-24.04\n", "runner: x\n"), encoding="utf-8")
    assert 'label "x" is unknown' in linted("actionlint", ".github/workflows/release.yml", cwd=tmp_path).stdout
    done = linted("zizmor", "--offline", "--no-progress", ".github", cwd=tmp_path)
    assert "template-injection" in done.stdout


@pytest.mark.parametrize("name", SPECS)
def test_no_expression_and_no_text_of_the_specification_is_in_a_command(name: str) -> None:
    spec = decoded(SPECS[name])
    words = {*spec.release.registries, spec.image.name} - {"web"}
    for text in texts(spec).values():
        for step in steps(read(text)):
            run = step.get("run", "")
            assert "${{" not in run
            assert not any(word in run for word in words)


def test_text_that_looks_like_an_expression_stays_text() -> None:
    (login,) = [step for step in steps(release("hostile")) if "REGISTRY" in step.get("env", {})]
    assert login["env"]["REGISTRY"] == "a'b: ${{ '${{' }} github.token }} # x"
    assert "secrets.A" not in workflow.release(decoded(SPECS["hostile"]))
    assert "NPM_TOKEN" not in workflow.release(decoded(SPECS["hostile secret"]))
    found = steps(release("hostile secret"))
    assert not any("env" in step for step in found if step.get("run", "").startswith("nox -s build"))


@pytest.mark.parametrize("name", SPECS)
def test_actions_are_pinned_and_versions_are_said(name: str) -> None:
    for text in texts(decoded(SPECS[name])).values():
        used = re.findall(r"uses: (.*)", text)
        assert used
        for one in used:
            assert re.fullmatch(r"[\w-]+(/[\w-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+", one), one


@pytest.mark.parametrize("name", SPECS)
def test_sessions_are_those_that_people_run(name: str) -> None:
    for text in texts(decoded(SPECS[name])).values():
        ran = re.findall(r"nox -s (\S+)", text)
        assert ran[:2] == ["check", "generate"]
        assert set(ran) <= set(VERBS)
        assert {"build", "test", "audit"} <= set(ran)


def test_rights_are_those_that_a_job_needs() -> None:
    everything = release("everything")
    assert everything["permissions"] == {}
    read_only = {"contents": "read"}
    assert {name: job["permissions"] for name, job in jobs(everything).items()} == {
        "check": read_only,
        "platform": read_only,
        "report": {"security-events": "write"},
        "push": {**read_only, "packages": "write", "id-token": "write", "attestations": "write"},
    }
    elsewhere = read(workflow.release(decoded(GHCR.replace("ghcr.io", "docker.io"))))
    assert "packages" not in jobs(elsewhere)["push"]["permissions"]


def test_a_pull_request_reads_and_has_no_secrets() -> None:
    for name in SPECS:
        text = workflow.pull_request(decoded(SPECS[name]))
        document = read(text)
        assert [*document["on"]] == ["pull_request"]
        assert (document["permissions"], [*jobs(document)]) == ({}, ["check", "platform"])
        assert all(job["permissions"] == {"contents": "read"} for job in jobs(document).values())
        assert "secrets." not in text
        assert "github.token" not in text
        assert "nox -s push" not in text


def test_a_release_is_begun_by_publishing_it_or_by_hand() -> None:
    on = release("ghcr")["on"]
    assert on["release"] == {"types": ["published"]}
    assert on["workflow_dispatch"]["inputs"]["version"]["required"] == "true"
    checkouts = [step for step in steps(release("ghcr")) if "checkout" in step.get("uses", "")]
    assert [one["with"] for one in checkouts] == [
        {
            "ref": "refs/tags/${{ inputs.version || github.event.release.tag_name }}",
            "persist-credentials": "false",
        }
    ] * 3


def test_each_platform_has_a_machine_of_its_own() -> None:
    platform = jobs(release("everything"))["platform"]
    rows = platform["strategy"]["matrix"]["include"]
    assert [(one["platform"], one["runner"], one["emulated"]) for one in rows] == [
        ("linux/amd64", "ubuntu-24.04", "false"),
        ("linux/arm64", "ubuntu-24.04-arm", "false"),
        ("linux/arm/v7", "ubuntu-24.04", "true"),
    ]
    assert any("qemu" in step.get("run", "") for step in platform["steps"])
    assert not any("qemu" in step.get("run", "") for step in steps(release("ghcr")))


def test_what_is_pushed_was_built_by_no_job_that_has_the_credentials() -> None:
    push = jobs(release("everything"))["push"]
    ran = [run for step in push["steps"] if (run := step.get("run", "")).startswith("nox")]
    assert [run.split()[2] for run in ran] == ["join", "push"]
    assert push["needs"] == "platform"
    held = [name for name, job in jobs(release("everything")).items() if "secrets.REGISTRY" in str(job)]
    assert held == ["push"]


def test_without_a_registry_nothing_is_pushed() -> None:
    assert [*jobs(release("no registry"))] == ["check", "platform", "report"]


def test_each_registry_is_logged_in_to_once_with_secrets_of_its_own() -> None:
    logins = [step["env"] for step in steps(release("everything")) if "REGISTRY" in step.get("env", {})]
    assert [(one["REGISTRY"], one["USERNAME"], one["PASSWORD"]) for one in logins] == [
        ("ghcr.io", "${{ github.actor }}", "${{ github.token }}"),
        ("docker.io", "${{ secrets.REGISTRY_DOCKER_IO_USERNAME }}", "${{ secrets.REGISTRY_DOCKER_IO_PASSWORD }}"),
        (
            "registry.example-1.com:5000",
            "${{ secrets.REGISTRY_REGISTRY_EXAMPLE__1_COM_5000_USERNAME }}",
            "${{ secrets.REGISTRY_REGISTRY_EXAMPLE__1_COM_5000_PASSWORD }}",
        ),
    ]


HOST = st.from_regex(
    r"[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?(\.[a-z]([a-z0-9-]{0,6}[a-z])?){1,2}(:[0-9]{2,5})?", fullmatch=True
)


@given(HOST, HOST)
def test_no_two_registries_share_secrets(one: str, other: str) -> None:
    names = [workflow.secret_name(host) for host in (one, other)]
    assert all(re.fullmatch(r"REGISTRY_[A-Z0-9_]+", name) for name in names)
    assert (names[0] == names[1]) == (one == other)


def test_signing_and_build_secrets_reach_the_steps_that_need_them() -> None:
    found = jobs(release("everything"))
    assert [*found["platform"]["env"]] == ["BUILDSPEC_VERSION", "BUILDSPEC_PLATFORM"]
    held = {step["name"]: step["env"] for step in found["platform"]["steps"] if "env" in step}
    assert held == {key: {"NPM_TOKEN": "${{ secrets.NPM_TOKEN }}"} for key in ("Build", "Test", "Audit")}
    assert found["platform"]["environment"] == "release"
    push = next(step for step in found["push"]["steps"] if step["name"] == "Push")
    assert [*push["env"]] == ["SIGNING_KEY", "COSIGN_PASSWORD"]
    assert any("cosign-installer" in step.get("uses", "") for step in found["push"]["steps"])
    assert "environment" not in jobs(release("ghcr"))["platform"]


def test_variables_that_the_specification_asks_for_are_github_s_where_it_can_have_them() -> None:
    for text in texts(decoded(GHCR)).values():
        assert read(text)["env"] == {"SOME_RUN": "${{ vars.SOME_RUN }}", "a": "${{ vars.a }}"}
    assert "env" not in release("ghcr")


def test_a_secret_may_have_a_name_that_a_job_could_have_used() -> None:
    ours = ("BUILDSPEC_VERSION", "BUILDSPEC_PLATFORM")
    more = "".join(f'[secrets.s{at}]\nenv = "{name}"\n' for at, name in enumerate(("PLATFORM", "VERSION", *ours)))
    build = next(step for step in steps(read(workflow.release(decoded(f"{GHCR}\n{more}")))) if step["name"] == "Build")
    assert [*build["env"]] == ["PLATFORM", "VERSION"]
    assert all(f'"${name}"' in build["run"] for name in ours)


def test_a_release_takes_nothing_from_a_cache() -> None:
    spec = decoded(EVERYTHING)
    assert "actions/cache@" not in workflow.release(spec)
    assert "actions/cache@" in workflow.pull_request(spec)


@pytest.mark.parametrize(
    "before",
    [None, "", '{"cgroup-parent": "/actions_job", "features": {"other": true}}', '{"features": {}}'],
)
def test_the_engine_keeps_its_settings(before: str | None, tmp_path: Path) -> None:
    """The step is run, with its files elsewhere and without the restart."""
    if shutil.which("jq") is None:
        pytest.skip("jq isn't there; GitHub's runners have it")
    script = next(step["run"] for step in steps(release("ghcr")) if "containerd" in step["name"])
    config = tmp_path / "etc" / "daemon.json"
    if before is not None:
        config.parent.mkdir()
        config.write_text(before, encoding="utf-8")
    script = script.replace("/etc/docker/daemon.json", str(config)).replace("sudo ", "")
    script = "".join(line for line in script.splitlines(keepends=True) if "systemctl" not in line)
    script = script[: script.index("docker info")]
    env = {**os.environ, "RUNNER_TEMP": str(tmp_path)}
    subprocess.run(["bash", "-euo", "pipefail", "-c", script], env=env, check=True, timeout=20)
    found = yaml.safe_load(config.read_text(encoding="utf-8"))
    assert found["features"]["containerd-snapshotter"] is True
    if before and "cgroup" in before:
        assert found["cgroup-parent"] == "/actions_job"
        assert found["features"]["other"] is True


def test_requirements_are_read_from_a_file_whose_name_is_no_part_of_a_command() -> None:
    for text in texts(decoded(SPECS["requirements"])).values():
        steps = [step for job in read(text)["jobs"].values() for step in job["steps"] if step["name"] == "Install nox"]
        assert {step["run"] for step in steps} == {
            'python -m pip install --quiet --no-input --requirement "$REQUIREMENTS"'
        }
        assert {step["env"]["REQUIREMENTS"] for step in steps} == {"build/$(x) ${{ '${{' }} github.actor }}.txt"}


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), min_size=1))
@example("build/🙂.txt")
@example("on")
def test_every_character_of_a_path_stays_what_it_is(path: str) -> None:
    spec = attrs.evolve(decoded(GHCR), generate=Generate(requirements=path))
    text = workflow.release(spec)
    assert text.isascii()
    (told, *_) = [step["env"] for step in steps(read(text)) if step["name"] == "Install nox"]
    assert told["REQUIREMENTS"].replace("${{ '${{' }}", "${{") == path
