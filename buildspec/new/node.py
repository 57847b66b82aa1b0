"""A Node project in, its specification out: modules as the lock file has them, and an image without a shell."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from typing import Any

import attrs

from buildspec.new import npm, project, start
from buildspec.new.project import Proposal, Wanted, array, string
from buildspec.new.start import Start

FILES = ("package.json",)
_SERVERS = {"express", "fastify", "koa", "hono", "@hapi/hapi", "@nestjs/core", "restify", "polka", "h3"}
_SOURCES = (".ts", ".mts", ".cts", ".tsx", ".js", ".mjs", ".cjs")
_GUIDE = "docs/guides/native-modules.md"
_HEALTH = "fetch('http://127.0.0.1:PORT/').then(r => process.exit(r.status < 500 ? 0 : 1), () => process.exit(1))"
_INSTALL = """\
# As package-lock.json has it. Install scripts don't run: they would compile for the builder, and run strangers' code.
RUN --mount=type=cache,target=/root/.npm \\
    npm ci {which} --ignore-scripts --no-audit --no-fund
"""
_SCRIPTED = """\
# Of these packages, scripts are part of the installation, so they may lack machine code ({guide} of
# buildspec says what to do): {names}
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
    start: Start
    """What starts; its file is relative to the project's folder."""
    made: bool
    """The build makes what starts."""
    port: int
    scripted: str
    """Packages of the image that have install scripts, as a text."""

    @property
    def entry(self) -> str:
        """The file that starts, relative to the project's folder."""
        return self.start.file


def propose(wanted: Wanted) -> Proposal:
    """What would be written for a Node project.

    Raises:
        UsageError: it has no lock file, is of a workspace, or nothing that is understood says what starts.
    """
    found = _look(wanted)
    files = {"buildspec.toml": _specification(wanted, found)}
    notes = []
    if found.modules:
        scripted = _SCRIPTED.format(guide=_GUIDE, names=found.scripted) if found.scripted else ""
        files["stages/dependencies.Dockerfile"] = scripted + _INSTALL.format(which="--omit=dev")
    if found.tools:
        files["stages/tools.Dockerfile"] = _INSTALL.format(which="--include=dev")
    if found.scripted:
        notes.append(f"install scripts don't run, and these packages have some: {found.scripted}; see {_GUIDE}")
    return Proposal(
        files=files, taken=f"starts {found.entry}, {project.served(wanted, found.port)}", notes=tuple(notes)
    )


def _look(wanted: Wanted) -> _Found:
    folder = wanted.folder
    manifest = npm.manifest(folder / "package.json")
    npm.refuse_workspaces(folder)
    scripts = project.table(manifest.get("scripts"))
    modules = bool(project.table(manifest.get("dependencies")) or project.table(manifest.get("optionalDependencies")))
    build, test = "build" in scripts, "no test specified" not in str(scripts.get("test", "no test specified"))
    tools = (build or test) and (modules or bool(project.table(manifest.get("devDependencies"))))
    begins = start.find(wanted, manifest, build=build)
    made = build and (begins.file.partition("/")[0] in start.MADE or not (folder / begins.file).is_file())
    files = npm.locked(folder) if modules or tools else ()
    return _Found(
        name=project.image_name(manifest.get("name"), folder),
        manifest=manifest,
        files=files,
        modules=modules,
        tools=tools,
        build=build,
        test=test,
        start=begins,
        made=made,
        port=_port(wanted, manifest, begins, made=made),
        scripted=npm.scripted(folder / files[1]) if modules else "",
    )


def _port(wanted: Wanted, manifest: Mapping[str, Any], begins: Start, *, made: bool) -> int:
    given = begins.env.get("PORT", "")
    if wanted.port is None and given.isascii() and given.isdecimal() and 0 < int(given[:6]) < 1 << 16:
        return int(given)
    source = project.text(wanted.folder / begins.file)
    if made:
        rest = posixpath.splitext(begins.file.partition("/")[2])[0]
        paths = (wanted.folder / f"{top}{rest}{end}" for top in ("src/", "") for end in _SOURCES)
        source += next((project.text(path) for path in paths if path.is_file()), "")
    server = not _SERVERS.isdisjoint(project.table(manifest.get("dependencies")))
    server = server or re.search(r"\.listen\(|\bcreateServer\(", source) is not None
    return project.port_of(wanted, source, server=server)


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
        project.generate(wanted.folder),
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
    above = "build" if found.build else below
    lines = ['gate = "test"', *([] if found.build else ['copy = ["."]']), 'run = ["npm test"]']
    about = "The project's own tests: no image gets a tag unless they pass."
    return project.document(build if found.build else "", _stage("test", about, above, *lines) if found.test else "")[
        :-1
    ]


def _production(wanted: Wanted, found: _Found) -> str:
    copies = []
    if found.modules:
        copies.append('{ from = "dependencies", path = "node_modules", to = "./node_modules" }')
    top = found.entry.partition("/")[0]
    loaded = [start.normal(one).partition("/")[0] for one in found.start.loaded if one.startswith(".")]
    if found.made:
        names = dict.fromkeys(["package.json", *(one for one in loaded if one != top)])
        copies += [*map(string, names), f'{{ from = "build", path = {string(top)}, to = {string(f"./{top}")} }}']
    else:
        names = dict.fromkeys(["package.json", top, *loaded, *project.delivered(wanted.folder)])
        if found.build:
            copies += [f'{{ from = "build", path = {string(one)}, to = {string(f"./{one}")} }}' for one in names]
            copies.append('# and what the build makes: { from = "build", path = "dist", to = "./dist" }')
        else:
            copies += map(string, names)
    command = ["node", *found.start.options, f"/app/{found.entry}", *found.start.arguments]
    return project.production(
        env=_env(found),
        copies=copies,
        entrypoint=f"{array(command)} # `node` becomes the base's own",
        port=found.port,
        ask=["node", "-e", _HEALTH],
    )


def _env(found: _Found) -> str:
    """Variables, with those of the start script; `--port` is stronger than its `PORT`."""
    env = {"NODE_ENV": "production", **found.start.env}
    if "PORT" in env and found.port:
        env["PORT"] = str(found.port)
    return f"{{ {', '.join(f'{name} = {string(value)}' for name, value in env.items())} }}"


def _profile(found: _Found, health: tuple[str, ...]) -> str:
    node = 'bases.node = { debian = "trixie", packages = ["nodejs", "npm"] }\n' if _built(found) else ""
    return (
        f"{project.PROFILE}\n{project.waivers(health, unpinned=False)}\n{node}"
        'bases.distroless = { debian = "trixie", packages = ["nodejs", "ca-certificates", "tzdata"], shell = false }'
    )
