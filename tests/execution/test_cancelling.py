"""A cancelled run: nothing new of its runbook starts, what was under way is known, and what is done then is done once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from engine.model.errors import Permanent, Temporary
from engine.model.event import RunHeld
from engine.model.run import RunStatus
from engine.wiring.gates import NotAllowed
from engine.wiring.runs import reopened
from tests.support.shelf import Shelf, book
from tests.support.steering import Steered, steered

PUT = """\
      - name: put
        action: shelf.put
        for_each: things
        with: {name: "{{ item.id }}", value: "1"}
"""
SIGN = "      - {name: sign, approval: {by: partner, within: 2 days, remind: [1 day]}}\n"
LAST = "      - {name: last, action: shelf.put, with: {name: last, value: '1'}}\n"
TELL = """\
on_cancel:
  - name: tell
    action: shelf.put
    with: {name: told, value: "{{ run.cancelled.who }}: {{ run.cancelled.reason }}"}
"""
BACK = """\
on_cancel:
  - name: back
    action: shelf.put
    for_each: things
    when: steps.put.changed
    with: {name: "back-{{ item.id }}", value: "1"}
"""


def cancelled_when_written(it: Steered, name: str) -> None:
    def after_write(written: str) -> None:
        if written == name:
            it.cancel()

    it.world.shelf.after_write = after_write


def test_a_waiting_run_that_is_cancelled_closes_its_gates_and_does_what_is_done_then(tmp_path: Path) -> None:
    """Who cancelled it, and why, stands in what is done; nobody is asked or reminded any more."""
    it = steered(tmp_path, book(SIGN + LAST) + TELL)
    assert it.start() is RunStatus.WAITING
    it.cancel()
    with pytest.raises(NotAllowed, match="was cancelled"):
        it.vote("pia", "p/sign")
    assert it.go_on() is RunStatus.CANCELLED
    assert it.world.shelf.values == {"told": "ana: customer withdrew"}
    assert (it.stands("p/sign"), it.why("p/sign")) == ("cancelled", "the run was cancelled by ana: customer withdrew")
    assert it.world.journal.next_due() is None
    assert it.world.journal.open_runs() == []


def test_a_running_run_lets_what_is_running_finish_and_compensates_what_was_changed(tmp_path: Path) -> None:
    """However close: what comes after the letter never starts."""
    it = steered(tmp_path, book(PUT + LAST) + BACK)
    cancelled_when_written(it, "b")
    assert it.start() is RunStatus.CANCELLED
    assert set(it.world.shelf.values) == {"a", "b", "back-a", "back-b"}
    assert it.stands("on-cancel/back[c]") == "skipped"
    assert "p/put[c]" not in it.world.statuses() or it.stands("p/put[c]") == "reopened"


def test_a_run_that_is_not_cancelled_does_none_of_it(tmp_path: Path) -> None:
    it = steered(tmp_path, book(PUT) + TELL)
    assert it.start() is RunStatus.SUCCEEDED
    assert set(it.world.shelf.values) == {"a", "b", "c"}


def test_neither_a_tripped_guard_nor_failures_nor_a_hold_keep_it_from_being_done(tmp_path: Path) -> None:
    shelf = Shelf()

    def stuck(name: str) -> None:
        if name == "b":
            raise Permanent("stuck")

    shelf.before_write = stuck
    it = steered(tmp_path, book(PUT + LAST) + TELL, shelf)
    assert it.start() is RunStatus.TRIPPED
    it.act(lambda state: [RunHeld("", "month end", "Max")])
    it.cancel()
    assert it.go_on() is RunStatus.CANCELLED
    assert shelf.values["told"] == "ana: customer withdrew"
    assert it.stands("p/put[b]") == "failed"


@pytest.mark.parametrize(("when", "done"), [
    ("steps.last.ok", False), ("steps.last.status == 'not run'", True), ("steps.put.ok", False), ("steps.put.changed", True),
    ("steps.sign.ok", False), ("steps.sign.status == 'cancelled'", True), ("steps.first.ok", True), ("run.cancelled", True),
])
def test_what_is_done_then_asks_how_far_the_run_had_come(tmp_path: Path, when: str, done: bool) -> None:
    """What was never reached did not end well, and neither did a step of whose items some were not."""
    first = LAST.replace("last", "first")
    tell = TELL.replace("action", f'when: "{when}"\n    action')
    it = steered(tmp_path, book(first + PUT.replace("with", "batches: [1]\n        with") + SIGN + LAST) + tell)
    if "put" in when:
        cancelled_when_written(it, "a")
    if it.start() is RunStatus.WAITING:
        it.cancel()
        it.go_on()
    assert it.state.status is RunStatus.CANCELLED
    assert ("told" in it.world.shelf.values) is done


def test_what_was_under_way_when_its_process_died_is_looked_at_and_not_done(tmp_path: Path) -> None:
    """One write had its effect and is compensated; one had not, and never gets it."""
    shelf = Shelf()

    def dies(name: str) -> None:
        raise KeyboardInterrupt

    shelf.after_write = dies
    it = steered(tmp_path, book(PUT) + BACK, shelf, items=("a",))
    with pytest.raises(KeyboardInterrupt):
        it.start()
    it.cancel()
    shelf.after_write = lambda name: None
    assert it.go_on() is RunStatus.CANCELLED
    assert (it.stands("p/put[a]"), set(shelf.values)) == ("changed", {"a", "back-a"})
    lost = steered(tmp_path, book(PUT) + BACK, Shelf(before_write=dies), items=("a",))
    with pytest.raises(KeyboardInterrupt):
        lost.start()
    lost.cancel()
    lost.world.shelf.before_write = lambda name: None
    assert lost.go_on() is RunStatus.CANCELLED
    assert (lost.stands("p/put[a]"), lost.world.shelf.values) == ("failed", {})
    assert lost.state.items["p/put[a]"].open_intent, "a rollback has to know"


def test_what_is_done_then_fails_and_is_tried_again_alone(tmp_path: Path) -> None:
    """What failed of the run itself stays as it is."""
    shelf = Shelf()

    def stuck(name: str) -> None:
        if name in ("b", "told"):
            raise Permanent("stuck")

    shelf.before_write = stuck
    it = steered(tmp_path, book(PUT) + TELL, shelf)
    it.start()
    it.cancel()
    assert it.go_on() is RunStatus.FAILED
    assert it.state.cancelled is not None
    with pytest.raises(NotAllowed, match="is cancelled already"):
        it.cancel()
    shelf.before_write = lambda name: None
    assert [event.address for event in reopened(it.state, "ana")] == ["on-cancel/tell"]  # type: ignore[attr-defined]
    assert it.go_on(*reopened(it.state, "ana")) is RunStatus.CANCELLED
    assert (it.stands("p/put[b]"), shelf.values["told"]) == ("failed", "ana: customer withdrew")


def test_there_are_gates_in_what_is_done_then(tmp_path: Path) -> None:
    """The run waits at them, and they can be skipped; the cancelled part cannot."""
    ask = "on_cancel:\n  - {name: sign, approval: {by: partner}}\n" + TELL.removeprefix("on_cancel:\n")
    it = steered(tmp_path, book(SIGN + LAST) + ask)
    it.start()
    it.cancel()
    assert it.go_on() is RunStatus.WAITING
    with pytest.raises(NotAllowed, match="was cancelled"):
        it.skip("p/last")
    it.vote("pia", "on-cancel/sign")
    assert it.go_on() is RunStatus.CANCELLED
    assert it.world.shelf.values["told"]


def test_what_tries_again_when_the_run_is_cancelled_is_not_tried_any_more(tmp_path: Path) -> None:
    """The other side was busy, and nothing had happened there."""
    patient = LAST.replace("{name: last, action", "{name: last, retry: {attempts: 9, backoff: 1h, max_backoff: 1h}, action")
    shelf = Shelf()
    it = steered(tmp_path, book(patient) + TELL, shelf)

    def busy(name: str) -> None:
        if name == "last" and not it.world.kinds().count("run_cancelled"):
            it.cancel()
            raise Temporary("busy", nothing_done=True)

    it.planned = it.world.plan()
    shelf.before_read = busy
    assert it.world.apply(it.planned) is RunStatus.CANCELLED
    assert set(shelf.values) == {"told"}


def test_a_run_that_is_over_is_not_cancelled_and_a_cancelled_one_is_over(tmp_path: Path) -> None:
    it = steered(tmp_path, book(LAST))
    it.start()
    with pytest.raises(NotAllowed, match=r"It ended well.*switchover rollback r1"):
        it.cancel()
    other = steered(tmp_path, book(SIGN))
    other.start()
    other.cancel()
    assert other.go_on() is RunStatus.CANCELLED
    acts: list[tuple[Callable[..., None], tuple[str, ...]]] = [
        (other.cancel, ()), (other.pause, ()), (other.skip, ("p/sign",)), (other.vote, ("pia", "p/sign")),
    ]
    for act, words in acts:
        with pytest.raises(NotAllowed, match="Run r1 was cancelled"):
            act(*words)


def test_a_paused_run_can_be_cancelled(tmp_path: Path) -> None:
    it = steered(tmp_path, book(SIGN) + TELL)
    it.start()
    it.pause()
    it.cancel()
    assert it.world.journal.next_due() == it.world.clock.now()
    assert it.go_on() is RunStatus.CANCELLED
    assert it.world.shelf.values
