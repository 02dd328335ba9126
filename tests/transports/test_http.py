"""HTTP sessions against real servers on loopback: credentials, deadlines, failures in the operator's words."""

from __future__ import annotations

import base64
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import pytest

from engine.lab.board import Board, Fault, write_faults
from engine.lab.certificates import server_context
from engine.lab.web_server import LabServer, Route, WebApp, WebReply, WebRequest
from engine.model.errors import Permanent, Temporary, WriteRefused
from engine.model.secret import Secret
from engine.transports.http import HttpPool, HttpSession, _trust

TOKEN = "tok-3e9f41c07a"
LONG = b"x" * (17 * 1024 * 1024)


def _echo(request: WebRequest) -> WebReply:
    return WebReply(200, {"headers": dict(request.headers), "target": request.target, "body": request.body.decode()})


def _status(request: WebRequest) -> WebReply:
    headers = {name: value for name, value in request.query.items() if name not in ("said", "location")}
    if "location" in request.query:
        headers["Location"] = request.query["location"]
    return WebReply(int(request.params["status"]), {"message": request.query.get("said", "")}, headers=headers)


APP = WebApp((
    *(Route(method, "/api/echo", _echo) for method in ("GET", "POST", "PATCH", "PUT", "DELETE")),
    *(Route(method, "/api/status/{status}", _status) for method in ("GET", "POST")),
    Route("GET", "/api/long", lambda request: WebReply(200, body=LONG, content_type="text/plain")),
    Route("GET", "/api/broken", lambda request: WebReply(200, body=b"{", content_type="application/json")),
    Route("GET", "/api/untyped", lambda request: WebReply(200, body=b"[1]", content_type="text/html")),
    Route("GET", "/api/deep", lambda request: WebReply(200, body=b"[" * 100_000, content_type="application/json")),
    Route("GET", "/api/zip", lambda request: WebReply(200, body=b"no gzip", headers={"Content-Encoding": "gzip"})),
    Route("GET", "/api/{domain}/place", _echo),
))

Open = Callable[..., HttpSession]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LabServer]:
    with LabServer(Board(tmp_path, "api"), APP) as running:
        yield running


@pytest.fixture
def pool() -> Iterator[HttpPool]:
    made = HttpPool()
    yield made
    made.close()


@pytest.fixture
def connect(server: LabServer, pool: HttpPool) -> Open:
    def opened(kind: str = "http", read_only: bool = False, left_s: float = 5.0, **settings: object) -> HttpSession:
        settings = {"url": f"{server.url}/api", **settings}
        return pool.session("shop", kind, settings, read_only, lambda: left_s)

    return opened


def requests_at(folder: Path) -> list[dict[str, Any]]:
    log = folder / "api.jsonl"
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def basic(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{TOKEN}".encode()).decode()


# ---------------------------------------------------------------- what is sent


@pytest.mark.parametrize(("kind", "settings", "expected"), [
    ("http", {"token": Secret(TOKEN)}, f"Bearer {TOKEN}"),
    ("http", {"username": "ann", "password": Secret(TOKEN)}, basic("ann")),
    ("http", {}, None),
    ("telnyx", {"api_key": Secret(TOKEN)}, f"Bearer {TOKEN}"),
    ("twilio", {"account_sid": "AC1", "auth_token": Secret(TOKEN)}, basic("AC1")),
    ("netsapiens", {"token": Secret(TOKEN), "domain": "d"}, f"Bearer {TOKEN}"),
    ("rt", {"token": Secret(TOKEN)}, f"token {TOKEN}"),
    ("servicenow", {"token": Secret(TOKEN)}, f"Bearer {TOKEN}"),
    ("jira", {"username": "ann", "token": Secret(TOKEN)}, basic("ann")),
    ("jira", {"token": Secret(TOKEN)}, f"Bearer {TOKEN}"),
    ("rt", {"username": "ann", "password": Secret(TOKEN)}, basic("ann")),
])
def test_credentials_are_sent_as_the_type_wants_them(
    connect: Open, kind: str, settings: Mapping[str, object], expected: str | None,
) -> None:
    """Each connection type has its own form of Authorization."""
    sent = connect(kind, **settings).request("GET", "/echo").data["headers"]
    assert sent.get("authorization") == expected


@pytest.mark.parametrize(("kind", "url"), [("telnyx", "https://api.telnyx.com"), ("twilio", "https://api.twilio.com")])
def test_carriers_have_their_own_address(pool: HttpPool, kind: str, url: str) -> None:
    """No 'url' is needed for a carrier; the deadline is over here, so nothing leaves."""
    session = pool.session("carrier", kind, {}, False, lambda: 0.0)
    with pytest.raises(Temporary, match=url.removeprefix("https://")):
        session.request("GET", "/v2/phone_numbers")


def test_query_form_json_and_headers_arrive(connect: Open) -> None:
    """Plus signs and brackets survive encoding; a form and a JSON body carry their content type."""
    session = connect(headers={"X-Office": Secret("north")})
    form = session.request("POST", "/echo", form={"To": "+1 2&3"}, params={"filter[phone]": "+1202"}).data
    body = session.request("PATCH", "echo", json={"a": None}, headers={"If-Match": "7"}).data
    assert form["target"] == "/api/echo?filter%5Bphone%5D=%2B1202"
    assert (form["body"], form["headers"]["content-type"]) == ("To=%2B1+2%263", "application/x-www-form-urlencoded")
    assert (json.loads(body["body"]), body["headers"]["content-type"]) == ({"a": None}, "application/json")
    assert (body["headers"]["x-office"], body["headers"]["if-match"]) == ("north", "7")


def test_documented_placeholders_are_filled_in(connect: Open) -> None:
    """A path can be written as the API's documentation spells it."""
    reply = connect("netsapiens", domain="a b.example").request("GET", "/{domain}/place")
    assert reply.data["target"] == "/api/a%20b.example/place"


@pytest.mark.parametrize("path", ["https://elsewhere.example/x", "//elsewhere.example/x"])
def test_credentials_go_nowhere_but_to_the_connections_own_host(tmp_path: Path, connect: Open, path: str) -> None:
    """A whole address in place of a path is refused."""
    with pytest.raises(Permanent, match="give the path alone"):
        connect(token=Secret(TOKEN)).request("GET", path)
    assert requests_at(tmp_path) == []


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "post"])
def test_a_read_only_session_refuses_to_write(tmp_path: Path, connect: Open, method: str) -> None:
    """Not a byte leaves the machine."""
    with pytest.raises(WriteRefused, match="may only read"):
        connect(read_only=True).request(method, "/echo", json={})
    assert requests_at(tmp_path) == []


def test_a_read_only_session_reads(connect: Open) -> None:
    """Reading is what it is for."""
    assert connect(read_only=True).request("GET", "/echo").status == 200


def test_one_connection_is_reused(tmp_path: Path, connect: Open) -> None:
    """Sessions of one connection share its sockets, read-only and writing ones alike."""
    connect(read_only=True).request("GET", "/echo")
    connect().request("PATCH", "/echo", json={})
    connect().request("GET", "/status/404")
    connect().request("GET", "/echo")
    assert len({entry["peer"] for entry in requests_at(tmp_path)}) == 1


def test_many_threads_share_the_pool(connect: Open) -> None:
    """Concurrent exchanges get their own answers."""
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda n: connect().request("GET", f"/status/404?said={n}").data["message"], range(64)))
    assert answers == [str(n) for n in range(64)]


# ---------------------------------------------------------------- what comes back


def test_other_statuses_come_back_as_they_are(connect: Open) -> None:
    """404 and redirects are for the action to judge; a redirect is not followed."""
    replies = [connect().request("GET", f"/status/{status}?location=/api/echo") for status in (404, 409, 422, 302)]
    assert [reply.status for reply in replies] == [404, 409, 422, 302]
    assert replies[-1].headers["location"] == "/api/echo"


def test_json_is_parsed_whatever_its_content_type_says(connect: Open) -> None:
    """Broken JSON is no failure of the transport: the body is there, the data is not."""
    assert connect().request("GET", "/untyped").data == [1]
    broken = connect().request("GET", "/broken")
    assert (broken.data, broken.body) == (None, b"{")
    assert connect().request("GET", "/deep").data is None


def test_an_endless_answer_is_refused(connect: Open) -> None:
    """The memory of the run is not in the hands of the server."""
    with pytest.raises(Permanent, match="longer than 16 MiB"):
        connect().request("GET", "/long")


def test_a_broken_compression_is_a_passing_fault(connect: Open) -> None:
    """A damaged answer may come whole next time."""
    with pytest.raises(Temporary, match="compressed and broken"):
        connect().request("GET", "/zip")


@pytest.mark.parametrize("status", [401, 403])
def test_refused_credentials_name_the_setting_and_never_the_secret(connect: Open, status: int) -> None:
    """Trying again cannot help; the text says which setting of which connection to look at."""
    with pytest.raises(Permanent, match=f"{status}.*'api_key' of connection 'shop'") as caught:
        connect("telnyx", api_key=Secret(TOKEN)).request("GET", f"/status/{status}?said=bad+key+{TOKEN}")
    assert TOKEN not in str(caught.value)
    assert "bad key ***" in caught.value.why


@pytest.mark.parametrize(("headers", "wait_s"), [
    ("retry-after=7", 7.0),
    ("x-ratelimit-reset=3", 3.0),
    ("retry-after=2&x-ratelimit-reset=30", 2.0),
    ("", None),
    ("retry-after=soon", None),
])
def test_too_many_requests_says_how_long_to_wait(connect: Open, headers: str, wait_s: float | None) -> None:
    """Retry-After wins over a rate limit's reset."""
    with pytest.raises(Temporary, match=r"429, too many requests.*not carried out") as caught:
        connect().request("POST", f"/status/429?{headers}", json={})
    assert caught.value.wait_s == wait_s


def test_a_date_to_wait_for_is_measured_by_the_servers_clock(connect: Open) -> None:
    """Both dates are the server's, so that a wrong clock here does not matter."""
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    with pytest.raises(Temporary) as caught:
        connect().request("GET", "/status/503", params={"retry-after": later})
    assert caught.value.wait_s is not None
    assert 85 <= caught.value.wait_s <= 91


def test_a_reset_given_as_a_point_in_time_becomes_a_wait(connect: Open) -> None:
    """Some APIs give the reset as seconds since 1970."""
    then = int(datetime.now(UTC).timestamp()) + 60
    with pytest.raises(Temporary) as caught:
        connect().request("GET", f"/status/429?x-ratelimit-reset={then}")
    assert caught.value.wait_s is not None
    assert 55 <= caught.value.wait_s <= 61


@pytest.mark.parametrize("status", [408, 500, 502, 503, 504])
def test_a_failing_server_leaves_a_write_in_doubt(connect: Open, status: int) -> None:
    """The operator reads that the effect is unknown for a write, and that a read changed nothing."""
    with pytest.raises(Temporary, match="not known: it will be read back"):
        connect().request("POST", f"/status/{status}", json={})
    with pytest.raises(Temporary, match="nothing was changed"):
        connect().request("GET", f"/status/{status}")


# ---------------------------------------------------------------- the network


@pytest.mark.parametrize("fault", ["drop", "lost_reply"])
def test_a_lost_answer_is_temporary(tmp_path: Path, connect: Open, fault: str) -> None:
    """Whether the server had acted cannot be told from here, and is not claimed."""
    write_faults(tmp_path, [Fault("f", "api", fault)])
    with pytest.raises(Temporary, match=r"connection was lost.*read back"):
        connect().request("POST", "/echo", json={})


def test_a_silent_server_is_left_at_the_deadline(tmp_path: Path, connect: Open) -> None:
    """The time left for the exchange bounds the wait for an answer."""
    write_faults(tmp_path, [Fault("f", "api", "hang", value=30)])
    started = datetime.now(UTC)
    with pytest.raises(Temporary, match="no answer in time"):
        connect(left_s=0.2).request("GET", "/echo")
    assert datetime.now(UTC) - started < timedelta(seconds=5)


def test_a_deadline_that_passed_sends_nothing(tmp_path: Path, connect: Open) -> None:
    """No time left means no request."""
    with pytest.raises(Temporary, match="timed out before it was sent"):
        connect(left_s=0).request("GET", "/echo")
    assert requests_at(tmp_path) == []


def test_a_trickling_answer_is_cut_at_the_deadline(pool: HttpPool) -> None:
    """Bytes that keep coming do not keep the exchange alive past its time."""
    left = iter([5.0, 5.0])
    with Trickle() as port:
        session = pool.session("slow", "http", {"url": f"http://127.0.0.1:{port}"}, False, lambda: next(left, 0.0))
        with pytest.raises(Temporary, match="timed out while the answer came in"):
            session.request("GET", "/")


def test_nobody_listening_is_temporary_and_says_nothing_was_sent(pool: HttpPool) -> None:
    """A server that restarts will be back."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    session = pool.session("gone", "http", {"url": f"http://127.0.0.1:{port}"}, False, lambda: 5.0)
    with pytest.raises(Temporary, match=r"could not connect.*Nothing was sent"):
        session.request("POST", "/", json={})


def test_a_line_break_in_a_token_is_found(connect: Open) -> None:
    """A secret pasted with its line end cannot be sent, and the text says where to look without showing it."""
    with pytest.raises(Permanent, match=r"line break.*'token'") as caught:
        connect(token=Secret(f"{TOKEN}\n x")).request("GET", "/echo")
    assert TOKEN not in str(caught.value)


# ---------------------------------------------------------------- TLS and settings


@pytest.fixture
def secure(tmp_path: Path) -> Iterator[LabServer]:
    with LabServer(Board(tmp_path, "api"), APP, tls=server_context(tmp_path, "api")) as running:
        yield running


def test_an_unknown_certificate_is_refused(tmp_path: Path, secure: LabServer, pool: HttpPool) -> None:
    """The credentials are not given to somebody who cannot prove who he is."""
    session = pool.session("tls", "telnyx", {"url": secure.url, "api_key": Secret(TOKEN)}, False, lambda: 5.0)
    with pytest.raises(Permanent, match=r"certificate is not trusted .*'ca_file' of connection 'tls'"):
        session.request("GET", "/api/echo")
    assert requests_at(tmp_path) == []


@pytest.mark.parametrize("setting", ["ca_file", "verify"])
def test_a_certificate_is_accepted_when_the_inventory_says_so(
    tmp_path: Path, secure: LabServer, pool: HttpPool, setting: str,
) -> None:
    """Either by its authority or, explicitly, without looking."""
    value: object = str(tmp_path / "ca.pem") if setting == "ca_file" else False
    session = pool.session("tls", "http", {"url": secure.url, setting: value}, False, lambda: 5.0)
    assert session.request("GET", "/api/echo").status == 200


def test_a_missing_ca_file_is_named(tmp_path: Path, pool: HttpPool) -> None:
    """The path in the error is the one in the inventory."""
    with pytest.raises(Permanent, match=r"'ca_file' .*none\.pem cannot be used"):
        pool.session("tls", "http", {"url": "https://host", "ca_file": str(tmp_path / "none.pem")}, False, lambda: 5.0)


def test_plain_text_where_tls_is_expected_is_explained(server: LabServer, pool: HttpPool) -> None:
    """https to a port that speaks http."""
    url = server.url.replace("http:", "https:")
    with pytest.raises(Permanent, match="does the port in 'url' speak https"):
        pool.session("tls", "http", {"url": url}, False, lambda: 5.0).request("GET", "/")


@pytest.mark.parametrize(("settings", "why"), [
    ({"url": "http://api.example.net", "token": Secret(TOKEN)}, "plain http.*allow_plain"),
    ({"url": "http://api.example.net", "headers": {"X-Key": Secret(TOKEN)}}, "plain http"),
    ({"url": f"https://ann:{TOKEN}@api.example.net"}, "holds credentials"),
    ({"url": "api.example.net"}, "must look like https"),
    ({}, "must look like https"),
    ({"url": "https://api.example.net/?a=1"}, "must look like https"),
])
def test_settings_that_cannot_work_are_refused(pool: HttpPool, settings: Mapping[str, object], why: str) -> None:
    """Before anything is sent, with the setting named and no secret shown."""
    with pytest.raises(Permanent, match=why) as caught:
        pool.session("shop", "http", settings, False, lambda: 5.0)
    assert TOKEN not in str(caught.value)


@pytest.mark.parametrize("settings", [
    {"url": "http://api.example.net"},
    {"url": "http://api.example.net", "token": Secret(TOKEN), "allow_plain": True},
    {"url": "http://localhost:1", "token": Secret(TOKEN)},
    {"url": "http://[::1]:1", "token": Secret(TOKEN)},
])
def test_plain_http_is_allowed_where_nothing_can_leak(pool: HttpPool, settings: Mapping[str, object]) -> None:
    """Without credentials, on this machine, or by explicit word."""
    pool.session("shop", "http", settings, False, lambda: 5.0)


class Trickle:
    """A server that sends a byte of its endless answer now and then, until it is left."""

    def __enter__(self) -> int:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        port: int = self._listener.getsockname()[1]
        return port

    def _serve(self) -> None:
        client, _ = self._listener.accept()
        with client:
            client.recv(65536)
            client.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
            while not self._done.wait(0.02):
                try:
                    client.sendall(b"x" * 70000)
                except OSError:
                    return

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        self._listener.close()


def test_the_context_for_tls_verifies() -> None:
    """A guard over the default: what httpx makes for us checks names and chains."""
    context = _trust("any", {})
    assert isinstance(context, ssl.SSLContext)
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
