"""A Dockerfile fragment in, its instructions with their lines out."""

from __future__ import annotations

import re
from collections.abc import Iterator

import attrs

_KEYWORD = re.compile(r"\s*([A-Za-z]+)(?=\s|$)")
_DIRECTIVE = re.compile(r"#\s*(syntax|escape|check)\s*=\s*(\S.*?)\s*", re.IGNORECASE)
# A word of a shell command as BuildKit's lexer takes it; blanks after a heredoc's `<<` belong to the word.
# groups are atomic and not possessive: Python before 3.11.5 ends these too early (cpython#106052)
_WORD = re.compile(r"(?>(?:<<[ \t]*+|\\.|'[^']*+'|\"(?>(?:[^\"\\]++|\\.)*)\"|[^\s'\"\\<]++|<)+)", re.DOTALL)
_WORDS = re.compile(rf"(?>(?:\s++|{_WORD.pattern})*)", re.DOTALL)
_HEREDOC = re.compile(r"[0-9]*<<(-?)\s*([^<]+)", re.DOTALL)
_QUOTED = re.compile(r"\\(.)|'([^']*)'|\"((?:[^\"\\]|\\.)*)\"", re.DOTALL)
_WITH_HEREDOC = ("RUN", "COPY", "ADD")


@attrs.frozen(repr=False)
class Instruction:
    """An instruction of a fragment."""

    keyword: str
    """In capitals: `RUN`."""
    text: str
    """The whole of it as written, over as many lines as it takes."""
    line: int
    """Its first line in the fragment, from 1."""
    unfinished: bool = False
    """The fragment ends before it does."""
    heredoc: str = ""
    """The line it waits for, when it is an unfinished heredoc."""


@attrs.frozen(repr=False)
class Directive:
    """A parser directive, `# escape=`, `# syntax=` or `# check=`, at the top of a fragment."""

    name: str
    line: int
    """From 1."""


@attrs.frozen(repr=False)
class Fragment:
    """The commands of a stage."""

    file: str
    """Path as the user would type it."""
    text: str
    """The whole of it, with LF as line end and without byte-order mark."""
    instructions: tuple[Instruction, ...]
    directives: tuple[Directive, ...] = ()

    def line_text(self, line: int) -> str:
        """The source line of that number, from 1."""
        return self.text.split("\n")[line - 1]


def parse_fragment(text: str, file: str) -> Fragment:
    """Split a fragment into instructions: continuations, comments and heredocs as BuildKit's parser reads them.

    Source: buildkit, frontend/dockerfile/parser/parser.go and shell/lex.go.

    Args:
        text: the fragment.
        file: its path as the user would type it.
    """
    text = text.removeprefix("\ufeff").replace("\r\n", "\n")
    lines = text.split("\n")
    directives, escape = _directives(lines)
    return Fragment(file, text, tuple(_instructions(lines, escape)), directives)


def _directives(lines: list[str]) -> tuple[tuple[Directive, ...], str]:
    """The directives, which end at the first other line, and the escape character they set."""
    found = []
    escape = "\\"
    for number, line in enumerate(lines, 1):
        if (match := _DIRECTIVE.fullmatch(line)) is None:
            break
        name = match.group(1).lower()
        found.append(Directive(name, number))
        if name == "escape" and match.group(2) == "`":
            escape = "`"
    return tuple(found), escape


def _instructions(lines: list[str], escape: str) -> Iterator[Instruction]:
    at = 0
    while at < len(lines):
        stripped = lines[at].strip()
        if not stripped or stripped.startswith("#"):
            at += 1
            continue
        match = _KEYWORD.match(lines[at])
        keyword = match.group(1).upper() if match else stripped.split()[0]
        end, logical, unfinished = _continued(lines, at, escape)
        waits = ""
        for dash, name in _heredocs(logical) if keyword in _WITH_HEREDOC else ():
            end, closed = _heredoc_end(lines, end, name, dash=dash)
            if not closed:
                unfinished, waits = True, name
                break
        text = "\n".join(lines[at:end]).rstrip("\n")
        yield Instruction(keyword, text, at + 1, unfinished, waits)
        at = end


def _continued(lines: list[str], start: int, escape: str) -> tuple[int, str, bool]:
    """Follow an instruction over its continued lines.

    Returns:
        The index after its last line, its text as one line, and whether that text is continued beyond the fragment.
    """
    mark = re.escape(escape)
    more = re.compile(rf"(?:(?<!{mark})|^){mark}[ \t]*$")
    logical = ""
    for at in range(start, len(lines)):
        line = lines[at]
        if at > start and (not line.strip() or line.lstrip().startswith("#")):
            continue  # BuildKit passes over comments and empty lines within a continued instruction
        match = more.search(line)
        logical += line[: match.start()] if match else line
        if match is None:
            return at + 1, logical, False
    return len(lines), logical, True


def _heredocs(logical: str) -> Iterator[tuple[bool, str]]:
    """The heredocs of an instruction: whether their lines lose leading tabs, and the word that ends them."""
    if not _WORDS.fullmatch(logical):
        return  # a quote isn't closed; BuildKit doesn't look for heredocs then
    for word in _WORD.findall(logical):
        if (match := _HEREDOC.fullmatch(word)) is not None:
            yield bool(match.group(1)), _QUOTED.sub(_unquoted, match.group(2))


def _unquoted(quoted: re.Match[str]) -> str:
    return next(inside for inside in quoted.groups() if inside is not None)


def _heredoc_end(lines: list[str], start: int, name: str, *, dash: bool) -> tuple[int, bool]:
    for at in range(start, len(lines)):
        if (lines[at].lstrip("\t") if dash else lines[at]) == name:
            return at + 1, True
    return len(lines), False
