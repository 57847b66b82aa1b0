"""A small reader of Dockerfiles, written from the documentation and not from our writer, to hold that against."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import attrs


@attrs.frozen
class Read:
    """An instruction as an engine understands it."""

    keyword: str
    flags: tuple[str, ...]
    rest: str
    """What follows the flags; continued lines are joined."""
    body: str
    """Of its heredoc."""
    line: int
    """Its first, from 1."""
    last: int


def read(text: str) -> list[Read]:
    """The instructions of a Dockerfile."""
    lines = text.split("\n")
    return list(_instructions(lines))


def _instructions(lines: list[str]) -> Iterator[Read]:
    at = 0
    while at < len(lines):
        if not lines[at].strip() or lines[at].lstrip().startswith("#"):
            at += 1
            continue
        first = at
        logical = ""
        while True:
            line = lines[at]
            at += 1
            if logical and (not line.strip() or line.lstrip().startswith("#")):
                continue
            more = re.search(r"(?:^|(?<!\\))\\[ \t]*$", line)
            logical += line[: more.start()] if more else line
            if not more:
                break
        keyword, _, rest = logical.strip().partition(" ")
        flags, rest = _flags(rest.strip())
        body = ""
        if keyword.upper() in ("RUN", "COPY") and (found := re.search(r'(?:^| )<<"?(\w+)"?', rest)):
            end = lines.index(found[1], at)
            body = "".join(f"{line}\n" for line in lines[at:end])
            at = end + 1
        yield Read(keyword.upper(), flags, rest, body, first + 1, at)


def _flags(rest: str) -> tuple[tuple[str, ...], str]:
    found = []
    while match := re.match(r"(--\S+)\s*", rest):
        found.append(match[1])
        rest = rest[match.end() :]
    return tuple(found), rest


def word(text: str) -> str:
    """A word without its quotes and escapes; no variable may be left in it."""
    out, quote, at = "", "", 0
    while at < len(text):
        one = text[at]
        following = text[at + 1 : at + 2]
        if one == "\\" and quote != "'" and (not quote or following in ('"', "$", "\\")):
            assert following, "it ends in a backslash"
            out += following
            at += 1
        elif one == quote:
            quote = ""
        elif one in "\"'" and not quote:
            quote = one
        else:
            assert one != "$" or quote == "'", "a variable would be expanded"
            out += one
        at += 1
    assert not quote, "a quote is never closed"
    return out


def split(text: str) -> list[str]:
    """Words at blanks outside of quotes, with quotes and escapes."""
    return re.findall(r"""(?:\\.|"(?:\\.|[^"\\])*"|'[^']*'|[^\s"'\\])+""", text)


def pairs(text: str) -> dict[str, str]:
    """Names and values of ENV, LABEL and ARG."""
    found = {}
    for one in split(text):
        name, equals, value = one.partition("=")
        assert equals
        found[word(name)] = word(value)
    return found


def array(text: str) -> list[str]:
    """The exec form."""
    found = json.loads(text)
    assert all(isinstance(one, str) for one in found)
    return list(found)


def paths(text: str) -> list[str]:
    """Of COPY and VOLUME: words or an array, in which quotes and variables mean something too."""
    return [word(one) for one in (array(text) if text.startswith("[") else split(text))]
