"""mail.invite, with the product's own sessions, against the lab's mail server; a calendar library reads what arrives."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta, timezone
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import icalendar
import pytest

from engine.actions.mail.invite import MailInvite, MailInviteArgs
from engine.model.args import builder_of
from engine.model.errors import InDoubt, Permanent, Temporary
from engine.model.plan import Receipt, Unpredictable
from tests.support.mail import NOON, FixedClock, MailScene, MailServer, running_mail_server

GOLDEN = Path(__file__).parent / "mail_invite"
ACTION = MailInvite()
KEY = "run-1/notify/partner"
CONTEXT: Mapping[str, Any] = {
    "customer": {"name": "example-dental", "title": "Example Dental <Group> & Co"}, "people": {"partner": {"name": "Pat Quill"}},
}


@pytest.fixture(scope="module")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    with running_mail_server(tmp_path_factory.mktemp("mail") / "lab") as server:
        yield server


@pytest.fixture
def server(_server: MailServer) -> Iterator[MailServer]:
    _server.mark()
    yield _server
    _server.behave()


@pytest.fixture
def scene(server: MailServer, tmp_path: Path) -> MailScene:
    return MailScene(tmp_path / "outbox", server.settings(), CONTEXT, (GOLDEN / "templates",))


def args(**values: object) -> MailInviteArgs:
    given = {
        "connection": "mail", "to": "Pat Quill <pat@partner.example>", "subject": "Your phones move",
        "start": "2026-10-27T09:00-05:00", "end": "2026-10-27T11:00-05:00", "description": "We need somebody to let us in.",
        **values,
    }
    return builder_of(MailInviteArgs)({name: value for name, value in given.items() if value is not None})


def plan(scene: MailScene, wanted: MailInviteArgs, address: str = "notify/partner") -> Unpredictable | None:
    change = ACTION.diff(wanted, ACTION.observe(wanted, scene.sessions(read_only=True, address=address)))
    assert change is None or isinstance(change, Unpredictable)
    return change


def apply(scene: MailScene, wanted: MailInviteArgs, key: str = KEY, address: str = "notify/partner") -> Receipt | None:
    """Looks, and sends when there is something to send: what one attempt of a run does."""
    change = plan(scene, wanted, address)
    return None if change is None else ACTION.apply(change, wanted, scene.sessions(read_only=False, address=address), key=key)


def calendar_part(mail: EmailMessage) -> EmailMessage:
    (part,) = [part for part in mail.iter_parts() if part.get_content_type() == "text/calendar"]
    assert isinstance(part, EmailMessage)
    return part


def event(mail: EmailMessage) -> Any:
    """The one event inside, as a calendar program reads it; the method outside is the one inside."""
    part = calendar_part(mail)
    calendar = icalendar.Calendar.from_ical(part.get_content())
    assert isinstance(calendar, icalendar.Calendar)
    assert part.get_param("method") == str(calendar["method"])
    (found,) = calendar.walk("VEVENT")
    return found


def test_an_invitation_is_words_for_people_and_an_event_for_their_calendars(server: MailServer, scene: MailScene) -> None:
    """Alternatives of one mail: text, HTML and iCalendar, the last one saying its method outside as inside."""
    receipt = apply(scene, args(template="visit", description=None, location="Front desk; ring twice"))
    assert receipt is not None
    (mail,) = server.messages()
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html", "text/calendar"]
    assert mail["Message-ID"] == receipt.data["message_id"]
    found = event(mail)
    assert (found.start, found.end) == (datetime(2026, 10, 27, 14, tzinfo=UTC), datetime(2026, 10, 27, 16, tzinfo=UTC))
    assert (str(found["summary"]), str(found["location"])) == ("Your phones move", "Front desk; ring twice")
    assert str(found["description"]).endswith('the work takes two hours; "quiet" it is not.')
    assert (found["status"], found["sequence"], found["dtstamp"].dt) == ("CONFIRMED", 0, NOON)
    assert (str(found["organizer"]), found["organizer"].params["cn"]) == ("mailto:cutover@example.net", "Cutover Desk")
    assert str(found["attendee"]) == "mailto:pat@partner.example"
    assert {name: found["attendee"].params[name] for name in ("CN", "RSVP", "PARTSTAT", "ROLE")} == {
        "CN": "Pat Quill", "RSVP": "TRUE", "PARTSTAT": "NEEDS-ACTION", "ROLE": "REQ-PARTICIPANT",
    }


@pytest.mark.parametrize(("name", "given"), [
    ("request", {"template": "visit", "description": None, "location": "Front desk"}),
    ("cancel", {
        "method": "cancel", "sequence": 2, "appointment": "visit-101", "to": ["pat@partner.example", "robin@example.net"],
    }),
])
def test_an_invitation_is_these_bytes(server: MailServer, scene: MailScene, name: str, given: dict[str, object]) -> None:
    """Seven bits, lines folded as RFC 5545 asks, everywhere and always the same. After changing it: ACCEPT=1, then read."""
    apply(scene, args(**given))
    raw = server.raw()[0]
    assert raw.isascii()
    golden = GOLDEN / f"{name}.eml"
    if os.environ.get("ACCEPT"):
        golden.write_bytes(raw.replace(b"\r\n", b"\n"))
    assert raw.replace(b"\r\n", b"\n").decode() == golden.read_text(encoding="ascii")


def test_the_plan_shows_the_appointment_and_writes_nothing(server: MailServer, scene: MailScene) -> None:
    """Neither the server nor the outbox hears of a plan."""
    change = plan(scene, args(uid="visit-7@desk.example", sequence=1))
    assert change is not None
    assert change.summary == 'will invite to "Your phones move": 1 recipient: pat@partner.example'
    assert {field.name: field.after for field in change.fields} == {
        "from": "Cutover Desk <cutover@example.net>", "to": "Pat Quill <pat@partner.example>", "subject": "Your phones move",
        "start": "2026-10-27T14:00:00+00:00", "end": "2026-10-27T16:00:00+00:00", "summary": "Your phones move",
        "method": "request", "sequence": "1", "uid": "visit-7@desk.example",
    }
    assert server.requests("read") == server.requests("write") == []
    assert not scene.outbox_folder.exists()


def test_an_appointment_is_moved_and_called_off_under_the_same_uid(server: MailServer, scene: MailScene) -> None:
    """From other steps, by the name they share; each change is sent once."""
    visit = {"appointment": "visit-101"}
    later = {"start": "2026-10-28T09:00-05:00", "end": "2026-10-28T11:00-05:00"}
    steps = [
        ("invite", args(**visit)), ("invite", args(**visit)), ("move", args(**visit, **later, sequence=1)),
        ("call-off", args(**visit, **later, sequence=2, method="cancel", description="It is off.")),
    ]
    for number, (step, wanted) in enumerate(steps):
        apply(scene, wanted, key=f"run-{number}", address=f"visits/{step}")
        apply(scene, wanted, key=f"again-{number}", address=f"visits/{step}")
    events = [event(mail) for mail in server.messages()]
    assert len({str(found["uid"]) for found in events}) == 1
    assert [(found["sequence"], found["status"]) for found in events] == [(0, "CONFIRMED"), (1, "CONFIRMED"), (2, "CANCELLED")]
    assert events[1].start == datetime(2026, 10, 28, 14, tzinfo=UTC)
    assert [calendar_part(mail).get_param("method") for mail in server.messages()] == ["REQUEST", "REQUEST", "CANCEL"]
    assert "RSVP" not in events[2]["attendee"].params


def test_the_uid_is_that_of_customer_and_appointment(scene: MailScene) -> None:
    """Whatever else changes; without a name of its own an appointment is that of its address."""

    def uid(address: str = "notify/partner", **changed: object) -> object:
        change = plan(scene, args(**changed), address)
        assert change is not None
        return {field.name: field.after for field in change.fields}["uid"]

    assert uid() == uid(subject="Moved", sequence=4, start="2026-10-27T08:00-05:00", to="x@partner.example")
    assert uid("one", appointment="a") == uid("two", appointment="a") != uid("one", appointment="b")
    assert uid("one") != uid("two")
    before = uid()
    scene.scope = "example-dental@lab"
    assert uid() != before


def test_the_message_id_follows_from_the_invitation(scene: MailScene) -> None:
    """Same invitation, same id, whenever; another time, place, sequence or method, another id."""

    def identifier(**changed: object) -> str:
        return ACTION.observe(args(appointment="a", **changed), scene.sessions(read_only=True)).message_id

    first = identifier()
    scene.clock = FixedClock(NOON + timedelta(days=3))
    assert identifier() == first == identifier(start="2026-10-27T14:00Z")
    others = [
        identifier(start="2026-10-27T08:00-05:00"), identifier(end="2026-10-27T12:00-05:00"), identifier(location="Desk"),
        identifier(summary="Phones"), identifier(sequence=1), identifier(method="cancel"), identifier(description="Other."),
    ]
    assert len({first, *others}) == len(others) + 1


def test_a_clock_elsewhere_stamps_in_utc(server: MailServer, scene: MailScene) -> None:
    """RFC 5545 asks for it."""
    scene.clock = FixedClock(NOON.astimezone(timezone(timedelta(hours=-5))))
    apply(scene, args())
    assert b"DTSTAMP:20260302T170300Z" in server.raw()[0]


def test_words_beyond_ascii_and_line_breaks_come_out_as_they_went_in(server: MailServer, scene: MailScene) -> None:
    """Escaped, folded and encoded on the way; a comma, a semicolon or a line break makes no property of its own."""
    text = "Grüße 📞, bitte; öffnen\\schließen\nATTENDEE:mailto:eve@elsewhere.example\n" + "lang " * 40
    to, summary = "Jürgen <pat@partner.example>", "Umzug – Größe, heute"
    apply(scene, args(summary=summary, location="Käthe's; 2. OG", description=text, to=to))
    assert server.raw()[0].isascii()
    found = event(server.messages()[0])
    assert (str(found["summary"]), str(found["location"])) == (summary, "Käthe's; 2. OG")
    assert str(found["description"]) == text.rstrip()
    assert (str(found["attendee"]), found["attendee"].params["CN"]) == ("mailto:pat@partner.example", "Jürgen")


def test_a_lost_reply_is_in_doubt_until_a_person_says_it_was_sent(server: MailServer, scene: MailScene) -> None:
    """As with every mail: nobody is invited twice by chance."""
    server.fault("lost_reply", count=1)
    with pytest.raises(InDoubt, match="--done 'notify/partner'"):
        apply(scene, args())
    with pytest.raises(InDoubt, match="may or may not have been sent"):
        apply(scene, args(), key="another run")
    scene.outbox.settle("example-dental", "notify/partner", done=True)
    assert apply(scene, args()) is None
    assert len(server.messages()) == 1


def test_a_temporary_refusal_sends_nothing_and_the_next_attempt_does(server: MailServer, scene: MailScene) -> None:
    """Greylisting."""
    server.fault("greylist", count=1)
    with pytest.raises(Temporary, match="Greylisted"):
        apply(scene, args())
    assert apply(scene, args()) is not None
    assert len(server.messages()) == 1


def test_a_rehearsal_invites_the_rehearsal_s_address_to_an_appointment_of_its_own(server: MailServer, scene: MailScene) -> None:
    """Nobody else is named to a calendar program, and the real invitation later is not taken for one that was seen."""
    scene.settings = server.settings(redirect_all="rehearsal@example.net", allow=["*@example.net"])
    apply(scene, args(), key="rehearsal")
    scene.settings = server.settings()
    apply(scene, args(), key="the real one")
    rehearsed, real = (event(mail) for mail in server.messages())
    assert server.requests("write")[0]["to"] == ["rehearsal@example.net"]
    assert str(rehearsed["attendee"]) == "mailto:rehearsal@example.net"
    assert str(rehearsed["summary"]) == "[rehearsal] Your phones move"
    assert rehearsed["uid"] == f"rehearsal-{real['uid']}"
    assert str(real["attendee"]) == "mailto:pat@partner.example"


def test_an_allow_list_refuses_others_while_planning(server: MailServer, scene: MailScene) -> None:
    """The same rule as for every mail."""
    scene.settings = server.settings(allow=["*@example.net"])
    with pytest.raises(Permanent, match=r"^pat@partner.example is not among"):
        plan(scene, args())


@pytest.mark.parametrize(("values", "words"), [
    ({"start": "tomorrow"}, "`start`: 'tomorrow' is no time"),
    ({"start": "2026-10-27T09:00"}, "`start`: '2026-10-27T09:00' says no offset"),
    ({"end": "2026-10-27T09:00-05:00"}, "is not after `start`"),
    ({"description": None}, "one of `template` and `description` is needed"),
    ({"template": "visit"}, "not both"),
    ({"method": "cancel"}, "does not say what it calls off"),
    ({"uid": "a", "appointment": "b"}, "give one of them"),
    ({"location": "Desk\r\nATTENDEE:mailto:eve@elsewhere.example"}, "`location` must be one line"),
    ({"summary": "a\nb"}, "`summary` must be one line"), ({"uid": "a\nb"}, "`uid` must be one line"),
    ({"to": []}, "`to` is empty"), ({"subject": " "}, "`subject` is empty"),
])
def test_an_invitation_that_cannot_be_is_refused_while_planning(scene: MailScene, values: dict[str, object], words: str) -> None:
    """Each error names the argument."""
    with pytest.raises(Permanent) as refused:
        plan(scene, args(**values))
    assert words in refused.value.why
