"""Scalars of the language: what is read, what it means, what is refused."""

from __future__ import annotations

import pytest

from buildspec.spec.values import Digest, Duration, Mode, Platform, Reference, Signal, Size, ValueProblemError

HASH = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        ("linux/amd64", "linux/amd64"),
        ("linux/x86_64", "linux/amd64"),
        ("linux/x86-64", "linux/amd64"),
        ("LINUX/AMD64", "linux/amd64"),
        ("linux/amd64/v1", "linux/amd64"),
        ("linux/amd64/v3", "linux/amd64/v3"),
        ("linux/aarch64", "linux/arm64"),
        ("linux/arm64/v8", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64"),
        ("linux/arm64/v9", "linux/arm64/v9"),
        ("linux/arm", "linux/arm/v7"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/arm/v6", "linux/arm/v6"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/armel", "linux/arm/v6"),
        ("linux/i386", "linux/386"),
        ("linux/riscv64", "linux/riscv64"),
    ],
)
def test_a_platform_has_one_spelling(text: str, normal: str) -> None:
    assert str(Platform.parse(text)) == normal
    assert Platform.parse(normal) == Platform.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "linux",
        "linux/",
        "/amd64",
        "linux/amd64/",
        "linux//v7",
        "linux/arm/v7/x",
        " linux/amd64",
        "linux/amd64\n",
        "linux/amd64,linux/arm64",
        "linux/arm\u0664",
        "linux/\u212aml",
        "windows/amd64",
        "darwin/arm64",
        "linux/amd46",
        "linux/arm/v9",
        "linux/amd64/v7",
        "linux/riscv64/v1",
        "linux/amd64(10.0)",
    ],
)
def test_what_is_no_platform_is_refused(text: str) -> None:
    with pytest.raises(ValueProblemError, match="is not a platform"):
        Platform.parse(text)


def test_an_architecture_alone_is_completed_in_the_message() -> None:
    with pytest.raises(ValueProblemError, match=r"write it as 'linux/arm64'$"):
        Platform.parse("arm64")


def test_platforms_sort_by_their_names() -> None:
    names = ["linux/s390x", "linux/arm64", "linux/amd64", "linux/arm/v6"]
    assert [str(one) for one in sorted(map(Platform.parse, names))] == sorted(names)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("0B", 0),
        ("1B", 1),
        ("150MB", 150_000_000),
        ("150 MB", 150_000_000),
        ("1.5GB", 1_500_000_000),
        ("0.000001MB", 1),
        ("2kB", 2000),
        ("2KB", 2000),
        ("1KiB", 1024),
        ("64MiB", 67_108_864),
        ("1.5GiB", 1_610_612_736),
    ],
)
def test_a_size_is_a_number_of_bytes(text: str, size: int) -> None:
    assert Size.parse(text).bytes == size


@pytest.mark.parametrize(
    "text",
    [
        "",
        "150",
        "MB",
        "150mb",
        "150M",
        "-1MB",
        "1,5GB",
        "1.MB",
        ".5MB",
        "1.1234567MB",
        "150MB\n",
        "150  MB",
        "1\u0665MB",
        "1e3MB",
        "150TB",
        "1kiB",
        "1iB",
        "1" * 16 + "B",
    ],
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueProblemError, match="is not a size"):
        Size.parse(text)


@pytest.mark.parametrize(
    ("text", "milliseconds", "normal"),
    [
        ("30s", 30_000, "30s"),
        ("1m30s", 90_000, "90s"),
        ("2h", 7_200_000, "7200s"),
        ("500ms", 500, "500ms"),
        ("1s500ms", 1500, "1500ms"),
        ("1h1m1s1ms", 3_661_001, "3661001ms"),
        ("0s", 0, "0s"),
    ],
)
def test_a_duration_is_a_number_of_milliseconds(text: str, milliseconds: int, normal: str) -> None:
    assert Duration.parse(text).milliseconds == milliseconds
    assert str(Duration.parse(text)) == normal
    assert Duration.parse(normal) == Duration.parse(text)


@pytest.mark.parametrize(
    "text", ["", "30", "s", "1.5s", "-1s", "30s\n", " 30s", "30 s", "1s1m", "1d", "30S", "\u0663s", "1" * 10 + "s"]
)
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueProblemError, match="is not a duration"):
        Duration.parse(text)


@pytest.mark.parametrize(
    ("text", "full"),
    [
        ("node", "docker.io/library/node"),
        ("node:20-alpine", "docker.io/library/node:20-alpine"),
        ("docker.io/node:20", "docker.io/library/node:20"),
        ("index.docker.io/node:20", "docker.io/library/node:20"),
        ("acme/web", "docker.io/acme/web"),
        ("gcr.io/distroless/nodejs20-debian12", "gcr.io/distroless/nodejs20-debian12"),
        ("localhost/web:1", "localhost/web:1"),
        ("localhost:5000/web:1", "localhost:5000/web:1"),
        ("registry:5000/web", "registry:5000/web"),
        ("[::1]:5000/web", "[::1]:5000/web"),
        ("ghcr.io/a/b__c.d-e/f:V_1.2-x", "ghcr.io/a/b__c.d-e/f:V_1.2-x"),
        (f"node@sha256:{HASH}", f"docker.io/library/node@sha256:{HASH}"),
        (f"node:20@sha256:{HASH}", f"docker.io/library/node:20@sha256:{HASH}"),
        (f"node:{'a' * 128}", f"docker.io/library/node:{'a' * 128}"),
    ],
)
def test_a_reference_is_spelled_in_full(text: str, full: str) -> None:
    assert str(Reference.parse(text)) == full
    assert Reference.parse(full) == Reference.parse(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "write it as"),
        ("node:", "write it as"),
        (":20", "write it as"),
        ("node:20\n", "write it as"),
        ("node:20 alpine", "write it as"),
        ("node,push=true", "write it as"),
        ("--privileged", "write it as"),
        ("node:$VERSION", "write it as"),
        (f"node:{'a' * 129}", "write it as"),
        ("node:v\u0661", "write it as"),
        ("a//b", "write it as"),
        ("a/b/", "write it as"),
        ("a..b/c", "write it as"),
        ("-host.io/web", "write it as"),
        ("host-.io/web", "write it as"),
        ("host.io:/web", "write it as"),
        ("host.io:123456/web", "write it as"),
        ("node@sha256:abc", "write it as"),
        (f"node@sha256:{HASH.upper()}", "in small letters"),
        (f"node@sha512:{HASH}", "write it as"),
        ("a" * 256, "write it as"),
        ("a" * 10_000, "write it as"),
        ("docker.io/Library/Node", "in small letters"),
        ("https://ghcr.io/a/b", "leave out 'https://'"),
        (HASH, "image's id"),
    ],
)
def test_what_is_no_reference_is_refused_with_a_reason(text: str, why: str) -> None:
    with pytest.raises(ValueProblemError) as raised:
        Reference.parse(text)
    assert "is not an image reference" in str(raised.value)
    assert why in str(raised.value)


def test_a_pinned_reference_keeps_its_tag() -> None:
    pinned = Reference.parse("node:20").pinned(f"sha256:{HASH}")
    assert str(pinned) == f"docker.io/library/node:20@sha256:{HASH}"
    assert pinned.pinned("") == pinned


def test_a_digest_is_read_as_it_stands() -> None:
    assert str(Digest.parse(f"sha256:{HASH}")) == f"sha256:{HASH}"


@pytest.mark.parametrize(
    "text",
    [
        "",
        HASH,
        "sha256:",
        f"sha256:{HASH}0",
        f"sha256:{HASH[1:]}",
        f"sha256:{HASH.upper()}",
        f"sha256:{HASH}\n",
        f"SHA256:{HASH}",
        f"sha512:{HASH}",
        f"sha256:{HASH[:-1]}\u0661",
    ],
)
def test_what_is_no_digest_is_refused(text: str) -> None:
    with pytest.raises(ValueProblemError, match="is not a digest"):
        Digest.parse(text)


def test_a_long_value_is_quoted_in_part() -> None:
    with pytest.raises(ValueProblemError) as raised:
        Size.parse("x" * 10_000)
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize("text", ["644", "0644", "0755", "755", "04755", "07777", "0000"])
def test_a_mode_is_octal(text: str) -> None:
    assert str(Mode.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    ["", "7", "75", "0", "75555", "010000", "0o755", "0855", "u+x", "-755", "755 ", "755\n", "\u0667\u0665\u0665"],
)
def test_what_is_no_mode(text: str) -> None:
    with pytest.raises(ValueProblemError, match="not a mode"):
        Mode.parse(text)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("SIGTERM", "SIGTERM"),
        ("TERM", "SIGTERM"),
        ("sigterm", "SIGTERM"),
        ("SIGRTMIN+15", "SIGRTMIN+15"),
        ("rtmax-14", "SIGRTMAX-14"),
        ("RTMIN", "SIGRTMIN"),
        ("1", "1"),
        ("15", "15"),
        ("64", "64"),
    ],
)
def test_a_signal_is_a_name_or_a_number(text: str, name: str) -> None:
    assert str(Signal.parse(text)) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0",
        "015",
        "65",
        "-15",
        "SIG",
        "SIGTREM",
        "SIGSIGTERM",
        "SIG15",
        "RTMIN+16",
        "RTMIN+0",
        "RTMAX-15",
        "TERM\n",
        "\u0131nt",
    ],
)
def test_what_is_no_signal(text: str) -> None:
    with pytest.raises(ValueProblemError, match="not a signal"):
        Signal.parse(text)
