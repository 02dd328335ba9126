"""One TFTP transfer as a pure state machine: a packet comes in, a packet goes out. No socket, no clock, no file.

It refuses what broken and hostile servers send, and keeps to three rules that plain implementations break:
a repeated ACK is never answered with DATA again (the "sorcerer's apprentice" of RFC 1123, 4.2.3.1: both sides would then send
everything twice to the end); a file whose size is a multiple of the block ends with an empty DATA; a file that ends before
the size the server announced is not taken for the whole.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from engine.transports import tftp_packet as tftp
from engine.transports.tftp_packet import Answer

LARGEST_FILE = 256 << 20
"""Bytes taken from a server before it is called broken. Firmware images are the largest files phones fetch."""

_BLOCKS = 1 << 16


class ServerRefused(Exception):
    """The server sent ERROR. ``began``: after the transfer had started, so that it is not about the request itself."""

    def __init__(self, code: int, text: str, began: bool) -> None:
        super().__init__(f"error {code}: {text}")
        self.code = code
        self.text = text
        self.meaning = meaning_of(code, text)
        self.began = began


class OptionsRefused(Exception):
    """The server wants no options, or answered them with nonsense: the same request without options may work."""


class Broken(Exception):
    """The server breaks the protocol; the message says how."""


class AnsweredTwice(Exception):
    """A write request that had to be repeated was answered a second time: the server has opened, and emptied, the file again."""


class CutShort(Broken):
    """The content is not as long as announced: the file was being replaced, or the server lost the rest."""


class Transfer(ABC):
    """What reading and writing share: the request, the options, the block being waited for.

    ``packet`` is what to send again when nothing comes; ``finished`` ends it. ``receive`` returns what to send now.
    Raises ``ServerRefused``, ``OptionsRefused`` or ``Broken``, never anything else.
    """

    opcode = 0
    verb = ""
    repeatable = True
    """A request that is answered twice does no harm."""

    def __init__(self, path: str, options: Mapping[str, int]) -> None:
        self.options = options
        self.blksize = tftp.DEFAULT_BLOCK
        self.began = False
        self.finished = False
        self.blocks = 0
        """Blocks that made it across, for messages."""
        self.packet = tftp.request(self.opcode, path, options)

    def receive(self, packet: bytes) -> bytes | None:
        """Takes a packet from the server and returns the answer, None when there is none to give."""
        try:
            answer = tftp.parse(packet)
        except tftp.BadPacket as error:
            raise Broken(f"it sent what is not a TFTP packet ({error})") from None
        if answer.opcode == tftp.ERROR:
            raise self._refusal(answer)
        if answer.opcode == tftp.OACK:
            return self._on_options(answer)
        return self._on_block(answer)

    @abstractmethod
    def _on_block(self, answer: Answer) -> bytes | None:
        """Takes DATA or ACK."""

    @abstractmethod
    def _on_agreed(self) -> bytes | None:
        """The options were settled; what to send first."""

    @abstractmethod
    def _announced(self, size: int) -> None:
        """The server named the size of the file."""

    def _refusal(self, answer: Answer) -> Exception:
        if self.options and not self.began and _is_about_options(answer):
            return OptionsRefused(answer.text)
        return ServerRefused(answer.number, answer.text, self.began)

    def _on_options(self, answer: Answer) -> bytes | None:
        if self.began:
            return self._on_repeated_options()
        if not self.options:
            raise Broken("it answered options that were not asked for")
        for name, value in answer.options:
            self._agree(name, value)
        self.began = True
        return self._on_agreed()

    def _on_repeated_options(self) -> bytes | None:
        """The server did not hear the answer to its options; reading repeats it, writing leaves that to the clock."""
        return None

    def _agree(self, name: str, value: str) -> None:
        if name not in self.options:
            raise OptionsRefused(f"it answered the option {name}, which was not asked for")
        if not value.isascii() or not value.isdigit() or len(value) > 12:
            raise OptionsRefused(f"it answered the option {name} with {value!r}")
        number = int(value)
        if name == "tsize":
            self._announced(number)
        elif tftp.SMALLEST_BLOCK <= number <= self.options[name]:
            self.blksize = number
        else:
            raise OptionsRefused(f"it answered blksize {number} to {self.options[name]}")


class Reading(Transfer):
    """RRQ: takes a file."""

    opcode = tftp.RRQ
    verb = "read"

    def __init__(self, path: str, options: Mapping[str, int]) -> None:
        super().__init__(path, {**options, "tsize": 0} if options else {})
        self._parts: list[bytes] = []
        self._size = 0
        self._expected = 1
        self._tsize: int | None = None

    @property
    def content(self) -> bytes:
        """What was read; whole once ``finished``."""
        return b"".join(self._parts)

    def _announced(self, size: int) -> None:
        if size > LARGEST_FILE:
            raise Broken(f"the file has {size} bytes; more than {LARGEST_FILE} are not read")
        self._tsize = size

    def _on_agreed(self) -> bytes | None:
        return self._send(tftp.ack(0))

    def _on_repeated_options(self) -> bytes | None:
        return self.packet if self._expected == 1 and not self._parts else None

    def _on_block(self, answer: Answer) -> bytes | None:
        if answer.opcode != tftp.DATA:
            raise Broken("it acknowledged data while it was to send some")
        if not self._is_next(answer.number):
            # Its DATA again: our ACK was lost. Repeating the ACK here is right; the data is not taken twice.
            return self.packet if self._parts and answer.number == (self._expected - 1) % _BLOCKS else None
        return self._take(answer)

    def _is_next(self, block: int) -> bool:
        if self._expected == 0 and block == 1:
            self._expected = 1  # after 65535 some servers go on with 1; RFC 1350 does not say
        return block == self._expected

    def _take(self, answer: Answer) -> bytes:
        self.began = True
        if len(answer.payload) > self.blksize:
            raise Broken(f"it sent {len(answer.payload)} bytes in a block of {self.blksize}")
        self._size += len(answer.payload)
        if self._size > LARGEST_FILE:
            raise Broken(f"the file does not end; {LARGEST_FILE} bytes were read")
        self._parts.append(answer.payload)
        self.blocks += 1
        self._expected = (answer.number + 1) % _BLOCKS
        if len(answer.payload) < self.blksize:
            self._require_whole()
            self.finished = True
        return self._send(tftp.ack(answer.number))

    def _require_whole(self) -> None:
        if self._tsize is not None and self._tsize != self._size:
            raise CutShort(f"it announced {self._tsize} bytes and sent {self._size}: the file changed, or was cut short")

    def _send(self, packet: bytes) -> bytes:
        self.packet = packet
        return packet


class Writing(Transfer):
    """WRQ: gives a file. ``finished`` says the server acknowledged every block, not that it stored them."""

    opcode = tftp.WRQ
    verb = "write"
    repeatable = False

    def __init__(self, path: str, content: bytes, options: Mapping[str, int]) -> None:
        super().__init__(path, {**options, "tsize": len(content)} if options else {})
        self._content = content
        self._block = 0
        self._offset = 0
        self._last = False

    def _announced(self, size: int) -> None:
        if size != len(self._content):
            raise OptionsRefused(f"it answered tsize {size} to {len(self._content)}")

    def _on_agreed(self) -> bytes | None:
        return self._next()

    def _on_block(self, answer: Answer) -> bytes | None:
        if answer.opcode != tftp.ACK:
            raise Broken("it sent data while it was to take some")
        if answer.number != self._block:
            return None  # an ACK again, or of what was never sent: the clock alone makes us send twice
        if self._last:
            self.blocks += 1
            self.finished = True
            return None
        if self.began:
            self.blocks += 1
        self.began = True  # ACK 0 to a request with options: the server does not know options, and 512 holds
        return self._next()

    def _next(self) -> bytes:
        part = self._content[self._offset : self._offset + self.blksize]
        self._offset += len(part)
        self._last = len(part) < self.blksize
        self._block = (self._block + 1) % _BLOCKS
        self.packet = tftp.data(self._block, part)
        return self.packet


def _is_about_options(answer: Answer) -> bool:
    """RFC 2347 gives code 8 for it; older servers say 4 (illegal operation) or 0 with a text of their own."""
    return meaning_of(answer.number, answer.text) in {tftp.BAD_OPTIONS, tftp.ILLEGAL, tftp.NOT_DEFINED}


_MEANINGS = (
    (tftp.NOT_FOUND, ("not found", "no such file", "does not exist", "doesn't exist")),
    (tftp.ACCESS_VIOLATION, ("permission", "denied", "read-only", "not permitted", "not allowed", "is a directory")),
    (tftp.DISK_FULL, ("no space", "disk full", "quota")),
    (tftp.EXISTS, ("file exists", "already exists")),
)


def meaning_of(code: int, text: str) -> int:
    """The code an error should have had. Servers use 0 for anything the system told them: tftpd-hpa says "Permission denied"
    so; and some say that a file is missing with 2."""
    if code not in {tftp.NOT_DEFINED, tftp.ACCESS_VIOLATION}:
        return code
    lowered = text.lower()
    return next((meant for meant, words in _MEANINGS if any(word in lowered for word in words)), code)
