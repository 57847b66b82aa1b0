"""Facts about the sources, and where this machine keeps the secrets of a plan."""

from __future__ import annotations

import platform
import subprocess
from collections.abc import Mapping
from pathlib import Path

import attrs
import pytest
from helpers.plans import AMD64, ARM64, planned

from buildspec.engine import host
from buildspec.engine.host import Revision, Secrets, find_secrets, machine_platform, revision, sensitive
from buildspec.errors import MachineError
from buildspec.plan.model import PlannedSecret
from buildspec.plan.secrets import CA_BUNDLE
from buildspec.render.bake import SecretSource

PLAN = planned('[stages.app]\nfrom = "bare"\n')
TOKEN = PlannedSecret(id="token", env=("MINE", "mine"), files=("keys/token",), optional=False, needed_by="app")


def find(root: Path, *secrets: PlannedSecret, **environ: str) -> Secrets:
    return find_secrets(attrs.evolve(PLAN, secrets=secrets), root, environ)


# --- secrets -------------------------------------------------------------------------------------------------


def test_a_variable_wins_over_a_file_and_its_value_is_left_where_it_is(tmp_path: Path) -> None:
    found = find(tmp_path, TOKEN, mine="t0ken", MINE="")
    assert found == Secrets({"token": SecretSource(env="mine")}, ("t0ken",), (), ())
    assert list(tmp_path.iterdir()) == []


def test_a_file_inside_the_specifications_folder_needs_no_permission(tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    (tmp_path / "keys/token").write_bytes(b"t0ken\xff\n")
    found = find(tmp_path, TOKEN)
    assert found == Secrets({"token": SecretSource(file="keys/token")}, ("t0ken\ufffd\n",), (), ())


def test_a_file_outside_is_named_in_full_and_asked_permission_for(tmp_path: Path) -> None:
    outside, root = tmp_path / "home" / "token", tmp_path / "root"
    outside.parent.mkdir()
    outside.write_text("t0ken")
    (root / "keys").mkdir(parents=True)
    (root / "keys/token").symlink_to(outside)
    found = find(root, TOKEN)
    assert found.sources == {"token": SecretSource(file=str(outside.resolve()))}
    assert found.reads == (str(outside.resolve()),)


def test_a_file_can_be_named_by_a_variable_and_be_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "rc").write_text("//r.test/:_authToken=t0ken\n")
    secret = PlannedSecret(id="npmrc", file_env=("RC",), files=("~/rc",))
    for environ in ({}, {"RC": "~/rc"}, {"RC": str(tmp_path / "missing")}):
        found = find(tmp_path, secret, **environ)
        assert (found.sources, found.values) == ({"npmrc": SecretSource(file="rc")}, ("t0ken",))


def test_a_missing_secret_is_an_error_that_says_how_to_give_it(tmp_path: Path) -> None:
    with pytest.raises(MachineError) as caught:
        find(tmp_path, TOKEN)
    assert caught.value.message == "secret 'token' is missing; stages that need it: app"
    assert caught.value.fix == "set MINE or set mine or write keys/token, or make it optional in [secrets.token]"


def test_an_optional_secret_that_is_missing_is_skipped_and_told(tmp_path: Path) -> None:
    assert find(tmp_path, attrs.evolve(TOKEN, optional=True)) == Secrets({}, (), (), ("token",))


def test_the_ca_bundle_is_copied_and_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").write_text("certificate")
    path = PlannedSecret(id="ca-bundle-path", constant="/run/secrets/ca-bundle")
    found = find(tmp_path, CA_BUNDLE, path, BUILDSPEC_CA_BUNDLE=str(tmp_path / "ca.pem"))
    assert {name: one.file for name, one in found.sources.items()} == {
        "ca-bundle": "build/secrets/ca-bundle",
        "ca-bundle-path": "build/secrets/ca-bundle-path",
    }
    assert (found.values, found.reads) == ((), ())
    assert (tmp_path / "build/secrets/ca-bundle").read_text() == "certificate"
    assert (tmp_path / "build/secrets/ca-bundle-path").read_text() == "/run/secrets/ca-bundle"


def test_without_a_bundle_no_variable_names_one(tmp_path: Path) -> None:
    nowhere = attrs.evolve(CA_BUNDLE, files=())
    found = find(tmp_path, nowhere, PlannedSecret(id="ca-bundle-path", constant="/x"))
    assert (found.sources, found.skipped) == ({}, ("ca-bundle",))


@pytest.mark.parametrize(
    ("name", "text", "hidden"),
    [
        ("npmrc", "registry=https://r.test/\n//r.test/:_authToken=abc\n", ["abc"]),
        ("npmrc", "_auth = \"YWJj\"\n//r/:_password='eHl6'\nemail=a@b\n", ["YWJj", "eHl6"]),
        ("npmrc", "proxy=http://me:pass@p.test:1\n", ["me:pass", "pass"]),
        ("npmrc", "npm_bare_token", ["npm_bare_token"]),
        ("npmrc", "", []),
        ("https-proxy", "http://me:pass@p.test:1", ["me:pass", "pass"]),
        ("http-proxy", "http://me@p.test", ["me"]),
        ("no-proxy", "localhost,.test", []),
        ("my-proxy", "s3cret", ["s3cret"]),
        ("token", "http://me:pass@p.test", ["http://me:pass@p.test"]),
    ],
)
def test_what_of_a_secret_is_hidden(name: str, text: str, hidden: list[str]) -> None:
    assert [one for one in sensitive(name, text) if one] == hidden


# --- the sources ---------------------------------------------------------------------------------------------

WHEN = {"GIT_AUTHOR_DATE": "1700000000 +0100", "GIT_COMMITTER_DATE": "1700000000 +0100"}


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, value in {**WHEN, "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "file").write_text("a")
    git(tmp_path, "init", "--quiet")
    git(tmp_path, "add", "file")
    git(tmp_path, "-c", "user.name=n", "-c", "user.email=e@x.test", "commit", "--quiet", "--message", "m")
    return tmp_path


def git(root: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(root), *arguments], check=True)


def test_a_revision_is_the_commit_and_its_time(repository: Path) -> None:
    found = revision(repository, {})
    assert (len(found.commit), found.epoch) == (40, 1_700_000_000)
    (repository / "file").write_text("b")
    assert revision(repository, {}).commit == f"{found.commit}-dirty"


@pytest.mark.parametrize(("given", "epoch"), [("5", 5), ("", 9), ("x", 9), ("²", 9)])
def test_a_time_that_is_given_wins(given: str, epoch: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host, "_git", lambda _root, verb, *_: "abc 9" if verb == "log" else "")
    assert revision(tmp_path, {"SOURCE_DATE_EPOCH": given}) == Revision("abc", epoch)


def test_outside_of_a_repository_nothing_is_known(tmp_path: Path) -> None:
    assert revision(tmp_path, {}) == Revision("", None)
    assert revision(tmp_path, {"SOURCE_DATE_EPOCH": "7"}) == Revision("", 7)


def test_a_git_that_cannot_tell_in_time_is_not_taken_for_clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: Mapping[str, str | None] = {"log": "abc 7", "status": None}
    monkeypatch.setattr(host, "_git", lambda _root, verb, *_: answers[verb])
    assert revision(tmp_path, {}) == Revision("abc-dirty", 7)


def test_without_git_nothing_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert revision(tmp_path, {}) == Revision("", None)


@pytest.mark.parametrize(("machine", "expected"), [("x86_64", AMD64), ("aarch64", ARM64), ("arm64", ARM64)])
def test_the_machines_own_platform(machine: str, expected: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: machine)
    assert machine_platform() == expected


def test_a_machine_without_a_name_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "pdp11")
    with pytest.raises(MachineError, match="this machine is a pdp11"):
        machine_platform()
