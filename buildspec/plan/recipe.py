"""What a base assembled from Debian packages is made of, and the key its result is cached under."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

import attrs

from buildspec.errors import UsageError
from buildspec.spec.families import DEBIAN_ARCHITECTURES

FORMAT = 2
"""Raised whenever the assembler writes something else for the same packages: older results are not used."""


def _sorted_unique(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(values)))


@attrs.frozen
class Recipe:
    """A base for one platform, named by what goes in."""

    suite: str
    """Debian suite: `trixie`."""
    platform: str
    """Platform as the engine writes it: `linux/arm64`."""
    packages: tuple[str, ...] = attrs.field(converter=_sorted_unique)
    """Packages asked for; what they depend on comes along."""
    shell: bool
    """`False`: a distroless base, verified to hold no shell and no package manager."""
    configured: bool
    """`True`: maintainer scripts have run (native platform alone) and apt works in it."""
    exclude: tuple[str, ...] = attrs.field(default=(), converter=_sorted_unique)
    """Path patterns left out, from the root; `*` matches `/` too, as in dpkg's path-exclude."""

    @property
    def architecture(self) -> str:
        """Debian's name of the platform's architecture.

        Raises:
            UsageError: Debian has no such architecture.
        """
        if self.platform not in DEBIAN_ARCHITECTURES:
            known = ", ".join(DEBIAN_ARCHITECTURES)
            raise UsageError(f"no Debian architecture for platform {self.platform!r}", f"use one of {known}")
        return DEBIAN_ARCHITECTURES[self.platform]

    @property
    def title(self) -> str:
        """The recipe in a few words, for progress lines."""
        kind = "configured" if self.configured else "with a shell" if self.shell else "distroless"
        return f"{self.suite} {self.platform} {kind}"

    @property
    def name(self) -> str:
        """What it is called in a lock file: the title, and the start of the key."""
        return f"{self.title} {self.key()[:12]}"

    def key(self) -> str:
        """Sha256 in hex of everything that decides the result but the packages' versions."""
        form = json.dumps({"format": FORMAT, **attrs.asdict(self)}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(form.encode()).hexdigest()
