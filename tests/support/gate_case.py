"""A run with gates, and people who act on it from outside, over days that pass when a test says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.model.event import Event
from engine.model.run import RunState, RunStatus
from engine.wiring.gates import Account, act, answer, report, vote
from tests.support.shelf import Shelf, World, book

PEOPLE = {
    "partner": {"name": "Pia", "email": "pia@example.net", "logins": ["pia"]},
    "manager": {"name": "Max", "email": "max@example.net", "logins": ["max"]},
    "boss": {"name": "Bo", "email": "bo@example.net", "logins": ["bo"]},
}
PUT = """\
      - name: put
        action: shelf.put
        for_each: things
        with: {name: "{{ item.id }}", value: "1"}
"""
START = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)


class Calendar:
    """A clock that stands still until it is told."""

    def __init__(self) -> None:
        self.at = START
        self.passed = 0.0

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.passed

    def sleep(self, seconds: float) -> None:
        self.passed += max(seconds, 0.001)
        self.at += timedelta(seconds=max(seconds, 0.001))

    def pass_(self, **time: float) -> None:
        self.at += timedelta(**time)


@dataclass
class Case:
    """A run with gates, and people who act on it."""

    world: World
    clock: Calendar
    planned: Sequence[Any] = field(default_factory=list)

    def start(self) -> RunStatus:
        self.planned = self.world.plan()
        return self.world.apply(self.planned)

    def go_on(self) -> RunStatus:
        return self.world.resume(self.planned)

    def tell(self, *events: Event) -> None:
        self.act(lambda state: list(events))

    def act(self, decide: Any) -> None:
        act(self.world.journal, self.world.run_id, self.clock.now(), decide)

    def vote(self, who: str, choice: str = "approve", at: str = "p/sign-off", comment: str = "", digest: str = "") -> None:
        account = Account(who)
        self.act(lambda state: vote(state, at, account, self.clock.now(), choice=choice, comment=comment, digest=digest))

    def answer(self, who: str, data: Mapping[str, Any], at: str = "p/form", *, correct: bool = False) -> None:
        self.act(lambda state: answer(state, at, Account(who), self.clock.now(), data, correct=correct))

    def report(self, who: str, outcome: str = "done", at: str = "p/work", reason: str = "", evidence: Any = ()) -> None:
        self.act(lambda state: report(
            state, at, Account(who), self.clock.now(), outcome=outcome, reason=reason, evidence=evidence
        ))

    @property
    def state(self) -> RunState:
        return self.world.state()

    def why(self, address: str) -> str:
        return self.state.items[address].why


def case(folder: Path, steps: str, shelf: Shelf | None = None) -> Case:
    clock = Calendar()
    world = World(folder, book(steps), shelf=shelf or Shelf(), clock=clock, people=PEOPLE)
    world.journal._clock = clock  # type: ignore[attr-defined]  # events are stamped by the same clock
    return Case(world, clock)


def approval(**more: str) -> str:
    extra = "".join(f", {name}: {value}" for name, value in more.items())
    return f"      - name: sign-off\n        approval: {{by: [partner, manager]{extra}}}\n"
