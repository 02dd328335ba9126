"""``ticket.ensure``: there is one ticket for this piece of work, and only one, however often it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, cast

from engine.actions.ticket.desk import OUTPUTS, WORDS, Desk, Opening, Ticket, key_of, one_of, outputs_of
from engine.actions.ticket.desks import TYPES, desk_at
from engine.model.args import arg
from engine.model.errors import ChangedSince, Permanent
from engine.model.plan import Change, Effect, FieldChange, Receipt, TextChange, Unpredictable, digest
from engine.model.values import dataclass
from engine.ports import Sessions


@dataclass(frozen=True, slots=True)
class EnsureArgs:
    """Arguments of ``ticket.ensure``."""

    connection: str = arg("The ticket system.", connection=TYPES)
    subject: str = arg("One line that says what is to be done.", examples=("Reinstate licences of {{ customer.title }}",))
    queue: str = arg(
        "Where it goes. Request Tracker: the queue. ServiceNow: the assignment group. Jira: the key of the project.",
        examples=("Licensing",),
    )
    body: str = arg("What the people there need to know.", default="")
    requestor: str = arg(
        "Who asks. Request Tracker: an e-mail address. ServiceNow: user name or e-mail address of the caller. Jira: the account"
        " id of the reporter. Left out: the login of the connection.",
        default="",
    )
    priority: str = arg("How urgent it is at least; it is read back, because some systems work it out anew.",
                        default="normal", choices=WORDS)
    key: str = arg(
        "What the ticket is known by. Left out: one of its own for this customer and address. A ticket that carries it is taken"
        " for this one, whoever opened it and even when it is closed.",
        default="", examples=("closure-{{ item.number }}",),
    )
    fields: Mapping[str, object] | None = arg(
        "More fields of a new ticket, by the system's own names, where it insists on some.",
        default=None, examples=({"issuetype": {"name": "Service Request"}},),
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """What stands there beside what is asked for. ``ticket``: None when none carries the key."""

    opening: Opening
    ticket: Ticket | None
    system: str
    rank: int
    """What the asked priority comes to there."""
    level: str
    withdrawn: str
    shown_body: str
    """With secrets masked."""


@dataclass(frozen=True, slots=True)
class _Write:
    kind: Literal["open", "raise"]
    seen: Seen


class TicketEnsure:
    """Opens a ticket unless one with its key is there; one that is there and open is raised to the asked priority."""

    name: ClassVar[str] = "ticket.ensure"
    version: ClassVar[int] = 1
    effect: ClassVar[Effect] = Effect.CHANGES
    doc: ClassVar[str] = "There is one ticket for this piece of work, at least as urgent as asked; opened when there was none."
    settle_s: ClassVar[float] = 30.0
    local: ClassVar[bool] = False
    Args = EnsureArgs
    Outputs: ClassVar[Mapping[str, str]] = OUTPUTS

    def observe(self, args: EnsureArgs, at: Sessions) -> Seen:
        """Looks for the ticket by its key."""
        if not args.subject.strip() or "\n" in args.subject.strip():
            raise Permanent("'subject' must be one line of text: it is what people see in their list of tickets")
        desk, key = desk_at(args.connection, at), key_of(args.key, at)
        opening = Opening(
            key, args.subject.strip(), args.body, args.queue, args.requestor, args.priority, dict(args.fields or {}),
        )
        ticket = one_of(desk.find(key), key, desk)
        return Seen(
            opening, ticket, desk.name, desk.rank_of(args.priority), desk.level_of(args.priority), desk.withdrawn,
            at.redact(args.body),
        )

    def diff(self, args: EnsureArgs, seen: Seen) -> Change | None:
        """The ticket to open, or the priority to raise."""
        if seen.ticket is None:
            return _opening(seen)
        if seen.ticket.is_closed or seen.ticket.rank >= seen.rank:
            return None
        return _raise(seen, seen.ticket)

    def apply(self, change: Change | Unpredictable, args: EnsureArgs, at: Sessions, *, key: str) -> Receipt:
        """Opens the ticket, or raises its priority."""
        write: _Write = change.payload  # type: ignore[assignment]  # diff put it there
        desk, seen, data = desk_at(args.connection, at), write.seen, self.prepare(change, args, at).data
        if write.kind == "raise" and seen.ticket is not None:
            desk.set_level(seen.ticket, seen.level)
            return Receipt(data, f"raised ticket {seen.ticket.number} to '{seen.opening.priority}'")
        return Receipt(data, f"opened ticket {desk.open(seen.opening)} at {desk.name}")

    def prepare(self, change: Change | Unpredictable, args: EnsureArgs, at: Sessions) -> Receipt:
        """Of a ticket that is opened its key: the id comes with the answer, which may be lost."""
        write: _Write = change.payload  # type: ignore[assignment]  # diff put it there
        seen = write.seen
        if write.kind == "raise" and seen.ticket is not None:
            return Receipt({"kind": "raise", "id": seen.ticket.id, "before": seen.ticket.level, "after": seen.level})
        return Receipt({"kind": "open", "key": seen.opening.key})

    def undo(self, receipt: Receipt, args: EnsureArgs, at: Sessions, *, key: str) -> None:
        """Withdraws a ticket that was opened, lowers one that was raised."""
        change = self.undoing(receipt, args, at)
        if change is None:
            return
        desk, ticket = desk_at(args.connection, at), cast(Ticket, change.payload)
        if receipt.data["kind"] == "open":
            desk.withdraw(ticket, str(receipt.data["key"]))
        else:
            desk.set_level(ticket, str(receipt.data["before"]))

    def undoing(self, receipt: Receipt, args: EnsureArgs, at: Sessions) -> Change | None:
        """A ticket that was opened is withdrawn, one that was raised is lowered. Raises ``ChangedSince`` when somebody closed it
        or set its priority since."""
        desk = desk_at(args.connection, at)
        return _lowering(desk, receipt) if receipt.data["kind"] == "raise" else _withdrawing(desk, str(receipt.data["key"]))

    def outputs(self, args: EnsureArgs, seen: Seen) -> Mapping[str, object]:
        """The ticket."""
        return outputs_of(seen.ticket)


def _opening(seen: Seen) -> Change:
    wanted = seen.opening
    fields = [("subject", wanted.subject), ("queue", wanted.queue), ("priority", wanted.priority), ("key", wanted.key)]
    fields += [("requestor", wanted.requestor)] if wanted.requestor else []
    reversible = bool(seen.withdrawn)
    notes = () if reversible else (
        "it cannot be taken back: 'withdraw_as' of the connection does not say what status a withdrawn ticket gets",
    )
    more = [FieldChange(name, None, value) for name, value in wanted.fields.items()]
    return Change(
        f"open a ticket at {seen.system}: {wanted.subject}", (*(FieldChange(name, None, value) for name, value in fields), *more),
        (TextChange("body", None, seen.shown_body),) if wanted.body else (), reversible, digest(["open", *_raw(wanted)]), notes,
        payload=_Write("open", seen),
    )


def _raw(wanted: Opening) -> list[object]:
    return [wanted.key, wanted.subject, wanted.body, wanted.queue, wanted.requestor, wanted.priority, wanted.fields]


def _raise(seen: Seen, ticket: Ticket) -> Change:
    wanted = seen.opening.priority
    return Change(
        f"raise ticket {ticket.number} at {seen.system} from priority '{ticket.priority}' to '{wanted}'",
        (FieldChange("priority", ticket.priority, wanted),), token=digest(["raise", ticket.id, ticket.level, seen.level]),
        payload=_Write("raise", seen),
    )


def _withdrawing(desk: Desk, key: str) -> Change | None:
    if not desk.withdrawn:
        raise Permanent(
            f"{desk.name} does not say by itself what status a withdrawn ticket gets. Name it in 'withdraw_as' of the connection,"
            " or close the ticket by hand"
        )
    ticket = one_of(desk.find(key), key, desk)
    if ticket is None:
        return None  # never opened, or withdrawn already: its key is off
    if ticket.is_closed and ticket.status != desk.withdrawn:
        raise ChangedSince(f"ticket {ticket.number} was closed as '{ticket.status}' since, so it is left alone: {ticket.url}")
    return Change(
        f"withdraw ticket {ticket.number} at {desk.name}", (FieldChange("status", ticket.status, desk.withdrawn),),
        token=digest(["withdraw", ticket.id, ticket.status]), payload=ticket,
    )


def _lowering(desk: Desk, receipt: Receipt) -> Change | None:
    ticket = desk.read(str(receipt.data["id"]))
    before, after = str(receipt.data["before"]), str(receipt.data["after"])
    if ticket.level == before:
        return None
    if ticket.level != after:
        raise ChangedSince(
            f"the priority of ticket {ticket.number} was changed since by somebody else, so it is left alone: {ticket.url}"
        )
    return Change(
        f"lower ticket {ticket.number} at {desk.name} again", (FieldChange("priority", after, before),),
        token=digest(["lower", ticket.id, after, before]), payload=ticket,
    )
