"""Releases to real registries, with everything that can go wrong on the way; and claude-flow's own, end to end."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from urllib.request import Request, urlopen

import pytest
from faults import PLATFORMS as ARCHES
from faults import TAGS, image, moves, released, remote
from helpers.registry import Fault, Proxy, Registry, proxy

from buildspec.engine.archives import read_archive
from buildspec.engine.registry import Repository as Remote
from buildspec.errors import BuildspecError, MachineError
from buildspec.release.moves import Repository
from buildspec.release.push import Image, Push, look
from buildspec.spec.lock import Lock
from buildspec.spec.lock import read as read_lock
from buildspec.spec.lock import text as lock_text
from engine.conftest import CopyOf, ReadyWith
from engine.project import NATIVE, PLATFORMS, Project, docker, in_git
from engine.test_claude_flow import CHECKOUT, PROFILE, SECONDS
from engine.test_claude_flow import copied as copy_of_claude_flow

pytestmark = pytest.mark.engine
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Image:
    return image(tmp_path_factory.mktemp("image"), "amd64")


def push_to(*where: Repository, seconds: float = 20.0, settle: float = 0.05) -> Push:
    return Push(
        remotes={one: remote(one.registry, one.name, seconds=seconds) for one in where},
        tell=lambda _: None,
        settle=settle,
    )


def tags_at(host: str, name: str) -> dict[str, str]:
    where = Repository(host, name)
    return dict(look({where: remote(host, name)}, {where: TAGS})[where].digests)


def right(host: str, name: str, made: Image) -> None:
    """What must be true at any moment: no tag at anything else or at what can't be pulled, no moving one ahead."""
    found = tags_at(host, name)
    assert set(found.values()) <= {made.digest}
    if set(found) - {TAGS[0]}:
        assert TAGS[0] in found, "a moving tag is ahead of the exact one"
    if found:
        there = remote(host, name)
        for digest, file in made.blobs.items():
            listed = b'"schemaVersion"' in file.read_bytes()[:30]
            assert there.manifest(digest) is not None if listed else there.has_blob(digest)


# --- faults that don't go away ---------------------------------------------------------------------------------


def test_a_fault_at_any_request_leaves_nothing_wrong_and_the_next_run_gets_there(
    real: tuple[Registry, Registry], between: tuple[Proxy, Proxy], made: Image
) -> None:
    first, second = between
    total = count(between, made)
    assert total > 20
    failed = 0
    for number in range(1, total + 1):
        name = f"permanent/{number}"
        first.forget()
        second.forget()
        first.faults.append(Fault("*", ".", "403", hits=-1, number=number))
        where = [Repository(one.host, name) for one in between]
        wanted = [move for one in where for move in moves(one, made.digest)]
        with pytest.raises(BuildspecError, match=re.escape(first.host)):
            released(push_to(*where), made, wanted)
        failed += 1
        for one in real:
            right(one.host, name, made)
        if any(tag in tags_at(one.host, name) for one in real for tag in TAGS[1:]):
            assert all(TAGS[0] in tags_at(one.host, name) for one in real), "a moving tag before all exact ones"
        first.forget()
        released(push_to(*where), made, wanted)
        assert all(tags_at(one.host, name) == dict.fromkeys(TAGS, made.digest) for one in real)
    assert failed == total


def count(between: tuple[Proxy, Proxy], made: Image) -> int:
    """Requests of a whole release to the first registry."""
    where = [Repository(one.host, "count/it") for one in between]
    released(push_to(*where), made, [move for one in where for move in moves(one, made.digest)])
    return len(between[0].asked)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=["INT", "TERM", "KILL"])
def test_a_signal_at_any_request_leaves_nothing_wrong_and_the_next_run_gets_there(
    number: signal.Signals, real: tuple[Registry, Registry], made: Image, tmp_path: Path
) -> None:
    with proxy(real[0].port) as one, proxy(real[1].port) as other:
        total = count((one, other), made)

    def at(request: int) -> None:
        folder = tmp_path / str(request)
        with proxy(real[0].port) as one, proxy(real[1].port) as other:
            name = f"signal/{number.name.lower()}-{request}"
            content = f"{number.name} {request}"
            argv = [sys.executable, "tests/releaser.py", str(folder), content, name, one.host, other.host]
            with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
                sent: list[float] = []

                def before(asked: int) -> None:
                    if asked == request:
                        sent.append(time.monotonic())
                        child.send_signal(number)

                one.before = before
                out, err = child.communicate(timeout=60)
                assert "Traceback" not in err, err
                assert child.returncode in ({-9, 0} if number is signal.SIGKILL else {130, 0, 1}), out + err
                assert sent, f"request {request} never came"
                if number is not signal.SIGKILL:
                    assert time.monotonic() - sent[0] < 3
        # whatever came of it, the next run gets there
        again = image(tmp_path / f"{request}-again", "amd64", f"{number.name} {request}".encode())
        name = f"signal/{number.name.lower()}-{request}"
        for each in real:
            right(each.host, name, again)
        where = [Repository(each.host, name) for each in real]
        released(push_to(*where), again, [move for each in where for move in moves(each, again.digest)])
        assert all(tags_at(each.host, name) == dict.fromkeys(TAGS, again.digest) for each in real)

    requests = range(1, total + 1)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(at, requests))


# --- several at once -------------------------------------------------------------------------------------------


def test_of_eight_pushes_of_a_tag_at_once_one_wins_and_the_others_name_it(
    real: tuple[Registry, Registry], tmp_path: Path
) -> None:
    for round_ in range(3):
        name = f"race/{round_}"
        where = Repository(real[0].host, name)
        images = [image(tmp_path / f"{round_}-{one}", "amd64", f"{round_} {one}".encode()) for one in range(8)]
        said: dict[str, str] = {}

        def one(made: Image, where: Repository = where, said: dict[str, str] = said) -> None:
            try:
                released(push_to(where, settle=1.0), made, moves(where, made.digest))
                said[made.digest] = "won"
            except BuildspecError as error:
                said[made.digest] = error.message

        threads = [threading.Thread(target=one, args=(made,)) for made in images]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        winners = [digest for digest, told in said.items() if told == "won"]
        assert len(winners) == 1, said
        assert tags_at(real[0].host, name)["v2.0.0"] == winners[0]
        for digest, told in said.items():
            if digest != winners[0]:
                assert winners[0] in told


def test_an_exact_tag_of_another_image_is_never_overwritten(real: tuple[Registry, Registry], tmp_path: Path) -> None:
    where = Repository(real[0].host, "immutable/web")
    first, second = (image(tmp_path / one, "amd64", one.encode()) for one in ("first", "second"))
    released(push_to(where), first, moves(where, first.digest))
    with pytest.raises(BuildspecError, match=f"is {first.digest}: somebody else has released that"):
        released(push_to(where), second, moves(where, second.digest))
    assert tags_at(real[0].host, "immutable/web") == dict.fromkeys(TAGS, first.digest)


# --- waiting ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [1, 3, 5])
def test_retry_after_is_waited_for(seconds: int, between: tuple[Proxy, Proxy], made: Image) -> None:
    first, _ = between
    first.faults.append(Fault("PUT", "/manifests/v2.0.0$", "429", headers={"Retry-After": str(seconds)}))
    where = Repository(first.host, f"retry/{seconds}")
    asked: list[float] = []
    first.before = lambda _: asked.append(time.monotonic())
    released(push_to(where), made, moves(where, made.digest))
    gaps = [later - earlier for earlier, later in pairwise(asked)]
    assert seconds <= max(gaps) <= seconds * 1.2 + 0.1


def test_a_silent_registry_ends_at_the_deadline(between: tuple[Proxy, Proxy], made: Image) -> None:
    first, _ = between
    first.silence = 30
    first.faults.append(Fault("POST", "uploads", "silent", hits=-1))
    where = Repository(first.host, "silent/web")
    start = time.monotonic()
    with pytest.raises(MachineError, match="doesn't answer POST"):
        released(push_to(where, seconds=3), made, moves(where, made.digest))
    assert 2 <= time.monotonic() - start <= 4


def test_a_refusal_is_not_asked_again(between: tuple[Proxy, Proxy], made: Image) -> None:
    first, _ = between
    first.faults.append(Fault("PUT", "/manifests/v2.0.0$", "403", hits=-1))
    where = Repository(first.host, "refused/web")
    with pytest.raises(BuildspecError, match=r"HTTP 403 \(FAULT: as told\)") as raised:
        released(push_to(where), made, moves(where, made.digest))
    assert "docker login" in getattr(raised.value, "fix", "")
    assert sum(one.method == "PUT" and one.path.endswith("/v2.0.0") for one in first.asked) == 1


# --- what travels ----------------------------------------------------------------------------------------------


def test_nothing_travels_twice_and_tags_cost_manifests_alone(between: tuple[Proxy, Proxy], made: Image) -> None:
    first, _ = between
    where = Repository(first.host, "traffic/web")
    released(push_to(where), made, moves(where, made.digest))
    sent = sum(one.sent for one in first.uploads())
    assert sent == sum(
        file.stat().st_size for digest, file in made.blobs.items() if b'"schemaVersion"' not in file.read_bytes()[:30]
    )
    first.forget()
    released(push_to(where), made, moves(where, made.digest))
    assert first.uploads() == []
    first.forget()
    more = tuple(f"v2.0.{number}" for number in range(1, 7))
    push = push_to(where)
    push.upload([made], moves(where, made.digest, more))
    push.tag_exact(moves(where, made.digest, more))
    assert first.uploads() == []


def test_what_a_registry_has_lost_of_an_index_is_uploaded_again(real: tuple[Registry, Registry], made: Image) -> None:
    where = Repository(real[0].host, "lost/web")
    released(push_to(where), made, moves(where, made.digest))
    (child,) = [one["digest"] for one in json.loads(made.blobs[made.digest].read_bytes())["manifests"]]
    address = f"http://{where.registry}/v2/{where.name}/manifests/{child}"
    with urlopen(Request(address, method="DELETE"), timeout=10) as answer:
        assert answer.status == 202
    assert remote(where.registry, where.name).manifest(child) is None
    released(push_to(where), made, moves(where, made.digest, ("v2.0.1",)))
    right(real[0].host, "lost/web", made)


def test_a_registry_that_gives_other_bytes_is_found_out(
    real: tuple[Registry, Registry], made: Image, tmp_path: Path
) -> None:
    """A tag is moved by somebody else while it is verified."""
    where = Repository(real[0].host, "lying/web")
    other = image(tmp_path / "other", "amd64", b"other")
    released(push_to(where), other, moves(where, other.digest, ("v9.0.0",)))

    class Moved(Remote):
        """As if somebody had moved the tag once it was there."""

        def digest(self, tag: str) -> str:
            found = super().digest(tag)
            return other.digest if found and tag == "v2.0.0" else found

    push = push_to(where)
    push.remotes = {where: Moved(push.remotes[where].transport, push.remotes[where].name)}
    with pytest.raises(BuildspecError, match="somebody else has released"):
        released(push, made, moves(where, made.digest))
    assert set(tags_at(real[0].host, "lying/web")) <= {"v2.0.0"}


def test_both_platforms_of_an_index_travel(real: tuple[Registry, Registry], tmp_path: Path) -> None:
    for arch in ARCHES:
        made = image(tmp_path / arch, arch)
        where = Repository(real[1].host, f"platforms/{arch}")
        released(push_to(where), made, moves(where, made.digest))
        right(real[1].host, f"platforms/{arch}", made)


# --- the command -----------------------------------------------------------------------------------------------


def test_what_was_tested_is_pushed_and_again_is_nothing(
    ready: Project, real: tuple[Registry, Registry], between: tuple[Proxy, Proxy]
) -> None:
    refused = ready.run("push", "v1.0.0")
    assert (refused.code, refused.err.count("git tag v1.0.0")) == (1, 1)
    in_git(ready, "tag v1.0.0")
    dry = ready.run("push", "v1.0.0", "--dry-run", "--build-number", "7").good()
    assert dry.out.count("is new") == 12
    assert not any(one.uploads() for one in between)
    pushed = ready.run("push", "v1.0.0", "--build-number", "7").good()
    assert pushed.out.count("published") == 12
    digest = ready.run("build").good().result["images"][0]["digest"]
    for one, host, folder in zip(between, real, ("acme", "mirror"), strict=True):
        name = f"{host.host}/{folder}/{ready.name}:v1.0.0"
        pulled = docker("pull", "--platform", PLATFORMS[1], name)
        assert digest in pulled.stdout, pulled.stderr
        docker("rmi", "--force", name)
        one.forget()
    again = ready.run("push", "v1.0.0", "--build-number", "7").good()
    assert again.out.count("is there already") == 12
    assert not any(asked.method in ("PUT", "POST", "PATCH") for one in between for asked in one.asked)


def test_releases_go_forward_and_back_only_when_asked(ready: Project, between: tuple[Proxy, Proxy]) -> None:
    in_git(ready, "tag v1.0.0")
    ready.run("push", "v1.0.0").good()
    first = digests(between[0], ready)
    # a change in the image, released as v2.0.0
    ready.write("app/greeting.txt", "hello!\n")
    ready.edit("buildspec.toml", "= HELLO ]", "= HELLO! ]")
    refused = ready.run("push", "v1.0.0")
    assert "files differ from the commit" in refused.err
    in_git(ready, "commit -aqm second", "tag v2.0.0")
    refused = ready.run("push", "v2.0.0")
    assert "what was built is of" in refused.err
    ready.run("test").good()
    ready.run("audit").good()
    ready.run("push", "v2.0.0").good()
    second = digests(between[0], ready)
    assert second["v1.0.0"] == first["v1.0.0"]
    assert second["latest"] == second["v2.0.0"] != first["latest"]
    in_git(ready, "tag -f v1.0.0")
    taken = ready.run("push", "v1.0.0")
    assert taken.code == 1
    assert "is another image already" in taken.err
    in_git(ready, "tag v1.0.1")
    backport = ready.run("push", "v1.0.1").good()
    third = digests(between[0], ready)
    assert third["latest"] == second["latest"]
    assert third["v1"] == third["v1.0.1"]
    assert backport.out.count("stays: 2.0.0 is newer") >= 2
    rolled = ready.run("rollback", "v1.0.0").good()
    assert digests(between[0], ready)["latest"] == first["v1.0.0"], rolled.told
    never = ready.run("rollback", "v1.5.0")
    assert never.code == 1
    assert "was never released there" in never.err


def digests(one: Proxy, project: Project) -> dict[str, str]:
    there = remote(one.host, f"acme/{project.name}")
    return {tag: there.digest(tag) for tag in there.tags()}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_push_is_out_soon_and_says_what_is_there(
    number: signal.Signals, ready: Project, between: tuple[Proxy, Proxy]
) -> None:
    in_git(ready, "tag v1.0.0")
    between[0].silence = 30
    between[0].faults.append(Fault("PUT", "/manifests/v1$", "silent", hits=1))
    child = ready.start("push", "v1.0.0")
    end = time.monotonic() + 60
    while not any(one.path.endswith("/manifests/v1.0") and one.method == "PUT" for one in between[0].asked):
        assert time.monotonic() < end
        time.sleep(0.05)
    time.sleep(0.5)
    start = time.monotonic()
    os.kill(child.pid, number)
    outcome = ready.finish(child, 30)
    assert time.monotonic() - start < 3
    assert outcome.code == 130
    assert "what is there now:" in outcome.err
    assert re.search(r"v1\.0\.0 .*published", outcome.err)
    assert "Traceback" not in outcome.told
    between[0].forget()
    ready.run("push", "v1.0.0").good()
    assert len(digests(between[0], ready)) == 5


def test_the_release_of_claude_flow(real: tuple[Registry, Registry], tmp_path: Path) -> None:
    """Two images, two platforms, two registries; then pulled by tag and run."""
    project = copy_of_claude_flow(CHECKOUT, tmp_path)
    project.edit(
        "buildspec.toml", 'registries = ["ghcr.io/badal-io"]', f'registries = ["{real[0].host}/a", "{real[1].host}/b"]'
    )
    project.write(".gitignore", "build\nnode_modules\n")
    in_git(project, "init -q", "add .", "commit -qm first", "tag v2.0.0")
    project.run("test", *PROFILE, timeout=SECONDS).good()
    project.run("audit", *PROFILE, timeout=SECONDS).good()
    pushed = project.run("push", "v2.0.0", *PROFILE, "--build-number", "1", timeout=SECONDS).good()
    assert pushed.out.count("  published") == 2 * 2 * 6
    for host, folder in ((real[0].host, "a"), (real[1].host, "b")):
        for tag in ("v2.0.0", "latest-debian"):
            for target in PLATFORMS:
                name = f"{host}/{folder}/claude-flow:{tag}"
                done = docker("run", "--rm", "--pull", "always", "--platform", target, name, "--version", timeout=300)
                assert done.stdout.startswith("v2.0.0"), done.stderr
                docker("rmi", "--force", name)


# --- the lock --------------------------------------------------------------------------------------------------


def test_references_are_locked_and_a_tag_that_moves_changes_nothing(
    copied: CopyOf, real: tuple[Registry, Registry], tmp_path: Path
) -> None:
    first, second = (image(tmp_path / one, "amd64", one.encode()) for one in ("first", "second"))
    where = Repository(real[0].host, "library/base")
    released(push_to(where), first, moves(where, first.digest, ("1",)))
    project = copied("hello")
    project.edit("buildspec.toml", 'platforms = ["linux/amd64", "linux/arm64"]', 'platforms = ["linux/amd64"]')
    project.edit("buildspec.toml", 'debian = "trixie"\npackages = ["dash"]', f'image = "{where}:1"\nfamily = "debian"')
    frozen = project.run("plan", "--frozen")
    assert frozen.code == 2
    assert f"error[not-locked]: buildspec.lock has no {where}:1" in frozen.err
    locked = project.run("lock").good()
    assert f"{where}:1: not locked -> {first.digest}" in locked.out
    assert project.run("lock").good().out.endswith("buildspec.lock: nothing has changed\n")
    # a tag that moves
    there = remote(real[0].host, "library/base")
    released(push_to(where), second, moves(where, second.digest, ("other",)))
    found = there.manifest(second.digest)
    assert found is not None
    there.put_manifest("1", found.data, found.media_type)
    assert f"{where}:1@{first.digest}" in project.run("plan", "--frozen").good().out
    assert "unpinned-base" not in project.run("check", "--frozen").told
    stale = project.run("lock", "--check")
    assert stale.code == 1
    assert f"{first.digest} -> {second.digest}" in stale.out
    project.run("lock").good()
    assert f"{where}:1@{second.digest}" in project.run("plan").good().out


def test_packages_of_assembled_bases_are_locked(copied: CopyOf) -> None:
    project = copied("hello")
    frozen = project.build("--frozen")
    assert frozen.code == 2
    assert "error[not-locked]: buildspec.lock has no trixie linux/amd64" in frozen.err
    locked = project.run("lock").good()
    assert re.search(r"trixie linux/arm64 with a shell \w{12}: not locked -> \d+ packages", locked.out)
    project.build("--frozen").good()
    file = project.root / "buildspec.lock"
    before = file.read_text(encoding="utf-8")
    assert re.search(r'(?m)^  "dash [0-9][^"]*",$', before)
    project.run("lock", "--check").good()
    # as if it had been locked when the mirror had another version
    root = Lock(packages={name: {**one, "dash": "0.1"} for name, one in read_lock(project.root).packages.items()})
    file.write_text(lock_text({}, root.packages), encoding="utf-8")
    stale = project.run("lock", "--check")
    assert stale.code == 1
    assert "dash 0.1 -> " in stale.out
    refused = project.build("--frozen")
    assert refused.code == 3
    assert "buildspec.lock has other packages for the base trixie linux/" in refused.err
    assert "dash 0.1 -> " in project.build().good().told


def test_a_reference_that_cannot_be_resolved_locks_nothing(copied: CopyOf, real: tuple[Registry, Registry]) -> None:
    project = copied("hello")
    name = f"{real[0].host}/no/such:1"
    project.edit("buildspec.toml", 'debian = "trixie"\npackages = ["dash"]', f'image = "{name}"\nfamily = "debian"')
    outcome = project.run("lock")
    assert outcome.code == 3
    assert f"{name}: there is no {name}" in outcome.err
    assert not (project.root / "buildspec.lock").exists()


# --- bundles ---------------------------------------------------------------------------------------------------


def held(archive: Path, folder: Path) -> list[str]:
    """Digests of the images that are whole in an archive; an engine may have had what it lacks."""
    folder.mkdir()
    images = read_archive(archive, folder)
    assert not any(image.wrong or any(layer.wrong for layer in image.layers) for image in images)
    return [image.digest for image in images]


def test_a_bundle_is_whole_the_same_each_time_and_loads(ready_with: ReadyWith, tmp_path: Path) -> None:
    ready = ready_with('app = "/etc"')
    ready.run("bundle").good()
    dist = ready.root / "dist"
    before = {file.name: file.read_bytes() for file in dist.iterdir()}
    name = f"{ready.name}-production"
    assert set(before) == {
        *("SHA256SUMS", "release.json", "tests.xml", "audit.sarif", "summary.md", "compose.yaml", f"{name}.oci.tar"),
        *(
            f"{name}-{target.replace('/', '-')}.{end}"
            for target in PLATFORMS
            for end in ("oci.tar", "app.tar", "provenance.json", "spdx.json", "cdx.json")
        ),
    }
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=dist, check=True, timeout=60)
    ready.run("bundle").good()
    changed = [file.name for file in dist.iterdir() if file.read_bytes() != before[file.name]]
    assert changed == []
    image = ready.run("build").good().result["images"][0]
    service = (dist / "compose.yaml").read_text(encoding="utf-8")
    assert f'/acme/{ready.name}:latest@{image["digest"]}"\n' in service
    digests = {f"{name}-{target.replace('/', '-')}": one["digest"] for target, one in image["platforms"].items()}
    for file, digest in {**digests, name: image["digest"]}.items():  # the index last: it is what the name stands for
        assert held(dist / f"{file}.oci.tar", tmp_path / file) == ([*digests.values()] if file == name else [digest])
        docker("rmi", "--force", f"{ready.name}:latest")
        loaded = docker("load", "--input", str(dist / f"{file}.oci.tar"))
        assert loaded.returncode == 0, loaded.stderr
        assert docker("image", "inspect", "--format", "{{.Id}}", f"{ready.name}:latest").stdout.strip() == digest
    assert docker("run", "--rm", "--network", "none", f"{ready.name}:latest").stdout == "HELLO\n"


def test_a_bundle_of_one_platform_is_whole(ready: Project, tmp_path: Path) -> None:
    ready.edit("buildspec.toml", 'platforms = ["linux/amd64", "linux/arm64"]', f'platforms = ["{NATIVE}"]')
    in_git(ready, "commit -qam second")
    ready.run("test").good()
    ready.run("audit").good()
    digest = ready.run("bundle").good().result["images"][0]["platforms"][NATIVE]["digest"]
    name = f"{ready.name}-production"
    for file in (name, f"{name}-{NATIVE.replace('/', '-')}"):
        assert held(ready.root / "dist" / f"{file}.oci.tar", tmp_path / file) == [digest]


def test_a_bundle_says_what_is_in_the_image_and_what_it_was_made_of(ready: Project) -> None:
    result = ready.run("bundle").good().result
    dist = ready.root / "dist"
    for target, one in result["images"][0]["platforms"].items():
        base = f"{ready.name}-production-{target.replace('/', '-')}"
        spdx = json.loads((dist / f"{base}.spdx.json").read_text(encoding="utf-8"))
        assert "dash" in {package["name"] for package in spdx["packages"]}
        cyclone = json.loads((dist / f"{base}.cdx.json").read_text(encoding="utf-8"))
        assert "dash" in {part["name"] for part in cyclone["components"]}
        statement = json.loads((dist / f"{base}.provenance.json").read_text(encoding="utf-8"))
        assert statement["subject"][0]["digest"] == {"sha256": one["digest"].removeprefix("sha256:")}
        assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
        depends = statement["predicate"]["buildDefinition"]["resolvedDependencies"]
        assert {"gitCommit"} in [set(part.get("digest", ())) for part in depends]


def test_what_was_not_tested_is_not_bundled(copied: CopyOf) -> None:
    project = copied("hello")
    project.build("--platform", PLATFORMS[0]).good()
    outcome = project.run("bundle")
    assert outcome.code == 1
    assert "nothing can be bundled:" in outcome.err
    assert "has not been tested" in outcome.err
    assert not (project.root / "dist").exists()
