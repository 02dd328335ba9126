"""How a run and its items stand, in words; and what to do next. One place, so that screen, page and file say the same."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from engine.model.event import PolicyChecked, RunAmended, RunPaused, RunReadBack
from engine.model.gate import GateState, Offers
from engine.model.run import ItemStatus, RunState, RunStatus

STATUS_WORDS: dict[ItemStatus, str] = {
    ItemStatus.CHANGED: "changed", ItemStatus.UNCHANGED: "unchanged", ItemStatus.RAN: "done", ItemStatus.PROVED: "proved",
    ItemStatus.SKIPPED: "skipped", ItemStatus.FAILED: "failed", ItemStatus.BLOCKED: "not tried",
    ItemStatus.PASSED: "passed", ItemStatus.WAITING: "waiting", ItemStatus.CANCELLED: "cancelled",
    ItemStatus.IN_DOUBT: "in doubt", ItemStatus.RETRYING: "trying again", ItemStatus.INTENDED: "under way",
    ItemStatus.REOPENED: "to be done",
}
"""In the order in which counts are shown."""
_BACK_WORDS = {
    **STATUS_WORDS, ItemStatus.CHANGED: "undone", ItemStatus.UNCHANGED: "as before", ItemStatus.RAN: "undone, not read",
    ItemStatus.SKIPPED: "not undone",
}
"""The same for a rollback."""

RUN_WORDS: dict[RunStatus, str] = {
    RunStatus.SUCCEEDED: "succeeded", RunStatus.FAILED: "ended with failures", RunStatus.TRIPPED: "stopped by its guard",
    RunStatus.WAITING: "waiting", RunStatus.PAUSED: "paused", RunStatus.INTERRUPTED: "interrupted", RunStatus.RUNNING: "running",
    RunStatus.CANCELLED: "cancelled",
}
DIED = "stopped in the middle"
"""A run that no process works on any more, and that had no time to say so."""

CAUSES = {
    "temporary": "every attempt failed", "permanent": "trying again will not help before something is changed",
    "moved": "it changed since the plan", "bug": "a bug in the action",
}

PROBLEMS = (ItemStatus.FAILED, ItemStatus.IN_DOUBT, ItemStatus.BLOCKED)
UNFINISHED = (ItemStatus.INTENDED, ItemStatus.RETRYING, ItemStatus.REOPENED)


def words_of(header: Mapping[str, Any]) -> Mapping[ItemStatus, str]:
    """How items stand, in the words of a run that goes forward, or of one that takes another back."""
    return _BACK_WORDS if header.get("rollback_of") else STATUS_WORDS


def title_of(header: Mapping[str, Any], otherwise: str = "") -> str:
    """What a run is called; of a rollback also which run it takes back."""
    title = str(header.get("runbook_title") or header.get("runbook_name") or otherwise)
    back = header.get("rollback_of")
    return f"Rollback of run {back}: {title}" if back else title


def amended(event: RunAmended) -> str:
    """Who had a run go over to another revision, and why."""
    return f"amended by {event.who} to revision {event.revision}" + (f": {event.reason}" if event.reason else "")


def look_back(found: RunReadBack | None) -> str:
    """What the last look at everything came to; empty when there was none."""
    if found is None:
        return ""
    so = f"{found.differing:,} not as before the run" if found.differing else "all as before the run"
    return f"read once more at the end: {found.checked:,} undone, {so}"


def paused_by(paused: RunPaused) -> str:
    """Who paused a run, and why."""
    return f"paused by {paused.who}" + (f": {paused.reason}" if paused.reason else "")


def policy_line(event: PolicyChecked) -> str:
    """What the policy came to, in a sentence or two."""
    signer = event.signature.get("signer") if event.signature.get("good") else ""
    facts = [
        f"commit {event.commit[:10]}" if event.commit else "no commit",
        f"in {', '.join(event.branches)}" if event.branches else "", f"signed by {signer}" if signer else "",
        f"risks: {', '.join(str(risk['risk']) for risk in event.risks)}" if event.risks else "",
        f"reviewed by {', '.join(dict.fromkeys(str(who['name']) for who in event.approvers))}" if event.approvers else "",
    ]
    found = f"{event.policy}: {'; '.join(filter(None, facts))}"
    if event.outcome == "kept":
        return f"Policy kept, by {found}"
    broken = " ".join(f"{rule['rule']}: {rule['says']}" for rule in event.rules if not rule["kept"])
    if event.outcome == "overridden":
        return f"Policy overridden by {event.who} ({event.role}; {event.via}): {event.reason}. By {found}. {broken}"
    return f"Policy not enforced, by {found}. {broken}".rstrip()


def policy_decisions(state: RunState) -> list[str]:
    """Whatever the policy did not simply let pass, in sentences."""
    return [policy_line(event) for event in state.policies if event.outcome == "overridden"]


def decisions(state: RunState) -> list[str]:
    """What people decided about the run as a whole or against its order, in sentences: it stands in every report."""
    cancelled = state.cancelled
    ended = [f"The run was cancelled by {cancelled.who} ({cancelled.via}): {cancelled.reason}"] if cancelled else []
    against = [f"Against the order: {o.doing}. Let by {o.who} ({o.role}; {o.via}): {o.reason}" for o in state.order_overrides]
    skipped = [f"{address} was skipped by {skip.who} ({skip.via}): {skip.reason}" for address, skip in state.skips.items()]
    return ended + policy_decisions(state) + against + skipped


def next_steps(state: RunState, *, alive: bool = False, taken_back: str = "") -> list[tuple[str, str]]:
    """Commands that make sense now, each with what it does. ``alive``: some process is still working on the run;
    ``taken_back``: the run that took it back, which ends what can be done with it."""
    if alive:
        return [(f"switchover status {state.run}", "see how far it is; Ctrl-C where it runs stops it safely")]
    report = (f"switchover report {state.run} --html report.html", "the whole story, to read or to hand over")
    if taken_back:
        return [
            (f"switchover status {taken_back}", "how the rollback stands; this run does not go on"),
            (plan_again(state), "look at what there is to do now"), report,
        ]
    steps = []
    doubtful = next((a for a, item in state.items.items() if item.status is ItemStatus.IN_DOUBT and not state.is_closed(a)), None)
    if doubtful is not None:
        quoted = shlex.quote(doubtful)
        steps.append((f"switchover resume {state.run} --done {quoted}", "you looked, and it was done"))
        steps.append((f"switchover resume {state.run} --again {quoted}", "you looked, and it was not: do it"))
    if any(gate.is_open for gate in state.gates.values()):
        steps.append(("switchover inbox", "see what waits for whom, and what to type"))
    if state.cancelled is not None and state.status is not RunStatus.CANCELLED and doubtful is None:
        steps.append((f"switchover resume {state.run}", "do what is done when the run is cancelled"))
    elif state.status in _RESUME and doubtful is None:
        steps.append((f"switchover resume {state.run}", _RESUME[state.status]))
    lapsed = sum(map(len, state.lapsed().values()))
    if lapsed:
        which = "one item" if lapsed == 1 else f"{lapsed:,} items"
        steps.append((f"switchover retry {state.run} --ask-again", f"show {which} that changed to whoever approved, once more"))
    if moved := len(state.moved()) - lapsed:
        which = "one item" if moved == 1 else f"{moved:,} items"
        steps.append((plan_again(state), f"look anew at {which} that changed since the plan: 'retry' would not help"))
    if state.to_try_again():
        steps.append((f"switchover retry {state.run}", "try again what failed, and what waited for it"))
    if state.status is RunStatus.TRIPPED and doubtful is None and state.cancelled is None:
        steps.append((f"switchover resume {state.run}", "go on with the rest, once you know why it failed"))
    if state.status in (RunStatus.TRIPPED, RunStatus.FAILED, RunStatus.CANCELLED) and not state.rollback_of:
        steps.append((f"switchover rollback {state.run}", "take back what it did; shown first, item by item"))
    return [*steps, report]


def slot_lines(gate: GateState) -> list[str]:
    """The times proposed for an appointment, numbered, each with the start to type for it."""
    return listed_slots(gate, gate.offers)


def listed_slots(gate: GateState, offers: Offers) -> list[str]:
    """Times for an appointment, numbered as they are chosen."""
    return [f"{number}  {gate.spelled(offer)}  ({start_of(offer)})" for number, offer in enumerate(offers, 1)]


def start_of(offer: tuple[str, str]) -> str:
    """What is typed for a slot: its start by the calendar's clock."""
    return offer[0][: len("2026-11-30T08:00")]


def standing_slot(gate: GateState) -> str:
    """The time that was chosen last; empty while none is."""
    return gate.spelled((gate.choices[-1].start, gate.choices[-1].end)) if gate.choices else ""


def untold(gate: GateState) -> list[str]:
    """Who could not be written to about a gate, and why; who was reached later is not named."""
    last = {event.to: event for event in (past.event for past in gate.notified.values())}
    found = []
    for event in last.values():
        if event.outcome == "failed":
            again = "; it is tried again" if event.again else ""
            found.append(f"{event.to} could not be told ({event.why}): {event.detail}{again}")
        elif event.outcome == "unknown":
            found.append(f"{event.to}, {event.why}: {event.detail} ({event.message_id})")
    return found


def plan_again(state: RunState) -> str:
    """The command that looks anew at what a run was made from."""
    header: Mapping[str, Any] = state.header
    named = [str(header.get("runbook") or "RUNBOOK"), "-i", str(header.get("inventory") or "INVENTORY")]
    return " ".join(["switchover plan", *map(shlex.quote, named), *(["--lab"] if header.get("lab") else [])])


_RESUME = {
    RunStatus.WAITING: "go on when what it waits for has come",
    RunStatus.PAUSED: "let it go on",
    RunStatus.INTERRUPTED: "go on with what is left",
    RunStatus.RUNNING: "its process is gone: look at what was under way, then go on",
}
