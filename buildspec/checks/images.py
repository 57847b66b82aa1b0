"""Rules about what an image is made from: bases, machine code, accounts, and settings that reach nobody."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import partial

from buildspec.checks.commands import commands
from buildspec.checks.contents import Made, Search, descent, graph
from buildspec.checks.rules import (
    Subject,
    copies,
    each_base,
    each_copy,
    each_stage,
    inherited,
    known,
    waivable,
)
from buildspec.checks.texts import lineage
from buildspec.errors import Diagnostic, quoted
from buildspec.spec.lifetimes import end, parts
from buildspec.spec.model import Base, Copy, DebianBase, ImageBase, Stage
from buildspec.spec.positions import Path
from buildspec.spec.unknown import UNKNOWN

_NUMBER = re.compile(r"[0-9]+")
_MOST_USER = 2**31 - 1  # what Linux takes, and Kubernetes' runAsUser
_INHERITED = ("entrypoint", "cmd", "healthcheck", "volumes", "expose", "labels", "stop-signal")


@waivable("error")
def libc_mismatch(subject: Subject) -> Iterator[Diagnostic]:
    """What may be machine code for one C library is copied into an image with the other."""
    searches = {here: Search(subject, partial(_is_foreign, subject, here)) for here in ("musl", "glibc")}
    for path, copy in copies(subject):
        yield from known(_libc_mismatch(subject, path, copy, searches))


def _libc_mismatch(subject: Subject, path: Path, copy: Copy, searches: Mapping[str, Search]) -> Iterator[Diagnostic]:
    if copy.from_ not in graph(subject).tainted:
        return
    here = _libc(subject, str(path[1]))
    if not here or _libc(subject, copy.from_) == here:
        return
    if made := searches[here].first(copy.from_, copy.path):
        message = f"'{made.install.words}' in '{made.stage}' may leave machine code for {_libc(subject, made.stage)}"
        out = "run it without install scripts, or on a base with the same C library"
        yield subject.problem("libc-mismatch", path, f"{message}, and this image has {here}; {out}")


def _is_foreign(subject: Subject, here: str, made: Made) -> bool:
    return _libc(subject, made.stage) not in ("", here)


def _libc(subject: Subject, stage: str) -> str:
    base = subject.traits(stage)
    return base.libc if base is not None else ""


@waivable("error")
@each_stage
def user_not_in_image(subject: Subject, name: str, stage: Stage) -> Iterator[Diagnostic]:
    """A stage runs as a user whom its image's /etc/passwd doesn't have."""
    base = subject.traits(name)
    if not stage.user or base is None or descent(subject, name).accounts_unknown:
        return
    made = descent(subject, name).users
    person = stage.user.partition(":")[0]
    if _NUMBER.fullmatch(person):
        ids = {*base.users.values(), *(subject.spec.users[one].uid for one in made if one in subject.spec.users)}
        missing, out = int(person) not in ids, "add a user with that uid to 'users'"
    else:
        missing = person in subject.spec.users and person not in made and person not in base.users
        out = f"add {quoted(person)} to 'users' of this stage"
    if missing:
        message = f"{quoted(stage.user)} has no entry in the image's /etc/passwd; {out}"
        yield subject.problem("user-not-in-image", ("stages", name, "user"), message)


@waivable("error")
def root_user(subject: Subject) -> Iterator[Diagnostic]:
    """A delivered image runs as root."""
    nobody = ""
    deciding: Mapping[str, str] = inherited(
        subject, lambda _: nobody, lambda name, stage, above: name if stage.user else above
    )
    told: set[str] = set()
    for name in subject.spec.image.deliver:
        yield from known(_runs_as_root(subject, name, deciding.get(name, nobody), told))


def _runs_as_root(subject: Subject, name: str, deciding: str, told: set[str]) -> Iterator[Diagnostic]:
    """Whether an image runs as root, by the stage of its lineage that says as whom; many images can have the same."""
    if deciding in told:
        return
    if deciding:
        told.add(deciding)
        user = subject.spec.stages[deciding].user
        if _is_root(subject, user):
            message = f"{quoted(user)} is root; name a user of [users], and list it in 'users'"
            yield subject.problem("root-user", ("stages", deciding, "user"), message)
    elif subject.traits(name) is not None and not _starts_as_another(subject.base(name)):
        message = "runs as root, as no 'user' is set; add one to [users], 'users' and 'user'"
        yield subject.problem("root-user", ("stages", name), message, key=True)


def _is_root(subject: Subject, user: str) -> bool:
    person = user.partition(":")[0]
    if _NUMBER.fullmatch(person):
        return int(person) == 0
    return person == "root" or (person in subject.spec.users and subject.spec.users[person].uid == 0)


def _starts_as_another(base: Base | None) -> bool:
    """Whether it is one of the distroless images that run as `nonroot`."""
    return isinstance(base, ImageBase) and "nonroot" in base.image.tag


def user_out_of_range(subject: Subject) -> Iterator[Diagnostic]:
    """A user's or group's number is out of range, or has zeros before it."""
    yield from known(_accounts_out_of_range(subject))
    yield from _users_out_of_range(subject)
    yield from _owners_out_of_range(subject)


def _accounts_out_of_range(subject: Subject) -> Iterator[Diagnostic]:
    for name, user in subject.spec.users.items():
        for key in ("uid", "gid") if user is not UNKNOWN else ():
            number = getattr(user, key)
            if number is not UNKNOWN and not 1 <= number <= 65533:
                message = f"{number} is not from 1 to 65533; 0 is root, and 65534 is nobody"
                yield subject.problem("user-out-of-range", ("users", name, key), message)


@each_stage
def _users_out_of_range(subject: Subject, name: str, stage: Stage) -> Iterator[Diagnostic]:
    yield from _numbers(subject, ("stages", name, "user"), stage.user)


@each_copy
def _owners_out_of_range(subject: Subject, path: Path, copy: Copy) -> Iterator[Diagnostic]:
    yield from _numbers(subject, (*path, "owner"), copy.owner)


def _numbers(subject: Subject, path: Path, user: str) -> Iterator[Diagnostic]:
    for part in user.split(":"):
        if _NUMBER.fullmatch(part) is None or not part.isascii():
            continue
        if len(part) > 1 and part.startswith("0"):
            message = (
                f"{quoted(part)} has zeros before it, which tools read differently; write '{part.lstrip('0') or 0}'"
            )
            yield subject.problem("user-out-of-range", path, message)
        elif len(part) > 10 or int(part) > _MOST_USER:
            message = f"{quoted(part)} is more than {_MOST_USER}, the largest there is"
            yield subject.problem("user-out-of-range", path, message)


@waivable("warning")
def config_not_inherited(subject: Subject) -> Iterator[Diagnostic]:
    """Image configuration is set in a stage that no delivered image is built from, so it reaches nobody."""
    yield from known(_config_not_inherited(subject))


def _config_not_inherited(subject: Subject) -> Iterator[Diagnostic]:
    inherited = graph(subject).inherited
    served = _served(subject)
    for name, stage in subject.spec.stages.items():
        if name not in inherited and stage is not UNKNOWN:
            yield from known(_lost(subject, name, stage, serves=name in served))


def _lost(subject: Subject, name: str, stage: Stage, *, serves: bool) -> Iterator[Diagnostic]:
    for key in (*_INHERITED, *(() if serves else ("env", "user"))):
        if getattr(stage, key.replace("-", "_")):
            message = f"no delivered image is built from '{name}', and a copy doesn't bring it; set it in one that is"
            yield subject.problem("config-not-inherited", ("stages", name, key), message, key=True)


def _served(subject: Subject) -> set[str]:
    """Stages whose environment and user serve commands: their own, or those of a stage that starts from them."""
    found: set[str] = set()
    for name in subject.spec.stages:
        if commands(subject, name):
            for one in lineage(subject, name):
                if one in found:
                    break
                found.add(one)
    return found


@waivable("warning")
@each_base
def base_past_end_of_life(subject: Subject, name: str, base: Base) -> Iterator[Diagnostic]:
    """A base is made of something that gets no security fixes any more."""
    for product, version in parts(base):
        last = end(product, version)
        if last and subject.source.today > last:
            what = "debian" if isinstance(base, DebianBase) else "image"
            message = f"{product} {version} gets no security fixes since {last}; take a newer one"
            yield subject.problem("base-past-end-of-life", ("bases", name, what), message)


@waivable("warning")
@each_base
def unpinned_base(subject: Subject, name: str, base: Base) -> Iterator[Diagnostic]:
    """A base from a registry has no digest, so that its tag may be another image tomorrow."""
    if isinstance(base, ImageBase) and base.digest is None and not base.image.digest:
        if subject.source.lock.digest(str(base.image)):
            return
        message = "has no digest, so the tag may be another image tomorrow; run `nox -s lock`, or add 'digest'"
        yield subject.problem("unpinned-base", ("bases", name, "image"), message)
