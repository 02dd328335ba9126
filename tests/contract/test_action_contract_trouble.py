"""What every action owes the engine when the other side misbehaves.

An answer that was lost is settled by reading, not by doing it again. Whatever else goes wrong ends as one of the declared
failures, in words, within its time; and once the trouble is over, trying again brings the change about.
"""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime

import pytest

from engine.execution.attempt import Outcome
from engine.execution.decide import Past
from engine.model.errors import ActionFailure, ChangedSince, InDoubt, Permanent, Temporary
from engine.model.event import Event, ItemChanged, ItemFailed, ItemInDoubt, ItemIntended, ItemRan, ItemUnchanged
from engine.model.plan import Receipt
from engine.wiring.connections import Connections
from tests.support.contract_cases import Case, Refusal, load_cases
from tests.support.contract_world import Trial, World, again, finished, intended, text_of, trial
from tests.support.trouble import AnyAnswer, any_answer, babbling, frozen, nobody, one_way

CASES = load_cases()
SHORT_S = 0.2
"""Deadline of an exchange with somebody who will not answer."""
SLACK_S = 5.0
"""How much later than its deadline an exchange may end before the deadline counts as ignored: machines are busy."""
Trouble = Callable[[], contextlib.AbstractContextManager[int]]
"""Opens a port where something is wrong."""
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
"""Nothing of then shows late any more."""
DECLARED = (ChangedSince, Temporary, Permanent, InDoubt)


def cases(having: Callable[[Case], object]) -> pytest.MarkDecorator:
    """These cases, one test each."""
    chosen = [case for case in CASES if having(case)]
    return pytest.mark.parametrize("case", chosen, ids=[case.name for case in chosen])


def ways(having: Callable[[Case], object]) -> pytest.MarkDecorator:
    """Of these cases one for each way to the other side: where nobody answers, what was to be said there makes no difference."""
    chosen = {(case.action, case.kind, _far(case.looks_at), _far(case.writes_to)): case for case in CASES if having(case)}
    return pytest.mark.parametrize("case", chosen.values(), ids=[case.name for case in chosen.values()])


def _far(connection: str) -> str:
    """Connections that lead to one server are one way there."""
    servers = {"telnyx": "carrier", "twilio": "carrier", "api": "platform", "doors": "rest", "crm": "rest"}
    return servers.get(connection, connection)


# ---------------------------------------------------------------- lost answers


@cases(lambda case: case.changes and case.loss)
def test_a_lost_answer_is_settled_by_reading(world: World, case: Case) -> None:
    """The write took effect and nobody heard: the next attempt finds it in place, adopts it, and writes nothing twice."""
    tried = trial(world, case)
    writes = world.writes()

    lost = _with_lost_answer(tried, case)
    resolved = tried.attempt(Past(lost=lost.written, readable=True))

    assert isinstance(lost.event, ItemFailed), lost.event
    assert lost.event.cause == "temporary"
    assert lost.retryable
    assert lost.written
    assert isinstance(resolved.event, ItemChanged), resolved.event
    assert world.writes() - writes == case.writes
    assert tried.look() is None
    assert tried.leaks(text_of(lost.event) + text_of(resolved.event)) == []


@cases(lambda case: case.kind == "unpredictable" and case.loss)
def test_a_lost_answer_to_what_cannot_be_read_back_is_a_question_to_a_person(world: World, case: Case) -> None:
    """It may have been done: it is not done again, and the answer 'it was not' has it done."""
    tried = trial(world, case)
    writes = world.writes()

    lost = _with_lost_answer(tried, case)
    stuck = tried.attempt(Past(lost=True, readable=False))

    assert lost.written
    assert isinstance(lost.event, ItemInDoubt) or lost.retryable, lost.event
    assert isinstance(stuck.event, ItemInDoubt), stuck.event
    assert world.writes() - writes == case.writes
    assert tried.leaks(text_of(lost.event) + text_of(stuck.event)) == []

    world.outbox.settle(tried.scene.given.scope, tried.ready.address, done=False)
    told = tried.attempt(Past(lost=True, readable=False, told_again=True))

    assert isinstance(told.event, ItemRan), told.event


@cases(lambda case: case.changes and case.reversible and case.loss and case.action != "phone.resync")
def test_an_undo_whose_answer_was_lost_is_done_by_asking_again(world: World, case: Case) -> None:
    """Rolling back meets the same networks."""
    tried = trial(world, case)
    change = tried.look()
    assert change is not None
    receipt = tried.apply(change)
    _await(lambda: tried.look() is None)

    _lose(tried, case, lambda other: other.undo(receipt))
    tried.undo(receipt)

    _await(lambda: (left := tried.look()) is not None and left.digest() == change.digest())


def _with_lost_answer(tried: Trial, case: Case) -> Outcome:
    """One attempt whose write takes effect and whose answer does not arrive."""
    if case.loss == "one_way":
        with one_way(tried.world.port_of(case.writes_to)) as port, tried.world.diverted(case.writes_to, port) as source:
            again(tried.world, case, tried.collection, tried.item, source).look()  # so that what it looks at is connected
            return again(tried.world, case, tried.collection, tried.item, source, timeout_s=1.0).attempt()
    attempt = _soon_tired(tried, case).begin()
    assert isinstance(intended(attempt), ItemIntended)
    tried.world.fault(tried.world.server_of(case.writes_to), case.loss, count=1)
    try:
        return finished(attempt)
    finally:
        tried.world.behave()


def _lose(tried: Trial, case: Case, what: Callable[[Trial], object]) -> None:
    tried.world.fault(tried.world.server_of(case.writes_to), case.loss, count=1)
    with pytest.raises(Temporary):
        what(_soon_tired(tried, case))
    tried.world.behave()


def _soon_tired(tried: Trial, case: Case) -> Trial:
    """The same with little time where a lost answer is noticed by the clock alone."""
    timeout_s = 1.5 if case.loss == "lost_ack" else 8.0
    return again(tried.world, case, tried.collection, tried.item, tried.source, timeout_s=timeout_s)


# ---------------------------------------------------------------- nobody, nonsense, silence


@contextlib.contextmanager
def _elsewhere(world: World, connection: str, trouble: Trouble) -> Iterator[Connections]:
    with trouble() as port, world.diverted(connection, port) as source:
        yield source


def _is_remote(case: Case, connection: str) -> bool:
    """Whether a connection leads over a network: names of connections to this machine's own disk are the world's."""
    return bool(connection) and connection not in ("tree", "logs")


@pytest.mark.parametrize("trouble", [nobody, babbling], ids=["nobody", "nonsense"])
@ways(lambda case: _is_remote(case, case.looks_at))
def test_looking_at_nobody_or_at_nonsense_is_a_declared_failure(
    world: World, case: Case, trouble: Trouble
) -> None:
    """A plan says of this item that it could not be read, and why; it is not taken for absent."""
    healthy = trial(world, case)
    with _elsewhere(world, case.looks_at, trouble) as source:
        tried = again(world, case, healthy.collection, healthy.item, source, timeout_s=SHORT_S)
        failure = _failure_of(tried.look)
    _is_fit_to_be_shown(tried, failure)


@pytest.mark.parametrize("trouble", [nobody, babbling], ids=["nobody", "nonsense"])
@ways(lambda case: case.writes_anything and _is_remote(case, case.writes_to))
def test_writing_to_nobody_or_to_nonsense_is_a_declared_failure_and_trying_again_brings_it_about(
    world: World, case: Case, trouble: Trouble
) -> None:
    """Whoever was not there has taken nothing: the change comes with the next attempt, once."""
    healthy = trial(world, case)
    change = healthy.look()
    assert change is not None
    writes = world.writes()
    with _elsewhere(world, case.writes_to, trouble) as source:
        tried = again(world, case, healthy.collection, healthy.item, source, timeout_s=SHORT_S)
        failure = _failure_of(lambda: tried.apply(change))
    _is_fit_to_be_shown(tried, failure)

    past = Past(lost=True, readable=case.changes, told_again=True, at=LONG_AGO)
    _has_come_about(healthy.attempt(past).event)
    assert world.writes() - writes == case.writes


@ways(lambda case: _is_remote(case, case.looks_at) or _is_remote(case, case.writes_to))
def test_a_server_that_stands_still_is_left_at_the_deadline(world: World, case: Case) -> None:
    """It takes the request and never answers: the attempt ends in its time, and once it moves again all comes right."""
    healthy = trial(world, case)
    tried = again(world, case, healthy.collection, healthy.item, world.source, timeout_s=SHORT_S)
    change = healthy.look()
    failures = []
    if _is_remote(case, case.looks_at):
        with _standing_still(world, case.looks_at):
            failures.append(_failure_of(tried.look))
    if case.writes_anything and _is_remote(case, case.writes_to):
        assert change is not None
        with _standing_still(world, case.writes_to):
            failures.append(_failure_of(lambda: tried.apply(change)))

    for failure in failures:
        assert isinstance(failure, Temporary), failure
        _is_fit_to_be_shown(tried, failure)
    if case.writes_anything:
        past = Past(lost=True, readable=case.changes, told_again=True, at=LONG_AGO)
        _has_come_about(healthy.attempt(past).event)


@contextlib.contextmanager
def _standing_still(world: World, connection: str) -> Iterator[None]:
    pid = world.status(world.server_of(connection)).pid
    assert pid is not None
    with frozen(pid):
        started = time.monotonic()
        yield
        assert time.monotonic() - started < SHORT_S + SLACK_S, "the deadline was not kept"


def _has_come_about(event: Event) -> None:
    assert isinstance(event, ItemChanged | ItemRan | ItemUnchanged), event


# ---------------------------------------------------------------- refusals


REFUSALS = [(case, refusal) for case in CASES for refusal in case.refused]


@pytest.mark.parametrize(
    ("case", "refusal"), REFUSALS, ids=[f"{c.name}-{r.fault}{'' if r.value is None else f'-{r.value:g}'}" for c, r in REFUSALS]
)
def test_a_refusal_is_classified_and_says_why(world: World, case: Case, refusal: Refusal) -> None:
    """What passes is tried again, what does not is left to a person; and nothing was done that the next attempt finds odd."""
    healthy = trial(world, case)
    change = healthy.look()
    connection = refusal.connection or case.writes_to
    source = world.opened(world.connections)  # a login is refused only to who logs in
    try:
        tried = again(world, case, healthy.collection, healthy.item, source)
        world.fault(world.server_of(connection), refusal.fault, value=refusal.value)
        if change is not None and connection == case.writes_to:
            failure = _failure_of(lambda: tried.apply(change))
        else:
            failure = _failure_of(tried.look)
    finally:
        source.close()
        world.behave()

    assert isinstance(failure, Temporary) is refusal.passes, failure
    _is_fit_to_be_shown(tried, failure)
    if case.writes_anything:
        past = Past(lost=True, readable=case.changes, told_again=True, at=LONG_AGO)
        _has_come_about(healthy.attempt(past).event)


# ---------------------------------------------------------------- answers of another shape


OTHER_SHAPES = (
    b"", b"<html>Maintenance</html>", b"\xff\xfe\x00", b"null", b"7", b'"text"', b"[]", b"[null]", b"[1]", b"{}", b"[" * 100_000,
    b"9" * 6000, b'{"data": null}', b'{"data": {}}', b'{"data": [null]}', b'{"data": [{}]}',
)
SHAPES_OF = {
    "telnyx": (
        b'{"data": [{"phone_number": 1}]}', b'{"data": [], "meta": []}', b'{"data": [], "meta": {"total_pages": "x"}}',
        b'{"data": {"call_forwarding": "x"}}', b'{"data": {"outbound": [], "record_type": "credential_connection"}}',
        b'{"data": {"record_type": []}}',
    ),
    "twilio": (
        b'{"incoming_phone_numbers": null}', b'{"incoming_phone_numbers": [null]}', b'{"incoming_phone_numbers": [{}]}',
        b'{"incoming_phone_numbers": [], "next_page_uri": 7}', b'{"incoming_phone_numbers": [], "outgoing_caller_ids": {}}',
    ),
    "netsapiens": (
        b'[{"device": null}]', b'{"caller-id-number": []}', b'{"device-provisioning-last-retrieved-datetime": {}}',
        b'[{"device": "%s", "device-sip-registration-state": [], "device-sip-registration-datetime": 5}]',
    ),
}
SHAPES_OF["rt"] = (
    b'{"items": null}', b'{"items": [null]}', b'{"items": [{}]}', b'{"items": [{"id": []}], "total": 1}',
    b'{"items": [], "total": "x"}',
    b'{"items": [{"id": "1"}], "id": 1, "Status": [], "Priority": "x"}', b'{"id": 1, "Status": "new", "Priority": "x"}',
    b'{"items": [{"id": "1"}, {"id": "1"}], "total": 2, "id": 1, "Status": "new", "Priority": "9"}',
    b'["it was not changed"]',
)
SHAPES_OF["servicenow"] = (
    b'{"result": null}', b'{"result": [null]}', b'{"result": [{}]}', b'{"result": {}}',
    b'{"result": {"sys_id": "1", "state": []}}',
    b'{"result": {"sys_id": "1", "number": "1", "state": "9", "priority": "high", "impact": "1", "urgency": "1"}}',
    b'{"result": {"state": "1", "comments": 7, "work_notes": null}}',
)
SHAPES_OF["jira"] = (
    b'{"issues": null}', b'{"issues": [null]}', b'{"issues": [{}]}', b'{"issues": [{"key": "A-1", "fields": {"status": {}}}]}',
    b'{"issues": [{"key": "A-1", "fields": {"status": {"name": "x", "statusCategory": {}}, "priority": 3}}]}',
    b'{"key": "A-1", "transitions": [{"id": 1, "to": null}], "comments": [{"body": null}], "total": "x"}',
    b'{"transitions": [], "comments": [], "total": 5}',
)
OTHER_COMPLAINTS = (
    b"", b"<html>Not found</html>", b"[]", b"null", b'{"errors": {"code": []}}', b'{"errors": [1, null, {"title": []}]}',
    b'{"errorMessages": 1, "errors": [1]}', b'{"message": {"a": 1}}', b'{"error": [], "code": {}}',
)


def _answers(tried: Trial, connection: str) -> Iterator[tuple[int, bytes]]:
    """Status and body of answers that the API behind a connection would not give."""
    own = SHAPES_OF.get(tried.world.connections[connection].type, ())
    for body in (*OTHER_SHAPES, *own):
        yield 200, body.replace(b"%s", str(tried.item.fields.get("extension", "")).encode())
    yield from ((status, b"") for status in (202, 204, 302, 404))
    yield from ((422, body) for body in OTHER_COMPLAINTS)


def _asks_its_own_way(case: Case) -> bool:
    """One case stands for all that ask in the same way: ``http.resource`` asks every API alike."""
    return case.action != "http.resource" or case.looks_at == "api" or "create" in case.args or "absent" in case.args


HTTP = ("telnyx", "twilio", "platform", "api", "doors", "crm", "rt", "now", "jira")


@cases(lambda case: case.looks_at in HTTP and _asks_its_own_way(case))
def test_looking_at_answers_of_another_shape_is_no_bug(world: World, case: Case) -> None:
    """A proxy, another version, another product at that address: the action says so, or sees nothing there."""
    healthy = trial(world, case)
    with any_answer() as told, world.diverted(case.looks_at, told.port) as source:
        tried = again(world, case, healthy.collection, healthy.item, source)
        for told.status, told.body in _answers(tried, case.looks_at):
            with contextlib.suppress(*DECLARED):
                _declared_only(tried, told, tried.look)


@cases(lambda case: case.changes and case.writes_to in HTTP and _asks_its_own_way(case))
def test_answers_of_another_shape_to_a_write_are_no_bug(world: World, case: Case) -> None:
    """Nor when they come back for a write, nor for taking it back."""
    healthy = trial(world, case)
    change = healthy.look()
    assert change is not None
    receipt = healthy.apply(change)
    with any_answer() as told, world.diverted(case.writes_to, told.port) as source:
        tried = again(world, case, healthy.collection, healthy.item, source)
        for told.status, told.body in _answers(tried, case.writes_to):
            for work in (lambda: tried.apply(change), lambda: _undone(tried, case, receipt)):
                with contextlib.suppress(*DECLARED):
                    _declared_only(tried, told, work)


def _undone(tried: Trial, case: Case, receipt: Receipt) -> None:
    if case.reversible:
        tried.undo(receipt)


def _declared_only(tried: Trial, told: AnyAnswer, work: Callable[[], object]) -> None:
    try:
        work()
    except DECLARED as failure:
        _is_fit_to_be_shown(tried, failure)
        raise
    except Exception as error:
        what = f"{tried.action.name} on {told.status} {told.body[:60]!r}"
        raise AssertionError(f"{what}: {type(error).__name__}: {error}") from error


# ---------------------------------------------------------------- what a failure looks like


def _failure_of(work: Callable[[], object]) -> ActionFailure:
    """The declared failure that ``work`` ends with."""
    try:
        found = work()
    except DECLARED as failure:
        return failure
    raise AssertionError(f"no failure, but {found}")


def _is_fit_to_be_shown(tried: Trial, failure: ActionFailure) -> None:
    """One line in words, for somebody who is tired: where and what, no secret, no innards of Python."""
    assert type(failure) in DECLARED, type(failure)
    assert len(failure.why) > 20, failure.why
    assert len(failure.why) < 900, failure.why
    assert "\n" not in failure.why
    assert not re.search(r"Traceback|object at 0x|<class|NoneType|Errno|\bb'", failure.why), failure.why
    assert tried.leaks(tried.ready.redact(failure.why)) == []


def _await(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < until, "not within 20 s"
        time.sleep(0.05)


