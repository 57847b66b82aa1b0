"""Rules about how an image runs: health checks, folders, ports, variables and limits."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from contextlib import suppress
from functools import cache
from posixpath import join, normpath

from buildspec.checks.contents import descent, graph
from buildspec.checks.rules import Subject, copies, each_stage, inherited, known, waivable
from buildspec.checks.texts import items, lineage, pairs
from buildspec.errors import Diagnostic, quoted
from buildspec.spec.model import Copy, Healthcheck, Stage
from buildspec.spec.positions import Path
from buildspec.spec.unknown import UNKNOWN, UnknownError
from buildspec.spec.values import Duration

_NO_TIME = Duration(0)


@waivable("warning")
def no_health_check(subject: Subject) -> Iterator[Diagnostic]:
    """A delivered image has no health check, so that an engine can't tell when its program hangs."""
    asked: Mapping[str, bool] = inherited(
        subject, lambda _: False, lambda _, stage, above: stage.healthcheck is not None or above
    )
    for name in subject.spec.image.deliver:
        yield from known(_no_health_check(subject, name, asked))


def _no_health_check(subject: Subject, name: str, asked: Mapping[str, bool]) -> Iterator[Diagnostic]:
    if name in subject.spec.stages and not asked[name]:
        message = "has no health check; add 'healthcheck', or waive this for an image that isn't a service"
        yield subject.problem("no-health-check", ("stages", name), message, key=True)


@waivable("error")
@each_stage
def health_timing(subject: Subject, name: str, stage: Stage) -> Iterator[Diagnostic]:
    """A health check's times make no sense together."""
    check = stage.healthcheck
    if check is not None:
        for key, message in _timing(check):
            yield subject.problem("health-timing", ("stages", name, "healthcheck", key), message)


def _timing(check: Healthcheck) -> Iterator[tuple[str, str]]:
    defaults = Healthcheck(test=())
    if check.interval == _NO_TIME:
        yield "interval", "is zero, which Docker takes for its default; write the time you mean"
    # Docker's own defaults are equal
    elif check.timeout >= check.interval and (check.timeout, check.interval) != (defaults.timeout, defaults.interval):
        yield "timeout", f"is {check.timeout}, and the next check is due after {check.interval}; make it shorter"
    if check.timeout == _NO_TIME:
        yield "timeout", "is zero, which Docker takes for its default; write the time you mean"
    if check.retries < 1:
        yield "retries", f"is {check.retries}; write at least 1"
    if _NO_TIME < check.start_period < check.timeout:
        message = f"is {check.start_period}, and a single check may take {check.timeout}; make it longer"
        yield "start-period", message
    if check.start_interval is not None:
        if check.start_interval == _NO_TIME:
            yield "start-interval", "is zero, which Docker takes for its default; write the time you mean"
        elif check.start_interval > check.start_period:
            message = f"is {check.start_interval}, and 'start-period' ends after {check.start_period}; make it shorter"
            yield "start-interval", message


_SYSTEM = ("/", "/proc", "/sys", "/dev", "/etc")
"""Folders of the system: a volume there hides what a program needs, or opens what it must not touch."""


@waivable("error")
def volume_on_read_only(subject: Subject) -> Iterator[Diagnostic]:
    """Volumes and folders in memory clash with each other, with the system's, or with a read-only root."""
    tmpfs = [*_folders(subject, "tmpfs")]
    volumes = [*_folders(subject, "volumes")]
    in_memory = _by_length(normpath(text) for _, text in tmpfs)
    for places in (tmpfs, volumes):
        yield from _clashes(subject, places)
    lasting = _by_length(normpath(text) for _, text in volumes)
    for path, text in volumes:
        yield from _beneath(subject, path, text, in_memory)
        if (other := _above(normpath(text), lasting)) and other not in _SYSTEM:
            message = f"{quoted(text)} is in the volume '{other}' already; remove one of them"
            yield subject.problem("volume-on-read-only", path, message)
    declared = cache(lambda: _declared(subject))  # looked at, and perhaps unknown, when a stage has a volume
    for name, stage in () if subject.spec.stages is UNKNOWN else subject.spec.stages.items():
        own: list[tuple[Path, str]] = (
            [] if stage is UNKNOWN else [(("stages", name, "volumes", i), text) for i, text in items(stage.volumes)]
        )
        yield from _clashes(subject, own)
        for path, text in own:
            yield from _beneath(subject, path, text, in_memory)
            yield from known(_undeclared(subject, path, text, declared))


def _folders(subject: Subject, key: str) -> Iterator[tuple[Path, str]]:
    runtime = subject.spec.runtime
    for index, text in () if runtime is UNKNOWN else items(getattr(runtime, key)):
        yield ("runtime", key, index), text.partition(":")[0] if key == "tmpfs" else text  # `/tmp:size=64m`


def _clashes(subject: Subject, places: list[tuple[Path, str]]) -> Iterator[Diagnostic]:
    seen: set[str] = set()
    for path, text in places:
        folder = normpath(text)
        why = ""
        if not text.startswith("/") or ".." in text.split("/"):
            why = f"{quoted(text)} is no absolute path; write where it is in the container"
        elif folder in _SYSTEM or folder.startswith(("/proc/", "/sys/")):
            why = f"{quoted(text)} belongs to the system; choose a folder of the program's own"
        elif folder in seen:
            why = f"{quoted(text)} is there twice; remove one"
        seen.add(folder)
        if why:
            yield subject.problem("volume-on-read-only", path, why)


def _by_length(folders: Iterable[str]) -> Mapping[int, Set[str]]:
    """Folders by the length of their paths, the shortest first: a path can be below one of each length at most."""
    found: dict[int, set[str]] = {}
    for folder in sorted(folders, key=len):
        found.setdefault(len(folder), set()).add(folder)
    return found


def _beneath(subject: Subject, path: Path, text: str, in_memory: Mapping[int, Set[str]]) -> Iterator[Diagnostic]:
    folder = normpath(text)
    if other := folder if folder in in_memory.get(len(folder), ()) else _above(folder, in_memory):
        message = f"{quoted(text)} is to last, and runtime.tmpfs has '{other}' in memory; choose one of the two"
        yield subject.problem("volume-on-read-only", path, message)


def _above(folder: str, others: Mapping[int, Set[str]]) -> str:
    """The first of other folders that a folder is in; empty when it is in none."""
    for length, those in others.items():
        if length >= len(folder):
            break
        if folder[:length] in those and (folder[length] == "/" or folder[:length] == "/"):
            return folder[:length]
    return ""


def _declared(subject: Subject) -> frozenset[str]:
    return frozenset(normpath(one) for one in subject.spec.runtime.volumes)


def _undeclared(
    subject: Subject, path: Path, text: str, declared: Callable[[], frozenset[str]]
) -> Iterator[Diagnostic]:
    """A volume of an image that is run read-only, without a word in `[runtime]` of where it can be written."""
    runtime = subject.spec.runtime
    if "runtime" not in subject.source.document.data or not runtime.read_only:
        return
    if normpath(text) not in declared():
        message = f"{quoted(text)} can be written though runtime.read-only is true; add it to runtime.volumes"
        yield subject.problem("volume-on-read-only", path, message)


@waivable("warning")
def files_in_volume(subject: Subject) -> Iterator[Diagnostic]:
    """Files are copied into a volume of a delivered image: a volume that is there already hides them."""
    yield from known(_files_in_volume(subject))


def _files_in_volume(subject: Subject) -> Iterator[Diagnostic]:
    images = graph(subject).inherited
    everywhere = [normpath(text) for _, text in _folders(subject, "volumes")]
    for path, copy in copies(subject):
        if path[1] in images:
            yield from known(_hidden(subject, path, copy, everywhere))


def _hidden(subject: Subject, path: Path, copy: Copy, everywhere: list[str]) -> Iterator[Diagnostic]:
    name = str(path[1])
    own = (normpath(text) for _, text in items(subject.spec.stages[name].volumes))
    volumes = _by_length({*everywhere, *own})
    if not volumes:
        return
    place = normpath(join(descent(subject, name).workdir, copy.to or copy.path))
    if volume := place if place in volumes.get(len(place), ()) else _above(place, volumes):
        message = f"goes into the volume '{volume}', where only a new one shows it; copy it to another place"
        yield subject.problem("files-in-volume", path, message)


@waivable("error")
def required_env_has_default(subject: Subject) -> Iterator[Diagnostic]:
    """A variable that a container must be given has a value already, so that nobody is asked for it."""
    if subject.spec.runtime is UNKNOWN:
        return
    required = {name for _, name in items(subject.spec.runtime.required_env)}
    for name, _ in pairs(subject.spec.runtime.env):
        if name in required:
            message = "is in runtime.required-env too, which asks for it at every start; remove it from one of the two"
            yield subject.problem("required-env-has-default", ("runtime", "env", name), message, key=True)
    for stage in _in_images(subject):
        found = subject.spec.stages[stage]
        for name, _ in () if found is UNKNOWN else pairs(found.env):
            if name in required:
                message = "is in runtime.required-env, so the image must have no value for it; remove this one"
                yield subject.problem("required-env-has-default", ("stages", stage, "env", name), message, key=True)


def bad_exempt_word(subject: Subject) -> Iterator[Diagnostic]:
    """A word of `runtime.env-exempt` is empty or has a blank: the image has all of them in one line."""
    for index, word in () if subject.spec.runtime is UNKNOWN else items(subject.spec.runtime.env_exempt):
        if len(word.split()) != 1 or word != word.strip():
            message = f"{quoted(word)} is not one word; write a first argument, without blanks"
            yield subject.problem("bad-exempt-word", ("runtime", "env-exempt", index), message)


def _in_images(subject: Subject) -> list[str]:
    """The stages that delivered images are made of, as far as that is known."""
    found: dict[str, None] = {}
    image = subject.spec.image
    for name in () if image is UNKNOWN or image.deliver is UNKNOWN else image.deliver:
        with suppress(UnknownError):
            for stage in lineage(subject, name):
                if stage in found:
                    break  # and so are those it is built on
                found[stage] = None
    return list(found)


_PORT = re.compile(r"(?P<first>[0-9]{1,5})(?:-(?P<last>[0-9]{1,5}))?(?:/(?P<protocol>tcp|udp|sctp))?")
_HIGHEST = 65535
_SSH = 22


@each_stage
def bad_port(subject: Subject, name: str, stage: Stage) -> Iterator[Diagnostic]:
    """What `expose` has isn't a port, or a range of ports."""
    for index, text in items(stage.expose):
        match = _PORT.fullmatch(text)
        if match is None:
            hint = f"; write '{text.lower()}'" if _PORT.fullmatch(text.lower()) else "; write it as '8080' or '53/udp'"
            message = f"{quoted(text)} is not a port{hint}"
        else:
            first, last = int(match["first"]), int(match["last"] or match["first"])
            if 1 <= first <= last <= _HIGHEST:
                continue
            message = f"{quoted(text)} is not a port; ports go from 1 to {_HIGHEST}, ranges upwards"
        yield subject.problem("bad-port", ("stages", name, "expose", index), message)


@waivable("error")
@each_stage
def ssh_port(subject: Subject, name: str, stage: Stage) -> Iterator[Diagnostic]:
    """An image offers port 22: a way in beside the program, with keys of its own to look after."""
    for index, text in items(stage.expose):
        match = _PORT.fullmatch(text)
        if match is not None and int(match["first"]) <= _SSH <= int(match["last"] or match["first"]):
            message = f"{quoted(text)} is the port of SSH; look into a container with 'docker exec'"
            yield subject.problem("ssh-port", ("stages", name, "expose", index), message)


# Source: docker/go-units, RAMInBytes; the engine refuses less than 6 MiB.
_MEMORY = re.compile(r"([0-9]{1,12}(?:\.[0-9]{1,6})?) ?([bkmgt])(?:i?b)?", re.IGNORECASE)
_LEAST_MEMORY = 6 * 2**20
_LEAST_CPUS = 0.01


def bad_memory(subject: Subject) -> Iterator[Diagnostic]:
    """`runtime.memory` isn't a size that Docker takes."""
    yield from known(_memory(subject))


def _memory(subject: Subject) -> Iterator[Diagnostic]:
    text = subject.spec.runtime.memory
    if not text:
        return
    match = _MEMORY.fullmatch(text)
    if match is None:
        message = f"{quoted(text)} is not an amount of memory; write it as '512m' or '2g'"
        yield subject.problem("bad-memory", ("runtime", "memory"), message)
    elif float(match[1]) * 1024 ** "bkmgt".index(match[2].lower()) < _LEAST_MEMORY:
        message = f"{quoted(text)} is less than 6m, the least that Docker takes; write more"
        yield subject.problem("bad-memory", ("runtime", "memory"), message)


def bad_cpus(subject: Subject) -> Iterator[Diagnostic]:
    """`runtime.cpus` isn't a number of cores that Docker takes."""
    yield from known(_cpus(subject))


def _cpus(subject: Subject) -> Iterator[Diagnostic]:
    cpus = subject.spec.runtime.cpus
    if cpus is not None and not _LEAST_CPUS <= cpus < float("inf"):
        message = f"{cpus:g} is not a number of cores; write at least {_LEAST_CPUS}"
        yield subject.problem("bad-cpus", ("runtime", "cpus"), message)


def bad_pids(subject: Subject) -> Iterator[Diagnostic]:
    """`runtime.pids` isn't a limit: for Docker, zero and less stand for none."""
    yield from known(_pids(subject))


def _pids(subject: Subject) -> Iterator[Diagnostic]:
    pids = subject.spec.runtime.pids
    if pids < 1:
        message = f"{pids} is no number of processes; write at least 1"
        yield subject.problem("bad-pids", ("runtime", "pids"), message)
