"""Rules about machine code: it must be for the image's platform and C library, and find its libraries."""

from __future__ import annotations

from collections.abc import Iterator

from buildspec.gates.audit.subject import Finding, Subject


def foreign_machine(subject: Subject) -> Iterator[Finding]:
    """A program, library or native module is for another processor than the image."""
    here = subject.image.platform.arch
    for one, elf in subject.programs.values():
        if elf.arch != here and not _runs_too(elf.arch, here):
            yield subject.at(
                one, f"is for {elf.arch}, and the image is for {here}; build it for each platform, or leave it out"
            )


def _runs_too(code: str, here: str) -> bool:
    """Whether processors of one kind run code of another by themselves."""
    return (code, here) == ("386", "amd64")


def foreign_libc(subject: Subject) -> Iterator[Finding]:
    """A program, library or native module is for another C library than the image's: it can't be loaded."""
    here = subject.libc
    for one, elf in subject.programs.values():
        if here and elf.libc and elf.libc != here:
            yield subject.at(one, f"is for {elf.libc}, and the image has {here}; build it in a stage with {here}")


def library_missing(subject: Subject) -> Iterator[Finding]:
    """A program or native module asks for a library or loader that isn't in the image."""
    names = {path.rpartition("/")[2] for path, one in subject.image.files.items() if one.kind != "folder"}
    for path, (one, elf) in subject.programs.items():
        if elf.arch != subject.image.platform.arch or (elf.libc and subject.libc and elf.libc != subject.libc):
            continue  # other rules say what is wrong with it
        missing = [name for name in elf.needed if name.rpartition("/")[2] not in names]
        if elf.interpreter and subject.image.resolve(elf.interpreter) is None:
            missing.insert(0, elf.interpreter)
        if missing and not path.endswith(".debug"):
            yield subject.at(one, f"needs {', '.join(missing)}, which the image doesn't have; it can't be loaded")
