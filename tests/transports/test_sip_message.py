"""SIP messages and digest answers: the published examples, and what hostile peers send."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.transports import sip_message as sip

RESPONSE = (
    b"SIP/2.0 200 OK\r\n"
    b"v: SIP/2.0/UDP 192.0.2.1:5060;branch=z9hG4bKabc;received=192.0.2.9;rport=5061, SIP/2.0/UDP other;branch=z9hG4bKother\r\n"
    b"Via: SIP/2.0/UDP third;branch=z9hG4bKthird\r\n"
    b"To: <sip:101@example.net>\r\n ;tag=folded\r\n"
    b"CSeq: 7  options\r\n"
    b"i: x@y\r\n"
    b"Retry-After: 18 (in a meeting);duration=3600\r\n"
    b"l: 4\r\n\r\nbody"
)


def test_a_response_is_read_with_compact_and_folded_headers() -> None:
    response = sip.parse(RESPONSE)
    assert (response.status, response.reason) == (200, "OK")
    assert response.branch() == "z9hG4bKabc"
    assert response.cseq() == (7, "OPTIONS")
    assert response.first("to") == "<sip:101@example.net> ;tag=folded"
    assert response.first("call-id") == "x@y"
    assert len(response.every("via")) == 2
    assert response.retry_after_s() == 18


@pytest.mark.parametrize(
    "packet",
    [
        b"", b"\r\n\r\n", b"\0\0\0\0", b"HTTP/1.1 200 OK\r\n\r\n", b"SIP/2.0 099 No\r\n\r\n", b"SIP/2.0 2000 No\r\n\r\n",
        b"OPTIONS sip:a@b SIP/2.0\r\n\r\n", b"SIP/2.0 200 OK\r\nno header\r\n\r\n", b"SIP/2.0 200 OK\r\n\xff: x\r\n\r\n",
        b"SIP/2.0 200 OK\r\nspace in name: x\r\n\r\n", b"SIP/2.0 200 OK\r\n" + b"a: b\r\n" * 300 + b"\r\n",
        b"SIP/2.0 200 OK\r\n" + b"a" * 70000,
    ],
)
def test_what_is_no_response_is_refused(packet: bytes) -> None:
    with pytest.raises(sip.BadMessage):
        sip.parse(packet)


def test_a_reason_cannot_play_with_the_terminal() -> None:
    assert sip.parse(b"SIP/2.0 500 \x1b[2Joops\r\n\r\n").reason == "?[2Joops"


@pytest.mark.parametrize("value", ["a\r\nEvil: yes", "a\nb", "a\0b"])
def test_a_value_cannot_break_out_of_its_header(value: str) -> None:
    with pytest.raises(ValueError, match="control character"):
        sip.build("NOTIFY", "sip:a@b", [("Event", value)])


def test_a_request_states_its_length() -> None:
    assert sip.build("OPTIONS", "sip:a@b", [("Via", "x")], b"12") == (
        b"OPTIONS sip:a@b SIP/2.0\r\nVia: x\r\nContent-Length: 2\r\n\r\n12"
    )


@pytest.mark.parametrize("uri", ["sip:101@example.net", "sips:a@[2001:db8::1]:5061", "sip:example.net;transport=udp"])
def test_addresses_of_sip_are_known(uri: str) -> None:
    assert sip.is_uri(uri)


@pytest.mark.parametrize("uri", ["", "tel:101", "sip:", "sip:a b@c", "sip:a@b\r\nX: y", "<sip:a@b>", "sip:ä@b"])
def test_other_addresses_are_refused(uri: str) -> None:
    assert not sip.is_uri(uri)


def test_events_may_have_parameters_and_nothing_else() -> None:
    for event in ("check-sync", "check-sync;reboot=false", "service-control", "ua-profile"):
        assert sip.is_event(event)
    for event in ("", "check sync", "check-sync\r\nX: y", "check-sync;", "a;b=c d"):
        assert not sip.is_event(event)


def test_md5_with_qop_gives_the_published_answer() -> None:
    """RFC 2617, 3.5, which RFC 3261 builds on."""
    challenge = sip.challenge_of([
        'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="dcd98b7102dd2f0e8b11d0f600bfb0c093",'
        ' opaque="5ccc069c403ebaf9f0171e9517f40e41"'
    ])
    assert challenge is not None
    answer = challenge.answer("GET", "/dir/index.html", "Mufasa", "Circle Of Life", "0a4f113b")
    assert 'response="6629fae49393a05397450978507c4ef1"' in answer
    assert 'opaque="5ccc069c403ebaf9f0171e9517f40e41"' in answer
    assert "qop=auth, nc=00000001" in answer


def test_sha_256_gives_the_published_answer() -> None:
    """RFC 7616, 3.9.1."""
    challenge = sip.challenge_of([
        'Digest realm="http-auth@example.org", qop="auth, auth-int", algorithm=SHA-256,'
        ' nonce="7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v", opaque="FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS"'
    ])
    assert challenge is not None
    answer = challenge.answer(
        "GET", "/dir/index.html", "Mufasa", "Circle of Life", "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    )
    assert 'response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"' in answer
    assert "algorithm=SHA-256" in answer


def test_without_qop_the_old_form_is_used() -> None:
    """RFC 2069: old PBXs still ask so."""
    challenge = sip.challenge_of(['Digest realm="r", nonce="n"'])
    assert challenge is not None
    first, second = (hashlib.md5(text, usedforsecurity=False).hexdigest() for text in (b"u:r:p", b"NOTIFY:sip:a@b"))
    expected = hashlib.md5(f"{first}:n:{second}".encode(), usedforsecurity=False).hexdigest()
    answer = challenge.answer("NOTIFY", "sip:a@b", "u", "p", "c")
    assert f'response="{expected}"' in answer
    assert "qop" not in answer
    assert "algorithm" not in answer


def test_the_stronger_challenge_is_answered() -> None:
    """RFC 8760: servers offer several; what cannot be answered is passed over."""
    chosen = sip.challenge_of([
        "Basic realm=x", 'Digest realm="r", nonce="1", algorithm=MD5', 'Digest realm="r", nonce="2", algorithm=SHA-512-256',
        'Digest realm="r", nonce="3", algorithm=SHA-256',
    ])
    assert chosen is not None
    assert chosen.nonce == "3"
    assert sip.challenge_of(["Basic realm=x", 'Digest realm="r"', 'Digest realm="r", nonce="n", qop="auth-int"']) is None


def test_quotes_in_a_realm_cannot_break_out() -> None:
    challenge = sip.challenge_of([r'Digest realm="a\"b", nonce="n"'])
    assert challenge is not None
    assert challenge.realm == 'a"b'
    assert r'realm="a\"b"' in challenge.answer("NOTIFY", "sip:a@b", 'u"', "p", "c")
    assert r'username="u\""' in challenge.answer("NOTIFY", "sip:a@b", 'u"', "p", "c")


@given(st.binary(max_size=300) | st.binary(max_size=200).map(lambda rest: b"SIP/2.0 200 OK\r\nVia: " + rest))
def test_no_bytes_raise_anything_but_bad_message(packet: bytes) -> None:
    try:
        response = sip.parse(packet)
    except sip.BadMessage:
        return
    response.branch()
    response.cseq()
    response.retry_after_s()
    sip.challenge_of(response.every("via"))


@given(st.text(max_size=200))
def test_no_challenge_raises(text: str) -> None:
    challenge = sip.challenge_of([f"Digest {text}", f'Digest realm="r", nonce="n", {text}'])
    if challenge is not None:
        challenge.answer("NOTIFY", "sip:a@b", "u", "p", "c")
