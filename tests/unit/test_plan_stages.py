"""Steps of a stage: the language's fixed order, gates, commands, configuration, and what each was made from."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from helpers.plans import planned, steps

from buildspec.plan.model import Arg, Cmd, Copy, Entrypoint, Env, Health, Plan, Run, Shell, Verbatim, WriteFile

WHOLE = """\
[stages.app]
stop-signal = "SIGINT"
labels = { b = "2", a = "1" }
expose = ["80"]
volumes = ["/data"]
healthcheck = { test = ["node", "x.js"] }
cmd = ["--help"]
entrypoint = ["node", "app.js"]
user = "web"
run = ["one", "two"]
copy = ["x"]
env = { Z = "1", A = "2" }
workdir = "/app"
users = ["web"]
args = { Y = "1", B = "2" }
from = "bare"
"""


def test_steps_stand_in_the_languages_order_whatever_that_of_the_keys() -> None:
    kinds = [type(one).__name__ for one in steps(planned(WHOLE), "app")]
    assert kinds == [
        *("Arg", "Arg", "WriteFile", "WriteFile", "Copy", "Workdir", "Env", "Env", "Copy", "Run", "Run"),
        *("User", "Entrypoint", "Cmd", "Health", "Volume", "Expose", "Label", "Label", "StopSignal"),
    ]


def test_variables_and_labels_are_sorted_by_name() -> None:
    found = steps(planned(WHOLE), "app")
    assert [one.name for one in found if isinstance(one, Arg | Env)] == ["B", "Y", "A", "Z"]


def test_every_step_names_its_key_and_place() -> None:
    plan = planned(WHOLE)
    places = {step.origin.key: step.origin.place for step in plan.stage("app").steps}
    assert list(places)[:5] == [f"stages.app.{key}" for key in ("args", "users", "volumes", "workdir", "env")]
    assert all(place is not None and place.file == "buildspec.toml" for place in places.values())
    run = places["stages.app.run"]
    assert run is not None
    assert (run.text, run.column, run.width) == ('run = ["one", "two"]', 15, 5)  # the second command


def test_a_fragments_steps_point_into_the_fragment() -> None:
    plan = planned('[stages.app]\nfrom = "node"\n', {"app": "# why\n\nARG A=1\n  RUN a && \\\n      b\n"})
    origins = [(step.origin.key, str(step.origin.place)) for step in plan.stage("app").steps]
    assert origins == [
        ("stages/app.Dockerfile", "stages/app.Dockerfile:3:1"),
        ("stages/app.Dockerfile", "stages/app.Dockerfile:4:3"),
    ]
    assert steps(plan, "app")[1] == Verbatim("RUN", "  RUN a && \\\n      b")


def test_commands_of_the_specification_win_over_a_fragment() -> None:
    plan = planned('[stages.app]\nfrom = "node"\nrun = ["x"]\n', {"app": "RUN y\n"})
    assert steps(plan, "app") == [Run("x")]


@pytest.mark.parametrize(
    ("base", "node"),
    [("node", "/usr/local/bin/node"), ("bare", "/nodejs/bin/node"), ("core", "/usr/bin/node"), ("own", "/opt/node")],
)
def test_a_program_is_named_by_its_path_on_the_base(base: str, node: str) -> None:
    own = '[bases.own]\nimage = "x.test/y:1"\nprograms = { node = "/opt/node" }\n'
    text = f'[stages.app]\nfrom = "{base}"\nhealthcheck = {{ test = ["node", "h.js"] }}\n{own}'
    found = steps(
        planned(text.replace("healthcheck", 'entrypoint = ["node", "node"]\ncmd = ["node"]\nhealthcheck')), "app"
    )
    assert found[:2] == [Entrypoint((node, "node")), Cmd(("node",))]  # arguments stay as they are
    health = found[2]
    assert isinstance(health, Health)
    assert health.check.test == (node, "h.js")


def test_a_cmd_alone_is_a_program_and_a_command_line_stays_one() -> None:
    assert steps(planned('[stages.app]\nfrom = "bare"\ncmd = ["node"]\n'), "app") == [Cmd(("/nodejs/bin/node",))]
    assert steps(planned('[stages.app]\nfrom = "node"\ncmd = "node x"\n'), "app") == [Cmd("node x")]


def test_packages_of_a_stage_give_it_programs() -> None:
    plan = planned('[stages.app]\nfrom = "trixie"\npackages = ["tini"]\nentrypoint = ["tini", "--"]\n')
    assert steps(plan, "app") == [Entrypoint(("/usr/bin/tini", "--"))]


# --- gates ---------------------------------------------------------------------------------------------------


def gate(kind: str, more: str = "") -> Plan:
    return planned(
        '[stages.app]\nfrom = "node"\nruns-on = "target"\n'
        f'[stages.check]\nfrom = "node"\nruns-on = "build"\ngate = "{kind}"\nrun = ["look"]\n{more}'
    )


def test_a_gate_leaves_a_report_even_if_it_writes_none() -> None:
    assert steps(gate("test"), "check") == [WriteFile("/gate/gate", "check\n"), Run("look")]
    assert steps(gate("test"), "check.report") == [Copy(("/gate/",), "/", "check")]


def test_an_audit_is_asked_anew_each_day() -> None:
    assert steps(gate("audit"), "check")[1] == Arg("BUILDSPEC_DAY")
    assert not any(isinstance(one, Arg) for one in steps(gate("test"), "check"))


def test_a_service_that_cannot_be_asked_is_let_pass_only_where_the_specification_says_so() -> None:
    assert not any(isinstance(one, Shell) for one in steps(gate("audit"), "check"))
    (shell,) = [one for one in steps(gate("audit", 'on-unavailable = "warn"\n'), "check") if isinstance(one, Shell)]
    assert shell.words[:2] == ("/bin/sh", "-c")


@pytest.mark.parametrize(
    ("command", "code", "marked"), [("exit 0", 0, False), ("exit 69", 0, True), ("exit 1", 1, False)]
)
def test_the_lenient_shell_lets_that_one_exit_code_pass_and_leaves_a_mark(
    command: str, code: int, marked: bool, tmp_path: Path
) -> None:
    (shell,) = [one for one in steps(gate("audit", 'on-unavailable = "warn"\n'), "check") if isinstance(one, Shell)]
    script = shell.words[2].replace("/gate/", f"{tmp_path}/")
    done = subprocess.run([*shell.words[:2], script, command], check=False)
    assert (done.returncode, (tmp_path / "unavailable").exists()) == (code, marked)
