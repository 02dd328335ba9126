"""A system made for tests of the engine: a shelf of named values, with an action that puts them there.

The engine around it is the real one: runbook reader, templates, planner, schedule, attempts, journal. Only what a phone or a
carrier would be is this dictionary, so that a test can say exactly how it misbehaves.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar, cast

from engine.execution.decide import Expected
from engine.execution.runner import Order, Runner
from engine.execution.stop import Stop
from engine.execution.windows import Windows
from engine.journal.memory import MemoryJournal
from engine.language.runbook_reader import load_runbook
from engine.language.templates import Templates
from engine.language.yaml_reader import parse_yaml
from engine.model.args import arg
from engine.model.calendar import Calendar
from engine.model.errors import WriteRefused
from engine.model.event import Event, RunStarted
from engine.model.inventory import Collection, Inventory, Item
from engine.model.plan import Change, Effect, FieldChange, PlannedItem, Receipt, Unpredictable
from engine.model.run import RunState, RunStatus, fold
from engine.model.secret import Secret
from engine.planning.planner import Planner
from engine.planning.results import Results
from engine.planning.scene import Given, Scene
from engine.ports import Action, Binding, Journal, Notifier, Sessions


class OwnClock:
    """Time that moves only when somebody sleeps. Safe to use from several threads."""

    def __init__(self, start: datetime = datetime(2026, 11, 23, 18, 0, tzinfo=UTC)) -> None:
        self._start, self._passed, self._lock = start, 0.0, threading.Lock()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=self._passed)

    def monotonic(self) -> float:
        return self._passed

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self._passed += max(seconds, 0.001)


@dataclass
class Shelf:
    """The far side. ``trouble``: called before each write with the name; may raise, or return ``after`` to raise later."""

    values: dict[str, str] = field(default_factory=dict)
    reads: Counter[str] = field(default_factory=Counter)
    writes: Counter[str] = field(default_factory=Counter)
    before_write: Callable[[str], None] = lambda name: None
    after_write: Callable[[str], None] = lambda name: None
    before_read: Callable[[str], None] = lambda name: None
    shows_after_reads: int = 0
    """Late visibility: how many reads after a write still show the old value."""
    _hidden: dict[str, tuple[str | None, int]] = field(default_factory=dict)

    def read(self, name: str) -> str | None:
        self.before_read(name)
        self.reads[name] += 1
        old, left = self._hidden.get(name, (None, 0))
        if left:
            self._hidden[name] = (old, left - 1)
            return old
        return self.values.get(name)

    def write(self, name: str, value: str) -> None:
        self.before_write(name)
        if self.shows_after_reads:
            self._hidden[name] = (self.values.get(name), self.shows_after_reads)
        self.values[name] = value
        self.writes[name] += 1
        self.after_write(name)


@dataclass
class ShelfSessions:
    """Sessions with nothing but a shelf behind them."""

    shelf: Shelf
    binding: Binding
    clock: Any
    scope: str = "acme"

    @property
    def address(self) -> str:
        return self.binding.address

    def put(self, name: str, value: str) -> None:
        if self.binding.read_only:
            raise WriteRefused(f"writing {name} was refused: this session is read-only")
        self.shelf.write(name, value)

    def locked(self, name: str) -> AbstractContextManager[None]:
        return nullcontext()


@dataclass
class ShelfSource:
    shelf: Shelf
    clock: Any
    local: bool = False

    def bind(self, binding: Binding) -> Sessions:
        return cast(Sessions, ShelfSessions(self.shelf, binding, self.clock))

    def is_local(self, connection: str) -> bool:
        return self.local

    def close(self) -> None:
        pass


class PlainSecrets:
    """A secret store for values that are no references."""

    def resolve(self, written: str) -> Secret:
        return Secret(written)

    def variables(self, values: Mapping[str, object]) -> Mapping[str, object]:
        return values

    def redact(self, text: str) -> str:
        return text


@dataclass(frozen=True)
class PutArgs:
    """What ``shelf.put`` takes."""

    name: str = arg("Where.")
    value: str = arg("What.")
    connection: str = arg("Unused.", default="shelf")


class Put:
    """Puts a value on the shelf."""

    name: ClassVar[str] = "shelf.put"
    version: ClassVar[int] = 1
    effect: ClassVar[Effect] = Effect.CHANGES
    doc: ClassVar[str] = "Puts a value on the shelf."
    settle_s: ClassVar[float] = 5.0
    local: ClassVar[bool] = False
    Args = PutArgs

    def observe(self, args: PutArgs, at: Sessions) -> str | None:
        return cast(ShelfSessions, at).shelf.read(args.name)

    def diff(self, args: PutArgs, seen: str | None) -> Change | Unpredictable | None:
        if seen == args.value:
            return None
        return Change(f"put {args.value}", (FieldChange(args.name, seen, args.value),))

    def apply(self, change: Change | Unpredictable, args: PutArgs, at: Sessions, *, key: str) -> Receipt:
        cast(ShelfSessions, at).put(args.name, args.value)
        return Receipt({"key": key})


class KeepOld(Put):
    """Knows how to put back what stood there, but not to say so beforehand."""

    name: ClassVar[str] = "shelf.keep"

    def undo(self, receipt: Receipt, args: PutArgs, at: Sessions, *, key: str) -> None:
        cast(ShelfSessions, at).put(args.name, str(receipt.data["was"]))


class PutQuickly(Put):
    """The same, said to touch this machine only: worked in chunks."""

    name: ClassVar[str] = "shelf.quick"
    local: ClassVar[bool] = True


class Shout(Put):
    """Cannot be read back."""

    name: ClassVar[str] = "shelf.shout"

    def diff(self, args: PutArgs, seen: str | None) -> Change | Unpredictable | None:
        return Unpredictable(f"shout {args.value}", "nobody can read a shout")

    def observe(self, args: PutArgs, at: Sessions) -> str | None:
        return None


class Holds(Put):
    """Proves that a value is there."""

    name: ClassVar[str] = "shelf.holds"
    effect: ClassVar[Effect] = Effect.READS


class Cheat(Put):
    """Writes while it should look."""

    name: ClassVar[str] = "shelf.cheat"

    def observe(self, args: PutArgs, at: Sessions) -> str | None:
        cast(ShelfSessions, at).put(args.name, "cheated")
        return None


class Tell(Put):
    """Puts a value, and tells later steps where and what."""

    name: ClassVar[str] = "shelf.tell"
    Outputs: ClassVar[Mapping[str, str]] = {"value": "what stands there", "reads": "how many looks it took"}

    def outputs(self, args: PutArgs, seen: str | None) -> Mapping[str, object]:
        return {"value": seen, "reads": 1}


class HoldsAndTells(Holds):
    """Proves, and tells what it proved."""

    name: ClassVar[str] = "shelf.holds_and_tells"
    Outputs: ClassVar[Mapping[str, str]] = {"value": "what stands there"}

    def outputs(self, args: PutArgs, seen: str | None) -> Mapping[str, object]:
        return {"value": seen}


class Broken(Put):
    """Has a bug."""

    name: ClassVar[str] = "shelf.broken"

    def observe(self, args: PutArgs, at: Sessions) -> str | None:
        raise ZeroDivisionError("of all things")


CATALOG: Mapping[str, Action[Any, Any]] = {
    a.name: a for a in cast(
        Sequence[Action[Any, Any]],
        (Put(), KeepOld(), PutQuickly(), Shout(), Holds(), Cheat(), Tell(), HoldsAndTells(), Broken()),
    )
}


@dataclass
class World:
    """A runbook, some items, a shelf, a journal; plans and runs them as the product does."""

    folder: Path
    text: str
    items: Sequence[str] = ("a", "b", "c")
    shelf: Shelf = field(default_factory=Shelf)
    clock: Any = field(default_factory=OwnClock)
    journal: Journal = field(default_factory=lambda: MemoryJournal(OwnClock()))
    windows: Windows = field(default_factory=Windows)
    run_id: str = "r1"
    people: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    notifier: Notifier | None = None

    def scene(self, state: RunState | None = None, limit: tuple[str, ...] = ()) -> Scene:
        path = self.folder / "book.yml"
        path.write_text(self.text, encoding="utf-8")
        results = Results(self.journal.last_changes("acme", "book"))
        for address, item in (state.items if state else {}).items():
            if item.status.settled:
                results.put(address, item.status, item.at, item.outputs)
        return Scene(
            load_runbook(path), self._inventory(), CATALOG, Templates(()), ShelfSource(self.shelf, self.clock), PlainSecrets(),
            self.clock, Given("acme", self.run_id, {}, limit), results,
        )

    def plan(self, limit: tuple[str, ...] = ()) -> list[PlannedItem]:
        scene = self.scene(limit=limit)
        planner = Planner(scene)
        planned = list(planner.plan(scene.work()))
        assert not planner.diagnostics, planner.diagnostics
        return planned

    def apply(self, planned: Sequence[PlannedItem] | None = None, stop: Stop | None = None) -> RunStatus:
        """Plans unless given a plan, starts a run and runs it."""
        planned = self.plan() if planned is None else planned
        self.record([RunStarted("acme", "p1", "ana", "host", 1, {"runbook_name": "book"}, {})])
        return self._run(planned, None, stop)

    def resume(self, planned: Sequence[PlannedItem], *first: Event, stop: Stop | None = None) -> RunStatus:
        """Takes the run up again from its journal."""
        self.record(list(first))
        return self._run(planned, self.state(), stop)

    def _run(self, planned: Sequence[PlannedItem], state: RunState | None, stop: Stop | None) -> RunStatus:
        scene = self.scene(state)
        expected = {item.address: Expected(item.outlook, item.observed) for item in planned}
        order = Order(
            self.run_id, scene.work(), expected, state.items if state else {}, requester="ana", past=state or RunState(),
            notifier=self.notifier,
        )
        return Runner(scene, self.journal, order, self.windows, stop or Stop()).run()

    def record(self, events: Sequence[Event]) -> None:
        if events:
            self.journal.flush(self.journal.append(self.run_id, events))

    def state(self) -> RunState:
        return fold(self.journal.read(self.run_id))

    def statuses(self) -> dict[str, str]:
        return {address: item.status.value for address, item in self.state().items.items()}

    def kinds(self) -> list[str]:
        return [record.event.kind for record in self.journal.read(self.run_id)]

    def _inventory(self) -> Inventory:
        document = parse_yaml("[]", "things.yml")
        things = Collection("things", tuple(Item(key, {"id": key}, row) for row, key in enumerate(self.items)), document)
        return Inventory(
            "acme", "Acme", "UTC", str(self.folder), document, people=self.people, collections={"things": things},
            calendars=self.calendars,
        )


def book(steps: str) -> str:
    """A runbook of one phase; ``steps`` is YAML indented by four."""
    return f"switchover: 1\nname: book\ntitle: Book\nphases:\n  - name: p\n    title: P\n    steps:\n{steps}"


