"""REST APIs over HTTP/1.1: one pooled client per connection, credentials by connection type, failures in the engine's terms.

It never retries and never follows a redirect: a write that was lost is resolved by reading, and a redirect would carry
the credentials to a place nobody wrote down. Answers are bounded, TLS is verified, and credentials do not leave over plain
HTTP except to this machine.
"""

from __future__ import annotations

import base64
import ipaddress
import json as json_module
import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal
from urllib.parse import SplitResult, quote, urlsplit

import httpx

from engine import __version__
from engine.model.complaint import complaint_of
from engine.model.errors import ActionFailure, Permanent, Temporary, WriteRefused
from engine.model.secret import Redactor, Secret
from engine.model.values import dataclass
from engine.ports import HttpReply

Deadline = Callable[[], float]
Settings = Mapping[str, object]

READING = frozenset({"GET", "HEAD", "OPTIONS"})
MOST_BYTES = 16 * 1024 * 1024
"""The largest answer taken. A longer one is not what a REST API says about one object."""
_CONNECT_S = 10.0
_CONNECTIONS = 64
_CHUNK = 1 << 16
_EPOCH_LIKE = 1_000_000_000
"""``x-ratelimit-reset`` holds seconds to wait (Telnyx) or, past this, a point in time (GitHub and others)."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What sets one connection type apart."""

    url: str
    """The base URL when the connection names none; empty: it must."""
    auth: Callable[[Settings], str | None]
    """The value of the Authorization header."""
    credentials: str
    """The settings to look at when credentials are refused."""
    placeholders: Mapping[str, str]
    """What may stand in paths, spelt as the API's documentation does -> the setting that fills it in."""


def warm_up() -> None:
    """Has httpx import now what it else imports with its first client: for who forks."""
    httpx.Client(trust_env=False).close()


class HttpPool:
    """Clients by connection name, kept for a run. Safe to use from several threads."""

    def __init__(self) -> None:
        self._clients: dict[str, httpx.Client] = {}
        self._lock = threading.Lock()

    def session(self, name: str, kind: str, settings: Settings, read_only: bool, deadline: Deadline) -> HttpSession:
        """A session on connection ``name`` of one of the types in ``_KINDS``.

        ``deadline`` tells the seconds left for an exchange. Raises ``Permanent`` for settings that cannot work.
        """
        endpoint = _endpoint_of(name, _KINDS[kind], settings)
        with self._lock:
            client = self._clients.get(name)
            if client is None:
                client = self._clients[name] = _client(endpoint, settings)
        return HttpSession(client, endpoint, read_only, deadline)

    def close(self) -> None:
        """Closes every connection."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()


@dataclass(frozen=True, slots=True)
class _Endpoint:
    """Where requests go and with which headers. Its representation never leaves this module."""

    name: str
    base: str
    host: str
    is_loopback: bool
    headers: Mapping[str, str]
    placeholders: Mapping[str, str]
    credentials: str
    redact: Redactor

    def url_of(self, path: str) -> str:
        """The address of ``path``. Raises ``Permanent`` when it would lead away from the connection's own host."""
        parts = urlsplit(path)
        if parts.scheme or parts.netloc:
            raise Permanent(
                f"connection '{self.name}': {self.redact(path)} is a whole address; credentials of a connection are only sent"
                " to its own 'url', so give the path alone"
            )
        for placeholder, value in self.placeholders.items():
            path = path.replace(placeholder, value)
        return self.base + (path if path.startswith("/") else f"/{path}")


class HttpSession:
    """One item's exchanges with a REST API; see ``ports.HttpSession``."""

    __slots__ = ("_client", "_deadline", "_endpoint", "_read_only")

    def __init__(self, client: httpx.Client, endpoint: _Endpoint, read_only: bool, deadline: Deadline) -> None:
        self._client = client
        self._endpoint = endpoint
        self._read_only = read_only
        self._deadline = deadline

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: object = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpReply:
        """One exchange within the deadline. ``path`` is already percent-encoded; twilio's ``{AccountSid}`` and netsapiens'
        ``{domain}`` in it are filled in from the connection.

        Raises ``WriteRefused`` before anything is sent when the session is read-only; ``Temporary`` for 408, 425, 429, 5xx
        and every failure of the network; ``Permanent`` for 401, 403, an untrusted certificate and answers over 16 MiB.
        """
        method = method.upper()
        if self._read_only and method not in READING:
            raise WriteRefused(f"{method} {path} on '{self._endpoint.name}' was refused: this session may only read")
        attempt = _Attempt(self._endpoint, method, path)
        try:
            request = self._client.build_request(
                method, self._endpoint.url_of(path), params=params, json=json, data=None if form is None else dict(form),
                headers={**self._endpoint.headers, **(headers or {})}, timeout=self._timeout(attempt),
            )
        except httpx.InvalidURL as error:
            raise Permanent(f"{attempt}: this path cannot be sent: {error}. Nothing was sent") from None
        reply = self._exchange(request, attempt)
        _raise_for(reply, attempt)
        return reply

    def _timeout(self, attempt: _Attempt) -> httpx.Timeout:
        left = self._deadline()
        if left <= 0:
            raise Temporary(f"{attempt}: timed out before it was sent; nothing was done")
        return httpx.Timeout(left, connect=min(left, _CONNECT_S))

    def _exchange(self, request: httpx.Request, attempt: _Attempt) -> HttpReply:
        try:
            response = self._client.send(request, stream=True)
            try:
                body = self._body(response, attempt)
            finally:
                response.close()
        except httpx.HTTPError as error:
            raise attempt.failure(error) from error
        headers = {name.lower(): value for name, value in response.headers.items()}
        return HttpReply(response.status_code, headers, body, parsed(headers, body))

    def _body(self, response: httpx.Response, attempt: _Attempt) -> bytes:
        parts, size = [], 0
        for part in chunks(response):
            size += len(part)
            if size > MOST_BYTES:
                raise Permanent(f"{attempt}: the answer is longer than {MOST_BYTES >> 20} MiB; is 'url' really the API's?")
            if self._deadline() <= 0:
                raise Temporary(f"{attempt}: timed out while the answer came in; {attempt.unknown}")
            parts.append(part)
        return b"".join(parts)


def chunks(response: httpx.Response) -> Iterator[bytes]:
    """The body of an answer, piece by piece."""
    return response.iter_bytes(_CHUNK) if response.headers.get("content-length") != "0" else iter(())


# ---------------------------------------------------------------- failures


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One exchange, as failures name it. The path is shown as asked for, so that no filled-in setting is."""

    endpoint: _Endpoint
    method: str
    path: str

    def __str__(self) -> str:
        return self.endpoint.redact(f"{self.method} {self.path} on '{self.endpoint.name}' ({self.endpoint.host})")

    @property
    def unknown(self) -> str:
        """What is known of the effect when no answer came."""
        if self.method in READING:
            return "nothing was changed"
        return "whether it was done is not known: it will be read back before anything is tried again"

    def failure(self, error: httpx.HTTPError) -> ActionFailure:
        """The failure of the network or of TLS, in the operator's words."""
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
            return self._unreached(error)
        if isinstance(error, httpx.PoolTimeout):
            return Temporary(f"{self}: all {_CONNECTIONS} connections were busy until time ran out; nothing was sent")
        if isinstance(error, httpx.TimeoutException):
            return Temporary(f"{self}: no answer in time; {self.unknown}")
        if isinstance(error, httpx.UnsupportedProtocol | httpx.ProxyError):
            return Permanent(f"{self}: {self.endpoint.redact(str(error))}; check 'url' and the proxy settings of this machine")
        if isinstance(error, httpx.LocalProtocolError):
            return Permanent(
                f"{self}: this request cannot be sent as HTTP; look for a line break or blank in {self.endpoint.credentials}"
                f" and in 'headers' of connection '{self.endpoint.name}'. Nothing was sent"
            )
        if isinstance(error, httpx.DecodingError):
            return Temporary(f"{self}: the answer is compressed and broken; {self.unknown}")
        return Temporary(f"{self}: the connection was lost before the answer was complete; {self.unknown}")

    def _unreached(self, error: httpx.HTTPError) -> ActionFailure:
        causes = list(_causes(error))
        for cause in causes:
            if isinstance(cause, ssl.SSLCertVerificationError):
                return Permanent(
                    f"{self}: its certificate is not trusted ({cause.verify_message}). If it is signed by a company's own"
                    f" authority, name that one's certificate in 'ca_file' of connection '{self.endpoint.name}'; otherwise"
                    " somebody may be between here and there. Nothing was sent"
                )
            if isinstance(cause, ssl.SSLError):
                return Permanent(f"{self}: TLS failed ({cause.reason}); does the port in 'url' speak https? Nothing was sent")
        if any(isinstance(cause, socket.gaierror) for cause in causes):
            return Temporary(f"{self}: the name {self.endpoint.host} was not found; check 'url' and the DNS. Nothing was sent")
        if isinstance(error, httpx.ConnectTimeout):
            return Temporary(f"{self}: no connection in time; check that a firewall lets it through. Nothing was sent")
        return Temporary(f"{self}: could not connect; check that it is up and 'url' is right. Nothing was sent")


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _raise_for(reply: HttpReply, attempt: _Attempt) -> None:
    status = reply.status
    said = attempt.endpoint.redact(complaint_of(reply.data))
    told = f": {said}" if said else ""
    if status in (401, 403):
        verb = "were not accepted" if status == 401 else "do not allow this"
        raise Permanent(
            f"{attempt}: {status}, the credentials {verb}{told}. Check {attempt.endpoint.credentials} of connection"
            f" '{attempt.endpoint.name}', and what they are entitled to"
        )
    if status == 429:
        raise Temporary(f"{attempt}: 429, too many requests{told}; it was not carried out", wait_of(reply.headers))
    if status in (408, 425):
        raise Temporary(f"{attempt}: {status}, the server gave up waiting{told}; {attempt.unknown}", wait_of(reply.headers))
    if status >= 500 and status not in (501, 505):  # those two say that it never will
        raise Temporary(f"{attempt}: {status}, the server failed{told}; {attempt.unknown}", wait_of(reply.headers))


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Seconds the server asks to wait: Retry-After (RFC 9110, seconds or a date), else ``x-ratelimit-reset``."""
    asked = headers.get("retry-after", "").strip()
    if asked:
        seconds = _number(asked)
        return seconds if seconds is not None else _seconds_until(asked, headers)
    reset = _number(headers.get("x-ratelimit-reset", "").strip())
    if reset is not None and reset > _EPOCH_LIKE:
        return max(0.0, reset - _server_time(headers).timestamp())
    return reset


def _seconds_until(date: str, headers: Mapping[str, str]) -> float | None:
    then = _date(date)
    return None if then is None else max(0.0, (then - _server_time(headers)).total_seconds())


def _server_time(headers: Mapping[str, str]) -> datetime:
    # By the server's own clock where it tells it: the one here may be wrong.
    return _date(headers.get("date", "")) or datetime.now(UTC)


def _date(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"\d{1,12}(\.\d+)?", text) else None


def parsed(headers: Mapping[str, str], body: bytes) -> Any:
    """The body when it is JSON; None when it is not."""
    # Some APIs send JSON as text/html; the first byte tells.
    if "json" not in headers.get("content-type", "") and body[:1] not in (b"{", b"["):
        return None
    try:
        return json_module.loads(body)
    except (ValueError, RecursionError):  # nested deeper than anything meant to be read
        return None


# ---------------------------------------------------------------- settings


def _endpoint_of(name: str, kind: _Kind, settings: Settings) -> _Endpoint:
    base = _text(settings.get("url")) or kind.url
    parts = urlsplit(base)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise Permanent(f"connection '{name}': 'url' must look like https://host/path")
    if parts.username or parts.password:
        raise Permanent(f"connection '{name}': 'url' holds credentials; put them into settings of their own, as references")
    headers = _headers(kind, settings)
    is_loopback = on_loopback(parts.hostname)
    has_credentials = len(headers) > len(_OWN_HEADERS)
    if parts.scheme == "http" and has_credentials and not is_loopback and settings.get("allow_plain") is not True:
        raise Permanent(
            f"connection '{name}': 'url' is plain http, so {kind.credentials} could be read on the way to {parts.hostname}."
            " Use https, or set 'allow_plain: true' where the network itself is protected"
        )
    return _Endpoint(
        name, base.rstrip("/"), _host_of(parts), is_loopback, headers,
        {mark: quote(_text(settings.get(setting)), safe="") for mark, setting in kind.placeholders.items()},
        kind.credentials, Redactor(_secrets(settings)),
    )


_OWN_HEADERS = {"User-Agent": f"switchover/{__version__}", "Accept": "application/json, */*;q=0.1"}


def _headers(kind: _Kind, settings: Settings) -> dict[str, str]:
    headers = dict(_OWN_HEADERS)
    authorization = kind.auth(settings)
    if authorization is not None:
        headers["Authorization"] = authorization
    extra = settings.get("headers")
    if isinstance(extra, Mapping):
        headers |= {str(header): _text(value) for header, value in extra.items()}
    return headers


def _client(endpoint: _Endpoint, settings: Settings) -> httpx.Client:
    return httpx.Client(
        # Reading the list of authorities takes longer than many exchanges: not for plain HTTP, which has no use for it.
        verify=_trust(endpoint.name, settings) if endpoint.base.startswith("https:") else False,
        follow_redirects=False,
        # A proxy of this machine's environment is for the outside world; the lab is not there.
        trust_env=not endpoint.is_loopback,
        limits=httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS, keepalive_expiry=30),
    )


def _trust(name: str, settings: Settings) -> ssl.SSLContext | Literal[False]:
    if settings.get("verify") is False:
        return False
    ca_file = _text(settings.get("ca_file"))
    try:
        if ca_file:
            return ssl.create_default_context(cafile=ca_file)
        context = httpx.create_ssl_context()
        context.load_default_certs()  # what this machine's owner trusts, beside the bundled list
    except (OSError, ssl.SSLError) as error:
        raise Permanent(f"connection '{name}': 'ca_file' {ca_file} cannot be used: {error}") from None
    return context


def _bearer(setting: str, scheme: str = "Bearer") -> Callable[[Settings], str | None]:
    def auth(settings: Settings) -> str | None:
        token = _text(settings.get(setting))
        return f"{scheme} {token}" if token else None

    return auth


def _basic(username: str, password: str) -> Callable[[Settings], str | None]:
    def auth(settings: Settings) -> str | None:
        user = _text(settings.get(username))
        pair = f"{user}:{_text(settings.get(password))}".encode()
        return f"Basic {base64.b64encode(pair).decode()}" if user else None

    return auth


def _bearer_or_basic(settings: Settings) -> str | None:
    return _bearer("token")(settings) or _basic("username", "password")(settings)


def _rt_token_or_basic(settings: Settings) -> str | None:
    return _bearer("token", "token")(settings) or _basic("username", "password")(settings)


def _jira_token(settings: Settings) -> str | None:
    """An API token belongs to an e-mail address; a token without one is OAuth's."""
    return _basic("username", "token")(settings) or _bearer("token")(settings)


_KINDS: Mapping[str, _Kind] = {
    "http": _Kind("", _bearer_or_basic, "'token', or 'username' and 'password',", {}),
    "telnyx": _Kind("https://api.telnyx.com", _bearer("api_key"), "'api_key'", {}),
    "twilio": _Kind(
        "https://api.twilio.com", _basic("account_sid", "auth_token"), "'account_sid' and 'auth_token'",
        {"{AccountSid}": "account_sid"},
    ),
    "netsapiens": _Kind("", _bearer("token"), "'token'", {"{domain}": "domain"}),
    "servicenow": _Kind("", _bearer_or_basic, "'token', or 'username' and 'password',", {}),
    "jira": _Kind("", _jira_token, "'username' and 'token'", {}),
    "rt": _Kind("", _rt_token_or_basic, "'token', or 'username' and 'password',", {}),
}


def _text(value: object) -> str:
    if isinstance(value, Secret):
        return value.reveal()
    return "" if value is None else str(value)


def _secrets(value: object) -> Iterator[str]:
    if isinstance(value, Secret):
        yield value.reveal()
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _secrets(entry)


def _host_of(parts: SplitResult) -> str:
    return parts.netloc.rpartition("@")[2]


def on_loopback(host: str) -> bool:
    """Whether a host's name or address can only be this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
