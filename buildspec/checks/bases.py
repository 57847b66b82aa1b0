"""Rules about what a base provides: package managers, shells, users."""

from __future__ import annotations

import re
from collections.abc import Iterator

from buildspec.checks.commands import commands
from buildspec.checks.rules import Subject, each_base, each_copy, each_stage, known
from buildspec.errors import Diagnostic, quoted
from buildspec.spec.families import FAMILIES
from buildspec.spec.model import Base, Command, Copy, DebianBase, Stage
from buildspec.spec.overlay import suggest
from buildspec.spec.positions import Path
from buildspec.spec.unknown import UNKNOWN

_NUMERIC_USER = re.compile(r"[0-9]+(:[0-9]+)?")


@each_base
def unknown_family(subject: Subject, name: str, base: Base) -> Iterator[Diagnostic]:
    """A base's family isn't one of those whose traits are known."""
    if base.family and base.family not in FAMILIES:
        hint = suggest(base.family, FAMILIES) or f"; known: {', '.join(sorted(FAMILIES))}"
        message = f"no family is called {quoted(base.family)}{hint}"
        yield subject.problem("unknown-family", ("bases", name, "family"), message)


@each_stage
def packages_without_manager(subject: Subject, name: str, stage: Stage) -> Iterator[Diagnostic]:
    """A stage wants packages on a base that has no package manager, or none that is known."""
    if not stage.packages or isinstance(subject.spec.bases.get(stage.from_), DebianBase):
        return  # those of an assembled base are part of what is assembled
    base = subject.traits(name)
    if base is None:
        message = "what package manager the base has isn't known; say what 'family' it is"
    elif not base.packages:
        message = f"base family '{base.family}' has no package manager; copy the files from a stage that has"
    else:
        return
    yield subject.problem("packages-without-manager", ("stages", name, "packages"), message)


@each_stage
def users_without_accounts(subject: Subject, name: str, stage: Stage) -> Iterator[Diagnostic]:
    """A stage makes users on a base of which neither user tools nor accounts are known."""
    if stage.users and subject.traits(name) is None:
        message = "how the base makes users isn't known; say what 'family' it is"
        yield subject.problem("users-without-accounts", ("stages", name, "users"), message)


@each_stage
def run_without_shell(subject: Subject, name: str, stage: Stage) -> Iterator[Diagnostic]:
    """A stage has commands for a shell, and its base has none."""
    base = subject.traits(name)
    if base is None or base.shell:
        return
    message = f"commands need a shell, and base family '{base.family}' has none"
    if stage.run:
        yield subject.problem("run-without-shell", ("stages", name, "run"), message)
        return
    fragment = subject.source.fragments.get(name)
    if fragment is not None and any(one.keyword == "SHELL" for one in fragment.instructions):
        return  # it names a shell of its own
    first = next((one for one in commands(subject, name) if not one.exec_form), None)
    if first is not None:
        yield first.problem(subject, "run-without-shell", message)


@each_stage
def shell_form_without_shell(subject: Subject, name: str, stage: Stage) -> Iterator[Diagnostic]:
    """A command is written for a shell, and the base has none."""
    base = subject.traits(name)
    if base is None or base.shell:
        return
    for key in ("entrypoint", "cmd"):
        yield from known(_shell_form(subject, ("stages", name, key), getattr(stage, key), base.family))
    if stage.healthcheck is not None:
        path = ("stages", name, "healthcheck", "test")
        yield from _shell_form(subject, path, stage.healthcheck.test, base.family)


def _shell_form(subject: Subject, path: Path, command: Command, family: str) -> Iterator[Diagnostic]:
    if isinstance(command, str):
        message = f"{quoted(command)} needs a shell, and base family '{family}' has none; give the command as an array"
        yield subject.problem("shell-form-without-shell", path, message)


@each_stage
def unknown_account(subject: Subject, name: str, stage: Stage) -> Iterator[Diagnostic]:
    """A stage makes a user that isn't in `[users]`."""
    for index, user in enumerate(stage.users):
        if user is not UNKNOWN and user not in subject.spec.users:
            message = f"[users] has no {quoted(user)}{suggest(user, subject.spec.users) or '; add it'}"
            yield subject.problem("unknown-account", ("stages", name, "users", index), message)


@each_stage
def unknown_user(subject: Subject, name: str, stage: Stage) -> Iterator[Diagnostic]:
    """A stage runs as a user that is neither in `[users]` nor a number."""
    yield from _nobody(subject, "unknown-user", ("stages", name, "user"), stage.user)


@each_copy
def unknown_owner(subject: Subject, path: Path, copy: Copy) -> Iterator[Diagnostic]:
    """Copies belong to a user that is neither in `[users]` nor a number."""
    yield from _nobody(subject, "unknown-owner", (*path, "owner"), copy.owner)


def _nobody(subject: Subject, rule: str, path: Path, user: str) -> Iterator[Diagnostic]:
    if user and user not in subject.spec.users and _NUMERIC_USER.fullmatch(user) is None:
        hint = "; write '0'" if user == "root" else suggest(user, subject.spec.users) or "; add it to [users]"
        message = f"{quoted(user)} is neither in [users] nor a number{hint}"
        yield subject.problem(rule, path, message)
