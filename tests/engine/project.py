"""Copies of small applications, built as users do: by the command, in a folder and under a name of their own."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

APPS = Path(__file__).parents[1] / "apps"
PLATFORMS = ("linux/amd64", "linux/arm64")
NATIVE = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}.get(platform.machine(), "linux/amd64")
FOREIGN = next(one for one in PLATFORMS if one != NATIVE)
BUILD_SECONDS = 300
"""Longest wait for a build; the first one of a base downloads and assembles it."""
END_SECONDS = 30
"""Longest wait for a build that was asked to end."""


def docker(*argv: str, given: str | None = None, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    """Run the docker client."""
    command = ["docker", *argv]
    return subprocess.run(command, input=given, capture_output=True, text=True, timeout=timeout, check=False)


def image_id(name: str) -> str:
    """Digest of a local image; empty without one."""
    return docker("image", "inspect", "--format", "{{.Id}}", name).stdout.strip()


def until(what: Callable[[], object], seconds: float, message: str) -> None:
    """Wait for something to be true."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, f"{message} within {seconds:.0f} s"
        time.sleep(0.05)


@attrs.frozen(kw_only=True)
class Outcome:
    """What came of a command."""

    code: int
    out: str
    err: str
    seconds: float
    result: Mapping[str, Any]
    """`build/result.json`; empty without one."""

    @property
    def told(self) -> str:
        """Everything it printed."""
        return self.out + self.err

    def good(self) -> Outcome:
        """The same, for a command that must have succeeded."""
        assert self.code == 0, self.told
        return self

    def steps(self, stage: str) -> list[Mapping[str, Any]]:
        """Steps of a Dockerfile stage."""
        return [step for step in self.result["steps"] if step["stage"] == stage]

    def table(self) -> dict[tuple[str, str], list[str]]:
        """Rows of the table at its end, by tag and platform, in words."""
        lines = [line.split() for line in self.out.splitlines()]
        head = lines.index(["image", "platform", "digest", "unpacked", "compressed", "seconds"])
        rows = lines[head + 1 : lines.index([], head)]
        return {(row[0], row[1]): row for row in rows}

    def digests(self) -> dict[str, str]:
        """By tag and platform, the digests of all manifests."""
        images = self.result["images"]
        return {f"{i['tag']} {p}": one["digest"] for i in images for p, one in i["platforms"].items()}


@attrs.frozen
class Project:
    """A copy of an application, whose images have names of their own."""

    root: Path
    name: str
    """Of its image."""

    def edit(self, file: str, old: str, new: str) -> None:
        """Replace a text that is there once."""
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{file} has {old!r} {text.count(old)} times"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def write(self, file: str, text: str) -> None:
        """Make a file hold a text."""
        (self.root / file).write_text(text, encoding="utf-8")

    def start(self, *arguments: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Run a verb, without waiting for it."""
        return subprocess.Popen(
            [sys.executable, "-m", "buildspec", *arguments],
            cwd=self.root,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = BUILD_SECONDS) -> Outcome:
        """Run a verb to its end."""
        start = time.monotonic()
        return self.finish(self.start(*arguments, env=env), timeout, start)

    def build(self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = BUILD_SECONDS) -> Outcome:
        """Build it."""
        return self.run("build", *arguments, env=env, timeout=timeout)

    def finish(self, child: subprocess.Popen[str], timeout: float, start: float | None = None) -> Outcome:
        """Wait for a command that was started; one that takes too long is ended, and that is a failure."""
        start = time.monotonic() if start is None else start
        with child:
            try:
                out, err = child.communicate(timeout=timeout)
            except subprocess.TimeoutExpired:
                child.terminate()
                try:
                    out, err = child.communicate(timeout=END_SECONDS)
                finally:
                    child.kill()
                raise AssertionError(f"took longer than {timeout:.0f} s:\n{out}{err}") from None
        file = self.root / "build" / "result.json"
        result = json.loads(file.read_bytes()) if file.is_file() else {}
        return Outcome(code=child.returncode, out=out, err=err, seconds=time.monotonic() - start, result=result)

    def bake(
        self, env: Mapping[str, str] | None = None, argv: Sequence[str] = ("--file", "build/docker-bake.json")
    ) -> subprocess.CompletedProcess[str]:
        """Build the generated files with buildx alone."""
        around = {**os.environ, **(env or {})}
        return subprocess.run(
            ["docker", "buildx", "bake", *argv],
            cwd=self.root,
            env=around,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )

    def files(self) -> dict[str, bytes]:
        """What it left under `build/`, but for bases: by path."""
        folder = self.root / "build"
        found = (path for path in folder.rglob("*") if path.is_file() and "bases" not in path.parts)
        return {str(path.relative_to(folder)): path.read_bytes() for path in found}

    def remove_images(self) -> None:
        """Remove all images that were made of it, those without a tag, too."""
        chosen = ["--filter", f"label=org.opencontainers.image.title={self.name}"]
        ids = docker("image", "ls", "--all", "--quiet", "--no-trunc", *chosen).stdout.split()
        if ids:
            docker("image", "rm", "--force", *dict.fromkeys(ids))


def copy_of(app: str, folder: Path, apps: Path = APPS) -> Project:
    """Copy an application and give its image a name that nobody has."""
    name = f"{app}-{uuid.uuid4().hex[:10]}"
    project = Project(folder / name, name)
    shutil.copytree(apps / app, project.root, ignore=shutil.ignore_patterns("build", "dist", "__pycache__"))
    project.edit("buildspec.toml", f'name = "{app}"\ntitle = "{app}"', f'name = "{name}"\ntitle = "{name}"')
    return project


def in_git(project: Project, *commands: str) -> None:
    """Run commands of git in a project's folder."""
    for command in commands:
        argv = ["git", "-c", "user.name=a", "-c", "user.email=a@b.test", *command.split()]
        subprocess.run(argv, cwd=project.root, check=True, capture_output=True, timeout=60)
