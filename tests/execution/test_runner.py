"""Runs, as an operator meets them: everything once, nothing twice, failures held, and a way on."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from engine.execution.stop import Stop
from engine.execution.windows import Windows
from engine.model import event as ev
from engine.model.errors import Permanent, Temporary
from engine.model.plan import Outlook
from engine.model.run import RunStatus
from tests.support.shelf import OwnClock, Shelf, World, book

PUT = book("      - {name: put, action: shelf.put, for_each: things, parallel: 2, with: {name: '{{ item.id }}', value: new}}\n")
QUICK = PUT.replace("shelf.put", "shelf.quick")
SHOUT = book("      - {name: shout, action: shelf.shout, with: {name: x, value: hello}}\n")
LANES = book(
    "      - name: move\n        for_each: things\n        parallel: 3\n        max_failures: 1\n        steps:\n"
    "          - {name: one, action: shelf.put, with: {name: '{{ item.id }}-1', value: new}}\n"
    "          - {name: two, action: shelf.put, with: {name: '{{ item.id }}-2', value: '{{ steps.one.changed_at }}'}}\n"
    "          - {name: three, action: shelf.holds, with: {name: '{{ item.id }}-1', value: new}}\n"
)


@pytest.mark.parametrize("text", [PUT, QUICK])
def test_everything_planned_is_done_once_and_a_second_plan_finds_nothing(tmp_path: Path, text: str) -> None:
    """In threads or in chunks."""
    world = World(tmp_path, text)
    assert [item.outlook for item in world.plan()] == [Outlook.CHANGE] * 3
    assert not world.shelf.writes
    assert world.apply() is RunStatus.SUCCEEDED
    assert world.shelf.writes == Counter("abc")
    assert [item.outlook for item in world.plan()] == [Outlook.NOTHING] * 3


@pytest.mark.parametrize("text", [PUT, QUICK])
def test_the_intent_is_durable_before_the_effect(tmp_path: Path, text: str) -> None:
    """Whoever writes can find the intent on record."""
    world = World(tmp_path, text)
    seen: list[bool] = []

    def check(name: str) -> None:
        intents = {r.event.address for r in world.journal.read("r1") if isinstance(r.event, ev.ItemIntended)}
        seen.append(f"p/put[{name}]" in intents)

    world.shelf.before_write = check
    world.apply()
    assert seen == [True] * 3


def test_lanes_go_their_own_way_and_pass_results_on(tmp_path: Path) -> None:
    """Step two waits for what step one finds out; step three proves."""
    world = World(tmp_path, LANES)
    plan = {item.address: item for item in world.plan()}
    assert plan["p/two[a]"].outlook is Outlook.LATER
    assert plan["p/two[a]"].why == "p/one[a]"
    assert plan["p/three[a]"].outlook is Outlook.CHECK
    assert world.apply() is RunStatus.SUCCEEDED
    assert world.statuses() == {
        **{f"p/one[{k}]": "changed" for k in "abc"}, **{f"p/two[{k}]": "changed" for k in "abc"},
        **{f"p/three[{k}]": "proved" for k in "abc"},
    }
    assert world.shelf.values["a-2"].startswith("2026-11-23")


def test_a_later_plan_remembers_when_the_journal_last_saw_a_change(tmp_path: Path) -> None:
    """``changed_at`` of a step that has nothing to do comes from an earlier run."""
    world = World(tmp_path, LANES)
    world.apply()
    second = {item.address: item.outlook for item in world.plan()}
    assert second["p/one[a]"] is Outlook.NOTHING
    assert second["p/two[a]"] in (Outlook.NOTHING, Outlook.CHANGE)


def test_a_failed_lane_blocks_only_itself(tmp_path: Path) -> None:
    """One of three may fail; its later steps are blocked by name, the others go on."""
    world = World(tmp_path, LANES)

    def fail(name: str) -> None:
        if name == "b-1":
            raise Permanent("the phone is unplugged")

    world.shelf.before_write = fail
    assert world.apply() is RunStatus.FAILED
    statuses = world.statuses()
    assert (statuses["p/one[b]"], statuses["p/two[b]"], statuses["p/three[b]"]) == ("failed", "blocked", "blocked")
    assert world.state().items["p/two[b]"].why == "p/one[b]"
    assert statuses["p/three[a]"] == "proved"


@pytest.mark.parametrize("text", [PUT, QUICK])
def test_failures_over_the_limit_stop_everything_new(tmp_path: Path, text: str) -> None:
    """No failure is allowed, the first of a hundred fails: what had not started stays untouched, and retry goes on."""
    world = World(tmp_path, text, items=[f"i{n:03}" for n in range(100)])

    def fail(name: str) -> None:
        raise Permanent("refused")

    world.shelf.before_write = fail
    plan = world.plan()
    assert world.apply(plan) is RunStatus.TRIPPED
    assert not world.shelf.writes
    assert world.kinds().count("item_failed") <= 2
    assert "guard_tripped" in world.kinds()
    world.shelf.before_write = lambda name: None
    reopened = [ev.ItemReopened(a, "ana") for a, s in world.statuses().items() if s == "failed"]
    assert world.resume(plan, *reopened) is RunStatus.SUCCEEDED
    assert all(count == 1 for count in world.shelf.writes.values())
    assert len(world.shelf.writes) == 100


def test_a_temporary_failure_is_tried_again_after_its_wait(tmp_path: Path) -> None:
    """The other side asked for thirty seconds; the clock shows them."""
    text = PUT.replace("with:", "retry: {attempts: 3, backoff: 1s}, with:")
    world = World(tmp_path, text, items=["a"])
    failures = iter([Temporary("busy", 30.0), Temporary("busy")])

    def fail(name: str) -> None:
        raise next(failures)

    def maybe(name: str) -> None:
        try:
            fail(name)
        except StopIteration:
            return

    world.shelf.before_write = maybe
    assert world.apply() is RunStatus.SUCCEEDED
    assert world.clock.monotonic() >= 30.0
    assert world.kinds().count("item_retried") == 2
    assert world.shelf.writes["a"] == 1


def test_retries_used_up_is_a_failure_with_its_reason(tmp_path: Path) -> None:
    """After the third attempt it stops."""
    world = World(tmp_path, PUT.replace("with:", "retry: {attempts: 3}, with:"), items=["a"])

    def fail(name: str) -> None:
        raise Temporary("no answer from 10.0.0.5")

    world.shelf.before_write = fail
    world.apply()
    failed = world.state().items["p/put[a]"]
    assert (failed.status.value, failed.why, failed.attempt) == ("failed", "no answer from 10.0.0.5", 3)


def test_a_reply_lost_after_the_effect_is_resolved_by_reading(tmp_path: Path) -> None:
    """Time-out after the change was applied: read, found in place, adopted; not written twice."""
    world = World(tmp_path, PUT.replace("with:", "retry: {attempts: 2}, with:"), items=["a"])

    def lose(name: str) -> None:
        raise Temporary("timed out")

    world.shelf.after_write = lose
    assert world.apply() is RunStatus.SUCCEEDED
    assert world.shelf.writes["a"] == 1
    adopted = [r.event.adopted for r in world.journal.read("r1") if isinstance(r.event, ev.ItemChanged)]
    assert adopted == [True]


def test_a_change_that_shows_late_is_waited_for(tmp_path: Path) -> None:
    """Some platforms answer 202 and show the record seconds later."""
    world = World(tmp_path, PUT, items=["a"], shelf=Shelf(shows_after_reads=3))
    assert world.apply() is RunStatus.SUCCEEDED
    assert world.shelf.writes["a"] == 1


def test_no_step_is_changed_unless_its_read_back_converged(tmp_path: Path) -> None:
    """The other side says yes and does nothing."""
    world = World(tmp_path, PUT, items=["a"], shelf=Shelf(shows_after_reads=10_000))
    assert world.apply() is RunStatus.FAILED
    assert "reading it back" in world.state().items["p/put[a]"].why


def test_an_item_that_moved_since_the_plan_is_refused_and_the_rest_goes_on(tmp_path: Path) -> None:
    """Only that item."""
    world = World(tmp_path, PUT.replace("parallel: 2", "parallel: 2, max_failures: 3"))
    plan = world.plan()
    world.shelf.values["b"] = "somebody else's"
    assert world.apply(plan) is RunStatus.FAILED
    assert world.statuses() == {"p/put[a]": "changed", "p/put[b]": "failed", "p/put[c]": "changed"}
    assert world.shelf.values["b"] == "somebody else's"
    assert "Plan again" in world.state().items["p/put[b]"].why


def test_what_somebody_else_did_meanwhile_is_left_alone(tmp_path: Path) -> None:
    """Already as wanted is not moved."""
    world = World(tmp_path, PUT)
    plan = world.plan()
    world.shelf.values["b"] = "new"
    assert world.apply(plan) is RunStatus.SUCCEEDED
    assert world.statuses()["p/put[b]"] == "unchanged"


def test_a_crash_between_intent_and_outcome_is_resolved_by_observing(tmp_path: Path) -> None:
    """Done before the crash: adopted. Not done: done now, once."""
    world = World(tmp_path, PUT)
    plan = world.plan()
    world.record([ev.RunStarted("acme", "p1", "ana", "h", 1, {"runbook_name": "book"}, {})])
    world.record([ev.ItemIntended(f"p/put[{k}]", "k", "put new", 1, observable=True) for k in "ab"])
    world.shelf.values["a"] = "new"
    assert world.resume(plan) is RunStatus.SUCCEEDED
    assert world.shelf.writes == Counter("bc")
    assert world.statuses() == {f"p/put[{k}]": "changed" for k in "abc"}


def test_what_cannot_be_read_back_is_asked_about_after_a_crash(tmp_path: Path) -> None:
    """A person says done, or again; until then nothing happens a second time."""
    world = World(tmp_path, SHOUT)
    plan = world.plan()
    assert plan[0].outlook is Outlook.UNPREDICTABLE
    world.record([ev.RunStarted("acme", "p1", "ana", "h", 1, {"runbook_name": "book"}, {})])
    world.record([ev.ItemIntended("p/shout", "k", "shout", 1, observable=False)])
    assert world.resume(plan) is RunStatus.WAITING
    assert world.statuses() == {"p/shout": "in_doubt"}
    assert not world.shelf.writes
    assert world.resume(plan, ev.ItemAnswered("p/shout", "again", "ana")) is RunStatus.SUCCEEDED
    assert world.shelf.writes["x"] == 1


def test_an_answer_done_ends_the_doubt_without_doing_it(tmp_path: Path) -> None:
    """The person looked and saw it there."""
    world = World(tmp_path, SHOUT)
    plan = world.plan()
    world.record([ev.RunStarted("acme", "p1", "ana", "h", 1, {"runbook_name": "book"}, {})])
    world.record([ev.ItemIntended("p/shout", "k", "shout", 1, observable=False)])
    world.resume(plan)
    assert world.resume(plan, ev.ItemAnswered("p/shout", "done", "ana")) is RunStatus.SUCCEEDED
    assert not world.shelf.writes


def test_a_bare_effect_whose_reply_was_lost_is_not_repeated_by_a_retry(tmp_path: Path) -> None:
    """Within one run too: in doubt the run stops and asks."""
    world = World(tmp_path, SHOUT.replace("with:", "retry: {attempts: 3}, with:"))

    def lose(name: str) -> None:
        raise Temporary("connection lost")

    world.shelf.after_write = lose
    assert world.apply() is RunStatus.WAITING
    assert world.shelf.writes["x"] == 1


def test_a_bare_effect_that_never_reached_the_other_side_is_tried_again(tmp_path: Path) -> None:
    """No connection: certainly not done."""
    world = World(tmp_path, SHOUT.replace("with:", "retry: {attempts: 3}, with:"))
    refusals = iter([True, False])

    def refuse(name: str) -> None:
        if next(refusals):
            raise Temporary("connection refused", nothing_done=True)

    world.shelf.before_write = refuse
    assert world.apply() is RunStatus.SUCCEEDED
    assert world.shelf.writes["x"] == 1


def test_a_plugin_that_writes_while_it_looks_is_refused(tmp_path: Path) -> None:
    """In the plan and in the run; not a byte reaches the other side."""
    world = World(tmp_path, PUT.replace("shelf.put", "shelf.cheat"))
    planned = world.plan()
    assert {item.outlook for item in planned} == {Outlook.ERROR}
    assert "read-only" in planned[0].why
    world.apply(planned)
    assert not world.shelf.writes


def test_a_bug_in_an_action_is_named_as_one_and_ends_only_its_item(tmp_path: Path) -> None:
    """The run goes on to its end and says whose bug it is."""
    world = World(tmp_path, PUT.replace("shelf.put", "shelf.broken").replace("parallel: 2", "max_failures: 3"))
    assert world._run([], None, None) is RunStatus.FAILED
    why = world.state().items["p/put[a]"].why
    assert why.startswith("this is a bug in shelf.broken: ZeroDivisionError")


def test_a_stop_lets_running_items_finish_and_resume_goes_on(tmp_path: Path) -> None:
    """Ctrl-C during the first item: it ends, nothing else starts, then the rest follows once each."""
    world = World(tmp_path, PUT.replace("parallel: 2", "parallel: 1"))
    plan = world.plan()
    stop = Stop()
    world.shelf.before_write = lambda name: stop.set("SIGINT")
    assert world.apply(plan, stop) is RunStatus.INTERRUPTED
    assert sum(world.shelf.writes.values()) == 1
    assert world.resume(plan) is RunStatus.SUCCEEDED
    assert world.shelf.writes == Counter("abc")


def test_a_stop_in_a_chunk_withdraws_what_was_intended_and_not_begun(tmp_path: Path) -> None:
    """No item is left in doubt for nothing."""
    world = World(tmp_path, QUICK)
    plan = world.plan()
    stop = Stop()
    world.shelf.before_write = lambda name: stop.set("SIGINT")
    assert world.apply(plan, stop) is RunStatus.INTERRUPTED
    assert world.kinds().count("item_withdrawn") == 2
    world.shelf.before_write = lambda name: None
    assert world.resume(plan) is RunStatus.SUCCEEDED
    assert world.shelf.writes == Counter("abc")


def test_no_item_starts_outside_its_window_and_the_rest_waits(tmp_path: Path) -> None:
    """The run ends waiting, and says when the window opens again."""
    text = PUT.replace("phases:", "windows:\n  evening: {days: [mon], from: '17:00', until: '18:00', timezone: UTC}\nphases:")
    text = text.replace("    title: P\n", "    title: P\n    window: evening\n")
    world = World(tmp_path, text, clock=OwnClock(datetime(2026, 11, 23, 18, 0, tzinfo=UTC)))
    plan = world.plan()
    assert world.apply(plan) is RunStatus.WAITING
    closed = next(r.event for r in world.journal.read("r1") if isinstance(r.event, ev.WindowClosed))
    assert (closed.waiting, closed.reopens) == (3, "2026-11-30T17:00:00+00:00")
    world.clock = OwnClock(datetime(2026, 11, 30, 17, 30, tzinfo=UTC))
    assert world.resume(plan) is RunStatus.SUCCEEDED


def test_an_overridden_window_does_not_hold(tmp_path: Path) -> None:
    """The override itself is journalled by whoever starts the run."""
    text = PUT.replace("phases:", "windows:\n  evening: {days: [mon], from: '17:00', until: '18:00', timezone: UTC}\nphases:")
    text = text.replace("    title: P\n", "    title: P\n    window: evening\n")
    world = World(tmp_path, text, windows=Windows(ignored=True))
    assert world.apply() is RunStatus.SUCCEEDED


def test_no_more_than_parallel_items_are_under_way(tmp_path: Path) -> None:
    """Counted at the other side."""
    world = World(tmp_path, PUT.replace("parallel: 2", "parallel: 4"), items=[f"i{n}" for n in range(40)])
    under_way, most, lock = 0, 0, threading.Lock()

    def enter(name: str) -> None:
        nonlocal under_way, most
        with lock:
            under_way += 1
            most = max(most, under_way)

    def leave(name: str) -> None:
        nonlocal under_way
        with lock:
            under_way -= 1

    world.shelf.before_write, world.shelf.after_write = enter, leave
    assert world.apply() is RunStatus.SUCCEEDED
    assert 1 <= most <= 4


def test_a_limit_leaves_the_rest_of_the_runbook_out(tmp_path: Path) -> None:
    """Of the plan, and so of the run."""
    world = World(tmp_path, LANES)
    assert [item.address for item in world.plan(limit=("p/one[b]",))] == ["p/one[b]"]


def test_a_failing_journal_stops_the_run_before_the_effect(tmp_path: Path) -> None:
    """Disk full: no intent on disk, no write."""
    world = World(tmp_path, PUT)
    plan = world.plan()

    class Full:
        def __getattr__(self, name: str) -> object:
            return getattr(world_journal, name)

        def flush(self, ticket: int | None = None) -> None:
            raise OSError("disk full")

    world_journal = world.journal
    world.record([ev.RunStarted("acme", "p1", "ana", "h", 1, {"runbook_name": "book"}, {})])
    world.journal = Full()  # type: ignore[assignment]  # everything but flush is the real one
    with pytest.raises(OSError, match="disk full"):
        world._run(plan, None, None)
    assert not world.shelf.writes
