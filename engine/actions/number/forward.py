"""``number.forward``: calls to the old number ring at its temporary number until the port is done."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from engine.actions.number import telnyx, twilio
from engine.actions.number.provider import (
    Fields,
    Provider,
    Seen,
    change_of,
    e164,
    kept_before,
    make_change,
    take_back,
    taking_back,
)
from engine.model.args import arg
from engine.model.errors import Permanent
from engine.model.plan import Change, Effect, Receipt, Unpredictable
from engine.model.values import dataclass
from engine.ports import Sessions


@dataclass(frozen=True, slots=True)
class ForwardArgs:
    """Arguments of ``number.forward``."""

    connection: str = arg("The carrier that holds the old number.", connection=("telnyx", "twilio"))
    number: str = arg("The old number, as people dial it.", examples=("+12025550100", "{{ item.number }}"))
    to: str = arg("The number its calls go to.", examples=("+12025550190", "{{ item.temporary_did }}"))


class NumberForward:
    """Forwards every call to a number, at the carrier that holds it."""

    name: ClassVar[str] = "number.forward"
    version: ClassVar[int] = 1
    effect: ClassVar[Effect] = Effect.CHANGES
    doc: ClassVar[str] = "Calls to a number go to another one; set at the carrier and read back."
    settle_s: ClassVar[float] = 30.0
    local: ClassVar[bool] = False
    Args = ForwardArgs

    def observe(self, args: ForwardArgs, at: Sessions) -> Seen:
        """Reads where the carrier sends the number's calls."""
        number, to = e164(args.number, "number"), e164(args.to, "to")
        if number == to:
            raise Permanent(f"{number} would be forwarded to itself, and its calls would loop. Correct 'to'")
        kind = at.connection_type(args.connection)
        line = _provider(kind, number).read(at.http(args.connection))
        return Seen(line, _wanted(kind, to, args, at), f"forward {number} to {to}", _notes(line.fields))

    def diff(self, args: ForwardArgs, seen: Seen) -> Change | None:
        """From where to where."""
        return change_of(seen)

    def apply(self, change: Change | Unpredictable, args: ForwardArgs, at: Sessions, *, key: str) -> Receipt:
        """Sets the forwarding."""
        return make_change(self._provider_of(args, at), change.payload, at.http(args.connection), at.keep)

    def prepare(self, change: Change | Unpredictable, args: ForwardArgs, at: Sessions) -> Receipt:
        """Keeps how it forwarded."""
        return kept_before(change.payload, at.keep)

    def undo(self, receipt: Receipt, args: ForwardArgs, at: Sessions, *, key: str) -> None:
        """Sets the forwarding as it was, or ends it where there was none."""
        take_back(self._provider_of(args, at), receipt, at.http(args.connection), at.keep)

    def undoing(self, receipt: Receipt, args: ForwardArgs, at: Sessions) -> Change | None:
        """From where to where, back. Raises ``ChangedSince`` when somebody changed it since."""
        return taking_back(self._provider_of(args, at), receipt, at.http(args.connection), at.keep)

    def _provider_of(self, args: ForwardArgs, at: Sessions) -> Provider:
        return _provider(at.connection_type(args.connection), e164(args.number, "number"))


_PROVIDERS: Mapping[str, type[telnyx.TelnyxForwarding] | type[twilio.TwilioForwarding]] = {
    "telnyx": telnyx.TelnyxForwarding,
    "twilio": twilio.TwilioForwarding,
}


def _provider(kind: str, number: str) -> Provider:
    return _PROVIDERS[kind](number)


def _wanted(kind: str, to: str, args: ForwardArgs, at: Sessions) -> Fields:
    if kind == "telnyx":
        return telnyx.forwarding_to(to)
    return twilio.forwarding_to(to, str(at.setting(args.connection, "forward_url", "") or ""))


def _notes(before: Fields) -> tuple[str, ...]:
    owner = before.get("trunk_sid") or before.get("voice_application_sid")
    if owner is None:
        return ()
    return (f"{owner} answered this number so far; it is detached, and attached again when this is undone",)
