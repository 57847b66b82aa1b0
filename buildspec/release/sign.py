"""Images that are uploaded and what is known of them in, signatures and signed statements beside them out.

Indexes and the images of their platforms are signed; to each platform's are attached its SBOM and the results of its
tests. All of it is done and verified before a tag is written, so that no tag points at what isn't signed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs

from buildspec.engine import files, oci, scanner
from buildspec.engine.cosign import Cosign
from buildspec.engine.store import Store
from buildspec.release import bundle
from buildspec.release.moves import Repository
from buildspec.release.push import Step, run_all
from buildspec.release.ready import Candidate, candidates

SBOM = "spdxjson"
"""cosign's name for https://spdx.dev/Document."""
RESULTS = "https://in-toto.io/attestation/test-result/v0.1"
_WORDS = {SBOM: "SBOM", RESULTS: "test results"}


@attrs.frozen(kw_only=True)
class Signing:
    """What releases are signed with, and what is attached to them."""

    cosign: Cosign
    statements: Mapping[str, Mapping[str, Path]]
    """Files of what is said of the image of a platform, by its digest and by kind."""
    tell: Callable[[Step], None]

    def sign(self, where: Sequence[Repository], images: Sequence[Candidate]) -> None:
        """Sign images in every repository, side by side; what is signed already is left.

        Args:
            where: all of them have the images.
            images: that were tested.

        Raises:
            MachineError: something can't be signed, or attached.
        """
        run_all([lambda one=one: self._sign(one, images) for one in where])  # type: ignore[misc]

    def _sign(self, where: Repository, images: Sequence[Candidate]) -> None:
        for image in images:
            for digest in (
                *image.platforms.values(),
                image.digest,
            ):  # an index vouches for what it lists: it comes last
                reference = f"{where}@{digest}"
                for kind, file in self.statements.get(digest, {}).items():
                    if self.cosign.attest(reference, kind, lambda file=file: file):  # type: ignore[misc]
                        self.tell(
                            Step(repository=where, what=f"attached {_WORDS[kind]} to", subject=digest, digest=digest)
                        )
                if self.cosign.sign(reference):
                    self.tell(Step(repository=where, what="signed", subject=digest, digest=digest))


def statements(
    image: str, result: Mapping[str, Any], store: Store, cache: Path, epoch: int | None, folder: Path
) -> Mapping[str, Mapping[str, Path]]:
    """What is attached to images, as files by digest and kind.

    Args:
        image: its name.
        result: `result.json` of images that are ready to be released.
        store: that has them.
        cache: folder of what is known of images by digest.
        epoch: seconds since 1970 that stand for the time of the build.
        folder: for the files.

    Raises:
        MachineError: the engine has lost one, or there is no scanner.
    """
    found: dict[str, Mapping[str, Path]] = {}
    for one in candidates(result):
        for platform, digest in one.platforms.items():

            def archive(file: Path, digest: str = digest, index: str = one.digest) -> None:
                blobs = store.blobs(index)
                (part,) = (part for part in bundle.parts(blobs, index) if part.digest == digest)
                oci.write_archive(file, blobs, digest, part.blobs)

            name = f"{bundle.file_name(image, one.stage, platform)}.oci.tar"
            sbom = bundle.settled(scanner.scan(name, digest, cache, archive)["spdx"], digest, epoch)
            own = {SBOM: folder / f"{name}.spdx.json", RESULTS: folder / f"{name}.tests.json"}
            files.write_json(own[SBOM], sbom)
            files.write_json(own[RESULTS], results(result, digest))
            found[digest] = own
    return found


def results(document: Mapping[str, Any], digest: str) -> dict[str, Any]:
    """Which tests an image has passed, as in-toto's test result has it.

    Form: in-toto/attestation, spec/predicates/test-result.md.

    Args:
        document: `result.json` of an image that is ready to be released.
        digest: of the image for one platform.
    """
    passed = sorted(one["name"] for one in document["tests"]["results"] if one["digest"] == digest and one["passed"])
    made_from = {"name": "buildspec.toml", "digest": {"gitCommit": document["revision"]}}
    return {
        "result": "PASSED",
        "configuration": [made_from],
        "passedTests": passed,
        "warnedTests": [],
        "failedTests": [],
    }
