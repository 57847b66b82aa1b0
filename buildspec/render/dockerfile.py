"""A Plan in, the Dockerfile out, with the origin of each of its lines.

Every value is quoted for the place it goes to: nothing in a specification can become Dockerfile syntax.
"""

from __future__ import annotations

import json
import re
import shlex
from typing import assert_never

import attrs

from buildspec.plan import model as plan
from buildspec.spec.model import Command

HEADER = """\
# Made from buildspec.toml; edit that instead. Builds without buildspec, too:
#   docker buildx bake --file build/docker-bake.json
"""


@attrs.frozen
class Dockerfile:
    """The text, and for each line (from 1) the step it was made from."""

    text: str
    origins: dict[int, plan.Origin]
    stages: dict[int, str]
    """The Dockerfile stage of each line."""

    def origin_of(self, stage: str, instruction: str) -> plan.Origin | None:
        """What an instruction was made from, as BuildKit names it in its progress; None when no line fits."""
        lines = self.text.split("\n")
        for number, name in self.stages.items():
            line = lines[number - 1].strip().removesuffix("\\").strip()
            line = line.replace('<<"EOF', "<<EOF").replace('EOF"', "EOF")  # BuildKit shows heredocs unquoted
            if name == stage and line and number in self.origins and instruction.startswith(line):
                return self.origins[number]
        return None


def render(planned: plan.Plan) -> Dockerfile:
    """Write the Dockerfile of a plan."""
    references = {s.name: str(s.reference) for s in planned.sources if isinstance(s, plan.ImageSource)}
    lines = HEADER.rstrip("\n").split("\n")
    origins: dict[int, plan.Origin] = {}
    stages: dict[int, str] = {}
    for stage in planned.stages:
        blocks: list[tuple[str, plan.Origin | None]] = [(_from(stage, references), None)]
        blocks += [(_instruction(step.does, references), step.origin) for step in stage.steps]
        lines.append("")
        for text, origin in blocks:
            for line in text.split("\n"):
                lines.append(line)
                stages[len(lines)] = stage.name
                if origin is not None:
                    origins[len(lines)] = origin
    return Dockerfile("\n".join(lines) + "\n", origins, stages)


def _from(stage: plan.PlannedStage, references: dict[str, str]) -> str:
    platform = "--platform=$BUILDPLATFORM " if stage.own_platform else ""
    return f"FROM {platform}{references.get(stage.source, stage.source)} AS {stage.name}"


def _instruction(does: plan.Instruction, references: dict[str, str]) -> str:  # noqa: C901, PLR0912 - one case each
    match does:
        case plan.Arg(name, value):
            return f"ARG {name}" if value is None else f"ARG {name}={word(value)}"
        case plan.Shell(words):
            return f"SHELL {array(words)}"
        case plan.Env(name, value):
            return f"ENV {name}={word(value)}"
        case plan.Label(name, value):
            return f"LABEL {word(name)}={word(value)}"
        case plan.Workdir(path):
            return f"WORKDIR {escaped(path)}"
        case plan.Copy():
            return _copy(does, references)
        case plan.WriteFile():
            return _write(does)
        case plan.Run():
            return _run(does)
        case plan.Verbatim():
            return _verbatim(does)
        case plan.User(user):
            return f"USER {escaped(user)}"
        case plan.Entrypoint(command):
            return f"ENTRYPOINT {_command(command)}"
        case plan.Cmd(command):
            return f"CMD {_command(command)}"
        case plan.Health(check):
            options = {
                "interval": check.interval,
                "timeout": check.timeout,
                "start-period": check.start_period,
                "start-interval": check.start_interval,
                "retries": check.retries,
            }
            flags = " ".join(f"--{key}={value}" for key, value in options.items() if value is not None)
            return f"HEALTHCHECK {flags} CMD {_command(check.test)}"
        case plan.Volume(paths):
            return f"VOLUME {array(paths)}"
        case plan.Expose(port):
            return f"EXPOSE {escaped(port)}"
        case plan.StopSignal(signal):
            return f"STOPSIGNAL {escaped(signal)}"
        case _:
            assert_never(does)


def word(value: str) -> str:
    r"""A value in double quotes, as ENV, ARG and LABEL read one word; `$` and `\` lose their meaning."""
    safe = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    # a line break ends an instruction; quoted, it would have to follow a continuation, which swallows it
    return f'"{safe}"'


def escaped(value: str) -> str:
    """A value of an instruction that reads the rest of its line and expands variables in it."""
    return re.sub(r"([\\$\"' ])", r"\\\1", value)


def array(values: tuple[str, ...]) -> str:
    """A JSON array, the exec form."""
    return json.dumps(list(values), ensure_ascii=False)


def _command(command: Command) -> str:
    return command if isinstance(command, str) else array(command)


def _copy(copy: plan.Copy, references: dict[str, str]) -> str:
    flags = []
    if copy.source:
        flags.append(f"--from={references.get(copy.source, copy.source)}")
    if copy.owner:
        flags.append(f"--chown={copy.owner}")
    if copy.mode:
        flags.append(f"--chmod={copy.mode}")
    # the JSON form takes any character in a path; variables would still be expanded
    paths = array(tuple(path.replace("$", "\\$") for path in (*copy.paths, copy.to)))
    plain = all(re.fullmatch(r"[\w./@+*?,=-]+", path, re.ASCII) for path in (*copy.paths, copy.to))
    words = " ".join((*copy.paths, copy.to)) if plain else paths
    return " ".join(["COPY", *flags, words])


def _write(file: plan.WriteFile) -> str:
    end = _delimiter(file.content)
    # quoted, the delimiter keeps variables in the text from being expanded
    return f'COPY --chmod={file.mode} <<"{end}" {escaped(file.path)}\n{file.content}{end}'


def _delimiter(text: str) -> str:
    lines = set(text.split("\n"))
    end, count = "EOF", 1
    while end in lines:
        end, count = f"EOF{count}", count + 1
    return end


def mount(one: plan.Mount) -> str:
    """A secret as a flag of RUN."""
    parts = ["type=secret", f"id={one.id}"]
    parts += [f"target={one.target}"] if one.target else []
    parts += [f"env={one.env}"] if one.env else []
    parts += ["required=true"] if one.required else []
    return f"--mount={','.join(parts)}"


def _flags(mounts: tuple[plan.Mount, ...], options: tuple[str, ...] = ()) -> str:
    flags = [f"--mount={option}" for option in options] + [mount(one) for one in mounts]
    return "".join(f"{flag} \\\n    " for flag in flags)


def _run(run: plan.Run) -> str:
    command = run.command
    simple = re.match(r"[\w./]", command, re.ASCII) and "\n" not in command and "<<" not in command
    if simple and not command.rstrip().endswith("\\"):
        return f"RUN {_flags(run.mounts, run.options)}{command}"
    # a script of its own: what starts with `[`, `-` or `<<`, or has several lines, is read otherwise in a line
    script = command if command.endswith("\n") else f"{command}\n"
    end = _delimiter(script)
    return f'RUN {_flags(run.mounts, run.options)}<<"{end}"\n{script}{end}'


def _verbatim(one: plan.Verbatim) -> str:
    if not one.mounts:
        return one.text
    keyword = re.match(r"\s*RUN\s+", one.text, re.IGNORECASE)
    if keyword is None:
        return one.text
    return f"RUN {_flags(one.mounts)}{one.text[keyword.end() :]}"


def shell_words(values: tuple[str, ...]) -> str:
    """Words as a shell reads them."""
    return shlex.join(values)
