"""A build: files under `build/`, one bake run, and tags when all of it has succeeded, never before."""

from __future__ import annotations

import json
import tarfile
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from helpers.docker import ENGINE, FakeDriver
from helpers.images import image
from helpers.plans import AMD64, ARM64, planned
from helpers.progress import failed, follow, log, vertex

from buildspec.engine import assemble, build, files, oci
from buildspec.engine.build import Options, Surroundings, times
from buildspec.engine.client import Bake
from buildspec.engine.progress import Event
from buildspec.engine.results import BuildResult, ImageResult
from buildspec.errors import MachineError, StepError
from buildspec.plan.model import Plan
from buildspec.plan.printable import printable
from buildspec.render import bake
from buildspec.render.dockerfile import render

STAGES = """\
[stages.app]
from = "bare"
copy = [{ from = "tool", path = "/out" }]

[stages.debug]
from = "bare"

[stages.tool]
from = "node"
runs-on = "build"
run = ["make"]
secrets = ["token"]

[stages.check]
from = "tool"
gate = "audit"
on-unavailable = "warn"
run = ["look"]

[secrets.token]
env = "MADE_WITH"
optional = true
"""
TIMED = planned(STAGES)
PLAN = attrs.evolve(TIMED, facts=attrs.evolve(TIMED.facts, epoch=None))
"""Without a time of the sources: the images stay as they were built."""
TWO = attrs.evolve(
    PLAN, targets=(*PLAN.targets, attrs.evolve(PLAN.targets[0], name="debug", stage="debug", tag="web:debug"))
)
APP, ARCHIVE = image(b"app", "linux/amd64", "linux/arm64")
DEBUG, DEBUG_ARCHIVE = image(b"debug", "linux/amd64", "linux/arm64")
OLD = f"sha256:{'0' * 64}"


def driver(**more: Any) -> FakeDriver:
    return FakeDriver({"app": APP, "debug": DEBUG}, {APP: ARCHIVE, DEBUG: DEBUG_ARCHIVE}, **more)


@attrs.define
class Build:
    """A build in a folder of its own, and what was said about it."""

    root: Path
    said: list[str] = attrs.Factory(list)
    told: list[Event] = attrs.Factory(list)
    accepted: list[ImageResult] = attrs.Factory(list)

    def around(self, using: FakeDriver, **environ: str) -> Surroundings:
        return Surroundings(
            root=self.root,
            cache=self.root / "cache",
            environ=environ,
            driver=using,
            engine=ENGINE,
            builder="default",
            say=self.said.append,
            tell=self.told.append,
        )

    def accept(self, images: Sequence[ImageResult]) -> None:
        self.accepted += images

    def run(self, using: FakeDriver, plan: Plan = PLAN, options: Options | None = None, **environ: str) -> BuildResult:
        return build.build(plan, self.around(using, **environ), options or Options(), self.accept)

    def read(self, path: str) -> str:
        return (self.root / path).read_text(encoding="utf-8")


@pytest.fixture
def here(tmp_path: Path) -> Build:
    return Build(tmp_path)


# --- files and the run ---------------------------------------------------------------------------------------


def test_what_is_generated_stands_under_build_before_the_engine_is_asked(here: Build) -> None:
    seen: dict[str, str] = {}

    def during(run: Bake) -> None:
        assert (run.cwd, run.file) == (str(here.root), "build/docker-bake.json")
        for name in ("Dockerfile", "Dockerfile.dockerignore", "docker-bake.json", "plan.json"):
            seen[name] = here.read(f"build/{name}")

    here.run(driver(during=during))
    assert seen["Dockerfile"] == render(PLAN).text
    assert seen["Dockerfile.dockerignore"] == bake.dockerignore(PLAN)
    assert json.loads(seen["docker-bake.json"]) == bake.render(PLAN, {}, {})
    assert json.loads(seen["plan.json"]) == printable(PLAN)


def test_bake_is_run_once_for_everything_and_gives_no_tags(here: Build) -> None:
    using = driver()
    here.run(using, TWO, Options(cache=False))
    (run,) = using.bakes
    assert (run.targets, run.overrides) == ((), ("app.tags=", "debug.tags="))
    assert (run.cache, run.builder, run.allow, run.env) == (False, "default", (), {})


def test_secrets_come_from_this_machine_and_are_in_no_file_and_no_event(here: Build) -> None:
    name = "[app tool 2/2] RUN make s3cret"
    lines = [vertex("a", name, 1), log("a", "s3cret\n"), vertex("a", name, 1, 2)]
    using = driver(lines=lines)
    result = here.run(using, MADE_WITH="s3cret")
    assert result.skipped_secrets == ()
    assert [event.line for event in here.told] == ["", "[secret]", ""]
    assert "s3cret" not in repr((result, using.bakes, here.told))
    assert not [file for file in here.root.rglob("*") if file.is_file() and b"s3cret" in file.read_bytes()]


def test_a_file_outside_of_the_folder_is_asked_permission_for(
    here: Build, tmp_path_factory: pytest.TempPathFactory
) -> None:
    token = tmp_path_factory.mktemp("home") / "token"
    token.write_text("s3cret")
    plan = attrs.evolve(PLAN, secrets=(attrs.evolve(PLAN.secrets[0], env=(), files=(str(token),)),))
    using = driver()
    here.run(using, plan)
    assert using.bakes[0].allow == (f"fs.read={token}",)


def test_secrets_this_machine_lacks_are_told(here: Build) -> None:
    assert here.run(driver()).skipped_secrets == ("token",)


def test_assembled_bases_are_laid_out_where_the_definition_names_them(
    here: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = planned('[stages.app]\nfrom = "core"\n')
    plan = attrs.evolve(plan, facts=PLAN.facts)
    made = {
        one: assemble.AssembledBase(one, f"sha256:{one.platform}", 1, 1, {}, cached=True, seconds=0)
        for one in plan.recipes()
    }
    exported: list[tuple[str, Path, str]] = []
    monkeypatch.setattr(build, "assemble_all", lambda recipes, *_, **__: {one: made[one] for one in recipes})
    monkeypatch.setattr(build, "index", lambda _cache, manifests: "+".join(sorted(manifests.values())))
    monkeypatch.setattr(build, "export", lambda _cache, digest, dest, ref: exported.append((digest, dest, ref)))
    here.run(driver(), plan)
    both = "sha256:linux/amd64+sha256:linux/arm64"
    assert exported == [(both, here.root / "build/bases/core", "core")]
    contexts = json.loads(here.read("build/docker-bake.json"))["target"]["_common"]["contexts"]
    assert contexts == {"core": f"oci-layout://build/bases/core@{both}"}


OTHER = {"dash": "2"}


def bases(monkeypatch: pytest.MonkeyPatch, *, cached: bool, newest: Mapping[str, str]) -> list[bool]:
    """Bases with version 1 of `dash`, cached or not, and what the mirror has; whether it was asked, each time."""
    asked: list[bool] = []

    def assemble_all(
        recipes: Sequence[Any], *_: object, refresh: bool, say: object
    ) -> dict[Any, assemble.AssembledBase]:
        asked.append(refresh)
        packages = newest if refresh or not cached else {"dash": "1"}
        return {
            one: assemble.AssembledBase(one, "sha256:x", 1, 1, packages, cached=cached and not refresh, seconds=0)
            for one in recipes
        }

    monkeypatch.setattr(build, "assemble_all", assemble_all)
    monkeypatch.setattr(build, "index", lambda *_: "sha256:i")
    monkeypatch.setattr(build, "export", lambda *_: None)
    return asked


ASSEMBLED = attrs.evolve(planned('[stages.app]\nfrom = "core"\n'), facts=PLAN.facts)


def locked(versions: Mapping[str, str], *, frozen: bool = False) -> Options:
    return Options(packages={one.name: versions for one in ASSEMBLED.recipes()}, frozen=frozen)


def test_a_cached_base_is_made_anew_when_it_was_locked_with_other_packages(
    here: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = bases(monkeypatch, cached=True, newest=OTHER)
    here.run(driver(), ASSEMBLED, locked({"dash": "1"}))
    assert asked == [False]
    here.run(driver(), ASSEMBLED, locked(OTHER, frozen=True))
    assert asked == [False, False, True]
    assert not any("buildspec.lock" in line for line in here.said)


def test_a_base_that_cannot_be_had_as_it_was_locked_is_told_or_refused(
    here: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    bases(monkeypatch, cached=False, newest=OTHER)
    here.run(driver(), ASSEMBLED, locked({"dash": "1"}))
    why = "has other packages for the base trixie linux/amd64 distroless than the mirror now: dash 1 -> 2"
    assert f"buildspec.lock {why}" in here.said
    with pytest.raises(MachineError, match=why) as raised:
        here.run(driver(), ASSEMBLED, locked({"dash": "1"}, frozen=True))
    assert "nox -s lock" in raised.value.fix


# --- times of files --------------------------------------------------------------------------------------------


def layout(folder: Path) -> str:
    """An image in a layout, as bake writes it; its digest."""
    created = "1980-01-01T00:00:00Z"
    history = [{"created": "2020-02-02T00:00:00Z"}, {"created": created}]
    config = oci.canonical({"os": "linux", "architecture": "amd64", "created": created, "history": history})
    about = {"digest": oci.put(folder, config), "size": len(config)}
    manifest = oci.canonical({"config": about, "layers": []})
    entry = {"digest": oci.put(folder, manifest), "size": len(manifest), "platform": {"os": "linux"}}
    return oci.put(folder, oci.canonical({"manifests": [entry]}))


@attrs.define
class Rewritten(FakeDriver):
    """One that writes images as layouts when it is asked to."""

    documents: list[dict[str, Any]] = attrs.Factory(list)

    def bake(self, run: Bake, each: Callable[[str], None]) -> int:
        if run.targets:
            made = layout(Path(run.metadata).parent / "app")
            Path(run.metadata).write_text(json.dumps({"app": {"containerimage.digest": made}}), encoding="utf-8")
        return super().bake(run, each)

    def load(self, archive: Path) -> None:
        with tarfile.open(archive) as tar:
            read = [tar.extractfile(one) for one in tar if one.isfile()]
            self.documents = [json.loads(one.read()) for one in read if one is not None]
        super().load(archive)
        (top,) = next(one["manifests"] for one in self.documents if "annotations" not in one and "manifests" in one)
        self.local[top["digest"]] = top["digest"]


def rewriting(monkeypatch: pytest.MonkeyPatch) -> Rewritten:
    monkeypatch.setattr(
        build,
        "_image",
        lambda target, digests, _: ImageResult(target=target, digest=digests[target.name], platforms=(), moved=False),
    )
    return Rewritten({"app": APP}, {APP: ARCHIVE})


def test_images_are_written_again_with_a_constant_time(here: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    using = rewriting(monkeypatch)
    result = here.run(using, TIMED, Options(cache=False))
    first, second = using.bakes
    folder = Path(second.metadata).parent
    assert (first.cache, second.cache, second.targets) == (False, True, ("app",))
    told = "rewrite-timestamp=true,source-date-epoch=315532800"
    assert second.overrides == ("app.tags=", f"app.output=type=oci,tar=false,dest={folder}/app,{told}")
    assert second.allow == (f"fs.write={folder}",)
    assert using.loaded == ["image.tar"]
    (config,) = [one for one in using.documents if "history" in one]
    # the time of the sources stands for that of the build; the base keeps its own
    assert config["created"] == "2023-11-14T22:13:20Z"
    assert [one["created"] for one in config["history"]] == ["2020-02-02T00:00:00Z", "2023-11-14T22:13:20Z"]
    assert [one.digest for one in result.images] == [using.tagged[0][1]] != [APP]


def test_what_was_written_once_is_not_written_again_unless_the_engine_has_lost_it(
    here: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    using = rewriting(monkeypatch)
    digests = [here.run(using, TIMED).images[0].digest for _ in range(2)]
    assert digests[0] == digests[1] != APP
    assert [run.targets for run in using.bakes] == [(), ("app",), ()]
    using.local.clear()
    assert here.run(using, TIMED).images[0].digest == digests[0]
    assert [run.targets for run in using.bakes[3:]] == [(), ("app",)]


def test_a_build_may_leave_the_tags_where_they_are(here: Build) -> None:
    using = driver()
    assert [one.digest for one in here.run(using, options=Options(tags=False)).images] == [APP]
    assert using.tagged == []


# --- second attempts -------------------------------------------------------------------------------------------

LOST = "ERROR: failed to solve: parent snapshot sha256:c0 does not exist: not found"


def test_a_build_that_failed_for_its_cache_is_done_once_more_without_it(here: Build) -> None:
    using = driver(code=1, lines=[LOST])

    def during(_: Bake) -> None:
        using.code = 0 if len(using.bakes) == 2 else 1

    using.during = during
    here.run(using)
    assert [run.cache for run in using.bakes] == [True, False]
    assert "something of BuildKit's cache is gone: building once more, without it" in here.said
    assert using.tagged == [("web:latest", APP)]


def test_a_build_is_not_done_a_third_time(here: Build) -> None:
    using = driver(code=1, lines=[LOST])
    with pytest.raises(StepError, match="parent snapshot"):
        here.run(using)
    assert len(using.bakes) == 2
    assert using.tagged == []


# --- tags ----------------------------------------------------------------------------------------------------


def test_images_are_tagged_once_all_of_it_has_succeeded(here: Build) -> None:
    using = driver(local={"web:debug": OLD})
    result = here.run(using, TWO)
    assert using.tagged == [("web:latest", APP), ("web:debug", DEBUG)]
    assert [(one.digest, one.moved) for one in result.images] == [(APP, True), (DEBUG, True)]
    assert [[one.platform for one in each.platforms] for each in result.images] == [[AMD64, ARM64]] * 2


def test_a_tag_that_is_right_already_is_left_alone(here: Build) -> None:
    using = driver(local={"web:latest": APP})
    assert [one.moved for one in here.run(using).images] == [False]
    assert using.tagged == []


def test_a_tag_that_another_build_moves_meanwhile_is_moved_back(here: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "FRESH", 0.0)
    using = driver(local={"web:latest": APP})
    using.during = lambda _: using.local.update({"web:latest": OLD})
    here.run(using)
    assert using.tagged == [("web:latest", APP)]


def test_nothing_is_tagged_when_a_step_failed(here: Build) -> None:
    name = "[check check 2/2] RUN look"
    using = driver(code=1, lines=[vertex("a", name, 1, 2, error=failed("look", 1))])
    with pytest.raises(StepError, match="audit gate 'check' failed"):
        here.run(using)
    assert using.tagged == []
    assert here.accepted == []


def test_nothing_is_tagged_when_the_images_are_not_accepted(here: Build) -> None:
    def accept(images: Sequence[ImageResult]) -> None:
        raise StepError(f"{len(images)} too big")

    using = driver()
    with pytest.raises(StepError, match="2 too big"):
        build.build(TWO, here.around(using), Options(), accept)
    assert using.tagged == []


def test_images_are_measured_before_they_are_accepted(here: Build) -> None:
    here.run(driver())
    assert [one.unpacked for one in here.accepted[0].platforms] == [3, 3]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"digests": {}}, "buildx names no digest for 'app'"),
        ({"archives": {APP: DEBUG_ARCHIVE}}, "doesn't hold it"),
    ],
)
def test_nothing_is_tagged_when_the_engine_lacks_an_image(change: Mapping[str, Any], why: str, here: Build) -> None:
    using = attrs.evolve(driver(), **change)
    with pytest.raises(MachineError, match=why):
        here.run(using)
    assert using.tagged == []


def test_nothing_is_tagged_when_an_image_lacks_a_platform(here: Build) -> None:
    digest, archive = image(b"app", "linux/amd64")
    using = FakeDriver({"app": digest}, {digest: archive})
    with pytest.raises(MachineError, match="the image 'app' lacks linux/arm64"):
        here.run(using)
    assert using.tagged == []


def test_nothing_is_tagged_when_buildx_leaves_no_digests(here: Build) -> None:
    using = driver(during=lambda run: Path(run.metadata).mkdir())
    with pytest.raises(MachineError, match="left no digests"):
        here.run(using)
    assert using.tagged == []


def test_a_tag_that_is_refused_is_told_with_those_that_were_moved_before(here: Build) -> None:
    with pytest.raises(MachineError, match="web:debug could not be tagged\ntagged before that: web:latest") as caught:
        here.run(driver(refuses="web:debug"), TWO)
    assert caught.value.fix == "try again"
    with pytest.raises(MachineError, match="tagged before that: nothing"):
        here.run(driver(refuses="web:latest"), TWO)


def test_another_build_of_the_folder_is_waited_for(here: Build) -> None:
    said = threading.Event()
    around = attrs.evolve(here.around(driver()), say=lambda line: said.set() if "another build" in line else None)
    done: list[BuildResult] = []
    thread = threading.Thread(target=lambda: done.append(build.build(PLAN, around, Options(), here.accept)))
    with files.locked(here.root / "build/.lock"):
        thread.start()
        assert said.wait(5)
        assert not done
    thread.join(5)
    assert len(done) == 1


# --- gates ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("left", "outcome"),
    [("gate", "passed"), ("unavailable", "unavailable"), ("linux_arm64/unavailable", "unavailable")],
)
def test_a_gate_whose_service_could_not_be_asked_looks_like_nothing_else(left: str, outcome: str, here: Build) -> None:
    def during(_: Bake) -> None:
        file = here.root / "build/gates/check" / left
        file.parent.mkdir(parents=True)
        file.touch()

    (gate,) = here.run(driver(during=during)).gates
    assert (gate.target.name, gate.outcome, gate.report) == ("check", outcome, "build/gates/check")


def test_reports_of_an_earlier_run_are_forgotten(here: Build) -> None:
    old = here.root / "build/gates/check/unavailable"
    old.parent.mkdir(parents=True)
    old.touch()
    assert [one.outcome for one in here.run(driver()).gates] == ["passed"]


# --- times ---------------------------------------------------------------------------------------------------


def timed(*lines: str, plan: Plan = PLAN) -> list[tuple[str, str, str, float, bool]]:
    progress, _ = follow(list(lines), build._default_platforms(plan))
    found = times(plan, render(plan), progress)
    return [(one.stage, str(one.platform), one.origin, round(one.seconds, 1), one.cached) for one in found]


def test_a_step_is_timed_once_for_each_platform_it_ran_on_and_what_was_done_counts() -> None:
    copy = "{} app 2/2] COPY --from=tool /out /out"
    assert timed(
        vertex("b", "[app linux/amd64 tool 2/2] RUN make", 4, 4, cached=True),
        vertex("a", "[check tool 2/2] RUN make", 1, 3),
        vertex("c", copy.format("[app linux/amd64"), 4, 4.5),
        vertex("d", copy.format("[app linux/arm64"), 4, 4, cached=True),
        vertex("e", "exporting to image", 5, 9),
        vertex("f", "[app linux/arm64 elsewhere 2/2] RUN x", 5, 9),
    ) == [
        ("tool", "linux/amd64", "stages.tool.run", 2.0, False),
        ("app", "linux/amd64", "stages.app.copy", 0.5, False),
        ("app", "linux/arm64", "stages.app.copy", 0.0, True),
    ]


def test_a_command_for_another_platform_than_the_engines_is_emulated() -> None:
    plan = planned('[stages.app]\nfrom = "node"\nrun = ["make", "make"]\nworkdir = "/w"\n')
    progress, _ = follow(
        [
            vertex("a", "[app linux/arm64 app 2/4] WORKDIR /w", 1, 2),
            vertex("b", "[app linux/arm64 app 3/4] RUN make", 1, 2),
            vertex("c", "[app linux/arm64 app 4/4] RUN make", 1, 2),
            vertex("d", "[app linux/amd64 app 4/4] RUN make", 1, 2),
        ]
    )
    found = times(plan, render(plan), progress)
    assert [(str(one.platform), one.runs, one.emulated) for one in found] == [
        ("linux/arm64", False, False),
        ("linux/arm64", True, True),
        ("linux/arm64", True, True),
        ("linux/amd64", True, False),
    ]


def test_an_images_steps_are_its_own_and_those_of_what_it_is_made_of(here: Build) -> None:
    lines = [
        vertex("a", "[check tool 2/2] RUN make", 1, 3),
        vertex("b", "[check check 3/3] RUN look", 3, 4),
        vertex("c", "[app linux/amd64 app 2/2] COPY --from=tool /out /out", 4, 5),
        vertex("d", "[app linux/arm64 app 2/2] COPY --from=tool /out /out", 4, 5),
    ]
    result = here.run(driver(lines=lines))
    found = result.steps_of(PLAN.targets[0], ARM64)
    assert [(one.stage, str(one.platform)) for one in found] == [("tool", "linux/amd64"), ("app", "linux/arm64")]


def test_without_deliveries_of_several_platforms_steps_have_the_only_one() -> None:
    plan = planned(STAGES, platforms=[ARM64])
    assert build._default_platforms(plan)["app"] == "linux/arm64"
    assert build._default_platforms(plan)["tool"] == "linux/amd64"
