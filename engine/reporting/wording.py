"""How a run and its items stand, in words; and what to do next. One place, so that screen, page and file say the same."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from engine.model.run import ItemStatus, RunState, RunStatus

STATUS_WORDS: dict[ItemStatus, str] = {
    ItemStatus.CHANGED: "changed", ItemStatus.UNCHANGED: "unchanged", ItemStatus.RAN: "done", ItemStatus.PROVED: "proved",
    ItemStatus.SKIPPED: "skipped", ItemStatus.FAILED: "failed", ItemStatus.BLOCKED: "not tried",
    ItemStatus.IN_DOUBT: "in doubt", ItemStatus.RETRYING: "trying again", ItemStatus.INTENDED: "under way",
    ItemStatus.REOPENED: "to be done",
}
"""In the order in which counts are shown."""

RUN_WORDS: dict[RunStatus, str] = {
    RunStatus.SUCCEEDED: "succeeded", RunStatus.FAILED: "ended with failures", RunStatus.TRIPPED: "stopped by its guard",
    RunStatus.WAITING: "waiting", RunStatus.INTERRUPTED: "interrupted", RunStatus.RUNNING: "running",
}
DIED = "stopped in the middle"
"""A run that no process works on any more, and that had no time to say so."""

CAUSES = {
    "temporary": "every attempt failed", "permanent": "trying again will not help before something is changed",
    "moved": "it changed since the plan", "bug": "a bug in the action",
}

PROBLEMS = (ItemStatus.FAILED, ItemStatus.IN_DOUBT, ItemStatus.BLOCKED)
UNFINISHED = (ItemStatus.INTENDED, ItemStatus.RETRYING, ItemStatus.REOPENED)


def next_steps(state: RunState, *, alive: bool = False) -> list[tuple[str, str]]:
    """Commands that make sense now, each with what it does. ``alive``: some process is still working on the run."""
    if alive:
        return [(f"switchover status {state.run}", "see how far it is; Ctrl-C where it runs stops it safely")]
    steps = []
    doubtful = next((address for address, item in state.items.items() if item.status is ItemStatus.IN_DOUBT), None)
    if doubtful is not None:
        quoted = shlex.quote(doubtful)
        steps.append((f"switchover resume {state.run} --done {quoted}", "you looked, and it was done"))
        steps.append((f"switchover resume {state.run} --again {quoted}", "you looked, and it was not: do it"))
    if state.status in (RunStatus.WAITING, RunStatus.INTERRUPTED, RunStatus.RUNNING) and doubtful is None:
        steps.append((f"switchover resume {state.run}", _RESUME[state.status]))
    if moved := len(state.moved()):
        which = "one item" if moved == 1 else f"{moved:,} items"
        steps.append((plan_again(state), f"look anew at {which} that changed since the plan: 'retry' would not help"))
    if state.to_try_again():
        steps.append((f"switchover retry {state.run}", "try again what failed, and what waited for it"))
    if state.status is RunStatus.TRIPPED and doubtful is None:
        steps.append((f"switchover resume {state.run}", "go on with the rest, once you know why it failed"))
    steps.append((f"switchover report {state.run} --html report.html", "the whole story, to read or to hand over"))
    return steps


def plan_again(state: RunState) -> str:
    """The command that looks anew at what a run was made from."""
    header: Mapping[str, Any] = state.started.header if state.started else {}
    named = [str(header.get("runbook") or "RUNBOOK"), "-i", str(header.get("inventory") or "INVENTORY")]
    return " ".join(["switchover plan", *map(shlex.quote, named), *(["--lab"] if header.get("lab") else [])])


_RESUME = {
    RunStatus.WAITING: "go on when the window is open",
    RunStatus.INTERRUPTED: "go on with what is left",
    RunStatus.RUNNING: "its process is gone: look at what was under way, then go on",
}
