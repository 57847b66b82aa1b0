"""Credentials for registries, from where `docker login` keeps them: Docker's configuration and its helpers."""

from __future__ import annotations

import base64
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from buildspec.engine import files

_SECONDS = 20
"""Longest wait for a helper; one may ask its user."""
_HUB = "docker.io"
_HUB_KEY = "https://index.docker.io/v1/"
"""Under which Docker keeps what belongs to Docker Hub."""


@attrs.frozen
class Login:
    """A user name and password, or an identity token for the user `<token>`."""

    user: str
    password: str = attrs.field(repr=False)


def login_for(registry: str, environ: Mapping[str, str]) -> Login | None:
    """The login of a registry; None without one, or where a helper doesn't say.

    Source: docs.docker.com/reference/cli/docker/login, "Credential stores" and "Credential helpers".

    Args:
        registry: host, or host and port.
        environ: the environment; names the folder of Docker's configuration.
    """
    folder = Path(environ.get("DOCKER_CONFIG", "") or Path.home() / ".docker")
    told = files.read_json(folder / "config.json")
    config = _table(told)
    keys = (_HUB_KEY,) if registry == _HUB else (registry, f"https://{registry}", f"https://{registry}/v2/")
    helpers, kept = _table(config.get("credHelpers")), _table(config.get("auths"))
    for key in keys:
        helper = helpers.get(key) or config.get("credsStore")
        found = _helped(str(helper), key, environ) if helper else _kept(kept.get(key))
        if found is not None:
            return found
    return None


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _kept(entry: object) -> Login | None:
    """What the configuration itself has."""
    if not isinstance(entry, Mapping):
        return None
    if token := entry.get("identitytoken"):
        return Login("<token>", str(token))
    try:
        text = base64.b64decode(str(entry.get("auth") or ""), validate=True).decode()
    except ValueError:
        return None
    user, colon, password = text.partition(":")
    return Login(user, password.rstrip("\0")) if colon else None


def _helped(name: str, key: str, environ: Mapping[str, str]) -> Login | None:
    """What a helper says: it reads the registry, and writes JSON."""
    try:
        done = subprocess.run(
            [f"docker-credential-{os.path.basename(name)}", "get"],  # noqa: PTH119 - a name, not a path
            input=key,
            env=dict(environ),
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=False,
        )
        told = json.loads(done.stdout) if done.returncode == 0 else {}
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None
    user, password = told.get("Username"), told.get("Secret")
    return Login(str(user), str(password)) if user and password else None
