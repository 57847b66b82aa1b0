"""The verbs that bring together what several machines built: export, join."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from buildspec.cli.loading import RESULT, facts, loaded, planned, write_result
from buildspec.errors import ExitCode, MachineError, StepError, UsageError

if TYPE_CHECKING:
    import argparse

    from buildspec.engine.client import Client
    from buildspec.release.parts import Part
    from buildspec.spec.values import Platform

PART = "part"
"""Folder, below that of what the tool leaves, of what this machine hands over."""
PARTS = "parts"
"""Likewise, of what others did."""
REPORTS = ("tests.xml", "audit.sarif")
SUBJECTS = "subjects.sha256"


def export(arguments: argparse.Namespace) -> ExitCode:
    """Write the tested images of this machine's platforms, with their verdicts, for `join` on another."""
    import shutil

    from buildspec.engine import files, oci
    from buildspec.engine.client import Client
    from buildspec.engine.host import machine_platform, revision
    from buildspec.engine.store import Store
    from buildspec.release.parts import limited
    from buildspec.release.ready import candidates, flaws
    from buildspec.render.bake import FOLDER

    source = loaded(arguments)
    left = source.root / FOLDER
    state = revision(source.root, os.environ)
    plan = planned(source, facts(machine_platform(), state, arguments), arguments)
    chosen = {platform for target in plan.targets if target.tag for platform in target.platforms}
    result = files.read_json(left / RESULT)
    keeps = [*flaws(limited(source.spec, chosen), source.profiles, result, state.commit)]
    if keeps:
        raise StepError("\n".join(["nothing can be exported:", *(f"  {why}\n    {out}" for why, out in keeps)]))
    with oci.beside(left / PART) as fresh, files.scratch() as folder:
        store = Store(Client(), folder)
        for one in candidates(result):
            blobs = store.blobs(one.digest)
            oci.write_archive(fresh / f"{one.stage}.oci.tar", blobs, one.digest, blobs)
        files.write_json(fresh / RESULT, result)
        for report in REPORTS:
            if not (left / report).is_file():
                raise MachineError(f"{FOLDER}/{report} isn't there", "run `nox -s test` and `nox -s audit`")
            shutil.copyfile(left / report, fresh / report)
        oci.swap(fresh, left / PART)
    print(f"{FOLDER}/{PART}: {', '.join(sorted(map(str, chosen)))}")
    return ExitCode.DONE


def join(arguments: argparse.Namespace) -> ExitCode:
    """Take what other machines exported into the engine, as images for all platforms."""
    from buildspec.engine import files
    from buildspec.engine.client import Client
    from buildspec.engine.host import revision
    from buildspec.release import parts as form
    from buildspec.release.ready import candidates
    from buildspec.render.bake import FOLDER
    from buildspec.report import joined as text

    source = loaded(arguments)
    left = source.root / FOLDER
    found = _parts(Path(arguments.parts or left / PARTS))
    driver = Client()
    with files.scratch() as folder:

        def index(stage: str, manifests: Mapping[Platform, str]) -> str:
            place = folder / stage
            place.mkdir()
            return _loaded(driver, [Path(one.name).parent / f"{stage}.oci.tar" for one in found], place, manifests)

        commit = revision(source.root, os.environ).commit
        document = form.joined(source.spec, source.profiles, commit, found, index)
    reports = {name: [Path(one.name).with_name(name) for one in found] for name in REPORTS}
    texts = {name: text.FORMS[name](_texts(paths)) for name, paths in reports.items()}
    for image in document["images"]:
        driver.tag(image["digest"], image["tag"])
    write_result(left, document)
    for name, whole in texts.items():
        files.write(left / name, whole)
    files.write(left / SUBJECTS, form.subjects(source.spec, candidates(document)))
    for image in document["images"]:
        print(f"{image['tag']}  {image['digest']}  {', '.join(image['platforms'])}")
    return ExitCode.DONE


def _parts(folder: Path) -> list[Part]:
    """What is below a folder, however deep: who brought it may have made a folder for each, or none for one."""
    from buildspec.engine import files
    from buildspec.release.parts import Part

    found = [Part(name=str(one), result=files.read_json(one)) for one in sorted(folder.rglob(RESULT))]
    if not found:
        raise UsageError(f"{folder} has no part", "`nox -s export` writes one on each machine; see --parts")
    return found


def _texts(paths: list[Path]) -> list[str]:
    for one in paths:
        if not one.is_file():
            raise MachineError(f"{one} is missing", "bring it with its result.json")
    return [one.read_text(encoding="utf-8", errors="replace") for one in paths]


def _loaded(driver: Client, archives: list[Path], folder: Path, manifests: Mapping[Platform, str]) -> str:
    """Digest of an image for all platforms, which the engine then has.

    Args:
        driver: of the engine.
        archives: with the images of each machine.
        folder: for their blobs.
        manifests: digests by platform.

    Raises:
        MachineError: an archive is missing or damaged, or the engine doesn't take what is made of them.
    """
    from buildspec.engine import oci
    from buildspec.engine.archives import unpack

    blobs: dict[str, Path] = {}
    for number, archive in enumerate(archives):
        if not archive.is_file():
            raise MachineError(f"{archive} is missing", "bring it with its result.json")
        place = folder / str(number)
        place.mkdir()
        blobs |= unpack(archive, place)
    digest, *others = manifests.values()
    if others:
        data = oci.index_of({str(one): (each, oci.blob_of(blobs, each)) for one, each in manifests.items()})
        digest = oci.put(folder, data)
        blobs[digest] = oci.blob(folder, digest)
    top = folder / "image.tar"
    oci.write_archive(top, blobs, digest, _needed(blobs, digest))
    driver.load(top)
    return digest


def _needed(blobs: Mapping[str, Path], digest: str) -> list[str]:
    """Everything that an index or manifest is made of, itself included."""
    import json

    from buildspec.engine import oci

    document = json.loads(oci.blob_of(blobs, digest).read_bytes())
    listed = [digest]
    for one in document.get("manifests", ()):
        listed += _needed(blobs, one["digest"])
    if "config" in document:
        listed += [one["digest"] for one in (document["config"], *document["layers"])]
    return listed
