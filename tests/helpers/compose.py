"""Docker Compose: the plugin where the client has one, else the program that `scripts/quickstart --test` fetches."""

from __future__ import annotations

import subprocess
from functools import cache

from helpers.registry import program

MISSING = "docker compose isn't there; `scripts/quickstart --test` fetches it"
_SECONDS = 20


@cache
def compose_command() -> tuple[str, ...]:
    """How it is called, of version 2 or newer; empty without one."""
    standalone = program("docker-compose")
    ways: list[tuple[str, ...]] = [("docker", "compose"), *([(standalone,)] if standalone else [])]
    for argv in ways:
        try:
            done = subprocess.run(
                [*argv, "version", "--short"], capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        number = done.stdout.strip().removeprefix("v").partition(".")[0]
        if done.returncode == 0 and number.isdigit() and int(number) > 1:
            return argv
    return ()
