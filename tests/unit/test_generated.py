"""What is generated for others: current in this repository, the same everywhere, and never over what somebody wrote."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from pathlib import Path
from typing import get_args

import attrs
import pytest
from conftest import examples
from helpers.plans import AMD64, ARM64, FACTS, HEAD, ROOT, SMALL, default_plan, source
from helpers.specs import write
from hypothesis import given
from hypothesis import strategies as st

from buildspec import cli
from buildspec.engine import files
from buildspec.errors import MachineError
from buildspec.plan.model import Facts
from buildspec.plan.planner import make_plan
from buildspec.render import dockerfile
from buildspec.report.generated import MAKERS, Subject, documentation, generated
from buildspec.spec.model import GeneratedFile
from buildspec.spec.seal import Seal, origin, seal_of, sealed

LATER = Facts(native=ARM64, revision="fff-dirty", epoch=1_800_000_000, day="2027-01-01", version="3.0.0", build="9")


def made(text: str, facts: Facts = FACTS) -> dict[str, str]:
    found = source(text)
    return generated(Subject(spec=found.spec, plan=make_plan(found, facts)))


def test_the_files_of_this_repository_are_current(capsys: pytest.CaptureFixture[str]) -> None:
    code = cli.main(["generate", "--check", "--file", str(ROOT / "buildspec.toml")])
    said = capsys.readouterr()
    assert code == 0, f"{said.out}{said.err}"
    assert said.out.count(": as it should be") == len(MAKERS) + len(documentation(ROOT, ROOT))


def test_every_file_of_the_language_has_a_maker() -> None:
    assert tuple(MAKERS) == get_args(GeneratedFile)


def test_other_projects_get_no_pages(tmp_path: Path) -> None:
    assert documentation(tmp_path, ROOT) == {}


@pytest.mark.parametrize("file", list(made(SMALL)))
def test_a_file_says_in_its_first_lines_where_it_comes_from(file: str) -> None:
    text = made(SMALL)[file]
    head = "\n".join(text.split("\n")[:3])
    assert "by `nox -s generate`; edit that instead. Checksum: " in head
    assert seal_of(text) is Seal.WHOLE


@pytest.mark.parametrize("text", [SMALL, HEAD + "[stages.app]\nfrom = 'core'\npackages = ['tzdata']\n"])
def test_no_file_depends_on_machine_commit_or_day(text: str) -> None:
    assert made(text) == made(text, LATER) == made(text, attrs.evolve(FACTS, native=AMD64, epoch=None, revision=""))


def test_the_specification_chooses_its_files() -> None:
    more = "\n[generate]\nfiles = {}\n"
    assert list(made(SMALL + more.format('["compose.yaml", "Dockerfile"]'))) == ["compose.yaml", "Dockerfile"]
    assert made(SMALL + more.format("[]")) == {}


def test_an_ignore_file_counts_in_the_folder_of_the_context() -> None:
    ignore = 'path = "{}"\nignore = ["*.log", "!keep.log"]\n'
    found = made(f"{SMALL}\n[context]\n{ignore.format('app')}")
    assert found["app/.dockerignore"].split("\n")[1:] == ["/.dockerignore", "*.log", "!keep.log", ""]
    found = made(f"{SMALL}\n[context]\n{ignore.format('.')}")
    lines = found[".dockerignore"].split("\n")[1:]
    others = [f"/{name}" for name in MAKERS if name != ".dockerignore"]
    assert lines == ["/.dockerignore", *others, "*.log", "!keep.log", "/build", ""]


@pytest.mark.parametrize("profile", ["", "debian"])
def test_hadolint_has_nothing_to_say_of_the_dockerfile(profile: str) -> None:
    found = Path(sysconfig.get_path("scripts")) / "hadolint"
    if not found.is_file():
        (pytest.fail if os.environ.get("CI") else pytest.skip)("hadolint isn't there; the group 'test' has it")
    for plan in (default_plan(profile), make_plan(source(SMALL), FACTS)):
        text = dockerfile.render(plan, dockerfile.PORTABLE_HEADER).text
        done = subprocess.run([found, "--no-color", "-"], input=text, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (0, ""), done.stderr


# --- the checksum ----------------------------------------------------------------------------------------------


@examples(50)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r"), max_size=60), st.data())
def test_any_change_is_seen(rest: str, data: st.DataObject) -> None:
    text = sealed(f"# {origin('x')}\n{rest}\n")
    assert seal_of(text) is Seal.WHOLE
    assert seal_of(text.replace("\n", "\r\n")) is Seal.WHOLE, "git may give it the line ends of another system"
    at = data.draw(st.integers(text.index("\n") + 1, len(text)))
    assert seal_of(f"{text[:at]}!{text[at:]}") is Seal.EDITED
    assert seal_of(f"{text}{text}") is Seal.EDITED


@pytest.mark.parametrize("text", ["", "FROM scratch\n", "# Made from x by hand\n", f"{'#' * 500}\n# {origin('x')}\n"])
def test_what_was_never_generated_is_somebody_s_own(text: str) -> None:
    assert seal_of(text) is Seal.FOREIGN


# --- the verb --------------------------------------------------------------------------------------------------

SPEC = """\
spec = 1

[image]
name = "web"
platforms = ["linux/amd64"]
deliver = { app = "" }

[context]
path = "src"

[vars]
asked = { env = "SOME_BUILD", default = 1 }

[bases.node]
image = "r.test/node:20"
family = "alpine-node"

[users.web]
uid = 1001
gid = 1001

[stages.app]
from = "node"
users = ["web"]
user = "web"
cmd = ["node"]
labels = { a = "${asked}", b = "${git.commit}" }

[profiles.other]
bases.node.image = "r.test/node:24"
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write(tmp_path, SPEC)
    (tmp_path / "src").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(capsys: pytest.CaptureFixture[str], *argv: str) -> tuple[int, str, str]:
    code = cli.main(["generate", *argv])
    said = capsys.readouterr()
    return code, said.out, said.err


FILES = [
    *("Dockerfile", "docker-bake.json", "src/.dockerignore", "compose.yaml", "buildspec.schema.json"),
    *(".github/workflows/release.yml", ".github/workflows/pull-request.yml"),
]


def test_files_are_written_once_and_only_where_something_changed(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "--check")
    assert (code, out) == (1, "".join(f"{file}: stale\n" for file in FILES))
    assert err == f"error: stale: {', '.join(FILES)}\nfix: run `nox -s generate`\n"
    assert [path.name for path in root.iterdir() if path.is_file()] == ["buildspec.toml"]
    assert run(capsys) == (0, "".join(f"{file}: written\n" for file in FILES), "")
    times = [(root / file).stat().st_mtime_ns for file in FILES]
    assert run(capsys) == (0, "".join(f"{file}: nothing has changed\n" for file in FILES), "")
    assert [(root / file).stat().st_mtime_ns for file in FILES] == times
    assert run(capsys, "--check") == (0, "".join(f"{file}: as it should be\n" for file in FILES), "")


def test_a_changed_specification_makes_files_stale_and_says_what_to_run(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys)
    write(root, SPEC.replace("node:20", "node:22"))
    code, out, err = run(capsys, "--check")
    assert (code, out.count("stale"), err) == (1, 1, "error: stale: Dockerfile\nfix: run `nox -s generate`\n")
    code, out, _ = run(capsys)
    assert (code, out.count("written"), out.count("nothing has changed")) == (0, 1, 6)


def test_environment_and_commit_make_nothing_stale(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(capsys)
    monkeypatch.setenv("SOME_BUILD", "77")
    assert run(capsys, "--check")[0] == 0
    assert 'LABEL "a"="1"\nLABEL "b"="unknown"\n' in (root / "Dockerfile").read_text(encoding="utf-8")


def test_a_variable_without_a_default_has_to_be_set(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(root, SPEC.replace(", default = 1", ""))
    assert run(capsys)[0] == 2
    monkeypatch.setenv("SOME_BUILD", "77")
    assert run(capsys)[0] == 0
    assert 'LABEL "a"="77"\n' in (root / "Dockerfile").read_text(encoding="utf-8")


def test_workflows_have_every_variable_that_is_asked_for_also_those_of_profiles(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(root, SPEC + 'vars.more = { env = "SOME_MORE", default = "" }\n')
    assert run(capsys)[0] == 0
    for file in FILES[-2:]:
        text = (root / file).read_text(encoding="utf-8")
        assert "\nenv:\n  SOME_BUILD: ${{ vars.SOME_BUILD }}\n  SOME_MORE: ${{ vars.SOME_MORE }}\n" in text


def test_what_somebody_wrote_or_changed_is_left_alone_and_the_rest_is_written(
    root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(capsys)
    own, changed = "services: {}\n", (root / "Dockerfile").read_text(encoding="utf-8") + "RUN more\n"
    (root / "compose.yaml").write_text(own, encoding="utf-8")
    (root / "Dockerfile").write_text(changed, encoding="utf-8")
    (root / "docker-bake.json").unlink()
    for argv in ((), ("--check",)):
        code, out, err = run(capsys, *argv)
        assert code == 1
        assert "Dockerfile: was changed since it was generated\n" in out
        assert "compose.yaml: was not generated\n" in out
        assert err == (
            "error: Dockerfile was changed since it was generated\ncompose.yaml was not generated\n"
            "fix: to have it overwritten, run `nox -s generate -- --force`; "
            "to keep it, write\n\n[generate]\n"
            'files = ["docker-bake.json", ".dockerignore", "buildspec.schema.json", '
            '".github/workflows/release.yml", ".github/workflows/pull-request.yml"]\n\n'
            "or have compose.yaml made, and write what is yours into compose.override.yaml\n"
        )
    assert (root / "compose.yaml").read_text(encoding="utf-8") == own
    assert (root / "Dockerfile").read_text(encoding="utf-8") == changed
    assert (root / "docker-bake.json").is_file()
    write(root, SPEC + '\n[generate]\nfiles = ["docker-bake.json"]\n')
    assert run(capsys) == (0, "docker-bake.json: nothing has changed\n", "")
    write(root, SPEC)
    assert run(capsys, "--force")[0] == 0
    assert run(capsys, "--check")[0] == 0


@pytest.mark.parametrize("argv", [(), ("--check",), ("--force",)])
def test_what_cannot_be_read_or_written_is_said_and_the_rest_is_written(
    argv: tuple[str, ...], root: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "Dockerfile").mkdir()
    (root / ".github").write_text("no folder", encoding="utf-8")
    code, out, err = run(capsys, *argv)
    assert code == 3
    assert err.startswith(
        "error: Dockerfile can't be read: is a directory\n"
        ".github/workflows/release.yml can't be read: not a directory\n"
        ".github/workflows/pull-request.yml can't be read: not a directory\n"
    )
    assert "--force" not in err
    assert ("stale: docker-bake.json, src/.dockerignore" in err) == ("--check" in argv)
    assert out.count(": stale" if "--check" in argv else ": written") == 4


def test_a_place_that_cannot_be_written_is_said_and_the_rest_is_written(
    root: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: str) -> bool:
        if path.name == "Dockerfile":
            raise MachineError(f"{path} can't be written: no space left on device", "")
        return write_file(path, content)

    write_file = files.write
    monkeypatch.setattr(files, "write", full)
    code, out, err = run(capsys)
    assert (code, out.count(": written")) == (3, len(FILES) - 1)
    assert err.startswith("error: Dockerfile can't be written: no space left on device\nfix: ")


def test_line_ends_of_another_system_change_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys)
    for file in FILES:
        data = (root / file).read_bytes()
        (root / file).write_bytes(data.replace(b"\n", b"\r\n"))
    assert run(capsys, "--check") == (0, "".join(f"{file}: as it should be\n" for file in FILES), "")
    assert run(capsys) == (0, "".join(f"{file}: nothing has changed\n" for file in FILES), "")


def test_the_command_to_run_has_what_the_check_was_given(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(capsys)
    _, _, err = run(capsys, "--check", "--profile", "other")
    assert err.endswith("fix: run `nox -s generate -- --profile other`\n")
    assert run(capsys, "--profile", "other")[0] == 0
    assert "FROM r.test/node:24 AS app" in (root / "Dockerfile").read_text(encoding="utf-8")


def test_a_profile_that_depends_on_the_network_is_refused(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "--profile", "auto")
    assert (code, err.partition("\n")[0]) == (2, "error: --profile auto depends on what this machine reaches")


def test_a_wrong_specification_writes_nothing(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(root, SPEC + '\n[generate]\nfiles = ["Dokerfile"]\n')
    code, _, err = run(capsys)
    assert code == 2
    assert "did you mean 'Dockerfile'?" in err
    assert not (root / "Dockerfile").exists()


def test_the_bake_file_is_json_with_nothing_of_this_machine() -> None:
    found = json.loads(made(SMALL, LATER)["docker-bake.json"])
    assert "platforms" not in found["target"]["check"], "the builder's own"
    assert found["target"]["app"]["labels"]["org.opencontainers.image.revision"].startswith("${REVISION")
    assert found["target"]["_common"]["contexts"] == {
        "trixie.tool.build": "oci-layout://build/bases/trixie.tool.build:trixie.tool.build"
    }
