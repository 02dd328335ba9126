"""Mail submission: SMTP with STARTTLS or TLS, the certificate verified, AUTH PLAIN or LOGIN, to every recipient or to none.

What matters here is knowing whether a message was taken. Until the dot that ends it is on its way, every failure means that it
was not; a clear answer after the dot settles it too. Only a connection lost between the dot and its answer leaves nobody able
to tell, and that is an ``InDoubt``. It never retries and never decides who may be written to.

Source: RFC 5321 (SMTP), 3207 (STARTTLS), 4954 (AUTH), 6152 (8BITMIME), 6531 (SMTPUTF8), 8314 (port 465).
"""

from __future__ import annotations

import base64
import contextlib
import io
import ipaddress
import re
import smtplib
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence

from engine.model.errors import ActionFailure, InDoubt, Permanent, Temporary, WriteRefused
from engine.model.secret import Redactor, Secret
from engine.model.values import dataclass

Deadline = Callable[[], float]
Settings = Mapping[str, object]

_PORTS: Mapping[str, int] = {"starttls": 587, "tls": 465, "none": 25}
_ADDRESS = re.compile(r"[^\s\x00-\x1f\x7f<>()\[\],;:\\\"@]+@[^\s\x00-\x1f\x7f<>()\[\],;:\\\"@]+")
_LINE_END = re.compile(rb"\r\n|\r|\n")
_QUOTED_CHARACTERS = 300
_WANTS_LOGIN = 530
"""RFC 4954: authentication required."""
"""How much of a server's answer is shown."""


class MailPool:
    """Sessions of one run. TLS contexts are kept, as reading the system's certificates takes longer than a handshake;
    connections are not: hours pass between two mails of a cutover, and no server keeps one open that long."""

    def __init__(self) -> None:
        self._contexts: dict[tuple[str, bool], ssl.SSLContext] = {}
        self._lock = threading.Lock()

    def session(self, settings: Settings, read_only: bool, deadline: Deadline) -> MailSession:
        """A session on a connection of type smtp. Raises ``Permanent`` for settings that cannot work."""
        server = _server_of(settings)
        return MailSession(server, self._context(server), read_only, deadline)

    def close(self) -> None:
        """Forgets the TLS contexts; no connection is ever left open."""
        with self._lock:
            self._contexts.clear()

    def _context(self, server: _Server) -> ssl.SSLContext:
        with self._lock:
            key = (server.ca_file, server.verify)
            found = self._contexts.get(key)
            if found is None:
                found = self._contexts[key] = _context_of(server)
        return found


@dataclass(frozen=True, slots=True)
class _Server:
    """A connection's settings, checked."""

    host: str
    port: int
    security: str
    username: str
    password: str
    ca_file: str
    verify: bool
    allow_plain: bool

    @property
    def name(self) -> str:
        return f"{self.host}:{self.port}"


class MailSession:
    """One mail server, for one attempt. Each call opens a connection and closes it."""

    def __init__(self, server: _Server, context: ssl.SSLContext, read_only: bool, deadline: Deadline) -> None:
        self._server, self._context, self._read_only, self._deadline = server, context, read_only, deadline
        self._redact = Redactor(filter(None, [server.password]))

    def check(self) -> None:
        """Connects, negotiates TLS and logs in, sends nothing. Raises ``Temporary`` or ``Permanent``."""
        with self._connected():
            pass

    def send(self, message: bytes, sender: str, recipients: Sequence[str]) -> str:
        """Hands one message over to every recipient or to none; returns the server's answer. See ``ports.MailSession``."""
        if self._read_only:
            raise WriteRefused(f"a mail to {', '.join(recipients)} was about to leave while only looking was allowed")
        _refuse_malformed([sender, *recipients])
        if not recipients:
            raise Permanent("the mail has no recipient")
        with self._connected() as connection:
            self._envelope(connection, message, sender, recipients)
            return self._data(connection, message)

    @contextlib.contextmanager
    def _connected(self) -> Iterator[_Connection]:
        """A connection that is through TLS and login. What goes wrong on it before the end of a message did nothing."""
        connection = _Connection(self._deadline)
        with connection, self._failures(connection):
            self._open(connection)
            yield connection
            # The message is taken or refused by now: a server that does not say goodbye changes nothing.
            with contextlib.suppress(smtplib.SMTPException, OSError):
                connection.docmd("QUIT")

    def _open(self, connection: _Connection) -> None:
        server = self._server
        connection.doing = "connecting"
        connection.open(server.host, server.port, self._context if server.security == "tls" else None)
        connection.doing = "greeting"
        connection.ehlo_or_helo_if_needed()
        if server.security == "starttls":
            connection.doing = "STARTTLS"
            connection.starttls(context=self._context)
            connection.ehlo_or_helo_if_needed()
        if server.username:
            connection.doing = "logging in"
            self._log_in(connection)

    def _log_in(self, connection: _Connection) -> None:
        server = self._server
        if server.security == "none" and not server.allow_plain and not _is_loopback(connection):
            raise Permanent(
                f"user and password would go to {server.name} unencrypted; nothing was sent. Set `security: starttls` or `tls` "
                "on the connection, or `allow_plain: true` if the line is safe"
            )
        offered = connection.esmtp_features.get("auth", "").upper().split()
        if "PLAIN" in offered:
            code, answer = connection.docmd("AUTH", f"PLAIN {_base64(f'{chr(0)}{server.username}{chr(0)}{server.password}')}")
        elif "LOGIN" in offered:
            code, answer = connection.docmd("AUTH", "LOGIN")
            for word in (server.username, server.password):
                if code == 334:
                    code, answer = connection.docmd(_base64(word))
        else:
            shown = f"only {' '.join(offered)}" if offered else "no login at all"
            raise Permanent(f"{server.name} offers {shown}, but the connection has a username; PLAIN or LOGIN is needed")
        if code != 235:
            raise smtplib.SMTPAuthenticationError(code, answer)

    def _envelope(self, connection: _Connection, message: bytes, sender: str, recipients: Sequence[str]) -> None:
        """Sender and recipients. One refused recipient refuses the mail: nobody gets half a notice, nobody gets it twice."""
        connection.doing = f"giving the sender {sender}"
        _expect(250, *connection.mail(sender, self._options(connection, message, [sender, *recipients])))
        for recipient in recipients:
            connection.doing = f"giving the recipient {recipient}"
            _expect(250, *_accepting_251(connection.rcpt(recipient)))

    def _options(self, connection: _Connection, message: bytes, addresses: Sequence[str]) -> list[str]:
        options = [f"SIZE={len(message)}"] if connection.has_extn("size") else []
        needed = [] if message.isascii() else ["8BITMIME"]
        if not all(address.isascii() for address in addresses):
            needed = ["8BITMIME", "SMTPUTF8"]
        for extension in needed:
            if not connection.has_extn(extension):
                what = "addresses beyond ASCII" if extension == "SMTPUTF8" else "text that is not 7-bit"
                raise Permanent(f"{self._server.name} takes no {what} ({extension} is not offered); nothing was sent")
        return [*options, *("BODY=8BITMIME" if extension == "8BITMIME" else extension for extension in needed)]

    def _data(self, connection: _Connection, message: bytes) -> str:
        connection.doing = "handing over the message"
        _expect(354, *connection.docmd("DATA"))
        connection.send(_on_the_wire(message))
        connection.doing = "waiting for the answer to the message"
        connection.ended = True  # from here on the server may have it
        connection.send(b".\r\n")
        code, answer = connection.getreply()
        if 400 <= code < 600:  # a refusal; anything else that is not 2xx settles nothing
            connection.ended = False
        if not 200 <= code < 300:
            raise smtplib.SMTPResponseException(code, answer)
        return f"{code} {self._quoted(answer)}"

    # ------------------------------------------------------------ failures

    @contextlib.contextmanager
    def _failures(self, connection: _Connection) -> Iterator[None]:
        try:
            yield
        except ActionFailure:
            raise
        except (smtplib.SMTPException, OSError, UnicodeError) as error:
            raise self._classified(connection, error) from error

    def _classified(self, connection: _Connection, error: Exception) -> ActionFailure:
        if connection.ended:
            return InDoubt(
                f"the connection to {self._server.name} was lost after the message was handed over and before the server "
                f"answered ({self._reason(error)})"
            )
        where = f"{self._server.name}, {connection.doing}"
        if isinstance(error, smtplib.SMTPResponseException):
            return self._answered(where, error)
        if isinstance(error, ssl.SSLError):
            return self._tls_failed(where, error)
        if isinstance(error, smtplib.SMTPNotSupportedError):
            return Permanent(
                f"{where}: the server does not offer it. Its certificate cannot be checked and nothing was sent. If it speaks "
                "TLS from the first byte, set `security: tls` (port 465)"
            )
        if isinstance(error, socket.gaierror) and error.errno != socket.EAI_AGAIN:
            return Permanent(f"{where}: there is no host of that name ({error.strerror}). Check `host` of the connection")
        if isinstance(error, UnicodeError):
            return Permanent(f"{where}: it cannot be put in the form SMTP needs ({error})")
        hint = ". Check that the server is up, and `host` and `port`" if isinstance(error, ConnectionRefusedError) else ""
        return Temporary(f"{where}: {self._reason(error)}; nothing was sent{hint}", nothing_done=True)

    def _answered(self, where: str, error: smtplib.SMTPResponseException) -> ActionFailure:
        said = f"{where}: the server said {error.smtp_code} {self._quoted(error.smtp_error)}"
        if 400 <= error.smtp_code < 500:
            return Temporary(f"{said}; nothing was sent", nothing_done=True)
        if isinstance(error, smtplib.SMTPAuthenticationError):
            return Permanent(f"{said}. Check `username` and `password` of the connection")
        if error.smtp_code == _WANTS_LOGIN and not self._server.username:
            return Permanent(f"{said}; nothing was sent. Give the connection `username` and `password`")
        return Permanent(f"{said}; nothing was sent")

    def _tls_failed(self, where: str, error: ssl.SSLError) -> ActionFailure:
        if isinstance(error, ssl.SSLCertVerificationError):
            return Permanent(
                f"{where}: its certificate is not trusted ({error.verify_message}); nothing was sent. If the certificate is "
                "right, name the authority that issued it as `ca_file` on the connection"
            )
        if error.reason == "WRONG_VERSION_NUMBER":
            return Permanent(f"{where}: no TLS is spoken there. If the server starts in the clear, set `security: starttls`")
        return Temporary(f"{where}: TLS failed ({error.reason or error}); nothing was sent", nothing_done=True)

    def _reason(self, error: Exception) -> str:
        if self._deadline() <= 0 or isinstance(error, TimeoutError):
            return "timed out"
        return self._redact(getattr(error, "strerror", None) or str(error) or type(error).__name__)

    def _quoted(self, answer: bytes | str) -> str:
        text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else answer
        return self._redact(" ".join(text.split()))[:_QUOTED_CHARACTERS]


class _Connection(smtplib.SMTP):
    """smtplib's client, with every byte waited for within the deadline.

    ``doing`` says what is going on, for the error; ``ended``: the dot may be out and its answer is not in.
    """

    def __init__(self, deadline: Deadline) -> None:
        # A fixed name: looking up one's own can hang for seconds on a machine with a broken resolver.
        super().__init__(local_hostname=_own_name())
        self._deadline = deadline
        self.doing = ""
        self.ended = False

    def open(self, host: str, port: int, context: ssl.SSLContext | None) -> None:
        """Connects and reads the greeting; with a context TLS comes first."""
        self._host = host  # what starttls checks the certificate against
        self.sock = socket.create_connection((host, port), timeout=self._left())
        if context is not None:
            self.sock = context.wrap_socket(self.sock, server_hostname=host)
        _expect(220, *self.getreply())

    def send(self, s: str | bytes) -> None:  # type: ignore[override]  # typeshed: ReadableBuffer, which nobody here sends
        if self.sock is not None:
            self.sock.settimeout(self._left())
        super().send(s)

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = io.BufferedReader(_Incoming(self.sock, self._left))
        return super().getreply()

    def __exit__(self, *exc: object) -> None:
        self.close()  # smtplib's own would say QUIT to a connection that may be dead

    def _left(self) -> float:
        left = self._deadline()
        if left <= 0:
            raise TimeoutError("timed out")
        return left


class _Incoming(io.RawIOBase):
    """Bytes from a socket, each wait bounded by what is left: a server that dribbles cannot outlast the deadline."""

    def __init__(self, sock: socket.socket, left: Deadline) -> None:
        self._sock, self._left = sock, left

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # BufferedReader gives a memoryview
        self._sock.settimeout(self._left())
        return self._sock.recv_into(buffer)


def _expect(wanted: int, code: int, answer: bytes) -> None:
    if code != wanted:
        raise smtplib.SMTPResponseException(code, answer)


def _accepting_251(reply: tuple[int, bytes]) -> tuple[int, bytes]:
    # 251: not local, will forward. Taken all the same.
    return (250, reply[1]) if reply[0] == 251 else reply


def _on_the_wire(message: bytes) -> bytes:
    """CRLF line ends only (a bare LF lets a message smuggle in another), a line's leading dot doubled, a full last line."""
    text = _LINE_END.sub(b"\r\n", message)
    text = text if text.endswith(b"\r\n") else text + b"\r\n"
    return re.sub(rb"(?m)^\.", b"..", text)


def _refuse_malformed(addresses: Sequence[str]) -> None:
    for address in addresses:
        if not _ADDRESS.fullmatch(address):
            raise Permanent(f"{address!r} is not a mail address; nothing was sent")


def _server_of(settings: Settings) -> _Server:
    host, security = settings.get("host"), str(settings.get("security", "starttls"))
    if not isinstance(host, str) or not host:
        raise Permanent("the mail connection has no `host`")
    if security not in _PORTS:
        raise Permanent(f"the mail connection's `security` is {security!r}; it must be starttls, tls or none")
    port = settings.get("port", _PORTS[security])
    if not isinstance(port, int) or not 0 < port < 65536:
        raise Permanent(f"the mail connection's `port` is {port!r}; it must be a number from 1 to 65535")
    username, password = _text(settings, "username"), _text(settings, "password")
    if bool(username) != bool(password):
        raise Permanent(f"the mail connection has only one of `username` and `password`; {host} needs both, or neither")
    return _Server(
        host, port, security, username, password, _text(settings, "ca_file"),
        settings.get("verify", True) is not False, settings.get("allow_plain") is True,
    )


def _text(settings: Settings, name: str) -> str:
    value = settings.get(name)
    return value.reveal() if isinstance(value, Secret) else str(value or "")


def _context_of(server: _Server) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=server.ca_file or None)
    except (OSError, ssl.SSLError) as error:
        raise Permanent(f"the mail connection's `ca_file` {server.ca_file} cannot be used: {error.strerror or error}") from None
    if not server.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _is_loopback(connection: _Connection) -> bool:
    if connection.sock is None:
        return False
    return ipaddress.ip_address(connection.sock.getpeername()[0].partition("%")[0]).is_loopback


def _own_name() -> str:
    name = socket.gethostname()
    return name if re.fullmatch(r"[A-Za-z0-9.-]+", name) else "localhost"


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
