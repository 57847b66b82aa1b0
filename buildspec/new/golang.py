"""A Go project in, its specification out: one static program, made for each platform on the builder's own."""

from __future__ import annotations

import re
from pathlib import Path

from buildspec.errors import UsageError, quoted
from buildspec.new import project
from buildspec.new.project import Proposal, Wanted

FILES = ("go.mod",)
_MAIN = re.compile(r"^package main\b", re.MULTILINE)
_SERVERS = re.compile(r"\bListenAndServe\w*\(|\bnet\.Listen\(|\.Listen\(")
_ADDRESS = re.compile(r'"[\w.]*:(\d{2,5})"')
_REASON = "its image has the program alone; give it a command that asks the one that runs, and name it in `healthcheck`"
_COMMAND = "a command that ends, not a service"
_COMPILE = """\
# The compiler makes programs for any platform, so nothing is emulated.
ARG TARGETARCH
RUN --mount=type=cache,target=/cache \\
    GOMODCACHE=/cache/modules GOCACHE=/cache/build CGO_ENABLED=0 GOOS=linux GOARCH="$TARGETARCH" \\
    go build -trimpath -buildvcs=false -ldflags="-s -w" -o /out/{name} {package}
"""
_TEST = """\
RUN --mount=type=cache,target=/cache \\
    GOMODCACHE=/cache/modules GOCACHE=/cache/build CGO_ENABLED=0 go vet ./... && \\
    GOMODCACHE=/cache/modules GOCACHE=/cache/build CGO_ENABLED=0 go test ./...
"""


def propose(wanted: Wanted) -> Proposal:
    """What would be written for a Go project.

    Raises:
        UsageError: go.mod isn't one, modules aren't locked, or several programs could be meant.
    """
    manifest = project.text(wanted.folder / "go.mod")
    module = re.search(r"^module\s+\"?([^\s\"]+)", manifest, re.MULTILINE)
    if module is None:
        raise UsageError("go.mod has no line `module`", "`go mod init` writes one")
    if re.search(r"^\s*(?:require\s+)?[\w./~-]+\.[\w./~-]+\s+v\d", manifest, re.MULTILINE) and not _locked(
        wanted.folder
    ):
        raise UsageError("go.mod requires modules, and there is no go.sum", "`go mod tidy` writes one; commit it")
    package = _package(wanted)
    path = re.sub(r"/v\d+$", "", module[1])
    name = project.image_name(path if package == "." else package, wanted.folder)
    source = "\n".join(project.text(file) for file in sorted((wanted.folder / package).glob("*.go")))
    port = _port(wanted, source)
    generate = project.generate(wanted.folder)
    files = {
        "buildspec.toml": _specification(name, port, generate, handles="signal.Notify" in source),
        "stages/compile.Dockerfile": _COMPILE.format(name=name, package=package),
        "stages/test.Dockerfile": _TEST,
    }
    return Proposal(files=files, taken=f"compiles {package}, {project.served(wanted, port)}")


def _locked(folder: Path) -> bool:
    return (folder / "go.sum").is_file() or (folder / "vendor").is_dir()


def _package(wanted: Wanted) -> str:
    """The package of the program, as `go build` takes it."""
    folder = wanted.folder
    if wanted.entry:
        name = wanted.entry.removeprefix("./").rstrip("/") or "."
        if (name == "." or project.is_path(name)) and _is_main(folder / name):
            return name if name == "." else f"./{name}"
        raise UsageError(f"{quoted(wanted.entry)} is no folder with a `package main`")
    if _is_main(folder):
        return "."
    found = sorted(path.name for path in folder.glob("cmd/*") if project.is_path(path.name) and _is_main(path))
    if len(found) == 1:
        return f"./cmd/{found[0]}"
    if found:
        ways = " or ".join(f"`--entry cmd/{one}`" for one in found)
        raise UsageError(f"there are {len(found)} programs in cmd/", f"say which one the image is of: {ways}")
    raise UsageError("no `package main` here or in cmd/", "say where it is: `--entry FOLDER`")


def _is_main(folder: Path) -> bool:
    return any(
        _MAIN.search(project.text(file)) for file in sorted(folder.glob("*.go")) if not file.name.endswith("_test.go")
    )


def _port(wanted: Wanted, source: str) -> int:
    server = _SERVERS.search(source) is not None
    address = _ADDRESS.search(source)
    if wanted.port is None and server and address and int(address[1]) < 1 << 16:
        return int(address[1])
    return project.port_of(wanted, source, server=server)


def _specification(name: str, port: int, generate: str, *, handles: bool) -> str:
    health = project.without_health(_REASON if port else _COMMAND)
    expose = f'expose = ["{port}"]\n' if port else ""
    stops = _SERVER_TESTS if handles else f"{_SERVER_TESTS}{_UNHANDLED}"
    tests = stops if port else project.command_tests(f"/{name}")
    return project.document(
        f"{project.HEAD}\n{project.waivers(health)}",
        project.image(name),
        project.context(["dist", "**/*.md"]),
        _BASES,
        project.USER,
        f"""\
# One program, without a C library; go.sum says which modules.
[stages.compile]
from = "go"
runs-on = "build"
workdir = "/src"
copy = ["."]
secrets = ["go-proxy", "ca-bundle", "proxy"]

# The project's own tests: no image gets a tag unless they pass.
[stages.test]
from = "go"
runs-on = "build"
gate = "test"
workdir = "/src"
copy = ["."]
secrets = ["go-proxy", "ca-bundle", "proxy"]

# What is delivered: certificates, time zones, and the program.
[stages.production]
from = "static"
users = ["app"]
copy = [{{ from = "compile", path = "/out/{name}", to = "/{name}" }}]
user = "app"
entrypoint = ["/{name}"]
{expose}{project.BUDGET}""",
        tests,
        project.RUNTIME,
        generate,
        f"""\
{project.PROFILE}
{project.waivers(health, unpinned=False)}
bases.go = {{ debian = "trixie", packages = ["golang-go", "ca-certificates"], programs = {{ go = "/usr/bin/go" }} }}
bases.static = {{ debian = "trixie", packages = ["ca-certificates", "tzdata"], shell = false }}""",
    )


_BASES = """\
# The compiler, and what a static program wants beside it.
[bases.go]
image = "docker.io/library/golang:1-alpine"
family = "alpine"
programs = { go = "/usr/local/go/bin/go" }

[bases.static]
image = "gcr.io/distroless/static-debian13"

# A network's own module proxy; without one, go asks the public one.
[secrets.go-proxy]
env = "GOPROXY"
as-env = ["GOPROXY"]
optional = true"""
_SERVER_TESTS = """\
# Against the built image, on every platform.
[tests.ends-when-asked]
stop = { within = "10s" }
timeout = "3m\""""
_UNHANDLED = "\nexit = 2 # Go's own end by a signal; 0 once the program handles SIGTERM"
