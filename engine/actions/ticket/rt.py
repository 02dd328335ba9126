"""Request Tracker, REST 2.0: tickets by its own paths, found again by a link.

Shapes from Best Practical's documentation (docs.bestpractical.com/rt/latest/RT/REST2.html) and its source (github
bestpractical/rt, lib/RT/REST2/Resource), tested against RT 5.0.3:

- ``POST /REST/2.0/ticket`` answers 201 with ``{id, type, _url}``. The key is a link ``RefersTo: switchover:KEY``, and
  ``GET /REST/2.0/tickets?query=RefersTo = '...'`` (TicketSQL) finds it; closed tickets are found too, deleted ones are not.
- ``GET /REST/2.0/ticket/{id}`` carries an ``ETag``; a ``PUT`` with another ``If-Match`` is answered 412.
- A ``PUT`` answers 200 with a list of sentences even when it did nothing, such as for an unknown status: what came of it is read.
- ``GET /REST/2.0/ticket/{id}/attachments?fields=Subject`` lists the subjects of all messages: a comment is known by its own.
- Priorities are numbers; since RT 5 the default scale names 0 Low, 50 Medium and 100 High, so ``urgent`` is stored as ``high``.
- The default lifecycle ends in resolved, rejected and deleted; the API does not say how another one ends.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any

from engine.actions.ticket.desk import (
    WORDS,
    Opening,
    Ticket,
    answer_of,
    list_in,
    not_there,
    odd,
    refusal,
    text_in,
)
from engine.model.errors import Permanent, Temporary
from engine.model.values import dataclass
from engine.ports import HttpReply, HttpSession

LEVELS: Mapping[str, int] = {"low": 0, "normal": 50, "high": 100, "urgent": 100}
CLOSED = frozenset({"resolved", "rejected", "deleted"})


@dataclass(frozen=True, slots=True)
class RequestTracker:
    """One Request Tracker."""

    http: HttpSession
    url: str
    withdrawn: str = "rejected"
    levels: Mapping[str, int] = field(default_factory=lambda: LEVELS)
    name: str = "Request Tracker"
    page_size: int = 100
    """Messages asked for at once; RT gives no more than 100."""

    def find(self, key: str) -> Sequence[Ticket]:
        what = f"looking for the ticket with key {key} at Request Tracker"
        params = {"query": f"RefersTo = '{_uri(key)}'", "per_page": "2"}
        found = answer_of(self.http.request("GET", "/REST/2.0/tickets", params=params), what)
        return [self.read(text_in(entry, "id", what)) for entry in list_in(found, "items", what)]

    def read(self, id: str) -> Ticket:
        id = id.lstrip("#")
        what = f"reading ticket {id} at Request Tracker"
        if not id.isascii() or not id.isdigit():
            raise Permanent(f"{id!r} is no ticket of Request Tracker: its tickets are numbered")
        reply = self.http.request("GET", f"/REST/2.0/ticket/{id}")
        if reply.status == 404:
            raise not_there("Request Tracker", id)
        return self._ticket(answer_of(reply, what), reply.headers.get("etag", ""), what)

    def open(self, opening: Opening) -> str:
        what = f"opening a ticket in queue {opening.queue} at Request Tracker"
        body: dict[str, object] = {
            "Queue": opening.queue, "Subject": opening.subject, "Content": opening.body, "ContentType": "text/plain",
            "Priority": self.level_of(opening.priority), "RefersTo": [_uri(opening.key)],
        }
        if opening.requestor:
            body["Requestor"] = [opening.requestor]
        reply = self.http.request("POST", "/REST/2.0/ticket", json={**body, **opening.fields})
        return text_in(answer_of(reply, what), "id", what)

    def rank_of(self, word: str) -> int:
        return self.levels[word]

    def level_of(self, word: str) -> str:
        return str(self.levels[word])

    def set_level(self, ticket: Ticket, level: str) -> None:
        self._put(ticket, {"Priority": level}, f"changing the priority of ticket {ticket.number}")

    def move(self, ticket: Ticket, status: str, note: str) -> None:
        what = f"moving ticket {ticket.number} from '{ticket.status}' to '{status}'"
        told = self._put(ticket, {"Status": status}, what)
        if self.read(ticket.id).status == ticket.status:
            raise Permanent(f"{what} was refused by Request Tracker: {told or 'it gave no reason'}")

    def withdraw(self, ticket: Ticket, key: str) -> None:
        self._put(ticket, {"Status": self.withdrawn, "DeleteRefersTo": [_uri(key)]}, f"withdrawing ticket {ticket.number}")

    def has_comment(self, ticket: Ticket, marker: str) -> bool:
        what, page, pages = f"reading the comments of ticket {ticket.number}", 1, 1
        while page <= pages:
            params = {"fields": "Subject", "per_page": str(self.page_size), "page": str(page)}
            found = answer_of(self.http.request("GET", f"/REST/2.0/ticket/{ticket.id}/attachments", params=params), what)
            if any(entry.get("Subject") == marker for entry in list_in(found, "items", what)):
                return True
            page, pages = page + 1, -(-_count(found, what) // self.page_size)
        return False

    def comment(self, ticket: Ticket, marker: str, text: str, *, to_requestor: bool) -> None:
        verb = "correspond" if to_requestor else "comment"
        body = {"Subject": marker, "Content": text, "ContentType": "text/plain"}
        reply = self.http.request("POST", f"/REST/2.0/ticket/{ticket.id}/{verb}", json=body)
        if reply.status != 201:
            raise refusal(reply, f"commenting on ticket {ticket.number}")

    def _put(self, ticket: Ticket, changes: Mapping[str, object], what: str) -> str:
        """What Request Tracker said to it."""
        headers = {"If-Match": ticket.version} if ticket.version else None
        reply = self.http.request("PUT", f"/REST/2.0/ticket/{ticket.id}", json=changes, headers=headers)
        if reply.status == 412:
            raise Temporary(f"{what}: somebody changed the ticket at this very moment; it is read again first", nothing_done=True)
        return _sentences(reply, what)

    def _ticket(self, found: Mapping[str, Any], version: str, what: str) -> Ticket:
        id, level = text_in(found, "id", what), text_in(found, "Priority", what)
        if re.fullmatch(r"-?\d{1,9}", level) is None:
            raise odd(what)
        status = text_in(found, "Status", what).lower()
        page = f"{self.url}/Ticket/Display.html?id={id}"
        return Ticket(id, id, page, status, status in CLOSED, self._word(int(level)), int(level), level, version)

    def _word(self, level: int) -> str:
        """The most urgent word whose number the level reaches."""
        reached = [word for word in WORDS if level >= self.levels[word]]
        # Where two words share a number, such as high and urgent, nobody can tell them apart: the milder one is said.
        return next((word for word in reached if self.levels[word] == self.levels[reached[-1]]), WORDS[0])


def _uri(key: str) -> str:
    return f"switchover:{key}"


def _count(found: Mapping[str, Any], what: str) -> int:
    total = found.get("total")
    if not isinstance(total, int) or isinstance(total, bool):
        raise odd(what)
    return total


def _sentences(reply: HttpReply, what: str) -> str:
    if not 200 <= reply.status < 300:
        raise refusal(reply, what)
    if not isinstance(reply.data, list):
        raise odd(what)
    return "; ".join(map(str, reply.data))
