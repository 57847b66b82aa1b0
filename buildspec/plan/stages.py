"""One stage of the specification in, the stages of the Dockerfile it takes out."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from functools import cached_property

import attrs

from buildspec.errors import Place
from buildspec.plan import accounts, packages, secrets, volumes
from buildspec.plan.bases import Bases
from buildspec.plan.graph import SCRATCH, Node, base_of, chain, place_of, workdir_of
from buildspec.plan.model import (
    Arg,
    Cmd,
    Copy,
    Entrypoint,
    Env,
    Expose,
    Health,
    Instruction,
    Label,
    Mount,
    Origin,
    PlannedStage,
    Run,
    Shell,
    Step,
    StopSignal,
    User,
    Verbatim,
    Volume,
    Where,
    Workdir,
    WriteFile,
)
from buildspec.plan.programs import resolved, traits_of
from buildspec.spec import model as language
from buildspec.spec.families import Traits
from buildspec.spec.load import Source

REPORTS = "/gate"
"""Files that a gate leaves in this folder come out of the build, as its report."""
UNAVAILABLE = 69
"""Exit code of an audit that could not ask its service: EX_UNAVAILABLE of sysexits.h."""
REQUIRED_ENV, ENV_EXEMPT = "REQUIRED_ENV", "ENV_EXEMPT"
"""Variables of images, for their entrypoints: what `[runtime]` has under those keys, a blank between the words."""
UNAVAILABLE_MARK = "unavailable"
"""File in a gate's report that says so, where that is a warning."""
DAY = "BUILDSPEC_DAY"
"""Build argument with the day: an audit is asked anew each day, and cached until then."""

# The shell that runs each command of an audit and lets that one exit code pass; the command comes as `$0`.
_LENIENT = (
    f'/bin/sh -c "$0" || {{ code=$?; [ "$code" = {UNAVAILABLE} ] || exit "$code"; : > {REPORTS}/{UNAVAILABLE_MARK}; }}'
)


@attrs.frozen
class Expander:
    """Writes stages of a specification as stages of a Dockerfile.

    Args:
        source: the specification and its fragments.
        bases: collects what the stages start from.
        names: Dockerfile name of each node.
    """

    source: Source
    bases: Bases
    names: dict[Node, str]
    mounted: dict[str, set[str]] = attrs.field(factory=dict)
    """Stages by the secret they mount; filled while expanding."""

    @property
    def spec(self) -> language.Spec:
        """The specification."""
        return self.source.spec

    def expand(self, node: Node) -> Iterator[PlannedStage]:
        """The helper stages of a node, then the stage itself."""
        stage = self.spec.stages[node.stage]
        yield from self._packages_helper(node)
        yield from self._users_helper(node)
        yield from self._volumes_helper(node)
        yield self._stage(node, self.names[node], self._from(node), tuple(self._steps(node, stage)))
        if stage.gate:
            yield self._report(node)

    @cached_property
    def _taken(self) -> frozenset[str]:
        return frozenset(self.names.values())

    def traits(self, name: str) -> Traits:
        """What a stage's base provides, its packages included."""
        return traits_of(self.spec, name)

    def _from(self, node: Node) -> str:
        parent = self.spec.stages[node.stage].from_
        if parent in self.spec.stages:
            return self.names[Node(parent, node.where)]
        return self.bases.source(node, self.spec.stages[node.stage].packages)

    def _stage(
        self, node: Node, name: str, source: str, steps: tuple[Step, ...], *, where: Where | None = None
    ) -> PlannedStage:
        where = where or node.where
        planned = PlannedStage(
            name=name,
            stage=node.stage,
            source=source,
            where=where,
            own_platform=where is Where.BUILD and source in self.bases.found,
            steps=steps,
        )
        if where is Where.TARGET and planned.runs:
            foreign = tuple(p for p in self.bases.targets if p != self.bases.native)
            return attrs.evolve(planned, emulated=foreign)
        return planned

    def _origin(self, node: Node, key: str, *path: str | int) -> Origin:
        full = ("stages", node.stage, key, *path)
        return Origin(key=f"stages.{node.stage}.{key}", place=self.source.document.place(full))

    def _mounts(self, node: Node, names: tuple[str, ...]) -> tuple[Mount, ...]:
        for name in names:
            self.mounted.setdefault(name, set()).add(node.stage)
        return secrets.mounts(names, self.spec.secrets)

    # --- what needs helper stages -------------------------------------------------------------------------

    def _assembled(self, node: Node) -> bool:
        return isinstance(self.spec.bases.get(base_of(self.spec, node.stage)), language.DebianBase)

    def _crosses(self, node: Node) -> bool:
        """Whether a stage's tools would be another platform's programs."""
        return node.where is Where.TARGET and not self._assembled(node)

    def _packages_helper(self, node: Node) -> list[PlannedStage]:
        wanted = self.spec.stages[node.stage].packages
        if not wanted or not self._crosses(node) or self.traits(node.stage).packages != "apk":
            return []
        origin = self._origin(node, "packages")
        root = self._from(node)
        stages = []
        if root not in self._taken:
            stages.append(self._stage(node, f"{node.stage}.root", root, ()))
            root = stages[0].name
        run = packages.install_for_target(wanted, root, self._mounts(node, secrets.NETWORK))
        stages.append(self._helper(node, "packages", (Step(run, origin),)))
        return stages

    def _users_helper(self, node: Node) -> list[PlannedStage]:
        tool = self.traits(node.stage).accounts
        if not self._new_users(node) or not self._crosses(node) or not tool:
            return []
        run = accounts.by_tool(tool, self._users(node))
        return [self._helper(node, "users", (Step(run, self._origin(node, "users")),))]

    def _volumes_helper(self, node: Node) -> list[PlannedStage]:
        folders = self._new_volumes(node)
        if not folders:
            return []
        origin = self._volumes_origin(node)
        made = tuple(Step(one, origin) for one in volumes.made(folders))
        helper = self._stage(node, f"{node.stage}.volumes", SCRATCH, made, where=Where.BUILD)
        # one for all platforms: of equal steps for several, BuildKit runs one and says of the others that they ran
        return [attrs.evolve(helper, own_platform=True)]

    def _helper(self, node: Node, what: str, steps: tuple[Step, ...]) -> PlannedStage:
        base = self.bases.copied(base_of(self.spec, node.stage))
        return self._stage(node, f"{node.stage}.{what}", base, steps, where=Where.BUILD)

    def _users(self, node: Node) -> dict[str, language.User]:
        """Users of the stage and of all it starts from, in the order they were made."""
        made = [user for stage in chain(self.spec, node.stage) for user in self.spec.stages[stage].users]
        return {name: self.spec.users[name] for name in dict.fromkeys(made)}

    def _new_users(self, node: Node) -> dict[str, language.User]:
        """Users that the stage makes: tools refuse one whom a stage it starts from has made."""
        own = self.spec.stages[node.stage].users
        if not own:
            return {}
        before = [one for one in chain(self.spec, node.stage) if one != node.stage]
        above = {name for one in before for name in self.spec.stages[one].users}
        return {name: self.spec.users[name] for name in dict.fromkeys(own) if name not in above}

    def _delivers(self, node: Node) -> bool:
        """Whether the node is an image, which `[runtime]` is about; not the same stage on the builder's platform."""
        return node.stage in self.spec.image.deliver and node.where is place_of(self.spec, node.stage)

    def _volumes(self, node: Node) -> tuple[str, ...]:
        """Volumes of an image: those of `[runtime]` and its own."""
        every = (*self.spec.runtime.volumes, *self.spec.stages[node.stage].volumes)
        return tuple(dict.fromkeys(map(posixpath.normpath, every)))

    def _new_volumes(self, node: Node) -> tuple[str, ...]:
        """Volumes whose folders the stage makes: those that no image it starts from has made for the same user."""
        if not self._delivers(node) or not self._volumes(node):
            return ()
        above = (Node(one, node.where) for one in chain(self.spec, node.stage)[:-1])
        same = (one for one in above if self._delivers(one) and self._user(one) == self._user(node))
        there = {folder for one in same for folder in self._volumes(one)}
        return tuple(folder for folder in self._volumes(node) if folder not in there)

    def _volumes_origin(self, node: Node) -> Origin:
        if self.spec.runtime.volumes:
            return self._of_runtime("volumes")
        return self._origin(node, "volumes")

    def _of_runtime(self, key: str, *path: str) -> Origin:
        return Origin(key=f"runtime.{key}", place=self.source.document.place(("runtime", key, *path)))

    def _user(self, node: Node) -> str:
        """Who the stage's image runs as: as it says, else as the stage it starts from; empty when none does."""
        users = (self.spec.stages[name].user for name in reversed(chain(self.spec, node.stage)))
        return self._ids(next(filter(None, users), ""))

    def _report(self, node: Node) -> PlannedStage:
        gate = self.names[node]
        step = Step(Copy((f"{REPORTS}/",), "/", source=gate), self._origin(node, "gate"))
        return self._stage(node, f"{gate}.report", SCRATCH, (step,))

    # --- the steps, in the language's fixed order -----------------------------------------------------------

    def _steps(self, node: Node, stage: language.Stage) -> Iterator[Step]:
        yield from (Step(Arg(k, v), self._origin(node, "args", k)) for k, v in sorted(stage.args.items()))
        yield from (Step(does, self._origin(node, "packages")) for does in self._packages(node, stage))
        yield from (Step(does, self._origin(node, "users")) for does in self._accounts(node))
        for does in volumes.copied(f"{node.stage}.volumes", self._new_volumes(node), self._user(node)):
            yield Step(does, self._volumes_origin(node))
        if stage.workdir:
            yield Step(Workdir(stage.workdir), self._origin(node, "workdir"))
        yield from (Step(Env(k, v), self._origin(node, "env", k)) for k, v in sorted(stage.env.items()))
        if stage.gate:
            yield Step(WriteFile(f"{REPORTS}/gate", f"{node.stage}\n"), self._origin(node, "gate"))
        yield from self._copies(node, stage)
        if stage.gate == "audit":
            yield from self._audit(node, stage)
        yield from self._commands(node, stage)
        yield from self._configuration(node, stage)

    def _audit(self, node: Node, stage: language.Stage) -> Iterator[Step]:
        yield Step(Arg(DAY), self._origin(node, "gate"))
        if stage.on_unavailable == "warn":
            yield Step(Shell(("/bin/sh", "-c", _LENIENT)), self._origin(node, "on-unavailable"))

    def _packages(self, node: Node, stage: language.Stage) -> Iterator[Instruction]:
        if not stage.packages or (self._assembled(node) and stage.from_ in self.spec.bases):
            return  # an assembled base has them from the start
        manager = self.traits(node.stage).packages
        if manager == "apk" and self._crosses(node):
            yield packages.added(f"{node.stage}.packages")
        else:
            yield packages.install(manager, stage.packages, self._mounts(node, secrets.NETWORK))

    def _accounts(self, node: Node) -> Iterator[Instruction]:
        if not self._new_users(node):
            return
        known = self.traits(node.stage)
        if known.accounts and self._crosses(node):
            yield accounts.copied(f"{node.stage}.users")
        elif known.accounts and node.where is Where.BUILD:
            yield accounts.by_tool(known.accounts, self._new_users(node))
        else:
            yield from accounts.by_file(known, self._users(node))

    def _copies(self, node: Node, stage: language.Stage) -> Iterator[Step]:
        for index, copy in enumerate(stage.copy):
            yield Step(self._copy(copy), self._origin(node, "copy", index))

    def _copy(self, copy: language.Copy) -> Copy:
        owner = self._ids(copy.owner) if copy.owner else ""
        if copy.from_ in self.spec.stages:
            source = self.names[Node(copy.from_, place_of(self.spec, copy.from_))]
            path = posixpath.join(workdir_of(self.spec, copy.from_), copy.path)
        elif copy.from_ in self.spec.contexts:
            source, path = copy.from_, copy.path
        elif copy.from_:
            source, path = self.bases.copied(copy.from_), posixpath.join("/", copy.path)
        else:
            source, path = "", copy.path
        return Copy((path,), copy.to or _default_destination(copy), source, owner, str(copy.mode or ""))

    def _commands(self, node: Node, stage: language.Stage) -> Iterator[Step]:
        mounts = self._mounts(node, stage.secrets)
        for index, command in enumerate(stage.run):
            yield Step(Run(command, mounts), self._origin(node, "run", index))
        if not stage.run and (fragment := self.source.fragments.get(node.stage)) is not None:
            lines = fragment.text.split("\n")
            for one in fragment.instructions:
                place = _fragment_place(fragment.file, one.line, lines)
                does = Verbatim(one.keyword, one.text, mounts if one.keyword == "RUN" else ())
                yield Step(does, Origin(key=fragment.file, place=place))

    def _configuration(self, node: Node, stage: language.Stage) -> Iterator[Step]:
        if self._delivers(node):
            yield from self._runtime(stage)
        found: list[tuple[str, Instruction]] = []
        if stage.user:
            found.append(("user", User(self._ids(stage.user))))
        if stage.entrypoint:
            found.append(("entrypoint", Entrypoint(self._resolved(node, stage.entrypoint))))
        if stage.cmd:
            resolved = stage.cmd if stage.entrypoint else self._resolved(node, stage.cmd)
            found.append(("cmd", Cmd(resolved)))
        if stage.healthcheck:
            test = self._resolved(node, stage.healthcheck.test)
            found.append(("healthcheck", Health(attrs.evolve(stage.healthcheck, test=test))))
        if stage.volumes:
            found.append(("volumes", Volume(stage.volumes)))
        found += [("expose", Expose(port)) for port in stage.expose]
        found += [("labels", Label(k, v)) for k, v in sorted(stage.labels.items())]
        if stage.stop_signal:
            found.append(("stop-signal", StopSignal(str(stage.stop_signal))))
        yield from (Step(does, self._origin(node, key)) for key, does in found)

    def _runtime(self, stage: language.Stage) -> Iterator[Step]:
        """What `[runtime]` gives a container is in the image, too, so that it is there however one is started."""
        runtime = self.spec.runtime
        yield from (Step(Env(k, v), self._of_runtime("env", k)) for k, v in sorted(runtime.env.items()))
        if runtime.required_env:
            yield Step(Env(REQUIRED_ENV, " ".join(runtime.required_env)), self._of_runtime("required-env"))
            yield Step(Env(ENV_EXEMPT, " ".join(runtime.env_exempt)), self._of_runtime("env-exempt"))
        if others := tuple(one for one in runtime.volumes if one not in stage.volumes):
            yield Step(Volume(others), self._of_runtime("volumes"))

    def _resolved(self, node: Node, command: language.Command) -> language.Command:
        return resolved(self.spec, node.stage, command)

    def _ids(self, user: str) -> str:
        """A user in numbers, which engines can check without reading the image's files."""
        known = self.spec.users.get(user)
        return f"{known.uid}:{known.gid}" if known else user


def _fragment_place(file: str, line: int, lines: list[str]) -> Place:
    """The place of an instruction of a fragment."""
    text = lines[line - 1].rstrip("\r")
    return Place(file, line, len(text) - len(text.lstrip()) + 1, max(1, len(text.strip())), text)


def _default_destination(copy: language.Copy) -> str:
    """The same place under the working folder; what a pattern matches goes into the pattern's folder."""
    if copy.path.startswith("/"):
        return copy.path
    path = posixpath.normpath(copy.path)
    if re.search(r"[*?\[]", path):
        folder = posixpath.dirname(path)
        return f"./{folder}/" if folder else "./"
    return "./" if path == "." else f"./{path}"
