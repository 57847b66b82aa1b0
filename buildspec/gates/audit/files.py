"""Rules about files: of every layer, what was deleted later included, and of what a container sees."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterator

from buildspec.engine.contents import Member
from buildspec.gates.audit.settings import created
from buildspec.gates.audit.subject import Finding, Subject, warning

_SET_ID = 0o6000
_STICKY = 0o1000
_LARGE = 1 << 20
"""Bytes; smaller files that are there twice don't matter."""

# Dockle's list (pkg/assessor/credential), and files in which other tools keep theirs.
_CREDENTIALS = re.compile(
    r"/(?:\.netrc|_netrc|\.git-credentials|\.pgpass|\.my\.cnf|id_(?:rsa|dsa|ecdsa|ed25519)|credentials\.json|\.env"
    r"|\.dockercfg|\.htpasswd|client_secrets?\.json|service_account\.json|\.pypirc|\.s3cfg|\.vault-token"
    r"|\.docker/config\.json|\.aws/credentials|\.azure/accessTokens\.json|\.config/gcloud/credentials\.db"
    r"|\.kube/config|\.config/gh/hosts\.yml)$"
)
_NPMRC = re.compile(r"/(?:\.npmrc|npmrc|\.yarnrc(?:\.yml)?)$")
_NPM_LOGIN = re.compile(rb"_auth(?:Token)?\s*[=:]|_password\s*=|npmAuthToken\s*:")

# Caches and folders of version control; Dockle's LI-0003 and those of the usual package managers.
_CACHES = re.compile(
    r"^(?:/root|/home/[^/]+)?/\.(?:npm/_cacache|cache/(?!$)[^/]+|yarn/cache|local/share/pnpm/store|cargo/registry/cache"
    r"|m2/repository|gradle/caches)(?:/|$)"
    r"|^/var/cache/(?:apt/(?:archives/[^/]+\.deb|[^/]*pkgcache\.bin)|apk/APKINDEX[^/]*|dnf/|yum/)"
    r"|^/var/lib/apt/lists/[^/]+(?<!partial)(?<!lock)$"
    r"|/(?:\.git|\.hg|\.svn)/(?:HEAD|objects|store|wc\.db)$"
    r"|/\.DS_Store$|/__pycache__/pip-[^/]+"
)
_MANAGERS = frozenset(
    {"apk", "apt", "apt-get", "aptitude", "dpkg", "dnf", "microdnf", "yum", "rpm", "zypper", "pacman", "opkg"}
    | {"npm", "npx", "yarn", "pnpm", "corepack", "pip", "pip3", "gem"}
)
_SHELLS = frozenset({"sh", "bash", "ash", "dash", "zsh", "ksh", "csh", "tcsh", "fish", "busybox"})
_TOOLS = frozenset(
    {"curl", "wget", "sudo", "su", "ssh", "sshd", "telnet", "nc", "ncat", "netcat", "gdb", "strace", "tcpdump"}
)
_PROGRAMS = re.compile(r"^(?:/usr(?:/local)?)?/s?bin/([^/]+)$")


def setuid_file(subject: Subject) -> Iterator[Finding]:
    """A file of a layer runs with the rights of its owner or group, whoever starts it."""
    for one in _everything(subject):
        if one.kind == "file" and one.mode & _SET_ID:
            yield subject.at(
                one, f"has mode {one.mode:04o}: it runs as user {one.uid}, group {one.gid}; take that away"
            )


def file_capability(subject: Subject) -> Iterator[Finding]:
    """A file of a layer gets rights of root, whoever starts it."""
    for one in _everything(subject):
        if "security.capability" in one.attributes:
            yield subject.at(one, "has capabilities of its own; remove them with `setcap -r`")


def credential_file(subject: Subject) -> Iterator[Finding]:
    """A layer has a file in which tools keep logins; deleting it in a later layer doesn't take it away."""
    for one in _everything(subject):
        if one.kind != "file" or not one.size:
            continue
        login = _NPMRC.search(one.path) and _NPM_LOGIN.search(one.read(_LARGE))
        if login or _CREDENTIALS.search(one.path):
            gone = "" if _is_seen(subject, one) else ", in a layer below the one that deletes it"
            yield subject.at(one, f"is a file of logins{gone}; mount it into the step that needs it as a secret")


def cache_file(subject: Subject) -> Iterator[Finding]:
    """A layer has the cache of a package manager, or a folder of version control."""
    told: set[tuple[int, str]] = set()
    for one in _everything(subject):
        match = _CACHES.search(one.path)
        if one.kind == "folder" or match is None:
            continue
        place = (one.layer.number, match[0])
        if place not in told:
            told.add(place)
            yield subject.at(one, "is of a cache or of version control, which nobody needs at run time")


def needless_program(subject: Subject) -> Iterator[Finding]:
    """The image has a shell, package manager or tool that neither its base nor its stages have on purpose."""
    told: set[str] = set()
    for path, one in subject.image.files.items():
        match = _PROGRAMS.match(path)
        if match is None or one.kind == "folder" or match[1] in told:
            continue
        what = _kind(match[1], subject)
        if what:
            told.add(match[1])
            yield subject.at(one, f"is {what}, which helps an intruder and nobody else; leave it out")


def _kind(name: str, subject: Subject) -> str:
    expected = subject.expected
    if name in expected.packages:
        return ""
    if name in _SHELLS:
        return "" if expected.shell else "a shell"
    if name in _MANAGERS:
        return "" if expected.manager else "a package manager"
    return "" if expected.shell or name not in _TOOLS else "a tool"


def empty_password(subject: Subject) -> Iterator[Finding]:
    """An account has an empty password."""
    for path in ("/etc/passwd", "/etc/shadow"):
        text = (subject.image.content(path) or b"").decode(errors="replace")
        for line in text.splitlines():
            fields = line.split(":")
            if len(fields) > 1 and fields[0] and not fields[1]:
                layer = subject.image.files[path].layer.number if path in subject.image.files else -1
                yield Finding(rule="", path=path, message=f"account '{fields[0]}' has an empty password", layer=layer)


def number_used_twice(subject: Subject) -> Iterator[Finding]:
    """Two users or two groups have the same number, so that each may do what the other may."""
    for path, what in (("/etc/passwd", "users"), ("/etc/group", "groups")):
        by_number: dict[str, list[str]] = defaultdict(list)
        for line in (subject.image.content(path) or b"").decode(errors="replace").splitlines():
            fields = line.split(":")
            if len(fields) > 2:
                by_number[fields[2]].append(fields[0])
        for number, names in by_number.items():
            if len(names) > 1:
                yield Finding(rule="", path=path, message=f"{what} {' and '.join(names)} all have number {number}")


def world_writable(subject: Subject) -> Iterator[Finding]:
    """Everybody may write a file or folder; folders in which only owners may delete, as /tmp, are fine."""
    for one in _seen(subject):
        free = one.kind == "folder" and one.mode & _STICKY
        if one.kind in ("file", "folder") and one.mode & 0o002 and not free:
            yield subject.at(one, f"has mode {one.mode:04o}, so everybody may write it")


def writable_application(subject: Subject) -> Iterator[Finding]:
    """The image's user may change the program it runs, or files beside it."""
    if not subject.uid:
        return
    words = [str(one) for key in ("Entrypoint", "Cmd") for one in subject.image.settings.get(key) or ()]
    named = [one for word in words[:2] if (one := subject.find(word)) is not None and one.kind == "file"]
    folder = str(subject.image.settings.get("WorkingDir") or "/")
    for one in _seen(subject):
        below = folder != "/" and one.path.startswith(f"{folder.rstrip('/')}/")
        kept = any(one.path == volume or one.path.startswith(f"{volume}/") for volume in subject.expected.volumes)
        if one.kind == "file" and (below or one in named) and not kept and _may_write(subject, one):
            yield subject.at(one, f"may be changed by user {subject.uid}, who runs it; let root own it")
            return  # the first says enough: they come by the thousand


def _may_write(subject: Subject, one: Member) -> bool:
    if one.uid == subject.uid:
        return bool(one.mode & 0o200)
    return bool(one.mode & (0o020 if one.gid == subject.gid else 0o002))


def unsafe_entry(subject: Subject) -> Iterator[Finding]:
    """A layer has what breaks out when it is unpacked: devices, names that lead upwards, links to nothing."""
    known: set[str] = set()
    for layer in subject.image.layers:
        for one in layer.members:
            parts = one.name.split("/")
            if one.name.startswith("/") or ".." in parts:
                yield subject.at(one, f"its name is '{one.name}', which leads out of the folder it is unpacked in")
            elif one.kind in ("device", "pipe") and not (
                one.kind == "device" and one.path.rpartition("/")[2].startswith(".wh.")
            ):
                yield subject.at(one, f"is a {one.kind}, which an image has no use for")
            elif one.kind == "link" and _climbs(one):
                yield subject.at(one, f"is a link to '{one.target}', which leads out of the image")
            elif one.kind == "hard link" and _target(one) not in known:
                yield subject.at(one, f"is a hard link to '{one.target}', which isn't there")
            known.add(one.path)


def _climbs(one: Member) -> bool:
    """Whether a relative link leads above the root."""
    depth = 0 if one.target.startswith("/") else one.path.count("/") - 1
    for part in one.target.split("/"):
        depth += -1 if part == ".." else 0 if part in ("", ".") else 1
        if depth < 0:
            return not one.target.startswith("/")
    return False


def _target(one: Member) -> str:
    return "/" + one.target.strip("/").removeprefix("./")


@warning
def file_in_two_layers(subject: Subject) -> Iterator[Finding]:
    """A file of more than 1 MiB is in two layers, and is stored and shipped twice."""
    by_size: dict[int, list[Member]] = defaultdict(list)
    for one in _everything(subject):
        if one.kind == "file" and one.size > _LARGE:
            by_size[one.size].append(one)
    for members in by_size.values():
        if len({one.layer.number for one in members}) < 2:
            continue
        first: dict[str, Member] = {}
        for one in members:
            digest = hashlib.sha256(one.read()).hexdigest()
            other = first.setdefault(digest, one)
            if other.layer.number != one.layer.number:
                megabytes = one.size / 1e6
                yield subject.at(
                    one, f"is in layer {other.layer.number} already, as {other.path}: {megabytes:.1f} MB twice"
                )


@warning
def file_newer_than_image(subject: Subject) -> Iterator[Finding]:
    """Files are newer than the time the image says it was created: it can't be built the same twice."""
    time = created(subject)
    for layer in subject.image.layers if time else ():
        newer = [one for one in layer.members if one.mtime > time + 1]
        newer = [one for one in newer if one.kind == "file"] or newer
        if newer:
            count = f"is one of {len(newer)} that are" if len(newer) > 1 else "is"
            yield subject.at(newer[0], f"{count} newer than the image says it is; another build gives other bytes")


def digest_differs(subject: Subject) -> Iterator[Finding]:
    """A digest or size isn't that of the bytes."""
    for wrong in subject.image.wrong:
        yield Finding(rule="", path="manifest", message=wrong)
    for layer in subject.image.layers:
        for wrong in layer.wrong:
            yield Finding(rule="", path=f"layers[{layer.number}]", message=wrong, layer=layer.number)


def package_lists_kept(subject: Subject) -> Iterator[Finding]:
    """A command fetched lists of packages without installing any, upgraded everything, or used sudo."""
    for index, entry in enumerate(subject.image.history):
        text = str(entry.get("created_by") or "")
        if not re.match(r"(?:RUN|/bin/sh -c(?! #\(nop\)))\b", text) and "RUN " not in text[:200]:
            continue
        for pattern, why in _COMMANDS:
            if re.search(pattern, text):
                yield Finding(rule="", path=f"history[{index}]", message=f"{why}: {text[:120]}")


_COMMANDS = (
    (r"apt(?:-get)?\s+(?:-\S+\s+)*update\b(?!.*\binstall\b)", "fetches lists of packages that later steps find stale"),
    (r"\b(?:dist-upgrade|full-upgrade)\b", "takes whatever is newest; take a newer base"),
    (r"(?:^|[\s;&|])sudo\s", "uses sudo, though a build runs as root"),
)


def remote_file_in_history(subject: Subject) -> Iterator[Finding]:
    """A file was added from an address, whatever that gave on the day."""
    for index, entry in enumerate(subject.image.history):
        text = str(entry.get("created_by") or "")
        if re.search(r"(?:^|\s)ADD\s+(?:--\S+\s+)*(?:https?|git|ssh)://", text):
            yield Finding(rule="", path=f"history[{index}]", message=f"adds what an address gives: {text[:120]}")


def _everything(subject: Subject) -> Iterator[Member]:
    """The members of all layers, each layer's in turn."""
    for layer in subject.image.layers:
        yield from layer.members


def _seen(subject: Subject) -> Iterator[Member]:
    yield from subject.image.files.values()


def _is_seen(subject: Subject, one: Member) -> bool:
    return subject.image.files.get(one.path) is one
