"""An image that is too big in, what makes it so out: layers, the instructions they come from, and paths."""

from __future__ import annotations

import attrs

from buildspec.engine.contents import ImageContents
from buildspec.plan.model import Plan
from buildspec.plan.origins import steps_of_layers

_LAYERS = 3
"""Layers that are blamed."""
_PATHS = 5
"""Paths of a layer that are named."""
_DEPTH = 4
"""Parts of a path under which files are taken together: `/app/dist/node_modules/typescript`."""


@attrs.frozen(kw_only=True)
class Heavy:
    """A layer, and what makes it heavy."""

    unpacked: int
    compressed: int
    instruction: str
    """As the history has it."""
    origin: str
    """What of the specification it was made from; empty for the base."""
    paths: tuple[tuple[str, int], ...]
    """The largest, with their bytes; what lies deep in a folder is taken together."""


def blame(image: ImageContents, plan: Plan, stage: str) -> tuple[Heavy, ...]:
    """The largest layers of an image, the largest first.

    Args:
        image: what is in it.
        plan: what it was built by.
        stage: of the Dockerfile.
    """
    made = steps_of_layers(plan, stage, image.history)
    found = []
    for layer in sorted(image.layers, key=lambda one: one.unpacked, reverse=True)[:_LAYERS]:
        below: dict[str, int] = {}
        for one in layer.members:
            path = "/".join(one.path.split("/")[: _DEPTH + 1])
            below[path] = below.get(path, 0) + one.size
        origin = made[layer.number].origin if layer.number in made else None
        place = f" ({origin.place})" if origin is not None and origin.place is not None else ""
        found.append(
            Heavy(
                unpacked=layer.unpacked,
                compressed=layer.size,
                instruction=layer.instruction,
                origin="" if origin is None else f"{origin.key}{place}",
                paths=tuple(sorted(below.items(), key=lambda pair: (-pair[1], pair[0]))[:_PATHS]),
            )
        )
    return tuple(found)
