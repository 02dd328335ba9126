"""``phone.resync``: a phone fetches its configuration again, and the fetch is the proof."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar

from engine.actions.phone.proof import Fetch, FetchQuestion, last_fetch, moment_given
from engine.actions.phone.vendors import model_of
from engine.model.args import arg
from engine.model.errors import Permanent, Temporary
from engine.model.plan import Change, Effect, FieldChange, Receipt, Unpredictable
from engine.model.values import dataclass
from engine.ports import Sessions, SipReply

_ASTERISK = "asterisk -rx {cli}"
_ASTERISK_SAYS = b"Sending NOTIFY"
"""What Asterisk prints when it did send: it ends with status 0 also when it does not know the endpoint."""

REFUSALS: dict[int, str] = {
    403: "the phone or proxy forbids it; phones obey only the proxy they are registered to",
    404: "nobody of that name is registered there",
    405: "it does not take NOTIFY at all; check that this is the phone or its proxy",
    481: "the phone takes a NOTIFY only within a subscription, or not from here; it obeys the proxy it is registered to",
    486: "the phone is in a call",
    488: "the phone cannot do this now",
    489: "the phone does not know this Event; check vendor and model in the inventory",
    600: "the phone is in a call",
}
"""Answers to a NOTIFY, in the operator's words (RFC 3261, 21; RFC 6665, 8.3.2)."""
_PASSING = frozenset({486, 487, 491, 500, 502, 600})
"""Answers after which trying again may help."""


@dataclass(frozen=True, slots=True)
class PhoneResyncArgs:
    """Arguments of ``phone.resync``."""

    connection: str = arg(
        "What tells the phone: a sip connection sends NOTIFY, an ssh connection runs a command.", connection=("sip", "ssh"),
    )
    vendor: str = arg("Its vendor.", examples=("{{ item.vendor }}",))
    model: str = arg("Its model.", examples=("{{ item.model }}",))
    mac: str = arg("Its MAC.", examples=("{{ item.mac }}",))
    extension: str = arg("The extension it is registered as, where it is told.", examples=("{{ item.extension }}",))
    proof: str | None = arg(
        "Where the fetch can be read: the platform, or the machine with the provisioning server's log. Without it the phone is "
        "told and nobody knows whether it listened.",
        default=None, connection=("netsapiens", "local", "sftp", "ssh"),
    )
    fetch_log: str = arg("Path of the provisioning server's log on the proof connection.", default="")
    log_timezone: str = arg("Time zone of log lines that carry none.", default="UTC")
    ignore_from: tuple[str, ...] = arg(
        "Client addresses whose fetches do not count, such as this machine reading back what it wrote.", default=(),
    )
    since: str | None = arg(
        "When its configuration last changed, ISO 8601. A fetch after that is enough; empty: any fetch is.", default=None,
        examples=("{{ steps.config.changed_at }}",),
    )
    tolerance_s: float = arg("How far this clock and the other side's may differ.", default=1.0, minimum=0)
    uri: str = arg("SIP address to notify; empty: sip:EXTENSION@ the connection's domain or host.", default="")
    host: str | None = arg("With ssh: this host instead of the connection's, such as the phone itself.", default=None)
    command: str = arg("With ssh: the command; empty: Asterisk's 'pjsip send notify' for this vendor.", default="")
    reboot: bool = arg("Reboot the phone instead of a soft resync.", default=False)


@dataclass(frozen=True, slots=True)
class ResyncSeen:
    """The last fetch; None when no proof is configured. ``since`` is the moment it has to come after."""

    fetch: Fetch | None
    since: datetime | None


class PhoneResync:
    """Tells one phone to fetch its files, by its vendor's event, and waits until the fetch can be read.

    A resync cannot be taken back and need not be: to roll back, put the old configuration in place and resync again. So it
    counts as reversible, and undoing it does nothing.
    """

    name: ClassVar[str] = "phone.resync"
    version: ClassVar[int] = 1
    effect: ClassVar[Effect] = Effect.CHANGES
    doc: ClassVar[str] = "The phone has fetched its configuration since it last changed."
    settle_s: ClassVar[float] = 60.0
    local: ClassVar[bool] = False
    Args = PhoneResyncArgs

    def facts(self) -> Mapping[str, Sequence[str]]:
        """What it knows of each vendor, for its page."""
        from engine.actions.phone.vendor_facts import event_facts  # noqa: PLC0415  # only for a page, not at every start

        return event_facts()

    def observe(self, args: PhoneResyncArgs, at: Sessions) -> ResyncSeen:
        """Reads when the phone last fetched, where that can be known."""
        since = moment_given(args.since)
        if args.proof is None:
            return ResyncSeen(None, since)
        question = FetchQuestion(
            args.proof, args.vendor, args.model, args.mac, args.fetch_log, args.log_timezone, args.ignore_from,
        )
        return ResyncSeen(last_fetch(question, at), since)

    def diff(self, args: PhoneResyncArgs, seen: ResyncSeen) -> Change | Unpredictable | None:
        """Nothing when the last fetch came after the change."""
        event = _event(args)
        summary = f"resync {args.extension} ({event})"
        if seen.fetch is None:
            return Unpredictable(summary, "no proof is configured, so whether the phone fetches its file cannot be read")
        if seen.fetch.last is not None:
            if seen.since is None or seen.fetch.last >= seen.since - timedelta(seconds=args.tolerance_s):
                return None
            wanted = f"after {seen.since.isoformat(timespec='seconds')}"
        else:
            wanted = "after the change"
        return Change(summary, fields=(FieldChange("configuration fetched", seen.fetch.shown(), wanted),))

    def unseen(self, given: Mapping[str, object]) -> str:
        return "" if given.get("proof") else "without 'proof' nobody can tell whether the phone has fetched its file"

    def apply(self, change: Change | Unpredictable, args: PhoneResyncArgs, at: Sessions, *, key: str) -> Receipt:
        """Tells the phone. Repeating it is harmless: the phone fetches again."""
        if at.connection_type(args.connection) == "sip":
            return _notify(args, at)
        return _run(args, at)

    def undo(self, receipt: Receipt, args: PhoneResyncArgs, at: Sessions, *, key: str) -> None:
        """Does nothing: what a phone fetched is replaced by its next resync, not by taking this one back."""

    def undoing(self, receipt: Receipt, args: PhoneResyncArgs, at: Sessions) -> Change | None:
        """Nothing."""
        return None


def _event(args: PhoneResyncArgs) -> str:
    family = model_of(args.vendor, args.model).family
    return family.reboot_event if args.reboot else family.event


def _notify(args: PhoneResyncArgs, at: Sessions) -> Receipt:
    event = _event(args)
    domain = at.setting(args.connection, "domain") or at.setting(args.connection, "host", "localhost")
    uri = args.uri or f"sip:{args.extension}@{domain}"
    reply = at.sip(args.connection).notify(uri, event)
    if not 200 <= reply.status < 300:
        raise _refusal(uri, event, reply)
    return Receipt({"uri": uri, "event": event, "answer": reply.status}, summary=f"{uri} heard {event}")


def _refusal(uri: str, event: str, reply: SipReply) -> Temporary | Permanent:
    meaning = REFUSALS.get(reply.status, "it was not accepted")
    why = f"NOTIFY {event} to {uri}: answered {reply.status} {reply.reason}".rstrip() + f": {meaning}"
    return Temporary(why) if reply.status in _PASSING else Permanent(why)


def _run(args: PhoneResyncArgs, at: Sessions) -> Receipt:
    command = args.command or _asterisk_command(args)
    result = at.shell(args.connection, args.host).run(command)
    said = at.redact((result.stderr or result.stdout).decode("utf-8", "replace").strip())[:300]
    if result.status != 0:
        raise Permanent(f"{at.redact(command)} ended with status {result.status}: {said or 'it said nothing'}")
    if not args.command and _ASTERISK_SAYS not in result.stdout:
        raise Permanent(f"Asterisk did not send the NOTIFY to {args.extension}: {said or 'it said nothing'}")
    return Receipt({"command": at.redact(command)}, summary=f"ran {at.redact(command)}")


def _asterisk_command(args: PhoneResyncArgs) -> str:
    section = model_of(args.vendor, args.model).family.asterisk_notify
    if args.reboot:
        raise Permanent("for a reboot over ssh give the command: Asterisk's sample configuration has no section for it")
    return _ASTERISK.format(cli=shlex.quote(f"pjsip send notify {section} endpoint {args.extension}"))
