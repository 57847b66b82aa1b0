"""The command that `plan` shows is the one that `build` runs."""

from __future__ import annotations

import json
from pathlib import Path

import attrs
import pytest
from helpers.plans import planned

from buildspec.engine.client import bake_arguments
from buildspec.engine.invocation import METADATA, invocation, request

PLAN = planned(
    '[stages.app]\nfrom = "node"\nsecrets = ["t", "ca-bundle"]\nrun = ["x"]\n'
    '[secrets.t]\nfile = "secret"\nenv = "T"\noptional = true\n'
)


def test_it_is_what_bake_is_run_with(tmp_path: Path) -> None:
    run = attrs.evolve(request(PLAN, METADATA, ()), builder="default")
    assert invocation(PLAN, tmp_path, {"DOCKER_CONFIG": str(tmp_path)}) == ["docker", "buildx", *bake_arguments(run)]


def test_no_image_gets_a_tag_before_all_has_passed(tmp_path: Path) -> None:
    assert "app.tags=" in invocation(PLAN, tmp_path, {})


def test_files_of_secrets_outside_of_the_folder_are_named(tmp_path: Path) -> None:
    (tmp_path / "root").mkdir()
    (tmp_path / "root/secret").symlink_to(tmp_path / "other")
    assert "--allow" not in invocation(PLAN, tmp_path / "root", {})
    (tmp_path / "other").write_text("x", encoding="utf-8")
    assert invocation(PLAN, tmp_path / "root", {})[-2:] == ["--allow", f"fs.read={tmp_path}/other"]
    assert "--allow" not in invocation(PLAN, tmp_path / "root", {"T": "x"})


@pytest.mark.parametrize(
    ("environ", "config", "builder"),
    [
        ({"BUILDX_BUILDER": "mine", "DOCKER_CONTEXT": "x"}, {"currentContext": "desktop"}, "mine"),
        ({"DOCKER_CONTEXT": "x"}, {"currentContext": "desktop"}, "x"),
        ({}, {"currentContext": "desktop"}, "desktop"),
        ({"DOCKER_HOST": "tcp://h"}, {"currentContext": "desktop"}, "default"),
        ({}, {}, "default"),
        ({}, ["no table"], "default"),
    ],
)
def test_the_builder_is_the_clients_own(environ: dict[str, str], config: object, builder: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    words = invocation(PLAN, tmp_path, {**environ, "DOCKER_CONFIG": str(tmp_path)})
    assert words[words.index("--builder") + 1] == builder
