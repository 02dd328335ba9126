"""Gates in a run: people, times and outside events hold it, and what they bring lets it go on."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.model.calendar import Calendar
from engine.model.diagnostic import InvalidInput
from engine.model.event import Event, RunHeld, RunReleased, SignalReceived
from engine.model.run import RunStatus
from engine.reporting.summary import format_runs, format_summary
from engine.wiring.gates import Account, NotAllowed, vote
from engine.wiring.runs import asked_again
from tests.support.gate_case import PEOPLE, PUT, START, Case, approval, case
from tests.support.shelf import Shelf


def test_a_run_waits_at_an_approval_and_goes_on_when_it_is_given(tmp_path: Path) -> None:
    """Nothing behind the gate is touched before."""
    it = case(tmp_path, approval() + PUT)
    assert it.start() is RunStatus.WAITING
    assert it.world.shelf.writes == {}
    assert it.state.items["p/sign-off"].status.value == "waiting"
    it.vote("pia")
    assert it.go_on() is RunStatus.SUCCEEDED
    assert set(it.world.shelf.values) == {"a", "b", "c"}
    assert it.why("p/sign-off") == "Pia approved it"


def test_nobody_is_asked_twice(tmp_path: Path) -> None:
    """Taking the run up again finds the gate as it was left."""
    it = case(tmp_path, approval() + PUT)
    it.start()
    for _ in range(3):
        assert it.go_on() is RunStatus.WAITING
    assert it.world.kinds().count("gate_opened") == 1


def test_a_quorum_takes_that_many_different_people(tmp_path: Path) -> None:
    """One of two is not enough, and nobody counts twice."""
    it = case(tmp_path, approval(quorum="2") + PUT)
    it.start()
    it.vote("pia")
    assert it.go_on() is RunStatus.WAITING
    with pytest.raises(NotAllowed, match=r"Pia has voted already \(approve\); a vote is never changed"):
        it.vote("pia", "reject", comment="changed my mind")
    it.vote("max")
    assert it.go_on() is RunStatus.SUCCEEDED
    assert it.why("p/sign-off") == "Pia and Max approved it"


def test_one_rejection_ends_it_and_says_why(tmp_path: Path) -> None:
    """Nothing behind it is done, and the comment is in every report."""
    it = case(tmp_path, approval(quorum="2") + PUT)
    it.start()
    with pytest.raises(NotAllowed, match="a rejection needs a comment that says why"):
        it.vote("pia", "reject")
    it.vote("pia", "reject", comment="wrong evening")
    assert it.go_on() is RunStatus.TRIPPED
    assert it.why("p/sign-off") == "Pia rejected it: wrong evening"
    assert it.world.shelf.values == {}
    with pytest.raises(NotAllowed, match="it is decided already: Pia rejected it: wrong evening"):
        it.vote("max")


def test_whoever_asked_may_not_agree(tmp_path: Path) -> None:
    """Four eyes, unless the runbook says that two will do. The run was started by the account ana."""
    people = {**PEOPLE, "partner": {"name": "Ana", "logins": ["ana"]}}
    it = case(tmp_path, approval() + PUT)
    it.world.people = people
    it.start()
    with pytest.raises(NotAllowed, match="ana asked for this approval, and it takes four eyes"):
        it.vote("ana")
    it = case(tmp_path, approval(four_eyes="false") + PUT)
    it.world.people = people
    it.start()
    it.vote("ana")
    assert it.go_on() is RunStatus.SUCCEEDED


def test_strangers_and_wrong_accounts_are_refused(tmp_path: Path) -> None:
    """By the account, or by saying for whom one acts; neither makes somebody a partner."""
    it = case(tmp_path, approval() + PUT)
    it.start()
    with pytest.raises(NotAllowed, match=r"is known by the account eve: Pia \(partner\), Max \(manager\)"):
        it.vote("eve")
    with pytest.raises(NotAllowed, match="Pia acts by the account pia, and this is eve"):
        it.act(lambda state: vote(
            state, "p/sign-off", Account("eve", "partner"), it.clock.now(), choice="approve", comment=""
        ))


def test_a_vote_for_something_else_does_not_count(tmp_path: Path) -> None:
    """Whoever names the digest of what they saw agrees to that alone."""
    it = case(tmp_path, approval() + PUT)
    it.start()
    shown = it.state.gates["p/sign-off"].digest
    with pytest.raises(NotAllowed, match="what was shown to you is not what this approval is about now"):
        it.vote("pia", digest="0123")
    it.vote("pia", digest=shown[:8])
    assert it.go_on() is RunStatus.SUCCEEDED


def test_silence_refuses_when_the_time_is_over(tmp_path: Path) -> None:
    """And a vote after that is late."""
    it = case(tmp_path, approval(within="2 hours") + PUT)
    it.start()
    assert it.world.journal.next_due() == START + timedelta(hours=2)
    it.clock.pass_(hours=2)
    with pytest.raises(NotAllowed, match="it is too late: the time was over at 2026-11-23T20:00"):
        it.vote("pia")
    assert it.go_on() is RunStatus.TRIPPED
    assert "nobody acted in time" in it.why("p/sign-off")


def test_silence_can_mean_agreement(tmp_path: Path) -> None:
    it = case(tmp_path, approval(within="2 hours", on_timeout="approve") + PUT)
    it.start()
    it.clock.pass_(hours=3)
    assert it.go_on() is RunStatus.SUCCEEDED
    assert "nobody objected in time" in it.why("p/sign-off")


def test_silence_can_be_passed_on_to_somebody_else(tmp_path: Path) -> None:
    """They get as much time again; the first ones may still act."""
    it = case(tmp_path, approval(within="2 hours", on_timeout="escalate", escalate_to="boss") + PUT)
    it.start()
    with pytest.raises(NotAllowed, match="is known by the account bo"):
        it.vote("bo")
    it.clock.pass_(hours=2)
    assert it.go_on() is RunStatus.WAITING
    assert it.world.journal.next_due() == START + timedelta(hours=4)
    it.vote("bo")
    assert it.go_on() is RunStatus.SUCCEEDED


def test_an_escalation_that_nobody_heeds_refuses_in_the_end(tmp_path: Path) -> None:
    it = case(tmp_path, approval(within="2 hours", on_timeout="escalate", escalate_to="boss") + PUT)
    it.start()
    it.clock.pass_(days=3)
    assert it.go_on() is RunStatus.TRIPPED
    assert it.world.kinds().count("gate_escalated") == 1


def test_reminders_fall_due_once_each_also_after_days_switched_off(tmp_path: Path) -> None:
    """The ladder is climbed by the clock and not by how often somebody looks."""
    it = case(tmp_path, approval(remind="[1h, 2h, 5h]") + PUT)
    it.start()
    assert it.world.journal.next_due() == START + timedelta(hours=1)
    it.clock.pass_(hours=1, minutes=1)
    it.go_on()
    it.go_on()
    assert it.world.kinds().count("gate_reminded") == 1
    it.clock.pass_(days=2)
    it.go_on()
    assert it.world.kinds().count("gate_reminded") == 3
    it.go_on()
    assert it.world.kinds().count("gate_reminded") == 3


def test_a_clock_that_is_set_back_undoes_nothing(tmp_path: Path) -> None:
    """For a run time never goes back: what was late stays late."""
    it = case(tmp_path, approval(within="2 hours", on_timeout="escalate", escalate_to="boss") + PUT)
    it.start()
    it.clock.pass_(hours=2)
    it.go_on()
    it.clock.pass_(days=-30)
    assert it.go_on() is RunStatus.WAITING
    assert it.world.kinds().count("gate_escalated") == 1


def test_what_was_approved_binds_and_only_the_item_that_changed_is_left_alone(tmp_path: Path) -> None:
    """The approval is about what was shown when it was asked for."""
    put = PUT.replace("for_each: things", "for_each: things\n        max_failures: 1")
    it = case(tmp_path, approval(covers="[p/put]") + put)
    it.start()
    shown = it.state.gates["p/sign-off"].opened.ask["shown"]
    assert [address for address, _, _ in shown] == ["p/put[a]", "p/put[b]", "p/put[c]"]
    it.vote("pia")
    it.world.shelf.values["b"] = "somebody was here"
    assert it.go_on() is RunStatus.FAILED
    assert it.world.shelf.values == {"a": "1", "b": "somebody was here", "c": "1"}
    assert "it changed since Pia approved it, so the approval no longer holds for it" in it.why("p/put[b]")


def lapsed_case(folder: Path) -> Case:
    """A run whose item b changed after Pia approved all three; c was held up by that."""
    it = case(folder, approval(covers="[p/put]") + PUT)
    it.start()
    it.vote("pia")
    it.world.shelf.values["b"] = "somebody was here"
    assert it.go_on() is RunStatus.TRIPPED
    assert it.state.lapsed() == {"p/sign-off": ["p/put[b]"]}
    return it


def ask_again(it: Case) -> RunStatus:
    return it.world.resume(it.planned, *asked_again(it.state, "ana"))


def test_a_lapsed_approval_is_asked_for_once_more_for_what_lapsed_alone(tmp_path: Path) -> None:
    """It is shown as it is now, and goes on when it is approved; what was approved before still binds the others."""
    it = lapsed_case(tmp_path)
    assert ask_again(it) is RunStatus.WAITING
    gate = it.state.gates["p/sign-off"]
    assert [address for address, _, _ in gate.opened.ask["shown"]] == ["p/put[b]"]
    assert "once more, for what changed since it was given" in gate.opened.ask["summary"]
    assert it.world.shelf.values == {"a": "1", "b": "somebody was here"}
    it.vote("max")
    it.world.shelf.values["c"] = "somebody was here too"
    assert it.go_on() is RunStatus.FAILED
    assert it.world.shelf.values == {"a": "1", "b": "1", "c": "somebody was here too"}
    assert "it changed since Pia approved it" in it.why("p/put[c]")


def test_what_changes_again_lapses_again(tmp_path: Path) -> None:
    """The new approval binds like the first."""
    it = lapsed_case(tmp_path)
    ask_again(it)
    it.vote("max")
    it.world.shelf.values["b"] = "and again"
    it.go_on()
    assert "it changed since Max approved it" in it.why("p/put[b]")
    assert ask_again(it) is RunStatus.WAITING
    it.vote("pia")
    assert it.go_on() is RunStatus.SUCCEEDED
    assert set(it.world.shelf.values.values()) == {"1"}


def test_a_lapsed_approval_that_is_refused_leaves_what_lapsed_alone(tmp_path: Path) -> None:
    it = lapsed_case(tmp_path)
    ask_again(it)
    it.vote("pia", "reject", comment="somebody works on b")
    assert it.go_on() is RunStatus.TRIPPED
    assert it.world.shelf.values["b"] == "somebody was here"


def test_nobody_is_asked_again_about_what_is_as_it_should_be_by_now(tmp_path: Path) -> None:
    """Somebody put it right by hand: the run goes on."""
    it = lapsed_case(tmp_path)
    it.world.shelf.values["b"] = "1"
    assert ask_again(it) is RunStatus.SUCCEEDED
    assert it.world.kinds().count("gate_opened") == 1
    assert it.world.statuses()["p/put[b]"] == "unchanged"


def test_what_moved_without_an_approval_is_not_asked_about(tmp_path: Path) -> None:
    """Only a new plan helps there."""
    it = case(tmp_path, PUT)
    it.planned = it.world.plan()
    it.world.shelf.values["b"] = "somebody was here"
    it.world.apply(it.planned)
    assert it.state.moved() == ["p/put[b]"]
    assert asked_again(it.state, "ana") == []


def test_an_approval_of_a_state_that_moved_since_the_plan_is_of_what_stands_there_now(tmp_path: Path) -> None:
    """Looking anew is what the gate is for: the plan may be weeks old."""
    it = case(tmp_path, approval(covers="[p/put]") + PUT)
    it.planned = it.world.plan()
    it.world.shelf.values["b"] = "somebody was here"
    it.world.apply(it.planned)
    it.vote("pia")
    assert it.go_on() is RunStatus.SUCCEEDED
    assert set(it.world.shelf.values.values()) == {"1"}


def test_a_form_is_filled_in_and_later_steps_use_it(tmp_path: Path) -> None:
    """A wrong answer is refused with all that is wrong, and nothing is recorded."""
    form = """\
      - name: form
        input:
          by: partner
          form:
            required: [route]
            properties: {route: {enum: [local, vo]}, seats: {type: integer, minimum: 1}}
            if: {properties: {route: {const: vo}}}
            then: {required: [seats]}
      - name: put
        action: shelf.put
        with: {name: a, value: "{{ steps.form.outputs.route }}"}
"""
    it = case(tmp_path, form)
    assert it.start() is RunStatus.WAITING
    for wrong, said in (({"route": "moon"}, "route"), ({"route": "vo"}, "seats"), ({"route": "local", "sats": 2}, "sats")):
        with pytest.raises(InvalidInput) as refused:
            it.answer("pia", wrong)
        assert said in str(refused.value.diagnostics)
    assert it.world.kinds().count("gate_answered") == 0
    it.answer("pia", {"route": "vo", "seats": 3})
    assert it.go_on() is RunStatus.SUCCEEDED
    assert it.world.shelf.values == {"a": "vo"}


def test_a_later_correction_is_a_new_version(tmp_path: Path) -> None:
    """What was answered first stays on record."""
    form = "      - name: form\n        input: {by: partner, form: {properties: {x: {type: integer}}}}\n" + approval() + """\
      - name: put
        action: shelf.put
        with: {name: a, value: "{{ steps.form.outputs.x }}"}
"""
    it = case(tmp_path, form)
    it.start()
    it.answer("pia", {"x": 1})
    assert it.go_on() is RunStatus.WAITING
    with pytest.raises(NotAllowed, match="decided already"):
        it.answer("pia", {"x": 2})
    it.answer("pia", {"x": 2}, correct=True)
    it.vote("max")
    assert it.go_on() is RunStatus.SUCCEEDED
    assert [a.data["x"] for a in it.state.gates["p/form"].answers] == [1, 2]
    assert it.world.shelf.values == {"a": "2"}


def test_manual_work_is_done_when_somebody_says_so_with_evidence_where_it_is_asked_for(tmp_path: Path) -> None:
    it = case(tmp_path, "      - name: work\n        task: {by: manager, checklist: [look], evidence: true}\n" + PUT)
    it.start()
    with pytest.raises(NotAllowed, match="it has to be proved: give a file with --evidence"):
        it.report("max")
    with pytest.raises(NotAllowed, match="'blocked' needs a --reason"):
        it.report("max", "blocked")
    it.report("max", "blocked", reason="no key to the room")
    assert it.go_on() is RunStatus.WAITING
    it.report("max", evidence=[{"name": "photo.jpg", "sha256": "0" * 64, "size": 3}])
    assert it.go_on() is RunStatus.SUCCEEDED


def test_a_wait_for_a_time_passes_when_it_has_come(tmp_path: Path) -> None:
    it = case(tmp_path, "      - name: pause\n        wait: {for: 24 hours}\n" + PUT)
    assert it.start() is RunStatus.WAITING
    it.clock.pass_(hours=23)
    assert it.go_on() is RunStatus.WAITING
    it.clock.pass_(hours=1)
    assert it.go_on() is RunStatus.SUCCEEDED


def test_a_wait_until_a_date_reads_it_in_the_customers_time_zone(tmp_path: Path) -> None:
    it = case(tmp_path, '      - name: pause\n        wait: {until: "2026-11-25T09:00"}\n' + PUT)
    it.start()
    assert it.world.journal.next_due() == datetime(2026, 11, 25, 9, 0, tzinfo=UTC)
    bad = case(tmp_path, '      - name: pause\n        wait: {until: "next week"}\n' + PUT)
    assert bad.start() is RunStatus.TRIPPED
    assert "which is no date and time" in bad.why("p/pause")


def test_a_wait_for_an_outside_event_passes_when_it_was_received(tmp_path: Path) -> None:
    """Also when it came before anybody waited: a port can be early."""
    wait = "      - name: ported\n        wait: {signal: port-completed}\n      - name: put\n        action: shelf.put\n" \
           '        with: {name: a, value: "{{ steps.ported.outputs.order }}"}\n'
    it = case(tmp_path, wait)
    it.start()
    it.tell(SignalReceived("something-else", {}, "carrier"))
    assert it.go_on() is RunStatus.WAITING
    it.tell(SignalReceived("port-completed", {"order": "P-7"}, "carrier"))
    assert it.go_on() is RunStatus.SUCCEEDED
    assert it.world.shelf.values == {"a": "P-7"}
    early = case(tmp_path, approval() + wait)
    early.start()
    early.tell(SignalReceived("port-completed", {"order": "P-8"}, "carrier"))
    early.vote("pia")
    assert early.go_on() is RunStatus.SUCCEEDED


def test_a_gate_whose_condition_is_false_is_skipped(tmp_path: Path) -> None:
    it = case(tmp_path, approval().replace("approval:", "when: 'false'\n        approval:") + PUT)
    assert it.start() is RunStatus.SUCCEEDED
    assert it.state.items["p/sign-off"].status.value == "skipped"


def test_gates_in_lanes_hold_each_item_on_its_own(tmp_path: Path) -> None:
    """A phone that somebody has to visit does not keep the others waiting."""
    lanes = """\
      - name: each
        for_each: things
        steps:
          - name: visit
            when: item.id == 'b'
            task: {by: manager}
          - name: put
            action: shelf.put
            with: {name: "{{ item.id }}", value: "1"}
"""
    it = case(tmp_path, lanes)
    assert it.start() is RunStatus.WAITING
    assert set(it.world.shelf.values) == {"a", "c"}
    it.report("max", at="p/visit[b]")
    assert it.go_on() is RunStatus.SUCCEEDED
    assert set(it.world.shelf.values) == {"a", "b", "c"}


def test_a_hold_keeps_everything_from_starting_until_it_is_released(tmp_path: Path) -> None:
    it = case(tmp_path, approval() + PUT)
    it.start()
    it.vote("pia")
    it.tell(RunHeld("p/put", "the firm asked us to wait", "Max"))
    assert it.go_on() is RunStatus.WAITING
    assert it.world.shelf.values == {}
    it.tell(RunReleased("p/put", "they are ready", "Max"))
    assert it.go_on() is RunStatus.SUCCEEDED


def test_a_hold_can_end_by_itself(tmp_path: Path) -> None:
    """At a time, or when something has happened."""
    it = case(tmp_path, approval() + PUT)
    it.start()
    it.vote("pia")
    it.tell(RunHeld("", "month end", "Max", until=(START + timedelta(days=1)).isoformat()))
    assert it.go_on() is RunStatus.WAITING
    assert it.world.journal.next_due() == START + timedelta(days=1)
    it.clock.pass_(days=1)
    assert it.go_on() is RunStatus.SUCCEEDED
    it = case(tmp_path, approval() + PUT)
    it.start()
    it.vote("pia")
    it.tell(RunHeld("", "until the office is ready", "Max", signal="vo-complete"))
    assert it.go_on() is RunStatus.WAITING
    it.tell(SignalReceived("vo-complete", {}, "portal"))
    assert it.go_on() is RunStatus.SUCCEEDED


def test_a_time_out_and_a_vote_that_race_end_in_one_of_the_two(tmp_path: Path) -> None:
    """A vote in time that the process did not see yet still counts: closing waits for nothing to have come in between."""
    it = case(tmp_path, approval(within="2 hours") + PUT)
    it.start()
    it.clock.pass_(hours=2)
    journal, real = it.world.journal, it.world.journal.append_if
    raced: list[bool] = []

    def late(run: str, events: Sequence[Event], after: int, *more: Any, **options: Any) -> bool:
        if not raced and events[-1].kind == "gate_closed":
            raced.append(True)
            it.clock.pass_(hours=-1)
            it.vote("pia")
            it.clock.pass_(hours=1)
        return real(run, events, after, *more, **options)

    journal.append_if = late  # type: ignore[method-assign]  # comes in between, as another process would
    assert it.go_on() is RunStatus.SUCCEEDED
    assert raced == [True]
    assert it.world.kinds().count("gate_closed") == 1


def test_an_approval_with_nothing_to_approve_asks_nobody(tmp_path: Path) -> None:
    """The second apply of a runbook changes nothing, and so needs nobody's word."""
    it = case(tmp_path, approval(covers="[p/put]") + PUT, Shelf({"a": "1", "b": "1", "c": "1"}))
    assert [item.outlook.value for item in it.world.plan()] == ["nothing", "nothing", "nothing", "nothing"]
    assert it.start() is RunStatus.SUCCEEDED
    assert it.world.kinds().count("gate_opened") == 0


def test_an_answer_that_comes_while_the_run_is_at_work_is_heard_and_nothing_is_done_twice(tmp_path: Path) -> None:
    """The lane goes on behind its gate, in the same process, from where it stood."""
    steps = """\
      - name: each
        for_each: things
        steps:
          - name: shout
            action: shelf.shout
            with: {name: "shout-{{ item.id }}", value: "1"}
          - name: visit
            when: item.id == 'b'
            task: {by: manager}
          - name: put
            action: shelf.put
            with: {name: "{{ item.id }}", value: "1"}
"""
    it = case(tmp_path, steps)

    def answer_meanwhile(name: str) -> None:
        if name == "c":
            it.report("max", at="p/visit[b]")

    it.world.shelf.after_write = answer_meanwhile
    assert it.start() is RunStatus.SUCCEEDED
    assert it.world.shelf.writes["shout-b"] == 1
    assert it.world.shelf.writes["b"] == 1


def test_a_hold_that_comes_while_the_run_is_at_work_stops_what_has_not_started(tmp_path: Path) -> None:
    """Noticed within a second; what is running finishes."""
    it = case(tmp_path, PUT)

    def hold(name: str) -> None:
        if name == "a":
            it.tell(RunHeld("", "stop here", "Max"))
            it.clock.sleep(2)

    it.world.shelf.after_write = hold
    assert it.start() is RunStatus.WAITING
    assert set(it.world.shelf.values) == {"a"}
    it.tell(RunReleased("", "go on", "Max"))
    assert it.go_on() is RunStatus.SUCCEEDED


def test_a_hold_that_is_over_does_not_keep_a_waiting_run_going_round(tmp_path: Path) -> None:
    """It counts once; the run then waits for what it really waits for."""
    it = case(tmp_path, approval(within="2 days") + PUT)
    it.start()
    it.tell(RunHeld("p/put", "month end", "Max", until=(START + timedelta(hours=1)).isoformat()))
    it.clock.pass_(hours=3)
    assert it.go_on() is RunStatus.WAITING
    assert it.world.journal.next_due() == START + timedelta(days=2)


def test_an_overdue_gate_that_is_held_does_not_make_its_run_due_again_and_again(tmp_path: Path) -> None:
    """A process that watches would take it up every second; the release makes it due."""
    it = case(tmp_path, approval(within="2 hours") + PUT)
    it.start()
    it.tell(RunHeld("p", "stop here", "Max"))
    it.clock.pass_(hours=3)
    assert it.go_on() is RunStatus.WAITING
    assert it.world.journal.next_due() is None
    it.tell(RunReleased("p", "go on", "Max"))
    assert it.world.journal.next_due() == it.clock.now()
    assert it.go_on() is RunStatus.TRIPPED


def test_a_gate_that_falls_into_a_month_end_says_so(tmp_path: Path) -> None:
    """In the plan, and to whoever is asked; overdue ones are told by the status."""
    it = case(tmp_path, approval(within="5 days", calendar="books") + PUT)
    it.world.calendars = {"books": Calendar("books", "UTC", month_end_days=3)}
    notice = "Sat 2026-11-28 is month end: one of the last 3 days of the month"
    assert it.world.plan()[0].notes == (notice,)
    it.start()
    told = " ".join(format_summary(it.state, now=it.clock.now()).split())
    assert f"until 2026-11-28 18:00:00 UTC ({notice})" in told
    it.clock.pass_(days=6)
    told = " ".join(format_summary(it.state, now=it.clock.now()).split())
    assert "overdue since 2026-11-28 18:00:00 UTC" in told
    assert "1 overdue" in format_runs([it.state], now=it.clock.now())
