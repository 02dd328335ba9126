"""How a lab phone fetches a file: a plain RFC 1350 read request in octet mode, 512 bytes a block, as firmware does."""

from __future__ import annotations

import asyncio
import contextlib
import struct

_RRQ, _DATA, _ACK, _ERROR = 1, 3, 4, 5
_BLOCK = 512
_WAIT_S = 1.0
_TRIES = 5
_NOT_FOUND = 1

Peer = tuple[str, int]


class FetchFailed(Exception):
    """The server refused for another reason than a missing file, or fell silent."""


class _Port(asyncio.DatagramProtocol):
    """One transfer's socket."""

    def __init__(self) -> None:
        self.inbox: asyncio.Queue[tuple[bytes, Peer]] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: Peer) -> None:
        self.inbox.put_nowait((data, addr))

    def error_received(self, exc: Exception) -> None:
        """Nobody listens there: the wait for an answer runs out, as it does for a phone."""


async def fetch(server: Peer, name: str, source: str) -> bytes | None:
    """The file; None when the server does not have it. ``source``: the phone's own address."""
    loop = asyncio.get_running_loop()
    wire, protocol = await loop.create_datagram_endpoint(_Port, local_addr=(source, 0))
    try:
        return await _transfer(wire, protocol.inbox, server, name)
    finally:
        wire.close()


async def _transfer(
    wire: asyncio.DatagramTransport, inbox: asyncio.Queue[tuple[bytes, Peer]], server: Peer, name: str,
) -> bytes | None:
    packet, to, wanted, content = struct.pack("!H", _RRQ) + name.encode() + b"\0octet\0", server, 1, bytearray()
    while True:
        data, peer = await _exchange(wire, inbox, packet, to, wanted)
        operation, number = struct.unpack_from("!HH", data)
        if operation == _ERROR:
            if number == _NOT_FOUND:
                return None
            raise FetchFailed(f"{name}: error {number}, {data[4:].rstrip(bytes(1)).decode('utf-8', 'replace')}")
        content += data[4:]
        packet, to, wanted = struct.pack("!HH", _ACK, wanted), peer, (wanted + 1) & 0xFFFF
        if len(data) - 4 < _BLOCK:
            wire.sendto(packet, to)
            return bytes(content)


async def _exchange(
    wire: asyncio.DatagramTransport, inbox: asyncio.Queue[tuple[bytes, Peer]], packet: bytes, to: Peer, wanted: int,
) -> tuple[bytes, Peer]:
    """Sends until the wanted block, or an error, comes."""
    loop = asyncio.get_running_loop()
    for _ in range(_TRIES):
        wire.sendto(packet, to)
        until = loop.time() + _WAIT_S
        with contextlib.suppress(TimeoutError):
            while (left_s := until - loop.time()) > 0:
                data, peer = await asyncio.wait_for(inbox.get(), left_s)
                if len(data) >= 4 and _answers(data, wanted):
                    return data, peer
    raise FetchFailed(f"no answer from {to[0]}:{to[1]}")


def _answers(data: bytes, wanted: int) -> bool:
    found: tuple[int, int] = struct.unpack_from("!HH", data)
    return found[0] == _ERROR or found == (_DATA, wanted)
