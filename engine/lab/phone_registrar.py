"""The platform's SIP side: a registrar over UDP that asks for digest and remembers who registered, from where, with what.

It answers in a thread of the platform's process. What it learns shows in the API only after a while, as on a real core where
the registrar and the API are different machines.
"""

from __future__ import annotations

import contextlib
import secrets
import socket
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from engine.lab import phone_sip as sip
from engine.lab.board import Board
from engine.model.values import dataclass

REALM = "switchover-lab"
LATE_S = 0.2
"""How long what happened takes to show, unless the fault ``late`` says otherwise."""
_LONGEST_S = 3600
_SHORTEST_S = 60
Peer = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Binding:
    """Who is registered as a user. ``visible_at``: monotonic time from which the API shows it."""

    user_agent: str
    contact: str
    peer: str
    registered_at: datetime
    expires_at: datetime
    visible_at: float
    ends_at: float
    """When it runs out, on the monotonic clock: phones register anew in real time, whatever the lab's."""

    @property
    def live(self) -> bool:
        """Whether it has not run out."""
        return time.monotonic() < self.ends_at


class Registrar:
    """Answers REGISTER on one UDP port. ``passwords``: user -> SIP password, read anew for each request."""

    def __init__(self, board: Board, passwords: Callable[[], Mapping[str, str]], port: int = 0) -> None:
        self._board = board
        self._passwords = passwords
        self._nonce = secrets.token_hex(16)
        self._bindings: dict[str, list[Binding]] = {}
        self._lock = threading.Lock()
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self._ended = False
        self._thread = threading.Thread(target=self._listen, name="registrar", daemon=True)
        self.port: int = self._socket.getsockname()[1]

    def start(self) -> None:
        """Begins to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Stops answering and waits for it."""
        self._ended = True
        with contextlib.suppress(OSError):
            self._socket.sendto(b"\0", ("127.0.0.1", self.port))  # wakes the thread: closing alone does not
        self._thread.join()
        self._socket.close()

    def binding(self, user: str) -> Binding | None:
        """The newest registration of a user that shows by now; None when there never was one."""
        with self._lock:
            shown = [entry for entry in self._bindings.get(user, ()) if entry.visible_at <= time.monotonic()]
            return shown[-1] if shown else None

    def _listen(self) -> None:
        while not self._ended:
            with contextlib.suppress(OSError):
                packet, peer = self._socket.recvfrom(65535)
                message = sip.parse(packet)
                if message is not None and not message.status:
                    answer = self._answer(message, peer)
                    self._socket.sendto(answer, peer)

    def _answer(self, message: sip.Message, peer: Peer) -> bytes:
        if message.method == "OPTIONS":
            self._board.record("read", "OPTIONS")
            return sip.response(message, 200)
        if message.method != "REGISTER":
            return sip.response(message, 405, [("allow", "REGISTER, OPTIONS")])
        user = sip.user_of(message.header("to"))
        status = self._decide(message, user)
        self._board.record("write", "REGISTER", user=user, status=status, user_agent=message.header("user-agent"))
        if status == 401:
            return sip.response(message, 401, [("www-authenticate", sip.challenge(REALM, self._nonce))])
        if status != 200:
            return sip.response(message, status)
        expires_s = self._bind(message, user, peer)
        return sip.response(message, 200, [("contact", f"{message.header('contact')};expires={expires_s}")])

    def _decide(self, message: sip.Message, user: str) -> int:
        password = self._passwords().get(user)
        if password is None:
            return 404
        login = message.header("authorization")
        if not login:
            return 401
        return 200 if sip.digest_holds(login, "REGISTER", self._nonce, password) else 403

    def _bind(self, message: sip.Message, user: str, peer: Peer) -> int:
        asked = message.header("expires")
        wanted_s = int(asked) if asked.isdigit() else _LONGEST_S
        expires_s = 0 if wanted_s == 0 else min(max(wanted_s, _SHORTEST_S), _LONGEST_S)
        late = self._board.fault("late", f"REGISTER {user}")
        now = self._board.now()
        entry = Binding(
            message.header("user-agent"), message.header("contact"), f"{peer[0]}:{peer[1]}", now,
            now + timedelta(seconds=expires_s), time.monotonic() + (LATE_S if late is None or late.value is None else late.value),
            time.monotonic() + expires_s,
        )
        with self._lock:
            self._bindings[user] = [*self._bindings.get(user, [])[-1:], entry]
        return expires_s
