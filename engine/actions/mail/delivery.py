"""One mail out of the house, once: what every action that sends one shares.

The outbox holds a message before it leaves. When a connection or the engine dies between handing it over and the server's
answer, nobody can tell whether it was taken: the item is then in doubt until a person has looked.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from email.headerregistry import Address

from engine.actions.mail.message import Letter, not_allowed, one_line, parsed, redirected
from engine.model.errors import ActionFailure, InDoubt, Permanent
from engine.model.plan import Change, FieldChange, Receipt, Unpredictable
from engine.model.values import dataclass
from engine.ports import OutboxEntry, Sessions

Compose = Callable[[Letter, str, datetime], bytes]
"""Letter, Message-ID and date -> the message as bytes."""


@dataclass(frozen=True, slots=True)
class Seen:
    """The mail as it would leave, and what the outbox knows of it."""

    letter: Letter
    message_id: str
    entry: OutboxEntry | None
    shown_text: str
    """The text with secrets masked."""


def looked_up(letter: Letter, identifier: str, at: Sessions) -> Seen:
    """What is known of a mail. Raises ``InDoubt`` when an earlier attempt may have sent it."""
    entry = at.outbox.status(identifier)
    if entry is not None and entry.status == "sending":
        raise _in_doubt(entry, letter.recipients, "the attempt at it ended without an answer")
    return Seen(letter, identifier, entry, at.redact(letter.text))


def hand_over(change: Change | Unpredictable, compose: Compose, connection: str, at: Sessions, key: str) -> Receipt:
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
    answer = _send(seen, compose, connection, at, key)
    return _receipt(seen.letter, seen.message_id, answer)


def _send(seen: Seen, compose: Compose, connection: str, at: Sessions, key: str) -> str:
    """One hand-over between two durable marks. Only what is certain changes the first one back."""
    session, outbox, identifier = at.mail(connection), at.outbox, seen.message_id
    message = compose(seen.letter, identifier, at.clock.now())
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


def sender_of(connection: str, at: Sessions) -> Address:
    """Who mails of a connection are from. Raises ``Permanent`` when it does not say exactly that."""
    sender = parsed("from", str(at.setting(connection, "from", "") or ""))
    if len(sender) != 1:
        raise Permanent(f"connection '{connection}' must say who mails are from: set `from` to one address")
    return sender[0]


def recipients_of(to: tuple[str, ...] | str) -> tuple[Address, ...]:
    """Who a mail is for. Raises ``Permanent`` when that is nobody."""
    people = parsed("to", to)
    if not people:
        raise Permanent("`to` is empty: the mail has no recipient. Check the person's `email` in the inventory")
    return people


def subject_of(written: str) -> str:
    """A subject: one line that says something. Raises ``Permanent`` otherwise."""
    subject = one_line("subject", written)
    if not subject:
        raise Permanent("`subject` is empty")
    return subject


def rendered(template: str, at: Sessions) -> tuple[str, str]:
    """Text and HTML of a pair of templates; the HTML is empty where there is none."""
    html = f"{template}.html.j2"
    return at.render(f"{template}.txt.j2").rstrip() + "\n", at.render(html) if at.has_template(html) else ""


def for_rehearsal(letter: Letter, connection: str, at: Sessions) -> Letter:
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


def people(letter: Letter) -> str:
    """Who gets it, for a summary."""
    count = len(letter.recipients)
    names = f"{count} recipient{'s' if count != 1 else ''}: {', '.join(letter.recipients)}"
    return f"{names} (redirected, instead of {', '.join(letter.redirected_from)})" if letter.redirected_from else names


def fields(letter: Letter) -> list[FieldChange]:
    """The headers that a plan shows."""
    lines = {"from": (letter.sender,), "to": letter.to, "cc": letter.cc, "bcc": letter.bcc, "reply_to": letter.reply_to}
    shown = [FieldChange(name, None, ", ".join(map(str, people))) for name, people in lines.items() if people]
    return [*shown, FieldChange("subject", None, letter.subject)]


def _receipt(letter: Letter, identifier: str, answer: str) -> Receipt:
    data = {
        "message_id": identifier, "recipients": list(letter.recipients), "answer": answer,
        "redirected_from": list(letter.redirected_from),
    }
    return Receipt(data, f'sent "{letter.subject}" to {people(letter)}: {answer}')


def _in_doubt(entry: OutboxEntry, recipients: tuple[str, ...], why: str) -> InDoubt:
    return InDoubt(
        f"the mail {entry.message_id} to {', '.join(recipients)} may or may not have been sent at {entry.at.isoformat()}: "
        f"{why}. Look for that Message-ID in the mail server's log, or ask a recipient. Then answer: resume with "
        f"`--done '{entry.address}'` when it was sent, with `--again '{entry.address}'` when it was not"
    )
