"""Requests to a registry: when they are sent again, and what they carry."""

from __future__ import annotations

import base64
import json
import stat
import time
from email.utils import formatdate
from pathlib import Path

import pytest

from buildspec.engine.credentials import Login, login_for
from buildspec.engine.registry import is_local
from buildspec.engine.transport import _challenge, retry_after


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
