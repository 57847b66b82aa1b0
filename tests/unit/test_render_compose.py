"""compose.yaml: confined, pinned, and every value what it was, whatever is in it."""

from __future__ import annotations

import re
from typing import Any

import attrs
import pytest
import yaml
from conftest import Golden, examples
from helpers.plans import GOLDENS, HEAD, ROOT, source
from hypothesis import given
from hypothesis import strategies as st

from buildspec.engine.container import Container, options
from buildspec.render.compose import render, volume_names
from buildspec.spec.model import Runtime, Spec
from buildspec.spec.values import Platform

APP = HEAD + (
    '[stages.root]\nfrom = "node"\nusers = ["web"]\nuser = "web"\nexpose = ["8080", "53/udp", "9000-9001"]\n'
    'healthcheck = { test = ["node", "h.js", "$HOME"], interval = "1m30s", start-interval = "500ms" }\n'
    '[stages.app]\nfrom = "root"\n'
)
RUNTIME = """
[runtime]
env = { A = "$x $${y}", B = "no" }
required-env = ["KEY"]
volumes = ["/data", "/var/lib/x y", "/data/"]
memory = "64m"
cpus = 0.5
pids = 20
tmpfs = ["/tmp:size=1m"]
command = ["serve", "$p"]
"""


def spec(more: str = "") -> Spec:
    return source(APP + more).spec


def service(text: str) -> Any:
    (found,) = yaml.safe_load(text)["services"].values()
    return found


def test_the_whole_file(golden: Golden) -> None:
    golden(GOLDENS / "compose.yaml", render(spec(RUNTIME), f"r.test/acme/web:1@sha256:{'0' * 64}"))


def test_it_is_confined_without_being_asked() -> None:
    found = service(render(spec()))
    assert found["read_only"] is True
    assert found["cap_drop"] == ["ALL"]
    assert found["security_opt"] == ["no-new-privileges:true"]
    assert found["pids_limit"] == 256
    assert found["user"] == "1001:1002"
    assert found["init"] is True
    assert found["restart"] == "on-failure:5"
    assert not found.keys() & {"privileged", "cap_add", "pid", "ipc", "network_mode", "userns_mode", "devices"}


def test_it_is_what_containers_of_tests_are() -> None:
    runtime = spec(RUNTIME).runtime
    argv = options(
        Container(name="n", folder="f", image="i", platform=Platform("linux", "amd64"), runtime=runtime, network=True)
    )
    told = service(render(spec(RUNTIME)))
    for option, value in (
        ("--cap-drop", told["cap_drop"][0]),
        ("--security-opt", told["security_opt"][0]),
        ("--pids-limit", str(told["pids_limit"])),
        ("--memory", told["mem_limit"]),
        ("--memory-swap", told["memswap_limit"]),
        ("--cpus", f"{told['cpus']:g}"),
        ("--tmpfs", told["tmpfs"][0]),
    ):
        assert argv[argv.index(option) + 1] == value
    assert "--read-only" in argv


def test_the_health_check_is_the_image_s_own_at_the_times_of_the_specification() -> None:
    """An image of another profile has its programs in other places, so the question isn't repeated."""
    check = service(render(spec()))["healthcheck"]
    assert "test" not in check
    assert (check["interval"], check["start_interval"], check["retries"]) == ("90s", "500ms", 3)


def test_ports_are_offered_to_this_machine_alone_and_need_no_root() -> None:
    assert service(render(spec()))["ports"] == [
        "127.0.0.1:8080:8080/tcp",
        "127.0.0.1:8053:53/udp",
        "127.0.0.1:9000-9001:9000-9001/tcp",
    ]


@pytest.mark.parametrize(
    ("expose", "offered"),
    [
        (["80", "8080"], ["8081:80/tcp", "8080:8080/tcp"]),
        (["80", "8080/udp"], ["8080:80/tcp", "8080:8080/udp"]),
        (["80", "80/tcp", "80-80"], ["8080:80/tcp"]),
        (["1000-1030"], ["9000-9030:1000-1030/tcp"]),
        (["1000-1030", "9010"], ["9011-9041:1000-1030/tcp", "9010:9010/tcp"]),
        (["9000-9001", "9001-9002"], ["9000-9001:9000-9001/tcp", "9002-9003:9001-9002/tcp"]),
        (["65535", "65534-65535"], ["65535:65535/tcp", "1024-1025:65534-65535/tcp"]),
        (["1-60000"], ["1024-61023:1-60000/tcp"]),
        (["1-65535"], ["1-65535:1-65535/tcp"]),
    ],
)
def test_each_port_is_offered_at_one_of_its_own(expose: list[str], offered: list[str]) -> None:
    text = APP.replace('["8080", "53/udp", "9000-9001"]', str(expose))
    assert service(render(source(text).spec))["ports"] == [f"127.0.0.1:{one}" for one in offered]


def test_a_required_variable_must_have_a_value() -> None:
    assert service(render(spec(RUNTIME)))["environment"]["KEY"] == "${KEY:?set KEY}"


def test_the_image_is_a_local_one_or_what_a_variable_names_or_pinned() -> None:
    assert service(render(spec()))["image"] == "${WEB_IMAGE:-web:latest}"
    assert service(render(spec(), "r/web@sha256:1"))["image"] == "r/web@sha256:1"
    other = attrs.evolve(spec(), image=attrs.evolve(spec().image, name="acme/2.web", deliver={"app": "slim"}))
    assert service(render(other))["image"] == "${_2_WEB_IMAGE:-acme/2.web:slim}"


@pytest.mark.parametrize(
    ("folders", "names"),
    [
        (["/data", "/var/lib/x"], ["data", "var-lib-x"]),
        (["/data", "/data/", "/ü"], ["data", "data-2", "data-3"]),
        (["/on"], ["on"]),
    ],
)
def test_volumes_are_named_after_their_folders(folders: list[str], names: list[str]) -> None:
    assert list(volume_names(folders)) == names


def test_words_of_yaml_are_no_keys() -> None:
    text = render(attrs.evolve(spec(), runtime=Runtime(volumes=("/on", "/true", "/null"), env={"NULL": "no"})))
    assert list(yaml.safe_load(text)["volumes"]) == ["on", "true", "null"]


@examples(50)
@given(st.dictionaries(st.text(max_size=8), st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=3))
def test_every_value_is_what_it_was(env: dict[str, str]) -> None:
    text = render(attrs.evolve(spec(), runtime=Runtime(env={f"A{key}": value for key, value in env.items()})))
    assert text.isascii()
    told = service(text).get("environment", {})
    assert {key[1:]: value.replace("$$", "$") for key, value in told.items()} == env
    assert not re.search(r"(?<!\$)(\$\$)*\$(?!\$)", "".join(told.values()))


def test_this_repository_s_file_has_no_reference_that_moves() -> None:
    assert "CLAUDE_FLOW_IMAGE:-claude-flow:latest" in (ROOT / "compose.yaml").read_text(encoding="utf-8")
