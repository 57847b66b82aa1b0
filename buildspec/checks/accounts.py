"""Rules about the accounts that a stage creates: the tools that do refuse one that is there already."""

from __future__ import annotations

from collections.abc import Iterator

from buildspec.checks.contents import descent
from buildspec.checks.rules import Subject, each_stage
from buildspec.errors import Diagnostic, quoted
from buildspec.spec.model import Stage, User
from buildspec.spec.unknown import UNKNOWN


@each_stage
def account_exists(subject: Subject, name: str, stage: Stage) -> Iterator[Diagnostic]:
    """A stage creates a user whose name or number its base, or another user of the stage, has already."""
    if not stage.users:
        return
    base = subject.traits(name)
    there = {} if base is None else base.users
    by_id = {uid: account for account, uid in there.items()}
    above = descent(subject, stage.from_).users
    uids, gids = _numbers(subject, above)
    for index, account in enumerate(stage.users):
        user = subject.spec.users.get(account, UNKNOWN)
        if account is UNKNOWN or user is UNKNOWN or account in above:
            continue
        why = ""
        if account in there:
            why = f"the base has an account {quoted(account)} ({there[account]}); leave it out, or choose another name"
        elif user.uid in by_id:
            why = f"the base's account {quoted(by_id[user.uid])} has uid {user.uid}; choose another"
        elif other := _taken(uids, user.uid, account):
            why = f"{quoted(other)} has uid {user.uid} too; choose another"
        elif other := _taken(gids, user.gid, account):
            why = f"{quoted(other)} has gid {user.gid} too, and each user has a group of its own; choose another"
        if why:
            yield subject.problem("account-exists", ("stages", name, "users", index), why)
        uids.setdefault(user.uid, account)
        gids.setdefault(user.gid, account)


def _numbers(subject: Subject, accounts: tuple[str, ...]) -> tuple[dict[int, str], dict[int, str]]:
    """The accounts by uid and by gid."""
    users: dict[str, User] = {one: subject.spec.users[one] for one in accounts if one in subject.spec.users}
    return {user.uid: one for one, user in users.items()}, {user.gid: one for one, user in users.items()}


def _taken(by_number: dict[int, str], number: int, account: str) -> str:
    other = by_number.get(number, account)
    return "" if other == account else other
