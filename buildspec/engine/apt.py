"""Debian packages through the machine's own apt: its mirrors, keyrings, proxies; any suite, any architecture.

apt runs on a root of its own, so neither the machine's packages nor its pins matter, and root is not needed.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO

import attrs

from buildspec.engine import files, process
from buildspec.engine.mirrors import (
    KEYRINGS,
    Mirror,
    Source,
    carried_options,
    machine_sources,
    parse_list,
    select,
    without_userinfo,
)
from buildspec.engine.process import Failed
from buildspec.errors import BuildspecError, MachineError, UsageError

INSTALL = "run scripts/engine, which installs what assembled bases need"

_LISTS_FRESH = 60.0  # seconds; bases assembled together ask the mirror once
_KEPT = 60 * 86400  # seconds that a package nobody used stays in the cache


@attrs.frozen
class Deb:
    """A package file on this machine."""

    file: Path
    control: str
    """The package's control stanza."""

    def field(self, name: str) -> str:
        """A field of the control stanza; empty when it has none."""
        found = re.search(rf"(?mi)^{re.escape(name)}:[ \t]*(.*)$", self.control)
        return found[1].strip() if found else ""

    @property
    def name(self) -> str:
        """The package's name."""
        return self.field("Package")

    @property
    def version(self) -> str:
        """The package's version."""
        return self.field("Version")


def explain(output: str, suite: str) -> BuildspecError:
    """What apt's or mmdebstrap's output means for the user.

    Args:
        output: everything it wrote.
        suite: Debian suite that was asked for.
    """
    output = without_userinfo(output)
    missing = sorted(
        set(re.findall(r"Unable to locate package (\S+)", output))
        | set(re.findall(r"Package '?([^'\s]+)'? has no installation candidate", output))
    )
    if missing:
        names = ", ".join(missing)
        many = "s" if len(missing) > 1 else ""
        return UsageError(f"Debian {suite} has no package{many} {names}", "check the spelling and the suite")
    tail = "\n".join(f"  {line}" for line in output.strip().splitlines()[-12:] if line.strip())
    if re.search(r"does not have a Release file|40[34] +Not Found", output):
        return UsageError(f"the mirror has no Debian suite {suite}, or not all of it:\n{tail}", "check `debian`")
    if re.search(r"NO_PUBKEY|is not signed|signatures? (were|was|couldn't)|EXPKEYSIG|Missing key", output):
        fix = "install the newest debian-archive-keyring package"
        return MachineError(f"the signature of Debian {suite} can't be verified here:\n{tail}", fix)
    if re.search(r"newuidmap|newgidmap|subuid|unshare", output):
        fix = "run as root, or install uidmap and give this user a range in /etc/subuid and /etc/subgid"
        return MachineError(f"this user may not install packages into a folder:\n{tail}", fix)
    if re.search(r"resolve|Could not connect|Connection|timed out|Failed to fetch|unreachable", output):
        fix = "check network, proxy and apt's sources with `apt-get update`"
        return MachineError(f"the Debian mirror could not be reached for {suite}:\n{tail}", fix)
    return MachineError(f"Debian {suite} could not be assembled:\n{tail}")


def run(argv: Sequence[str], env: Mapping[str, str], *, timeout: float, out: IO[bytes] | None = None) -> str:
    """Run one of Debian's tools and return what it printed, in English.

    Args:
        argv: the program and its arguments.
        env: added to the environment.
        timeout: seconds.
        out: gets standard output instead.

    Raises:
        MachineError: the program is missing or took too long.
        process.Failed: it failed; `output` is what it printed.
    """
    found = {k: v for k, v in os.environ.items() if k not in ("APT_CONFIG", "SOURCE_DATE_EPOCH")}
    # Debian's tools live in sbin as well, which a user's PATH may lack.
    found["PATH"] = f"{found.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
    full = {**found, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive", **env}
    return process.run(argv, full, timeout=timeout, out=out, advice=INSTALL)


def mirror(suite: str, root: Path = Path("/")) -> Mirror:
    """Find out where a suite comes from on this machine.

    Args:
        suite: `trixie`.
        root: the machine's root folder.

    Raises:
        MachineError: apt or mmdebstrap is missing.
    """
    chosen = select(machine_sources(root), suite) or _defaults(suite)
    keyring = next((f"/{k}" for k in KEYRINGS if (root / k).is_file()), "")
    signed = tuple(attrs.evolve(s, signed_by=s.signed_by or ("" if s.trusted else keyring)) for s in chosen)
    return Mirror(suite, signed, carried_options(run(["apt-config", "dump"], {}, timeout=30)))


def _defaults(suite: str) -> tuple[Source, ...]:
    """What mmdebstrap uses on a machine whose apt knows no Debian mirror: it notes that and is stopped."""
    hook = 'cat "$1/etc/apt/sources.list" >&2; exit 1'
    argv = ["mmdebstrap", mode(), "--variant=custom", f"--setup-hook={hook}", suite, "/dev/null"]
    try:
        text = run(argv, {}, timeout=60)
    except Failed as err:
        text = err.output
    found = tuple(parse_list(text))
    if not found:
        raise explain(text, suite)
    return found


def mode() -> str:
    """How mmdebstrap gets at root's rights: it has them, or a user namespace."""
    return "--mode=root" if os.geteuid() == 0 else "--mode=unshare"


def fetch(
    source: Mirror,
    architecture: str,
    packages: Sequence[str],
    cache: Path,
    work: Path,
    say: Callable[[str], None],
) -> tuple[Deb, ...]:
    """Download packages and what they depend on, without what they recommend.

    Args:
        source: where the suite comes from.
        architecture: Debian's name: `arm64`.
        packages: names.
        cache: `debs/` and `apt/` in it are kept between runs.
        work: scratch folder; gone after the run.
        say: takes lines of progress.

    Raises:
        UsageError: no such package or suite.
        MachineError: the mirror can't be reached or verified, or apt is missing.
    """
    form = "\n".join([architecture, source.render(), *source.options])
    state = cache / "apt" / hashlib.sha256(form.encode()).hexdigest()[:16]
    env = {"APT_CONFIG": str(_root(source, architecture, state, work))}
    try:
        with files.locked(state / "lock"):
            stamp = state / "stamp"
            if not stamp.is_file() or time.time() - stamp.stat().st_mtime > _LISTS_FRESH:
                run(["apt-get", "-q", "update", "--error-on=any"], env, timeout=600)
                stamp.touch()
            argv = ["apt-get", "-qq", "install", "--print-uris", "--", *packages]
            listed = run(argv, env, timeout=120)
        found = _download(listed, cache / "debs", work, env, say)
    except Failed as err:
        raise explain(err.output, source.suite) from err
    return tuple(Deb(file, run(["dpkg-deb", "-f", str(file)], {}, timeout=60)) for file in found)


def _root(source: Mirror, architecture: str, state: Path, work: Path) -> Path:
    """Lay out a root for apt and return its configuration file."""
    etc = work / "apt"
    for folder in (etc / "archives/partial", state / "lists/partial"):
        folder.mkdir(parents=True, exist_ok=True)
    (etc / "status").touch()
    (etc / "debian.sources").write_text(source.render(), encoding="utf-8")
    settings = {
        "Dir::Etc": etc,
        "Dir::Etc::sourcelist": etc / "debian.sources",
        "Dir::Etc::sourceparts": "/dev/null",
        "Dir::Etc::netrc": "/etc/apt/auth.conf",
        "Dir::Etc::netrcparts": "/etc/apt/auth.conf.d",
        "Dir::Etc::trustedparts": "/etc/apt/trusted.gpg.d",
        "Dir::Etc::parts": "/dev/null",
        "Dir::State::lists": state / "lists",
        "Dir::State::status": etc / "status",
        "Dir::State::extended_states": etc / "extended_states",
        "Dir::Cache": etc,
        "Dir::Cache::archives": etc / "archives",
        "Dir::Cache::pkgcache": "",
        "Dir::Cache::srcpkgcache": "",
        "APT::Architecture": architecture,
        "APT::Install-Recommends": "false",
        "APT::Get::Assume-Yes": "true",
        # apt's own user may not read a cache in someone's home folder; signatures are checked all the same.
        "APT::Sandbox::User": "root",
        "Acquire::Languages": "none",
        "Acquire::GzipIndexes": "true",
        "Acquire::ForceHash": "SHA256",
    }
    lines = [f'{key} "{value}";' for key, value in settings.items()]
    lines += ["#clear APT::Architectures;", f'APT::Architectures {{ "{architecture}"; }};', *source.options]
    file = work / "apt.conf"
    file.touch(mode=0o600)
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def _download(
    listed: str, debs: Path, work: Path, env: Mapping[str, str], say: Callable[[str], None]
) -> tuple[Path, ...]:
    """Fetch what the cache lacks of apt's list of addresses, and return all files in a stable order."""
    wanted = re.findall(r"(?m)^'([^']+)' (\S+) \d+ SHA256:([0-9a-f]{64})$", listed)
    if not wanted:
        raise MachineError(f"apt listed no package with a SHA256 checksum:\n{listed[-500:]}")
    debs.mkdir(parents=True, exist_ok=True)
    files = {debs / f"{digest}.deb": (uri, digest) for uri, _, digest in wanted}
    absent = {file: found for file, found in files.items() if not _holds(file, found[1])}
    if absent:
        say(f"downloading {len(absent)} of {len(files)} packages")
        argv = ["/usr/lib/apt/apt-helper", "download-file"]
        for uri, digest in absent.values():
            argv += [uri, str(work / digest), f"SHA256:{digest}"]
        run(argv, env, timeout=1800)
        for file, (_, digest) in absent.items():
            (work / digest).replace(file)
    return tuple(sorted(files))


def files_of(deb: Deb, work: Path) -> Path:
    """The package's files as an uncompressed tar in the scratch folder.

    Raises:
        MachineError: the package file is damaged.
    """
    tar = work / f"{deb.file.stem}.tar"
    with tar.open("wb") as out:
        try:
            run(["dpkg-deb", "--fsys-tarfile", str(deb.file)], {}, timeout=300, out=out)
        except Failed as err:
            raise MachineError(f"package {deb.name} could not be unpacked:\n{err.output}") from err
    return tar


def _holds(file: Path, digest: str) -> bool:
    try:
        with file.open("rb") as f:
            same = hashlib.file_digest(f, "sha256").hexdigest() == digest
    except FileNotFoundError:
        return False
    if same:
        os.utime(file)
    return same


def prune(folder: Path) -> None:
    """Delete what a cache of packages has not been asked for in a long time."""
    for file in folder.rglob("*.deb") if folder.is_dir() else ():
        if time.time() - file.stat().st_mtime > _KEPT:
            file.unlink(missing_ok=True)


def clear(folder: Path) -> None:
    """Remove a folder of a run, if it is there."""
    shutil.rmtree(folder, ignore_errors=True)
