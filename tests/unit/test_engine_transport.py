"""Requests to a registry: when they are sent again, and what they carry."""

from __future__ import annotations

import base64
import io
import json
import socket
import ssl
import stat
import subprocess
import time
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from typing import NoReturn

import pytest
from helpers.servers import server

from buildspec.engine.credentials import Login, login_for
from buildspec.engine.registries import is_local
from buildspec.engine.registry import Repository, session
from buildspec.engine.transport import Deadline, RefusedError, Transport, _challenge, retry_after
from buildspec.errors import MachineError


@pytest.mark.parametrize(("header", "seconds"), [("0", 0.0), ("5", 5.0), ("120", 120.0), ("", None), ("soon", None)])
def test_retry_after_has_seconds(header: str, seconds: float | None) -> None:
    assert retry_after(header) == seconds


def test_retry_after_has_a_date() -> None:
    found = retry_after(formatdate(time.time() + 30, usegmt=True))
    assert found is not None
    assert 28 <= found <= 30
    assert retry_after(formatdate(time.time() - 30, usegmt=True)) == 0.0


def test_a_challenge_is_read() -> None:
    header = 'Bearer realm="https://auth.test/token",service="r.test",scope="repository:a/b:pull,push"'
    assert _challenge(header) == (
        "bearer",
        {"realm": "https://auth.test/token", "service": "r.test", "scope": "repository:a/b:pull,push"},
    )
    assert _challenge('Basic realm="x"') == ("basic", {"realm": "x"})
    assert _challenge("") == ("", {})


@pytest.mark.parametrize(
    ("registry", "local"),
    [
        ("localhost:5000", True),
        ("127.0.0.1", True),
        ("[::1]:5000", True),
        ("localhost.test", False),
        ("ghcr.io", False),
    ],
)
def test_only_this_machine_is_spoken_to_in_plain_http(registry: str, local: bool) -> None:
    assert is_local(registry) is local


# --- what another attempt doesn't change -----------------------------------------------------------------------


def transport(base: str, seconds: float = 20.0) -> Transport:
    return Transport(base=base, login=None, session=session, deadline=Deadline.after(seconds))


def asked(base: str) -> None:
    transport(base).send("GET", "v2/", scope="s", wanted=frozenset({200}))


def given(answer: str) -> Callable[[socket.socket], None]:
    """A server that gives every client that answer."""

    def act(client: socket.socket) -> None:
        client.recv(4096)
        client.sendall(answer.encode())

    return act


def refused(base: str, told: str) -> RefusedError:
    start = time.monotonic()
    with pytest.raises(RefusedError, match=told) as raised:
        asked(base)
    assert time.monotonic() - start < 5, "it was asked again"
    return raised.value


def test_a_certificate_that_nobody_trusts_is_refused_at_once(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=r.test"
    command = [*make.split(), "-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def greet(client: socket.socket) -> None:
        with context.wrap_socket(client, server_side=True):
            pass

    with server(greet) as name:
        error = refused(f"https://{name}", f"{name} shows a certificate that this machine doesn't trust")
    assert "BUILDSPEC_CA_BUNDLE" in error.fix


def test_a_server_without_tls_is_refused_at_once() -> None:
    with server(given("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as name:
        refused(f"https://{name}", f"{name} doesn't speak TLS")


@pytest.mark.parametrize("words", ["[Errno -2] Name or service not known", "[Errno 8] nodename nor servname provided"])
def test_a_name_that_nobody_knows_is_refused_at_once(words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> NoReturn:
        raise socket.gaierror(words)

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    refused("https://r.invalid", "r.invalid is a name that nobody knows here")


def test_a_circle_of_redirects_is_refused_at_once() -> None:
    with server(given("HTTP/1.1 302 Found\r\nLocation: /v2/\r\nContent-Length: 0\r\n\r\n")) as name:
        refused(f"http://{name}", f"{name} can't be asked: TooManyRedirects")


@pytest.mark.parametrize("body", ["no JSON", "[]", "{}", '{"token": ""}'])
def test_a_token_that_cannot_be_read_is_refused_at_once(body: str) -> None:
    with server(given(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}")) as tokens:
        head = f'HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm="http://{tokens}/"\r\nContent-Length: 0\r\n\r\n'
        with server(given(head)) as name:
            refused(f"http://{name}", f"{name} gives no token: its answer has none")


@pytest.mark.parametrize(("times", "ends"), [(1, "well"), (3, "well"), (4, "DIGEST_INVALID")])
def test_bytes_that_were_changed_on_their_way_are_sent_again_a_few_times(
    times: int, ends: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("buildspec.engine.transport._FIRST", 0.01)
    body = '{"errors": [{"code": "DIGEST_INVALID"}]}'
    puts: list[bytes] = []

    def answer(client: socket.socket) -> None:
        asked = client.recv(4096)
        if not asked.startswith(b"PUT"):
            status, told = "404 Not Found", ""
        else:
            puts.append(asked)
            status, told = ("400 Bad Request", body) if len(puts) <= times else ("201 Created", "")
        head = f"HTTP/1.1 {status}\r\nContent-Length: {len(told)}\r\nConnection: close\r\n\r\n"
        client.sendall(f"{head}{told}".encode())

    with server(answer) as name:
        repository = Repository(transport(f"http://{name}"), "a")
        if ends == "well":
            repository.put_manifest("v1", b"{}", "application/json")
            assert len(puts) == times + 1
        else:
            with pytest.raises(RefusedError, match=ends):
                repository.put_manifest("v1", b"{}", "application/json")


def test_an_upload_without_a_place_is_told() -> None:
    def answer(client: socket.socket) -> None:
        status = "202 Accepted" if client.recv(4096).startswith(b"POST") else "404 Not Found"
        client.sendall(f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode())

    with server(answer) as name, pytest.raises(MachineError, match="gives no place to upload sha256:1 to"):
        Repository(transport(f"http://{name}"), "a").put_blob("sha256:1", 1, lambda: io.BytesIO(b"1"))


# --- credentials -----------------------------------------------------------------------------------------------


def config(folder: Path, **content: object) -> dict[str, str]:
    (folder / "config.json").write_text(json.dumps(content), encoding="utf-8")
    return {"DOCKER_CONFIG": str(folder), "PATH": f"{folder}:/usr/bin:/bin"}


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_a_login_is_docker_s_own(tmp_path: Path) -> None:
    environ = config(
        tmp_path,
        auths={
            "r.test": {"auth": encoded("me:pass:word")},
            "https://index.docker.io/v1/": {"auth": encoded("hub:x")},
            "t.test": {"identitytoken": "token"},
            "broken.test": {"auth": "%%%"},
            "empty.test": {},
        },
    )
    assert login_for("r.test", environ) == Login("me", "pass:word")
    assert login_for("docker.io", environ) == Login("hub", "x")
    assert login_for("t.test", environ) == Login("<token>", "token")
    for name in ("broken.test", "empty.test", "none.test"):
        assert login_for(name, environ) is None


def test_a_helper_is_asked_by_the_name_of_the_registry(tmp_path: Path) -> None:
    helper = tmp_path / "docker-credential-mine"
    helper.write_text(
        '#!/bin/sh\nread host\n[ "$host" = h.test ] && echo \'{"Username": "me", "Secret": "x"}\' || exit 1\n',
        encoding="utf-8",
    )
    helper.chmod(helper.stat().st_mode | stat.S_IXUSR)
    environ = config(tmp_path, credHelpers={"h.test": "mine", "gone.test": "nothing"}, credsStore="mine")
    assert login_for("h.test", environ) == Login("me", "x")
    assert login_for("gone.test", environ) is None
    assert login_for("other.test", environ) is None


@pytest.mark.parametrize("text", ["", "[]", "{", '{"auths": 3}'])
def test_a_configuration_that_nobody_can_read_has_no_login(text: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(text, encoding="utf-8")
    assert login_for("r.test", {"DOCKER_CONFIG": str(tmp_path)}) is None


def test_a_login_does_not_print_its_password() -> None:
    assert "hunter2" not in repr(Login("me", "hunter2"))
