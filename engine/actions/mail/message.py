"""A mail as a value: who it is from and for, what it says, and the Message-ID that follows from all of it.

Pure: the same mail for the same address of the same customer has the same Message-ID wherever and whenever it is worked out.
Header values are checked before they become headers, so that no line break in a subject or a name makes a header of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from email import policy
from email.errors import HeaderParseError, NonASCIILocalPartDefect
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from fnmatch import fnmatchcase

from engine.model.errors import Permanent
from engine.model.plan import digest
from engine.model.values import dataclass

_LOCAL_PART = re.compile(r"[^\s\x00-\x1f\x7f\"(),:;<>@\[\\\]]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u2028\u2029]")
_SEVEN_BIT = policy.SMTP.clone(cte_type="7bit")
"""Quoted-printable or base64 for what is not ASCII: every server takes it."""
_BEYOND_ASCII = policy.SMTPUTF8.clone(cte_type="7bit")
"""For addresses that are not ASCII, which cannot be encoded."""
REHEARSAL = "[rehearsal]"


@dataclass(frozen=True, slots=True)
class Appointment:
    """What an invitation is about. ``method``: ``request`` invites, or moves what was invited to; ``cancel`` calls it off.

    ``uid`` names the appointment for as long as it is spoken of; of two mails about it the one with the higher ``sequence``
    counts.
    """

    uid: str
    method: str
    sequence: int
    start: datetime
    end: datetime
    summary: str
    location: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """A mail before it is bytes. ``redirected_from``: the recipients a rehearsal keeps it from."""

    sender: Address
    to: tuple[Address, ...]
    subject: str
    text: str
    html: str = ""
    cc: tuple[Address, ...] = ()
    bcc: tuple[Address, ...] = ()
    reply_to: tuple[Address, ...] = ()
    redirected_from: tuple[str, ...] = ()
    appointment: Appointment | None = None
    thread: str = ""
    """Message-ID that mails of one conversation refer to, so that they stand together; no mail need have it."""
    attached: tuple[tuple[str, str], ...] = ()
    """Files of text: name and content."""

    @property
    def recipients(self) -> tuple[str, ...]:
        """Who gets it: bare addresses, each once."""
        return tuple(dict.fromkeys(address.addr_spec for address in (*self.to, *self.cc, *self.bcc)))


def parsed(what: str, written: str | Sequence[str]) -> tuple[Address, ...]:
    """Addresses such as ``a@example.net`` or ``Ann Lee <a@example.net>``, several in one text too. ``what``: for the error.
    Raises ``Permanent`` for anything else. International domains become their ASCII form."""
    texts = (written,) if isinstance(written, str) else written
    return tuple(address for text in texts if text.strip() for address in _parsed_one(what, one_line(what, text)))


def one_line(what: str, text: str) -> str:
    """A header's value without surrounding space. Raises ``Permanent`` when it holds a line break or control character."""
    stripped = text.strip()
    if _CONTROL.search(stripped):
        raise Permanent(f"`{what}` must be one line without control characters, not {stripped[:80]!r}")
    return stripped


def _parsed_one(what: str, text: str) -> Iterable[Address]:
    addresses = _well_formed(text)
    if not addresses or not all(_is_plain(address) for address in addresses):
        raise Permanent(f"`{what}`: {text!r} is not a mail address; write a@example.net or Ann Lee <a@example.net>")
    return [_with_ascii_domain(what, address) for address in addresses]


def _well_formed(text: str) -> tuple[Address, ...]:
    try:
        header = policy.SMTPUTF8.header_factory("to", text)
    except (IndexError, ValueError, HeaderParseError):  # the library's parser runs off the end of "a@" and the like
        return ()
    addresses: tuple[Address, ...] = header.addresses
    # A local part beyond ASCII is no defect where SMTPUTF8 is spoken (RFC 6531).
    defects = [defect for defect in header.defects if not isinstance(defect, NonASCIILocalPartDefect)]
    return () if defects else addresses


def _is_plain(address: Address) -> bool:
    return bool(_LOCAL_PART.fullmatch(address.username)) and bool(_LOCAL_PART.fullmatch(address.domain))


def _with_ascii_domain(what: str, address: Address) -> Address:
    try:
        domain = address.domain.encode("idna").decode()
    except UnicodeError:
        raise Permanent(f"`{what}`: {address.domain!r} is not a domain name") from None
    return Address(address.display_name, address.username, domain)


def redirected(letter: Letter, to: Address) -> Letter:
    """The same mail for a rehearsal: to one address only, the subject marked, the real recipients named inside."""
    return replace(
        letter, to=(to,), cc=(), bcc=(), subject=f"{REHEARSAL} {letter.subject}", redirected_from=letter.recipients
    )


def not_allowed(recipients: Iterable[str], patterns: Sequence[str]) -> tuple[str, ...]:
    """The recipients that no pattern (``*@example.com``) matches; letter case does not count."""
    lowered = [pattern.strip().lower() for pattern in patterns]
    return tuple(r for r in recipients if not any(fnmatchcase(r.lower(), pattern) for pattern in lowered))


def message_id(letter: Letter, scope: str, address: str, occasion: str) -> str:
    """The Message-ID: 128 bits over everything that makes this mail this mail, at the sender's domain."""
    people = [[str(a) for a in group] for group in (letter.to, letter.cc, letter.bcc, letter.reply_to)]
    parts = [
        scope, address, occasion, str(letter.sender), people, list(letter.redirected_from),
        letter.subject, letter.text, letter.html,
    ]
    if letter.appointment is not None:
        about = letter.appointment
        when = [about.start.isoformat(), about.end.isoformat()]
        parts.append([about.uid, about.method, str(about.sequence), *when, about.summary, about.location])
    return f"<{digest(parts)}@{letter.sender.domain}>"


def composed(letter: Letter, identifier: str, date: datetime) -> bytes:
    """The message as bytes: text, with HTML beside it when there is any."""
    return worded(letter, identifier, date).as_bytes()


def worded(letter: Letter, identifier: str, date: datetime) -> EmailMessage:
    """The message before it is bytes, for those who put something beside its words."""
    ascii_only = all(a.addr_spec.isascii() for a in (letter.sender, *letter.to, *letter.cc, *letter.reply_to))
    message = EmailMessage(policy=_SEVEN_BIT if ascii_only else _BEYOND_ASCII)
    message["From"] = letter.sender
    message["To"] = letter.to
    if letter.cc:
        message["Cc"] = letter.cc
    if letter.reply_to:
        message["Reply-To"] = letter.reply_to
    message["Subject"] = letter.subject
    message["Date"] = format_datetime(date)
    message["Message-ID"] = identifier
    if letter.thread:
        message["In-Reply-To"] = letter.thread
        message["References"] = letter.thread
    # RFC 3834: keeps out-of-office answers away.
    message["Auto-Submitted"] = "auto-generated"
    for original in letter.redirected_from:
        message["X-Original-To"] = original
    message.set_content(letter.text, charset="utf-8")
    if letter.html:
        message.add_alternative(letter.html, subtype="html", charset="utf-8")
        message.set_boundary(boundary(identifier))
    for name, content in letter.attached:
        message.add_attachment(content, charset="utf-8", filename=name)
    if letter.attached:
        message.set_boundary(f"{boundary(identifier)}-files")
    return message


def boundary(identifier: str) -> str:
    """What parts the alternatives: from the Message-ID, so that the same mail is the same bytes."""
    return f"=_{identifier[1:33]}"
