"""Channels: opening one without waiting for it, and sending so that nothing of ours follows our own CLOSE.

When the other side closes a channel, paramiko answers CLOSE from its reading thread, while data or EOF made ready by another
thread may still be on their way to the socket. OpenSSH takes a message for a closed channel for a broken client and ends the
whole connection, with every other command on it. It happens with any command that ends without reading all of its input, and
with every tunnel. Here a message is sent while the channel's lock is held, which closing needs too.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from paramiko import Channel, Message, Transport
from paramiko.common import cMSG_CHANNEL_DATA, cMSG_CHANNEL_EOF, cMSG_CHANNEL_OPEN, cMSG_CHANNEL_REQUEST

_REKEY_POLL_S = 0.1
_FETCH = 1 << 16
_LAST_WORD_S = 0.1


def send_exec(channel: Channel, command: str) -> bool:
    """Asks for a command to be carried out; does not wait for consent. False when the channel is closed."""
    return _post(channel, _message(channel, cMSG_CHANNEL_REQUEST, "exec", True, command))


def send_data(channel: Channel, data: bytes) -> int:
    """Sends as much as the other side has room for and returns how much; 0 when the channel is closed.

    Raises ``TimeoutError`` when there is no room within the channel's own time-out.
    """
    with channel.lock:
        room: int = channel._wait_for_send_window(len(data))  # type: ignore[attr-defined]  # the stubs leave it out
    return room if room and _post(channel, _message(channel, cMSG_CHANNEL_DATA, data[:room])) else 0


def send_eof(channel: Channel) -> None:
    """Says that no more data follows."""
    def note() -> None:
        channel.eof_sent = True

    _post(channel, _message(channel, cMSG_CHANNEL_EOF), note)


class TimedChannel:
    """A channel as SFTP uses it. A file takes several requests, and the deadline is for all of them together: each wait ends
    with it, where a channel's own time-out would begin anew with every answer."""

    def __init__(self, channel: Channel, deadline: Callable[[], float]) -> None:
        self._channel = channel
        self._deadline = deadline

    def recv(self, size: int) -> bytes:
        """Raises ``TimeoutError`` when time is up."""
        left = self._deadline()
        if left <= 0:
            raise TimeoutError("timed out")
        self._channel.settimeout(left)
        return self._channel.recv(size)

    def send(self, data: bytes) -> int:
        """Does not wait for anything but room, so that a request to tidy up can leave when time is up."""
        self._channel.settimeout(max(self._deadline(), _LAST_WORD_S))
        return self._channel.send(data)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._channel, name)


def _message(channel: Channel, kind: bytes, *fields: str | bytes | bool) -> Message:
    message = Message()
    message.add_byte(kind)
    message.add_int(channel.remote_chanid)
    for field in fields:
        if isinstance(field, bool):
            message.add_boolean(field)
        else:
            message.add_string(field)
    return message


def _post(channel: Channel, message: Message, note: Callable[[], None] = lambda: None) -> bool:
    """Sends unless the channel is closed. During a key exchange it waits without the lock, which the exchange may need."""
    transport = channel.get_transport()
    while transport.is_active():
        with channel.lock:
            if channel.closed:
                return False
            with transport.clear_to_send_lock:
                if transport.clear_to_send.is_set():
                    transport._send_message(message)  # type: ignore[attr-defined]
                    note()
                    return True
        transport.clear_to_send.wait(_REKEY_POLL_S)
    return False


class PendingSession:
    """A session that was asked for. paramiko's ``open_session`` can only ask and wait in one."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._answered = threading.Event()
        with transport.lock:
            number = transport._next_channel()  # type: ignore[attr-defined]  # from here on as open_channel does
            self._channel = channel = Channel(number)
            transport._channels.put(number, channel)  # type: ignore[attr-defined]
            transport.channel_events[number] = self._answered
            transport.channels_seen[number] = True
            channel._set_transport(transport)  # type: ignore[attr-defined]
            channel._set_window(transport.default_window_size, transport.default_max_packet_size)  # type: ignore[attr-defined]
        message = Message()
        message.add_byte(cMSG_CHANNEL_OPEN)
        message.add_string("session")
        for size in (number, transport.default_window_size, transport.default_max_packet_size):
            message.add_int(size)
        transport._send_user_message(message)  # type: ignore[attr-defined]
        if not transport.is_active():
            self._answered.set()  # whoever ended the connection may not have seen us any more

    def wait(self, seconds: float) -> Channel | None:
        """The open channel; None when it was refused or the connection is gone. Raises ``TimeoutError``."""
        if not self._answered.wait(seconds):
            raise TimeoutError
        return self._channel if self._channel.active else None

    def why_not(self) -> str:
        """What the server gave as its reason, as far as that can be told when several were refused."""
        return str(self._transport.get_exception() or "it gave no reason")

    def abandon(self) -> None:
        """Gives it up, open or not."""
        self._channel.close()


class TunnelStream:
    """A channel as the byte stream under another connection: what paramiko asks of a socket, sent in order."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel

    def send(self, data: bytes) -> int:
        return send_data(self._channel, data)

    def recv(self, size: int) -> bytes:
        return self._channel.recv(size)

    def close(self) -> None:
        self._channel.close()

    def settimeout(self, seconds: float | None) -> None:
        self._channel.settimeout(seconds)

    @property
    def _closed(self) -> bool:
        return self._channel.closed


class TcpStream:
    """A TCP socket as paramiko reads it: a few bytes of a message's head, then its body. Whatever has arrived is fetched at
    once and dealt out from here: a command's whole answer often comes in one piece, and asking the system costs more than
    decrypting it."""

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected
        self._arrived = b""
        self.send = connected.send
        self.settimeout = connected.settimeout

    def recv(self, size: int) -> bytes:
        """As a socket's. Called by one thread, the connection's own."""
        data = self._arrived or self._socket.recv(_FETCH)
        self._arrived = data[size:]
        return data[:size]

    def close(self) -> None:
        """Ends the connection, which wakes the thread that reads from it."""
        with suppress(OSError):  # the other side was quicker
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    @property
    def _closed(self) -> bool:
        return self._socket.fileno() < 0
