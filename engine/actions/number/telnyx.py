"""Telnyx, API v2: call forwarding per number, caller ID per SIP connection.

Shapes from the published OpenAPI document (github team-telnyx/openapi, openapi/spec3.json) and the clients made from it
(PyPI telnyx 4.189):

- ``GET /v2/phone_numbers?filter[phone_number]=`` takes digits only: a plus makes it find nothing. It matches parts, so the
  exact number is picked from the pages here.
- ``GET|PATCH /v2/phone_numbers/{id}/voice`` holds ``call_forwarding``: ``call_forwarding_enabled``, ``forwarding_type``
  (``always``; the other value is ``on-failure``, formerly ``on_failure``) and ``forwards_to`` (+E.164; empty: none).
- Outbound caller ID is not a property of a number. ``ani_override`` with ``ani_override_type`` (always, normal, emergency)
  stands in ``outbound`` of a credential, IP or FQDN connection and is shown for *every* call through it.
- A foreign number may be shown once it is verified: ``GET /v2/verified_numbers/{phone_number}``. Verifying takes a person who
  answers a call or text on that number, so it has to be done while the number still rings at the old place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from engine.actions.number.provider import (
    Fields,
    Line,
    data_of,
    not_ours,
    object_at,
    objects_at,
    refusal,
    settings_at,
    text_at,
)
from engine.model.errors import Permanent
from engine.model.values import dataclass
from engine.ports import HttpSession

_PAGE = 100
_NOT_HERE = frozenset({"purchase-pending", "purchase-failed", "port-pending", "port-failed", "ported-out", "deleted"})
"""States of a number in which Telnyx does not carry its calls."""
_FOLDERS = {
    "credential_connection": "credential_connections",
    "ip_connection": "ip_connections",
    "fqdn_connection": "fqdn_connections",
}
"""Kind of SIP connection, as ``/v2/connections/{id}`` names it -> its collection."""


@dataclass(frozen=True, slots=True)
class TelnyxForwarding:
    """Where calls to one number go."""

    number: str

    def read(self, http: HttpSession) -> Line:
        what = f"reading the voice settings of {self.number} at Telnyx"
        number_id = text_at(find_number(http, self.number), "id", what)
        voice = object_at(data_of(http.request("GET", _voice(number_id)), what), "data", what)
        return Line(number_id, _forwarding(settings_at(voice, "call_forwarding", what)))

    def write(self, http: HttpSession, line: Line, fields: Fields) -> None:
        # The spec has no null here: what was not set goes back as empty, or is left as it is.
        forwarding = {name: value for name, value in fields.items() if value is not None}
        forwarding["forwards_to"] = fields.get("forwards_to") or ""
        reply = http.request("PATCH", _voice(line.id), json={"call_forwarding": forwarding})
        data_of(reply, f"changing the forwarding of {self.number} at Telnyx")


def forwarding_to(to: str) -> Fields:
    """The settings that forward every call to ``to``."""
    return {"call_forwarding_enabled": True, "forwarding_type": "always", "forwards_to": to}


@dataclass(frozen=True, slots=True)
class TelnyxCallerId:
    """The caller ID of every call through one SIP connection: ``line``, or the one ``number`` is attached to."""

    line: str
    number: str

    def read(self, http: HttpSession) -> Line:
        connection = self.line or self._connection_of_number(http)
        path = _path_of_connection(http, connection)
        what = f"reading SIP connection {connection} at Telnyx"
        outbound = settings_at(object_at(data_of(http.request("GET", path), what), "data", what), "outbound", what)
        return Line(path, _override(outbound), _beside_override(outbound))

    def write(self, http: HttpSession, line: Line, fields: Fields) -> None:
        override = {"ani_override": fields.get("ani_override") or ""}
        if fields.get("ani_override_type"):
            override["ani_override_type"] = fields["ani_override_type"]
        what = "changing the outbound caller ID at Telnyx"
        reply = http.request("PATCH", line.id, json={"outbound": override})
        outbound = settings_at(object_at(data_of(reply, what), "data", what), "outbound", what)
        # Nothing published says whether a nested object is merged or replaced, so the answer is looked at.
        lost = sorted(name for name, value in line.rest.items() if outbound.get(name) != value)
        if lost:
            raise Permanent(f"the caller ID was set, but Telnyx changed {', '.join(lost)} beside it; put that right")

    def _connection_of_number(self, http: HttpSession) -> str:
        connection = find_number(http, self.number).get("connection_id")
        if not connection:
            raise Permanent(f"{self.number} is attached to no SIP connection at Telnyx; attach it, or name one in 'line'")
        return str(connection)


def override_with(show_as: str) -> Fields:
    """The settings that show ``show_as`` on every call."""
    return {"ani_override": show_as, "ani_override_type": "always"}


def may_show(http: HttpSession, number: str) -> bool:
    """Whether Telnyx knows ``number`` as the account's: on it, or verified."""
    reply = http.request("GET", f"/v2/verified_numbers/{quote(number, safe='')}")
    if reply.status == 404:
        return any(True for _ in _matching(http, number))
    what = f"asking Telnyx whether {number} is verified"
    return bool(object_at(data_of(reply, what), "data", what).get("verified_at"))


def find_number(http: HttpSession, number: str) -> Mapping[str, Any]:
    """The account's record of a number. Raises ``Permanent`` when it is not on the account or carries no calls."""
    for found in _matching(http, number):
        if found.get("status") in _NOT_HERE:
            raise Permanent(f"{number} is on this Telnyx account, but its status is {found['status']}: Telnyx does not route it")
        return found
    raise not_ours(number, "Telnyx")


def _matching(http: HttpSession, number: str) -> Iterator[Mapping[str, Any]]:
    what = f"looking {number} up at Telnyx"
    page, pages = 1, 1
    while page <= pages:
        params = {"filter[phone_number]": number.lstrip("+"), "page[number]": str(page), "page[size]": str(_PAGE)}
        body = data_of(http.request("GET", "/v2/phone_numbers", params=params), what)
        yield from (found for found in objects_at(body, "data", what) if found.get("phone_number") == number)
        total = settings_at(body, "meta", what).get("total_pages")
        pages = total if isinstance(total, int) else 1
        page += 1


def _path_of_connection(http: HttpSession, connection: str) -> str:
    name, what = quote(connection, safe=""), f"looking SIP connection {connection} up at Telnyx"
    reply = http.request("GET", f"/v2/connections/{name}")
    if reply.status == 404:
        raise Permanent(f"there is no SIP connection {connection} on this Telnyx account; the portal shows the ids, under Voice")
    if reply.status != 200:
        raise refusal(reply, what)
    kind = text_at(object_at(data_of(reply, what), "data", what), "record_type", what)
    if kind not in _FOLDERS:
        raise Permanent(f"{connection} is a {kind} at Telnyx; a caller ID can be set on {', '.join(_FOLDERS)} only")
    return f"/v2/{_FOLDERS[kind]}/{name}"


def _voice(number_id: str) -> str:
    return f"/v2/phone_numbers/{quote(number_id, safe='')}/voice"


def _forwarding(found: Mapping[str, Any]) -> Fields:
    enabled, to = found.get("call_forwarding_enabled"), found.get("forwards_to") or None
    return {
        "call_forwarding_enabled": enabled is not False,  # not stated means yes, says the spec
        "forwarding_type": found.get("forwarding_type") if to else None,  # without a target it has no effect
        "forwards_to": to,
    }


def _override(outbound: Mapping[str, Any]) -> Fields:
    shown = outbound.get("ani_override") or None
    return {"ani_override": shown, "ani_override_type": outbound.get("ani_override_type") if shown else None}


def _beside_override(outbound: Mapping[str, Any]) -> Fields:
    return {name: value for name, value in outbound.items() if name not in ("ani_override", "ani_override_type")}
