"""From documents to Specs: what every table means, and what is said of every wrong value."""

from __future__ import annotations

import copy
import datetime
from collections.abc import Iterator, Mapping
from pathlib import Path as File
from typing import Any, get_args

import attrs
import pytest
from helpers.specs import MINIMAL, decoded, document, problems, told

from buildspec.errors import Diagnostic
from buildspec.spec import model
from buildspec.spec.decode import decode, decode_draft
from buildspec.spec.document import Document, parse
from buildspec.spec.model import (
    Budget,
    Context,
    Copy,
    DebianBase,
    EnvironmentVar,
    Healthcheck,
    Image,
    ImageBase,
    Release,
    Runtime,
    Secret,
    Stage,
    User,
    toml_key,
)
from buildspec.spec.positions import Path
from buildspec.spec.unknown import UNKNOWN
from buildspec.spec.values import Digest, Duration, Mode, Platform, Reference, Signal, Size

COMPLETE = (File(__file__).parents[1] / "specs" / "complete.toml").read_text(encoding="utf-8")
WRITTEN = document(COMPLETE)


def test_every_key_is_decoded_to_what_it_says() -> None:
    spec = decoded(COMPLETE)
    assert spec.spec == 1
    assert spec.image == Image(
        name="web",
        platforms=(Platform("linux", "amd64"), Platform("linux", "arm64")),
        deliver={"app": "", "small": "small"},
        title="Web",
        description="A web server",
        source="https://example.org/web",
        licenses="MIT",
    )
    asked = EnvironmentVar(env="BUILD_NUMBER", default=1)
    assert spec.vars == {"text": "20", "asked": asked, "number": 7, "ratio": 0.5, "flag": True}
    assert spec.context == Context(path="app", ignore=("node_modules", "**/*.md"))
    assert spec.bases == {
        "node": ImageBase(
            image=Reference("docker.io", "library/node", "20-alpine"),
            family="alpine-node",
            digest=Digest("sha256:" + "0123456789abcdef" * 4),
            programs={"npm": "/usr/local/bin/npm"},
        ),
        "assembled": DebianBase(
            debian="trixie",
            packages=("nodejs", "ca-certificates"),
            shell=False,
            exclude=("/usr/share/doc/*",),
            family="distroless-node",
            programs={"node": "/usr/bin/node"},
        ),
    }


def test_every_key_of_the_other_tables_is_decoded_to_what_it_says() -> None:
    spec = decoded(COMPLETE)
    assert spec.users == {"web": User(uid=1001, gid=1002, home="/srv/web")}
    assert spec.secrets == {
        "token": Secret(file="~/.token", env="TOKEN", target="/run/token", as_env=("TOKEN", "GH_TOKEN"), optional=True)
    }
    assert spec.contexts == {"scripts": model.NamedContext(path="scripts")}
    assert spec.tests == {
        "answers": model.Test(
            run=("--version",),
            entrypoint=("node",),
            image="app",
            env={"TZ": "UTC"},
            stdin="a question",
            mount={"/etc/app": "."},
            network=True,
            exit=3,
            stdout=model.Text(contains=("1.0",)),
            stderr=model.Text(equals="", contains=("a", "b"), matches="^warning"),
            files={
                "/app/dist/server.js": model.TestFile(
                    owner="0:0", mode=Mode("0644"), content=model.Text(contains=("use strict",))
                ),
                "/bin/sh": model.TestFile(exists=False),
            },
            healthy=Duration(30_000),
            stop=model.Stop(after="listening", signal=Signal("SIGINT"), within=Duration(5_000)),
            timeout=Duration(120_000),
        )
    }
    assert spec.audit == model.Audit(licenses=("MIT",), attestations=("sbom",))
    assert spec.release == Release(
        registries=("ghcr.io/acme",), tags=("v{version}", "latest"), app="/app", sign_key="env://SIGNING_KEY"
    )
    assert spec.runtime == Runtime(
        env={"LOG_LEVEL": "info"},
        required_env=("API_KEY",),
        env_exempt=("--help",),
        volumes=("/data",),
        memory="512m",
        cpus=1.5,
        pids=100,
        command=("serve",),
        read_only=False,
        tmpfs=("/tmp",),
    )


def test_every_key_of_a_stage_is_decoded_to_what_it_says() -> None:
    stages = decoded(COMPLETE).stages
    assert list(stages) == ["build", "test", "app", "small"]
    run = ("npm run prepare", "npm run build")
    assert stages["build"] == Stage(from_="node", runs_on="build", run=run, secrets=("token",))
    assert stages["test"] == Stage(from_="build", gate="test", on_unavailable="warn", run=("npm test",))
    health = Healthcheck(test=("node", "--version"))
    assert stages["small"] == Stage(
        from_="assembled", users=("web",), user="web", healthcheck=health, budget=Budget(unpacked=Size(100_000_000))
    )
    assert stages["app"] == Stage(
        from_="node",
        args={"VERSION": "1"},
        packages=("tzdata",),
        users=("web",),
        workdir="/app",
        env={"NODE_ENV": "production"},
        copy=(
            Copy(path="package.json"),
            Copy(path="/app/dist", from_="build", to="./dist", owner="web", mode=Mode("0755")),
        ),
        user="web",
        entrypoint=("node", "dist/server.js"),
        cmd="--port 8080",
        healthcheck=Healthcheck(
            test=("node", "check.js"),
            interval=Duration(60_000),
            timeout=Duration(5_000),
            start_period=Duration(10_000),
            start_interval=Duration(2_000),
            retries=5,
        ),
        volumes=("/data",),
        expose=("8080", "53/udp"),
        labels={"org.example.team": "web"},
        stop_signal=Signal("SIGINT"),
        budget=Budget(unpacked=Size(200_000_000), compressed=Size(67_108_864)),
    )


def classes() -> Iterator[type]:
    """The classes of the model that are tables."""
    yield from (one for one in vars(model).values() if attrs.has(one) and one.__module__ == model.__name__)


def instances(value: object) -> Iterator[Any]:
    """The tables of the model within a value."""
    cls: Any = type(value)
    if cls in set(classes()):
        yield value
        for field in attrs.fields(cls):
            yield from instances(getattr(value, field.name))
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from instances(one)
    elif isinstance(value, tuple):
        for one in value:
            yield from instances(one)


def test_the_complete_specification_sets_every_key_to_something_else_than_its_default() -> None:
    there = list(instances(decoded(COMPLETE)))
    minimal = list(instances(decoded(MINIMAL)))
    for cls in classes():
        for field in attrs.fields(cls):
            values = [getattr(one, field.name) for one in there if type(one) is cls]
            default = [getattr(one, field.name) for one in minimal if type(one) is cls and field.default]
            assert any(value not in default and value != field.default for value in values), (
                f"set {cls.__name__}.{toml_key(field.name)} in tests/specs/complete.toml"
            )


def test_defaults_fill_what_is_not_written() -> None:
    spec = decoded(MINIMAL)
    assert spec.stages == {"app": Stage(from_="node")}
    assert spec.stages["app"].healthcheck is None
    assert spec.stages["app"].budget == Budget()
    assert spec.runtime.read_only
    assert not spec.users


def test_a_spec_can_not_be_changed() -> None:
    spec = decoded(COMPLETE)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        spec.image.name = "x"  # type: ignore[misc]
    with pytest.raises(TypeError):
        spec.stages["x"] = spec.stages["app"]  # type: ignore[index]


# --- wrong types, at every place ----------------------------------------------------------------------------------

WRONG: Mapping[str, object] = {
    "a string": "no such thing",
    "an integer": 17,
    "a float": 1.25,
    "a boolean": True,
    "an array": [["x"]],
    "a table": {"no-such-key": {"nor-this": {}}},
    "a date or time": datetime.date(2026, 2, 20),
}
RIGHT = {str: {"a string"}, int: {"an integer"}, bool: {"a boolean"}, float: {"a float", "an integer"}}
"""What may stand where there is a value of a type; parsed strings refuse theirs nevertheless."""
COMMANDS: list[Path] = [("stages", "app", key) for key in ("entrypoint", "cmd")]
COMMANDS += [("stages", name, "healthcheck", "test") for name in ("app", "small")]


def places(value: object, path: Path = ()) -> Iterator[Path]:
    if path:
        yield path
    if isinstance(value, dict):
        for key, one in value.items():
            yield from places(one, (*path, key))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from places(one, (*path, index))


def short_forms(path: Path) -> tuple[str, ...]:
    """What stands for a table or an array there."""
    if path in COMMANDS or (path[2:3] == ("copy",) and len(path) == 4) or path[-1] in ("stdout", "stderr", "content"):
        return ("a string",)
    return ("a boolean",) if path[2:3] == ("files",) and len(path) == 4 else ()


def along(path: Path) -> tuple[dict[str, Any], Any]:
    """The document's data, and what the last of a path is in; both can be changed, as all on the path is a copy."""
    data = dict(WRITTEN.data)
    here: Any = data
    for part in path[:-1]:
        here[part] = copy.copy(here[part])
        here = here[part]
    return data, here


def changed(path: Path, value: object) -> Document:
    data, here = along(path)
    here[path[-1]] = value
    return attrs.evolve(WRITTEN, data=data)


def said_of(path: Path, value: object) -> tuple[Diagnostic, ...]:
    spec, found = decode_draft(changed(path, value))
    assert isinstance(spec, model.Spec)
    return tuple(found)


ALL = [path for path in places(WRITTEN.data) if path[0] != "vars"]


@pytest.mark.parametrize("kind", WRONG)
def test_a_value_of_a_wrong_type_is_told_at_its_place_whatever_it_is(kind: str) -> None:
    for path in ALL:
        here: Any = WRITTEN.data
        for part in path:
            here = here[part]
        if kind in RIGHT.get(type(here), ()) or path == ("spec",):
            continue
        if kind in short_forms(path):
            continue
        found = said_of(path, WRONG[kind])
        assert found, f"{path} may be {kind}?"
        for one in found:
            place = WRITTEN.place(path)
            assert place is not None
            assert one.place is not None
            assert one.place.line >= place.line
        if kind == "a table":
            rules = {"wrong-type", "unknown-key", "missing-key", "base-kind"}
            assert {one.rule for one in found} <= rules
        else:
            (one,) = found
            assert f"got {kind}" in one.message or (one.rule == "wrong-value" and kind == "a string")


def test_a_number_stays_what_it_is() -> None:
    assert decoded(COMPLETE.replace("cpus = 1.5", "cpus = 2")).runtime.cpus == 2.0
    for text in ("nan", "inf", "-inf"):
        assert told(lambda text=text: decoded(COMPLETE.replace("cpus = 1.5", f"cpus = {text}")))  # type: ignore[misc]


@pytest.mark.parametrize("path", [path for path in ALL if isinstance(path[-1], str)], ids=str)
def test_a_missing_key_is_told_only_when_it_is_needed(path: Path) -> None:
    data, here = along(path)
    del here[path[-1]]
    _, found = decode_draft(attrs.evolve(WRITTEN, data=data))
    needed = path in {
        ("spec",),
        ("image",),
        ("stages",),
        ("image", "name"),
        ("image", "platforms"),
        ("image", "deliver"),
        ("bases", "node", "image"),
        ("bases", "assembled", "debian"),
        ("bases", "assembled", "packages"),
        ("users", "web", "uid"),
        ("users", "web", "gid"),
        ("stages", "app", "copy", 1, "path"),
        ("stages", "app", "healthcheck", "test"),
        ("stages", "small", "healthcheck", "test"),
        ("contexts", "scripts", "path"),
        ("waivers", 0, "rule"),
        ("waivers", 0, "reason"),
        *((("stages", name, "from")) for name in ("build", "test", "app", "small")),
    }
    rule = "base-kind" if path[-1] in ("image", "debian") and path[0] == "bases" else "missing-key"
    assert [one.rule for one in found] == ([rule] if needed else [])


# --- what is said, in particular ------------------------------------------------------------------------------------


def test_each_wrong_element_is_told() -> None:
    assert told(lambda: decoded(f'{MINIMAL}packages = ["git", 1, ["x"], "curl", {{}}]\n')) == [
        "13:20 wrong-type: stages.app.packages[1]: expected a string, got an integer; put it in quotes",
        "13:23 wrong-type: stages.app.packages[2]: expected a string, got an array",
        "13:38 wrong-type: stages.app.packages[4]: expected a string, got a table",
    ]


def test_nothing_is_coerced() -> None:
    stage = 'packages = "git"\nworkdir = 7\nuser = true\n'
    others = '[runtime]\nread-only = "false"\nmemory = 512\n[users.a]\nuid = 1.0\ngid = true\n'
    assert [one.rule for one in problems(lambda: decoded(MINIMAL + stage + others))] == ["wrong-type"] * 7


def test_a_misspelt_key_is_not_missing_as_well() -> None:
    (one,) = problems(lambda: decoded(MINIMAL.replace("from =", "form =")))
    assert one.message == "stages.app: unknown key 'form'; did you mean 'from'?"


def test_unknown_and_missing_keys_are_told_together() -> None:
    found = problems(lambda: decoded(MINIMAL.replace('name = "web"', 'colour = "red"')))
    assert {one.message.partition(";")[0] for one in found} == {
        "image: unknown key 'colour'",
        "image: key 'name' is missing",
    }


def test_a_wrong_base_is_told_with_all_that_is_wrong() -> None:
    text = MINIMAL.replace('image = "docker', 'family = 3\nimagee = "docker')
    assert [one.message for one in problems(lambda: decoded(text))] == [
        "bases.node.family: expected a string, got an integer; put it in quotes",
        "bases.node: unknown key 'imagee'; did you mean 'image'?",
    ]


def test_another_version_of_the_language_is_all_that_is_told() -> None:
    assert told(lambda: decoded("spec = 2\n[whatever]\nimage = 3\n")) == [
        "1:8 wrong-value: spec: this program reads version 1 of the language, not 2"
    ]


def test_true_is_no_version() -> None:
    assert told(lambda: decoded(MINIMAL.replace("spec = 1", "spec = true"))) == [
        "1:8 wrong-type: spec: expected 1, got a boolean"
    ]


# --- drafts ---------------------------------------------------------------------------------------------------------


def test_a_draft_has_unknown_where_the_document_is_wrong_and_only_there() -> None:
    text = (
        COMPLETE.replace('workdir = "/app"', "workdir = 7")
        .replace("uid = 1001", 'uid = "1001"')
        .replace('from = "build"\ngate', 'form = "build"\ngate')
        .replace('path = "app"\n', 'path = ["app"]\n')
        .replace('"tzdata"', "3")
    )
    spec, found = decode_draft(document(text))
    assert len(found) == 5
    assert spec.stages["app"].workdir is UNKNOWN
    assert spec.users["web"].uid is UNKNOWN
    assert spec.stages["test"].from_ is UNKNOWN
    assert spec.context.path is UNKNOWN
    assert spec.stages["app"].packages[0] is UNKNOWN
    right = decoded(COMPLETE)
    assert spec.stages["app"].copy == right.stages["app"].copy
    assert spec.stages["small"] == right.stages["small"]
    assert spec.image == right.image


def test_tables_of_a_misspelt_name_are_unknown_not_absent() -> None:
    spec, _ = decode_draft(document(f"{MINIMAL}[stage.tools]\nfrom = 'node'\n"))
    assert set(spec.stages) == {"app", "tools"}
    assert spec.stages["tools"] is UNKNOWN


def test_a_right_document_is_no_draft() -> None:
    written = parse(COMPLETE, "x")
    assert decode_draft(written) == (decode(written), [])


def test_the_only_version_is_that_of_the_model() -> None:
    assert get_args(attrs.fields(model.Spec).spec.type) == (1,)
