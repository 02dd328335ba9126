"""What the number actions ask of a carrier, and the one way in which they bring a setting about and take it back.

Carriers differ in paths, bodies and formats; that is all a provider knows. None of their number endpoints takes an
idempotency key, so a repeated attempt is safe only because each write is the wanted state itself and is read back.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Any, Protocol, cast
from urllib.parse import urlsplit

from engine.model.complaint import complaint_of
from engine.model.errors import ChangedSince, Permanent
from engine.model.plan import Change, FieldChange, Receipt, digest
from engine.model.values import dataclass
from engine.ports import HttpReply, HttpSession, Keep

Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Line:
    """One thing at a carrier whose settings are looked at: a number, a SIP connection, a user."""

    id: str
    """The carrier's own name for it; goes into paths, so it is percent-encoded there."""
    fields: Fields
    """The settings as read, flat. None: not set."""
    rest: Fields = field(default_factory=dict)
    """Neighbouring settings which a write has to leave alone."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What ``observe`` found, beside what it should be; both in the carrier's own names."""

    line: Line
    wanted: Fields
    summary: str
    """What the change is, for the operator."""
    notes: tuple[str, ...] = field(default=())


class Provider(Protocol):
    """One carrier's way to hold one setting."""

    def read(self, http: HttpSession) -> Line:
        """The settings as they are. Raises ``Permanent`` when the number is not there, with what to do about it."""
        ...

    def write(self, http: HttpSession, line: Line, fields: Fields) -> None:
        """Makes ``fields`` so. ``line`` is what was read before."""
        ...


# ---------------------------------------------------------------- the way to change


def change_of(seen: Seen) -> Change | None:
    """The difference between what is and what is wanted, by field; None when there is none."""
    before = seen.line.fields
    changed = {name: value for name, value in seen.wanted.items() if before.get(name) != value}
    if not changed:
        return None
    fields = tuple(FieldChange(name, _shown(before.get(name)), _shown(value)) for name, value in changed.items())
    token = digest([seen.line.id, {name: before.get(name) for name in changed}, changed])
    return Change(seen.summary, fields, token=token, notes=seen.notes, payload=seen)


def make_change(provider: Provider, payload: object, http: HttpSession, keep: Keep) -> Receipt:
    """Writes what ``change_of`` found, having put aside what was there before."""
    seen, receipt = cast(Seen, payload), kept_before(payload, keep)
    provider.write(http, seen.line, seen.wanted)
    return receipt


def kept_before(payload: object, keep: Keep) -> Receipt:
    """Puts aside what ``make_change`` will replace."""
    seen = cast(Seen, payload)
    before = {name: seen.line.fields.get(name) for name in seen.wanted}
    kept = keep.put(json.dumps({"id": seen.line.id, "before": before, "after": seen.wanted}, sort_keys=True).encode())
    return Receipt({"kept": kept}, seen.summary)


def take_back(provider: Provider, receipt: Receipt, http: HttpSession, keep: Keep) -> None:
    """Restores what ``make_change`` found. Raises ``ChangedSince`` when somebody has changed it since."""
    change = taking_back(provider, receipt, http, keep)
    if change is not None:
        line, before = cast("tuple[Line, Fields]", change.payload)
        provider.write(http, line, before)


def taking_back(provider: Provider, receipt: Receipt, http: HttpSession, keep: Keep) -> Change | None:
    """What ``take_back`` would change; None when all is as it was before. Raises ``ChangedSince`` as it would."""
    stored = json.loads(keep.get(str(receipt.data["kept"])))
    before, after = stored["before"], stored["after"]
    now = provider.read(http)
    current = {name: now.fields.get(name) for name in before}
    if current == before:
        return None
    if now.id != stored["id"] or any(value not in (before[name], after[name]) for name, value in current.items()):
        changed = ", ".join(f"{name} is {_shown(value)}" for name, value in current.items())
        raise ChangedSince(
            f"it has been changed since by somebody else ({changed}), so it is left alone. Decide at the carrier which"
            " setting is right"
        )
    differing = {name: value for name, value in current.items() if value != before[name]}
    fields = tuple(FieldChange(name, _shown(value), _shown(before[name])) for name, value in differing.items())
    what = f"take back: {receipt.summary}" if receipt.summary else "put back what was set before"
    return Change(what, fields, token=digest([now.id, differing, before]), payload=(now, before))


def _shown(value: object) -> object:
    """A value fit to be shown: an address loses its user name and password."""
    if not isinstance(value, str) or "@" not in value or "://" not in value:
        return value
    parts = urlsplit(value)
    return parts._replace(netloc=f"***@{parts.netloc.rpartition('@')[2]}").geturl() if "@" in parts.netloc else value


# ---------------------------------------------------------------- words shared by carriers


def e164(text: str, what: str) -> str:
    """``text`` as +E.164. Raises ``Permanent`` when it is none; ``what`` names the argument."""
    bare = re.sub(r"[\s().-]", "", text)
    if re.fullmatch(r"\+[1-9]\d{6,14}", bare) is None:
        raise Permanent(f"{what}: {text!r} is not a number with its country code, such as +12025550100")
    return bare


def data_of(reply: HttpReply, what: str) -> Any:
    """The body of a successful answer. Raises ``Permanent``, quoting the carrier, for every other."""
    if not 200 <= reply.status < 300:
        raise refusal(reply, what)
    if not isinstance(reply.data, Mapping):
        raise Permanent(f"{what}: the answer ({reply.status}) is not JSON; is 'url' of the connection really this carrier's API?")
    return reply.data


def object_at(found: Mapping[str, Any], name: str, what: str) -> Mapping[str, Any]:
    """The object that an answer holds as ``name``. Raises ``Permanent`` when it holds none: then it is no such API's answer."""
    value = found.get(name)
    if not isinstance(value, Mapping):
        raise _odd(what, name)
    return value


def settings_at(found: Mapping[str, Any], name: str, what: str) -> Mapping[str, Any]:
    """The same where it may be left out, or be null: then empty."""
    return {} if found.get(name) is None else object_at(found, name, what)


def objects_at(found: Mapping[str, Any], name: str, what: str) -> Sequence[Mapping[str, Any]]:
    """The list of objects that an answer holds as ``name``. Raises as ``object_at`` does."""
    value = found.get(name)
    if not isinstance(value, list) or not all(isinstance(entry, Mapping) for entry in value):
        raise _odd(what, name)
    return value


def text_at(found: Mapping[str, Any], name: str, what: str) -> str:
    """The text or number that an answer holds as ``name``, as text. Raises as ``object_at`` does."""
    value = found.get(name)
    if not isinstance(value, str | int) or isinstance(value, bool):
        raise _odd(what, name)
    return str(value)


def _odd(what: str, name: str) -> Permanent:
    return Permanent(
        f"{what}: the answer is JSON, but its {name!r} is missing or of another kind than this carrier's API gives. Is 'url' of"
        " the connection really this carrier's API, and does nothing rewrite answers on the way?"
    )


def refusal(reply: HttpReply, what: str) -> Permanent:
    """A refused request, quoting the carrier."""
    said = complaint_of(reply.data)
    moved = reply.headers.get("location", "")
    told = said or (f"it points to {moved}; correct 'url' of the connection" if moved else "it gave no reason")
    return Permanent(f"{what} was refused with {reply.status}: {told}")


def not_ours(number: str, carrier: str) -> Permanent:
    """A number the account does not hold."""
    return Permanent(
        f"{number} is not on this {carrier} account. It may be on a subaccount, or with the carrier behind a reseller (or that"
        " one's reseller): ask the customer for the carrier's invoice, and check which account the connection logs in to"
    )
