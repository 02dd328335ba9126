"""SIP as the lab's phones and registrar speak it: reading and writing messages, and both sides of digest.

Written apart from the product's own SIP, so that a mistake there is not made again on the other side.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence

from engine.model.values import dataclass

REASONS = {
    100: "Trying", 200: "OK", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
    405: "Method Not Allowed", 480: "Temporarily Unavailable", 481: "Subscription does not exist", 486: "Busy Here",
    489: "Bad Event", 500: "Server Error",
}
_COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length", "o": "event"}
_PAIR = re.compile(r'(\w+)=(?:"([^"]*)"|([^\s,"]+))')


@dataclass(frozen=True, slots=True)
class Message:
    """A request (``method``, ``uri``) or a response (``status``). Header names are lower-case, in their order."""

    method: str
    uri: str
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes = b""

    def header(self, name: str) -> str:
        """The first header of that name; empty when there is none."""
        return next((value for known, value in self.headers if known == name), "")

    def user(self) -> str:
        """The user part of the request's address."""
        return user_of(self.uri)


def user_of(uri: str) -> str:
    """The user part of a SIP address, also of one in angle brackets; empty when it has none."""
    match = re.search(r"sips?:([^@;>]+)@", uri)
    return match[1] if match else ""


def parse(packet: bytes) -> Message | None:
    """What came in; None when it is not SIP, such as a keep-alive."""
    head, _, body = packet.partition(b"\r\n\r\n")
    lines = head.decode("utf-8", "replace").split("\r\n")
    first = lines[0].split(" ", 2)
    if len(first) != 3:
        return None
    headers = []
    for line in lines[1:]:
        name, colon, value = line.partition(":")
        if colon:
            name = name.strip().lower()
            headers.append((_COMPACT.get(name, name), value.strip()))
    if first[0] == "SIP/2.0" and first[1].isdigit():
        return Message("", "", int(first[1]), tuple(headers), body)
    return Message(first[0], first[1], 0, tuple(headers), body) if first[2] == "SIP/2.0" else None


def request(method: str, uri: str, headers: Sequence[tuple[str, str]]) -> bytes:
    """A request without a body."""
    return _message(f"{method} {uri} SIP/2.0", headers)


def response(asked: Message, status: int, extra: Sequence[tuple[str, str]] = ()) -> bytes:
    """The response to a request: the headers RFC 3261 has copied, then ``extra``."""
    copied = [(name, value) for name, value in asked.headers if name in {"via", "from", "call-id", "cseq"}]
    to = asked.header("to")
    tagged = to if ";tag=" in to else f"{to};tag={secrets.token_hex(4)}"
    return _message(f"SIP/2.0 {status} {REASONS.get(status, 'Unknown')}", [*copied, ("to", tagged), *extra])


def challenge(realm: str, nonce: str) -> str:
    """The value of a WWW-Authenticate header."""
    return f'Digest realm="{realm}", nonce="{nonce}", algorithm=MD5, qop="auth"'


def fields_of(header: str) -> dict[str, str]:
    """The parameters of a digest challenge or answer."""
    return {name.lower(): quoted or bare for name, quoted, bare in _PAIR.findall(header)}


def digest_answer(header: str, method: str, uri: str, username: str, password: str) -> str:
    """The Authorization that answers the challenge in ``header``."""
    asked = fields_of(header)
    cnonce = secrets.token_hex(8)
    proof = _proof(asked["realm"], asked["nonce"], cnonce, method, uri, username, password)
    return (
        f'Digest username="{username}", realm="{asked["realm"]}", nonce="{asked["nonce"]}", uri="{uri}", response="{proof}", '
        f'algorithm=MD5, cnonce="{cnonce}", qop=auth, nc=00000001'
    )


def digest_holds(header: str, method: str, nonce: str, password: str) -> bool:
    """Whether an Authorization answers the challenge of ``nonce`` with this password (RFC 7616, MD5, with or without qop)."""
    given = fields_of(header)
    if given.get("nonce") != nonce or "response" not in given:
        return False
    user, realm, uri = given.get("username", ""), given.get("realm", ""), given.get("uri", "")
    if "qop" in given:
        count = given.get("nc", "")
        wanted = _proof(realm, nonce, given.get("cnonce", ""), method, uri, user, password, count)
    else:
        wanted = _md5(f"{_md5(f'{user}:{realm}:{password}')}:{nonce}:{_md5(f'{method}:{uri}')}")
    return secrets.compare_digest(wanted, given["response"])


def _proof(
    realm: str, nonce: str, cnonce: str, method: str, uri: str, username: str, password: str, count: str = "00000001",
) -> str:
    secret, what = _md5(f"{username}:{realm}:{password}"), _md5(f"{method}:{uri}")
    return _md5(f"{secret}:{nonce}:{count}:{cnonce}:auth:{what}")


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _message(first: str, headers: Sequence[tuple[str, str]]) -> bytes:
    lines = [first, *(f"{name.title()}: {value}" for name, value in headers), "Content-Length: 0", "", ""]
    return "\r\n".join(lines).encode()
