"""Which registries answer: each asked in the same bounded time, on loopback."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from helpers.plans import HEAD, source

from buildspec.engine.registries import of_bases, reachable

SHORT = 0.1
"""Seconds a registry is given where it isn't meant to answer."""


@pytest.fixture(autouse=True)
def without_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that treats every connection alike; gives its host and port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    client, _ = listener.accept()
                except OSError:
                    return
                with client:
                    answer(client)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        listener.shutdown(socket.SHUT_RDWR)


def says(status: str) -> Callable[[socket.socket], None]:
    def answer(client: socket.socket) -> None:
        assert client.recv(4096).startswith(b"GET /v2/ HTTP/1.1\r\n")
        client.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n".encode())

    return answer


def silent(client: socket.socket) -> None:
    while client.recv(4096):
        pass


def slow(client: socket.socket) -> None:
    with_end = time.monotonic() + 2
    try:
        while time.monotonic() < with_end:
            client.sendall(b"H")
            time.sleep(SHORT / 5)
    except OSError:
        return


@pytest.mark.parametrize(
    ("status", "why"),
    [("200 OK", ""), ("401 Unauthorized", ""), ("500 Oops", "answers 500"), ("404 Not Found", "answers 404")],
)
def test_what_answers_as_a_registry_does_can_be_used(status: str, why: str) -> None:
    with server(says(status)) as name:
        assert reachable([name]) == {name: why}


def test_a_port_where_nobody_listens_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        name = f"127.0.0.1:{listener.getsockname()[1]}"
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
