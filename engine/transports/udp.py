"""A UDP socket that hears when nobody is there.

TFTP and SIP must take answers from an address other than the one they asked, so their sockets cannot be connected; and an
unconnected socket is not told of ICMP "port unreachable". Linux tells it on request, through an error queue that also names
the destination, and so a stopped server is reported at once and not after half a minute of silence. Elsewhere nothing is
lost but that: the time-out still ends the exchange.
"""

from __future__ import annotations

import errno
import socket
import struct
import sys
from typing import Any

from engine.model.errors import Permanent, Temporary
from engine.model.values import dataclass

# linux/in.h, linux/in6.h, linux/socket.h; the socket module does not name them in Python 3.11.
_IP_RECVERR = 11
_IPV6_RECVERR = 25
_MSG_ERRQUEUE = 0x2000
_LINUX = sys.platform == "linux"

Address = tuple[Any, ...]
"""As the socket module has it: (host, port) or (host, port, flow, scope)."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A server's address, resolved."""

    family: int
    address: Address
    name: str
    """For people: as the connection names it, with the port."""


def resolve(host: str, port: int) -> Endpoint:
    """Looks the host up; IPv4 first, because phones and their servers speak it.

    Raises ``Permanent`` when the name does not exist, ``Temporary`` when the name server does not answer.
    """
    name = f"{host}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    except socket.gaierror as error:
        if error.errno == socket.EAI_AGAIN:
            raise Temporary(f"the name {host} could not be looked up just now: the name server did not answer") from None
        raise Permanent(f"the name {host} is not known ({error.strerror}); correct 'host' of the connection") from None
    except (UnicodeError, OverflowError) as error:
        raise Permanent(f"{name} is not an address ({error}); correct 'host' and 'port' of the connection") from None
    family, _, _, _, address = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return Endpoint(family, address, name)


def open_socket(family: int) -> socket.socket:
    """A non-blocking UDP socket on a port of its own that queues ICMP errors. Raises ``Temporary`` when there is none left."""
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as error:
        raise Temporary(f"cannot open a socket: {(error.strerror or str(error)).lower()}") from None
    sock.setblocking(False)
    if _LINUX:
        level, option = (socket.IPPROTO_IPV6, _IPV6_RECVERR) if family == socket.AF_INET6 else (socket.IPPROTO_IP, _IP_RECVERR)
        sock.setsockopt(level, option, 1)
    return sock


def refusal(sock: socket.socket, peer: Address) -> str | None:
    """Empties the error queue. Why ``peer`` cannot be reached, in words, when an error is about a datagram sent there."""
    why = None
    while _LINUX:
        try:
            _, ancillary, _, destination = sock.recvmsg(512, 512, _MSG_ERRQUEUE)
        except OSError:
            break
        if destination is not None and destination[:2] == peer[:2]:
            why = why or _spell(ancillary)
    return why


def send(sock: socket.socket, packet: bytes, to: Address) -> None:
    """Sends, or loses the datagram as a network might: a full buffer or a queued error is repaired by sending again.

    Raises ``Permanent`` when this machine has no way to send it at all.
    """
    try:
        sock.sendto(packet, to)
    except OSError as error:
        if error.errno not in _PASSING:
            raise Permanent(f"cannot send to {to[0]} port {to[1]}: {(error.strerror or str(error)).lower()}") from None


_PASSING = frozenset({
    errno.EAGAIN, errno.ECONNREFUSED, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENOBUFS, errno.EHOSTDOWN, errno.ENONET,
})
_WORDS = {
    errno.ECONNREFUSED: "nothing listens on that port",
    errno.EHOSTUNREACH: "no route to the host",
    errno.ENETUNREACH: "no route to its network",
    errno.EMSGSIZE: "the datagram is too big for the path",
    errno.EACCES: "a firewall refuses it",
}


def _spell(ancillary: list[tuple[int, int, bytes]]) -> str:
    """Words for ``struct sock_extended_err``, whose first member is the errno."""
    for _, _, data in ancillary:
        if len(data) >= 4:
            number = struct.unpack_from("=I", data)[0]
            return _WORDS.get(number, errno.errorcode.get(number, str(number)))
    return "the network refuses it"
