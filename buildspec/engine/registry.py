"""A repository of a registry: its tags, manifests and blobs, by the OCI distribution specification.

https://github.com/opencontainers/distribution-spec/blob/main/spec.md
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin

import attrs

from buildspec.engine.credentials import login_for
from buildspec.engine.host import find_file
from buildspec.engine.registries import address
from buildspec.engine.transport import Deadline, Done, RefusedError, Transport, done_is_fine
from buildspec.errors import MachineError
from buildspec.plan.secrets import CA_BUNDLE

if TYPE_CHECKING:
    from requests import Session

_MANIFESTS = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
_LARGEST_MANIFEST = 4 << 20
"""Bytes; spec.md, "Pushing Manifests": registries take at least as many."""
_PAGE = 1000
_MOST_PAGES = 1000
_ABSENT = frozenset({404})
_GOOD = frozenset({200})


class UntrueError(MachineError):
    """A registry's answer isn't what was asked for: its bytes have another digest."""


@attrs.frozen
class Manifest:
    """A manifest or index as a registry gives it."""

    digest: str
    """Of the bytes, whatever the registry says."""
    data: bytes
    media_type: str


@attrs.define
class Repository:
    """A repository of a registry.

    Args:
        transport: to the registry.
        name: of the repository: `acme/web`.
        actions: that a token is asked for.
    """

    transport: Transport
    name: str
    actions: str = "pull,push"

    @property
    def _scope(self) -> str:
        return f"repository:{self.name}:{self.actions}"

    def _at(self, path: str) -> str:
        return f"v2/{self.name}/{path}"

    def tags(self) -> frozenset[str]:
        """The names of all tags; none where there is no such repository yet.

        Raises:
            MachineError: the registry doesn't say.
        """
        found: set[str] = set()
        path = self._at(f"tags/list?n={_PAGE}")
        for _ in range(_MOST_PAGES):
            answer = self.transport.send("GET", path, scope=self._scope, wanted=_GOOD | _ABSENT)
            if answer.status_code == 404:
                break
            found |= {str(one) for one in _json(answer.content).get("tags") or ()}
            link = re.match(r"<([^>]+)>", answer.headers.get("Link", ""))
            if link is None:
                break
            path = urljoin(answer.url, link[1])
        return frozenset(found)

    def manifest(self, reference: str) -> Manifest | None:
        """A manifest by tag or digest; None when there is none.

        Raises:
            UntrueError: it isn't the one of that digest.
            MachineError: the registry doesn't say.
        """
        answer = self.transport.send(
            "GET",
            self._at(f"manifests/{reference}"),
            scope=self._scope,
            wanted=_GOOD | _ABSENT,
            headers={"Accept": ", ".join(_MANIFESTS)},
        )
        if answer.status_code == 404:
            return None
        digest = _digest(answer.content)
        if ":" in reference and reference != digest:
            raise UntrueError(f"{self.transport.host}/{self.name} gives {digest} where {reference} was asked for")
        return Manifest(digest, answer.content, answer.headers.get("Content-Type", "").partition(";")[0])

    def digest(self, tag: str) -> str:
        """What a tag points at, computed from what is there; empty when there is no such tag."""
        found = self.manifest(tag)
        return "" if found is None else found.digest

    def has_blob(self, digest: str) -> bool:
        """Whether a blob is there."""
        path = self._at(f"blobs/{digest}")
        return self.transport.send("HEAD", path, scope=self._scope, wanted=_GOOD | _ABSENT).status_code == 200

    def put_blob(self, digest: str, size: int, content: Callable[[], IO[bytes]]) -> bool:
        """Upload a blob, unless it is there; whether it was uploaded now.

        Args:
            digest: of its bytes, which the registry checks.
            size: in bytes.
            content: opens it, once for each attempt.

        Raises:
            RefusedError: the registry says no.
            MachineError: it doesn't answer in time.
        """
        if self.has_blob(digest):
            return False
        for _ in range(_UPLOADS):
            try:
                self._upload(digest, size, content)
            except Done:
                return True
            except RefusedError as error:
                # an upload that the registry has forgotten is begun anew: spec.md, "Pushing blobs", BLOB_UPLOAD_UNKNOWN
                if error.status not in (404, 416):
                    raise
                continue
            return True
        raise MachineError(f"{self.transport.host} loses uploads of {digest}", "run it again")

    def _upload(self, digest: str, size: int, content: Callable[[], IO[bytes]]) -> None:
        begun = self.transport.send(
            "POST",
            self._at("blobs/uploads/"),
            scope=self._scope,
            wanted=frozenset({202}),
            headers={"Content-Length": "0"},
        )
        if not begun.headers.get("Location"):
            raise MachineError(f"{self.transport.host} gives no place to upload {digest} to")
        place = urljoin(begun.url, begun.headers["Location"])
        self.transport.send(
            "PUT",
            f"{place}{'&' if '?' in place else '?'}{urlencode({'digest': digest})}",
            scope=self._scope,
            wanted=frozenset({201}),
            headers={"Content-Type": "application/octet-stream", "Content-Length": str(size)},
            body=content,
            again=lambda: self.has_blob(digest),
        )

    def put_manifest(self, reference: str, data: bytes, media_type: str) -> None:
        """Write a manifest under its digest, or under a tag.

        Args:
            reference: digest or tag.
            data: its bytes, as they are.
            media_type: as the bytes say.

        Raises:
            RefusedError: the registry says no.
            MachineError: it doesn't answer in time.
        """
        if len(data) > _LARGEST_MANIFEST:
            raise MachineError(f"the manifest has {len(data)} bytes, more than registries take")
        with done_is_fine():
            self.transport.send(
                "PUT",
                self._at(f"manifests/{reference}"),
                scope=self._scope,
                wanted=frozenset({201, 202, 200}),
                headers={"Content-Type": media_type},
                body=lambda: data,
                again=lambda: self.digest(reference) == _digest(data),
            )


_UPLOADS = 4
"""Times that an upload is begun which the registry forgets."""


def repository(
    registry: str, name: str, deadline: Deadline, pause: Callable[[float], None], actions: str = "pull,push"
) -> Repository:
    """A repository of a registry, with the credentials that this machine has for it.

    Args:
        registry: host, or host and port.
        name: of the repository.
        deadline: for everything that is asked of it.
        pause: waits so many seconds between two attempts, or raises.
        actions: that a token is asked for.
    """
    transport = Transport(
        base=address(registry),
        login=login_for(registry, os.environ),
        session=session,
        deadline=deadline,
        pause=pause,
    )
    return Repository(transport, name, actions)


def session() -> Session:
    """Connections that are kept; certificates are those that this machine trusts."""
    import requests

    found = requests.Session()
    found.auth = _no_netrc
    if bundle := find_file(CA_BUNDLE, Path.cwd(), os.environ):
        found.verify = str(bundle)
    return found


def _no_netrc(request: Any) -> Any:  # noqa: ANN401 - as requests has it
    """Credentials are Docker's: without any, requests would send those of ~/.netrc."""
    return request


def _json(data: bytes) -> Mapping[str, Any]:
    try:
        told = json.loads(data)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
