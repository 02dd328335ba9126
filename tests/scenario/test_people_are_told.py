"""Mail by the engine itself, from the command line to a real mail server: what people are asked, tokens, invitations, crashes."""

from __future__ import annotations

import json
import stat
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from email.message import EmailMessage
from pathlib import Path

import icalendar
import pytest

from engine.journal.sqlite import SqliteJournal
from engine.model.event import GateClosed, GateNotified
from engine.wiring.clock import SystemClock
from tests.cli.test_terminal import terminal
from tests.support.cli import Ended
from tests.support.cli import switchover as typed
from tests.support.dying import child
from tests.support.mail import MailServer, running_mail_server
from tests.support.project import Folder

INVENTORY = """\
switchover: 1
customer: acme
title: Acme Dental
timezone: America/Chicago
connections:
  mail:
    type: smtp
    host: 127.0.0.1
    port: {port}
    security: starttls
    username: {user}
    password: "file:password"
    ca_file: {ca}
    from: desk@example.net
notify: {{connection: mail, from: "Cutover Desk <cutover@example.net>", tokens: true}}
calendars:
  team: {{hours: {{mon-sun: "00:00-24:00"}}}}
people:
  partner: {{name: Pia Partner, email: pia@partner.example}}
  manager: {{name: Max Manager, email: max@acme.example, logins: [max]}}
  silent: {{name: Sil Ent}}
"""
ASK = """\
switchover: 1
name: ask
title: Ask
phases:
  - name: ask
    steps:
      - name: sign-off
        title: Partner signs
        approval: {by: [partner, manager], four_eyes: false, within: 2 days, message: "For {{ customer.title }}: 3 < 5?"}
      - name: downtime
        title: When the portal is down
        appointment:
          by: partner
          for: 4h
          calendar: team
          lead: 2 days
          invite: {connection: mail, to: [partner, manager], subject: "Portal down", text: "Please log out.", location: Portal}
      - name: over
        wait: {until: "{{ steps.downtime.outputs.end }}"}
"""


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
def home(tmp_path: Path, server: MailServer) -> Path:
    """A project whose people are told, before its first run."""
    settings = server.settings()
    (tmp_path / "runbooks").mkdir()
    (tmp_path / "runbooks" / "ask.yml").write_text(ASK)
    folder = tmp_path / "inventories" / "acme"
    folder.mkdir(parents=True)
    (folder / "password").write_text(server.password)
    (folder / "password").chmod(0o600)
    (folder / "inventory.yml").write_text(INVENTORY.format(
        port=settings["port"], user=settings["username"], ca=settings["ca_file"]
    ))
    return tmp_path


APPLY = ("apply", "runbooks/ask.yml", "-i", "inventories/acme", "--yes")


def run_of(home: Path) -> str:
    found: str = json.loads(typed(home, "status", "--output", "json").must(0).out)[0]["run"]
    return found


def act(home: Path, command: str, *words: str) -> Ended:
    return typed(home, command, run_of(home), *words, "--as", "partner").must(0)


def notified(home: Path) -> list[tuple[str, str, str]]:
    return [(e.to, e.why, e.outcome) for e in Folder(home).events() if isinstance(e, GateNotified)]


def body(mail: EmailMessage, kind: str = "plain") -> str:
    part = mail.get_body((kind,))
    assert part is not None
    return str(part.get_content()).replace("\r\n", "\n")


def calendar_of(mail: EmailMessage) -> icalendar.Calendar:
    part = next(part for part in mail.walk() if part.get_content_type() == "text/calendar")
    return icalendar.Calendar.from_ical(part.get_content())


def closed_otherwise(home: Path, address: str) -> None:
    """As what ends a run before its time does."""
    journal = SqliteJournal(Folder(home).journal, SystemClock())
    journal.flush(journal.append(run_of(home), [GateClosed(address, "refused", "the customer withdrew")]))
    journal.close()


def token_in(mail: EmailMessage, home: Path) -> Path:
    part = next(mail.iter_attachments())
    path = home / str(part.get_filename())
    path.write_text(part.get_content())
    return path


def test_each_is_told_what_is_asked_and_what_to_type_with_a_token_of_their_own(home: Path, server: MailServer) -> None:
    """In one thread; the token acts once, and lies nowhere but in the outbox, for its owner alone."""
    typed(home, *APPLY).must(6)
    mails = server.messages()
    assert [str(mail["To"]) for mail in mails] == ["pia@partner.example", "max@acme.example"]
    mine = mails[0]
    assert (str(mine["Subject"]), str(mine["From"])) == ("Acme Dental: Partner signs", "Cutover Desk <cutover@example.net>")
    assert "For Acme Dental: 3 < 5?" in body(mine)
    assert "For Acme Dental: 3 &lt; 5?" in body(mine, "html")
    run = run_of(home)
    assert f"switchover approve {run} ask/sign-off --as partner\n" in body(mine)
    assert f"switchover approve {run} ask/sign-off\n" in body(mails[1])
    assert "America/Chicago" in body(mine)
    assert len({str(mail["References"]) for mail in mails}) == 1
    token = token_in(mine, home)
    assert f"switchover redeem {token.name} approve" in body(mine)
    secret = token.read_text().strip()
    state = home / ".switchover"
    files = [path for path in state.rglob("*") if path.is_file()]
    unfolded = {path: path.read_bytes().replace(b"=\r\n", b"") for path in files}
    assert [path.parent for path in files if secret.encode() in unfolded[path]] == [state / "outbox"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files if path.is_relative_to(state / "outbox")} == {0o600}
    typed(home, "redeem", token.name, "approve", "--comment", "fine").must(0)
    refused = typed(home, "redeem", token.name, "approve").must(4)
    assert "The token was used already" in refused.text


def test_an_appointment_is_told_of_chosen_by_token_moved_and_calendars_follow(home: Path, server: MailServer) -> None:
    """One UID, the sequence raised; what is proposed stands in the mail with what to type."""
    typed(home, *APPLY).must(6)
    act(home, "approve", "ask/sign-off")
    typed(home, "resume").must(6)
    asked = server.messages()[2]
    run = run_of(home)
    assert str(asked["Subject"]) == "Acme Dental: When the portal is down"
    assert body(asked).count(f"switchover choose {run} ask/downtime 20") == 3
    server.mark()
    typed(home, "redeem", token_in(asked, home).name, "choose", "--slot", "2").must(0)
    typed(home, "resume").must(6)
    invited = server.messages()
    assert [str(mail["To"]) for mail in invited] == ["pia@partner.example, max@acme.example"]
    first = calendar_of(invited[0])
    assert (str(first["METHOD"]), first.events[0]["SEQUENCE"]) == ("REQUEST", 0)
    chosen = Folder(home).fold().gates["ask/downtime"]
    assert first.events[0].start == datetime.fromisoformat(chosen.outputs["start"])
    assert str(first.events[0]["UID"]) == chosen.outputs["uid"]
    later = chosen.offers[2][0][:16]
    server.mark()
    said = act(home, "reschedule", "ask/downtime", later, "--reason", "ill").out
    assert "Moved: " in said
    typed(home, "resume", "--all-due").must(0)
    moved = server.messages()[0]
    second = calendar_of(moved)
    assert (second.events[0]["SEQUENCE"], str(second.events[0]["UID"])) == (1, chosen.outputs["uid"])
    assert "Moved: ill" in body(moved)
    assert str(moved["References"]) == str(asked["References"])
    gates = Folder(home).fold().gates
    assert gates["ask/over"].due is not None
    assert gates["ask/over"].due.isoformat() == gates["ask/downtime"].outputs["end"]
    server.mark()
    closed_otherwise(home, "ask/downtime")
    typed(home, "resume")
    called_off = server.messages()[0]
    last = calendar_of(called_off)
    assert (str(last["METHOD"]), last.events[0]["SEQUENCE"], str(last.events[0]["STATUS"])) == ("CANCEL", 2, "CANCELLED")
    assert (str(last.events[0]["UID"]), str(called_off["Subject"])) == (chosen.outputs["uid"], "Called off: Portal down")


def test_the_commands_say_what_is_proposed_and_why_something_is_refused(home: Path) -> None:
    """Without a terminal nobody is asked; what is declined is replaced."""
    typed(home, *APPLY).must(6)
    act(home, "approve", "ask/sign-off")
    typed(home, "resume").must(6)
    run = run_of(home)
    assert "switchover choose" in typed(home, "inbox").must(0).out
    unasked = typed(home, "choose", run, "ask/downtime", "--as", "partner").must(1)
    assert "Nobody is there to choose" in unasked.text
    declined = act(home, "decline", "ask/downtime", "--reason", "closing the books", "--not", "1").out
    assert "Declined. Now proposed:\n  1  " in declined
    early = typed(home, "choose", run, "ask/downtime", "2020-01-01T08:00", "--as", "partner").must(4)
    assert "the earliest there is; next: " in early.text
    wrong = typed(home, "choose", run, "ask/sign-off", "1", "--as", "partner").must(4)
    assert "ask/sign-off is another kind of gate: approval" in wrong.text
    assert "Chosen: " in act(home, "choose", "ask/downtime", "1").out


def test_at_a_terminal_a_time_is_asked_for_until_it_can_be_had(home: Path) -> None:
    """A wrong answer costs nothing."""
    typed(home, *APPLY).must(6)
    act(home, "approve", "ask/sign-off")
    typed(home, "resume").must(6)
    with terminal(Folder(home), "choose", run_of(home), "ask/downtime", "--as", "partner") as at:
        at.until("Which one?")
        at.type("2020-01-01T08:00\n")
        at.until("the earliest there is; next:")
        at.type("3\n")
        assert at.ended() == 0
    assert len(Folder(home).fold().gates["ask/downtime"].choices) == 1


@pytest.mark.parametrize(("boundary", "outcome", "sent"), [
    ("after commit gate_opened", "sent", 1), ("after mark sending", "unknown", 0), ("after mark sent", "sent", 1),
    ("before append gate_notified", "sent", 1), ("inside commit gate_notified", "sent", 1),
])
def test_killed_while_writing_nobody_is_told_twice(
    home: Path, server: MailServer, boundary: str, outcome: str, sent: int
) -> None:
    """What may have left stays unknown; what was sent is found to be."""
    child(Folder(home), boundary, 1, *APPLY).must(-9)
    typed(home, "resume").must(6)
    assert Counter(notified(home))["pia@partner.example", "opened", outcome] == 1
    assert Counter(str(mail["To"]) for mail in server.messages())["pia@partner.example"] == sent
    assert Counter(str(mail["To"]) for mail in server.messages())["max@acme.example"] == 1


def test_a_server_that_refuses_or_loses_its_answer_stops_nothing_and_is_shown(home: Path, server: MailServer) -> None:
    """Who could not be told is named, with the reason, until they were."""
    server.fault("busy", match="DATA pia@partner.example", count=1)
    server.fault("lost_reply", match="DATA max@acme.example", count=1)
    shown = typed(home, *APPLY).must(6).out
    assert "pia@partner.example could not be told (opened): " in shown
    assert "it may or may not have been sent: the connection was lost" in " ".join(shown.split())
    assert "pia@partner.example could not be told" in typed(home, "inbox").must(0).out
    typed(home, "resume").must(6)
    assert Counter(str(mail["To"]) for mail in server.messages()) == {"pia@partner.example": 1, "max@acme.example": 1}
    assert "could not be told" not in typed(home, "inbox").must(0).out


def test_a_redirected_mail_carries_no_token_and_names_whom_it_was_for(home: Path, server: MailServer) -> None:
    """A token is for its person alone, and a rehearsal's appointment is one of its own."""
    path = home / "inventories" / "acme" / "inventory.yml"
    path.write_text(path.read_text().replace("    from: desk@", "    redirect_all: tester@example.net\n    from: desk@"))
    typed(home, *APPLY).must(6)
    mails = server.messages()
    assert {str(mail["To"]) for mail in mails} == {"tester@example.net"}
    assert [str(mail["X-Original-To"]) for mail in mails] == ["pia@partner.example", "max@acme.example"]
    assert [list(mail.iter_attachments()) for mail in mails] == [[], []]
    assert "redeem" not in body(mails[0])


def test_a_recipient_outside_the_allow_list_is_not_written_to(home: Path, server: MailServer) -> None:
    """The others are."""
    path = home / "inventories" / "acme" / "inventory.yml"
    path.write_text(path.read_text().replace("    from: desk@", '    allow: ["*@acme.example"]\n    from: desk@'))
    shown = typed(home, *APPLY).must(6).out
    assert [str(mail["To"]) for mail in server.messages()] == ["max@acme.example"]
    assert "pia@partner.example is not among those that connection 'mail' may write to" in " ".join(shown.split())


def test_who_is_asked_and_has_no_mail_address_is_named_by_the_plan(home: Path) -> None:
    """A warning: they may look into the inbox by themselves."""
    path = home / "runbooks" / "ask.yml"
    path.write_text(path.read_text().replace("by: [partner, manager]", "by: [partner, silent]"))
    planned = typed(home, "plan", "runbooks/ask.yml", "-i", "inventories/acme").must(0)
    assert "Sil Ent (silent) is asked here and has no `email` in the inventory" in " ".join(planned.err.split())
