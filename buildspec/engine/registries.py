"""Which image registries this machine reaches."""

from __future__ import annotations

import ssl
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from buildspec.spec.model import ImageBase, Spec

SECONDS = 3.0
"""Longest wait for all of them together."""

# The name in references, and the host that serves it: distribution/reference, `docker.io` is a name alone.
_SERVERS = {"docker.io": "registry-1.docker.io"}


def of_bases(spec: Spec) -> frozenset[str]:
    """The registries of the bases that stages start or copy from."""
    used = {name for stage in spec.stages.values() for name in (stage.from_, *(copy.from_ for copy in stage.copy))}
    bases = [spec.bases[name] for name in used if name in spec.bases]
    return frozenset(base.image.registry for base in bases if isinstance(base, ImageBase))


def reachable(registries: Iterable[str], seconds: float = SECONDS) -> Mapping[str, str]:
    """Ask registries whether they are there.

    Args:
        registries: host, or host and port.
        seconds: longest wait for each; they are asked side by side.

    Returns:
        For each registry, why it can't be used; empty when it answers as a registry does.
    """
    names = sorted(set(registries))
    with ThreadPoolExecutor(max_workers=max(1, len(names))) as pool:
        return dict(zip(names, pool.map(lambda name: _ask(name, seconds), names), strict=True))


def _ask(registry: str, seconds: float) -> str:
    local = registry.partition(":")[0] in ("localhost", "127.0.0.1", "[::1]")
    address = f"{'http' if local else 'https'}://{_SERVERS.get(registry, registry)}/v2/"
    try:
        with urlopen(Request(address, method="GET"), timeout=seconds) as answer:  # noqa: S310 - http(s) alone
            return "" if answer.status == 200 else f"answers {answer.status}"
    except HTTPError as error:
        # without credentials, a registry asks for them: distribution specification, "Determining Support"
        return "" if error.code == 401 else f"answers {error.code}"
    except (URLError, ssl.SSLError, OSError) as error:
        reason = getattr(error, "reason", error)
        return str(getattr(reason, "strerror", None) or reason).lower()
