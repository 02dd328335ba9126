"""SIP messages as bytes and back (RFC 3261), and answers to digest challenges (RFC 7616, RFC 8760).

Only what a request outside a dialog needs. What comes from the network is bounded and checked before it is looked into, and
nothing with a line break in it is ever put into a header.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence

from engine.model.values import dataclass

_LARGEST = 65535
_MOST_HEADERS = 200
_STATUS = re.compile(r"SIP/2\.0 ([1-6][0-9]{2})(?: (.*))?", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z0-9\-.!%*_+`'~]+")
_CSEQ = re.compile(r"([0-9]{1,10})[ \t]+([A-Za-z]+)")
_PARAMETER = re.compile(r"""([A-Za-z0-9\-_]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)\s*""")
_URI = re.compile(r"sips?:[^\s<>\"\x00-\x20\x7f-\uffff]+")
_COMPACT = {"v": "via", "f": "from", "t": "to", "i": "call-id", "m": "contact", "l": "content-length", "c": "content-type"}
"""RFC 3261, 7.3.3."""


class BadMessage(ValueError):
    """The bytes are not a SIP response; the message says what is wrong."""


@dataclass(frozen=True, slots=True)
class Response:
    """A parsed response. Header names are lower-case and spelled out."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...]

    def first(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for known, value in self.headers if known == name), None)

    def every(self, name: str) -> list[str]:
        """All headers of that name, in order."""
        return [value for known, value in self.headers if known == name]

    def branch(self) -> str | None:
        """The branch of the topmost Via, which names the transaction."""
        via = self.first("via") or ""
        for part in via.split(",", 1)[0].split(";")[1:]:
            name, _, value = part.partition("=")
            if name.strip().lower() == "branch":
                return value.strip()
        return None

    def cseq(self) -> tuple[int, str] | None:
        """Number and method, None when mangled."""
        found = _CSEQ.fullmatch(self.first("cseq") or "")
        return (int(found[1]), found[2].upper()) if found else None

    def retry_after_s(self) -> float | None:
        """Seconds the other side asks to wait, when it says so sensibly."""
        found = re.match(r"[0-9]{1,6}\b", self.first("retry-after") or "")
        return float(found[0]) if found else None


def parse(packet: bytes) -> Response:
    """Reads a response. Raises ``BadMessage`` for anything else, requests included."""
    if len(packet) > _LARGEST:
        raise BadMessage("too long")
    head = re.split(rb"\r?\n\r?\n", packet, maxsplit=1)[0]
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError:
        raise BadMessage("not UTF-8") from None
    lines = re.split(r"\r?\n", re.sub(r"\r?\n[ \t]+", " ", text.lstrip("\r\n")))
    start = _STATUS.fullmatch(lines[0])
    if start is None:
        raise BadMessage("no SIP status line")
    if len(lines) > _MOST_HEADERS:
        raise BadMessage("too many headers")
    return Response(int(start[1]), _printable(start[2] or ""), tuple(_header(line) for line in lines[1:]))


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    name = name.strip().lower()
    if not colon or not _TOKEN.fullmatch(name):
        raise BadMessage("a line is no header")
    return _COMPACT.get(name, name), _printable(value.strip())


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)


def build(method: str, uri: str, headers: Sequence[tuple[str, str]], body: bytes = b"") -> bytes:
    """A request. Raises ``ValueError`` when a value would break out of its header."""
    lines = [f"{method} {uri} SIP/2.0"]
    lines += [f"{name}: {value}" for name, value in headers]
    lines.append(f"Content-Length: {len(body)}")
    for line in lines:
        if not line.isprintable():
            raise ValueError(f"{line!r} has a control character in it")
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def is_uri(text: str) -> bool:
    """Whether it is a ``sip:`` or ``sips:`` address that may stand in a request line."""
    return _URI.fullmatch(text) is not None


def is_event(text: str) -> bool:
    """Whether it may stand in an Event header: a package and parameters, such as ``check-sync;reboot=false``."""
    return re.fullmatch(r"[A-Za-z0-9\-.!%*_+`'~]+(?:;[A-Za-z0-9\-.!%*_+`'~]+(?:=[A-Za-z0-9\-.!%*_+`'~]+)?)*", text) is not None


# ---------------------------------------------------------------- digest


@dataclass(frozen=True, slots=True)
class Challenge:
    """What a 401 or 407 asks for, of one algorithm."""

    realm: str
    nonce: str
    algorithm: str
    """As the server spelled it; empty when it named none (MD5)."""
    qop: bool
    """It offers quality of protection ``auth``; without, the old form of RFC 2069 is used."""
    opaque: str | None

    def answer(self, method: str, uri: str, username: str, password: str, cnonce: str) -> str:
        """The value of the Authorization or Proxy-Authorization header."""
        digest = _ALGORITHMS[self.algorithm.upper()]
        first = digest(f"{username}:{self.realm}:{password}")
        second = digest(f"{method}:{uri}")
        middle = f"{self.nonce}:00000001:{cnonce}:auth" if self.qop else self.nonce
        fields = [
            f"username={_quoted(username)}", f"realm={_quoted(self.realm)}", f"nonce={_quoted(self.nonce)}",
            f"uri={_quoted(uri)}", f'response="{digest(f"{first}:{middle}:{second}")}"',
        ]
        if self.algorithm:
            fields.append(f"algorithm={self.algorithm}")
        if self.opaque is not None:
            fields.append(f"opaque={_quoted(self.opaque)}")
        if self.qop:
            fields += ["qop=auth", "nc=00000001", f'cnonce="{cnonce}"']
        return "Digest " + ", ".join(fields)


def challenge_of(headers: Sequence[str]) -> Challenge | None:
    """The strongest challenge that can be answered: SHA-256 before MD5, with ``auth`` or no qop; None when there is none."""
    found = [challenge for header in headers if (challenge := _challenge(header)) is not None]
    return min(found, key=lambda challenge: _STRENGTH.index(challenge.algorithm.upper()), default=None)


def _challenge(header: str) -> Challenge | None:
    scheme, _, rest = header.partition(" ")
    if scheme.lower() != "digest":
        return None
    parameters = _parameters(rest)
    algorithm = parameters.get("algorithm", "")
    offered = [word.strip().lower() for word in parameters.get("qop", "").split(",") if word.strip()]
    if "realm" not in parameters or "nonce" not in parameters or algorithm.upper() not in _ALGORITHMS:
        return None
    if offered and "auth" not in offered:
        return None  # auth-int alone: no phone or proxy in the field asks for it
    return Challenge(parameters["realm"], parameters["nonce"], algorithm, bool(offered), parameters.get("opaque"))


def _parameters(text: str) -> Mapping[str, str]:
    found: dict[str, str] = {}
    position = 0
    text = text.strip()
    while match := _PARAMETER.match(text, position):
        quoted = match[2]
        found.setdefault(match[1].lower(), match[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted))
        position = match.end()
        if position >= len(text):
            break
    return found


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _md5(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()  # the protocol's, not ours to choose


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


_ALGORITHMS = {"": _md5, "MD5": _md5, "SHA-256": _sha256}
_STRENGTH = ("SHA-256", "MD5", "")
