"""Rules about what a container is started with: user, health check, commands, environment, labels, volumes, times."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from buildspec.checks.credentials import could_be_one, named_like_one, token_in
from buildspec.gates.audit.subject import Finding, Subject, warning
from buildspec.spec.values import Signal, ValueProblemError

_NUMERIC = re.compile(r"(?:0|[1-9][0-9]{0,9})(?::(?:0|[1-9][0-9]{0,9}))?", re.ASCII)
_LARGEST = 2**31 - 1
_PORT = re.compile(r"([0-9]{1,5})(?:/(tcp|udp|sctp))?", re.ASCII)
_SSH = 22
# Folders that are the system's own: a volume there hides what the image has, or reaches into the kernel.
_SYSTEM = ("/", "/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/sbin", "/sys", "/usr")
_ONE_SECOND = 1_000_000_000
_CLOCKS = 300
"""Seconds that clocks of two machines may differ by."""
_LABELS = ("title", "source", "revision", "licenses")


def _setting(key: str, message: str) -> Finding:
    return Finding(rule="", path=f"config.{key}", message=message)


def user_is_root(subject: Subject) -> Iterator[Finding]:
    """The image runs as root, in whatever spelling: nothing, `root`, `0`, `0:0`, `00`, or a name with number 0."""
    user = str(subject.image.settings.get("User") or "")
    if subject.uid == 0:
        told = f"'{user}' is root" if user else "no user is set, which is root"
        yield _setting("User", f"{told}; run as a user with a number of its own")
    elif subject.gid == 0 and ":" in user:
        yield _setting("User", f"'{user}' has root's group, which may write what belongs to it")


def user_not_numeric(subject: Subject) -> Iterator[Finding]:
    """The user isn't a number from 1 to 2147483647, without sign and leading zeros: engines read names differently."""
    user = str(subject.image.settings.get("User") or "")
    numbers = [int(part) for part in user.split(":")] if _NUMERIC.fullmatch(user) else []
    if user and (not numbers or max(numbers) > _LARGEST):
        yield _setting("User", f"'{user}' isn't uid or uid:gid in plain numbers; Kubernetes can't tell it from root")


def user_without_account(subject: Subject) -> Iterator[Finding]:
    """The user has neither a line in /etc/passwd nor HOME: programs that ask who they are fail."""
    uid = subject.uid
    if uid is None:
        yield _setting("User", f"/etc/passwd has no '{subject.image.settings.get('User')}'")
    elif "HOME" not in subject.environment and all(int(one[2]) != uid for one in subject.accounts):
        yield _setting("User", f"number {uid} has no line in /etc/passwd, and HOME isn't set")


def health_check_missing(subject: Subject) -> Iterator[Finding]:
    """Nothing says how to ask whether a container is well."""
    test = (subject.image.settings.get("Healthcheck") or {}).get("Test") or []
    if not test or test[0] == "NONE":
        yield _setting("Healthcheck", "there is none; an engine can't tell a container that hangs from one that works")


def health_check_unusable(subject: Subject) -> Iterator[Finding]:
    """The health check needs a shell that isn't there or a program that isn't, or its times make no sense."""
    check = subject.image.settings.get("Healthcheck") or {}
    test = [str(one) for one in check.get("Test") or ()]
    if not test or test[0] == "NONE":
        return
    if test[0] == "CMD-SHELL" and not subject.has_shell:
        yield _setting("Healthcheck.Test", "needs a shell, and the image has none; give the command as an array")
    if test[0] == "CMD" and (len(test) == 1 or subject.find(test[1]) is None):
        yield _setting("Healthcheck.Test", f"'{' '.join(test[1:2])}' isn't in the image")
    interval, timeout = check.get("Interval") or 30 * _ONE_SECOND, check.get("Timeout") or 30 * _ONE_SECOND
    if timeout > interval:
        told = f"{timeout / _ONE_SECOND:g} s, is more than the interval, {interval / _ONE_SECOND:g} s"
        yield _setting("Healthcheck.Timeout", f"{told}: checks would overlap")
    if (check.get("Retries") or 3) < 1:
        yield _setting("Healthcheck.Retries", "is less than 1")


def command_in_shell_form(subject: Subject) -> Iterator[Finding]:
    """Entrypoint or command is run by a shell, which passes no signals on: containers end by being killed."""
    for key in ("Entrypoint", "Cmd"):
        words = [str(one) for one in subject.image.settings.get(key) or ()]
        if key == "Cmd" and subject.image.settings.get("Entrypoint"):
            continue
        shell = len(words) == 3 and words[0].rpartition("/")[2] in ("sh", "bash", "ash", "dash") and words[1] == "-c"
        if shell and not words[2].lstrip().startswith("exec "):
            yield _setting(key, f"'{words[2]}' is run by a shell, which passes no signals on; give it as an array")


def program_missing(subject: Subject) -> Iterator[Finding]:
    """The program that a container starts isn't in the image, or is a link to nothing."""
    for key, word in _started(subject):
        if subject.find(word) is None:
            yield _setting(key, f"'{word}' isn't in the image, or not on its PATH")


def program_not_executable(subject: Subject) -> Iterator[Finding]:
    """The program that a container starts can't be run by the image's user."""
    for key, word in _started(subject):
        found = subject.find(word)
        if found is None:
            continue
        if found.kind == "folder":
            yield _setting(key, f"'{word}' is a folder")
        elif subject.uid and not found.mode & _bits(subject, found.uid, found.gid):
            yield _setting(key, f"'{word}' can't be run by user {subject.uid}: its mode is {found.mode:04o}")


def _bits(subject: Subject, uid: int, gid: int) -> int:
    if uid == subject.uid:
        return 0o100
    return 0o010 if gid == subject.gid else 0o001


def _started(subject: Subject) -> Iterator[tuple[str, str]]:
    """The key and first word of what a container starts."""
    for key in ("Entrypoint", "Cmd"):
        words = subject.image.settings.get(key) or ()
        if words:
            yield key, str(words[0])
            return


def secret_in_environment(subject: Subject) -> Iterator[Finding]:
    """A variable has the name of a secret and a value, or a value that looks like a token."""
    for name, value in subject.environment.items():
        if kind := token_in(value):
            yield _setting(f"Env.{name}", f"holds {kind}; everybody who can pull the image can read it")
        elif named_like_one(name) and could_be_one(value):
            yield _setting(f"Env.{name}", "has the name of a secret, and a value; give it when a container is started")


def secret_in_labels(subject: Subject) -> Iterator[Finding]:
    """A label has the name of a secret and a value, or a value that looks like a token."""
    for name, value in (subject.image.settings.get("Labels") or {}).items():
        if kind := token_in(str(value)):
            yield _setting(f"Labels.{name}", f"holds {kind}")
        elif named_like_one(name) and could_be_one(str(value)):
            yield _setting(f"Labels.{name}", "has the name of a secret, and a value")


def port_out_of_range(subject: Subject) -> Iterator[Finding]:
    """An exposed port isn't from 1 to 65535, has no known protocol, or is that of ssh."""
    for port in subject.image.settings.get("ExposedPorts") or {}:
        match = _PORT.fullmatch(port)
        if match is None or not 1 <= int(match[1]) <= 65535:
            yield _setting("ExposedPorts", f"'{port}' is no port; write it as '8080' or '53/udp'")
        elif int(match[1]) == _SSH:
            yield _setting("ExposedPorts", "22 is for ssh; enter a container with the engine's own command")


def volume_of_system(subject: Subject) -> Iterator[Finding]:
    """A volume lies over a folder of the system, or is one that the specification doesn't name."""
    for volume in subject.image.settings.get("Volumes") or {}:
        path = "/" + volume.strip("/")
        if path in _SYSTEM or path.startswith(("/proc/", "/sys/", "/dev/")):
            yield _setting("Volumes", f"'{volume}' is a folder of the system")
        elif subject.expected.volumes and path not in subject.expected.volumes:
            yield _setting("Volumes", f"'{volume}' comes from the base, and the specification has no such volume")


def working_folder(subject: Subject) -> Iterator[Finding]:
    """The working folder isn't absolute, isn't there, is the system's own, or can't be entered."""
    folder = str(subject.image.settings.get("WorkingDir") or "/")
    if not folder.startswith("/"):
        yield _setting("WorkingDir", f"'{folder}' isn't absolute")
        return
    if folder == "/":
        return
    found = subject.image.resolve(folder)
    if found is None:
        if not any(path.startswith(f"{folder.rstrip('/')}/") for path in subject.image.files):
            yield _setting("WorkingDir", f"'{folder}' isn't in the image; an engine makes it, as root's")
    elif found.kind != "folder":
        yield _setting("WorkingDir", f"'{folder}' is no folder")
    elif folder in _SYSTEM:
        yield _setting("WorkingDir", f"'{folder}' is a folder of the system")
    elif subject.uid and not found.mode & _bits(subject, found.uid, found.gid):
        yield _setting("WorkingDir", f"'{folder}' can't be entered by user {subject.uid}: its mode is {found.mode:04o}")


@warning
def label_missing(subject: Subject) -> Iterator[Finding]:
    """A label that tells where the image comes from is missing or malformed."""
    labels = subject.image.settings.get("Labels") or {}
    missing = [
        f"org.opencontainers.image.{key}" for key in _LABELS if not labels.get(f"org.opencontainers.image.{key}")
    ]
    if missing:
        yield _setting("Labels", f"there is no {', '.join(missing)}; nobody can tell where the image comes from")
    for name in labels:
        if name != name.lower() or not re.fullmatch(r"[a-z0-9](?:[a-z0-9._/-]*[a-z0-9])?", name):
            yield _setting(f"Labels.{name}", "isn't written in small letters, as labels are")


def platform_differs(subject: Subject) -> Iterator[Finding]:
    """Index and configuration name different platforms: engines would start the wrong one."""
    config = subject.image.config
    told = [str(config.get(key) or "") for key in ("os", "architecture", "variant")]
    here = subject.image.platform
    same = told[:2] == [here.os, here.arch] and (not told[2] or not here.variant or told[2] == here.variant)
    if not same:
        written = "/".join(part for part in told if part)
        yield Finding(
            rule="", path="config.architecture", message=f"the index says {here}, the configuration {written}"
        )


def creation_time_wrong(subject: Subject) -> Iterator[Finding]:
    """The image says it was created at a time that is none, later than now, or not that of its sources."""
    text = str(subject.image.config.get("created") or "")
    try:
        created = _seconds(text) if text else 0
    except ValueError:
        yield Finding(rule="", path="config.created", message=f"'{text}' is no time as RFC 3339 has it")
        return
    if subject.expected.now and created > subject.expected.now + _CLOCKS:
        yield Finding(rule="", path="config.created", message=f"{text} is later than now")
    elif subject.expected.epoch is not None and created != subject.expected.epoch:
        time = datetime.fromtimestamp(subject.expected.epoch, UTC).isoformat()
        yield Finding(
            rule="", path="config.created", message=f"{text or 'nothing'} isn't {time}, the time of the sources"
        )


def _seconds(text: str) -> float:
    # Python 3.11 reads fractions of up to six digits alone; engines write nine
    time = datetime.fromisoformat(re.sub(r"(\.[0-9]{6})[0-9]+", r"\1", text))
    return (time if time.tzinfo else time.replace(tzinfo=UTC)).timestamp()


def created(subject: Subject) -> float:
    """When the image says it was created, in seconds since 1970; 0 when it doesn't."""
    try:
        return _seconds(str(subject.image.config.get("created") or ""))
    except ValueError:
        return 0.0


def build_trigger(subject: Subject) -> Iterator[Finding]:
    """The image runs commands when another is built from it, has a shell of its own, or a stop signal that is none."""
    triggers: Sequence[object] = subject.image.settings.get("OnBuild") or ()
    if triggers:
        yield _setting("OnBuild", f"'{triggers[0]}' runs in builds that start from this image, unseen")
    if shell := subject.image.settings.get("Shell"):
        yield _setting("Shell", f"{shell} is left from the build; commands in shell form would be run by it")
    signal = str(subject.image.settings.get("StopSignal") or "SIGTERM")
    try:
        Signal.parse(signal)
    except ValueProblemError as problem:
        yield _setting("StopSignal", str(problem))
