"""ServiceNow, Table API: incidents, found again by ``correlation_id``.

Shapes from ServiceNow's documentation (REST API reference, Table API: ``/api/now/table/{table}``) and its published schema of
incidents; not tested against a real instance:

- ``POST /api/now/table/incident`` answers 201 with the record under ``result``; ``PATCH .../incident/{sys_id}`` changes it.
- ``sysparm_query`` ignores a field it does not know and then answers with everything, unless an administrator forbids that: so
  what comes back is held against what was asked for.
- The priority, 1 to 5, is worked out from impact and urgency by rules of the instance; those two are written, by the matrix as
  delivered.
- References (assignment group, caller) are written by ``sys_id``, which is looked up by name first.
- States are numbers; the names are those of the incident table as delivered. Resolving and closing need a close code and notes;
  the codes differ by release, so the connection may name one.
- ``comments`` and ``work_notes`` are journals: written as one entry, read with ``sysparm_display_value=true`` as all of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from engine.actions.ticket.desk import Opening, Ticket, answer_of, list_in, mapping_in, not_there, odd, text_in
from engine.model.errors import Permanent
from engine.model.values import dataclass
from engine.ports import HttpReply, HttpSession

STATES: Mapping[str, str] = {
    "1": "new", "2": "in progress", "3": "on hold", "6": "resolved", "7": "closed", "8": "canceled",
}
FINAL = frozenset({"closed", "canceled"})
"""Resolved is not among them: it may be opened again, and closes by itself after some days."""
LEVELS: Mapping[str, str] = {"low": "3/2", "normal": "2/2", "high": "2/1", "urgent": "1/1"}
"""Word -> impact and urgency."""
RANKS: Mapping[str, int] = {"low": 2, "normal": 3, "high": 4, "urgent": 5}
"""Word -> 6 less the priority that the default matrix makes of them."""
_FIELDS = "sys_id,number,state,priority,impact,urgency,correlation_id"
_TABLE = "/api/now/table/incident"


@dataclass(frozen=True, slots=True)
class ServiceNow:
    """The incidents of one instance."""

    http: HttpSession
    url: str
    close_code: str = "Solution provided"
    withdrawn: str = "canceled"
    name: str = "ServiceNow"

    def find(self, key: str) -> Sequence[Ticket]:
        what = f"looking for the incident with key {key} at ServiceNow"
        found = self._query("incident", f"correlation_id={_mark(key)}", _FIELDS, what)
        return [_ticket(self.url, entry, what) for entry in found if entry.get("correlation_id") == _mark(key)]

    def read(self, id: str) -> Ticket:
        what = f"reading incident {id} at ServiceNow"
        if re.fullmatch(r"[0-9a-f]{32}", id):
            reply = self.http.request("GET", f"{_TABLE}/{id}", params={"sysparm_fields": _FIELDS})
            if reply.status == 404:
                raise not_there(self.name, id)
            return _ticket(self.url, _result(reply, what), what)
        found = [entry for entry in self._query("incident", f"number={_plain(id)}", _FIELDS, what) if entry.get("number") == id]
        if not found:
            raise not_there(self.name, id)
        return _ticket(self.url, found[0], what)

    def open(self, opening: Opening) -> str:
        what = f"opening an incident for {opening.queue} at ServiceNow"
        body: dict[str, object] = {
            "short_description": opening.subject, "description": opening.body, "correlation_id": _mark(opening.key),
            "correlation_display": "switchover", **_impact_and_urgency(LEVELS[opening.priority]),
            "assignment_group": self._id_of("sys_user_group", ("name",), opening.queue, "group"),
        }
        if opening.requestor:
            body["caller_id"] = self._id_of("sys_user", ("user_name", "email"), opening.requestor, "user")
        reply = self.http.request("POST", _TABLE, json={**body, **opening.fields})
        return text_in(_result(reply, what), "sys_id", what)

    def rank_of(self, word: str) -> int:
        return RANKS[word]

    def level_of(self, word: str) -> str:
        return LEVELS[word]

    def set_level(self, ticket: Ticket, level: str) -> None:
        self._patch(ticket, _impact_and_urgency(level), f"changing the priority of {ticket.number}")

    def move(self, ticket: Ticket, status: str, note: str) -> None:
        what = f"moving {ticket.number} from '{ticket.status}' to '{status}'"
        state = status if status.isdigit() else next((number for number, name in STATES.items() if name == status), "")
        if not state:
            raise Permanent(f"{what}: ServiceNow's incidents know {', '.join(STATES.values())}, or a state's number")
        reached = text_in(self._patch(ticket, {"state": state, **self._closing(state, note)}, what), "state", what)
        if reached != state:
            left = STATES.get(reached, reached)
            raise Permanent(f"{what}: ServiceNow took the request and left it '{left}', by a rule of its own")

    def withdraw(self, ticket: Ticket, key: str) -> None:
        state = next((number for number, name in STATES.items() if name == self.withdrawn), self.withdrawn)
        changes = {"state": state, "correlation_id": "", **self._closing(state, "Withdrawn: it was opened by mistake.")}
        self._patch(ticket, changes, f"withdrawing {ticket.number}")

    def has_comment(self, ticket: Ticket, marker: str) -> bool:
        what = f"reading the comments of {ticket.number}"
        params = {"sysparm_fields": "comments,work_notes", "sysparm_display_value": "true"}
        found = _result(self.http.request("GET", f"{_TABLE}/{quote(ticket.id, safe='')}", params=params), what)
        return any(marker in str(found.get(journal, "")) for journal in ("comments", "work_notes"))

    def comment(self, ticket: Ticket, marker: str, text: str, *, to_requestor: bool) -> None:
        journal = "comments" if to_requestor else "work_notes"
        self._patch(ticket, {journal: f"{text}\n\n[{marker}]"}, f"commenting on {ticket.number}")

    def _closing(self, state: str, note: str) -> Mapping[str, str]:
        ends = STATES.get(state) in ("resolved", *FINAL)
        return {"close_code": self.close_code, "close_notes": note} if ends else {}

    def _patch(self, ticket: Ticket, changes: Mapping[str, str], what: str) -> Mapping[str, Any]:
        return _result(self.http.request("PATCH", f"{_TABLE}/{quote(ticket.id, safe='')}", json=changes), what)

    def _query(self, table: str, query: str, fields: str, what: str) -> Sequence[Mapping[str, Any]]:
        params = {"sysparm_query": query, "sysparm_fields": fields, "sysparm_limit": "2"}
        return list_in(answer_of(self.http.request("GET", f"/api/now/table/{table}", params=params), what), "result", what)

    def _id_of(self, table: str, names: Sequence[str], value: str, kind: str) -> str:
        what = f"looking for the {kind} {value} at ServiceNow"
        query = "^OR".join(f"{name}={_plain(value)}" for name in names)
        found = [
            entry for entry in self._query(table, query, ",".join(("sys_id", *names)), what)
            if any(str(entry.get(name, "")).lower() == value.lower() for name in names)
        ]
        if len(found) != 1:
            raise Permanent(f"ServiceNow has {'no' if not found else 'more than one'} {kind} {value!r}. Nothing was opened")
        return text_in(found[0], "sys_id", what)


def _ticket(url: str, found: Mapping[str, Any], what: str) -> Ticket:
    id, state, priority = (text_in(found, name, what) for name in ("sys_id", "state", "priority"))
    if re.fullmatch(r"\d{1,3}", priority) is None:
        raise odd(what)
    status, rank = STATES.get(state, state), 6 - int(priority)
    words = [word for word, needed in RANKS.items() if rank >= needed]
    level = f"{text_in(found, 'impact', what)}/{text_in(found, 'urgency', what)}"
    page = f"{url}/nav_to.do?uri=incident.do%3Fsys_id%3D{quote(id, safe='')}"
    return Ticket(id, text_in(found, "number", what), page, status, status in FINAL, words[-1] if words else "low", rank, level)


def _result(reply: HttpReply, what: str) -> Mapping[str, Any]:
    return mapping_in(answer_of(reply, what), "result", what)


def _impact_and_urgency(level: str) -> dict[str, str]:
    impact, _, urgency = level.partition("/")
    return {"impact": impact, "urgency": urgency}


def _mark(key: str) -> str:
    return f"switchover:{key}"


def _plain(value: str) -> str:
    """A value fit for ``sysparm_query``. Raises ``Permanent``."""
    if "^" in value or not value.isprintable():
        raise Permanent(f"{value!r} cannot be looked for at ServiceNow: ^ separates conditions there")
    return value
