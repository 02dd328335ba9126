"""The lab's desk, asked over sockets: as strict as the real systems where that finds mistakes."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from engine.lab.board import Board
from engine.lab.desk import build
from engine.lab.web_server import LabServer
from tests.support.desk_bench import SECRETS

LOGINS = {
    "REST": f"token {SECRETS['rt_token']}",
    "api": f"Bearer {SECRETS['servicenow_token']}",
    "rest": "Basic " + base64.b64encode(f"{SECRETS['jira_username']}:{SECRETS['jira_token']}".encode()).decode(),
}
TABLE, RT, JIRA = "/api/now/table/incident", "/REST/2.0", "/rest/api/3"


class Client:
    """One connection with the credentials of whichever system a path is of."""

    def __init__(self, port: int) -> None:
        self.http = HTTPConnection("127.0.0.1", port, timeout=5)

    def ask(self, method: str, path: str, body: object = None, login: str | None = None) -> tuple[int, Any]:
        headers = {"Authorization": LOGINS.get(path.split("/")[1], "") if login is None else login}
        headers |= {} if body is None else {"Content-Type": "application/json"}
        self.http.request(method, path, None if body is None else json.dumps(body), headers)
        reply = self.http.getresponse()
        text = reply.read()
        return reply.status, json.loads(text) if text else None


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    board = Board(tmp_path, "desk")
    with LabServer(board, build(board, {"secrets": SECRETS})) as server:
        made = Client(server.port)
        yield made
        made.http.close()


@pytest.mark.parametrize(("path", "form"), [
    (f"{RT}/tickets", {"message": "Unauthorized"}),
    (TABLE, {"error": {"message": "Unauthorized", "detail": ""}, "status": "failure"}),
    (f"{JIRA}/search/jql", {"errorMessages": ["Unauthorized"], "errors": {}}),
])
def test_strangers_are_refused_in_each_systems_own_form(client: Client, path: str, form: object) -> None:
    """And one system's login does not open another."""
    for login in ("", "Bearer wrong", *(login for root, login in LOGINS.items() if root != path.split("/")[1])):
        assert client.ask("GET", path, login=login) == (401, form)


@pytest.mark.parametrize(("method", "path", "body", "status"), [
    ("POST", f"{RT}/ticket", {"Subject": "x"}, 400),
    ("POST", f"{RT}/ticket", {"Queue": "Q", "Subjct": "x"}, 400),
    ("POST", f"{RT}/ticket", {"Queue": "Q", "Status": "finished"}, 400),
    ("POST", f"{RT}/ticket", {"Queue": "Q", "Priority": "high"}, 400),
    ("GET", f"{RT}/tickets?query=Subject%20LIKE%20'x'", None, 400),
    ("GET", f"{RT}/tickets?query=RefersTo%20=%20'x'&per_page=0", None, 400),
    ("GET", f"{RT}/ticket/9", None, 404),
    ("POST", TABLE, {"short_descripton": "x"}, 400),
    ("POST", TABLE, {"impact": "4"}, 400),
    ("POST", TABLE, {"state": "6"}, 403),
    ("GET", f"{TABLE}?sysparm_query=correlation=x", None, 400),
    ("GET", f"{TABLE}/{'0' * 32}", None, 404),
    ("POST", f"{JIRA}/issue", {"fields": {"project": {"key": "A"}, "issuetype": {"name": "Task"}}}, 400),
    ("POST", f"{JIRA}/issue", {"summary": "x"}, 400),
    ("GET", f"{JIRA}/search/jql?jql=summary%20~%20x", None, 400),
    ("GET", f"{JIRA}/search?jql=labels%20=%20%22x%22", None, 404),
    ("GET", f"{JIRA}/issue/A-9", None, 404),
])
def test_what_the_real_ones_would_not_take_is_refused(client: Client, method: str, path: str, body: object, status: int) -> None:
    """Missing, unknown and ill-formed fields; queries it does not understand; things that are not there."""
    assert client.ask(method, path, body)[0] == status


@pytest.mark.parametrize("fields", [
    {"description": "plain text"}, {"labels": ["two words"]}, {"priority": {"name": "Urgent"}}, {"severity": "1"},
])
def test_jira_fields_are_checked(client: Client, fields: dict[str, object]) -> None:
    """Texts are documents, labels one word, priorities those of the site."""
    given = {"project": {"key": "A"}, "issuetype": {"name": "Task"}, "summary": "x", **fields}
    status, told = client.ask("POST", f"{JIRA}/issue", {"fields": given})
    assert (status, list(told["errors"])) == (400, list(fields))


def test_a_request_tracker_says_in_a_sentence_that_it_did_nothing(client: Client) -> None:
    """With status 200, as the real one; and a stale ETag is 412."""
    client.ask("POST", f"{RT}/ticket", {"Queue": "Q", "Subject": "x"})
    assert client.ask("PUT", f"{RT}/ticket/1", {"Status": "finished"}) == (
        200, ["Ticket 1: Status 'finished' isn't a valid status for this ticket."],
    )


def test_a_path_of_no_system_is_nothing(client: Client) -> None:
    """It is not one of theirs."""
    assert client.ask("GET", "/")[0] == 404
