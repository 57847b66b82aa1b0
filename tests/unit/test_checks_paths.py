"""The files of the context: Docker's patterns, what is ignored, what is missing, and what leads out."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from helpers.specs import MINIMAL, write

from buildspec.checks import findings
from buildspec.checks.patterns import Ignored
from buildspec.spec.load import Selection, draft

RULES = ("path-escapes-context", "missing-path", "ignored-path")


def found(folder: Path, tail: str, *files: str) -> list[str]:
    """What the rules about paths find, with the paths of the specification."""
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")
    source = draft(write(folder, MINIMAL + tail), Selection()).source
    return [f"{one.rule} {one.path}" for one in findings(source) if one.rule in RULES]


# Most cases are of moby/patternmatcher, patternmatcher_test.go.
@pytest.mark.parametrize(
    ("patterns", "path", "ignored"),
    [
        ("**", "file", True),
        ("**", "dir/file", True),
        ("**/", "file", True),
        ("**/", "dir/file", True),
        ("**/**", "dir/file", True),
        ("dir/**", "dir/file", True),
        ("dir/**", "dir/dir2/file", True),
        ("dir/**", "other/file", False),
        ("**/dir", "dir/file", True),
        ("**/dir", "a/b/dir", True),
        ("**/dir2/*", "dir/dir2/file", True),
        ("**/dir2/*", "dir2/file", True),
        ("**/dir2/**", "dir/dir2/dir2/file", True),
        ("**file", "file", True),
        ("**file", "dir/file", True),
        ("**file", "dir/xfile", False),
        ("**/file", "dir/file", True),
        ("**/file", "dirfile", False),
        ("a**b", "ab", True),
        ("a**b", "a/x/b", True),
        ("**/*.md", "README.md", True),
        ("**/*.md", "docs/a/b.md", True),
        ("*.md", "docs/a.md", False),
        ("*.md", "a.md", True),
        ("a*b*c", "aXbYbc", True),
        ("a*b*c", "a/b/c", False),
        ("?", "a", True),
        ("?", "/", False),
        ("a?c", "abc", True),
        ("[a-c]x", "bx", True),
        ("[^a-c]x", "bx", False),
        ("[^a-c]x", "dx", True),
        ("a[b", "a[b", True),
        (r"a\*b", "a*b", True),
        (r"a\*b", "axb", False),
        ("a.b", "axb", False),
        ("a+b(c){d}$", "a+b(c){d}$", True),
        ("/abs", "abs", True),
        ("./x/../y", "y", True),
        ("  spaced  ", "spaced", True),
        ("# comment", "# comment", False),
        ("", "a", False),
        (".", "a", False),
        ("docs !docs/README.md", "docs/README.md", False),
        ("docs !docs/README.md", "docs/other", True),
        ("!docs/README.md docs", "docs/README.md", True),
        ("* !src", "src/main.js", False),
        ("* !src", "lib/main.js", True),
        ("* !src src/*.log", "src/a.log", True),
        ("node_modules", "node_modules/a/b", True),
        ("node_modules", "sub/node_modules", False),
        (".git*", ".gitignore", True),
        ("**/.git", "a/.git/config", True),
    ],
)
def test_what_docker_ignores_is_ignored(patterns: str, path: str, ignored: bool) -> None:
    lines = [patterns] if " " in patterns.strip() and "!" not in patterns else patterns.split(" ")
    assert Ignored.of(lines).ignores(path) is ignored


@pytest.mark.parametrize("pattern", ["*a" * 1000, "**/" * 1000 + "b", "**a" * 1000, "[a" * 1000, "***/" * 1000])
def test_no_pattern_takes_long(pattern: str) -> None:
    started = time.process_time()
    Ignored.of([pattern]).ignores("/".join(["a" * 50] * 5))
    assert time.process_time() - started < 1


@pytest.mark.parametrize(
    ("tail", "rules"),
    [
        ("copy = ['a.txt', 'src', '.', './src/', 'src/*.js', '*', '*.tx?', '[a-b].txt', 's*/m*']", []),
        ("copy = ['**']", []),
        ("copy = ['b.txt']", ["missing-path stages.app.copy[0]"]),
        ("copy = [{ path = 'src/*.ts' }]", ["missing-path stages.app.copy[0].path"]),
        ("copy = ['src/main.js/x']", ["missing-path stages.app.copy[0]"]),
        ("copy = [{ path = '/nowhere', from = 'node' }]", []),
        ("copy = ['../a.txt']", ["path-escapes-context stages.app.copy[0]"]),
        ("copy = ['a..txt/..b']", ["missing-path stages.app.copy[0]"]),
        ("copy = ['https://example.org/a']", []),
        ("copy = ['']", []),
    ],
)
def test_a_copy_names_what_is_there(tmp_path: Path, tail: str, rules: list[str]) -> None:
    assert found(tmp_path, f"{tail}\n", "a.txt", "src/main.js", "s/m") == rules


def test_nothing_is_said_of_a_context_that_is_not_there(tmp_path: Path) -> None:
    assert found(tmp_path, "copy = ['a']\n[context]\npath = 'later'\n") == []
    assert found(tmp_path, f"copy = ['a']\n[context]\npath = '{'x' * 5000}'\n") == []


@pytest.mark.parametrize(
    ("ignore", "copies", "ignored"),
    [
        ("*.txt", "a.txt", True),
        ("*.txt", ".", False),
        ("*", ".", True),
        ("src", "src", True),
        ("src", "src/main.js", True),
        ("src/*", "src", True),
        ("src/*", "s*", False),
        ("src/*.ts", "src", False),
        ("**/*.js", "src", True),
        ("src !src/main.js", "src", False),
        ("* !src", ".", False),
        ("src !src/other.js", "src", True),
    ],
)
def test_a_copy_is_ignored_when_nothing_of_it_is_sent(tmp_path: Path, ignore: str, copies: str, ignored: bool) -> None:
    tail = f"copy = ['{copies}']\n[context]\nignore = {ignore.split()}\n"
    expected = ["ignored-path stages.app.copy[0]"] if ignored else []
    assert found(tmp_path, tail, "a.txt", "src/main.js", "s/m") == expected


def test_an_empty_folder_is_not_ignored(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert found(tmp_path, "copy = ['empty']\n[context]\nignore = ['*.js']\n") == []


def test_links_may_lead_about_in_the_context_but_not_out_of_it(tmp_path: Path) -> None:
    root = tmp_path / "project"
    (root / "src").mkdir(parents=True)
    (tmp_path / "secret").write_text("")
    (root / "src" / "here").write_text("")
    (root / "inside").symlink_to("src/here")
    (root / "outside").symlink_to("../secret")
    (root / "folder").symlink_to("..")
    (root / "round").symlink_to("round")
    assert found(root, "copy = ['inside', '.', 'src']\n") == []
    assert found(root, "copy = ['outside', 'folder/secret', 'out*', 'round']\n") == [
        f"path-escapes-context stages.app.copy[{index}]" for index in range(4)
    ]
    assert found(root, "[context]\npath = 'folder'\n") == ["path-escapes-context context.path"]


def test_a_path_that_is_unknown_hides_no_other(tmp_path: Path) -> None:
    assert found(tmp_path, "copy = [3, 'gone', { path = 3 }]\n") == ["missing-path stages.app.copy[1]"]
    assert found(tmp_path, "copy = ['.']\n[context]\nignore = ['*', 3]\n") == []
