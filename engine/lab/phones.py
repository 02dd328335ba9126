"""All of a customer's desk phones in one process: they hear NOTIFY, fetch their files by TFTP, and register.

Started as ``python -m engine.lab.phones --folder DIR --seed FILE.json --port N``; announces ``{"sip": port}``. The listener
stands for the proxy the phones are registered to today: a request for ``sip:EXTENSION@...`` or ``sip:MAC@...`` reaches that
phone. A phone that hears an Event its vendor knows fetches its boot files from the lab's TFTP server, from an address of its
own in 127.0.0.0/8, reads its account out of them, and registers with digest when the account is new.

Names of servers in those files lead to the lab's platform, as if by DNS; an address in 127.0.0.0/8 is taken as it stands.

Log: ``DIR/phones.jsonl``; NOTIFY is a write, OPTIONS a read, what a phone then does is ``other``. Faults, matched on
``EXTENSION MAC VENDOR``: ``deaf`` (no answer), ``busy`` (486), ``unknown`` (481), ``challenge`` (401 unless the request carries
the account's digest), ``stale`` (answers 200 and fetches nothing), ``slow`` (value: seconds before it fetches, 1 unless told),
``wrong_password`` (registers with another one).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import secrets
import signal
from collections.abc import Coroutine, Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree

from engine.lab import phone_sip as sip
from engine.lab.board import Board, announce
from engine.lab.phone_tftp import FetchFailed, fetch
from engine.lab.phone_vendors import Account, Behaviour, behaviour_of
from engine.lab.seed import read_seed
from engine.model.values import dataclass

SERVER = "phones"
_RESEND_S = (0.5, 1.0, 2.0, 4.0)
"""RFC 3261, 17.1.2: pauses between repetitions of a request."""
_EXPIRES_S = 3600
_REMEMBERED = 2000
"""Answers kept for repeated requests."""
_REALM = "lab-phone"

Peer = tuple[str, int]


@dataclass(slots=True)
class LabPhone:
    """One desk phone. ``address`` is where it fetches from."""

    extension: str
    mac: str
    model: str
    vendor: str
    password: str
    behaviour: Behaviour
    address: str
    account: Account | None = None
    registered: bool = False
    fetching: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def subject(self) -> str:
        """What faults are matched on."""
        return f"{self.extension} {self.mac} {self.vendor}"

    @property
    def user_agent(self) -> str:
        """How it names itself when it registers."""
        return self.behaviour.user_agent.format(model=self.model)


def phones_of(seed: Mapping[str, Any]) -> list[LabPhone]:
    """The phones of the seed that the lab knows how to play."""
    found = []
    for index, item in enumerate(seed.get("phones", ())):
        with contextlib.suppress(ValueError):
            behaviour, model = behaviour_of(str(item["vendor"]), str(item["model"]))
            address = f"127.{10 + index // 62500}.{index // 250 % 250}.{index % 250 + 1}"
            found.append(LabPhone(
                str(item["extension"]), str(item["mac"]), model, str(item["vendor"]), str(item.get("line_password", "")),
                behaviour, address,
            ))
    return found


class PhoneNetwork(asyncio.DatagramProtocol):
    """The socket all phones share for SIP, and what each of them does."""

    def __init__(self, board: Board, phones: list[LabPhone], tftp: Peer, registrar: Peer) -> None:
        self._board = board
        self._tftp = tftp
        self._registrar = registrar
        self._by_user: dict[str, list[LabPhone]] = {}
        for phone in phones:
            self._by_user.setdefault(phone.mac, []).append(phone)
            self._by_user.setdefault(phone.extension, []).append(phone)
        self._nonce = secrets.token_hex(8)
        self._answered: dict[str, bytes] = {}
        self._waiting: dict[tuple[str, str], asyncio.Future[sip.Message]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._wire().get_extra_info("sockname")[1])

    async def stop(self) -> None:
        """Ends what the phones are doing."""
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._wire().close()

    def datagram_received(self, data: bytes, addr: Peer) -> None:
        message = sip.parse(data)
        if message is None:
            return
        if message.status:
            waiting = self._waiting.get((message.header("call-id"), message.header("cseq")))
            if waiting is not None and not waiting.done() and message.status >= 200:
                waiting.set_result(message)
            return
        repeated = self._answered.get(message.header("via"))
        answer = repeated if repeated is not None else self._answer(message)
        if answer is not None:
            self._remember(message, answer)
            self._wire().sendto(answer, addr)

    # ------------------------------------------------------------ requests to phones

    def _answer(self, message: sip.Message) -> bytes | None:
        """The response to a request; None to stay silent."""
        phones = self._by_user.get(message.user().lower(), [])
        if message.method == "OPTIONS":
            self._board.record("read", "OPTIONS", to=message.user())
            return sip.response(message, 200 if phones or not message.user() else 404)
        if message.method != "NOTIFY":
            return sip.response(message, 405, [("allow", "OPTIONS, NOTIFY")])
        event = message.header("event").replace(" ", "")
        if not phones:
            return self._notified(message, event, 404)
        # As a proxy does for several phones at one extension: each gets it, the best answer goes back (RFC 3261, 16.7).
        answers = [self._heard(phone, message, event) for phone in phones]
        status = min((answer for answer in answers if answer is not None), default=None)
        if status is None:
            self._board.record("write", "NOTIFY", to=message.user(), event=event, status=None)
            return None
        extra = [("www-authenticate", sip.challenge(_REALM, self._nonce))] if status == 401 else []
        return self._notified(message, event, status, extra)

    def _heard(self, phone: LabPhone, message: sip.Message, event: str) -> int | None:
        """What one phone answers, starting what it then does; None when it stays silent."""
        if self._board.fault("deaf", phone.subject) is not None:
            return None
        status = self._refusal(phone, message, event)
        if status is not None:
            return status
        if self._board.fault("stale", phone.subject) is None:
            self._start(self._resync(phone))
        return 200

    def _refusal(self, phone: LabPhone, message: sip.Message, event: str) -> int | None:
        """The status a phone refuses with; None when it obeys."""
        if self._board.fault("busy", phone.subject) is not None:
            return 486
        if self._board.fault("unknown", phone.subject) is not None:
            return 481
        if event not in phone.behaviour.hears:
            return 489
        login = message.header("authorization")
        if login:
            return None if sip.digest_holds(login, "NOTIFY", self._nonce, phone.password) else 403
        return 401 if self._board.fault("challenge", phone.subject) is not None else None

    def _notified(
        self, message: sip.Message, event: str, status: int, extra: list[tuple[str, str]] | None = None,
    ) -> bytes:
        self._board.record("write", "NOTIFY", to=message.user(), event=event, status=status)
        return sip.response(message, status, extra or [])

    def _remember(self, message: sip.Message, answer: bytes) -> None:
        while len(self._answered) >= _REMEMBERED:
            self._answered.pop(next(iter(self._answered)))
        self._answered[message.header("via")] = answer

    # ------------------------------------------------------------ what a phone does

    async def _resync(self, phone: LabPhone) -> None:
        """Fetches the files and registers when they hold another account."""
        slow = self._board.fault("slow", phone.subject)
        await asyncio.sleep((slow.value or 1.0) if slow else 0.02 + int(phone.mac[-2:], 16) / 5000)
        async with phone.fetching:
            account = await self._configuration(phone)
            if account is None or (account == phone.account and phone.registered):
                return
            phone.account = account
            phone.registered = await self._register(phone, account)
        if phone.registered:
            self._start(self._keep_registered(phone, account))

    async def _configuration(self, phone: LabPhone) -> Account | None:
        files = {}
        try:
            for name in phone.behaviour.file_names(phone.mac, phone.model):
                data = await fetch(self._tftp, name, phone.address)
                if data is not None:
                    files[name] = data
            account = phone.behaviour.read(files)
        except (FetchFailed, ElementTree.ParseError, KeyError, ValueError) as failure:
            why = f"{type(failure).__name__}: {failure}"
            self._board.record("other", "configuration refused", phone=phone.extension, why=why)
            return None
        self._board.record("other", "configuration read", phone=phone.extension, files=list(files), usable=account is not None)
        return account

    async def _register(self, phone: LabPhone, account: Account) -> bool:
        password = account.password
        if self._board.fault("wrong_password", phone.subject) is not None:
            password = f"not-{password}"
        call, tag = secrets.token_hex(8), secrets.token_hex(4)
        answer = await self._ask(phone, account, f"{call}@{phone.address}", tag, 1, "")
        if answer is not None and answer.status == 401:
            login = sip.digest_answer(
                answer.header("www-authenticate"), "REGISTER", f"sip:{account.server}", account.auth_user, password,
            )
            answer = await self._ask(phone, account, f"{call}@{phone.address}", tag, 2, login)
        status = answer.status if answer else None
        self._board.record("other", "registered" if status == 200 else "not registered", phone=phone.extension, status=status)
        return status == 200

    async def _ask(
        self, phone: LabPhone, account: Account, call: str, tag: str, number: int, login: str,
    ) -> sip.Message | None:
        """One REGISTER, repeated until its final response comes; None when none does."""
        address = f"<sip:{account.user}@{account.server}>"
        cseq = f"{number} REGISTER"
        headers = [
            ("via", f"SIP/2.0/UDP 127.0.0.1:{self.port};branch=z9hG4bK{secrets.token_hex(8)};rport"), ("max-forwards", "70"),
            ("from", f"{address};tag={tag}"), ("to", address), ("call-id", call), ("cseq", cseq),
            ("contact", f"<sip:{account.user}@127.0.0.1:{self.port}>"), ("expires", str(_EXPIRES_S)),
            ("user-agent", phone.user_agent), *([("authorization", login)] if login else []),
        ]
        packet = sip.request("REGISTER", f"sip:{account.server}", headers)
        answer: asyncio.Future[sip.Message] = asyncio.get_running_loop().create_future()
        self._waiting[call, cseq] = answer
        try:
            for pause_s in _RESEND_S:
                self._wire().sendto(packet, self._registrar_of(account))
                with contextlib.suppress(TimeoutError):
                    return await asyncio.wait_for(asyncio.shield(answer), pause_s)
            return None
        finally:
            del self._waiting[call, cseq]

    async def _keep_registered(self, phone: LabPhone, account: Account) -> None:
        """Registers again halfway to the end, for as long as the account stays."""
        while phone.registered and phone.account == account:
            await asyncio.sleep(_EXPIRES_S / 2)
            if phone.account == account:
                phone.registered = await self._register(phone, account)

    def _registrar_of(self, account: Account) -> Peer:
        return (account.server, account.port) if account.server.startswith("127.") else self._registrar

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _wire(self) -> asyncio.DatagramTransport:
        if self._transport is None:
            raise RuntimeError("the phones are not connected")
        return self._transport


def prepare_folders(root: Path, phones: list[LabPhone]) -> None:
    """Makes the folders that some makes keep their files in: TFTP cannot, so whoever sets up such a server does it once."""
    for phone in phones:
        for name in phone.behaviour.file_names(phone.mac, phone.model):
            (root / name).parent.mkdir(parents=True, exist_ok=True)


async def run(board: Board, seed: Mapping[str, Any], port: int) -> None:
    """Plays the phones until SIGTERM or SIGINT."""
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    ports, phones = seed["ports"], phones_of(seed)
    prepare_folders(board.folder / "tftp-root", phones)
    network = PhoneNetwork(
        board, phones, ("127.0.0.1", ports["tftp"]["tftp"]), ("127.0.0.1", ports["platform"]["sip"]),
    )
    await loop.create_datagram_endpoint(lambda: network, local_addr=("127.0.0.1", port))
    announce(sip=network.port)
    await ended.wait()
    await network.stop()


def main() -> None:
    """Arguments, seed, and the phones."""
    parser = argparse.ArgumentParser(prog="lab phones")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    options = parser.parse_args()
    asyncio.run(run(Board(options.folder, SERVER), read_seed(options.seed), options.port))


if __name__ == "__main__":
    main()
