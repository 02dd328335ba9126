"""What every action owes the engine, and so the operator, when the other side behaves.

Each claim is put to every case in ``cases/actions``. The far side is looked at without the product: files on the lab's disk,
the lab's APIs by plain HTTP, and the servers' own counts of what could have altered anything.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from engine.actions.catalog import BUILT_IN
from engine.execution.decide import Past
from engine.model.args import BadArgument, arguments_of, builder_of, schema_of
from engine.model.errors import ChangedSince, Permanent, WriteRefused
from engine.model.event import ItemChanged, ItemFailed, ItemInDoubt, ItemProved, ItemRan, ItemUnchanged
from engine.model.plan import Change, Effect, Outlook, Unpredictable
from engine.ports import Action
from tests.support.contract_cases import Case, load_cases, uncovered
from tests.support.contract_world import World, again, arrange, far_side, text_of, trial

CASES = load_cases()
POLL_S, PATIENCE_S = 0.05, 20.0


def of_kind(*kinds: str, having: Callable[[Case], object] = lambda case: True) -> pytest.MarkDecorator:
    """The cases of these kinds, one test each."""
    chosen = [case for case in CASES if case.kind in kinds and having(case)]
    return pytest.mark.parametrize("case", chosen, ids=[case.name for case in chosen])


# ---------------------------------------------------------------- nothing is left out


def test_every_action_and_every_kind_of_connection_it_takes_has_a_case(world: World) -> None:
    """A new action, or one that learns to use another system, is not done before the contract knows it."""
    types = {name: connection.type for name, connection in world.connections.items()}
    assert uncovered(BUILT_IN, CASES, types) == []


def test_an_action_without_a_case_is_named(world: World) -> None:
    """The check above does fail."""
    types = {name: connection.type for name, connection in world.connections.items()}
    more: dict[str, Action[Any, Any]] = {**BUILT_IN, "phone.reboot": BUILT_IN["phone.resync"]}
    without_twilio = [case for case in CASES if case.name != "number-forward-twilio"]

    assert uncovered(more, CASES, types) == ["phone.reboot has no case: put one into tests/contract/cases/actions/"]
    assert uncovered(BUILT_IN, without_twilio, types) == ["number.forward has no case whose connection is of type twilio"]


def test_a_case_that_leaves_a_claim_out_without_a_reason_is_refused(tmp_path: Path) -> None:
    """Or a claim could be silently unproved for one action."""
    (tmp_path / "lazy.yml").write_text(
        "action: tftp.file\nabout: x\nitem: {collection: phones}\nwith: {connection: provisioning, path: a, content: b}\n"
    )
    with pytest.raises(ValueError, match=r"lazy\.yml: either 'otherwise' or 'one_before' .* either 'loss' or 'no_loss'"):
        load_cases(tmp_path)


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_the_schema_takes_what_the_cases_give_and_refuses_what_is_not_declared(name: str) -> None:
    """Editors, ``validate`` and the run itself go by one declaration."""
    action = BUILT_IN[name]
    schema = schema_of(name, action.doc, action.Args)
    Draft202012Validator.check_schema(schema)
    takes = Draft202012Validator(schema)
    for case in CASES:
        if case.action == name:
            assert [error.message for error in takes.iter_errors(case.args)] == []
            assert not takes.is_valid({**case.args, "surprise": 1})
            with pytest.raises(BadArgument, match="surprise"):
                builder_of(action.Args)({**case.args, "surprise": 1})
    assert all(argument.doc for argument in arguments_of(action.Args).values())
    assert action.doc.endswith(".")


# ---------------------------------------------------------------- planning


@of_kind("change", "unpredictable", "check", "settled")
def test_a_plan_writes_nothing(world: World, case: Case) -> None:
    """Not by its own count, not by the servers', not on any disk; and it says what kind of change comes."""
    tried = trial(world, case)
    before, writes = far_side(tried), world.writes()

    planned = tried.planned()
    tried.look()

    assert planned.outlook is _OUTLOOKS[case.kind], planned
    assert world.writes() == writes
    assert far_side(tried) == before


_OUTLOOKS = {
    "change": Outlook.CHANGE, "unpredictable": Outlook.UNPREDICTABLE, "check": Outlook.CHECK, "settled": Outlook.NOTHING,
}


@of_kind("change", "unpredictable", "check")
def test_what_is_shown_of_a_change_is_true_json_and_holds_no_secret(world: World, case: Case) -> None:
    """Neither those the inventory knows nor those that happen to stand on the other side."""
    tried = trial(world, case)

    change = tried.look()
    planned = tried.planned()

    assert change is not None
    shown = [change.summary, change.fields, change.texts, change.notes, getattr(change, "why", ""), getattr(change, "token", "")]
    assert tried.leaks(tried.ready.redact(f"{shown!r} {change!r}")) == []  # as everything is on its way out
    assert tried.leaks(repr(planned)) == []
    values = [[field.name, field.before, field.after] for field in change.fields]
    assert json.loads(json.dumps(values)) == values
    assert change.summary
    assert "\n" not in change.summary


@of_kind("change", "unpredictable", "check")
def test_the_same_state_gives_the_same_digest_and_another_state_another(world: World, case: Case) -> None:
    """Or a plan would be refused for nothing, or applied to what nobody was shown."""
    tried = trial(world, case)

    first, second = tried.look(), tried.look()

    assert first is not None
    assert second is not None
    assert first.digest() == second.digest()
    if case.otherwise:
        arrange(tried, case.otherwise)
        other = tried.look()
        assert other is not None
        assert other.digest() != first.digest()


# ---------------------------------------------------------------- applying


@of_kind("change")
def test_apply_converges_and_a_second_apply_changes_nothing(world: World, case: Case) -> None:
    """What was planned is what is journalled; after it there is nothing left to plan, to write or to count."""
    tried = trial(world, case)
    writes = world.writes()

    outcome = tried.attempt()

    assert isinstance(outcome.event, ItemChanged), outcome.event
    assert not outcome.event.adopted
    assert outcome.event.reversible is case.reversible
    assert world.writes() - writes == case.writes
    after = far_side(tried)
    writes = world.writes()

    second = tried.attempt()

    assert isinstance(second.event, ItemUnchanged), second.event
    assert tried.planned().outlook is Outlook.NOTHING
    assert world.writes() == writes
    assert far_side(tried) == after


@of_kind("change", having=lambda case: case.late)
def test_a_change_that_shows_late_is_waited_for(world: World, case: Case) -> None:
    """Some systems answer at once and show the change later: within the settle time that is no failure, and no second write."""
    tried = trial(world, case)
    writes = world.writes()
    world.fault(world.server_of(case.writes_to), case.late, value=0.25)

    outcome = tried.attempt()

    assert isinstance(outcome.event, ItemChanged), outcome.event
    assert world.writes() - writes == case.writes


@of_kind("change", having=lambda case: case.late)
def test_a_change_that_never_shows_is_not_reported_as_one(world: World, case: Case) -> None:
    """An acknowledgement is not a proof."""
    tried = trial(world, case, settle_s=0.1)
    world.fault(world.server_of(case.writes_to), case.late, value=30)

    outcome = tried.attempt()

    assert isinstance(outcome.event, ItemFailed), outcome.event
    assert outcome.event.cause == "temporary"
    assert "still shows" in outcome.event.why


@of_kind("unpredictable")
def test_what_cannot_be_read_back_is_done_once_and_said_to_be_final(world: World, case: Case) -> None:
    """The plan counts it apart; nobody promises to undo it; a lost record of it asks instead of doing it again."""
    tried = trial(world, case)
    writes = world.writes()

    change = tried.look()
    outcome = tried.attempt()

    assert isinstance(change, Unpredictable)
    assert change.why
    assert not change.reversible
    assert isinstance(outcome.event, ItemRan), outcome.event
    assert world.writes() - writes == case.writes
    writes = world.writes()

    second = tried.attempt(Past(lost=True, readable=False))

    assert isinstance(second.event, ItemInDoubt | ItemRan), second.event
    assert world.writes() == writes


@of_kind("check")
def test_a_check_fails_until_it_is_true_and_never_writes(world: World, case: Case) -> None:
    """It waits for as long as it may, and then says what is lacking."""
    tried = trial(world, case, settle_s=0.1)
    writes = world.writes()

    outcome = tried.attempt()
    receipt = tried.action.apply(Change(""), tried.args, tried.at(read_only=True), key="k")

    assert isinstance(outcome.event, ItemFailed), outcome.event
    assert outcome.event.cause == "permanent"
    assert receipt.data == {}
    assert world.writes() == writes
    arrange(tried, case.happens)
    patient = again(world, case, tried.collection, tried.item, tried.source)

    assert isinstance(patient.attempt().event, ItemProved)
    writes = world.writes()
    assert isinstance(patient.attempt().event, ItemProved)
    assert world.writes() == writes


@of_kind("change", "unpredictable")
def test_receipts_and_events_are_json_without_a_secret(world: World, case: Case) -> None:
    """They go into the journal and from there into reports, whole."""
    tried = trial(world, case)

    event = tried.attempt().event

    assert isinstance(event, ItemChanged | ItemRan), event
    assert json.loads(json.dumps(event.receipt)) == dict(event.receipt)
    assert tried.leaks(text_of(event)) == []


@of_kind("change", "unpredictable")
def test_sessions_that_only_read_refuse_to_apply(world: World, case: Case) -> None:
    """Whatever an action tries, a plan's sessions let nothing through: it is the engine's promise, not the action's."""
    tried = trial(world, case)
    before, writes = far_side(tried), world.writes()
    change = tried.look()
    assert change is not None

    with pytest.raises(WriteRefused):
        tried.apply(change, read_only=True)

    assert world.writes() == writes
    assert far_side(tried) == before


# ---------------------------------------------------------------- taking back


@of_kind("change", having=lambda case: case.reversible)
def test_undo_restores_what_was_there(world: World, case: Case) -> None:
    """To the byte, from the receipt as the journal keeps it; and once more does no harm, as after a lost answer."""
    tried = trial(world, case)
    before = far_side(tried)
    change = tried.look()
    assert isinstance(change, Change)
    assert change.reversible
    receipt = tried.apply(change)
    await_true(lambda: tried.look() is None)

    for _ in range(2):
        tried.undo(receipt)
        await_true(lambda: far_side(tried) == before)

    assert far_side(tried) == before


@of_kind("change", having=lambda case: case.reversible and case.action != "phone.resync")
def test_what_undo_would_change_is_read_and_shown_and_writes_nothing(world: World, case: Case) -> None:
    """A rollback is previewed by it and proved by it: before the change and after its undoing there is nothing to take back."""
    tried = trial(world, case)
    change = tried.look()
    assert change is not None
    receipt = tried.apply(change)
    await_true(lambda: tried.look() is None)
    after, writes = far_side(tried), world.writes()

    back, again_ = tried.undoing(receipt), tried.undoing(receipt)

    assert back is not None
    assert again_ is not None
    assert back.digest() == again_.digest()
    assert back.summary
    assert back.fields or back.texts
    assert tried.leaks(tried.ready.redact(f"{back!r} {back.fields!r} {back.texts!r}")) == []
    assert world.writes() == writes
    assert far_side(tried) == after
    tried.undo(receipt)
    await_true(lambda: tried.undoing(receipt) is None)


@of_kind("change", having=lambda case: case.reversible and case.action != "phone.resync")
def test_what_was_put_aside_before_the_write_undoes_it_when_the_outcome_is_lost(world: World, case: Case) -> None:
    """The intent knows all that the receipt would have known; of a write that never came there is nothing to undo."""
    tried = trial(world, case)
    change = tried.look()
    assert isinstance(change, Change)
    before, writes = far_side(tried), world.writes()

    prepared = tried.prepare(change)
    assert world.writes() == writes
    assert tried.undoing(prepared) is None
    tried.undo(prepared)
    assert (world.writes(), far_side(tried)) == (writes, before)

    assert tried.apply(change).data == prepared.data
    await_true(lambda: tried.look() is None)
    tried.undo(prepared)
    await_true(lambda: far_side(tried) == before)


@of_kind("change", having=lambda case: case.reversible and case.writes)
def test_sessions_that_only_read_refuse_to_undo(world: World, case: Case) -> None:
    """Previewing a rollback rolls nothing back."""
    tried = trial(world, case)
    change = tried.look()
    assert change is not None
    receipt = tried.apply(change)
    await_true(lambda: tried.look() is None)
    after, writes = far_side(tried), world.writes()

    try:
        tried.undo(receipt, read_only=True)
    except WriteRefused:
        pass
    else:  # nothing to write: a resync is taken back by the next one
        assert case.action == "phone.resync"

    assert world.writes() == writes
    assert far_side(tried) == after


@of_kind("change", having=lambda case: not case.reversible)
def test_nobody_promises_to_undo_what_cannot_be(world: World, case: Case) -> None:
    """The plan says that it is final, and undo says why instead of leaving half of it."""
    tried = trial(world, case)
    change = tried.look()
    assert isinstance(change, Change)
    assert not tried.planned().reversible
    receipt = tried.apply(change)
    await_true(lambda: tried.look() is None)
    after = far_side(tried)

    if hasattr(tried.action, "undo"):
        with pytest.raises(Permanent):
            tried.undo(receipt)

    assert far_side(tried) == after


@of_kind("change", having=lambda case: case.reversible and case.otherwise and case.action != "phone.resync")
def test_undo_leaves_alone_what_somebody_changed_since(world: World, case: Case) -> None:
    """Weeks may lie between a change and its undoing: another person's later work is not taken back with it."""
    tried = trial(world, case)
    change = tried.look()
    assert change is not None
    receipt = tried.apply(change)
    await_true(lambda: tried.look() is None)
    arrange(tried, case.otherwise)
    theirs, writes = far_side(tried), world.writes()

    for take_back in (tried.undoing, tried.undo):
        with pytest.raises(ChangedSince, match="since"):
            take_back(receipt)

    assert far_side(tried) == theirs
    assert world.writes() == writes


@pytest.mark.parametrize("name", sorted(BUILT_IN))
def test_an_action_that_ever_says_reversible_can_undo(name: str) -> None:
    """And one that only reads has nothing to undo."""
    cases = [case for case in CASES if case.action == name and case.changes]
    action = BUILT_IN[name]
    assert hasattr(action, "undo") or not any(case.reversible for case in cases)
    if action.effect is Effect.READS:
        assert not hasattr(action, "undo")
        assert not cases


def await_true(holds: Callable[[], bool]) -> None:
    """Asks again until it is so: some systems show a change a moment later."""
    until = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < until, f"not within {PATIENCE_S:g} s"
        time.sleep(POLL_S)


