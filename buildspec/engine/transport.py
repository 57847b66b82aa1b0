"""Requests to a registry: sent again where that may help, within a deadline, with the registry's own credentials."""

from __future__ import annotations

import base64
import random
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import IO, TYPE_CHECKING, Any, NoReturn
from urllib.parse import urljoin, urlsplit

import attrs

from buildspec.engine.credentials import Login
from buildspec.errors import MachineError

if TYPE_CHECKING:
    from requests import Response, Session

TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Answers after which the same request may succeed: RFC 9110, sections 15.5 and 15.6, and RFC 6585, section 4."""
CONNECT, READ = 10.0, 60.0
"""Seconds for a connection, and without a byte of an answer."""
_FIRST, _LONGEST = 0.2, 8.0
"""Seconds of the pauses between attempts, the first and the longest; each is twice the one before, and varied by a
quarter, so that clients that failed together don't come back together.
"""
_JITTER = 0.25
_GARBLED = "DIGEST_INVALID"
"""What a registry says of bytes with another digest. We have computed it, so they were changed on their way; or, with
distribution's own registry, somebody else is writing the same blob this moment, and its link is read while it is empty.
"""
_TIMES = 3
"""Times that is believed to pass."""
# Signs of what another attempt doesn't change, as OpenSSL and the resolvers of glibc, musl and macOS word it.
_HOPELESS = (
    (
        "CERTIFICATE_VERIFY_FAILED",
        "shows a certificate that this machine doesn't trust",
        "set BUILDSPEC_CA_BUNDLE to a file with the certificates of this network",
    ),
    ("WRONG_VERSION_NUMBER|RECORD_LAYER_FAILURE|UNKNOWN_PROTOCOL", "doesn't speak TLS", ""),
    (
        "Name or service not known|Name does not resolve|nodename nor servname|No address associated",
        "is a name that nobody knows here",
        "see release.registries, and whether this machine has a network",
    ),
)

Body = Callable[[], bytes | IO[bytes]]
"""Gives a request's body, once for each attempt."""


class RefusedError(MachineError):
    """A registry says no: the same request will not succeed.

    Args:
        status: of its answer; 0 for none.
        message: what was asked, and what it said.
    """

    def __init__(self, status: int, message: str, fix: str = "") -> None:
        super().__init__(message, fix)
        self.status = status


@attrs.define
class Deadline:
    """A moment after which nothing is begun any more."""

    at: float

    @classmethod
    def after(cls, seconds: float) -> Deadline:
        """So many seconds from now."""
        return cls(time.monotonic() + seconds)

    @property
    def left(self) -> float:
        """Seconds."""
        return self.at - time.monotonic()


@attrs.define
class Transport:
    """A registry's address, and how it is talked to."""

    base: str
    """`https://ghcr.io`."""
    login: Login | None
    session: Callable[[], Session]
    deadline: Deadline
    pause: Callable[[float], None] = time.sleep
    """Waits so many seconds, or raises."""
    patience: float = READ
    """Seconds without a byte of an answer."""
    requests: int = 0
    """Sent so far, attempts included."""
    _tokens: dict[str, str] = attrs.Factory(dict)
    """What a request carries, by the scope it is for."""
    _local: threading.local = attrs.Factory(threading.local)

    @property
    def host(self) -> str:
        """Of the registry."""
        return urlsplit(self.base).netloc

    def send(
        self,
        method: str,
        path: str,
        *,
        scope: str,
        wanted: frozenset[int],
        headers: Mapping[str, str] | None = None,
        body: Body | None = None,
        again: Callable[[], bool] = lambda: False,
    ) -> Response:
        """Send a request until it is answered as wanted.

        Args:
            method: of HTTP.
            path: below the registry's address, or a whole address that it gave.
            scope: of the token: `repository:acme/web:pull,push`.
            wanted: status codes that end it.
            headers: beside those of every request.
            body: of the request.
            again: asked after an attempt that failed: whether what was asked for has been done all the same.

        Raises:
            Done: an attempt failed, and `again` found that it has been done all the same.
            RefusedError: the registry says no, or there is no way to ask it.
            MachineError: it doesn't answer as wanted before the deadline.
        """
        attempt, renewed, garbled = 0, False, 0
        while True:
            why, wait = "", None
            try:
                answer = self._once(method, path, scope, headers or {}, body)
            except _failures() as error:
                why = self._transient(error)
            else:
                if answer.status_code in wanted:
                    return answer
                if answer.status_code == 401 and not renewed:
                    renewed = True
                    self._renew(scope, answer)
                    continue
                why = _told(answer)
                garbled += _GARBLED in why
                if answer.status_code not in TRANSIENT and not (_GARBLED in why and garbled <= _TIMES):
                    raise RefusedError(
                        answer.status_code, f"{self.host} refuses {method} {_short(path)}: {why}", _fix(answer)
                    )
                wait = retry_after(answer.headers.get("Retry-After", ""))
            attempt += 1
            if again():
                raise Done
            self._wait(wait if wait is not None else _backoff(attempt), f"{method} {_short(path)}", why)

    def _transient(self, error: Exception) -> str:
        """Why an attempt failed that another may follow.

        Raises:
            RefusedError: another would fail as this one did.
        """
        for sign, why, fix in _HOPELESS:
            if re.search(sign, str(error)):
                raise RefusedError(0, f"{self.host} {why}", fix) from error
        if not isinstance(error, _passing()):
            raise RefusedError(0, f"{self.host} can't be asked: {_reason(error)}") from error
        return _reason(error)

    def _wait(self, seconds: float, what: str, why: str) -> None:
        if self.deadline.left <= seconds:
            raise MachineError(
                f"{self.host} doesn't answer {what} in time: {why}", "run it again: what has been uploaded stays there"
            )
        self.pause(seconds)

    def _once(self, method: str, path: str, scope: str, headers: Mapping[str, str], body: Body | None) -> Response:
        address = urljoin(f"{self.base}/", path)
        sent = dict(headers)
        # another host, such as a store of blobs, gets no token of this one
        if urlsplit(address).netloc == self.host and (token := self._tokens.get(scope)):
            sent["Authorization"] = token
        left = max(0.05, self.deadline.left)
        self.requests += 1
        data = body() if body is not None else None
        try:
            return self._session().request(
                method,
                address,
                headers=sent,
                data=data,
                timeout=(min(CONNECT, left), min(self.patience, left)),
                allow_redirects=method in ("GET", "HEAD"),
            )
        finally:
            if data is not None and not isinstance(data, bytes):
                data.close()

    def _session(self) -> Session:
        """Of this thread: connections are kept, and aren't shared."""
        found: Session | None = getattr(self._local, "session", None)
        if found is None:
            found = self._local.session = self.session()
        return found

    # --- tokens: distribution.github.io/distribution/spec/auth/token ------------------------------------------------

    def _renew(self, scope: str, answer: Response) -> None:
        """Get what the registry asks for.

        Raises:
            RefusedError: there are no credentials, or they aren't good.
        """
        scheme, fields = _challenge(answer.headers.get("WWW-Authenticate", ""))
        if scheme == "basic" and self.login is not None:
            self._tokens[scope] = _basic(self.login)
        elif scheme == "bearer" and fields.get("realm"):
            self._tokens[scope] = f"Bearer {self._token(fields, scope)}"
        else:
            raise RefusedError(401, f"{self.host} wants a login", f"run `docker login {self.host}`")

    def _token(self, fields: Mapping[str, str], scope: str) -> str:
        asked = {"service": fields.get("service", ""), "scope": fields.get("scope") or scope}
        sent = {} if self.login is None else {"Authorization": _basic(self.login)}
        attempt = 0
        while True:
            wait, why = None, ""
            try:
                left = max(0.05, self.deadline.left)
                self.requests += 1
                answer = self._session().get(
                    fields["realm"], params=asked, headers=sent, timeout=(min(CONNECT, left), min(self.patience, left))
                )
            except _failures() as error:
                why = self._transient(error)
            else:
                if answer.status_code == 200:
                    return _token_of(answer) or self._no_token("its answer has none")
                why = _told(answer)
                if answer.status_code not in TRANSIENT:
                    self._no_token(why, answer.status_code)
                wait = retry_after(answer.headers.get("Retry-After", ""))
            attempt += 1
            self._wait(wait if wait is not None else _backoff(attempt), "for a token", why)

    def _no_token(self, why: str, status: int = 200) -> NoReturn:
        raise RefusedError(status, f"{self.host} gives no token: {why}", f"run `docker login {self.host}`")


class Done(Exception):  # noqa: N818 - no error at all
    """What was asked for has been done, though no answer said so."""


def _failures() -> type[Exception]:
    import requests

    return requests.exceptions.RequestException


def _passing() -> tuple[type[Exception], ...]:
    """What may not happen to another attempt."""
    import requests

    kinds = requests.exceptions
    return (kinds.ConnectionError, kinds.Timeout, kinds.ChunkedEncodingError, kinds.ContentDecodingError)


def _reason(error: Exception) -> str:
    text = str(error)
    match = re.search(
        r"\[Errno -?\d+\] ([^'\")]+)|(Read timed out|Connection aborted|RemoteDisconnected|refused)", text
    )
    return (match[1] or match[2]).lower() if match else type(error).__name__


def _token_of(answer: Response) -> str:
    try:
        told: dict[str, Any] = answer.json()
        return str(told.get("token") or told.get("access_token") or "")
    except (ValueError, AttributeError):
        return ""


def _told(answer: Response) -> str:
    """Status and message, as the distribution specification has errors, in one line without what steers a terminal."""
    try:
        errors = answer.json().get("errors") or [{}]
        said = ": ".join(str(errors[0][key]) for key in ("code", "message") if errors[0].get(key))
    except (ValueError, AttributeError, LookupError, TypeError):
        said = ""
    clean = "".join(one for one in said if one.isprintable())[:200]
    return f"HTTP {answer.status_code}" + (f" ({clean})" if clean else "")


def _fix(answer: Response) -> str:
    if answer.status_code in (401, 403):
        return f"run `docker login {urlsplit(answer.url).netloc}` with an account that may push there"
    return ""


def _short(path: str) -> str:
    return urlsplit(path).path if "://" in path else path.partition("?")[0]


def _basic(login: Login) -> str:
    return f"Basic {base64.b64encode(f'{login.user}:{login.password}'.encode()).decode()}"


def _challenge(header: str) -> tuple[str, Mapping[str, str]]:
    """Scheme, in small letters, and parameters of `WWW-Authenticate`: RFC 9110, section 11.6.1."""
    scheme, _, rest = header.partition(" ")
    return scheme.lower(), dict(re.findall(r'([A-Za-z]+)="([^"]*)"', rest))


def retry_after(header: str) -> float | None:
    """Seconds of `Retry-After`, which has seconds or a date: RFC 9110, section 10.2.3; None when it says nothing."""
    if header.isascii() and header.isdigit():
        return float(header)
    try:
        wait: timedelta = parsedate_to_datetime(header) - datetime.now(UTC)
    except (TypeError, ValueError):
        return None
    seconds: float = wait.total_seconds()
    return seconds if seconds > 0 else 0.0


def _backoff(attempt: int) -> float:
    pause = min(_LONGEST, _FIRST * 2.0 ** (attempt - 1))
    return pause * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311 - nothing to guess


@contextmanager
def done_is_fine() -> Iterator[None]:
    """Take what was done without an answer for done."""
    try:
        yield
    except Done:
        return
