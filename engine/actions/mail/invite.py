"""mail.invite: people are invited to an appointment, and told when it moves or is called off."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import ClassVar

from engine.actions.mail.delivery import (
    Seen,
    fields,
    for_rehearsal,
    hand_over,
    looked_up,
    people,
    recipients_of,
    rendered,
    sender_of,
    subject_of,
)
from engine.actions.mail.invitation import composed_invitation, rehearsed
from engine.actions.mail.message import Appointment, Letter, message_id, one_line
from engine.model.args import arg
from engine.model.errors import Permanent
from engine.model.plan import Change, Effect, FieldChange, Receipt, TextChange, Unpredictable, digest
from engine.model.values import dataclass
from engine.ports import Sessions


@dataclass(frozen=True, slots=True)
class MailInviteArgs:
    """Whom to invite, and to what."""

    connection: str = arg("The mail server. Its `from` is the sender, and the organizer.", connection=("smtp",))
    to: tuple[str, ...] | str = arg(
        "Who is invited: one address or a list.", examples=("{{ item.email }}", ["Ann Lee <ann@example.net>"])
    )
    subject: str = arg("Subject of the mail, one line.")
    start: str = arg("When it begins: ISO 8601 with its offset.", examples=("2026-10-27T09:00-05:00",))
    end: str = arg("When it ends: ISO 8601 with its offset.", examples=("2026-10-27T11:00-05:00",))
    summary: str = arg("What the calendar shows; default the subject.", default="")
    location: str = arg("Where it is.", default="")
    template: str = arg(
        "Templates of text and HTML: `mail/notice` stands for `mail/notice.txt.j2` and, when there is one, "
        "`mail/notice.html.j2`. Instead of `description`.",
        default="", examples=("mail/appointment",), template=(".txt.j2", ".html.j2"),
    )
    description: str = arg("What it is about, instead of `template`: text of the mail and of the calendar's entry.", default="")
    method: str = arg(
        "`request` invites, or moves what was invited to; `cancel` calls it off.", default="request",
        choices=("request", "cancel"),
    )
    sequence: int = arg("How often it has changed since it was first sent; the highest one counts.", default=0, minimum=0)
    appointment: str = arg(
        "Names the appointment, so that several steps speak of the same one. Default: the address of this step and item.",
        default="", examples=("visit-{{ item.extension }}",),
    )
    uid: str = arg("Its UID, where another system has made the appointment. Instead of `appointment`.", default="")


class MailInvite:
    """Sends an invitation by mail, once for each `sequence`: text and HTML for people, iCalendar for their calendars.

    The UID stays the same for the same customer and appointment, so that a later request moves it and `cancel` calls it off.
    For the rest it is as ``mail.send``: a Message-ID that follows from the mail, an outbox, `allow` and `redirect_all`. A
    rehearsal's appointment has a UID of its own, or the real one that comes later would count as seen.
    """

    name: ClassVar[str] = "mail.invite"
    version: ClassVar[int] = 1
    effect: ClassVar[Effect] = Effect.CHANGES
    informs: ClassVar[bool] = True
    doc: ClassVar[str] = "People are invited to an appointment by mail, once, and their calendars know of it."
    settle_s: ClassVar[float] = 0.0
    local: ClassVar[bool] = False
    Args = MailInviteArgs

    def observe(self, args: MailInviteArgs, at: Sessions) -> Seen:
        """Words the invitation and looks it up in the outbox. Raises ``InDoubt`` when an earlier attempt may have sent it."""
        letter = rehearsed(for_rehearsal(_letter(args, at), args.connection, at))
        return looked_up(letter, message_id(letter, at.scope, at.address, ""), at)

    def diff(self, args: MailInviteArgs, seen: Seen) -> Change | Unpredictable | None:
        """None once it was sent."""
        if seen.entry is not None and seen.entry.status == "sent":
            return None
        letter = seen.letter
        return Unpredictable(
            summary=f"will {'call off' if args.method == 'cancel' else 'invite to'} \"{letter.subject}\": {people(letter)}",
            why="a mail cannot be taken back, nor its arrival be read",
            reversible=False,
            not_yet_done=True,
            payload=seen,
            fields=(*fields(letter), *_about(letter)),
            texts=(TextChange("text", None, seen.shown_text),),
            notes=("with an HTML version beside the text",) if letter.html else (),
        )

    def unseen(self, given: Mapping[str, object]) -> str:
        return "a mail that was sent leaves nothing that could be looked at"

    def apply(self, change: Change | Unpredictable, args: MailInviteArgs, at: Sessions, *, key: str) -> Receipt:
        """Puts the message into the outbox, hands it over, and notes the server's answer."""
        return hand_over(change, composed_invitation, args.connection, at, key)


def _letter(args: MailInviteArgs, at: Sessions) -> Letter:
    sender, to, subject = sender_of(args.connection, at), recipients_of(args.to), subject_of(args.subject)
    if bool(args.template) == bool(args.description):
        raise Permanent("one of `template` and `description` is needed" + (", not both" if args.template else ""))
    text, html = rendered(args.template, at) if args.template else (args.description.rstrip() + "\n", "")
    start, end = _instant("start", args.start), _instant("end", args.end)
    if end <= start:
        raise Permanent(f"`end` ({args.end}) is not after `start` ({args.start}): an appointment takes time")
    appointment = Appointment(
        _uid(args, at, sender.domain), args.method, args.sequence, start, end,
        one_line("summary", args.summary) or subject, one_line("location", args.location),
    )
    return Letter(sender, to, subject, text, html, appointment=appointment)


def _uid(args: MailInviteArgs, at: Sessions, domain: str) -> str:
    uid, appointment = one_line("uid", args.uid), one_line("appointment", args.appointment)
    if uid and appointment:
        raise Permanent("`uid` and `appointment` both name the appointment: give one of them")
    if args.method == "cancel" and not uid and not appointment:
        raise Permanent(
            "`method: cancel` does not say what it calls off: give the `appointment` (or `uid`) of the step that invited to it"
        )
    return uid or f"{digest([at.scope, appointment or at.address])}@{domain}"


def _instant(name: str, written: str) -> datetime:
    try:
        at = datetime.fromisoformat(written.strip())
    except ValueError:
        raise Permanent(f"`{name}`: {written!r} is no time; write 2026-10-27T09:00-05:00") from None
    if at.tzinfo is None:
        raise Permanent(f"`{name}`: {written!r} says no offset, so nobody can tell when that is; write 2026-10-27T09:00-05:00")
    return at.astimezone(UTC).replace(microsecond=0)


def _about(letter: Letter) -> list[FieldChange]:
    about = letter.appointment
    if about is None:
        raise TypeError("an invitation without an appointment")
    shown = {
        "start": about.start.isoformat(), "end": about.end.isoformat(), "summary": about.summary, "location": about.location,
        "method": about.method, "sequence": str(about.sequence), "uid": about.uid,
    }
    return [FieldChange(name, None, value) for name, value in shown.items() if value]
