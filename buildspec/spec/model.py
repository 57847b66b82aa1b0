"""The typed specification: every table of the language as a frozen class, documented under each field.

Parser, schema and reference are derived from these classes; there is no second list of names.
"""

# Annotations are evaluated here, not kept as text: all who derive something from them would have to compile them.
from collections.abc import Mapping
from typing import Literal

import attrs

from buildspec.spec.values import Digest, Duration, Mode, Platform, Reference, Signal, Size

Var = str | int | float | bool
Command = str | tuple[str, ...]
"""An array is run as it stands (exec form), a string by the image's shell (shell form)."""


def toml_key(name: str) -> str:
    """The key in TOML of a field: `runs_on` is `runs-on`, `from_` is `from`."""
    return name.rstrip("_").replace("_", "-")


@attrs.frozen(repr=False, kw_only=True)
class EnvironmentVar:
    """A variable of `[vars]` that an environment variable of this machine gives: `{ env = "BUILD_NUMBER" }`."""

    env: str
    """Name of the environment variable."""
    default: Var | None = None
    """Value where it isn't set or is empty, which also tells its type; without one, it is a string and must be set."""


@attrs.frozen(repr=False, kw_only=True)
class Image:
    """`[image]`: what is delivered, and for whom."""

    name: str
    """Repository name, without registry and tag: `claude-flow`."""
    platforms: tuple[Platform, ...]
    """What every delivered image is built for."""
    deliver: Mapping[str, str]
    """Delivered stages, each with its tag suffix: `{ production = "", runtime = "alpine" }`."""
    title: str = ""
    """Label `org.opencontainers.image.title`."""
    description: str = ""
    """Label `org.opencontainers.image.description`."""
    source: str = ""
    """Address of the source repository; label `org.opencontainers.image.source`."""
    licenses: str = ""
    """SPDX licence expression; label `org.opencontainers.image.licenses`."""


@attrs.frozen(repr=False, kw_only=True)
class Context:
    """`[context]`: the files a build may copy."""

    path: str = "."
    """Folder, relative to the specification."""
    ignore: tuple[str, ...] = ()
    """Patterns, as in `.dockerignore`, of files that are never sent to the engine."""


@attrs.frozen(repr=False, kw_only=True)
class NamedContext:
    """`[contexts.<name>]`: another folder that stages may copy from, by its name in `from`."""

    path: str
    """Folder, relative to the specification."""


@attrs.frozen(repr=False, kw_only=True)
class ImageBase:
    """A base that a registry holds."""

    image: Reference
    """Image reference: `docker.io/library/node:20-alpine`."""
    family: str = ""
    """What the image is made of: `alpine`, `debian`, `distroless-node`, … (all are in the reference)."""
    digest: Digest | None = None
    """Index digest; the tag is then only a name."""
    programs: Mapping[str, str] = attrs.Factory(dict)
    """Programs the base has beyond its family's, with their absolute paths."""


@attrs.frozen(repr=False, kw_only=True)
class DebianBase:
    """A base assembled from Debian packages; needs no image registry."""

    debian: str
    """Debian suite: `trixie`."""
    packages: tuple[str, ...]
    """Packages the base is made of; what they depend on comes along."""
    shell: bool = True
    """`false`: a distroless base, without shell and package manager."""
    exclude: tuple[str, ...] = ()
    """Path patterns of files that are left out."""
    family: str = ""
    """Seldom needed: the traits follow from the packages."""
    programs: Mapping[str, str] = attrs.Factory(dict)
    """Programs the base has beyond those of well-known packages, with their absolute paths."""


Base = ImageBase | DebianBase
BASE_KINDS: Mapping[str, type[ImageBase | DebianBase]] = {"image": ImageBase, "debian": DebianBase}
"""Class of a base by the key that tells it."""


@attrs.frozen(repr=False, kw_only=True)
class User:
    """`[users.<name>]`: an account that stages may create and run as."""

    uid: int
    """User id, 1 to 65533."""
    gid: int
    """Group id; the group is named like the user."""
    home: str = ""
    """Home folder; `/home/<name>` when empty. It is not created."""


@attrs.frozen(repr=False, kw_only=True)
class Secret:
    """`[secrets.<name>]`: where a build secret comes from, and where steps find it."""

    file: str = ""
    """File on this machine; `~` is the home folder."""
    env: str = ""
    """Environment variable on this machine; it wins over `file`."""
    target: str = ""
    """File inside the step; `/run/secrets/<name>` when neither this nor `as-env` is given."""
    as_env: tuple[str, ...] = ()
    """Environment variables inside the step that hold the value."""
    optional: bool = False
    """Steps run without it when this machine has none."""


@attrs.frozen(repr=False, kw_only=True)
class Copy:
    """An element of `copy`; a bare string is a path of the context, which keeps its place under `workdir`."""

    path: str
    """File, folder or pattern in the context, or absolute or relative to `workdir` in the stage `from`."""
    from_: str = ""
    """Stage, base or name of `[contexts]` it is copied from; the context when empty."""
    to: str = ""
    """Destination; `./` and the path when empty."""
    owner: str = ""
    """User of `[users]` that owns the copies; root when empty."""
    mode: Mode | None = None
    """Permissions in octal, `0755`; those of the file when absent."""


# Docker's own defaults: docs.docker.com/reference/dockerfile/#healthcheck
_HALF_A_MINUTE = Duration(30_000)
_NO_TIME = Duration(0)


@attrs.frozen(repr=False, kw_only=True)
class Healthcheck:
    """`healthcheck`: how an engine asks a container whether it is well."""

    test: Command
    """The command; exit code 0 is healthy."""
    interval: Duration = _HALF_A_MINUTE
    """Time between two checks."""
    timeout: Duration = _HALF_A_MINUTE
    """A check that takes longer has failed."""
    start_period: Duration = _NO_TIME
    """Failures within this time after the start don't count."""
    start_interval: Duration | None = None
    """Time between two checks during `start-period`."""
    retries: int = 3
    """Failures in a row until the container is unhealthy."""


@attrs.frozen(repr=False, kw_only=True)
class Budget:
    """`budget`: the most a stage's image may weigh, for each platform. A bare size is the unpacked one."""

    unpacked: Size | None = None
    """Bytes of all files in all layers."""
    compressed: Size | None = None
    """Bytes a registry ships."""


@attrs.frozen(repr=False, kw_only=True)
class Stage:
    """`[stages.<name>]`: a step of the image, in the fixed order of these fields."""

    from_: str
    """Base or stage it starts from; `scratch` is the empty one."""
    runs_on: Literal["target", "build"] | None = None
    """`build`: once, on the builder's platform, for every target. Without it, where the stage in `from` runs."""
    gate: Literal["test", "audit"] | None = None
    """A leaf that must pass before any image gets a tag."""
    on_unavailable: Literal["fail", "warn"] = "fail"
    """What it means for an audit gate that the service could not be asked."""
    args: Mapping[str, str] = attrs.Factory(dict)
    """Build arguments with their values."""
    packages: tuple[str, ...] = ()
    """System packages, by the names of the base's package manager."""
    users: tuple[str, ...] = ()
    """Users of `[users]` that the stage's image knows."""
    workdir: str = ""
    """Working folder; created when absent."""
    env: Mapping[str, str] = attrs.Factory(dict)
    """Environment of the commands and of the image."""
    copy: tuple[Copy, ...] = ()
    """Files from the context or from other stages."""
    secrets: tuple[str, ...] = ()
    """Secrets mounted into every command of the stage."""
    run: tuple[str, ...] = ()
    """A command or two; longer ones belong in `stages/<name>.Dockerfile`."""
    user: str = ""
    """User of `[users]`, or `uid:gid`, that the image runs as."""
    entrypoint: Command = ()
    """The program the image runs."""
    cmd: Command = ()
    """Its default arguments."""
    healthcheck: Healthcheck | None = None
    """How to ask whether a container is well."""
    volumes: tuple[str, ...] = ()
    """Folders that outlive a container."""
    expose: tuple[str, ...] = ()
    """Ports: `8080`, `53/udp`."""
    labels: Mapping[str, str] = attrs.Factory(dict)
    """Labels beyond those of `[image]`."""
    stop_signal: Signal | None = None
    """Signal that asks the program to end, by name or number; SIGTERM when absent."""
    budget: Budget = attrs.Factory(Budget)
    """The most the stage's image may weigh."""


@attrs.frozen(repr=False, kw_only=True)
class Text:
    """What a text must be. A bare string is a part of it."""

    equals: str | None = None
    """All of it, to the last line end."""
    contains: tuple[str, ...] = ()
    """Parts of it."""
    matches: str = ""
    """A regular expression, as Python reads it, that fits somewhere; `^` and `$` are ends of lines."""


@attrs.frozen(repr=False, kw_only=True)
class TestFile:
    """A path of the container when the test has ended. A bare boolean says whether it is there."""

    exists: bool = True
    """Whether it is there."""
    owner: str = ""
    """Numbers of user and group, `1001:1001`; any when empty."""
    mode: Mode | None = None
    """Permissions in octal; any when absent."""
    content: Text = attrs.Factory(Text)
    """What is in it."""


_SECONDS_TO_STOP = Duration(10_000)


@attrs.frozen(repr=False, kw_only=True)
class Stop:
    """`stop`: the container is asked to end, and must."""

    after: str = ""
    """Text on an output that tells that it runs; without one, it is asked when it is healthy, or after a second."""
    signal: Signal | None = None
    """What it is asked by; the image's own stop signal when absent."""
    within: Duration = _SECONDS_TO_STOP
    """Time it has to end."""


_TIME_OF_A_TEST = Duration(60_000)


@attrs.frozen(repr=False, kw_only=True)
class Test:
    """`[tests.<name>]`: what a container of a built image must do, on every platform, confined as `[runtime]` says."""

    run: tuple[str, ...] = ()
    """Arguments given to the entrypoint; the image's own `cmd` when empty."""
    entrypoint: tuple[str, ...] = ()
    """Another program, and its first arguments; the image's own when empty."""
    image: str = ""
    """Delivered stage; every one of them when empty."""
    env: Mapping[str, str] = attrs.Factory(dict)
    """Environment beyond that of `[runtime]`."""
    stdin: str = ""
    """What it reads."""
    mount: Mapping[str, str] = attrs.Factory(dict)
    """Files and folders of this repository it can read: path in the container, path relative to the specification."""
    network: bool = False
    """It has one; without, it reaches itself alone."""
    exit: int = 0
    """Exit code."""
    stdout: Text = attrs.Factory(Text)
    """Standard output."""
    stderr: Text = attrs.Factory(Text)
    """Standard error."""
    files: Mapping[str, TestFile] = attrs.Factory(dict)
    """Files and folders when it has ended, by absolute path."""
    healthy: Duration | None = None
    """Time within which it must become healthy; it is then ended, and its exit code doesn't count without `stop`."""
    stop: Stop | None = None
    """It is asked to end, and must."""
    timeout: Duration = _TIME_OF_A_TEST
    """Time the whole test has."""


@attrs.frozen(repr=False, kw_only=True)
class Audit:
    """`[audit]`: what the audit of built images asks for beyond its rules."""

    licenses: tuple[str, ...] = ()
    """SPDX identifiers of licences that packages may have; any when empty."""
    attestations: tuple[Literal["provenance", "sbom"], ...] = ()
    """What every image must carry."""


@attrs.frozen(repr=False, kw_only=True)
class Runtime:
    """`[runtime]`: how the image is run. What a container needs of it is in every delivered image."""

    env: Mapping[str, str] = attrs.Factory(dict)
    """Environment of the container; its defaults in the image."""
    required_env: tuple[str, ...] = ()
    """Variables a container refuses to start without; the image has none of them, but their names in REQUIRED_ENV."""
    env_exempt: tuple[str, ...] = ()
    """First arguments for which `required-env` isn't asked; in the image as ENV_EXEMPT."""
    volumes: tuple[str, ...] = ()
    """Folders that outlive a container; in the image as volumes that belong to its `user`."""
    memory: str = ""
    """Memory limit: `512m`."""
    cpus: float | None = None
    """CPU limit, in cores."""
    pids: int = 256
    """Most processes and threads at once: more than services need, and too few for one that multiplies."""
    read_only: bool = True
    """The root file system can't be written."""
    tmpfs: tuple[str, ...] = ()
    """Folders in memory that can: `/tmp`, or with options of its own, `/tmp:size=128m`; 64 MiB otherwise."""
    command: tuple[str, ...] = ()
    """Arguments that a service is started with, in `compose.yaml`; the image's own `cmd` when empty."""


@attrs.frozen(repr=False, kw_only=True)
class Release:
    """`[release]`: where images go, under which tags."""

    registries: tuple[str, ...] = ()
    """Registry and namespace: `ghcr.io/badal-io`."""
    tags: tuple[str, ...] = ()
    """Tag patterns: `v{version}`, `v{major}.{minor}`, `latest`, `build-{build}`, `commit-{commit}`."""
    app: str = ""
    """Folder of the application in the delivered images, which `bundle` also writes by itself: `/app`."""
    sign_key: str = ""
    """What digests are signed with before a tag points at them: a file, `env://NAME`, or the address of a key service
    as cosign has it (`awskms://…`). SBOM and test results are attached, signed as well. Unsigned when empty.
    """


GeneratedFile = Literal[
    "Dockerfile",
    "docker-bake.json",
    ".dockerignore",
    "compose.yaml",
    "buildspec.schema.json",
    ".github/workflows/release.yml",
    ".github/workflows/pull-request.yml",
]
"""What `nox -s generate` writes; `report/generated.py` has what makes each."""


@attrs.frozen(repr=False, kw_only=True)
class Generate:
    """`[generate]`: what `nox -s generate` writes beside the specification."""

    files: tuple[GeneratedFile, ...] | None = None
    """Files; all of them when absent, none when empty. `.dockerignore` goes into the folder of `[context]`."""
    requirements: str = ""
    """File of what pip installs in workflows, nox and this program with it; from its index, by name, when empty."""


@attrs.frozen(repr=False, kw_only=True)
class Waiver:
    """`[[waivers]]`: a finding that is known, and may be."""

    rule: str
    """Name of the rule: `unpinned-base`, or one of the audit: `setuid-file`."""
    at: str = ""
    """Where it may be found; anywhere when empty. Of a check: a path such as `bases.node`, and all below it.
    Of an audit: a path in the image, `/bin/su` or `/usr/lib/**`, perhaps after the delivered stage and a colon.
    """
    reason: str
    """Why."""
    until: str = ""
    """Last day on which it holds: `2027-06-30`; without end when empty."""


@attrs.frozen(repr=False, kw_only=True)
class Spec:
    """The whole of `buildspec.toml`, with profiles and overrides applied and variables filled in."""

    spec: Literal[1]
    """Version of the language."""
    image: Image
    """What is delivered."""
    stages: Mapping[str, Stage]
    """The stages, by name."""
    bases: Mapping[str, Base] = attrs.Factory(dict)
    """What stages start from, by name."""
    vars: Mapping[str, Var | EnvironmentVar] = attrs.Factory(dict)
    """Values for `${name}`, and the environment variables that give some."""
    context: Context = attrs.Factory(Context)
    """The files a build may copy."""
    contexts: Mapping[str, NamedContext] = attrs.Factory(dict)
    """Other folders, by name."""
    users: Mapping[str, User] = attrs.Factory(dict)
    """Accounts, by name."""
    secrets: Mapping[str, Secret] = attrs.Factory(dict)
    """Build secrets beyond the well-known ones, by name."""
    tests: Mapping[str, Test] = attrs.Factory(dict)
    """Tests of the built images, by name."""
    audit: Audit = attrs.Factory(Audit)
    """What the audit asks for."""
    runtime: Runtime = attrs.Factory(Runtime)
    """How the image is run."""
    release: Release = attrs.Factory(Release)
    """Where it goes."""
    generate: Generate = attrs.Factory(Generate)
    """What is written for other tools."""
    waivers: tuple[Waiver, ...] = ()
    """Findings that are known, and may be."""
