"""``http.resource`` against a REST API over sockets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from engine.actions.http.resource import HttpResource, Seen
from engine.lab.board import Board, Fault, write_faults
from engine.lab.web_server import LabServer, Refused, Route, WebApp, WebReply, WebRequest
from engine.model.args import builder_of, schema_of
from engine.model.errors import Permanent, Temporary
from engine.model.plan import Change
from engine.model.secret import Secret
from engine.transports.http import HttpPool
from tests.support.rest_bench import Bench, opened, pairs_of, requests_of
from tests.support.sessions import make_sessions

RESOURCE = HttpResource()
CASES = yaml.safe_load((Path(__file__).parent / "http_resource" / "cases.yml").read_text(encoding="utf-8"))


class Store:
    """Users by id: PATCH merges, PUT replaces, and a PATCH with ``lazy`` answers 202 and shows a moment later."""

    def __init__(self) -> None:
        self.users: dict[str, dict[str, Any]] = {"101": {"name": "Ann", "mail": {"to": "a@example.net", "on": True}, "pin": "1"}}
        self.sent: list[Any] = []
        self._later: list[tuple[float, str, dict[str, Any]]] = []
        path = "/users/{id}"
        self.app = WebApp((
            Route("GET", path, self._read), Route("PATCH", path, self._patch), Route("PUT", path, self._put),
            Route("DELETE", path, self._delete), Route("POST", "/users", self._post), Route("GET", "/users", self._list),
            Route("POST", "/users/{id}/form", self._form), Route("GET", "/text", lambda request: WebReply(200, body=b"hello")),
            Route("GET", "/moved", lambda request: WebReply(301, headers={"Location": "/users/101"})),
            Route("PATCH", "/refusing/{id}", self._refuse), Route("GET", "/refusing/{id}", self._read),
        ))

    def _user(self, request: WebRequest) -> dict[str, Any]:
        while self._later and self._later[0][0] <= time.monotonic():
            _, name, user = self._later.pop(0)
            self.users[name] = user
        if request.params["id"] not in self.users:
            raise Refused(404, "no such user")
        return self.users[request.params["id"]]

    def _read(self, request: WebRequest) -> WebReply:
        return WebReply(200, self._user(request))

    def _list(self, request: WebRequest) -> WebReply:
        found = [user for user in self.users.values() if user["name"] == request.query["name"]]
        return WebReply(200, {"items": found})

    def _patch(self, request: WebRequest) -> WebReply:
        body, user = request.json(), self._user(request)
        self.sent.append(body)
        lazy = body.pop("lazy", False)
        merged = {**user, **{k: {**user.get(k, {}), **v} if isinstance(v, dict) else v for k, v in body.items()}}
        if lazy:
            self._later.append((time.monotonic() + 0.1, request.params["id"], merged))
            return WebReply(202)
        self.users[request.params["id"]] = merged
        return WebReply(200, merged)

    def _put(self, request: WebRequest) -> WebReply:
        self._user(request)
        self.users[request.params["id"]] = request.json()
        return WebReply(204)

    def _form(self, request: WebRequest) -> WebReply:
        form = request.form()
        self.sent.append(form)
        self._user(request).update({"name": form["Name"], "pin": form.get("Pin", "")})
        return WebReply(200, {})

    def _post(self, request: WebRequest) -> WebReply:
        body = request.json()
        self.users[body.pop("id")] = body
        return WebReply(201, body)

    def _delete(self, request: WebRequest) -> WebReply:
        self._user(request)
        del self.users[request.params["id"]]
        return WebReply(204)

    def _refuse(self, request: WebRequest) -> WebReply:
        error = {"code": "7", "title": "Bad name", "detail": "too long", "source": {"pointer": "/name"}}
        return WebReply(422, {"errors": [error]})


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def bench(tmp_path: Path, store: Store) -> Iterator[Bench]:
    pool = HttpPool()
    with LabServer(Board(tmp_path, "api"), store.app) as server:
        yield Bench(make_sessions({"api": opened(pool, "api", "http", url=server.url)}))
    pool.close()


USER = {"connection": "api", "path": "/users/101"}


@pytest.mark.parametrize("case", CASES, ids=[case["case"] for case in CASES])
def test_cases(case: dict[str, Any]) -> None:
    """What it says of what it sees stands in the case file."""
    args = builder_of(RESOURCE.Args)({"connection": "api", "path": "/users/101", **case["args"]})
    change = RESOURCE.diff(args, Seen(case["found"]))
    assert pairs_of(change) == case["change"]
    if change is not None:
        assert change.summary == case.get("summary", change.summary)
        assert change.reversible == case.get("reversible", change.reversible)


@pytest.mark.parametrize(("method", "merge"), [("PATCH", False), ("PUT", True)])
def test_named_fields_change_and_the_rest_stays(
    tmp_path: Path, bench: Bench, store: Store, method: str, merge: bool,
) -> None:
    """The plan writes nothing, the second apply finds nothing, and undo brings the very object back."""
    asked = {**USER, "method": method, "merge": merge, "fields": {"name": "Bea", "mail.to": "b@example.net"}}
    before = dict(store.users["101"])
    assert bench.plan(RESOURCE, **asked) is not None
    assert requests_of(tmp_path, "api", "write") == []
    receipt = bench.apply(RESOURCE, **asked)
    assert store.users["101"] == {"name": "Bea", "mail": {"to": "b@example.net", "on": True}, "pin": "1"}
    assert bench.attempt(RESOURCE, **asked) is None
    assert len(requests_of(tmp_path, "api", "write")) == 1
    bench.undo(RESOURCE, receipt, **asked)
    assert store.users["101"] == before


def test_undo_keeps_what_others_changed_beside_it(bench: Bench, store: Store) -> None:
    """A whole-object write takes the object as it is now, not as it was then."""
    asked = {**USER, "method": "PUT", "merge": True, "fields": {"name": "Bea"}}
    receipt = bench.apply(RESOURCE, **asked)
    store.users["101"]["pin"] = "9"
    bench.undo(RESOURCE, receipt, **asked)
    assert (store.users["101"]["name"], store.users["101"]["pin"]) == ("Ann", "9")


def test_undo_leaves_a_third_value_alone(bench: Bench, store: Store) -> None:
    """Somebody else's value is nobody's to overwrite but a person's."""
    receipt = bench.apply(RESOURCE, **USER, fields={"name": "Bea"})
    store.users["101"]["name"] = "Cleo"
    with pytest.raises(Permanent, match="name of /users/101 changed since"):
        bench.undo(RESOURCE, receipt, **USER, fields={"name": "Bea"})


def test_undo_of_a_field_that_was_not_there_makes_it_null(bench: Bench, store: Store) -> None:
    """An API has no way to say: remove this field."""
    receipt = bench.apply(RESOURCE, **USER, fields={"nick": "B"})
    bench.undo(RESOURCE, receipt, **USER, fields={"nick": "B"})
    assert store.users["101"]["nick"] is None


def test_an_accepted_change_that_shows_late_settles(tmp_path: Path, bench: Bench) -> None:
    """202 with an empty body, then the old state, then the new one: one write."""
    asked = {**USER, "fields": {"name": "Bea"}, "also": {"lazy": True}}
    bench.attempt(RESOURCE, **asked)
    assert bench.settle(RESOURCE, 5.0, **asked) > 0
    assert len(requests_of(tmp_path, "api", "write")) == 1


def test_a_lost_reply_is_resolved_by_reading(tmp_path: Path, bench: Bench) -> None:
    """The server had acted, so there is nothing left to do."""
    write_faults(tmp_path, [Fault("f", "api", "lost_reply", "PATCH", 1)])
    with pytest.raises(Temporary):
        bench.attempt(RESOURCE, **USER, fields={"name": "Bea"})
    assert bench.attempt(RESOURCE, **USER, fields={"name": "Bea"}) is None


def test_forms_can_use_other_names_when_written(bench: Bench, store: Store) -> None:
    """As Twilio does: voice_url is read, VoiceUrl is written. Each write sends all named fields together."""
    asked = {
        **USER, "method": "POST", "write_path": "/users/101/form", "body_style": "form",
        "fields": {"name": "Bea", "pin": 1}, "write_names": {"name": "Name", "pin": "Pin"},
    }
    receipt = bench.apply(RESOURCE, **asked)
    assert store.sent == [{"Name": "Bea", "Pin": "1"}]
    bench.undo(RESOURCE, receipt, **asked)
    assert store.users["101"]["name"] == "Ann"


@pytest.mark.parametrize("create", [
    {"path": "/users", "body": {"id": "102", "name": "Bea"}},
    {"path": "/users", "body": {"id": "102", "name": "Old"}},
])
def test_a_missing_object_is_made(bench: Bench, store: Store, create: dict[str, object]) -> None:
    """And undo removes it. When it comes up with other values, those are a change of their own."""
    asked = {"connection": "api", "path": "/users/102", "fields": {"name": "Bea"}, "create": create}
    receipt = bench.attempt(RESOURCE, **asked)
    assert receipt is not None
    assert "102" in store.users
    bench.attempt(RESOURCE, **asked)
    assert store.users["102"]["name"] == "Bea"
    bench.undo(RESOURCE, receipt, **asked)
    assert "102" not in store.users


def test_an_object_can_be_made_from_its_fields(bench: Bench, store: Store) -> None:
    """Without a body of its own, the fields are the body."""
    bench.apply(
        RESOURCE, connection="api", path="/users?name=Bea", select="items.0", fields={"name": "Bea"},
        create={"path": "/users"}, also={"id": "102"},
    )
    assert store.users["102"] == {"name": "Bea"}


def test_an_object_that_must_not_be_is_deleted(bench: Bench, store: Store) -> None:
    """For good: the plan says so, and undo says that it cannot."""
    change = bench.plan(RESOURCE, **USER, absent=True)
    assert isinstance(change, Change)
    assert not change.reversible
    receipt = bench.apply(RESOURCE, **USER, absent=True)
    assert store.users == {}
    with pytest.raises(Permanent, match="cannot make it again"):
        bench.undo(RESOURCE, receipt, **USER, absent=True)


def test_secrets_are_sent_and_never_shown(bench: Bench, store: Store) -> None:
    """Neither in the change nor in the receipt; a changed secret still is a change."""
    asked = {**USER, "fields": {"note": Secret("hunter22")}}
    change = bench.plan(RESOURCE, **asked)
    receipt = bench.apply(RESOURCE, **asked)
    assert store.users["101"]["note"] == "hunter22"
    assert "hunter22" not in f"{change} {receipt}"
    other = bench.plan(RESOURCE, **USER, fields={"note": Secret("hunter23")})
    assert change is not None
    assert other is not None
    assert change.digest() != other.digest()


@pytest.mark.parametrize(("asked", "why"), [
    ({"path": "/users/199", "fields": {"a": 1}}, "/users/199 does not exist, and there is no 'create'"),
    ({"path": "/text", "fields": {"a": 1}}, "is not JSON"),
    ({"path": "/moved", "fields": {"a": 1}}, "301: it points to /users/101"),
    ({"path": "/users?name=Ann", "select": "items", "fields": {"a": 1}}, "no object at items but a list"),
    ({"path": "/users/101"}, "'fields' is empty"),
    ({"path": "/users/101", "absent": True, "fields": {"a": 1}}, "contradict each other"),
    ({"path": "/users/101", "body_style": "form", "fields": {"a": {"b": 1}}}, "a form has no nested values"),
    ({"path": "/users/101", "fields": {"a": 1}, "create": {"pth": "/x"}}, "not pth"),
    ({"path": "/refusing/101", "fields": {"name": "x" * 99}}, r"refused with 422: 7 Bad name: too long \(at /name\)"),
])
def test_what_cannot_work_is_explained(bench: Bench, asked: dict[str, object], why: str) -> None:
    """With the API's own words where it has some."""
    with pytest.raises(Permanent, match=why):
        bench.attempt(RESOURCE, connection="api", **asked)


def test_the_schema_can_be_made() -> None:
    """Its arguments are ones that editors can complete."""
    schema = schema_of(RESOURCE.name, RESOURCE.doc, RESOURCE.Args)
    assert schema["required"] == ["connection", "path"]
