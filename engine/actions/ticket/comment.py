"""``ticket.comment``: one comment on a ticket, once, however often the step is run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from engine.actions.ticket.desk import OUTPUTS, Ticket, marker_of, outputs_of, the_ticket
from engine.actions.ticket.desks import TYPES, desk_at
from engine.model.args import arg
from engine.model.errors import Permanent
from engine.model.plan import Change, Effect, Receipt, TextChange, Unpredictable, digest
from engine.model.values import dataclass
from engine.ports import Sessions


@dataclass(frozen=True, slots=True)
class CommentArgs:
    """Arguments of ``ticket.comment``."""

    connection: str = arg("The ticket system.", connection=TYPES)
    text: str = arg("What it says.")
    ticket: str = arg("The ticket, by number or id.", default="", examples=("{{ steps.open_ticket.outputs.id }}",))
    key: str = arg("Or the key it was opened with.", default="")
    to_requestor: bool = arg(
        "Whether whoever asked for the ticket sees it. Jira: everybody who sees the issue does, either way.", default=False,
    )


@dataclass(frozen=True, slots=True)
class Seen:
    """The ticket, and whether the comment is there."""

    ticket: Ticket
    marker: str
    is_there: bool
    shown: str
    """The text with secrets masked."""


class TicketComment:
    """Comments once for each customer and address: the comment carries a marker and is looked for by it.

    A text that is reworded later is no new comment; another step is. What has been said cannot be unsaid.
    """

    name: ClassVar[str] = "ticket.comment"
    version: ClassVar[int] = 1
    effect: ClassVar[Effect] = Effect.CHANGES
    informs: ClassVar[bool] = True
    doc: ClassVar[str] = "A ticket has this comment, exactly once."
    settle_s: ClassVar[float] = 30.0
    local: ClassVar[bool] = False
    Args = CommentArgs
    Outputs: ClassVar[Mapping[str, str]] = OUTPUTS

    def observe(self, args: CommentArgs, at: Sessions) -> Seen:
        """Reads the ticket, and looks for the comment by its marker."""
        if not args.text.strip():
            raise Permanent("'text' is empty: there is nothing to say")
        desk, marker = desk_at(args.connection, at), marker_of(at)
        ticket = the_ticket(desk, args.ticket, args.key)
        return Seen(ticket, marker, desk.has_comment(ticket, marker), at.redact(args.text))

    def diff(self, args: CommentArgs, seen: Seen) -> Change | None:
        """The comment, when it is not there."""
        if seen.is_there:
            return None
        return Change(
            f"comment on ticket {seen.ticket.number}", texts=(TextChange("comment", None, seen.shown),), reversible=False,
            token=digest([seen.ticket.id, args.text, args.to_requestor]), payload=seen,
        )

    def apply(self, change: Change | Unpredictable, args: CommentArgs, at: Sessions, *, key: str) -> Receipt:
        """Adds the comment."""
        seen: Seen = change.payload  # type: ignore[assignment]  # diff put it there
        desk_at(args.connection, at).comment(seen.ticket, seen.marker, args.text, to_requestor=args.to_requestor)
        return Receipt({"id": seen.ticket.id, "url": seen.ticket.url}, f"commented on ticket {seen.ticket.number}")

    def outputs(self, args: CommentArgs, seen: Seen) -> Mapping[str, object]:
        """The ticket."""
        return outputs_of(seen.ticket)
