"""What `[runtime]` says is in every delivered image: variables, and volumes as folders of the image's user."""

from __future__ import annotations

from helpers.plans import FACTS, HEAD, names, planned, source, steps

from buildspec.plan.model import Copy, Env, Plan, Volume, Where, Workdir, WriteFile
from buildspec.plan.planner import make_plan
from buildspec.render.dockerfile import render

APP = '[stages.app]\nfrom = "bare"\nusers = ["web"]\n'
VOLUMES = '[runtime]\nvolumes = ["/work", "/var/lib/web", "/cache/", "/var/lib/more"]\n'
DERIVED = '[stages.derived]\nfrom = "app"\n'


def folders(plan: Plan, stage: str = "app") -> list[Copy]:
    return [one for one in steps(plan, stage) if isinstance(one, Copy) and one.source.endswith(".volumes")]


def delivered(stages: str, deliver: str) -> Plan:
    return make_plan(source(HEAD.replace('{ app = "" }', deliver) + stages), FACTS)


def test_volumes_are_folders_of_the_user_made_without_a_command() -> None:
    plan = planned(f'{APP}user = "web"\n{VOLUMES}')
    assert steps(plan, "app.volumes") == [
        WriteFile("/volumes", "/work\n/var/lib/web\n/cache\n/var/lib/more\n"),
        Workdir("/0/work"),
        Workdir("/0/cache"),
        Workdir("/1/web"),
        Workdir("/1/more"),
    ]
    # each by the folder it is in, so that /var and /var/lib keep their owner
    assert folders(plan) == [
        Copy(("/0/",), "/", "app.volumes", "1001:1002"),
        Copy(("/1/",), "/var/lib/", "app.volumes", "1001:1002"),
    ]
    assert not any(stage.runs or stage.emulated for stage in plan.stages)
    helper = plan.stage("app.volumes")
    assert (helper.source, helper.where, helper.own_platform) == ("scratch", Where.BUILD, True)


def test_the_image_says_that_they_are_volumes_and_so_does_the_dockerfile() -> None:
    plan = planned(f'{APP}user = "web"\nvolumes = ["/own"]\n[runtime]\nvolumes = ["/work", "/own"]\n')
    assert [one for one in steps(plan, "app") if isinstance(one, Volume)] == [Volume(("/work",)), Volume(("/own",))]
    text = render(plan).text
    assert "FROM --platform=$BUILDPLATFORM scratch AS app.volumes\nCOPY --chmod=0644 <<" in text
    assert "\nWORKDIR /0/work\nWORKDIR /0/own\n" in text
    assert "COPY --from=app.volumes --chown=1001:1002 /0/ /\n" in text
    assert 'VOLUME ["/work"]' in text


def test_a_stages_own_volumes_belong_to_its_user_too() -> None:
    plan = planned(f'{APP}user = "7:8"\nvolumes = ["/own"]\n')
    assert folders(plan) == [Copy(("/0/",), "/", "app.volumes", "7:8")]
    (origin,) = {step.origin.key for step in plan.stage("app.volumes").steps}
    assert origin == "stages.app.volumes"


def test_without_a_user_they_are_roots() -> None:
    assert folders(planned(f"{APP}{VOLUMES}"))[0].owner == ""


def test_the_user_is_that_of_the_stage_it_starts_from_where_it_names_none() -> None:
    below = '[stages.below]\nfrom = "bare"\nusers = ["web"]\nuser = "web"\n[stages.app]\nfrom = "below"\n'
    plan = planned(below + VOLUMES)
    assert folders(plan)[0].owner == "1001:1002"
    assert folders(plan, "below") == []
    assert "below.volumes" not in names(plan)


def test_files_that_are_copied_later_find_the_folder_there() -> None:
    plan = planned(f'{APP}copy = ["x"]\nuser = "web"\n[runtime]\nvolumes = ["/a"]\n')
    copied = [one for one in steps(plan, "app") if isinstance(one, Copy)]
    assert [one.source for one in copied] == ["app.volumes", ""]


def test_an_image_made_from_another_has_its_folders_already() -> None:
    both = '{ app = "", derived = "derived" }'
    plan = delivered(f'{APP}user = "web"\n{DERIVED}{VOLUMES}', both)
    assert folders(plan, "derived") == []
    assert "derived.volumes" not in names(plan)
    other = delivered(f'{APP}user = "web"\n{DERIVED}user = "9:9"\n{VOLUMES}', both)
    assert [one.owner for one in folders(other, "derived")] == ["9:9", "9:9"]
    more = delivered(f'{APP}user = "web"\n{DERIVED}volumes = ["/more"]\n{VOLUMES}', both)
    assert steps(more, "derived.volumes") == [WriteFile("/volumes", "/more\n"), Workdir("/0/more")]


def test_a_delivered_stage_that_the_builder_runs_too_is_an_image_once() -> None:
    tool = '[stages.tool]\nfrom = "app"\nruns-on = "build"\n'
    tool += '[stages.out]\nfrom = "bare"\ncopy = [{ from = "tool", path = "/a" }]\n'
    plan = delivered(f'{APP}user = "web"\n{tool}{VOLUMES}', '{ app = "", out = "out" }')
    assert {"app.volumes", "app", "app.build"} <= set(names(plan))
    assert folders(plan, "app.build") == []
    assert not any(isinstance(one, Volume) for one in steps(plan, "app.build"))


def test_variables_are_in_delivered_images_alone_and_required_ones_by_name() -> None:
    runtime = '[runtime]\nenv = { B = "$x y", A = "1" }\n'
    runtime += 'required-env = ["KEY", "ID"]\nenv-exempt = ["--help", "version"]\n'
    plan = planned(f'[stages.below]\nfrom = "bare"\n[stages.app]\nfrom = "below"\nenv = {{ A = "2" }}\n{runtime}')
    found = [one for one in steps(plan, "app") if isinstance(one, Env)]
    assert found == [
        Env("A", "2"),
        Env("A", "1"),  # that of the container wins, as it would when it is started
        Env("B", "$x y"),
        Env("REQUIRED_ENV", "KEY ID"),
        Env("ENV_EXEMPT", "--help version"),
    ]
    assert steps(plan, "below") == []
    origins = [(step.origin.key, step.origin.place is not None) for step in plan.stage("app").steps][1:]
    assert origins == [(f"runtime.{key}", True) for key in ("env", "env", "required-env", "env-exempt")]


def test_where_nothing_is_required_nothing_is_said() -> None:
    plan = planned('[stages.app]\nfrom = "bare"\n[runtime]\nenv-exempt = ["--help"]\n')
    assert steps(plan, "app") == []
