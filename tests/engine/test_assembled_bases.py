"""Assembled bases with a real mirror and a real engine: reproducible, distroless, usable."""

# ruff: noqa: S604 - `shell` is a field of ours, not of subprocess

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildspec.engine.assemble import AssembledBase, assemble, assemble_all, export, index
from buildspec.errors import UsageError
from buildspec.plan.recipe import Recipe
from engine.project import FOREIGN, NATIVE, PLATFORMS, docker

pytestmark = pytest.mark.engine

NODE = tuple(
    Recipe("trixie", p, ("ca-certificates", "nodejs", "tzdata"), shell=False, configured=False) for p in PLATFORMS
)
SMALL = tuple(Recipe("trixie", p, ("ca-certificates", "tzdata"), shell=False, configured=False) for p in PLATFORMS)
SHELL = Recipe("trixie", NATIVE, ("grep",), shell=True, configured=False)
CONFIGURED = Recipe("trixie", NATIVE, ("ca-certificates",), shell=True, configured=True)

# What of node a base can break: translations, zones, modules of its own outside the program, TLS, names.
PROBE = """\
const tls = require('tls'), psk = Buffer.from('0123456789abcdef');
const facts = {
  arch: process.arch, user: os.userInfo().username,
  time: new Date(0).toLocaleString('de-DE', {timeZoneName: 'long'}), zone: new Date(0).getTimezoneOffset(),
  roots: fs.readFileSync('/etc/ssl/certs/ca-certificates.crt', 'utf8').split('BEGIN').length > 100,
  header: new Headers({a: 'b'}).get('a'), glob: path.matchesGlob('/a/b.js', '/a/*.{js,ts}'),
};
const server = tls.createServer({ciphers: 'PSK', pskCallback: () => psk}, s => s.end('tls'));
server.listen(0, () => {
  const client = tls.connect({port: server.address().port, ciphers: 'PSK',
    checkServerIdentity: () => undefined, pskCallback: () => ({psk, identity: 'me'})});
  client.on('data', data => { server.close(); console.log(JSON.stringify({...facts, tls: String(data)})); });
});
"""


@pytest.fixture(scope="session")
def bases_cache() -> Path:
    """The user's own cache: what is there is not assembled again."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "buildspec"


def quiet(_: str) -> None:
    pass


def bake(folder: Path, layout: str, dockerfile: str, tag: str, platforms: tuple[str, ...]) -> None:
    (folder / "Dockerfile").write_text(dockerfile)
    target = {
        "context": ".",
        "contexts": {"base": layout},
        "platforms": platforms,
        "tags": [tag],
        "output": ["type=image"],
        "attest": ["type=provenance,disabled=true"],
    }
    (folder / "bake.json").write_text(json.dumps({"target": {"default": target}}))
    argv = ["docker", "buildx", "bake", "--progress=plain", "--file=bake.json"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr


def exported(cache: Path, folder: Path, bases: list[AssembledBase]) -> str:
    digest = index(cache, {b.recipe.platform: b.digest for b in bases})
    export(cache, digest, folder / "base", "base")
    return f"oci-layout://base@{digest}"


@pytest.fixture(scope="session")
def node_image(bases_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image of two platforms from the distroless node base, by way of an OCI layout and bake."""
    folder = tmp_path_factory.mktemp("node")
    bases = [*assemble_all(NODE, bases_cache, say=quiet).values()]
    tag = f"buildspec-test-node:{os.getpid()}"
    text = """\
FROM --platform=$BUILDPLATFORM base AS built
RUN ["/usr/bin/node", "-e", "fs.mkdirSync('/out'); fs.writeFileSync('/out/arch', process.arch)"]
FROM base
COPY --from=built /out /
ENTRYPOINT ["/usr/bin/node"]
"""
    bake(folder, exported(bases_cache, folder, bases), text, tag, PLATFORMS)
    yield tag
    docker("image", "rm", "--force", tag)


@pytest.fixture(scope="session")
def configured_image(bases_cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """An image in whose build apt installs something."""
    folder = tmp_path_factory.mktemp("configured")
    base = assemble(CONFIGURED, bases_cache, say=quiet)
    tag = f"buildspec-test-configured:{os.getpid()}"
    text = "FROM base\nRUN apt-get update && apt-get install -y jq\nRUN useradd --uid 1001 app\n"
    bake(folder, exported(bases_cache, folder, [base]), text, tag, (NATIVE,))
    yield tag
    docker("image", "rm", "--force", tag)


def test_the_same_packages_give_the_same_digest_on_both_platforms(tmp_path: Path) -> None:
    first = assemble_all(SMALL, tmp_path / "one", say=quiet)
    second = assemble_all(SMALL, tmp_path / "two", say=quiet)
    third = assemble_all(SMALL, tmp_path / "one", say=quiet, refresh=True)
    digests = [[b.digest for b in found.values()] for found in (first, second, third)]
    assert digests[0] == digests[1] == digests[2]
    assert digests[0][0] != digests[0][1]
    assert not any(b.cached for found in (first, second, third) for b in found.values())
    assert not [*(tmp_path / "one" / "tmp").iterdir()]


def test_a_configured_base_has_the_same_digest_each_time(bases_cache: Path) -> None:
    first = assemble(CONFIGURED, bases_cache, say=quiet, refresh=True)
    assert assemble(CONFIGURED, bases_cache, say=quiet, refresh=True).digest == first.digest


@pytest.mark.parametrize("target", PLATFORMS)
def test_node_runs_with_tls_translations_and_time_zones(node_image: str, target: str) -> None:
    done = docker("run", "--rm", "--platform", target, "-u", "65532", "-e", "TZ=Europe/Berlin", node_image, "-e", PROBE)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == {
        "arch": {"linux/amd64": "x64", "linux/arm64": "arm64"}[target],
        "user": "nonroot",
        "time": "1.1.1970, 1:00:00 Mitteleuropäische Normalzeit",
        "zone": -60,
        "roots": True,
        "header": "b",
        "glob": True,
        "tls": "tls",
    }


def test_stages_on_the_build_platform_get_that_platforms_base(node_image: str) -> None:
    code = "console.log(fs.readFileSync('/arch', 'utf8'))"
    done = docker("run", "--rm", "--platform", FOREIGN, node_image, "-e", code)
    assert done.stdout.strip() == {"linux/amd64": "x64", "linux/arm64": "arm64"}[NATIVE]


@pytest.mark.parametrize("program", ["sh", "bash", "apt-get", "dpkg", "perl", "openssl"])
def test_a_distroless_base_has_no_shell_and_no_package_manager(node_image: str, program: str) -> None:
    done = docker("run", "--rm", "--entrypoint", program, node_image)
    assert done.returncode == 127
    assert "not found" in done.stderr


def test_a_base_with_a_shell_works_unconfigured(bases_cache: Path, tmp_path: Path) -> None:
    base = assemble(SHELL, bases_cache, say=quiet)
    text = "FROM base\nRUN grep -q ^root: /etc/passwd && ls -d /tmp > /ok && ! command -v apt-get\n"
    bake(tmp_path, exported(bases_cache, tmp_path, [base]), text, "buildspec-test-shell:x", (NATIVE,))
    docker("image", "rm", "--force", "buildspec-test-shell:x")


def test_in_a_configured_base_apt_installs_and_users_are_made(configured_image: str) -> None:
    done = docker(
        "run",
        "--rm",
        "-u",
        "app",
        configured_image,
        "bash",
        "-c",
        "id -u; jq -n 1+1; ls /etc/apt/sources.list.d",
    )
    assert done.stdout.split() == ["1001", "2", "debian.sources"], done.stderr


def test_a_configured_base_holds_nothing_of_this_run(configured_image: str) -> None:
    code = "cat /etc/machine-id; ls -A /tmp /var/tmp | grep -v :; find / -xdev -name '*mmdebstrap*'"
    done = docker("run", "--rm", configured_image, "bash", "-c", code)
    assert done.stdout.split() == [], done.stderr


@pytest.mark.parametrize("configured", [True, False])
def test_an_unknown_package_is_named(tmp_path: Path, *, configured: bool) -> None:
    recipe = Recipe("trixie", NATIVE, ("no-such-package-here",), shell=True, configured=configured)
    with pytest.raises(UsageError, match="no-such-package-here"):
        assemble(recipe, tmp_path, say=quiet)
    assert not [*(tmp_path / "recipes").glob("*.json")]


def test_an_unknown_suite_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no Debian suite nosuch"):
        assemble(Recipe("nosuch", NATIVE, ("tzdata",), shell=False, configured=False), tmp_path, say=quiet)


def test_a_shell_that_is_asked_for_is_refused_in_a_distroless_base(tmp_path: Path) -> None:
    recipe = Recipe("trixie", NATIVE, ("dash",), shell=False, configured=False)
    with pytest.raises(UsageError, match="is a shell"):
        assemble(recipe, tmp_path, say=quiet)
