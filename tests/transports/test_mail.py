"""SMTP against the lab's mail server, a process of its own, over TLS; scripted sockets for what it never does."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from engine.lab.certificates import server_context
from engine.model.errors import InDoubt, Permanent, Temporary, WriteRefused
from engine.model.secret import Secret
from engine.transports.mail import MailPool, MailSession
from tests.support.mail import MailServer, running_mail_server

SENDER = "cutover@example.net"
MESSAGE = b"From: cutover@example.net\r\nSubject: Hi\r\nMessage-ID: <1@example.net>\r\n\r\nHello\r\n"


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    with running_mail_server(tmp_path_factory.mktemp("mail") / "lab") as server:
        yield server


@pytest.fixture
def server(_server: MailServer) -> Iterator[MailServer]:
    _server.mark()
    yield _server
    _server.behave()


def session(settings: dict[str, object], *, read_only: bool = False, seconds: float = 10.0) -> MailSession:
    until = time.monotonic() + seconds
    return MailPool().session(settings, read_only, lambda: until - time.monotonic())


def test_starttls_with_login_delivers_the_message_as_it_is(server: MailServer) -> None:
    """What arrives is what was sent, and the server's answer comes back."""
    answer = session(server.settings()).send(MESSAGE, SENDER, ["a@example.net", "b@example.net"])
    assert answer.startswith("250 2.0.0 OK: kept as ")
    assert server.raw() == [MESSAGE]
    (write,) = server.requests("write")
    assert (write["sender"], write["to"]) == (SENDER, ["a@example.net", "b@example.net"])


def test_tls_from_the_first_byte_delivers_too(server: MailServer) -> None:
    """`security: tls` is RFC 8314's submissions."""
    session(server.settings(security="tls")).send(MESSAGE, SENDER, ["a@example.net"])
    assert server.raw() == [MESSAGE]


def test_check_logs_in_and_sends_nothing(server: MailServer) -> None:
    """A check is allowed read-only and is no write on the server."""
    session(server.settings(), read_only=True).check()
    assert [entry["ok"] for entry in server.requests("read")] == [True]
    assert server.requests("write") == []


def test_a_read_only_session_refuses_before_it_connects(server: MailServer) -> None:
    """Not even a login reaches the server."""
    with pytest.raises(WriteRefused):
        session(server.settings(), read_only=True).send(MESSAGE, SENDER, ["a@example.net"])
    assert server.requests("read") == server.requests("write") == []


@pytest.mark.parametrize("security", ["starttls", "tls"])
def test_a_certificate_of_an_unknown_authority_is_refused(server: MailServer, tmp_path: Path, security: str) -> None:
    """Without the right authority nothing is sent, and the error says what to set."""
    server_context(tmp_path, "other")
    settings = server.settings(security=security, ca_file=str(tmp_path / "ca.pem"))
    with pytest.raises(Permanent, match=r"certificate is not trusted.*ca_file"):
        session(settings).send(MESSAGE, SENDER, ["a@example.net"])
    assert server.requests("read") == []


def test_a_certificate_for_another_name_is_refused(server: MailServer) -> None:
    """127.0.0.2 is the same machine and not the name in the certificate."""
    with socket.create_server(("127.0.0.2", 0)) as listener:
        port = int(str(server.settings()["port"]))
        with forwarded(listener, port), pytest.raises(Permanent, match="IP address mismatch"):
            session(server.settings(host="127.0.0.2", port=listener.getsockname()[1])).check()


def test_verification_can_be_switched_off_by_an_explicit_setting(server: MailServer) -> None:
    """`verify: false` takes any certificate."""
    session(server.settings(verify=False, ca_file="")).send(MESSAGE, SENDER, ["a@example.net"])
    assert len(server.raw()) == 1


def test_a_wrong_password_is_permanent_and_does_not_show_it(server: MailServer) -> None:
    """The server's own words are quoted; the password is not."""
    with pytest.raises(Permanent, match=r"535.*Check `username` and `password`") as refused:
        session(server.settings(password=Secret("wrong-horse"))).send(MESSAGE, SENDER, ["a@example.net"])
    assert "wrong-horse" not in str(refused.value)
    assert server.raw() == []


def test_a_server_that_wants_a_login_says_which_settings_are_missing(server: MailServer) -> None:
    """The server's 530 alone does not say where one is given."""
    with pytest.raises(Permanent, match=r"530.*Give the connection `username` and `password`"):
        session(server.settings(username="", password="")).send(MESSAGE, SENDER, ["a@example.net"])


def test_a_password_beyond_ascii_is_sent_as_utf8(server: MailServer) -> None:
    """It is refused as any wrong one, and breaks nothing."""
    with pytest.raises(Permanent, match="535"):
        session(server.settings(password=Secret("pässwörd"))).check()


def test_one_refused_recipient_refuses_the_mail_for_all(server: MailServer) -> None:
    """Nobody gets half a notice; the error names the address and quotes the server."""
    server.fault("refuse_rcpt", match="b@example.net")
    with pytest.raises(Permanent, match=r"recipient b@example.net: the server said 550 5.1.1 No such user.*nothing was sent"):
        session(server.settings()).send(MESSAGE, SENDER, ["a@example.net", "b@example.net"])
    assert server.raw() == []


@pytest.mark.parametrize(("fault", "failure"), [("greylist", Temporary), ("busy", Temporary), ("refuse_data", Permanent)])
def test_refusals_classify_themselves_by_their_code(server: MailServer, fault: str, failure: type[Exception]) -> None:
    """4xx may pass, 5xx will not; neither is in doubt, not even after the last dot."""
    server.fault(fault, count=1)
    with pytest.raises(failure) as refused:
        session(server.settings()).send(MESSAGE, SENDER, ["a@example.net"])
    assert type(refused.value) is failure
    assert server.raw() == []
    session(server.settings()).send(MESSAGE, SENDER, ["a@example.net"])
    assert server.raw() == [MESSAGE]


def test_a_connection_lost_in_the_middle_of_the_message_did_not_send_it(server: MailServer) -> None:
    """Without the last dot no server delivers, so trying again is safe. The message is larger than any socket's buffer: a
    small one is gone from here whole before the loss shows, and then it is in doubt."""
    server.fault("drop", count=1)
    with pytest.raises(Temporary, match="nothing was sent") as lost:
        session(server.settings()).send(MESSAGE + b"12345678\r\n" * 2_000_000, SENDER, ["a@example.net"])
    assert lost.value.nothing_done
    assert server.raw() == []


def test_a_lost_reply_is_in_doubt(server: MailServer) -> None:
    """The server kept the message and hung up: the transport says that nobody can tell."""
    server.fault("lost_reply", count=1)
    with pytest.raises(InDoubt, match="lost after the message was handed over"):
        session(server.settings()).send(MESSAGE, SENDER, ["a@example.net"])
    assert server.raw() == [MESSAGE]


def test_silence_after_the_message_is_in_doubt_within_the_deadline(server: MailServer) -> None:
    """The deadline holds while waiting for the answer."""
    server.fault("late_reply", value=5.0, count=1)
    started = time.monotonic()
    with pytest.raises(InDoubt, match="timed out"):
        session(server.settings(), seconds=1.0).send(MESSAGE, SENDER, ["a@example.net"])
    assert time.monotonic() - started < 3.0


def test_silence_before_the_message_is_temporary(server: MailServer) -> None:
    """A slow answer to RCPT ends at the deadline with nothing sent."""
    server.fault("slow", match="RCPT", value=5.0, count=1)
    with pytest.raises(Temporary, match=r"timed out; nothing was sent") as late:
        session(server.settings(), seconds=1.0).send(MESSAGE, SENDER, ["a@example.net"])
    assert late.value.nothing_done
    assert server.raw() == []


def test_a_line_of_one_dot_arrives_and_bare_line_feeds_cannot_end_the_message(server: MailServer) -> None:
    """Dots are doubled on the wire and line ends made whole: no second message is smuggled in."""
    smuggler = b"Subject: x\n\nfirst\n.\nMAIL FROM:<evil@example.net>\r.\r\nlast"
    session(server.settings()).send(smuggler, SENDER, ["a@example.net"])
    assert server.raw() == [b"Subject: x\r\n\r\nfirst\r\n.\r\nMAIL FROM:<evil@example.net>\r\n.\r\nlast\r\n"]


@pytest.mark.parametrize("address", ["a@example.net>\r\nRCPT TO:<b@example.net", "a b@example.net", "nobody", "a@b@c", ""])
def test_a_malformed_address_never_reaches_the_server(server: MailServer, address: str) -> None:
    """An address that could be read as a command is refused before connecting."""
    with pytest.raises(Permanent, match="not a mail address"):
        session(server.settings()).send(MESSAGE, SENDER, [address])
    assert server.requests("read") == []


def test_addresses_and_text_beyond_ascii_use_the_servers_extensions(server: MailServer) -> None:
    """SMTPUTF8 and 8BITMIME are asked for when needed."""
    text = "Subject: Grüße\r\n\r\nGrüße\r\n".encode()
    session(server.settings()).send(text, SENDER, ["jürgen@example.net"])
    assert server.raw() == [text]
    assert server.requests("write")[0]["to"] == ["jürgen@example.net"]


def test_a_refused_connection_is_temporary_and_did_nothing() -> None:
    """Nobody listens: trying again later may work."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Temporary, match=r"Connection refused; nothing was sent\. Check .* `host` and `port`") as refused:
        session({"host": "127.0.0.1", "port": port}).check()
    assert refused.value.nothing_done


def test_an_unknown_host_is_named() -> None:
    """A name reserved never to exist; whether asking again may help is the resolver's answer."""
    with pytest.raises((Permanent, Temporary), match=r"mail\.invalid:25, connecting: "):
        session({"host": "mail.invalid", "port": 25}, seconds=5.0).check()


def test_a_server_without_starttls_is_refused_before_the_login() -> None:
    """A stripped STARTTLS must not make the password travel in the clear."""
    said: list[bytes] = []
    with scripted(["220 hi\r\n", "250-hi\r\n250 AUTH PLAIN\r\n", "250 ok\r\n"], said) as port:
        settings: dict[str, object] = {"host": "127.0.0.1", "port": port, "username": "u", "password": Secret("hunter2-long")}
        with pytest.raises(Permanent, match=r"STARTTLS: the server does not offer it.*security: tls"):
            session(settings).check()
    assert b"AUTH" not in b"".join(said)


def test_tls_towards_a_server_in_the_clear_says_what_to_set() -> None:
    """The usual mix-up of ports 465 and 587 gets its own words."""
    with scripted(["220 hi\r\n", "250 hi\r\n"], []) as port, pytest.raises(Permanent, match="set `security: starttls`"):
        session({"host": "127.0.0.1", "port": port, "security": "tls"}).check()


def test_credentials_stay_here_when_the_line_is_open_and_leaves_this_machine() -> None:
    """Without TLS the login is refused before AUTH, unless the peer is this machine or `allow_plain` is set."""
    answers = ["220 hi\r\n", "250-hi\r\n250 AUTH PLAIN\r\n", "235 ok\r\n", "221 bye\r\n"]
    for address in own_addresses():  # none on a machine without a network, where nothing can leave either
        said: list[bytes] = []
        settings: dict[str, object] = {"host": address, "security": "none", "username": "u", "password": Secret("hunter2-long")}
        with scripted(answers, said, address) as port, pytest.raises(Permanent, match="unencrypted; nothing was sent"):
            session({**settings, "port": port}).check()
        assert b"AUTH" not in b"".join(said)
        with scripted(answers, said, address) as port:
            session({**settings, "port": port, "allow_plain": True}).check()
        assert b"AUTH PLAIN" in b"".join(said)


def test_a_relay_on_this_machine_may_be_used_in_the_clear() -> None:
    """`security: none` without a login, as a local relay on port 25 has it; AUTH LOGIN works where PLAIN is not offered."""
    said: list[bytes] = []
    answers = [
        "220 hi\r\n", "250-hi\r\n250 AUTH LOGIN\r\n", "334 VXNlcm5hbWU6\r\n", "334 UGFzc3dvcmQ6\r\n", "235 in\r\n", "221 bye\r\n",
    ]
    with scripted(answers, said) as port:
        session({"host": "127.0.0.1", "port": port, "security": "none", "username": "u", "password": Secret("pppp")}).check()
    assert said[1:5] == [b"AUTH LOGIN\r\n", b"dQ==\r\n", b"cHBwcA==\r\n", b"QUIT\r\n"]


def test_a_server_that_takes_only_seven_bits_is_not_given_eight() -> None:
    """Rather than let the text be mangled, the mail is refused with the reason."""
    with (
        scripted(["220 hi\r\n", "250 hi\r\n"], []) as port,
        pytest.raises(Permanent, match="8BITMIME is not offered"),
    ):
        session({"host": "127.0.0.1", "port": port, "security": "none"}).send("ü\r\n".encode(), SENDER, ["a@example.net"])


def test_a_password_that_the_server_echoes_is_masked() -> None:
    """A server's answer is quoted, but never with our password in it."""
    answers = ["220 hi\r\n", "250-hi\r\n250 AUTH PLAIN\r\n", "535 no such password hunter2-long\r\n"]
    with scripted(answers, []) as port, pytest.raises(Permanent, match=r"no such password \*\*\*"):
        session(
            {"host": "127.0.0.1", "port": port, "security": "none", "username": "u", "password": Secret("hunter2-long")}
        ).check()


def test_a_server_that_dribbles_cannot_outlast_the_deadline() -> None:
    """One byte at a time keeps a per-read time-out from ever firing; the deadline still holds."""
    started = time.monotonic()
    with dribbling() as port, pytest.raises(Temporary, match="timed out"):
        session({"host": "127.0.0.1", "port": port, "security": "none"}, seconds=0.6).check()
    assert time.monotonic() - started < 3.0


def test_an_answer_that_is_no_smtp_after_the_message_is_in_doubt() -> None:
    """Gibberish settles nothing."""
    answers = ["220 hi\r\n", "250 hi\r\n", "250 ok\r\n", "250 ok\r\n", "354 go\r\n", "what?\r\n"]
    with scripted(answers, []) as port, pytest.raises(InDoubt):
        session({"host": "127.0.0.1", "port": port, "security": "none"}).send(MESSAGE, SENDER, ["a@example.net"])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "no `host`"),
        ({"host": "h", "security": "ssl"}, "must be starttls, tls or none"),
        ({"host": "h", "port": "25"}, "from 1 to 65535"),
        ({"host": "h", "username": "u"}, "only one of `username` and `password`"),
        ({"host": "h", "ca_file": "/nowhere/ca.pem"}, "`ca_file` /nowhere/ca.pem cannot be used"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_their_name(settings: dict[str, object], words: str) -> None:
    """Each says which setting and what it may be."""
    with pytest.raises(Permanent, match=words):
        session(settings)


# ---------------------------------------------------------------- servers in a thread


@contextmanager
def scripted(answers: list[str], said: list[bytes], address: str = "127.0.0.1") -> Iterator[int]:
    """A server that says the answers in turn, one per line it hears; after 354 it hears up to the dot."""

    def serve(connection: socket.socket) -> None:
        lines = connection.makefile("rb")
        in_message = False
        for answer in answers:
            connection.sendall(answer.encode())
            in_message = answer.startswith("354")
            line = lines.readline()
            while in_message and line not in (b".\r\n", b""):
                line = lines.readline()
            said.append(line)
            if not line:
                break
        lines.close()

    with _serving(serve, address) as port:
        yield port


@contextmanager
def dribbling() -> Iterator[int]:
    """A server whose greeting never ends."""
    stop = threading.Event()

    def serve(connection: socket.socket) -> None:
        while not stop.wait(0.05):
            connection.sendall(b"2")

    with _serving(serve, "127.0.0.1") as port:
        try:
            yield port
        finally:
            stop.set()


@contextmanager
def _serving(serve: Callable[[socket.socket], None], address: str) -> Iterator[int]:
    with socket.create_server((address, 0)) as listener:
        thread = threading.Thread(target=_serve_one, args=(listener, serve))
        thread.start()
        try:
            yield listener.getsockname()[1]
        finally:
            thread.join(10.0)


def _serve_one(listener: socket.socket, serve: Callable[[socket.socket], None]) -> None:
    listener.settimeout(10.0)
    try:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(10.0)
            serve(connection)
    except OSError:
        return  # the client hung up: the test looks at what it got


@contextmanager
def forwarded(listener: socket.socket, port: int) -> Iterator[None]:
    """Passes one connection on to ``port``: enough for a greeting, EHLO, STARTTLS and a handshake."""

    def pump(source: socket.socket, target: socket.socket) -> None:
        try:
            while data := source.recv(4096):
                target.sendall(data)
        except OSError:
            return
        finally:
            for end in (source, target):
                with suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def run() -> None:
        near, _ = listener.accept()
        with near, socket.create_connection(("127.0.0.1", port)) as far:
            back = threading.Thread(target=pump, args=(far, near))
            back.start()
            pump(near, far)
            back.join()

    thread = threading.Thread(target=run)
    thread.start()
    yield
    thread.join(10.0)


def own_addresses() -> list[str]:
    """The address of this machine towards others, when it has one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # sends nothing: it only picks the way out
        address = str(probe.getsockname()[0])
        return [] if address.startswith("127.") else [address]
    return []
