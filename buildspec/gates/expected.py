"""A specification in, what the audit expects of its images out."""

from __future__ import annotations

import time
from collections.abc import Sequence

from buildspec.gates.audit.subject import Expected
from buildspec.plan.graph import base_of, chain
from buildspec.spec.families import FAMILIES, traits
from buildspec.spec.model import DebianBase, Spec, Waiver
from buildspec.spec.wellknown import AUDIT_RULES


def expected(spec: Spec, stage: str, epoch: int | None = None) -> Expected:
    """What a delivered stage has on purpose.

    Args:
        spec: the specification, checked.
        stage: its name.
        epoch: seconds since 1970 that stand for the time of the build.
    """
    base = spec.bases.get(base_of(spec, stage))
    known = FAMILIES["scratch"] if base is None else traits(base)
    stages = [spec.stages[name] for name in chain(spec, stage)]
    packages = {package for one in stages for package in one.packages}
    packages |= set(base.packages) if isinstance(base, DebianBase) else set()
    return Expected(
        shell=bool(known.shell),
        manager=bool(known.packages),
        packages=frozenset(packages),
        volumes=frozenset((*spec.runtime.volumes, *(volume for one in stages for volume in one.volumes))),
        licenses=spec.audit.licenses,
        attestations=spec.audit.attestations,
        now=int(time.time()),
        epoch=epoch,
    )


def waivers_of(spec: Spec, today: str) -> Sequence[Waiver]:
    """The waivers of rules of the audit that hold today.

    Args:
        spec: the specification.
        today: as `2026-11-25`.
    """
    ended = {one for one in spec.waivers if one.until and today > one.until}
    return [one for one in spec.waivers if one.rule in AUDIT_RULES and one not in ended]
