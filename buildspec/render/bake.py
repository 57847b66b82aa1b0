"""A Plan in, the bake definition out: one run for all images, platforms and gates."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

import attrs

from buildspec.plan.model import AssembledSource, Plan, Target
from buildspec.plan.stages import DAY

FOLDER = "build"
"""Where generated files go, relative to the specification."""
DOCKERFILE = f"{FOLDER}/Dockerfile"
DEFINITION = f"{FOLDER}/docker-bake.json"
GATES = f"{FOLDER}/gates"
"""Reports of gates, a folder each."""


@attrs.frozen
class SecretSource:
    """Where the engine's client finds a secret: a file, or an environment variable of its own."""

    file: str = ""
    env: str = ""


def render(plan: Plan, layouts: Mapping[str, str], secrets: Mapping[str, SecretSource]) -> dict[str, Any]:
    """Write the bake definition of a plan.

    Args:
        plan: what to build.
        layouts: for assembled bases, by name, the OCI layout and its digest: `build/bases/node@sha256:…`.
        secrets: for secrets this machine has, by id, where they are.

    Returns:
        What `docker buildx bake --file` reads, as JSON holds it; paths are relative to the folder of the
        specification.
    """
    contexts = {
        source.name: f"oci-layout://{layouts[source.name]}"
        for source in plan.sources
        if isinstance(source, AssembledSource)
    } | dict(plan.contexts)
    common: dict[str, object] = {
        "context": plan.context,
        "dockerfile": posixpath.relpath(DOCKERFILE, plan.context),
        # provenance carries the time of the build: the same bits would get another digest each time
        "attest": ["type=provenance,disabled=true"],
    }
    if contexts:
        common["contexts"] = contexts
    if secrets:
        common["secret"] = [_secret(name, source) for name, source in sorted(secrets.items())]
    args = {DAY: plan.facts.day}
    if plan.facts.epoch is not None:
        args["SOURCE_DATE_EPOCH"] = str(plan.facts.epoch)
    common["args"] = args
    targets = {"_common": common, **{target.name: _target(target) for target in plan.targets}}
    definition: dict[str, Any] = _literal(
        {"group": {"default": {"targets": [t.name for t in plan.targets]}}, "target": targets}
    )
    return definition


def _literal(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """Keep bake from reading templates in strings: it evaluates `${…}` and `%{…}`, in JSON too."""
    match value:
        case str():
            return value.replace("${", "$${").replace("%{", "%%{")
        case dict():
            return {key: _literal(item) for key, item in value.items()}
        case list():
            return [_literal(item) for item in value]
        case _:
            return value


def _target(target: Target) -> dict[str, object]:
    found: dict[str, object] = {
        "inherits": ["_common"],
        "target": target.stage,
        "platforms": [str(platform) for platform in target.platforms],
    }
    if target.gate:
        found["output"] = [f"type=local,dest={GATES}/{target.name}"]
    else:
        if target.tag:
            found["tags"] = [target.tag]
        found["output"] = ["type=image,oci-mediatypes=true"]
        found["labels"] = dict(target.labels)
    return found


def _secret(name: str, source: SecretSource) -> str:
    return fields(f"id={name}", f"env={source.env}" if source.env else f"src={source.file}")


def fields(*values: str) -> str:
    """Fields as Docker reads them: comma-separated values (RFC 4180), for a path may hold a comma."""
    quoted = ['"' + one.replace('"', '""') + '"' if re.search(r'[,"\n\r]', one) else one for one in values]
    return ",".join(quoted)


def dockerignore(plan: Plan) -> str:
    """The ignore file that goes with the Dockerfile; what is generated is never part of the context."""
    own = [f"/{FOLDER}"] if plan.context == "." else []
    return "".join(f"{pattern}\n" for pattern in (*plan.ignore, *own))
