"""Hostile strings through every sink: read back unchanged by a reader that isn't ours, or refused."""

from __future__ import annotations

import csv
import io
import json
import re

import attrs
from conftest import examples
from helpers.dockerfiles import Read, array, pairs, paths, read, word
from helpers.plans import planned
from hypothesis import given
from hypothesis import strategies as st

from buildspec.errors import SpecError
from buildspec.plan import model
from buildspec.render import bake
from buildspec.render.dockerfile import render
from buildspec.spec.model import Healthcheck

PIECES = [
    "$",
    "${x}",
    "%{",
    "\\",
    '"',
    "'",
    "`",
    "#",
    " ",
    "--",
    "[",
    "{",
    "<<EOF",
    "=",
    ",",
    "\n",
    "\r",
    "\t",
    "a",
    "ä",
]
HOSTILE = st.one_of(st.lists(st.sampled_from(PIECES), max_size=6).map("".join), st.text(max_size=20))
PLAN = planned("[stages.app]\nfrom = 'scratch'\n")
ORIGIN = model.Origin(key="stages.app", place=None)


def written(does: model.Instruction) -> Read | None:
    """The one instruction that a reader finds in the Dockerfile; None when it is refused."""
    (stage,) = PLAN.stages
    plan = attrs.evolve(PLAN, stages=(attrs.evolve(stage, steps=(model.Step(does, ORIGIN),)),))
    try:
        text = render(plan).text
    except SpecError:
        return None
    found = read(text)
    assert [one.keyword for one in found[:1]] == ["FROM"]
    (one,) = found[1:]
    return one


def command(text: str) -> list[str]:
    """A command as Docker takes it: an array, or a line for the shell."""
    return array(text) if text.startswith("[") else ["/bin/sh", "-c", text]


@given(HOSTILE)
def test_variables_labels_and_arguments_keep_their_values(value: str) -> None:
    for does in (model.Env("A", value), model.Label("A", value), model.Arg("A", value)):
        one = written(does)
        assert one is None or pairs(one.rest) == {"A": value}
        assert (one is None) == ("\n" in value or "\r" in value)


@given(HOSTILE.filter(bool))
def test_a_label_s_name_is_kept_or_refused(name: str) -> None:
    one = written(model.Label(name, "v"))
    assert one is None or pairs(one.rest) == {name: "v"}


@given(HOSTILE)
def test_the_name_of_a_variable_is_kept_or_refused(name: str) -> None:
    for does in (model.Env(name, "v"), model.Arg(name, "v")):
        one = written(does)
        assert one is None or (pairs(one.rest) == {name: "v"} and re.fullmatch(r"[A-Za-z_][\w.-]*", name))


@given(HOSTILE.filter(lambda text: bool(text.strip())))
def test_folders_users_signals_and_ports_are_kept_or_refused(value: str) -> None:
    for does in (model.Workdir(value), model.User(value), model.StopSignal(value), model.Expose(value)):
        one = written(does)
        assert one is None or (one.flags == () and word(one.rest) == value)


@given(st.lists(HOSTILE, min_size=1, max_size=4).map(tuple))
def test_commands_in_exec_form_keep_each_word(words: tuple[str, ...]) -> None:
    for does in (model.Entrypoint(words), model.Cmd(words)):
        one = written(does)
        assert one is not None
        assert array(one.rest) == list(words)
    one = written(model.Health(Healthcheck(test=words)))
    assert one is not None
    assert array(one.rest.removeprefix("CMD ")) == list(words)


@given(HOSTILE.filter(lambda text: bool(text.strip())))
def test_commands_in_shell_form_reach_the_shell(line: str) -> None:
    for does in (model.Entrypoint(line), model.Cmd(line)):
        one = written(does)
        assert one is None or command(one.rest)[-1].strip() == line.strip()


@given(st.lists(HOSTILE.filter(bool), min_size=1, max_size=3).map(tuple))
def test_folders_of_volumes_are_kept(folders: tuple[str, ...]) -> None:
    one = written(model.Volume(folders))
    assert one is None or paths(one.rest) == list(folders)


@given(HOSTILE.filter(bool), HOSTILE.filter(bool))
def test_paths_of_copies_are_kept_and_are_no_flags(path: str, to: str) -> None:
    one = written(model.Copy((path,), to))
    if one is not None:
        assert one.flags == ()
        assert [name.removeprefix("./") for name in paths(one.rest)] == [part.removeprefix("./") for part in (path, to)]


@given(HOSTILE, HOSTILE)
def test_owner_and_mode_of_copies_stay_flags_of_their_own(owner: str, mode: str) -> None:
    one = written(model.Copy(("a",), "b", owner=owner, mode=mode))
    if one is not None:
        wanted = [f"--chown={owner}"] * bool(owner) + [f"--chmod={mode}"] * bool(mode)
        assert (list(one.flags), one.rest) == (wanted, "a b")


@given(HOSTILE.map(lambda text: text.replace("\r", "") + "\n"))
def test_files_hold_what_they_should(content: str) -> None:
    one = written(model.WriteFile("/f", content))
    assert one is not None
    assert one.body == content


def literal(value: object) -> object:
    """A value as bake reads it: without templates, which are an error here."""
    match value:
        case str():
            rest = value.replace("$${", "").replace("%%{", "")
            assert "${" not in rest, "bake would look for a variable"
            assert "%{" not in rest, "bake would look for a directive"
            return value.replace("$${", "${").replace("%%{", "%{")
        case dict():
            return {key: literal(one) for key, one in value.items()}
        case list():
            return [literal(one) for one in value]
        case _:
            return value


@examples(30)
@given(HOSTILE, HOSTILE)
def test_the_bake_file_holds_labels_tags_and_secrets_as_they_are(value: str, path: str) -> None:
    (target,) = PLAN.targets
    plan = attrs.evolve(PLAN, targets=(attrs.evolve(target, labels={"l": value}, tag=f"t{value}"),))
    secrets = {"s": bake.SecretSource(file=f"/{path}")}
    definition = literal(json.loads(json.dumps(bake.render(plan, {}, secrets))))
    assert isinstance(definition, dict)
    app, common = definition["target"]["app"], definition["target"]["_common"]
    assert (app["labels"], app["tags"]) == ({"l": value}, [f"t{value}"])
    (fields,) = csv.reader(io.StringIO(common["secret"][0], newline=""))
    assert fields == ["id=s", f"src=/{path}"]
