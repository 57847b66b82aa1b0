"""Rules about the commands of stages and the secrets they are given."""

from __future__ import annotations

from collections.abc import Iterator

from buildspec.checks.rules import problem
from buildspec.errors import Diagnostic, Place
from buildspec.spec.wellknown import SECRETS as WELL_KNOWN
from buildspec.spec.load import Source
from buildspec.spec.overlay import suggest

_ALLOWED = ("RUN", "ARG", "SHELL")
_KEYS = {
    "FROM": "from",
    "USER": "user",
    "ENV": "env",
    "COPY": "copy",
    "ADD": "copy",
    "WORKDIR": "workdir",
    "ENTRYPOINT": "entrypoint",
    "CMD": "cmd",
    "HEALTHCHECK": "healthcheck",
    "VOLUME": "volumes",
    "EXPOSE": "expose",
    "LABEL": "labels",
    "STOPSIGNAL": "stop-signal",
}


def instruction_in_fragment(source: Source) -> Iterator[Diagnostic]:
    """A fragment holds an instruction that belongs to the specification, or that Docker doesn't have."""
    for name, fragment in source.fragments.items():
        if name not in source.spec.stages:
            continue
        lines = fragment.text.split("\n")
        for one in fragment.instructions:
            if one.keyword in _ALLOWED:
                continue
            key = _KEYS.get(one.keyword)
            message = (
                f"{one.keyword} is a fact of the specification; write it as stages.{name}.{key}"
                if key
                else f"{one.keyword} can't be in a fragment; it holds RUN, ARG and SHELL"
            )
            text = lines[one.line - 1].rstrip("\r")
            column = len(text) - len(text.lstrip()) + 1
            place = Place(fragment.file, one.line, column, len(one.keyword), text)
            yield Diagnostic("instruction-in-fragment", message, place)


def unused_fragment(source: Source) -> Iterator[Diagnostic]:
    """A fragment belongs to no stage, or to one whose commands stand in `run`."""
    for name, fragment in source.fragments.items():
        place = Place(fragment.file, 1, 1)
        if name not in source.spec.stages:
            message = f"no stage is called '{name}'{suggest(name, source.spec.stages)}"
            yield Diagnostic("unused-fragment", message, place)
        elif source.spec.stages[name].run:
            message = f"stages.{name}.run has the commands; keep one of the two"
            yield Diagnostic("unused-fragment", message, place)


def undeclared_secret(source: Source) -> Iterator[Diagnostic]:
    """A stage mounts a secret that is neither in `[secrets]` nor well known."""
    known = {*source.spec.secrets, *WELL_KNOWN}
    for name, stage in source.spec.stages.items():
        for index, secret in enumerate(stage.secrets):
            if secret not in known:
                hint = suggest(secret, known) or "; add it to [secrets]"
                message = f"no secret is called '{secret}'{hint}"
                yield problem(source, "undeclared-secret", ("stages", name, "secrets", index), message)


def line_break(source: Source) -> Iterator[Diagnostic]:
    """A value of `args`, `env` or `labels` has a line break, which a Dockerfile can't express."""
    for name, stage in source.spec.stages.items():
        for key, table in (("args", stage.args), ("env", stage.env), ("labels", stage.labels)):
            for item, value in table.items():
                if "\n" in value or "\r" in value:
                    message = "has a line break, which no image can be given this way; copy a file instead"
                    yield problem(source, "line-break", ("stages", name, key, item), message)
