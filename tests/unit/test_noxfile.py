"""The noxfile: a session a verb, and environments that are made once."""

from __future__ import annotations

import io
import logging
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from helpers.plans import ROOT

FILE = ROOT / "noxfile.py"


@pytest.fixture
def noxfile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The noxfile as nox loads it, in a folder of its own, with a nox that does nothing."""
    nox: Any = ModuleType("nox")
    nox.options = SimpleNamespace()
    nox.sessions = {}

    def session(function: Any = None, **given: Any) -> Any:
        if function is None:
            return lambda function: session(function, **given)
        return nox.sessions.setdefault(given.get("name", function.__name__), SimpleNamespace(run=function, **given))

    nox.session = session
    nox.Session = object
    groups = {"lint": ["mypy>=1"], "test": ["pytest>=8"]}
    nox.project = SimpleNamespace(
        load_toml=lambda _: {"dependency-groups": groups},
        dependency_groups=lambda project, *names: [one for name in names for one in project["dependency-groups"][name]],
    )
    monkeypatch.setitem(sys.modules, "nox", nox)
    monkeypatch.delitem(sys.modules, "buildspec.sessions", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    made: Any = ModuleType("noxfile")
    made.__file__ = str(tmp_path / "noxfile.py")
    exec(compile(FILE.read_text(encoding="utf-8"), FILE, "exec"), made.__dict__)  # noqa: S102 - our own file
    yield made
    sys.modules.pop("buildspec.sessions", None)  # it knows the nox that does nothing


@pytest.fixture
def ran(noxfile: Any, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What is run; a virtual environment comes to be."""
    commands: list[list[str]] = []

    def run(argv: list[str], *, check: bool) -> None:
        assert check
        commands.append(argv)
        Path(argv[-1]).mkdir(parents=True, exist_ok=True) if "venv" in argv else None

    monkeypatch.setattr(subprocess, "run", run)
    return commands


class Session:
    """A session that notes what it is asked to run."""

    def __init__(self, name: str, *posargs: str) -> None:
        self.name, self.posargs = name, list(posargs)
        self.commands: list[tuple[str, ...]] = []

    def run(self, *argv: str, external: bool) -> None:
        assert external
        self.commands.append(argv[1:])


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What the package is asked to do; it ends with code 2 for a profile that isn't there."""
    calls: list[list[str]] = []

    def main(argv: list[str]) -> int:
        calls.append(argv)
        return 2 if "nope" in argv else 0

    monkeypatch.setattr("buildspec.cli.main", main)
    monkeypatch.setattr("site.addsitedir", lambda _: None)
    return calls


@pytest.mark.parametrize("verb", ["check", "plan", "build", "generate", "doctor"])
def test_a_verb_is_one_call_into_the_package(
    verb: str, noxfile: Any, ran: list[list[str]], called: list[list[str]]
) -> None:
    noxfile.nox.sessions[verb].run(Session(verb, "--platform", "linux/arm64"))
    assert called == [[verb, "--platform", "linux/arm64"]]


def test_nox_ends_with_the_exit_code_of_the_verb(noxfile: Any, ran: list[list[str]], called: list[list[str]]) -> None:
    with pytest.raises(SystemExit) as ended:
        noxfile.nox.sessions["check"].run(Session("check", "--profile", "nope"))
    assert ended.value.code == 2


def test_what_other_modules_log_stays_out_of_the_output_to_which_nox_has_logging_lead(
    noxfile: Any, ran: list[list[str]], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("python_on_whales.utils", "urllib3.connectionpool")
    for name in names:
        above = logging.getLogger(name.partition(".")[0])
        monkeypatch.setattr(above, "handlers", [])
        monkeypatch.setattr(above, "propagate", True)
    out = io.StringIO()
    monkeypatch.setattr(logging.root, "handlers", [logging.StreamHandler(out)])

    def main(_: list[str]) -> int:
        for name in (*names, "buildspec"):
            logging.getLogger(name).warning("said by %s", name)
        return 0

    monkeypatch.setattr("buildspec.cli.main", main)
    monkeypatch.setattr("site.addsitedir", lambda _: None)
    noxfile.nox.sessions["check"].run(Session("check"))
    assert out.getvalue() == "said by buildspec\n"
    assert capsys.readouterr().err == ""


def test_a_bare_nox_changes_nothing_outside_the_checkout(noxfile: Any) -> None:
    assert noxfile.nox.options.sessions == ["check", "plan"]


def test_an_environment_is_made_once_and_shared_by_the_verbs(
    noxfile: Any, ran: list[list[str]], called: list[list[str]]
) -> None:
    for verb in ("check", "plan", "check"):
        noxfile.nox.sessions[verb].run(Session(verb))
    assert len(ran) == 2
    assert ran[0][1:4] == ["-m", "venv", "--clear"]
    assert ran[1][1:4] == ["-m", "pip", "install"]


@pytest.mark.parametrize("change", ["pyproject", "groups", "interrupted"])
def test_an_environment_is_made_anew_when_what_it_holds_changes(
    change: str, noxfile: Any, ran: list[list[str]]
) -> None:
    noxfile.environment("tests", "test")
    if change == "pyproject":
        (noxfile.HERE / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    elif change == "groups":
        noxfile.PROJECT["dependency-groups"]["test"].append("hypothesis")
    else:
        (noxfile.HERE / ".nox/tests/installed").unlink()
    noxfile.environment("tests", "test")
    assert len(ran) == 4


def test_environments_do_not_mix(noxfile: Any, ran: list[list[str]]) -> None:
    noxfile.nox.sessions["lint"].run(Session("lint"))
    noxfile.nox.sessions["tests"].run(Session("tests"))
    installed = [argv[-1] for argv in ran if "pip" in argv]
    assert installed == ["mypy>=1", "pytest>=8"]


def test_lint_holds_style_and_types_against_the_code(noxfile: Any, ran: list[list[str]]) -> None:
    session = Session("lint")
    noxfile.nox.sessions["lint"].run(session)
    assert [" ".join(argv[1:]) for argv in session.commands] == ["ruff check .", "ruff format --check .", "mypy"]


@pytest.mark.parametrize(("given", "expected"), [([], ["tests/unit", "tests/engine"]), (["-k", "x"], ["-k", "x"])])
def test_tests_are_all_of_them_or_those_asked_for(
    given: list[str], expected: list[str], noxfile: Any, ran: list[list[str]]
) -> None:
    session = Session("tests", *given)
    noxfile.nox.sessions["tests"].run(session)
    assert session.commands == [("-m", "pytest", *expected)]


def test_each_verb_is_a_session_that_needs_no_environment_of_nox(noxfile: Any) -> None:
    from buildspec.arguments import VERBS

    assert "new" not in noxfile.nox.sessions  # where there is a noxfile, it has been
    for name, verb in VERBS.items():
        if not verb.of_specification:
            continue
        session = noxfile.nox.sessions[name]
        assert (session.run.__doc__, session.venv_backend) == (verb.about, "none")
        assert session.default is (name in noxfile.nox.options.sessions)


def test_the_sessions_of_a_noxfile_are_known_before_anything_is_installed() -> None:
    code = (
        "import sys; before = set(sys.modules); import buildspec.arguments\n"
        "print(*sorted({name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["buildspec"]


def test_without_nox_the_message_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nox", None)
    monkeypatch.delitem(sys.modules, "buildspec.sessions", raising=False)
    with pytest.raises(ImportError, match=r"pip install 'buildspec\[nox\]'"):
        import_module("buildspec.sessions")


def test_a_noxfile_says_what_to_do_where_nox_cannot_find_this_package(tmp_path: Path) -> None:
    (tmp_path / "noxfile.py").write_text((ROOT / "docs/examples/pulse/noxfile.py").read_text())
    code = "import sys; sys.modules['buildspec'] = None; from nox.__main__ import main; main()"
    argv = [sys.executable, "-c", code, "-l"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "Install buildspec beside nox" in done.stderr
