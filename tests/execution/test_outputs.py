"""What a step found out, as later steps use it: ``steps.one.outputs.value``."""

from __future__ import annotations

from pathlib import Path

from engine.execution.stop import Stop
from engine.model import event as ev
from engine.model.errors import Temporary
from engine.model.plan import Outlook
from engine.model.run import RunStatus
from tests.support.shelf import World, book

TOLD = book(
    "      - {name: one, action: shelf.tell, with: {name: source, value: new}}\n"
    "      - {name: two, action: shelf.put, with: {name: copy, value: '{{ steps.one.outputs.value }}!'}}\n"
)
PROVED = book(
    "      - {name: one, action: shelf.holds_and_tells, with: {name: source, value: new}}\n"
    "      - {name: two, action: shelf.put, with: {name: copy, value: '{{ steps.one.outputs.value }}!'}}\n"
)


def outlooks(world: World, *limit: str) -> list[Outlook]:
    return [item.outlook for item in world.plan(limit)]


def test_what_a_change_came_to_is_decided_later_and_then_used(tmp_path: Path) -> None:
    """The plan says so; the run renders it from what was read when the change was proved."""
    world = World(tmp_path, TOLD)
    assert outlooks(world) == [Outlook.CHANGE, Outlook.LATER]
    assert world.apply() is RunStatus.SUCCEEDED
    assert world.shelf.values == {"source": "new", "copy": "new!"}
    changed = next(r.event for r in world.journal.read("r1") if isinstance(r.event, ev.ItemChanged))
    assert changed.outputs == {"value": "new", "reads": 1}


def test_what_needs_no_change_tells_the_same_while_planning(tmp_path: Path) -> None:
    """So that a second plan shows exactly what it would do with it."""
    world = World(tmp_path, TOLD)
    world.shelf.values["source"] = "new"
    assert outlooks(world) == [Outlook.NOTHING, Outlook.CHANGE]
    assert world.apply() is RunStatus.SUCCEEDED
    unchanged = next(r.event for r in world.journal.read("r1") if isinstance(r.event, ev.ItemUnchanged))
    assert unchanged.outputs == {"value": "new", "reads": 1}


def test_an_adopted_change_tells_what_was_found(tmp_path: Path) -> None:
    """Its receipt is lost with the answer; what it came to is not."""
    world = World(tmp_path, TOLD.replace("value: new}}", "value: new}, retry: {attempts: 2}}"))
    lost: list[str] = []

    def lose(name: str) -> None:
        if not lost:
            lost.append(name)
            raise Temporary("no answer")

    world.shelf.after_write = lose
    assert world.apply() is RunStatus.SUCCEEDED
    assert world.shelf.values["copy"] == "new!"


def test_a_resumed_run_knows_what_was_told_before_it_stopped(tmp_path: Path) -> None:
    """From the journal: the step itself is not read again."""
    world = World(tmp_path, TOLD)
    plan, stop = world.plan(), Stop()
    world.shelf.after_write = lambda name: stop.set("enough")
    assert world.apply(plan, stop) is RunStatus.INTERRUPTED
    reads = world.shelf.reads["source"]
    assert world.resume(plan, ev.RunResumed("ana", "h", 1)) is RunStatus.SUCCEEDED
    assert world.shelf.values["copy"] == "new!"
    assert world.shelf.reads["source"] == reads


def test_a_check_tells_what_it_proved_once_it_has(tmp_path: Path) -> None:
    """Until it is true there is nothing to tell, and the plan waits instead of guessing."""
    world = World(tmp_path, PROVED)
    assert outlooks(world) == [Outlook.CHECK, Outlook.LATER]
    world.shelf.values["source"] = "new"
    assert outlooks(world) == [Outlook.NOTHING, Outlook.CHANGE]
    assert world.apply() is RunStatus.SUCCEEDED
    assert world.shelf.values["copy"] == "new!"


def test_a_step_left_out_by_a_limit_has_told_nothing(tmp_path: Path) -> None:
    """Nobody knows what it would say."""
    world = World(tmp_path, TOLD)
    assert outlooks(world, "p/two") == [Outlook.LATER]
