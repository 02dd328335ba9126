"""SIP requests outside a dialog, over UDP: "are you there" (OPTIONS) and "fetch your file again" (NOTIFY, check-sync).

A NOTIFY nobody subscribed to is outside RFC 6665, and what every desk phone takes as a resync from the proxy it trusts. Its
200 says "heard", never "done"; the proof is that the phone fetches its file, and that is not this module's to know.

Each request is a non-INVITE client transaction (RFC 3261, 17.1.2): sent again after 0.5, 1, 2, 4, 4 ... seconds until a final
answer comes with its branch and CSeq. Answers are taken from whoever sends them: proxies answer from another address than the
one they were asked at, and the branch, 128 random bits, is what tells a real answer.
"""

from __future__ import annotations

import contextlib
import secrets
import select
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence

from engine.model.errors import Permanent, Temporary, WriteRefused
from engine.model.secret import Secret
from engine.model.values import dataclass
from engine.ports import SipReply
from engine.transports import sip_message as sip
from engine.transports.udp import Address, Endpoint, open_socket, refusal, resolve, send

Deadline = Callable[[], float]

T1_S = 0.5
"""RFC 3261, table 4: estimate of the round trip."""
T2_S = 4.0
"""The longest pause between repetitions."""
TIMER_F_S = 64 * T1_S
"""A non-INVITE transaction ends after this long without a final answer."""

PASSING = frozenset({408, 480, 503, 504})
"""Timed out further on, phone not registered now, overloaded, next hop silent: ``notify`` raises ``Temporary`` for these."""


class SipPool:
    """Sessions that resolve each host once. One per process; safe to use from any thread."""

    def __init__(self) -> None:
        self._endpoints: dict[tuple[str, int], Endpoint] = {}
        self._lock = threading.Lock()

    def session(self, settings: Mapping[str, object], read_only: bool, deadline: Deadline) -> SipSession:
        """A session for a connection of type ``sip``."""
        return SipSession(settings, read_only, deadline, self)

    def endpoint(self, host: str, port: int) -> Endpoint:
        """Raises what ``udp.resolve`` raises."""
        with self._lock:
            known = self._endpoints.get((host, port))
        if known is None:
            known = resolve(host, port)
            with self._lock:
                self._endpoints[host, port] = known
        return known

    def close(self) -> None:
        """Nothing stays open between requests."""


class SipSession:
    """Requests sent by one proxy or phone. Implements ``ports.SipSession``.

    Settings: ``host`` and ``port`` (5060), where datagrams go, whatever the request URI says; ``username`` and ``password`` for
    digest challenges; ``domain``, the right side of the From address (``host`` when not set); ``transport``, ``udp`` only.
    """

    def __init__(
        self, settings: Mapping[str, object], read_only: bool, deadline: Deadline, pool: SipPool | None = None
    ) -> None:
        """Raises ``Permanent`` for a setting that makes no sense. Sends nothing."""
        self._settings = _Settings.of(settings)
        self._read_only = read_only
        self._deadline = deadline
        self._pool = pool or SipPool()

    def options(self, uri: str) -> SipReply:
        """Asks whether anybody is there. Every final answer is returned, a 480 or 503 too: it is what was asked for.

        Raises ``Temporary`` when none comes, ``Permanent`` for a URI that is none.
        """
        headers = [("Accept", "application/sdp")]
        return _reply(self._ask("OPTIONS", uri, headers, b""))

    def notify(self, uri: str, event: str, *, content_type: str = "", body: bytes = b"") -> SipReply:
        """An unsolicited NOTIFY. Answers are returned as they are, with two exceptions.

        Raises ``Temporary`` for 408, 480, 503 and 504, with the wait asked for, and when no answer comes; ``Permanent`` for 401
        and 407 that the credentials did not settle, and for a URI or event that cannot be sent.
        """
        if self._read_only:
            raise WriteRefused(f"NOTIFY {event} to {uri} was refused: nothing may be changed here now")
        if not sip.is_event(event):
            raise Permanent(f"{event!r} cannot stand in an Event header; write it like check-sync;reboot=false")
        headers = [("Event", event), ("Subscription-State", "terminated;reason=noresource")]
        if body:
            headers.append(("Content-Type", content_type or "text/plain"))
        response = self._ask("NOTIFY", uri, headers, body)
        self._require_settled(f"NOTIFY {event} to {uri}", response)
        return _reply(response)

    def _require_settled(self, what: str, response: sip.Response) -> None:
        said = f"{self._settings.name} answered {response.status} {response.reason}".rstrip()
        if response.status in PASSING:
            raise Temporary(f"{what}: {said}", response.retry_after_s())
        if response.status in {401, 407}:
            advice = (
                "it does not accept the username and password of the connection"
                if self._settings.password is not None
                else "it asks for a login; set 'username' and 'password' on the connection"
            )
            raise Permanent(f"{what}: {said}; {advice}")

    def _ask(self, method: str, uri: str, extra: Sequence[tuple[str, str]], body: bytes) -> sip.Response:
        if not sip.is_uri(uri):
            raise Permanent(f"{uri!r} is not a SIP address; write it like sip:101@pbx.example.net")
        left_s = self._deadline()
        if left_s <= 0:
            raise Temporary(f"timed out before {method} to {uri} was sent")
        ends_at = time.monotonic() + min(left_s, TIMER_F_S)
        endpoint = self._pool.endpoint(self._settings.host, self._settings.port)
        with contextlib.closing(open_socket(endpoint.family)) as sock:
            local = _bind(sock, endpoint)
            request = _Request(method, uri, tuple(extra), body, self._settings, local, secrets.token_hex(16))
            response = _transact(sock, endpoint, request, ends_at)
            answer = self._answer_challenge(request, response)
            return response if answer is None else _transact(sock, endpoint, answer, ends_at)

    def _answer_challenge(self, request: _Request, response: sip.Response) -> _Request | None:
        """The request again with a login, None when none was asked for or it cannot be given. Once only: a second
        challenge means that the password is wrong, and trying on locks accounts."""
        fields = {401: ("www-authenticate", "Authorization"), 407: ("proxy-authenticate", "Proxy-Authorization")}
        if response.status not in fields or self._settings.password is None:
            return None
        asked, given = fields[response.status]
        challenge = sip.challenge_of(response.every(asked))
        if challenge is None:
            return None
        username, password = self._settings.username, self._settings.password.reveal()
        value = challenge.answer(request.method, request.uri, username, password, secrets.token_hex(8))
        return request.again((given, value))


@dataclass(frozen=True, slots=True)
class _Settings:
    """A connection of type sip, checked."""

    host: str
    port: int
    username: str
    password: Secret | None
    domain: str

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"

    @classmethod
    def of(cls, settings: Mapping[str, object]) -> _Settings:
        host = str(settings.get("host") or "")
        if not host:
            raise Permanent("a connection of type sip needs 'host', the proxy or phone that datagrams are sent to")
        transport = str(settings.get("transport") or "udp").lower()
        if transport != "udp":
            raise Permanent(f"the transport of a sip connection is udp, not {transport!r}")
        port = settings.get("port", 5060)
        if not str(port).isdecimal() or not 0 < int(str(port)) < 65536:
            raise Permanent(f"the port of a sip connection is a whole number from 1 to 65535, not {port!r}")
        username, password = settings.get("username"), settings.get("password")
        if password is not None and not isinstance(password, Secret):
            password = Secret(str(password))
        shown = username.reveal() if isinstance(username, Secret) else str(username or "")
        domain = str(settings.get("domain") or _bracketed(host))
        if not sip.is_uri(f"sip:{shown or 'switchover'}@{domain}"):
            raise Permanent(f"the username and domain of a sip connection make no SIP address with domain {domain!r}")
        return cls(host, int(str(port)), shown, password, domain)


@dataclass(frozen=True, slots=True)
class _Request:
    """One request and what identifies its transaction."""

    method: str
    uri: str
    extra: tuple[tuple[str, str], ...]
    body: bytes
    settings: _Settings
    local: str
    """Host and port of this side, as Via has them."""
    token: str
    """Random; makes the Call-ID and the From tag."""
    number: int = 1
    branch: str = ""

    def again(self, login: tuple[str, str]) -> _Request:
        """The same with a login: a new transaction of the same call (RFC 3261, 22.2)."""
        extra = (*self.extra, login)
        return _Request(self.method, self.uri, extra, self.body, self.settings, self.local, self.token, self.number + 1)

    def encode(self, branch: str) -> bytes:
        user = self.settings.username or "switchover"
        headers = [
            ("Via", f"SIP/2.0/UDP {self.local};branch={branch};rport"),
            ("Max-Forwards", "70"),
            ("From", f"<sip:{user}@{self.settings.domain}>;tag={self.token[:12]}"),
            ("To", f"<{self.uri}>"),
            ("Call-ID", f"{self.token}@{self.local.rpartition(':')[0].strip('[]')}"),
            ("CSeq", f"{self.number} {self.method}"),
            ("Contact", f"<sip:{user}@{self.local}>"),
            ("User-Agent", "switchover"),
            *self.extra,
        ]
        return sip.build(self.method, self.uri, headers, self.body)


def _transact(sock: socket.socket, endpoint: Endpoint, request: _Request, ends_at: float) -> sip.Response:
    """Sends until a final answer comes. Raises ``Temporary`` when none does before ``ends_at``."""
    branch = f"z9hG4bK{secrets.token_hex(16)}"
    packet = _encode(request, branch)
    started = now = time.monotonic()
    wait_s, provisional = T1_S, None
    while now < ends_at:
        send(sock, packet, endpoint.address)
        pause_ends = min(now + wait_s, ends_at)
        response = _await(sock, endpoint, branch, (request.number, request.method), pause_ends)
        if response is not None and response.status >= 200:
            return response
        provisional = response or provisional
        wait_s = T2_S if provisional else min(wait_s * 2, T2_S)
        now = time.monotonic()
    raise Temporary(_describe(request, now - started, provisional))


def _await(
    sock: socket.socket, endpoint: Endpoint, branch: str, cseq: tuple[int, str], until: float
) -> sip.Response | None:
    """The answer to this transaction; a provisional one only when no final one comes before ``until``."""
    provisional = None
    poll = select.poll()  # not select(), which cannot watch a descriptor above 1023
    poll.register(sock, select.POLLIN)
    while (left_s := until - time.monotonic()) > 0:
        if not poll.poll(left_s * 1000):
            break
        response = _match(_receive(sock, endpoint), branch, cseq)
        if response is not None and response.status >= 200:
            return response
        provisional = response or provisional
    return provisional


def _receive(sock: socket.socket, endpoint: Endpoint) -> bytes | None:
    try:
        return sock.recv(65536)
    except OSError:
        refused = refusal(sock, endpoint.address)
    with contextlib.suppress(OSError):
        return sock.recv(65536)
    if refused is not None:
        raise Temporary(f"no answer from {endpoint.name}: {refused}; is the server running, and are host and port right?")
    return None


def _match(packet: bytes | None, branch: str, cseq: tuple[int, str]) -> sip.Response | None:
    if packet is None:
        return None
    try:
        response = sip.parse(packet)
    except sip.BadMessage:
        return None  # keep-alives and scanners share the port; whoever answers properly still can
    return response if response.branch() == branch and response.cseq() == cseq else None


def _bind(sock: socket.socket, endpoint: Endpoint) -> str:
    """Binds to the address the route to the proxy leaves by, and names it as Via and Contact need it."""
    with socket.socket(endpoint.family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(endpoint.address)
        except OSError as error:
            raise Temporary(f"no way to {endpoint.name}: {(error.strerror or str(error)).lower()}") from None
        source: Address = probe.getsockname()
    sock.bind((source[0], 0, *source[2:]))
    return f"{_bracketed(source[0])}:{sock.getsockname()[1]}"


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _encode(request: _Request, branch: str) -> bytes:
    try:
        return request.encode(branch)
    except ValueError as error:
        raise Permanent(f"the {request.method} to {request.uri} cannot be sent: {error}") from None


def _reply(response: sip.Response) -> SipReply:
    headers: dict[str, str] = {}
    for name, value in response.headers:
        headers.setdefault(name, value)
    return SipReply(response.status, response.reason, headers)


def _describe(request: _Request, waited_s: float, provisional: sip.Response | None) -> str:
    asked = f"{request.method} to {request.uri}"
    if provisional is not None:
        heard = f"{provisional.status} {provisional.reason}".rstrip()
        return f"{asked}: {request.settings.name} answered {heard} and nothing more within {waited_s:.1f} s"
    advice = "is it running, and does a firewall let UDP through?"
    return f"{asked}: no answer from {request.settings.name} within {waited_s:.1f} s; {advice}"
