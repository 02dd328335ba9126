"""A run with people who steer it, on a clock that stands still: what the command line does, at the level of the runner."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from engine.model.event import Event
from engine.model.plan import PlannedItem
from engine.model.run import RunState, RunStatus
from engine.wiring.gates import Account, act, answer, vote
from engine.wiring.steering import Said, cancel, pause, skip
from tests.support.shelf import Shelf, World

PEOPLE: Mapping[str, Mapping[str, object]] = {
    "partner": {"name": "Pia", "email": "pia@example.net", "logins": ["pia"]},
    "director": {"name": "Dora", "email": "dora@example.net", "logins": ["dora"]},
}
START = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)


class StandingClock:
    """Time that passes only while somebody sleeps."""

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


@dataclass
class Steered:
    """One run, and what people say of it."""

    world: World
    planned: Sequence[PlannedItem] = field(default_factory=list)

    def start(self) -> RunStatus:
        self.planned = self.world.plan()
        return self.world.apply(self.planned)

    def go_on(self, *first: Event) -> RunStatus:
        return self.world.resume(self.planned, *first)

    def act(self, decide: Callable[[RunState], Sequence[Event]]) -> None:
        act(self.world.journal, self.world.run_id, self.world.clock.now(), decide)

    def said(self, reason: str, who: str = "ana") -> Said:
        return Said(Account(who), reason, self.world.clock.now())

    def skip(self, address: str, reason: str = "not this time") -> None:
        scene = self.world.scene()
        self.act(lambda state: skip(scene.runbook, scene.inventory, state, address, self.said(reason)))

    def pause(self, reason: str = "lunch") -> None:
        self.act(lambda state: pause(state, self.said(reason)))

    def cancel(self, reason: str = "customer withdrew") -> None:
        self.act(lambda state: cancel(state, self.said(reason)))

    def vote(self, who: str, at: str, choice: str = "approve", comment: str = "") -> None:
        now = self.world.clock.now()
        self.act(lambda state: vote(state, at, Account(who), now, choice=choice, comment=comment))

    def answer(self, who: str, at: str, data: Mapping[str, Any]) -> None:
        now = self.world.clock.now()
        self.act(lambda state: answer(state, at, Account(who), now, data))

    @property
    def state(self) -> RunState:
        return self.world.state()

    def stands(self, address: str) -> str:
        return self.state.items[address].status.value

    def why(self, address: str) -> str:
        return self.state.items[address].why


def steered(folder: Path, text: str, shelf: Shelf | None = None, items: Sequence[str] = ("a", "b", "c")) -> Steered:
    clock = StandingClock()
    world = World(folder, text, items, shelf=shelf or Shelf(), clock=clock, people=PEOPLE)
    world.journal._clock = clock  # type: ignore[attr-defined]  # events are stamped by the same clock
    return Steered(world)
