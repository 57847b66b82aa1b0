"""A Plan in, the bake definition out: one run for all images, platforms and gates."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, get_args

import attrs

from buildspec.plan.model import AssembledSource, Plan, PlannedSecret, Target, Where
from buildspec.plan.stages import DAY
from buildspec.spec.model import GeneratedFile
from buildspec.spec.seal import origin

FOLDER = "build"
"""Where generated files go, relative to the specification."""
DOCKERFILE = f"{FOLDER}/Dockerfile"
DEFINITION = f"{FOLDER}/docker-bake.json"
BASES = f"{FOLDER}/bases"
"""OCI layouts of assembled bases."""
PORTABLE_DOCKERFILE = "Dockerfile"
"""What others build from."""
IGNORE: GeneratedFile = ".dockerignore"
"""In the folder of the context, where it counts; every other file is beside the specification."""
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


def portable(plan: Plan) -> dict[str, Any]:
    """Write a bake definition for those who have no buildspec: the same on every machine.

    What differs from build to build is a variable. There are no targets that are only measured.

    Args:
        plan: what to build; of its facts, none is used.

    Returns:
        What `docker buildx bake` reads, as JSON holds it; paths are relative to the folder of the specification.
    """
    targets = [target for target in plan.targets if target.tag or target.gate]
    audited = any(target.gate == "audit" for target in targets)
    contexts = {
        source.name: f"oci-layout://{BASES}/{source.name}:{source.name}"
        for source in plan.sources
        if isinstance(source, AssembledSource)
    }
    common: dict[str, Any] = _literal(
        {
            "context": plan.context,
            "dockerfile": posixpath.relpath(PORTABLE_DOCKERFILE, plan.context),
            "attest": ["type=provenance,disabled=true"],
            **({"contexts": {**contexts, **plan.contexts}} if contexts or plan.contexts else {}),
        }
    )
    if audited:
        common["args"] = {DAY: f"${{{_own(DAY, plan)}}}"}
    if plan.secrets:
        common["secret"] = _secrets(plan)
    return {
        "//": origin("buildspec.toml") + (f". {_ABOUT_BASES}" if contexts else ""),
        "variable": _variables(plan, audited),
        "group": {"default": {"targets": [target.name for target in targets]}},
        "target": {"_common": common, **{target.name: _portable_target(target, plan) for target in targets}},
    }


_ABOUT_BASES = (
    f"Bases under {BASES} are what `nox -s build` has assembled there; "
    "`--set '*.contexts.NAME=docker-image://IMAGE'` takes another."
)
_TODAY = '${formatdate("YYYY-MM-DD", timestamp())}'


def _portable_target(target: Target, plan: Plan) -> dict[str, Any]:
    found: dict[str, Any] = _literal(_target(target))
    if plan.stage(target.stage).where is Where.BUILD:
        del found["platforms"]  # the builder's own, which is another one elsewhere
    if not target.gate:
        name = _own("REVISION", plan)
        # null takes a label away
        found["labels"] = {**found["labels"], "org.opencontainers.image.revision": f'${{{name} != "" ? {name} : null}}'}
    return found


def _variables(plan: Plan, audited: bool) -> dict[str, Any]:
    found = {_own("REVISION", plan): {"default": "", "description": "Commit of the sources, for a label"}}
    if audited:
        found[_own(DAY, plan)] = {"default": _TODAY, "description": "An audit is asked anew each day"}
    for secret in plan.secrets:
        about = f"The secret {secret.id}, if there is one; --list=variables prints it"
        found |= {name: {"default": "", "description": about} for name in secret.env}
        if secret.constant:
            about = f"Set it to {secret.constant} when there is a secret ca-bundle"
            found[_variable(secret, plan)] = {"default": "", "description": about}
        elif _in_file(secret):
            own = [one for one in secret.files if not one.startswith(("/", "~"))]
            about = (
                f"File with the secret {secret.id}, if there is one; outside of this folder, with --allow fs.read=PATH"
            )
            default = own[0] if own and not secret.optional else ""
            found[_variable(secret, plan)] = {"default": _literal(default), "description": about}
    return found


def _in_file(secret: PlannedSecret) -> bool:
    return bool(secret.files or secret.file_env)


def _variable(secret: PlannedSecret, plan: Plan) -> str:
    """Name of the variable with the file of a secret, or with what is none: `a-b` is in A_B_FILE, no other id is.

    What stands in small letters is the code of a character.
    """
    marks = "".join(
        "_" if one == "-" else one.upper() if re.match(r"[a-z]|[0-9]" if at else "[a-z]", one) else f"x{ord(one):x}_"
        for at, one in enumerate(secret.id)
    )
    return _own(marks if secret.constant else f"{marks}_FILE", plan)


def _own(name: str, plan: Plan) -> str:
    """A variable that is no secret of the environment, which would otherwise be in a label or taken for a path."""
    taken = {one for secret in plan.secrets for one in secret.env}
    while name in taken:
        name += "_"
    return name


def _secrets(plan: Plan) -> str:
    """An expression for what this machine has; of what it doesn't have, nothing may be said.

    BuildKit takes a variable that isn't set for a secret that is empty, so that a required one would be there.
    """
    return f"${{concat({', '.join(_found(secret, plan) for secret in plan.secrets)})}}"


def _found(secret: PlannedSecret, plan: Plan) -> str:
    """As our own builds look for it: variables that have a value, then a file."""
    name = _variable(secret, plan)
    ways = [(one, f"env={one}") for one in (*secret.env, *((name,) if secret.constant else ()))]
    if _in_file(secret):
        # a path may hold a comma, and quotes
        ways.append((name, rf'\"src=${{replace({name}, "\"", "\"\"")}}\"'))
    return "".join(f'{one} != "" ? ["id={secret.id},{place}"] : ' for one, place in ways) + "[]"


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
    """The ignore file that goes with the Dockerfile; what is generated is never part of the context.

    What `nox -s generate` leaves in the context is ignored first, so that a pattern such as `!compose.yaml` brings it
    back; the ignore file is always there.
    """
    made = (name for name in get_args(GeneratedFile) if name != IGNORE)
    own = [f"/{IGNORE}", *_inside(plan.context, made)]
    return "".join(f"{pattern}\n" for pattern in (*own, *plan.ignore, *_inside(plan.context, [FOLDER])))


def _inside(context: str, names: Iterable[str]) -> Iterator[str]:
    """Patterns for what is in the context: paths relative to the specification, as the context's own is."""
    for name in names:
        path = posixpath.relpath(name, context)
        if path.partition("/")[0] not in (".", ".."):
            yield f"/{path}"


def portable_dockerignore(plan: Plan) -> str:
    """The ignore file of the context, for those who have no buildspec."""
    return f"# {origin('buildspec.toml')}\n{dockerignore(plan)}"
