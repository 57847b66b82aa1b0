"""Rules about secrets in the wrong place, and about commands that fetch or may do too much."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from buildspec.checks.credentials import could_be_one, named_like_one, token_in
from buildspec.checks.rules import Subject, each_copy, each_fragment, each_stage, known, waivable
from buildspec.checks.texts import command_line, in_fragment, pairs, strings, without_line
from buildspec.errors import Diagnostic, quoted
from buildspec.spec.fragments import Fragment
from buildspec.spec.model import Copy, Stage
from buildspec.spec.positions import Path
from buildspec.spec.unknown import UNKNOWN

_MOUNT = "mount it with 'secrets'"


@waivable("error")
def secret_in_env(subject: Subject) -> Iterator[Diagnostic]:
    """A variable of a stage or of `runtime.env` has a secret as its value, for everybody who has the image to read."""
    tables = [(("stages", name, "env"), stage.env) for name, stage in _stages(subject) if stage is not UNKNOWN]
    for path, table in tables:
        yield from _secrets(subject, "secret-in-env", path, table, f"every image made from it shows it; {_MOUNT}")
    if subject.spec.runtime is not UNKNOWN:
        out = "every delivered image shows it; name it in runtime.required-env instead"
        yield from _secrets(subject, "secret-in-env", ("runtime", "env"), subject.spec.runtime.env, out)


def _stages(subject: Subject) -> Iterator[tuple[str, Stage]]:
    if subject.spec.stages is not UNKNOWN:
        yield from subject.spec.stages.items()


def _secrets(subject: Subject, rule: str, path: Path, table: Mapping[str, str], out: str) -> Iterator[Diagnostic]:
    for name, value in pairs(table):
        what = f"holds {token}" if (token := token_in(value)) else "has the name of a secret"
        if token or (named_like_one(name) and could_be_one(value)):
            yield without_line(subject.problem(rule, (*path, name), f"{what}, and {out}", key=True))


@waivable("error")
def secret_in_arg(subject: Subject) -> Iterator[Diagnostic]:
    """A build argument has a secret as its value; arguments end up in the image's history."""
    out = f"the image's history shows it; {_MOUNT}"
    for name, stage in _stages(subject):
        if stage is not UNKNOWN:
            yield from _secrets(subject, "secret-in-arg", ("stages", name, "args"), stage.args, out)
    for fragment in subject.source.fragments.values():
        yield from _declared(fragment, out)


def _declared(fragment: Fragment, out: str) -> Iterator[Diagnostic]:
    """Of a fragment's ARG, those with the name or the value of a secret; without a value, one is asked for."""
    for one in fragment.instructions:
        for name, given, value in re.findall(r"\s([A-Za-z_]\w*)(=?)(\S*)", one.text) if one.keyword == "ARG" else ():
            token = token_in(value)
            if token or (named_like_one(name) and (not given or could_be_one(value.strip("\"'")))):
                what = f"holds {token}" if token else "has the name of a secret"
                yield without_line(in_fragment(fragment, one.line, "secret-in-arg", f"ARG {name} {what}, and {out}"))


@waivable("error")
def secret_in_label(subject: Subject) -> Iterator[Diagnostic]:
    """A label, or a fact of `[image]` that becomes one, holds a secret."""
    out = "a registry shows it to everybody who may pull; remove it"
    for name, stage in _stages(subject):
        if stage is not UNKNOWN:
            yield from _secrets(subject, "secret-in-label", ("stages", name, "labels"), stage.labels, out)
    for path, value in strings(subject.spec.image, ("image",)):
        if token := token_in(value):
            yield without_line(subject.problem("secret-in-label", path, f"holds {token}, and {out}"))


_COMMANDS = ("run", "entrypoint", "cmd", "healthcheck")


@waivable("error")
def secret_in_command(subject: Subject) -> Iterator[Diagnostic]:
    """A command has a secret written out."""
    out = f"the image's history and its layers keep it; {_MOUNT} and read it from there"
    for name, stage in _stages(subject):
        for key in () if stage is UNKNOWN else _COMMANDS:
            for path, text in strings(getattr(stage, key), ("stages", name, key)):
                if token := token_in(text):
                    yield without_line(subject.problem("secret-in-command", path, f"holds {token}; {out}"))
    for path, text in strings(subject.spec.tests, ("tests",)):
        if token := token_in(text):
            yield without_line(subject.problem("secret-in-command", path, f"holds {token}; remove it"))
    for fragment in subject.source.fragments.values():
        for number, line in enumerate(fragment.text.split("\n"), 1):
            if not line.lstrip().upper().startswith("ARG ") and (token := token_in(line)):
                found = in_fragment(fragment, number, "secret-in-command", f"holds {token}; {out}")
                yield without_line(found)


# Programs that fetch code before they run or install it; `npx --no` runs what is there alone. Lengths are bounded, so
# that no text takes long.
_FETCHES = r"""(?:^|[\s;&|(/"'`])(?P<what>
      npx(?=\s)(?!\s+--no(?:-install)?\b) | bunx(?=\s) | uvx(?=\s) | pipx\s+(?:run|install)
    | npm\s+(?:i|install|ci|add|update|exec|x|init|create)\b | yarn\s+(?:add|install|dlx|create)\b
    | pnpm\s+(?:i|install|add|update|dlx|create)\b | bun\s+(?:i|install|add|x|create)\b
    | pip[0-9.]*\s+(?:install|download)\b | -m\s+pip\s+install\b | uv\s+(?:sync|pip\s+install|tool\s+(?:run|install))\b
    | apk\s+(?:-\S+\s+){0,20}(?:add|update|upgrade)\b
    | (?:apt|apt-get|aptitude)\s+(?:-\S+\s+){0,20}(?:install|update|upgrade)\b
    | (?:dnf|microdnf|yum|zypper)\s+(?:-\S+\s+){0,20}(?:install|update|upgrade)\b
    | gem\s+install\b | bundle\s+install\b | composer\s+(?:install|require)\b | cargo\s+install\b
    | go\s+(?:run|install)\s+(?:-\S+\s+){0,20}\S{1,200}@\S | go\s+get\b
    | deno\s+run\s+[^;&|]{0,300}https?:// | git\s+clone\b
    | (?:curl|wget)\b[^;&]{0,300}\|\s{0,20}(?:sudo\s{1,20})?(?:\S{0,100}/)?(?:ba|da|z|k|a)?sh\b
    | (?:ba|da|z|k|a)?sh\s+-c\s+["']?\$\((?:curl|wget)\b
    )"""
_FETCHERS = re.compile(
    r"npx|bunx|uvx|pipx|npm|yarn|pnpm|bun|pip|uv|apk|apt|dnf|yum|zypper|gem|bundle|composer|cargo|go|deno|git|curl|wget"
)
"""One of these is in all that fetches: most commands have none, and needn't wait until the long pattern is compiled."""


def _fetch(command: str) -> re.Match[str] | None:
    return re.search(_FETCHES, command, re.VERBOSE) if _FETCHERS.search(command) else None


@waivable("error")
@each_stage
def download_at_run_time(subject: Subject, name: str, stage: Stage) -> Iterator[Diagnostic]:
    """An entrypoint, `cmd` or health check fetches code when the container starts: nobody has tested or scanned it."""
    health = None if stage.healthcheck is UNKNOWN or stage.healthcheck is None else stage.healthcheck.test
    commands = {"entrypoint": command_line(stage.entrypoint), "cmd": command_line(stage.cmd)}
    commands["healthcheck"] = "" if health is None else command_line(health)
    found = {key: match for key, text in commands.items() if (match := _fetch(text))}
    if not found and (match := _fetch(f"{commands['entrypoint']} {commands['cmd']}")):
        found["cmd"] = match  # the arguments say what the program does: `npm`, `install`
    for key, match in found.items():
        path = ("stages", name, key, "test") if key == "healthcheck" else ("stages", name, key)
        message = (
            f"{quoted(' '.join(match['what'].split()))} fetches code at run time; install it while the image is built"
        )
        yield subject.problem("download-at-run-time", path, message)


_REMOTE = re.compile(r"(?:[a-z][a-z0-9+.-]*://|git@[\w.-]+:|github\.com/|git::)", re.IGNORECASE)


def is_remote(path: str) -> bool:
    """Whether a path is an address, not a file: `https://…`, `git@…:…`."""
    return _REMOTE.match(path) is not None


@each_copy
def _remote_copy(subject: Subject, path: Path, copy: Copy) -> Iterator[Diagnostic]:
    if copy.path is not UNKNOWN and is_remote(copy.path):
        message = f"{quoted(copy.path)} is an address; fetch it in a command of a stage, and check its digest there"
        yield subject.problem("remote-add", (*path, "path"), message)


@each_fragment
def _remote_instruction(_: Subject, __: str, fragment: Fragment) -> Iterator[Diagnostic]:
    for one in fragment.instructions:
        words = one.text.split()[1:] if one.keyword in ("ADD", "COPY") else []
        for word in words:
            if is_remote(word.strip("[\"',")):
                message = f"{one.keyword} takes what an address gives today; fetch it with RUN, and check its digest"
                yield in_fragment(fragment, one.line, "remote-add", message)


def remote_add(subject: Subject) -> Iterator[Diagnostic]:
    """Files are copied from an address, which may give others tomorrow."""
    yield from known(_remote_copy(subject))
    yield from _remote_instruction(subject)


# Between a flag and the next: blanks, continued lines, and comments in between.
_FLAG = re.compile(r"(?:\s|\\[ \t]*\n(?:[ \t]*#[^\n]*\n)*)*--(?P<name>[a-z]+)(?:=(?P<value>\S*))?(?=\s|$)")
_RUN_FLAGS = ("mount", "network", "security", "device")


@waivable("error")
def unsafe_run_flag(subject: Subject) -> Iterator[Diagnostic]:
    """A RUN asks for rights that reach beyond the build, or mounts files from outside of it."""
    for fragment in subject.source.fragments.values():
        for one in fragment.instructions:
            if one.keyword == "RUN":
                yield from known(_flags(subject, fragment, one.text, one.line))
    yield from _flags_in_run(subject)


def _flags(subject: Subject, fragment: Fragment, text: str, line: int) -> Iterator[Diagnostic]:
    at = len(text) - len(text.lstrip()) + len("RUN")
    while (flag := _FLAG.match(text, at)) is not None:
        at = flag.end()
        if why := _unsafe(subject, flag["name"], flag["value"] or ""):
            number = line + text.count("\n", 0, flag.start("name"))
            column = flag.start("name") - 2 - (text.rfind("\n", 0, flag.start("name")) + 1)
            within = (column, column + flag.end() - flag.start("name") + 2)
            yield in_fragment(fragment, number, "unsafe-run-flag", f"RUN {why}", within)


def _unsafe(subject: Subject, name: str, value: str) -> str:
    """Why a flag of RUN isn't safe; empty when it is."""
    match name, value.lower():
        case "security", "insecure":
            return "--security=insecure gives the command all rights of the engine; leave it out"
        case "network", "host":
            return "--network=host gives the command the network of the engine's machine; leave it out"
        case "device", _:
            return "--device gives the command a device of the engine's machine; leave it out"
        case "mount", _:
            return _unsafe_mount(subject, value)
    return ""


def _unsafe_mount(subject: Subject, value: str) -> str:
    options = {key.lower(): given for key, _, given in (part.partition("=") for part in value.split(","))}
    source = options.get("from", "")
    if source and source not in subject.names:
        return f"--mount takes files from {quoted(source)}, which is no stage or base; add it to [bases]"
    writes = any(options.get(key, "false").lower() in ("", "true") for key in ("rw", "readwrite"))
    if options.get("type", "bind") == "bind" and writes:
        return "--mount=type=bind with 'rw' writes files that are lost after the command; copy them"
    return ""


def _flags_in_run(subject: Subject) -> Iterator[Diagnostic]:
    for name, stage in _stages(subject):
        for path, text in () if stage is UNKNOWN else strings(stage.run, ("stages", name, "run")):
            flag = _FLAG.match(text)
            if flag is not None and flag["name"] in _RUN_FLAGS:
                message = f"'run' takes no flags, and --{flag['name']} is one; write it in stages/{name}.Dockerfile"
                yield subject.problem("unsafe-run-flag", path, message)
