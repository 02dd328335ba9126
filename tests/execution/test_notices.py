"""Whom the engine writes to while a run waits at its gates: once each, of the last occasion, and again when that failed."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.execution.notices import standing_invitations
from engine.execution.stop import Stop
from engine.model.event import GateClosed, GateNotified
from engine.model.run import RunStatus
from engine.ports import Invitation, Notice, Told
from tests.execution.test_appointments import Case as Appointed
from tests.execution.test_appointments import case as appointed
from tests.execution.test_appointments import downtime
from tests.support.gate_case import PUT, START, Case, approval, case

INVITE = '{connection: mail, to: [partner, manager], subject: "Down {{ customer.name }}", location: "Portal"}'


@dataclass
class Postman:
    """Says what it was asked to. ``answers``: what comes of the next errands; sent once they are used up."""

    tells: bool = True
    said: list[str] = field(default_factory=list)
    answers: list[Told | Exception] = field(default_factory=list)

    def tell(self, notice: Notice) -> Told:
        self.said.append(f"{notice.why} to {notice.person['name']}")
        return self._answer(notice)

    def invite(self, invitation: Invitation) -> Told:
        self.said.append(f"{invitation.method} {invitation.sequence} to {invitation.to}")
        return self._answer(invitation)

    def _answer(self, errand: Notice | Invitation) -> Told:
        answer = self.answers.pop(0) if self.answers else Told("sent", f"<{errand.why}>")
        if isinstance(answer, Exception):
            raise answer
        return answer


DOWN = Told("failed", "<x>", "cannot connect", again=True, unreachable=True)
BUSY = Told("failed", "<x>", "451 later", again=True)
REFUSED = Told("failed", "<x>", "550 no such user")
LOST = Told("unknown", "<x>", "the connection was lost")


def told(folder: Path, steps: str, *answers: Told | Exception) -> tuple[Case, Postman]:
    postman = Postman(answers=list(answers))
    it = case(folder, steps)
    it.world.notifier = postman
    return it, postman


def test_everybody_who_is_asked_is_told_once(tmp_path: Path) -> None:
    """However often the run is taken up; and it is on record."""
    it, postman = told(tmp_path, approval() + PUT)
    assert it.start() is RunStatus.WAITING
    for _ in range(2):
        it.clock.pass_(hours=1)
        it.go_on()
    assert postman.said == ["opened to Pia", "opened to Max"]
    noted = [r.event for r in it.world.journal.read("r1") if isinstance(r.event, GateNotified)]
    assert [(n.to, n.why, n.outcome) for n in noted] == [
        ("pia@example.net", "opened", "sent"), ("max@example.net", "opened", "sent"),
    ]


def test_reminders_reach_who_has_not_acted_and_an_escalation_whom_it_goes_to(tmp_path: Path) -> None:
    """Who has voted is left in peace; when the time is over, everybody hears of it."""
    steps = approval(quorum="2", within="4h", remind="[1h, 2h]", on_timeout="escalate", escalate_to="boss")
    it, postman = told(tmp_path, steps + PUT)
    it.start()
    it.vote("pia")
    postman.said.clear()
    for hours in (1, 1, 2):
        it.clock.pass_(hours=hours)
        it.go_on()
    assert postman.said == ["reminder 1 to Max", "reminder 2 to Max", "escalated to Bo"]
    it.clock.pass_(hours=4)
    assert it.go_on() is RunStatus.TRIPPED
    assert Counter(postman.said[3:]) == {"timed out to Pia": 1, "timed out to Max": 1, "timed out to Bo": 1}


def test_one_who_could_not_be_reached_gets_the_last_word_only(tmp_path: Path) -> None:
    """Three mails at once, two of them about the past, help nobody."""
    it, postman = told(tmp_path, approval(within="4h", remind="[1h, 2h]") + PUT, DOWN)
    it.start()
    assert postman.said == ["opened to Pia"]
    it.clock.pass_(hours=3)
    it.go_on()
    assert postman.said[1:] == ["reminder 2 to Pia", "reminder 2 to Max"]


def test_a_mail_server_that_is_down_stops_nothing_and_is_tried_again_when_the_run_is_due(tmp_path: Path) -> None:
    """After five minutes, then ten; nobody else is tried while it is down."""
    it, postman = told(tmp_path, approval() + PUT, DOWN, DOWN)
    assert it.start() is RunStatus.WAITING
    assert it.world.journal.next_due() == START + timedelta(minutes=5)
    it.clock.pass_(minutes=5)
    it.go_on()
    assert postman.said == ["opened to Pia"] * 2
    assert it.world.journal.next_due() == START + timedelta(minutes=15)
    it.clock.pass_(minutes=10)
    it.go_on()
    assert postman.said[2:] == ["opened to Pia", "opened to Max"]
    assert it.world.journal.next_due() is None


def test_whoever_takes_the_run_up_has_it_tried_at_once(tmp_path: Path) -> None:
    """Also what failed for good: somebody may have mended it."""
    it, postman = told(tmp_path, approval() + PUT, REFUSED)
    it.start()
    assert postman.said == ["opened to Pia", "opened to Max"]
    assert it.world.journal.next_due() is None
    it.clock.pass_(minutes=1)
    it.go_on()
    assert postman.said[2:] == ["opened to Pia"]


@pytest.mark.parametrize("trouble", [LOST, ZeroDivisionError("of all things")])
def test_what_may_have_been_sent_is_not_sent_again_and_a_bug_is_on_record(tmp_path: Path, trouble: Told | Exception) -> None:
    """Neither stops the run."""
    it, postman = told(tmp_path, approval() + PUT, trouble)
    assert it.start() is RunStatus.WAITING
    notified = it.state.gates["p/sign-off"].notified["pia@example.net", "opened"]
    assert notified.event.outcome == ("unknown" if trouble is LOST else "failed")
    it.clock.pass_(hours=1)
    it.vote("pia")
    assert it.go_on() is RunStatus.SUCCEEDED
    assert "opened to Pia" not in postman.said[2:]


def test_a_run_that_is_to_stop_writes_to_nobody(tmp_path: Path) -> None:
    """They are told when it is taken up."""
    it, postman = told(tmp_path, approval() + PUT)
    stop = Stop()
    stop.set("test")
    it.planned = it.world.plan()
    it.world.apply(it.planned, stop)
    assert postman.said == []
    it.go_on()
    assert postman.said == ["opened to Pia", "opened to Max"]


def with_invitations(folder: Path, steps: str, *answers: Told | Exception) -> tuple[Appointed, Postman]:
    postman = Postman(answers=list(answers))
    it = appointed(folder, steps)
    it.world.notifier = postman
    return it, postman


def test_an_invitation_is_sent_when_a_time_is_chosen_and_again_when_it_moves(tmp_path: Path) -> None:
    """The sequence tells calendars which one counts; other proposals are told to those who choose."""
    it, postman = with_invitations(tmp_path, downtime(invite=INVITE) + "      - name: pause\n        wait: {for: 9d}\n")
    it.start()
    it.decline("pia")
    it.clock.pass_(minutes=1)
    it.go_on()
    it.choose("pia", "2")
    it.go_on()
    everybody = "pia@example.net, max@example.net"
    assert postman.said == [
        "opened to Pia", "opened to Max", "proposal 1 to Pia", "proposal 1 to Max", f"request 0 to {everybody}",
    ]
    it.move("max", "2026-11-25T09:00")
    it.go_on()
    it.clock.pass_(hours=1)
    it.go_on()
    assert postman.said[5:] == [f"request 1 to {everybody}"]
    asked: Any = it.gate.opened.ask["invite"]
    assert (asked["subject"], asked["location"]) == ("Down acme", "Portal")
    assert [(i.method, i.sequence, i.why) for i in standing_invitations(it.world.state())] == [("cancel", 2, "cancellation 2")]


def test_a_failed_invitation_never_loses_the_choice_and_keeps_the_run_until_it_is_sent(tmp_path: Path) -> None:
    """The run has done everything else by then; who was to be invited has to hear of it all the same."""
    it, postman = with_invitations(tmp_path, downtime(invite=INVITE) + PUT)
    it.start()
    it.choose("pia", "1")
    postman.answers = [BUSY]
    assert it.go_on() is RunStatus.WAITING
    assert it.outputs["sequence"] == 0
    assert it.world.journal.next_due() == START + timedelta(minutes=5)
    it.clock.pass_(minutes=5)
    assert it.go_on() is RunStatus.SUCCEEDED
    assert postman.said[-2:] == ["request 0 to pia@example.net, max@example.net"] * 2


def test_where_nobody_is_told_of_gates_calendars_still_are(tmp_path: Path) -> None:
    """The one is the inventory's, the other the runbook's."""
    it, postman = with_invitations(tmp_path, downtime(invite=INVITE) + PUT)
    postman.tells = False
    it.start()
    it.choose("pia", "1")
    it.go_on()
    assert postman.said == ["request 0 to pia@example.net, max@example.net"]


def test_what_calendars_were_told_is_called_off_once_when_the_appointment_is_not_to_be(tmp_path: Path) -> None:
    """By whatever closes the gate otherwise; where nothing was sent, there is nothing to call off."""
    it, postman = with_invitations(tmp_path, downtime(invite=INVITE) + "      - name: pause\n        wait: {for: 9d}\n")
    it.start()
    it.choose("pia", "1")
    it.go_on()
    it.world.record([GateClosed("p/downtime", "refused", "the customer withdrew")])
    for _ in range(2):
        it.clock.pass_(hours=1)
        it.go_on()
    assert postman.said[2:] == [f"{word} to pia@example.net, max@example.net" for word in ("request 0", "cancel 1")]
    assert standing_invitations(it.world.state()) == []
    it, postman = with_invitations(tmp_path, downtime(invite=INVITE) + PUT, Told("sent"), Told("sent"), REFUSED)
    it.start()
    it.choose("pia", "1")
    it.go_on()
    it.world.record([GateClosed("p/downtime", "refused", "the customer withdrew")])
    it.go_on()
    assert [word for word in postman.said if word.startswith("cancel")] == []
