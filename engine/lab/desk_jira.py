"""The lab's Jira: REST API v3, for what a runbook asks.

Projects of any key exist. The workflow leads from anywhere to anywhere; priorities are the five that a new site has. JQL is
understood for one comparison: ``labels = "..."``. The search that Atlassian removed is not there.
"""

from __future__ import annotations

import base64
import hmac
import re
from collections.abc import Mapping
from typing import Any

from engine.lab.board import Board
from engine.lab.desk_store import Filed, Store
from engine.lab.web_server import Refused, Route, WebReply, WebRequest

STATUSES: Mapping[str, str] = {
    "To Do": "new", "In Progress": "indeterminate", "Waiting": "indeterminate", "Done": "done", "Won't Do": "done",
}
"""Status -> the key of its category."""
TRANSITIONS: Mapping[str, str] = {"11": "To Do", "21": "In Progress", "31": "Done", "41": "Won't Do", "51": "Waiting"}
PRIORITIES = ("Highest", "High", "Medium", "Low", "Lowest")
FIELDS = frozenset({"project", "issuetype", "summary", "description", "labels", "priority", "reporter"})
_JQL = re.compile(r'\s*labels\s*=\s*"([^"]*)"\s*')
_ROOT = "/rest/api/3"


class JiraDesk:
    """One site."""

    prefix = _ROOT

    def __init__(self, board: Board, seed: Mapping[str, Any]) -> None:
        secrets = seed.get("secrets", {})
        pair = f"{secrets.get('jira_username', '')}:{secrets.get('jira_token', '')}"
        self._board, self._store = board, Store(board)
        self._login = f"Basic {base64.b64encode(pair.encode()).decode()}"
        issue = f"{_ROOT}/issue/{{id}}"
        self.routes = (
            Route("GET", f"{_ROOT}/search/jql", self.search),
            Route("POST", f"{_ROOT}/issue", self.create),
            Route("GET", issue, self.read),
            Route("PUT", issue, self.update),
            Route("GET", f"{issue}/transitions", self.transitions),
            Route("POST", f"{issue}/transitions", self.transition),
            Route("GET", f"{issue}/comment", self.comments),
            Route("POST", f"{issue}/comment", self.comment),
        )

    def admits(self, request: WebRequest) -> bool:
        return hmac.compare_digest(request.headers.get("authorization", "").encode(), self._login.encode())

    def word_error(self, status: int, why: str) -> WebReply:
        name, colon, reason = why.partition(": ")
        if status == 400 and colon:
            return WebReply(status, {"errorMessages": [], "errors": {name: reason}})
        return WebReply(status, {"errorMessages": [why], "errors": {}})

    def search(self, request: WebRequest) -> WebReply:
        """``GET /search/jql``."""
        asked = _JQL.fullmatch(request.query.get("jql", ""))
        if asked is None:
            raise Refused(400, f"Error in the JQL Query: {request.query.get('jql', '')}")
        found = [_issue(ticket) for ticket in self._store.found() if asked[1] in ticket.fields["labels"]]
        return WebReply(200, {"issues": found[: int(request.query.get("maxResults", "50"))], "isLast": True})

    def create(self, request: WebRequest) -> WebReply:
        """``POST /issue``."""
        fields = _part(request, "fields")
        for name in ("project", "issuetype", "summary"):
            if not fields.get(name):
                raise Refused(400, f"{name}: {name} is required")
        self._check(fields)
        given = {"labels": [], "description": None, **fields}
        ticket = self._store.file("POST /rest/api/3/issue", {**given, "status": "To Do", "priority": self._priority(fields)})
        key = _key(ticket)
        return WebReply(201, {"id": str(10000 + ticket.number), "key": key, "self": f"{_ROOT}/issue/{10000 + ticket.number}"})

    def read(self, request: WebRequest) -> WebReply:
        """``GET /issue/{key}``."""
        ticket = self._found(request)
        if self._board.fault("rejects", f"GET {request.target}") is not None:
            self._store.change(ticket, {"status": "Won't Do"})
        return WebReply(200, _issue(ticket))

    def update(self, request: WebRequest) -> WebReply:
        """``PUT /issue/{key}``: ``fields``, and ``update`` for labels."""
        ticket, body = self._found(request), request.json()
        fields, update = body.get("fields", {}), body.get("update", {})
        if set(body) - {"fields", "update"} or set(update) - {"labels"}:
            raise Refused(400, "body: only fields, and update of labels, are known here")
        self._check(fields)
        changes = {**fields, **({"priority": self._priority(fields)} if "priority" in fields else {})}
        labels = [label for label in ticket.fields["labels"] if {"remove": label} not in update.get("labels", [])]
        self._store.change(ticket, {"labels": labels, **changes})
        return WebReply(204)

    def transitions(self, request: WebRequest) -> WebReply:
        """``GET /issue/{key}/transitions``: not to where it is."""
        status = self._found(request).fields["status"]
        return WebReply(200, {"transitions": [
            {"id": id, "name": f"To {name}", "to": _status(name)} for id, name in TRANSITIONS.items() if name != status
        ]})

    def transition(self, request: WebRequest) -> WebReply:
        """``POST /issue/{key}/transitions``."""
        ticket, wanted = self._found(request), _part(request, "transition").get("id")
        status = TRANSITIONS.get(str(wanted))
        if status is None or status == ticket.fields["status"]:
            raise Refused(400, f"Transition id '{wanted}' is not valid for this issue.")
        self._store.change(ticket, {"status": status})
        return WebReply(204)

    def comments(self, request: WebRequest) -> WebReply:
        """``GET /issue/{key}/comment``."""
        said, start = self._found(request).comments, int(request.query.get("startAt", "0"))
        shown = said[start:start + min(100, int(request.query.get("maxResults", "50")))]
        return WebReply(200, {"comments": shown, "startAt": start, "maxResults": len(shown), "total": len(said)})

    def comment(self, request: WebRequest) -> WebReply:
        """``POST /issue/{key}/comment``."""
        ticket = self._found(request)
        said = {"id": str(len(ticket.comments) + 1), "body": _document(_part(request, "body"), "comment")}
        self._store.say(ticket, said)
        return WebReply(201, said)

    def _found(self, request: WebRequest) -> Filed:
        ticket = next((t for t in self._store.all() if request.params["id"] in (_key(t), str(10000 + t.number))), None)
        if ticket is None:
            raise Refused(404, "Issue does not exist or you do not have permission to see it.")
        return ticket

    def _check(self, fields: Mapping[str, Any]) -> None:
        unknown = sorted(set(fields) - FIELDS)
        if unknown:
            why = f"Field '{unknown[0]}' cannot be set. It is not on the appropriate screen, or unknown."
            raise Refused(400, f"{unknown[0]}: {why}")
        if fields.get("description") is not None:
            _document(fields["description"], "description")
        if any(" " in label for label in fields.get("labels", [])):
            raise Refused(400, "labels: The label contains spaces which is invalid.")
        priority = fields.get("priority")
        if priority is not None and priority.get("name") not in PRIORITIES:
            raise Refused(400, "priority: The priority selected is invalid.")

    def _priority(self, fields: Mapping[str, Any]) -> str | None:
        if self._board.fault("lower_priority", "Jira") is not None:
            return "Lowest"
        asked = fields.get("priority", {"name": "Medium"})
        return None if asked is None else str(asked["name"])


def _part(request: WebRequest, name: str) -> dict[str, Any]:
    body = request.json()
    part = body.get(name) if isinstance(body, dict) else None
    if not isinstance(part, dict):
        raise Refused(400, f"{name}: it is missing")
    return part


def _document(value: Any, name: str) -> Any:
    if not isinstance(value, dict) or value.get("type") != "doc" or value.get("version") != 1 or "content" not in value:
        raise Refused(400, f"{name}: Operation value must be an Atlassian Document (see the Atlassian Document Format)")
    return value


def _key(ticket: Filed) -> str:
    return f"{ticket.fields['project'].get('key', 'OPS')}-{ticket.number}"


def _status(name: str) -> dict[str, Any]:
    return {"name": name, "statusCategory": {"key": STATUSES[name]}}


def _issue(ticket: Filed) -> dict[str, Any]:
    fields, priority = ticket.fields, ticket.fields["priority"]
    return {"id": str(10000 + ticket.number), "key": _key(ticket), "fields": {
        "summary": fields["summary"], "labels": fields["labels"], "status": _status(fields["status"]),
        "priority": None if priority is None else {"name": priority},
    }}
