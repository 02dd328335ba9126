"""Jira Cloud, REST API v3: issues, found again by a label.

Shapes from Atlassian's documentation (developer.atlassian.com/cloud/jira/platform/rest/v3: issues, issue search, issue comments);
not tested against a real site:

- ``POST /rest/api/3/issue`` answers 201 with ``{id, key, self}``; texts are documents (ADF), not plain text.
- ``GET /rest/api/3/search/jql`` is the search since ``/search`` was removed; it is eventually consistent, so a new issue may be
  found only after a moment. It pages by token; here two issues are enough to know that there are too many.
- A status is reached by a transition that the workflow offers from where it is: ``GET .../transitions`` lists them, and ``POST``
  takes the id of one.
- Workflows and priorities are a site's own. An issue is closed when its status is of the category ``done``; the connection may
  name the priorities, and the status of an issue that is taken back.
- Errors are ``{errorMessages: [...], errors: {field: why}}``.
"""

from __future__ import annotations

import json
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
    mapping_in,
    not_there,
    odd,
    refusal,
    text_in,
)
from engine.model.errors import Permanent
from engine.model.values import dataclass
from engine.ports import HttpReply, HttpSession

LEVELS: Mapping[str, str] = {"low": "Low", "normal": "Medium", "high": "High", "urgent": "Highest"}
_FIELDS = "status,priority,labels"
_ISSUE = "/rest/api/3/issue"
_PAGE = 100


@dataclass(frozen=True, slots=True)
class Jira:
    """One Jira site."""

    http: HttpSession
    url: str
    withdrawn: str = ""
    levels: Mapping[str, str] = field(default_factory=lambda: LEVELS)
    name: str = "Jira"

    def find(self, key: str) -> Sequence[Ticket]:
        what = f"looking for the issue with key {key} at Jira"
        params = {"jql": f'labels = "{_label(key)}"', "fields": _FIELDS, "maxResults": "2"}
        found = answer_of(self.http.request("GET", "/rest/api/3/search/jql", params=params), what)
        return [self._ticket(entry, what) for entry in list_in(found, "issues", what)]

    def read(self, id: str) -> Ticket:
        reply = self.http.request("GET", _path(id), params={"fields": _FIELDS})
        if reply.status == 404:
            raise not_there(self.name, id)
        what = f"reading {id} at Jira"
        return self._ticket(answer_of(reply, what), what)

    def open(self, opening: Opening) -> str:
        what = f"opening an issue in project {opening.queue} at Jira"
        fields: dict[str, object] = {
            "project": {"key": opening.queue}, "issuetype": {"name": "Task"}, "summary": opening.subject,
            "labels": [_label(opening.key)], "priority": {"name": self.levels[opening.priority]},
        }
        if opening.body:
            fields["description"] = document_of(opening.body)
        if opening.requestor:
            fields["reporter"] = {"id": opening.requestor}
        reply = self.http.request("POST", _ISSUE, json={"fields": {**fields, **opening.fields}})
        return text_in(answer_of(reply, what), "key", what)

    def rank_of(self, word: str) -> int:
        return WORDS.index(word)

    def level_of(self, word: str) -> str:
        return self.levels[word]

    def set_level(self, ticket: Ticket, level: str) -> None:
        body = {"fields": {"priority": {"name": level} if level else None}}
        _done(self.http.request("PUT", _path(ticket.id), json=body), f"changing the priority of {ticket.number}")

    def move(self, ticket: Ticket, status: str, note: str) -> None:
        what = f"moving {ticket.number} from '{ticket.status}' to '{status}'"
        found = answer_of(self.http.request("GET", f"{_path(ticket.id)}/transitions"), what)
        ways = {
            text_in(mapping_in(way, "to", what), "name", what).lower(): text_in(way, "id", what)
            for way in list_in(found, "transitions", what)
        }
        if status not in ways:
            offered = ", ".join(f"'{name}'" for name in sorted(ways)) or "nowhere"
            raise Permanent(f"{what}: its workflow leads from there to {offered}. Go by those, or ask who keeps the workflow")
        body = {"transition": {"id": ways[status]}}
        _done(self.http.request("POST", f"{_path(ticket.id)}/transitions", json=body), what)

    def withdraw(self, ticket: Ticket, key: str) -> None:
        if ticket.status != self.withdrawn:
            self.move(ticket, self.withdrawn, "")
        body = {"update": {"labels": [{"remove": _label(key)}]}}
        _done(self.http.request("PUT", _path(ticket.id), json=body), f"taking the key off {ticket.number}")

    def has_comment(self, ticket: Ticket, marker: str) -> bool:
        what, start, total = f"reading the comments of {ticket.number}", 0, 1
        while start < total:
            params = {"startAt": str(start), "maxResults": str(_PAGE)}
            found = answer_of(self.http.request("GET", f"{_path(ticket.id)}/comment", params=params), what)
            comments, said = list_in(found, "comments", what), found.get("total")
            if any(marker in json.dumps(comment.get("body")) for comment in comments):
                return True
            if not comments or not isinstance(said, int):
                break
            start, total = start + len(comments), said
        return False

    def comment(self, ticket: Ticket, marker: str, text: str, *, to_requestor: bool) -> None:
        body = {"body": document_of(f"{text}\n\n[{marker}]")}
        _done(self.http.request("POST", f"{_path(ticket.id)}/comment", json=body), f"commenting on {ticket.number}")

    def _ticket(self, found: Mapping[str, Any], what: str) -> Ticket:
        key, fields = text_in(found, "key", what), mapping_in(found, "fields", what)
        status = mapping_in(fields, "status", what)
        category = mapping_in(status, "statusCategory", what).get("key")
        level = "" if fields.get("priority") is None else text_in(mapping_in(fields, "priority", what), "name", what)
        word = next((word for word in WORDS if self.levels[word].lower() == level.lower()), "")
        return Ticket(
            key, key, f"{self.url}/browse/{key}", text_in(status, "name", what).lower(), category == "done",
            word or level.lower(), WORDS.index(word) if word else -1, level,
        )


def document_of(text: str) -> dict[str, object]:
    """Plain text as a document (ADF): a paragraph for each block of lines."""
    return {"type": "doc", "version": 1, "content": [_paragraph(block) for block in re.split(r"\n{2,}", text.strip("\n"))]}


def _paragraph(block: str) -> dict[str, object]:
    parts: list[dict[str, object]] = []
    for line in block.split("\n"):
        parts += [{"type": "hardBreak"}] if parts else []
        parts += [{"type": "text", "text": line}] if line else []  # a text node may not be empty
    return {"type": "paragraph", "content": parts}


def _path(id: str) -> str:
    if re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*-\d{1,12}|\d{1,20}", id) is None:
        raise Permanent(f"{id!r} is no issue of Jira: its issues are called like OPS-12")
    return f"{_ISSUE}/{id}"


def _label(key: str) -> str:
    return f"switchover-{key}"


def _done(reply: HttpReply, what: str) -> None:
    if reply.status not in (200, 201, 204):
        raise refusal(reply, what)
    if reply.status != 204 and not isinstance(reply.data, Mapping):
        raise odd(what)
