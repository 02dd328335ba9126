"""A mail submission server that keeps what it is given: STARTTLS or TLS, AUTH, one ``.eml`` file per message.

Started as ``python -m engine.lab.mail_sink --folder DIR --seed FILE.json --port N``; announces
``{"smtp": port, "smtps": port}``: ``smtp`` insists on STARTTLS, ``smtps`` speaks TLS from the first byte. Both want the user
and password of the seed (``secrets.smtp_username``, ``secrets.smtp_password``). The CA to trust is ``DIR/ca.pem``; messages
are ``DIR/mail/<n>.eml``.

Log: ``AUTH`` is a read; ``DATA`` a write (``message_id``, ``sender``, ``to``, ``file``, ``fault``); what was refused is neither.

Faults, matched on ``AUTH <user>``, ``RCPT <address>`` or ``DATA <addresses>``: ``slow`` (value: seconds), ``reject_auth``
(535), ``refuse_rcpt`` (550), ``greylist`` (451), ``busy`` and ``refuse_data`` (451 and 554 after the last dot), ``lost_reply``
(keeps the message, then closes without an answer), ``late_reply`` (keeps the message, then answers after value seconds),
``drop`` (closes in the middle of the message).
"""

from __future__ import annotations

import argparse
import asyncio
import hmac
import signal
import ssl
import warnings
from collections.abc import Mapping
from dataclasses import field
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from engine.lab.board import Board, announce
from engine.lab.certificates import server_context
from engine.lab.seed import read_seed
from engine.model.values import dataclass

SERVER = "mail"


@dataclass(slots=True)
class Mailbox:
    """The folder the messages are kept in."""

    folder: Path
    last: int = field(init=False)

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.last = max((int(file.stem) for file in self.folder.glob("*.eml") if file.stem.isdigit()), default=0)

    def keep(self, content: bytes) -> str:
        """Stores one message; returns its file's name."""
        self.last += 1
        name = f"{self.last}.eml"
        temporary = self.folder / f".{name}.tmp"
        temporary.write_bytes(content)
        temporary.replace(self.folder / name)
        return name


class Sink:
    """The hooks that aiosmtpd calls: who may log in, which recipients are taken, what happens to a message."""

    def __init__(self, board: Board, mailbox: Mailbox, secrets: Mapping[str, str]) -> None:
        self._board = board
        self._mailbox = mailbox
        self._secrets = secrets

    def authenticate(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: Any) -> AuthResult:
        """Compares user and password with the seed's."""
        known = isinstance(login, LoginPassword) and self._knows(login)
        user = login.login.decode("utf-8", "replace") if isinstance(login, LoginPassword) else ""
        refused = self._board.fault("reject_auth", f"AUTH {user}") is not None
        self._board.record("read", "AUTH", mechanism=mechanism, user=user, ok=known and not refused)
        return AuthResult(success=known and not refused, handled=False)

    async def handle_RCPT(  # noqa: N802  # aiosmtpd finds it by this name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str],
    ) -> str:
        """Takes a recipient, unless a fault says otherwise."""
        subject = f"RCPT {address}"
        await self._pause(subject)
        for name, answer in (("refuse_rcpt", "550 5.1.1 No such user here"), ("greylist", "451 4.7.1 Greylisted, try again")):
            if self._board.fault(name, subject):
                self._board.record("other", "RCPT", to=address, answer=answer, fault=name)
                return answer
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        """Keeps the message."""
        subject = f"DATA {' '.join(envelope.rcpt_tos)}"
        await self._pause(subject)
        for name, answer in (("busy", "451 4.3.2 Too busy, try again"), ("refuse_data", "554 5.7.1 Not wanted here")):
            if self._board.fault(name, subject):
                self._board.record("other", "DATA", to=envelope.rcpt_tos, answer=answer, fault=name)
                return answer
        content = bytes(envelope.original_content or b"")
        lost = self._board.fault("lost_reply", subject) or self._board.fault("late_reply", subject)
        message_id = str(message_from_bytes(content, policy=policy.SMTP)["Message-ID"] or "")
        name = self._mailbox.keep(content)
        self._board.record(
            "write", "DATA", message_id=message_id, sender=envelope.mail_from, to=envelope.rcpt_tos, file=name,
            fault=lost.name if lost else None,
        )
        if lost and lost.name == "lost_reply":
            _hang_up(server)
        elif lost:
            await asyncio.sleep(lost.value or 1.0)
        return f"250 2.0.0 OK: kept as {name}"

    def _knows(self, login: LoginPassword) -> bool:
        user, password = self._secrets["smtp_username"].encode(), self._secrets["smtp_password"].encode()
        return hmac.compare_digest(login.login, user) and hmac.compare_digest(login.password, password)

    async def _pause(self, subject: str) -> None:
        fault = self._board.fault("slow", subject)
        if fault is not None:
            await asyncio.sleep(fault.value or 1.0)


class SinkServer(SMTP):
    """aiosmtpd's protocol, with one fault that its hooks cannot have: hanging up before the message is complete."""

    def __init__(self, board: Board, sink: Sink, **options: Any) -> None:
        super().__init__(
            sink, authenticator=sink.authenticate, auth_required=True, enable_SMTPUTF8=True, hostname="lab.localhost",
            ident="switchover lab", **options,
        )
        self._board = board

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802
        """Asks for the message, and hangs up instead of reading it when told to."""
        recipients = self.envelope.rcpt_tos if self.envelope else []
        fault = self._board.fault("drop", f"DATA {' '.join(recipients)}")
        if fault is None:
            await super().smtp_DATA(arg)
            return
        self._board.record("other", "DATA", to=recipients, fault=fault.name)
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        _hang_up(self)


def _hang_up(server: SMTP) -> None:
    # Cancels the protocol's own coroutine by way of connection_lost: nothing more is written.
    if isinstance(server.transport, asyncio.WriteTransport):
        server.transport.abort()


async def serve(folder: Path, seed: Mapping[str, Any], port: int) -> None:
    """Runs until SIGTERM. The port for TLS from the first byte is the seed's own for this server, when it names one."""
    board, context = Board(folder, SERVER), server_context(folder, SERVER)
    sink = Sink(board, Mailbox(folder / "mail"), seed["secrets"])
    loop = asyncio.get_running_loop()
    kept = int(seed.get("ports", {}).get(SERVER, {}).get("smtps", 0))

    def starttls() -> SinkServer:
        return SinkServer(board, sink, tls_context=context, require_starttls=True, loop=loop)

    def tls() -> SinkServer:
        return SinkServer(board, sink, auth_require_tls=False, loop=loop)

    servers = [
        await loop.create_server(starttls, "127.0.0.1", port),
        await _tls_listener(loop, tls, kept, context),
    ]
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    announce(smtp=_port_of(servers[0]), smtps=_port_of(servers[1]))
    await stopped.wait()
    for server in servers:
        server.close()


async def _tls_listener(
    loop: asyncio.AbstractEventLoop, factory: Any, port: int, context: ssl.SSLContext,
) -> asyncio.Server:
    try:
        return await loop.create_server(factory, "127.0.0.1", port, ssl=context)
    except OSError:
        if not port:
            raise
        return await loop.create_server(factory, "127.0.0.1", 0, ssl=context)  # the kept port is taken: any will do


def _port_of(server: asyncio.Server) -> int:
    return int(server.sockets[0].getsockname()[1])


def main() -> None:
    """The process."""
    parser = argparse.ArgumentParser(prog="mail_sink")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    # aiosmtpd cannot know that the listener itself speaks TLS.
    warnings.filterwarnings("ignore", message="Requiring AUTH while not requiring TLS")
    asyncio.run(serve(options.folder, read_seed(options.seed), options.port))


if __name__ == "__main__":
    main()
