"""Other sides that go wrong in ways the lab has no fault for: nobody there, nonsense, silence, answers lost on the way."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

NONSENSE = b"\xff\xfe\x00 no protocol of this world \xc3\x28\r\n\r\n" * 4
_POLL_S = 0.05


@contextlib.contextmanager
def nobody() -> Iterator[int]:
    """A port at which connections and datagrams are refused for as long as the block lasts."""
    with contextlib.ExitStack() as stack:
        port, stream, datagrams = _one_port_for_both(stack)
        stream.close()
        datagrams.close()
        held = stack.enter_context(socket.socket())  # bound and not listening: nobody else gets it, and the system refuses for it
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.bind(("127.0.0.1", port))
        yield port


@contextlib.contextmanager
def babbling() -> Iterator[int]:
    """A port, TCP and UDP, that answers anything with bytes that mean nothing."""
    with contextlib.ExitStack() as stack:
        port, stream, datagrams = _one_port_for_both(stack)
        ended = threading.Event()
        threads = [
            threading.Thread(target=_babble_streams, args=(stream, ended)),
            threading.Thread(target=_babble_datagrams, args=(datagrams, ended)),
        ]
        for thread in threads:
            thread.start()
        try:
            yield port
        finally:
            ended.set()
            for thread in threads:
                thread.join(5)


def _one_port_for_both(stack: contextlib.ExitStack) -> tuple[int, socket.socket, socket.socket]:
    """A port that is free for TCP and for UDP: others on this machine take ports too."""
    for _ in range(50):
        datagrams = stack.enter_context(socket.socket(type=socket.SOCK_DGRAM))
        datagrams.bind(("127.0.0.1", 0))
        port = int(datagrams.getsockname()[1])
        with contextlib.suppress(OSError):
            return port, stack.enter_context(socket.create_server(("127.0.0.1", port))), datagrams
    raise OSError("no port is free for both TCP and UDP")


def _babble_streams(listener: socket.socket, ended: threading.Event) -> None:
    listener.settimeout(_POLL_S)
    while not ended.is_set():
        with contextlib.suppress(OSError):
            connection, _ = listener.accept()
            with connection:
                connection.settimeout(_POLL_S)
                connection.sendall(NONSENSE)
                connection.shutdown(socket.SHUT_WR)
                while connection.recv(65536):
                    pass


def _babble_datagrams(wire: socket.socket, ended: threading.Event) -> None:
    wire.settimeout(_POLL_S)
    while not ended.is_set():
        with contextlib.suppress(OSError):
            _, peer = wire.recvfrom(65536)
            wire.sendto(NONSENSE, peer)


@contextlib.contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A process of ours that stands still: its ports take connections and datagrams, and nothing answers."""
    os.kill(pid, signal.SIGSTOP)
    try:
        _await_state(pid, "T")
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _await_state(pid: int, state: str) -> None:
    until = time.monotonic() + 5
    while Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != state:
        assert time.monotonic() < until, f"process {pid} does not come to state {state}"
        time.sleep(0.002)


@contextlib.contextmanager
def one_way(port: int) -> Iterator[int]:
    """A UDP port that passes datagrams on to ``port``, and no answer back."""
    with socket.socket(type=socket.SOCK_DGRAM) as near, socket.socket(type=socket.SOCK_DGRAM) as far:
        near.bind(("127.0.0.1", 0))
        far.bind(("127.0.0.1", 0))
        near.settimeout(_POLL_S)
        ended = threading.Event()

        def relay() -> None:
            while not ended.is_set():
                with contextlib.suppress(OSError):
                    packet, _ = near.recvfrom(65536)
                    far.sendto(packet, ("127.0.0.1", port))

        thread = threading.Thread(target=relay)
        thread.start()
        try:
            yield int(near.getsockname()[1])
        finally:
            ended.set()
            thread.join(5)


@contextlib.contextmanager
def losing_replies(port: int) -> Iterator[int]:
    """A TCP port that passes requests on to ``port`` and hangs up when the answer begins: it was done, and nobody hears."""
    ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_lose_replies, args=(listener, port, ended))
        thread.start()
        try:
            yield int(listener.getsockname()[1])
        finally:
            ended.set()
            thread.join(5)


def _lose_replies(listener: socket.socket, port: int, ended: threading.Event) -> None:
    listener.settimeout(_POLL_S)
    while not ended.is_set():
        with contextlib.suppress(TimeoutError):
            near, _ = listener.accept()
            with near, socket.create_connection(("127.0.0.1", port)) as far:
                near.settimeout(_POLL_S)
                far.settimeout(_POLL_S)
                while not ended.is_set() and not _passed(far, None):
                    _passed(near, far)


def _passed(source: socket.socket, sink: socket.socket | None) -> bool:
    """Whether something came within a moment; it goes to ``sink``."""
    try:
        piece = source.recv(65536)
    except TimeoutError:
        return False
    if sink is not None:
        sink.sendall(piece)
    return True


@dataclass
class AnyAnswer:
    """An HTTP server that gives the same answer to every request, until it is told another."""

    port: int = 0
    status: int = 200
    body: bytes = b"{}"
    content_type: str = "application/json"
    asked: list[str] = field(default_factory=list)


@contextlib.contextmanager
def any_answer() -> Iterator[AnyAnswer]:
    """Such a server, up inside the block."""
    told = AnyAnswer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body leave in one segment
        disable_nagle_algorithm = True

        def _answer(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            told.asked.append(f"{self.command} {self.path}")
            self.send_response(told.status)
            self.send_header("Content-Type", told.content_type)
            self.send_header("Content-Length", str(len(told.body)))
            self.end_headers()
            self.wfile.write(told.body)
            self.wfile.flush()

        do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _answer

        def log_message(self, format: str, *args: Any) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    told.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": _POLL_S})
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        thread.join(5)
        server.server_close()
