"""``ticket.transition``: a ticket is brought to a status."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, cast

from engine.actions.ticket.desk import OUTPUTS, Ticket, outputs_of, refuse_closed, the_ticket
from engine.actions.ticket.desks import TYPES, desk_at
from engine.model.args import arg
from engine.model.errors import ChangedSince
from engine.model.plan import Change, Effect, FieldChange, Receipt, Unpredictable, digest
from engine.model.values import dataclass
from engine.ports import Sessions


@dataclass(frozen=True, slots=True)
class TransitionArgs:
    """Arguments of ``ticket.transition``."""

    connection: str = arg("The ticket system.", connection=TYPES)
    to: str = arg("The status, in the system's words; upper and lower case are alike.", examples=("resolved", "In Progress"))
    ticket: str = arg("The ticket, by number or id.", default="", examples=("{{ steps.open_ticket.outputs.id }}",))
    key: str = arg("Or the key it was opened with.", default="")
    note: str = arg("Why, where the system insists on a reason: ServiceNow's close notes.", default="Done by the runbook.")


class TicketTransition:
    """Moves a ticket. One that somebody closed in another way is not opened again: that is a failure, in words."""

    name: ClassVar[str] = "ticket.transition"
    version: ClassVar[int] = 1
    effect: ClassVar[Effect] = Effect.CHANGES
    doc: ClassVar[str] = "A ticket has this status; moved there when it had another."
    settle_s: ClassVar[float] = 30.0
    local: ClassVar[bool] = False
    Args = TransitionArgs
    Outputs: ClassVar[Mapping[str, str]] = OUTPUTS

    def observe(self, args: TransitionArgs, at: Sessions) -> Ticket:
        """Reads the ticket."""
        ticket = the_ticket(desk_at(args.connection, at), args.ticket, args.key)
        refuse_closed(ticket, [args.to.lower()])
        return ticket

    def diff(self, args: TransitionArgs, seen: Ticket) -> Change | None:
        """From which status to which."""
        wanted = args.to.lower()
        if seen.status == wanted:
            return None
        return Change(
            f"move ticket {seen.number} from '{seen.status}' to '{wanted}'", (FieldChange("status", seen.status, wanted),),
            token=digest([seen.id, seen.status, wanted]), payload=seen,
        )

    def apply(self, change: Change | Unpredictable, args: TransitionArgs, at: Sessions, *, key: str) -> Receipt:
        """Moves the ticket."""
        desk_at(args.connection, at).move(cast(Ticket, change.payload), args.to.lower(), args.note)
        return self.prepare(change, args, at)

    def prepare(self, change: Change | Unpredictable, args: TransitionArgs, at: Sessions) -> Receipt:
        """Keeps its status."""
        seen = cast(Ticket, change.payload)
        return Receipt({"id": seen.id, "url": seen.url, "before": seen.status, "after": args.to.lower()}, change.summary)

    def undo(self, receipt: Receipt, args: TransitionArgs, at: Sessions, *, key: str) -> None:
        """Moves the ticket back to the status it had."""
        change = self.undoing(receipt, args, at)
        if change is not None:
            desk_at(args.connection, at).move(cast(Ticket, change.payload), str(receipt.data["before"]), args.note)

    def undoing(self, receipt: Receipt, args: TransitionArgs, at: Sessions) -> Change | None:
        """The ticket back where it was. Raises ``ChangedSince`` when somebody moved it on since."""
        ticket, before = desk_at(args.connection, at).read(str(receipt.data["id"])), str(receipt.data["before"])
        if ticket.status == before:
            return None
        if ticket.status != receipt.data["after"]:
            raise ChangedSince(f"ticket {ticket.number} was moved to '{ticket.status}' since, so it is left alone: {ticket.url}")
        return Change(
            f"move ticket {ticket.number} back to '{before}'", (FieldChange("status", ticket.status, before),),
            token=digest([ticket.id, ticket.status, before]), payload=ticket,
        )

    def outputs(self, args: TransitionArgs, seen: Ticket) -> Mapping[str, object]:
        """The ticket."""
        return outputs_of(seen)
