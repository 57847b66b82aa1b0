"""Build an image for and against each rule of the audit, audit them without a network, and print the verdicts.

python tests/audit_table.py

Exit code 1 when one is wrong. Docker and buildx build them; what no build can make is done to a built archive.
"""

# ruff: noqa: E402, T201 - a program, which finds its modules and prints what it counts

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from audit_cases import BAD, GOOD, RIGHT, Case, member, tar

from buildspec.engine.archives import read_archive
from buildspec.gates.audit import RULES, Expected, audit, name_of

SECONDS = 300
AT_ONCE = 12
"""Images of one run; buildx loses connections when it writes a hundred archives at once."""
_OFFLINE = "AUDIT_TABLE_OFFLINE"
_PREDICATE = "https://spdx.dev/Document"


def cases() -> Iterator[tuple[str, str, int, Case]]:
    """Every case: rule, `bad` or `good`, number, what to build."""
    for rule in map(name_of, RULES):
        yield from ((rule, "bad", number, case) for number, case in enumerate(BAD.get(rule, ())))
        yield from ((rule, "good", number, case) for number, case in enumerate(GOOD.get(rule, (Case(),))))


def named() -> dict[str, Case]:
    """Every case by a name of its own."""
    return {f"{rule}-{kind}-{number}": case for rule, kind, number, case in cases()}


def build(folder: Path, wanted: Mapping[str, Case]) -> None:
    """Build cases in a few runs of bake, each into an archive `<name>.tar`."""
    targets: dict[str, Any] = {}
    for name, case in wanted.items():
        context = folder / name
        for path, data in {**RIGHT, **case.files}.items():
            if data is not None:
                _write(context / "tree" / path, data)
        for path, data in case.beside.items():
            _write(context / path, data)
        _write(context / "Dockerfile", case.dockerfile.encode())
        targets[name] = {
            "context": str(context),
            "platforms": ["linux/amd64"],
            "args": {"SOURCE_DATE_EPOCH": str(int(time.time())), **case.args},
            "output": [f"type=oci,name=example.test/web,dest={folder / name}.tar"],
            "attest": list(case.attest) or ["type=provenance,disabled=true"],
        }
    for start in range(0, len(targets), AT_ONCE):
        _bake(folder, dict([*targets.items()][start : start + AT_ONCE]))


def _bake(folder: Path, targets: Mapping[str, Any]) -> None:
    definition = folder / "bake.json"
    definition.write_text(json.dumps({"group": {"default": {"targets": [*targets]}}, "target": targets}))
    argv = ["docker", "buildx", "bake", "--file", str(definition), "--allow", f"fs={folder}", "--progress", "plain"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        wrong = [line for line in done.stderr.splitlines() if "ERROR" in line]
        raise SystemExit("the images can't be built:\n" + "\n".join(wrong))


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


# --- what no build makes ---------------------------------------------------------------------------------------


class Editor:
    """An OCI layout in a tar, taken apart and put together again with other contents."""

    def __init__(self, archive: Path) -> None:
        self.archive = archive
        with tarfile.open(archive) as opened:
            self.files = {one.name: opened.extractfile(one).read() for one in opened if one.isreg()}  # type: ignore[union-attr]

    def json(self, name: str) -> Any:
        return json.loads(self.files[name])

    def put(self, document: Any) -> dict[str, Any]:
        """Add a document; digest and size of it."""
        data = json.dumps(document).encode()
        number = hashlib.sha256(data).hexdigest()
        self.files[f"blobs/sha256/{number}"] = data
        return {"digest": f"sha256:{number}", "size": len(data)}

    def change(self, *, config: Callable[[Any], None] = lambda _: None, **more: Callable[[Any], None]) -> None:
        """Change the documents of the one image, from the inside out, with digests that are right again."""
        index = self.json("index.json")
        top = index["manifests"][0]
        inner = self.json(_blob(top["digest"]))
        several = "manifests" in inner
        entry = inner["manifests"][0] if several else top
        manifest = self.json(_blob(entry["digest"]))
        configuration = self.json(_blob(manifest["config"]["digest"]))
        config(configuration)
        manifest["config"] |= self.put(configuration)
        more.get("manifest", lambda _: None)(manifest)
        before = entry["digest"]
        entry |= self.put(manifest)
        more.get("entry", lambda _: None)(entry)
        if several:
            for other in inner["manifests"][1:]:
                if other["annotations"]["vnd.docker.reference.digest"] == before:
                    other["annotations"]["vnd.docker.reference.digest"] = entry["digest"]
                statement = self.json(_blob(other["digest"]))
                self._restate(statement, before, entry["digest"], more.get("statement"))
                other |= self.put(statement)
            top |= self.put(inner)
        self.files["index.json"] = json.dumps(index).encode()
        self.write()

    def _restate(self, manifest: Any, before: str, after: str, change: Callable[[Any], None] | None) -> None:
        for layer in manifest["layers"]:
            statement = self.json(_blob(layer["digest"]))
            for subject in statement["subject"]:
                if f"sha256:{subject['digest']['sha256']}" == before:
                    subject["digest"]["sha256"] = after.removeprefix("sha256:")
            if change is not None:
                change(statement)
            layer |= self.put(statement)

    def write(self) -> None:
        with tarfile.open(self.archive, "w") as opened:
            for name, data in self.files.items():
                info = tarfile.TarInfo(name)
                info.size = len(data)
                opened.addfile(info, io.BytesIO(data))

    def layers(self) -> list[Any]:
        top = self.json(_blob(self.json("index.json")["manifests"][0]["digest"]))
        if "manifests" in top:
            top = self.json(_blob(top["manifests"][0]["digest"]))
        found: list[Any] = top["layers"]
        return found

    def add_layer(self, data: bytes) -> None:
        """Add a layer, a plain tar."""
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self.files[_blob(digest)] = data
        descriptor = {"mediaType": "application/vnd.oci.image.layer.v1.tar", "digest": digest, "size": len(data)}

        def config(document: Any) -> None:
            document["rootfs"]["diff_ids"].append(digest)
            document["history"].append({"created_by": "COPY a / # buildkit"})

        self.change(config=config, manifest=lambda document: document["layers"].append(descriptor))


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def edit(archive: Path, what: str) -> None:
    """Do to an archive what a case asks for: a word of EDITS, and what belongs to it."""
    verb, _, rest = what.partition(" ")
    EDITS[verb](Editor(archive), rest)


def _settings(**changes: object) -> Callable[[Editor, str], None]:
    return lambda editor, _: editor.change(config=lambda one: one["config"].update(changes))


def _add_member(name: str, data: bytes) -> bytes:
    return tar((member(name), data))


def _delete(editor: Editor, path: str) -> None:
    parent, _, name = path.rpartition("/")
    editor.add_layer(_add_member(f"{parent}/.wh.{name}", b""))


def _other_bytes(editor: Editor, _: str) -> None:
    name = _blob(editor.layers()[0]["digest"])
    data = bytearray(editor.files[name])
    data[4] ^= 1  # the time in the head of gzip: it unpacks to the same
    editor.files[name] = bytes(data)
    editor.write()


EDITS: Mapping[str, Callable[[Editor, str], None]] = {
    "working": _settings(WorkingDir="/none"),
    "relative": _settings(WorkingDir="app"),
    "signal": _settings(StopSignal="SIGNONE"),
    "platform": lambda editor, _: editor.change(
        config=lambda one: one.update(architecture="arm64"), entry=lambda entry: _as_amd64(entry)
    ),
    "created": lambda editor, _: editor.change(config=lambda one: one.update(created="yesterday")),
    "delete": _delete,
    "name": lambda editor, _: editor.add_layer(_add_member("../../etc/cron.d/up", b"* * * * * root up")),
    "layer": _other_bytes,
    "diff": lambda editor, _: editor.change(
        config=lambda one: one["rootfs"]["diff_ids"].__setitem__(0, f"sha256:{'0' * 64}")
    ),
    "size": lambda editor, _: editor.change(manifest=lambda one: one["layers"][0].update(size=1)),
    "history": lambda editor, text: editor.change(
        config=lambda one: one["history"].append({"created_by": text, "empty_layer": True})
    ),
    "subject": lambda editor, _: editor.change(
        statement=lambda one: one["subject"][0]["digest"].update(sha256="0" * 64)
    ),
    "sbom": lambda editor, licence: editor.change(statement=lambda one: _as_sbom(one, licence)),
}


def _as_amd64(entry: Any) -> None:
    entry["platform"] = {"os": "linux", "architecture": "amd64"}


def _as_sbom(statement: Any, licence: str) -> None:
    package = {"name": "left-pad", "versionInfo": "1.3.0", "licenseDeclared": licence}
    statement["predicateType"] = _PREDICATE
    statement["predicate"] = {"spdxVersion": "SPDX-2.3", "packages": [] if licence == "none" else [package]}
    if licence == "other":
        statement["subject"][0]["digest"]["sha256"] = "0" * 64


# --- the table -------------------------------------------------------------------------------------------------


def verdicts(folder: Path) -> dict[str, dict[str, list[bool]]]:
    """By rule and kind, whether each case was found."""
    found: dict[str, dict[str, list[bool]]] = {}
    for rule, kind, number, case in cases():
        archive = folder / f"{rule}-{kind}-{number}.tar"
        if case.edit:
            edit(archive, case.edit)
        with tempfile.TemporaryDirectory() as inner:
            (image,) = read_archive(archive, Path(inner))
            expected = Expected(now=int(time.time()), **case.expected)  # type: ignore[arg-type]
            told = audit(image, expected, case.hidden, (), "web").findings
        hit = any(one.finding.rule == rule for one in told)
        hit = hit or (case == Case() and bool(told))  # of the right image, nothing at all is told
        found.setdefault(rule, {"bad": [], "good": []})[kind].append(hit)
    return found


def table(found: Mapping[str, Mapping[str, list[bool]]]) -> int:
    """Print the table; how many verdicts are wrong."""
    wrong = 0
    print(f"{'rule':26} {'failing images':18} passing images")
    for rule, kinds in found.items():
        bad, good = kinds["bad"], kinds["good"]
        right = bool(bad) and all(bad) and bool(good) and not any(good)
        wrong += 0 if right else 1
        detected, silent = f"{sum(bad)} of {len(bad)} found", f"{len(good) - sum(good)} of {len(good)} passed"
        numbers = "" if right else f"   WRONG {[at for at, hit in enumerate(bad) if not hit]}"
        print(f"{rule:26} {detected:18} {silent}{numbers}")
    count = sum(len(one) for kinds in found.values() for one in kinds.values())
    print(f"{len(found)} rules, {count} built images, {wrong} wrong")
    return wrong


def main() -> int:
    """Build, then start again without a network to audit."""
    if folder := os.environ.get(_OFFLINE):
        return int(bool(table(verdicts(Path(folder)))))
    with tempfile.TemporaryDirectory(prefix="audit-") as made:
        build(Path(made), named())
        argv = ["unshare", "--net", sys.executable, __file__]
        return subprocess.run(argv, env={**os.environ, _OFFLINE: made}, timeout=SECONDS, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
