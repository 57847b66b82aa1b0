"""A real registry on loopback, and a proxy before it that fails as it is told to."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import socket
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import attrs

PROGRAM = "docker-registry"
MISSING = f"{PROGRAM} isn't there; `scripts/quickstart --test` fetches it"
_SECONDS = 20


def program(name: str = PROGRAM) -> str | None:
    """A program of Debian's package of the same name, as `scripts/quickstart --test` unpacks it; None without one."""
    folder = Path(__file__).parents[2] / ".nox" / name
    places = (folder / "usr" / "bin" / name, folder / "bin" / name)
    return next((str(one) for one in places if one.is_file()), shutil.which(name))


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


@attrs.frozen
class Registry:
    """A registry that runs."""

    port: int
    folder: Path

    @property
    def host(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"


@contextmanager
def registry(folder: Path) -> Iterator[Registry]:
    """Run a registry that keeps its blobs in a folder; it is ended by its process id."""
    port = free_port()
    file = folder / "registry.yml"
    file.write_text(
        "version: 0.1\nlog: { level: error }\n"
        f"storage: {{ filesystem: {{ rootdirectory: {folder / 'blobs'} }}, delete: {{ enabled: true }} }}\n"
        f"http: {{ addr: '127.0.0.1:{port}' }}\n",
        encoding="utf-8",
    )
    found = program()
    assert found is not None, MISSING
    with (folder / "registry.log").open("wb") as log:
        child = subprocess.Popen([found, "serve", str(file)], stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        try:
            _until_it_answers(port, child)
            yield Registry(port, folder)
        finally:
            child.terminate()
            try:
                child.wait(timeout=_SECONDS)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def _until_it_answers(port: int, child: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + _SECONDS
    while time.monotonic() < end and child.poll() is None:
        try:
            with urlopen(f"http://127.0.0.1:{port}/v2/", timeout=1):
                return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("the registry doesn't answer")


# --- the proxy -------------------------------------------------------------------------------------------------


@attrs.frozen
class Asked:
    """A request that came to the proxy."""

    number: int
    """From 1."""
    method: str
    path: str
    sent: int
    """Bytes of its body."""
    status: int
    """Of the answer; 0 for none."""


@attrs.define
class Fault:
    """What goes wrong with requests of a kind."""

    method: str
    path: str
    """A regular expression that a part of the path matches."""
    kind: str
    """A status code; `reset`, `cut` (after the headers), `lost` (done, and not answered), `silent`, `slow`."""
    hits: int = 1
    """Times; -1 for ever."""
    headers: Mapping[str, str] = attrs.Factory(dict)
    number: int = 0
    """Of the request it is about, counted from 1; 0 for any."""

    def takes(self, method: str, path: str, number: int) -> bool:
        """Whether it is about this request, which then counts."""
        if self.hits == 0 or (self.number and number != self.number and self.hits > 0):
            return False
        if self.number and self.hits < 0 and number < self.number:
            return False
        if method != self.method and self.method != "*":
            return False
        if not re.search(self.path, path):
            return False
        self.hits -= 1 if self.hits > 0 else 0
        return True


@attrs.define
class Proxy:
    """A proxy before a registry."""

    target: int
    port: int
    faults: list[Fault] = attrs.Factory(list)
    asked: list[Asked] = attrs.Factory(list)
    before: Callable[[int], None] = lambda _: None
    """Called with the number of each request before it is passed on."""
    silence: float = 3600.0
    """Seconds that a silent fault says nothing."""
    _lock: threading.Lock = attrs.Factory(threading.Lock)
    _count: int = 0

    @property
    def host(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"

    def next(self, method: str, path: str) -> tuple[int, Fault | None]:
        """Number of a request, and what goes wrong with it."""
        with self._lock:
            self._count += 1
            number = self._count
            return number, next((one for one in self.faults if one.takes(method, path, number)), None)

    def uploads(self) -> list[Asked]:
        """Requests that brought blobs."""
        return [one for one in self.asked if "/blobs/uploads" in one.path and one.method in ("PUT", "PATCH", "POST")]

    def forget(self) -> None:
        """Begin to count anew, without faults."""
        with self._lock:
            self._count = 0
            self.faults.clear()
            self.asked.clear()


class _Handler(BaseHTTPRequestHandler):
    """Passes requests on, or fails as the proxy's faults say."""

    protocol_version = "HTTP/1.1"
    state: Proxy

    def _any(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        number, fault = self.state.next(self.command, self.path)
        self.state.before(number)
        status = self._answer(body, fault)
        self.state.asked.append(Asked(number, self.command, self.path, len(body), status))

    do_GET = do_HEAD = do_PUT = do_POST = do_PATCH = do_DELETE = _any  # noqa: N815 - as http.server has it

    def _answer(self, body: bytes, fault: Fault | None) -> int:
        kind = fault.kind if fault else ""
        if fault and kind.isdigit():
            return self._fail(int(kind), fault.headers)
        if kind == "silent":
            time.sleep(self.state.silence)
        if kind in ("silent", "reset"):
            return self._reset()
        return self._pass_on(body, kind)

    def _pass_on(self, body: bytes, kind: str) -> int:
        link = http.client.HTTPConnection("127.0.0.1", self.state.target, timeout=60)
        try:
            link.request(self.command, self.path, body or None, dict(self.headers.items()))
            answer = link.getresponse()
            data = answer.read()
        finally:
            link.close()
        if kind == "lost":
            return self._reset()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length", "date"):
                self.send_header(name, value.replace(f":{self.state.target}/", f":{self.state.port}/"))
        length = answer.getheader("Content-Length") if self.command == "HEAD" else str(len(data))
        self.send_header("Content-Length", length or "0")
        if kind == "cut":  # in the middle of the headers, as not every answer has a body
            self.wfile.write(b"".join(self._headers_buffer)[:40])  # type: ignore[attr-defined]
            return self._reset()
        self.end_headers()
        self.wfile.write(data)
        return answer.status

    def _fail(self, status: int, headers: Mapping[str, str]) -> int:
        data = json.dumps({"errors": [{"code": "FAULT", "message": "as told"}]}).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)
        return status

    def _reset(self) -> int:
        """End the connection at once; the files that were made of it would keep it open."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())
        return 0

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def handle_one_request(self) -> None:
        """As http.server does, without a word about clients that have gone."""
        try:
            super().handle_one_request()
        except (OSError, ValueError):
            self.close_connection = True

    def finish(self) -> None:
        """Likewise."""
        try:
            super().finish()
        except (OSError, ValueError):
            return


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Say nothing: connections end as they are told to."""

    def shutdown_request(self, request: Any) -> None:
        """End a connection that may have ended before."""
        try:
            super().shutdown_request(request)
        except OSError:
            return


@contextmanager
def proxy(target: int) -> Iterator[Proxy]:
    """Run a proxy before a registry."""
    state = Proxy(target, 0)
    server = _Server(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
    state.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
