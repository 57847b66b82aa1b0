"""A Dockerfile fragment in, its instructions with their lines out."""

from __future__ import annotations

import re

import attrs

_KEYWORD = re.compile(r"\s*([A-Za-z]+)(?=\s|$)")
_HEREDOC = re.compile(r"(?<!<)<<(-?)\s*(['\"]?)([A-Za-z_][A-Za-z0-9_.]*)\2")
_ESCAPE = re.compile(r"#\s*escape\s*=\s*(\S)", re.IGNORECASE)


@attrs.frozen
class Instruction:
    """An instruction of a fragment."""

    keyword: str
    """In capitals: `RUN`."""
    text: str
    """The whole of it as written, over as many lines as it takes."""
    line: int
    """Its first line in the fragment, from 1."""


@attrs.frozen
class Fragment:
    """The commands of a stage."""

    file: str
    """Path as the user would type it."""
    text: str
    instructions: tuple[Instruction, ...]


def parse_fragment(text: str, file: str) -> Fragment:
    """Split a fragment into instructions: continuations, comments and heredocs as BuildKit's parser reads them.

    Args:
        text: the fragment.
        file: its path as the user would type it.
    """
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    first = _ESCAPE.fullmatch(lines[0].strip())
    escape = first.group(1) if first else "\\"
    instructions = []
    at = 0
    while at < len(lines):
        stripped = lines[at].strip()
        if not stripped or stripped.startswith("#"):
            at += 1
            continue
        end = _end(lines, at, escape)
        match = _KEYWORD.match(lines[at])
        keyword = match.group(1).upper() if match else stripped.split()[0]
        instructions.append(Instruction(keyword, "\n".join(lines[at:end]).strip("\n"), at + 1))
        at = end
    return Fragment(file, text, tuple(instructions))


def _end(lines: list[str], start: int, escape: str) -> int:
    """The line after an instruction that starts at `start`."""
    continued = re.compile(re.escape(escape) + r"[ \t]*$")
    at = start
    logical = ""
    while at < len(lines):
        line = lines[at]
        at += 1
        if at > start + 1 and line.strip().startswith("#"):
            continue  # a comment inside a continued instruction
        more = continued.search(line)
        logical += line[: more.start()] if more else line
        if not more:
            break
    for dash, _, name in _HEREDOC.findall(logical):
        while at < len(lines):
            line = lines[at]
            at += 1
            if (line.lstrip("\t") if dash else line) == name:
                break
    return at
