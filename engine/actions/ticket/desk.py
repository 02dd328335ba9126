"""What the ticket actions ask of a ticket system, and what they have in common.

Systems differ in paths, words and numbers; that is all a desk knows. None of them takes an idempotency key that can be relied on,
so each ticket carries a key of ours, and is looked for by it before it is opened.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Protocol

from engine.model.complaint import complaint_of
from engine.model.errors import Permanent
from engine.model.plan import digest
from engine.model.values import dataclass
from engine.ports import HttpReply, Sessions

WORDS = ("low", "normal", "high", "urgent")
"""Priorities as a runbook says them, the least urgent first."""
_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")


@dataclass(frozen=True, slots=True)
class Ticket:
    """A ticket as its system shows it."""

    id: str
    """The system's own name for it, as paths use it."""
    number: str
    """As people call it: 4711, INC0010001, OPS-12."""
    url: str
    """Its page for people."""
    status: str
    """In the system's words, lower-case."""
    is_closed: bool
    """Whether nobody will work on it any more."""
    priority: str
    """The nearest of ``WORDS``; in the system's own words where none is near."""
    rank: int
    """How urgent, higher is more; comparable with ``Desk.rank_of`` alone."""
    level: str
    """The priority as the system stores it: what ``set_level`` takes."""
    version: str = ""
    """Tells this state of it from later ones, where the system has that."""


@dataclass(frozen=True, slots=True)
class Opening:
    """A ticket that is to be opened."""

    key: str
    subject: str
    body: str
    queue: str
    requestor: str
    priority: str
    """One of ``WORDS``."""
    fields: Mapping[str, object] = field(default_factory=dict)
    """More of its fields, by the system's own names."""


class Desk(Protocol):
    """One ticket system, over one session. Every failure is ``Temporary`` or ``Permanent``, in the operator's words."""

    @property
    def name(self) -> str:
        """As people call the system."""
        ...

    @property
    def withdrawn(self) -> str:
        """The status of a ticket that should not have been opened; empty where the system has none that is known."""
        ...

    def find(self, key: str) -> Sequence[Ticket]:
        """The tickets that carry the key, closed ones too: none, one, or two of too many."""
        ...

    def read(self, id: str) -> Ticket:
        """One ticket, by id or number. Raises ``Permanent`` when it is not there."""
        ...

    def open(self, opening: Opening) -> str:
        """Opens one and returns its id."""
        ...

    def rank_of(self, word: str) -> int:
        """How urgent a word of ``WORDS`` is here."""
        ...

    def level_of(self, word: str) -> str:
        """How a word of ``WORDS`` is stored here."""
        ...

    def set_level(self, ticket: Ticket, level: str) -> None:
        """Changes the priority."""
        ...

    def move(self, ticket: Ticket, status: str, note: str) -> None:
        """Brings it to a status. Raises ``Permanent`` when there is no way to it from here."""
        ...

    def withdraw(self, ticket: Ticket, key: str) -> None:
        """Closes it as ``withdrawn`` and takes the key off it, so that the key may open another."""
        ...

    def has_comment(self, ticket: Ticket, marker: str) -> bool:
        """Whether a comment carries the marker."""
        ...

    def comment(self, ticket: Ticket, marker: str, text: str, *, to_requestor: bool) -> None:
        """Adds a comment that carries the marker."""
        ...


# ---------------------------------------------------------------- keys


def key_of(given: str, at: Sessions) -> str:
    """The key of a ticket: as given, else one of its own for this scope and address. Raises ``Permanent`` for an unfit one."""
    if not given:
        return digest([at.scope, at.address])[:20]
    if _KEY.fullmatch(given) is None:
        raise Permanent(
            f"the key {given!r} does not fit: up to 80 letters, digits, dots, hyphens and underscores, a letter or digit first."
            " It becomes a link, a label or a field of the ticket"
        )
    return given


def marker_of(at: Sessions) -> str:
    """What a comment of this scope and address is known by."""
    return f"switchover-note-{digest([at.scope, at.address])[:20]}"


def one_of(found: Sequence[Ticket], key: str, desk: Desk) -> Ticket | None:
    """The ticket with a key; None when there is none. Raises ``Permanent`` naming both when there are two."""
    if len(found) > 1:
        first, second = found[0], found[1]
        raise Permanent(
            f"tickets {first.number} and {second.number} at {desk.name} both carry the key {key!r}, so nobody can tell which one"
            f" this step is about. Keep one and take the key off the other: {first.url} and {second.url}"
        )
    return found[0] if found else None


def the_ticket(desk: Desk, ticket: str, key: str) -> Ticket:
    """The ticket a step names by ``ticket`` or by ``key``. Raises ``Permanent`` when it names none, or one that is not there."""
    if bool(ticket) == bool(key):
        raise Permanent("name the ticket either by 'ticket' (its number or id) or by 'key' (the key it was opened with)")
    if ticket:
        return desk.read(ticket)
    found = one_of(desk.find(key_checked(key)), key, desk)
    if found is None:
        raise Permanent(
            f"{desk.name} has no ticket with the key {key!r}, or this login may not see it; is it opened by an earlier step?"
        )
    return found


def key_checked(key: str) -> str:
    """A key from outside, fit to stand in a query. Raises ``Permanent``."""
    if _KEY.fullmatch(key) is None:
        raise Permanent(f"{key!r} is no key of a ticket: up to 80 letters, digits, dots, hyphens and underscores")
    return key


OUTPUTS: Mapping[str, str] = {
    "id": "the system's own name for the ticket",
    "number": "what people call it",
    "url": "its page",
    "status": "its status, lower-case",
    "priority": "its priority as one of low, normal, high, urgent, else in the system's words",
}
"""What the ticket actions tell later steps."""


def outputs_of(ticket: Ticket | None) -> Mapping[str, object]:
    """The ticket by the names of ``OUTPUTS``."""
    return {} if ticket is None else {name: getattr(ticket, name) for name in OUTPUTS}


def refuse_closed(ticket: Ticket, awaited: Sequence[str]) -> None:
    """Raises ``Permanent`` when the ticket has ended in another way than the step waits for: it will not come about any more."""
    if ticket.is_closed and ticket.status not in awaited:
        waits = " or ".join(f"'{status}'" for status in awaited)
        raise Permanent(
            f"ticket {ticket.number} was closed as '{ticket.status}'; this step waits for {waits}. Ask whoever closed it, see"
            f" {ticket.url}"
        )


# ---------------------------------------------------------------- answers


def answer_of(reply: HttpReply, what: str) -> Any:
    """The JSON of a successful answer. Raises ``Permanent``, quoting the system, for every other."""
    if not 200 <= reply.status < 300:
        raise refusal(reply, what)
    if not isinstance(reply.data, Mapping):
        raise odd(what)
    return reply.data


def refusal(reply: HttpReply, what: str) -> Permanent:
    """A refused request, quoting the system."""
    moved = reply.headers.get("location", "")
    told = complaint_of(reply.data) or (f"it points to {moved}" if moved else "it gave no reason")
    return Permanent(f"{what} was refused with {reply.status}: {told}")


def odd(what: str) -> Permanent:
    """An answer that no such system gives."""
    return Permanent(
        f"{what}: the answer does not have the form this system's API gives. Is 'url' of the connection right, and does nothing"
        " rewrite answers on the way?"
    )


def mapping_in(found: Mapping[str, Any], name: str, what: str) -> Mapping[str, Any]:
    """The object an answer holds as ``name``. Raises ``Permanent`` when it holds none."""
    value = found.get(name)
    if not isinstance(value, Mapping):
        raise odd(what)
    return value


def list_in(found: Mapping[str, Any], name: str, what: str) -> Sequence[Mapping[str, Any]]:
    """The list of objects an answer holds as ``name``. Raises likewise."""
    value = found.get(name)
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        raise odd(what)
    return value


def text_in(found: Mapping[str, Any], name: str, what: str) -> str:
    """The text or number an answer holds as ``name``, as text. Raises likewise."""
    value = found.get(name)
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise odd(what)
    return str(value)


def not_there(desk: str, id: str) -> Permanent:
    """A ticket that is not found."""
    return Permanent(f"{desk} has no ticket {id}, or this login may not see it: correct the number, or the rights of the login")
