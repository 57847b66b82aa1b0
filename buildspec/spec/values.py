"""Typed scalars of the language: each is parsed from a string, matched whole, and refuses the rest with a reason."""

from __future__ import annotations

import re
from functools import total_ordering
from typing import Self

import attrs


class ValueProblem(ValueError):
    """A string that isn't what its type asks for; the message says what was expected."""


@total_ordering
@attrs.frozen(order=False)
class Platform:
    """What an image runs on, as `os/architecture[/variant]`.

    Normalised as containerd's `platforms` package does it: x86_64 is amd64, aarch64 and arm64/v8 are arm64.
    """

    os: str
    arch: str
    variant: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `linux/arm64` or `linux/arm/v7`; raises ValueProblem."""
        parts = text.lower().split("/")
        if len(parts) not in (2, 3) or not all(re.fullmatch(r"[a-z0-9_.-]+", part) for part in parts):
            raise ValueProblem(f"{text!r} is not a platform; write it as 'linux/arm64' or 'linux/arm/v7'")
        os, arch, variant = (*parts, "")[:3]
        if arch not in _ARCHES:
            raise ValueProblem(f"{text!r} is not a platform; no architecture is called {arch!r}")
        arch, default = _ARCHES[arch]
        variant = variant or default
        if (arch, variant) in {("arm64", "v8"), ("amd64", "v1")}:
            variant = ""
        return cls(os, arch, variant)

    def __str__(self) -> str:
        return "/".join(part for part in (self.os, self.arch, self.variant) if part)

    def __lt__(self, other: object) -> bool:
        return str(self) < str(other) if isinstance(other, Platform) else NotImplemented


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


@attrs.frozen(order=True)
class Size:
    """A number of bytes, written as `150MB`, `1.5GB` (powers of ten) or `64MiB` (powers of two)."""

    bytes: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a size; raises ValueProblem."""
        match = re.fullmatch(r"(\d{1,15})(?:\.(\d{1,6}))? ?([kKMG]?i?B)", text, re.ASCII)
        if match is None or match.group(3) not in _UNITS:
            raise ValueProblem(f"{text!r} is not a size; write it as '150MB' or '64MiB'")
        whole, part, unit = match.groups()
        fraction = int(part) * _UNITS[unit] // 10 ** len(part) if part else 0
        return cls(int(whole) * _UNITS[unit] + fraction)

    def __str__(self) -> str:
        return f"{self.bytes / 10**6:.1f} MB"


_DURATION = re.compile(r"(?:(\d{1,6})h)?(?:(\d{1,6})m)?(?:(\d{1,6})s)?(?:(\d{1,6})ms)?", re.ASCII)


@attrs.frozen(order=True)
class Duration:
    """A time span in milliseconds, written as `30s`, `1m30s` or `500ms`."""

    milliseconds: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a duration; raises ValueProblem."""
        match = _DURATION.fullmatch(text)
        if match is None or not text:
            raise ValueProblem(f"{text!r} is not a duration; write it as '30s', '1m30s' or '500ms'")
        hours, minutes, seconds, milliseconds = (int(group or 0) for group in match.groups())
        return cls(((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds)

    def __str__(self) -> str:
        seconds, rest = divmod(self.milliseconds, 1000)
        return f"{self.milliseconds}ms" if rest else f"{seconds}s"


_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
# Components of a reference: distribution/reference, regexp.go.
_REFERENCE = re.compile(
    r"(?:(?P<host>localhost|[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+|[a-zA-Z0-9-]+(?=:\d)|\[[0-9a-fA-F:]+\])(?P<port>:\d+)?/)?"
    r"(?P<path>[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*)"
    r"(?::(?P<tag>\w[\w.-]{0,127}))?(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)
_HUB = "docker.io"


@attrs.frozen
class Reference:
    """An image in a registry, by tag, digest or both, spelled in full (`docker.io/library/node:20-alpine`)."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a reference, filling in the registry and `library/` as Docker does; raises ValueProblem."""
        match = _REFERENCE.fullmatch(text)
        if match is None or len(text) > 512:
            raise ValueProblem(f"{text!r} is not an image reference; write it as 'registry/name:tag'")
        path = match["path"]
        registry = (match["host"] or _HUB) + (match["port"] or "")
        if registry == _HUB and "/" not in path:
            path = f"library/{path}"
        return cls(registry, path, match["tag"] or "", match["digest"] or "")

    def pinned(self, digest: str) -> Reference:
        """The same reference at that digest (`sha256:…`)."""
        return attrs.evolve(self, digest=digest or self.digest)

    def __str__(self) -> str:
        name = f"{self.registry}/{self.repository}"
        return name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


@attrs.frozen
class Digest:
    """`sha256:` and 64 hexadecimal digits."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a digest; raises ValueProblem."""
        if _DIGEST.fullmatch(text) is None:
            raise ValueProblem(f"{text!r} is not a digest; write it as 'sha256:' and 64 hexadecimal digits")
        return cls(text)

    def __str__(self) -> str:
        return self.text
