"""Reads the real systems and says, per address, what would change. Writes nothing: it only ever asks for read-only sessions."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import field, replace
from functools import partial
from typing import TypeVar

from engine.language.templates import DependsOnLaterError
from engine.model.calendar import NeverOpen
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.errors import ActionFailure, ChangedSince
from engine.model.gate import Approval, Gate
from engine.model.plan import Change, Effect, Outlook, PlannedItem, Unpredictable, address_of
from engine.model.run import ItemStatus
from engine.model.values import dataclass
from engine.planning.gate_times import due_of, notice_of
from engine.planning.gate_words import spelled
from engine.planning.look import Finding, look
from engine.planning.scene import AnyStep, BlockWork, CompiledGate, CompiledStep, Lane, Ready, Scene
from engine.planning.texts import bug_in, diff_lines, shown_fields

T = TypeVar("T")
_MOST_READERS = 32
_Made = Callable[..., PlannedItem]
"""Makes the item of one address, given its outlook and what else is known."""
NOTHING_TO_DO = (Outlook.NOTHING, Outlook.SKIP, Outlook.CHECK)
"""Outlooks that nobody has to agree to."""


@dataclass(frozen=True, slots=True)
class Planner:
    """``detail``: whether file diffs are worked out; they are for showing, and cost more than the rest. ``notes``: whether later
    steps are to see what is planned; a running run only looks."""

    scene: Scene
    detail: bool = True
    notes: bool = True
    diagnostics: list[Diagnostic] = field(default_factory=list)
    """Problems in templates and arguments, found while rendering items."""

    def plan(self, work: Iterable[BlockWork]) -> Iterator[PlannedItem]:
        """Every address, lane by lane, in the order it would be worked."""
        for block in work:
            yield from self._block(block)

    def look(
        self, work: Iterable[BlockWork], steps: Collection[str], only: Collection[str] | None = None
    ) -> Iterator[PlannedItem]:
        """The addresses of some steps alone; of these ``only`` some, if given."""

        def admits(lane: Lane, step: AnyStep) -> bool:
            return step.step.address in steps and (only is None or address_of(step.step.address, lane.key) in only)

        for block in work:
            lanes = [Lane(lane.item, tuple(step for step in lane.steps if admits(lane, step))) for lane in block.lanes]
            yield from self._block(BlockWork(block.block, tuple(lane for lane in lanes if lane.steps), block.local))

    def _block(self, work: BlockWork) -> Iterator[PlannedItem]:
        if work.local or len(work.lanes) < 2:
            for lane in work.lanes:
                yield from self._lane(work, lane)
            return
        readers = max(1, min(_MOST_READERS, max(work.block.fan_out.parallel, 8), len(work.lanes)))
        with ThreadPoolExecutor(readers, thread_name_prefix="plan") as pool:
            tasks = ((lambda lane=lane: self._lane(work, lane)) for lane in work.lanes)
            for planned in _in_turn(pool, tasks, ahead=readers * 2):
                yield from planned

    def _lane(self, work: BlockWork, lane: Lane) -> list[PlannedItem]:
        return [self._address(work, lane, compiled) for compiled in lane.steps]

    def _address(self, work: BlockWork, lane: Lane, compiled: AnyStep) -> PlannedItem:
        planned = self._outlook(work, lane, compiled)
        if self.notes:
            self._note(planned)
        return planned

    def _outlook(self, work: BlockWork, lane: Lane, compiled: AnyStep) -> PlannedItem:
        step = compiled.step
        made = partial(
            PlannedItem, address_of(step.address, lane.key), work.block.address, step.address, lane.key, step.action,
            label=self.scene.label(lane.item),
        )
        ready = None
        try:
            if isinstance(compiled, CompiledGate):
                return self._gate(made, work, lane, compiled)
            ready = self.scene.ready(compiled, work.block, lane.item)
            if ready is None:
                return made(Outlook.SKIP, why=f"when: {step.when}")
            return self._observed(made, ready)
        except DependsOnLaterError as later:
            return made(Outlook.LATER, why=str(later))
        except InvalidInput as invalid:
            self.diagnostics.extend(invalid.diagnostics)
            return made(Outlook.ERROR, why="; ".join(d.detail for d in invalid.diagnostics))
        except ChangedSince as since:
            return made(Outlook.REFUSED, why=ready.redact(since.why) if ready else since.why)
        except ActionFailure as failure:
            return made(Outlook.ERROR, why=ready.redact(failure.why) if ready else failure.why)
        except Exception as error:  # noqa: BLE001  # the border: a bug met at one item must not hide the plan of all others
            why = bug_in(step.action, error)
            return made(Outlook.ERROR, why=ready.redact(why) if ready else why)

    def _gate(self, made: _Made, work: BlockWork, lane: Lane, compiled: CompiledGate) -> PlannedItem:
        texts = self.scene.asked(compiled, work.block, lane.item)
        if texts is None:
            return made(Outlook.SKIP, why=f"when: {compiled.step.when}")
        if isinstance(compiled.gate, Approval) and compiled.gate.covers and not self._changes(compiled.gate.covers):
            return made(Outlook.NOTHING, why="nothing to approve")
        notice = self._notice(compiled.gate, texts)
        waits = made(Outlook.GATE, summary=spelled(compiled.gate), why=texts["message"], notes=notice)
        return waits if compiled.looks is None else self._watched(waits, work, lane, compiled.looks)

    def _notice(self, gate: Gate, texts: Mapping[str, str]) -> tuple[str, ...]:
        """What to tell of month ends, if the gate opened now."""
        now, inventory = self.scene.clock.now(), self.scene.inventory
        try:
            notice = notice_of(gate, now, due_of(gate, texts, now, inventory), inventory)
        except NeverOpen as never:
            notice = str(never)
        return (notice,) if notice else ()

    def _watched(self, waits: PlannedItem, work: BlockWork, lane: Lane, looks: CompiledStep) -> PlannedItem:
        """A wait for what a look finds, with what it finds now; nothing to wait for when it is so already."""
        try:
            sight = look(self.scene, looks, work.block, lane.item)
        except DependsOnLaterError as later:
            return replace(waits, notes=(*waits.notes, f"what it looks at is known after {later}",))
        if sight.finding is Finding.SO:
            self.scene.results.put(waits.address, ItemStatus.PASSED, outputs=sight.outputs)
            return replace(waits, outlook=Outlook.NOTHING, summary="", why="nothing to wait for", notes=())
        return replace(waits, notes=(*waits.notes, f"{_NOW[sight.finding]}: {sight.saw}",))

    def _changes(self, steps: Collection[str]) -> bool:
        """Whether any of some later steps would do something, as far as can be told now."""
        found = Planner(self.scene, detail=False, notes=False).look([*self.scene.work(), *self.scene.compensation()], steps)
        return any(item.outlook not in NOTHING_TO_DO for item in found)

    def _observed(self, made: _Made, ready: Ready) -> PlannedItem:
        action = ready.compiled.action
        seen = action.observe(ready.args, self.scene.sessions(ready, read_only=True))
        change = action.diff(ready.args, seen)
        if change is None:
            self.scene.results.put(ready.address, ItemStatus.UNCHANGED, outputs=ready.outputs(seen))
            return made(Outlook.NOTHING)
        return self._describe(made, change, action.effect, ready.redact)

    def _describe(
        self, made: _Made, change: Change | Unpredictable, effect: Effect, redact: Callable[[str], str]
    ) -> PlannedItem:
        outlook = Outlook.CHECK if effect is Effect.READS else Outlook.CHANGE
        why = ""
        if isinstance(change, Unpredictable):
            outlook, why = Outlook.UNPREDICTABLE, redact(change.why)
        return made(
            outlook, why=why, summary=redact(change.summary), fields=shown_fields(change.fields, redact),
            notes=tuple(map(redact, change.notes)),
            reversible=change.reversible and effect is not Effect.DESTROYS, observed=self.scene.given.seal(change.digest()),
            diff=diff_lines(change.texts, redact) if self.detail else (),
        )

    def _note(self, planned: PlannedItem) -> None:
        results = self.scene.results
        if planned.outlook is Outlook.SKIP:
            results.put(planned.address, ItemStatus.SKIPPED)
        elif planned.outlook not in (Outlook.NOTHING, Outlook.CHECK):
            # What has nothing to do was noted when it was read, with what was read.
            # A check alters nothing that a later step could wait for: what it proves is asked again when it matters.
            results.put_pending(planned.address)


_NOW = {
    Finding.NOT_YET: "now", Finding.UNREAD: "it cannot be read now", Finding.NEVER: "if it came to it now, it would be refused",
}


def _in_turn(pool: ThreadPoolExecutor, tasks: Iterator[Callable[[], T]], ahead: int) -> Iterator[T]:
    """Results in the order of tasks, with at most ``ahead`` of them under way."""
    under_way: deque[Future[T]] = deque()
    try:
        for task in tasks:
            under_way.append(pool.submit(task))
            if len(under_way) >= ahead:
                yield under_way.popleft().result()
        while under_way:
            yield under_way.popleft().result()
    finally:
        for future in under_way:
            future.cancel()
