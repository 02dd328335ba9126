"""The skeleton of the lab's HTTP servers, asked over real sockets."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection, RemoteDisconnected
from pathlib import Path
from typing import Any

import pytest

from engine.lab.board import Board, Fault, write_faults
from engine.lab.web_server import LabServer, Refused, Route, WebApp, WebReply, WebRequest


def _thing(request: WebRequest) -> WebReply:
    if request.params["id"] == "none":
        raise Refused(404, "no such thing")
    return WebReply(200, {"id": request.params["id"], "q": dict(request.query)})


def _change(request: WebRequest) -> WebReply:
    body = request.form() if "form" in request.query else request.json()
    return WebReply(200, {"got": body})


APP = WebApp((Route("GET", "/things/{id}.json", _thing), Route("POST", "/things/{id}.json", _change)))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LabServer]:
    with LabServer(Board(tmp_path, "things"), APP) as running:
        yield running


@pytest.fixture
def client(server: LabServer) -> Iterator[HTTPConnection]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=5)
    yield connection
    connection.close()


def ask(client: HTTPConnection, method: str, path: str, body: str | None = None, kind: str = "") -> tuple[int, Any]:
    client.request(method, path, body, {"Content-Type": kind} if kind else {})
    reply = client.getresponse()
    content = reply.read()
    return reply.status, json.loads(content) if content else None


def log_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "things.jsonl").read_text().splitlines()]


def test_routes_give_decoded_parameters_and_query(client: HTTPConnection) -> None:
    """A parameter is decoded after the path was split, so an encoded plus or slash stays in its segment."""
    answer = ask(client, "GET", "/things/%2B1%2F2.json?filter%5Bx%5D=a&y=")
    assert answer == (200, {"id": "+1/2", "q": {"filter[x]": "a", "y": ""}})


@pytest.mark.parametrize(("method", "path", "body", "kind", "status"), [
    ("GET", "/things/none.json", None, "", 404),
    ("GET", "/other", None, "", 404),
    ("DELETE", "/things/1.json", None, "", 405),
    ("POST", "/things/1.json", "{", "application/json", 400),
    ("POST", "/things/1.json", "{}", "text/plain", 415),
    ("POST", "/things/1.json?form=1", "a=1&a=2", "application/x-www-form-urlencoded", 400),
    ("POST", "/things/1.json?form=1", "{}", "application/json", 415),
])
def test_refusals_have_their_status(
    client: HTTPConnection, method: str, path: str, body: str | None, kind: str, status: int,
) -> None:
    """What does not fit is refused with the status a real API would use."""
    assert ask(client, method, path, body, kind)[0] == status


def test_head_answers_without_a_body_and_the_connection_lives_on(client: HTTPConnection) -> None:
    """HEAD is GET without its body, and keep-alive survives it."""
    assert ask(client, "HEAD", "/things/1.json") == (200, None)
    assert ask(client, "GET", "/things/1.json")[0] == 200


def test_log_tells_reads_from_writes_and_shows_one_connection(tmp_path: Path, client: HTTPConnection) -> None:
    """The log names properties and never their values, and equal peers are one connection."""
    ask(client, "GET", "/things/1.json?a=secret")
    ask(client, "POST", "/things/1.json", '{"outer": [{"inner": "secret"}]}', "application/json")
    first, second = log_of(tmp_path)
    assert (first["kind"], first["query"]) == ("read", ["a"])
    assert (second["kind"], second["names"]) == ("write", ["outer", "outer.inner"])
    assert first["peer"] == second["peer"]
    assert "secret" not in (tmp_path / "things.jsonl").read_text()


@pytest.mark.parametrize(("fault", "handled"), [("drop", None), ("lost_reply", 200), ("hang", None)])
def test_faults_that_leave_the_client_without_an_answer(
    tmp_path: Path, client: HTTPConnection, fault: str, handled: int | None,
) -> None:
    """Only ``lost_reply`` handles the request; all of them hang up."""
    write_faults(tmp_path, [Fault("f", "things", fault, match="POST", count=1, value=0.05)])
    with pytest.raises((RemoteDisconnected, ConnectionResetError)):
        ask(client, "POST", "/things/1.json", "{}", "application/json")
    client.close()
    assert (log_of(tmp_path)[0]["fault"], log_of(tmp_path)[0]["status"]) == (fault, handled)
    assert ask(client, "POST", "/things/1.json", "{}", "application/json")[0] == 200


def test_a_status_fault_says_when_to_come_back(tmp_path: Path, client: HTTPConnection) -> None:
    """429 and 503 carry Retry-After even when the app's own wording has no such header."""
    write_faults(tmp_path, [Fault("f", "things", "status", value=429)])
    client.request("GET", "/things/1.json")
    reply = client.getresponse()
    reply.read()
    assert (reply.status, reply.headers["Retry-After"]) == (429, "1")


def test_stopping_ends_a_hang_at_once(tmp_path: Path) -> None:
    """A server with a silent client can be stopped: nothing waits for the hang to pass."""
    write_faults(tmp_path, [Fault("f", "things", "hang", value=3600)])
    with LabServer(Board(tmp_path, "things"), APP) as server:
        client = HTTPConnection("127.0.0.1", server.port, timeout=5)
        client.request("GET", "/things/1.json")
    with pytest.raises((RemoteDisconnected, ConnectionResetError)):
        client.getresponse()
    client.close()


_PROGRAM = """
from engine.lab.web_server import Route, WebApp, WebReply, serve
serve("things", lambda board, seed: WebApp((Route("GET", "/", lambda request: WebReply(200, seed)),)))
"""


def test_a_server_process_announces_its_port_and_ends_on_sigterm(tmp_path: Path) -> None:
    """The whole life of a lab process: seed, announcement, answer, clean end."""
    (tmp_path / "seed.json").write_text('{"customer": "example"}')
    command = [sys.executable, "-c", _PROGRAM, "--folder", str(tmp_path), "--seed", str(tmp_path / "seed.json")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["ready"]["http"]
        client = HTTPConnection("127.0.0.1", port, timeout=5)
        answer = ask(client, "GET", "/")
        client.close()
        process.send_signal(signal.SIGTERM)
        status = process.wait(timeout=10)
    assert (answer, status) == ((200, {"customer": "example"}), 0)
