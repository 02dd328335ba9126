"""What the commands of people who make appointments have in common."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from engine.cli.acting import at_run
from engine.cli.output import say
from engine.cli.prompt import ask
from engine.model.errors import SwitchoverError
from engine.model.run import RunState
from engine.ports import Journal
from engine.wiring.appointments import Desk, SlotRefused, desk_of
from engine.wiring.clock import SystemClock


@contextmanager
def at_desk(run: str) -> Iterator[tuple[Journal, RunState, Desk]]:
    """The journal, a run found by id, and where its appointments are made."""
    with at_run(run) as (project, journal, state):
        yield journal, state, desk_of(project, journal, state, SystemClock().now())


def chosen(slot: str | None, listed: Callable[[], Sequence[str]], take: Callable[[str], None]) -> None:
    """Takes the slot that was typed, or asks for one at the terminal until it can be had. ``listed``: what is proposed, one line
    each. Raises ``SwitchoverError`` with the list when nobody is there to ask."""
    if slot is not None:
        take(slot)
        return
    if not sys.stdin.isatty():
        known = "; ".join(listed())
        raise SwitchoverError("Nobody is there to choose", f"stdin is no terminal. Give one of these, or another start: {known}.")
    while True:
        for line in listed():
            say(f"  {line}")
        try:
            take(ask("Which one? Its number, or another start such as 2026-11-30T08:00"))
        except SlotRefused as refused:
            say(str(refused))
        else:
            return
