"""Commands of stages in, what they install and compile out, as far as a look at their words can tell."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from functools import cached_property, lru_cache
from itertools import dropwhile
from typing import Literal

import attrs

from buildspec.checks.rules import Subject
from buildspec.checks.texts import in_fragment, items
from buildspec.errors import Diagnostic
from buildspec.spec.fragments import Fragment
from buildspec.spec.positions import spell
from buildspec.spec.unknown import UNKNOWN, UnknownError

_RUN = re.compile(r"\s*RUN\s+", re.IGNORECASE)
_FLAG = re.compile(r"--(\w+)=(\S+)\s+")
_CONTINUED = re.compile(r"\\[ \t]*\n")
_SEPARATOR = re.compile(r"&&|\|\||[;|\n(){}]")
_BEFORE = re.compile(r"[A-Za-z_]\w*=\S*|sudo|env|exec|time|then|do|else|if|!|set")
_COMPILERS = frozenset({"gcc", "g++", "cc", "c++", "clang", "clang++", "make", "cmake", "ninja", "meson", "node-gyp"})


@attrs.frozen(repr=False)
class Shell:
    """One command of a stage."""

    stage: str
    text: str
    """Without `RUN` and its flags, continued lines joined."""
    index: int = -1
    """Its index in `run`; -1 when it stands in a fragment."""
    fragment: Fragment | None = None
    line: int = 0
    """Its line in the fragment."""
    mounts: tuple[str, ...] = ()
    """Values of its `--mount` flags."""

    @cached_property
    def installs(self) -> tuple[Install, ...]:
        """What it installs or compiles."""
        return tuple(installs(self))

    @property
    def exec_form(self) -> bool:
        """Whether it is an array, which needs no shell."""
        return self.fragment is not None and self.text.lstrip().startswith("[")

    def problem(self, subject: Subject, rule: str, message: str) -> Diagnostic:
        """A diagnostic at this command; its path is that of the stage, so that a waiver can name it."""
        if self.fragment is None:
            return subject.problem(rule, ("stages", self.stage, "run", self.index), message)
        one = in_fragment(self.fragment, self.line, rule, message)
        return Diagnostic(rule, f"{spell(('stages', self.stage))}: {message}", one.place, spell(("stages", self.stage)))


@attrs.frozen(repr=False)
class Install:
    """A step that brings in what others wrote, or compiles."""

    words: str
    """As written, the first few words: `npm ci`."""
    tool: Literal["npm", "yarn", "pnpm", "pip", "poetry", "uv", "cargo", "go", "compiler"]
    dependencies: bool = False
    """It installs what a manifest of the application names."""
    machine_code: bool = False
    """It may leave machine code."""
    fetches: bool = True
    """It downloads packages, which a cache mount would keep."""
    requirements: str = ""
    """The file that pip's `-r` names."""


def commands(subject: Subject, name: str) -> tuple[Shell, ...]:
    """The commands of a stage itself: those of `run`, else those of its fragment.

    Raises:
        UnknownError: its `run` isn't known.
    """
    found = _of_all(subject)[name]
    if found is None:
        raise UnknownError
    return found


@lru_cache(maxsize=1)
def _of_all(subject: Subject) -> Mapping[str, tuple[Shell, ...] | None]:
    """The commands of each stage, read once for all rules; None where they aren't known."""
    found: dict[str, tuple[Shell, ...] | None] = {}
    for name in subject.spec.stages:
        try:
            found[name] = tuple(_commands(subject, name))
        except UnknownError:
            found[name] = None
    return found


def _commands(subject: Subject, name: str) -> Iterator[Shell]:
    stage = subject.spec.stages[name]
    if stage is UNKNOWN:
        return
    if stage.run:
        for index, command in items(stage.run):
            yield Shell(name, _without_comments(_CONTINUED.sub(" ", command)), index)
        return
    fragment = subject.source.fragments.get(name)
    for one in fragment.instructions if fragment is not None else ():
        if one.keyword == "RUN":
            rest = _CONTINUED.sub(" ", _without_comments(one.text))
            rest = rest[match.end() :] if (match := _RUN.match(rest)) else rest
            mounts = []
            while match := _FLAG.match(rest):
                mounts += [match.group(2)] if match.group(1) == "mount" else []
                rest = rest[match.end() :]
            yield Shell(name, rest, fragment=fragment, line=one.line, mounts=tuple(mounts))


def _without_comments(text: str) -> str:
    """The text without lines that are comments, and blank ones before them."""
    kept: list[str] = []
    for line in text.split("\n"):
        if line.lstrip().startswith("#"):
            while kept and not kept[-1].strip():
                kept.pop()
        else:
            kept.append(line)
    return "\n".join(kept)


def installs(command: Shell) -> Iterator[Install]:
    """What a command installs or compiles, simple command by simple command."""
    for part in _SEPARATOR.split(command.text):
        if not part.strip():
            continue
        words = part.replace('"', " ").replace("'", " ").replace(",", " ").replace("[", " ").split()
        words = list(dropwhile(_BEFORE.fullmatch, words))
        if words[:2] == ["corepack", "enable"] or not words:
            continue
        found = _install(posixpath.basename(words[0]), words[1:])
        if found is not None:
            yield attrs.evolve(found, words=" ".join(words[:2]))


def _install(program: str, words: list[str]) -> Install | None:
    if program in {"python", "python3"} and words[:1] == ["-m"]:
        program, words = (words[1] if len(words) > 1 else ""), words[2:]
    if program in _COMPILERS:
        return Install("", "compiler", machine_code=True, fetches=False)
    verb = next((word for word in words if not word.startswith("-")), "")
    match program:
        case "npm" | "pnpm" | "yarn":
            return _node(program, verb, words)
        case "pip" | "pip3" if verb == "install":
            return _pip(words)
        case "uv" if words[:2] == ["pip", "install"]:
            return _pip(words[1:])
        case "uv" if verb == "sync":
            return Install("", "uv", dependencies=True, machine_code=True)
        case "poetry" if verb in {"install", "sync"}:
            return Install("", "poetry", dependencies=True, machine_code=True)
        case "cargo" if verb in {"build", "install", "fetch"}:
            return Install("", "cargo", dependencies=verb == "fetch", machine_code=verb != "fetch")
        case "go" if verb in {"build", "install"} or words[:2] == ["mod", "download"]:
            return Install("", "go", dependencies=verb == "mod", machine_code=verb != "mod")
    return None


def _node(program: Literal["npm", "pnpm", "yarn"], verb: str, words: list[str]) -> Install | None:
    if verb in {"rebuild", "rb"}:
        return Install("", program, machine_code=True, fetches=False)
    bare = program == "yarn" and not verb
    if not bare and verb not in {"ci", "install", "i", "add", "clean-install"}:
        return None
    given = [word for word in words if not word.startswith("-")][1:]
    other = bool({"-g", "--global", "global", "--location=global"} & set(words)) or bool(given)
    safe = {"--ignore-scripts", "--ignore-scripts=true", "--mode=skip-build"} & set(words)
    return Install("", program, dependencies=not other, machine_code=not safe)


def _pip(words: list[str]) -> Install:
    requirements = ""
    for word, following in zip(words, [*words[1:], ""], strict=True):
        if word in {"-r", "--requirement"}:
            requirements = following
        elif word.startswith("--requirement="):
            requirements = word.partition("=")[2]
    return Install("", "pip", dependencies=bool(requirements), machine_code=True, requirements=requirements)
