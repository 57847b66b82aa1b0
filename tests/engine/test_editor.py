"""The schema in a real Taplo, which is what editors use: it checks, completes and explains a specification."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.plans import ROOT

from buildspec.spec.fields import fields, summary
from buildspec.spec.model import Budget, Stage

SCHEMA = ROOT / "buildspec.schema.json"
VERSION = "0.9.3"
LANGUAGE_SERVER = "0.8.0"
SECONDS = 120


@pytest.fixture(scope="module")
def taplo(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Taplo's program, installed into an environment of its own."""
    folder = tmp_path_factory.mktemp("taplo")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    quiet = ["--quiet", "--disable-pip-version-check", "--no-input"]
    subprocess.run([folder / "bin/python", "-m", "pip", "install", *quiet, f"taplo=={VERSION}"], check=True)
    return str(folder / "bin/taplo")


def lint(taplo: str, file: Path) -> tuple[int, str]:
    """Exit code of a check, and what it says."""
    argv = [taplo, "lint", "--no-auto-config", "--schema", SCHEMA.as_uri(), str(file)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=False)
    return done.returncode, done.stderr


@pytest.mark.parametrize("name", ["buildspec.toml", "tests/specs/complete.toml"])
def test_it_takes_what_is_right(name: str, taplo: str) -> None:
    code, said = lint(taplo, ROOT / name)
    assert (code, "error" in said) == (0, False), said


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("packages = [", "pakcages = [", "pakcages"),
        ("uid = 1001", 'uid = "1001"', "not of type"),
        ('runs-on = "build"', 'runs-on = "builder"', "builder"),
        ('interval = "30s"', 'interval = "30 seconds"', "30 seconds"),
    ],
)
def test_it_refuses_what_is_wrong(right: str, wrong: str, told: str, taplo: str, tmp_path: Path) -> None:
    text = (ROOT / "buildspec.toml").read_text(encoding="utf-8")
    file = tmp_path / "buildspec.toml"
    file.write_text(text.replace(right, wrong, 1), encoding="utf-8")
    code, said = lint(taplo, file)
    assert code != 0
    assert told in said


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which npm has installed Taplo's language server, which the wheel leaves out."""
    if shutil.which("npm") is None:
        pytest.skip("there is no npm, which has Taplo's language server")
    folder = tmp_path_factory.mktemp("taplo-lsp")
    quiet = ["--silent", "--no-audit", "--no-fund"]
    subprocess.run(["npm", "install", *quiet, "--prefix", folder, f"@taplo/lsp@{LANGUAGE_SERVER}"], check=True)
    return folder


def test_it_completes_the_keys_of_a_stage_and_explains_them(server: Path, tmp_path: Path) -> None:
    file = tmp_path / "buildspec.toml"
    file.write_text(f"#:schema {SCHEMA.as_uri()}\nspec = 1\n\n[stages.app]\nfrom = 'x'\n\n", encoding="utf-8")
    argv = ["node", str(Path(__file__).with_name("completions.mjs")), str(file), "5"]
    done = subprocess.run(argv, cwd=server, capture_output=True, text=True, timeout=SECONDS, check=True)
    offered = {one["label"]: one.get("documentation", {}).get("value") for one in json.loads(done.stdout)}
    for field in fields(Stage):
        # of two kinds, one a table: it is explained by what the table says of itself
        said = summary(Budget) if field.key == "budget" else field.doc
        assert field.key == "from" or offered[field.key] == said
