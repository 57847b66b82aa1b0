"""Debian mirrors as the machine's apt knows them: sources and `apt-config dump` in, stanzas out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import attrs

SUITES = frozenset(
    ("bullseye", "bookworm", "trixie", "forky", "duke", "sid", "unstable", "testing", "stable", "oldstable")
)
"""Names by which a source is known to be Debian's."""
KEYRINGS = tuple(f"usr/share/keyrings/debian-archive-keyring.{kind}" for kind in ("gpg", "pgp"))

# What of the machine's apt configuration decides whether and how a mirror is reached.
_CARRIED = re.compile(
    r"Acquire::(https?|ftp|socks5h?|Check-Valid-Until|Check-Date|(Max|Min)-ValidTime|Retries|ForceIPv[46]|"
    r"Proxy-Auto-Detect|AllowInsecureRepositories|AllowWeakRepositories)\b",
    re.IGNORECASE,
)
# Of those, what says nothing about this machine and is needed wherever the mirror is used.
_NEUTRAL = re.compile(r"Acquire::(Check-Valid-Until|Check-Date|(Max|Min)-ValidTime)\b", re.IGNORECASE)


@attrs.frozen
class Source:
    """A stanza of apt's sources."""

    uri: str
    suites: tuple[str, ...]
    components: tuple[str, ...]
    signed_by: str = ""
    """Keyring file, or the key itself with its line breaks."""
    trusted: bool = False

    def render(self) -> str:
        """The stanza in deb822 form."""
        lines = [
            "Types: deb",
            f"URIs: {self.uri}",
            f"Suites: {' '.join(self.suites)}",
            f"Components: {' '.join(self.components)}",
            *([f"Signed-By: {self.signed_by}"] if self.signed_by else []),
            *(["Trusted: yes"] if self.trusted else []),
        ]
        return "\n".join(lines) + "\n"


def parse_list(text: str) -> Iterator[Source]:
    """The `deb` lines of a one-line-style sources file."""
    for line in text.splitlines():
        found = re.match(r"\s*deb\s+(?:\[([^\]]*)\]\s*)?(\S+)\s+([^\s#]+)([^#]*)", line)
        if found and found[3] and not found[3].endswith("/"):
            options = dict(o.split("=", 1) for o in (found[1] or "").split() if "=" in o)
            yield Source(
                found[2],
                (found[3],),
                tuple(found[4].split()),
                options.get("signed-by", ""),
                options.get("trusted", "") == "yes",
            )


def parse_deb822(text: str) -> Iterator[Source]:
    """The `deb` stanzas of a deb822-style sources file."""
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for stanza in re.split(r"\n[ \t]*\n", plain):
        fields: dict[str, str] = {}
        for key, value in re.findall(r"(?m)^([\w-]+):((?:.*)(?:\n[ \t].*)*)", stanza):
            fields[key.lower()] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() == "no":
            continue
        for uri in fields.get("uris", "").split():
            yield Source(
                uri,
                tuple(fields.get("suites", "").split()),
                tuple(fields.get("components", "").split()),
                fields.get("signed-by", ""),
                fields.get("trusted", "").lower() == "yes",
            )


def machine_sources(root: Path = Path("/")) -> tuple[Source, ...]:
    """All sources of the machine's apt.

    Args:
        root: where `etc/apt` is.
    """
    apt = root / "etc/apt"
    found: list[Source] = []
    for file in [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*"))]:
        if file.suffix in (".list", ".sources") and file.is_file():
            parse = parse_deb822 if file.suffix == ".sources" else parse_list
            found += parse(file.read_text(encoding="utf-8", errors="replace"))
    return tuple(found)


def select(sources: Iterable[Source], suite: str) -> tuple[Source, ...]:
    """What a suite is fetched from, with its updates and security fixes; empty when no source is Debian's.

    The suite's own stanza comes first; without one, another Debian stanza gives mirror and keyring.

    Args:
        sources: of the machine.
        suite: `trixie`.
    """
    ranked = sorted(((_likeness(s), i, s) for i, s in enumerate(sources)), key=lambda r: r[:2])
    debian = [s for rank, _, s in ranked if rank < _FOREIGN]
    pockets = ("",) if suite in ("sid", "unstable") else ("", "-updates", "-security")
    chosen = []
    for pocket in pockets:
        own = [s for s in debian if suite + pocket in s.suites]
        others = [s for s in debian if any(name + pocket in s.suites for name in SUITES)]
        chosen += [attrs.evolve(s, suites=(suite + pocket,)) for s in (own or others)[:1]]
    if not any(s.suites == (suite,) for s in chosen):
        return ()
    return tuple(chosen)


_FOREIGN = 3


def _likeness(source: Source) -> int:
    """How surely a stanza is Debian's own: others use Debian's suite names too."""
    if "main" not in source.components or urlsplit(source.uri).scheme == "cdrom":
        return _FOREIGN
    if "debian-archive" in source.signed_by:
        return 0
    if urlsplit(source.uri).path.strip("/").rpartition("/")[2] in ("debian", "debian-security"):
        return 1
    return _FOREIGN if source.signed_by else 2


def carried_options(dump: str) -> tuple[str, ...]:
    """The lines of `apt-config dump` that reaching a mirror needs: proxies, certificates, date checks."""
    return tuple(line for line in dump.splitlines() if _CARRIED.match(line))


def neutral_options(options: Iterable[str]) -> tuple[str, ...]:
    """Those options that go into an image: what the mirror needs everywhere, nothing of this machine."""
    return tuple(line for line in options if _NEUTRAL.match(line))


def without_userinfo(text: str) -> str:
    """The text with user names and passwords cut out of its addresses."""
    return re.sub(r"(\w://)[^/\s@]+@", r"\1", text)


@attrs.frozen
class Mirror:
    """Where a suite comes from on this machine."""

    suite: str
    sources: tuple[Source, ...]
    options: tuple[str, ...]
    """Lines of apt configuration."""

    def render(self) -> str:
        """All stanzas in deb822 form."""
        return "\n".join(source.render() for source in self.sources)
