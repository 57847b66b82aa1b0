"""Platforms that are built, tested and audited apart, as on a machine for each, and released as one image.

Commands are those of the workflow, taken from it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.registry import Proxy, Registry

from buildspec.render import workflow
from buildspec.spec.load import Selection, load
from engine.conftest import ReadyWith
from engine.project import PLATFORMS, Project, docker, in_git

pytestmark = pytest.mark.engine
VERSION = ("v1.0.0", "--build-number", "7")


def checkout(project: Project, folder: Path) -> Project:
    """Another machine's, of the same commit."""
    subprocess.run(["git", "clone", "-q", str(project.root), str(folder)], check=True, timeout=60)
    return Project(folder, project.name)


def result_of(project: Project) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads((project.root / "build" / "result.json").read_bytes())
    return found


def run_job(project: Project, name: str, folder: Path, **env: str) -> str:
    """Run the sessions of a job as its runner would; returns what they print.

    Args:
        project: the checkout.
        name: of the job.
        folder: for a nox that needs no environment, and for the job's summary.
        env: what the job has from its matrix.
    """
    spec = load(project.root / "buildspec.toml", Selection((), {}, {}, {}, "2026-11-25")).spec
    job = yaml.safe_load(workflow.release(spec))["jobs"][name]
    nox = folder / "bin" / "nox"
    nox.parent.mkdir(parents=True, exist_ok=True)
    nox.write_text(f'#!/bin/sh\nverb=$2\nshift 3\nexec "{sys.executable}" -m buildspec "$verb" "$@"\n')
    nox.chmod(0o755)
    around = {
        **os.environ,
        "PATH": f"{nox.parent}{os.pathsep}{os.environ['PATH']}",
        "BUILDSPEC_VERSION": "v1.0.0",
        "GITHUB_RUN_NUMBER": "7",
        "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
        **env,
    }
    printed = ""
    for step in job["steps"]:
        if step.get("run", "").startswith("nox "):
            argv = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
            done = subprocess.run(
                argv, cwd=project.root, env=around, capture_output=True, text=True, timeout=300, check=False
            )
            assert done.returncode == 0, f"{step['name']}: {done.stdout}{done.stderr}"
            printed += done.stdout
    return printed


def test_what_each_machine_tested_is_released_as_one_image(
    ready_with: ReadyWith, real: tuple[Registry, Registry], between: tuple[Proxy, Proxy], tmp_path: Path
) -> None:
    project = ready_with("")
    in_git(project, "tag v1.0.0")
    whole = project.run("build", *VERSION).good().result["images"][0]["digest"]

    # a machine for each platform
    releaser = checkout(project, tmp_path / "release")
    parts, built = releaser.root / "build" / "parts", {}
    for platform in PLATFORMS:
        one = checkout(project, tmp_path / platform.replace("/", "-"))
        one.run("build", *VERSION, "--platform", platform).good()
        early = one.run("export", *VERSION, "--platform", platform)
        assert early.code == 1
        assert f"'production' for {platform} has not been tested" in early.err
        assert not (one.root / "build" / "part").exists()
        run_job(one, "platform", tmp_path / "runner", BUILDSPEC_PLATFORM=platform)
        built[platform] = result_of(one)["images"][0]["platforms"][platform]["digest"]
        shutil.copytree(one.root / "build" / "part", parts / platform.replace("/", "-"))
    project.remove_images()  # the machine that releases has none of them

    # what isn't all of it, or isn't what was tested, isn't joined
    nothing = releaser.run("join", *VERSION, "--parts", "nowhere")
    assert (nothing.code, "nowhere has no part" in nothing.err) == (2, True)
    aside = (parts / "linux-arm64").rename(tmp_path / "aside")
    missing = releaser.run("join", *VERSION)
    assert (missing.code, "no part is for linux/arm64" in missing.err) == (1, True)
    shutil.copytree(aside, parts / "linux-arm64")
    shutil.copy(parts / "linux-amd64" / "production.oci.tar", parts / "linux-arm64" / "production.oci.tar")
    swapped = releaser.run("join", *VERSION)
    assert (swapped.code, f"lacks {built['linux/arm64']}" in swapped.err) == (3, True)
    assert not (releaser.root / "build" / "result.json").exists()
    shutil.copy(aside / "production.oci.tar", parts / "linux-arm64" / "production.oci.tar")
    in_git(releaser, "commit -q --allow-empty -m later")
    later = releaser.run("join", *VERSION)
    assert (later.code, later.err.count("what was built is of")) == (1, 2)
    in_git(releaser, "reset -q --hard v1.0.0")

    # what is, is the image that a single machine would have made
    runner = tmp_path / "releasing"
    printed = run_job(releaser, "push", runner)
    joined = result_of(releaser)
    (image,) = joined["images"]
    assert {platform: one["digest"] for platform, one in image["platforms"].items()} == built
    assert image["digest"] == whole
    assert {(one["platform"], one["tested"], one["audited"]) for one in joined["verdicts"]} == {
        (platform, "passed", "passed") for platform in PLATFORMS
    }
    assert (runner / "summary.md").read_text(encoding="utf-8") == (releaser.root / "build" / "summary.md").read_text(
        encoding="utf-8"
    )
    assert (releaser.root / "build" / "subjects.sha256").read_text(encoding="utf-8").splitlines() == [
        f"{whole.removeprefix('sha256:')}  {one.host}/{folder}/{project.name}"
        for one, folder in zip(between, ("acme", "mirror"), strict=True)
    ]
    assert (releaser.root / "build" / "tests.xml").read_text(encoding="utf-8").count("<testsuite ") == len(PLATFORMS)
    releaser.run("bundle").good()
    assert printed.count("published") == 12
    name = f"{real[0].host}/acme/{project.name}:v1.0.0"
    for platform in PLATFORMS:
        done = docker("run", "--rm", "--pull", "always", "--platform", platform, name)
        assert done.stdout.strip() == "HELLO", done.stderr
    docker("rmi", "--force", name)
    releaser.remove_images()
