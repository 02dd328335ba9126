"""mail.send: people are told, once."""

from __future__ import annotations

from collections.abc import Mapping
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
from engine.actions.mail.message import Letter, composed, message_id, parsed
from engine.model.args import arg
from engine.model.errors import Permanent
from engine.model.plan import Change, Effect, Receipt, TextChange, Unpredictable
from engine.model.values import dataclass
from engine.ports import Sessions


@dataclass(frozen=True, slots=True)
class MailSendArgs:
    """What to send, and to whom."""

    connection: str = arg("The mail server. Its `from` is the sender.", connection=("smtp",))
    to: tuple[str, ...] | str = arg(
        "Who gets it: one address or a list.", examples=("{{ people.partner.email }}", ["Ann Lee <ann@example.net>"])
    )
    subject: str = arg("One line.")
    template: str = arg(
        "Templates of text and HTML: `mail/notice` stands for `mail/notice.txt.j2` and, when there is one, "
        "`mail/notice.html.j2`. Instead of `text`.",
        default="", examples=("mail/cutover-start",), template=(".txt.j2", ".html.j2"),
    )
    text: str = arg("The text itself, instead of `template`.", default="")
    html: str = arg("HTML beside `text`. Values are not escaped here; in a template they are.", default="")
    cc: tuple[str, ...] | str = arg("Who gets a copy.", default=())
    bcc: tuple[str, ...] | str = arg("Who gets a copy that the others do not see.", default=())
    reply_to: tuple[str, ...] | str = arg("Where answers go, when not to the sender.", default=())
    occasion: str = arg(
        "Tells apart repeats that are meant: the same mail is sent again only for another occasion.", default="",
        examples=("{{ run.id }}", "second reminder"),
    )


class MailSend:
    """Sends one mail, text and HTML, once: what was sent is known by a Message-ID that follows from the mail itself.

    The outbox holds every message before it leaves. When a connection or the engine dies between handing a message over and
    the server's answer, nobody can tell whether it was taken: the item is then in doubt until a person has looked.
    A connection with ``allow`` writes to matching addresses only; with ``redirect_all`` everything goes to that one address.
    """

    name: ClassVar[str] = "mail.send"
    version: ClassVar[int] = 1
    effect: ClassVar[Effect] = Effect.CHANGES
    informs: ClassVar[bool] = True
    doc: ClassVar[str] = "People are told by mail, once, by text and HTML from templates."
    settle_s: ClassVar[float] = 0.0
    local: ClassVar[bool] = False
    Args = MailSendArgs

    def observe(self, args: MailSendArgs, at: Sessions) -> Seen:
        """Words the mail and looks it up in the outbox. Raises ``InDoubt`` when an earlier attempt may have sent it."""
        letter = for_rehearsal(_letter(args, at), args.connection, at)
        return looked_up(letter, message_id(letter, at.scope, at.address, args.occasion), at)

    def diff(self, args: MailSendArgs, seen: Seen) -> Change | Unpredictable | None:
        """None once it was sent."""
        if seen.entry is not None and seen.entry.status == "sent":
            return None
        letter = seen.letter
        return Unpredictable(
            summary=f'will send "{letter.subject}" to {people(letter)}',
            why="a mail cannot be taken back, nor its arrival be read",
            reversible=False,
            not_yet_done=True,
            payload=seen,
            fields=tuple(fields(letter)),
            texts=(TextChange("text", None, seen.shown_text),),
            notes=("with an HTML version beside the text",) if letter.html else (),
        )

    def unseen(self, given: Mapping[str, object]) -> str:
        return "a mail that was sent leaves nothing that could be looked at"

    def apply(self, change: Change | Unpredictable, args: MailSendArgs, at: Sessions, *, key: str) -> Receipt:
        """Puts the message into the outbox, hands it over, and notes the server's answer."""
        return hand_over(change, composed, args.connection, at, key)


def _letter(args: MailSendArgs, at: Sessions) -> Letter:
    sender, to, subject = sender_of(args.connection, at), recipients_of(args.to), subject_of(args.subject)
    text, html = _bodies(args, at)
    return Letter(
        sender, to, subject, text, html, parsed("cc", args.cc), parsed("bcc", args.bcc), parsed("reply_to", args.reply_to)
    )


def _bodies(args: MailSendArgs, at: Sessions) -> tuple[str, str]:
    if bool(args.template) == bool(args.text):
        raise Permanent("one of `template` and `text` is needed" + (", not both" if args.template else ""))
    if not args.template:
        return args.text.rstrip() + "\n", args.html
    if args.html:
        raise Permanent(f"`html` stands beside `text`; with `template` it is read from {args.template}.html.j2")
    return rendered(args.template, at)
