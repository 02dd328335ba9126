"""Where the way back ends, and what of it is whose: decided from the blocks and the journal alone."""

from __future__ import annotations

from pathlib import Path

from engine.execution.rollback import Reach, WayBack, fences, way_back
from engine.model.event import ItemChanged, ItemIntended, ItemRan, ItemSkipped
from engine.model.plan import address_of
from tests.support.shelf import World, book

STEPS = """\
      - {name: first, action: shelf.keep, for_each: things, parallel: 3, with: {name: "1{{ item.id }}", value: x}}
      - name: lane
        for_each: things
        parallel: 3
        steps:
          - {name: one, action: shelf.keep, with: {name: "2{{ item.id }}", value: x}}
          - {name: cut, action: shelf.keep, point_of_no_return: true, with: {name: "3{{ item.id }}", value: x}}
          - {name: two, action: shelf.keep, with: {name: "4{{ item.id }}", value: x}}
      - {name: last, action: shelf.put, with: {name: "5", value: x}}
"""


def world(tmp_path: Path) -> World:
    return World(tmp_path, book(STEPS), items=("a", "b"))


def done(*addresses: str) -> list[ItemChanged]:
    return [ItemChanged(address, "kept", {"was": None}) for address in addresses]


def undone(way: WayBack) -> list[str]:
    return [
        address_of(step.step.address, lane.key) for work in way.work for lane in work.lanes for step in lane.steps
    ]


def left(way: WayBack) -> dict[str, str]:
    return {item.address: item.why for items in way.stays.values() for item in items}


def test_everything_is_turned_round(tmp_path: Path) -> None:
    """Blocks, items by when they were begun, the steps of a lane; each block waits for those that needed it."""
    shelf = world(tmp_path)
    shelf.record([*done("p/first[b]", "p/first[a]", "p/one[a]", "p/two[a]", "p/one[b]")])
    way = way_back(shelf.scene().work(), shelf.state(), Reach())
    assert undone(way) == ["p/one[b]", "p/two[a]", "p/one[a]", "p/first[a]", "p/first[b]"]
    assert [(work.block.address, work.block.needs) for work in way.work] == [
        ("p/last", ()), ("p/lane", ("p/last",)), ("p/first", ("p/lane",)),
    ]


def test_nothing_behind_a_point_of_no_return_that_any_item_has_passed_is_undone(tmp_path: Path) -> None:
    """Of the item that passed it, the steps up to it; of one that has not, nothing of the lane; of the blocks before, all."""
    shelf = world(tmp_path)
    shelf.record([*done("p/first[a]", "p/first[b]", "p/one[a]", "p/cut[a]", "p/two[a]", "p/one[b]")])
    work, state = shelf.scene().work(), shelf.state()
    assert set(fences(work, state)) == {"p/first[a]", "p/first[b]", "p/one[a]", "p/cut[a]"}
    way = way_back(work, state, Reach())
    assert undone(way) == ["p/one[b]", "p/two[a]"]
    assert left(way) == dict.fromkeys(
        ["p/cut[a]", "p/one[a]", "p/first[b]", "p/first[a]"], "behind the point of no return p/cut"
    )


def test_a_point_of_no_return_that_may_have_been_passed_counts_and_a_skipped_one_does_not(tmp_path: Path) -> None:
    shelf = world(tmp_path)
    shelf.record([*done("p/first[a]"), ItemSkipped("p/cut[a]", "when: no")])
    assert fences(shelf.scene().work(), shelf.state()) == {}
    shelf.record([ItemIntended("p/cut[b]", "k", "cut", 1, observable=True)])
    assert "p/first[a]" in fences(shelf.scene().work(), shelf.state())


def test_the_step_to_go_back_to_stays_with_all_before_it(tmp_path: Path) -> None:
    """A step inside a lane for each item; a group as a whole."""
    shelf = world(tmp_path)
    shelf.record([*done("p/first[a]", "p/one[a]", "p/two[a]", "p/first[b]", "p/one[b]", "p/two[b]", "p/last")])
    work, state = shelf.scene().work(), shelf.state()
    assert undone(way_back(work, state, Reach(to="p/one"))) == ["p/two[b]", "p/two[a]"]
    assert undone(way_back(work, state, Reach(to="p/lane"))) == []
    assert undone(way_back(work, state, Reach(to="p/first", limit=("[a]",)))) == ["p/two[a]", "p/one[a]"]


def test_what_cannot_be_undone_is_named_with_its_reason(tmp_path: Path) -> None:
    """And what had no effect is not spoken of."""
    shelf = world(tmp_path)
    shelf.record([
        *done("p/last"), ItemRan("p/one[a]", "shouted", {}), ItemChanged("p/one[b]", "kept", {"was": None}, reversible=False),
        ItemChanged("p/first[a]", "found in place", {}, adopted=True), ItemSkipped("p/first[b]", "when: no"),
    ])
    way = way_back(shelf.scene().work(), shelf.state(), Reach())
    assert undone(way) == []
    assert left(way) == {
        "p/last": "shelf.put has no undo",
        "p/one[a]": "shelf.keep cannot be read back, so it cannot be taken back",
        "p/one[b]": "irreversible, as its plan said",
        "p/first[a]": "what was there before is not on record",
    }
