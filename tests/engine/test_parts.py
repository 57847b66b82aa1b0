"""Platforms that are built, tested and audited apart, as on a machine for each, and released as one image."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from helpers.registry import Proxy, Registry

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
        one.run("test", *VERSION, "--platform", platform).good()
        one.run("audit", *VERSION, "--platform", platform).good()
        one.run("export", *VERSION, "--platform", platform).good()
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
    summary = tmp_path / "summary.md"
    releaser.run("join", *VERSION, env={"GITHUB_STEP_SUMMARY": str(summary)}).good()
    joined = result_of(releaser)
    (image,) = joined["images"]
    assert {platform: one["digest"] for platform, one in image["platforms"].items()} == built
    assert image["digest"] == whole
    assert {(one["platform"], one["tested"], one["audited"]) for one in joined["verdicts"]} == {
        (platform, "passed", "passed") for platform in PLATFORMS
    }
    assert summary.read_text(encoding="utf-8") == (releaser.root / "build" / "summary.md").read_text(encoding="utf-8")
    assert (releaser.root / "build" / "subjects.sha256").read_text(encoding="utf-8").splitlines() == [
        f"{whole.removeprefix('sha256:')}  {one.host}/{folder}/{project.name}"
        for one, folder in zip(between, ("acme", "mirror"), strict=True)
    ]
    assert (releaser.root / "build" / "tests.xml").read_text(encoding="utf-8").count("<testsuite ") == len(PLATFORMS)
    releaser.run("bundle").good()
    pushed = releaser.run("push", *VERSION).good()
    assert pushed.out.count("published") == 12
    name = f"{real[0].host}/acme/{project.name}:v1.0.0"
    for platform in PLATFORMS:
        done = docker("run", "--rm", "--pull", "always", "--platform", platform, name)
        assert done.stdout.strip() == "HELLO", done.stderr
    docker("rmi", "--force", name)
    releaser.remove_images()
