"""The order in which the keys of the project's files stand, as the documentation lists them."""

from __future__ import annotations

from collections.abc import Mapping

RUNBOOK = (
    "switchover", "name", "title", "description", "known_gaps", "order", "overrides", "must_precede", "inputs", "defaults",
    "windows", "phases", "on_cancel",
)
PHASE = ("name", "title", "window", "needs", "steps")
BLOCK = (
    "name", "title", "action", "for_each", "where", "when", "parallel", "rate", "batches", "max_failures", "window", "needs",
    "approval", "input", "task", "wait", "appointment", "with", "retry", "timeout", "settle", "point_of_no_return", "steps",
)
"""A step, and a group of steps."""
INVENTORY = (
    "switchover", "customer", "title", "timezone", "country", "connections", "notify", "defaults", "calendars", "people",
    "collections",
)
SCENARIO = (
    "switchover_scenario", "name", "title", "runbook", "inventory", "start", "seed", "started_by", "calendar", "ignore_window",
    "inputs", "lab", "people", "crash", "expect", "second_apply",
)

_BELOW: Mapping[tuple[tuple[str, ...], str], tuple[str, ...]] = {
    (RUNBOOK, "phases"): PHASE, (RUNBOOK, "on_cancel"): BLOCK, (PHASE, "steps"): BLOCK, (BLOCK, "steps"): BLOCK,
}


def order_of_root(keys: frozenset[str]) -> tuple[str, ...]:
    """The order for a document with these keys at its top; empty for one whose keys are its author's."""
    if "switchover_scenario" in keys:
        return SCENARIO
    if "phases" in keys:
        return RUNBOOK
    return INVENTORY if {"switchover", "customer"} <= keys else ()


def order_below(order: tuple[str, ...], key: str) -> tuple[str, ...]:
    """The order within each entry of the list at ``key`` of a mapping that has ``order``."""
    return _BELOW.get((order, key), ())
