"""A TCP proxy that makes a near server far: every byte arrives half a round trip later, both ways, and so does the connection.

Counting round trips: the time an exchange takes over this proxy in units of ``rtt_s``, computing on both sides included.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
import time


class FarProxy:
    """Listens on ``port`` of 127.0.0.1 and forwards to ``target_port`` there, until ``close``."""

    def __init__(self, target_port: int, rtt_s: float) -> None:
        self._target = target_port
        self._half_s = rtt_s / 2
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self._threads: list[threading.Thread] = []
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._start(self._accept)

    def close(self) -> None:
        """Ends every connection and the listener."""
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()
        for thread in self._threads:
            thread.join(5)

    def __enter__(self) -> FarProxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _start(self, work: object, *given: object) -> None:
        thread = threading.Thread(target=work, args=given, name="far-proxy", daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                near, _ = self._listener.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
                self._sockets += [near, far]
                self.connections += 1
                # The system has shaken hands already. From afar the client's first byte could only be there after one and a
                # half round trips, and the server's answer to the handshake after two.
                self._join(near, far, 3 * self._half_s)
                self._join(far, near, 4 * self._half_s)

    def _join(self, source: socket.socket, sink: socket.socket, first_s: float) -> None:
        sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pieces: queue.Queue[tuple[float, bytes]] = queue.Queue()
        self._start(self._collect, source, pieces, time.monotonic() + first_s)
        self._start(self._deliver, sink, pieces)

    def _collect(self, source: socket.socket, pieces: queue.Queue[tuple[float, bytes]], first: float) -> None:
        piece = b" "
        while piece:
            try:
                piece = source.recv(65536)
            except OSError:
                piece = b""
            pieces.put((max(time.monotonic() + self._half_s, first), piece))

    @staticmethod
    def _deliver(sink: socket.socket, pieces: queue.Queue[tuple[float, bytes]]) -> None:
        with contextlib.suppress(OSError):
            while True:
                due, piece = pieces.get()
                time.sleep(max(0.0, due - time.monotonic()))
                if not piece:
                    sink.shutdown(socket.SHUT_WR)
                    return
                sink.sendall(piece)
