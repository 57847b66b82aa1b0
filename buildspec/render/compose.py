"""A Spec in, `compose.yaml` out: the default image as a service, confined as its tests were.

Every value is written as JSON, and `$` is doubled, which Compose reads as itself.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from buildspec.plan.confinement import confinement
from buildspec.plan.graph import chain
from buildspec.render import yaml
from buildspec.spec.model import Spec, Stage, Stop
from buildspec.spec.seal import COMMAND, origin, sealed

RESTART = "on-failure:5"
"""A program that fails is started again, and one that fails over and over isn't: CIS Docker Benchmark 5.15."""
LOOPBACK = "127.0.0.1"
"""Where ports are offered; who wants the world to have them says so."""
_PRIVILEGED = 1024
_LONG = 90
"""Characters of an array beyond which each element has a line."""
_PORTS = 65536
_MOVED = 8000
"""Added to ports that only root may offer: 80 is offered as 8080."""


def render(spec: Spec, reference: str = "", command: str = COMMAND) -> str:
    """Write `compose.yaml` for the default image: that without a suffix, else the first.

    Args:
        spec: the specification, checked.
        reference: of the image, with its digest; empty: the local one, or what a variable names.
        command: what makes the file, for its first line.
    """
    name = service_name(spec)
    service = dict(_service(spec, reference))
    document: dict[str, Any] = {"name": name, "services": {name: service}}
    if volumes := volume_names(spec.runtime.volumes):
        document["volumes"] = {one: {} for one in volumes}
    lines = [f"# {origin('buildspec.toml', command)}", *_yaml(document)]
    return sealed("\n".join(lines) + "\n")


def default_stage(spec: Spec) -> str:
    """The delivered stage that runs as a service: that without a suffix, else the first by its name."""
    deliver = spec.image.deliver
    return next((stage for stage, suffix in deliver.items() if not suffix), min(deliver))


def service_name(spec: Spec) -> str:
    """Name of the service and of its project: letters, digits, `-` and `_` of the image's."""
    return re.sub(r"[^a-z0-9_-]+", "-", spec.image.name.rpartition("/")[2].lower()).lstrip("-_") or "app"


def image_variable(spec: Spec) -> str:
    """Environment variable that names another image."""
    plain = re.sub(r"[^A-Z0-9]+", "_", spec.image.name.rpartition("/")[2].upper()).strip("_")
    return f"{'_' if plain[:1].isdigit() else ''}{plain}_IMAGE"


def volume_names(folders: Sequence[str]) -> Mapping[str, str]:
    """Folders by the names of their volumes: `/var/lib/x` is in `var-lib-x`."""
    found: dict[str, str] = {}
    for folder in folders:
        plain = re.sub(r"[^A-Za-z0-9_.-]+", "-", folder).strip("-._") or "data"
        name, count = plain, 1
        while name in found:
            name, count = f"{plain}-{count + 1}", count + 1
        found[name] = folder
    return found


def _service(spec: Spec, reference: str) -> Iterator[tuple[str, Any]]:
    name = default_stage(spec)
    every = [spec.stages[one] for one in reversed(chain(spec, name))]
    limits = confinement(spec.runtime)
    local = f"{spec.image.name}:{spec.image.deliver[name] or 'latest'}"
    yield "image", reference or f"${{{image_variable(spec)}:-{local}}}"
    if spec.runtime.command:
        yield "command", [_plain(one) for one in spec.runtime.command]
    if user := next((one.user for one in every if one.user), ""):
        known = spec.users.get(user)
        yield "user", f"{known.uid}:{known.gid}" if known else _plain(user)
    yield "read_only", limits.read_only
    yield "cap_drop", list(limits.cap_drop)
    yield "security_opt", list(limits.security)
    yield "init", True
    yield "pids_limit", limits.pids
    if limits.memory:
        yield "mem_limit", limits.memory
        yield "memswap_limit", limits.memory
    if limits.cpus is not None:
        yield "cpus", limits.cpus
    if limits.tmpfs:
        yield "tmpfs", [_plain(f"{folder}:{options}") for folder, options in limits.tmpfs.items()]
    if volumes := volume_names(limits.volumes):
        yield (
            "volumes",
            [{"type": "volume", "source": one, "target": _plain(folder)} for one, folder in volumes.items()],
        )
    if environment := _environment(spec):
        yield "environment", environment
    if ports := [*_ports(every)]:
        yield "ports", ports
    yield from _health(spec, name)
    yield "restart", RESTART
    yield "stop_grace_period", str(Stop().within)


def _environment(spec: Spec) -> dict[str, str]:
    required = {one: f"${{{one}:?set {one}}}" for one in spec.runtime.required_env}
    return {**{key: _plain(value) for key, value in spec.runtime.env.items()}, **required}


def _ports(every: Sequence[Stage]) -> Iterator[str]:
    """Ports of the stage and of those it starts from, each once and at a port of its own."""
    asked = dict.fromkeys(_port(text) for stage in every for text in stage.expose)
    outside: dict[tuple[range, str], range] = {}
    # those that may keep their numbers come first
    for inside, protocol in sorted(asked, key=lambda one: one[0].start < _PRIVILEGED):
        taken = [there for (_, other), there in outside.items() if other == protocol]
        outside[inside, protocol] = _offered(inside, taken)
    for inside, protocol in asked:
        yield f"{LOOPBACK}:{_spelled(outside[inside, protocol])}:{_spelled(inside)}/{protocol}"


def _port(text: str) -> tuple[range, str]:
    """The ports of `8080`, `53/udp` or `9000-9001`, and their protocol."""
    ports, _, protocol = text.partition("/")
    first, _, last = ports.partition("-")
    return range(int(first), int(last or first) + 1), protocol or "tcp"


def _offered(inside: range, taken: Sequence[range]) -> range:
    """The same ports, or else as many that need no root and that nobody has taken; the same if there are none."""
    for start in (inside.start + (_MOVED if inside.start < _PRIVILEGED else 0), _PRIVILEGED):
        found = range(start, start + len(inside))
        while found.stop <= _PORTS and (clash := next((one for one in taken if _overlap(one, found)), None)):
            found = range(clash.stop, clash.stop + len(inside))
        if found.stop <= _PORTS:
            return found
    return inside


def _overlap(one: range, other: range) -> bool:
    return one.start < other.stop and other.start < one.stop


def _spelled(ports: range) -> str:
    return f"{ports.start}-{ports[-1]}" if len(ports) > 1 else str(ports.start)


def _health(spec: Spec, name: str) -> Iterator[tuple[str, Any]]:
    """When the image is asked for its health; the question is its own, as profiles have programs in other places."""
    stage = next((one for one in reversed(chain(spec, name)) if spec.stages[one].healthcheck), "")
    check = spec.stages[stage].healthcheck if stage else None
    if check is None:
        return
    times = {"interval": check.interval, "timeout": check.timeout, "start_period": check.start_period}
    found: dict[str, Any] = {key: str(value) for key, value in times.items()}
    if check.start_interval is not None:
        found["start_interval"] = str(check.start_interval)
    yield "healthcheck", {**found, "retries": check.retries}


def _plain(value: str) -> str:
    """A value as Compose reads it: `$` begins a variable, and two of them are one."""
    return value.replace("$", "$$")


def _yaml(value: Any, indent: str = "") -> Iterator[str]:  # noqa: ANN401 - any JSON
    """Lines of a table: values as JSON, and keys where they need it."""
    for key, one in value.items():
        head = f"{indent}{yaml.scalar(key)}:"
        if isinstance(one, dict) and one:
            yield head
            yield from _yaml(one, indent + "  ")
        elif isinstance(one, list) and len(yaml.flow(one)) > _LONG:
            yield head
            yield from (f"{indent}  - {yaml.flow(item)}" for item in one)
        else:
            yield f"{head} {yaml.flow(one)}"
