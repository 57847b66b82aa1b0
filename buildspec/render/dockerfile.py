"""A Plan in, the Dockerfile out, with the origin of each of its lines.

Every value is quoted for the place it goes to: nothing in a specification can become Dockerfile syntax.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from typing import assert_never

import attrs

from buildspec.errors import Diagnostic, SpecError
from buildspec.plan import model as plan
from buildspec.spec.model import Command
from buildspec.spec.seal import origin

HEADER = """\
# Made from buildspec.toml; edit that instead. Builds without buildspec, too:
#   docker buildx bake --file build/docker-bake.json
"""
PORTABLE_HEADER = f"""\
# {origin("buildspec.toml")}
# Builds without buildspec, too:
#   docker buildx bake --file docker-bake.json
"""
_IGNORED = {
    "DL3003": "the script that installs packages for another platform is no place for WORKDIR",
    "DL3006": "the base is a named context, or its missing tag is a finding of `nox -s check`",
    "DL3008,DL3018": "distributions withdraw versions of packages as soon as they are insecure",
    "DL3022": "files are copied from a named context",
    "DL4006": "a step that installs packages has the shell of its base",
}
"""What hadolint says of lines that are right, and why it is ignored there."""


@attrs.frozen
class Dockerfile:
    """The text, and what its lines and steps were made from."""

    text: str
    origins: Mapping[int, plan.Origin]
    """Of each line, from 1."""
    counted: Mapping[str, tuple[tuple[str, plan.Origin | None], ...]]
    """By stage, what BuildKit counts as its steps: keyword and origin."""

    def origin_of(self, stage: str, number: int, text: str) -> plan.Origin | None:
        """What BuildKit's step `[stage number/…] text` was made from; None when it is none of ours."""
        steps = self.counted.get(stage, ())
        keyword, origin = steps[number - 1] if 0 < number <= len(steps) else ("", None)
        return origin if text.partition(" ")[0] == keyword else None


class _UnwritableError(ValueError):
    """A value that no Dockerfile can hold at that place."""


def render(planned: plan.Plan, header: str = HEADER) -> Dockerfile:
    """Write the Dockerfile of a plan.

    Args:
        planned: what to build.
        header: its first lines.

    Raises:
        SpecError: a value can't be written without becoming something else.
    """
    references = {s.name: str(s.reference) for s in planned.sources if isinstance(s, plan.ImageSource)}
    lines = header.rstrip("\n").split("\n")
    lines += _reasons(planned)
    origins: dict[int, plan.Origin] = {}
    counted: dict[str, tuple[tuple[str, plan.Origin | None], ...]] = {}
    for stage in planned.stages:
        lines += ["", *_pragma(_bare(stage, planned)), _from(stage, references)]
        # a base that is pulled is a step too; one from a named context isn't
        numbered: list[tuple[str, plan.Origin | None]] = [("FROM", None)] if stage.source in references else []
        ended = False  # after a heredoc, hadolint wants a blank line
        for step in stage.steps:
            text = _step(step, references)
            lines += [""] if ended else []
            ended = "<<" in text and "\n" in text
            lines += _pragma(_ignored(step, planned))
            first = len(lines) + 1
            lines += text.split("\n")
            origins |= dict.fromkeys(range(first, len(lines) + 1), step.origin)
            if _counts(step.does):
                numbered.append((text.split(maxsplit=1)[0].upper(), step.origin))
        counted[stage.name] = tuple(numbered)
    return Dockerfile("\n".join(lines) + "\n", origins, counted)


def _bare(stage: plan.PlannedStage, planned: plan.Plan) -> tuple[str, ...]:
    """What hadolint says of a base without a tag, or of a context, which it takes for one."""
    for source in planned.sources:
        if source.name == stage.source:
            named = isinstance(source, plan.ImageSource) and (source.reference.tag or source.reference.digest)
            return () if named else ("DL3006",)
    return ()


def _ignored(step: plan.Step, planned: plan.Plan) -> tuple[str, ...]:
    """What hadolint says of a step, and has no reason to."""
    match step.does:
        case plan.Run(command=command) if step.origin.key.endswith(".packages"):
            install = ("DL3008",) if "apt-get" in command else ("DL3018",)
            return ("DL3003", *install, "DL4006") if "\n" in command else install
        case plan.Copy(source=source) if source in planned.contexts:
            return ("DL3022",)
        case _:
            return ()


def _pragma(rules: tuple[str, ...]) -> list[str]:
    return [f"# hadolint ignore={','.join(rules)}"] if rules else []


def _reasons(planned: plan.Plan) -> list[str]:
    """Why some of what hadolint says is ignored."""
    found = {rule for stage in planned.stages for rule in _bare(stage, planned)}
    found |= {rule for stage in planned.stages for step in stage.steps for rule in _ignored(step, planned)}
    told = [f"#   {rules}: {why}" for rules, why in _IGNORED.items() if found & {*rules.split(",")}]
    return ["# Where a comment has hadolint ignore something, this is why:", *told] if told else []


def _step(step: plan.Step, references: dict[str, str]) -> str:
    try:
        return _instruction(step.does, references)
    except _UnwritableError as error:
        raise SpecError([Diagnostic("unwritable", f"{step.origin.key}: {error}", step.origin.place)]) from error


def _counts(does: plan.Instruction) -> bool:
    """Whether BuildKit numbers it: what changes files. Source: its dockerfile2llb/convert.go, prefixCommand."""
    match does:
        case plan.Copy() | plan.WriteFile() | plan.Run():
            return True
        case plan.Verbatim():
            return does.keyword == "RUN"
        case plan.Workdir():
            return posixpath.normpath(does.path) != "/"
        case _:
            return False


def _from(stage: plan.PlannedStage, references: dict[str, str]) -> str:
    platform = "--platform=$BUILDPLATFORM " if stage.own_platform else ""
    return f"FROM {platform}{references.get(stage.source, stage.source)} AS {stage.name}"


def _instruction(does: plan.Instruction, references: dict[str, str]) -> str:  # noqa: C901, PLR0912 - one case each
    match does:
        case plan.Arg(name, value):
            return f"ARG {_name(name)}" if value is None else f"ARG {_name(name)}={word(value)}"
        case plan.Shell(words):
            return f"SHELL {array(words)}"
        case plan.Env(name, value):
            return f"ENV {_name(name)}={word(value)}"
        case plan.Label(name, value):
            if "=" in name:
                raise _UnwritableError(f"a label's name can't hold '=': '{name}'")
            return f"LABEL {word(name)}={word(value)}"
        case plan.Workdir(path):
            return f"WORKDIR {_rest(path)}"
        case plan.Copy():
            return _copy(does, references)
        case plan.WriteFile():
            return _write(does)
        case plan.Run():
            return _run(does)
        case plan.Verbatim():
            return _verbatim(does)
        case plan.User(user):
            return f"USER {_rest(user)}"
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
            return f"VOLUME {array(tuple(literal(path) for path in paths))}"
        case plan.Expose(port):
            return f"EXPOSE {_plain(port)}"
        case plan.StopSignal(signal):
            return f"STOPSIGNAL {_rest(signal)}"
        case _:
            assert_never(does)


def word(value: str) -> str:
    r"""A value in double quotes, as ENV, ARG and LABEL read one word; `$` and `\` lose their meaning."""
    if "\n" in value or "\r" in value:
        # it ends an instruction; quoted, it would have to follow a continuation, which swallows it
        raise _UnwritableError("has a line break, which a Dockerfile can't hold here")
    safe = value.replace("\\", "\\\\").replace('"', '\\"').replace("$", "\\$")
    return f'"{safe}"'


def _rest(value: str) -> str:
    """A value of an instruction that reads the rest of its line as one word."""
    # bare, what starts with a dash would be a flag
    return value if re.fullmatch(r"[\w./:@+][\w./:@+-]*", value, re.ASCII) else word(value)


def _plain(value: str) -> str:
    """A value where nothing can be quoted: in a flag, or between blanks."""
    if re.fullmatch(r"[\w./:@+~][\w./:@+~-]*", value, re.ASCII) is None:
        raise _UnwritableError(f"can't be written into a Dockerfile: '{value}'")
    return value


def _name(name: str) -> str:
    if re.fullmatch(r"[A-Za-z_][\w.-]*", name, re.ASCII) is None:
        raise _UnwritableError(f"no variable can be called '{name}'")
    return name


def literal(value: str) -> str:
    """An element of an array in which variables are expanded, and quotes taken away."""
    return re.sub(r"([\\$\"'])", r"\\\1", value)


def array(values: tuple[str, ...]) -> str:
    """A JSON array, the exec form."""
    return json.dumps(list(values), ensure_ascii=False)


def _command(command: Command) -> str:
    if isinstance(command, str):
        # as a line, some would be read as flags or as an array, or go on in the next one
        line = re.match(r"[^\s\[-]", command) and not re.search(r"[\r\n]|\\\s*$", command)
        return command if line else array(("/bin/sh", "-c", command))
    return array(command)


def _copy(copy: plan.Copy, references: dict[str, str]) -> str:
    flags = []
    if copy.source:
        flags.append(f"--from={references.get(copy.source, copy.source)}")
    if copy.owner:
        flags.append(f"--chown={_plain(copy.owner)}")
    if copy.mode:
        flags.append(f"--chmod={_plain(copy.mode)}")
    paths = (*copy.paths, copy.to)
    if all(re.fullmatch(r"[\w./@+*?,=][\w./@+*?,=-]*", path, re.ASCII) for path in paths):
        return " ".join(["COPY", *flags, *paths])
    # in an array, a path may have blanks and look like a flag; what looks like a heredoc would be one even there
    safe = (f"./{path}" if re.match(r"\d*<<", path) else path for path in paths)
    return " ".join(["COPY", *flags, array(tuple(literal(path) for path in safe))])


def _write(file: plan.WriteFile) -> str:
    end = _delimiter(file.content)
    # quoted, the delimiter keeps variables in the text from being expanded
    return f'COPY --chmod={file.mode} <<"{end}" {_plain(file.path)}\n{file.content}{end}'


def _delimiter(text: str) -> str:
    lines = {line.rstrip("\r") for line in text.split("\n")}
    end, count = "EOF", 1
    while end in lines:
        end, count = f"EOF{count}", count + 1
    return end


def mount(one: plan.Mount) -> str:
    """A secret as a flag of RUN."""
    parts = ["type=secret", f"id={_plain(one.id)}"]
    parts += [f"target={_plain(one.target)}"] if one.target else []
    parts += [f"env={_name(one.env)}"] if one.env else []
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
