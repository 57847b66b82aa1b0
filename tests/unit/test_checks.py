"""The rules: each is documented and shown in a golden text, none speaks without need, all speak at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from helpers.specs import MINIMAL, document, problems

from buildspec.checks import RULES, check, examine, findings
from buildspec.checks.rules import Rule, Subject, each_stage, is_waivable, known, name_of
from buildspec.errors import Diagnostic
from buildspec.spec.decode import decode_draft
from buildspec.spec.fragments import parse_fragment
from buildspec.spec.load import Selection, Source, load, read
from buildspec.spec.model import Stage
from buildspec.spec.overlay import profile_names
from buildspec.spec.unknown import UNKNOWN, UnknownError

ROOT = Path(__file__).parents[2]
BAD = ROOT / "tests" / "specs" / "bad"
GOLDENS = sorted(BAD.glob("*.txt"))
# What is said of a specification before it is held against the rules.
READING = {"syntax", "encoding", "unknown-key", "missing-key", "wrong-type", "wrong-value", "base-kind"}
READING |= {"unknown-variable"}


def source(text: str, **fragments: str) -> Source:
    """A source of a text that may be wrong, without files."""
    written = document(text)
    spec, _ = decode_draft(written)
    parsed = {name: parse_fragment(one, f"stages/{name}.Dockerfile") for name, one in fragments.items()}
    return Source(Path(), written, spec, (), parsed)


def found(text: str, **fragments: str) -> list[str]:
    """The rules that a text goes against, without those of judgement: they would have most of these written longer."""
    return [one.rule for one in findings(source(text, **fragments)) if one.rule not in JUDGED]


JUDGED = {name_of(rule) for rule in RULES if is_waivable(rule)}


def rules_in(golden: Path) -> set[str]:
    return set(re.findall(r"(?:error|warning)\[([a-z-]+)\]", golden.read_text(encoding="utf-8")))


# --- all rules ----------------------------------------------------------------------------------------------------


def test_every_rule_has_a_name_of_its_own_and_says_what_it_is_about() -> None:
    names = [name_of(rule) for rule in RULES]
    assert len(names) == len(set(names))
    for rule in RULES:
        assert rule.__doc__
        assert rule.__doc__.strip().endswith(".")


def test_every_rule_of_the_modules_is_held_against_specifications() -> None:
    modules = {rule.__module__ for rule in RULES}
    written = set()
    for module in modules:
        text = (ROOT / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
        written |= set(re.findall(r"^def ([a-z]\w*)\(\w+: Subject", text, re.MULTILINE))
    assert written == {rule.__name__ for rule in RULES}


def test_every_diagnostic_is_shown_in_a_golden_text() -> None:
    shown = set().union(*map(rules_in, GOLDENS))
    assert shown == {name_of(rule) for rule in RULES} | READING


@cache
def right() -> tuple[Source, Source]:
    """A specification that uses everything, and the least that is one."""
    complete = (ROOT / "tests" / "specs" / "complete.toml").read_text(encoding="utf-8")
    return source(complete, app="# nothing\n"), source(MINIMAL, app="# nothing\n")


@pytest.mark.parametrize("rule", RULES, ids=name_of)
def test_a_rule_finds_nothing_wrong_with_what_is_right(rule: Rule) -> None:
    for one in right()[: 1 if is_waivable(rule) else 2]:
        assert list(rule(Subject(one))) == []


def test_the_specification_of_this_repository_is_right_with_each_of_its_profiles() -> None:
    path = ROOT / "buildspec.toml"
    written = read(path)
    for name in ("", *profile_names(written)):
        chosen = Selection((name,) if name else ())
        assert examine(path, chosen, written).source == load(path, chosen, written)


@pytest.mark.parametrize("golden", [one for one in GOLDENS if one.stem.startswith("five-")], ids=lambda one: one.stem)
def test_five_independent_mistakes_are_told_in_one_run(golden: Path) -> None:
    text = golden.read_text(encoding="utf-8")
    assert text.count("error[") == 5
    assert text.endswith("\n5 problems found; nothing was built\n")


def test_ten_specifications_have_five_mistakes_each() -> None:
    assert len(list(BAD.glob("five-*.toml"))) == 10


# --- what isn't known ---------------------------------------------------------------------------------------------

LONG = f"""{MINIMAL}
[bases.bare]
image = "gcr.io/distroless/nodejs20-debian12"

[users.web]
uid = 1001
gid = 1001

[secrets.token]
env = "TOKEN"

[stages.tools]
from = "node"
packages = ["git"]
users = ["web"]
secrets = ["token"]
runs-on = "build"

[stages.test]
from = "tools"
gate = "test"
run = ["true"]

[stages.web]
from = "bare"
user = "web"
copy = [{{ from = "app", path = "/app", owner = "web" }}, {{ from = "tools", path = "/dist" }}]
entrypoint = ["node", "/app/server.js"]
"""


def test_the_long_specification_is_right() -> None:
    assert found(LONG) == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('image = "gcr.io/distroless/nodejs20-debian12"', "image = 3"),
        ('image = "gcr.io/distroless/nodejs20-debian12"', ""),
        ('image = "docker.io/library/node:20-alpine"', 'imagee = "docker.io/library/node:20-alpine"'),
        ("[bases.bare]", "[base.bare]"),
        ("uid = 1001", 'uid = "1001"'),
        ("[users.web]", "[user.web]"),
        ("[users.web]\nuid = 1001\ngid = 1001", "[users]\nweb = 3"),
        ('env = "TOKEN"', "env = 3"),
        ("[secrets.token]", "[secret.token]"),
        ('[stages.tools]\nfrom = "node"', "[stages.tools]"),
        ('[stages.tools]\nfrom = "node"', '[stages.tools]\nform = "node"'),
        ('[stages.tools]\nfrom = "node"', "[stages.tools]\nfrom = 3"),
        ("[stages.tools]", "[stage.tools]"),
        ('packages = ["git"]\nusers = ["web"]\nsecrets = ["token"]', "packages = 3\nusers = [3]\nsecrets = [4]"),
        ('runs-on = "build"', 'runs-on = "builder"'),
        ('gate = "test"', 'gate = "tests"'),
        ('user = "web"', "user = 1001"),
        ('copy = [{ from = "app", path', "copy = [3, { from = 3, path"),
        ('entrypoint = ["node", "/app/server.js"]', "entrypoint = 3\ncmd = [3]\nhealthcheck = 3"),
        ('deliver = { app = "" }', 'delivers = { app = "" }'),
        ('deliver = { app = "" }', "deliver = { app = 3 }"),
        ('platforms = ["linux/amd64"]', 'platforms = "linux/amd64"'),
        ("[image]", "[images]"),
        ("[stages.app]", "[stage.app]"),
    ],
)
def test_a_mistake_has_no_false_findings_in_its_wake(old: str, new: str) -> None:
    assert LONG.count(old) == 1
    text = LONG.replace(old, new)
    assert decode_draft(document(text))[1]
    assert found(text) == []


def test_a_table_that_is_no_table_silences_what_hangs_on_it_alone() -> None:
    text = LONG.replace("[users.web]\nuid = 1001\ngid = 1001", "").replace("spec = 1", "spec = 1\nusers = 3")
    assert found(f"{text}\n[stages.x]\nfrom = 'nowhere'\nusers = ['y']\n") == ["unknown-stage"]
    assert found(
        "spec = 1\nbases = 3\n[image]\nname = 'x'\nplatforms = []\ndeliver = { y = '' }\n[stages.x]\nfrom = 'z'\n"
    ) == [
        "unknown-delivery",
        "nothing-delivered",
    ]
    assert found("") == []


def test_of_what_starts_nowhere_or_in_a_circle_only_that_is_told() -> None:
    wants = "packages = ['git']\nusers = ['u']\nrun = ['x']\ncmd = 'x'\n"
    text = f"{MINIMAL}[users.u]\nuid = 1\ngid = 1\n"
    assert found(f"{text}[stages.x]\nfrom = 'nowhere'\n{wants}") == ["unknown-stage"]
    assert found(f"{text}[stages.x]\nfrom = 'x'\n{wants}") == ["stage-cycle"]
    assert found(f"{text}[bases.b]\nimage = 'a/b'\nfamily = 'alpin'\n[stages.x]\nfrom = 'b'\n{wants}") == [
        "unknown-family"
    ]


def test_elements_beside_an_unknown_one_are_still_looked_at() -> None:
    text = f"{MINIMAL}copy = [3, {{ from = 'x', path = 'a' }}, {{ path = 3, from = 'y' }}, {{ from = 'z' }}]\n"
    told = findings(source(f"{text}users = [1, 'u']\n"))
    paths = [one.message.partition(":")[0] for one in told if one.rule not in JUDGED]
    assert paths == [
        "stages.app.copy[1].from",
        "stages.app.copy[2].from",
        "stages.app.copy[3].from",
        "stages.app.users[1]",
    ]


def test_whoever_looks_at_what_is_unknown_is_stopped() -> None:
    looks: list[Callable[[], object]] = [
        lambda: bool(UNKNOWN),
        lambda: UNKNOWN == 1,
        lambda: UNKNOWN != 1,
        lambda: 1 == UNKNOWN,  # noqa: SIM300 - from the other side
        lambda: UNKNOWN in {1},
        lambda: UNKNOWN in ("a",),
        lambda: "a" in UNKNOWN,
        lambda: [*UNKNOWN],
        lambda: {**UNKNOWN},
        lambda: len(UNKNOWN),
        lambda: UNKNOWN[0],
        lambda: UNKNOWN.from_,
        lambda: UNKNOWN(),
        lambda: f"{UNKNOWN}",
        lambda: str(UNKNOWN),
        lambda: isinstance(UNKNOWN, str),
        lambda: UNKNOWN + "a",
        lambda: "a" + UNKNOWN,
        lambda: UNKNOWN | {1},
        lambda: sorted([UNKNOWN, 1]),
        lambda: Path(UNKNOWN),
    ]
    for look in looks:
        with pytest.raises(UnknownError):
            look()
    assert repr(UNKNOWN) == "UNKNOWN"


def test_findings_before_the_unknown_count() -> None:
    def rule() -> Iterator[Diagnostic]:
        yield Diagnostic("one", "first")
        if UNKNOWN:
            yield Diagnostic("two", "never")

    assert [one.rule for one in known(rule())] == ["one"]


def test_a_rule_about_stages_goes_on_with_the_next_one() -> None:
    @each_stage
    def rule(subject: Subject, name: str, stage: Stage) -> Iterator[Diagnostic]:
        if stage.workdir:
            yield subject.problem("rule", ("stages", name), "has a workdir")

    text = (
        f"{MINIMAL}workdir = '/a'\n[stages.b]\nfrom = 'node'\nworkdir = 3\n[stages.c]\nfrom = 'node'\nworkdir = '/c'\n"
    )
    assert [one.message for one in rule(Subject(source(text)))] == [
        "stages.app: has a workdir",
        "stages.c: has a workdir",
    ]


def test_check_tells_all_findings() -> None:
    text = f"{MINIMAL}user = 'x'\n[stages.b]\nfrom = 'y'\n"
    told = [one.rule for one in problems(lambda: check(source(text))) if one.rule not in JUDGED]
    assert told == ["unknown-user", "unknown-stage"]
    assert {one.rule for one in check(source(f"{MINIMAL}user = '1000'\n"))} <= JUDGED


# --- single rules, beyond what the golden texts show ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("tail", "rules"),
    [
        ("[stages.b]\nfrom = 'scratch'\n", []),
        ("[stages.b]\nfrom = 'app'\n", []),
        ("copy = [{ from = 'scratch', path = '/x' }]\n", ["unknown-copy-source"]),
        ("copy = [{ from = 'node', path = '/x' }]\n", []),
        ("user = '1000'\n", []),
        ("user = '1000:1000'\n", []),
        ("user = '1000:web'\n", ["unknown-user"]),
        ("user = '\u0661'\n", ["unknown-user"]),
        ("run = ['true']\n", []),
        ("cmd = 'echo hello'\n", []),
        ("[stages.b]\nfrom = 'scratch'\nrun = ['true']\n", ["run-without-shell"]),
        ("[stages.b]\nfrom = 'scratch'\nusers = []\npackages = []\n", []),
        ("[stages.b]\nfrom = 'scratch'\npackages = ['git']\n", ["packages-without-manager"]),
        (
            "[bases.d]\ndebian = 'trixie'\npackages = []\nshell = false\n[stages.b]\nfrom = 'd'\npackages = ['git']\n",
            [],
        ),
        (
            "[bases.d]\ndebian = 'trixie'\npackages = []\nshell = false\n[stages.b]\nfrom = 'd'\nrun = ['true']\n",
            ["run-without-shell"],
        ),
        ("[bases.d]\ndebian = 'trixie'\npackages = []\n[stages.b]\nfrom = 'd'\nrun = ['true']\n", []),
        ("[bases.d]\nimage = 'debian:12'\n[stages.b]\nfrom = 'd'\npackages = ['git']\n", []),
        ("[bases.d]\nimage = 'ghcr.io/a/b'\nfamily = 'wolfi'\n[stages.b]\nfrom = 'd'\npackages = ['git']\n", []),
        ("[stages.b]\nfrom = 'app'\nruns-on = 'build'\n[stages.c]\nfrom = 'b'\nruns-on = 'build'\n", []),
        ("[stages.a_1-b]\nfrom = 'node'\n", []),
        ("[stages.1a]\nfrom = 'node'\n", ["reserved-name"]),
        ("[stages.'a.b']\nfrom = 'node'\n", ["reserved-name"]),
        ("[stages.'']\nfrom = 'node'\n", ["reserved-name"]),
        ("[stages.\"a\\n\"]\nfrom = 'node'\n", ["reserved-name"]),
        ("secrets = ['npmrc', 'ca-bundle', 'proxy']\n", []),
        ("env = { A = 'b\\nc', B = '\\u0008' }\n", []),
    ],
)
def test_a_rule_tells_right_from_wrong(tail: str, rules: list[str]) -> None:
    assert found(MINIMAL + tail) == rules


@pytest.mark.parametrize(
    ("image", "shell"),
    [
        ("alpine", True),
        ("debian:trixie-slim", True),
        ("ubuntu", True),
        ("node:20", True),
        ("node:20-alpine", True),
        ("python:3.13-slim", True),
        ("gcr.io/distroless/static-debian12", False),
        ("gcr.io/distroless/base", False),
        ("gcr.io/distroless/cc-debian12", False),
        ("gcr.io/distroless/nodejs20-debian12", False),
        ("gcr.io/distroless/python3-debian12", False),
    ],
)
def test_well_known_images_need_no_family(image: str, shell: bool) -> None:
    subject = Subject(source(MINIMAL.replace("docker.io/library/node:20-alpine", image)))
    traits = subject.traits("app")
    assert traits is not None
    assert bool(traits.shell) is shell


def test_nothing_is_guessed_of_other_images() -> None:
    for image in ("ghcr.io/acme/node:20", "nodes:20", "gcr.io/distroless/java21", "docker.io/acme/alpine"):
        assert Subject(source(MINIMAL.replace("docker.io/library/node:20-alpine", image))).traits("app") is None


TWO_CIRCLES = """\
[stages.a]
from = "b"
copy = [{ from = "c", path = "x" }]
[stages.b]
from = "a"
[stages.c]
from = "a"
"""


@pytest.mark.parametrize(
    ("tail", "circles"),
    [
        ("[stages.a]\nfrom = 'b'\n[stages.b]\nfrom = 'a'\n", ["a -> b -> a"]),
        ("[stages.a]\nfrom = 'b'\n[stages.b]\nfrom = 'c'\n[stages.c]\nfrom = 'b'\n", ["b -> c -> b"]),
        ("[stages.a]\nfrom = 'a'\n", ["a -> a"]),
        (TWO_CIRCLES, ["a -> b -> a", "a -> c -> a"]),
        ("[stages.a]\nfrom = 'app'\ncopy = [{ from = 'b', path = 'x' }]\n[stages.b]\nfrom = 'app'\n", []),
    ],
)
def test_every_circle_is_told_once(tail: str, circles: list[str]) -> None:
    told = [one.message for one in findings(source(MINIMAL + tail)) if one.rule == "stage-cycle"]
    assert [message.partition("needs itself: ")[2] for message in told] == circles


def test_a_long_circle_is_told_in_short() -> None:
    stages = "".join(f"[stages.s{i}]\nfrom = 's{(i + 1) % 500}'\n" for i in range(500))
    (one,) = (one for one in findings(source(MINIMAL + stages)) if one.rule not in JUDGED)
    assert one.message == "stages.s0: needs itself: s0 -> s1 -> s2 -> s3 -> … -> s497 -> s498 -> s499 -> s0"


@pytest.mark.parametrize(
    ("commands", "rules"),
    [
        ("RUN true\nARG A\nSHELL ['sh']\n", []),
        ("# a comment\n\n", []),
        ("run true\n", []),
        ("RUN <<EOF\nUSER x\nEOF\n", []),
        ("WORKDIR /x\nLABEL a=b\n", ["instruction-in-fragment"] * 2),
        ("FROM x\nMAINTAINER y\n", ["instruction-in-fragment"] * 2),
        ("RUN true \\\n", ["unfinished-instruction"]),
        ("COPY <<EOF /x\nEO\n", ["instruction-in-fragment", "unfinished-instruction"]),
        ("# check=skip=all\nRUN true\n", ["directive-in-fragment"]),
    ],
)
def test_a_fragment_holds_commands_alone(commands: str, rules: list[str]) -> None:
    assert found(MINIMAL, app=commands) == rules


def test_a_fragment_of_no_stage_is_told_as_such_alone() -> None:
    assert found(MINIMAL, other="USER x\n") == ["unused-fragment"]


@pytest.mark.parametrize(
    ("deliver", "from_", "broken"), [("app", "node", False), ("ap", "node", True), ("app", "nod", True)]
)
def test_what_follows_from_a_broken_graph_is_told_when_it_is_whole(deliver: str, from_: str, broken: bool) -> None:
    text = MINIMAL.replace('["linux/amd64"]', '["linux/amd64", "linux/arm64"]').replace("app =", f"{deliver} =")
    text = text.replace('from = "node"', f'from = "{from_}"') + 'run = ["x"]\n[stages.spare]\nfrom = "node"\n'
    graph = {"unused-stage", "emulated-run", "no-health-check"}
    assert {one.rule for one in findings(source(text))} & graph == (set() if broken else graph)
