"""Rules about `[tests]`: a test that can't be held against anything would fail when the image is built already."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from posixpath import normpath

from buildspec.checks.rules import Subject, each_test, known
from buildspec.errors import Diagnostic, quoted
from buildspec.spec.model import Test, Text
from buildspec.spec.overlay import suggest
from buildspec.spec.positions import Path
from buildspec.spec.unknown import UNKNOWN

_OF_THE_KERNEL = ("/proc", "/sys", "/dev")
"""Folders that a container has while it runs: runtime-spec, config-linux.md, "Default Filesystems"."""
_OWNER = re.compile(r"(?:0|[1-9][0-9]{0,9}):(?:0|[1-9][0-9]{0,9})")


@each_test
def unknown_test_image(subject: Subject, name: str, test: Test) -> Iterator[Diagnostic]:
    """A test is about an image that isn't delivered."""
    delivered = subject.spec.image.deliver
    if test.image and test.image not in delivered:
        message = f"image.deliver has no {quoted(test.image)}{suggest(test.image, delivered)}"
        yield subject.problem("unknown-test-image", ("tests", name, "image"), message)


@each_test
def bad_pattern(subject: Subject, name: str, test: Test) -> Iterator[Diagnostic]:
    """A test's `matches` is no regular expression."""
    for path, text in _texts(name, test):
        pattern = "" if text is UNKNOWN or text.matches is UNKNOWN else text.matches
        try:
            re.compile(pattern)
        except (re.error, OverflowError, RecursionError) as error:
            message = f"{quoted(pattern)} is no regular expression: {error}"
            yield subject.problem("bad-pattern", (*path, "matches"), message)


def _texts(name: str, test: Test) -> Iterator[tuple[Path, Text]]:
    yield ("tests", name, "stdout"), test.stdout
    yield ("tests", name, "stderr"), test.stderr
    for file, wanted in () if test.files is UNKNOWN else test.files.items():
        if wanted is not UNKNOWN:
            yield ("tests", name, "files", file, "content"), wanted.content


@each_test
def bad_test_path(subject: Subject, name: str, test: Test) -> Iterator[Diagnostic]:
    """A path of a test isn't absolute or is gone too soon, a mounted file isn't there, or an owner isn't in numbers."""
    yield from known(_in_the_container(subject, name, "files", test.files))
    yield from known(_in_the_container(subject, name, "mount", test.mount))
    for path, source in test.mount.items():
        if source is UNKNOWN:
            continue
        if source.startswith("/") or ".." in source.split("/"):
            message = f"{quoted(source)} isn't below the specification's folder; copy the file there"
            yield subject.problem("bad-test-path", ("tests", name, "mount", path), message)
        elif not (subject.source.root / source).exists():
            message = f"there is no {quoted(source)} beside the specification"
            yield subject.problem("bad-test-path", ("tests", name, "mount", path), message)
    yield from known(_gone_at_the_end(subject, name, test))
    for path, wanted in test.files.items():
        if (
            wanted is not UNKNOWN
            and wanted.owner is not UNKNOWN
            and wanted.owner
            and not _OWNER.fullmatch(wanted.owner)
        ):
            message = f"{quoted(wanted.owner)} is no owner; write numbers of user and group, as '1001:1001'"
            yield subject.problem("bad-test-path", ("tests", name, "files", path, "owner"), message)


def _gone_at_the_end(subject: Subject, name: str, test: Test) -> Iterator[Diagnostic]:
    for folder in (*_OF_THE_KERNEL, *subject.spec.runtime.tmpfs):
        for path in test.files:
            inside = normpath(f"/{path.lstrip('/')}")  # two slashes at the start would stay two
            if f"{inside}/".startswith(f"{normpath(folder)}/"):
                message = f"{quoted(folder)} is empty when the container has ended; let the test print the file"
                yield subject.problem("bad-test-path", ("tests", name, "files", path), message, key=True)


def _in_the_container(subject: Subject, name: str, key: str, table: Mapping[str, object]) -> Iterator[Diagnostic]:
    for path in table:
        if not path.startswith("/") or ".." in path.split("/") or (key == "mount" and "," in path):
            message = f"{quoted(path)} is no absolute path of the container"
            yield subject.problem("bad-test-path", ("tests", name, key, path), message, key=True)
