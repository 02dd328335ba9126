"""A runbook as people draw it."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.language.runbook_reader import load_runbook
from engine.planning.outline import Outline, outline_of
from tests.support.cli import ROOT

AWKWARD = ROOT / "tests" / "reporting" / "awkward.yml"


def outline(path: Path) -> Outline:
    return outline_of(load_runbook(path))


def test_only_what_comes_directly_before_is_told() -> None:
    """An arrow from each earlier phase would hide the ones that mean something."""
    found = {part.address: part.after for part in outline(AWKWARD).parts()}
    assert found == {
        "end/end": (), "end/graph": (), "end/class": ("end/end", "end/graph"),
        "lanes/each": (), "lanes/two": ("lanes/each",), "lanes/three": (),
        "last/fin": ("end/class", "lanes/two", "lanes/three"),
    }


def test_what_may_run_side_by_side_stands_in_one_row() -> None:
    """And what waits for it in the next."""
    sections = outline(AWKWARD).sections
    rows = {each.name: [[part.address.partition("/")[2] for part in row] for row in each.rows] for each in sections}
    assert rows == {"end": [["end", "graph"], ["class"]], "lanes": [["each", "three"], ["two"]], "last": [["fin"]]}


def test_a_part_tells_over_what_how_fast_and_when() -> None:
    """For lanes all of it stands once, with the group."""
    parts = {part.address: part for part in outline(AWKWARD).parts()}
    assert parts["lanes/each"].is_lane
    assert parts["lanes/each"].notes == (
        "for each of phones, 4 at once", 'only where item.x > 3 | default("y")', "sat,sun 22:00-04:00 Europe/Berlin",
    )
    assert parts["lanes/each"].nodes[0].notes == ()
    assert parts["end/end"].nodes[0].notes == ("only when run.counts.changed < 3 and \"a\" != 'b' # c",)
    assert [part.address for part in parts.values() for node in part.nodes if node.is_final] == ["end/class"]


def test_what_is_done_on_cancellation_hangs_on_nothing() -> None:
    """A run can be cancelled at any time."""
    last = outline(ROOT / "runbooks" / "saas-to-local.yml").sections[-1]
    assert (last.is_cancellation, last.parts[0].after, last.parts[1].after) == (True, (), ("on-cancel/note-desk",))


@pytest.mark.parametrize("path", sorted((ROOT / "runbooks").glob("*.yml")), ids=lambda path: path.stem)
def test_every_step_of_a_shipped_runbook_is_in_it_once(path: Path) -> None:
    """Cancellation included."""
    runbook = load_runbook(path)
    told = [node.address for part in outline_of(runbook).parts() for node in part.nodes]
    assert sorted(told) == sorted(step.address for step in runbook.every_step())
