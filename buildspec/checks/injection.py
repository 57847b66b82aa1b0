"""Rules about values that would become syntax, an option, or nothing visible, in the place they go to."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from posixpath import normpath

from buildspec.checks.contents import descent
from buildspec.checks.rules import Subject, known
from buildspec.checks.texts import items, pairs, strings
from buildspec.errors import Diagnostic, quoted
from buildspec.spec.positions import Path
from buildspec.spec.unknown import UNKNOWN

_BREAKS = "\n\r"
# What turns the order of a text around for the eye alone: Unicode TR 36, and CVE-2021-42574.
_TURNS = {*map(chr, range(0x202A, 0x202F)), *map(chr, range(0x2066, 0x206A)), "\u2028", "\u2029"}
_TABLES = ("image", "context", "bases", "users", "secrets", "stages", "tests", "runtime", "release", "generate")
_WITH_BREAKS = {"run", "entrypoint", "cmd", "test", "description", "stdin", "stdout", "stderr", "content", "after"}
"""Keys whose values may have several lines."""
_OF_LINE_BREAK = {"args", "env", "labels"}
"""Tables of a stage that `line-break` looks at."""


def control_character(subject: Subject) -> Iterator[Diagnostic]:
    """A value or a name has a character that is obeyed, or hidden, where it goes to."""
    for path, text in _texts(subject):
        if text.isprintable():
            continue  # nearly all are, and that is told at once
        allowed = _BREAKS if _may_break(path) else ""
        found = [one for one in text if one not in allowed and _is_control(one)]
        if found:
            yield subject.problem("control-character", path, f"has {_name(found[0])}; remove it")
    for path in _names(subject):
        found = [one for one in str(path[-1]) if _is_control(one)]
        if found:
            yield subject.problem("control-character", path, f"its name has {_name(found[0])}; remove it", key=True)


@lru_cache(maxsize=1)
def _texts(subject: Subject) -> Sequence[tuple[Path, str]]:
    """The strings that go somewhere, each with its path; found once, as there are many."""
    spec = subject.spec
    return [found for table in _TABLES for found in strings(getattr(spec, table), (table,))]


def _is_control(one: str) -> bool:
    return one != "\t" and (unicodedata.category(one) == "Cc" or one in _TURNS)


def _may_break(path: Path) -> bool:
    keys = {part for part in path if isinstance(part, str)}
    return bool(keys & _WITH_BREAKS) or (path[0] == "stages" and path[2:3] != () and path[2] in _OF_LINE_BREAK)


def _name(one: str) -> str:
    named = {"\n": "a line break", "\r": "a carriage return", "\0": "a NUL"}
    return named.get(one) or f"the control character U+{ord(one):04X}"


def _names(subject: Subject) -> Iterator[Path]:
    """The names that the specification gives; those of stages have a rule of their own."""
    for table in ("bases", "contexts", "users", "secrets", "tests"):
        found = getattr(subject.spec, table)
        yield from ((table, name) for name in (() if found is UNKNOWN else found))


_WORDS = {"packages", "users", "workdir", "user", "volumes", "tmpfs", "path", "to", "owner", "exclude"}
_WORDS |= {"debian", "secrets", "home", "target"}
"""Keys whose values become words of a command line or of an instruction."""


def leading_dash(subject: Subject) -> Iterator[Diagnostic]:
    """A name or path starts with `-`, and would be taken for an option."""
    for path, text in _texts(subject):
        if not text.startswith("-") or path[0] in ("image", "tests", "release"):
            continue
        key = next(part for part in reversed(path) if isinstance(part, str))
        inside = len(path) > 1 and path[-2] in ("env", "args", "labels", "programs")
        copied = len(path) > 1 and path[-2] == "copy"
        if not inside and (key in _WORDS or copied):
            hint = f"; write './{text}'" if key in ("path", "to") or copied else ""
            message = f"{quoted(text)} starts with '-' and would be taken for an option{hint or '; rename it'}"
            yield subject.problem("leading-dash", path, message)
    for path in _names(subject):
        if str(path[-1]).startswith("-"):
            message = "its name starts with '-' and would be taken for an option; rename it"
            yield subject.problem("leading-dash", path, message, key=True)


_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def bad_env_name(subject: Subject) -> Iterator[Diagnostic]:
    """A variable or build argument has a name that shells can't use."""
    for path, name in _variables(subject):
        if _VARIABLE.fullmatch(name) is None:
            better = re.sub(r"[^A-Za-z0-9_]", "_", name).lstrip("0123456789")
            hint = f"; write '{better}'" if better.strip("_") else ""
            message = f"{quoted(name)} is not the name of a variable{hint or '; write letters, digits and _'}"
            key = path[-1] == name
            yield subject.problem("bad-env-name", path, message, key=key)


# Accounts: useradd(8) and BusyBox's adduser take no more, and tools cut longer names off at 32. Bases
# and contexts: as stages, which stand beside them. Secrets: what a mount's `id` and a file below /run/secrets can be.
_BASE = "small letters, digits, '.', '-' and '_'"
_NAMES: Mapping[str, tuple[str, re.Pattern[str]]] = {
    "users": ("small letters, digits, '-' and '_', 32 at most", re.compile(r"[a-z_][a-z0-9_-]{0,31}")),
    "bases": (_BASE, re.compile(r"[a-z][a-z0-9._-]{0,127}")),
    "contexts": (_BASE, re.compile(r"[a-z][a-z0-9._-]{0,127}")),
    "secrets": ("letters, digits, '.', '-' and '_'", re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")),
}


def bad_name(subject: Subject) -> Iterator[Diagnostic]:
    """A user, base, context or secret has a name that the tools which get it don't take."""
    for path in _names(subject):
        what, pattern = _NAMES.get(str(path[0]), ("", None))
        name = str(path[-1])
        if pattern is not None and not name.startswith("-") and pattern.fullmatch(name) is None:
            message = f"{quoted(name)} can't be a name here; write {what}"
            yield subject.problem("bad-name", path, message, key=True)


# Where nothing can be quoted: in an option of RUN, between commas.
_PLAIN = re.compile(r"/[\w./:@+~-]*", re.ASCII)


def bad_path(subject: Subject) -> Iterator[Diagnostic]:
    """A home or working folder, a secret's place or the application's isn't a path of the kind that is needed there."""
    for name, user in () if subject.spec.users is UNKNOWN else subject.spec.users.items():
        home = "" if user is UNKNOWN else user.home
        if home is not UNKNOWN and home and (":" in home or not home.startswith("/")):
            message = f"{quoted(home)} can't stand in /etc/passwd; write an absolute path without ':'"
            yield subject.problem("bad-path", ("users", name, "home"), message)
    for name, secret in () if subject.spec.secrets is UNKNOWN else subject.spec.secrets.items():
        target = "" if secret is UNKNOWN else secret.target
        if target is not UNKNOWN and target and _PLAIN.fullmatch(target) is None:
            message = (
                f"{quoted(target)} can't be a place for a secret; write an absolute path of letters, digits and ._-"
            )
            yield subject.problem("bad-path", ("secrets", name, "target"), message)
    for name in () if subject.spec.stages is UNKNOWN else subject.spec.stages:
        yield from known(_relative(subject, name))
    app = "" if subject.spec.release is UNKNOWN else subject.spec.release.app
    if app is not UNKNOWN and app and (not app.startswith("/") or normpath(app) != app.rstrip("/")):
        message = f"{quoted(app)} is no folder of an image; write an absolute path such as '/app'"
        yield subject.problem("bad-path", ("release", "app"), message)


def _relative(subject: Subject, name: str) -> Iterator[Diagnostic]:
    """A working folder that starts from a base's own, which isn't known."""
    stage = subject.spec.stages[name]
    text = stage.workdir
    if not text or text.startswith(("/", "-")) or descent(subject, stage.from_).workdir != "/":
        return
    better = f": '/{normpath(text)}'" if _PLAIN.fullmatch(f"/{text}") and ".." not in text else ""
    message = f"{quoted(text)} is relative, and no stage it starts from has a 'workdir'; write an absolute path{better}"
    yield subject.problem("bad-path", ("stages", name, "workdir"), message)


def _variables(subject: Subject) -> Iterator[tuple[Path, str]]:
    spec = subject.spec
    for name, stage in () if spec.stages is UNKNOWN else spec.stages.items():
        for key in () if stage is UNKNOWN else ("args", "env"):
            yield from ((("stages", name, key, one), one) for one in _keys(getattr(stage, key)))
    if spec.runtime is not UNKNOWN:
        yield from ((("runtime", "env", one), one) for one in _keys(spec.runtime.env))
        yield from ((("runtime", "required-env", index), one) for index, one in items(spec.runtime.required_env))
    for name, secret in () if spec.secrets is UNKNOWN else spec.secrets.items():
        if secret is not UNKNOWN:
            yield from ((("secrets", name, "as-env", index), one) for index, one in items(secret.as_env))
            if secret.env is not UNKNOWN and secret.env:
                yield ("secrets", name, "env"), secret.env


def _keys(table: Mapping[str, str]) -> tuple[str, ...]:
    return () if table is UNKNOWN else tuple(table)


# The characters of Docker's guide to labels, and `/` and capitals, which others use.
_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?")
# Source: docs.docker.com/engine/manage-resources/labels, "Key format recommendations".
_RESERVED = ("com.docker.", "io.docker.", "org.dockerproject.")
_OF_IMAGE = {f"org.opencontainers.image.{key}": key for key in ("title", "description", "source", "licenses")}


def bad_label(subject: Subject) -> Iterator[Diagnostic]:
    """A label has a name that isn't one, that Docker keeps for itself, or that `[image]` gives already."""
    for name, stage in () if subject.spec.stages is UNKNOWN else subject.spec.stages.items():
        for label, _ in () if stage is UNKNOWN else pairs(stage.labels):
            if _LABEL.fullmatch(label) is None:
                why = f"{quoted(label)} is not the name of a label; write it as 'org.example.team'"
            elif label.startswith(_RESERVED):
                why = "Docker keeps this name for itself; use a domain of your own"
            elif label in _OF_IMAGE:
                why = f"is given by image.{_OF_IMAGE[label]}; write it there"
            else:
                continue
            yield subject.problem("bad-label", ("stages", name, "labels", label), why, key=True)
