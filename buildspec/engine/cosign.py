"""Signatures in registries, by cosign: a digest of a repository in, what is signed about it out.

What is signed stays with its key's holder: nothing is sent to a public transparency log, and none is asked. cosign puts
signatures beside what they are about, as the distribution specification has it (referrers).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs

from buildspec.engine import process
from buildspec.engine.registries import is_local
from buildspec.errors import MachineError

PROGRAM = "cosign"
LEAST = (3, 0)
"""Older ones sign otherwise, and sign nothing with these options."""
_VERSION = re.compile(r"GitVersion:\s*v?(\d+)\.(\d+)")
_SIGNATURE = "https://sigstore.dev/cosign/sign/v1"
"""What cosign calls the statement that is a signature."""
_SECONDS = 120.0
"""Longest wait for one signature: a key service may be far."""
_TRIES = 3
_PAUSE = 1.0
_ADVICE = "install cosign 3.0 or newer: https://docs.sigstore.dev/cosign/system_config/installation/"


@attrs.frozen(kw_only=True)
class Cosign:
    """The program, and a key that it knows how to use."""

    key: str
    public: Path
    """Its public half."""
    settings: Path
    """Which services to sign with: none."""
    env: Mapping[str, str]
    pause: Callable[[float], None]
    """Waits for so many seconds, unless something stops it."""

    @classmethod
    def begun(cls, key: str, env: Mapping[str, str], folder: Path, pause: Callable[[float], None]) -> Cosign:
        """See that the program and the key are there.

        Args:
            key: a file, `env://NAME`, or the address of a key service.
            env: with COSIGN_PASSWORD, the key's password; none is asked for.
            folder: for the public half of the key and the settings; it outlives what is returned.
            pause: waits for so many seconds.

        Raises:
            MachineError: one of them isn't, or isn't fit.
            StepError: it was stopped; so do `sign` and `attest`.
        """
        made = cls(
            key=key,
            public=folder / "cosign.pub",
            settings=folder / "signing.json",
            env={"COSIGN_PASSWORD": "", **env},
            pause=pause,
        )
        if (found := made._version()) and found < LEAST:
            raise MachineError(f"cosign is {'.'.join(map(str, found))}", _ADVICE)
        if why := made._told("signing-config", "create", "--out", str(made.settings)):
            raise MachineError(f"cosign can't be prepared: {why}")
        if why := made._told("public-key", "--key", key, "--outfile", str(made.public)):
            raise MachineError(f"cosign can't use the key {key}: {why}", "see release.sign-key and COSIGN_PASSWORD")
        return made

    def sign(self, reference: str) -> bool:
        """See that a digest is signed; whether it had to be.

        Args:
            reference: repository@digest.

        Raises:
            MachineError: it can't be.
        """
        # `cosign verify` takes any statement that the key has signed for a signature
        return self._once(reference, ("verify-attestation", "--type", _SIGNATURE), lambda: ("sign",))

    def attest(self, reference: str, kind: str, predicate: Callable[[], Path]) -> bool:
        """See that a signed statement is attached to a digest; whether it had to be.

        Args:
            reference: repository@digest.
            kind: of the statement: an address, or one of cosign's short names.
            predicate: gives the file of what it says.

        Raises:
            MachineError: it can't be.
        """
        look = ("verify-attestation", "--type", kind)
        return self._once(reference, look, lambda: ("attest", "--type", kind, "--predicate", str(predicate())))

    def _once(self, reference: str, look: tuple[str, ...], act: Callable[[], tuple[str, ...]]) -> bool:
        """Look, act, and look again.

        Where a registry has no referrers, what is attached to a digest is listed under a tag: of two who write that at
        once, one is lost, and so are those whose connection was.
        """
        options = ("--key", self.key, "--yes", "--signing-config", str(self.settings))
        why = self._missing(reference, look)
        for attempt in range(_TRIES):
            if not why:
                return attempt > 0
            if attempt:
                self.pause(_PAUSE * attempt)
            why = self._told(*act(), *options, *_plain(reference), reference) or self._missing(reference, look)
        if why:
            raise MachineError(f"cosign can't sign {reference}: {why}", "run it again")
        return True

    def _missing(self, reference: str, look: tuple[str, ...]) -> str:
        """Why what is looked for isn't there, or isn't signed with the key; empty when it is."""
        options = ("--key", str(self.public), "--insecure-ignore-tlog=true")
        return self._told(*look, *options, *_plain(reference), reference)

    def _version(self) -> tuple[int, ...]:
        """What `cosign version` says; nothing where it says none, as Debian's does."""
        try:
            told = process.run([PROGRAM, "version"], self.env, timeout=_SECONDS, advice=_ADVICE)
        except process.Failed:
            return ()
        found = _VERSION.search(told)
        return tuple(map(int, found.groups())) if found else ()

    def _told(self, *arguments: str) -> str:
        """What cosign says is wrong; empty when nothing is."""
        self.pause(0)  # what was stopped begins nothing more
        try:
            process.run([PROGRAM, *arguments], self.env, timeout=_SECONDS, advice=_ADVICE)
        except process.Failed as error:
            told = [line for line in error.output.splitlines() if line.strip()]
            return told[-1].removeprefix("error during command execution: ") if told else "it doesn't say why"
        return ""


def _plain(reference: str) -> tuple[str, ...]:
    return ("--allow-http-registry",) if is_local(reference) else ()
