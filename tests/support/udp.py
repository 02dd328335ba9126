"""A UDP peer that answers as a test tells it, on a real socket."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any

Address = tuple[Any, ...]


class ScriptedPeer:
    """Calls ``answer`` with each datagram, in a thread of its own, and keeps what came in ``received``.

    What ``answer`` raises is raised again when the peer is left, so that a failed check in it fails the test.
    """

    def __init__(self, answer: Callable[[ScriptedPeer, bytes, Address], None]) -> None:
        self._answer = answer
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._work, name="scripted-peer", daemon=True)
        self._closing = False
        self._failure: BaseException | None = None
        self.port: int = self._socket.getsockname()[1]
        self.received: list[bytes] = []

    def send(self, packet: bytes, to: Address) -> None:
        """From the peer's own port."""
        self._socket.sendto(packet, to)

    def __enter__(self) -> ScriptedPeer:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._closing = True
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bell:
            bell.sendto(b"", ("127.0.0.1", self.port))
        self._thread.join(5)
        self._socket.close()
        if self._failure is not None and error is None:
            raise self._failure

    def _work(self) -> None:
        while True:
            packet, source = self._socket.recvfrom(65536)
            if self._closing:
                return
            self.received.append(packet)
            try:
                self._answer(self, packet, source)
            except BaseException as error:  # noqa: BLE001  # raised again where the test waits
                self._failure = self._failure or error


def silent(peer: ScriptedPeer, packet: bytes, source: Address) -> None:
    """Hears everything and says nothing."""


def free_udp_port() -> int:
    """A port nobody is bound to just now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
