"""The command line of mmdebstrap: what it says to everybody on the machine, and what not."""

# ruff: noqa: S604 - `shell` is a field of ours, not of subprocess

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

import pytest

from buildspec.engine import apt, mmdebstrap
from buildspec.engine.mirrors import Mirror, Source
from buildspec.plan.recipe import Recipe

PROXY = 'Acquire::http::Proxy "http://me:s3cret@proxy.test";'
RECIPE = Recipe("trixie", "linux/amd64", ("nodejs",), shell=True, configured=True)


def test_passwords_of_mirror_and_proxy_are_in_files_of_their_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[str] = []

    def run(argv: Sequence[str], env: dict[str, str], *, timeout: float, out: IO[bytes]) -> str:
        seen.extend([*argv, *env.values()])
        out.write(b"tar")
        return ""

    monkeypatch.setattr(apt, "run", run)
    mirror = Mirror("trixie", (Source("http://me:s3cret@m.test/debian", ("trixie",), ("main",)),), (PROXY,))
    mmdebstrap.run(RECIPE, mirror, tmp_path / "cache", tmp_path)
    assert not [word for word in seen if "s3cret" in word]
    named = [Path(word.partition("=")[2] or word) for word in seen if word.startswith(("--aptopt=", "/"))]
    written: Any = {file.read_text(): file.stat().st_mode & 0o777 for file in named if file.is_file()}
    assert len(written) == 2
    assert set(written.values()) == {0o600}
    assert all("s3cret" in text for text in written)
