"""The ticket actions against the real Request Tracker: what its documentation leaves open is settled here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import pytest

from engine.actions.ticket.comment import TicketComment
from engine.actions.ticket.desk import Opening, Ticket
from engine.actions.ticket.desks import desk_at
from engine.actions.ticket.ensure import TicketEnsure
from engine.actions.ticket.rt import RequestTracker
from engine.actions.ticket.state import TicketState
from engine.actions.ticket.transition import TicketTransition
from engine.model.errors import Permanent, Temporary
from engine.model.plan import Change, Receipt
from engine.model.secret import Secret
from engine.ports import Sessions
from engine.transports.http import HttpPool
from tests.support.rest_bench import Bench, opened
from tests.support.rt import RealRt, real_rt, require_rt
from tests.support.sessions import make_sessions
from tests.support.trouble import losing_replies

pytestmark = pytest.mark.real
ENSURE, COMMENT, TRANSITION, STATE = TicketEnsure(), TicketComment(), TicketTransition(), TicketState()
WORDS: dict[str, Any] = {
    "connection": "rt", "subject": "Reinstate licences: Größe „L“", "queue": "General", "requestor": "ann@example.net",
}


@pytest.fixture(scope="module")
def rt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRt]:
    require_rt()
    with real_rt(tmp_path_factory.mktemp("rt")) as running:
        yield running


@pytest.fixture
def pool() -> Iterator[HttpPool]:
    made = HttpPool()
    yield made
    made.close()


@pytest.fixture
def bench(rt: RealRt, pool: HttpPool, request: pytest.FixtureRequest) -> Bench:
    """At an address of the test's own, so that no two tests meet at a ticket."""
    return at_address(rt, pool, request.node.name)


def at_address(rt: RealRt, pool: HttpPool, address: str, name: str = "rt", **settings: object) -> Bench:
    """``name``: of the client in the pool, which keeps its connections."""
    connection = opened(pool, name, "rt", 30.0, **{**rt.settings, **settings})
    return Bench(make_sessions({"rt": connection}, address=address))


def ticket_of(bench: Bench, **words: Any) -> Ticket:
    seen = ENSURE.observe(ENSURE.Args(**{**WORDS, **words}), cast(Sessions, bench.at.reading()))
    assert seen.ticket is not None
    return seen.ticket


def test_a_ticket_is_opened_once_and_withdrawn_by_undo(bench: Bench) -> None:
    """It is found again by its link; withdrawn, it gives the key free, and the plan is as before."""
    words = {**WORDS, "body": "Line one.\nLine two: ä.", "priority": "high"}
    before = bench.plan(ENSURE, **words)
    receipt = bench.apply(ENSURE, **words)
    ticket = ticket_of(bench, priority="high")
    assert bench.attempt(ENSURE, **words) is None
    assert (ticket.status, ticket.priority) == ("new", "high")
    assert f"opened ticket {ticket.id} at" in receipt.summary
    assert ticket.url.endswith(f"/Ticket/Display.html?id={ticket.id}")
    bench.undo(ENSURE, receipt, **words)
    assert bench.plan(ENSURE, **words) == before
    assert desk_at("rt", cast(Sessions, bench.at)).read(ticket.id).status == "rejected"


def test_a_lost_reply_is_resolved_by_reading(rt: RealRt, pool: HttpPool) -> None:
    """The ticket was opened and nobody heard: it is found, and there is no second one."""
    bench = at_address(rt, pool, "lost")
    change = bench.plan(ENSURE, **WORDS)
    assert isinstance(change, Change)
    with losing_replies(rt.port) as port:
        lossy = at_address(rt, pool, "lost", name="lossy", url=f"http://127.0.0.1:{port}")
        with pytest.raises(Temporary, match="whether it was done is not known"):
            ENSURE.apply(change, ENSURE.Args(**WORDS), cast(Sessions, lossy.at), key="k")
    assert bench.plan(ENSURE, **WORDS) is None


def test_a_closed_ticket_is_found_by_its_key_too(bench: Bench) -> None:
    """Or a run that is repeated after the work was done would open another."""
    bench.apply(ENSURE, **WORDS)
    bench.apply(TRANSITION, connection="rt", ticket=ticket_of(bench).id, to="Resolved")
    assert bench.plan(ENSURE, **WORDS) is None


def test_two_tickets_with_one_key_are_named(bench: Bench) -> None:
    """Somebody copied a ticket with its links: neither is guessed at."""
    desk = desk_at("rt", cast(Sessions, bench.at))
    first, second = (desk.open(Opening("twice", "x", "", "General", "", "normal")) for _ in range(2))
    with pytest.raises(Permanent, match=f"tickets {first} and {second} at Request Tracker both carry the key 'twice'"):
        bench.plan(ENSURE, **WORDS, key="twice")


def test_a_ticket_is_raised_and_lowered_again(bench: Bench) -> None:
    """Never lowered by asking for less."""
    bench.apply(ENSURE, **WORDS, priority="low")
    receipt = bench.apply(ENSURE, **WORDS, priority="high")
    assert ticket_of(bench).level == "100"
    assert bench.plan(ENSURE, **WORDS, priority="low") is None
    bench.undo(ENSURE, receipt, **WORDS, priority="high")
    assert ticket_of(bench).level == "0"


def test_a_comment_is_made_once(bench: Bench) -> None:
    """Known by its subject; one to the requestor likewise, from another step."""
    bench.apply(ENSURE, **WORDS)
    said = {"connection": "rt", "ticket": ticket_of(bench).id, "text": "The line is closed: ü."}
    bench.apply(COMMENT, **said)
    assert bench.attempt(COMMENT, **said) is None
    other = Bench(replace(bench.at, address="phase/another"))
    other.apply(COMMENT, **said, to_requestor=True)
    assert bench.plan(COMMENT, **said) is None


def test_a_comment_is_found_among_more_than_a_page(bench: Bench) -> None:
    """Here with pages of one message."""
    bench.apply(ENSURE, **WORDS)
    ticket, desk = ticket_of(bench), desk_at("rt", cast(Sessions, bench.at))
    for n in range(3):
        desk.comment(ticket, f"marker-{n}", "x", to_requestor=False)
    one_a_page = RequestTracker(bench.at.http("rt"), "", page_size=1)
    assert one_a_page.has_comment(ticket, "marker-0")
    assert one_a_page.has_comment(ticket, "marker-2")
    assert not one_a_page.has_comment(ticket, "marker-99")


def test_a_status_that_does_not_exist_is_refused_in_its_words(bench: Bench) -> None:
    """Request Tracker answers 200 to it: what came of it is read."""
    bench.apply(ENSURE, **WORDS)
    with pytest.raises(Permanent, match=r"from 'new' to 'finished' was refused .* isn't a valid status"):
        bench.attempt(TRANSITION, connection="rt", ticket=ticket_of(bench).id, to="finished")


def test_a_status_is_taken_back(bench: Bench) -> None:
    """Even one that closed the ticket."""
    bench.apply(ENSURE, **WORDS)
    asked = {"connection": "rt", "ticket": ticket_of(bench).id, "to": "resolved"}
    receipt = bench.apply(TRANSITION, **asked)
    bench.undo(TRANSITION, receipt, **asked)
    assert ticket_of(bench).status == "new"


def test_an_update_over_somebody_elses_is_not_made(bench: Bench) -> None:
    """412 by the ETag: temporary, and nothing was done."""
    bench.apply(ENSURE, **WORDS)
    stale, desk = ticket_of(bench), desk_at("rt", cast(Sessions, bench.at))
    desk.set_level(stale, "70")
    with pytest.raises(Temporary, match="somebody changed the ticket") as caught:
        desk.move(stale, "resolved", "")
    assert caught.value.nothing_done
    assert ticket_of(bench).status == "new"


def test_a_ticket_that_was_rejected_ends_the_waiting(bench: Bench) -> None:
    """At once, in words, whatever the settle time; so for a state and for a transition."""
    bench.apply(ENSURE, **WORDS)
    ticket = ticket_of(bench)
    waits = {"connection": "rt", "ticket": ticket.id, "states": ["resolved"]}
    assert bench.plan(STATE, **waits) is not None
    bench.apply(TRANSITION, connection="rt", ticket=ticket.id, to="rejected")
    words = f"ticket {ticket.id} was closed as 'rejected'; this step waits for 'resolved'"
    with pytest.raises(Permanent, match=words):
        bench.plan(STATE, **waits)
    with pytest.raises(Permanent, match=words):
        bench.plan(TRANSITION, connection="rt", ticket=ticket.id, to="resolved")


def test_undo_leaves_a_ticket_alone_that_was_worked_on_to_its_end(bench: Bench) -> None:
    """Somebody resolved it since."""
    receipt: Receipt = bench.apply(ENSURE, **WORDS)
    bench.apply(TRANSITION, connection="rt", ticket=ticket_of(bench).id, to="resolved")
    with pytest.raises(Permanent, match="closed as 'resolved' since"):
        bench.undo(ENSURE, receipt, **WORDS)


@pytest.mark.parametrize(("words", "why"), [
    ({"queue": "Nonesuch"}, "403.*No permission to create tickets in the queue"),
    ({"subject": "two\nlines"}, "'subject' must be one line"),
    ({"key": "x' OR id > '0"}, "does not fit"),
])
def test_what_cannot_be_opened_is_told_in_words(bench: Bench, words: dict[str, str], why: str) -> None:
    """Its own where it has some."""
    with pytest.raises(Permanent, match=why):
        bench.attempt(ENSURE, **{**WORDS, **words})


def test_a_ticket_that_is_not_there_is_told_apart_from_none(bench: Bench) -> None:
    """By number and by key."""
    with pytest.raises(Permanent, match="has no ticket 99999"):
        bench.plan(STATE, connection="rt", ticket="99999", states=["new"])
    with pytest.raises(Permanent, match="has no ticket with the key 'nobody'"):
        bench.plan(STATE, connection="rt", key="nobody", states=["new"])


def test_a_wrong_token_is_permanent(rt: RealRt, pool: HttpPool) -> None:
    """And the right password does as well as a token."""
    wrong = at_address(rt, pool, "wrong", token=Secret("1-14-0"))
    with pytest.raises(Permanent, match=r"401.*'token'"):
        wrong.plan(ENSURE, **WORDS)
    by_name = at_address(rt, pool, "name", token=None, username="root", password=Secret("password"))
    assert by_name.plan(ENSURE, **WORDS) is not None
