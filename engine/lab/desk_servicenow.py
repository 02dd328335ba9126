"""The lab's ServiceNow: the incident table by the Table API, for what a runbook asks.

Groups and users of any name exist, but ``Nonesuch``. The priority is worked out from impact and urgency by the default matrix; a
resolved, closed or canceled incident needs its close code and notes. Unlike the real one, a field that is not known is refused.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from engine.lab.board import Board
from engine.lab.desk_store import Filed, Store
from engine.lab.web_server import Refused, Route, WebReply, WebRequest

MATRIX: Mapping[tuple[str, str], str] = {
    ("1", "1"): "1", ("1", "2"): "2", ("2", "1"): "2", ("1", "3"): "3", ("2", "2"): "3", ("3", "1"): "3",
    ("2", "3"): "4", ("3", "2"): "4", ("3", "3"): "5",
}
"""Impact and urgency -> priority."""
STATES = frozenset({"1", "2", "3", "6", "7", "8"})
ENDS = frozenset({"6", "7", "8"})
FIELDS = frozenset({
    "short_description", "description", "impact", "urgency", "state", "assignment_group", "caller_id", "correlation_id",
    "correlation_display", "category", "close_code", "close_notes", "comments", "work_notes", "hold_reason",
})
_ROOT = "/api/now/table"


class ServiceNowDesk:
    """One instance."""

    prefix = "/api/now/"

    def __init__(self, board: Board, seed: Mapping[str, Any]) -> None:
        self._board, self._store = board, Store(board, first=10001)
        self._login = f"Bearer {seed.get('secrets', {}).get('servicenow_token', '')}"
        self.routes = (
            Route("GET", f"{_ROOT}/incident", self.search),
            Route("POST", f"{_ROOT}/incident", self.create),
            Route("GET", f"{_ROOT}/incident/{{id}}", self.read),
            Route("PATCH", f"{_ROOT}/incident/{{id}}", self.update),
            Route("GET", f"{_ROOT}/sys_user_group", self.people),
            Route("GET", f"{_ROOT}/sys_user", self.people),
        )

    def admits(self, request: WebRequest) -> bool:
        return hmac.compare_digest(request.headers.get("authorization", "").encode(), self._login.encode())

    def word_error(self, status: int, why: str) -> WebReply:
        return WebReply(status, {"error": {"message": why, "detail": ""}, "status": "failure"})

    def search(self, request: WebRequest) -> WebReply:
        """``GET /incident?sysparm_query=``: one comparison."""
        name, _, value = request.query.get("sysparm_query", "").partition("=")
        if name not in ("correlation_id", "number") or "^" in value:
            raise Refused(400, f"Invalid query: {request.query.get('sysparm_query', '')}")
        found = [_shown(request, ticket) for ticket in self._store.found() if _record(ticket)[name] == value]
        return WebReply(200, {"result": found[: int(request.query.get("sysparm_limit", "10"))]})

    def create(self, request: WebRequest) -> WebReply:
        """``POST /incident``."""
        body = _body(request)
        ticket = self._store.file("POST /api/now/table/incident", {
            "state": "1", "impact": "3", "urgency": "3", "correlation_id": "", "short_description": "", "description": "",
        })
        self._change(ticket, body)
        location = f"http://{request.headers.get('host', '')}{_ROOT}/incident/{_sys_id(ticket)}"
        return WebReply(201, {"result": _record(ticket)}, headers={"Location": location})

    def read(self, request: WebRequest) -> WebReply:
        """``GET /incident/{sys_id}``."""
        ticket = self._found(request)
        if self._board.fault("rejects", f"GET {request.target}") is not None:
            self._store.change(ticket, {"state": "8"})
        return WebReply(200, {"result": _shown(request, ticket)})

    def update(self, request: WebRequest) -> WebReply:
        """``PATCH /incident/{sys_id}``."""
        ticket, body = self._found(request), _body(request)
        self._change(ticket, body)
        return WebReply(200, {"result": _record(ticket)})

    def people(self, request: WebRequest) -> WebReply:
        """``GET /sys_user_group`` and ``/sys_user``: whoever is asked for."""
        first, *others = request.query.get("sysparm_query", "").split("^OR")
        name, _, value = first.partition("=")
        if name not in ("name", "user_name") or not value or any(not other.startswith("email=") for other in others):
            raise Refused(400, f"Invalid query: {request.query.get('sysparm_query', '')}")
        found = [] if value == "Nonesuch" else [{"sys_id": _hex(value), name: value}]
        return WebReply(200, {"result": found})

    def _found(self, request: WebRequest) -> Filed:
        for ticket in self._store.all():
            if _sys_id(ticket) == request.params["id"]:
                return ticket
        raise Refused(404, "No Record found")

    def _change(self, ticket: Filed, body: dict[str, Any]) -> None:
        said = {name: str(body.pop(name)) for name in ("comments", "work_notes") if name in body}
        after = {**ticket.fields, **body}
        _check(after)
        if {"impact", "urgency"} & body.keys():
            lower = self._board.fault("lower_priority", "ServiceNow") is not None
            after["priority"] = "5" if lower else MATRIX[str(after["impact"]), str(after["urgency"])]
        self._store.change(ticket, after)
        for journal, text in said.items():
            self._store.say(ticket, {"journal": journal, "text": text})


def _check(after: Mapping[str, Any]) -> None:
    if after["state"] not in STATES or (str(after["impact"]), str(after["urgency"])) not in MATRIX:
        raise Refused(400, "Invalid value for a choice field")
    if after["state"] in ENDS and not (after.get("close_code") and after.get("close_notes")):
        raise Refused(403, "Data Policy Exception: The following fields are mandatory: Resolution code, Resolution notes")


def _body(request: WebRequest) -> dict[str, Any]:
    body = request.json()
    unknown = sorted(set(body) - FIELDS) if isinstance(body, dict) else ["no object"]
    if unknown:
        raise Refused(400, f"Unknown fields: {', '.join(unknown)}")
    return dict(body)


def _sys_id(ticket: Filed) -> str:
    return _hex(str(ticket.number))


def _hex(text: str) -> str:
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()


def _record(ticket: Filed) -> dict[str, Any]:
    journals = {
        journal: "\n\n".join(said["text"] for said in reversed(ticket.comments) if said["journal"] == journal)
        for journal in ("comments", "work_notes")
    }
    return {"sys_id": _sys_id(ticket), "number": f"INC{ticket.number:07}", "priority": "5", **ticket.fields, **journals}


def _shown(request: WebRequest, ticket: Filed) -> dict[str, Any]:
    record, wanted = _record(ticket), request.query.get("sysparm_fields", "")
    if request.query.get("sysparm_display_value") != "true":
        record |= {"comments": "", "work_notes": ""}  # journals have no value of their own
    return {name: record[name] for name in wanted.split(",") if name in record} if wanted else record
