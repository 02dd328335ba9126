"""A TFTP transfer as a state machine: what it says to every packet, sane or not. No socket here."""

from __future__ import annotations

import random
import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.transports import tftp_packet as tftp
from engine.transports import tftp_transfer
from engine.transports.tftp_transfer import Broken, CutShort, OptionsRefused, Reading, ServerRefused, Transfer, Writing

OPTIONS = {"blksize": 1428}


def oack(**options: object) -> bytes:
    return struct.pack("!H", tftp.OACK) + b"".join(f"{name}\0{value}\0".encode() for name, value in options.items())


def test_a_request_asks_for_octet_mode_and_its_options() -> None:
    """RFC 1350 and 2347: words that end with a zero byte each."""
    assert Reading("a/b.cfg", OPTIONS).packet == b"\0\1a/b.cfg\0octet\0blksize\x001428\0tsize\x000\0"
    assert Writing("a.cfg", b"12345", OPTIONS).packet == b"\0\2a.cfg\0octet\0blksize\x001428\0tsize\x005\0"
    assert Reading("a", {}).packet == b"\0\1a\0octet\0"


def test_reading_agrees_on_options_and_ends_with_a_short_block() -> None:
    reading = Reading("x", OPTIONS)
    assert reading.receive(oack(blksize=1428, tsize=1430)) == tftp.ack(0)
    assert reading.receive(tftp.data(1, b"a" * 1428)) == tftp.ack(1)
    assert not reading.finished
    assert reading.receive(tftp.data(2, b"bb")) == tftp.ack(2)
    assert reading.finished
    assert reading.content == b"a" * 1428 + b"bb"


def test_reading_from_a_server_that_knows_no_options_goes_on_with_512() -> None:
    """RFC 2347: such a server answers with DATA."""
    reading = Reading("x", OPTIONS)
    reading.receive(tftp.data(1, b"a" * 512))
    assert not reading.finished
    reading.receive(tftp.data(2, b""))
    assert (reading.finished, reading.content) == (True, b"a" * 512)


def test_writing_to_a_server_that_knows_no_options_goes_on_with_512() -> None:
    """It answers with ACK 0."""
    writing = Writing("x", b"a" * 600, OPTIONS)
    assert writing.receive(tftp.ack(0)) == tftp.data(1, b"a" * 512)
    assert writing.receive(tftp.ack(1)) == tftp.data(2, b"a" * 88)
    assert writing.receive(tftp.ack(2)) is None
    assert writing.finished


@pytest.mark.parametrize("blocks", [0, 1, 3])
def test_a_multiple_of_the_block_size_ends_with_an_empty_block(blocks: int) -> None:
    """Without it the server waits for more."""
    writing = Writing("x", b"a" * 8 * blocks, {"blksize": 8})
    packet = writing.receive(oack(blksize=8, tsize=8 * blocks))
    for block in range(1, blocks + 1):
        assert packet == tftp.data(block, b"a" * 8)
        packet = writing.receive(tftp.ack(block))
    assert packet == tftp.data(blocks + 1, b"")
    writing.receive(tftp.ack(blocks + 1))
    assert writing.finished


def test_a_repeated_ack_is_not_answered_with_data() -> None:
    """The sorcerer's apprentice: else everything is sent twice to the end of the file."""
    writing = Writing("x", b"a" * 30, {"blksize": 8})
    writing.receive(oack(blksize=8))
    writing.receive(tftp.ack(1))
    assert writing.receive(tftp.ack(1)) is None
    assert writing.receive(tftp.ack(0)) is None
    assert writing.receive(oack(blksize=8)) is None
    assert writing.receive(tftp.ack(2)) == tftp.data(3, b"a" * 8)


def test_repeated_data_is_acknowledged_again_and_not_taken_twice() -> None:
    """The ACK was lost; so it is for a repeated OACK."""
    reading = Reading("x", {"blksize": 8})
    reading.receive(oack(blksize=8))
    assert reading.receive(oack(blksize=8)) == tftp.ack(0)
    reading.receive(tftp.data(1, b"12345678"))
    assert reading.receive(tftp.data(1, b"12345678")) == tftp.ack(1)
    reading.receive(tftp.data(2, b"9"))
    assert reading.content == b"123456789"


@pytest.mark.parametrize("first_after_rollover", [0, 1])
def test_block_numbers_start_again_after_65535(first_after_rollover: int) -> None:
    """At 0 or at 1: RFC 1350 does not say, and servers do either."""
    reading = Reading("x", {"blksize": 8})
    reading.receive(oack(blksize=8))
    for block in range(1, 65536):
        reading.receive(tftp.data(block, b"12345678"))
    reading.receive(tftp.data(first_after_rollover, b"abcdefgh"))
    assert reading.receive(tftp.data(first_after_rollover + 1, b"")) == tftp.ack(first_after_rollover + 1)
    assert reading.finished
    assert len(reading.content) == 65536 * 8


def test_writing_rolls_over_to_block_0() -> None:
    """As tftpd-hpa expects it."""
    content = bytes(8 * 65536)
    writing = Writing("x", content, {"blksize": 8})
    writing.receive(oack(blksize=8))
    for block in range(1, 65536):
        packet = writing.receive(tftp.ack(block))
    assert packet == tftp.data(0, bytes(8))
    assert writing.receive(tftp.ack(0)) == tftp.data(1, b"")
    writing.receive(tftp.ack(1))
    assert writing.finished


@pytest.mark.parametrize("options", [{"blksize": 2000}, {"blksize": 7}, {"blksize": "x"}, {"windowsize": 4}, {"tsize": "3.0"}])
def test_an_option_answered_with_nonsense_is_refused(options: dict[str, object]) -> None:
    """More than was asked for, too little, no number, or not asked for at all (RFC 2347, 2348, 2349)."""
    for transfer in (Reading("x", OPTIONS), Writing("x", b"abc", OPTIONS)):
        with pytest.raises(OptionsRefused):
            transfer.receive(oack(**options))


@pytest.mark.parametrize(("code", "text"), [(8, "no options"), (4, "Illegal operation"), (0, "bad option")])
def test_an_error_about_options_asks_for_another_try_without(code: int, text: str) -> None:
    """Servers older than RFC 2347 have no code for it; without options the same error is final."""
    with pytest.raises(OptionsRefused):
        Reading("x", OPTIONS).receive(tftp.error(code, text))
    with pytest.raises(ServerRefused) as caught:
        Reading("x", {}).receive(tftp.error(code, text))
    assert (caught.value.code, caught.value.text) == (code, text)


def test_not_found_is_not_about_options_whatever_its_code() -> None:
    for code, text in ((1, "File not found"), (0, "No such file or directory"), (2, "file does not exist")):
        with pytest.raises(ServerRefused) as caught:
            Reading("x", OPTIONS).receive(tftp.error(code, text))
        assert caught.value.meaning == tftp.NOT_FOUND


def test_what_the_system_told_the_server_is_understood() -> None:
    """tftpd-hpa hands such texts on with code 0."""
    for text, meaning in (("Permission denied", 2), ("No space left on device", 3), ("File exists", 6), ("Too many users", 0)):
        with pytest.raises(ServerRefused) as caught:
            Writing("x", b"", {}).receive(tftp.error(0, text))
        assert caught.value.meaning == meaning


@pytest.mark.parametrize("sent", [b"12", b"1234567890"])
def test_a_file_that_is_not_as_long_as_announced_is_not_taken(sent: bytes) -> None:
    """It was being replaced, or the server lost the rest."""
    reading = Reading("x", OPTIONS)
    reading.receive(oack(blksize=1428, tsize=5))
    with pytest.raises(CutShort, match="announced 5 bytes"):
        reading.receive(tftp.data(1, sent))


def test_a_block_longer_than_agreed_is_broken() -> None:
    reading = Reading("x", {"blksize": 8})
    reading.receive(oack(blksize=8))
    with pytest.raises(Broken, match="9 bytes in a block of 8"):
        reading.receive(tftp.data(1, b"123456789"))


def test_a_file_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server cannot fill the memory."""
    monkeypatch.setattr(tftp_transfer, "LARGEST_FILE", 20)
    reading = Reading("x", {"blksize": 8})
    with pytest.raises(Broken, match="more than 20 are not read"):
        Reading("x", {"blksize": 8}).receive(oack(blksize=8, tsize=21))
    reading.receive(oack(blksize=8))
    reading.receive(tftp.data(1, b"12345678"))
    reading.receive(tftp.data(2, b"12345678"))
    with pytest.raises(Broken, match="does not end"):
        reading.receive(tftp.data(3, b"12345678"))


def test_an_error_text_cannot_play_with_the_terminal() -> None:
    """Control characters are shown as question marks, and a long text is cut."""
    with pytest.raises(ServerRefused) as caught:
        Reading("x", {}).receive(b"\0\5\0\2\x1b[31mred\x07\xff" + b"y" * 1000)
    assert caught.value.text.startswith("?[31mred?")
    assert len(caught.value.text) <= 200


ANY_PACKET = st.one_of(
    st.binary(max_size=600),
    st.builds(lambda code, n, rest: struct.pack("!HH", code, n) + rest, st.integers(0, 8), st.integers(0, 4), st.binary()),
    st.builds(
        lambda pairs: struct.pack("!H", 6) + b"".join(name + b"\0" + value + b"\0" for name, value in pairs),
        st.lists(st.tuples(
            st.sampled_from([b"blksize", b"tsize", b"TSIZE", b"x", b""]),
            st.sampled_from([b"8", b"0", b"9" * 30, b"-1", b"\xff"]),
        )),
    ),
)


@given(packets=st.lists(ANY_PACKET, max_size=12), plain=st.booleans())
@settings(max_examples=400, deadline=None)
def test_no_packet_raises_anything_undeclared(packets: list[bytes], plain: bool) -> None:
    """Whatever comes, in whatever order."""
    options = {} if plain else {"blksize": 16}
    makes: list[Callable[[], Transfer]] = [lambda: Reading("x", options), lambda: Writing("x", b"a" * 40, options)]
    for make in makes:
        transfer = make()
        try:
            for packet in packets:
                if not transfer.finished:
                    transfer.receive(packet)
        except (ServerRefused, OptionsRefused, Broken) as error:
            assert "\x1b" not in str(error)


class Server:
    """A plain RFC 1350 server with options, written apart from the product, to play against."""

    def __init__(self, content: bytes | None, blksize: int) -> None:
        self.given, self.blksize, self.taken, self.block = content, blksize, b"", 0
        self.packet = b""
        self.done = False

    def start(self) -> bytes:
        self.packet = oack(blksize=self.blksize)
        return self.packet

    def receive(self, packet: bytes) -> bytes | None:
        opcode, number = struct.unpack("!HH", packet[:4])
        if self.given is not None and opcode == tftp.ACK and number == self.block:
            return self._give()
        if self.given is None and opcode == tftp.DATA and number in {self.block, self.block + 1}:
            return self._take(number, packet[4:])
        return None

    def _give(self) -> bytes | None:
        assert self.given is not None
        if self.done:
            return None
        part = self.given[self.block * self.blksize : (self.block + 1) * self.blksize]
        self.block += 1
        self.done = len(part) < self.blksize
        self.packet = tftp.data(self.block, part)
        return self.packet

    def _take(self, number: int, part: bytes) -> bytes:
        if number == self.block + 1:
            self.taken += part
            self.block = number
        self.packet = tftp.ack(self.block)
        return self.packet


@given(
    size=st.integers(0, 100), blksize=st.sampled_from([8, 10, 25]), writing=st.booleans(), seed=st.integers(0, 2**32),
    loss=st.floats(0, 0.4), double=st.floats(0, 0.4),
)
@settings(max_examples=200, deadline=None)
def test_content_survives_loss_repetition_and_disorder(
    size: int, blksize: int, writing: bool, seed: int, loss: float, double: float
) -> None:
    """With both sides repeating what is not answered, the file arrives as it was sent."""
    dice = random.Random(seed)
    content = dice.randbytes(size)
    transfer: Reading | Writing = Writing("x", content, {"blksize": blksize}) if writing else Reading("x", {"blksize": blksize})
    server = Server(None if writing else content, blksize)
    to_client, to_server = [server.start()], list[bytes]()
    for _ in range(5000):
        if transfer.finished:
            break
        _step(dice, to_client, transfer.receive, to_server, loss, double)
        if not transfer.finished:
            _step(dice, to_server, server.receive, to_client, loss, double)
        if not to_client and not to_server:  # both clocks ring
            to_client.append(server.packet)
            if transfer.began:
                to_server.append(transfer.packet)
    assert transfer.finished
    assert (server.taken if writing else transfer.content if isinstance(transfer, Reading) else b"") == content


def _step(
    dice: random.Random, inbox: list[bytes], receive: Callable[[bytes], bytes | None], outbox: list[bytes],
    loss: float, double: float,
) -> None:
    if not inbox:
        return
    answer = receive(inbox.pop(dice.randrange(len(inbox))))
    if answer is None or dice.random() < loss:
        return
    outbox += [answer] * (2 if dice.random() < double else 1)
