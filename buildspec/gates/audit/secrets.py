"""Rules about secrets: this build's own must be nowhere, and nothing may look like one."""

from __future__ import annotations

import hashlib
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress

from buildspec.checks.credentials import could_be_one, named_like_one, token_in
from buildspec.engine.contents import Member
from buildspec.gates.audit.subject import Finding, Subject

# What is looked for in all bytes of all layers; only where one of them is, a closer look is taken. Each is in every
# secret of its kind: see checks/credentials.py.
_STARTS = (
    b"PRIVATE KEY-----",
    b"ghp_",
    b"gho_",
    b"ghu_",
    b"ghs_",
    b"ghr_",
    b"github_pat_",
    b"glpat-",
    b"AKIA",
    b"ASIA",
    b"npm_",
    b"_authToken",
    b"pypi-",
    b"dckr_",
    b"sk_live_",
    b"rk_live_",
    b"sk-ant-",
    b"xoxb-",
    b"xoxp-",
)
_PRIVATE = "a private key"
_AROUND = 400
"""Bytes looked at on each side of such a place."""
_LARGE = 64 << 20
"""Bytes of a compressed file, and of what is in it, that are looked at."""
_MOST = 200
"""Places of one kind in a layer that are looked at."""
_ASSIGNED = re.compile(r"\b([A-Za-z_][A-Za-z0-9_]*)=(\"[^\"]*\"|'[^']*'|[^\s\"']+)")
# Only where a private key is followed by one, it is one; programs that read keys have the first line alone.
_KEY = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY-----\s+(?:[A-Za-z0-9+/=:,. -]+\s+){2}")
_WHOLE = re.compile(rb"PRIVATE KEY-----\s+([A-Za-z0-9+/=\s]+)-----END")
_LONGEST = 8192
"""Bytes on each side of a private key's first line in which all of it is."""
# Keys that everybody has, since GnuTLS tests itself with them: lib/crypto-selftests-pk.c. Of each, the start of the
# SHA-256 of its text without white space.
_PUBLISHED = frozenset(
    (
        "bf552d2ff30b20f0",
        "cadf1e62661d5d21",
        "6d03bbf47115fad0",
        "30db3ea6d728b88c",
        "518a21fe5a8a54f8",
        "c780c483da21d367",
        "0abce0c5fd3b863e",
        "24a2416c5abbb673",
        "9ab6db67523ba607",
        "f287c70b1db074fe",
        "8f642f0351e1761d",
        "bbe1aa11658d78c0",
    )
)


def build_secret(subject: Subject) -> Iterator[Finding]:
    """A secret of this build is in a layer, in the configuration or in an attestation, as it is or encoded."""
    packed = list(_packed(subject)) if subject.secrets else []
    for name, value in subject.secrets.items():
        for layer in subject.image.layers:
            place = next(layer.find(value), None)
            if place is not None:
                member = place[0]
                path = member.path if member is not None else f"layers[{layer.number}]"
                yield Finding(rule="", path=path, message=f"holds {name}, a secret of this build", layer=layer.number)
        for member, content in packed:
            if value in content:
                yield subject.at(member, f"holds {name}, a secret of this build, under compression")
        for what, text in _documents(subject):
            if value.decode(errors="replace") in text:
                yield Finding(rule="", path=what, message=f"holds {name}, a secret of this build")


def _packed(subject: Subject) -> Iterator[tuple[Member, bytes]]:
    """Files that gzip has compressed, with what is in them; of a large one, the start."""
    for layer in subject.image.layers:
        for one in layer.members:
            if one.kind == "file" and 18 < one.size <= _LARGE and one.read(2) == b"\x1f\x8b":
                with suppress(zlib.error, EOFError):
                    yield one, zlib.decompressobj(wbits=31).decompress(one.read(), _LARGE)


def _documents(subject: Subject) -> Iterator[tuple[str, str]]:
    yield from subject.image.texts.items()
    for index, one in enumerate(subject.image.attestations):
        yield f"attestations[{index}]", one.text


def secret_in_history(subject: Subject) -> Iterator[Finding]:
    """What the image was made by, or an attestation, holds a secret: build arguments are kept there."""
    for index, entry in enumerate(subject.image.history):
        text = str(entry.get("created_by") or "") + " " + str(entry.get("comment") or "")
        if why := _gives_away(text):
            yield Finding(rule="", path=f"history[{index}]", message=f"{why}; mount secrets, build arguments are kept")
    for index, one in enumerate(subject.image.attestations):
        if why := _gives_away(one.text, names=False) or _arguments(one.document):
            yield Finding(rule="", path=f"attestations[{index}]", message=f"{why}; mount secrets")


def _gives_away(text: str, *, names: bool = True) -> str:
    if kind := token_in(text):
        return f"holds {kind}"
    for name, value in _ASSIGNED.findall(text) if names else ():
        if named_like_one(name) and could_be_one(value.strip("\"'")) and not value.startswith("$"):
            return f"gives {name} a value"
    return ""


def _arguments(document: object) -> str:
    """What a build argument of a provenance gives away, wherever it stands in it."""
    todo = [document]
    while todo:
        one = todo.pop()
        if isinstance(one, dict):
            for key, value in one.items():
                name = key.removeprefix("build-arg:")
                if name != key and isinstance(value, str) and named_like_one(name) and could_be_one(value):
                    return f"gives the build argument {name} a value"
                todo.append(value)
        elif isinstance(one, list):
            todo += one
    return ""


def secret_in_file(subject: Subject) -> Iterator[Finding]:
    """A file of a layer, deleted later or not, holds a token or private key."""
    told: set[tuple[int, str, str]] = set()
    for layer in subject.image.layers:
        for start in _STARTS:
            for count, (member, at) in enumerate(layer.find(start)):
                if count >= _MOST:
                    break
                if member is None:
                    continue
                around = layer.around(at, _AROUND)
                kind = _kind(around, start)
                if kind == _PRIVATE and _is_published(layer.around(at, _LONGEST)):
                    continue
                place = (layer.number, member.path, kind)
                if kind and place not in told:
                    told.add(place)
                    seen = subject.image.files.get(member.path) is member
                    gone = "" if seen else ", in a layer below the one that deletes or replaces it"
                    yield subject.at(member, f"holds {kind}{gone}; mount it as a secret")


def _kind(around: bytes, start: bytes) -> str:
    if start == _STARTS[0]:
        return _PRIVATE if _KEY.search(around) else ""
    text = around.decode("latin-1")
    kind = token_in(text)
    return kind if kind not in (_PRIVATE, "a password in an address", "an authorization header") else ""


def _is_published(around: bytes) -> bool:
    """Whether all private keys in some bytes are known to everybody."""
    keys = {hashlib.sha256(b"".join(one.split())).hexdigest()[:16] for one in _WHOLE.findall(around)}
    return bool(keys) and keys <= _PUBLISHED
