"""A stage in, what its base provides out: traits, and where its programs are."""

from __future__ import annotations

import attrs

from buildspec.plan.graph import SCRATCH, base_of, chain
from buildspec.spec.families import FAMILIES, Traits, assembled_traits, traits
from buildspec.spec.model import Command, DebianBase, Spec


def traits_of(spec: Spec, name: str) -> Traits:
    """What a stage's base provides, the packages of the stage and of those it starts from included.

    Args:
        spec: the specification, checked.
        name: of the stage.
    """
    root = base_of(spec, name)
    if root == SCRATCH:
        return FAMILIES["scratch"]
    base = spec.bases[root]
    if isinstance(base, DebianBase):
        stages = [spec.stages[stage] for stage in chain(spec, name)]
        added = [package for stage in stages for package in stage.packages]
        known = assembled_traits((*base.packages, *added), shell=base.shell)
        return attrs.evolve(known, programs={**known.programs, **base.programs})
    return traits(base)


def resolved(spec: Spec, name: str, command: Command) -> Command:
    """The command with its program's own path: `node` isn't on the path of every base.

    Args:
        spec: the specification, checked.
        name: of the stage that has it.
        command: of an image; of one for a shell, the shell finds the program.
    """
    if isinstance(command, str) or not command:
        return command
    return (traits_of(spec, name).programs.get(command[0], command[0]), *command[1:])
