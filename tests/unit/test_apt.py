"""Mirrors from a machine's apt configuration, and what apt's messages mean."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from buildspec.engine import apt
from buildspec.engine.mirrors import (
    Mirror,
    Source,
    carried_options,
    machine_sources,
    neutral_options,
    parse_deb822,
    parse_list,
    select,
    without_userinfo,
)
from buildspec.engine.mmdebstrap import _scratch, settings
from buildspec.engine.tree import Entry
from buildspec.errors import MachineError, UsageError

KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
MACHINE = f"""\
# written by an installer
Types: deb deb-src
# a comment in a stanza
URIs: http://mirror.test/debian
Suites: bookworm bookworm-updates
Components: main contrib
Signed-By: {KEYRING}

Types: deb
URIs: http://mirror.test/debian-security
Suites: bookworm-security
Components: main
Signed-By: {KEYRING}

Types: deb
Enabled: no
URIs: http://off.test/debian
Suites: trixie
Components: main
"""
VENDORS = """\
deb [arch=amd64 signed-by=/usr/share/keyrings/vendor.gpg] https://apt.vendor.test bookworm main
deb https://vendor.test/node_20.x nodistro main
deb-src http://mirror.test/debian bookworm main
deb file:/srv/flat ./
"""


def test_deb822_stanzas_are_read_without_comments_and_disabled_ones() -> None:
    found = tuple(parse_deb822(MACHINE))
    assert [s.suites for s in found] == [("bookworm", "bookworm-updates"), ("bookworm-security",)]
    assert found[0] == Source(
        "http://mirror.test/debian", ("bookworm", "bookworm-updates"), ("main", "contrib"), KEYRING
    )


def test_lines_are_read_with_their_options_and_without_sources_and_flat_repositories() -> None:
    found = tuple(parse_list(VENDORS + "deb [trusted=yes] http://mirror.test/debian sid main # why\n"))
    assert [s.suites for s in found] == [("bookworm",), ("nodistro",), ("sid",)]
    assert found[0].signed_by == "/usr/share/keyrings/vendor.gpg"
    assert found[2] == Source("http://mirror.test/debian", ("sid",), ("main",), trusted=True)


def test_a_key_written_into_a_stanza_survives_reading_and_writing() -> None:
    key = "-----BEGIN PGP PUBLIC KEY BLOCK-----\n .\n abc\n -----END PGP PUBLIC KEY BLOCK-----"
    text = f"Types: deb\nURIs: http://m.test/debian\nSuites: trixie\nComponents: main\nSigned-By:\n {key}\n"
    found = tuple(parse_deb822(text))
    assert found[0].signed_by == key
    assert tuple(parse_deb822(found[0].render())) == found


def test_another_suite_comes_from_the_mirror_of_this_one_with_updates_and_security() -> None:
    found = select(parse_deb822(MACHINE), "trixie")
    assert [(s.uri, s.suites) for s in found] == [
        ("http://mirror.test/debian", ("trixie",)),
        ("http://mirror.test/debian", ("trixie-updates",)),
        ("http://mirror.test/debian-security", ("trixie-security",)),
    ]
    assert {s.signed_by for s in found} == {KEYRING}


def test_a_stanza_of_the_suite_itself_comes_first() -> None:
    own = Source("http://other.test/debian", ("trixie",), ("main",), KEYRING)
    found = select((*parse_deb822(MACHINE), own), "trixie")
    assert found[0].uri == "http://other.test/debian"


def test_other_vendors_are_not_taken_for_debian() -> None:
    assert select(parse_list(VENDORS), "trixie") == ()
    found = select((*parse_list(VENDORS), *parse_deb822(MACHINE)), "bookworm")
    assert {s.uri.split("/")[2] for s in found} == {"mirror.test"}


def test_unstable_has_no_updates_and_no_security() -> None:
    assert [s.suites for s in select(parse_deb822(MACHINE), "sid")] == [("sid",)]


def test_sources_are_read_from_the_machines_folders(tmp_path: Path) -> None:
    folder = tmp_path / "etc/apt/sources.list.d"
    folder.mkdir(parents=True)
    (folder / "debian.sources").write_text(MACHINE)
    (folder / "old.list.save").write_text("deb http://no.test/debian sid main\n")
    (folder.parent / "sources.list").write_text("deb http://first.test/debian trixie main\n")
    assert [s.uri.split("/")[2] for s in machine_sources(tmp_path)] == [
        "first.test",
        "mirror.test",
        "mirror.test",
    ]
    assert machine_sources(tmp_path / "none") == ()


def test_proxies_are_carried_to_apt_but_not_into_an_image() -> None:
    dump = (
        'APT::Architecture "amd64";\nAcquire::http::Proxy "http://me:secret@proxy.test:3128";\n'
        'Acquire::https::CAInfo "/etc/ca.pem";\nAcquire::Check-Valid-Until "false";\n'
        'Acquire::Languages "de";\n'
    )
    carried = carried_options(dump)
    assert [line.split(" ")[0] for line in carried] == [
        "Acquire::http::Proxy",
        "Acquire::https::CAInfo",
        "Acquire::Check-Valid-Until",
    ]
    assert neutral_options(carried) == ('Acquire::Check-Valid-Until "false";',)


def test_an_images_apt_settings_hold_no_password_and_no_path_of_this_machine() -> None:
    source = Source("https://me:secret@mirror.test/debian", ("trixie",), ("main",), "/home/me/keys.gpg")
    options = ('Acquire::http::Proxy "http://me:secret@proxy.test";', 'Acquire::Check-Valid-Until "false";')
    keyring = "usr/share/keyrings/debian-archive-keyring.pgp"
    files = settings(Mirror("trixie", (source,), options), {keyring: Entry("file", 0o644)})
    text = "".join(files.values())
    assert "https://mirror.test/debian" in text
    assert f"Signed-By: /{keyring}" in text
    assert 'Acquire::Check-Valid-Until "false";' in text
    assert not [word for word in ("secret", "/home/me", "proxy.test") if word in text]


def test_an_unknown_package_is_named() -> None:
    output = "E: Unable to locate package nodejsx\nE: Package 'npmx' has no installation candidate\n"
    error = apt.explain(output, "trixie")
    assert isinstance(error, UsageError)
    assert error.message == "Debian trixie has no packages nodejsx, npmx"


@pytest.mark.parametrize(
    ("output", "kind", "words"),
    [
        (
            "E: The repository 'http://m.test x Release' does not have a Release file.",
            UsageError,
            "no Debian suite",
        ),
        ("W: GPG error: NO_PUBKEY 0123\nE: The repository is not signed.", MachineError, "signature"),
        (
            "E: Failed to fetch http://m.test  Could not resolve 'm.test'",
            MachineError,
            "could not be reached",
        ),
        ("E: cannot find newuidmap", MachineError, "may not install"),
        ("E: something else", MachineError, "something else"),
    ],
)
def test_messages_of_apt_say_whose_fault_it_is(output: str, kind: type[Exception], words: str) -> None:
    error = apt.explain(output, "trixie")
    assert type(error) is kind
    assert words in error.message


def test_messages_show_no_password() -> None:
    assert without_userinfo("E: http://me:secret@m.test/debian x") == "E: http://m.test/debian x"
    assert "secret" not in apt.explain("Failed to fetch http://me:secret@m.test/x", "trixie").message


def test_a_missing_program_is_an_error_with_the_script_that_installs_it() -> None:
    with pytest.raises(MachineError) as caught:
        apt.run(["no-such-program-here"], {}, timeout=5)
    assert "scripts/engine" in caught.value.fix


def test_a_program_that_hangs_is_ended() -> None:
    with pytest.raises(MachineError, match="took longer"):
        apt.run(["sleep", "30"], {}, timeout=0.05)


@pytest.mark.parametrize("content", [b"abc", b"abx", None])
def test_a_package_is_downloaded_when_the_cache_holds_none_or_a_damaged_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    digest = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    work, debs = tmp_path / "work", tmp_path / "debs"
    work.mkdir()
    debs.mkdir()
    if content:
        (debs / f"{digest}.deb").write_bytes(content)
    asked: list[str] = []

    def helper(argv: list[str], *_: object, **__: object) -> str:
        asked.extend(argv[2:])
        (work / digest).write_bytes(b"abc")
        return ""

    monkeypatch.setattr(apt, "run", helper)
    listed = f"'http://m.test/a.deb' a.deb 3 SHA256:{digest}\n"
    (found,) = apt._download(listed, debs, work, {}, lambda _: None)
    assert found.read_bytes() == b"abc"
    assert asked == ([] if content == b"abc" else ["http://m.test/a.deb", str(work / digest), f"SHA256:{digest}"])


def test_addresses_without_a_strong_checksum_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="SHA256"):
        apt._download("'http://m.test/a.deb' a.deb 3 MD5Sum:00\n", tmp_path, tmp_path, {}, lambda _: None)


def test_a_root_is_built_in_memory_only_where_programs_may_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _scratch(tmp_path / "none") == {}

    def facts(flags: int, blocks: int) -> None:
        found = SimpleNamespace(f_flag=flags, f_bavail=blocks, f_frsize=4096)
        monkeypatch.setattr(os, "statvfs", lambda _: found)

    monkeypatch.setattr(os, "sysconf", lambda _: 1 << 20)
    facts(0, 1 << 30)
    assert _scratch(tmp_path) == {"TMPDIR": str(tmp_path)}
    facts(os.ST_NOEXEC, 1 << 30)
    assert _scratch(tmp_path) == {}
    facts(0, 1000)
    assert _scratch(tmp_path) == {}


def test_fields_of_a_control_stanza_are_found() -> None:
    deb = apt.Deb(Path("x"), "Package: a\nVersion: 1:2-3\nDescription: short\n Version: no\n")
    assert (deb.name, deb.version, deb.field("Source")) == ("a", "1:2-3", "")
