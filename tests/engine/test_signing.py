"""Signatures beside released images: made and verified before a tag is, outlasting faults, and by cosign itself."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
from helpers.registry import Fault, Proxy, program

from engine.conftest import ReadyWith
from engine.project import PLATFORMS, Outcome, Project, in_git, until

pytestmark = pytest.mark.engine
SECONDS = 60


@attrs.frozen
class Signed:
    """A project whose releases are signed."""

    project: Project
    cosign: str
    env: Mapping[str, str]

    def run(self, *arguments: str, **env: str) -> Outcome:
        return self.project.run(*arguments, env={**self.env, **env})

    def verify(self, verb: str, reference: str, *options: str) -> subprocess.CompletedProcess[str]:
        argv = [self.cosign, verb, "--key", str(self.project.root.parent / "cosign.pub"), "--insecure-ignore-tlog=true"]
        return subprocess.run(
            [*argv, *options, reference], env=self.env, capture_output=True, text=True, timeout=SECONDS, check=False
        )

    def predicate(self, reference: str, kind: str) -> dict[str, Any]:
        done = self.verify("verify-attestation", reference, "--type", kind)
        assert done.returncode == 0, done.stderr
        (envelope,) = [json.loads(line) for line in done.stdout.splitlines()]
        found: dict[str, Any] = json.loads(base64.b64decode(envelope["payload"]))["predicate"]
        return found


@pytest.fixture
def signed(ready_with: ReadyWith, tmp_path: Path) -> Signed:
    found = program("cosign")
    if found is None:
        why = "cosign isn't there; `scripts/quickstart --test` fetches it"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(why)
    env = {**os.environ, "COSIGN_PASSWORD": "secret", "PATH": f"{Path(found).parent}:{os.environ['PATH']}"}
    # beside the project: a private key has no place in a build's context
    argv = [found, "generate-key-pair"]
    subprocess.run(argv, cwd=tmp_path, env=env, check=True, capture_output=True, timeout=SECONDS)
    project = ready_with('sign-key = "../cosign.key"')
    in_git(project, "tag v1.0.0")
    return Signed(project, found, env)


def names(signed: Signed, between: tuple[Proxy, Proxy]) -> list[str]:
    return [
        f"{one.host}/{folder}/{signed.project.name}" for one, folder in zip(between, ("acme", "mirror"), strict=True)
    ]


def test_what_is_released_is_signed_with_its_sbom_and_tests_and_again_is_nothing(
    signed: Signed, between: tuple[Proxy, Proxy]
) -> None:
    pushed = signed.run("push", "v1.0.0").good()
    assert pushed.out.count(": signed ") == 2 * 3
    image = signed.run("build").good().result["images"][0]
    for name in names(signed, between):
        for digest in (image["digest"], *(one["digest"] for one in image["platforms"].values())):
            done = signed.verify("verify", f"{name}@{digest}")
            assert done.returncode == 0, done.stderr
            assert "https://sigstore.dev/cosign/sign/v1" in {one["critical"]["type"] for one in json.loads(done.stdout)}
        for target in PLATFORMS:
            reference = f"{name}@{image['platforms'][target]['digest']}"
            packages = signed.predicate(reference, "spdxjson")["packages"]
            assert "dash" in {one["name"] for one in packages}
            results = signed.predicate(reference, "https://in-toto.io/attestation/test-result/v0.1")
            assert (results["result"], results["passedTests"]) == ("PASSED", ["says"])
    for one in between:
        # nothing points at what isn't signed: signatures are there before the first tag is
        paths = [asked.path for asked in one.asked if asked.method == "PUT" and "/manifests/" in asked.path]
        first = next(at for at, path in enumerate(paths) if path.endswith("/v1.0.0"))
        assert not any("/sha256-" in path for path in paths[first:])
        one.forget()
    again = signed.run("push", "v1.0.0").good()
    assert again.out.count("is there already") == 10
    assert not any(asked.method in ("PUT", "POST", "PATCH") for one in between for asked in one.asked)
    assert {"v1.0.0", "latest"} <= {
        line.split()[0].rpartition(":")[2] for line in again.out.splitlines() if ":" in line
    }


def test_a_signature_that_is_lost_is_made_again(signed: Signed, between: tuple[Proxy, Proxy]) -> None:
    for number in range(2):  # cosign sends some of its requests again by itself
        between[number].faults.append(Fault("PUT", "/manifests/sha256-", "403", hits=1))
    signed.run("push", "v1.0.0").good()
    digest = signed.run("build").good().result["images"][0]["digest"]
    for name in names(signed, between):
        assert signed.verify("verify", f"{name}@{digest}").returncode == 0


def test_without_signatures_there_are_no_tags_and_the_next_run_gets_there(
    signed: Signed, between: tuple[Proxy, Proxy]
) -> None:
    between[1].faults.append(Fault("PUT", "/manifests/sha256-", "403", hits=-1))
    failed = signed.run("push", "v1.0.0")
    assert failed.code == 3
    assert f"cosign can't sign {names(signed, between)[1]}@sha256:" in failed.err
    assert failed.err.count("not published") == 10
    between[1].forget()
    assert signed.run("push", "v1.0.0").good().out.count("  published") == 10


def test_an_interrupt_ends_the_signing_and_leaves_nobody_running(signed: Signed, between: tuple[Proxy, Proxy]) -> None:
    for one in between:
        one.silence = 30
        one.faults.append(Fault("PUT", "/manifests/sha256-", "silent", hits=1000))
    child = signed.project.start("push", "v1.0.0", env=signed.env)
    until(lambda: between[0].faults[0].hits < 1000, 60, "no signature was sent")
    start = time.monotonic()
    os.kill(child.pid, signal.SIGINT)
    outcome = signed.project.finish(child, 30)
    assert time.monotonic() - start < 3
    assert (outcome.code, outcome.err.count("not published")) == (130, 10)
    until(lambda: not running(signed.cosign), 5, "cosign did not end")
    for one in between:
        one.forget()
    signed.run("push", "v1.0.0").good()


def running(program: str) -> list[str]:
    """Processes of a program."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if (folder / "exe").readlink() == Path(program).resolve():
                found.append(folder.name)
    return found


@pytest.mark.parametrize(
    ("env", "told"),
    [
        ({"COSIGN_PASSWORD": "wrong"}, "cosign can't use the key ../cosign.key: "),
        ({"PATH": "/usr/bin:/bin"}, "cosign is not installed"),
    ],
)
def test_without_a_key_or_cosign_nothing_is_uploaded(
    env: dict[str, str], told: str, signed: Signed, between: tuple[Proxy, Proxy]
) -> None:
    for one in between:
        one.forget()
    for arguments in (("push", "v1.0.0", "--dry-run"), ("push", "v1.0.0")):
        failed = signed.run(*arguments, **env)
        assert failed.code == 3
        assert told in failed.err
        assert "Traceback" not in failed.err
    assert not any(one.uploads() for one in between)
