"""One try at one address: look, decide, write, read back.

A generator, because the write may only happen once its intent is durable: it yields the intent, and whoever drives it
resumes it after the journal has it on disk. That way one chunk of a hundred items shares one disk flush, and one phone in a
thread of its own uses the very same code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Mapping

from engine.execution.decide import NO_PAST, Expected, Past, Verdict, decide
from engine.language.templates import DependsOnLaterError
from engine.model import event as ev
from engine.model.diagnostic import InvalidInput
from engine.model.errors import ActionFailure, ChangedSince, InDoubt, Temporary
from engine.model.inventory import Item
from engine.model.plan import Change, Effect, Outlook, Receipt, Unpredictable, address_of
from engine.model.runbook import Block
from engine.model.values import dataclass
from engine.planning.scene import CompiledStep, Ready, Scene
from engine.planning.texts import bug_in, diff_lines, plain, shortened, shown_fields

_FIRST_POLL_S = 0.1
_SLOWEST_POLL_S = 5.0
_JOURNALLED_DIFF_LINES = 60


@dataclass(frozen=True, slots=True)
class Task:
    """What an attempt works on."""

    compiled: CompiledStep
    block: Block
    item: Item | None
    expected: Expected | None
    past: Past = NO_PAST
    number: int = 1
    """Of this attempt, from 1."""
    stopping: Callable[[], bool] = lambda: False
    """Whether the run was asked to stop."""

    @property
    def address(self) -> str:
        return address_of(self.compiled.step.address, None if self.item is None else self.item.key)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended. ``asked_s``: the wait a busy system asked for."""

    event: ev.Event
    retryable: bool = False
    asked_s: float | None = None
    written: bool = False
    """Whether the write was begun, so that a later attempt must expect to find its effect."""


Attempt = Generator[ev.ItemIntended, None, Outcome | None]
"""None: the run was asked to stop while the attempt only looked. Nothing is lost: it looks again when the run goes on."""


def attempt(scene: Scene, task: Task) -> Attempt:
    """Works one address once. Every failure becomes an outcome; this is the border where everything is caught."""
    progress = _Progress(task, scene.clock.monotonic())
    try:
        return (yield from _work(scene, task, progress))
    except InDoubt as doubt:
        return Outcome(ev.ItemInDoubt(task.address, progress.redacted(doubt.why)), written=progress.written)
    except ActionFailure as failure:
        return _failed(scene, progress, failure)
    except InvalidInput as invalid:
        return Outcome(progress.failure(scene, "; ".join(d.detail for d in invalid.diagnostics), "permanent"))
    except DependsOnLaterError as later:
        return Outcome(progress.failure(scene, f"it needs the result of {later}, which has none", "permanent"))
    except Exception as error:  # noqa: BLE001  # the border: a bug in one action must not take the run down
        return Outcome(progress.failure(scene, bug_in(task.compiled.action.name, error), "bug"), written=progress.written)


class _Progress:
    """What is known of a running attempt when it fails."""

    __slots__ = ("ready", "seen", "started", "task", "written")

    def __init__(self, task: Task, started: float) -> None:
        self.task, self.started = task, started
        self.ready: Ready | None = None
        self.written = False
        self.seen: object = None
        """What was read last."""

    def outputs(self) -> Mapping[str, object]:
        """What later steps may use of what was read last."""
        return {} if self.ready is None else self.ready.outputs(self.seen)

    def redacted(self, text: str) -> str:
        return text if self.ready is None else self.ready.redact(text)

    def took_s(self, scene: Scene) -> float:
        return round(scene.clock.monotonic() - self.started, 3)

    def failure(self, scene: Scene, why: str, cause: str, *, nothing_done: bool = False) -> ev.ItemFailed:
        return ev.ItemFailed(
            self.task.address, self.redacted(why), cause, self.task.number, self.took_s(scene), nothing_done
        )


def _work(scene: Scene, task: Task, progress: _Progress) -> Attempt:
    ready = progress.ready = scene.ready(task.compiled, task.block, task.item)
    if ready is None:
        return Outcome(ev.ItemSkipped(task.address, f"when: {task.compiled.step.when}"))
    action = task.compiled.action
    change = _observe(scene, ready, progress)
    if task.past.lost and isinstance(change, Change) and action.effect is not Effect.READS:
        # Done perhaps, and only not to be seen yet: doing it at once could make a second one of whatever it makes.
        change = _settle(scene, ready, progress, change, task.stopping, _showing_s(scene, ready, task.past), likely=False)
        if change is not None and task.stopping():
            return None
    verdict = decide(change, action.effect, task.expected, task.past, scene.given.seal)
    if verdict is Verdict.AWAIT:
        change = _settle(scene, ready, progress, change, task.stopping)
        if change is not None and task.stopping():
            return None
        verdict = Verdict.PROVED if change is None else verdict
    if verdict is Verdict.APPLY and change is not None:
        intent = _intent(scene, task, change, ready)
        yield intent
        progress.written = True
        return _apply(scene, task, progress, change, ready, intent)
    return _without_writing(scene, task, progress, change, verdict)


def _without_writing(
    scene: Scene, task: Task, progress: _Progress, change: Change | Unpredictable | None, verdict: Verdict
) -> Outcome:
    if verdict is Verdict.UNCHANGED:
        return Outcome(ev.ItemUnchanged(task.address, progress.outputs()))
    if verdict is Verdict.PROVED:
        return Outcome(ev.ItemProved(task.address, "as expected", progress.took_s(scene), progress.outputs()))
    if verdict is Verdict.ADOPT:
        return Outcome(_adopted(task, progress, progress.took_s(scene)))
    if verdict is Verdict.ASK:
        why = "an earlier attempt may have done it, and it cannot be read back: look there, then answer"
        return Outcome(ev.ItemInDoubt(task.address, why))
    summary = "" if change is None else change.summary
    if verdict is Verdict.MOVED:
        return Outcome(progress.failure(scene, _refusal(task.expected, summary), "moved"))
    return Outcome(progress.failure(scene, f"not so within {task.compiled.settle_s:g} s: {summary}", "permanent"))


def _refusal(expected: Expected | None, summary: str) -> str:
    if expected is not None and expected.approval:
        since = f"it changed since {expected.approval}, so the approval no longer holds for it"
        return f"{since} ({summary}). Ask again, or plan again"
    if expected is not None and expected.outlook is Outlook.ERROR:
        return f"when the plan was made it could not be read, so nobody has seen this change ({summary}). Plan again"
    return f"it is not as the plan showed it ({summary}): someone or something changed it since. Plan again"


def _apply(
    scene: Scene, task: Task, progress: _Progress, change: Change | Unpredictable, ready: Ready,
    intent: ev.ItemIntended,
) -> Outcome:
    action = task.compiled.action
    receipt = action.apply(change, ready.args, scene.sessions(ready, read_only=False), key=intent.key)
    if isinstance(change, Unpredictable):
        return Outcome(_ran(task, change, receipt, ready, progress.took_s(scene)), written=True)
    left = _settle(scene, ready, progress, _observe(scene, ready, progress))
    if left is None:
        return Outcome(_changed(progress, change, receipt, ready, progress.took_s(scene), intent.receipt), written=True)
    why = f"written, but reading it back after {task.compiled.settle_s:g} s still shows: {left.summary}"
    raise Temporary(why)


def _observe(scene: Scene, ready: Ready, progress: _Progress) -> Change | Unpredictable | None:
    action = ready.compiled.action
    seen = progress.seen = action.observe(ready.args, scene.sessions(ready, read_only=True))
    change: Change | Unpredictable | None = action.diff(ready.args, seen)
    return change


def _settle(
    scene: Scene, ready: Ready, progress: _Progress, change: Change | Unpredictable | None,
    stopping: Callable[[], bool] = lambda: False, within_s: float | None = None, *, likely: bool = True,
) -> Change | Unpredictable | None:
    """Reads again until nothing is left to change, the settle time is over, or ``stopping``; returns what is left.

    What was written is read back to the end even when the run is stopping: only a mere look can be given up without loss.
    """
    patience = scene.given.patient(scene.clock, ready.compiled.settle_s if within_s is None else within_s, likely=likely)
    poll_s = _FIRST_POLL_S
    while change is not None and not stopping() and patience.again(poll_s):
        poll_s = min(poll_s * 2, _SLOWEST_POLL_S)
        change = _observe(scene, ready, progress)
    return change


def _showing_s(scene: Scene, ready: Ready, past: Past) -> float:
    """How much longer a lost attempt's effect may take to show: the settle time counts from that attempt."""
    settle_s = ready.compiled.settle_s
    passed_s = (scene.clock.now() - past.at).total_seconds() if past.at is not None else 0.0
    return max(0.0, settle_s - max(0.0, passed_s))


def _intent(scene: Scene, task: Task, change: Change | Unpredictable, ready: Ready) -> ev.ItemIntended:
    raw = f"{scene.given.run}\n{ready.address}".encode()
    key = hashlib.sha256(raw).hexdigest()[:32]
    observable = isinstance(change, Change)
    return ev.ItemIntended(
        ready.address, key, ready.redact(change.summary), task.number, observable,
        _prepared(scene, change, ready) if observable else {}, _is_reversible(task, change),
    )


def _prepared(scene: Scene, change: Change | Unpredictable, ready: Ready) -> dict[str, object]:
    """What undoing will need, put aside before the write; empty when the action cannot tell beforehand."""
    prepare = getattr(ready.compiled.action, "prepare", None)
    return {} if prepare is None else _data(prepare(change, ready.args, scene.sessions(ready, read_only=True)))


def _is_reversible(task: Task, change: Change | Unpredictable) -> bool:
    return change.reversible and task.compiled.action.effect is not Effect.DESTROYS


def _changed(
    progress: _Progress, change: Change, receipt: Receipt, ready: Ready, took_s: float, intended: Mapping[str, object]
) -> ev.ItemChanged:
    task = progress.task
    # A new file's every line is in the plan; what it replaced is what a report needs.
    replaced = [text for text in change.texts if not text.is_new]
    diff = shortened(diff_lines(replaced, ready.redact), _JOURNALLED_DIFF_LINES) if replaced else ()
    fields = tuple((field.name, field.before, field.after) for field in shown_fields(change.fields, ready.redact))
    return ev.ItemChanged(
        task.address, ready.redact(receipt.summary or change.summary), _data_as(receipt, intended), fields, diff,
        adopted=False, reversible=_is_reversible(task, change), attempt=task.number, took_s=took_s, outputs=progress.outputs(),
    )


def _data(receipt: Receipt) -> dict[str, object]:
    """As JSON values. Not masked: an undo needs it word for word, so an action puts contents into the keep."""
    return {str(name): plain(value) for name, value in receipt.data.items()}


def _data_as(receipt: Receipt, intended: Mapping[str, object]) -> Mapping[str, object]:
    """The receipt's data: nearly always what was foreseen, and then the very same object, held once."""
    return intended if receipt.data == intended else _data(receipt)


def _adopted(task: Task, progress: _Progress, took_s: float) -> ev.Event:
    if not task.past.readable:
        return ev.ItemRan(task.address, "found done by an earlier attempt", {}, task.number, took_s)
    return ev.ItemChanged(
        task.address, "found in place: an earlier attempt had done it", task.past.receipt, adopted=True,
        reversible=task.past.reversible, attempt=task.number, took_s=took_s,
        outputs=progress.outputs(),
    )


def _ran(task: Task, change: Unpredictable, receipt: Receipt, ready: Ready, took_s: float) -> ev.ItemRan:
    return ev.ItemRan(task.address, ready.redact(receipt.summary or change.summary), _data(receipt), task.number, took_s)


def _failed(scene: Scene, progress: _Progress, failure: ActionFailure) -> Outcome:
    asked_s = failure.wait_s if isinstance(failure, Temporary) else None
    cause = "temporary" if failure.retryable else "moved" if isinstance(failure, ChangedSince) else "permanent"
    touched = progress.written and not (isinstance(failure, Temporary) and failure.nothing_done)
    event = progress.failure(scene, failure.why, cause, nothing_done=not touched and not progress.task.past.lost)
    return Outcome(event, retryable=failure.retryable, asked_s=asked_s, written=touched)

