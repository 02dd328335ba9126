"""What one ticket system alone has: ServiceNow's lookups and closing rules, Jira's workflow and documents."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from engine.actions.ticket.ensure import TicketEnsure
from engine.actions.ticket.jira import document_of
from engine.actions.ticket.state import TicketState
from engine.actions.ticket.transition import TicketTransition
from engine.model.errors import Permanent
from engine.model.plan import Change
from engine.ports import Sessions
from engine.transports.http import HttpPool
from tests.support.desk_bench import DeskBench, desk_bench
from tests.support.rest_bench import Bench, opened
from tests.support.sessions import make_sessions
from tests.support.trouble import any_answer

ENSURE, TRANSITION, STATE = TicketEnsure(), TicketTransition(), TicketState()
Open = Callable[[str], DeskBench]


@pytest.fixture
def open_desk(tmp_path: Path) -> Iterator[Open]:
    with desk_bench(tmp_path, "rt") as running:
        yield lambda system: DeskBench(tmp_path, system, running.bench)


def test_a_group_that_servicenow_does_not_have_is_named_before_anything_is_opened(open_desk: Open) -> None:
    """References go by sys_id, so the name is looked up; and ^ would be another condition."""
    desk = open_desk("servicenow")
    with pytest.raises(Permanent, match=r"no group 'Nonesuch'\. Nothing was opened"):
        desk.bench.attempt(ENSURE, **{**desk.words, "queue": "Nonesuch"})
    with pytest.raises(Permanent, match=r"no user 'Nonesuch'\. Nothing was opened"):
        desk.bench.attempt(ENSURE, **desk.words, requestor="Nonesuch")
    with pytest.raises(Permanent, match="separates conditions"):
        desk.bench.attempt(ENSURE, **{**desk.words, "queue": "OPS^active=true"})
    assert desk.writes() == 0


def test_servicenow_words_come_to_the_default_matrix(open_desk: Open) -> None:
    """Each word is stored as impact and urgency, and read back as the priority that they make."""
    desk = open_desk("servicenow")
    for word in ("low", "normal", "high", "urgent"):
        desk.at(f"p/{word}").apply(ENSURE, **{**desk.words, "priority": word})
        change = desk.at(f"p/{word}").plan(ENSURE, **{**desk.words, "priority": "urgent"})
        assert (change is None) == (word == "urgent")
        assert change is None or f"from priority '{word}' to 'urgent'" in change.summary


def test_a_state_of_servicenows_own_goes_by_its_number(open_desk: Open) -> None:
    """A name that is not among those delivered is refused with the list."""
    desk = open_desk("servicenow")
    desk.bench.apply(ENSURE, **{**desk.words, "key": "k"})
    desk.bench.apply(TRANSITION, connection="servicenow", key="k", to="resolved", note="Reinstated.")
    with pytest.raises(Permanent, match="new, in progress, on hold, resolved, closed, canceled, or a state's number"):
        desk.bench.attempt(TRANSITION, connection="servicenow", key="k", to="reopened")


INCIDENT = {
    "sys_id": "a" * 32, "number": "INC1", "impact": "2", "urgency": "2", "priority": "3", "correlation_id": "switchover:k",
}


def test_servicenow_answers_beyond_the_question_are_not_taken(tmp_path: Path) -> None:
    """A query over a field it does not know is answered with every record there is."""
    with any_answer() as told, _answering(told.port, "servicenow") as bench:
        told.body = _json({"result": [{**INCIDENT, "state": "1", "correlation_id": "switchover:other"}]})
        with pytest.raises(Permanent, match="has no ticket with the key 'k'"):
            bench.plan(STATE, connection="servicenow", key="k", states=["new"])


def test_a_rule_that_keeps_servicenow_where_it_was_is_told(tmp_path: Path) -> None:
    """The request is answered with success and the old state."""
    with any_answer() as told, _answering(told.port, "servicenow") as bench:
        told.body = _json({"result": [{**INCIDENT, "state": "1"}]})
        change = bench.plan(TRANSITION, connection="servicenow", key="k", to="in progress")
        assert isinstance(change, Change)
        told.body = _json({"result": {**INCIDENT, "state": "1"}})
        with pytest.raises(Permanent, match="left it 'new', by a rule of its own"):
            asked = TRANSITION.Args(connection="servicenow", key="k", to="in progress")
            TRANSITION.apply(change, asked, cast(Sessions, bench.at), key="k")


def test_jira_says_where_its_workflow_leads(open_desk: Open) -> None:
    """So that the runbook can go by what there is."""
    desk = open_desk("jira")
    desk.bench.apply(ENSURE, **{**desk.words, "key": "k"})
    with pytest.raises(Permanent, match="leads from there to 'done', 'in progress', 'waiting', 'won't do'"):
        desk.bench.attempt(TRANSITION, connection="jira", key="k", to="finished")


def test_an_issue_that_cannot_be_taken_back_is_called_final(open_desk: Open) -> None:
    """Without 'withdraw_as' the plan says so, and undo refuses in words."""
    desk = open_desk("jira")
    connection = desk.bench.at.connections["jira"]
    settings = {name: value for name, value in connection.settings.items() if name != "withdraw_as"}
    bench = Bench(make_sessions({"jira": type(connection)(connection.type, connection.open, settings)}))
    change = bench.plan(ENSURE, **desk.words)
    assert isinstance(change, Change)
    assert not change.reversible
    assert "withdraw_as" in change.notes[0]
    receipt = bench.apply(ENSURE, **desk.words)
    with pytest.raises(Permanent, match="'withdraw_as' of the connection"):
        bench.undo(ENSURE, receipt, **desk.words)


def test_fields_that_a_system_insists_on_are_passed_on_and_its_refusal_is_quoted(open_desk: Open) -> None:
    """By its own names."""
    desk = open_desk("jira")
    with pytest.raises(Permanent, match="400: team: Field 'team' cannot be set"):
        desk.bench.attempt(ENSURE, **desk.words, fields={"team": "x"})
    desk.bench.apply(ENSURE, **desk.words, fields={"issuetype": {"name": "Bug"}})


@pytest.mark.parametrize(("text", "paragraphs"), [
    ("one", [["one"]]),
    ("one\ntwo\n\nthree", [["one", "", "two"], ["three"]]),
    ("\n\n\n", [[]]),
    ("a\n\n\n\nb", [["a"], ["b"]]),
])
def test_text_becomes_a_document(text: str, paragraphs: list[list[str]]) -> None:
    """A paragraph for each block, a hard break (here "") for each line; no text node is empty."""
    content: Any = document_of(text)["content"]
    shown = [[part.get("text", "") for part in paragraph["content"]] for paragraph in content]
    assert shown == paragraphs


def _json(data: Mapping[str, object]) -> bytes:
    return json.dumps(data).encode()


@contextlib.contextmanager
def _answering(port: int, kind: str) -> Iterator[Bench]:
    pool = HttpPool()
    try:
        yield Bench(make_sessions({kind: opened(pool, kind, kind, url=f"http://127.0.0.1:{port}")}))
    finally:
        pool.close()
