"""The verbs that change registries: push, rollback."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import attrs

from buildspec.cli.loading import facts, loaded, planned
from buildspec.errors import BuildspecError, ExitCode, MachineError, StepError, UsageError

if TYPE_CHECKING:
    import argparse

    from buildspec.engine.registry import Repository as Remote
    from buildspec.engine.store import Store
    from buildspec.plan.model import Plan, ReleaseTag
    from buildspec.plan.tags import Version
    from buildspec.release.moves import Move, Repository
    from buildspec.release.push import Image, Push
    from buildspec.release.ready import Sources
    from buildspec.release.sign import Signing
    from buildspec.spec.load import Source

JOURNAL = "release.json"
DIST = "dist"
"""Folder of bundles."""
READ_BACK = 1.5
"""Seconds for reading registries after an interrupt; who interrupts wants to be out."""


@attrs.frozen(kw_only=True)
class _Release:
    """What a release is about."""

    source: Source
    version: Version
    plan: Plan
    remotes: Mapping[Repository, Remote]

    @property
    def folder(self) -> Path:
        """Of what the tool leaves."""
        from buildspec.render.bake import FOLDER

        return self.source.root / FOLDER

    def wanted(self) -> Mapping[Repository, Sequence[str]]:
        """Names of its tags, by repository."""
        from buildspec.release.moves import Repository

        found: dict[Repository, list[str]] = {}
        for one in self.plan.tags:
            repository, tag = Repository.of(one.reference)
            found.setdefault(repository, []).append(tag)
        return found


def push(arguments: argparse.Namespace) -> ExitCode:
    """Push the tested images to every registry, and tag them there."""
    from buildspec.engine import files
    from buildspec.engine.client import Client
    from buildspec.engine.store import Store
    from buildspec.release.moves import decide
    from buildspec.release.push import look
    from buildspec.release.ready import candidates, obstacles
    from buildspec.report import release as text

    release, push = _begun(arguments)
    result = files.read_json(release.folder / "result.json")
    keeps = list(obstacles(release.source.spec, release.source.profiles, result, _sources(release), release.version))
    if keeps:
        lines = [f"v{release.version} can't be released:", *(f"  {why}\n    {out}" for why, out in keeps)]
        raise StepError("\n".join([*lines, "nothing was pushed"]))
    digests = {one.stage: one.digest for one in candidates(result)}
    suffixes = release.source.spec.image.deliver

    def decided(tags: Sequence[ReleaseTag], where: Mapping[Repository, Sequence[str]]) -> tuple[Move, ...]:
        return decide(tags, release.version, digests, suffixes, look(release.remotes, where))

    def again(move: Move) -> Move:
        tags = [one for one in release.plan.tags if one.reference == move.reference]
        return decided(tags, {move.repository: [move.tag]})[0]

    moves = decided(release.plan.tags, release.wanted())
    print(text.plan(moves))
    for drop in release.plan.dropped:
        print(f"no tag {drop.pattern}: {drop.why}")
    refused = [move for move in moves if move.action == "refuse"]
    if refused:
        lines = [f"{move.reference} {move.why}: {move.old}" for move in refused]
        raise StepError("\n".join([*lines, "nothing was pushed"]), "release it as another version")
    with files.scratch() as folder:
        store = Store(Client(), folder)
        signing = _signing(release, push, store, result, folder)
        if arguments.dry_run:
            return ExitCode.DONE

        def content() -> None:
            signed = signing and signing()  # which may fail, and then nothing has been uploaded
            push.upload(_images(moves, store), moves)
            if signed:
                there = dict.fromkeys(move.repository for move in moves if move.action != "keep")
                signed.sign([*there], candidates(result))

        return _carried_out(release, push, moves, again, digests, content)


def rollback(arguments: argparse.Namespace) -> ExitCode:
    """Move the moving tags back to a version that was released."""
    from buildspec.release.moves import Repository, back
    from buildspec.release.push import look
    from buildspec.report import release as text

    release, push = _begun(arguments)
    exact = {}
    for one in release.plan.tags:
        own = next(
            (
                other.reference
                for other in release.plan.tags
                if other.stage == one.stage
                and Repository.of(other.reference)[0] == Repository.of(one.reference)[0]
                and "{version}" in other.pattern
            ),
            "",
        )
        if not own:
            raise UsageError("release.tags has no tag with {version}, so nothing says what to go back to")
        exact[one.reference] = own
    wanted = {repository: [*tags] for repository, tags in release.wanted().items()}
    moves = back(release.plan.tags, release.version, look(release.remotes, wanted), exact)
    print(text.plan(moves))
    refused = [move for move in moves if move.action == "refuse"]
    if refused:
        raise StepError("\n".join([*(f"{move.reference}: {move.why}" for move in refused), "nothing was moved"]))
    if arguments.dry_run:
        return ExitCode.DONE
    return _carried_out(release, push, moves, lambda move: move, {}, lambda: None)


def bundle(arguments: argparse.Namespace) -> ExitCode:
    """Write the tested images and all that goes with them into `dist/`, whole or not at all."""
    from buildspec.engine import files, oci
    from buildspec.engine.client import Client
    from buildspec.engine.host import machine_platform, revision
    from buildspec.engine.store import Store
    from buildspec.release import bundle as form
    from buildspec.release.ready import candidates, flaws
    from buildspec.render import compose
    from buildspec.render.bake import FOLDER

    source = loaded(arguments)
    spec, left = source.spec, source.root / FOLDER
    result = files.read_json(left / "result.json")
    state = revision(source.root, os.environ)
    keeps = list(flaws(spec, source.profiles, result, state.commit))
    if keeps:
        raise StepError("\n".join(["nothing can be bundled:", *(f"  {why}\n    {out}" for why, out in keeps)]))
    plan = planned(source, facts(machine_platform(), state, arguments), arguments)
    target = source.root / DIST
    if others := form.strangers(target):
        more = ", …" if len(others) > 3 else ""
        raise StepError(f"{DIST}/ holds what is of no bundle: {', '.join(others[:3])}{more}", "move it elsewhere")
    with oci.beside(target) as fresh, files.scratch() as folder:
        store = Store(Client(), folder)
        digests = {one.stage: one.digest for one in candidates(result)}
        for one in candidates(result):
            for own in form.write_image(fresh, folder, spec, plan, one, store.blobs(one.digest)):
                print(f"{own}: archive, provenance, SBOM", flush=True)
        files.write(fresh / "compose.yaml", compose.render(spec, form.service_image(spec, digests), "nox -s bundle"))
        _add_reports(left, fresh)
        verdicts = {key: result.get(key) for key in ("image", "revision", "profiles", "verdicts", "budgets")}
        verdicts["images"] = digests
        form.finish(fresh, verdicts)
        oci.swap(fresh, target)
    count = len(list(target.iterdir()))
    print(f"{DIST}/: {count} files; `sha256sum --check {form.CHECKSUMS}` holds them against their checksums")
    return ExitCode.DONE


def _add_reports(left: Path, fresh: Path) -> None:
    """Copy what tests and audit have left into a bundle."""
    import shutil

    for report in ("tests.xml", "audit.sarif", "summary.md"):
        if not (left / report).is_file():
            raise MachineError(f"{left.name}/{report} isn't there", "run `nox -s test` and `nox -s audit`")
        shutil.copyfile(left / report, fresh / report)


def lock(arguments: argparse.Namespace) -> ExitCode:
    """Record what image references point at and what bases are assembled from; with `--check`, whether that changed."""
    from buildspec.cli.loading import every_profile
    from buildspec.engine import files
    from buildspec.engine.assemble import assemble_all
    from buildspec.engine.host import Revision, machine_platform
    from buildspec.engine.pins import resolve
    from buildspec.spec import lock as form

    sources = every_profile(arguments)
    before = sources[0].lock
    wanted = form.references(one.spec for one in sources)
    known = facts(machine_platform(), Revision("", None), arguments)
    recipes = {recipe: None for one in sources for recipe in planned(one, known, arguments).recipes()}
    if not wanted and not recipes:
        print("no base is taken by a tag or assembled: there is nothing to lock")
        return ExitCode.DONE
    entries = resolve(wanted, arguments.time_limit)
    made = assemble_all([*recipes], files.cache_folder(), say=print, refresh=True) if recipes else {}
    packages = {recipe.name: base.packages for recipe, base in made.items()}
    changes = []
    for name in {**before.entries, **entries}:
        old, new = before.entries.get(name), entries.get(name)
        if old != new:
            changes.append(
                f"{name}: {old.digest if old else 'not locked'} -> {new.digest if new else 'not wanted any more'}"
            )
    for name in {**before.packages, **packages}:
        if name not in packages:
            changes.append(f"{name}: not wanted any more")
        elif name not in before.packages:
            changes.append(f"{name}: not locked -> {len(packages[name])} packages")
        elif told := form.difference(before.packages[name], packages[name]):
            changes.append(f"{name}: {told}")
    print("".join(f"{line}\n" for line in changes), end="")
    if arguments.check:
        if changes:
            raise StepError(f"{form.NAME} is stale", "run `nox -s lock`, and review what has changed")
        print(f"{form.NAME}: as it should be")
        return ExitCode.DONE
    written = files.write(sources[0].root / form.NAME, form.text(entries, packages))
    print(f"{form.NAME}: {'written' if written else 'nothing has changed'}")
    return ExitCode.DONE


def _begun(arguments: argparse.Namespace) -> tuple[_Release, Push]:
    """The release that the command line is about, and a push that hasn't begun."""
    import threading

    from buildspec.engine.host import machine_platform, revision
    from buildspec.engine.registry import repository
    from buildspec.engine.transport import Deadline
    from buildspec.plan.tags import Version
    from buildspec.release.moves import Repository
    from buildspec.release.push import Push
    from buildspec.report.plan import RELEASE

    source = loaded(arguments)
    version = Version.parse(arguments.release)
    if lacking := [key for key in ("registries", "tags") if not getattr(source.spec.release, key)]:
        # where one of the two is there, so is the table, which can't be there twice
        example = RELEASE if len(lacking) > 1 else [one for one in RELEASE if one.startswith(lacking[0])]
        lines = [f"[release] has no {' and no '.join(lacking)}, so v{version} goes nowhere", "", *example, ""]
        where = arguments.file if len(lacking) > 1 else f"[release] in {arguments.file}"
        raise UsageError("\n".join(lines), f"add this to {where}, with what is yours")
    plan = planned(source, facts(machine_platform(), revision(source.root, os.environ), arguments), arguments)
    if not plan.tags:
        why = "".join(f"\n  {drop.pattern}: {drop.why}" for drop in plan.dropped)
        raise UsageError(
            f"v{version} has no tags{why}", "add a pattern to release.tags that it has, such as 'v{version}'"
        )
    stopped = threading.Event()

    def pause(seconds: float) -> None:
        if stopped.wait(seconds):
            raise StepError("stopped")

    deadline = Deadline.after(arguments.time_limit)
    names = dict.fromkeys(Repository.of(one.reference)[0] for one in plan.tags)
    remotes = {one: repository(one.registry, one.name, deadline, pause) for one in names}
    release = _Release(source=source, version=version, plan=plan, remotes=remotes)
    return release, Push(remotes=remotes, tell=lambda _: None, stopped=stopped)


def _carried_out(
    release: _Release,
    push: Push,
    moves: Sequence[Move],
    again: Callable[[Move], Move],
    digests: Mapping[str, str],
    content: Callable[[], None],
) -> ExitCode:
    """Do what was decided; whatever happens, say what the registries have now.

    Args:
        release: what it is about.
        push: that is to do it.
        moves: that were decided.
        again: decides about one anew.
        digests: of the images, by stage.
        content: brings what the moves point at to the registries.
    """
    from buildspec.engine import files, process
    from buildspec.release.push import Journal, Step
    from buildspec.report import release as text

    journal_file = release.folder / JOURNAL
    before = files.read_json(journal_file)
    head = {"version": str(release.version), "images": dict(digests)}
    if before and not before.get("finished") and before.get("version") == head["version"]:
        print(f"v{release.version} was begun before; what is there already isn't done again")

    def write(document: Mapping[str, Any]) -> None:
        files.write_json(journal_file, document)

    journal = Journal(write=write, head=head)

    def tell(step: Step) -> None:
        journal.note(step)
        print(text.line(step), flush=True)

    push.tell = tell
    try:
        content()
        push.tag_exact(moves)
        push.tag_moving(moves, again)
    except BaseException as error:
        push.stopped.set()
        process.stop()
        if not isinstance(error, BuildspecError | KeyboardInterrupt):
            raise
        print("\nwhat is there now:\n" + text.outcome(moves, _read_back(release, moves)), file=sys.stderr)
        raise
    journal.finish()
    print("\n" + text.outcome(moves, _read_back(release, moves, seconds=60.0)))
    return ExitCode.DONE


def _images(moves: Sequence[Move], store: Store) -> Sequence[Image]:
    """The images that have to be uploaded."""
    from buildspec.release.push import Image

    wanted = {move.digest: move.stage for move in moves if move.writes}
    return [Image(stage=stage, digest=digest, blobs=store.blobs(digest)) for digest, stage in wanted.items()]


def _signing(
    release: _Release, push: Push, store: Store, result: Mapping[str, Any], folder: Path
) -> Callable[[], Signing] | None:
    """What signs the images, as soon as what is said of them is known; None when they aren't signed."""
    from buildspec.engine import files, scanner
    from buildspec.engine.cosign import Cosign
    from buildspec.release.sign import Signing, statements

    key, image = release.source.spec.release.sign_key, release.source.spec.image.name
    if not key:
        return None
    path = key if ":" in key else str(release.source.root / key)
    cosign = Cosign.begun(path, os.environ, folder, push.rest)
    scanner.program()
    print(f"will be signed with {key}")

    def ready() -> Signing:
        told = statements(image, result, store, files.cache_folder(), release.plan.facts.epoch, folder)
        return Signing(cosign=cosign, statements=told, tell=push.tell)

    return ready


def _read_back(
    release: _Release, moves: Sequence[Move], seconds: float = READ_BACK
) -> Mapping[tuple[Repository, str], str]:
    """What every tag points at now; those that can't be asked in time are missing."""
    import threading
    import time

    from buildspec.engine.registry import repository
    from buildspec.engine.transport import Deadline

    deadline = Deadline.after(seconds)
    found: dict[tuple[Repository, str], str] = {}

    def ask(where: Repository) -> None:
        remote = repository(where.registry, where.name, deadline, time.sleep)
        for move in moves:
            if move.repository == where:
                with suppress(BuildspecError):
                    found[where, move.tag] = remote.digest(move.tag)

    threads = [threading.Thread(target=ask, args=(one,), daemon=True) for one in release.remotes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline.left))
    return dict(found)


def _sources(release: _Release) -> Sources:
    """What git says of the sources and of the version's tag."""
    from buildspec.engine.host import revision, tagged
    from buildspec.release.ready import Sources

    root = release.source.root
    return Sources(commit=revision(root, os.environ).commit, tagged=tagged(root, f"v{release.version}"))
