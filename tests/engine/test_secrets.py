"""Secrets reach the steps that need them, and nothing else: no layer, history, label, file, argument or output."""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import attrs
import pytest

from engine.archive import saved
from engine.conftest import CopyOf
from engine.project import NATIVE, Outcome, Project, copy_of, docker, image_id

pytestmark = pytest.mark.engine

TOKEN = "tök3n/with+signs=and a blank"  # noqa: S105 - made up
NOTE = "for nobody's eyes but the builder's"
PASSWORD = "pass-word-of-the-proxy"  # noqa: S105 - made up
PROXY = f"http://builder:{PASSWORD}@127.0.0.1:9"
CERTIFICATES = "-----BEGIN CERTIFICATE-----\nVGhlIG5ldHdvcmsncyBvd24gY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n"
PROXIES = {name: "" for word in ("http", "https", "no") for name in (f"{word}_proxy", f"{word}_proxy".upper())}
"""An environment without proxies."""


def digest(text: str) -> str:
    return hashlib.sha256(text.rstrip("\n").encode()).hexdigest()


def forms(secret: str) -> set[bytes]:
    """A secret as it could stand somewhere: as it is, quoted for an address, in base64."""
    return {secret.encode(), quote(secret, safe="").encode(), base64.b64encode(secret.encode()).rstrip(b"=")}


def proofs(project: Project) -> dict[str, str]:
    """What the step received: digests that it left in the image."""
    printed = docker("run", "--rm", project.name).stdout
    return dict(line.split(": ") for line in printed.splitlines())


def ready(project: Project) -> Project:
    """The same, such that no cache has its steps: a secret decides nothing about that."""
    project.edit("buildspec.toml", 'PARCEL = "1"', f'PARCEL = "{project.name}"')
    return project


@attrs.frozen
class Delivered:
    """An image built with every secret there is."""

    project: Project
    outcome: Outcome
    secrets: Mapping[str, str]
    arguments: str
    """The command lines of all programs that the build started."""


@pytest.fixture(scope="module")
def delivered(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Delivered]:
    folder = tmp_path_factory.mktemp("secrets")
    project = ready(copy_of("courier", folder))
    bundle = folder / "certificates.pem"
    bundle.write_text(CERTIFICATES)
    trace = folder / "trace"
    given = {"COURIER_TOKEN": TOKEN, "COURIER_NOTE": NOTE, "BUILDSPEC_CA_BUNDLE": str(bundle), "HTTPS_PROXY": PROXY}
    env = {**PROXIES, **given, "PATH": f"{_spied(folder, trace)}:{os.environ['PATH']}"}
    outcome = project.build("--platform", NATIVE, env=env).good()
    secrets = {"token": TOKEN, "note": NOTE, "password": PASSWORD}
    yield Delivered(project, outcome, secrets, trace.read_text(encoding="utf-8"))
    project.remove_images()


def _spied(folder: Path, trace: Path) -> Path:
    """A folder with a docker client that notes its arguments, and doesn't say where buildx is."""
    found = subprocess.run(["which", "docker"], capture_output=True, text=True, check=True).stdout.strip()
    client = folder / "bin" / "docker"
    client.parent.mkdir()
    lines = ["#!/bin/sh", f"printf '%s\\n' \"$*\" >> {trace}"]
    # whoever knows that runs it directly, and nobody notes with what arguments
    lines.append(f"""[ "$1" != info ] || {{ {found} "$@" | sed 's/"Path":"[^"]*"/"Path":""/'; exit; }}""")
    client.write_text("\n".join([*lines, f'exec {found} "$@"', ""]))
    client.chmod(0o755)
    return client.parent


def test_every_secret_reaches_the_step(delivered: Delivered) -> None:
    assert proofs(delivered.project) == {
        "token-file": digest(TOKEN),
        "token-variable": digest(TOKEN),
        "note": digest(NOTE),
        "certificates": digest(CERTIFICATES),
        "proxy": digest(PROXY),
    }


def test_no_secret_is_in_the_image(delivered: Delivered) -> None:
    archive = saved(delivered.project.name)
    texts = [*delivered.secrets.values(), CERTIFICATES, CERTIFICATES.splitlines()[1], PROXY]
    for data in archive.everything():
        assert [text for text in texts if any(form in data for form in forms(text))] == []


def test_nothing_in_the_image_tells_of_certificates_proxies_and_mounts(delivered: Delivered) -> None:
    archive = saved(delivered.project.name)
    (manifest,) = archive.manifests().values()
    config = archive.config(manifest)
    assert config["config"]["Env"] == ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"]
    told = str([config["history"], config["config"]])
    assert [word for word in ("proxy", "ca-bundle", "CERT", "type=secret") if word in told] == []
    _, *added = archive.layers(manifest)
    paths = {path for layer in added for path in layer}
    assert paths == {"etc", "etc/passwd", "etc/group", "parcel", "parcel/fetch.sh", "parcel/received"}


def test_no_secret_is_in_what_was_printed(delivered: Delivered) -> None:
    printed = delivered.outcome.told.encode()
    assert [name for name, text in delivered.secrets.items() if any(form in printed for form in forms(text))] == []
    lines = delivered.outcome.out.splitlines()
    where = f"parcel {NATIVE} | "
    assert f"{where}TOKEN=[secret]" in lines  # the step did print it
    assert f"{where}https_proxy=http://[secret]@127.0.0.1:9" in lines
    assert sum("[secret]" in line for line in lines) >= 4


def test_no_secret_is_in_a_file_that_stays(delivered: Delivered) -> None:
    left = delivered.project.files()
    assert {"Dockerfile", "docker-bake.json", "plan.json", "result.json"} <= left.keys()
    for data in left.values():
        assert [name for name, text in delivered.secrets.items() if any(form in data for form in forms(text))] == []


def test_no_secret_is_in_an_argument(delivered: Delivered) -> None:
    assert "buildx bake" in delivered.arguments
    data = delivered.arguments.encode()
    assert [name for name, text in delivered.secrets.items() if any(form in data for form in forms(text))] == []


def test_no_secret_is_in_the_message_of_a_step_that_fails(copied: CopyOf) -> None:
    project = ready(copied("courier"))
    project.write("app/fetch.sh", 'echo "wrong token: $TOKEN" >&2\nprintf %s "$TOKEN" | base64 >&2\nexit 5\n')
    outcome = project.build("--platform", NATIVE, env={"COURIER_TOKEN": TOKEN})
    assert outcome.code == 1
    assert "  wrong token: [secret]" in outcome.err.splitlines()
    data = outcome.told.encode() + b"".join(project.files().values())
    assert [form for form in forms(TOKEN) if form in data] == []


def test_a_secret_may_come_in_a_file(copied: CopyOf) -> None:
    project = ready(copied("courier"))
    project.write("token.txt", f"{TOKEN}\n")
    outcome = project.build("--platform", NATIVE).good()
    assert proofs(project)["token-file"] == digest(TOKEN)
    data = outcome.told.encode() + b"".join(project.files().values())
    assert [form for form in forms(TOKEN) if form in data] == []
    assert str(project.root).encode() not in project.files()["docker-bake.json"]
    # generated files build without us, and take the secret from the same file
    digest_of_ours = outcome.result["images"][0]["digest"]
    docker("image", "rm", project.name)
    done = project.bake(PROXIES)
    assert (done.returncode, image_id(project.name)) == (0, digest_of_ours), done.stderr


def test_generated_files_build_with_the_secrets_that_there_are_and_not_without_those_that_must_be(
    copied: CopyOf,
) -> None:
    project = ready(copied("courier"))
    project.edit("buildspec.toml", 'file = "token.txt"\n', "")
    project.edit("app/fetch.sh", "proof note", "[ ! -e /run/secrets/note ] || exit 1\nproof note")
    project.build("--platform", NATIVE, env={"COURIER_TOKEN": TOKEN}).good()
    project.run("generate").good()
    argv = ["--file", "docker-bake.json", "--set", f"*.platform={NATIVE}", "--no-cache"]
    done = project.bake(PROXIES, argv)
    assert done.returncode != 0
    assert "secret token: not found" in done.stderr
    done = project.bake({**PROXIES, "COURIER_TOKEN": TOKEN}, argv)
    assert done.returncode == 0, done.stderr
    assert proofs(project)["token-file"] == digest(TOKEN)


def test_a_secret_may_come_in_a_file_elsewhere(copied: CopyOf, tmp_path: Path) -> None:
    project = ready(copied("courier"))
    kept = tmp_path / "kept, elsewhere" / "token"
    kept.parent.mkdir()
    kept.write_text(TOKEN)
    project.edit("buildspec.toml", 'file = "token.txt"', f'file = "{kept}"')
    project.build("--platform", NATIVE).good()
    assert proofs(project)["token-file"] == digest(TOKEN)


def test_a_secret_that_is_missing_is_an_error_that_says_how_to_give_it(copied: CopyOf) -> None:
    project = copied("courier")
    outcome = project.build("--platform", NATIVE)
    assert outcome.code == 3
    assert "secret 'token' is missing; stages that need it: parcel" in outcome.err
    assert "set COURIER_TOKEN or write token.txt" in outcome.err
    assert outcome.result["outcome"] == "failed"
    assert docker("image", "ls", "--quiet", project.name).stdout == ""


def test_an_optional_secret_that_is_missing_is_passed_over_and_told(copied: CopyOf) -> None:
    project = ready(copied("courier"))
    outcome = project.build("--platform", NATIVE, env={**PROXIES, "COURIER_TOKEN": TOKEN}).good()
    found = proofs(project)
    assert (found["note"], found["proxy"]) == ("none", "none")
    assert sorted(outcome.result["skipped-secrets"]) == ["http-proxy", "https-proxy", "no-proxy", "note"]
