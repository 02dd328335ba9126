"""What a stop, a lost reply or a refused connection leaves behind, and how the run goes on from there."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from engine.execution.stop import Stop
from engine.model import event as ev
from engine.model.errors import Permanent, Temporary
from engine.model.inventory import Inventory, Item
from engine.model.plan import Outlook
from engine.model.run import RunStatus
from engine.planning.planner import Planner
from tests.support.shelf import Shelf, World, book

QUICK = book(
    "      - {name: put, action: shelf.quick, for_each: things, retry: {attempts: 2, backoff: 1s},"
    " with: {name: '{{ item.id }}', value: new}}\n"
)
PUT = QUICK.replace("shelf.quick", "shelf.put")
SHOUT = book("      - {name: shout, action: shelf.shout, with: {name: x, value: hello}}\n")
HOLDS = book("      - {name: holds, action: shelf.holds, settle: 100s, with: {name: x, value: hello}}\n")


def test_a_check_that_waits_is_left_for_later_when_the_run_stops(tmp_path: Path) -> None:
    """It only looked: nothing failed, nobody is asked, and resume looks again."""
    world = World(tmp_path, HOLDS)
    plan = world.plan()
    stop = Stop()
    world.shelf.before_read = lambda name: stop.set("SIGINT")
    assert world.apply(plan, stop) is RunStatus.INTERRUPTED
    assert world.statuses() == {}
    assert world.shelf.reads["x"] <= 3
    world.shelf.before_read = lambda name: None
    world.shelf.values["x"] = "hello"
    assert world.resume(plan) is RunStatus.SUCCEEDED


def test_what_was_written_is_read_back_to_the_end_although_the_run_stops(tmp_path: Path) -> None:
    """A platform that shows a change late is waited for: the item ends changed, not failed."""
    world = World(tmp_path, PUT, items=["a"], shelf=Shelf(shows_after_reads=3))
    stop = Stop()
    world.shelf.before_write = lambda name: stop.set("SIGINT")
    assert world.apply(stop=stop) is RunStatus.SUCCEEDED
    assert world.statuses() == {"p/put[a]": "changed"}


def test_taking_back_an_intent_does_not_forget_an_earlier_lost_attempt(tmp_path: Path) -> None:
    """Half done and lost, intended anew, then stopped: resume finishes it instead of calling it somebody else's change."""
    world = World(tmp_path, QUICK, items=["a", "b"])
    plan = world.plan()
    stop = Stop()

    def lose(name: str) -> None:
        if world.shelf.writes[name] == 1:
            world.shelf.values[name] = "half"
            raise Temporary("timed out", 30.0)
        stop.set("SIGINT")

    world.shelf.after_write = lose
    assert world.apply(plan, stop) is RunStatus.INTERRUPTED
    assert world.shelf.values == {"a": "new", "b": "half"}
    assert world.resume(plan) is RunStatus.SUCCEEDED
    assert world.shelf.values == {"a": "new", "b": "new"}


def test_a_bare_effect_that_never_left_is_not_asked_about_when_it_is_retried(tmp_path: Path) -> None:
    """No connection, retries used up: the failure is on record as one without effect, so retry simply does it."""
    world = World(tmp_path, SHOUT)
    plan = world.plan()

    def refuse(name: str) -> None:
        raise Temporary("connection refused", nothing_done=True)

    world.shelf.before_write = refuse
    world.apply(plan)
    assert world.statuses() == {"p/shout": "failed"}
    world.shelf.before_write = lambda name: None
    assert world.resume(plan, ev.ItemReopened("p/shout", "ana")) is RunStatus.SUCCEEDED
    assert world.shelf.writes == Counter("x")


def test_a_bare_effect_that_may_have_left_is_asked_about_when_it_is_retried(tmp_path: Path) -> None:
    """A failure after the write began says nothing of whether it took place."""
    world = World(tmp_path, SHOUT)
    plan = world.plan()

    def fail(name: str) -> None:
        raise Permanent("protocol error")

    world.shelf.after_write = fail
    world.apply(plan)
    assert world.resume(plan, ev.ItemReopened("p/shout", "ana")) is RunStatus.WAITING
    assert world.shelf.writes == Counter("x")


def test_an_item_the_plan_could_not_read_is_refused_in_those_words(tmp_path: Path) -> None:
    """Nobody changed it: nobody saw it."""
    world = World(tmp_path, PUT, items=["a"])

    def down(name: str) -> None:
        raise Permanent("no route to host")

    world.shelf.before_read = down
    plan = world.plan()
    assert plan[0].outlook is Outlook.ERROR
    world.shelf.before_read = lambda name: None
    world.apply(plan)
    why = world.state().items["p/put[a]"].why
    assert "could not be read" in why
    assert "someone" not in why


def test_a_bug_met_at_one_item_does_not_hide_the_plan_of_the_others(tmp_path: Path) -> None:
    """It stands in the plan as an error that names the action."""
    world = World(tmp_path, PUT)

    def trip(name: str) -> None:
        if name == "b":
            raise ZeroDivisionError("of all things")

    world.shelf.before_read = trip
    plan = world.plan()
    assert [item.outlook for item in plan] == [Outlook.CHANGE, Outlook.ERROR, Outlook.CHANGE]
    assert plan[1].why.startswith("this is a bug in shelf.put: ZeroDivisionError")


@dataclass
class SecretWorld(World):
    """Its items have a secret field."""

    def _inventory(self) -> Inventory:
        inventory = super()._inventory()
        things = inventory.collections["things"]
        items = tuple(Item(i.key, {**i.fields, "pin": f"hush-{i.key}-hush"}, i.row) for i in things.items)
        things = replace(things, items=items, secret_fields=frozenset({"pin"}))
        return replace(inventory, collections={"things": things})


def test_an_items_secret_is_masked_in_fields_whatever_the_action_put_there(tmp_path: Path) -> None:
    """In the plan and in the journal."""
    world = SecretWorld(tmp_path, PUT.replace("value: new", "value: '{{ item.pin }}'"))
    plan = world.plan()
    assert "hush" not in repr(plan)
    assert world.apply(plan) is RunStatus.SUCCEEDED
    assert "hush" not in repr(list(world.journal.read("r1")))
    assert world.shelf.values["a"] == "hush-a-hush"


@pytest.mark.parametrize("wrong", ["value: [1], name: '{{ item.pin }}'", "name: x, connection: '{{ [item.pin] }}', value: v"])
def test_an_items_secret_is_masked_in_what_is_said_of_a_wrong_argument(tmp_path: Path, wrong: str) -> None:
    """The complaint quotes the value; the quote is masked."""
    text = PUT.replace("name: '{{ item.id }}', value: new", wrong)
    world = SecretWorld(tmp_path, text, items=["a"])
    scene = world.scene()
    planned = list(Planner(scene).plan(scene.work()))
    assert planned[0].outlook is Outlook.ERROR
    assert "hush" not in repr(planned)
    world.record([ev.RunStarted("acme", "p1", "ana", "h", 1, {"runbook_name": "book"}, {})])
    world._run(planned, None, None)
    assert "hush" not in repr(list(world.journal.read("r1")))


def test_a_lost_change_that_shows_late_is_not_made_a_second_time(tmp_path: Path) -> None:
    """The reply was lost and the first look still shows the old: it is looked at again until the settle time is over."""
    world = World(tmp_path, PUT, items=["a"], shelf=Shelf(shows_after_reads=3))

    def lose(name: str) -> None:
        raise Temporary("timed out")

    world.shelf.after_write = lose
    assert world.apply() is RunStatus.SUCCEEDED
    assert world.shelf.writes == Counter("a")


def test_a_crash_long_ago_is_not_waited_for(tmp_path: Path) -> None:
    """The settle time counts from the attempt: an hour later the first look is enough, and the change is made."""
    world = World(tmp_path, PUT, items=["a"])
    plan = world.plan()
    world.record([ev.RunStarted("acme", "p1", "ana", "h", 1, {"runbook_name": "book"}, {})])
    world.record([ev.ItemIntended("p/put[a]", "k", "put new", 1, observable=True)])
    world.clock.sleep(3600)
    before = world.shelf.reads["a"]
    assert world.resume(plan) is RunStatus.SUCCEEDED
    assert world.shelf.reads["a"] - before == 2
