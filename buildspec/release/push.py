"""Tested images and decided moves in, registries that have them out: content first, exact tags next, moving tags last.

Every step is done in all repositories before the next one begins, and each is read back. What stands in a registry at
any moment is right: a tag is written when what it points at is there and verified, and a moving tag when the exact one
is. So a push that is interrupted is simply run again.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from buildspec.engine.registry import Repository as Remote
from buildspec.engine.registry import UntrueError
from buildspec.errors import BuildspecError, MachineError, StepError
from buildspec.release.moves import Found, Move, Repository

SETTLE = 1.0
"""Seconds between writing an exact tag and reading it back, when it was new.

Registries have no "write if absent". Two pushes of a tag at once each look, write, wait this long and look again: the
one that wrote last finds its digest, and the other finds the winner's (Fischer's algorithm). It holds as long as nobody
takes longer than this between looking and writing.
"""
_LAG = 5
"""Times that a tag is read which isn't there yet: some registries take a moment (read after write)."""
_LAG_PAUSE = 0.4
AT_ONCE = 4
"""Blobs that are uploaded to a repository side by side."""


@attrs.frozen(kw_only=True)
class Image:
    """An image to push: everything it is made of, by digest."""

    stage: str
    digest: str
    """Of its index."""
    blobs: Mapping[str, Path]
    """Every blob of the archive it was read from, as files."""


@attrs.frozen(kw_only=True)
class Step:
    """Something that was done, for the journal and for who watches."""

    repository: Repository
    what: str
    """`uploaded`, `signed`, `tagged`, `verified`."""
    subject: str
    """A digest, or a tag."""
    digest: str
    size: int = 0
    """Bytes that were sent."""


class TakenError(StepError):
    """Somebody else has released another image under a tag."""


@attrs.define
class Push:
    """A push under way."""

    remotes: Mapping[Repository, Remote]
    tell: Callable[[Step], None]
    stopped: threading.Event = attrs.Factory(threading.Event)
    """Set when nothing more may be begun."""
    settle: float = SETTLE

    # --- content -----------------------------------------------------------------------------------------------

    def upload(self, images: Sequence[Image], moves: Sequence[Move]) -> None:
        """Upload everything that moves point at, and read every manifest back.

        Args:
            images: that were tested.
            moves: that were decided; those that write nothing need nothing.

        Raises:
            MachineError: a registry isn't up to it.
        """
        needed: dict[Repository, list[Image]] = {}
        for move in moves:
            if move.writes:
                image = next(one for one in images if one.digest == move.digest)
                listed = needed.setdefault(move.repository, [])
                if image not in listed:
                    listed.append(image)
        self._everywhere(needed, lambda where: self._upload_all(where, needed[where]))

    def _upload_all(self, where: Repository, images: Sequence[Image]) -> None:
        for image in images:
            self._upload(where, image)

    def _upload(self, where: Repository, image: Image) -> None:
        remote = self.remotes[where]
        # what is there already is read back like what is uploaded: an index may have outlived what it lists. A registry
        # takes a manifest when all that it refers to is there: spec.md, "Pushing Manifests"
        manifests = [one for one in _manifests(image) if remote.manifest(one[0]) is None]
        blobs = {one["digest"]: one["size"] for _, document in manifests for one in _parts(document)}
        self._side_by_side(blobs.items(), lambda item: self._blob(where, image, *item))
        for digest, document in manifests:  # an index comes after what it lists
            data = image.blobs[digest].read_bytes()
            remote.put_manifest(digest, data, document.get("mediaType") or _media_type(document))
            self.tell(Step(repository=where, what="uploaded", subject=digest, digest=digest, size=len(data)))
        for digest, _ in manifests:
            self._seen(where, digest, digest)

    def _blob(self, where: Repository, image: Image, digest: str, size: int) -> None:
        self._go_on()
        file = image.blobs.get(digest)
        if file is None:
            raise MachineError(f"the engine's archive of {image.stage} lacks {digest}", "build again")
        if self.remotes[where].put_blob(digest, size, lambda: file.open("rb")):
            self.tell(Step(repository=where, what="uploaded", subject=digest, digest=digest, size=size))

    # --- tags --------------------------------------------------------------------------------------------------

    def tag_exact(self, moves: Sequence[Move]) -> None:
        """Write the tags of this release alone, everywhere, and read them back.

        Raises:
            TakenError: somebody else has released another image under one of them.
            MachineError: a registry isn't up to it.
        """
        fresh = [move for move in moves if move.exact and move.writes]
        self._per_repository(fresh, self._tag_exact)
        if fresh:
            self.rest(self.settle)
        self._per_repository([move for move in moves if move.exact], self._verify_exact)

    def _tag_exact(self, move: Move) -> None:
        remote = self.remotes[move.repository]
        there = remote.digest(move.tag)  # now, as it may be long since the moves were decided
        if there not in ("", move.digest):
            raise self._taken(move)
        if there != move.digest:
            self._write(move)

    def _verify_exact(self, move: Move) -> None:
        there = self._read(move)
        if there != move.digest:
            raise self._taken(move)
        self.tell(Step(repository=move.repository, what="verified", subject=move.tag, digest=there))

    def _taken(self, move: Move) -> TakenError:
        """Who has a tag in the end: of several that write it at once, the last one."""
        self.rest(self.settle)
        return _taken(move, self._read(move))

    def tag_moving(self, moves: Sequence[Move], again: Callable[[Move], Move]) -> tuple[Move, ...]:
        """Move the tags that later releases have too, those of few versions first, and read them back.

        Args:
            moves: that were decided.
            again: decides about one anew, from what the registry has now.

        Returns:
            What came of each.

        Raises:
            MachineError: a registry isn't up to it.
        """
        done: list[Move] = []
        moving = [move for move in moves if not move.exact]
        for tag in dict.fromkeys(move.tag for move in moving):
            # one after the other, so that `latest` is never ahead of the tags of its version
            self._per_repository(
                [move for move in moving if move.tag == tag], lambda move: done.append(self._move(move, again))
            )
        return tuple(done)

    def _move(self, move: Move, again: Callable[[Move], Move]) -> Move:
        move = again(move)
        if move.writes:
            self._write(move)
            there = self._read(move)
            later = again(move)
            if later.action == "keep":
                # a newer version came while this one was written; where that one was first, give the tag to it
                newer = self.remotes[move.repository].digest(later.newer) if there == move.digest else ""
                if newer:
                    self._write(attrs.evolve(move, digest=newer))
                return later
            if there != move.digest:
                raise MachineError(
                    f"{move.reference} points at {there or 'nothing'}, not at {move.digest}", "run it again"
                )
        self.tell(Step(repository=move.repository, what="verified", subject=move.tag, digest=move.digest))
        return move

    def _write(self, move: Move) -> None:
        self._go_on()
        remote = self.remotes[move.repository]
        found = remote.manifest(move.digest)
        if found is None:
            raise MachineError(f"{move.repository} has lost {move.digest}", "run it again")
        remote.put_manifest(move.tag, found.data, found.media_type or _media_type(json.loads(found.data)))
        self.tell(Step(repository=move.repository, what="tagged", subject=move.tag, digest=move.digest))

    def _read(self, move: Move) -> str:
        """What a tag points at; one that isn't there yet is asked for again, for a moment."""
        for attempt in range(_LAG):
            there = self.remotes[move.repository].digest(move.tag)
            if there:
                return there
            if attempt < _LAG - 1:
                self.rest(_LAG_PAUSE)
        return ""

    def _seen(self, where: Repository, reference: str, digest: str) -> None:
        """Read a manifest back, and its bytes."""
        for attempt in range(_LAG):
            found = self.remotes[where].manifest(reference)
            if found is not None:
                if found.digest != digest:
                    raise UntrueError(f"{where} gives {found.digest} for {digest}")
                self.tell(Step(repository=where, what="verified", subject=reference, digest=digest))
                return
            if attempt < _LAG - 1:
                self.rest(_LAG_PAUSE)
        raise MachineError(f"{where} took {digest}, and doesn't have it", "run it again")

    # --- side by side ------------------------------------------------------------------------------------------

    def _per_repository(self, moves: Sequence[Move], act: Callable[[Move], object]) -> None:
        by_repository: dict[Repository, list[Move]] = {}
        for move in moves:
            by_repository.setdefault(move.repository, []).append(move)
        self._everywhere(by_repository, lambda where: [act(move) for move in by_repository[where]])

    def _everywhere(self, where: Iterable[Repository], act: Callable[[Repository], object]) -> None:
        """Do something in every repository, side by side; all come to their end before the first error is raised."""
        run_all([lambda one=one: act(one) for one in where])  # type: ignore[misc]

    def _side_by_side(self, items: Iterable[Any], act: Callable[[Any], object]) -> None:
        todo = list(items)
        lock = threading.Lock()

        def worker() -> None:
            while True:
                with lock:
                    if not todo or self.stopped.is_set():
                        return
                    item = todo.pop(0)
                act(item)

        run_all([worker] * min(AT_ONCE, len(todo)))

    def _go_on(self) -> None:
        if self.stopped.is_set():
            raise StepError("stopped")

    def rest(self, seconds: float) -> None:
        """Wait, unless it is stopped.

        Raises:
            StepError: it is.
        """
        if self.stopped.wait(seconds):
            raise StepError("stopped")


def run_all(jobs: Sequence[Callable[[], object]]) -> None:
    """Run jobs side by side, wait for all, and raise the first one's error.

    Threads that nobody waits for at the end of the process: after an interrupt, a request that is under way isn't
    waited for.
    """
    errors: list[BaseException | None] = [None] * len(jobs)

    def run(at: int, job: Callable[[], object]) -> None:
        try:
            job()
        except BaseException as error:
            errors[at] = error

    threads = [threading.Thread(target=run, args=pair, daemon=True) for pair in enumerate(jobs)]
    for thread in threads:
        thread.start()
    for thread in threads:
        while thread.is_alive():
            thread.join(0.1)  # in pieces, so that an interrupt is heard
    wrong = [error for error in errors if error is not None]
    # what somebody else did, or what a registry refuses, says more than what was stopped by it
    wrong.sort(key=lambda error: (not isinstance(error, TakenError), not isinstance(error, BuildspecError)))
    if wrong:
        raise wrong[0]


def _taken(move: Move, there: str) -> TakenError:
    if not there:
        return TakenError(f"{move.reference} was written, and isn't there", "run it again")
    return TakenError(
        f"{move.reference} is {there}: somebody else has released that; this image is {move.digest}",
        "release it as another version",
    )


def _manifests(image: Image) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """The manifests of an image with their digests, each after what it lists."""
    document = _document(image, image.digest)
    for entry in document.get("manifests") or ():
        if entry["digest"] in image.blobs:
            yield entry["digest"], _document(image, entry["digest"])
        else:
            raise MachineError(f"the engine's archive of {image.stage} lacks {entry['digest']}", "build again")
    yield image.digest, document


def _document(image: Image, digest: str) -> Mapping[str, Any]:
    try:
        data = image.blobs[digest].read_bytes()
    except KeyError:
        raise MachineError(f"the engine's archive of {image.stage} lacks {digest}", "build again") from None
    if f"sha256:{hashlib.sha256(data).hexdigest()}" != digest:
        raise MachineError(f"the engine's archive of {image.stage} has other bytes for {digest}", "build again")
    document: Mapping[str, Any] = json.loads(data)
    return document


def _parts(document: Mapping[str, Any]) -> Iterable[Mapping[str, Any]]:
    """Descriptors of the blobs that a manifest refers to; an index refers to none."""
    return (document["config"], *document["layers"]) if "config" in document else ()


def _media_type(document: Mapping[str, Any]) -> str:
    kind = "index" if "manifests" in document else "manifest"
    return f"application/vnd.oci.image.{kind}.v1+json"


def look(
    remotes: Mapping[Repository, Remote], wanted: Mapping[Repository, Iterable[str]]
) -> Mapping[Repository, Found]:
    """Ask every repository what it has.

    Args:
        remotes: to ask.
        wanted: names of the tags whose digests are needed, by repository.

    Raises:
        MachineError: one doesn't say.
    """
    found: dict[Repository, Found] = {}

    def ask(where: Repository) -> None:
        tags = remotes[where].tags()
        digests = {tag: remotes[where].digest(tag) for tag in wanted[where] if tag in tags}
        found[where] = Found(tags=tags, digests={tag: digest for tag, digest in digests.items() if digest})

    run_all([lambda one=one: ask(one) for one in wanted])  # type: ignore[misc]
    return found


@attrs.define
class Journal:
    """What a push has done so far, written as it goes on: for people, and for the next run to say that it continues."""

    write: Callable[[Mapping[str, Any]], None]
    head: Mapping[str, Any]
    steps: list[dict[str, Any]] = attrs.Factory(list)
    _lock: threading.Lock = attrs.Factory(threading.Lock)

    def note(self, step: Step) -> None:
        """Add a step."""
        with self._lock:
            self.steps.append(
                {
                    "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
                    "repository": str(step.repository),
                    "what": step.what,
                    "subject": step.subject,
                    "digest": step.digest,
                    "bytes": step.size,
                }
            )
            self.write({**self.head, "finished": False, "steps": self.steps})

    def finish(self) -> None:
        """Say that all of it is done."""
        with self._lock:
            self.write({**self.head, "finished": True, "steps": self.steps})
