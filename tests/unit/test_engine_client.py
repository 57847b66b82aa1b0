"""The docker command line: what it is asked, and what its answers mean."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.docker import INFO, docker
from helpers.plans import AMD64, ARM64

from buildspec.engine.client import SETUP, Bake, Client, bake_arguments, parse_info
from buildspec.errors import MachineError

Docker = Callable[[str], Path]
__all__ = ["docker"]  # a fixture


def prints(*lines: object, code: int = 0, stream: int = 1) -> str:
    text = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    return f"cat >&{stream} <<'END'\n{text}\nEND\nexit {code}"


# --- facts ---------------------------------------------------------------------------------------------------


def test_what_an_engine_says_of_itself() -> None:
    facts = parse_info(INFO)
    assert (facts.version, facts.native, facts.containerd_store) == ("28.5.2+dfsg4", AMD64, True)
    assert (facts.buildx, facts.plugin, facts.context) == ("0.29.1", "/plugins/docker-buildx", "desktop")


@pytest.mark.parametrize("told", [[["Backing Filesystem", "extfs"]], None, []])
def test_the_classic_store_and_a_client_without_buildx_are_seen(told: object) -> None:
    facts = parse_info({**INFO, "DriverStatus": told, "ClientInfo": {"Plugins": None}, "Architecture": "aarch64"})
    assert (facts.containerd_store, facts.buildx, facts.context, facts.native) == (False, "", "default", ARM64)


def test_an_engine_on_an_unknown_machine_is_told() -> None:
    with pytest.raises(MachineError, match="the engine runs on vax"):
        parse_info({**INFO, "Architecture": "vax"})


def test_warnings_beside_the_answer_do_no_harm(docker: Docker) -> None:
    docker(prints("WARNING: Error loading config file", INFO, "WARNING: No swap limit support", stream=2))
    assert Client().facts().version == "28.5.2+dfsg4"


def test_an_engine_that_is_away_is_told_with_the_clients_reason_and_the_way_out(docker: Docker) -> None:
    away = "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?"
    docker(prints({"ID": "", "ServerErrors": [away]}, away, code=1))
    with pytest.raises(MachineError) as caught:
        Client().facts()
    assert caught.value.message == f"Docker Engine does not answer:\n  {away}"
    assert caught.value.fix == SETUP


@pytest.mark.parametrize(
    ("printed", "reason"),
    [
        (prints("permission denied", code=1, stream=2), "permission denied"),
        (prints("not docker"), "not docker"),
        ("exit 0", "`docker info` gave no JSON"),
        (prints("{broken"), "`docker info` gave no JSON"),
        (prints({"ServerVersion": ""}), "`docker info` gave no JSON"),
    ],
)
def test_an_answer_that_is_none_is_told(printed: str, reason: str, docker: Docker) -> None:
    docker(printed)
    with pytest.raises(MachineError) as caught:
        Client().facts()
    assert reason in caught.value.message


def test_an_engine_that_hangs_is_not_waited_for(docker: Docker, monkeypatch: pytest.MonkeyPatch) -> None:
    docker("exec sleep 60")
    client = Client()
    monkeypatch.setattr(Client._ask, "__kwdefaults__", {"timeout": 0.1})
    with pytest.raises(MachineError, match="docker took longer than 0 s"):
        client.facts()


def test_without_a_client_the_way_out_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(MachineError, match="there is no docker client") as caught:
        Client().facts()
    assert caught.value.fix == SETUP


# --- bake ----------------------------------------------------------------------------------------------------

RUN = Bake(file="build/b.json", cwd="/", metadata="/m.json", targets=())


def test_the_shortest_command_line() -> None:
    assert bake_arguments(RUN) == [
        *("bake", "--progress", "rawjson", "--file", "build/b.json", "--metadata-file", "/m.json"),
    ]


def test_the_longest_command_line() -> None:
    run = Bake(
        file="f",
        cwd="/",
        metadata="m",
        targets=("a",),
        overrides=("a.tags=",),
        allow=("fs.read=/x",),
        cache=False,
        builder="b",
    )
    assert bake_arguments(run)[7:] == [
        *("--builder", "b", "--no-cache", "--set", "a.tags=", "--allow", "fs.read=/x", "a"),
    ]


def test_bake_hands_over_its_progress_and_exit_code(docker: Docker, tmp_path: Path) -> None:
    log = docker('echo \'{"vertexes": []}\' >&2; echo out; echo "$BUILDX_METADATA_PROVENANCE $MORE" >&2; exit 4')
    seen: list[str] = []
    run = Bake(file="f", cwd=str(tmp_path), metadata="m", targets=(), env={"MORE": "more"})
    assert Client().bake(run, seen.append) == 4
    assert seen == ['{"vertexes": []}', "disabled more"]
    assert log.read_text().startswith("buildx bake --progress rawjson")


def test_buildx_is_run_itself_where_it_is_known(docker: Docker, tmp_path: Path) -> None:
    log = docker("exit 0")
    run = Bake(file="f", cwd="/", metadata="m", targets=(), plugin=str(tmp_path / "docker-bin/docker"))
    assert Client().bake(run, pytest.fail) == 0
    assert log.read_text().startswith("bake ")


# --- images --------------------------------------------------------------------------------------------------


def test_digests_of_those_images_that_are_there(docker: Docker) -> None:
    log = docker(
        prints(
            '["web:latest","web:1"] sha256:aa',
            "null sha256:bb",
            "Error response from daemon: No such image: x:1",
            code=1,
        )
    )
    assert Client().digest_of(["web:latest", "x:1"]) == {"web:latest": "sha256:aa"}
    assert log.read_text().endswith("web:latest x:1\n")


def test_an_image_is_read_from_the_engine(docker: Docker) -> None:
    log = docker("printf archive")
    assert b"".join(Client().save("sha256:aa")) == b"archive"
    assert log.read_text() == "image save sha256:aa\n"


def test_an_image_the_engine_does_not_have_is_told_with_the_likely_cause(docker: Docker) -> None:
    docker(prints("Error response from daemon: No such image: sha256:aa", code=1, stream=2))
    with pytest.raises(MachineError) as caught:
        list(Client().save("sha256:aa"))
    assert "No such image: sha256:aa" in caught.value.message
    assert "unset BUILDX_BUILDER" in caught.value.fix


def test_a_tag_is_given_and_a_refusal_told(docker: Docker) -> None:
    log = docker("exit 0")
    Client().tag("sha256:aa", "web:latest")
    assert log.read_text() == "image tag sha256:aa web:latest\n"
    docker(prints("refused", code=1, stream=2))
    with pytest.raises(MachineError, match="web:latest could not be tagged:\n  refused"):
        Client().tag("sha256:aa", "web:latest")
