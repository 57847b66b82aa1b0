"""A specification and its plan in, everything that is made from them for others out: paths and texts."""

from __future__ import annotations

import json
import posixpath
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

from buildspec import __version__
from buildspec.plan.model import Plan
from buildspec.render import bake, compose, dockerfile, reference, workflow
from buildspec.report import audit_page
from buildspec.report.diagnostics import AUDIT_PAGE
from buildspec.spec import schema
from buildspec.spec.model import GeneratedFile, Spec
from buildspec.spec.seal import origin, sealed

SCHEMA = "buildspec.schema.json"
"""Beside the specification, whose first line names it."""
REFERENCE = "docs/reference.md"


@attrs.frozen(kw_only=True)
class Subject:
    """What files are made from."""

    spec: Spec
    plan: Plan
    """Of all platforms; no text may depend on its facts."""
    frozen: bool = False
    """Workflows refuse what `buildspec.lock` doesn't have."""
    install: tuple[str, ...] = ("nox", f"buildspec=={__version__}")
    """What pip installs for workflows."""
    asked: tuple[str, ...] = ()
    """Environment variables that the specification asks for."""

    def workflow(self, make: Callable[..., str]) -> str:
        """A workflow of GitHub, with a line before it that says where it comes from."""
        text = make(self.spec, frozen=self.frozen, install=self.install, asked=self.asked)
        return f"# {origin('buildspec.toml')}\n{text}"


MAKERS: Mapping[GeneratedFile, Callable[[Subject], str]] = {
    "Dockerfile": lambda one: dockerfile.render(one.plan, dockerfile.PORTABLE_HEADER).text,
    "docker-bake.json": lambda one: json.dumps(bake.portable(one.plan), indent=2, ensure_ascii=False) + "\n",
    ".dockerignore": lambda one: bake.portable_dockerignore(one.plan),
    "compose.yaml": lambda one: compose.render(one.spec),
    "buildspec.schema.json": lambda _: schema.text(),
    workflow.RELEASE: lambda one: one.workflow(workflow.release),
    workflow.PULL_REQUEST: lambda one: one.workflow(workflow.pull_request),
}
"""What makes each file."""


def generated(subject: Subject) -> dict[str, str]:
    """The files that a specification asks for: paths relative to it, with what belongs in them.

    Args:
        subject: what they are made from.
    """
    wanted = subject.spec.generate.files
    chosen = MAKERS if wanted is None else wanted
    return {_place(name, subject.plan): sealed(MAKERS[name](subject)) for name in chosen}


def _place(name: GeneratedFile, plan: Plan) -> str:
    """An ignore file counts in the folder of the context, every other file beside the specification."""
    return posixpath.normpath(posixpath.join(plan.context, name)) if name == bake.IGNORE else name


def documentation(root: Path, project: Path) -> dict[str, str]:
    """The pages that are made from this program; it alone keeps them.

    Args:
        root: folder of the specification.
        project: this program's own folder.
    """
    if root.resolve() != project.resolve():
        return {}
    return {REFERENCE: sealed(reference.text()), AUDIT_PAGE: sealed(audit_page.text())}
