"""cosign: which one is fit, what is done again, and that nothing is begun once it is stopped."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from buildspec.engine.cosign import Cosign
from buildspec.errors import MachineError, StepError

REFERENCE = "127.0.0.1:5000/acme/web@sha256:1"


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """Put a program in the place of cosign, which notes how it is called; returns an environment that has it."""
    folder = tmp_path / "bin"
    folder.mkdir()

    def make(body: str, version: str = "v3.1.1") -> dict[str, str]:
        file = folder / "cosign"
        lines = [f'[ "$1" = version ] && echo "GitVersion:    {version}" && exit', f'echo "$1" >> {tmp_path}/called']
        file.write_text("\n".join(["#!/bin/sh", *lines, body, ""]), encoding="utf-8")
        file.chmod(0o755)
        return {"PATH": f"{folder}:{os.environ['PATH']}"}

    return make


def called(tmp_path: Path) -> list[str]:
    return (tmp_path / "called").read_text(encoding="utf-8").split()


@pytest.fixture(autouse=True)
def _path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")


@pytest.mark.parametrize(("version", "fit"), [("v3.0.0", True), ("3.1.1", True), ("devel", True), ("v2.6.1", False)])
def test_an_older_one_is_refused_before_anything(
    version: str, fit: bool, program: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    env = program("exit 0", version)
    if fit:
        Cosign.begun("cosign.key", env, tmp_path, lambda _: None)
        return
    with pytest.raises(MachineError, match=r"cosign is 2\.6") as raised:
        Cosign.begun("cosign.key", env, tmp_path, lambda _: None)
    assert "install cosign 3.0 or newer" in raised.value.fix


def test_what_is_signed_is_left_and_what_is_lost_is_signed_again(
    program: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    # the first signature is lost, as when two write the list of a digest at once
    body = f'[ "$1" = verify-attestation ] || exit 0\n[ "$(grep -c "^sign$" {tmp_path}/called)" -ge 2 ]'
    waited: list[float] = []
    cosign = Cosign.begun("cosign.key", program(body), tmp_path, waited.append)
    assert cosign.sign(REFERENCE)
    assert [one for one in called(tmp_path) if one == "sign"] == ["sign"] * 2
    assert [one for one in waited if one] == [1.0]
    assert not cosign.sign(REFERENCE)
    assert [one for one in called(tmp_path) if one == "sign"] == ["sign"] * 2


def test_what_cannot_be_signed_is_told_after_three_tries(
    program: Callable[..., dict[str, str]], tmp_path: Path
) -> None:
    env = program('[ "$1" = public-key ] || [ "$1" = signing-config ] || { echo "Error: denied"; exit 1; }')
    cosign = Cosign.begun("cosign.key", env, tmp_path, lambda _: None)
    with pytest.raises(MachineError, match=r"cosign can't sign 127.*: Error: denied"):
        cosign.sign(REFERENCE)
    assert called(tmp_path).count("sign") == 3


def test_once_stopped_nothing_is_begun(program: Callable[..., dict[str, str]], tmp_path: Path) -> None:
    stopped = threading.Event()

    def pause(seconds: float) -> None:
        if stopped.wait(seconds):
            raise StepError("stopped")

    cosign = Cosign.begun("cosign.key", program(f'[ "$1" != verify-attestation ] || rm {tmp_path}/go'), tmp_path, pause)
    (tmp_path / "go").touch()
    stopped.set()
    with pytest.raises(StepError, match="stopped"):
        cosign.sign(REFERENCE)
    assert (tmp_path / "go").exists()
    assert "sign" not in called(tmp_path)
