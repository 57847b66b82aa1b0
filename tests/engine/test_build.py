"""What a build makes and tells: images for two platforms, digests, sizes, steps, and files that build without us."""

from __future__ import annotations

import json
from collections.abc import Iterator

import attrs
import pytest

from engine.archive import Archive, saved
from engine.conftest import CopyOf
from engine.project import FOREIGN, NATIVE, PLATFORMS, Outcome, Project, copy_of, docker, image_id, until

pytestmark = pytest.mark.engine

MACHINES = {"linux/amd64": "x86_64", "linux/arm64": "aarch64"}


@attrs.frozen
class Built:
    """The word counter, built for both platforms and then again."""

    project: Project
    first: Outcome
    second: Outcome


@pytest.fixture(scope="module")
def tally(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Built]:
    project = copy_of("tally", tmp_path_factory.mktemp("tally"))
    # what nobody has built before, so that the first build takes steps
    project.write("app/tally/counting.py", (project.root / "app/tally/counting.py").read_text() + f"# {project.name}\n")
    first = project.build().good()
    yield Built(project, first, project.build().good())
    project.remove_images()


def images(built: Built) -> dict[str, Archive]:
    return {image["tag"]: saved(image["tag"]) for image in built.second.result["images"]}


# --- what is built -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", PLATFORMS)
@pytest.mark.parametrize("tag", ["latest", "debug"])
def test_each_image_runs_on_each_platform(tally: Built, tag: str, target: str) -> None:
    run = ["run", "--rm", "--interactive", "--platform", target]
    name = f"{tally.project.name}:{tag}"
    assert docker(*run, name, "--version").stdout == "tally 1.4.0\n"
    counted = docker(*run, name, "--json", given="one two\n")
    assert json.loads(counted.stdout) == {"-": {"lines": 1, "words": 2, "characters": 8, "bytes": 8}}
    machine = docker(*run, "--entrypoint", "python3", name, "-c", "import os; print(os.uname().machine)")
    assert machine.stdout.strip() == MACHINES[target]


@pytest.mark.parametrize("target", PLATFORMS)
def test_the_delivered_image_has_neither_shell_nor_package_manager(tally: Built, target: str) -> None:
    archive = saved(f"{tally.project.name}:latest")
    files = archive.files(archive.manifests()[target])
    programs = sorted(path for path in files if path.startswith(("usr/bin/", "usr/sbin/", "usr/local/")))
    assert [path for path in programs if not path.startswith("usr/bin/python3")] == []
    done = docker("run", "--rm", "--platform", target, "--entrypoint", "sh", f"{tally.project.name}:latest")
    assert done.returncode == 127


def test_it_works_with_nothing_to_write_to_and_no_rights(tally: Built) -> None:
    hard = ["--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges", "--network", "none"]
    done = docker("run", "--rm", "--interactive", *hard, f"{tally.project.name}:latest", "-", given="a\n")
    assert done.stdout.split() == ["1", "1", "2", "2", "-"]


def test_what_asks_it_to_end_ends_it_though_it_is_the_first_process(tally: Built) -> None:
    started = docker("run", "--detach", "--interactive", f"{tally.project.name}:latest", "-").stdout.strip()
    try:

        def ended() -> bool:
            # again and again: until it has come to its handlers, the first process doesn't hear a signal
            docker("kill", "--signal", "TERM", started)
            return docker("inspect", "--format", "{{.State.Running}}", started).stdout.strip() == "false"

        until(ended, 30, "the container doesn't end")
        assert docker("inspect", "--format", "{{.State.ExitCode}}", started).stdout.strip() == "143"
    finally:
        docker("rm", "--force", started)


@pytest.mark.parametrize("tag", ["latest", "debug"])
def test_the_user_stands_beside_the_accounts_of_the_base(tally: Built, tag: str) -> None:
    archive = saved(f"{tally.project.name}:{tag}")
    for manifest in archive.manifests().values():
        files = archive.files(manifest)
        passwd, group = (files[path].data.decode().splitlines() for path in ("etc/passwd", "etc/group"))
        bases = {"latest": ["root", "nobody", "nonroot"], "debug": ["root", "daemon", "www-data", "nobody"]}[tag]
        names = [line.partition(":")[0] for line in passwd]
        assert [name for name in bases if name not in names] == []
        assert [line for line in passwd if ":1001:" in line] == ["tally:x:1001:1001:tally:/home/tally:/sbin/nologin"]
        assert "tally:x:1001:" in group
        assert len(set(names)) == len(names)
        assert archive.config(manifest)["config"]["User"] == "1001:1001"


@pytest.mark.parametrize("tag", ["latest", "debug"])
def test_all_that_was_added_belongs_to_root(tally: Built, tag: str) -> None:
    archive = saved(f"{tally.project.name}:{tag}")
    for manifest in archive.manifests().values():
        base, *added = archive.layers(manifest)
        assert base
        entries = [entry.info for layer in added for entry in layer.values()]
        assert {"app/tally.pyz", "etc/passwd", "work"} <= {entry.name.strip("/") for entry in entries}
        assert [entry.name for entry in entries if (entry.uid, entry.gid) != (0, 0)] == []
        assert [entry.name for entry in entries if entry.mode & 0o022] == []


# --- what is told --------------------------------------------------------------------------------------------


def test_digests_in_the_result_are_those_of_the_engine(tally: Built) -> None:
    for image in tally.second.result["images"]:
        assert image["digest"] == image_id(image["tag"])
    assert [image["tag"].partition(":")[2] for image in tally.second.result["images"]] == ["debug", "latest"]


def test_digests_and_sizes_in_the_result_are_those_of_the_image_itself(tally: Built) -> None:
    for image in tally.second.result["images"]:
        archive = saved(image["tag"])
        assert archive.top == image["digest"]
        assert image["platforms"].keys() == archive.manifests().keys() == set(PLATFORMS)
        for target, manifest in archive.manifests().items():
            told = image["platforms"][target]
            assert told["digest"] == manifest
            assert told["compressed"] == archive.compressed(manifest)
            assert told["unpacked"] == archive.unpacked(manifest)


def test_the_table_says_what_the_result_says(tally: Built) -> None:
    for outcome, state in ((tally.first, "built"), (tally.second, "cached")):
        rows = outcome.table()
        for image in outcome.result["images"]:
            for target, one in image["platforms"].items():
                row = rows.pop((image["tag"], target))
                assert row[2] == one["digest"].removeprefix("sha256:")[:12]
                assert (row[3], row[5]) == (f"{one['unpacked'] / 1e6:.1f}", f"{one['compressed'] / 1e6:.1f}")
                assert row[8] == state
        assert rows == {}
        assert "test gate 'test' passed" in outcome.out.splitlines()


def test_the_result_is_complete(tally: Built) -> None:
    result = tally.first.result
    assert result["outcome"] == "built"
    assert result["image"] == tally.project.name
    assert result["engine"]["native"] == NATIVE
    assert result["engine"]["version"] == docker("version", "--format", "{{.Server.Version}}").stdout.strip()
    assert result["gates"] == [{"stage": "test", "kind": "test", "outcome": "passed", "report": "build/gates/test"}]
    assert [verdict["kept"] for verdict in result["budgets"]] == [True] * 4  # two sizes on two platforms
    assert {step["stage"] for step in result["steps"]} >= {"tools", "bundle", "test", "debug", "production"}
    ran = {step["stage"]: step for step in result["steps"] if step["command"]}
    assert set(ran) == {"bundle", "test"}
    assert ran["bundle"]["from"] == "stages.bundle.run"
    assert ran["test"]["from"] == "stages/test.Dockerfile"
    assert all(step["seconds"] > 0 and not step["cached"] for step in ran.values())
    assert result["seconds"] >= max(step["seconds"] for step in ran.values())
    assert not any(step["emulated"] for step in result["steps"])


def test_labels_say_what_the_image_is(tally: Built) -> None:
    for archive in images(tally).values():
        for manifest in archive.manifests().values():
            labels = archive.config(manifest)["config"]["Labels"]
            assert labels["org.opencontainers.image.title"] == tally.project.name
            assert labels["org.opencontainers.image.licenses"] == "MIT"


# --- building again ------------------------------------------------------------------------------------------


def test_nothing_changed_is_all_cached_and_the_same(tally: Built) -> None:
    assert [step for step in tally.second.result["steps"] if not step["cached"]] == []
    assert tally.second.result["steps"]
    assert tally.second.digests() == tally.first.digests()
    assert all(one["cached"] for image in tally.second.result["images"] for one in image["platforms"].values())


def test_a_changed_line_takes_only_the_steps_that_come_after_it(tally: Built, copied: CopyOf) -> None:
    changed = copied("tally")
    changed.write("app/tally/counting.py", (changed.root / "app/tally/counting.py").read_text() + f"# {changed.name}\n")
    outcome = changed.build().good()
    done = {
        (step["stage"], step["instruction"].partition(" <<")[0])
        for step in outcome.result["steps"]
        if not step["cached"]
    }
    assert ("bundle", "COPY tally ./tally") in done
    assert {stage for stage, _ in done} == {"bundle", "test", "debug", "production"}
    before = {("bundle", "COPY tools ./tools"), ("tools", "WORKDIR /src")}
    assert not before & done
    for stage in ("debug", "production"):
        assert {text for name, text in done if name == stage} == {
            "COPY --from=bundle /src/dist/tally.pyz /app/tally.pyz"
        }


def test_for_one_platform_alone_nothing_is_emulated(copied: CopyOf) -> None:
    project = copied("tally")
    outcome = project.build("--platform", FOREIGN).good()
    for image in outcome.result["images"]:
        assert list(image["platforms"]) == [FOREIGN]
        archive = saved(image["tag"])
        assert list(archive.manifests()) == [FOREIGN]
        assert archive.top == image["digest"]
    steps = outcome.result["steps"]
    assert {step["platform"] for step in steps if step["command"]} == {NATIVE}
    assert {step["platform"] for step in outcome.steps("production")} == {FOREIGN}
    assert not any(step["emulated"] for step in steps)
    assert "emulation" not in outcome.told
    done = docker("run", "--rm", "--platform", FOREIGN, project.name, "--version")
    assert done.stdout == "tally 1.4.0\n"


def test_one_image_for_one_platform_is_told_step_by_step(copied: CopyOf) -> None:
    """Buildx leaves names of targets and platforms out when there is only one of them."""
    project = copied("tally")
    project.edit("buildspec.toml", ', debug = "debug" }', " }")
    project.edit("buildspec.toml", 'gate = "test"\n', "")
    project.edit("buildspec.toml", 'VERSION = "${app-version}"', f'VERSION = "{project.name}"')
    outcome = project.build("--platform", FOREIGN).good()
    (bundled,) = [step for step in outcome.steps("bundle") if step["command"]]
    assert (bundled["platform"], bundled["cached"]) == (NATIVE, False)
    assert outcome.table()[f"{project.name}:latest", FOREIGN][-1] == "built"
    assert f"bundle {NATIVE}: RUN python3 tools/bundle.py" in outcome.out


def test_generated_files_build_without_us(copied: CopyOf) -> None:
    project = copied("tally")
    ours = project.build().good()
    tags = [image["tag"] for image in ours.result["images"]]
    docker("image", "rm", *tags)
    done = project.bake()
    assert done.returncode == 0, done.stderr
    theirs = {f"{tag} {target}": digest for tag in tags for target, digest in saved(tag).manifests().items()}
    assert theirs == ours.digests()


# --- building anew -------------------------------------------------------------------------------------------


def test_building_anew_gives_the_same_digests(copied: CopyOf) -> None:
    project = copied("tally")
    moment = {"SOURCE_DATE_EPOCH": "1700000000"}
    one, other = (project.build("--no-cache", env=moment).good() for _ in range(2))
    assert one.digests() == other.digests()
