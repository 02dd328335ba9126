"""The lab's carrier: Telnyx (``/v2/...``) and Twilio (``/2010-04-01/...``) in one process, holding the same numbers.

Shapes by the published documents (github team-telnyx/openapi, openapi/spec3.json; twilio/twilio-oai,
spec/json/twilio_api_v2010.json): credentials are checked, lists are paged, errors have each API's own form. It is stricter
than the real ones where that finds mistakes: a property that is not declared is refused, though Twilio itself ignores it.

From the seed: ``numbers`` (``number`` and ``temporary_did`` are on the account; ``status``, ``connection_id`` and
``forwards_to`` optional), ``verified_numbers`` (a list of numbers), ``sip_connections`` (``id``, ``record_type``), and
``secrets``: ``telnyx_api_key``, ``twilio_account_sid``, ``twilio_auth_token``.

Faults beside those of every HTTP server here: ``late`` (value: seconds until a write shows when read), ``rate_limit``
(value: requests a second; one more is answered 429 with reset headers).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import field
from typing import Any
from urllib.parse import urlencode, urlsplit

from engine.lab.board import Board
from engine.lab.web_server import RateLimit, Refused, Route, WebApp, WebReply, WebRequest, serve
from engine.model.values import dataclass

Seed = Mapping[str, Any]
Data = dict[str, Any]

FORWARDING_TYPES = ("always", "on-failure")
OVERRIDE_TYPES = ("always", "normal", "emergency")
VOICE_FIELDS = frozenset({
    "call_forwarding", "call_recording", "caller_id_name_enabled", "cnam_listing", "inbound_call_screening",
    "media_features", "tech_prefix_enabled", "translated_number", "usage_payment_method",
})
FORWARDING_FIELDS = frozenset({"call_forwarding_enabled", "forwarding_type", "forwards_to"})
OUTBOUND_FIELDS = frozenset({
    "ani_override", "ani_override_type", "call_parking_enabled", "channel_limit", "generate_ringback_tone",
    "instant_ringback_enabled", "localization", "outbound_voice_profile_id", "t38_reinvite_source",
})
TWILIO_FIELDS = {
    "VoiceUrl": "voice_url", "VoiceMethod": "voice_method", "VoiceFallbackUrl": "voice_fallback_url",
    "VoiceFallbackMethod": "voice_fallback_method", "VoiceApplicationSid": "voice_application_sid", "TrunkSid": "trunk_sid",
    "FriendlyName": "friendly_name", "VoiceCallerIdLookup": "voice_caller_id_lookup", "StatusCallback": "status_callback",
}
_TITLES = {
    400: ("10015", "Bad Request"), 401: ("10009", "Authentication failed"), 403: ("10010", "Authorization failed"),
    404: ("10005", "Resource not found"), 422: ("10015", "Invalid value"), 429: ("10011", "Too many requests"),
}
_TWILIO_CODES = {400: 20001, 401: 20003, 404: 20404, 405: 20004, 429: 20429}


@dataclass(slots=True)
class Record:
    """One stored object. A write shows at once, or after the delay it was told to have."""

    data: Data
    _pending: list[tuple[float, Data]] = field(default_factory=list)

    def read(self) -> Data:
        """As anybody sees it now."""
        while self._pending and self._pending[0][0] <= time.monotonic():
            self.data = self._pending.pop(0)[1]
        return self.data

    def write(self, changes: Data, delay_s: float) -> Data:
        """Applies changes on top of every earlier one; returns what it will be."""
        self.read()
        newest = {**(self._pending[-1][1] if self._pending else self.data), **changes}
        self._pending.append((time.monotonic() + delay_s, newest))
        return newest


class Carrier:
    """The account: its numbers, SIP connections and verified numbers."""

    def __init__(self, board: Board, seed: Seed) -> None:
        secrets = seed.get("secrets", {})
        self._board = board
        self._lock = threading.Lock()
        self._limit = RateLimit(board)
        self.account = str(secrets.get("twilio_account_sid", "AC" + "0" * 32))
        self._bearer = f"Bearer {secrets.get('telnyx_api_key', '')}"
        self._basic = _basic(self.account, str(secrets.get("twilio_auth_token", "")))
        self.verified = frozenset(map(str, seed.get("verified_numbers", ())))
        self.connections = {c["id"]: Record(_connection(c)) for c in seed.get("sip_connections", ()) or _default_connections()}
        held = _held_numbers(seed, next(iter(self.connections)))
        self.telnyx = {_telnyx_id(n["number"]): Record(_telnyx_number(n)) for n in held}
        self.twilio = {_twilio_id(n["number"]): Record(_twilio_number(n, self.account)) for n in held}

    def guard(self, request: WebRequest) -> WebReply | None:
        """Refuses strangers, and whoever asks too often."""
        expected = self._bearer if _is_telnyx(request) else self._basic
        if not hmac.compare_digest(request.headers.get("authorization", "").encode(), expected.encode()):
            raise Refused(401, "The credentials are missing or not valid")
        self._limit.refuse_excess(request)
        return None

    def _write(self, request: WebRequest, record: Record, changes: Data) -> Data:
        late = self._board.fault("late", f"{request.method} {request.target}")
        with self._lock:
            return record.write(changes, 0.0 if late is None else late.value or 1.0)

    # ------------------------------------------------------------ Telnyx

    def list_numbers(self, request: WebRequest) -> WebReply:
        """``GET /v2/phone_numbers``: filtered by digits in the number, newest first."""
        wanted = request.query.get("filter[phone_number]", "")
        found = [record.read() for record in self.telnyx.values()]
        if wanted:
            found = [n for n in found if wanted.isdigit() and len(wanted) >= 3 and wanted in n["phone_number"]]
        return _telnyx_page(request, [{name: n[name] for name in _SUMMARY} for n in found])

    def read_voice(self, request: WebRequest) -> WebReply:
        """``GET /v2/phone_numbers/{id}/voice``."""
        return WebReply(200, {"data": _voice_of(_found(self.telnyx, request).read())})

    def write_voice(self, request: WebRequest) -> WebReply:
        """``PATCH /v2/phone_numbers/{id}/voice``: what is left out stays."""
        record, body = _found(self.telnyx, request), _object(request.json(), "")
        _declared(body, VOICE_FIELDS, "")
        changes = dict(body)
        if "call_forwarding" in body:
            forwarding = _object(body["call_forwarding"], "/call_forwarding")
            _check_forwarding(forwarding)
            changes["call_forwarding"] = {**record.read()["call_forwarding"], **forwarding}
        return WebReply(200, {"data": _voice_of(self._write(request, record, changes))})

    def read_connection(self, request: WebRequest) -> WebReply:
        """``GET /v2/connections/{id}``: of any kind, without its details."""
        found = _found(self.connections, request).read()
        return WebReply(200, {"data": {name: found[name] for name in ("id", "record_type", "connection_name", "active")}})

    def read_verified(self, request: WebRequest) -> WebReply:
        """``GET /v2/verified_numbers/{phone_number}``."""
        number = request.params["number"]
        if number not in self.verified:
            raise Refused(404, "The requested resource or URL could not be found")
        data = {"record_type": "verified_number", "phone_number": number, "verified_at": "2026-01-05T15:00:00Z"}
        return WebReply(200, {"data": data})

    def read_sip(self, kind: str) -> Callable[[WebRequest], WebReply]:
        """``GET /v2/{kind}s/{id}``."""
        return lambda request: WebReply(200, {"data": self._of_kind(request, kind).read()})

    def write_sip(self, kind: str) -> Callable[[WebRequest], WebReply]:
        """``PATCH /v2/{kind}s/{id}``: here for ``outbound`` alone; what is left out of it stays."""

        def handle(request: WebRequest) -> WebReply:
            record, body = self._of_kind(request, kind), _object(request.json(), "")
            _declared(body, frozenset({"outbound", "connection_name", "active"}), "")
            changes = dict(body)
            if "outbound" in body:
                outbound = _object(body["outbound"], "/outbound")
                _check_outbound(outbound)
                changes["outbound"] = {**record.read()["outbound"], **outbound}
            return WebReply(200, {"data": self._write(request, record, changes)})

        return handle

    def _of_kind(self, request: WebRequest, kind: str) -> Record:
        record = _found(self.connections, request)
        if record.read()["record_type"] != kind:
            raise Refused(404, "The requested resource or URL could not be found")
        return record

    # ------------------------------------------------------------ Twilio

    def list_incoming(self, request: WebRequest) -> WebReply:
        """``GET .../IncomingPhoneNumbers.json``: filtered by part of the number."""
        return self._twilio_page(request, "incoming_phone_numbers", [record.read() for record in self.twilio.values()])

    def list_caller_ids(self, request: WebRequest) -> WebReply:
        """``GET .../OutgoingCallerIds.json``."""
        found = [
            {"sid": f"PN{_hex(f'verified {number}')}", "phone_number": number, "account_sid": self.account}
            for number in sorted(self.verified)
        ]
        return self._twilio_page(request, "outgoing_caller_ids", found)

    def read_incoming(self, request: WebRequest) -> WebReply:
        """``GET .../IncomingPhoneNumbers/{Sid}.json``."""
        self._own(request)
        return WebReply(200, _found(self.twilio, request).read())

    def write_incoming(self, request: WebRequest) -> WebReply:
        """``POST .../IncomingPhoneNumbers/{Sid}.json``: a form; an empty field clears."""
        self._own(request)
        record, form = _found(self.twilio, request), request.form()
        unknown = sorted(set(form) - set(TWILIO_FIELDS))
        if unknown:
            raise Refused(400, f"Unknown parameters: {', '.join(unknown)}")
        _check_answering(form)
        changes: Data = {TWILIO_FIELDS[name]: value or None for name, value in form.items()}
        if form.get("TrunkSid"):
            changes["voice_application_sid"] = None  # setting one deletes the other
        elif form.get("VoiceApplicationSid"):
            changes["trunk_sid"] = None
        return WebReply(200, self._write(request, record, changes))

    def _own(self, request: WebRequest) -> None:
        if request.params["account"] != self.account:
            raise Refused(404, f"The requested resource {request.path} was not found")

    def _twilio_page(self, request: WebRequest, name: str, everything: Sequence[Data]) -> WebReply:
        self._own(request)
        found = [entry for entry in everything if request.query.get("PhoneNumber", "") in entry["phone_number"]]
        size, page = _whole(request, "PageSize", 50, 1, 1000), _whole(request, "Page", 0, 0, 10**6)
        shown = found[page * size:(page + 1) * size]
        more = len(found) > (page + 1) * size
        query = {**request.query, "PageSize": str(size), "Page": str(page + 1)}
        if more:
            query["PageToken"] = f"PA{shown[-1]['sid']}"
        return WebReply(200, {
            name: shown, "page": page, "page_size": size, "start": page * size, "end": page * size + max(len(shown) - 1, 0),
            "uri": request.target, "next_page_uri": f"{request.path}?{urlencode(query)}" if more else None,
        })


def build(board: Board, seed: Seed) -> WebApp:
    """The carrier's API over the numbers of ``seed``."""
    carrier = Carrier(board, seed)
    account = "/2010-04-01/Accounts/{account}"
    kinds = ("credential_connection", "ip_connection", "fqdn_connection")
    return WebApp(
        routes=(
            Route("GET", "/v2/phone_numbers", carrier.list_numbers),
            Route("GET", "/v2/phone_numbers/{id}/voice", carrier.read_voice),
            Route("PATCH", "/v2/phone_numbers/{id}/voice", carrier.write_voice),
            Route("GET", "/v2/verified_numbers/{number}", carrier.read_verified),
            Route("GET", "/v2/connections/{id}", carrier.read_connection),
            *(Route("GET", f"/v2/{kind}s/{{id}}", carrier.read_sip(kind)) for kind in kinds),
            *(Route("PATCH", f"/v2/{kind}s/{{id}}", carrier.write_sip(kind)) for kind in kinds),
            Route("GET", f"{account}/IncomingPhoneNumbers.json", carrier.list_incoming),
            Route("GET", f"{account}/IncomingPhoneNumbers/{{id}}.json", carrier.read_incoming),
            Route("POST", f"{account}/IncomingPhoneNumbers/{{id}}.json", carrier.write_incoming),
            Route("GET", f"{account}/OutgoingCallerIds.json", carrier.list_caller_ids),
        ),
        guard=carrier.guard,
        word_error=word_error,
    )


def word_error(request: WebRequest, status: int, why: str) -> WebReply:
    """An error in the form of the API that was asked."""
    if not _is_telnyx(request):
        code = _TWILIO_CODES.get(status, status * 100)
        more = f"https://www.twilio.com/docs/errors/{code}"
        return WebReply(status, {"code": code, "message": why, "more_info": more, "status": status})
    code_text, title = _TITLES.get(status, ("10012", "Internal error"))
    why, _, pointer = why.partition(" @ ")
    error: Data = {"code": code_text, "title": title, "detail": why}
    if pointer:
        error["source"] = {"pointer": pointer}
    limits = {"x-ratelimit-limit": "1", "x-ratelimit-remaining": "0", "x-ratelimit-reset": "1"} if status == 429 else {}
    return WebReply(status, {"errors": [error]}, headers=limits)


# ---------------------------------------------------------------- checks


def _check_forwarding(forwarding: Data) -> None:
    _declared(forwarding, FORWARDING_FIELDS, "/call_forwarding")
    to = forwarding.get("forwards_to", "")
    if not isinstance(to, str) or (to and not _is_e164(to)):
        raise Refused(422, "must be a +E.164 phone number @ /call_forwarding/forwards_to")
    if "forwarding_type" in forwarding and forwarding["forwarding_type"] not in FORWARDING_TYPES:
        raise Refused(422, f"must be one of {', '.join(FORWARDING_TYPES)} @ /call_forwarding/forwarding_type")
    if not isinstance(forwarding.get("call_forwarding_enabled", True), bool):
        raise Refused(422, "must be a boolean @ /call_forwarding/call_forwarding_enabled")


def _check_outbound(outbound: Data) -> None:
    _declared(outbound, OUTBOUND_FIELDS, "/outbound")
    shown = outbound.get("ani_override", "")
    if not isinstance(shown, str) or (shown and not _is_e164(shown)):
        raise Refused(422, "must be a phone number @ /outbound/ani_override")
    if "ani_override_type" in outbound and outbound["ani_override_type"] not in OVERRIDE_TYPES:
        raise Refused(422, f"must be one of {', '.join(OVERRIDE_TYPES)} @ /outbound/ani_override_type")


def _check_answering(form: Mapping[str, str]) -> None:
    for name in ("VoiceUrl", "VoiceFallbackUrl"):
        if form.get(name) and not (urlsplit(form[name]).scheme in ("http", "https") and urlsplit(form[name]).hostname):
            raise Refused(400, f"{name} is not a valid URL: {form[name]}")
    for name in ("VoiceMethod", "VoiceFallbackMethod"):
        if name in form and form[name] not in ("GET", "POST"):
            raise Refused(400, f"{name} is not valid: {form[name]}")


def _declared(body: Data, declared: frozenset[str], pointer: str) -> None:
    for name in sorted(set(body) - declared):
        raise Refused(422, f"is not a property of this object @ {pointer}/{name}")


def _object(value: object, pointer: str) -> Data:
    if not isinstance(value, dict):
        raise Refused(422, f"must be an object @ {pointer or '/'}")
    return value


def _whole(request: WebRequest, name: str, default: int, least: int, most: int) -> int:
    text = request.query.get(name, str(default))
    if not text.isdigit() or not least <= int(text) <= most:
        raise Refused(422 if _is_telnyx(request) else 400, f"{name} must be a number from {least} to {most}")
    return int(text)


def _is_e164(text: str) -> bool:
    return text.startswith("+") and text[1:].isdigit() and 7 <= len(text) <= 16


def _is_telnyx(request: WebRequest) -> bool:
    return request.path.startswith("/v2/")


def _found(records: Mapping[str, Record], request: WebRequest) -> Record:
    record = records.get(request.params["id"])
    if record is None:
        raise Refused(404, "The requested resource or URL could not be found")
    return record


def _telnyx_page(request: WebRequest, found: Sequence[Data]) -> WebReply:
    size, page = _whole(request, "page[size]", 20, 1, 250), _whole(request, "page[number]", 1, 1, 10**6)
    meta = {"page_number": page, "page_size": size, "total_pages": -(-len(found) // size), "total_results": len(found)}
    return WebReply(200, {"data": found[(page - 1) * size:page * size], "meta": meta})


# ---------------------------------------------------------------- seed


_SUMMARY = ("id", "record_type", "phone_number", "status", "connection_id", "connection_name", "tags")


def _held_numbers(seed: Seed, connection: str) -> list[Data]:
    held: dict[str, Data] = {}
    for item in seed.get("numbers", ()):
        numbers: Iterable[object] = (item.get("number"), item.get("temporary_did"))
        for number in filter(None, map(str, filter(None, numbers))):
            extra = item if number == item.get("number") else {}
            held.setdefault(number, {"connection_id": connection, **extra, "number": number})
    return list(held.values())


def _telnyx_number(item: Data) -> Data:
    to = item.get("forwards_to") or ""
    return {
        "id": _telnyx_id(item["number"]), "record_type": "phone_number", "phone_number": item["number"], "tags": [],
        "status": item.get("status") or "active", "connection_id": item["connection_id"], "connection_name": "pbx",
        "call_forwarding": {
            "call_forwarding_enabled": bool(to), "forwarding_type": "always" if to else None, "forwards_to": to,
        },
        "tech_prefix_enabled": False, "translated_number": "", "usage_payment_method": "pay-per-minute",
    }


def _voice_of(number: Data) -> Data:
    names = ("id", "phone_number", "connection_id", *sorted(VOICE_FIELDS & number.keys()))
    return {"record_type": "voice_settings", **{name: number[name] for name in names}}


def _twilio_number(item: Data, account: str) -> Data:
    sid = _twilio_id(item["number"])
    return {
        "sid": sid, "account_sid": account, "phone_number": item["number"], "friendly_name": item.get("label") or item["number"],
        "voice_url": item.get("voice_url") or None, "voice_method": "POST", "voice_fallback_url": None,
        "voice_fallback_method": "POST", "voice_application_sid": item.get("voice_application_sid") or None,
        "trunk_sid": item.get("trunk_sid") or None, "voice_caller_id_lookup": False, "status_callback": None,
        "status": "in-use", "uri": f"/2010-04-01/Accounts/{account}/IncomingPhoneNumbers/{sid}.json",
    }


def _default_connections() -> list[Data]:
    return [{"id": "1293384261075731499", "record_type": "credential_connection"}]


def _connection(item: Data) -> Data:
    outbound = {
        "ani_override": item.get("ani_override", ""), "ani_override_type": item.get("ani_override_type", "always"),
        "call_parking_enabled": None, "channel_limit": 10, "generate_ringback_tone": False, "localization": "US",
        "instant_ringback_enabled": False, "outbound_voice_profile_id": "1293384261075731461", "t38_reinvite_source": "customer",
    }
    return {
        "id": item["id"], "record_type": item.get("record_type", "credential_connection"), "active": True,
        "connection_name": item.get("connection_name", "pbx"), "outbound": outbound,
    }


def _telnyx_id(number: str) -> str:
    return str(int(_hex(number)[:14], 16) + 10**18)


def _twilio_id(number: str) -> str:
    return f"PN{_hex(number)}"


def _hex(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


if __name__ == "__main__":
    serve("carrier", build)
