"""The rules of the house on imports and patterns, read from the package's own source."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import attrs
import pytest

PACKAGE = Path(__file__).parents[2] / "buildspec"
FOLDERS = ("spec", "checks", "plan", "render", "engine", "gates", "release", "report", "new")
"""In the order data flows: a folder may import those before it."""
EVERYBODYS = {"buildspec.errors", "buildspec"}
ABOVE_ALL = {"cli", "__main__", "sessions"}
"""They may import every folder, print, and end the process."""
CONFINED = {"python_on_whales": "engine", "subprocess": "engine", "tomlkit": "spec", "cattrs": "spec", "cattr": "spec"}
BODIES = ("body", "orelse", "finalbody", "handlers", "cases")
"""What holds statements, or what holds these."""
ENDINGS = {"print", "exit", "quit", "SystemExit"}


@attrs.frozen
class Import:
    """A module that another one imports."""

    name: str
    line: int
    at_start: bool
    """It is imported when the importing module is, not within a function or for types alone."""


def imports(tree: ast.Module, module: str, known: Mapping[str, object]) -> tuple[Import, ...]:
    """All imports of a module, wherever they stand in it."""
    return _imports(tree, module, frozenset(known))


@cache
def _imports(tree: ast.Module, module: str, known: frozenset[str]) -> tuple[Import, ...]:
    return tuple(_each_import(tree, module, known))


def _each_import(tree: ast.Module, module: str, known: frozenset[str]) -> Iterator[Import]:
    package = (
        module
        if module in known and (PACKAGE.parent / module.replace(".", "/")).is_dir()
        else module.rpartition(".")[0]
    )
    for node, at_start in _statements(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, at_start)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*parts, *([node.module] if node.module else [])])
            for alias in node.names:
                inner = f"{base}.{alias.name}"
                yield Import(inner if inner in known else base, node.lineno, at_start)


def _statements(tree: ast.Module) -> Iterator[tuple[ast.AST, bool]]:
    """All statements, and whether they run when the module is imported; expressions hold none, and are left out."""
    waiting: list[tuple[ast.AST, bool]] = [(one, True) for one in tree.body]
    while waiting:
        node, at_start = waiting.pop()
        yield node, at_start
        later = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or (
            isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        )
        for name in BODIES:
            inner = at_start and not (later and name == "body")
            waiting += [(one, inner) for one in getattr(node, name, ())]


def modules(root: Path) -> dict[str, ast.Module]:
    """The modules of a package by their names."""
    found = {}
    for file in sorted(root.rglob("*.py")):
        parts = file.relative_to(root.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        found[name] = ast.parse(file.read_text(encoding="utf-8"), str(file))
    return found


def top(module: str) -> str:
    """The module or folder of the package that it is or is in."""
    return (*module.split("."), "")[1]


def folder_of(module: str) -> str:
    parts = module.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in FOLDERS else ""


def misplaced(known: Mapping[str, ast.Module]) -> list[str]:
    """Imports of a folder that isn't above the importing one."""
    found = []
    for module, tree in known.items():
        folder = folder_of(module)
        for one in imports(tree, module, known):
            if not one.name.startswith("buildspec") or top(module) in ABOVE_ALL or one.name in EVERYBODYS:
                continue
            other = folder_of(one.name)
            allowed = FOLDERS[: FOLDERS.index(folder) + 1] if folder else ()
            if not other or other not in allowed:
                found.append(f"{module}:{one.line} imports {one.name}")
    return found


def escaped(known: Mapping[str, ast.Module]) -> list[str]:
    """Imports of libraries that belong to one folder, outside it."""
    found = []
    for module, tree in known.items():
        for one in imports(tree, module, known):
            home = CONFINED.get(one.name.partition(".")[0])
            if home and folder_of(module) != home:
                found.append(f"{module}:{one.line} imports {one.name}, which belongs to {home}/")
    return found


def endings(known: Mapping[str, ast.Module]) -> list[str]:
    """Printing and ending the process, outside the command line."""
    found = []
    for module, tree in known.items():
        for node in ast.walk(tree) if top(module) not in ABOVE_ALL else ():
            name = ""
            if isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Load):
                # an attribute of anything but a name is none of those below
                name = node.id if isinstance(node, ast.Name) else f"{getattr(node.value, 'id', '')}.{node.attr}"
            if name in ENDINGS or name in {"sys.exit", "os._exit", "builtins.print"}:
                found.append(f"{module}:{node.lineno} uses {name}")  # type: ignore[attr-defined]
    return found


def circle(known: Mapping[str, ast.Module]) -> list[str]:
    """Modules that import each other when they are imported."""
    graph = {
        module: {one.name for one in imports(tree, module, known) if one.at_start and one.name in known} - {module}
        for module, tree in known.items()
    }
    try:
        tuple(TopologicalSorter(graph).static_order())
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.fixture(scope="module")
def package() -> dict[str, ast.Module]:
    found = modules(PACKAGE)
    assert {"buildspec.spec.load", "buildspec.checks", "buildspec.errors", "buildspec.cli"} <= set(found)
    return found


def test_every_folder_of_the_package_has_its_place_in_the_order(package: dict[str, ast.Module]) -> None:
    there = {module.split(".")[1] for module in package if "." in module and (PACKAGE / module.split(".")[1]).is_dir()}
    assert there <= {*FOLDERS, *ABOVE_ALL}


def test_a_folder_imports_only_those_above_it(package: dict[str, ast.Module]) -> None:
    assert misplaced(package) == []


def test_libraries_stay_in_their_folders(package: dict[str, ast.Module]) -> None:
    assert escaped(package) == []


def test_only_the_command_line_prints_and_ends_the_process(package: dict[str, ast.Module]) -> None:
    assert endings(package) == []


def test_no_module_needs_itself_to_be_imported(package: dict[str, ast.Module]) -> None:
    assert circle(package) == []


# --- the rules can be broken ----------------------------------------------------------------------------------------


def parsed(**texts: str) -> dict[str, ast.Module]:
    return {f"buildspec.{name.replace('__', '.')}": ast.parse(text) for name, text in texts.items()}


@pytest.mark.parametrize(
    "text",
    [
        "from buildspec.checks import bases",
        "import buildspec.plan.model",
        "def f():\n    from buildspec.engine import apt",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from buildspec.report import console",
        "from ..checks import bases",
        "from buildspec import cli",
        "import buildspec.cli",
    ],
)
def test_an_import_from_below_is_found(text: str) -> None:
    there = parsed(spec__load=text, checks__bases="", plan__model="", engine__apt="", report__console="", cli="")
    assert len(misplaced({**there, "buildspec.checks": ast.parse(""), "buildspec": ast.parse("")})) == 1


@pytest.mark.parametrize(
    "text",
    [
        "from buildspec.spec.model import Spec",
        "import buildspec.errors",
        "from buildspec import __version__",
        "import re",
    ],
)
def test_an_import_from_above_is_fine(text: str) -> None:
    assert misplaced(parsed(checks__bases=text, spec__model="", errors="")) == []


@pytest.mark.parametrize(
    ("module", "text"),
    [
        ("spec__load", "import subprocess"),
        ("plan__model", "from tomlkit import parse"),
        ("checks__bases", "import cattrs.gen"),
        ("report__console", "def f():\n    import python_on_whales"),
        ("cli", "import subprocess"),
    ],
)
def test_a_library_outside_its_folder_is_found(module: str, text: str) -> None:
    assert len(escaped(parsed(**{module: text}))) == 1


@pytest.mark.parametrize("text", ["print('x')", "import sys\nsys.exit(1)", "raise SystemExit", "f = print", "exit()"])
def test_printing_and_ending_outside_the_command_line_is_found(text: str) -> None:
    assert len(endings(parsed(report__console=text))) == 1
    assert endings(parsed(cli=text)) == []


def test_modules_that_import_each_other_are_found() -> None:
    one, two = "from buildspec.spec import two", "def f(): ...\nfrom buildspec.spec.one import x"
    assert set(circle(parsed(spec__one=one, spec__two=two))) == {"buildspec.spec.one", "buildspec.spec.two"}
    assert circle(parsed(spec__one=one, spec__two="def f():\n    import buildspec.spec.one")) == []


def test_no_group_of_a_pattern_is_possessive() -> None:
    """Python before 3.11.5, such as Debian 12's, ends those too early: cpython#106052. Atomic ones it has right."""
    found = [
        f"{file.name}:{number}"
        for file in PACKAGE.rglob("*.py")
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"\)[*+?]\+", line)
    ]
    assert found == []
