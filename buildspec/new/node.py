"""A Node project in, its specification out: modules as the lock file has them, and an image without a shell."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs

from buildspec.errors import UsageError, quoted
from buildspec.new import project
from buildspec.new.project import Wanted, array, string

FILES = ("package.json",)
_SERVERS = {"express", "fastify", "koa", "hono", "@hapi/hapi", "@nestjs/core", "restify", "polka", "h3"}
_MADE = {"dist", "build", "out", "lib"}
"""Folders that build scripts write."""
_HEALTH = "fetch('http://127.0.0.1:PORT/').then(r => process.exit(r.status < 500 ? 0 : 1), () => process.exit(1))"
_INSTALL = """\
# As package-lock.json has it. Install scripts don't run: they would compile for the builder, and run strangers' code.
RUN --mount=type=cache,target=/root/.npm \\
    npm ci {which} --ignore-scripts --no-audit --no-fund
"""


@attrs.frozen(kw_only=True)
class _Found:
    """What was found out about a project."""

    name: str
    manifest: Mapping[str, Any]
    files: tuple[str, ...]
    """That `npm ci` reads."""
    modules: bool
    """It needs modules when it runs."""
    tools: bool
    """It needs modules to be built or tested."""
    build: bool
    test: bool
    entry: str
    made: bool
    """The build makes what starts."""
    port: int


def propose(wanted: Wanted) -> dict[str, str]:
    """The files for a Node project, by path.

    Raises:
        UsageError: it has no lock file, or nothing says what starts.
    """
    found = _look(wanted)
    files = {"buildspec.toml": _specification(wanted, found)}
    if found.modules:
        files["stages/dependencies.Dockerfile"] = _INSTALL.format(which="--omit=dev")
    if found.tools:
        files["stages/tools.Dockerfile"] = _INSTALL.format(which="--include=dev")
    return files


def _look(wanted: Wanted) -> _Found:
    folder = wanted.folder
    try:
        manifest = project.table(json.loads(project.text(folder / "package.json")))
    except (ValueError, RecursionError) as error:
        raise UsageError(f"package.json isn't JSON: {error}") from error
    scripts = project.table(manifest.get("scripts"))
    modules = bool(project.table(manifest.get("dependencies")) or project.table(manifest.get("optionalDependencies")))
    build, test = "build" in scripts, "no test specified" not in str(scripts.get("test", "no test specified"))
    tools = (build or test) and (modules or bool(project.table(manifest.get("devDependencies"))))
    entry = _entry(wanted, manifest, str(scripts.get("start", "")), build=build)
    source = project.text(folder / entry)
    server = not _SERVERS.isdisjoint(project.table(manifest.get("dependencies")))
    server = server or re.search(r"\.listen\(|\bcreateServer\(", source) is not None
    return _Found(
        name=project.image_name(manifest.get("name"), folder),
        manifest=manifest,
        files=_locked(folder) if modules or tools else (),
        modules=modules,
        tools=tools,
        build=build,
        test=test,
        entry=entry,
        made=build and (entry.partition("/")[0] in _MADE or not (folder / entry).is_file()),
        port=project.port_of(wanted, source, server=server),
    )


def _locked(folder: Path) -> tuple[str, ...]:
    """The manifest, the lock file, and the project's own settings of npm."""
    lock = next((one for one in ("npm-shrinkwrap.json", "package-lock.json") if (folder / one).is_file()), "")
    if not lock:
        other = next((one for one in ("pnpm-lock.yaml", "yarn.lock", "bun.lock") if (folder / one).is_file()), "")
        why = f"{other} is another package manager's" if other else "there is no package-lock.json"
        message = f"{why}, and modules are installed as npm's lock file has them"
        raise UsageError(message, "`npm install --package-lock-only` writes one; commit it, and run this again")
    return ("package.json", lock, *([".npmrc"] if (folder / ".npmrc").is_file() else []))


def _entry(wanted: Wanted, manifest: Mapping[str, Any], start: str, *, build: bool) -> str:
    """The file that starts, relative to the folder."""
    command = re.fullmatch(r"\s*(?:\w+=\S+\s+)*node\s+(?:--?[\w=:./-]+\s+)*([^-\s]\S*)(?:\s.*)?", start)
    programs = manifest.get("bin")
    programs = [programs] if isinstance(programs, str) else list(project.table(programs).values())
    given = [wanted.entry] if wanted.entry else [command[1] if command else "", manifest.get("main"), *programs]
    names = [
        posixpath.normpath(one.strip("'\""))
        for one in [*given, *([] if wanted.entry else ["index.js"])]
        if one and isinstance(one, str)
    ]
    for name in names:
        if not name.startswith(("/", "..")) and project.is_path(name):
            if (wanted.folder / name).is_file() or (build and name.partition("/")[0] in _MADE and "/" in name):
                return name
            for one in (f"{name}.js", f"{name}/index.js"):
                if (wanted.folder / one).is_file():
                    return one
    why = f"{quoted(wanted.entry)} isn't there" if wanted.entry else "package.json doesn't say which file starts"
    raise UsageError(
        why, 'give it a start script such as "node server.js", or "main", or say it here: `--entry server.js`'
    )


def _specification(wanted: Wanted, found: _Found) -> str:
    reason = "a command that ends, not a service"
    health = () if found.port else project.without_health(reason)
    tested = project.server_tests if found.port else project.command_tests
    return project.document(
        f"{project.HEAD}\n{project.waivers(health)}",
        project.image(found.name, found.manifest.get("description"), found.manifest.get("license")),
        project.context(["**/node_modules", "coverage", *(["dist"] if found.made else [])]),
        _bases(found),
        project.USER,
        _dependencies(found),
        _checked(found),
        _production(wanted, found),
        tested(f"/app/{found.entry}"),
        project.RUNTIME,
        _profile(found, health),
    )


def _built(found: _Found) -> bool:
    return found.modules or found.build or found.test


def _bases(found: _Found) -> str:
    node = '[bases.node]\nimage = "docker.io/library/node:24-trixie-slim"\n\n' if _built(found) else ""
    what = "Node.js with npm, to build with; and without a shell, to deliver" if node else "Node.js without a shell"
    return f'# {what}.\n{node}[bases.distroless]\nimage = "gcr.io/distroless/nodejs24-debian13"'


def _stage(name: str, about: str, from_: str, *lines: str) -> str:
    start = (
        ['from = "node"', 'runs-on = "build"', 'workdir = "/app"'] if from_ == "node" else [f"from = {string(from_)}"]
    )
    return "\n".join([f"# {about}", f"[stages.{name}]", *start, *lines])


def _dependencies(found: _Found) -> str:
    lines = [f"copy = {array(found.files)}", 'secrets = ["npmrc", "ca-bundle", "proxy"]']
    return project.document(
        _stage("dependencies", "What it needs when it runs.", "node", *lines) if found.modules else "",
        _stage("tools", "What building and testing needs, too.", "node", *lines) if found.tools else "",
    )[:-1]


def _checked(found: _Found) -> str:
    below = "tools" if found.tools else "node"
    build = _stage(
        "build",
        "Sources on top, so that a changed line installs nothing again.",
        below,
        'copy = ["."]',
        'run = ["npm run build"]',
    )
    start = "build" if found.build else below
    lines = ['gate = "test"', *([] if found.build else ['copy = ["."]']), 'run = ["npm test"]']
    about = "The project's own tests: no image gets a tag unless they pass."
    return project.document(build if found.build else "", _stage("test", about, start, *lines) if found.test else "")[
        :-1
    ]


def _production(wanted: Wanted, found: _Found) -> str:
    copies = []
    if found.modules:
        copies.append('{ from = "dependencies", path = "node_modules", to = "./node_modules" }')
    if found.made:
        top = found.entry.partition("/")[0]
        copies += [string("package.json"), f'{{ from = "build", path = {string(top)}, to = {string(f"./{top}")} }}']
    else:
        top = found.entry.partition("/")[0]
        names = dict.fromkeys(["package.json", top, *project.delivered(wanted.folder)])
        if found.build:
            copies += [f'{{ from = "build", path = {string(one)}, to = {string(f"./{one}")} }}' for one in names]
            copies.append('# and what the build makes: { from = "build", path = "dist", to = "./dist" }')
        else:
            copies += map(string, names)
    test = array(["node", "-e", _HEALTH.replace("PORT", str(found.port))])
    served = [
        f'expose = ["{found.port}"]',
        "# asks the server itself; give it a path of its own if `/` is dear",
        f"healthcheck = {{ test = {test}, {project.PATIENT} }}",
    ]
    return "\n".join(
        [
            "# What is delivered: no shell, no package manager, files that belong to root.",
            "[stages.production]",
            'from = "distroless"',
            'users = ["app"]',
            'workdir = "/app"',
            'env = { NODE_ENV = "production" }',
            "copy = [",
            *(f"  {one}{'' if one.startswith('#') else ','}" for one in copies),
            "]",
            'user = "app"',
            f"entrypoint = {array(['node', f'/app/{found.entry}'])} # `node` becomes the base's own",
            *(served if found.port else []),
            project.BUDGET,
        ]
    )


def _profile(found: _Found, health: tuple[str, ...]) -> str:
    node = 'bases.node = { debian = "trixie", packages = ["nodejs", "npm"] }\n' if _built(found) else ""
    return (
        f"{project.PROFILE}\n{project.waivers(health, unpinned=False)}\n{node}"
        'bases.distroless = { debian = "trixie", packages = ["nodejs", "ca-certificates", "tzdata"], shell = false }'
    )
