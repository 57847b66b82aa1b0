"""Typed scalars of the language: parsed from a string, matched whole; what doesn't fit is refused with a reason."""

from __future__ import annotations

import re
from functools import total_ordering
from typing import Self

import attrs

from buildspec.errors import quoted


class ValueProblemError(ValueError):
    """A string that isn't what its type asks for; the message says what was expected."""


@total_ordering
@attrs.frozen(repr=False, order=False)
class Platform:
    """What an image runs on, as `os/architecture[/variant]`.

    Normalised as containerd's `platforms` package does it: x86_64 is amd64, aarch64 and arm64/v8 are arm64.
    """

    os: str
    """Always `linux`."""
    arch: str
    """Go's name of the architecture."""
    variant: str = ""
    """`v7`; empty for the architecture's usual one."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `linux/arm64` or `linux/arm/v7`; raises ValueProblemError."""
        match = _PLATFORM.fullmatch(text)
        if match is None:
            example = f"'linux/{text}'" if text in _ARCHES else "'linux/arm64' or 'linux/arm/v7'"
            raise ValueProblemError(f"{quoted(text)} is not a platform; write it as {example}")
        os, arch, variant = ((part or "").lower() for part in match.group("os", "arch", "variant"))
        if os != "linux":
            raise ValueProblemError(f"{quoted(text)} is not a platform; images are for linux")
        if arch not in _ARCHES:
            known = ", ".join(sorted({name for name, _ in _ARCHES.values()}))
            raise ValueProblemError(
                f"{quoted(text)} is not a platform; no architecture is called {quoted(arch)}: {known}"
            )
        arch, default = _ARCHES[arch]
        variant = variant or default
        if variant[:1].isdigit():
            variant = f"v{variant}"
        if variant not in _VARIANTS.get(arch, ("",)):
            raise ValueProblemError(f"{quoted(text)} is not a platform; {arch} has no variant {quoted(variant)}")
        return cls(os, arch, "" if variant == _USUAL.get(arch) else variant)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.arch, self.variant) if part)

    def __lt__(self, other: object) -> bool:
        return str(self) < str(other) if isinstance(other, Platform) else NotImplemented


_PLATFORM = re.compile(r"(?P<os>[A-Za-z0-9]+)/(?P<arch>[A-Za-z0-9_-]+)(?:/(?P<variant>[A-Za-z0-9]+))?")
# Architecture as people write it -> (GOARCH, default variant): containerd platforms/database.go.
_ARCHES: dict[str, tuple[str, str]] = {
    "amd64": ("amd64", ""),
    "x86_64": ("amd64", ""),
    "x86-64": ("amd64", ""),
    "arm64": ("arm64", ""),
    "aarch64": ("arm64", ""),
    "arm": ("arm", "v7"),
    "armhf": ("arm", "v7"),
    "armel": ("arm", "v6"),
    "386": ("386", ""),
    "i386": ("386", ""),
    "ppc64le": ("ppc64le", ""),
    "s390x": ("s390x", ""),
    "riscv64": ("riscv64", ""),
    "loong64": ("loong64", ""),
    "mips64le": ("mips64le", ""),
}
# Variants that BuildKit and containerd tell apart; the usual one is left out of a platform's name.
_VARIANTS: dict[str, tuple[str, ...]] = {
    "amd64": ("", "v1", "v2", "v3", "v4"),
    "arm64": ("", "v8", "v9"),
    "arm": ("v5", "v6", "v7", "v8"),
}
_USUAL = {"amd64": "v1", "arm64": "v8"}

_UNITS = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}


@attrs.frozen(repr=False, order=True)
class Size:
    """A number of bytes, written as `150MB`, `1.5GB` (powers of ten) or `64MiB` (powers of two)."""

    bytes: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a size; raises ValueProblemError."""
        match = re.fullmatch(r"(\d{1,15})(?:\.(\d{1,6}))? ?([kKMG]?i?B)", text, re.ASCII)
        if match is None or match.group(3) not in _UNITS:
            raise ValueProblemError(f"{quoted(text)} is not a size; write it as '150MB' or '64MiB'")
        whole, part, unit = match.groups()
        fraction = int(part) * _UNITS[unit] // 10 ** len(part) if part else 0
        return cls(int(whole) * _UNITS[unit] + fraction)

    def __str__(self) -> str:
        return f"{self.bytes / 10**6:.1f} MB"


_DURATION = re.compile(r"(?:(\d{1,9})h)?(?:(\d{1,9})m)?(?:(\d{1,9})s)?(?:(\d{1,9})ms)?", re.ASCII)


@attrs.frozen(repr=False, order=True)
class Duration:
    """A time span in milliseconds, written as `30s`, `1m30s` or `500ms`."""

    milliseconds: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a duration; raises ValueProblemError."""
        match = _DURATION.fullmatch(text)
        if match is None or not text:
            raise ValueProblemError(f"{quoted(text)} is not a duration; write it as '30s', '1m30s' or '500ms'")
        hours, minutes, seconds, milliseconds = (int(group or 0) for group in match.groups())
        return cls(((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds)

    def __str__(self) -> str:
        seconds, rest = divmod(self.milliseconds, 1000)
        return f"{self.milliseconds}ms" if rest else f"{seconds}s"


_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
# Components of a reference: distribution/reference, regexp.go and normalize.go. Like there, what stands before the
# first slash is a registry only when it has a dot or a port, or is localhost.
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_HOST = rf"localhost|{_LABEL}(?:\.{_LABEL})+|{_LABEL}(?=:[0-9])|\[[0-9A-Fa-f:]+\]"
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:(?P<host>(?:{_HOST})(?::[0-9]{{1,5}})?)/)?"
    rf"(?P<path>{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?"
)
_IDENTIFIER = re.compile(r"[0-9a-f]{64}")
_HUB = "docker.io"


@attrs.frozen(repr=False)
class Reference:
    """An image in a registry, by tag, digest or both; spelled in full (`docker.io/library/node:20-alpine`)."""

    registry: str
    """Host, with its port if it has one."""
    repository: str
    """Path within the registry."""
    tag: str = ""
    """Empty when there is none."""
    digest: str = ""
    """`sha256:…`; empty when there is none."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference, filling in the registry and `library/` as Docker does; raises ValueProblemError."""
        match = _REFERENCE.fullmatch(text) if len(text) <= 512 else None
        if match is None or len(match["path"]) > 255 or _IDENTIFIER.fullmatch(text):
            raise ValueProblemError(f"{quoted(text)} is not an image reference; {_why_no_reference(text)}")
        path = match["path"]
        registry = match["host"] or _HUB
        if registry == f"index.{_HUB}":
            registry = _HUB
        if registry == _HUB and "/" not in path:
            path = f"library/{path}"
        return cls(registry, path, match["tag"] or "", match["digest"] or "")

    def pinned(self, digest: str) -> Reference:
        """The same reference at that digest (`sha256:…`)."""
        return attrs.evolve(self, digest=digest or self.digest)

    def __str__(self) -> str:
        name = f"{self.registry}/{self.repository}"
        return name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def _why_no_reference(text: str) -> str:
    if "://" in text:
        return f"leave out '{text.partition('://')[0]}://'"
    if _IDENTIFIER.fullmatch(text):
        return "it is an image's id; name the image by its repository"
    if text != text.lower() and _REFERENCE.fullmatch(text.lower()):
        return "repository names are in small letters"
    return "write it as 'registry/name:tag'"


@attrs.frozen(repr=False)
class Digest:
    """`sha256:` and 64 hexadecimal digits."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a digest; raises ValueProblemError."""
        if _DIGEST.fullmatch(text) is None:
            raise ValueProblemError(f"{quoted(text)} is not a digest; write it as 'sha256:' and 64 hexadecimal digits")
        return cls(text)

    def __str__(self) -> str:
        return self.text


_MODE = re.compile(r"[0-7]{3}|0[0-7]{3,4}", re.ASCII)


@attrs.frozen(repr=False)
class Mode:
    """Permissions of copied files: three digits in octal, after `0` and perhaps a digit of set-user-id and its kin."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read permissions; raises ValueProblemError.

        BuildKit takes any number up to 07777 (dockerfile2llb/convert_copy.go), also one whose zeros were forgotten:
        `7` would be 0007, which nobody means.
        """
        if _MODE.fullmatch(text) is None:
            raise ValueProblemError(f"{quoted(text)} is not a mode; write it in octal, as '0644' or '0755'")
        return cls(text)

    def __str__(self) -> str:
        return self.text


# Numbers and names of Linux signals, as engines read them: moby/sys, signal/signal_linux.go.
_SIGNAL = (
    r"[1-9]|[1-5][0-9]|6[0-4]|(?:SIG)?(?P<name>ABRT|ALRM|BUS|CHLD|CLD|CONT|FPE|HUP|ILL|INT|IO|IOT|KILL|PIPE|POLL|PROF|"
    r"PWR|QUIT|SEGV|STKFLT|STOP|SYS|TERM|TRAP|TSTP|TTIN|TTOU|URG|USR1|USR2|VTALRM|WINCH|XCPU|XFSZ|"
    r"RTMIN(?:\+(?:1[0-5]|[1-9]))?|RTMAX(?:-(?:1[0-4]|[1-9]))?)"
)


@attrs.frozen(repr=False)
class Signal:
    """A signal by its name, with `SIG`, or its number."""

    name: str
    """`SIGTERM`, or `15`."""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `SIGTERM`, `TERM`, `sigterm`, `SIGRTMIN+3` or `15`; raises ValueProblemError."""
        match = re.fullmatch(_SIGNAL, text.upper(), re.ASCII) if text.isascii() else None
        if match is None:
            raise ValueProblemError(f"{quoted(text)} is not a signal; write it as 'SIGTERM' or '15'")
        return cls(f"SIG{match['name']}" if match["name"] else text)

    def __str__(self) -> str:
        return self.name
