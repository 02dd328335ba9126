"""SIP requests over a real socket, to a peer that answers by script: losses, challenges, noise, silence."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine.model.errors import Permanent, Temporary, WriteRefused
from engine.model.secret import Secret
from engine.ports import SipSession as SipPort
from engine.transports import sip as transport
from engine.transports.sip import SipPool, SipSession
from tests.support.udp import Address, ScriptedPeer, free_udp_port, silent

URI = "sip:101@pbx.example.net"


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """The timers of RFC 3261, twenty times faster."""
    monkeypatch.setattr(transport, "T1_S", 0.025)
    monkeypatch.setattr(transport, "T2_S", 0.2)


def session(peer: ScriptedPeer, left_s: float = 5.0, read_only: bool = False, **more: object) -> SipSession:
    return SipPool().session({"host": "127.0.0.1", "port": peer.port, **more}, read_only, lambda: left_s)


def header(packet: bytes, name: str) -> str:
    found = re.search(rf"(?im)^{name}:[ ]*(.*?)\r$", packet.decode())
    assert found is not None, packet
    return found[1]


def respond(packet: bytes, status: str, *extra: str, branch: str = "", cseq: str = "") -> bytes:
    via = header(packet, "Via")
    if branch:
        via = re.sub(r"branch=[^;]+", f"branch={branch}", via)
    lines = [
        f"SIP/2.0 {status}", f"Via: {via}", f"From: {header(packet, 'From')}", f"To: {header(packet, 'To')};tag=peer",
        f"Call-ID: {header(packet, 'Call-ID')}", f"CSeq: {cseq or header(packet, 'CSeq')}", *extra, "Content-Length: 0", "", "",
    ]
    return "\r\n".join(lines).encode()


def answering(*statuses: str) -> Callable[[ScriptedPeer, bytes, Address], None]:
    """Answers each request with all of these."""

    def answer(peer: ScriptedPeer, packet: bytes, source: Address) -> None:
        for status in statuses:
            peer.send(respond(packet, status), source)

    return answer


def test_is_a_sip_session() -> None:
    """The type checker and the transport agree on the port."""
    port: SipPort = SipSession({"host": "127.0.0.1"}, True, lambda: 1.0)
    with pytest.raises(WriteRefused):
        port.notify(URI, "check-sync")


def test_a_notify_has_what_phones_want_to_see() -> None:
    """RFC 3261, 8.1.1 and the headers of RFC 6665, outside a dialog."""
    with ScriptedPeer(answering("200 OK")) as peer:
        reply = session(peer, username="old-pbx", domain="example.net").notify(URI, "check-sync;reboot=false")
        [packet] = peer.received
    assert (reply.status, reply.reason) == (200, "OK")
    assert reply.headers["to"].endswith(";tag=peer")
    assert packet.startswith(f"NOTIFY {URI} SIP/2.0\r\n".encode())
    assert header(packet, "Event") == "check-sync;reboot=false"
    assert header(packet, "Subscription-State").startswith("terminated")
    assert header(packet, "Max-Forwards") == "70"
    assert header(packet, "To") == f"<{URI}>"
    assert re.fullmatch(r"<sip:old-pbx@example\.net>;tag=\w+", header(packet, "From"))
    assert re.fullmatch(r"SIP/2\.0/UDP 127\.0\.0\.1:\d+;branch=z9hG4bK\w{20,};rport", header(packet, "Via"))
    assert re.fullmatch(r"<sip:old-pbx@127\.0\.0\.1:\d+>", header(packet, "Contact"))
    assert header(packet, "CSeq") == "1 NOTIFY"
    assert header(packet, "Content-Length") == "0"


def test_a_notify_may_have_a_body() -> None:
    """Cisco's ``service-control`` says in it what to do."""
    with ScriptedPeer(answering("200 OK")) as peer:
        session(peer).notify(URI, "service-control", content_type="text/plain", body=b"action=restart\r\n")
        [packet] = peer.received
    assert header(packet, "Content-Type") == "text/plain"
    assert header(packet, "Content-Length") == "16"
    assert packet.endswith(b"\r\n\r\naction=restart\r\n")


def test_two_requests_never_look_alike() -> None:
    with ScriptedPeer(answering("200 OK")) as peer:
        for _ in range(2):
            session(peer).notify(URI, "check-sync")
        first, second = peer.received
    for name in ("Call-ID", "Via", "From"):
        assert header(first, name) != header(second, name)


@pytest.mark.usefixtures("quick")
def test_a_lost_request_is_sent_again_unchanged() -> None:
    def answer(peer: ScriptedPeer, packet: bytes, source: Address) -> None:
        if len(peer.received) == 3:
            peer.send(respond(packet, "200 OK"), source)

    with ScriptedPeer(answer) as peer:
        assert session(peer).notify(URI, "check-sync").status == 200
        assert len(set(peer.received)) == 1


@pytest.mark.usefixtures("quick")
def test_silence_is_temporary_and_names_the_peer() -> None:
    started = time.monotonic()
    with ScriptedPeer(silent) as peer:
        with pytest.raises(Temporary, match=rf"NOTIFY to {URI}: no answer from 127\.0\.0\.1:{peer.port} within 0\.\d s"):
            session(peer, left_s=0.3).notify(URI, "check-sync")
        assert len(peer.received) >= 3
    assert time.monotonic() - started < 3


def test_a_closed_port_is_said_at_once() -> None:
    settings = {"host": "127.0.0.1", "port": free_udp_port()}
    with pytest.raises(Temporary, match="nothing listens on that port"):
        SipSession(settings, True, lambda: 10.0).options(URI)


@pytest.mark.usefixtures("quick")
def test_provisional_answers_are_not_the_end() -> None:
    def answer(peer: ScriptedPeer, packet: bytes, source: Address) -> None:
        peer.send(respond(packet, "100 Trying" if len(peer.received) < 2 else "202 Accepted"), source)

    with ScriptedPeer(answer) as peer:
        assert session(peer).notify(URI, "check-sync").status == 202


@pytest.mark.usefixtures("quick")
def test_only_provisional_answers_are_temporary_and_say_so() -> None:
    with (
        ScriptedPeer(answering("183 Session Progress")) as peer,
        pytest.raises(Temporary, match="answered 183 Session Progress and nothing more"),
    ):
        session(peer, left_s=0.3).notify(URI, "check-sync")


def test_other_transactions_and_noise_are_passed_over() -> None:
    """Wrong branch, wrong CSeq, wrong method, requests, keep-alives: none of them is the answer."""

    def answer(peer: ScriptedPeer, packet: bytes, source: Address) -> None:
        for noise in (
            respond(packet, "603 Decline", branch="z9hG4bKother"), respond(packet, "603 Decline", cseq="2 NOTIFY"),
            respond(packet, "603 Decline", cseq="1 OPTIONS"), respond(packet, "603 Decline", cseq="mangled"),
            b"\r\n\r\n", b"", b"\xff" * 50, packet, b"SIP/2.0 603 Decline\r\n\r\n",
        ):
            peer.send(noise, source)
        peer.send(respond(packet, "200 OK"), source)

    with ScriptedPeer(answer) as peer:
        assert session(peer).notify(URI, "check-sync").status == 200


def test_an_answer_from_another_port_counts() -> None:
    """Proxies with several addresses do that; the branch tells."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:

        def answer(peer: ScriptedPeer, packet: bytes, source: Address) -> None:
            other.sendto(respond(packet, "200 OK"), source)

        with ScriptedPeer(answer) as peer:
            assert session(peer).notify(URI, "check-sync").status == 200


@pytest.mark.parametrize("status", ["404 Not Found", "489 Bad Event", "500 Server Internal Error", "603 Decline", "302 Moved"])
def test_final_answers_come_back_as_they_are(status: str) -> None:
    """What a 489 means for a phone is not the transport's to know."""
    with ScriptedPeer(answering(status)) as peer:
        reply = session(peer).notify(URI, "check-sync")
    assert f"{reply.status} {reply.reason}" == status


@pytest.mark.parametrize("status", ["408 Request Timeout", "480 Temporarily Unavailable", "503 Busy", "504 Server Time-out"])
def test_a_passing_failure_of_a_notify_is_temporary(status: str) -> None:
    """With the wait the other side asks for."""

    def answer(peer: ScriptedPeer, packet: bytes, source: Address) -> None:
        peer.send(respond(packet, status, "Retry-After: 7"), source)

    with ScriptedPeer(answer) as peer, pytest.raises(Temporary, match=f"answered {status}") as caught:
        session(peer).notify(URI, "check-sync")
    assert caught.value.wait_s == 7


def test_options_reports_every_final_answer() -> None:
    """Also read-only, and a 480 too: it was asked whether anybody is there."""
    for status in (200, 401, 480, 503):
        with ScriptedPeer(answering(f"{status} Whatever")) as peer:
            assert session(peer, read_only=True).options(URI).status == status
            assert peer.received[0].startswith(b"OPTIONS ")


CHALLENGE = 'Digest realm="pbx", nonce="n0nce", algorithm={}, qop="auth"'


@pytest.mark.parametrize(
    ("status", "asked", "given"),
    [("401 Unauthorized", "WWW-Authenticate", "Authorization"), ("407 Auth", "Proxy-Authenticate", "Proxy-Authorization")],
)
@pytest.mark.parametrize("algorithm", ["MD5", "SHA-256"])
def test_a_challenge_is_answered_once(status: str, asked: str, given: str, algorithm: str) -> None:
    """As a new transaction of the same call; the password itself is never sent."""

    def answer(peer: ScriptedPeer, packet: bytes, source: Address) -> None:
        if given.encode() not in packet:
            peer.send(respond(packet, status, f"{asked}: {CHALLENGE.format(algorithm)}"), source)
        else:
            peer.send(respond(packet, "200 OK"), source)

    with ScriptedPeer(answer) as peer:
        reply = session(peer, username="101", password=Secret("hunter22")).notify(URI, "check-sync")
        first, second = peer.received
    assert reply.status == 200
    assert header(second, given).startswith('Digest username="101", realm="pbx", nonce="n0nce", uri="sip:101@pbx.example.net"')
    assert f"algorithm={algorithm}" in header(second, given)
    assert header(first, "Call-ID") == header(second, "Call-ID")
    assert header(first, "Via") != header(second, "Via")
    assert header(second, "CSeq") == "2 NOTIFY"
    assert b"hunter22" not in second


def test_a_wrong_password_is_permanent_and_tried_once() -> None:
    """Trying on would lock the account."""

    def answer(peer: ScriptedPeer, packet: bytes, source: Address) -> None:
        peer.send(respond(packet, "401 Unauthorized", f"WWW-Authenticate: {CHALLENGE.format('MD5')}"), source)

    with ScriptedPeer(answer) as peer:
        with pytest.raises(Permanent, match="does not accept the username and password") as caught:
            session(peer, username="101", password=Secret("hunter22")).notify(URI, "check-sync")
        assert len(peer.received) == 2
    assert "hunter22" not in str(caught.value)


def test_a_challenge_without_credentials_says_what_to_set() -> None:
    with ScriptedPeer(answering("401 Unauthorized")) as peer, pytest.raises(Permanent, match="set 'username' and 'password'"):
        session(peer).notify(URI, "check-sync")


@pytest.mark.parametrize(
    ("uri", "event"),
    [("tel:101", "check-sync"), ("sip:1\r\nX: y", "check-sync"), (URI, ""), (URI, "a\r\nX: y"), (URI, "check sync")],
)
def test_nothing_is_sent_that_would_break_the_message(uri: str, event: str) -> None:
    with ScriptedPeer(silent) as peer:
        with pytest.raises(Permanent):
            session(peer, left_s=0.2).notify(uri, event)
        with pytest.raises(Permanent):
            session(peer, left_s=0.2).notify(URI, "check-sync", content_type="text/plain\r\nX: y", body=b"x")
        assert peer.received == []


def test_no_time_left_sends_nothing() -> None:
    with ScriptedPeer(silent) as peer:
        with pytest.raises(Temporary, match="timed out before"):
            session(peer, left_s=0.0).options(URI)
        assert peer.received == []


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({}, "needs 'host'"), ({"host": "x", "transport": "tcp"}, "transport"), ({"host": "x", "port": "no"}, "port"),
        ({"host": "x", "port": 70000}, "port"), ({"host": "x", "domain": "a b"}, "domain"),
    ],
)
def test_a_setting_that_makes_no_sense_is_said(given: dict[str, object], why: str) -> None:
    with pytest.raises(Permanent, match=why):
        SipSession(given, True, lambda: 1.0)


@pytest.fixture(scope="module")
def scripted() -> Iterator[tuple[ScriptedPeer, list[bytes]]]:
    """A peer that sends whatever the list holds."""
    script: list[bytes] = []

    def answer(peer: ScriptedPeer, packet: bytes, source: Address) -> None:
        for noise in script:
            peer.send(noise.replace(b"@VIA@", header(packet, "Via").encode()), source)

    with ScriptedPeer(answer) as peer:
        yield peer, script


PIECES = st.lists(st.sampled_from([
    b"SIP/2.0 ", b"200 OK", b"401 No", b"999", b"\r\n", b"\r\n\r\n", b"Via: @VIA@\r\n", b"CSeq: 1 NOTIFY\r\n", b"CSeq: \r\n",
    b"WWW-Authenticate: Digest realm=\"", b"nonce=\"n\",", b"\xff\xfe",
    b"Retry-After: 99999999999\r\n", b" ", b":", b"\0", b"\x1b[2J",
]), max_size=10).map(b"".join)


@given(noise=st.lists(PIECES, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_answer_gives_a_reply_or_a_declared_failure(
    scripted: tuple[ScriptedPeer, list[bytes]], noise: list[bytes]
) -> None:
    """Pieces of answers, put together at random."""
    peer, script = scripted
    script[:] = noise
    try:
        reply = session(peer, left_s=0.03, username="u", password=Secret("password")).notify(URI, "check-sync")
    except (Temporary, Permanent) as failure:
        assert failure.why.isprintable()
    else:
        assert 200 <= reply.status <= 699
