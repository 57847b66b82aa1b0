"""The audit: waivers, places, and names; tests/audit_table.py holds each rule against built images."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from audit_cases import RIGHT, elf
from helpers.layouts import archive, read
from helpers.plans import planned
from helpers.specs import MINIMAL, decoded

from buildspec.engine.contents import ImageContents
from buildspec.errors import MachineError
from buildspec.gates.audit import RULES, Audited, Expected, Finding, audit, covers, name_of, unused
from buildspec.gates.expected import expected, waivers_of
from buildspec.spec.model import Waiver
from buildspec.spec.wellknown import AUDIT_RULES

CONFIG = {
    "User": "1001:1001",
    "Entrypoint": ["/app/run"],
    "Env": ["PATH=/bin"],
    "WorkingDir": "/app",
    "Healthcheck": {"Test": ["CMD", "/app/run"]},
}


def waiver(at: str, rule: str = "setuid-file", until: str = "") -> Waiver:
    return Waiver(rule=rule, at=at, reason="known", until=until)


def image(tmp_path: Path, **files: bytes) -> ImageContents:
    added = {name.replace("__", "/"): data for name, data in files.items()}
    return read(tmp_path / "image", archive({"app/": b"", **RIGHT}, added, config=CONFIG))


def audited(one: ImageContents, *waivers: Waiver) -> Audited:
    return audit(one, Expected(), {}, waivers, "web")


def test_each_rule_has_a_name_that_specifications_may_waive_and_says_what_it_is_about() -> None:
    assert {name_of(rule) for rule in RULES} == AUDIT_RULES
    for rule in RULES:
        assert re.fullmatch(r"[a-z]+(?:-[a-z]+)+", name_of(rule))
        assert (rule.__doc__ or "").strip().endswith(".")


FOUND = Finding(rule="setuid-file", path="/usr/bin/su", message="x")


@pytest.mark.parametrize(
    "at", ["", "/usr/bin/su", "/usr/bin", "/usr", "/usr/*", "/usr/**", "/usr/bin/s?", "web:/usr/bin/su", "web:"]
)
def test_a_waiver_covers_its_path_and_all_below(at: str) -> None:
    assert covers(waiver(at), FOUND, "web")


@pytest.mark.parametrize("at", ["/usr/bin/s", "/usr/sbin", "api:/usr/bin/su", "/USR/bin/su", "usr/bin/su"])
def test_a_waiver_covers_nothing_else(at: str) -> None:
    assert not covers(waiver(at), FOUND, "web")
    assert not covers(waiver("", "file-capability"), FOUND, "web")


def test_a_colon_of_a_path_is_its_own() -> None:
    found = Finding(rule="setuid-file", path="/opt/a:b/su", message="x")
    assert covers(waiver("/opt/a:b"), found, "web")
    assert covers(waiver("web:/opt/a:b"), found, "web")
    assert not covers(waiver("api:/opt/a:b"), found, "web")


def test_a_setting_is_waived_by_its_path() -> None:
    found = Finding(rule="setuid-file", path="config.Env.TOKEN", message="x")
    assert covers(waiver("config.Env"), found, "web")
    assert covers(waiver("config.Env.TOKEN"), found, "web")
    assert not covers(waiver("config.En"), found, "web")


def test_what_is_waived_fails_nothing_and_is_told_apart(tmp_path: Path) -> None:
    bad = image(tmp_path, bin__sh=elf())
    assert [one.finding.rule for one in audited(bad).findings if one.finding.severity == "error"] == [
        "program-not-executable",
        "needless-program",
    ]
    waivers = [waiver("/bin/sh", "needless-program"), waiver("", "program-not-executable"), waiver("/none")]
    found = audited(bad, *waivers)
    assert found.passed
    assert {one.finding.rule for one in found.waived} == {"needless-program", "program-not-executable"}
    assert [one.at for one in unused(waivers, [found])] == ["/none"]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"Env": 3}, "TypeError"),
        ({"Entrypoint": {"a": 1}}, "TypeError|KeyError|AttributeError"),
        ({"Labels": ["a"]}, "AttributeError"),
        ({"Healthcheck": "CMD"}, "AttributeError"),
        ({"ExposedPorts": 80}, "TypeError"),
    ],
)
def test_an_image_of_another_form_is_told_without_a_traceback(
    changed: dict[str, object], why: str, tmp_path: Path
) -> None:
    one = read(tmp_path / "image", archive({"app/": b"", **RIGHT}, config={**CONFIG, **changed}))
    with pytest.raises(MachineError, match=f"web for linux/amd64 is no image as OCI has it: (?:{why}): "):
        audited(one)


def test_a_layer_that_is_no_tar_is_told_without_a_traceback(tmp_path: Path) -> None:
    one = read(tmp_path / "image", archive({"app/": b"", **RIGHT}, config=CONFIG))
    one.layers[0].file.write_bytes(b"no tar" * 500)
    with pytest.raises(MachineError, match="web for linux/amd64 is no image as OCI has it: ReadError: "):
        audited(one)


@pytest.mark.parametrize("number", ["9" * 5000, "\u00b2", "\u0661"])
def test_numbers_that_no_user_has_are_no_numbers(number: str, tmp_path: Path) -> None:
    lines = f"app:x:{number}:1001::/app:/no\nroot:x:0:0::/root:/no\n"
    one = read(
        tmp_path / "image",
        archive({"app/": b"", **RIGHT, "etc/passwd": lines.encode()}, config={**CONFIG, "User": f"{number}:{number}"}),
    )
    found = {each.finding.rule for each in audited(one).findings}
    assert {"user-not-numeric", "user-without-account"} & found


def test_a_warning_fails_nothing(tmp_path: Path) -> None:
    found = audited(image(tmp_path), waiver("", "program-not-executable"))
    assert {one.finding.rule for one in found.findings} == {"label-missing"}
    assert found.passed


def test_a_finding_names_the_stage_and_the_instruction(tmp_path: Path) -> None:
    plan = planned(
        '[stages.native]\nfrom = "node"\nruns-on = "build"\nworkdir = "/b"\nrun = ["make"]\n'
        '[stages.app]\nfrom = "bare"\ncopy = [{ from = "native", path = "out", to = "/app/m" }]\n'
    )
    bad = read(
        tmp_path / "image",
        archive({"app/": b"", **RIGHT}, {"app/m/a.node": elf("arm64")}, config=CONFIG, history=["base", "COPY"]),
    )
    found = audit(bad, Expected(), {}, [], "app", plan)
    (one,) = (one for one in found.findings if one.finding.rule == "foreign-machine")
    assert one.stage == "native"
    assert one.origin is not None
    assert one.origin.key == "stages.app.copy"
    assert one.finding.message.startswith("is for arm64, and the image is for amd64")


def test_what_a_specification_has_on_purpose_is_expected() -> None:
    text = MINIMAL.replace('from = "node"', 'from = "node"\npackages = ["curl"]\nvolumes = ["/data"]')
    found = expected(decoded(text.replace(":20-alpine", ':20-alpine"\nfamily = "alpine-node')), "app")
    assert (found.shell, found.manager, "curl" in found.packages) == (True, True, True)
    assert found.volumes == {"/data"}


def test_waivers_that_have_ended_cover_nothing() -> None:
    spec = decoded(
        'waivers = [{ rule = "setuid-file", reason = "x", until = "2026-01-01" },'
        ' { rule = "cache-file", reason = "y" }, { rule = "root-user", reason = "z" }]\n' + MINIMAL
    )
    assert [one.rule for one in waivers_of(spec, "2026-06-01")] == ["cache-file"]
    assert [one.rule for one in waivers_of(spec, "2026-01-01")] == ["setuid-file", "cache-file"]
