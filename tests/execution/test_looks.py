"""Gates that wait until a look finds things as they should be: over days, without a process, and at last not for ever."""

from __future__ import annotations

import threading
from datetime import timedelta
from pathlib import Path

import pytest

from engine.model.duration import Duration
from engine.model.errors import Permanent, Temporary
from engine.model.event import GateLooked, ItemReopened, RunHeld, RunReleased
from engine.model.gate import Watched
from engine.model.run import RunStatus
from tests.support.gate_case import START, Case, case
from tests.support.shelf import Shelf


def wait(action: str = "shelf.holds", name: str = "ready", value: str = "yes", **more: str) -> str:
    extra = "".join(f", {key}: {value}" for key, value in more.items())
    return f"""\
      - name: wait
        wait: {{observe: {{action: {action}, with: {{name: {name}, value: "{value}"}}}}{extra}}}
"""


AFTER = """\
      - name: put
        action: shelf.put
        with: {name: done, value: "{{ steps.wait.outputs.value | default('none') }}"}
"""


def looks(it: Case) -> list[GateLooked]:
    return [r.event for r in it.world.journal.read(it.world.run_id) if isinstance(r.event, GateLooked)]


def test_a_gate_waits_until_a_look_finds_it_so_and_tells_what_was_seen(tmp_path: Path) -> None:
    """Nothing behind it starts before; what the action tells are the gate's outputs."""
    it = case(tmp_path, wait("shelf.holds_and_tells", every="15m") + AFTER)
    assert it.start() is RunStatus.WAITING
    assert it.world.journal.next_due() == START + timedelta(minutes=15)
    it.world.shelf.values["ready"] = "yes"
    it.clock.pass_(minutes=15)
    assert it.go_on() is RunStatus.SUCCEEDED
    assert it.world.shelf.values["done"] == "yes"
    assert it.why("p/wait") == "it was found to be so"
    assert [look.saw for look in looks(it)] == ["put yes"]


def test_what_is_so_at_once_is_not_waited_for(tmp_path: Path) -> None:
    """And the plan says that there is nothing to wait for, and plans what comes after it with what it saw."""
    it = case(tmp_path, wait("shelf.holds_and_tells") + AFTER, Shelf({"ready": "yes"}))
    plan = it.world.plan()
    assert [(item.outlook.value, item.why) for item in plan] == [("nothing", "nothing to wait for"), ("change", "")]
    assert plan[1].fields[0].after == "yes"
    assert it.start() is RunStatus.SUCCEEDED
    assert looks(it) == []


def test_the_plan_says_what_is_seen_now(tmp_path: Path) -> None:
    """Why it cannot be read now, or would be refused, is told and keeps nobody from planning."""
    it = case(tmp_path, wait() + AFTER)
    assert it.world.plan()[0].notes == ("now: put yes",)

    def fail(error: Exception) -> str:
        def read(name: str) -> None:
            raise error
        it.world.shelf.before_read = read
        planned = it.world.plan()[0]
        assert planned.outlook.value == "gate"
        return planned.notes[0]

    assert fail(Temporary("no route to host")) == "it cannot be read now: no route to host"
    assert fail(Permanent("closed as rejected")) == "if it came to it now, it would be refused: closed as rejected"


def test_what_is_looked_at_may_be_known_later(tmp_path: Path) -> None:
    """As the number of a ticket that is opened first."""
    tell = "      - name: tell\n        action: shelf.tell\n        with: {name: t, value: ready}\n"
    it = case(tmp_path, tell + wait(name="'{{ steps.tell.outputs.value }}'"))
    assert it.world.plan()[1].notes == ("what it looks at is known after p/tell",)
    assert it.start() is RunStatus.WAITING
    it.world.shelf.values["ready"] = "yes"
    it.clock.pass_(minutes=15)
    assert it.go_on() is RunStatus.SUCCEEDED


def test_looks_come_at_their_times_however_often_the_run_is_taken_up(tmp_path: Path) -> None:
    """The times are read from the journal, so that a restart neither forgets nor repeats one."""
    it = case(tmp_path, wait(every="1h", backoff="2", max_every="4h"))
    it.start()
    seen = []
    for _ in range(5):
        due = it.world.journal.next_due()
        assert due is not None
        seen.append((due - it.clock.now()) / timedelta(hours=1))
        for _ in range(3):
            assert it.go_on() is RunStatus.WAITING
        it.clock.at = due
        it.go_on()
    assert seen == [1, 2, 4, 4, 4]
    assert it.world.shelf.reads["ready"] == 1 + 1 + 5  # the plan, the opening, each due time


def test_days_switched_off_and_a_clock_set_back_cause_one_look(tmp_path: Path) -> None:
    it = case(tmp_path, wait(every="15m"))
    it.start()
    it.clock.pass_(days=9)
    it.go_on()
    assert len(looks(it)) == 2
    it.clock.pass_(days=-30)
    for _ in range(3):
        it.go_on()
    assert len(looks(it)) == 2


def test_a_look_that_fails_for_now_is_made_again(tmp_path: Path) -> None:
    """Whatever the other side asks for is kept to."""
    it = case(tmp_path, wait(every="10m") + AFTER)
    trouble = Temporary("503: down for maintenance", wait_s=3600)

    def down(name: str) -> None:
        raise trouble

    it.world.shelf.before_read = down
    assert it.start() is RunStatus.WAITING
    assert looks(it)[0].saw == "it could not be read: 503: down for maintenance"
    assert it.world.journal.next_due() == START + timedelta(hours=1)
    it.world.shelf.before_read = lambda name: None
    it.world.shelf.values["ready"] = "yes"
    it.clock.pass_(hours=1)
    assert it.go_on() is RunStatus.SUCCEEDED


@pytest.mark.parametrize(("action", "why"), [
    ("shelf.holds", "ticket 4711 was closed as rejected"),
    ("shelf.broken", "this is a bug in shelf.broken: ZeroDivisionError: of all things"),
    ("shelf.shout", "shelf.shout cannot be waited for: nobody can read a shout"),
    ("shelf.cheat", "writing ready was refused: this session is read-only"),
])
def test_what_will_never_come_about_refuses_the_gate_with_the_reason(tmp_path: Path, action: str, why: str) -> None:
    """So does an action that cannot look, or that would write."""
    it = case(tmp_path, wait(action) + AFTER)

    def closed(name: str) -> None:
        raise Permanent("ticket 4711 was closed as rejected")

    it.world.shelf.before_read = closed
    assert it.start() is RunStatus.TRIPPED
    assert why in it.why("p/wait")
    assert it.world.shelf.writes == {}


def test_a_changing_action_is_only_looked_with(tmp_path: Path) -> None:
    """It passes when there is nothing left to change, and never changes it."""
    it = case(tmp_path, wait("shelf.put"))
    it.start()
    it.clock.pass_(minutes=15)
    assert it.go_on() is RunStatus.WAITING
    assert it.world.shelf.writes == {}
    it.world.shelf.values["ready"] = "yes"
    it.clock.pass_(minutes=15)
    assert it.go_on() is RunStatus.SUCCEEDED


def test_when_the_time_is_over_it_is_looked_once_more_and_then_refused(tmp_path: Path) -> None:
    """What came about in time counts, however seldom it was looked; the reason says how it was in the end."""
    it = case(tmp_path, wait(every="4h", within="6h") + AFTER)
    it.start()
    it.clock.pass_(hours=4)
    it.go_on()
    assert it.world.journal.next_due() == START + timedelta(hours=6)
    it.clock.pass_(hours=2)
    assert it.go_on() is RunStatus.TRIPPED
    assert it.why("p/wait") == "it was not so in time (until 2026-11-24 00:00 UTC): put yes"

    other = case(tmp_path, wait(every="4h", within="6h") + AFTER)
    other.start()
    other.world.shelf.values["ready"] = "yes"
    other.clock.pass_(days=3)
    assert other.go_on() is RunStatus.SUCCEEDED


def test_a_time_out_can_tell_somebody_and_go_on_looking(tmp_path: Path) -> None:
    """As much time again, then it is refused."""
    it = case(tmp_path, wait(every="1h", within="2h", on_timeout="escalate", escalate_to="boss"))
    it.start()
    for _ in range(2):
        it.clock.pass_(hours=1)
        assert it.go_on() is RunStatus.WAITING
    gate = it.state.gates["p/wait"]
    assert gate.escalated is not None
    assert [person["name"] for person in gate.people] == ["Bo"]
    assert it.world.journal.next_due() == START + timedelta(hours=3)
    it.clock.pass_(hours=5)
    assert it.go_on() is RunStatus.FAILED


def test_a_wait_that_is_held_does_not_look_and_looks_once_it_is_released(tmp_path: Path) -> None:
    """Meanwhile the run is not due for it."""
    it = case(tmp_path, wait(every="15m"))
    it.start()
    it.tell(RunHeld("p/wait", "not now", "Max"))
    it.clock.pass_(hours=2)
    assert it.go_on() is RunStatus.WAITING
    assert len(looks(it)) == 1
    assert it.world.journal.next_due() is None
    it.tell(RunReleased("p/wait", "go on", "Max"))
    assert it.go_on() is RunStatus.WAITING
    assert len(looks(it)) == 2


LANES = """\
      - name: each
        for_each: things
        parallel: 3
        max_failures: 1
        steps:
          - name: wait
            wait: {observe: {action: shelf.holds, with: {name: "{{ item.id }}", value: "yes"}}, every: 15m}
          - name: put
            action: shelf.put
            with: {name: "{{ item.id }}-done", value: "1"}
"""


def test_in_lanes_each_item_waits_on_its_own(tmp_path: Path) -> None:
    """One that will never be so fails alone, and counts for the limit of failures as any other."""
    it = case(tmp_path, LANES, Shelf({"a": "yes"}))

    def closed(name: str) -> None:
        if name == "c":
            raise Permanent("closed as rejected")

    it.world.shelf.before_read = closed
    assert it.start() is RunStatus.WAITING
    assert it.world.statuses() == {
        "p/wait[a]": "passed", "p/put[a]": "changed", "p/wait[b]": "waiting", "p/wait[c]": "failed", "p/put[c]": "blocked",
    }
    it.world.shelf.values["b"] = "yes"
    it.clock.pass_(minutes=15)
    assert it.go_on() is RunStatus.FAILED
    assert it.world.statuses()["p/put[b]"] == "changed"


def test_a_look_that_hangs_holds_up_no_other_lane(tmp_path: Path) -> None:
    """Other items open their gates, look and go on while one look is still under way."""
    it = case(tmp_path, LANES, Shelf({"b": "yes", "c": "yes"}))
    planned = it.world.plan()
    others = threading.Semaphore(0)
    in_time = []

    def slow(name: str) -> None:
        if name == "a":
            in_time.append(all(others.acquire(timeout=20) for _ in range(2)))

    it.world.shelf.before_read = slow
    it.world.shelf.after_write = lambda name: others.release()
    assert it.world.apply(planned) is RunStatus.WAITING
    assert in_time == [True]


def test_a_look_that_succeeds_after_the_gate_was_closed_elsewhere_does_not_close_it_again(tmp_path: Path) -> None:
    """Whichever event comes first counts, and the other is never written."""
    it = case(tmp_path, wait(every="1h"))
    planned = it.world.plan()
    holds = threading.Event()

    def hold(name: str) -> None:
        if not holds.is_set():
            holds.set()
            it.tell(RunHeld("", "somebody else acts meanwhile", "Max"))
        it.world.shelf.values["ready"] = "yes"

    it.world.shelf.before_read = hold
    it.world.apply(planned)
    assert it.world.kinds().count("gate_closed") == 1
    assert it.world.kinds().count("gate_looked") == 0


def test_a_refused_wait_is_opened_anew_by_retry(tmp_path: Path) -> None:
    """Its time begins again."""
    it = case(tmp_path, wait(every="1h", within="2h"))
    it.start()
    it.clock.pass_(hours=3)
    it.go_on()
    assert it.world.resume(it.planned, ItemReopened("p/wait", "ana")) is RunStatus.WAITING
    assert it.world.kinds().count("gate_opened") == 2
    assert it.state.gates["p/wait"].due == START + timedelta(hours=5)


@pytest.mark.parametrize(("every", "backoff", "most", "after", "seconds"), [
    (900, 1, 86400, 1_000_000, 900), (900, 2, 14400, 1, 900), (900, 2, 14400, 4, 7200), (900, 2, 14400, 5, 14400),
    (900, 2, 14400, 1_000_000, 14400), (900, 1.5, 1000, 2, 1000), (7200, 3, 3600, 9, 7200),
])
def test_pauses_grow_to_their_limit_and_stay_there(every: int, backoff: float, most: int, after: int, seconds: int) -> None:
    """Also after a million looks."""
    assert Watched("a.b", {}, Duration(every, "s"), Duration(most, "s"), backoff).pause_s(after) == seconds
