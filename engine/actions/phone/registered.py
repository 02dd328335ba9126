"""``phone.registered``: proof that a phone is where it should be. Only reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar
from urllib.parse import quote

from engine.actions.phone.fetch_log import moment_of
from engine.actions.phone.proof import Fetch, FetchQuestion, complaint, last_fetch, moment_given
from engine.actions.phone.vendors import model_of
from engine.model.args import arg
from engine.model.errors import Permanent
from engine.model.plan import Change, Effect, FieldChange, Receipt, Unpredictable
from engine.model.values import dataclass
from engine.ports import Sessions

_PAGE = 100
"""Lists of the platform are cut at 100 (NetSapiens v2); longer ones are read by ``start`` and ``limit``."""
_PREFIX = "device-sip-registration-"


@dataclass(frozen=True, slots=True)
class PhoneRegisteredArgs:
    """Arguments of ``phone.registered``."""

    connection: str = arg(
        "The platform it has to be registered at, or the machine with the provisioning server's log, which proves the fetch "
        "where no platform can be asked.",
        connection=("netsapiens", "local", "sftp", "ssh"),
    )
    extension: str = arg("The user at the platform.", examples=("{{ item.extension }}",))
    device: str = arg("The device of that user; empty: the one named like the extension.", default="")
    vendor: str = arg("With it the User-Agent has to be this vendor's.", default="")
    model: str = arg("Its model; needed with vendor.", default="")
    user_agent: str = arg("What the User-Agent has to contain, instead of what the vendor's data says.", default="")
    since: str | None = arg("It has to have registered, or fetched, after this time. ISO 8601.", default=None)
    tolerance_s: float = arg("How far this clock and the other side's may differ.", default=1.0, minimum=0)
    mac: str = arg("With a log: the phone's MAC.", default="")
    fetch_log: str = arg("With a log: its path.", default="")
    log_timezone: str = arg("Time zone of log lines that carry none.", default="UTC")
    ignore_from: tuple[str, ...] = arg("With a log: client addresses whose fetches do not count.", default=())


@dataclass(frozen=True, slots=True)
class Registration:
    """A device as the platform sees it. ``known``: False when there is no such user or device."""

    known: bool
    state: str = ""
    user_agent: str = ""
    registered_at: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class RegisteredSeen:
    """What was read: a registration from a platform, or a fetch from a log."""

    registration: Registration | None
    fetch: Fetch | None
    since: datetime | None
    now: datetime


class PhoneRegistered:
    """Reads the platform's registration state of one phone, or a fetch of its file where only that can be read."""

    name: ClassVar[str] = "phone.registered"
    version: ClassVar[int] = 1
    effect: ClassVar[Effect] = Effect.READS
    doc: ClassVar[str] = "The phone is registered at the platform, by its vendor's own User-Agent."
    settle_s: ClassVar[float] = 120.0
    local: ClassVar[bool] = False
    Args = PhoneRegisteredArgs

    def facts(self) -> Mapping[str, Sequence[str]]:
        """What it knows of each vendor, for its page."""
        from engine.actions.phone.vendor_facts import registration_facts  # noqa: PLC0415  # only for a page, not at every start

        return registration_facts()

    def observe(self, args: PhoneRegisteredArgs, at: Sessions) -> RegisteredSeen:
        """Asks the platform, or reads the log."""
        since, now = moment_given(args.since), at.clock.now()
        if at.connection_type(args.connection) == "netsapiens":
            return RegisteredSeen(_registration(args, at), None, since, now)
        question = FetchQuestion(
            args.connection, args.vendor, args.model, args.mac, args.fetch_log, args.log_timezone, args.ignore_from,
        )
        return RegisteredSeen(None, last_fetch(question, at), since, now)

    def diff(self, args: PhoneRegisteredArgs, seen: RegisteredSeen) -> Change | None:
        """What is not true yet; before is what was seen, after what has to be."""
        earliest = None if seen.since is None else seen.since - timedelta(seconds=args.tolerance_s)
        if seen.registration is not None:
            lacking = _lacking(args, seen.registration, earliest, seen.now)
        else:
            lacking = _fetch_lacking(seen.fetch or Fetch(None), earliest)
        return Change(f"{args.extension} is registered", fields=tuple(lacking)) if lacking else None

    def apply(self, change: Change | Unpredictable, args: PhoneRegisteredArgs, at: Sessions, *, key: str) -> Receipt:
        """Writes nothing: reading again until it is true, or time is up, is the engine's part."""
        return Receipt()


def _registration(args: PhoneRegisteredArgs, at: Sessions) -> Registration:
    name = (args.device or args.extension).lower()
    for record in _devices(args, at):
        if str(record.get("device", "")).lower().removeprefix("sip:").partition("@")[0] == name:
            return Registration(
                True, str(record.get(_PREFIX + "state") or "unknown"), str(record.get(_PREFIX + "user-agent") or ""),
                _moment(record, "datetime"), _moment(record, "expires-datetime"),
            )
    return Registration(False)


def _devices(args: PhoneRegisteredArgs, at: Sessions) -> list[Mapping[str, Any]]:
    """Every device of the user; none when there is no such user."""
    path = f"/domains/{{domain}}/users/{quote(args.extension, safe='')}/devices"
    found: list[Mapping[str, Any]] = []
    while True:
        params = {"start": str(len(found)), "limit": str(_PAGE)}
        reply = at.http(args.connection).request("GET", path, params=params)
        if reply.status == 404:
            return found
        if reply.status != 200 or not isinstance(reply.data, list):
            raise Permanent(f"the platform could not be asked for the devices of {args.extension}: {complaint(reply)}")
        found.extend(record for record in reply.data if isinstance(record, Mapping))
        if len(reply.data) < _PAGE:
            return found


def _moment(record: Mapping[str, Any], field: str) -> datetime | None:
    value = record.get(_PREFIX + field)
    return moment_of(str(value)) if value else None


def _lacking(args: PhoneRegisteredArgs, seen: Registration, earliest: datetime | None, now: datetime) -> list[FieldChange]:
    if not seen.known:
        return [FieldChange("registration", "no such user or device at the platform", "registered")]
    if seen.state != "registered":
        return [FieldChange("registration", seen.state, "registered")]
    if seen.expires_at is not None and seen.expires_at < now - timedelta(seconds=args.tolerance_s):
        # Seen in the field: a state that lags behind the expiry it stands beside.
        return [FieldChange("registration", f"expired {seen.expires_at.isoformat(timespec='seconds')}", "registered")]
    wanted = args.user_agent or (model_of(args.vendor, args.model).family.user_agent if args.vendor else "")
    lacking = []
    if wanted.lower() not in seen.user_agent.lower():
        lacking.append(FieldChange("user agent", seen.user_agent or None, f"contains {wanted}"))
    if earliest is not None and (seen.registered_at is None or seen.registered_at < earliest):
        shown = seen.registered_at.isoformat(timespec="seconds") if seen.registered_at else None
        lacking.append(FieldChange("registered at", shown, f"after {earliest.isoformat(timespec='seconds')}"))
    return lacking


def _fetch_lacking(fetch: Fetch, earliest: datetime | None) -> list[FieldChange]:
    if fetch.last is not None and (earliest is None or fetch.last >= earliest):
        return []
    wanted = f"after {earliest.isoformat(timespec='seconds')}" if earliest else "fetched"
    return [FieldChange("configuration fetched", fetch.shown(), wanted)]
