"""One command over one channel: the exec request and its input in one flight, both outputs drained side by side.

paramiko's own ``exec_command`` waits, without a time-out, for the server to confirm before the caller may send anything;
here the confirmation is looked at only when the command ended without a status.
"""

from __future__ import annotations

import threading
from typing import Any

from paramiko import Channel, SSHException
from paramiko.buffered_pipe import BufferedPipe

from engine.model.errors import Permanent, Temporary
from engine.ports import CommandResult
from engine.transports.ssh_channel import send_data, send_eof, send_exec
from engine.transports.ssh_settings import Deadline, seconds_left

MAX_OUTPUT = 64 * 1024 * 1024
"""More than this from one command is a mistake, not a configuration file."""
_CHUNK = 1 << 20
_SIEVED = 1 << 18
"""Bytes that may wait to be taken; the other side's window is eight times that."""
_TAIL = 80
"""Bytes that surely hold a mark and a status."""
_SEND_WAIT_S = 0.05
_LULL_S = 5.0
"""A command that has ended, but left something behind that keeps its output open, is over after this much silence."""


class ExecRefused(Exception):  # not an error for the caller: it goes on with SFTP
    """The server carries out no commands for this login."""


class _Wakeup(threading.Event):
    """Set by whatever arrives. paramiko clears it when one output's buffer runs empty, though the other's may have been filled
    since: only ``rearm`` clears it here."""

    def clear(self) -> None:
        """Ignored; see ``rearm``."""

    def rearm(self) -> None:
        super().clear()


class _Status(threading.Event):
    """Set when the command's status is there, which wakes whoever waits for output too."""

    def __init__(self, wakeup: threading.Event) -> None:
        super().__init__()
        self._wakeup = wakeup

    def set(self) -> None:
        super().set()
        self._wakeup.set()


class _Sieve:
    """Rings a ``Wakeup`` for the piece of stdout that ends with ``mark``, and not for every one on the way: each ring is a
    change of threads, which costs more than the piece. Without a mark, or once pieces were taken out so that the mark may come
    in halves, every piece rings."""

    def __init__(self, pipe: BufferedPipe[Any], mark: bytes, wakeup: _Wakeup) -> None:
        self._pipe, self._mark, self._wakeup = pipe, mark, wakeup
        self.is_open = not mark
        pipe.set_event(self)  # type: ignore[arg-type]  # all it asks of an event
        pipe.feed = self.feed  # type: ignore[method-assign]

    def feed(self, data: bytes) -> None:
        """As ``BufferedPipe.feed``, which rings before the data is there."""
        BufferedPipe.feed(self._pipe, data)
        held = self._pipe._buffer  # type: ignore[attr-defined]  # the stubs leave it out
        if self.is_open or len(held) > _SIEVED or self._mark in bytes(held[-_TAIL:]):
            self._wakeup.set()

    def set(self) -> None:
        """For the end of the output."""
        if self._pipe._closed:  # type: ignore[attr-defined]
            self._wakeup.set()

    def clear(self) -> None:
        """As in ``_Wakeup``."""


class Outputs:
    """What a command prints on both outputs, gathered side by side: a full one must not stop the other."""

    def __init__(self, channel: Channel, where: str, deadline: Deadline, mark: bytes = b"") -> None:
        """``mark``: what stdout ends with; nothing before it needs to be looked at."""
        self.channel, self.where, self.deadline = channel, where, deadline
        self.stdout = bytearray()
        self.stderr = bytearray()
        self.wakeup = _Wakeup()
        self._sieve = _Sieve(channel.in_buffer, mark, self.wakeup)
        channel.in_stderr_buffer.set_event(self.wakeup)
        channel.status_event = _Status(self.wakeup)

    @property
    def size(self) -> int:
        """Bytes gathered so far."""
        return len(self.stdout) + len(self.stderr)

    def send(self, data: bytes) -> None:
        """Sends it all, gathering meanwhile. What the other side ended without reading is not sent: its status tells."""
        channel, rest = self.channel, memoryview(data)
        channel.settimeout(_SEND_WAIT_S)
        while rest and not channel.closed:
            self.left("sending a command's input")
            try:
                sent = send_data(channel, bytes(rest[:_CHUNK]))
            except TimeoutError:
                self.drain()
                continue
            if sent == 0:
                break
            rest = rest[sent:]

    def wait(self, seconds: float) -> bool:
        """Waits for something to happen, and gathers. False when nothing did."""
        woken = self.wakeup.wait(seconds)
        self.wakeup.rearm()
        self.drain()
        return woken

    def left(self, doing: str) -> float:
        """Seconds left of the deadline; raises ``Temporary`` when there are none."""
        return seconds_left(self.deadline, self.where, doing, begun=True)

    def drain(self) -> None:
        """Takes what has arrived."""
        channel = self.channel
        while channel.recv_ready():
            self._sieve.is_open = True
            self.stdout += channel.recv(_CHUNK)
        while channel.recv_stderr_ready():
            self.stderr += channel.recv_stderr(_CHUNK)
        if self.size > MAX_OUTPUT:
            raise Permanent(f"{self.where}: a command printed more than {MAX_OUTPUT >> 20} MiB; it was cut off")


WAITING = "waiting for a command, which may have been carried out"


class Exchange:
    """A command being carried out."""

    def __init__(self, channel: Channel, where: str, deadline: Deadline) -> None:
        self._channel = channel
        self._where = where
        self._outputs = Outputs(channel, where, deadline)

    def start(self, command: str) -> None:
        """Sends the request; does not wait."""
        send_exec(self._channel, command)

    def feed(self, stdin: bytes) -> None:
        """Sends the command's input and ends it."""
        self._outputs.send(stdin)
        send_eof(self._channel)

    def finish(self) -> CommandResult:
        """Waits for the end. Raises ``ExecRefused``, or ``Temporary`` when it was cut off and nobody knows what it did."""
        channel, outputs = self._channel, self._outputs
        while not self._has_ended():
            left = outputs.left(WAITING)
            had = outputs.size
            ended = channel.exit_status_ready()
            woken = outputs.wait(min(left, _LULL_S) if ended else left)
            if ended and not woken and outputs.size == had:
                break
        outputs.drain()
        if channel.exit_status < 0 or (channel.closed and not channel.eof_received):
            self._raise_if_cut_off()
        return CommandResult(channel.exit_status, bytes(outputs.stdout), bytes(outputs.stderr))

    def _has_ended(self) -> bool:
        channel = self._channel
        return channel.closed or (bool(channel.eof_received) and channel.status_event.is_set())

    def _raise_if_cut_off(self) -> None:
        """There is no status, or the outputs' end did not come."""
        channel = self._channel
        raise_if_dead(channel, self._where)
        if channel.exit_status >= 0:
            return
        if not channel.event_ready:
            raise ExecRefused
        raise Temporary(f"{self._where}: a command was ended by a signal; whether it took effect is not known")


def raise_if_dead(channel: Channel, where: str) -> None:
    """Raises ``Temporary`` when a command's connection is gone."""
    transport = channel.get_transport()
    # A dying connection closes its channels just before it says that it is dead.
    transport.join(0.05)
    if not transport.is_active():
        raise Temporary(f"{where}: the connection was lost during a command; whether it took effect is not known")


def broken(where: str, error: Exception) -> Temporary:
    """What a dead connection amounts to before a command was sent."""
    why = str(error) if isinstance(error, SSHException) and str(error) else "it was closed by the other side"
    return Temporary(f"{where}: the connection is gone: {why}", nothing_done=True)
