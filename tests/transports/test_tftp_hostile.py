"""TFTP servers nobody should have: wrong ports, packets out of turn, silence, and noise on the line."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.model.errors import Permanent, Temporary
from engine.transports import tftp_packet as tftp
from engine.transports.tftp import TftpPool, TftpSession
from tests.support.udp import Address, ScriptedPeer, silent


@pytest.fixture(scope="module")
def pool() -> Iterator[TftpPool]:
    pool = TftpPool()
    yield pool
    pool.close()


@pytest.fixture
def stranger() -> Iterator[socket.socket]:
    """A port that was not asked."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)
        yield sock


def session(pool: TftpPool, peer: ScriptedPeer, left_s: float = 10.0, **more: object) -> TftpSession:
    given = {"host": "127.0.0.1", "port": peer.port, "timeout_s": 0.1, "retries": 3, **more}
    return pool.session(given, False, lambda: left_s)


def is_request(packet: bytes) -> bool:
    return packet[:2] in {b"\0\1", b"\0\2"}


def test_a_stranger_is_told_error_5_and_not_listened_to(pool: TftpPool, stranger: socket.socket) -> None:
    """RFC 1350, 4: the transfer goes on with the port that answered first."""

    def answer(peer: ScriptedPeer, packet: bytes, source: Address) -> None:
        if is_request(packet):
            peer.send(tftp.data(1, b"a" * 512), source)
        elif packet == tftp.ack(1):
            stranger.sendto(tftp.data(2, b"theirs"), source)
            assert stranger.recv(512)[:4] == struct.pack("!HH", tftp.ERROR, 5)
            peer.send(tftp.data(2, b"ours"), source)

    with ScriptedPeer(answer) as peer:
        assert session(pool, peer, timeout_s=5).read("x") == b"a" * 512 + b"ours"


def test_the_request_is_sent_again_until_it_is_answered(pool: TftpPool) -> None:
    """With the time between doubling."""

    def answer(peer: ScriptedPeer, packet: bytes, source: Address) -> None:
        if len(peer.received) == 3:
            peer.send(tftp.data(1, b"late"), source)

    with ScriptedPeer(answer) as peer:
        assert session(pool, peer).read("x") == b"late"
        assert len({packet for packet in peer.received if is_request(packet)}) == 1


def test_a_write_request_that_was_lost_is_done_once_nobody_answers_it_again(pool: TftpPool) -> None:
    def answer(peer: ScriptedPeer, packet: bytes, source: Address) -> None:
        if len(peer.received) > 1:
            peer.send(tftp.ack(0 if is_request(packet) else 1), source)

    with ScriptedPeer(answer) as peer:
        session(pool, peer).write("x", b"1")
        assert [packet[:2] for packet in peer.received] == [b"\0\2", b"\0\2", b"\0\3"]


def test_a_lost_data_packet_is_sent_again_by_the_clock_alone(pool: TftpPool) -> None:
    """Repeated ACKs do not bring it: each block goes out once, but for the lost one."""

    def answer(peer: ScriptedPeer, packet: bytes, source: Address) -> None:
        if is_request(packet):
            peer.send(tftp.ack(0), source)
            return
        block = struct.unpack("!H", packet[2:4])[0]
        if block == 2 and peer.received.count(packet) == 1:
            return  # lost
        for _ in range(3):
            peer.send(tftp.ack(block), source)

    with ScriptedPeer(answer) as peer:
        session(pool, peer, timeout_s=0.5).write("x", b"a" * 1200)
        blocks = [struct.unpack("!H", packet[2:4])[0] for packet in peer.received if packet[:2] == b"\0\3"]
    assert blocks == [1, 2, 2, 3]


def test_silence_is_temporary_and_says_what_to_look_at(pool: TftpPool) -> None:
    with ScriptedPeer(silent) as peer:
        with pytest.raises(Temporary, match=r"no answer within .* firewalls") as caught:
            session(pool, peer, retries=2).read("x.cfg")
        assert len(peer.received) == 3
    assert f"read x.cfg on TFTP server 127.0.0.1:{peer.port}" in caught.value.why


def test_a_server_that_only_repeats_itself_ends_with_the_clock(pool: TftpPool) -> None:
    """What does not move the transfer on does not prolong it."""

    def answer(peer: ScriptedPeer, packet: bytes, source: Address) -> None:
        peer.send(tftp.data(1, b"a" * 512), source)

    with ScriptedPeer(answer) as peer, pytest.raises(Temporary, match="stopped answering"):
        session(pool, peer, left_s=1.0, retries=2).read("x")


def test_nonsense_options_are_refused_with_error_8_and_done_without(pool: TftpPool) -> None:
    """A blksize larger than asked for, as a broken server might."""

    def answer(peer: ScriptedPeer, packet: bytes, source: Address) -> None:
        if b"blksize" in packet:
            peer.send(b"\0\6blksize\x009999\0", source)
        elif is_request(packet):
            peer.send(tftp.data(1, b"plain"), source)

    with ScriptedPeer(answer) as peer:
        assert session(pool, peer).read("x") == b"plain"
        assert any(packet[:4] == struct.pack("!HH", tftp.ERROR, tftp.BAD_OPTIONS) for packet in peer.received)


@pytest.mark.parametrize(
    ("code", "kind"),
    [(0, Temporary), (2, Permanent), (4, Permanent), (5, Temporary), (7, Permanent), (99, Permanent)],
)
@pytest.mark.parametrize("verb", ["read", "write"])
def test_an_error_carries_the_servers_own_words(pool: TftpPool, verb: str, code: int, kind: type[Exception]) -> None:
    """With secrets of the terminal left out."""

    def answer(peer: ScriptedPeer, packet: bytes, source: Address) -> None:
        peer.send(tftp.error(code, "on fire\x1b[2J"), source)

    with ScriptedPeer(answer) as peer:
        files = session(pool, peer)
        with pytest.raises(kind, match=rf'"on fire\?\[2J" \(error {code}\)'):
            files.read("x") if verb == "read" else files.write("x", b"1")


def test_a_write_that_already_exists_is_said(pool: TftpPool) -> None:
    def answer(peer: ScriptedPeer, packet: bytes, source: Address) -> None:
        peer.send(tftp.error(6, "File already exists"), source)

    with ScriptedPeer(answer) as peer, pytest.raises(Permanent, match="does not replace files"):
        session(pool, peer).write("x", b"1")


def test_a_file_cut_short_is_temporary(pool: TftpPool) -> None:
    def answer(peer: ScriptedPeer, packet: bytes, source: Address) -> None:
        if is_request(packet):
            peer.send(b"\0\6blksize\x001428\0tsize\x009\0", source)
        elif packet == tftp.ack(0):
            peer.send(tftp.data(1, b"123"), source)

    with ScriptedPeer(answer) as peer, pytest.raises(Temporary, match="announced 9 bytes and sent 3"):
        session(pool, peer).read("x")


@pytest.mark.parametrize(
    "packet",
    [b"", b"\0", b"\0\3", b"\0\0\0\0", b"\0\1x\0octet\0", b"\xff" * 2000, b"\0\6blksize", b"\0\6a\0b\0c\0", b"\0\4\0\0"],
)
def test_garbage_ends_in_a_declared_failure(pool: TftpPool, packet: bytes) -> None:
    def answer(peer: ScriptedPeer, heard: bytes, source: Address) -> None:
        peer.send(packet, source)

    with ScriptedPeer(answer) as peer, pytest.raises((Temporary, Permanent)):
        session(pool, peer, left_s=1.0).read("x")


HEADED = st.builds(
    lambda code, number, rest: struct.pack("!HH", code, number) + rest, st.integers(1, 6), st.integers(0, 3), st.binary()
)


@given(script=st.lists(st.binary(max_size=40) | HEADED, max_size=8), verb=st.sampled_from(["read", "write"]))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_server_gives_content_none_or_a_declared_failure(pool: TftpPool, script: list[bytes], verb: str) -> None:
    """Random packets in answer to random packets: the loop survives them all."""
    packets = iter(script)

    def answer(peer: ScriptedPeer, heard: bytes, source: Address) -> None:
        packet = next(packets, None)
        if packet is not None:
            peer.send(packet, source)

    with ScriptedPeer(answer) as peer:
        files = session(pool, peer, left_s=0.05, timeout_s=0.02, retries=1)
        try:
            files.read("x") if verb == "read" else files.write("x", b"a" * 600)
        except (Temporary, Permanent) as failure:
            assert failure.why.isprintable()


def test_hundreds_of_dead_transfers_do_not_disturb_a_live_one(pool: TftpPool) -> None:
    def give(peer: ScriptedPeer, packet: bytes, source: Address) -> None:
        if is_request(packet):
            peer.send(tftp.data(1, b"alive"), source)

    def failure(use: Callable[[], object]) -> str:
        with pytest.raises(Temporary) as caught:
            use()
        return caught.value.why

    with ScriptedPeer(silent) as dead, ScriptedPeer(give) as alive, ThreadPoolExecutor(64) as threads:
        waiting = [threads.submit(failure, lambda: session(pool, dead, left_s=0.5).read("x")) for _ in range(60)]
        for _ in range(50):
            assert session(pool, alive).read("x") == b"alive"
        assert all("no answer" in future.result() for future in waiting)
