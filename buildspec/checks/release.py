"""Rules about names, tags and registries, by the grammars of the registries themselves."""

from __future__ import annotations

import re
from collections.abc import Iterator

from buildspec.checks.rules import Subject, each_delivered, known, waivable
from buildspec.checks.texts import items, pairs
from buildspec.errors import Diagnostic, quoted
from buildspec.spec.overlay import suggest
from buildspec.spec.positions import Path
from buildspec.spec.unknown import UNKNOWN

# Source: opencontainers/distribution-spec, spec.md, "Pulling manifests"; distribution/reference, regexp.go.
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_NAME = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
_REGISTRY = re.compile(
    rf"(?P<host>{_LABEL}(?:\.{_LABEL})*|\[[0-9A-Fa-f:]+\])(?::(?P<port>[0-9]{{1,5}}))?(?:/(?P<path>[^:@]*))?"
)
_LONGEST = 255
_LONGEST_TAG = 128
_HIGHEST_PORT = 65535

_SAMPLE = {
    "version": "7.13.29",
    "major": "7",
    "minor": "13",
    "patch": "29",
    "build": "4211",
    "commit": "3f9c2d81b7e05a64c19d8e72f0b3a5c6d4e18f97",
}
"""A value for each placeholder, none of which a pattern has by chance."""
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")


def bad_image_name(subject: Subject) -> Iterator[Diagnostic]:
    """`image.name` isn't the name of a repository, or is too long with one of the registries."""
    yield from known(_image_name(subject))


def _image_name(subject: Subject) -> Iterator[Diagnostic]:
    name = subject.spec.image.name
    if (why := _no_name(name)) or _NAME.fullmatch(name) is None:
        why = why or "write small letters and digits, with '.', '_', '-' or '/' between them"
        message = f"{quoted(name)} is not the name of a repository; {why}"
        yield subject.problem("bad-image-name", ("image", "name"), message)
        return
    registries = subject.spec.release.registries if subject.spec.release is not UNKNOWN else ()
    for registry in ("", *(one for _, one in items(registries))):
        whole = f"{registry}/{name}".removeprefix("/")
        if len(whole) > _LONGEST:
            message = (
                f"with its registry it has {len(whole)} characters, and {_LONGEST} is the most; choose a shorter one"
            )
            yield subject.problem("bad-image-name", ("image", "name"), message)
            return


def _no_name(name: str) -> str:
    """Why a name is none, where that can be said well; empty elsewhere."""
    first, slash, _ = name.partition("/")
    if "://" in name:
        return "leave out the scheme"
    if slash and ("." in first or ":" in first or first == "localhost"):
        return "it starts with a registry, which belongs in release.registries"
    if ":" in name or "@" in name:
        return "leave out the tag, which belongs in release.tags"
    return f"write '{name.lower()}'" if name != name.lower() and _NAME.fullmatch(name.lower()) else ""


def bad_tag(subject: Subject) -> Iterator[Diagnostic]:
    """A tag suffix, or what a tag pattern gives, is no tag."""
    yield from _bad_suffix(subject)
    longest = max((len(suffix) + 1 for suffix in _suffixes(subject).values() if suffix), default=0)
    for path, pattern in _patterns(subject):
        unknown = [name for name in _PLACEHOLDER.findall(pattern) if name not in _SAMPLE]
        if unknown:
            hint = suggest(unknown[0], _SAMPLE) or f"; known: {', '.join(_SAMPLE)}"
            message = f"no placeholder is called {quoted(unknown[0])}{hint}"
        elif _TAG.fullmatch(_rendered(pattern)) is None:
            message = f"{quoted(_rendered(pattern))}, which it gives, is not a tag; {_why_no_tag(_rendered(pattern))}"
        elif len(_rendered(pattern)) + longest > _LONGEST_TAG:
            message = (
                f"is longer than {_LONGEST_TAG} characters together with a suffix of image.deliver; make it shorter"
            )
        else:
            continue
        yield subject.problem("bad-tag", path, message)


def _why_no_tag(text: str) -> str:
    if text[:1] in (".", "-"):
        return f"it can't start with '{text[0]}'"
    if not text:
        return "it can't be empty"
    return "a tag is up to 128 letters, digits, '.', '_' and '-'"


@each_delivered
def _bad_suffix(subject: Subject, name: str, suffix: str) -> Iterator[Diagnostic]:
    if suffix and _TAG.fullmatch(suffix) is None:
        message = f"{quoted(suffix)} is not a tag; {_why_no_tag(suffix)}"
        yield subject.problem("bad-tag", ("image", "deliver", name), message)


def _suffixes(subject: Subject) -> dict[str, str]:
    """Tag suffixes by stage, as far as they are known."""
    image = subject.spec.image
    return {} if image is UNKNOWN else dict(pairs(image.deliver))


def _patterns(subject: Subject) -> Iterator[tuple[Path, str]]:
    release = subject.spec.release
    for index, pattern in () if release is UNKNOWN else items(release.tags):
        yield ("release", "tags", index), pattern


def _rendered(pattern: str) -> str:
    return _PLACEHOLDER.sub(lambda found: _SAMPLE.get(found[1], found[0]), pattern)


def tag_collision(subject: Subject) -> Iterator[Diagnostic]:
    """Two tags of a release are the same: two suffixes, two patterns, or a suffix and another image's pattern."""
    seen: dict[str, str] = {}
    for stage, suffix in _suffixes(subject).items():
        if suffix in seen:
            message = f"has the same tag suffix as '{seen[suffix]}'; give it another"
            yield subject.problem("tag-collision", ("image", "deliver", stage), message)
        seen.setdefault(suffix, stage)
    patterns: dict[str, str] = {}
    for path, pattern in _patterns(subject):
        tag = _rendered(pattern)
        if tag in patterns:
            message = f"gives the same tag as '{patterns[tag]}'; remove one"
            yield subject.problem("tag-collision", path, message)
        patterns.setdefault(tag, pattern)
    yield from _crossing(subject, seen, patterns)


def _crossing(subject: Subject, stages: dict[str, str], patterns: dict[str, str]) -> Iterator[Diagnostic]:
    """Suffixes with which an image's tag is that of another image: `v1` with `alpine` is the pattern `v1-alpine`.

    Two such tags are cut in two places: of what is between, the longer pattern has more, or the longer suffix. To try
    all patterns with all suffixes would take too long where there are many of both.
    """
    numbers = {tag: number for number, tag in enumerate(patterns)}
    longer: dict[str, str] = {}
    shorter: dict[str, str] = {}
    for tag in patterns:
        for start, more in _cuts(tag):
            if start in patterns:
                longer.setdefault(more, tag)
                shorter[more] = min(start, shorter.get(more, start), key=numbers.__getitem__)
    found: dict[str, list[tuple[int, str, str, str]]] = {}
    for suffix in filter(None, stages):
        for more, end in (*_cuts(suffix), (suffix, "")):
            if more in longer and end in stages:
                later = max(suffix, end)
                tag, other = (shorter[more], end) if later == suffix else (longer[more], suffix)
                others = f"{tag}-{more}" if later == suffix else tag[: -len(more) - 1]
                found.setdefault(later, []).append((numbers[tag], other, tag, others))
    for suffix in sorted(found):
        _, other, tag, others = min(found[suffix])
        message = (
            f"gives '{stages[suffix]}', as {quoted(patterns[tag])} with suffix {quoted(suffix)}, the tag that "
            f"'{stages[other]}' has as {quoted(patterns[others])}; change one of them"
        )
        yield subject.problem("tag-collision", ("image", "deliver", stages[suffix]), message)


def _cuts(tag: str) -> Iterator[tuple[str, str]]:
    """What is before and after each `-` within a tag, or a part of one; what is too long is none, which is told."""
    for at, character in enumerate(tag if len(tag) <= _LONGEST_TAG else ""):
        if character == "-" and at < len(tag) - 1:
            yield tag[:at], tag[at + 1 :]


@waivable("warning")
def unfinished_release(subject: Subject) -> Iterator[Diagnostic]:
    """`[release]` has registries and no tags, or tags and no registries: nothing could be pushed."""
    yield from known(_unfinished_release(subject))


def _unfinished_release(subject: Subject) -> Iterator[Diagnostic]:
    release = subject.spec.release
    if bool(release.registries) is bool(release.tags):
        return
    there, lacking, example = "registries", "tags", '["v{version}", "latest"]'
    if release.tags:
        there, lacking, example = "tags", "registries", '["ghcr.io/acme"]'
    message = f"without '{lacking}', nothing is pushed; add {lacking} = {example}, say"
    yield subject.problem("unfinished-release", ("release", there), message, key=True)


_HUB = {"docker.io", "index.docker.io", "registry-1.docker.io"}


def bad_registry(subject: Subject) -> Iterator[Diagnostic]:
    """`release.registries` has something that isn't a registry with a namespace, or has one twice."""
    release = subject.spec.release
    seen: dict[str, str] = {}
    for index, text in () if release is UNKNOWN else items(release.registries):
        path = ("release", "registries", index)
        why = _no_registry(text)
        if why:
            yield subject.problem("bad-registry", path, f"{quoted(text)} is not a registry; {why}")
            continue
        host, _, namespace = text.partition("/")
        host = "docker.io" if host.lower() in _HUB else host.lower()
        whole = f"{host}/{namespace}"
        if whole in seen:
            yield subject.problem("bad-registry", path, f"is the same as {quoted(seen[whole])}; remove one")
        seen.setdefault(whole, text)


def _no_registry(text: str) -> str:
    """Why it is none; empty when it is one."""
    if "://" in text:
        return f"leave out '{text.partition('://')[0]}://'"
    if text.endswith("/"):
        return "leave out the '/' at its end"
    match = _REGISTRY.fullmatch(text)
    if match is None:
        return "write it as 'ghcr.io/acme' or 'localhost:5000'"
    host, port, namespace = match["host"], match["port"], match["path"]
    if port and not 1 <= int(port) <= _HIGHEST_PORT:
        return f"ports go from 1 to {_HIGHEST_PORT}"
    if not port and "." not in host and "[" not in host and host != "localhost":
        return f"its first part is no host; write 'docker.io/{text}' for Docker Hub"
    if namespace is not None and _NAME.fullmatch(namespace) is None:
        small = namespace.lower()
        return f"write '{small}' for its namespace" if _NAME.fullmatch(small) else "its namespace is no path of names"
    return ""


_KEY_SERVICES = ("env", "awskms", "azurekms", "gcpkms", "hashivault", "k8s", "gitlab", "pkcs11")
"""Schemes of keys: sigstore/cosign, doc/cosign_sign.md, and pkg/signature/keys.go."""
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def bad_sign_key(subject: Subject) -> Iterator[Diagnostic]:
    """`release.sign-key` is a key itself, or of a kind that cosign doesn't know."""
    release = subject.spec.release
    if release is UNKNOWN or release.sign_key is UNKNOWN or not release.sign_key:
        return
    why = _no_sign_key(release.sign_key)
    if why:
        yield subject.problem("bad-sign-key", ("release", "sign-key"), why)


def _no_sign_key(text: str) -> str:
    """Why it is none; empty when it is one."""
    if "-----BEGIN" in text:
        return (
            "is a key itself, for everybody to read; write the name of its file, or of a variable: 'env://SIGNING_KEY'"
        )
    scheme = _SCHEME.match(text)
    if scheme and scheme[1] not in _KEY_SERVICES:
        return f"cosign knows no keys of '{scheme[1]}'; it knows files and {', '.join(_KEY_SERVICES)}"
    if text.startswith("env:") and _VARIABLE.fullmatch(text.removeprefix("env://")) is None:
        return f"{quoted(text)} names no variable; write it as 'env://SIGNING_KEY'"
    return ""
