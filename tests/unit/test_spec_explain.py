"""Where a value comes from, as `plan --explain` tells it."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.specs import MINIMAL, write

from buildspec.errors import UsageError
from buildspec.report.explain import text
from buildspec.spec.explain import explain, parse_path
from buildspec.spec.load import Selection, draft, read

SPEC = (
    MINIMAL.replace("node:20-alpine", "node:${node}-alpine")
    + """\
copy = ["a", { path = "b" }]
budget = "150MB"
labels = { v = "${version}" }
"odd key" = 1

[vars]
node = "20"
run = { env = "CI_RUN", default = 0 }

[profiles.new]
vars.node = "22"
image.deliver.app = "new"
stages.app.budget = { compressed = "60MB" }

[profiles.newest]
vars.node = "24"

[profiles.debian]
bases.node = { debian = "trixie", packages = [] }
"""
).replace('"odd key" = 1\n', "")


def said(folder: Path, path: str, *profiles: str, environ: dict[str, str] | None = None, **overrides: str) -> list[str]:
    file = write(folder, SPEC)
    written = read(file)
    selection = Selection(profiles, overrides, {"version": "2.0.0"}, environ or {})
    source = draft(file, selection, written).source
    return text(explain(written, source.document, source.spec, selection, parse_path(path))).splitlines()


def test_a_value_of_the_file_is_placed(tmp_path: Path) -> None:
    assert said(tmp_path, "stages.app.from") == ['stages.app.from = "node"', "  buildspec.toml:12:8"]
    assert said(tmp_path, "stages.app.copy[1].path") == ['stages.app.copy[1].path = "b"', "  buildspec.toml:13:23"]


def test_variables_in_a_value_are_explained_with_it(tmp_path: Path) -> None:
    assert said(tmp_path, "bases.node.image", "new", "newest") == [
        'bases.node.image = "docker.io/library/node:24-alpine"',
        '  buildspec.toml:9:9, written as "docker.io/library/node:${node}-alpine"',
        '  vars.node = "24"',
        "    profile newest, buildspec.toml:27:13",
        '    replaces "22", profile new, buildspec.toml:22:13',
        '    replaces "20", buildspec.toml:18:8',
    ]


def test_an_override_is_the_last_word(tmp_path: Path) -> None:
    assert said(tmp_path, "vars.node", "new", node="23") == [
        'vars.node = "23"',
        "  --set node",
        '  replaces "22", profile new, buildspec.toml:22:13',
        '  replaces "20", buildspec.toml:18:8',
    ]


def test_the_environment_is_named_and_where_the_file_asks_for_it(tmp_path: Path) -> None:
    assert said(tmp_path, "vars.run", environ={"CI_RUN": "5"}) == [
        "vars.run = 5",
        "  environment variable CI_RUN, buildspec.toml:19:15",
        '  replaces { env = "CI_RUN", default = 0 }, buildspec.toml:19:7',
    ]
    assert said(tmp_path, "vars.run")[:2] == ["vars.run = 0", "  buildspec.toml:19:35"]


def test_facts_of_the_run_are_told_as_such(tmp_path: Path) -> None:
    assert said(tmp_path, "stages.app.labels.v")[2:] == ['  version = "2.0.0"', "    a fact of this run"]


def test_a_default_is_told_as_one(tmp_path: Path) -> None:
    assert said(tmp_path, "runtime.read-only") == ["runtime.read-only = true", "  default"]
    assert said(tmp_path, "stages.app.healthcheck") == ["stages.app.healthcheck = none", "  default"]


def test_a_key_of_a_short_form_is_where_that_is_written(tmp_path: Path) -> None:
    assert said(tmp_path, "stages.app.budget.unpacked") == [
        'stages.app.budget.unpacked = "150.0 MB"',
        '  buildspec.toml:14:10, written as "150MB"',
    ]
    assert said(tmp_path, "stages.app.budget.unpacked", "new") == ["stages.app.budget.unpacked = none", "  default"]


def test_a_table_that_a_profile_adds_to_is_told_with_both(tmp_path: Path) -> None:
    assert said(tmp_path, "image.deliver", "new") == [
        'image.deliver = { app = "new" }',
        "  profile new, buildspec.toml:23:1",
        '  replaces { app = "" }, buildspec.toml:6:11',
    ]


def test_a_base_of_another_kind_has_replaced_all_of_it(tmp_path: Path) -> None:
    assert said(tmp_path, "bases.node.debian", "debian") == [
        'bases.node.debian = "trixie"',
        "  profile debian, buildspec.toml:30:25",
    ]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("stages.ap.from", "stages has no 'ap'; did you mean 'app'?"),
        ("stages.app.form", "stages.app has no 'form'; did you mean 'from'?"),
        ("stages.app.copy[7]", "stages.app.copy has no '7'"),
        ("stages.app.from.x", "stages.app.from has no 'x'"),
        ("profiles.new", "the specification has no 'profiles'"),
        ("", "'' is not a path"),
        ("stages..app", "'stages..app' is not a path"),
        ("[0]", "'[0]' is not a path"),
        ("stages.app.copy[x]", "'stages.app.copy[x]' is not a path"),
    ],
)
def test_a_path_to_nothing_is_told_with_what_is_near(path: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        said(tmp_path, path)
    assert raised.value.message == message


def test_keys_in_a_path_may_be_quoted() -> None:
    assert parse_path('stages."a.b".env[3]') == ("stages", "a.b", "env", 3)
    assert parse_path('a."q\\"w"') == ("a", 'q"w')
