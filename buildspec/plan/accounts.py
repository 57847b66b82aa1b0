"""Users of a stage, created with whatever its base has."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence

from buildspec.plan.model import Copy, Instruction, Run, WriteFile
from buildspec.spec.families import Traits
from buildspec.spec.model import User

FILES = ("/etc/passwd", "/etc/group", "/etc/shadow")
"""What the user tools write."""


def home(name: str, user: User) -> str:
    """The home folder of a user."""
    return user.home or f"/home/{name}"


def by_tool(tool: str, users: Mapping[str, User]) -> Run:
    """A command that creates the users with BusyBox's tools or with shadow's.

    Args:
        tool: `busybox` or `shadow`.
        users: by name, each with a group of the same name.
    """
    commands = []
    for name, user in users.items():
        if tool == "busybox":
            commands.append(["addgroup", "-g", str(user.gid), "-S", name])
            account = ["-S", "-D", "-H", "-h", home(name, user), "-s", "/sbin/nologin"]
            commands.append(["adduser", *account, "-u", str(user.uid), "-G", name, name])
        else:
            commands.append(["groupadd", "--gid", str(user.gid), name])
            account = ["--no-create-home", "--no-log-init", "--home-dir", home(name, user)]
            ids = ["--uid", str(user.uid), "--gid", str(user.gid), "--shell", "/usr/sbin/nologin"]
            commands.append(["useradd", *account, *ids, name])
    return Run(" && ".join(shlex.join(command) for command in commands))


def by_file(traits: Traits, users: Mapping[str, User]) -> Sequence[Instruction]:
    """The account files as a whole, for a base without tools: its own lines and ours.

    Args:
        traits: of the base, with the lines it has.
        users: all users of the stage and of those it starts from, by name.
    """
    passwd = [f"{name}:x:{u.uid}:{u.gid}:{name}:{home(name, u)}:/sbin/nologin" for name, u in users.items()]
    group = [f"{name}:x:{user.gid}:" for name, user in users.items()]
    return (
        WriteFile("/etc/passwd", "".join(f"{line}\n" for line in (*traits.passwd, *passwd))),
        WriteFile("/etc/group", "".join(f"{line}\n" for line in (*traits.group, *group))),
    )


def copied(helper: str) -> Copy:
    """The account files of a helper stage, which ran the tools on the builder's platform."""
    return Copy(FILES, "/etc/", source=helper)
