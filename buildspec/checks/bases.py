"""Rules about what a base provides: package managers, shells, users."""

from __future__ import annotations

import re
from collections.abc import Iterator

from buildspec.checks.graph import SCRATCH
from buildspec.checks.rules import problem
from buildspec.errors import Diagnostic
from buildspec.spec.families import FAMILIES, Traits, traits
from buildspec.spec.load import Source
from buildspec.spec.model import DebianBase, ImageBase
from buildspec.spec.overlay import suggest


def unknown_family(source: Source) -> Iterator[Diagnostic]:
    """A base's family isn't one of those whose traits are known."""
    for name, base in source.spec.bases.items():
        if base.family and base.family not in FAMILIES and isinstance(base, ImageBase):
            hint = suggest(base.family, FAMILIES) or f"; known: {', '.join(sorted(FAMILIES))}"
            message = f"no family is called '{base.family}'{hint}"
            yield problem(source, "unknown-family", ("bases", name, "family"), message)


def _traits(source: Source, stage: str) -> Traits | None:
    """Traits of the base at the root of a stage; None when that isn't known."""
    stages, seen = source.spec.stages, set[str]()
    name = stage
    while name in stages and name not in seen:
        seen.add(name)
        name = stages[name].from_
    if name == SCRATCH:
        return FAMILIES["scratch"]
    base = source.spec.bases.get(name)
    found = traits(base) if base is not None else None
    return found if found is not None and found.family else None


def packages_without_manager(source: Source) -> Iterator[Diagnostic]:
    """A stage wants packages on a base that has no package manager, or none that is known."""
    for name, stage in source.spec.stages.items():
        if not stage.packages:
            continue
        base = source.spec.bases.get(stage.from_)
        if isinstance(base, DebianBase):
            continue  # they are part of what is assembled
        known = _traits(source, name)
        if known is None:
            message = "what package manager the base has isn't known; say what 'family' it is"
        elif not known.packages:
            message = f"base family '{known.family}' has no package manager; copy the files from a stage that has"
        else:
            continue
        yield problem(source, "packages-without-manager", ("stages", name, "packages"), message)


def users_without_accounts(source: Source) -> Iterator[Diagnostic]:
    """A stage makes users on a base of which neither user tools nor accounts are known."""
    for name, stage in source.spec.stages.items():
        if stage.users and _traits(source, name) is None:
            message = "how the base makes users isn't known; say what 'family' it is"
            yield problem(source, "users-without-accounts", ("stages", name, "users"), message)


def run_without_shell(source: Source) -> Iterator[Diagnostic]:
    """A stage has commands for a shell, and its base has none."""
    for name, stage in source.spec.stages.items():
        known = _traits(source, name)
        if known is None or known.shell:
            continue
        if stage.run:
            message = f"commands need a shell, and base family '{known.family}' has none"
            yield problem(source, "run-without-shell", ("stages", name, "run"), message)
        shell_forms = {"entrypoint": stage.entrypoint, "cmd": stage.cmd}
        if stage.healthcheck:
            shell_forms["healthcheck"] = stage.healthcheck.test
        for key, command in shell_forms.items():
            if isinstance(command, str):
                message = (
                    f"{command!r} needs a shell, and base family '{known.family}' has none; give the command "
                    "as an array"
                )
                yield problem(source, "shell-form-without-shell", ("stages", name, key), message)


def unknown_user(source: Source) -> Iterator[Diagnostic]:
    """A stage names a user that is neither in `[users]` nor a number."""
    users = source.spec.users
    for name, stage in source.spec.stages.items():
        for index, user in enumerate(stage.users):
            if user not in users:
                message = f"[users] has no '{user}'{suggest(user, users)}"
                yield problem(source, "unknown-user", ("stages", name, "users", index), message)
        named = [(("stages", name, "user"), stage.user)]
        named += [(("stages", name, "copy", i, "owner"), c.owner) for i, c in enumerate(stage.copy)]  # type: ignore[misc]
        for path, user in named:
            if user and user not in users and re.fullmatch(r"\d+(:\d+)?", user, re.ASCII) is None:
                message = f"'{user}' is neither in [users] nor a number{suggest(user, users)}"
                yield problem(source, "unknown-user", path, message)
