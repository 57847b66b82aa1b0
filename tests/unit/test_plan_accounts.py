"""Users of a stage: made by tool, by file, or copied, as the base has it."""

from __future__ import annotations

from helpers.plans import commands, copies, planned, steps

from buildspec.plan.accounts import FILES, by_tool
from buildspec.plan.model import Copy, Plan, User, WriteFile
from buildspec.spec import model as language

WEB = 'users = ["web"]\nuser = "web"\n'


def files(plan: Plan, stage: str) -> dict[str, list[str]]:
    found = [one for one in steps(plan, stage) if isinstance(one, WriteFile)]
    return {one.path: one.content.splitlines() for one in found}


def tool(base: str, users: str = '"web"') -> Plan:
    return planned(
        f'[stages.tool]\nfrom = "{base}"\nruns-on = "build"\nusers = [{users}]\n'
        '[stages.app]\nfrom = "bare"\ncopy = [{ from = "tool", path = "/a" }]\n'
    )


def test_busyboxs_tools_make_a_group_and_a_user_without_a_password() -> None:
    assert commands(tool("node"), "tool") == [
        "addgroup -g 1002 -S web && adduser -S -D -H -h /home/web -s /sbin/nologin -u 1001 -G web web"
    ]


def test_shadows_tools_make_them_elsewhere() -> None:
    assert commands(tool("slim", '"ops"'), "tool") == [
        (
            "groupadd --gid 2002 ops && useradd --no-create-home --no-log-init --home-dir /srv/ops "
            "--uid 2001 --gid 2002 --shell /usr/sbin/nologin ops"
        )
    ]


def test_a_name_stays_one_word_of_the_shell() -> None:
    made = by_tool("shadow", {"a b;c": language.User(uid=1, gid=2, home="/x y")})
    assert made.command.startswith("groupadd --gid 2 'a b;c' && ")
    assert "--home-dir '/x y' " in made.command


def test_without_tools_the_files_are_written_whole_with_the_bases_own_lines() -> None:
    plan = planned(f'[stages.app]\nfrom = "bare"\n{WEB}')
    found = files(plan, "app")
    assert found["/etc/passwd"] == [
        "root:x:0:0:root:/root:/sbin/nologin",
        "nobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin",
        "nonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin",
        "web:x:1001:1002:web:/home/web:/sbin/nologin",
    ]
    assert found["/etc/group"][0] == "root:x:0:"
    assert found["/etc/group"][-1] == "web:x:1002:"


def test_files_name_the_users_of_every_stage_below_too() -> None:
    plan = planned('[stages.below]\nfrom = "bare"\nusers = ["ops"]\n[stages.app]\nfrom = "below"\nusers = ["web"]\n')
    names = [line.partition(":")[0] for line in files(plan, "app")["/etc/passwd"]]
    assert names == ["root", "nobody", "nonroot", "ops", "web"]


def test_an_assembled_base_for_the_target_gets_files_though_it_has_tools() -> None:
    plan = planned(f'[stages.app]\nfrom = "trixie"\n{WEB}')
    assert "www-data:x:33:33:www-data:/var/www:/usr/sbin/nologin" in files(plan, "app")["/etc/passwd"]
    assert not plan.stage("app").runs


def test_a_user_that_a_stage_below_has_made_is_not_made_again() -> None:
    plan = planned(
        '[stages.below]\nfrom = "slim"\nruns-on = "build"\nusers = ["ops"]\n'
        '[stages.tool]\nfrom = "below"\nusers = ["ops", "web"]\n[stages.again]\nfrom = "tool"\nusers = ["web"]\n'
        '[stages.app]\nfrom = "bare"\ncopy = [{ from = "again", path = "/a" }]\n'
    )
    (command,) = commands(plan, "tool")
    assert command.count("useradd") == 1
    assert command.endswith(" web")
    assert commands(plan, "again") == []


def test_scratch_knows_the_stages_users_alone() -> None:
    plan = planned(f'[stages.app]\nfrom = "scratch"\n{WEB}')
    assert files(plan, "app")["/etc/passwd"] == ["web:x:1001:1002:web:/home/web:/sbin/nologin"]


def test_for_a_foreign_platform_the_builder_makes_them_and_the_files_are_copied() -> None:
    plan = planned(f'[stages.below]\nfrom = "node"\nusers = ["ops"]\n[stages.app]\nfrom = "below"\n{WEB}')
    assert [("ops" in one, "web" in one) for one in commands(plan, "app.users")] == [(True, True)]
    assert (plan.stage("app.users").source, plan.stage("app.users").own_platform) == ("node", True)
    assert steps(plan, "app")[0] == Copy(FILES, "/etc/", "app.users")
    assert not any(stage.emulated for stage in plan.stages)


def test_users_and_owners_are_written_in_numbers() -> None:
    plan = planned(
        '[stages.app]\nfrom = "bare"\nusers = ["web"]\nuser = "web"\n'
        'copy = [{ path = "a", owner = "web" }, { path = "b", owner = "7:8" }, "c"]\n'
    )
    found = steps(plan, "app")
    assert [one.owner for one in found if isinstance(one, Copy)] == ["1001:1002", "7:8", ""]
    assert found[-1] == User("1001:1002")


def test_a_user_that_is_a_number_already_stays_one() -> None:
    assert steps(planned('[stages.app]\nfrom = "bare"\nuser = "65532"\n'), "app") == [User("65532")]


def test_no_users_no_files() -> None:
    plan = planned('[stages.app]\nfrom = "bare"\n')
    assert steps(plan, "app") == []
    assert copies(plan, "app") == []
