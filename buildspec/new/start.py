"""What package.json says about its start in, what `node` runs out; a shell or another program is refused."""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from buildspec.errors import UsageError, quoted
from buildspec.new import project
from buildspec.new.project import Wanted

MADE = frozenset({"dist", "build", "out", "lib"})
"""Folders that build scripts write."""
_LIBRARIES = (".js", ".mjs", ".cjs", ".json", ".node")
_TYPED = (".ts", ".mts", ".cts", ".tsx", ".jsx")
_BY_A_SHELL = re.compile(r"[$`*?\[\]{}~!#\\\n]")
"""Characters that a shell may turn into something else."""
_VARIABLE = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_LOADED = ("-r", "--require", "--import", "--loader", "--experimental-loader")
_TAKES_A_VALUE = re.compile(
    r"-r|-C|--(require|import|loader|experimental-loader|conditions|title|input-type|icu-data-dir|openssl-config"
    r"|redirect-warnings|disable-warning|disable-proto|diagnostic-dir|dns-result-order|unhandled-rejections"
    r"|max-http-header-size|experimental-default-type|tls-cipher-list|secure-heap|secure-heap-min"
    r"|trace-event-categories|trace-event-file-pattern|report-(dir|directory|filename|signal)|heapsnapshot-signal"
    r"|cpu-prof-dir|cpu-prof-name|localstorage-file)"
)
"""Options of node, the value of which may be a word of its own."""
# What runs no file, or waits, watches, or reads variables from a file that no image gets.
_OTHER_RUNS = re.compile(r"--|--(eval|print|check|test|watch|inspect-brk|interactive|run|env-file|version|help)\b.*")
_SHORT = ("-r", "-C")


@attrs.frozen
class Start:
    """What starts.

    Args:
        file: as the script names it.
        options: of node.
        arguments: of the program.
        env: variables that the script sets.
        loaded: what options load before it: files and modules.
    """

    file: str
    options: tuple[str, ...] = ()
    arguments: tuple[str, ...] = ()
    env: Mapping[str, str] = attrs.field(factory=dict)
    loaded: tuple[str, ...] = ()


def find(wanted: Wanted, manifest: Mapping[str, Any], *, build: bool) -> Start:
    """What starts: what the caller says, or the start script, or the one file that the manifest or npm means.

    Args:
        wanted: the folder, and what the caller says about it.
        manifest: package.json.
        build: it has a script that builds.

    Raises:
        UsageError: nothing does, nothing that is understood, or more than one.
    """
    begins, teller = _begins(wanted, manifest)
    file = _file(wanted.folder, begins.file, build=build)
    if not file:
        why = f"{quoted(begins.file)} isn't there{f', which {teller} names' if teller else ''}"
        raise UsageError(
            f"{why}, and no build script is seen to make it", "say what starts, as a file of JavaScript: `--entry FILE`"
        )
    if file.endswith(_TYPED):
        raise UsageError(
            f"{quoted(file)} isn't JavaScript", "say what the build makes of it, such as `--entry dist/server.js`"
        )
    for one in begins.loaded:
        if one.startswith((".", "/")) and not _file(wanted.folder, one, build=build):
            raise UsageError(f"{quoted(one)} isn't there, which the start script loads", "say `--entry FILE`")
    return attrs.evolve(begins, file=file)


def _begins(wanted: Wanted, manifest: Mapping[str, Any]) -> tuple[Start, str]:
    """What is said to start, and what says so; that is empty where the caller does."""
    script = project.table(manifest.get("scripts")).get("start")
    if wanted.entry:
        return Start(wanted.entry), ""
    if not (script and isinstance(script, str)):
        return Start(_named(wanted.folder, manifest)), "package.json"
    if found := read(script):
        return found, "the start script"
    raise UsageError(f"the start script {quoted(script)} isn't understood", "say `--entry FILE`")


def _named(folder: Path, manifest: Mapping[str, Any]) -> str:
    """The file that starts where there is no script for it."""
    programs = manifest.get("bin")
    programs = [programs] if isinstance(programs, str) else list(project.table(programs).values())
    names = [normal(one) for one in (manifest.get("main"), *programs) if one and isinstance(one, str)]
    names = names or [one for one in ("server.js", "index.js") if (folder / one).is_file()]
    several = list(dict.fromkeys(names))
    if len(several) > 1:
        ways = " or ".join(f"`--entry {one}`" for one in several)
        raise UsageError(f"several files may be what starts: {', '.join(map(quoted, several))}", f"say which: {ways}")
    if not several:
        way = 'give it a start script such as "node server.js", or "main", or say it here: `--entry server.js`'
        raise UsageError("package.json doesn't say which file starts", way)
    return several[0]


def normal(path: str) -> str:
    """A path without `./` and its kin."""
    return posixpath.normpath(path)


def _file(folder: Path, given: str, *, build: bool) -> str:
    """The file that node takes for a name, now or once the build has made it; empty without one."""
    name = normal(given)
    if name.startswith(("/", "..")) or not project.is_path(name):
        return ""
    there = next((one for one in (name, f"{name}.js", f"{name}/index.js") if (folder / one).is_file()), "")
    top, _, rest = name.partition("/")
    if there or not build or top not in MADE:
        return there
    if name.endswith(_LIBRARIES):
        return name
    return f"{name}/index.js" if not rest or (folder / "src" / rest).is_dir() else f"{name}.js"


def read(script: str) -> Start | None:
    """What a start script runs; None where it isn't `node` with a file, by itself.

    Args:
        script: as npm would give it to a shell.
    """
    if _BY_A_SHELL.search(script):
        return None
    lexer = shlex.shlex(script, posix=True, punctuation_chars=True)
    lexer.whitespace_split, lexer.commenters = True, ""
    try:
        words = list(lexer)
    except ValueError:
        return None
    if any(set(word) <= set("();<>|&") for word in words):
        return None
    env: dict[str, str] = {}
    while words and (variable := _VARIABLE.fullmatch(words[0])):
        env[variable[1]] = variable[2]
        words.pop(0)
    return _of_node(words[1:], env) if words[:1] == ["node"] else None


def _of_node(words: list[str], env: Mapping[str, str]) -> Start | None:
    options: list[str] = []
    loaded: list[str] = []
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if _OTHER_RUNS.fullmatch(option) or not (option.startswith("--") or option in _SHORT):
            return None
        options.append(option)
        name, given, value = option.partition("=")
        if not given and _TAKES_A_VALUE.fullmatch(name):
            if not words:
                return None
            options.append(value := words.pop(0))
        if name in _LOADED:
            loaded.append(value)
    if not words:
        return None
    return Start(words[0], tuple(options), tuple(words[1:]), env, tuple(loaded))
