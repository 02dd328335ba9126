"""Twilio, API 2010-04-01: what answers calls to a number, and which numbers may be shown as caller.

Shapes from the published OpenAPI document (github twilio/twilio-oai, spec/json/twilio_api_v2010.json) and PyPI twilio 9.13:

- ``GET /2010-04-01/Accounts/{AccountSid}/IncomingPhoneNumbers.json?PhoneNumber=`` matches parts and pages by
  ``next_page_uri``; the exact number is picked here. ``POST .../IncomingPhoneNumbers/{Sid}.json`` takes a form.
- There is no forwarding field. A number's ``VoiceUrl`` names a page that answers with TwiML, here one with ``<Dial>``.
  Twilio's own page for that (twimlets.com) is retired, so the connection says where such a page is served:
  ``forward_url: https://hooks.example.net/forward?to={to}``.
- A ``TrunkSid`` or ``VoiceApplicationSid`` on the number makes Twilio ignore ``VoiceUrl``; setting one deletes the other. So both
  are cleared, by an empty form field, and put back when the forwarding is undone.
- ``voice_fallback_url`` is not touched: it is only asked when ``VoiceUrl`` fails, and then may still save the call.
- Caller ID belongs to each call, not to a number. What is configured, and all that can be proved, is that the number may be
  shown: it is on the account, or ``OutgoingCallerIds`` lists it as verified.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote, urlsplit

from engine.actions.number.provider import Fields, Line, data_of, not_ours, objects_at, text_at
from engine.model.errors import Permanent
from engine.model.values import dataclass
from engine.ports import HttpSession

_ACCOUNT = "/2010-04-01/Accounts/{AccountSid}"  # filled in by the connection
_NUMBERS = f"{_ACCOUNT}/IncomingPhoneNumbers"
_PAGE = "100"
_FORM_NAMES = {
    "voice_url": "VoiceUrl",
    "voice_method": "VoiceMethod",
    "voice_application_sid": "VoiceApplicationSid",
    "trunk_sid": "TrunkSid",
}
"""Name when read -> name when written."""


@dataclass(frozen=True, slots=True)
class TwilioForwarding:
    """What answers calls to one number."""

    number: str

    def read(self, http: HttpSession) -> Line:
        for found in _pages(http, f"{_NUMBERS}.json", "incoming_phone_numbers", self.number):
            return Line(text_at(found, "sid", f"looking {self.number} up at Twilio"), _answering(found))
        raise not_ours(self.number, "Twilio")

    def write(self, http: HttpSession, line: Line, fields: Fields) -> None:
        # Only what differs: an empty TrunkSid beside a new VoiceApplicationSid could be read as deleting both.
        changed = {name: value for name, value in fields.items() if value != line.fields.get(name)}
        form = {_FORM_NAMES[name]: str(value or "") for name, value in changed.items()}
        if not form.get("VoiceMethod"):
            form.pop("VoiceMethod", None)  # a method cannot be empty, and means nothing without a URL
        reply = http.request("POST", f"{_NUMBERS}/{quote(line.id, safe='')}.json", form=form)
        data_of(reply, f"changing what answers {self.number} at Twilio")


def forwarding_to(to: str, forward_url: str) -> Fields:
    """The settings that let the page at ``forward_url`` answer; ``{to}`` in it becomes the number, percent-encoded.

    Raises ``Permanent`` when it has no ``{to}`` or is no web address.
    """
    if "{to}" not in forward_url:
        raise Permanent(
            "Twilio forwards by asking a page of yours that answers with TwiML <Dial>. Set 'forward_url' of the connection to"
            " its address, with {to} where the number goes, such as https://hooks.example.net/forward?to={to}"
        )
    url = forward_url.replace("{to}", quote(to, safe=""))
    if urlsplit(url).scheme not in ("http", "https"):
        raise Permanent("'forward_url' must begin with https://")
    return {"voice_url": url, "voice_method": "POST", "voice_application_sid": None, "trunk_sid": None}


def may_show(http: HttpSession, number: str) -> bool:
    """Whether Twilio lets ``number`` be shown as the caller: it is on the account, or verified."""
    ours = _pages(http, f"{_NUMBERS}.json", "incoming_phone_numbers", number)
    verified = _pages(http, f"{_ACCOUNT}/OutgoingCallerIds.json", "outgoing_caller_ids", number)
    return any(True for _ in ours) or any(True for _ in verified)


def _answering(found: Mapping[str, Any]) -> Fields:
    fields: dict[str, object] = {name: found.get(name) or None for name in _FORM_NAMES}
    if fields["voice_url"] is None:
        fields["voice_method"] = None
    return fields


def _pages(http: HttpSession, path: str, collection: str, number: str) -> Iterator[Mapping[str, Any]]:
    what = f"looking {number} up at Twilio"
    params: dict[str, str] | None = {"PhoneNumber": number, "PageSize": _PAGE}
    seen: set[str] = set()
    while path:
        body = data_of(http.request("GET", path, params=params), what)
        yield from (found for found in objects_at(body, collection, what) if found.get("phone_number") == number)
        # The next page's address has its query in it already.
        path, params = text_at(body, "next_page_uri", what) if body.get("next_page_uri") else "", None
        if path in seen:
            raise Permanent(f"{what}: the pages of the answer go in a circle at {path}; is 'url' really this carrier's API?")
        seen.add(path)
