"""The audit: built images in, what is wrong with them out, by digest and platform, without any network."""

from __future__ import annotations

import fnmatch
import tarfile
from collections.abc import Iterable, Iterator, Mapping, Sequence

import attrs

from buildspec.engine.contents import ImageContents
from buildspec.errors import MachineError
from buildspec.gates.audit import files, programs, secrets, settings, statements
from buildspec.gates.audit.subject import Expected, Finding, Rule, Subject, name_of, severity_of
from buildspec.plan.model import Origin, Plan
from buildspec.plan.origins import steps_of_layers, trace
from buildspec.spec.model import Waiver
from buildspec.spec.values import Platform

__all__ = ["RULES", "Audited", "Expected", "Finding", "Subject", "audit", "name_of", "severity_of", "unused"]

RULES: tuple[Rule, ...] = (
    settings.user_is_root,
    settings.user_not_numeric,
    settings.user_without_account,
    settings.health_check_missing,
    settings.health_check_unusable,
    settings.command_in_shell_form,
    settings.program_missing,
    settings.program_not_executable,
    settings.secret_in_environment,
    settings.secret_in_labels,
    settings.port_out_of_range,
    settings.volume_of_system,
    settings.working_folder,
    settings.label_missing,
    settings.platform_differs,
    settings.creation_time_wrong,
    settings.build_trigger,
    files.setuid_file,
    files.file_capability,
    files.credential_file,
    files.cache_file,
    files.needless_program,
    files.empty_password,
    files.number_used_twice,
    files.world_writable,
    files.writable_application,
    files.unsafe_entry,
    files.file_in_two_layers,
    files.file_newer_than_image,
    files.digest_differs,
    files.package_lists_kept,
    files.remote_file_in_history,
    programs.foreign_machine,
    programs.foreign_libc,
    programs.library_missing,
    secrets.build_secret,
    secrets.secret_in_history,
    secrets.secret_in_file,
    statements.attestation_missing,
    statements.provenance_wrong,
    statements.sbom_wrong,
    statements.licence_not_allowed,
    statements.licence_missing,
)


@attrs.frozen(kw_only=True)
class Audited:
    """What the audit says of an image for one platform."""

    image: str
    """The delivered stage, or how the image was named."""
    platform: Platform
    digest: str
    """Of the manifest."""
    findings: tuple[Located, ...]
    waived: tuple[Located, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing was found but warnings."""
        return all(one.finding.severity != "error" for one in self.findings)


@attrs.frozen(kw_only=True)
class Located:
    """A finding, and what of the specification it comes from."""

    finding: Finding
    stage: str = ""
    """Of the Dockerfile, that made the file; the base that has it."""
    origin: Origin | None = None
    """The instruction that made the layer."""


def audit(
    image: ImageContents,
    expected: Expected,
    hidden: Mapping[str, bytes],
    waivers: Sequence[Waiver],
    name: str,
    plan: Plan | None = None,
) -> Audited:
    """Hold an image for one platform against every rule.

    Args:
        image: what is in it.
        expected: what the specification says of it.
        hidden: bytes that must be nowhere, by what they are.
        waivers: of the specification, those that have ended left out.
        name: the delivered stage, or how the image is called.
        plan: what it was built by; findings then tell the stage and instruction they come from.

    Raises:
        MachineError: its configuration has other types than OCI's image-spec says, or a layer is no tar.
    """
    subject = Subject(image=image, expected=expected, secrets=hidden)
    try:
        found = [
            _located(attrs.evolve(one, rule=name_of(rule), severity=severity_of(rule)), image, name, plan)
            for rule in RULES
            for one in rule(subject)
        ]
    except (tarfile.TarError, EOFError, KeyError, TypeError, AttributeError, ValueError) as error:
        # layers are read when a rule asks for them, and nothing holds a configuration of others to its form
        why = f"{type(error).__name__}: {error}"
        raise MachineError(f"{name} for {image.platform} is no image as OCI has it: {why}", "build it again") from error
    waived = [one for one in found if any(covers(waiver, one.finding, name) for waiver in waivers)]
    return Audited(
        image=name,
        platform=image.platform,
        digest=image.digest,
        findings=tuple(one for one in found if one not in waived),
        waived=tuple(waived),
    )


def covers(waiver: Waiver, finding: Finding, image: str) -> bool:
    """Whether a waiver is about a finding in an image.

    Args:
        waiver: its `at` is a path, all below it included, or a pattern; perhaps after a stage and a colon. A colon
            of a path that begins with a slash is its own.
        finding: what was found.
        image: the delivered stage.
    """
    stage, _, at = waiver.at.partition(":") if ":" in waiver.at.partition("/")[0] else ("", "", waiver.at)
    if stage and stage != image:
        return False
    if waiver.rule != finding.rule:
        return False
    path = finding.path
    return not at or path == at or path.startswith((f"{at.rstrip('/')}/", f"{at}.")) or fnmatch.fnmatchcase(path, at)


def unused(waivers: Iterable[Waiver], audited: Iterable[Audited]) -> Iterator[Waiver]:
    """The waivers of rules of the audit that cover nothing.

    Args:
        waivers: of the specification.
        audited: every image that it delivers.
    """
    covered = [(one.finding, each.image) for each in audited for one in each.waived]
    names = {name_of(rule) for rule in RULES}
    for waiver in waivers:
        if waiver.rule in names and not any(covers(waiver, finding, image) for finding, image in covered):
            yield waiver


def _located(finding: Finding, image: ImageContents, name: str, plan: Plan | None) -> Located:
    target = next((one for one in plan.targets if one.name == name), None) if plan is not None else None
    if plan is None or target is None:
        return Located(finding=finding)
    step = steps_of_layers(plan, target.stage, image.history).get(finding.layer)
    stage = trace(plan, target.stage, finding.path).stage if finding.path.startswith("/") else ""
    return Located(finding=finding, stage=stage, origin=None if step is None else step.origin)
