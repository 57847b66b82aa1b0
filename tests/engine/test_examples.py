"""The examples of the documentation: each is built, tested and audited for both platforms, on assembled bases."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.plans import ROOT

from engine.archive import saved
from engine.project import PLATFORMS, Project, copy_of, in_git

pytestmark = pytest.mark.engine

EXAMPLES = ROOT / "docs" / "examples"
NAMES = sorted(path.parent.name for path in EXAMPLES.glob("*/buildspec.toml"))
MORE = 600
"""Seconds that the first build of an example may take, with all its bases."""


@pytest.fixture(scope="module", params=NAMES)
def example(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A copy of an example, built and tested."""
    project = copy_of(request.param, tmp_path_factory.mktemp(request.param), EXAMPLES)
    project.write(".gitignore", "build\n")
    in_git(project, "init -q", "add .", "commit -qm first")  # so that labels say which revision it is
    project.run("test", timeout=MORE).good()
    yield project
    project.remove_images()


def test_the_image_passes_the_audit_on_both_platforms(example: Project) -> None:
    audited = example.run("audit", timeout=MORE).good()
    assert "warning[" not in audited.told
    (image,) = audited.result["images"]
    assert image["platforms"].keys() == set(PLATFORMS)
    tests = audited.result["tests"]["results"]
    assert {(one["platform"], one["passed"]) for one in tests} == {(platform, True) for platform in PLATFORMS}


def test_nothing_is_emulated_while_it_is_built(example: Project) -> None:
    built = example.build().good()
    assert [step for step in built.result["steps"] if step["emulated"]] == []


def test_the_image_has_no_shell(example: Project) -> None:
    archive = saved(f"{example.name}:latest")
    for manifest in archive.manifests().values():
        programs = {Path(path).name for path in archive.files(manifest) if "bin/" in path}
        assert not programs & {"sh", "dash", "bash", "busybox", "apt", "dpkg", "pip", "gcc"}


def test_the_examples_are_those_that_are_described() -> None:
    assert NAMES == ["notes", "pages", "pulse"]
