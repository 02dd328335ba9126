"""One command over one channel: the exec request and its input in one flight, both outputs drained side by side.

paramiko's own ``exec_command`` waits, without a time-out, for the server to confirm before the caller may send anything;
here the confirmation is looked at only when the command ended without a status.
"""

from __future__ import annotations

import threading

from paramiko import Channel, SSHException

from engine.model.errors import Permanent, Temporary
from engine.ports import CommandResult
from engine.transports.ssh_channel import send_data, send_eof, send_exec
from engine.transports.ssh_settings import Deadline, seconds_left

MAX_OUTPUT = 64 * 1024 * 1024
"""More than this from one command is a mistake, not a configuration file."""
_CHUNK = 1 << 20
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


class Exchange:
    """A command being carried out."""

    def __init__(self, channel: Channel, where: str, deadline: Deadline) -> None:
        self._channel = channel
        self._where = where
        self._deadline = deadline
        self._stdout = bytearray()
        self._stderr = bytearray()
        self._wakeup = _Wakeup()
        channel.in_buffer.set_event(self._wakeup)
        channel.in_stderr_buffer.set_event(self._wakeup)
        channel.status_event = _Status(self._wakeup)

    def start(self, command: str) -> None:
        """Sends the request; does not wait."""
        send_exec(self._channel, command)

    def feed(self, stdin: bytes) -> None:
        """Sends the command's input and ends it, reading meanwhile: a full pipe on either side must not stop the other."""
        channel, rest = self._channel, memoryview(stdin)
        channel.settimeout(_SEND_WAIT_S)
        while rest and not channel.closed:
            self._left("sending a command's input")
            try:
                sent = send_data(channel, bytes(rest[:_CHUNK]))
            except TimeoutError:
                self._drain()
                continue
            if sent == 0:
                break  # it ended without reading all of its input: its status tells
            rest = rest[sent:]
        send_eof(channel)

    def finish(self) -> CommandResult:
        """Waits for the end. Raises ``ExecRefused``, or ``Temporary`` when it was cut off and nobody knows what it did."""
        channel = self._channel
        while not self._has_ended():
            left = self._left("waiting for a command, which may have been carried out")
            had = len(self._stdout) + len(self._stderr)
            ended = channel.exit_status_ready()
            woken = self._wakeup.wait(min(left, _LULL_S) if ended else left)
            self._wakeup.rearm()
            self._drain()
            if ended and not woken and len(self._stdout) + len(self._stderr) == had:
                break
        self._drain()
        if channel.exit_status < 0 or (channel.closed and not channel.eof_received):
            self._raise_if_cut_off()
        return CommandResult(channel.exit_status, bytes(self._stdout), bytes(self._stderr))

    def _has_ended(self) -> bool:
        channel = self._channel
        return channel.closed or (bool(channel.eof_received) and channel.status_event.is_set())

    def _left(self, doing: str) -> float:
        return seconds_left(self._deadline, self._where, doing, begun=True)

    def _drain(self) -> None:
        channel = self._channel
        while channel.recv_ready():
            self._stdout += channel.recv(_CHUNK)
        while channel.recv_stderr_ready():
            self._stderr += channel.recv_stderr(_CHUNK)
        if len(self._stdout) + len(self._stderr) > MAX_OUTPUT:
            raise Permanent(f"{self._where}: a command printed more than {MAX_OUTPUT >> 20} MiB; it was cut off")

    def _raise_if_cut_off(self) -> None:
        """There is no status, or the outputs' end did not come."""
        channel = self._channel
        transport = channel.get_transport()
        # A dying connection closes its channels just before it says that it is dead.
        transport.join(0.05)
        if not transport.is_active():
            raise Temporary(f"{self._where}: the connection was lost during a command; whether it took effect is not known")
        if channel.exit_status >= 0:
            return
        if not channel.event_ready:
            raise ExecRefused
        raise Temporary(f"{self._where}: a command was ended by a signal; whether it took effect is not known")


def broken(where: str, error: Exception) -> Temporary:
    """What a dead connection amounts to before a command was sent."""
    why = str(error) if isinstance(error, SSHException) and str(error) else "it was closed by the other side"
    return Temporary(f"{where}: the connection is gone: {why}", nothing_done=True)
