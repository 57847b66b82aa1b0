"""`new`: what it writes for each kind of project is right, and what it can't write for is told."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

import pytest
from helpers.plans import ROOT
from hypothesis import given
from hypothesis import strategies as st

from buildspec import cli
from buildspec.arguments import KINDS as CHOICES
from buildspec.checks.patterns import Ignored
from buildspec.engine import files
from buildspec.new import KINDS, NOXFILE, SPECIFICATION
from buildspec.new import project as pieces

LOCK = '{"lockfileVersion": 3}'
SERVER = "require('http').createServer().listen(process.env.PORT || 3000)"
HASHED = "bottle==0.13.4 \\\n    --hash=sha256:045684fbd2764eac9cdeb824861d1551d113e8b683d8d26e296898d3dd99a12e\n"
GO = "package main\n\nfunc main() {}\n"
Tree = Mapping[str, str]


def package(**more: object) -> str:
    return json.dumps({"name": "web", "version": "1.0.0", **more})


def lay(folder: Path, tree: Tree) -> None:
    for name, content in tree.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "My Project"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


def entries(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- what is written is right ----------------------------------------------------------------------------------------

RIGHT: Mapping[str, tuple[Tree, list[str], list[str]]] = {
    # project, options, what the specification then has
    "node command": ({"package.json": package(), "index.js": "1"}, [], ['rule = "no-health-check"', 'name = "web"']),
    "node with lock and no modules": (
        {"package.json": package(), "package-lock.json": LOCK, "index.js": "1"},
        [],
        ['entrypoint = ["node", "/app/index.js"]'],
    ),
    "node server": (
        {
            "package.json": package(scripts={"start": "node --enable-source-maps src/server.js"}),
            "src/server.js": SERVER,
        },
        [],
        ['expose = ["3000"]', "127.0.0.1:3000", '"/app/src/server.js"', '  "src",'],
    ),
    "node with everything": (
        {
            "package.json": package(
                name="@Acme/Web_App",
                description="says \"${HOME}\"\n'now'",
                license="MIT",
                dependencies={"express": "5"},
                devDependencies={"esbuild": "1"},
                scripts={"build": "esbuild", "test": "node --test", "start": "PORT=80 node dist/server.js"},
            ),
            "package-lock.json": LOCK,
            ".npmrc": "",
            "src/server.ts": "",
            "views/a b.html": "",
            "test/a.test.js": "",
        },
        ["--port", "8080"],
        [
            'env = { NODE_ENV = "production", PORT = "8080" }',
            'name = "web-app"',
            "$${HOME}",
            '{ from = "build", path = "dist", to = "./dist" }',
            'run = ["npm test"]',
            ".npmrc",
        ],
    ),
    "node with tests alone": (
        {"package.json": package(scripts={"test": "node --test"}, main="lib"), "lib.js": "", "a.test.js": ""},
        [],
        ['gate = "test"', '/app/lib.js"'],
    ),
    "node with a main folder": ({"package.json": package(main="server"), "server/index.js": ""}, [], ['"server"']),
    "node whose build makes something else": (
        {
            "package.json": package(scripts={"build": "vite build", "start": "node index.js"}),
            "index.js": "",
            "server/app.js": "",
            "api.yaml": "",
            "docker-compose.yml": "",
        },
        [],
        ['path = "server"', 'path = "api.yaml"', "# and what the build makes"],
    ),
    "node that isn't named": ({"package.json": "{}", "index.js": ""}, [], ['name = "my-project"']),
    "node named beyond ASCII": ({"package.json": package(name="@ä/été"), "index.js": ""}, [], ['name = "ete"']),
    "node whose name has no letters": (
        {"package.json": package(name="___"), "index.js": ""},
        [],
        ['name = "my-project"'],
    ),
    "node with a program": ({"package.json": package(bin={"x": "./bin/x.js"}), "bin/x.js": ""}, [], ["/app/bin/x.js"]),
    "node with wrong types": ({"package.json": package(scripts=[], bin=7, dependencies=None), "index.js": ""}, [], []),
    "node start script with options, arguments and variables": (
        {
            "package.json": package(
                scripts={
                    "build": "tsc",
                    "start": "PORT=81 MODE='a b' node -r ./trace.cjs --import=x --title t dist/server --fast 'c d'",
                }
            ),
            "trace.cjs": "",
            "src/server.ts": "",
        },
        [],
        [
            '"node", "-r", "./trace.cjs", "--import=x", "--title", "t", "/app/dist/server.js", "--fast", "c d"]',
            'env = { NODE_ENV = "production", PORT = "81", MODE = "a b" }',
            '  "trace.cjs",',
            'expose = ["81"]',
        ],
    ),
    "node start script that isn't understood, and an entry": (
        {"package.json": package(scripts={"start": "tsx watch"}), "index.js": ""},
        ["--entry", "./index.js"],
        ['entrypoint = ["node", "/app/index.js"]'],
    ),
    "node server in TypeScript": (
        {
            "package.json": package(scripts={"build": "tsc", "start": "node dist/main.js"}),
            "src/main.ts": SERVER,
        },
        [],
        ['expose = ["3000"]', '"/app/dist/main.js"'],
    ),
    "node package in a folder that is no workspace": (
        {"package.json": package(), "index.js": "", "../package.json": '{"workspaces": ["packages/*"]}'},
        [],
        [],
    ),
    "node with another's files": (
        {
            "package.json": package(),
            "index.js": "",
            "Dockerfile": "FROM scratch",
            "docker-compose.yml": "",
            ".dockerignore": "",
        },
        [],
        [
            'files = ["buildspec.schema.json"]',
            "# Left out, being the project's own: Dockerfile, .dockerignore, docker-compose.yml.",
        ],
    ),
    "python file": ({"pyproject.toml": '[project]\nname = "A.B"\n', "main.py": "print(1)"}, [], ['name = "a-b"']),
    "python server with packages": (
        {"requirements.txt": HASHED, "app.py": "app.run(host='0.0.0.0', port=5000)", "templates/x.html": ""},
        [],
        ['expose = ["5000"]', '"templates"', 'from = "dependencies"', "PIP_INDEX_URL"],
    ),
    "python package in src": (
        {"pyproject.toml": "", "src/tally/__main__.py": "", "src/tally/__init__.py": "", "tests/test_a.py": ""},
        [],
        ['["python3", "-m", "tally"]', 'PYTHONPATH = "/app/src"'],
    ),
    "python script": (
        {"pyproject.toml": '[project]\nname = "t"\nscripts.t = "tally.cli:app.main"\n', "tally/cli.py": ""},
        [],
        ["from tally.cli import app; sys.exit(app.main())"],
    ),
    "python pinned without hashes": ({"requirements.txt": "bottle==0.13.4  # web\n", "main.py": ""}, [], []),
    "python with requirements that refer to others": (
        {
            "requirements.txt": "# all\n--index-url https://x.test/simple\n-r more/base.txt\n-c limits.txt\n--pre\n",
            "more/base.txt": f"-r web.txt\nsix==1.17.0 --hash=sha256:{'0' * 64}\n",
            "more/web.txt": f"-r base.txt\n{HASHED}",
            "limits.txt": "six<2\n",
            "main.py": "",
        },
        [],
        [
            '["requirements.txt", { path = "more/base.txt", to = "./more/base.txt" }, {',
            '"./more/web.txt" }, "limits.txt"]',
        ],
    ),
    "python with FastAPI": (
        {
            "requirements.txt": "fastapi==1\nUvicorn[standard]==1\n",
            "app/main.py": "import subprocess\n\napi: FastAPI = FastAPI(title='x')\nsubprocess.run([])",
        },
        [],
        [
            'entrypoint = ["python3", "-m", "uvicorn", "app.main:api", "--host", "0.0.0.0", "--port", "8000"]',
            'expose = ["8000"]',
        ],
    ),
    "python with Flask and gunicorn": (
        {
            "requirements.txt": "flask==3\ngunicorn==23\n",
            "app.py": "import flask\napp = flask.Flask(__name__)\nif __name__ == '__main__':\n    app.run(port=5000)\n",
        },
        [],
        ['"-m", "gunicorn", "app:app", "--bind", "0.0.0.0:5000"]', 'expose = ["5000"]'],
    ),
    "python with Flask, which serves itself": (
        {"requirements.txt": "flask==3\n", "app.py": "app = Flask(__name__)\napp.run(port=5000)\n"},
        [],
        ['entrypoint = ["python3", "/app/app.py"]', 'expose = ["5000"]'],
    ),
    "python with Django": (
        {
            "requirements.txt": "django==5\nwaitress==3\n",
            "manage.py": "",
            "site1/wsgi.py": "application = get_wsgi_application()\n",
            "site1/asgi.py": "application = get_asgi_application()\n",
        },
        ["--port", "8080"],
        ['"-m", "waitress", "--listen=0.0.0.0:8080", "site1.wsgi:application"]', '"site1"', '"manage.py"'],
    ),
    "python with Django and a server of the other kind": (
        {
            "requirements.txt": "django==5\nhypercorn==1\n",
            "site1/wsgi.py": "application = get_wsgi_application()\n",
            "site1/asgi.py": "application = get_asgi_application()\n",
        },
        [],
        ['"-m", "hypercorn", "site1.asgi:application", "--bind", "0.0.0.0:8000"]'],
    ),
    "python application by name": (
        {"requirements.txt": "flask==3\ngunicorn==1\n", "a/b.py": "from a.c import make\n\napp = make()\n"},
        ["--entry", "a.b:app"],
        ['"gunicorn", "a.b:app"'],
    ),
    "python application that is a function": (
        {"requirements.txt": "uvicorn==3\n", "a.py": "async def serve_all(scope, receive, send):\n    ...\n"},
        ["--entry", "a:serve_all"],
        ['"uvicorn", "a:serve_all"'],
    ),
    "python function that is awaited": (
        {"pyproject.toml": "", "a.py": "async def main():\n    ...\n"},
        ["--entry", "a:main"],
        ["import asyncio, sys; from a import main; sys.exit(asyncio.run(main()))"],
    ),
    "python command called app": (
        {"requirements.txt": "typer==1\nfastapi==1\nuvicorn==1\n", "a.py": "app = typer.Typer()\n"},
        ["--entry", "a:app"],
        ["from a import app; sys.exit(app())"],
    ),
    "python of versions that the base has": (
        {"pyproject.toml": '[project]\nrequires-python = ">=3.9, <4, !=3.10.*, ~=3.11"\n', "main.py": ""},
        [],
        [],
    ),
    "go command": ({"go.mod": "module example.com/Acme/Tool/v2\n\ngo 1.23\n", "main.go": GO}, [], ['name = "tool"']),
    "go server": (
        {
            "go.mod": "module x\n\nrequire (\n\tgolang.org/x/net v0.1.0\n)\n",
            "go.sum": "",
            "cmd/api/main.go": f'{GO}// http.ListenAndServe(":9090", nil)',
        },
        [],
        ['name = "api"', 'expose = ["9090"]'],
    ),
    "static": ({"index.html": "", "style.css": ""}, [], ['expose = ["8080"]', 'name = "my-project"']),
    "static in a folder": ({"public/index.html": ""}, ["--port", "3000"], ['path = "public"', 'expose = ["3000"]']),
    "static, from a folder that a build makes": (
        {
            "index.html": "",
            "package.json": package(scripts={"build": "vite build"}),
            "dist/index.html": "",
        },
        ["--kind", "static", "--entry", "dist/"],
        ['path = "dist"', 'files = ["Dockerfile", "docker-bake.json", "compose.yaml", "buildspec.schema.json"]'],
    ),
    "static, and the sources are the site": (
        {"index.html": "", "package.json": package(scripts={"build": "vite build"})},
        ["--kind", "static", "--entry", "."],
        ["# The site: all of this folder but"],
    ),
    "two kinds, one of them asked for": (
        {"package.json": package(), "index.js": "", "index.html": ""},
        ["--kind", "static"],
        ["nginx"],
    ),
    "a port that isn't one of a server": (
        {"package.json": package(), "index.js": SERVER},
        ["--port", "0"],
        ["a command"],
    ),
}


@pytest.mark.parametrize("case", RIGHT)
def test_what_is_written_passes_the_check_with_all_its_profiles(
    case: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree, options, parts = RIGHT[case]
    lay(folder, tree)
    before = entries(folder)
    assert cli.main(["new", *options]) == 0, capsys.readouterr().err
    told = capsys.readouterr().out
    written = entries(folder)
    assert {path: written[path] for path in before} == before
    assert [path for path in written if path not in before and f"{path}: written\n" not in told] == []
    text = written[SPECIFICATION].decode()
    assert [part for part in parts if part not in text] == []
    for profiles in ([], ["--profile", "debian"]):
        assert cli.main(["check", "--strict", *profiles]) == 0, capsys.readouterr().err
    assert cli.main(["generate"]) == 0, capsys.readouterr().err
    assert cli.main(["check", "--strict"]) == 0, capsys.readouterr().err
    assert max(map(len, written["noxfile.py"].decode().splitlines())) <= 120
    assert len(written["noxfile.py"].decode().split("\n")) <= 4


def test_all_kinds_can_be_asked_for() -> None:
    assert (*KINDS,) == CHOICES


@pytest.mark.parametrize("example", ["notes", "pages", "pulse"])
def test_an_example_passes_the_check_and_has_the_noxfile_that_is_written(
    example: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    there = ROOT / "docs" / "examples" / example
    assert cli.main(["check", "--strict", "--file", str(there / SPECIFICATION)]) == 0, capsys.readouterr().err
    lay(folder, {"index.html": ""})
    assert cli.main(["new"]) == 0
    assert (folder / NOXFILE).read_text() == (there / NOXFILE).read_text()


# --- what can't be written for ---------------------------------------------------------------------------------------

WRONG: Mapping[str, tuple[Tree, list[str], str]] = {
    "nothing": (
        {"main.rs": ""},
        [],
        "known are node: package.json; python: pyproject.toml or requirements.txt; go: go.mod",
    ),
    "Rust": ({"Cargo.toml": ""}, [], "docs/guides/other-languages.md shows how to write stages for others"),
    "two kinds": ({"package.json": "{}", "index.html": ""}, [], "`--kind node` or `--kind static`"),
    "another kind": ({"package.json": "{}"}, ["--kind", "go"], "no go.mod here"),
    "no such kind": ({}, ["--kind", "rust"], "invalid choice: 'rust'"),
    "no port": ({"package.json": "{}"}, ["--port", "65536"], "'65536' is no port"),
    "a port of letters": ({"package.json": "{}"}, ["--port", "http"], "'http' is no port"),
    "a specification": ({"package.json": "{}"}, ["--file", "x.toml"], "unrecognized arguments: --file"),
    "node: no JSON": ({"package.json": "{"}, [], "package.json isn't JSON"),
    "node: too deep": ({"package.json": "[" * 100_000}, [], "package.json isn't JSON"),
    "node: nothing starts": ({"package.json": package()}, [], "`--entry server.js`"),
    "node: a start script's file": (
        {"package.json": package(scripts={"start": "node server.js", "build": "x"}), "index.js": ""},
        [],
        "'server.js' isn't there, which the start script names",
    ),
    "node: a main that isn't there": (
        {"package.json": package(main="lib.js"), "index.js": ""},
        [],
        "'lib.js' isn't there, which package.json names",
    ),
    "node: what a start script loads": (
        {"package.json": package(scripts={"start": "node -r ./a.js index.js"}), "index.js": ""},
        [],
        "'./a.js' isn't there, which the start script loads",
    ),
    "node: several that may start": (
        {"package.json": package(main="a.js", bin={"b": "./b.js"}), "a.js": "", "b.js": ""},
        [],
        "`--entry a.js` or `--entry b.js`",
    ),
    "node: TypeScript": ({"package.json": package(), "a.ts": ""}, ["--entry", "a.ts"], "'a.ts' isn't JavaScript"),
    "node: workspaces": (
        {"package.json": package(workspaces=["packages/*"]), "index.js": ""},
        [],
        "by new; write the stages by hand\nfix: docs/guides/from-a-dockerfile.md shows how",
    ),
    "node: in a workspace": (
        {"package.json": package(), "index.js": "", "../package.json": '{"workspaces": {"packages": ["./My*"]}}'},
        [],
        "npm workspaces aren't supported by new",
    ),
    "node: a lock that is no JSON": (
        {"package.json": package(dependencies={"a": "1"}), "index.js": "", "package-lock.json": "<"},
        [],
        "package-lock.json isn't JSON",
    ),
    "node: no such entry": ({"package.json": "{}"}, ["--entry", "a.js"], "'a.js' isn't there"),
    "node: an entry outside": ({"package.json": "{}"}, ["--entry", "../a.js"], "'../a.js' isn't there"),
    "node: no lock": (
        {"package.json": package(dependencies={"express": "5"}), "index.js": ""},
        [],
        "`npm install --package-lock-only` writes one",
    ),
    "node: another's lock": (
        {"package.json": package(dependencies={"express": "5"}), "index.js": "", "yarn.lock": ""},
        [],
        "yarn.lock is another package manager's",
    ),
    "node: which port": ({"package.json": package(), "index.js": "app.listen(port)"}, [], "`--port 3000`"),
    "node: an odd name": ({"package.json": package(), "index.js": "", "a[1].js": ""}, [], "'a[1].js'"),
    "python: no TOML": ({"pyproject.toml": "["}, [], "pyproject.toml isn't TOML"),
    "python: nothing starts": ({"pyproject.toml": ""}, [], "nothing here says what starts"),
    "python: no such entry": ({"pyproject.toml": ""}, ["--entry", "a b:c"], "there is no 'a b:c'"),
    "python: no lock": (
        {"pyproject.toml": '[project]\nname = "x"\ndependencies = ["flask"]\n', "main.py": "", "uv.lock": ""},
        [],
        "`uv export",
    ),
    "python: poetry": (
        {
            "pyproject.toml": '[tool.poetry.dependencies]\npython = "^3"\nflask = "*"\n',
            "main.py": "",
            "poetry.lock": "",
        },
        [],
        "`poetry export",
    ),
    "python: loose": ({"requirements.txt": "flask>=3\n", "main.py": ""}, [], "doesn't pin 'flask>=3' to a version"),
    "python: another version": (
        {"pyproject.toml": '[project]\nrequires-python = ">=3.14"\n', "main.py": ""},
        [],
        "the project requires Python '>=3.14', and the base without a shell has 3.13",
    ),
    "python: another version, by Poetry": (
        {"pyproject.toml": '[tool.poetry.dependencies]\npython = "~3.12"\n', "main.py": ""},
        [],
        "docs/guides/other-languages.md",
    ),
    "python: requirements that aren't there": (
        {"requirements.txt": "-r ../base.txt\n", "main.py": ""},
        [],
        "requirements.txt refers to '../base.txt', which isn't here",
    ),
    "python: loose in another file": ({"requirements.txt": "-rb.txt", "b.txt": "six>1", "main.py": ""}, [], "'six>1'"),
    "python: loose with a marker": (
        {"requirements.txt": "six; python_version == '3.13'", "main.py": ""},
        [],
        "doesn't pin",
    ),
    "python: editable": ({"requirements.txt": "-e .\n", "main.py": ""}, [], "doesn't pin '-e .'"),
    "python: no server": (
        {"requirements.txt": "fastapi==1\ngunicorn==1\n", "main.py": "app = FastAPI()\n"},
        [],
        "'app', and requirements.txt has no server for it\nfix: add uvicorn or hypercorn to it",
    ),
    "python: no server by name": (
        {"requirements.txt": "flask==1\n", "main.py": "app = Flask(__name__)\n"},
        ["--entry", "main:app"],
        "add gunicorn or waitress to it",
    ),
    "python: no server for Django": (
        {"requirements.txt": "django==1\n", "x/wsgi.py": "application = get_wsgi_application()\n"},
        [],
        "add gunicorn or waitress to it",
    ),
    "python: a maker of applications": (
        {"requirements.txt": "flask==1\ngunicorn==1", "main.py": "def create_app():\n    return Flask('x')\n"},
        [],
        "main.py makes its application, of Flask, where no server can import it",
    ),
    "python: a maker by name": (
        {"requirements.txt": "flask==1\ngunicorn==1", "main.py": "def create_app():\n    return Flask('x')\n"},
        ["--entry", "main:create_app"],
        "'create_app' makes an application, and isn't one",
    ),
    "python: an application without a port": (
        {"requirements.txt": "flask==1\ngunicorn==1", "main.py": "app = Flask('x')\n"},
        ["--port", "0"],
        "leave out `--port 0`",
    ),
    "python: several packages": (
        {"pyproject.toml": "", "a/__main__.py": "", "b/__main__.py": ""},
        [],
        "`--entry a` or `--entry b`",
    ),
    "static: no such folder": ({"index.html": ""}, ["--entry", "x"], "'x' is no folder with an index.html"),
    "static: a folder of this program's": (
        {"build/index.html": ""},
        ["--kind", "static", "--entry", "build"],
        "build/ is where this program puts what it makes",
    ),
    "static: sources of a site": (
        {"index.html": "", "package.json": package(scripts={"build": "vite build"})},
        ["--kind", "static"],
        "`--entry dist`, once `npm run build` has made it, or `--entry .`",
    ),
    "static: no server": ({"index.html": ""}, ["--port", "0"], "a server, which is nginx"),
    "go: no module": ({"go.mod": "", "main.go": GO}, [], "go.mod has no line `module`"),
    "go: no lock": ({"go.mod": "module x\nrequire example.com/y v1.0.0\n", "main.go": GO}, [], "there is no go.sum"),
    "go: no program": ({"go.mod": "module x\n", "x.go": "package x\n"}, [], "no `package main`"),
    "go: several": (
        {"go.mod": "module x\n", "cmd/a/m.go": GO, "cmd/b/m.go": GO},
        [],
        "`--entry cmd/a` or `--entry cmd/b`",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_it_cannot_write_for_is_told_and_nothing_is_written(
    case: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree, options, told = WRONG[case]
    lay(folder, tree)
    before = entries(folder)
    assert cli.main(["new", *options]) == 2
    said = capsys.readouterr()
    assert told in said.err
    assert said.out == ""
    assert entries(folder) == before


@pytest.mark.parametrize("there", ["buildspec.toml", "stages/dependencies.Dockerfile", "noxfile.py"])
def test_nothing_is_overwritten(there: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree = {"package.json": package(dependencies={"a": "1"}), "package-lock.json": LOCK, "index.js": ""}
    lay(folder, {**tree, there: "mine"})
    before = entries(folder)
    assert cli.main(["new"]) == 2
    assert f"nothing was written: {there}\n" in capsys.readouterr().err
    assert entries(folder) == before


def test_a_link_that_leads_nowhere_is_not_overwritten(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(folder, {"index.html": ""})
    (folder / "buildspec.toml").symlink_to("elsewhere.toml")
    assert cli.main(["new"]) == 2
    assert "buildspec.toml" in capsys.readouterr().err
    assert sorted(path.name for path in folder.iterdir()) == ["buildspec.toml", "index.html"]


def test_git_is_told_to_ignore_what_verbs_leave(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(folder, {"index.html": ""})
    assert cli.main(["new"]) == 0
    assert (folder / ".gitignore").read_text() == "/build/\n/dist/\n/.nox/\n/.venv/\n"
    for name in ("buildspec.toml", "noxfile.py", "server/nginx.conf"):
        (folder / name).unlink()
    (folder / ".gitignore").write_text("dist\n")
    capsys.readouterr()
    assert cli.main(["new"]) == 0
    last = ".gitignore: not changed; add these lines: /build/ /.nox/ /.venv/\n"
    assert capsys.readouterr().out.endswith(f"\n{last}")
    assert (folder / ".gitignore").read_text() == "dist\n"


@pytest.mark.parametrize(
    ("tree", "ignored"),
    [
        ({"package.json": "{}", "index.js": ""}, "node_modules/"),
        ({"pyproject.toml": "", "main.py": ""}, "__pycache__/"),
    ],
)
def test_git_is_told_to_ignore_what_tools_of_the_kind_leave(tree: Tree, ignored: str, folder: Path) -> None:
    lay(folder, tree)
    assert cli.main(["new"]) == 0
    assert ignored in (folder / ".gitignore").read_text().splitlines()


UNSEEN = "no port seen, so taken for a command that ends; a server? add `--port 8080`"
TOLD: Mapping[str, tuple[Tree, list[str], str]] = {
    "node": (
        {"package.json": package(scripts={"build": "tsc", "start": "node dist/server.js"}), "src/server.ts": SERVER},
        ["--port", "8080"],
        "node: starts dist/server.js, listens on 8080",
    ),
    "node without a port": ({"package.json": "{}", "index.js": ""}, [], f"node: starts index.js, {UNSEEN}"),
    "node command": (
        {"package.json": "{}", "a.js": ""},
        ["--port", "0", "--entry", "a.js"],
        "a.js, a command that ends",
    ),
    "python": ({"pyproject.toml": "", "main.py": ""}, [], f"python: starts main.py, {UNSEEN}"),
    "python module": ({"pyproject.toml": "", "a/__main__.py": ""}, [], "python: starts module a, "),
    "python application": (
        {"requirements.txt": "flask==1\ngunicorn==1", "main.py": "app = Flask('x')\n"},
        [],
        "python: starts main:app by gunicorn, listens on 8000",
    ),
    "go": ({"go.mod": "module x\n", "cmd/a/m.go": GO}, [], f"go: compiles ./cmd/a, {UNSEEN}"),
    "static": ({"public/index.html": ""}, [], "static: serves public, listens on 8080"),
    "static from dist": (
        {"dist/index.html": ""},
        ["--kind", "static", "--entry", "dist"],
        "note: `nox -s bundle` puts its files into dist/",
    ),
}


@pytest.mark.parametrize("case", TOLD)
def test_what_a_project_is_taken_for_is_told(case: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tree, options, line = TOLD[case]
    lay(folder, tree)
    assert cli.main(["new", *options]) == 0
    assert line in capsys.readouterr().out


@pytest.mark.parametrize(
    "script",
    [
        "next start",
        "tsx src/server.ts",
        "ts-node x",
        "cross-env A=1 node index.js",
        "pm2 start index.js",
        "npx serve",
        "npm run serve",
        "npm run build && node index.js",
        "node index.js && node b.js",
        "node index.js | cat",
        "node index.js > log",
        "node $FILE",
        "node",
        "node -e 1 index.js",
        "node --watch index.js",
        "node --env-file=.env index.js",
        "node --require",
        "node 'index.js",
    ],
)
def test_a_start_script_that_is_not_understood_is_refused(
    script: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(folder, {"package.json": package(scripts={"start": script}, main="index.js"), "index.js": ""})
    assert cli.main(["new"]) == 2
    assert capsys.readouterr().err == f"error: the start script '{script}' isn't understood\nfix: say `--entry FILE`\n"


def test_packages_whose_install_scripts_do_not_run_are_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packages = {
        "node_modules/sharp": {"hasInstallScript": True},
        "node_modules/a/node_modules/@b/c": {"hasInstallScript": True, "os": ["!win32"]},
        "node_modules/esbuild": {"hasInstallScript": True, "dev": True},
        "node_modules/fsevents": {"hasInstallScript": True, "os": ["darwin"]},
        "node_modules/plain": {},
    }
    lock = json.dumps({"lockfileVersion": 3, "packages": packages})
    manifest = package(dependencies={"sharp": "1"}, scripts={"build": "x"})
    lay(folder, {"package.json": manifest, "package-lock.json": lock, "index.js": ""})
    assert cli.main(["new"]) == 0
    names, guide = "@b/c, sharp", "docs/guides/native-modules.md"
    assert (
        f"note: install scripts don't run, and these packages have some: {names}; see {guide}\n"
        in capsys.readouterr().out
    )
    commented = (folder / "stages/dependencies.Dockerfile").read_text()
    assert names in commented
    assert guide in commented
    assert cli.main(["check", "--strict"]) == 0


@pytest.mark.parametrize(
    "line",
    [
        "--index-url https://u:hidden@x.test/simple",
        "--extra-index-url=https://hidden@x.test",
        "six @ https://a:hidden@x",
    ],
)
def test_a_login_in_requirements_is_refused_and_not_shown(
    line: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(folder, {"requirements.txt": "-r base.txt\n", "base.txt": f"{line}\n{HASHED}", "main.py": ""})
    assert cli.main(["new"]) == 2
    said = capsys.readouterr().err
    assert "base.txt has an address with a login" in said
    assert "make it a secret" in said
    assert "hidden" not in said


def test_a_site_in_the_folder_of_a_project_has_nothing_else_of_it(folder: Path) -> None:
    private = [
        ".htpasswd",
        ".ssh/id",
        ".npmrc",
        "a/.x",
        "tls/site.key",
        "cert.pem",
        "docker-compose.yml",
        "compose.yaml",
    ]
    private += [
        "venv/x",
        "__pycache__/noxfile.pyc",
        "node_modules/x",
        "README.md",
        "a/b.md",
        "noxfile.py",
        "buildspec.toml",
        "dist/x",
        "build/x",
    ]
    public = [".well-known/security.txt", "index.html", "a/style.css", "composers.html"]
    lay(folder, {"index.html": ""})
    assert cli.main(["new"]) == 0
    ignored = Ignored.of(tomllib.loads((folder / SPECIFICATION).read_text())["context"]["ignore"])
    assert [path for path in (*private, *public) if not ignored.ignores(path)] == public
    assert r"location ~ /\.(?!well-known/) {" in (folder / "server" / "nginx.conf").read_text()


def test_a_site_that_has_dist_keeps_it(folder: Path) -> None:
    lay(folder, {"index.html": "", "dist/a.css": ""})
    assert cli.main(["new"]) == 0
    assert "dist" not in tomllib.loads((folder / SPECIFICATION).read_text())["context"]["ignore"]


def test_workflows_are_left_to_those_who_say_where_this_program_comes_from(folder: Path) -> None:
    lay(folder, {"index.html": ""})
    assert cli.main(["new"]) == 0
    text = (folder / SPECIFICATION).read_text()
    assert not [one for one in tomllib.loads(text)["generate"]["files"] if one.startswith(".github")]
    assert "`generate.requirements` names the file that says where CI installs this program from" in text


def test_what_was_generated_is_no_file_of_the_projects_own(folder: Path) -> None:
    lay(folder, {"index.html": ""})
    assert cli.main(["new"]) == 0
    first = (folder / SPECIFICATION).read_text()
    assert cli.main(["generate"]) == 0
    for name in (SPECIFICATION, NOXFILE, "server/nginx.conf"):
        (folder / name).unlink()
    assert cli.main(["new"]) == 0
    assert (folder / SPECIFICATION).read_text() == first


def test_a_folder_that_cannot_be_read_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(folder, {"package.json": package(), "index.js": ""})

    def locked(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", locked)
    assert cli.main(["new"]) == 3
    assert capsys.readouterr().err == "error: . can't be read: permission denied\n"


def test_a_noxfile_may_stay(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lay(folder, {"index.html": "", "noxfile.py": "mine"})
    assert cli.main(["new"]) == 2
    assert "`--no-noxfile`" in capsys.readouterr().err
    assert cli.main(["new", "--no-noxfile"]) == 0
    assert (folder / "noxfile.py").read_text() == "mine"


def test_a_file_that_cannot_be_written_leaves_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lay(folder, {"index.html": ""})
    write = files.write

    def full(path: Path, content: str | bytes) -> bool:
        if path.name == "nginx.conf":
            raise OSError(28, "No space left on device", str(path))
        return write(path, content)

    monkeypatch.setattr(files, "write", full)
    assert cli.main(["new"]) == 3
    assert "no space left" in capsys.readouterr().err
    assert [path.name for path in folder.iterdir()] == ["index.html"]


# --- pieces ----------------------------------------------------------------------------------------------------------


@given(st.text())
def test_every_name_becomes_one_that_registries_take(name: str) -> None:
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", pieces.image_name(name, Path("/")))


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_every_string_means_itself(value: str) -> None:
    assert tomllib.loads(f"x = {pieces.string(value)}")["x"].replace("$${", "${") == value.replace("$${", "${")


@pytest.mark.parametrize(
    ("source", "port"),
    [
        ("app.listen(process.env.PORT || 3000)", 3000),
        ("const port = Number(process.env.PORT ?? '8081')", 8081),
        ("listen(4000, () => {})", 4000),
        ("uvicorn.run(app, port=8000)", 8000),
        ('HTTPServer(("0.0.0.0", 9000), H)', 9000),
        ('os.environ.get("PORT", "5001")', 5001),
        ("listen(99999)", 0),
        ("nothing", 0),
    ],
)
def test_the_port_that_a_source_names(source: str, port: int) -> None:
    assert pieces.port_in(source) == port
