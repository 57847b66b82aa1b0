"""The stage graph: what is built, in what order, and where it runs."""

from __future__ import annotations

import attrs
from helpers.plans import HEAD, copies, names, planned, source

from buildspec.plan.graph import order
from buildspec.plan.model import Where
from buildspec.spec import model as language

FAN = """\
[stages.app]
from = "bare"
copy = [{ from = "tool", path = "/a" }, { from = "data", path = "/b" }]

[stages.data]
from = "scratch"

[stages.tool]
from = "deps"

[stages.deps]
from = "node"

[stages.unused]
from = "node"
"""


def test_a_stage_comes_after_all_it_needs_and_what_nobody_needs_is_left_out() -> None:
    assert names(planned(FAN)) == ["deps", "tool", "data", "app"]


def test_gates_are_built_though_no_image_needs_them() -> None:
    plan = planned(FAN + '[stages.check]\nfrom = "tool"\ngate = "test"\n')
    assert names(plan) == ["deps", "tool", "data", "app", "check", "check.report"]
    assert copies(plan, "check.report") == [("check", "/gate/", "/")]


def test_a_stage_runs_where_it_says_else_where_what_it_starts_from_runs() -> None:
    plan = planned(
        '[stages.deps]\nfrom = "node"\nruns-on = "build"\n'
        '[stages.tool]\nfrom = "deps"\n'
        '[stages.app]\nfrom = "bare"\ncopy = [{ from = "tool", path = "/a" }]\n'
    )
    assert {stage.name: stage.where for stage in plan.stages} == {
        "deps": Where.BUILD,
        "tool": Where.BUILD,
        "app": Where.TARGET,
    }


def test_only_what_starts_from_a_base_on_the_build_platform_has_a_platform_of_its_own() -> None:
    plan = planned(
        '[stages.deps]\nfrom = "node"\nruns-on = "build"\n'
        '[stages.tool]\nfrom = "deps"\n'
        '[stages.empty]\nfrom = "scratch"\nruns-on = "build"\n'
        '[stages.app]\nfrom = "bare"\n'
        'copy = [{ from = "tool", path = "/a" }, { from = "empty", path = "/b" }]\n'
    )
    assert [stage.name for stage in plan.stages if stage.own_platform] == ["deps"]


TWICE = """\
[stages.shared]
from = "node"

[stages.tool]
from = "shared"
runs-on = "build"

[stages.app]
from = "shared"
copy = [{ from = "tool", path = "out" }]
"""


def test_what_an_image_and_a_build_stage_both_start_from_is_written_for_both_places() -> None:
    plan = planned(TWICE)
    assert names(plan) == ["shared", "shared.build", "tool", "app"]
    assert (plan.stage("tool").source, plan.stage("app").source) == ("shared.build", "shared")
    assert [plan.stage(name).where for name in ("shared", "shared.build")] == [Where.TARGET, Where.BUILD]
    assert [plan.stage(name).own_platform for name in ("shared", "shared.build")] == [False, True]


def test_files_are_copied_from_the_variant_that_runs_where_its_stage_does() -> None:
    plan = planned(TWICE + '[stages.check]\nfrom = "tool"\ngate = "test"\ncopy = [{ from = "shared", path = "/x" }]\n')
    assert copies(plan, "check")[0] == ("shared", "/x", "/x")


def test_a_copied_path_starts_at_the_working_folder_of_where_it_comes_from() -> None:
    plan = planned(
        '[stages.deps]\nfrom = "node"\nworkdir = "/srv"\n'
        '[stages.tool]\nfrom = "deps"\nworkdir = "app/"\n'
        '[stages.app]\nfrom = "bare"\nworkdir = "/else"\n'
        'copy = [{ from = "tool", path = "dist" }, { from = "tool", path = "/etc/x" }, '
        '{ from = "node", path = "opt" }]\n'
    )
    assert copies(plan, "app") == [
        ("tool", "/srv/app/dist", "./dist"),
        ("tool", "/etc/x", "/etc/x"),
        ("node", "/opt", "./opt"),
    ]


def test_paths_of_the_context_keep_their_place_under_the_working_folder() -> None:
    plan = planned(
        '[stages.app]\nfrom = "bare"\ncopy = [".", "./a/b", "src/*.js", "*.md", { path = "x", to = "y/" }]\n'
    )
    assert [to for _, _, to in copies(plan, "app")] == ["./", "./a/b", "./src/", "./", "y/"]


def test_a_chain_longer_than_pythons_stack_is_no_trouble() -> None:
    stages = {f"s{n}": language.Stage(from_=f"s{n - 1}" if n else "scratch") for n in range(1100)}
    spec = attrs.evolve(source(HEAD + FAN).spec, stages=stages)
    assert [node.stage for node in order(spec, ["s1099"])] == list(stages)


def test_needed_follows_parents_copies_and_mounts() -> None:
    plan = planned(
        '[stages.tool]\nfrom = "node"\nruns-on = "build"\n'
        '[stages.app]\nfrom = "node"\npackages = ["curl"]\ncopy = [{ from = "tool", path = "/a" }]\n'
        '[stages.check]\nfrom = "tool"\ngate = "test"\n'
    )
    image, gate = plan.targets
    assert plan.needed(image) == {"app", "tool", "app.packages", "app.root"}
    assert plan.needed(gate) == {"check.report", "check", "tool"}
