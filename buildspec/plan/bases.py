"""What stages start from, resolved: references of images, and recipes of what is assembled."""

from __future__ import annotations

import re
from collections.abc import Iterable

import attrs

from buildspec.errors import Diagnostic, SpecError
from buildspec.plan.graph import Node
from buildspec.plan.model import AssembledSource, ImageSource, Source, Where
from buildspec.plan.recipe import Recipe
from buildspec.spec.lock import Lock
from buildspec.spec.model import Base, DebianBase, ImageBase, Spec
from buildspec.spec.values import Platform


@attrs.frozen
class Bases:
    """The sources of a plan, by the name `FROM` uses.

    Args:
        spec: the specification.
        native: the builder's platform.
        targets: the platforms that are built for.
        lock: what references pointed at when they were locked.
    """

    spec: Spec
    native: Platform
    targets: tuple[Platform, ...]
    lock: Lock = attrs.Factory(Lock)
    found: dict[str, Source] = attrs.field(factory=dict, init=False)

    def source(self, node: Node, packages: Iterable[str]) -> str:
        """The name of what a stage starts from.

        Args:
            node: a stage that starts from a base.
            packages: of the stage; an assembled base is assembled with them.
        """
        name = self.spec.stages[node.stage].from_
        base = self.spec.bases.get(name)
        return name if base is None else self._add(name, base, node, tuple(packages))

    def copied(self, name: str) -> str:
        """The name of a base that files are copied from."""
        node = Node("", Where.TARGET)
        return self._add(name, self.spec.bases[name], node, ())

    def _add(self, name: str, base: Base, node: Node, packages: tuple[str, ...]) -> str:
        match base:
            case ImageBase():
                digest = str(base.digest or base.image.digest or self.lock.digest(str(base.image)))
                self.found[name] = ImageSource(name=name, reference=base.image.pinned(digest))
                return name
            case DebianBase():
                if re.fullmatch(r"[a-z][a-z0-9_-]*", name) is None:
                    message = f"bases.{name}: a base's name is small letters, digits, '-' and '_'"
                    raise SpecError([Diagnostic("reserved-name", message)])
                extra = tuple(sorted(set(packages) - set(base.packages)))
                parts = [name, *([node.stage] if extra else [])]
                if node.where is Where.BUILD or parts[-1] == Where.BUILD:
                    parts.append(node.where)  # always, where a stage's name could be taken for it
                full = ".".join(parts)
                self.found[full] = AssembledSource(name=full, recipes=self._recipes(base, extra, node.where))
                return full

    def _recipes(self, base: DebianBase, extra: tuple[str, ...], where: Where) -> tuple[Recipe, ...]:
        platforms = (self.native,) if where is Where.BUILD else self.targets
        return tuple(
            Recipe(
                suite=base.debian,
                platform=str(platform),
                packages=tuple(sorted({*base.packages, *extra})),
                shell=base.shell,
                configured=base.shell and where is Where.BUILD,
                exclude=tuple(base.exclude),
            )
            for platform in platforms
        )
