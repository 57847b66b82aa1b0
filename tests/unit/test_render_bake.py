"""The bake definition: one target an image or gate, values that bake doesn't evaluate, secrets as their place."""

from __future__ import annotations

import csv
import io
import json
import posixpath
import re
from collections.abc import Mapping
from typing import Any, get_args

import attrs
import pytest
from conftest import Golden, examples
from helpers.plans import FACTS, GOLDENS, HEAD, SMALL, default_plan, planned, source
from hypothesis import given
from hypothesis import strategies as st

from buildspec.plan.model import Plan, PlannedSecret
from buildspec.plan.planner import make_plan
from buildspec.render.bake import SecretSource, dockerignore, portable, render
from buildspec.spec.model import GeneratedFile

PLAIN = planned('[stages.app]\nfrom = "bare"\n')
SECRETS = {"token": SecretSource(env="TOKEN"), "no-proxy": SecretSource(file="build/secrets/no-proxy")}


def targets(plan: Plan, secrets: Mapping[str, SecretSource] | None = None) -> Any:
    return render(plan, {}, secrets or {})["target"]


def literal(text: str) -> str:
    """What bake makes of a string without templates in it."""
    assert not re.search(r"(?<!\$)\$\{|(?<!%)%\{", text), "bake would evaluate this"
    return re.sub(r"([$%])\1\{", r"\1{", text)


@pytest.mark.parametrize("name", ["default", "small"])
def test_the_whole_definition(name: str, golden: Golden) -> None:
    if name == "default":
        found = render(default_plan(), {}, {})
    else:
        found = render(
            make_plan(source(SMALL), FACTS), {"trixie.tool.build": f"build/bases/x@sha256:{'0' * 64}"}, SECRETS
        )
    golden(GOLDENS / f"{name}-bake.json", json.dumps(found, indent=2) + "\n")


def test_every_target_is_built_by_default() -> None:
    found = render(make_plan(source(SMALL), FACTS), {"trixie.tool.build": "x"}, {})
    assert found["group"]["default"]["targets"] == ["app", "check"]
    assert set(found["target"]) == {"_common", "app", "check"}
    assert found["target"]["check"]["output"] == ["type=local,dest=build/gates/check"]
    assert found["target"]["app"]["tags"] == ["web:latest"]


def test_an_assembled_base_is_a_named_context() -> None:
    plan = planned('[stages.app]\nfrom = "core"\n')
    found = render(plan, {"core": "build/bases/core@sha256:1"}, {})["target"]["_common"]
    assert found["contexts"] == {"core": "oci-layout://build/bases/core@sha256:1"}
    assert "contexts" not in targets(PLAIN)["_common"]


def test_time_and_day_are_build_arguments() -> None:
    assert targets(PLAIN)["_common"]["args"] == {"BUILDSPEC_DAY": "2026-11-25", "SOURCE_DATE_EPOCH": "1700000000"}
    unknown = attrs.evolve(PLAIN, facts=attrs.evolve(FACTS, epoch=None))
    assert targets(unknown)["_common"]["args"] == {"BUILDSPEC_DAY": "2026-11-25"}


@pytest.mark.parametrize("context", [".", "app", "a/b"])
def test_the_dockerfile_is_found_from_the_context(context: str) -> None:
    common = targets(attrs.evolve(PLAIN, context=context))["_common"]
    assert posixpath.normpath(posixpath.join(context, common["dockerfile"])) == "build/Dockerfile"


def test_a_secret_is_named_by_its_place_and_never_by_its_value() -> None:
    assert targets(PLAIN, SECRETS)["_common"]["secret"] == [
        "id=no-proxy,src=build/secrets/no-proxy",
        "id=token,env=TOKEN",
    ]
    assert "secret" not in targets(PLAIN)["_common"]


@pytest.mark.parametrize(
    ("path", "field"), [("a,b", '"src=a,b"'), ('a"b', '"src=a""b"'), ("a\nb", '"src=a\nb"'), ("a b", "src=a b")]
)
def test_a_path_is_quoted_as_buildx_reads_it(path: str, field: str) -> None:
    assert targets(PLAIN, {"t": SecretSource(file=path)})["_common"]["secret"] == [f"id=t,{field}"]


ID = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,5}", fullmatch=True)


@examples(100)
@given(st.lists(ID | st.sampled_from(["a-b", "a_b", "A-b", "1a", "ax5f-b"]), min_size=2, max_size=8, unique=True))
def test_each_secret_has_a_variable_of_its_own_that_bake_and_shells_can_name(ids: list[str]) -> None:
    plan = attrs.evolve(PLAIN, secrets=tuple(PlannedSecret(id=one, files=("~/x",)) for one in ids))
    names = [name for name in portable(plan)["variable"] if name != "REVISION"]
    assert len(names) == len(ids)
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*_FILE", name) for name in names)


def test_every_name_of_a_secret_in_the_environment_is_asked_before_its_file() -> None:
    secret = PlannedSecret(id="a", env=("x", "X"), files=("f,g",), optional=False)
    found = portable(attrs.evolve(PLAIN, secrets=(secret,)))
    assert {name: one["default"] for name, one in found["variable"].items()} == {
        "REVISION": "",
        "x": "",
        "X": "",
        "A_FILE": "f,g",
    }
    expression = (
        '${concat(x != "" ? ["id=a,env=x"] : X != "" ? ["id=a,env=X"] : '
        r"""A_FILE != "" ? ["id=a,\"src=${replace(A_FILE, "\"", "\"\"")}\""] : [])}"""
    )
    assert found["target"]["_common"]["secret"] == expression


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@examples(30)
@given(text.filter(bool))
def test_any_path_of_a_secret_reads_back_as_one_field(path: str) -> None:
    (written,) = targets(PLAIN, {"t": SecretSource(file=path)})["_common"]["secret"]
    (fields,) = csv.reader(io.StringIO(literal(written), newline=""), strict=True)
    assert fields == ["id=t", f"src={path}"]


@examples(30)
@given(st.dictionaries(text, text, max_size=3))
def test_bake_evaluates_nothing_in_a_value(labels: dict[str, str]) -> None:
    target = attrs.evolve(PLAIN.targets[0], labels=labels)
    found = targets(attrs.evolve(PLAIN, targets=(target,)))["app"]["labels"]
    assert {literal(name): literal(value) for name, value in found.items()} == labels


def test_templates_are_escaped() -> None:
    target = attrs.evolve(PLAIN.targets[0], labels={"a": "${x} %{if} $y $${z}"})
    assert targets(attrs.evolve(PLAIN, targets=(target,)))["app"]["labels"] == {"a": "$${x} %%{if} $y $$${z}"}


def test_no_provenance_is_attached_for_it_holds_the_time() -> None:
    assert targets(PLAIN)["_common"]["attest"] == ["type=provenance,disabled=true"]


def test_what_is_generated_is_never_part_of_the_context() -> None:
    plan = make_plan(source(HEAD + '[stages.app]\nfrom = "bare"\n[context]\nignore = ["*.log", "!keep.log"]\n'), FACTS)
    others = [f"/{name}" for name in get_args(GeneratedFile) if name != ".dockerignore"]
    for context, before, after in (
        (".", others, ["/build"]),
        ("app", [], []),
        ("./.github/", ["/workflows/release.yml", "/workflows/pull-request.yml"], []),
        ("build", [], []),
        ("build/x", [], []),
    ):
        lines = dockerignore(attrs.evolve(plan, context=context)).splitlines()
        assert lines == ["/.dockerignore", *before, "*.log", "!keep.log", *after], context
