"""Configured bases: mmdebstrap installs packages, maintainer scripts and all, into a tar of the root."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

import attrs

from buildspec.engine import apt
from buildspec.engine.mirrors import KEYRINGS, Mirror, neutral_options, without_userinfo
from buildspec.engine.process import Failed
from buildspec.engine.rootfs import DOCS
from buildspec.engine.tree import Tree
from buildspec.errors import MachineError
from buildspec.plan.recipe import Recipe

_TIMEOUT = 3600.0  # seconds; a slow mirror, not a slow machine
_PLENTY = 6 << 30  # bytes; a root with compilers is near 2 GB, and others need memory too
_ARCHIVES = "/var/cache/apt/archives"


def run(recipe: Recipe, source: Mirror, cache: Path, work: Path) -> Path:
    """Install a recipe's packages and return the tar of the root.

    Args:
        recipe: a configured one, of this machine's architecture.
        source: where the suite comes from.
        cache: `debs/` in it is kept between runs.
        work: scratch folder.

    Raises:
        UsageError: no such package or suite.
        MachineError: mmdebstrap is missing, or the mirror can't be reached or verified.
    """
    stanzas, tar = work / "debian.sources", work / "root.tar"
    stanzas.touch(mode=0o600)
    stanzas.write_text(source.render(), encoding="utf-8")
    kept = cache / "debs" / f"{recipe.suite}-{recipe.architecture}"
    before, after = work / "before", work / "after"
    _link_all(kept, before)
    after.mkdir()
    argv = [
        "mmdebstrap",
        apt.mode(),
        "--variant=minbase",
        "--format=tar",
        f"--architectures={recipe.architecture}",
    ]
    argv += [f"--include={','.join(recipe.packages)}"] if recipe.packages else []
    if source.options:
        # a file, for a proxy's password would be seen in the command line
        options = work / "apt-options"
        options.touch(mode=0o600)
        options.write_text("".join(f"{line}\n" for line in source.options), encoding="utf-8")
        argv += [f"--aptopt={options}"]
    # No --dpkgopt=path-exclude: mmdebstrap then filters every package through a slow program (6 s of 22 s);
    # documentation is left out when the layer is written.
    argv += ["--skip=essential/unlink", '--setup-hook=mkdir -p "$1"' + _ARCHIVES]
    argv += [f"--setup-hook=sync-in {shlex.quote(str(before))} {_ARCHIVES}"]
    argv += [f"--customize-hook=sync-out {_ARCHIVES} {shlex.quote(str(after))}"]
    try:
        with tar.open("wb") as out:
            apt.run([*argv, recipe.suite, "-", str(stanzas)], _scratch(), timeout=_TIMEOUT, out=out)
    except Failed as err:
        raise apt.explain(err.output, recipe.suite) from err
    if not tar.stat().st_size:
        raise MachineError("mmdebstrap wrote nothing", "look at `mmdebstrap --version`")
    _link_all(after, kept)
    return tar


def settings(source: Mirror, tree: Tree) -> dict[str, str]:
    """Text by path of the files that make apt and dpkg work in a configured base.

    The base keeps the mirror it was made from: build steps install more with apt, and nothing says that
    another one can be reached from here. Only build stages start from it, and those are never pushed;
    unpacked bases, which are, have no sources. Passwords, proxies and this machine's paths stay out.

    Args:
        source: where the suite came from.
        tree: the root, for the place of its keyring.
    """
    keyring = next((f"/{k}" for k in KEYRINGS if k in tree), "")
    stanzas = [
        attrs.evolve(
            s,
            uri=without_userinfo(s.uri),
            signed_by=s.signed_by if "\n" in s.signed_by else "" if s.trusted else keyring,
        ).render()
        for s in source.sources
    ]
    excluded = "".join(f"path-exclude=/{pattern}\n" for pattern in DOCS)
    files = {
        "etc/apt/sources.list.d/debian.sources": "\n".join(stanzas),
        "etc/dpkg/dpkg.cfg.d/90-documentation": f"{excluded}path-include=/usr/share/doc/*/copyright\n",
    }
    if options := neutral_options(source.options):
        files["etc/apt/apt.conf.d/90-mirror"] = "\n".join(options) + "\n"
    return files


def _scratch(shm: Path = Path("/dev/shm")) -> dict[str, str]:  # noqa: S108 - a place in memory is the point
    """Where mmdebstrap builds the root: in memory, if there is plenty and programs may run there.

    Hundreds of packages are a hundred thousand small operations on files: 25 s in memory, 41 s on a disk.
    """
    try:
        facts, memory = os.statvfs(shm), os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError):
        return {}
    usable = not facts.f_flag & (os.ST_NOEXEC | os.ST_NODEV | os.ST_NOSUID | os.ST_RDONLY)
    roomy = min(facts.f_bavail * facts.f_frsize, memory) >= _PLENTY
    return {"TMPDIR": str(shm)} if usable and roomy else {}


def _link_all(source: Path, dest: Path) -> None:
    dest.mkdir(parents=True, exist_ok=True)
    for file in source.glob("*.deb"):
        os.utime(file)
        try:
            os.link(file, dest / file.name)
        except FileExistsError:
            continue
