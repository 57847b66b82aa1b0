"""A folder of files in, the specification of their server out: nginx without root, and with nothing to write to."""

from __future__ import annotations

from buildspec.errors import UsageError
from buildspec.new import project
from buildspec.new.project import Wanted

FILES = ("index.html", "public/index.html")
_PORT = 8080
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
    }
}
"""


def propose(wanted: Wanted) -> dict[str, str]:
    """The files for a static site, by path.

    Raises:
        UsageError: something else is to start, or no server.
    """
    if wanted.entry or wanted.port == 0:
        raise UsageError("what starts for static files is a server, which is nginx; leave out `--entry` and `--port 0`")
    port = wanted.port or _PORT
    folder = "" if (wanted.folder / FILES[0]).is_file() else "public"
    return {
        "buildspec.toml": _specification(wanted, folder, port),
        "server/nginx.conf": _SERVER.replace("PORT", str(port)),
    }


def _specification(wanted: Wanted, folder: str, port: int) -> str:
    asked = project.array(["wget", "-q", "-O", "/dev/null", f"http://127.0.0.1:{port}/"])
    return project.document(
        f"{project.HEAD}\n{project.waivers()}",
        project.image(project.image_name("", wanted.folder)),
        "# The site; what else is in its folder isn't served.\n"
        + project.context(["server", ".venv", "**/node_modules", "package*.json"], folder),
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
        f"""\
{project.PROFILE}
{project.waivers(unpinned=False)}
bases.server = {{ debian = "trixie", packages = ["nginx", "wget"], shell = false }}""",
    )
