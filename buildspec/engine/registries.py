"""Where image registries are, and which of them this machine reaches."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import Request, urlopen

from buildspec.spec.model import Base, ImageBase, Spec

SECONDS = 3.0
"""Longest wait for all of them together."""

# The name in references, and the host that serves it: distribution/reference, `docker.io` is a name alone.
_SERVERS = {"docker.io": "registry-1.docker.io"}


def address(registry: str) -> str:
    """Where a registry is asked: `https://ghcr.io`.

    Args:
        registry: host, or host and port, as references have it.
    """
    return f"{'http' if is_local(registry) else 'https'}://{_SERVERS.get(registry, registry)}"


def is_local(registry: str) -> bool:
    """Whether a registry is this machine's own, and so speaks plain HTTP: as Docker has it."""
    return registry.startswith("[::1]") or registry.partition(":")[0] in ("localhost", "127.0.0.1")


def of_bases(spec: Spec) -> frozenset[str]:
    """The registries of the bases that stages start or copy from."""
    return frozenset(base.image.registry for base in used_bases(spec) if isinstance(base, ImageBase))


def used_bases(spec: Spec) -> list[Base]:
    """The bases that stages start or copy from."""
    used = {name for stage in spec.stages.values() for name in (stage.from_, *(copy.from_ for copy in stage.copy))}
    return [base for name, base in spec.bases.items() if name in used]


def reachable(registries: Iterable[str], seconds: float = SECONDS) -> Mapping[str, str]:
    """Ask registries whether they are there.

    Args:
        registries: host, or host and port.
        seconds: longest wait for all of them; they are asked side by side.

    Returns:
        For each registry, why it can't be used; empty when it answers as a registry does.
    """
    names = sorted(set(registries))
    answers: dict[str, str] = {}

    def ask(name: str) -> None:
        answers[name] = _ask(name, seconds)

    # threads that nobody waits for at the end: looking up a name has no time limit of its own
    threads = [threading.Thread(target=ask, args=(name,), daemon=True) for name in names]
    for thread in threads:
        thread.start()
    end = time.monotonic() + seconds
    for thread in threads:
        thread.join(max(0.0, end - time.monotonic()))
    return {name: answers.get(name, f"no answer within {seconds:g} s") for name in names}


def _ask(registry: str, seconds: float) -> str:
    try:
        with urlopen(Request(f"{address(registry)}/v2/", method="GET"), timeout=seconds) as answer:  # noqa: S310 - http(s) alone
            return "" if answer.status == 200 else f"answers {answer.status}"
    except HTTPError as error:
        # without credentials, a registry asks for them: distribution specification, "Determining Support"
        return "" if error.code == 401 else f"answers {error.code}"
    except (HTTPException, OSError) as error:
        reason = getattr(error, "reason", error)
        return str(getattr(reason, "strerror", None) or reason).strip().lower() or "no answer"
