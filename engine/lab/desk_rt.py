"""The lab's Request Tracker: REST 2.0 as RT 5.0.3 answers it, for what a runbook asks.

Queues of any name exist. TicketSQL is understood for one comparison: ``RefersTo = 'URI'``. The lifecycle is RT's default. As with
the real one, a PUT that changes nothing is answered with 200 and a sentence that says so.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Mapping
from typing import Any

from engine.lab.board import Board
from engine.lab.desk_store import Filed, Store
from engine.lab.web_server import Refused, Route, WebReply, WebRequest

LIFECYCLE: Mapping[str, frozenset[str]] = {
    "new": frozenset({"open", "stalled", "resolved", "rejected", "deleted"}),
    "open": frozenset({"new", "stalled", "resolved", "rejected", "deleted"}),
    "stalled": frozenset({"new", "open", "resolved", "rejected", "deleted"}),
    "resolved": frozenset({"new", "open", "stalled", "rejected", "deleted"}),
    "rejected": frozenset({"new", "open", "stalled", "resolved", "deleted"}),
    "deleted": frozenset({"new", "open", "stalled", "resolved", "rejected"}),
}
CREATE_FIELDS = frozenset({
    "Queue", "Subject", "Requestor", "Cc", "AdminCc", "Owner", "Status", "Priority", "Content", "ContentType", "RefersTo",
    "CustomFields", "Due", "Starts",
})
UPDATE_FIELDS = frozenset({"Subject", "Status", "Priority", "Owner", "Queue", "AddRefersTo", "DeleteRefersTo", "CustomFields"})
_SQL = re.compile(r"\s*RefersTo\s*=\s*'([^']*)'\s*")
_ROOT = "/REST/2.0"


class RtDesk:
    """One Request Tracker."""

    prefix = _ROOT

    def __init__(self, board: Board, seed: Mapping[str, Any]) -> None:
        self._store = Store(board)
        self._board = board
        self._login = f"token {seed.get('secrets', {}).get('rt_token', '')}"
        self.routes = (
            Route("GET", f"{_ROOT}/tickets", self.search),
            Route("POST", f"{_ROOT}/ticket", self.create),
            Route("GET", f"{_ROOT}/ticket/{{id}}", self.read),
            Route("PUT", f"{_ROOT}/ticket/{{id}}", self.update),
            Route("POST", f"{_ROOT}/ticket/{{id}}/comment", self.comment),
            Route("POST", f"{_ROOT}/ticket/{{id}}/correspond", self.comment),
            Route("GET", f"{_ROOT}/ticket/{{id}}/attachments", self.attachments),
        )

    def admits(self, request: WebRequest) -> bool:
        return hmac.compare_digest(request.headers.get("authorization", "").encode(), self._login.encode())

    def word_error(self, status: int, why: str) -> WebReply:
        return WebReply(status, {"message": why})

    def search(self, request: WebRequest) -> WebReply:
        """``GET /tickets?query=``: what is deleted is not found, as in the real one."""
        asked = _SQL.fullmatch(request.query.get("query", ""))
        if asked is None:
            raise Refused(400, f"Couldn't parse query: {request.query.get('query', '')}")
        found = [
            ticket for ticket in self._store.found()
            if asked[1] in ticket.fields["RefersTo"] and ticket.fields["Status"] != "deleted"
        ]
        return _page(request, [_link("ticket", ticket.number) for ticket in found])

    def create(self, request: WebRequest) -> WebReply:
        """``POST /ticket``."""
        body = _object(request)
        _declared(body, CREATE_FIELDS)
        if not body.get("Queue"):
            raise Refused(400, "Could not create ticket. Queue not set")
        status = str(body.get("Status") or "new")
        if status not in LIFECYCLE:
            raise Refused(400, f"Status '{status}' isn't a valid status for tickets in this queue.")
        ticket = self._store.file("POST /REST/2.0/ticket", {
            "Queue": body["Queue"], "Subject": str(body.get("Subject", "")), "Status": status,
            "Priority": self._priority(body.get("Priority", 0)), "RefersTo": _list(body.get("RefersTo")),
            "Requestor": _list(body.get("Requestor")),
        })
        ticket.comments.append({"Subject": str(body.get("Subject", "")), "Content": str(body.get("Content", ""))})
        return WebReply(201, _link("ticket", ticket.number), headers={"Location": f"{_ROOT}/ticket/{ticket.number}"})

    def read(self, request: WebRequest) -> WebReply:
        """``GET /ticket/{id}``."""
        ticket = self._found(request)
        if self._board.fault("rejects", f"GET {request.target}") is not None:
            self._store.change(ticket, {"Status": "rejected"})
        fields = ticket.fields
        data = {
            "id": ticket.number, "type": "ticket", "Type": "ticket", "Subject": fields["Subject"], "Status": fields["Status"],
            "Priority": str(fields["Priority"]), "InitialPriority": "0", "FinalPriority": "0",
            "Queue": {"id": "1", "type": "queue", "_url": f"{_ROOT}/queue/1", "Name": fields["Queue"]},
            "Requestor": [{"id": name, "type": "user", "_url": f"{_ROOT}/user/{name}"} for name in fields["Requestor"]],
            "_hyperlinks": [
                {"ref": "self", **_link("ticket", ticket.number)},
                *({"ref": "refers-to", "type": "external", "_url": uri} for uri in fields["RefersTo"]),
            ],
        }
        return WebReply(200, data, headers={"ETag": f'"{ticket.version}"'})

    def update(self, request: WebRequest) -> WebReply:
        """``PUT /ticket/{id}``: a list of what came of it."""
        ticket, body = self._found(request), _object(request)
        expected = request.headers.get("if-match")
        if self._board.fault("conflict", f"PUT {request.target}") is not None:
            self._store.change(ticket, {})
        if expected is not None and expected != f'"{ticket.version}"':
            raise Refused(412, "Precondition Failed")
        _declared(body, UPDATE_FIELDS)
        told = [told for name, value in body.items() if (told := self._set(ticket, name, value))]
        return WebReply(200, told)

    def comment(self, request: WebRequest) -> WebReply:
        """``POST /ticket/{id}/comment`` and ``/correspond``."""
        ticket, body = self._found(request), _object(request)
        if body.get("Content") and not body.get("ContentType"):
            raise Refused(400, "ContentType is a required field for application/json")
        self._store.say(ticket, {"Subject": str(body.get("Subject", "")), "Content": str(body.get("Content", ""))})
        return WebReply(201, ["Comments added" if request.path.endswith("/comment") else "Correspondence added"])

    def attachments(self, request: WebRequest) -> WebReply:
        """``GET /ticket/{id}/attachments``."""
        ticket, fields = self._found(request), request.query.get("fields", "").split(",")
        items = [
            {**_link("attachment", ticket.number * 1000 + n), **{name: said[name] for name in fields if name in said}}
            for n, said in enumerate(ticket.comments)
        ]
        return _page(request, items)

    def _found(self, request: WebRequest) -> Filed:
        id = request.params["id"]
        ticket = self._store.get(int(id)) if id.isdigit() else None
        if ticket is None:
            raise Refused(404, "Not Found")
        return ticket

    def _set(self, ticket: Filed, name: str, value: Any) -> str:
        before, label = ticket.fields.get(name), f"Ticket {ticket.number}:"
        if name in ("AddRefersTo", "DeleteRefersTo"):
            return self._link_to(ticket, name, _list(value))
        if name == "Status":
            if value not in LIFECYCLE:
                return f"{label} Status '{value}' isn't a valid status for this ticket."
            if value != before and value not in LIFECYCLE[str(before)]:
                return f"{label} You can't change status from '{before}' to '{value}'."
        value = self._priority(value) if name == "Priority" else value
        if before == value:
            return ""
        self._store.change(ticket, {name: value})
        return f"{label} {name} changed from '{before}' to '{value}'"

    def _link_to(self, ticket: Filed, verb: str, uris: list[str]) -> str:
        kept = [uri for uri in ticket.fields["RefersTo"] if uri not in uris]
        self._store.change(ticket, {"RefersTo": kept if verb == "DeleteRefersTo" else [*kept, *uris]})
        return f"Ticket {ticket.number} {'no longer refers' if verb == 'DeleteRefersTo' else 'refers'} to URI {', '.join(uris)}."

    def _priority(self, asked: object) -> int:
        if not re.fullmatch(r"-?\d{1,9}", str(asked)):
            raise Refused(400, f"Priority {asked!r} is not a number")
        return 0 if self._board.fault("lower_priority", "Request Tracker") is not None else int(str(asked))


def _object(request: WebRequest) -> dict[str, Any]:
    body = request.json()
    if not isinstance(body, dict):
        raise Refused(400, "JSON object expected")
    return body


def _declared(body: Mapping[str, Any], known: frozenset[str]) -> None:
    unknown = sorted(set(body) - known)
    if unknown:  # the real one ignores them, which is how a typing error goes unseen
        raise Refused(400, f"Unknown fields: {', '.join(unknown)}")


def _list(value: object) -> list[str]:
    return [] if value is None else [str(entry) for entry in value] if isinstance(value, list) else [str(value)]


def _link(kind: str, number: int) -> dict[str, Any]:
    return {"id": str(number), "type": kind, "_url": f"{_ROOT}/{kind}/{number}"}


def _page(request: WebRequest, items: list[dict[str, Any]]) -> WebReply:
    asked = request.query.get("per_page", "20"), request.query.get("page", "1")
    if not all(number.isdigit() and int(number) > 0 for number in asked):
        raise Refused(400, "per_page and page must be whole numbers")
    size, page = min(100, int(asked[0])), int(asked[1])
    shown = items[(page - 1) * size:page * size]
    total = len(items)
    return WebReply(200, {
        "items": shown, "count": len(shown), "total": total, "page": page, "pages": -(-total // size), "per_page": size,
    })
