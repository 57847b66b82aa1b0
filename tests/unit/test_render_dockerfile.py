"""The Dockerfile: every instruction, values that stay what they are, and the origin of every line and step."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from conftest import Golden, examples
from helpers.dockerfiles import array, pairs, paths, read, word
from helpers.plans import FACTS, GOLDENS, SMALL, default_plan, planned, source
from hypothesis import example, given
from hypothesis import strategies as st

from buildspec.errors import Place, SpecError
from buildspec.plan import model as plan
from buildspec.plan.planner import make_plan
from buildspec.render.dockerfile import HEADER, render
from buildspec.spec.model import Healthcheck
from buildspec.spec.values import Duration

ORIGIN = plan.Origin(key="stages.app.it", place=Place("buildspec.toml", 3, 1))
SENTINEL = plan.User("7")
EMPTY = planned('[stages.app]\nfrom = "scratch"\n')
PRINTABLE = st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=20)
ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\0"), max_size=20)
few = examples(30)


def file(*does: plan.Instruction) -> str:
    """The instructions of a stage, with one after them that must survive."""
    steps = tuple(plan.Step(one, ORIGIN) for one in (*does, SENTINEL))
    stage = attrs.evolve(EMPTY.stage("app"), steps=steps)
    return render(attrs.evolve(EMPTY, stages=(stage,))).text


def lines(*does: plan.Instruction) -> str:
    """What the instructions are written as."""
    text = file(*does)
    start = f"{HEADER}\nFROM scratch AS app\n"
    assert text.startswith(start)
    assert text.endswith("\nUSER 7\n")
    return text[len(start) : -len("\nUSER 7\n")].removesuffix("\n")  # a blank line follows a heredoc


def rest(one: plan.Instruction) -> str:
    """What an engine reads after the keyword; nothing else may have come of it."""
    found = read(file(one))
    assert [each.keyword for each in found] == ["FROM", found[1].keyword, "USER"]
    return found[1].rest


# --- what each instruction looks like ------------------------------------------------------------------------

CHECK = Healthcheck(test=("node", "h.js"), timeout=Duration(1500), start_interval=Duration(2000), retries=0)


@pytest.mark.parametrize(
    ("does", "expected"),
    [
        (plan.Arg("A"), "ARG A"),
        (plan.Arg("A", ""), 'ARG A=""'),
        (plan.Arg("A", "x y"), 'ARG A="x y"'),
        (plan.Shell(("/bin/sh", "-c", 'x "$0"')), 'SHELL ["/bin/sh", "-c", "x \\"$0\\""]'),
        (plan.Env("A", "$x"), 'ENV A="\\$x"'),
        (plan.Label("a.b", "c"), 'LABEL "a.b"="c"'),
        (plan.Workdir("/app"), "WORKDIR /app"),
        (plan.Copy(("a", "b"), "./c/"), "COPY a b ./c/"),
        (plan.Copy(("a",), "/b", "tool", "1:2", "0644"), "COPY --from=tool --chown=1:2 --chmod=0644 a /b"),
        (plan.Copy(("a b",), "./"), 'COPY ["a b", "./"]'),
        (plan.WriteFile("/etc/x", "a\n$b\n"), 'COPY --chmod=0644 <<"EOF" /etc/x\na\n$b\nEOF'),
        (plan.WriteFile("/etc/x", "EOF\n", "0600"), 'COPY --chmod=0600 <<"EOF1" /etc/x\nEOF\nEOF1'),
        (plan.Run("npm ci"), "RUN npm ci"),
        (plan.Run("[ -f x ]"), 'RUN <<"EOF"\n[ -f x ]\nEOF'),
        (plan.Run("a\nb\n"), 'RUN <<"EOF"\na\nb\nEOF'),
        (plan.Run("x \\"), 'RUN <<"EOF"\nx \\\nEOF'),
        (plan.Verbatim("RUN", "RUN a && \\\n    b"), "RUN a && \\\n    b"),
        (plan.User("1001:1001"), "USER 1001:1001"),
        (plan.Entrypoint(("/usr/bin/node", "x")), 'ENTRYPOINT ["/usr/bin/node", "x"]'),
        (plan.Cmd("node x || exit 1"), "CMD node x || exit 1"),
        (
            plan.Health(CHECK),
            (
                "HEALTHCHECK --interval=30s --timeout=1500ms --start-period=0s --start-interval=2s --retries=0 "
                'CMD ["node", "h.js"]'
            ),
        ),
        (plan.Volume(("/a", "/b c")), 'VOLUME ["/a", "/b c"]'),
        (plan.Expose("8080/udp"), "EXPOSE 8080/udp"),
        (plan.StopSignal("SIGINT"), "STOPSIGNAL SIGINT"),
    ],
)
def test_an_instruction_is_written(does: plan.Instruction, expected: str) -> None:
    assert lines(does) == expected


MOUNTS = (plan.Mount(id="t", target="/run/secrets/t", required=True), plan.Mount(id="t", env="T"))


def test_secrets_and_caches_are_mounted_each_on_a_line() -> None:
    assert lines(plan.Run("x", MOUNTS, ("type=cache,target=/c",))) == (
        "RUN --mount=type=cache,target=/c \\\n"
        "    --mount=type=secret,id=t,target=/run/secrets/t,required=true \\\n"
        "    --mount=type=secret,id=t,env=T \\\n"
        "    x"
    )


@pytest.mark.parametrize(
    "written",
    ["RUN --mount=type=cache,target=/c \\\n    # why\n    x", '  run ["a", "b"]', "RUN <<EOF\nx\nEOF", "RUN\tx"],
)
def test_a_fragments_command_gets_the_stages_secrets_and_stays_as_it_is(written: str) -> None:
    given_flags = lines(plan.Verbatim("RUN", written, MOUNTS))
    before, _, after = given_flags.partition("env=T \\\n    ")
    assert before.startswith("RUN --mount=type=secret,id=t")
    assert written.split(maxsplit=1)[1] == after


def test_stages_start_from_references_contexts_and_each_other() -> None:
    text = render(make_plan(source(SMALL), FACTS)).text
    assert [line for line in text.splitlines() if line.startswith("FROM")] == [
        "FROM --platform=$BUILDPLATFORM trixie.tool.build AS tool",
        "FROM docker.io/library/node:20-alpine AS app.root",
        "FROM --platform=$BUILDPLATFORM docker.io/library/node:20-alpine AS app.packages",
        "FROM --platform=$BUILDPLATFORM docker.io/library/node:20-alpine AS app.users",
        "FROM docker.io/library/node:20-alpine AS app",
        "FROM tool AS check",
        "FROM scratch AS check.report",
    ]


def test_files_of_a_base_are_copied_by_its_reference() -> None:
    found = planned('[stages.app]\nfrom = "bare"\ncopy = [{ from = "node", path = "/x" }]\n')
    assert "COPY --from=docker.io/library/node:20-alpine /x /x\n" in render(found).text


def test_the_first_line_is_ours_so_that_nothing_else_is_a_directive() -> None:
    hostile = planned('[stages.app]\nfrom = "node"\nrun = ["# syntax=evil"]\n', {"app": "# syntax=evil\nRUN x\n"})
    first, *others = render(hostile).text.splitlines()
    assert first == "# Made from buildspec.toml; edit that instead. Builds without buildspec, too:"
    assert not [line for line in others[:2] if "=" in line]


@pytest.mark.parametrize("name", ["default", "small"])
def test_the_whole_file(name: str, golden: Golden) -> None:
    made = default_plan() if name == "default" else make_plan(source(SMALL), FACTS)
    golden(Path(GOLDENS / f"{name}.Dockerfile"), render(made).text)


# --- values stay what they are -------------------------------------------------------------------------------


@few
@given(PRINTABLE)
@example('\\"$x${y}`')
@example("a\\")
@example("<<EOF")
def test_a_value_reads_back_as_it_was(value: str) -> None:
    assert pairs(rest(plan.Env("A", value))) == {"A": value}
    assert pairs(rest(plan.Arg("A", value))) == {"A": value}
    assert pairs(rest(plan.Label("a", value))) == {"a": value}


@few
@given(PRINTABLE.filter(lambda name: "=" not in name))
def test_a_labels_name_reads_back_as_it_was(name: str) -> None:
    assert pairs(rest(plan.Label(name, "v"))) == {name: "v"}


@few
@given(PRINTABLE.filter(bool))
@example("/app ")
@example("/app\\")
@example("/it's")
def test_a_folder_reads_back_as_it_was(path: str) -> None:
    assert word(rest(plan.Workdir(path))) == path
    assert word(rest(plan.StopSignal(path))) == path
    assert paths(rest(plan.Volume((path, "/x")))) == [path, "/x"]


@few
@given(PRINTABLE.filter(bool), PRINTABLE.filter(bool))
@example("--from=evil", "/x")
@example("it's", 'a"b')
@example("[id].js", "$HOME")
def test_copied_paths_read_back_as_they_were(path: str, to: str) -> None:
    (_, copy, _) = read(file(plan.Copy((path,), to, "tool")))
    assert copy.flags == ("--from=tool",)
    assert [one.removeprefix("./<<") for one in paths(copy.rest)] == [path.removeprefix("<<"), to.removeprefix("<<")]


def test_a_path_that_looks_like_a_heredoc_is_none() -> None:
    assert lines(plan.Copy(("<<EOF", "2<<-X"), "/to")) == 'COPY ["./<<EOF", "./2<<-X", "/to"]'


@few
@given(ANY.filter(lambda text: text.strip()))
@example("-x")
@example("[ -d / ]")
@example("# no comment")
@example("cat <<EOF\nUSER 0\nEOF\n")
@example("cat <<EOF1\nEOF\nEOF1\n")
@example("x \\ ")
@example("x\n\ny")
@example("--mount=type=bind,source=/ x")
def test_a_command_reads_back_as_it_was(command: str) -> None:
    (_, run, sentinel) = read(file(plan.Run(command)))
    assert (run.keyword, run.flags, sentinel.rest) == ("RUN", (), "7")
    if run.body:
        assert run.body == (command if command.endswith("\n") else f"{command}\n")
    else:
        assert run.rest == command.rstrip()


@few
@given(ANY.filter(lambda text: text.strip()))
@example("node x \\")
@example("--help")
@example('["x"]')
@example("a\nUSER 0")
@example("a\\ \t")
def test_a_command_line_reads_back_as_it_was(command: str) -> None:
    for found in (rest(plan.Cmd(command)), rest(plan.Entrypoint(command))):
        if found.startswith("["):
            assert array(found) == ["/bin/sh", "-c", command]
        else:
            assert found == command.strip()


@few
@given(st.lists(ANY, min_size=1, max_size=3))
def test_a_command_of_words_reads_back_as_it_was(words: list[str]) -> None:
    assert array(rest(plan.Entrypoint(tuple(words)))) == words
    check = rest(plan.Health(Healthcheck(test=tuple(words))))
    assert array(check.removeprefix("CMD ")) == words


@few
@given(ANY)
def test_a_written_file_reads_back_as_it_was(text: str) -> None:
    (_, copy, _) = read(file(plan.WriteFile("/f", f"{text}\n")))
    assert copy.body == f"{text}\n"


@pytest.mark.parametrize(
    ("does", "why"),
    [
        (plan.Env("A", "x\nUSER 0"), "has a line break, which a Dockerfile can't hold here"),
        (plan.Arg("A", "x\ry"), "has a line break"),
        (plan.Label("a\nb", "c"), "has a line break"),
        (plan.Workdir("/a\nUSER 0"), "has a line break"),
        (plan.User("0\nRUN x"), "has a line break"),
        (plan.StopSignal("1\n"), "has a line break"),
        (plan.Label("a=b", "c"), "a label's name can't hold '='"),
        (plan.Env("A B", "c"), "no variable can be called 'A B'"),
        (plan.Arg("A=1\nB"), "no variable can be called"),
        (plan.Expose("80 90"), "can't be written into a Dockerfile: '80 90'"),
        (plan.Copy(("a",), "b", owner="0 /etc/passwd"), "can't be written"),
        (plan.Copy(("a",), "b", mode="0755 /etc/passwd"), "can't be written"),
        (plan.Run("x", (plan.Mount(id="a,required=true"),)), "can't be written"),
        (plan.Run("x", (plan.Mount(id="a", target="/a b"),)), "can't be written"),
        (plan.Run("x", (plan.Mount(id="a", env="A,B"),)), "no variable can be called"),
    ],
)
def test_what_cannot_be_written_is_refused_at_its_place(does: plan.Instruction, why: str) -> None:
    with pytest.raises(SpecError) as caught:
        file(does)
    (found,) = caught.value.diagnostics
    assert found.message.startswith(f"stages.app.it: {why}")
    assert found.place == ORIGIN.place


# --- where it came from --------------------------------------------------------------------------------------

FRAGMENT = "ARG A=1\nRUN a && \\\n    # why\n    b\nRUN a\nRUN <<EOF\nWORKDIR /x\nEOF\nrun c\n"


def made() -> plan.Plan:
    text = (
        '[stages.app]\nfrom = "node"\nusers = ["web"]\nworkdir = "/app"\nenv = { A = "1" }\ncopy = [".", "x"]\n'
        'secrets = ["npmrc"]\nuser = "web"\n'
        '[stages.root]\nfrom = "bare"\ngate = "test"\nworkdir = "/"\nusers = ["web"]\n'
    )
    return planned(text, {"app": FRAGMENT})


def test_every_line_knows_what_it_was_made_from() -> None:
    done = render(made())
    by_line = dict.fromkeys(range(1, done.text.count("\n") + 1), "") | {n: o.key for n, o in done.origins.items()}
    for one in read(done.text):
        keys = {by_line[number] for number in range(one.line, one.last + 1)}
        assert len(keys) == 1
        assert (keys == {""}) == (one.keyword == "FROM")


def test_every_step_an_engine_counts_knows_what_it_was_made_from() -> None:
    planned_stages = made()
    done = render(planned_stages)
    stage, number, counted = "", 0, 0
    for one in read(done.text):
        if one.keyword == "FROM":
            # a base that is pulled is the first step
            stage, number = one.rest.split()[-1], int(":" in one.rest or "/" in one.rest)
        elif one.keyword in ("RUN", "COPY") or (one.keyword == "WORKDIR" and one.rest != "/"):
            number, counted = number + 1, counted + 1
            assert done.origin_of(stage, number, f"{one.keyword} x") == done.origins[one.line]
    assert counted == 13


def test_what_is_none_of_ours_has_no_origin() -> None:
    done = render(made())
    assert done.origin_of("app", 1, "FROM docker.io/library/node:20-alpine") is None
    assert done.origin_of("app", 99, "RUN x") is None
    assert done.origin_of("app", 0, "RUN x") is None
    assert done.origin_of("nowhere", 1, "RUN x") is None
    assert done.origin_of("app", 2, "RUN x") is None  # a base's own triggers came first: it is a COPY
