"""Released images as files: OCI archives, provenance, SBOMs, reports, and checksums of all of them.

The same images, specification and reports give the same bytes: archives have neither times nor owners, and what a
scanner makes up anew each time (identifiers, times) is replaced by what follows from the image.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import attrs

from buildspec import __version__
from buildspec.engine import files, oci, scanner
from buildspec.engine.archives import read_archive
from buildspec.engine.contents import ImageContents
from buildspec.errors import StepError
from buildspec.plan.model import AssembledSource, Plan
from buildspec.release.ready import Candidate
from buildspec.render.compose import default_stage
from buildspec.spec.model import Spec
from buildspec.spec.values import Platform

CHECKSUMS = "SHA256SUMS"
MANIFEST = "release.json"
VERSION = 1
"""Of the form of the manifest."""
_BUILD_TYPE = "https://mobyproject.org/buildkit@v1"
"""What BuildKit calls builds from a Dockerfile: moby/buildkit, docs/attestations/slsa-definitions.md."""


@attrs.frozen(kw_only=True)
class Part:
    """An image for one platform, out of an archive."""

    platform: Platform
    digest: str
    """Of its manifest."""
    blobs: tuple[str, ...]
    """All that it is made of, its manifest among them."""


def parts(blobs: Mapping[str, Path], digest: str) -> tuple[Part, ...]:
    """The images of an index, or the one that was built for a single platform, which has none.

    Args:
        blobs: of an archive, by digest.
        digest: of the index or manifest.

    Raises:
        MachineError: a blob is missing.
    """
    found = []
    for entry in _document(blobs, digest).get("manifests") or [{"digest": digest}]:
        manifest = _document(blobs, entry["digest"])
        told = entry.get("platform") or _document(blobs, manifest["config"]["digest"])
        names = (told.get("os", ""), told.get("architecture", ""), told.get("variant", ""))
        found.append(
            Part(
                platform=Platform.parse("/".join(name for name in names if name)),
                digest=entry["digest"],
                blobs=(entry["digest"], manifest["config"]["digest"], *(one["digest"] for one in manifest["layers"])),
            )
        )
    return tuple(found)


def file_name(image: str, stage: str, platform: Platform | None = None) -> str:
    """How the names of files about an image begin, perhaps for one platform; names of images may have slashes."""
    return "-".join((image, stage, *([str(platform)] if platform else []))).replace("/", "-")


def service_image(spec: Spec, digests: Mapping[str, str]) -> str:
    """How `compose.yaml` calls the image: as the first registry has it, and by its digest, which alone decides.

    Args:
        spec: the specification.
        digests: of the images, by stage.
    """
    stage = default_stage(spec)
    if not spec.release.registries:
        return f"{spec.image.name}@{digests[stage]}"
    tag = spec.image.deliver[stage] or "latest"
    return f"{spec.release.registries[0]}/{spec.image.name}:{tag}@{digests[stage]}"


def _document(blobs: Mapping[str, Path], digest: str) -> Mapping[str, Any]:
    found: Mapping[str, Any] = json.loads(oci.blob_of(blobs, digest).read_bytes())
    return found


def write_image(
    fresh: Path, work: Path, spec: Spec, plan: Plan, image: Candidate, blobs: Mapping[str, Path]
) -> Iterator[str]:
    """Write the archives of an image, and of each platform what belongs to it; gives the names they begin with.

    Args:
        fresh: folder to write to.
        work: another one, for what is unpacked.
        spec: the specification.
        plan: of the build.
        image: that was tested.
        blobs: all that it is made of, by digest.

    Raises:
        MachineError: a blob is missing, or the scanner.
        StepError: two images would have files of the same name, or the application isn't there.
    """
    name = f"{spec.image.name}:{spec.image.deliver[image.stage] or 'latest'}"
    found = parts(blobs, image.digest)
    archive = fresh / f"{file_name(spec.image.name, image.stage)}.oci.tar"
    _refuse_twice(archive)
    oci.write_archive(archive, blobs, image.digest, [digest for part in found for digest in part.blobs], name)
    for part in found:
        own = file_name(spec.image.name, image.stage, part.platform)
        archive = fresh / f"{own}.oci.tar"
        _refuse_twice(archive)
        oci.write_archive(archive, blobs, part.digest, part.blobs, name)
        if spec.release.app:
            place = work / own
            place.mkdir()
            (read,) = read_archive(archive, place)
            write_application(read, spec.release.app, fresh / f"{own}.app.tar")
        files.write_json(fresh / f"{own}.provenance.json", provenance(plan, image.stage, part, name))
        link = partial(Path.symlink_to, target=archive.absolute())
        for end, document in scanner.scan(archive.name, part.digest, files.cache_folder(), link).items():
            files.write_json(fresh / f"{own}.{end}.json", settled(document, part.digest, plan.facts.epoch))
        yield own


def _refuse_twice(file: Path) -> None:
    if file.exists():
        raise StepError(f"two images would be in {file.name}", "rename a stage")


def write_application(image: ImageContents, folder: str, file: Path) -> None:
    """Write the application alone, out of an image, as a tar whose bytes depend on its files alone.

    Args:
        image: for one platform.
        folder: of the application in it: `/app`; the tar has its last part as its top.
        file: to write.

    Raises:
        StepError: the image has nothing there, or what is no file.
    """
    below = folder.rstrip("/") + "/"
    found = {path: one for path, one in sorted(image.files.items()) if path.startswith(below)}
    if not found:
        raise StepError(f"the image for {image.platform} has nothing in {folder}", "see release.app")
    with tarfile.open(file, "w", format=tarfile.GNU_FORMAT) as tar:
        for path, one in found.items():
            info = tarfile.TarInfo(path.removeprefix(below.rstrip("/").rpartition("/")[0] + "/"))
            info.mode, info.mtime = one.mode, one.mtime
            content = b""
            if one.kind == "folder":
                info.type = tarfile.DIRTYPE
            elif one.kind == "link":
                info.type, info.linkname = tarfile.SYMTYPE, one.target
            elif (source := one.source) is not None and source.kind == "file":
                content = source.read()
            else:
                raise StepError(f"{path} of the image for {image.platform} is no file, but a {one.kind}")
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def provenance(plan: Plan, stage: str, part: Part, name: str) -> dict[str, Any]:
    """What an image was built from, as an in-toto statement with a SLSA provenance.

    Form: https://slsa.dev/spec/v1.0/provenance. It is unsigned: SLSA's build level 1.

    Args:
        plan: of the build.
        stage: that is delivered.
        part: the image for one platform.
        name: of the image.
    """
    sources = [
        {"uri": f"deb:debian/{one.recipes[0].suite}", "annotations": {"recipes": sorted(r.key() for r in one.recipes)}}
        if isinstance(one, AssembledSource)
        else {"uri": f"docker-image://{one.reference}", "digest": _as_set(one.reference.digest)}
        for one in plan.sources
    ]
    if plan.facts.revision and not plan.facts.revision.endswith("-dirty"):  # which is no commit
        sources.append({"uri": "git+.", "digest": {"gitCommit": plan.facts.revision}})
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": _as_set(part.digest)}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": {
                "buildType": _BUILD_TYPE,
                "externalParameters": {
                    "specification": "buildspec.toml",
                    "profiles": list(plan.profiles),
                    "target": stage,
                    "platform": str(part.platform),
                },
                "internalParameters": {"native": str(plan.facts.native)},
                "resolvedDependencies": sources,
            },
            "runDetails": {"builder": {"id": f"pkg:generic/buildspec@{__version__}"}, "metadata": _times(plan)},
        },
    }


def _times(plan: Plan) -> dict[str, str]:
    return {} if plan.facts.epoch is None else {"startedOn": _time(plan.facts.epoch)}


def _time(epoch: int) -> str:
    return datetime.fromtimestamp(epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _as_set(digest: str) -> dict[str, str]:
    algorithm, _, number = digest.partition(":")
    return {algorithm: number} if number else {}


def settled(document: dict[str, Any], digest: str, epoch: int | None) -> dict[str, Any]:
    """An SBOM without what its scanner makes up anew each time.

    Args:
        document: SPDX or CycloneDX, as JSON holds it.
        digest: of the image that it is about.
        epoch: seconds since 1970 that stand for the time of the build.
    """
    time = _time(epoch or 0)
    identity = uuid.uuid5(uuid.NAMESPACE_URL, digest)
    if "spdxVersion" in document:
        document["documentNamespace"] = f"urn:uuid:{identity}"
        document["creationInfo"]["created"] = time
    else:
        document["serialNumber"] = f"urn:uuid:{identity}"
        document.setdefault("metadata", {})["timestamp"] = time
    return document


def strangers(folder: Path) -> list[str]:
    """Names of what a folder has that no bundle before put there.

    Args:
        folder: that a bundle is to take the place of; it need not be there.
    """
    if not folder.is_dir():
        return [folder.name] if os.path.lexists(folder) else []
    listed = files.read_json(folder / MANIFEST).get("files")
    own = {one.get("name") for one in listed if isinstance(one, dict)} if isinstance(listed, list) else set()
    return sorted({one.name for one in folder.iterdir()} - own - {MANIFEST, CHECKSUMS})


def finish(folder: Path, head: Mapping[str, Any]) -> None:
    """Write the manifest of a bundle, and the checksums of all its files.

    Args:
        folder: with everything else.
        head: what the manifest says beside the files.
    """
    listed = [
        {"name": file.name, "size": file.stat().st_size, "digest": f"sha256:{_checksum(file)}"}
        for file in sorted(folder.iterdir())
    ]
    manifest = json.dumps({"version": VERSION, **head, "files": listed}, indent=2, ensure_ascii=False) + "\n"
    (folder / MANIFEST).write_text(manifest, encoding="utf-8")
    sums = "".join(f"{_checksum(file)}  {file.name}\n" for file in sorted(folder.iterdir()))
    (folder / CHECKSUMS).write_text(sums, encoding="utf-8")


def _checksum(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
