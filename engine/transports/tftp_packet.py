"""TFTP packets as bytes and back: RFC 1350 with the option extension (RFC 2347, 2348, 2349). Knows no socket and no file."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import NamedTuple

RRQ, WRQ, DATA, ACK, ERROR, OACK = 1, 2, 3, 4, 5, 6

DEFAULT_BLOCK = 512
SMALLEST_BLOCK, LARGEST_BLOCK = 8, 65464

NOT_DEFINED, NOT_FOUND, ACCESS_VIOLATION, DISK_FULL, ILLEGAL, UNKNOWN_TID, EXISTS, NO_USER, BAD_OPTIONS = range(9)

_HEAD = struct.Struct("!HH")
_LONGEST_TEXT = 200
"""Of a server's error text: enough for any real one, and a hostile one cannot fill the operator's screen."""


class BadPacket(ValueError):
    """The bytes are not a TFTP packet a server may send; the message says what is wrong."""


class Answer(NamedTuple):
    """A packet from the server. What a field means depends on ``opcode``."""

    opcode: int
    number: int = 0
    """DATA and ACK: the block. ERROR: the code."""
    payload: bytes = b""
    """DATA: the content."""
    text: str = ""
    """ERROR: what the server says, printable."""
    options: tuple[tuple[str, str], ...] = ()
    """OACK: names in lower case."""


def request(opcode: int, path: str, options: Mapping[str, int]) -> bytes:
    """A read or write request in octet mode. Raises ``ValueError`` for a path that cannot be sent."""
    if not path or "\0" in path:
        raise ValueError(f"{path!r} is not a file name TFTP can carry")
    words = [path.encode(), b"octet"]
    for name, value in options.items():
        words += [name.encode(), str(value).encode()]
    return struct.pack("!H", opcode) + b"\0".join(words) + b"\0"


def data(block: int, payload: bytes) -> bytes:
    """A DATA packet."""
    return _HEAD.pack(DATA, block) + payload


def ack(block: int) -> bytes:
    """An ACK packet."""
    return _HEAD.pack(ACK, block)


def error(code: int, text: str) -> bytes:
    """An ERROR packet."""
    return _HEAD.pack(ERROR, code) + text.encode("ascii", "replace") + b"\0"


def parse(packet: bytes) -> Answer:
    """Reads what a server sent. Raises ``BadPacket``: too short, an opcode only clients send, or a mangled option list."""
    if len(packet) < 4:
        raise BadPacket(f"{len(packet)} bytes are too few")
    opcode, number = _HEAD.unpack_from(packet)
    if opcode == DATA:
        return Answer(DATA, number, packet[4:])
    if opcode == ACK:
        return Answer(ACK, number)
    if opcode == ERROR:
        return Answer(ERROR, number, text=_printable(packet[4:].split(b"\0", 1)[0]))
    if opcode == OACK:
        return Answer(OACK, options=_options(packet[2:]))
    raise BadPacket(f"a server does not send opcode {opcode}")


def _options(body: bytes) -> tuple[tuple[str, str], ...]:
    words = body.split(b"\0")
    if words.pop():
        raise BadPacket("the option list does not end with a zero byte")
    if len(words) % 2:
        raise BadPacket("an option has no value")
    texts = [_printable(word) for word in words]
    return tuple(zip((name.lower() for name in texts[::2]), texts[1::2], strict=True))


def _printable(raw: bytes) -> str:
    text = raw[:_LONGEST_TEXT].decode("utf-8", "replace")
    if text.isprintable():
        return text.strip()
    return "".join(character if character.isprintable() else "?" for character in text).strip()
