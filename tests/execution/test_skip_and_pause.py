"""Skip and pause: what people say from other processes counts before anything it forbids can start."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.model.errors import Permanent, Temporary
from engine.model.event import RunResumed
from engine.model.run import RunStatus
from engine.wiring.gates import NotAllowed
from tests.support.shelf import Shelf, book
from tests.support.steering import Steered, steered

PUT = """\
      - name: put
        action: shelf.put
        for_each: things
        with: {name: "{{ item.id }}", value: "1"}
"""
LAST = """\
      - name: last
        action: shelf.put
        with: {name: last, value: "1"}
"""
SIGN = "      - {name: sign, approval: {by: partner}}\n"


def fails(*names: str) -> Shelf:
    def before_write(name: str) -> None:
        if name in names:
            raise Permanent(f"{name} is stuck")

    return Shelf(before_write=before_write)


def meanwhile(it: Steered, when_written: str, what: str, *told: str) -> None:
    """Somebody acts while one name is being written."""

    def after_write(name: str) -> None:
        if name == when_written:
            getattr(it, what)(*told)

    it.world.shelf.after_write = after_write


# ---------------------------------------------------------------- skip


def test_what_failed_is_skipped_and_what_waited_for_it_goes_on(tmp_path: Path) -> None:
    """It counts as ended well, and the reason stands at it."""
    it = steered(tmp_path, book(PUT + LAST), fails("b"))
    assert it.start() is RunStatus.TRIPPED
    it.skip("p/put[b]", "its switch is dead")
    assert it.go_on() is RunStatus.SUCCEEDED
    assert it.why("p/put[b]") == "skipped by ana: its switch is dead"
    assert set(it.world.shelf.values) == {"a", "c", "last"}


def test_what_was_blocked_in_its_lane_goes_on_behind_a_skipped_step(tmp_path: Path) -> None:
    """Only the step that was named is left out."""
    lane = """\
      - name: move
        for_each: things
        max_failures: 100%
        steps:
          - {name: lift, action: shelf.put, with: {name: "lift-{{ item.id }}", value: "1"}}
          - {name: put, action: shelf.put, with: {name: "{{ item.id }}", value: "1"}}
"""
    it = steered(tmp_path, book(lane), fails("lift-b"))
    assert it.start() is RunStatus.FAILED
    assert it.stands("p/put[b]") == "blocked"
    it.skip("p/lift[b]")
    assert it.go_on() is RunStatus.SUCCEEDED
    assert (it.stands("p/lift[b]"), it.stands("p/put[b]")) == ("skipped", "changed")


def test_a_whole_step_is_skipped_where_it_is_not_done(tmp_path: Path) -> None:
    """What was done stays done."""
    it = steered(tmp_path, book(PUT + LAST), fails("b"))
    it.start()
    it.skip("p/put")
    assert it.go_on() is RunStatus.SUCCEEDED
    assert [it.stands(f"p/put[{key}]") for key in "abc"] == ["changed", "skipped", "skipped"]


def test_a_step_that_has_not_started_is_seen_to_be_skipped_by_a_running_lane(tmp_path: Path) -> None:
    """However close: the letter comes before its intent, so it never starts."""
    it = steered(tmp_path, book(PUT + LAST))
    meanwhile(it, "c", "skip", "p/last")
    assert it.start() is RunStatus.SUCCEEDED
    assert it.stands("p/last") == "skipped"
    assert "last" not in it.world.shelf.values


def test_an_open_gate_is_skipped(tmp_path: Path) -> None:
    """Nobody can act at it any more, it has no outputs, and the run goes on."""
    form = "      - {name: form, input: {by: partner, form: {properties: {route: {type: string}}}}}\n"
    when = LAST.replace("action:", "when: not steps.form.outputs\n        action:")
    it = steered(tmp_path, book(form + when))
    it.start()
    it.skip("p/form", "they told us by telephone")
    with pytest.raises(NotAllowed, match="decided already: skipped by ana: they told us by telephone"):
        it.answer("pia", "p/form", {"route": "x"})
    assert it.go_on() is RunStatus.SUCCEEDED
    assert (it.stands("p/form"), it.stands("p/last")) == ("skipped", "changed")
    assert it.world.kinds().count("gate_closed") == 1


def test_a_gate_that_has_not_opened_is_skipped_and_nobody_is_asked(tmp_path: Path) -> None:
    it = steered(tmp_path, book(PUT + SIGN + LAST))
    meanwhile(it, "c", "skip", "p/sign")
    assert it.start() is RunStatus.SUCCEEDED
    assert it.world.kinds().count("gate_opened") == 0


def test_an_item_that_tries_again_is_skipped_between_two_attempts(tmp_path: Path) -> None:
    """Nothing had happened over there."""
    shelf = Shelf()
    it = steered(tmp_path, book(PUT.replace("for_each", "retry: {attempts: 9, backoff: 60}\n        for_each")), shelf)
    tries: list[str] = []

    def busy(name: str) -> None:
        if name == "b":
            tries.append(name)
            if len(tries) == 2:
                it.skip("p/put[b]")
            raise Temporary("busy", nothing_done=True)

    it.planned = it.world.plan()
    shelf.before_read = busy
    assert it.world.apply(it.planned) is RunStatus.SUCCEEDED
    assert (it.stands("p/put[b]"), len(tries)) == ("skipped", 2)


@pytest.mark.parametrize(("address", "said"), [
    ("p/put[a]", r"p/put\[a\] is done already \(changed\)"),
    ("p/puut", "Did you mean 'p/put'"),
    ("p/put[z]", "things has no item z"),
    ("p/last[a]", "runs once, without items"),
])
def test_what_cannot_be_skipped_is_refused_with_what_to_do(tmp_path: Path, address: str, said: str) -> None:
    it = steered(tmp_path, book(PUT + SIGN + LAST), fails("b"))
    it.start()
    with pytest.raises(NotAllowed, match=said):
        it.skip(address)


def test_what_is_skipped_already_and_what_is_decided_already_are_refused(tmp_path: Path) -> None:
    it = steered(tmp_path, book(SIGN + LAST))
    it.start()
    it.skip("p/last")
    with pytest.raises(NotAllowed, match="left out already, by ana"):
        it.skip("p/last")
    it.vote("pia", "p/sign")
    with pytest.raises(NotAllowed, match="decided already: Pia approved it"):
        it.skip("p/sign")


def test_what_is_in_doubt_is_answered_and_not_skipped(tmp_path: Path) -> None:
    """Whether it was done must not be forgotten."""
    shelf = Shelf()

    def lost(name: str) -> None:
        raise KeyboardInterrupt

    shelf.after_write = lost
    it = steered(tmp_path, book(LAST.replace("shelf.put", "shelf.shout")), shelf)
    with pytest.raises(KeyboardInterrupt):
        it.start()
    with pytest.raises(NotAllowed, match=r"p/last is in doubt: .* --done p/last, or --again p/last"):
        it.skip("p/last")


def test_what_was_under_way_when_its_process_died_is_looked_at_and_not_skipped_with_its_step(tmp_path: Path) -> None:
    """The effect is found and adopted; the rest of the step is left out."""
    shelf = Shelf()

    def dies(name: str) -> None:
        raise KeyboardInterrupt

    shelf.after_write = dies
    it = steered(tmp_path, book(PUT), shelf)
    with pytest.raises(KeyboardInterrupt):
        it.start()
    with pytest.raises(NotAllowed, match="is under way, or was when its process ended"):
        it.skip("p/put[a]")
    it.skip("p/put")
    shelf.after_write = lambda name: None
    assert it.go_on() is RunStatus.SUCCEEDED
    assert [it.stands(f"p/put[{key}]") for key in "abc"] == ["changed", "skipped", "skipped"]
    assert it.world.shelf.writes == {"a": 1}


def test_a_skipped_failure_that_may_have_had_its_effect_is_still_known_to_have(tmp_path: Path) -> None:
    """A rollback asks for it."""
    shelf = Shelf()

    def breaks(name: str) -> None:
        raise Permanent("the line broke")

    shelf.after_write = breaks
    it = steered(tmp_path, book(LAST), shelf)
    it.start()
    it.skip("p/last")
    assert it.go_on() is RunStatus.SUCCEEDED
    assert it.state.items["p/last"].open_intent


# ---------------------------------------------------------------- pause


def test_a_paused_run_lets_what_is_running_finish_and_starts_nothing_new(tmp_path: Path) -> None:
    """However close, and until somebody takes it up."""
    it = steered(tmp_path, book(PUT + LAST))
    meanwhile(it, "a", "pause", "the customer rang")
    assert it.start() is RunStatus.PAUSED
    assert set(it.world.shelf.values) == {"a"}
    assert it.state.paused is not None
    assert it.world.journal.next_due() is None
    assert it.go_on(resumed()) is RunStatus.SUCCEEDED
    assert it.state.paused is None


def resumed() -> RunResumed:
    return RunResumed("ana", "host", 1)


def test_a_waiting_run_that_is_paused_is_not_due_when_somebody_acts(tmp_path: Path) -> None:
    """The vote counts; the run goes on when it is taken up."""
    it = steered(tmp_path, book(SIGN.replace("by: partner", "by: partner, within: 2 hours") + LAST))
    it.start()
    assert it.world.journal.next_due() is not None
    it.pause()
    assert it.state.status is RunStatus.PAUSED
    it.vote("pia", "p/sign")
    assert it.world.journal.next_due() is None
    assert it.go_on(resumed()) is RunStatus.SUCCEEDED


def test_a_pause_ends_the_wait_for_the_next_attempt(tmp_path: Path) -> None:
    """The other side is busy for an hour; the run is paused within a second or two."""
    shelf = Shelf()
    patient = LAST.replace("action", "retry: {attempts: 9, backoff: 1h, max_backoff: 1h}\n        action")
    it = steered(tmp_path, book(patient), shelf)

    def busy(name: str) -> None:
        if shelf.reads[name]:
            it.pause()
            raise Temporary("busy", nothing_done=True)

    shelf.before_read = busy
    assert it.start() is RunStatus.PAUSED
    assert it.world.clock.passed < 60


def test_only_what_goes_on_by_itself_is_paused(tmp_path: Path) -> None:
    it = steered(tmp_path, book(SIGN))
    it.start()
    it.pause("month end")
    with pytest.raises(NotAllowed, match=r"By ana: month end\. It goes on with: switchover resume r1"):
        it.pause()
    it.go_on(resumed())
    it.vote("pia", "p/sign")
    it.go_on()
    with pytest.raises(NotAllowed, match="does nothing by itself: it is succeeded"):
        it.pause()
