"""Facts about the sources and their secrets: what git says, and where this machine keeps the values."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import attrs

from buildspec.engine import files
from buildspec.errors import MachineError
from buildspec.plan.model import Plan, PlannedSecret
from buildspec.plan.secrets import PROXIES
from buildspec.render.bake import FOLDER, SecretSource
from buildspec.spec.values import Platform, ValueProblemError

GIT_SECONDS = 10


@attrs.frozen
class Revision:
    """State of the sources."""

    commit: str = ""
    """Commit, with `-dirty` when files differ from it; empty outside of a repository."""
    epoch: int | None = None
    """Its time, in seconds since 1970."""


def revision(root: Path, environ: Mapping[str, str]) -> Revision:
    """Ask git about the sources; `SOURCE_DATE_EPOCH` wins over the commit's time.

    Args:
        root: folder of the specification.
        environ: the environment.
    """
    given = environ.get("SOURCE_DATE_EPOCH", "")
    epoch = int(given) if given.isascii() and given.isdigit() else None
    told = _git(root, "log", "-1", "--format=%H %ct")
    if told is None or len(told.split()) != 2:
        return Revision("", epoch)
    commit, time = told.split()
    changed = _git(root, "status", "--porcelain", "--untracked-files=no")
    # what git can't tell in time isn't known to be clean
    return Revision(commit + ("" if changed == "" else "-dirty"), epoch if epoch is not None else int(time))


def tagged(root: Path, tag: str) -> str | None:
    """The commit that a tag is at; None when there is no such tag.

    Args:
        root: folder of the specification.
        tag: its name.
    """
    return _git(root, "rev-parse", "--verify", "--quiet", f"refs/tags/{tag}^{{commit}}")


def _git(root: Path, *arguments: str) -> str | None:
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=GIT_SECONDS, check=False, errors="replace"
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def machine_platform() -> Platform:
    """The platform of this machine's engine, as far as it can be told without asking it.

    Raises:
        MachineError: the processor has no name as a platform.
    """
    try:
        return Platform.parse(f"linux/{platform.machine().lower()}")
    except ValueProblemError as error:
        raise MachineError(f"this machine is a {platform.machine()}, which has no name as a platform") from error


@attrs.frozen
class Secrets:
    """The secrets this machine has for a plan."""

    sources: Mapping[str, SecretSource]
    """By id, for the bake definition."""
    values: tuple[str, ...]
    """What no output may show."""
    reads: tuple[str, ...]
    """Files outside of the specification's folder that the client reads."""
    skipped: tuple[str, ...]
    """Optional ones that this machine doesn't have."""


def find_secrets(plan: Plan, root: Path, environ: Mapping[str, str]) -> Secrets:
    """Look for every secret of a plan.

    Args:
        plan: names the places to look.
        root: folder of the specification; a copy of the CA bundle, which is public, is left in its `build`.
        environ: the environment.

    Raises:
        MachineError: one that isn't optional is missing; says how to give it.
    """
    sources: dict[str, SecretSource] = {}
    values: list[str] = []
    reads: list[str] = []
    skipped: list[str] = []
    for secret in plan.secrets:
        variable = next((name for name in secret.env if environ.get(name)), "")
        file = None if variable else find_file(secret, root, environ)
        if secret.constant:
            sources[secret.id] = SecretSource(file=_keep(root, secret.id, secret.constant.encode()))
        elif variable:
            sources[secret.id] = SecretSource(env=variable)
            values += sensitive(secret.id, environ[variable])
        elif file is None:
            _miss(secret, skipped)
        elif secret.id == "ca-bundle":
            sources[secret.id] = SecretSource(file=_keep(root, secret.id, file.read_bytes()))
        else:
            values += sensitive(secret.id, file.read_text(encoding="utf-8", errors="replace"))
            inside = file.is_relative_to(root.resolve())
            sources[secret.id] = SecretSource(file=str(file.relative_to(root.resolve()) if inside else file))
            reads += [] if inside else [str(file)]
    if "ca-bundle" not in sources:
        sources.pop("ca-bundle-path", None)  # the variables would name a file that isn't there
    return Secrets(sources, tuple(values), tuple(reads), tuple(skipped))


def sensitive(name: str, text: str) -> list[str]:
    """What of a secret's text no output may show: settings and addresses beside it aren't secret.

    Args:
        name: of the secret.
        text: its value.
    """
    pairs = re.findall(r"://([^/@\s]+)@", text)
    logins = [part for pair in pairs for part in (pair, pair.partition(":")[2]) if part]
    if name == "npmrc":
        # https://docs.npmjs.com/cli/configuring-npm/npmrc, "Auth related configuration"
        settings = re.findall(r"(?m)^[^=\n]*(?:_auth|_authToken|_password)\s*=\s*[\"']?([^\s\"']+)", text)
        return [*settings, *logins] if "=" in text else [text]
    return logins if name in PROXIES else [text]


def find_file(secret: PlannedSecret, root: Path, environ: Mapping[str, str]) -> Path | None:
    """The file of this machine that holds a secret, or None."""
    named = [environ[name] for name in secret.file_env if environ.get(name)]
    for name in (*named, *secret.files):
        path = Path(root, os.path.expanduser(name)).resolve()  # noqa: PTH111 - joined only after `~` is gone
        if path.is_file() and os.access(path, os.R_OK):
            return path
    return None


def _miss(secret: PlannedSecret, skipped: list[str]) -> None:
    if secret.optional:
        skipped.append(secret.id)
        return
    ways = [f"set {name}" for name in secret.env] + [f"write {file}" for file in secret.files]
    raise MachineError(
        f"secret '{secret.id}' is missing; stages that need it: {secret.needed_by}",
        f"{' or '.join(ways)}, or make it optional in [secrets.{secret.id}]",
    )


def _keep(root: Path, name: str, content: bytes) -> str:
    """A file below the specification's folder: bake asks for permission to read others."""
    relative = f"{FOLDER}/secrets/{name}"
    files.write(root / relative, content)
    return relative
