"""Mail by the engine itself: what people are asked at gates, and the invitations to appointments.

On top of what ``mail.send`` and ``mail.invite`` go by: the connection's ``allow`` and ``redirect_all``, and the outbox. The
Message-ID follows from the occasion and not from the words, so that a process that died after sending finds that it did. A token
in a mail lies in the outbox as the mail does: in a file for its owner alone, beside the key that tokens are signed with.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from engine.actions.mail.delivery import for_rehearsal, hand_over, looked_up, sender_of
from engine.actions.mail.invitation import composed_invitation, rehearsed
from engine.actions.mail.message import Appointment, Letter, composed, one_line, parsed
from engine.language.templates import Templates
from engine.model.diagnostic import InvalidInput
from engine.model.errors import ActionFailure, InDoubt, SwitchoverError, Temporary
from engine.model.gate import GateState
from engine.model.inventory import Inventory
from engine.model.plan import Unpredictable, digest
from engine.model.values import dataclass
from engine.ports import Binding, Clock, Invitation, Notice, Sessions, SessionSource, Told
from engine.reporting.inbox import commands
from engine.reporting.wording import start_of
from engine.wiring.token_text import own, written

TEMPLATE = "notify/gate"
_TIME_OUT_S = 30.0
_ASKED = {
    "approval": "your approval is asked for", "input": "a form is to be filled in", "task": "something is to be done by hand",
    "appointment": "a time is to be chosen", "wait": "the run waits for something, and you are told because nobody has acted",
}


@dataclass(frozen=True, slots=True)
class MailNotifier:
    """Writes for one run. ``folder``: the project's state folder, which holds the key of tokens."""

    inventory: Inventory
    templates: Templates
    source: SessionSource
    clock: Clock
    redact: Callable[[str], str]
    scope: str
    folder: Path

    @property
    def tells(self) -> bool:
        """Whether the inventory says how people are written to."""
        return self.inventory.notify is not None

    def tell(self, notice: Notice) -> Told:
        """One mail to one person about a gate."""
        notify = self.inventory.notify
        if notify is None:
            return Told("failed", detail="the inventory does not say how people are written to: give it `notify`")

        def word(at: Sessions) -> Letter:
            letter = self._letter(notice, notify.connection, notify.sender, at)
            letter = for_rehearsal(letter, notify.connection, at)
            # A token is for its person alone: a mail that goes to somebody else has none.
            return self._worded(letter, notice, with_token=notify.tokens and not letter.redirected_from)

        return self._send(notice, notify.connection, word, composed)

    def invite(self, invitation: Invitation) -> Told:
        """One mail to all who are invited, for their calendars."""
        asked = invitation.gate.opened.ask["invite"]
        connection = str(asked["connection"])

        def word(at: Sessions) -> Letter:
            letter = self._invitation(invitation, asked, _sender(connection, str(asked.get("from", "")), at))
            return rehearsed(for_rehearsal(letter, connection, at))

        return self._send(invitation, connection, word, composed_invitation)

    # ------------------------------------------------------------ sending

    def _send(
        self, errand: Notice | Invitation, connection: str, word: Callable[[Sessions], Letter],
        compose: Callable[[Letter, str, datetime], bytes],
    ) -> Told:
        at = self._sessions(errand.address)
        key = digest([self.scope, errand.run, errand.address, errand.gate.opened_at.isoformat(), errand.why, errand.to])
        identifier = ""
        try:
            letter = word(at)
            identifier = f"<{key}@{letter.sender.domain}>"
            known = at.outbox.status(identifier)
            if known is not None and known.status == "sent":
                return Told("sent", identifier, known.detail)
            if known is not None and known.status == "sending":
                return Told("unknown", identifier, _UNKNOWN.format("the process that sent it died before the server's answer"))
            seen = looked_up(letter, identifier, at)
            change = Unpredictable(errand.why, "a mail cannot be taken back", payload=seen)
            receipt = hand_over(change, compose, connection, at, key)
            return Told("sent", identifier, str(receipt.data.get("answer", "")))
        except InDoubt:
            return Told("unknown", identifier, _UNKNOWN.format("the connection was lost before the server's answer"))
        except Temporary as failure:
            return Told("failed", identifier, self.redact(failure.why), again=True, unreachable=_is_down(connection, at))
        except ActionFailure as failure:
            return Told("failed", identifier, self.redact(failure.why))
        except InvalidInput as invalid:
            return Told("failed", identifier, self.redact("; ".join(d.detail for d in invalid.diagnostics)))
        except SwitchoverError as error:
            return Told("failed", identifier, self.redact(str(error)))

    def _sessions(self, address: str) -> Sessions:
        # Not the item's own address: a person's word on an item in doubt is none on what was written about it.
        deadline = self.clock.monotonic() + _TIME_OUT_S
        return self.source.bind(Binding(f"{address} (notice)", {}, self.redact, False, deadline))

    def _thread(self, run: str, domain: str) -> str:
        return f"<{digest([self.scope, run])}@{domain}>"

    # ------------------------------------------------------------ words

    def _letter(self, notice: Notice, connection: str, sender: str, at: Sessions) -> Letter:
        """Whom from and for; the words come once it is known who gets it."""
        written_by = _sender(connection, sender, at)
        customer, title = self._about(notice.gate)
        subject = _one_line(f"{_prefix(notice.why)}{customer}: {title}")
        to = parsed("email", notice.to)
        return replace(written_by, to=to, subject=subject, thread=self._thread(notice.run, written_by.sender.domain))

    def _worded(self, letter: Letter, notice: Notice, *, with_token: bool) -> Letter:
        words = self._words(notice)
        attached: tuple[tuple[str, str], ...] = ()
        if with_token and words["commands"]:
            token = own(notice.run, notice.address, notice.gate, notice.person, self.folder)
            name = f"{notice.run}-{notice.address.replace('/', '-').replace('[', '-').rstrip(']')}.token"
            attached = ((name, written(token, self.folder) + "\n"),)
            words["token"] = {
                "file": name, "expires": self._moment(datetime.fromisoformat(token.expires)),
                "commands": _redeeming(notice.gate, shlex.quote(name)),
            }
        text = self.templates.render_file(f"{TEMPLATE}.txt.j2", words).rstrip() + "\n"
        html = f"{TEMPLATE}.html.j2"
        shown = self.templates.render_file(html, words) if self.templates.has(html) else ""
        return replace(letter, text=text, html=shown, attached=attached)

    def _words(self, notice: Notice) -> dict[str, Any]:
        gate, ask = notice.gate, notice.gate.opened.ask
        customer, title = self._about(gate)
        whom = "" if notice.person.get("logins") else f" --as {shlex.quote(str(notice.person['role']))}"
        typed = [] if gate.closed else [_as(line, whom) for line in commands(notice.run, notice.address, gate)]
        typed = [line.replace(" NUMBER", " START") for line in typed]
        at = f"{notice.run} {shlex.quote(notice.address)}"
        return {
            "person": dict(notice.person), "said": _said(notice), "title": title, "customer": customer,
            "message": str(ask.get("message", "")), "points": _points(ask), "commands": typed, "token": None,
            "slots": [] if gate.closed else [
                {"number": number, "text": gate.spelled(offer), "command": f"switchover choose {at} {start_of(offer)}{whom}"}
                for number, offer in enumerate(gate.offers, 1)
            ],
            "due": self._moment(gate.due) if gate.due is not None and not gate.closed else "",
            "run": notice.run, "address": notice.address,
        }

    def _about(self, gate: GateState) -> tuple[str, str]:
        return self.inventory.title or self.inventory.customer, str(gate.opened.ask.get("title", gate.opened.address))

    def _moment(self, at: datetime) -> str:
        return f"{at.astimezone(ZoneInfo(self.inventory.timezone)):%a %Y-%m-%d %H:%M} {self.inventory.timezone}"

    def _invitation(self, invitation: Invitation, asked: Mapping[str, Any], letter: Letter) -> Letter:
        gate, last = invitation.gate, invitation.gate.choices[-1]
        when = gate.spelled((last.start, last.end))
        cancelled = invitation.method == "cancel"
        title = _one_line(str(asked["subject"]))
        lines = [
            "This appointment is called off." if cancelled else str(asked.get("text", "")).strip(),
            f"When: {when}", f"Where: {asked['location']}" if asked.get("location") else "",
            f"Moved: {last.reason}" if last.reason and not cancelled else "",
        ]
        about = Appointment(
            str(gate.opened.ask["uid"]), invitation.method, invitation.sequence,
            datetime.fromisoformat(last.start).astimezone(UTC), datetime.fromisoformat(last.end).astimezone(UTC), title,
            one_line("location", str(asked.get("location", ""))),
        )
        to = tuple(address for p in asked["people"] if p.get("email") for address in parsed("email", str(p["email"])))
        return replace(
            letter, to=to, subject=f"{'Called off: ' if cancelled else ''}{title}", text="\n\n".join(filter(None, lines)) + "\n",
            appointment=about, thread=self._thread(invitation.run, letter.sender.domain),
        )


_UNKNOWN = (
    "it may or may not have been sent: {}. It is not sent again; look for its Message-ID in the mail server's log, or ask"
)


def _is_down(connection: str, at: Sessions) -> bool:
    """Whether the server takes nothing from anybody now: a failure alone may be about one recipient."""
    try:
        at.mail(connection).check()
    except ActionFailure:
        return True
    return False


def _sender(connection: str, given: str, at: Sessions) -> Letter:
    """A letter with nothing but its sender."""
    sender = parsed("from", given)[0] if given else sender_of(connection, at)
    return Letter(sender, (), "", "")


def _prefix(why: str) -> str:
    if why.startswith("reminder"):
        return "Reminder: "
    return {"escalated": "Passed on to you: ", "timed out": "Too late: "}.get(why, "")


def _said(notice: Notice) -> str:
    gate, asked = notice.gate, _ASKED.get(notice.gate.opened.gate, "something is asked of you")
    if gate.closed is not None:
        return f"the time for this is over: {gate.closed.why}. It is {gate.closed.outcome}, and nothing more is to be done."
    if notice.why.startswith("reminder"):
        return f"this is a reminder: {asked}."
    if notice.why.startswith("proposal"):
        return "other times are proposed: please choose one."
    if notice.why == "escalated":
        return f"nobody acted in time, so this is passed on to you: {asked}."
    return f"{asked}."


def _points(ask: Mapping[str, Any]) -> list[str]:
    """A checklist, or what a form asks for."""
    schema = ask.get("schema", {})
    fields = {name: entry for name, entry in schema.get("properties", {}).items() if isinstance(entry, Mapping)}
    required = schema.get("required", ())
    return [*map(str, ask.get("checklist", ())), *(_field(name, entry, name in required) for name, entry in fields.items())]


def _field(name: str, entry: Mapping[str, Any], required: bool) -> str:
    about = str(entry.get("description") or entry.get("title") or "")
    choices = f" ({', '.join(map(str, entry['enum']))})" if "enum" in entry else ""
    return f"{name}{'' if required else ', optional'}{choices}{': ' if about else ''}{about}"


def _as(line: str, whom: str) -> str:
    """A command that acts, with whom it is for; one that only looks as it is."""
    return line if line.startswith(("switchover show", "switchover signal")) else f"{line}{whom}"


def _redeeming(gate: GateState, file: str) -> Sequence[str]:
    redeem = f"switchover redeem {file}"
    kind = gate.opened.gate
    if kind == "approval":
        return [f"{redeem} approve", f"{redeem} reject --comment WHY"]
    if kind == "input":
        return [f"{redeem} answer --set NAME=VALUE", f"{redeem} answer --file ANSWER.yml"]
    if kind == "task":
        return [f"{redeem} done{' --evidence FILE' if gate.opened.ask.get('evidence') else ''}"]
    if kind == "appointment":
        # By its start and not by its number: what is proposed may be another when the mail is read.
        return [f"{redeem} choose --slot START", f"{redeem} decline --comment WHY"]
    return []


def _one_line(text: str) -> str:
    return " ".join(text.split())
