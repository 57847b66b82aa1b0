"""Rules about the commands of stages and the secrets they are given."""

from __future__ import annotations

from collections.abc import Iterator, Set

from buildspec.checks.rules import Subject, each_fragment, each_stage, known
from buildspec.checks.texts import items
from buildspec.errors import Diagnostic, Place, quoted, shortened
from buildspec.spec.fragments import Fragment
from buildspec.spec.model import Command, Stage
from buildspec.spec.overlay import suggest
from buildspec.spec.positions import Path
from buildspec.spec.unknown import UNKNOWN
from buildspec.spec.wellknown import SECRETS as WELL_KNOWN

_ALLOWED = ("RUN", "ARG", "SHELL")
_KEYS = {
    "FROM": "from",
    "USER": "user",
    "ENV": "env",
    "COPY": "copy",
    "ADD": "copy",
    "WORKDIR": "workdir",
    "ENTRYPOINT": "entrypoint",
    "CMD": "cmd",
    "HEALTHCHECK": "healthcheck",
    "VOLUME": "volumes",
    "EXPOSE": "expose",
    "LABEL": "labels",
    "STOPSIGNAL": "stop-signal",
}


@each_fragment
def instruction_in_fragment(subject: Subject, name: str, fragment: Fragment) -> Iterator[Diagnostic]:
    """A fragment holds an instruction that belongs to the specification, or that Docker doesn't have."""
    if name not in subject.spec.stages:
        return
    for one in fragment.instructions:
        if one.keyword not in _ALLOWED:
            yield _at(fragment, one.line, len(one.keyword), "instruction-in-fragment", _misplaced(name, one.keyword))


def _misplaced(stage: str, keyword: str) -> str:
    if keyword in _KEYS:
        return f"{keyword} is a fact of the specification; write it as stages.{stage}.{_KEYS[keyword]}"
    if not keyword.isalpha():
        return f"{quoted(keyword)} is no instruction; end the line before with '\\' to continue it"
    hint = suggest(keyword, _ALLOWED) or f"; a fragment holds {', '.join(_ALLOWED[:-1])} and {_ALLOWED[-1]}"
    return f"{shortened(keyword)} can't be in a fragment{hint}"


@each_stage
def instruction_in_value(subject: Subject, name: str, stage: Stage) -> Iterator[Diagnostic]:
    """A command starts with a word that a Dockerfile has before it, and a specification hasn't."""
    for index, text in items(stage.run):
        word = text.split(maxsplit=1)[0] if text.strip() else ""
        if word == "RUN":
            message = "each element is a command by itself; leave out 'RUN'"
        elif word in _KEYS and word != text.strip():
            message = _misplaced(name, word)
        else:
            continue
        yield subject.problem("instruction-in-value", ("stages", name, "run", index), message)
    for key in ("entrypoint", "cmd"):
        path: Path = ("stages", name, key)
        yield from known(_before_command(subject, path, getattr(stage, key), {key.upper()}))
    if stage.healthcheck is not None:
        path = ("stages", name, "healthcheck", "test")
        yield from known(_before_command(subject, path, stage.healthcheck.test, {"CMD", "CMD-SHELL", "NONE"}))


def _before_command(subject: Subject, path: Path, command: Command, words: Set[str]) -> Iterator[Diagnostic]:
    """A word before a command that its key says already."""
    array = not isinstance(command, str)
    first = (command.split(maxsplit=1) if isinstance(command, str) else command) or ("",)
    if first[0] not in words:
        return
    message = f"the key says that already; leave out {quoted(first[0])}"
    if first[0] == "CMD-SHELL":
        message += ", and give the rest as a string"
    elif first[0] == "NONE":
        message = "'NONE' is no command; leave out 'healthcheck' altogether"
    yield subject.problem("instruction-in-value", (*path, 0) if array else path, message)


@each_fragment
def unfinished_instruction(_: Subject, __: str, fragment: Fragment) -> Iterator[Diagnostic]:
    """A fragment ends within an instruction, which would swallow what comes after it in the Dockerfile."""
    for one in fragment.instructions:
        if one.unfinished:
            message = f"{one.keyword} is never finished: there is no line after it"
            if one.heredoc:
                message = f"{one.keyword} is never finished: no line is {quoted(one.heredoc)}, which ends its heredoc"
            yield _at(fragment, one.line, len(one.keyword), "unfinished-instruction", message)


@each_fragment
def directive_in_fragment(_: Subject, __: str, fragment: Fragment) -> Iterator[Diagnostic]:
    """A fragment has a parser directive, which is one only at the top of a whole Dockerfile."""
    for one in fragment.directives:
        message = f"'# {one.name}=' means nothing in a fragment, which is a part of a Dockerfile; take it out"
        width = len(fragment.line_text(one.line))
        yield _at(fragment, one.line, width, "directive-in-fragment", message)


@each_fragment
def unused_fragment(subject: Subject, name: str, fragment: Fragment) -> Iterator[Diagnostic]:
    """A fragment belongs to no stage, or to one whose commands stand in `run`."""
    place = Place(fragment.file, 1, 1)
    stages = subject.spec.stages
    if name not in stages:
        message = f"no stage is called '{name}'{suggest(name, stages) or '; add the stage, or delete the file'}"
        yield Diagnostic("unused-fragment", message, place)
    elif stages[name].run:
        message = f"stages.{name}.run has the commands; keep one of the two"
        yield Diagnostic("unused-fragment", message, place)


def _at(fragment: Fragment, line: int, width: int, rule: str, message: str) -> Diagnostic:
    text = fragment.line_text(line)
    column = len(text) - len(text.lstrip()) + 1
    return Diagnostic(rule, message, Place(fragment.file, line, column, max(1, width), text))


@each_stage
def undeclared_secret(subject: Subject, name: str, stage: Stage) -> Iterator[Diagnostic]:
    """A stage mounts a secret that is neither in `[secrets]` nor well known."""
    for index, secret in enumerate(stage.secrets):
        if secret is not UNKNOWN and secret not in subject.spec.secrets and secret not in WELL_KNOWN:
            there = (*subject.spec.secrets, *WELL_KNOWN)
            message = f"no secret is called {quoted(secret)}{suggest(secret, there) or '; add it to [secrets]'}"
            yield subject.problem("undeclared-secret", ("stages", name, "secrets", index), message)


@each_stage
def line_break(subject: Subject, name: str, stage: Stage) -> Iterator[Diagnostic]:
    """A value of `args`, `env` or `labels` has a line break, which a Dockerfile can't express."""
    for key in ("args", "env", "labels"):
        table = getattr(stage, key)
        for item, value in () if table is UNKNOWN else table.items():
            if value is not UNKNOWN and ("\n" in value or "\r" in value):
                message = "has a line break, which no image can be given this way; copy a file instead"
                yield subject.problem("line-break", ("stages", name, key, item), message)
