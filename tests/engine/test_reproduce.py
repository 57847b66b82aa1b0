"""Reproducible images: the same digests in another folder and on another day, and what differs is named."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import attrs
import pytest

from engine.conftest import CopyOf
from engine.project import Project, image_id

pytestmark = pytest.mark.engine


def committed(project: Project) -> None:
    for command in ("init -q", "add .", "commit -qm first"):
        argv = ["git", "-c", "user.name=a", "-c", "user.email=a@b.test", *command.split()]
        subprocess.run(argv, cwd=project.root, check=True, capture_output=True, timeout=60)


def test_another_folder_on_another_day_gives_the_same_digests(copied: CopyOf, tmp_path: Path) -> None:
    project = copied("hello")
    project.write(".gitignore", "build\n")
    committed(project)
    first = project.build().good()
    other = attrs.evolve(project, root=tmp_path / "elsewhere")
    shutil.copytree(project.root, other.root, ignore=shutil.ignore_patterns("build"))
    for file in (other.root / "app").iterdir():
        os.utime(file, (2_000_000_000, 2_000_000_000))  # as after a checkout at another time
    second = other.build("--no-cache").good()
    assert first.digests() == second.digests()
    assert not any(step["cached"] for step in second.steps("greeting") if step["command"])
    told = other.run("reproduce").good()
    assert told.out.count("the same") == 2
    assert told.digests() == first.digests()


def test_what_is_not_the_same_is_named_and_nothing_is_moved(copied: CopyOf) -> None:
    project = copied("hello")
    file = next((project.root / "stages").glob("greeting*"))
    file.write_text(file.read_text(encoding="utf-8").rstrip() + " && cat /proc/sys/kernel/random/uuid >> loud.txt\n")
    project.edit("buildspec.toml", '[ "$(cat loud.txt)" = HELLO ]', "test -s loud.txt")
    committed(project)
    outcome = project.run("reproduce")
    assert outcome.code == 1
    assert outcome.out.count("DIFFERS") == 2
    where = "layer 3, from stages.production.copy: /loud.txt has other content"
    assert f"production for linux/amd64: {where}" in outcome.err
    assert f"production for linux/arm64: {where}" in outcome.err
    assert image_id(f"{project.name}:latest") == outcome.result["images"][0]["digest"]


def test_commands_may_ask_for_the_time_of_the_sources(copied: CopyOf) -> None:
    project = copied("hello")
    file = next((project.root / "stages").glob("greeting*"))
    file.write_text("ARG SOURCE_DATE_EPOCH\nRUN echo $SOURCE_DATE_EPOCH > loud.txt\n", encoding="utf-8")
    project.edit("buildspec.toml", '[ "$(cat loud.txt)" = HELLO ]', '[ "$(cat loud.txt)" = 1700000000 ]')
    project.build(env={"SOURCE_DATE_EPOCH": "1700000000"}).good()
