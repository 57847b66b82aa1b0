"""A folder of files in, the specification of their server out: nginx without root, and with nothing to write to."""

from __future__ import annotations

import json
from pathlib import Path

from buildspec.errors import UsageError, quoted
from buildspec.new import project
from buildspec.new.project import Proposal, Wanted

FILES = ("index.html", "public/index.html")
_PORT = 8080
_NEVER = ("**/.*", "!**/.well-known", "**/*.key", "**/*.pem", "**/node_modules")
"""What no site has for its visitors, wherever it is."""
_BESIDE = ("**/*.md", "*compose*.y*ml", "venv", "**/__pycache__", "server", "package*.json", "docker-bake.json")
"""What isn't of the site in a folder that is the project's, too, beside what no build needs."""
_SERVER = """\
# Without root and without a file system to write to: what nginx writes goes to /tmp.
pid /tmp/nginx.pid;
error_log /dev/stderr warn;
worker_processes 2;

events {}

http {
    include /etc/nginx/mime.types;
    access_log /dev/stdout;
    server_tokens off;
    client_body_temp_path /tmp/body;
    proxy_temp_path /tmp/proxy;
    fastcgi_temp_path /tmp/fastcgi;
    uwsgi_temp_path /tmp/uwsgi;
    scgi_temp_path /tmp/scgi;

    server {
        listen PORT;
        root /srv/site;
        add_header X-Content-Type-Options nosniff always;

        # Of names that begin with a dot, those in /.well-known/ alone are for visitors.
        location ~ /\\.(?!well-known/) {
            return 404;
        }
    }
}
"""


def propose(wanted: Wanted) -> Proposal:
    """What would be written for a static site.

    Raises:
        UsageError: no server is to start, the folder has no site, or a build makes the site.
    """
    if wanted.port == 0:
        raise UsageError("what starts for static files is a server, which is nginx; leave out `--port 0`")
    port = wanted.port or _PORT
    site = _site(wanted)
    files = {
        "buildspec.toml": _specification(wanted, site, port),
        "server/nginx.conf": _SERVER.replace("PORT", str(port)),
    }
    notes = []
    if site == "dist":
        notes.append(
            "`nox -s bundle` puts its files into dist/, in place of what is there; build the site again after it"
        )
    return Proposal(files=files, taken=f"serves {site or 'this folder'}, listens on {port}", notes=tuple(notes))


def _site(wanted: Wanted) -> str:
    """The folder of the site; empty when it is the project's."""
    if not wanted.entry:
        if not (wanted.folder / FILES[0]).is_file():
            return "public"
        if _is_built(wanted.folder):
            raise UsageError(
                "package.json has a script `build`, so index.html may be what the site is built from",
                "say which folder is the site: `--entry dist`, once `npm run build` has made it, or `--entry .`",
            )
        return ""
    name = wanted.entry.removeprefix("./").rstrip("/") or "."
    if name.partition("/")[0] == "build":
        raise UsageError("build/ is where this program puts what it makes", "have the site in another folder")
    if not (name == "." or project.is_path(name)) or not (wanted.folder / name / FILES[0]).is_file():
        raise UsageError(
            f"{quoted(wanted.entry)} is no folder with an index.html", "nginx starts; `--entry` says what it serves"
        )
    return "" if name == "." else name


def _is_built(folder: Path) -> bool:
    try:
        manifest = project.table(json.loads(project.text(folder / "package.json") or "{}"))
    except (ValueError, RecursionError):
        return False
    return "build" in project.table(manifest.get("scripts"))


def _context(folder: Path, site: str) -> str:
    if site:
        return f"# The site: all of this folder but what is named here.\n{project.context(_NEVER, site, common=())}"
    ours = [one for one in project.IGNORED if not one.startswith(".")]
    ours += [] if (folder / "dist").exists() else ["dist"]  # which `nox -s bundle` makes
    return (
        "# The site: all of this folder but what is named here; in a folder of its own it would need no such list.\n"
        + project.context([*ours, *_BESIDE], common=_NEVER)
    )


def _specification(wanted: Wanted, site: str, port: int) -> str:
    asked = project.array(["wget", "-q", "-O", "/dev/null", f"http://127.0.0.1:{port}/"])
    return project.document(
        f"{project.HEAD}\n{project.waivers()}",
        project.image(project.image_name("", wanted.folder)),
        _context(wanted.folder, site),
        '[contexts.server-files]\npath = "server"',
        f"""\
# nginx, and wget to ask for its health. This one has a shell, being Alpine's; that of the profile below has none.
[bases.server]
image = "docker.io/library/nginx:stable-alpine-slim"
family = "alpine"
programs = {{ nginx = "/usr/sbin/nginx" }}

{project.USER}

[stages.production]
from = "server"
users = ["app"]
copy = [
  {{ from = "server-files", path = "nginx.conf", to = "/etc/nginx/nginx.conf" }},
  {{ path = ".", to = "/srv/site" }},
]
user = "app"
entrypoint = ["nginx", "-g", "daemon off;"]
expose = ["{port}"]
healthcheck = {{ test = {asked}, interval = "30s", timeout = "5s", start-period = "10s", start-interval = "2s" }}
stop-signal = "SIGQUIT" # lets answers that are under way come to their end
{project.BUDGET}

# Against the built image, on every platform; emulated ones take their time to start.
[tests.becomes-healthy-and-ends-when-asked]
healthy = "2m"
stop = {{ within = "10s" }}
timeout = "3m"
files = {{ "/srv/site/index.html" = {{ owner = "0:0" }} }}""",
        project.RUNTIME,
        # a build empties its folder, and what else is in it with that
        project.generate(wanted.folder, site, without=[".dockerignore"] if site and _is_built(wanted.folder) else []),
        f"""\
{project.PROFILE}
{project.waivers(unpinned=False)}
bases.server = {{ debian = "trixie", packages = ["nginx", "wget"], shell = false }}""",
    )
