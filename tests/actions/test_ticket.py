"""The ticket actions at every system of the lab's desk, over sockets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from engine.actions.ticket.comment import TicketComment
from engine.actions.ticket.desk import Opening, key_of
from engine.actions.ticket.desks import desk_at
from engine.actions.ticket.ensure import TicketEnsure
from engine.actions.ticket.state import TicketState
from engine.actions.ticket.transition import TicketTransition
from engine.model.errors import Permanent, Temporary
from engine.model.plan import Change
from engine.ports import Sessions
from tests.support.desk_bench import DONE, REJECTED, SYSTEMS, UNDER_WAY, DeskBench, desk_bench
from tests.support.sessions import make_sessions

ENSURE, COMMENT, TRANSITION, STATE = TicketEnsure(), TicketComment(), TicketTransition(), TicketState()


@pytest.fixture(params=SYSTEMS)
def desk(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[DeskBench]:
    with desk_bench(tmp_path, request.param) as running:
        yield running


def told(desk: DeskBench, **words: object) -> dict[str, object]:
    """What ``ticket.ensure`` tells later steps."""
    args = ENSURE.Args(**{**desk.words, **words})
    return dict(ENSURE.outputs(args, ENSURE.observe(args, cast(Sessions, desk.bench.at.reading()))))


def test_a_plan_writes_nothing_and_shows_the_whole_ticket(desk: DeskBench) -> None:
    """Subject, queue, priority and key as fields; the body as text."""
    change = desk.bench.plan(ENSURE, **desk.words)
    assert isinstance(change, Change)
    assert {field.name for field in change.fields} == {"subject", "queue", "priority", "key"}
    assert [text.after for text in change.texts] == ["Please."]
    assert desk.writes() == 0


def test_a_second_run_opens_no_second_ticket(desk: DeskBench) -> None:
    """Nor does one that asks in other words: it is the key that counts."""
    desk.bench.apply(ENSURE, **desk.words)
    assert desk.bench.attempt(ENSURE, **desk.words) is None
    assert desk.bench.attempt(ENSURE, **{**desk.words, "subject": "Reworded"}) is None
    assert desk.writes() == 1


def test_a_ticket_tells_its_number_page_status_and_priority(desk: DeskBench) -> None:
    """What later steps use."""
    desk.bench.apply(ENSURE, **desk.words)
    found = told(desk)
    assert set(found) == set(ENSURE.Outputs)
    assert found["priority"] == "high"
    assert str(found["url"]).startswith("http://127.0.0.1:")
    assert desk.bench.plan(STATE, connection=desk.system, ticket=found["id"], states=[str(found["status"])]) is None
    assert desk.bench.plan(STATE, connection=desk.system, ticket=found["number"], states=[str(found["status"])]) is None


def test_other_addresses_have_tickets_of_their_own(desk: DeskBench) -> None:
    """And the same address of another customer too."""
    mine = desk.bench.at
    theirs = make_sessions(mine.connections, scope="another", address=mine.address)
    keys = {key_of("", cast(Sessions, at)) for at in (mine, theirs, desk.at("p/other").at)}
    assert len(keys) == 3
    assert key_of("", cast(Sessions, mine)) in keys


def test_a_priority_that_comes_out_lower_is_not_proved(desk: DeskBench) -> None:
    """The ticket is there, and the step is not done: the plan says what is lacking, and trying again raises it."""
    desk.fault("lower_priority", count=1)
    receipt = desk.bench.attempt(ENSURE, **desk.words)
    assert receipt is not None
    left = desk.bench.plan(ENSURE, **desk.words)
    assert isinstance(left, Change)
    assert "to 'high'" in left.summary
    desk.bench.apply(ENSURE, **desk.words)
    assert told(desk)["priority"] == "high"


def test_a_new_ticket_that_a_search_shows_late_is_waited_for(desk: DeskBench) -> None:
    """Within the settle time, from one write."""
    desk.fault("late", value=0.2, count=1)
    desk.bench.attempt(ENSURE, **desk.words)
    assert desk.bench.settle(ENSURE, 5.0, **desk.words) > 0
    assert desk.writes() == 1


def test_two_tickets_with_one_key_are_named(desk: DeskBench) -> None:
    """Neither is guessed at."""
    reached = desk_at(desk.system, cast(Sessions, desk.bench.at))
    ids = [reached.open(Opening("twice", "x", "", "OPS", "", "normal")) for _ in range(2)]
    numbers = [reached.read(id).number for id in ids]
    with pytest.raises(Permanent, match=f"tickets {numbers[0]} and {numbers[1]} .* both carry the key 'twice'"):
        desk.bench.plan(ENSURE, **desk.words, key="twice")


def test_undo_withdraws_the_ticket_and_gives_the_key_free(desk: DeskBench) -> None:
    """Twice does no harm; afterwards the plan is as before."""
    before = desk.bench.plan(ENSURE, **desk.words)
    receipt = desk.bench.apply(ENSURE, **desk.words)
    desk.bench.undo(ENSURE, receipt, **desk.words)
    assert desk.bench.plan(ENSURE, **desk.words) == before


def test_what_a_lost_attempt_opened_is_taken_back_by_its_key(desk: DeskBench) -> None:
    """The id came with an answer that nobody heard; the key was known before."""
    before = desk.bench.plan(ENSURE, **desk.words)
    assert isinstance(before, Change)
    prepared = ENSURE.prepare(before, ENSURE.Args(**desk.words), cast(Sessions, desk.bench.at))
    desk.fault("lost_reply", count=1, match="POST")
    with pytest.raises(Temporary, match="will be read back"):
        desk.bench.attempt(ENSURE, **desk.words)
    desk.bench.undo(ENSURE, prepared, **desk.words)
    assert desk.bench.plan(ENSURE, **desk.words) == before


def test_a_lost_reply_is_resolved_by_reading(desk: DeskBench) -> None:
    """The ticket was opened, the answer lost: it is found, and nothing is written twice."""
    desk.fault("lost_reply", count=1, match="POST")
    with pytest.raises(Temporary, match="will be read back"):
        desk.bench.attempt(ENSURE, **desk.words)
    assert desk.bench.attempt(ENSURE, **desk.words) is None
    assert desk.writes() == 1


def test_a_comment_is_made_once_by_each_address(desk: DeskBench) -> None:
    """However it is worded the second time."""
    desk.bench.apply(ENSURE, **desk.words)
    said = {"connection": desk.system, "ticket": told(desk)["id"], "text": "Done."}
    desk.bench.apply(COMMENT, **said)
    assert desk.bench.attempt(COMMENT, **{**said, "text": "All done."}) is None
    desk.at("p/other").apply(COMMENT, **said, to_requestor=True)
    assert desk.writes() == 3


def test_a_transition_is_made_once_and_taken_back(desk: DeskBench) -> None:
    """A ticket that is there already needs nothing; upper and lower case are alike."""
    desk.bench.apply(ENSURE, **desk.words)
    asked = {"connection": desk.system, "ticket": told(desk)["id"], "to": UNDER_WAY[desk.system].title()}
    before = told(desk)["status"]
    receipt = desk.bench.apply(TRANSITION, **asked)
    assert desk.bench.attempt(TRANSITION, **asked) is None
    desk.bench.undo(TRANSITION, receipt, **asked)
    assert told(desk)["status"] == before


def test_a_transition_that_does_not_exist_is_refused_in_words(desk: DeskBench) -> None:
    """Naming both statuses."""
    desk.bench.apply(ENSURE, **desk.words)
    with pytest.raises(Permanent, match="to 'finished'"):
        desk.bench.attempt(TRANSITION, connection=desk.system, ticket=told(desk)["id"], to="finished")


def test_a_ticket_closed_as_something_else_ends_the_waiting(desk: DeskBench) -> None:
    """At once, in words that say what was awaited; work that was done well does not."""
    desk.bench.apply(ENSURE, **desk.words)
    found, done = told(desk), DONE[desk.system]
    waits = {"connection": desk.system, "ticket": found["id"], "states": [done]}
    left = desk.bench.plan(STATE, **waits)
    assert isinstance(left, Change)
    assert left.summary == f"ticket {found['number']} is '{found['status']}', not '{done}'"
    desk.fault("rejects", count=1)
    why = f"ticket {found['number']} was closed as '{REJECTED[desk.system]}'; this step waits for '{done}'"
    with pytest.raises(Permanent, match=why):
        desk.bench.plan(STATE, **waits)
    with pytest.raises(Permanent, match=why):
        desk.bench.plan(TRANSITION, connection=desk.system, ticket=found["id"], to=done)


@pytest.mark.parametrize(("words", "why"), [
    ({"ticket": "7", "key": "k"}, "either by 'ticket'.*or by 'key'"),
    ({}, "either by 'ticket'.*or by 'key'"),
    ({"key": "nobody"}, "has no ticket with the key 'nobody'"),
    ({"key": "a b"}, "is no key of a ticket"),
    ({"ticket": "99999"}, "99999"),
])
def test_a_ticket_that_is_not_named_well_is_told_apart(desk: DeskBench, words: dict[str, str], why: str) -> None:
    """Both, neither, unknown, unfit."""
    with pytest.raises(Permanent, match=why):
        desk.bench.plan(STATE, connection=desk.system, states=["x"], **words)
