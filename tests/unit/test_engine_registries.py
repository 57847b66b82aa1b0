"""Which registries answer: each asked in the same bounded time, on loopback."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest
from helpers.plans import HEAD, source
from helpers.servers import nobody, says, server

from buildspec.engine.registries import of_bases, reachable

SHORT = 0.1
"""Seconds a registry is given where it isn't meant to answer."""


@pytest.fixture(autouse=True)
def without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


def silent(client: socket.socket) -> None:
    while client.recv(4096):
        pass


def slow(client: socket.socket) -> None:
    end = time.monotonic() + 20 * SHORT
    while time.monotonic() < end:
        client.sendall(b"H")
        time.sleep(SHORT / 5)


@pytest.mark.parametrize(
    ("status", "why"),
    [("200 OK", ""), ("401 Unauthorized", ""), ("500 Oops", "answers 500"), ("404 Not Found", "answers 404")],
)
def test_what_answers_as_a_registry_does_can_be_used(status: str, why: str) -> None:
    with server(says(status)) as name:
        assert reachable([name]) == {name: why}


def test_a_port_where_nobody_listens_is_told() -> None:
    name = nobody()
    assert reachable([name]) == {name: "connection refused"}


def test_a_server_that_speaks_otherwise_is_told() -> None:
    with server(lambda client: client.sendall(b"SSH-2.0-x\r\n")) as name:
        assert reachable([name])[name]


@pytest.mark.parametrize("behaviour", [silent, slow])
def test_a_server_that_hangs_is_given_up_in_time(behaviour: Callable[[socket.socket], None]) -> None:
    with server(behaviour) as name:
        start = time.monotonic()
        (why,) = reachable([name], SHORT).values()
        assert time.monotonic() - start < 2 * SHORT
    assert why in ("timed out", f"no answer within {SHORT} s")


def test_registries_are_asked_side_by_side() -> None:
    with server(silent) as one, server(silent) as two, server(says("200 OK")) as three:
        start = time.monotonic()
        found = reachable([one, two, three, three], SHORT)
        assert time.monotonic() - start < 2 * SHORT
    assert [name for name, why in found.items() if not why] == [three]


def test_nobody_is_asked_where_there_is_no_base_to_fetch() -> None:
    assert reachable([]) == {}


def test_registries_of_bases_that_are_used_are_asked() -> None:
    text = HEAD + (
        '[stages.app]\nfrom = "bare"\ncopy = [{ from = "node", path = "/x" }]\n[bases.idle]\nimage = "idle.test/x:1"\n'
    )
    assert of_bases(source(text).spec) == {"gcr.io", "docker.io"}
    assert of_bases(source(HEAD + '[stages.app]\nfrom = "trixie"\n').spec) == frozenset()
