"""Runs any number of TFTP transfers at once from one thread.

TFTP waits for an answer after every block, so a transfer is nearly all waiting. A thread per transfer would pay for that in
switches and stacks; here one thread watches all sockets, and whoever asked for a transfer sleeps until it is over.

What to say is ``tftp_transfer``'s business. This module owns sockets, clocks and who is speaking: every transfer has a
port of its own, the server's answering port is fixed by its first answer, and anybody else is told so (error 5).

A write request is repeated with care. When the server was only slow it answers both, and most servers empty the file at
each: whatever the first answer wrote is gone. So it is given three times the patience, and once repeated, a second answer is
waited for before the write counts as done.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import select
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import field

from engine.model.errors import Permanent, Temporary
from engine.model.values import dataclass
from engine.transports import tftp_packet as tftp
from engine.transports.tftp_transfer import AnsweredTwice, Broken, OptionsRefused, Transfer
from engine.transports.udp import Address, Endpoint, open_socket, refusal, send

_WRITE_REQUEST = 3
"""Times the patience for the answer to a write request."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for an answer before a packet is sent again: ``first_s``, then twice as long, at most ``longest_s``."""

    first_s: float = 1.0
    longest_s: float = 4.0
    retries: int = 4
    """How often a packet is sent again before the server counts as gone."""


class Silence(Exception):
    """The server stopped answering, or never did."""

    def __init__(self, waited_s: float, refused: str | None, out_of_time: bool, strangers: frozenset[str]) -> None:
        super().__init__("no answer")
        self.waited_s = waited_s
        """Since the last packet that moved the transfer on."""
        self.refused = refused
        """What the network said, when it did."""
        self.out_of_time = out_of_time
        """The caller's time ended first."""
        self.strangers = strangers
        """Addresses that answered though they were not asked."""


@dataclass(slots=True, eq=False)
class _Exchange:
    """A transfer under way. Belongs to the loop's thread alone once it was handed over."""

    transfer: Transfer
    server: Endpoint
    patience: Patience
    ends_at: float
    sock: socket.socket
    over: threading.Lock = field(default_factory=threading.Lock)
    """Held until the transfer is over; a future does no more for us, and costs a tenth of a transfer."""
    error: Exception | None = None
    """What it failed with."""
    ended: bool = False
    peer: Address | None = None
    asked_at: float = 0.0
    """When the request was first sent."""
    answered_at: float = 0.0
    asked_again: bool = False
    """The request was repeated, and a second answer would do harm."""
    moved_at: float = 0.0
    due_at: float = 0.0
    wait_s: float = 0.0
    sent: int = 0
    strangers: set[str] = field(default_factory=set)
    room: int = field(init=False)
    """One byte more than may come, so that a block that is too long is noticed."""

    def __post_init__(self) -> None:
        self.room = max(self.transfer.options.get("blksize", 0), tftp.DEFAULT_BLOCK) + 5
        self.over.acquire()

    @property
    def target(self) -> Address:
        return self.peer or self.server.address


_Step = Callable[[_Exchange], None]


class TransferLoop:
    """The thread and its transfers. It starts with the first transfer and ends with ``close``."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closed = False
        self._arrivals: deque[_Exchange] = deque()
        self._running: set[_Exchange] = set()
        self._timers: list[tuple[float, int, _Exchange]] = []
        self._serial = itertools.count()
        self._bell: socket.socket
        self._ear: socket.socket
        self._poll: select.poll
        """Not ``selectors``: its bookkeeping for each packet costs more than asking for all sockets anew, and they are few, one a
        thread that waits."""
        self._heard: dict[int, _Exchange] = {}
        """By the descriptor of its socket, while it is listened to."""

    def run(self, transfer: Transfer, server: Endpoint, patience: Patience, left_s: float) -> None:
        """Carries out one transfer and returns when it is finished. Callable from any thread but the loop's own.

        Raises what ``Transfer.receive`` raises, ``Silence``, or ``Permanent`` when nothing can be sent from here.
        """
        exchange = _Exchange(transfer, server, patience, time.monotonic() + left_s, open_socket(server.family))
        with self._lock:
            try:
                self._start()
            except BaseException:
                exchange.sock.close()
                raise
            self._arrivals.append(exchange)
            alone = len(self._arrivals) == 1
        if alone:  # else the bell rings already for the one before, and both are taken together
            self._ring()
        with exchange.over:
            if exchange.error is not None:
                raise exchange.error

    def close(self) -> None:
        """Fails what is still under way and ends the thread. Afterwards ``run`` raises ``Temporary``."""
        with self._lock:
            self._closed = True
            thread, self._thread = self._thread, None
        if thread is None:
            return
        self._ring()
        thread.join()
        self._bell.close()
        self._ear.close()

    def _start(self) -> None:
        if self._closed:
            raise Temporary("TFTP was shut down; the run is ending")
        if self._thread is None:
            self._bell, self._ear = socket.socketpair()
            self._bell.setblocking(False)
            self._ear.setblocking(False)
            self._poll = select.poll()
            self._poll.register(self._ear, select.POLLIN)
            self._thread = threading.Thread(target=self._work, name="tftp", daemon=True)
            self._thread.start()

    def _ring(self) -> None:
        with contextlib.suppress(BlockingIOError):  # it rings already
            self._bell.send(b"!")

    def _work(self) -> None:
        try:
            while not self._closed:
                for descriptor, _ in self._poll.poll(self._pause_ms()):
                    exchange = self._heard.get(descriptor)
                    if exchange is None:
                        self._admit()
                    else:
                        self._guarded(self._hear, exchange)
                self._expire()
        finally:
            self._shut_down()

    def _shut_down(self) -> None:
        with self._lock:
            self._closed = True
            self._admit()
        for exchange in list(self._running):
            self._end(exchange, Temporary("TFTP was shut down before the transfer ended"))

    def _guarded(self, step: _Step, exchange: _Exchange) -> None:
        """Whatever goes wrong with one transfer is its own caller's to hear; the others go on."""
        try:
            step(exchange)
        except Exception as error:  # noqa: BLE001  # carried to the caller's thread, and raised there
            self._end(exchange, error)

    # ------------------------------------------------------------ starting

    def _admit(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._ear.recv(4096)
        while self._arrivals:
            exchange = self._arrivals.popleft()
            self._running.add(exchange)
            self._guarded(self._open, exchange)

    def _open(self, exchange: _Exchange) -> None:
        descriptor = exchange.sock.fileno()
        self._poll.register(descriptor, select.POLLIN)
        self._heard[descriptor] = exchange
        exchange.asked_at = time.monotonic()
        self._say(exchange, exchange.asked_at, 1 if exchange.transfer.repeatable else _WRITE_REQUEST)
        self._watch(exchange)

    def _watch(self, exchange: _Exchange) -> None:
        heapq.heappush(self._timers, (exchange.due_at, next(self._serial), exchange))

    def _say(self, exchange: _Exchange, now: float, patience: int = 1) -> None:
        """Sends what moves the transfer on, with the full patience before it."""
        exchange.moved_at = now
        exchange.wait_s = exchange.patience.first_s * patience
        exchange.sent = 0
        self._send(exchange, now)

    def _send(self, exchange: _Exchange, now: float) -> None:
        exchange.sent += 1
        exchange.due_at = min(now + exchange.wait_s, exchange.ends_at)
        send(exchange.sock, exchange.transfer.packet, exchange.target)

    # ------------------------------------------------------------ hearing

    def _hear(self, exchange: _Exchange) -> None:
        if exchange.ended:
            return  # by something earlier in the same round
        try:
            packet, source = exchange.sock.recvfrom(exchange.room)
        except OSError:
            heard = self._hear_past_error(exchange)
            if heard is None:
                return
            packet, source = heard
        if self._is_peer(exchange, source):
            self._take(exchange, packet)

    def _hear_past_error(self, exchange: _Exchange) -> tuple[bytes, Address] | None:
        """An ICMP error stands in line before data; the server may have answered and gone, which is no failure."""
        refused = refusal(exchange.sock, exchange.target)
        try:
            return exchange.sock.recvfrom(exchange.room)
        except OSError:
            if refused is None:
                return None
        raise _silence(exchange, refused)

    def _is_peer(self, exchange: _Exchange, source: Address) -> bool:
        if source == exchange.peer:
            return True
        if exchange.peer is None and source[0] == exchange.server.address[0]:
            exchange.peer, exchange.answered_at = source, time.monotonic()
            return True
        if exchange.peer is not None and source[:2] == exchange.peer[:2]:
            return True
        if source[0] != exchange.server.address[0]:
            exchange.strangers.add(source[0])
        # Also what a server gets that answered a repeated request twice: one of its two transfers must end.
        send(exchange.sock, tftp.error(tftp.UNKNOWN_TID, "Unknown transfer ID"), source)
        if exchange.asked_again and source[0] == exchange.server.address[0]:
            raise AnsweredTwice
        return False

    def _take(self, exchange: _Exchange, packet: bytes) -> None:
        transfer = exchange.transfer
        if transfer.finished:
            return  # only a second answer is still waited for
        before = transfer.packet
        answer = transfer.receive(packet)
        if transfer.finished and exchange.asked_again:
            self._linger(exchange)
        elif transfer.finished:
            self._end(exchange, None, last=answer)
        elif answer is None:
            return
        elif answer is before:
            send(exchange.sock, answer, exchange.target)  # a repetition: nothing moved, so the clock runs on
        else:
            self._say(exchange, time.monotonic())

    def _linger(self, exchange: _Exchange) -> None:
        """Waits for the second answer as long as the first one took."""
        took_s = exchange.answered_at - exchange.asked_at
        exchange.due_at = min(time.monotonic() + max(took_s, exchange.patience.first_s), exchange.ends_at)
        self._watch(exchange)

    # ------------------------------------------------------------ waiting

    def _pause_ms(self) -> float | None:
        if not self._timers:
            return None
        return max(0.0, self._timers[0][0] - time.monotonic()) * 1000

    def _expire(self) -> None:
        """One timer per transfer: it is moved on when it rings early, which is cheaper than a new one per packet."""
        now = time.monotonic()
        while self._timers and self._timers[0][0] <= now:
            _, _, exchange = heapq.heappop(self._timers)
            if not exchange.ended and exchange.due_at <= now:
                self._guarded(self._repeat, exchange)
            if not exchange.ended:
                self._watch(exchange)

    def _repeat(self, exchange: _Exchange) -> None:
        now = time.monotonic()
        if exchange.transfer.finished:
            self._end(exchange, None)
            return
        if now >= exchange.ends_at or exchange.sent > exchange.patience.retries:
            raise _silence(exchange, None)
        if exchange.peer is None:
            exchange.asked_again = not exchange.transfer.repeatable
        exchange.wait_s = min(exchange.wait_s * 2, exchange.patience.longest_s)
        self._send(exchange, now)

    # ------------------------------------------------------------ ending

    def _end(self, exchange: _Exchange, error: Exception | None, last: bytes | None = None) -> None:
        self._running.discard(exchange)
        exchange.ended = True
        farewell = last if error is None else _farewell(error)
        if farewell is not None and exchange.peer is not None:
            with contextlib.suppress(Permanent):  # the transfer has its outcome already
                send(exchange.sock, farewell, exchange.peer)
        descriptor = exchange.sock.fileno()
        if self._heard.pop(descriptor, None) is not None:  # else it failed before it was listened to
            self._poll.unregister(descriptor)
        exchange.sock.close()
        exchange.error = error
        exchange.over.release()


def _silence(exchange: _Exchange, refused: str | None) -> Silence:
    now = time.monotonic()
    return Silence(now - exchange.moved_at, refused, now >= exchange.ends_at, frozenset(exchange.strangers))


def _farewell(error: Exception) -> bytes | None:
    """What the server is told when this side gives up, so that it does not go on sending."""
    if isinstance(error, OptionsRefused):
        return tftp.error(tftp.BAD_OPTIONS, "Option negotiation failed")
    if isinstance(error, Broken):
        return tftp.error(tftp.ILLEGAL, "Illegal TFTP operation")
    if isinstance(error, Silence | AnsweredTwice | Temporary):
        return tftp.error(tftp.NOT_DEFINED, "Gave up")
    return None
