"""A Spec in, workflows of GitHub Actions out: one for releases, one for pull requests.

Every step that does something is a nox session, as people run it on their machines. Each platform is built, tested and
audited on a runner of its own; what was tested there is joined by digest and pushed, and nothing is built twice.

Text of the specification reaches commands as environment variables alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

from buildspec.render import yaml
from buildspec.render.bake import FOLDER
from buildspec.spec.model import DebianBase, Spec
from buildspec.spec.values import Platform

RELEASE: Literal[".github/workflows/release.yml"] = ".github/workflows/release.yml"
PULL_REQUEST: Literal[".github/workflows/pull-request.yml"] = ".github/workflows/pull-request.yml"

# Commits that the tags of the actions' repositories point at.
_ACTIONS = {
    "actions/attest": ("59d89421af93a897026c735860bf21b6eb4f7b26", "v4.1.0"),
    "actions/cache": ("27d5ce7f107fe9357f9df03efb73ab90386fccae", "v5.0.5"),
    "actions/checkout": ("3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"),
    "actions/download-artifact": ("3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "v8.0.1"),
    "actions/setup-python": ("5fda3b95a4ea91299a34e894583c3862153e4b97", "v7.0.0"),
    "actions/upload-artifact": ("bbbca2ddaa5d8feaa63e36b76fdaad77386f024f", "v7.0.0"),
    "github/codeql-action": ("8aad20d150bbac5944a9f9d289da16a4b0d87c1e", "v4.36.2"),
    "sigstore/cosign-installer": ("6f9f17788090df1f26f669e9d70d6ae9567deba6", "v4.1.2"),
}

# https://docs.github.com/actions/reference/runners/github-hosted-runners
_RUNNER = "ubuntu-24.04"
_RUNNERS = {Platform("linux", "amd64"): _RUNNER, Platform("linux", "arm64"): "ubuntu-24.04-arm"}
"""Where a platform runs without emulation."""
_PYTHON = "3.13"
_TAG = "${{ inputs.version || github.event.release.tag_name }}"
"""Of the release: the event's, or what was typed by hand."""
_PUBLIC = "!github.event.repository.private"
"""Code scanning and attestations of private repositories are to be had on some plans alone."""
_ENVIRONMENT = "release"
"""Of GitHub, which may keep the secrets of a release and ask for approval."""
_DAYS = 7
"""That artifacts are kept."""
_VERSION, _PLATFORM = "BUILDSPEC_VERSION", "BUILDSPEC_PLATFORM"
"""Environment variables of jobs, which are no names of a specification's."""
_NAME = re.compile(rf"(?!(?:GITHUB_|RUNNER_|(?:{_VERSION}|{_PLATFORM})$))[A-Za-z_][A-Za-z0-9_]*", re.IGNORECASE)
"""Of secrets and variables that GitHub lets one set."""
_RUNNERS_OWN = frozenset({"CI", "HOME", "LANG", "LOGNAME", "PATH", "PWD", "SHELL", "TMPDIR", "USER"})
"""Environment variables that are there, and steps need."""
_REPORTS = "".join(f"{FOLDER}/{name}\n" for name in ("result.json", "summary.md", "tests.xml", "audit.sarif"))

# What images of several platforms need, and runners come without.
_STORE = """\
{ sudo cat /etc/docker/daemon.json 2>/dev/null || true; } |
  jq --slurp 'add // {} | .features["containerd-snapshotter"] = true' >"$RUNNER_TEMP/daemon.json"
sudo install -D -m 0644 "$RUNNER_TEMP/daemon.json" /etc/docker/daemon.json
sudo systemctl restart docker
docker info --format '{{.DriverStatus}}' | grep io.containerd.snapshotter
"""

Table = Mapping[str, Any]
"""Of YAML."""


class _Noted(str):
    """A value with a comment behind it."""

    __slots__ = ()


def release(spec: Spec, *, frozen: bool = False, install: Sequence[str] = ("nox",), asked: Iterable[str] = ()) -> str:
    """The workflow that releases a version: when it is published, or by hand.

    Args:
        spec: the specification, checked.
        frozen: builds refuse what `buildspec.lock` doesn't have.
        install: what pip installs to have nox and this program.
        asked: environment variables that the specification asks for.
    """
    fresh = _Steps(frozen=frozen, install=install, requirements=spec.generate.requirements, ref=f"refs/tags/{_TAG}")
    facts = f'"${_VERSION}" --platform "${_PLATFORM}" --build-number "$GITHUB_RUN_NUMBER"'
    secrets = _build_secrets(spec)
    jobs: dict[str, Table] = {
        "check": _check(fresh),
        "platform": {
            "name": "${{ matrix.platform }}",
            "needs": "check",
            **_matrix(spec, 120),
            **({"environment": _ENVIRONMENT} if secrets else {}),
            "permissions": {"contents": "read"},
            "env": {_VERSION: _TAG, _PLATFORM: "${{ matrix.platform }}"},
            "steps": [
                *fresh.begin(),
                *_machine(spec),
                *fresh.gates(facts, secrets),
                {"name": "Export", "run": f"nox -s export -- {facts}"},
                _upload("Hand over the images", "part-${{ matrix.name }}", f"{FOLDER}/part", missing="error"),
                _upload("Keep the reports", "reports-${{ matrix.name }}", _REPORTS, always=True),
            ],
        },
        "report": _report(spec),
    }
    if spec.release.registries:
        jobs["push"] = _push(spec, fresh)
    return _text(
        {
            "name": "Release",
            "on": {
                "release": {"types": ["published"]},
                "workflow_dispatch": {
                    "inputs": {
                        "version": {
                            "description": "Version to release, a tag of git: v2.0.0",
                            "required": True,
                            "type": "string",
                        }
                    }
                },
            },
            "permissions": {},
            **_variables(asked),
            "concurrency": {"group": f"release-{_TAG}", "cancel-in-progress": False},
            "defaults": {"run": {"shell": "bash"}},
            "jobs": jobs,
        }
    )


def pull_request(
    spec: Spec, *, frozen: bool = False, install: Sequence[str] = ("nox",), asked: Iterable[str] = ()
) -> str:
    """The workflow that says whether a pull request would build: it has no secrets, and pushes nothing.

    Args:
        spec: the specification, checked.
        frozen: builds refuse what `buildspec.lock` doesn't have.
        install: what pip installs to have nox and this program.
        asked: environment variables that the specification asks for.
    """
    merged = _Steps(frozen=frozen, install=install, requirements=spec.generate.requirements)
    return _text(
        {
            "name": "Pull request",
            "on": {"pull_request": {}},
            "permissions": {},
            **_variables(asked),
            "concurrency": {
                "group": "pull-request-${{ github.event.pull_request.number }}",
                "cancel-in-progress": True,
            },
            "defaults": {"run": {"shell": "bash"}},
            "jobs": {
                "check": _check(merged),
                "platform": {
                    "name": "${{ matrix.platform }}",
                    "needs": "check",
                    **_matrix(spec, 120),
                    "permissions": {"contents": "read"},
                    "env": {_PLATFORM: "${{ matrix.platform }}"},
                    "steps": [
                        *merged.begin(),
                        *_machine(spec),
                        *_cache(spec),
                        *merged.gates(f'--platform "${_PLATFORM}"'),
                        _upload("Keep the reports", "reports-${{ matrix.name }}", _REPORTS, always=True),
                    ],
                },
            },
        }
    )


# --- steps -----------------------------------------------------------------------------------------------------


class _Steps:
    """What several jobs begin with or have in common.

    Args:
        frozen: builds refuse what isn't locked.
        install: what pip installs, where there are no requirements.
        requirements: file of what it installs.
        ref: what is checked out; what the event is about when empty.
    """

    def __init__(self, *, frozen: bool, install: Sequence[str], requirements: str, ref: str = "") -> None:
        self.frozen = " --frozen" if frozen else ""
        self._install, self._requirements, self.ref = " ".join(install), requirements, ref

    def begin(self) -> list[Table]:
        """The sources, and nox."""
        checkout = {**({"ref": self.ref} if self.ref else {}), "persist-credentials": False}
        return [
            {"name": "Check out", "uses": _uses("actions/checkout"), "with": checkout},
            {"name": "Set up Python", "uses": _uses("actions/setup-python"), "with": {"python-version": _PYTHON}},
            self._nox(),
        ]

    def _nox(self) -> Table:
        install = "python -m pip install --quiet --no-input"
        if not self._requirements:
            return {"name": "Install nox", "run": f"{install} {self._install}"}
        env = {"REQUIREMENTS": _literal(self._requirements)}
        return {"name": "Install nox", "env": env, "run": f'{install} --requirement "$REQUIREMENTS"'}

    def gates(self, facts: str, secrets: Table | None = None) -> list[Table]:
        """What must pass; the second and third find in BuildKit's cache what the first built.

        Args:
            facts: options.
            secrets: of the build, for these steps and no others.
        """
        env = {"env": secrets} if secrets else {}
        return [
            {"name": verb.capitalize(), **env, "run": f"nox -s {verb} -- {facts}{self.frozen}"}
            for verb in ("build", "test", "audit")
        ]


def _check(steps: _Steps) -> Table:
    told = {"outputs": {"commit": "${{ steps.sources.outputs.commit }}"}} if steps.ref else {}
    noted = [
        {"name": "Note the commit", "id": "sources", "run": 'echo "commit=$(git rev-parse HEAD)" >>"$GITHUB_OUTPUT"'}
    ]
    return {
        "name": "Check",
        "runs-on": _RUNNER,
        "timeout-minutes": 10,
        "permissions": {"contents": "read"},
        **told,
        "steps": [
            *steps.begin(),
            *(noted if steps.ref else ()),
            {"name": "Check the specification", "run": f"nox -s check -- --format github{steps.frozen}"},
            {"name": "Check what is generated", "run": "nox -s generate -- --check"},
        ],
    }


def _matrix(spec: Spec, minutes: int) -> Table:
    """A job for each platform, on a machine of its own where there is one."""
    rows = [
        {
            "platform": str(one),
            "name": str(one).replace("/", "-"),
            "runner": _RUNNERS.get(one, _RUNNER),
            "emulated": one not in _RUNNERS,
        }
        for one in dict.fromkeys(spec.image.platforms)
    ]
    return {
        "strategy": {"fail-fast": False, "matrix": {"include": rows}},
        "runs-on": "${{ matrix.runner }}",
        "timeout-minutes": minutes,
    }


def _machine(spec: Spec) -> Iterator[Table]:
    """What a runner lacks."""
    yield {"name": "Keep images in containerd's store", "run": _STORE}
    install = "sudo apt-get update --quiet\nsudo apt-get install --quiet --yes --no-install-recommends"
    if set(spec.image.platforms) - _RUNNERS.keys():
        yield {
            "name": "Emulate the platform",
            "if": "${{ matrix.emulated }}",
            "run": f"{install} qemu-user-static\n",
        }
    if _assembles(spec):
        yield {
            "name": "Install what bases are assembled with",
            "run": f"{install} mmdebstrap debian-archive-keyring\n",
        }


def _assembles(spec: Spec) -> bool:
    return any(isinstance(base, DebianBase) for base in spec.bases.values())


def _cache(spec: Spec) -> Iterator[Table]:
    """Packages and bases. A release takes nothing from a cache: what a branch left there would get into it."""
    if not _assembles(spec):
        return
    key = "buildspec-${{ matrix.name }}-"
    yield {
        "name": "Cache packages and bases",
        "uses": _uses("actions/cache"),
        "with": {
            "path": "~/.cache/buildspec",
            "key": f"{key}${{{{ hashFiles('buildspec.toml', 'buildspec.lock') }}}}",
            "restore-keys": key,
        },
    }


def _upload(name: str, artifact: str, path: str, *, missing: str = "warn", always: bool = False) -> Table:
    return {
        "name": name,
        **({"if": "${{ !cancelled() }}"} if always else {}),
        "uses": _uses("actions/upload-artifact"),
        "with": {"name": artifact, "path": path, "if-no-files-found": missing, "retention-days": _DAYS},
    }


def _report(spec: Spec) -> Table:
    """Findings for code scanning, by a job that can write them and runs nothing of the project."""
    names = [str(one).replace("/", "-") for one in dict.fromkeys(spec.image.platforms)]
    return {
        "name": "Report ${{ matrix.name }}",
        "needs": ["check", "platform"],
        "if": f"${{{{ !cancelled() && {_PUBLIC} }}}}",
        "strategy": {"fail-fast": False, "matrix": {"name": names}},
        "runs-on": _RUNNER,
        "timeout-minutes": 10,
        "permissions": {"security-events": _Noted("write # findings for code scanning")},
        "steps": [
            {
                "name": "Fetch the reports",
                "continue-on-error": True,  # a build that failed has none
                "uses": _uses("actions/download-artifact"),
                "with": {"name": "reports-${{ matrix.name }}", "path": "reports"},
            },
            {
                "name": "Upload the findings",
                "if": "${{ hashFiles('reports/audit.sarif') != '' }}",
                "uses": _uses("github/codeql-action", "upload-sarif"),
                "with": {
                    "sarif_file": "reports/audit.sarif",
                    "category": "audit-${{ matrix.name }}",
                    "ref": f"refs/tags/{_TAG}",
                    "sha": "${{ needs.check.outputs.commit }}",
                },
            },
        ],
    }


# --- the release -----------------------------------------------------------------------------------------------


def _push(spec: Spec, steps: _Steps) -> Table:
    """It has the credentials, and builds nothing."""
    logins = [*_logins(spec)]
    hosts = [host for host, _ in logins]
    facts = f'"${_VERSION}" --build-number "$GITHUB_RUN_NUMBER"'
    key = spec.release.sign_key
    return {
        "name": "Push",
        "needs": "platform",
        "runs-on": _RUNNER,
        "timeout-minutes": 60,
        "environment": _ENVIRONMENT,
        "permissions": {
            "contents": "read",
            **({"packages": _Noted("write # images for ghcr.io")} if "ghcr.io" in hosts else {}),
            "id-token": _Noted("write # who signs the provenance"),
            "attestations": _Noted("write # where it is kept"),
        },
        "env": {_VERSION: _TAG},
        "steps": [
            *steps.begin(),
            {"name": "Keep images in containerd's store", "run": _STORE},
            *([{"name": "Install cosign", "uses": _uses("sigstore/cosign-installer")}] if key else ()),
            {
                "name": "Fetch the images",
                "uses": _uses("actions/download-artifact"),
                "with": {"pattern": "part-*", "path": f"{FOLDER}/parts"},
            },
            {"name": "Join", "run": f"nox -s join -- {facts}"},
            {
                "name": "Attest provenance",
                "if": f"${{{{ {_PUBLIC} }}}}",
                "uses": _uses("actions/attest"),
                "with": {"subject-checksums": f"{FOLDER}/subjects.sha256"},
            },
            *(login for _, login in logins),
            {
                "name": "Push",
                **({"env": signing} if (signing := _signing(key)) else {}),
                "run": f"nox -s push -- {facts}",
            },
            _upload(
                "Keep the reports",
                "release",
                "".join(f"{FOLDER}/{name}\n" for name in ("result.json", "summary.md", "release.json")),
                always=True,
            ),
        ],
    }


def _logins(spec: Spec) -> Iterator[tuple[str, Table]]:
    """For each registry the step that logs in: where GitHub's own is, with the job's token."""
    for host in dict.fromkeys(one.partition("/")[0] for one in spec.release.registries):
        own = host == "ghcr.io"
        name = secret_name(host)
        yield (
            host,
            {
                "name": _literal(f"Log in to {host}"),
                "env": {
                    "REGISTRY": _literal(host),
                    "USERNAME": "${{ github.actor }}" if own else f"${{{{ secrets.{name}_USERNAME }}}}",
                    "PASSWORD": "${{ github.token }}" if own else f"${{{{ secrets.{name}_PASSWORD }}}}",
                },
                "run": 'docker login --username "$USERNAME" --password-stdin "$REGISTRY" <<<"$PASSWORD"',
            },
        )


def secret_name(host: str) -> str:
    """What the secrets of a registry are called, but for `_USERNAME` and `_PASSWORD`: no two hosts share them.

    Args:
        host: of the registry, with its port if it has one.
    """
    marks = {"-": "__", ".": "_", ":": "_"}
    return "REGISTRY_" + "".join(marks.get(one, one if one.isalnum() else f"_X{ord(one):X}_") for one in host.upper())


def _signing(key: str) -> Table:
    """What signing reads: the key, if it is a variable, and its password."""
    if not key:
        return {}
    password = {"COSIGN_PASSWORD": "${{ secrets.COSIGN_PASSWORD }}"}
    scheme, _, name = key.partition("://")
    return {**_secrets([name] if scheme == "env" else []), **password}


def _build_secrets(spec: Spec) -> Table:
    """Secrets that the specification takes from the environment."""
    return _secrets(secret.env for secret in spec.secrets.values())


def _secrets(names: Iterable[str]) -> Table:
    """Variables, each with the secret of its name, where GitHub could have one."""
    return {name: f"${{{{ secrets.{name} }}}}" for name in sorted({*names}) if _NAME.fullmatch(name)}


def _variables(names: Iterable[str]) -> Table:
    """What the specification asks of the environment, from GitHub's variables of these names."""
    found = {name: f"${{{{ vars.{name} }}}}" for name in sorted({*names}) if _NAME.fullmatch(name)}
    found = {name: value for name, value in found.items() if name not in _RUNNERS_OWN}
    return {"env": found} if found else {}


def _uses(action: str, part: str = "") -> _Noted:
    commit, version = _ACTIONS[action]
    return _Noted(f"{action}{f'/{part}' if part else ''}@{commit} # {version}")


def _literal(text: str) -> str:
    """Text that GitHub evaluates nothing in."""
    return text.replace("${{", "${{ '${{' }}")


# --- YAML ------------------------------------------------------------------------------------------------------

_PLAIN = r"""[A-Za-z~$][A-Za-z0-9_ $~./@(){}"'|=!&,*<>+-]*[A-Za-z0-9_"'})]"""


def _text(document: Table) -> str:
    return "\n".join(_lines(document)) + "\n"


def _lines(value: Table) -> Iterator[str]:
    """A table, one key a line."""
    for key, one in value.items():
        match one:
            case dict() if one:
                yield f"{key}:"
                yield from _indented(_lines(one))
            case list() if any(isinstance(each, dict) for each in one):
                yield f"{key}:"
                for each in one:
                    first, *more = _lines(each)
                    yield f"  - {first}"
                    yield from _indented(_indented(more))
            case str() if "\n" in one:
                yield f"{key}: |"
                yield from _indented(one.splitlines())
            case _:
                yield f"{key}: {_flow(one)}"


def _indented(lines: Sequence[str] | Iterator[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _flow(value: Any) -> str:  # noqa: ANN401 - what YAML holds
    """A value within a line."""
    match value:
        case list():
            return f"[{', '.join(map(yaml.scalar, value))}]"
        case _Noted():
            return value
        case str():
            return yaml.scalar(value, _PLAIN)
        case _:
            return yaml.flow(value)
