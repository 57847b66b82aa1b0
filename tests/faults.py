"""A release through every transient fault of a registry, and the table: `nox -s faults`.

A real registry on loopback stands behind a proxy that fails as it is told to: 5 operations x 10 faults x 1 and 3 times
x an image of each of two platforms. A case survives when the push ends well and every tag is at the expected digest.
"""

# ruff: noqa: E402, T201 - a program, which finds its modules and prints what it counts

from __future__ import annotations

import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import attrs

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from helpers.layouts import archive
from helpers.registry import MISSING, Fault, Registry, program, proxy, registry

from buildspec.engine.archives import unpack
from buildspec.engine.registry import Repository as Remote
from buildspec.engine.registry import session
from buildspec.engine.transport import Deadline, Transport
from buildspec.errors import BuildspecError, ExitCode
from buildspec.release.moves import Move, Repository
from buildspec.release.push import Image, Push, look

OPERATIONS: Mapping[str, tuple[str, str]] = {
    "look for a blob": ("HEAD", r"/blobs/sha256"),
    "begin an upload": ("POST", r"/blobs/uploads/$"),
    "upload a blob": ("PUT", r"/blobs/uploads/"),
    "write a manifest": ("PUT", r"/manifests/sha256"),
    "write a tag": ("PUT", r"/manifests/(?!sha256)"),
}
FAULTS = ("408", "429", "500", "502", "503", "504", "reset", "cut", "lost", "silent")
HITS = (1, 3)
PLATFORMS = ("amd64", "arm64")
TAGS = ("v2.0.0", "v2.0", "v2", "latest")
SECONDS = 60.0
"""A case has."""
SILENCE = 0.4
"""Seconds after which a silent registry is asked again, in these cases."""
AT_ONCE = 12


@attrs.frozen
class Case:
    """A fault at an operation."""

    operation: str
    fault: str
    hits: int
    platform: str


def cases() -> list[Case]:
    """All of them."""
    return [
        Case(operation, fault, hits, platform)
        for operation in OPERATIONS
        for fault in FAULTS
        for hits in HITS
        for platform in PLATFORMS
    ]


def image(folder: Path, platform: str, content: bytes = b"content") -> Image:
    """A small image of two layers for a platform."""
    folder.mkdir(parents=True, exist_ok=True)
    data = archive({"app/run": content}, {"app/note": platform.encode()}, platform=platform)
    blobs = unpack([data], folder)
    index = next(digest for digest, file in blobs.items() if b'"manifests": [' in file.read_bytes())
    return Image(stage="app", digest=index, blobs=blobs)


def remote(host: str, name: str, seconds: float = SECONDS, patience: float = 60.0) -> Remote:
    """A repository of a registry on loopback."""
    transport = Transport(
        base=f"http://{host}", login=None, session=session, deadline=Deadline.after(seconds), patience=patience
    )
    return Remote(transport, name)


def moves(where: Repository, digest: str, tags: tuple[str, ...] = TAGS) -> list[Move]:
    """New tags, of which the first is exact."""
    return [
        Move(repository=where, tag=tag, stage="app", action="new", digest=digest, exact=tag == tags[0]) for tag in tags
    ]


def released(push: Push, made: Image, wanted: list[Move]) -> None:
    """A whole release."""
    push.upload([made], wanted)
    push.tag_exact(wanted)
    push.tag_moving(wanted, lambda move: move)


def run(case: Case, number: int, real: Registry, made: Image) -> str:
    """Why a case didn't survive; empty when it did."""
    method, path = OPERATIONS[case.operation]
    name = f"case/{number}"
    headers = {"Retry-After": "0"} if case.fault == "429" else {}
    with proxy(real.port) as between:
        between.silence = SILENCE * 2
        between.faults.append(Fault(method, path, case.fault, hits=case.hits, headers=headers))
        where = Repository(between.host, name)
        push = Push(
            remotes={where: remote(between.host, name, patience=SILENCE if case.fault == "silent" else 10.0)},
            tell=lambda _: None,
            settle=0.05,
        )
        try:
            released(push, made, moves(where, made.digest))
        except BuildspecError as error:
            return error.message
        # what was done, though it wasn't answered, isn't asked for again
        if between.faults[0].hits and case.fault not in ("cut", "lost"):
            return f"the fault was met {case.hits - between.faults[0].hits} times"
    own = Repository(real.host, name)
    found = look({own: remote(real.host, name)}, {own: TAGS})[own]
    wrong = [tag for tag in TAGS if found.digests.get(tag) != made.digest]
    return f"wrong tags: {wrong}" if wrong else ""


def main() -> int:
    """Run all cases and print the table."""
    if program() is None:
        print(MISSING, file=sys.stderr)
        return int(ExitCode.NOT_UP_TO_IT)
    start = time.monotonic()
    every = cases()
    lost: dict[Case, str] = {}
    with tempfile.TemporaryDirectory() as made, registry(Path(made)) as real:
        images = {platform: image(Path(made) / platform, platform) for platform in PLATFORMS}
        lock = threading.Lock()

        def one(pair: tuple[int, Case]) -> None:
            number, case = pair
            why = run(case, number, real, images[case.platform])
            if why:
                with lock:
                    lost[case] = why

        with ThreadPoolExecutor(AT_ONCE) as pool:
            list(pool.map(one, enumerate(every)))
    print(f"{'operation':18} " + " ".join(f"{fault:>7}" for fault in FAULTS))
    each = len(HITS) * len(PLATFORMS)
    for operation in OPERATIONS:
        counts = [sum(one.operation == operation and one.fault == fault for one in lost) for fault in FAULTS]
        print(f"{operation:18} " + " ".join(f"{each - count:>4} of {each}"[-7:].rjust(7) for count in counts))
    for case, why in lost.items():
        print(f"LOST {case}: {why}")
    print(f"{len(every)} cases, {len(every) - len(lost)} survived; {time.monotonic() - start:.0f} s")
    return int(bool(lost))


if __name__ == "__main__":
    sys.exit(main())
