"""The lab's REST API of no particular make, asked over sockets."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest

from engine.lab.board import Board, Fault, write_faults
from engine.lab.rest import build
from engine.lab.rest_login import expected_headers, login_of, twin_settings
from engine.lab.rest_store import MOST_BYTES, IsFullError, RestStore, key_of, merged
from engine.lab.web_server import LabServer
from tests.support.rest_bench import requests_of

SECRETS = {"rest_username": "lab", "rest_password": "pw-0123", "rest_key": "key-4567"}
FRONT = {"label": "Front door", "forward": {"to": "101", "after_s": 20}}
SEED: Mapping[str, Any] = {
    "secrets": SECRETS,
    "rest": {
        "doors": {
            "login": {"scheme": "bearer", "headers": []}, "id": "id",
            "objects": {"/doors/front": FRONT, "/badges": [], "/rooms": [{"id": "7", "floor": 1}, {"floor": 2}]},
        },
        "crm": {
            "login": {"scheme": "basic", "headers": ["X-Api-Key"]}, "id": "user", "objects": {"/doors/front": {"label": "CRM"}},
        },
        "open": {"login": {"scheme": "", "headers": []}, "id": "id", "objects": {}},
    },
}
BASIC = "Basic " + base64.b64encode(b"lab:pw-0123").decode()
LOGINS: Mapping[str, Mapping[str, str]] = {
    "doors": {"Authorization": "Bearer key-4567"}, "crm": {"Authorization": BASIC, "X-Api-Key": "key-4567"}, "open": {},
}


class Client:
    """One connection to the server, with each API's own login."""

    def __init__(self, port: int, folder: Path) -> None:
        self.http = HTTPConnection("127.0.0.1", port, timeout=5)
        self.folder = folder
        self.headers: Mapping[str, str] = {}

    def ask(self, method: str, path: str, body: object = None, **headers: str) -> tuple[int, Any]:
        content = body if isinstance(body, bytes) else None if body is None else json.dumps(body).encode()
        login = LOGINS.get(path.split("/")[1], {})
        sent = {**login, **({} if body is None else {"Content-Type": "application/json"}), **_named(headers)}
        self.http.request(method, path, content, sent)
        reply = self.http.getresponse()
        self.headers = {name.lower(): value for name, value in reply.headers.items()}
        text = reply.read()
        return reply.status, json.loads(text) if text else None

    def fault(self, name: str, match: str = "", count: int | None = None, value: float | None = None) -> None:
        write_faults(self.folder, [Fault(name, "rest", name, match, count, value)])


def _named(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Client]:
    board = Board(tmp_path, "rest")
    with LabServer(board, build(board, SEED)) as server:
        made = Client(server.port, tmp_path)
        yield made
        made.http.close()


# ---------------------------------------------------------------- objects


def test_what_was_seeded_is_there_to_read(client: Client) -> None:
    assert client.ask("GET", "/doors/doors/front") == (200, FRONT)
    assert client.ask("GET", "/doors/doors/front/") == (200, FRONT)
    assert client.ask("HEAD", "/doors/doors/front") == (200, None)
    assert client.ask("GET", "/doors/doors/%66ront") == (200, FRONT)


def test_connections_share_no_objects(client: Client) -> None:
    """Two systems of one customer are two systems."""
    client.ask("DELETE", "/doors/doors/front")
    assert client.ask("GET", "/crm/doors/front") == (200, {"label": "CRM"})
    assert client.ask("GET", "/open/doors/front")[0] == 404


def test_put_replaces_and_makes(client: Client) -> None:
    """What is left out is gone: the trap that ``merge`` of ``http.resource`` is for."""
    assert client.ask("PUT", "/doors/doors/front", {"label": "New"}) == (200, {"label": "New"})
    assert client.ask("GET", "/doors/doors/front") == (200, {"label": "New"})
    assert client.ask("PUT", "/doors/doors/back", {"label": "Back"}) == (201, {"label": "Back"})
    assert client.ask("GET", "/doors/doors") == (200, [{"label": "New"}, {"label": "Back"}])


def test_patch_merges_nested_objects_and_null_removes(client: Client) -> None:
    """As RFC 7396 has it."""
    wanted = {"label": "Front door", "forward": {"to": "102"}}
    assert client.ask("PATCH", "/doors/doors/front", {"forward": {"to": "102", "after_s": None}}) == (200, wanted)
    assert client.ask("GET", "/doors/doors/front") == (200, wanted)


def test_post_makes_an_object_with_an_id_that_its_list_shows_at_once(client: Client) -> None:
    status, made = client.ask("POST", "/doors/badges", {"owner": "101"})
    assert (status, made) == (201, {"owner": "101", "id": made["id"]})
    assert client.headers["location"] == f"/doors/badges/{made['id']}"
    assert client.ask("GET", f"/doors/badges/{made['id']}") == (200, made)
    assert client.ask("GET", "/doors/badges") == (200, [made])


def test_post_takes_the_id_it_is_given_once(client: Client) -> None:
    """The field that names an object is the connection's to say."""
    assert client.ask("POST", "/crm/users", {"user": "101", "name": "Ada"})[0] == 201
    assert client.ask("GET", "/crm/users/101") == (200, {"user": "101", "name": "Ada"})
    status, problem = client.ask("POST", "/crm/users", {"user": "101"})
    assert (status, problem["detail"]) == (409, "There is an object with user '101' already")
    assert client.ask("POST", "/crm/users", {"user": ["x"]})[0] == 422


def test_post_to_an_object_merges(client: Client) -> None:
    """As many APIs change things; a form's values are text."""
    form = "application/x-www-form-urlencoded"
    assert client.ask("POST", "/doors/doors/front", b"label=A+B", Content_Type=form)[1] == {**FRONT, "label": "A B"}


def test_delete_removes_an_object_with_all_below_it(client: Client) -> None:
    client.ask("PUT", "/doors/doors/front/locks/1", {"open": False})
    assert client.ask("DELETE", "/doors/doors/front") == (204, None)
    assert client.ask("GET", "/doors/doors/front")[0] == 404
    assert client.ask("GET", "/doors/doors/front/locks/1")[0] == 404
    assert client.ask("DELETE", "/doors/doors/front")[0] == 404


def test_a_query_narrows_a_list(client: Client) -> None:
    """How an object is found whose id nobody knows."""
    assert client.ask("GET", "/doors/rooms?floor=1") == (200, [{"id": "7", "floor": 1}])
    assert client.ask("GET", "/doors/rooms?floor=9") == (200, [])
    assert len(client.ask("GET", "/doors/rooms")[1]) == 2


def test_a_seeded_list_is_a_list_when_it_is_empty(client: Client) -> None:
    assert client.ask("GET", "/doors/badges") == (200, [])
    assert client.ask("GET", "/doors/nothing")[0] == 404


# ---------------------------------------------------------------- refusals


@pytest.mark.parametrize(("method", "path", "body", "kind", "status"), [
    ("GET", "/doors/none", None, "", 404),
    ("PATCH", "/doors/none", {"a": 1}, "", 404),
    ("DELETE", "/doors/none", None, "", 404),
    ("GET", "/stranger/x", None, "", 404),
    ("PUT", "/doors/badges", {"a": 1}, "", 405),
    ("PATCH", "/doors/badges", {"a": 1}, "", 405),
    ("DELETE", "/doors/badges", None, "", 405),
    ("OPTIONS", "/doors/badges", None, "", 405),
    ("PATCH", "/doors/doors/front", [1], "", 422),
    ("PATCH", "/doors/doors/front", b"{", "", 400),
    ("PATCH", "/doors/doors/front", b"[" * 100_000, "", 400),
    ("PATCH", "/doors/doors/front", b'{"a":' * 100 + b"1" + b"}" * 100, "", 422),
    ("PATCH", "/doors/doors/front", b"x", "text/plain", 415),
])
def test_refusals_are_problems(client: Client, method: str, path: str, body: object, kind: str, status: int) -> None:
    """RFC 9457, so that an operator is told why."""
    got, problem = client.ask(method, path, body, **({"Content_Type": kind} if kind else {}))
    assert (got, problem["status"]) == (status, status)
    assert problem["title"]
    assert problem["detail"]
    assert client.headers["content-type"] == "application/problem+json"
    assert client.ask("GET", "/doors/doors/front") == (200, FRONT)


def test_a_list_says_what_it_takes(client: Client) -> None:
    client.ask("PUT", "/doors/badges", {"a": 1})
    assert client.headers["allow"] == "GET, HEAD, POST"


@pytest.mark.parametrize(("path", "headers"), [
    ("/doors/doors/front", {"Authorization": ""}),
    ("/doors/doors/front", {"Authorization": "Bearer real-secret"}),
    ("/doors/doors/front", {"Authorization": BASIC}),
    ("/crm/doors/front", {"Authorization": "Bearer key-4567"}),
    ("/crm/doors/front", {"X_Api_Key": "other"}),
])
def test_the_wrong_login_is_refused_and_told_why(client: Client, path: str, headers: Mapping[str, str]) -> None:
    """Also one that is right for another connection's scheme."""
    status, problem = client.ask("GET", path, **headers)
    assert status == 401
    assert "switchover lab down, then switchover lab up" in problem["detail"]
    assert "key-4567" not in str(problem)


def test_a_twin_logs_in_as_the_connection_does_with_nothing_of_its_own() -> None:
    """Keys hide under any header name: all are replaced but those that say which form an answer has."""
    real: Mapping[str, object] = {
        "url": "https://real.example", "username": "root", "password": "env:REAL",
        "headers": {"X-Tenant": "kestrel", "Accept": "application/vnd.doors+json", "User-Agent": "env:REAL"},
    }
    twin = twin_settings(real, "lab", "file:p", "file:k")
    headers = {"X-Tenant": "file:k", "Accept": "application/vnd.doors+json", "User-Agent": "file:k"}
    assert twin == {"username": "lab", "password": "file:p", "headers": headers}
    assert login_of(real) == {"scheme": "basic", "headers": ["X-Tenant", "User-Agent"]}
    assert expected_headers(login_of(real), SECRETS) == {"authorization": BASIC, "x-tenant": "key-4567", "user-agent": "key-4567"}
    assert twin_settings({"url": "https://real.example"}, "lab", "file:p", "file:k") == {}
    assert expected_headers(login_of({"token": "env:T", "username": "u"}), SECRETS) == {"authorization": "Bearer key-4567"}


# ---------------------------------------------------------------- misbehaviour


def test_a_late_write_is_accepted_and_shows_later(client: Client) -> None:
    client.fault("late", "PATCH /doors/doors/front", value=3600)
    assert client.ask("PATCH", "/doors/doors/front", {"label": "New"}) == (202, None)
    assert client.ask("GET", "/doors/doors/front") == (200, FRONT)
    assert client.ask("PATCH", "/crm/doors/front", {"label": "New"}) == (200, {"label": "New"})


def test_too_many_requests_are_told_when_to_come_back(client: Client) -> None:
    client.fault("rate_limit", value=1)
    statuses = [client.ask("GET", "/doors/doors/front")[0] for _ in range(3)]
    assert statuses[1:] == [429, 429]
    assert client.headers["retry-after"] == "1"


def test_a_lost_reply_is_a_write_nobody_heard_of(client: Client) -> None:
    client.fault("lost_reply", "PATCH", count=1)
    with pytest.raises(ConnectionError):
        client.ask("PATCH", "/doors/doors/front", {"label": "New"})
    client.http.close()
    assert client.ask("GET", "/doors/doors/front")[1]["label"] == "New"


def test_requests_are_counted_and_values_are_not_logged(client: Client) -> None:
    client.ask("PATCH", "/doors/doors/front", {"code": "4711-secret"})
    client.ask("GET", "/doors/doors/front")
    entries = requests_of(client.folder, "rest")
    assert [(entry["kind"], entry["what"]) for entry in entries] == [
        ("write", "PATCH /doors/doors/front"), ("read", "GET /doors/doors/front"),
    ]
    assert entries[0]["names"] == ["code"]
    assert "4711-secret" not in str(entries)


# ---------------------------------------------------------------- the store


@pytest.mark.parametrize(("target", "changes", "result"), [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ({"a": "foo"}, {"b": {"c": 1}}, {"a": "foo", "b": {"c": 1}}),
])
def test_merging_is_that_of_rfc_7396(target: object, changes: object, result: object) -> None:
    """Examples of its appendix A."""
    assert merged(target, changes) == result


def test_late_writes_show_in_their_order() -> None:
    """A prompt write after a late one waits for it, or the end would be the wrong one."""
    moment = [0.0]
    store = RestStore({"/a": {"n": 0}}, "id", lambda: moment[0])
    store.merge(("a",), {"n": 1}, 5.0)
    store.merge(("a",), {"n": 2}, 0.0)
    assert store.read(("a",)) == {"n": 0}
    moment[0] = 5.0
    assert store.read(("a",)) == {"n": 2}


def test_a_late_write_holds_up_its_own_object_alone() -> None:
    """And what stands above and below it: a delete waits for the write it comes after."""
    moment = [0.0]
    store = RestStore({"/a": {"n": 0}, "/a/b": {"n": 0}, "/c": {"n": 0}}, "id", lambda: moment[0])
    store.merge(("a", "b"), {"n": 1}, 5.0)
    store.merge(("c",), {"n": 1}, 0.0)
    store.remove(("a",), 0.0)
    assert store.read(("c",)) == {"n": 1}
    assert store.read(("a",)) == {"n": 0}
    moment[0] = 5.0
    assert (store.read(("a",)), store.read(("a", "b"))) == (None, None)


def test_the_store_is_bounded_and_deleting_makes_room() -> None:
    """A loop in a runbook does not eat the machine; writes that wait count too."""
    store = RestStore({}, "id", lambda: 0.0)
    half: dict[str, object] = {"text": "x" * (MOST_BYTES // 2)}
    store.put(("a",), half, 0.0)
    with pytest.raises(IsFullError):
        store.put(("b",), half, 0.0)
    with pytest.raises(IsFullError):
        store.create((), half, 9.0)
    store.remove(("a",), 0.0)
    store.put(("b",), half, 0.0)
    assert store.children(()) == [half]


def test_a_path_is_its_decoded_segments() -> None:
    """An encoded slash is part of a name."""
    assert key_of("/a%2Fb/c/") == ("a/b", "c")
    assert key_of("/") == ()
