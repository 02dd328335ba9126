"""``number.caller_id``: people who are called see the original number, not the temporary one the call leaves through.

Where that is set differs by system: at the platform per user (NetSapiens), at Telnyx per SIP connection, at Twilio per call,
where only the permission can be proved. Emergency caller ID stays as it is everywhere.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import ClassVar

from engine.actions.number import netsapiens, telnyx, twilio
from engine.actions.number.provider import (
    Fields,
    Line,
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
from engine.ports import HttpSession, Sessions


@dataclass(frozen=True, slots=True)
class CallerIdArgs:
    """Arguments of ``number.caller_id``."""

    connection: str = arg("The platform or carrier the calls leave through.", connection=("netsapiens", "telnyx", "twilio"))
    show_as: str = arg("The number to be shown: usually the original one.", examples=("+12025550100", "{{ item.number }}"))
    line: str = arg(
        "Whose calls. NetSapiens: the user. Telnyx: the id of the SIP connection; left out, the one 'number' is attached to."
        " Twilio: not needed.",
        default="", examples=("{{ item.routes_to }}",),
    )
    number: str = arg("The number the calls really leave from: the temporary one.", default="")
    require_ownership: bool = arg(
        "Refuse a number the carrier does not know as yours: unowned, calls are marked as less trustworthy, or rejected.",
        default=True,
    )
    replace: bool = arg(
        "Telnyx: replace another number that is shown for the SIP connection's calls already. It holds for all of them.",
        default=False,
    )


class NumberCallerId:
    """Shows one number for calls that leave through another."""

    name: ClassVar[str] = "number.caller_id"
    version: ClassVar[int] = 1
    effect: ClassVar[Effect] = Effect.CHANGES
    doc: ClassVar[str] = "Outbound calls show the original number; set at the platform or carrier and read back."
    settle_s: ClassVar[float] = 30.0
    local: ClassVar[bool] = False
    Args = CallerIdArgs

    def observe(self, args: CallerIdArgs, at: Sessions) -> Seen:
        """Reads which number calls show."""
        shown = e164(args.show_as, "show_as")
        return _SYSTEMS[at.connection_type(args.connection)](args, shown, at.http(args.connection))

    def diff(self, args: CallerIdArgs, seen: Seen) -> Change | None:
        """From which number to which."""
        return change_of(seen)

    def apply(self, change: Change | Unpredictable, args: CallerIdArgs, at: Sessions, *, key: str) -> Receipt:
        """Sets the number that calls show."""
        return make_change(_provider(args, at), change.payload, at.http(args.connection), at.keep)

    def prepare(self, change: Change | Unpredictable, args: CallerIdArgs, at: Sessions) -> Receipt:
        """Keeps which number calls showed."""
        return kept_before(change.payload, at.keep)

    def undo(self, receipt: Receipt, args: CallerIdArgs, at: Sessions, *, key: str) -> None:
        """Sets the number that calls showed before."""
        take_back(_provider(args, at), receipt, at.http(args.connection), at.keep)

    def undoing(self, receipt: Receipt, args: CallerIdArgs, at: Sessions) -> Change | None:
        """From which number to which, back. Raises ``ChangedSince`` when somebody changed it since."""
        return taking_back(_provider(args, at), receipt, at.http(args.connection), at.keep)


def _on_netsapiens(args: CallerIdArgs, shown: str, http: HttpSession) -> Seen:
    line = _netsapiens(args).read(http)
    return Seen(line, {netsapiens.FIELD: shown}, f"show {shown} for calls of {args.line}")


def _on_telnyx(args: CallerIdArgs, shown: str, http: HttpSession) -> Seen:
    line = _telnyx(args).read(http)
    _refuse_tug_of_war(line.fields, shown, args)
    if args.require_ownership and not telnyx.may_show(http, shown):
        raise _unproved(shown, "Telnyx", "Numbers > Verified numbers in the portal, or POST /v2/verified_numbers")
    connection = line.id.rpartition("/")[2]
    note = f"holds for every call through SIP connection {connection}"
    return Seen(line, telnyx.override_with(shown), f"show {shown} for calls through {connection}", (note,))


def _on_twilio(args: CallerIdArgs, shown: str, http: HttpSession) -> Seen:
    if args.require_ownership and not twilio.may_show(http, shown):
        raise _unproved(shown, "Twilio", "Phone numbers > Verified caller IDs in the console")
    # Nothing is stored per number: the PBX names the number in each call, and Twilio lets it pass.
    return Seen(Line(shown, {}), {}, f"show {shown}")


def _refuse_tug_of_war(before: Fields, shown: str, args: CallerIdArgs) -> None:
    other = before.get("ani_override")
    if other is not None and other != shown and not args.replace:
        raise Permanent(
            f"the SIP connection shows {other} for all of its calls already, and can show only one number. Give each number its"
            " own connection, set the caller ID per user at the platform, or say 'replace: true' to show"
            f" {shown} instead"
        )


def _unproved(shown: str, carrier: str, where: str) -> Permanent:
    return Permanent(
        f"{carrier} does not know {shown} as this account's, so calls showing it may be refused or marked as spam. Verify it"
        f" under {where}: somebody has to answer a call on {shown}, so do it before its calls are forwarded. To go on without,"
        " set 'require_ownership: false'"
    )


def _netsapiens(args: CallerIdArgs) -> Provider:
    if not args.line:
        raise Permanent("'line' is needed: the user whose calls show this number")
    return netsapiens.NetSapiensCallerId(args.line)


def _telnyx(args: CallerIdArgs) -> Provider:
    if not args.line and not args.number:
        raise Permanent("'line' (the id of the SIP connection) or 'number' (a number attached to it) is needed")
    return telnyx.TelnyxCallerId(args.line, e164(args.number, "number") if args.number else "")


_SYSTEMS: Mapping[str, Callable[[CallerIdArgs, str, HttpSession], Seen]] = {
    "netsapiens": _on_netsapiens,
    "telnyx": _on_telnyx,
    "twilio": _on_twilio,
}
_PROVIDERS: Mapping[str, Callable[[CallerIdArgs], Provider]] = {"netsapiens": _netsapiens, "telnyx": _telnyx}


def _provider(args: CallerIdArgs, at: Sessions) -> Provider:
    kind = at.connection_type(args.connection)
    if kind not in _PROVIDERS:
        raise Permanent(f"a connection of type {kind} stores no caller ID, so there is nothing to change")
    return _PROVIDERS[kind](args)
