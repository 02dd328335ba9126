"""A TFTP server with a fetch log: RRQ and WRQ over UDP with the options blksize, tsize and timeout.

Started as ``python -m engine.lab.tftp_server --folder DIR --seed FILE.json --port N``; announces ``{"tftp": port}``. Files are
in ``DIR/tftp-root``. An upload replaces its file in one step, when its last block has come.

Logs: ``DIR/tftp.jsonl`` (RRQ is a read, WRQ a write: ``file``, ``peer``, ``bytes``, ``ok``, ``error`` or ``fault``), written
when a transfer ends; and ``DIR/tftpd.log``, the lines tftpd-hpa gives syslog at ``-vv`` when a request comes, with ISO
times as rsyslog and journald write them, so that what reads a real log reads this one.

It packs its packets itself: a mistake in the product's own TFTP must not be made again on the other side.

Faults, matched on ``RRQ <file>`` or ``WRQ <file>``: ``slow`` (value: seconds before the first answer), ``refuse_write``
(error 2), ``missing`` (error 1), ``disk_full`` (error 3 after the first block), ``die_midway`` (stops after ``value`` blocks,
default 1), ``no_options`` (behaves as before RFC 2347), ``option_error`` (error 8 to any option), ``garbage`` (answers
nonsense), ``lost_ack`` (stores the file and never acknowledges the last block).
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import signal
import struct
from collections.abc import Callable
from contextlib import suppress
from dataclasses import field
from pathlib import Path, PurePosixPath
from typing import cast

from engine.lab.board import Board, announce
from engine.lab.seed import read_seed
from engine.model.values import dataclass

SERVER = "tftp"
_RRQ, _WRQ, _DATA, _ACK, _ERROR, _OACK = 1, 2, 3, 4, 5, 6
_NAMES = {_RRQ: "RRQ", _WRQ: "WRQ"}
_REPEAT_S = 1.0
_REPEATS = 5
_SILENCE_S = 30.0

Peer = tuple[str, int]
Send = Callable[[bytes], None]


class _Refused(Exception):
    """Ends a transfer with an ERROR packet, in tftpd-hpa's words."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text


class _Stopped(Exception):
    """Ends a transfer without a word: the peer is gone, or a fault says so."""


@dataclass(frozen=True, slots=True)
class _Request:
    """An RRQ or WRQ."""

    kind: int
    file: str
    options: dict[str, int]

    @property
    def subject(self) -> str:
        """What faults are matched on."""
        return f"{_NAMES[self.kind]} {self.file}"


def _parse(packet: bytes) -> _Request | None:
    """A request in octet mode, None for anything else. Options whose value is no number are as good as not asked."""
    words = packet[2:].split(b"\0")
    kind = int.from_bytes(packet[:2], "big")
    if kind not in _NAMES or len(words) < 3 or not words[0] or words[1].lower() != b"octet":
        return None
    texts = [word.decode("utf-8", "replace") for word in words[2:-1]]
    pairs = zip((name.lower() for name in texts[::2]), texts[1::2], strict=False)
    options = {name: int(value) for name, value in pairs if value.isascii() and value.isdigit() and len(value) < 12}
    return _Request(kind, words[0].decode("utf-8", "replace"), options)


class Root:
    """The folder that is served. Names cannot lead out of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._serial = itertools.count()
        folder.mkdir(parents=True, exist_ok=True)

    def read(self, name: str) -> bytes:
        """A file's content. Raises ``_Refused`` as tftpd-hpa would."""
        try:
            return self._place(name).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise _Refused(1, "File not found") from None
        except OSError:
            raise _Refused(2, "Access violation") from None

    def require_place(self, name: str) -> None:
        """Raises ``_Refused`` when there is no folder to write to: TFTP makes none."""
        if not self._place(name).parent.is_dir():
            raise _Refused(1, "File not found")

    def replace(self, name: str, content: bytes) -> None:
        """Stores a file in one step. Raises ``_Refused`` as tftpd-hpa would."""
        place = self._place(name)
        temporary = place.with_name(f".{os.getpid()}.{next(self._serial)}.part")
        try:
            temporary.write_bytes(content)
            temporary.replace(place)
        except OSError:  # a folder stands in its place
            temporary.unlink(missing_ok=True)
            raise _Refused(2, "Access violation") from None

    def _place(self, name: str) -> Path:
        parts = PurePosixPath(name.lstrip("/")).parts
        if not parts or ".." in parts:
            raise _Refused(1, "File not found")
        return self.folder.joinpath(*parts)


class _Wire(asyncio.DatagramProtocol):
    """The port of one transfer: keeps to its peer, and hands packets over in order."""

    def __init__(self, peer: Peer) -> None:
        self.peer = peer
        self.inbox: asyncio.Queue[bytes] = asyncio.Queue()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: Peer) -> None:
        if addr == self.peer:
            self.inbox.put_nowait(data)
        elif self._transport is not None:
            self._transport.sendto(_error(5, "Unknown transfer ID"), addr)

    def error_received(self, exc: Exception) -> None:
        """The peer closed its port: there is nobody to talk to."""
        self.inbox.put_nowait(_error(0, "gone"))

    def send(self, packet: bytes) -> None:
        if self._transport is not None:
            self._transport.sendto(packet, self.peer)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    async def ask(self, packet: bytes, kind: int, block: int) -> bytes:
        """Sends until the answer comes, and returns what follows its header. Raises ``_Stopped`` when it does not."""
        for _ in range(_REPEATS):
            self.send(packet)
            with suppress(TimeoutError):
                async with asyncio.timeout(_REPEAT_S):
                    return await self.hear(kind, block)
        raise _Stopped

    async def hear(self, kind: int, block: int) -> bytes:
        """Waits for one packet and returns what follows its header. Raises ``_Stopped`` when the peer gave up."""
        while True:
            packet = await self.inbox.get()
            if len(packet) < 4:
                continue
            heard, number = struct.unpack_from("!HH", packet)
            if heard == _ERROR:
                raise _Stopped
            if (heard, number) == (kind, block):
                return packet[4:]  # anything else is a repetition, which is not answered


@dataclass(slots=True)
class Service:
    """What all transfers share."""

    board: Board
    root: Root
    pid: int = field(default_factory=os.getpid)

    def log(self, line: str) -> None:
        """One line as syslog would hold it."""
        at = self.board.now().astimezone().isoformat(timespec="microseconds")
        with (self.board.folder / "tftpd.log").open("a", encoding="utf-8") as log:
            log.write(f"{at} lab in.tftpd[{self.pid}]: {line}\n")

    async def serve(self, request: _Request, wire: _Wire) -> None:
        """One transfer, from the request to its line in the log."""
        self.log(f"{_NAMES[request.kind]} from {wire.peer[0]} filename {request.file}")
        await self._pause(request)
        transfer = _Transfer(self, request, wire)
        refused: _Refused | None = None
        try:
            await (transfer.give() if request.kind == _RRQ else transfer.take())
        except _Refused as refusal:
            refused = refusal
            self.log(f"sending NAK ({refused.code}, {refused.text}) to {wire.peer[0]}")
        except _Stopped:
            pass
        # Before the last word, so that whoever hears it finds the log complete.
        self._record(request, wire, transfer, refused)
        if refused is not None:
            wire.send(_error(refused.code, refused.text))
        await transfer.linger()
        wire.close()

    def _record(self, request: _Request, wire: _Wire, transfer: _Transfer, refused: _Refused | None) -> None:
        outcome: dict[str, object] = {"error": refused.code} if refused else {}
        if transfer.fault:
            outcome["fault"] = transfer.fault
        self.board.record(
            "read" if request.kind == _RRQ else "write", _NAMES[request.kind], file=request.file,
            peer=f"{wire.peer[0]}:{wire.peer[1]}", bytes=transfer.moved, ok=transfer.whole, **outcome,
        )

    async def _pause(self, request: _Request) -> None:
        fault = self.board.fault("slow", request.subject)
        if fault is not None:
            await asyncio.sleep(fault.value or 1.0)


class _Transfer:
    """Gives or takes one file."""

    def __init__(self, service: Service, request: _Request, wire: _Wire) -> None:
        self._board, self._root = service.board, service.root
        self._request, self._wire = request, wire
        self._blksize = 512
        self.fault = ""
        self.moved = 0
        """Bytes that were acknowledged, or taken."""
        self._last = 0
        """The block of an upload that is still to be acknowledged."""
        self.whole = False
        """The whole file made it across, as far as this side can tell."""

    async def give(self) -> None:
        """RRQ."""
        self._require_no_early_fault()
        if self._has("missing") is not None:
            raise _Refused(1, "File not found")
        content = self._root.read(self._request.file)
        accepted = self._accept({"tsize": len(content)})
        if accepted:
            await self._wire.ask(accepted, _ACK, 0)
        dies_after = self._dies_after()
        for block in itertools.count(1):
            part = content[self.moved : self.moved + self._blksize]
            if dies_after is not None and block > dies_after:
                raise _Stopped
            await self._wire.ask(_data(block, part), _ACK, block % 65536)
            self.moved += len(part)
            if len(part) < self._blksize:
                break
        self.whole = True

    async def take(self) -> None:
        """WRQ."""
        self._require_no_early_fault()
        if self._has("refuse_write") is not None:
            raise _Refused(2, "Access violation")
        self._root.require_place(self._request.file)
        parts = await self._receive_all()
        self._root.replace(self._request.file, b"".join(parts))
        self.whole = True
        if self._has("lost_ack") is None:
            self._last = len(parts)

    async def linger(self) -> None:
        """What comes after the file. An upload's last ACK, and again when the last block comes again: it was lost. A fault
        that falls silent keeps the port, or the system would tell the peer at once that nobody is there."""
        if self._last:
            with suppress(TimeoutError, _Stopped):
                async with asyncio.timeout(_REPEAT_S):
                    while True:
                        self._wire.send(_ack(self._last))
                        await self._wire.hear(_DATA, self._last % 65536)
        elif self.fault in {"die_midway", "lost_ack"}:
            await asyncio.sleep(_SILENCE_S)

    async def _receive_all(self) -> list[bytes]:
        parts: list[bytes] = []
        full, dies_after = self._has("disk_full"), self._dies_after()
        accepted = self._accept({"tsize": self._request.options.get("tsize", 0)})
        packet = accepted or _ack(0)
        while True:
            part = await self._wire.ask(packet, _DATA, (len(parts) + 1) % 65536)
            parts.append(part)
            self.moved += len(part)
            if full is not None:
                raise _Refused(3, "Disk full or allocation exceeded")
            if len(part) < self._blksize:
                return parts
            if dies_after is not None and len(parts) >= dies_after:
                raise _Stopped
            packet = _ack(len(parts))

    def _require_no_early_fault(self) -> None:
        if self._has("garbage") is not None:
            self._wire.send(b"\xff\xfe not tftp \x00\x01")
            raise _Stopped
        if self._request.options and self._has("option_error") is not None:
            raise _Refused(8, "Options not supported")

    def _accept(self, own: dict[str, int]) -> bytes | None:
        """The OACK for what was asked and is known; None when nothing is, or a fault says so."""
        asked = self._request.options
        if not asked or self._has("no_options") is not None:
            return None
        agreed = {name: own.get(name, asked[name]) for name in asked if name in {"blksize", "tsize", "timeout"}}
        if "blksize" in agreed:
            agreed["blksize"] = self._blksize = min(max(agreed["blksize"], 8), 65464)
        words = b"".join(f"{name}\0{value}\0".encode() for name, value in agreed.items())
        return struct.pack("!H", _OACK) + words if agreed else None

    def _has(self, name: str) -> float | None:
        """The size of a fault (0 when it has none), and notes it; None to behave."""
        fault = self._board.fault(name, self._request.subject)
        if fault is None:
            return None
        self.fault = name
        return fault.value or 0.0

    def _dies_after(self) -> int | None:
        value = self._has("die_midway")
        return None if value is None else int(value) or 1


def _data(block: int, part: bytes) -> bytes:
    return struct.pack("!HH", _DATA, block % 65536) + part


def _ack(block: int) -> bytes:
    return struct.pack("!HH", _ACK, block % 65536)


def _error(code: int, text: str) -> bytes:
    return struct.pack("!HH", _ERROR, code) + text.encode() + b"\0"


class _Port(asyncio.DatagramProtocol):
    """The well-known port: each request gets a port and a task of its own."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._tasks: set[asyncio.Task[None]] = set()

    def datagram_received(self, data: bytes, addr: Peer) -> None:
        request = _parse(data)
        if request is not None and self._service.board.fault("silent", f"{_NAMES[request.kind]} {request.file}") is None:
            task = asyncio.get_running_loop().create_task(self._serve(request, addr))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, request: _Request, peer: Peer) -> None:
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_datagram_endpoint(lambda: _Wire(peer), local_addr=("127.0.0.1", 0))
        await self._service.serve(request, wire)


async def serve(folder: Path, port: int) -> None:
    """Runs until SIGTERM."""
    service = Service(Board(folder, SERVER), Root(folder / "tftp-root"))
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: _Port(service), local_addr=("127.0.0.1", port))
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopped.set)
    announce(tftp=transport.get_extra_info("sockname")[1])
    await stopped.wait()
    transport.close()


def main() -> None:
    """The process."""
    parser = argparse.ArgumentParser(prog="tftp_server")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    read_seed(options.seed)  # a TFTP server starts empty; a seed that cannot be read is still said at once
    asyncio.run(serve(options.folder, options.port))


if __name__ == "__main__":
    main()
