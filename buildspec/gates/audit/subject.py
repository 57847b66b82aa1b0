"""What the rules of the audit share: the image under examination, what is expected of it, and findings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Literal

import attrs

from buildspec.engine.contents import ImageContents, Member
from buildspec.engine.elf import MAGIC, Elf, read_elf

Severity = Literal["error", "warning"]


@attrs.frozen(kw_only=True)
class Expected:
    """What the specification says of an image; of one that it doesn't build, nothing."""

    shell: bool = False
    """Its base has a shell."""
    manager: bool = False
    """Its base has a package manager."""
    packages: frozenset[str] = frozenset()
    """System packages that stages install on purpose."""
    volumes: frozenset[str] = frozenset()
    """Folders that outlive a container."""
    licenses: tuple[str, ...] = ()
    """Licences that packages may have; any when empty."""
    attestations: tuple[str, ...] = ()
    """What it must carry."""
    now: int = 0
    """Seconds since 1970; nothing can be newer."""
    epoch: int | None = None
    """Seconds since 1970 that stand for the time of the build; None: each build has its own."""


@attrs.frozen(kw_only=True)
class Finding:
    """Something in an image that shouldn't be, or isn't and should."""

    rule: str
    path: str
    """Absolute path of a file, or `config.User`, `history[3]`."""
    message: str
    """What is wrong, and the way out."""
    severity: Severity = "error"
    layer: int = -1
    """Number of the layer it is in; -1 for none."""


@attrs.frozen(kw_only=True, eq=False)
class Subject:
    """An image for one platform, under examination."""

    image: ImageContents
    expected: Expected
    secrets: Mapping[str, bytes] = attrs.field(factory=dict, repr=False)
    """Bytes that must be nowhere, by what they are: `npmrc`, `npmrc in base64`."""

    def at(self, member: Member, message: str) -> Finding:
        """A finding at a file; the rule's name is filled in later."""
        return Finding(rule="", path=member.path, message=message, layer=member.layer.number)

    @cached_property
    def uid(self) -> int | None:
        """Number of the user it runs as; None where that can't be told."""
        name = str(self.image.settings.get("User") or "0").partition(":")[0]
        if is_number(name):
            return int(name)
        return next((int(one[2]) for one in self.accounts if one[0] == name), None)

    @cached_property
    def gid(self) -> int | None:
        """Number of the group it runs as; None where that can't be told."""
        group = str(self.image.settings.get("User") or "0").partition(":")[2]
        if is_number(group):
            return int(group)
        if group:
            return None
        return next((int(one[3]) for one in self.accounts if int(one[2]) == self.uid), 0)

    @cached_property
    def accounts(self) -> tuple[tuple[str, ...], ...]:
        """Lines of /etc/passwd that are right, in their seven fields."""
        lines = (self.image.content("/etc/passwd") or b"").decode(errors="replace").splitlines()
        fields = [tuple(line.split(":")) for line in lines]
        return tuple(one for one in fields if len(one) == 7 and is_number(one[2]) and is_number(one[3]))

    @cached_property
    def programs(self) -> Mapping[str, tuple[Member, Elf]]:
        """Programs, libraries and native modules of the image, by path."""
        found = {}
        for path, one in self.image.files.items():
            if one.kind == "file" and one.size > 64 and one.read(4) == MAGIC and (elf := read_elf(one.read())):
                found[path] = (one, elf)
        return found

    @cached_property
    def libc(self) -> str:
        """C library of the image: `musl`, `glibc`; empty without one."""
        names = [path.rpartition("/")[2] for path in self.image.files if "/lib" in path]
        if any(name.startswith("ld-musl-") for name in names):
            return "musl"
        glibc = ("ld-linux", "ld64.so")
        return "glibc" if any(name.startswith(glibc) for name in names) else ""

    def find(self, path: str) -> Member | None:
        """The program that a word of a command means: a path, or a name on PATH."""
        if "/" in path:
            folder = str(self.image.settings.get("WorkingDir") or "/")
            return self.image.resolve(path if path.startswith("/") else f"{folder}/{path}")
        for folder in self.environment.get("PATH", "/usr/local/bin:/usr/bin:/bin").split(":"):
            if (found := self.image.resolve(f"{folder}/{path}")) is not None:
                return found
        return None

    @cached_property
    def environment(self) -> Mapping[str, str]:
        """Variables that a container is started with."""
        pairs = [str(one).partition("=") for one in self.image.settings.get("Env") or ()]
        return {name: value for name, _, value in pairs}

    @cached_property
    def has_shell(self) -> bool:
        """Whether shell-form commands can run."""
        return self.image.resolve("/bin/sh") is not None


def is_number(text: str) -> bool:
    """Whether it can be the number of a user or group: those have 32 bits."""
    return text.isascii() and text.isdigit() and len(text) <= 10


Rule = Callable[[Subject], Iterator[Finding]]


def warning(rule: Rule) -> Rule:
    """A decorator, the outermost, for a rule whose findings don't fail an audit."""
    vars(rule)["severity"] = "warning"
    return rule


def name_of(rule: Rule) -> str:
    """The rule's name, that of its function in kebab case."""
    return str(getattr(rule, "__name__", "")).replace("_", "-")


def severity_of(rule: Rule) -> Severity:
    """How grave a rule's findings are."""
    found: Severity = getattr(rule, "severity", "error")
    return found
