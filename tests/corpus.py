"""Files that are no specification, through a whole check: `python tests/corpus.py PATH`, a checkout of toml-test.

Each has to end in a diagnostic with line and column and exit code 2, within a second of the processor's time. Those of
TOML's valid files are counted too: nothing but its being no specification may be said of one.
"""

# ruff: noqa: T201 - a program, which prints what it counts

from __future__ import annotations

import contextlib
import io
import json
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

from buildspec.cli import main as run

ROOT = Path(__file__).resolve().parents[1]
SECONDS, MEGABYTES = 1.0, 150
SYNTAX = frozenset({"syntax", "encoding"})

Mutation = Callable[[bytes, random.Random], bytes]


def checked(raw: bytes, file: Path) -> tuple[set[str], str]:
    """The rules that a text breaks, and what is wrong with how that was told; empty when nothing is."""
    file.write_bytes(raw)
    out, err = io.StringIO(), io.StringIO()
    start = time.process_time()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = run(["check", "--format", "json", "--file", str(file)])
    except BaseException as error:
        return set(), f"{type(error).__name__}: {error}"
    if (taken := time.process_time() - start) > SECONDS:
        return set(), f"took {taken:.1f} s"
    if code not in (0, 2):
        return set(), f"exit code {code}"
    found = json.loads(out.getvalue())
    told = found["diagnostics"] if isinstance(found, dict) else found
    errors = [one for one in told if one["severity"] == "error"]
    if bool(errors) != (code == 2):
        return set(), f"exit code {code} with {len(errors)} errors"
    if any(not _placed(one) for one in errors):
        return set(), "an error without line and column"
    return {one["rule"] for one in errors}, ""


def _placed(one: dict[str, object]) -> bool:
    held = one.get("place") or one
    return isinstance(held, dict) and held.get("line", 0) > 0 and held.get("column", 0) > 0


def _line(change: Callable[[bytes, random.Random], bytes]) -> Mutation:
    """A mutation of one line that holds a key and its value."""

    def mutate(raw: bytes, chance: random.Random) -> bytes:
        lines = raw.split(b"\n")
        at = chance.choice([index for index, line in enumerate(lines) if b" = " in line and line[:1].isalpha()])
        lines[at] = change(lines[at], chance)
        return b"\n".join(lines)

    return mutate


def _value(*values: bytes) -> Mutation:
    return _line(lambda line, chance: line.split(b" = ")[0] + b" = " + chance.choice(values))


def _insert(*texts: bytes) -> Mutation:
    def mutate(raw: bytes, chance: random.Random) -> bytes:
        at = chance.randrange(len(raw))
        return raw[:at] + chance.choice(texts) + raw[at:]

    return mutate


def _header(raw: bytes, chance: random.Random) -> bytes:
    lines = raw.split(b"\n")
    at = chance.choice([index for index, line in enumerate(lines) if line.startswith(b"[")])
    lines[at] = chance.choice([lines[at][1:], b"[" + lines[at], lines[at].replace(b"]", b""), b"[image]", b"[stages]x"])
    return b"\n".join(lines)


MUTATIONS: dict[str, Mutation] = {
    "type": _value(b"1", b"1.5", b"true", b"[]", b"{}", b"[[1]]", b"1979-05-27", b"07:32:00", b"nan", b"{ a = 1 }"),
    "text": _value(b'"a\\nb"', b'"\\u0000"', b'"--x"', b'"../x"', b'"${nothing}"', b'"${"', b"'" + b"x" * 300 + b"'"),
    "no value": _value(b"", b"yes", b"=", b"0x", b"1__0", b'"\\q"', b"'open", b'"""open', b"[1", b"{a", b"1" * 5000),
    "key": _line(lambda line, chance: chance.choice([b"x", b"froom = 'a'\n", b'"" = 1\n', b"a.b.c = 1\n"]) + line),
    "twice": _line(lambda line, _: line + b"\n" + line),
    "no key": _line(lambda line, _: line[line.index(b"=") :]),
    "syntax": _insert(b"[", b"]", b'"', b"'", b"=", b"\\", b"{", b"}", b"\n.", b'"""', b"[" * 2000, b"a." * 5000),
    "byte": _insert(*(bytes([one]) for one in (*range(9), 11, 12, *range(14, 32), 127, *range(128, 256)))),
    "cut": lambda raw, chance: raw[: chance.randrange(len(raw))] + b"\n[",
    "header": _header,
    "encoding": lambda raw, chance: (
        raw.decode().encode(chance.choice(["utf-16", "utf-16-le", "utf-32", "utf-7"])) + b"\xff"
    ),
    "missing": _line(lambda line, _: b"# " + line + b"\nunknown-key = 1"),
}


def mutated(count: int) -> Iterator[tuple[str, bytes]]:
    """So many malformed specifications, always the same, of every kind in turn."""
    chance = random.Random(3)  # noqa: S311 - the same ones each time
    whole = (ROOT / "buildspec.toml").read_bytes()
    for index in range(count):
        name = list(MUTATIONS)[index % len(MUTATIONS)]
        yield f"{name} {index}", MUTATIONS[name](whole, chance)


def listed(folder: Path, version: str) -> list[Path]:
    """The files of a version of TOML, relative to the folder."""
    names = (folder / f"files-toml-{version}").read_text(encoding="utf-8").split()
    return [Path(name) for name in names if name.endswith(".toml")]


def corpus(folder: Path, file: Path) -> tuple[Counter[str], list[str]]:
    """Count what becomes of the files of TOML 1.1, and tell what shouldn't."""
    counts: Counter[str] = Counter()
    wrong = []
    for name in listed(folder, "1.1.0"):
        rules, trouble = checked((folder / name).read_bytes(), file)
        kind = name.parts[0]
        no_toml = bool(rules & SYNTAX)
        trouble = trouble or ("" if no_toml == (kind == "invalid") else f"told as {sorted(rules)}")
        counts[f"{kind} files of TOML 1.1, {'wrong' if trouble else 'right'}"] += 1
        wrong += [f"{name}: {trouble}"] if trouble else []
    return counts, wrong


def main(argv: list[str]) -> int:
    """Run all of them; the exit code says whether each was told."""
    counts: Counter[str] = Counter()
    wrong: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "buildspec.toml"
        for path in argv:
            more, told = corpus(Path(path), file)
            counts += more
            wrong += told
        for name, raw in mutated(600):
            rules, trouble = checked(raw, file)
            trouble = trouble or ("" if rules else "nothing was said")
            counts[f"malformed specifications, {'wrong' if trouble else 'right'}"] += 1
            wrong += [f"{name}: {trouble}"] if trouble else []
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    wrong += [f"{memory:.0f} MB of memory"] if memory > MEGABYTES else []
    for what, count in sorted(counts.items()):
        print(f"{count:5} {what}")
    print(f"{memory:5.0f} MB at most")
    print("\n".join(wrong) or "every one told with line and column, exit code 2, no traceback")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
