"""``ticket.state``: proves that people have brought a ticket to one of the named states."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from engine.actions.ticket.desk import OUTPUTS, Ticket, outputs_of, refuse_closed, the_ticket
from engine.actions.ticket.desks import TYPES, desk_at
from engine.model.args import arg
from engine.model.errors import Permanent
from engine.model.plan import Change, Effect, FieldChange, Receipt, Unpredictable, digest
from engine.model.values import dataclass
from engine.ports import Sessions


@dataclass(frozen=True, slots=True)
class StateArgs:
    """Arguments of ``ticket.state``."""

    connection: str = arg("The ticket system.", connection=TYPES)
    states: tuple[str, ...] = arg(
        "The statuses that will do, in the system's words; upper and lower case are alike.", examples=(["resolved"],),
    )
    ticket: str = arg("The ticket, by number or id.", default="", examples=("{{ steps.open_ticket.outputs.id }}",))
    key: str = arg("Or the key it was opened with.", default="")


class TicketState:
    """Waits for a ticket, as long as the step's ``settle`` says; fails at once when it was closed as something else."""

    name: ClassVar[str] = "ticket.state"
    version: ClassVar[int] = 1
    effect: ClassVar[Effect] = Effect.READS
    doc: ClassVar[str] = "A ticket is in one of these states; proved by reading."
    settle_s: ClassVar[float] = 60.0
    local: ClassVar[bool] = False
    Args = StateArgs
    Outputs: ClassVar[Mapping[str, str]] = OUTPUTS

    def observe(self, args: StateArgs, at: Sessions) -> Ticket:
        """Reads the ticket."""
        if not args.states:
            raise Permanent("'states' is empty: name at least one status to wait for")
        ticket = the_ticket(desk_at(args.connection, at), args.ticket, args.key)
        refuse_closed(ticket, _awaited(args))
        return ticket

    def diff(self, args: StateArgs, seen: Ticket) -> Change | None:
        """Its state, until it is one of those asked for."""
        if seen.status in _awaited(args):
            return None
        wanted = " or ".join(f"'{status}'" for status in _awaited(args))
        return Change(
            f"ticket {seen.number} is '{seen.status}', not {wanted}", (FieldChange("status", seen.status, wanted),),
            token=digest([seen.id, seen.status]),
        )

    def apply(self, change: Change | Unpredictable, args: StateArgs, at: Sessions, *, key: str) -> Receipt:
        """Writes nothing: reading again until it is so, or time is up, is the engine's part."""
        return Receipt()

    def outputs(self, args: StateArgs, seen: Ticket) -> Mapping[str, object]:
        """The ticket."""
        return outputs_of(seen)


def _awaited(args: StateArgs) -> list[str]:
    return [status.lower() for status in args.states]
