"""Packages of a stage: each manager's own command, and none of another platform's programs."""

from __future__ import annotations

from helpers.plans import AMD64, ARM64, commands, copies, names, planned, steps

from buildspec.plan.model import Mount, Plan, Run

HELPED = '[stages.app]\nfrom = "node"\npackages = ["curl", "git"]\n'


def build_stage(base: str) -> Plan:
    return planned(
        f'[stages.tool]\nfrom = "{base}"\nruns-on = "build"\npackages = ["curl", "git"]\n'
        '[stages.app]\nfrom = "bare"\ncopy = [{ from = "tool", path = "/a" }]\n'
    )


def first_run(plan: Plan, stage: str) -> Run:
    return next(one for one in steps(plan, stage) if isinstance(one, Run))


def test_apk_adds_with_a_cache_that_is_no_layer() -> None:
    run = first_run(build_stage("node"), "tool")
    assert run.command == "apk add --cache-dir /var/cache/apk curl git"
    assert run.options == ("type=cache,target=/var/cache/apk,sharing=locked",)


def test_apt_installs_without_recommendations_and_keeps_its_downloads_in_the_cache() -> None:
    run = first_run(build_stage("slim"), "tool")
    assert "apt-get install -y --no-install-recommends curl git" in run.command
    assert run.command.startswith("rm -f /etc/apt/apt.conf.d/docker-clean && apt-get update && ")
    assert [option.split(",")[1] for option in run.options] == ["target=/var/cache/apt", "target=/var/lib/apt/lists"]


def test_a_package_that_is_no_word_of_the_shell_is_quoted() -> None:
    plan = planned('[stages.app]\nfrom = "slim"\npackages = ["a;b", "c d"]\n')
    assert commands(plan, "app")[0].endswith("'a;b' 'c d'")


def test_what_downloads_is_given_the_networks_secrets_unasked() -> None:
    run = first_run(build_stage("node"), "tool")
    assert Mount(id="ca-bundle", target="/run/secrets/ca-bundle") in run.mounts
    assert Mount(id="https-proxy", env="https_proxy") in run.mounts


def test_apk_for_a_foreign_platform_runs_on_the_builder_and_leaves_files() -> None:
    plan = planned(HELPED)
    assert names(plan) == ["app.root", "app.packages", "app"]
    helper, root = plan.stage("app.packages"), plan.stage("app.root")
    assert (helper.source, helper.own_platform, root.source, root.own_platform) == ("node", True, "node", False)
    run = first_run(plan, "app.packages")
    assert "--no-scripts add curl git" in run.command
    assert run.options[1] == "type=bind,from=app.root,target=/target,rw"
    assert copies(plan, "app") == [("app.packages", "/out/", "/")]
    assert not any(stage.emulated for stage in plan.stages)


def test_a_stage_on_another_stage_is_the_root_its_packages_go_into() -> None:
    plan = planned('[stages.below]\nfrom = "node"\n[stages.app]\nfrom = "below"\npackages = ["curl"]\n')
    assert names(plan) == ["below", "app.packages", "app"]
    assert first_run(plan, "app.packages").options[1] == "type=bind,from=below,target=/target,rw"


def test_apt_on_a_foreign_platform_is_told_to_be_emulated() -> None:
    text = '[stages.app]\nfrom = "slim"\npackages = ["curl"]\n'
    assert planned(text).stage("app").emulated == (ARM64,)
    assert planned(text, platforms=[AMD64]).stage("app").emulated == ()


def test_a_command_of_the_specification_for_a_foreign_platform_is_told_to_be_emulated() -> None:
    assert planned('[stages.app]\nfrom = "node"\nrun = ["true"]\n').stage("app").emulated == (ARM64,)
    fragment = planned('[stages.app]\nfrom = "node"\n', {"app": "RUN true\n"})
    assert fragment.stage("app").emulated == (ARM64,)
    harmless = planned('[stages.app]\nfrom = "node"\n', {"app": "ARG X=1\n"})
    assert harmless.stage("app").emulated == ()


def test_packages_on_top_of_a_stage_of_an_assembled_base_are_installed() -> None:
    plan = planned(
        '[stages.below]\nfrom = "trixie"\nruns-on = "build"\n'
        '[stages.tool]\nfrom = "below"\npackages = ["git"]\n'
        '[stages.app]\nfrom = "bare"\ncopy = [{ from = "tool", path = "/a" }]\n'
    )
    assert commands(plan, "tool")[0].endswith(" git")
