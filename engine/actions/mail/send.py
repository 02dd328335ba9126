"""mail.send: people are told, once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from engine.actions.mail.message import Letter, composed, message_id, not_allowed, one_line, parsed, redirected
from engine.model.args import arg
from engine.model.errors import ActionFailure, InDoubt, Permanent
from engine.model.plan import Change, Effect, FieldChange, Receipt, TextChange, Unpredictable
from engine.ports import OutboxEntry, Sessions


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


@dataclass(frozen=True, slots=True)
class Seen:
    """The mail as it would leave, and what the outbox knows of it."""

    letter: Letter
    message_id: str
    entry: OutboxEntry | None
    shown_text: str
    """The text with secrets masked."""


class MailSend:
    """Sends one mail, text and HTML, once: what was sent is known by a Message-ID that follows from the mail itself.

    The outbox holds every message before it leaves. When a connection or the engine dies between handing a message over and
    the server's answer, nobody can tell whether it was taken: the item is then in doubt until a person has looked.
    A connection with ``allow`` writes to matching addresses only; with ``redirect_all`` everything goes to that one address.
    """

    name: ClassVar[str] = "mail.send"
    version: ClassVar[int] = 1
    effect: ClassVar[Effect] = Effect.CHANGES
    doc: ClassVar[str] = "People are told by mail, once, by text and HTML from templates."
    settle_s: ClassVar[float] = 0.0
    local: ClassVar[bool] = False
    Args = MailSendArgs

    def observe(self, args: MailSendArgs, at: Sessions) -> Seen:
        """Words the mail and looks it up in the outbox. Raises ``InDoubt`` when an earlier attempt may have sent it."""
        letter = _for_rehearsal(_letter(args, at), args.connection, at)
        identifier = message_id(letter, at.scope, at.address, args.occasion)
        entry = at.outbox.status(identifier)
        if entry is not None and entry.status == "sending":
            raise _in_doubt(entry, letter.recipients, "the attempt at it ended without an answer")
        return Seen(letter, identifier, entry, at.redact(letter.text))

    def diff(self, args: MailSendArgs, seen: Seen) -> Change | Unpredictable | None:
        """None once it was sent."""
        if seen.entry is not None and seen.entry.status == "sent":
            return None
        letter = seen.letter
        return Unpredictable(
            summary=f'will send "{letter.subject}" to {_people(letter)}',
            why="a mail cannot be taken back, nor its arrival be read",
            reversible=False,
            not_yet_done=True,
            payload=seen,
            fields=tuple(_fields(letter)),
            texts=(TextChange("text", None, seen.shown_text),),
            notes=("with an HTML version beside the text",) if letter.html else (),
        )

    def apply(self, change: Change | Unpredictable, args: MailSendArgs, at: Sessions, *, key: str) -> Receipt:
        """Puts the message into the outbox, hands it over, and notes the server's answer."""
        seen = change.payload
        if not isinstance(seen, Seen):
            raise TypeError("the change is not one that diff made")
        earlier = at.outbox.of_attempt(key)
        if earlier is not None and earlier.status == "sent":
            # Worded anew since (counts in a report, say), but this run has already said it.
            return _receipt(seen.letter, earlier.message_id, earlier.detail)
        if earlier is not None and earlier.status == "sending":
            raise _in_doubt(earlier, seen.letter.recipients, "the attempt at it ended without an answer")
        answer = _send(seen, args.connection, at, key)
        return _receipt(seen.letter, seen.message_id, answer)


def _send(seen: Seen, connection: str, at: Sessions, key: str) -> str:
    """One hand-over between two durable marks. Only what is certain changes the first one back."""
    session, outbox, identifier = at.mail(connection), at.outbox, seen.message_id
    message = composed(seen.letter, identifier, at.clock.now())
    outbox.put(identifier, message, scope=at.scope, address=at.address, key=key)
    outbox.mark(identifier, "sending")
    try:
        answer = session.send(message, seen.letter.sender.addr_spec, seen.letter.recipients)
    except InDoubt as doubt:
        outbox.mark(identifier, "sending", at.redact(doubt.why))
        stuck = OutboxEntry(identifier, at.scope, at.address, "sending", at.clock.now())
        raise _in_doubt(stuck, seen.letter.recipients, doubt.why) from doubt
    except ActionFailure as failure:
        outbox.mark(identifier, "unsent", at.redact(failure.why))
        raise
    outbox.mark(identifier, "sent", at.redact(answer))
    return answer


def _letter(args: MailSendArgs, at: Sessions) -> Letter:
    sender = parsed("from", str(at.setting(args.connection, "from", "") or ""))
    if len(sender) != 1:
        raise Permanent(f"connection '{args.connection}' must say who mails are from: set `from` to one address")
    to = parsed("to", args.to)
    if not to:
        raise Permanent("`to` is empty: the mail has no recipient. Check the person's `email` in the inventory")
    subject = one_line("subject", args.subject)
    if not subject:
        raise Permanent("`subject` is empty")
    text, html = _bodies(args, at)
    return Letter(
        sender[0], to, subject, text, html, parsed("cc", args.cc), parsed("bcc", args.bcc), parsed("reply_to", args.reply_to)
    )


def _bodies(args: MailSendArgs, at: Sessions) -> tuple[str, str]:
    if bool(args.template) == bool(args.text):
        raise Permanent("one of `template` and `text` is needed" + (", not both" if args.template else ""))
    if not args.template:
        return args.text.rstrip() + "\n", args.html
    if args.html:
        raise Permanent(f"`html` stands beside `text`; with `template` it is read from {args.template}.html.j2")
    html = f"{args.template}.html.j2"
    return at.render(f"{args.template}.txt.j2").rstrip() + "\n", at.render(html) if at.has_template(html) else ""


def _for_rehearsal(letter: Letter, connection: str, at: Sessions) -> Letter:
    """Applies the connection's ``redirect_all`` and ``allow``. Raises ``Permanent`` for a recipient that is not allowed."""
    everything_to = at.setting(connection, "redirect_all", None)
    if everything_to:
        target = parsed("redirect_all", str(everything_to))
        if len(target) != 1:
            raise Permanent(f"`redirect_all` of connection '{connection}' must be one address")
        letter = redirected(letter, target[0])
    allow = at.setting(connection, "allow", None)
    if allow is None:
        return letter
    patterns = [allow] if isinstance(allow, str) else [str(pattern) for pattern in allow]
    refused = not_allowed(letter.recipients, patterns)
    if refused:
        raise Permanent(
            f"{', '.join(refused)} is not among those that connection '{connection}' may write to "
            f"(`allow`: {', '.join(patterns) or 'nobody'}); nothing is sent to anybody"
        )
    return letter


def _people(letter: Letter) -> str:
    count = len(letter.recipients)
    names = f"{count} recipient{'s' if count != 1 else ''}: {', '.join(letter.recipients)}"
    return f"{names} (redirected, instead of {', '.join(letter.redirected_from)})" if letter.redirected_from else names


def _fields(letter: Letter) -> list[FieldChange]:
    lines = {"from": (letter.sender,), "to": letter.to, "cc": letter.cc, "bcc": letter.bcc, "reply_to": letter.reply_to}
    shown = [FieldChange(name, None, ", ".join(map(str, people))) for name, people in lines.items() if people]
    return [*shown, FieldChange("subject", None, letter.subject)]


def _receipt(letter: Letter, identifier: str, answer: str) -> Receipt:
    data = {
        "message_id": identifier, "recipients": list(letter.recipients), "answer": answer,
        "redirected_from": list(letter.redirected_from),
    }
    return Receipt(data, f'sent "{letter.subject}" to {_people(letter)}: {answer}')


def _in_doubt(entry: OutboxEntry, recipients: tuple[str, ...], why: str) -> InDoubt:
    return InDoubt(
        f"the mail {entry.message_id} to {', '.join(recipients)} may or may not have been sent at {entry.at.isoformat()}: "
        f"{why}. Look for that Message-ID in the mail server's log, or ask a recipient. Then answer: resume with "
        f"`--done '{entry.address}'` when it was sent, with `--again '{entry.address}'` when it was not"
    )
