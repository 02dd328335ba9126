"""An invitation as calendar programs read it: iCalendar (RFC 5545) by mail (RFC 6047), beside the words for people.

Times are UTC, which needs no time zone's rules inside; every program shows them by its own clock. Calling off goes by the same
UID: what it calls off is found by that alone.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from email.headerregistry import Address

from icalendar import Calendar, Event, vCalAddress, vText

from engine.actions.mail.message import REHEARSAL, Appointment, Letter, boundary, worded

PRODUCT = "-//switchover//mail.invite//EN"


def composed_invitation(letter: Letter, identifier: str, date: datetime) -> bytes:
    """The mail as bytes: text, HTML when there is any, and the appointment last, which is what programs look for first."""
    about = letter.appointment
    if about is None:
        raise TypeError("a letter without an appointment is no invitation")
    message = worded(letter, identifier, date)
    # RFC 6047 2.4: this parameter has to say what METHOD says inside.
    method = {"method": about.method.upper()}
    message.add_alternative(calendar_text(letter, about, date), subtype="calendar", charset="utf-8", params=method)
    message.set_boundary(boundary(identifier))
    return message.as_bytes()


def rehearsed(letter: Letter) -> Letter:
    """A redirected invitation is about an appointment of its own, or the real one that comes later would count as seen."""
    about = letter.appointment
    if about is None or not letter.redirected_from:
        return letter
    return replace(letter, appointment=replace(about, uid=f"rehearsal-{about.uid}", summary=f"{REHEARSAL} {about.summary}"))


def calendar_text(letter: Letter, about: Appointment, made_at: datetime) -> str:
    """The iCalendar object."""
    calendar = Calendar()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", about.method.upper())
    calendar.add_component(_event(letter, about, made_at))
    return bytes(calendar.to_ical()).decode("utf-8")


def _event(letter: Letter, about: Appointment, made_at: datetime) -> Event:
    cancelled = about.method == "cancel"
    event = Event()
    event.add("uid", about.uid)
    event.add("sequence", about.sequence)
    event.add("dtstamp", made_at.astimezone(UTC).replace(microsecond=0))
    event.add("dtstart", about.start)
    event.add("dtend", about.end)
    event.add("summary", about.summary)
    if about.location:
        event.add("location", about.location)
    event.add("description", letter.text.rstrip())
    event.add("status", "CANCELLED" if cancelled else "CONFIRMED")
    event.add("organizer", _person(letter.sender), encode=False)
    for address in letter.to:
        event.add("attendee", _invited(address, cancelled=cancelled), encode=False)
    return event


def _person(address: Address) -> vCalAddress:
    person = vCalAddress(f"mailto:{address.addr_spec}")
    if address.display_name:
        person.params["CN"] = vText(address.display_name)
    return person


def _invited(address: Address, *, cancelled: bool) -> vCalAddress:
    person = _person(address)
    person.params["ROLE"] = vText("REQ-PARTICIPANT")
    if not cancelled:
        person.params["PARTSTAT"] = vText("NEEDS-ACTION")
        person.params["RSVP"] = vText("TRUE")
    return person
