"""How people steer a run from any process: what is left out, when it stands still. Judged, or refused with the reason."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from engine.execution.gates import closing
from engine.language.nearest import did_you_mean, offered
from engine.model import event as ev
from engine.model.inventory import Inventory
from engine.model.plan import address_of, split_address
from engine.model.run import ItemStatus, RunState, RunStatus
from engine.model.runbook import Runbook, Step
from engine.model.values import dataclass
from engine.wiring.gates import Account, NotAllowed, refuse_closed

_GO_ON_BY_THEMSELVES = (RunStatus.RUNNING, RunStatus.WAITING)


@dataclass(frozen=True, slots=True)
class Said:
    """What somebody says of a run. ``reason`` stands in the journal and in every report."""

    account: Account
    reason: str
    now: datetime


def skip(runbook: Runbook, inventory: Inventory, state: RunState, address: str, said: Said) -> list[ev.Event]:
    """Leaves out an item, what is not done of a step, or an open gate. Raises ``NotAllowed`` with what to do instead."""
    refuse_closed(state, address)
    refuse_rollback(state, "skip", "What is not to be undone is left out with --limit when the rollback is planned.")
    step = _step_at(runbook, address)
    found = list(_addresses(runbook, inventory, state, step, address))
    refusals = [why for each in found if (why := why_no_skip(state, each, said.now))]
    if not found:
        raise NotAllowed("Nothing to skip there", f"{step.address} has no item: it does nothing anyway.")
    if len(refusals) == len(found):
        raise NotAllowed("Cannot be skipped", refusals[0])
    return [ev.SkipOrdered(address, said.reason, said.account.name, said.account.via)]


def why_no_skip(state: RunState, address: str, now: datetime) -> str:
    """Why an address cannot be left out, and what can be done instead; empty when it can."""
    item, gate = state.items.get(address), state.gates.get(address)
    ordered = state.skip_of(address)
    if ordered is not None:
        return f"{address} is left out already, by {ordered.who}: {ordered.reason}."
    if item is None:
        return ""
    if item.status is ItemStatus.IN_DOUBT or (item.open_intent and not item.observable):
        return (
            f"{address} is in doubt: it may have been done, and nobody can read it back. Look there, then answer with "
            f"switchover resume {state.run} --done {address}, or --again {address}."
        )
    if item.is_under_way:
        return (
            f"{address} is under way, or was when its process ended, so it may be done. Let it end, or look at it with "
            f"switchover resume {state.run}; what has failed by then can be skipped."
        )
    if item.status.ended_well:
        back = f" What it did is taken back with: switchover rollback {state.run}" if item.receipts else ""
        return f"{address} is done already ({item.status.value}).{back}"
    decided = closing(gate, state.signals, now) if gate is not None else None
    if decided is not None:
        return f"{address} is decided already: {decided.why}. The run goes on with: switchover resume {state.run}"
    return ""


def cancel(state: RunState, said: Said) -> list[ev.Event]:
    """Ends the run for good. Raises ``NotAllowed`` when it is over, or being ended already."""
    refuse_rollback(state, "cancel", "Interrupt it where it runs, or leave it as it is.")
    if state.cancelled is not None and state.status is not RunStatus.CANCELLED:
        raise NotAllowed(
            f"Run {state.run} is cancelled already",
            f"By {state.cancelled.who}: {state.cancelled.reason}. What is done then goes on with: switchover resume {state.run}",
        )
    refuse_closed(state, "")
    if state.status is RunStatus.SUCCEEDED:
        raise NotAllowed(
            f"Run {state.run} is over",
            f"It ended well, so there is nothing to cancel. What it did is taken back with: switchover rollback {state.run}",
        )
    return [ev.RunCancelled(said.reason, said.account.name, said.account.via)]


def pause(state: RunState, said: Said) -> list[ev.Event]:
    """Lets the run stand still until somebody takes it up. Raises ``NotAllowed`` when it stands still already."""
    refuse_closed(state, "")
    if state.paused is not None:
        raise NotAllowed("It is paused already", f"By {state.paused.who}{_because(state.paused.reason)}. It goes on with: "
                                                 f"switchover resume {state.run}")
    if state.status not in _GO_ON_BY_THEMSELVES:
        raise NotAllowed("Nothing to pause", f"Run {state.run} does nothing by itself: it is {state.status.value}.")
    return [ev.RunPaused(said.reason, said.account.name)]


def refuse_rollback(state: RunState, what: str, instead: str) -> None:
    """Raises ``NotAllowed`` for a run that takes another back."""
    if state.rollback_of:
        raise NotAllowed(f"A rollback has nothing to {what}", f"Run {state.run} takes back run {state.rollback_of}. {instead}")


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _step_at(runbook: Runbook, address: str) -> Step:
    name = split_address(address)[0]
    steps = {step.address: step for step in runbook.every_step()}
    if name in steps:
        return steps[name]
    group = next((block for block in runbook.every_block() if block.address == name), None)
    if group is not None:
        inside = offered([step.address for step in group.steps])
        raise NotAllowed("Nothing to skip there", f"{name} is a group; its steps are skipped one by one. {inside}")
    raise NotAllowed("Nothing to skip there", f"{offered(list(steps))} {did_you_mean(name, list(steps))}".strip())


def _addresses(
    runbook: Runbook, inventory: Inventory, state: RunState, step: Step, address: str
) -> Iterator[str]:
    """The addresses that one names: itself, or those of all items. Raises ``NotAllowed`` for an item there is not."""
    block = next(block for block in runbook.every_block() if step in block.steps)
    key = split_address(address)[1]
    if block.fan_out.for_each is None:
        if key is not None:
            raise NotAllowed("Nothing to skip there", f"{step.address} runs once, without items. Skip {step.address}.")
        yield step.address
        return
    collection = inventory.collections.get(block.fan_out.for_each)
    keys: Sequence[str] = [item.key for item in collection.items] if collection is not None else []
    if key is None:
        yield from (address_of(step.address, each) for each in keys)
    elif key in keys or address in state.items:
        yield address
    else:
        near = did_you_mean(key, list(keys))
        raise NotAllowed("Nothing to skip there", f"{block.fan_out.for_each} has no item {key}. {near}".strip())
