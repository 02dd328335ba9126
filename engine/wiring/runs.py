"""Starting, resuming and ending runs: the run's folder, its lease, its events, its workers."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

from engine.execution.decide import Expected
from engine.execution.rollback import read_back
from engine.execution.runner import Order, Runner, shut_windows
from engine.execution.stop import Stop
from engine.execution.windows import Windows
from engine.language.secrets import SecretResolver
from engine.language.templates import Templates
from engine.model import event as ev
from engine.model.args import arguments_of
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.errors import JournalBroken, LockHeld, StalePlan, SwitchoverError, WindowShut, masked_by
from engine.model.gate import Appointment
from engine.model.plan import PlanHeader, PlannedItem, Totals
from engine.model.run import ItemState, ItemStatus, RunState, RunStatus, fold
from engine.model.values import dataclass
from engine.planning.plan_file import header_of as header_from
from engine.planning.plan_file import read_plan, totals_of
from engine.planning.results import PastResults, Results
from engine.planning.scene import BlockWork, Given, Scene
from engine.ports import Clock, Journal, Lease, Notifier
from engine.project import Project
from engine.transports.keep import FileKeep
from engine.transports.outbox import FileOutbox
from engine.wiring.connections import Connections, Stores
from engine.wiring.journals import rollbacks_of
from engine.wiring.loading import Loaded, Named, differences, load
from engine.wiring.plan_key import PlanKey, check_key, kept_key, passing_key
from engine.wiring.secrets import KnownSecrets
from engine.wiring.surroundings import MACHINE, Surroundings

PLAN_FILE = "plan.jsonl"
REVISIONS = "revisions"
"""In a run's folder: a folder for each revision it went over to, by number."""


@dataclass(frozen=True, slots=True)
class Stage:
    """A scene with its connections and what it came to: ready to plan or to run."""

    loaded: Loaded
    scene: Scene
    connections: Connections
    work: Sequence[BlockWork]
    secrets: KnownSecrets
    outbox: FileOutbox
    key: PlanKey
    past: RunState | None = None
    """The run that is looked back on, or taken back."""
    around: Surroundings = MACHINE

    @property
    def windows(self) -> Windows:
        return Windows(self.loaded.inventory.calendars)


@contextmanager
def open_stage(
    loaded: Loaded, journal: Journal | None, run: str, stop: Stop, state: RunState | None = None, *, passing: bool = False,
    past: RunState | None = None, shaped: Callable[[Sequence[BlockWork]], Sequence[BlockWork]] = lambda work: work,
    around: Surroundings = MACHINE,
) -> Iterator[Stage]:
    """Builds the scene of a plan or a run; closes every connection at the end. ``passing``: for a plan that is only looked at,
    so that nothing is written, not even a key. ``past``: a run to look back on, as whose steps everything is rendered; ``shaped``
    makes the work of what that run went through."""
    key = passing_key() if passing else kept_key(loaded.project)
    clock = around.clock(stop)
    known = KnownSecrets(SecretResolver(loaded.named.inventory, os.environ))
    inventory = loaded.inventory
    connections = inventory.connections
    if loaded.named.lab:
        # Imported for a rehearsal only: the lab's modules are no small part of starting up.
        from engine.lab.overlay import lab_connections  # noqa: PLC0415

        connections = lab_connections(connections, loaded.project.lab)
    # A lab that is reset has forgotten its mails; so must the outbox that stands for it.
    outbox = FileOutbox(loaded.project.lab / "outbox" if loaded.named.lab else loaded.project.outbox, clock.now)
    stores = Stores(FileKeep(loaded.project.keep), outbox, outbox.reading())
    source = Connections(connections, loaded.templates, known, clock, stores, loaded.scope)
    seen = past or state
    started = seen.started_at if seen is not None else None
    of = past.run if past is not None else ""
    given = Given(
        loaded.scope, run, loaded.inputs, loaded.named.limit, started, of, key.seal, around.patient, around.jitter
    )
    results = PastResults(past.items) if past is not None else _results(loaded, journal, state)
    try:
        scene = Scene(loaded.runbook, inventory, loaded.catalog, loaded.templates, source, known, clock, given, results)
        everything = scene.work()
        if past is not None and past.cancelled is not None:
            scene.cancel(past.cancelled.who, past.cancelled.reason)
            everything += scene.compensation()
        work = shaped(everything)
        ahead = work if state is None or state.cancelled is None else scene.compensation()
        _require_secrets(loaded, ahead, source, all_lanes=past is not None or bool(loaded.named.limit))
        yield Stage(loaded, scene, source, work, known, outbox, key, past, around)
    except Exception as error:
        # The report of a bug quotes it, and it may quote a secret.
        masked_by(error, known.redact)
        raise
    finally:
        source.close()


def _results(loaded: Loaded, journal: Journal | None, state: RunState | None) -> Results:
    """What earlier runs changed, and what this one has come to so far."""
    results = Results(journal.last_changes(loaded.scope, loaded.runbook.name) if journal is not None else {})
    for address, item in (state.items if state is not None else {}).items():
        if item.status.settled:
            results.put(address, item.status, item.at, item.outputs)
    return results


def _require_secrets(loaded: Loaded, work: Sequence[BlockWork], source: Connections, *, all_lanes: bool) -> None:
    """Raises ``InvalidInput`` with every secret that connections need and nobody supplies, before anything is reached for.

    Only connections of steps that have something to work on: who moves the phones alone need not know the carrier's key.
    """
    missing: list[Diagnostic] = []
    for name in dict.fromkeys(_connections_used(loaded, work, all_lanes)):
        try:
            source.settings(name)
        except InvalidInput as invalid:
            missing += invalid.diagnostics
    if missing:
        raise InvalidInput(missing)


def _connections_used(loaded: Loaded, work: Sequence[BlockWork], all_lanes: bool) -> Iterator[str]:
    # But for a limit or a rollback, every lane of a block has the same steps.
    lanes = (lane for block in work for lane in (block.lanes if all_lanes else block.lanes[:1]))
    steps = {compiled.step.address: compiled.step for lane in lanes for compiled in lane.steps}
    for step in (found.looks or found for found in steps.values()):
        if step.gate is not None:
            continue
        for argument in arguments_of(loaded.catalog[step.action].Args).values():
            name = step.args.get(argument.name) if argument.connection else None
            if isinstance(name, str) and name in loaded.inventory.connections:
                yield name


def new_run_id(clock: Clock) -> str:
    """Sorts by time, and is short enough to type: ``20261122-2014-k3f9``."""
    return f"{clock.now():%Y%m%d-%H%M}-{secrets.token_hex(2)}"


# ---------------------------------------------------------------- before a run


def check_plan_applies(header: PlanHeader, loaded: Loaded, journal: Journal) -> None:
    """Raises ``StalePlan`` when the plan was made from something else than what is there now, or elsewhere, or was applied
    before."""
    changed = differences(header, loaded)
    if changed:
        raise StalePlan(
            "The plan is stale", f"Since it was made, {_listed(changed)} changed. Look at what would happen now: make a new plan."
        )
    check_key(loaded.project, header.key_id, "The plan")
    check_not_applied(header, journal)


def check_not_applied(header: PlanHeader, journal: Journal) -> None:
    """Raises ``StalePlan`` when a run has applied the plan already."""
    earlier = journal.run_of_plan(header.plan_id)
    if earlier is not None:
        raise StalePlan(
            "The plan was applied already",
            f"A plan is applied once; this one was, by run {earlier}. See switchover status {earlier}; to go on with it, "
            f"switchover resume {earlier}; to look again, make a new plan.",
        )


def check_has_not_gone_on(header: PlanHeader, journal: Journal) -> None:
    """Raises ``StalePlan`` when the run that a plan takes back has done more since."""
    if header.rollback_of and next(iter(journal.read(header.rollback_of, header.rollback_seq)), None) is not None:
        raise StalePlan(
            "The rollback's plan is stale",
            f"Run {header.rollback_of} has gone on since it was made. Look again: switchover rollback {header.rollback_of}",
        )


def check_not_rolled_back(state: RunState, journal: Journal) -> None:
    """Raises ``StalePlan`` when a run, or part of it, has been taken back: what its journal says is no longer so."""
    back = rollbacks_of(state, journal)
    if back:
        raise StalePlan(
            f"Run {state.run} was rolled back",
            f"Run {back[0].run} took back what it did, so it does not go on. Make a new plan and apply that.",
        )


def check_windows(stage: Stage, *, ignored: bool) -> None:
    """Raises ``WindowShut`` when nothing at all may start now."""
    windows = replace(stage.windows, ignored=ignored)
    shut = shut_windows(stage.work, windows, stage.scene)
    if not shut:
        return
    block = shut[0].block
    reopens = windows.reopens(block, stage.scene.clock.now())
    described = block.window.describe() if block.window is not None else ""
    opens = f" It opens next {reopens:%A %Y-%m-%d %H:%M %Z}." if reopens else ""
    raise WindowShut(
        f"The window '{block.window.name if block.window else ''}' is shut",
        f"{block.phase} may start {described}.{opens} To start now all the same: --ignore-window REASON (it is journalled).",
    )


def expectations(items: Sequence[PlannedItem]) -> dict[str, Expected]:
    """What the plan promised, by address."""
    return {item.address: Expected(item.outlook, item.observed) for item in items}


# ---------------------------------------------------------------- a run


@dataclass(frozen=True, slots=True)
class Begin:
    """How a run is to begin."""

    run: str
    header: PlanHeader
    totals: Totals
    expected: Mapping[str, Expected]
    ignore_window: str | None = None
    first: Sequence[ev.Event] = ()
    """What is on record from the start, such as what a rollback leaves."""


def start(stage: Stage, journal: Journal, begin: Begin, stop: Stop) -> RunStatus:
    """Takes the scope, journals the start and runs to the end, or to where it must wait. The run's folder must be pinned."""
    lease = lease_of(stage, begin.run)
    journal.acquire(lease)
    try:
        # Again, now that nobody else can: two may have been asked to apply one plan, and the first is done with it.
        check_not_applied(begin.header, journal)
        check_has_not_gone_on(begin.header, journal)
        make_durable(stage.loaded.project.run_folder(begin.run))
        started = ev.RunStarted(
            begin.header.scope, begin.header.plan_id, lease.actor, stage.around.host(), stage.around.pid(), asdict(begin.header),
            totals_of(begin.totals),
        )
        overrides = _overrides(stage, begin.ignore_window, lease.actor)
        journal.flush(journal.append(begin.run, [started, *names_of(stage), *begin.first, *overrides]))
        # The time on record, so that a run taken up again tells templates the same.
        stage.scene.begin_run(next(iter(journal.read(begin.run))).at)
        order = Order(
            begin.run, stage.work, begin.expected, requester=lease.actor, header=begin.header,
            folder=stage.loaded.project.run_folder(begin.run),
        )
        return _run(stage, journal, order, begin.ignore_window, stop)
    finally:
        journal.release(lease)


def resume(
    stage: Stage, journal: Journal, state: RunState, stop: Stop, *,
    first: Sequence[ev.Event] = (), ignore_window: str | None = None, looks_now: bool = False,
) -> RunStatus:
    """Goes on with a run. ``first``: answers and reopened items, journalled before anything starts; ``looks_now``: whether to
    look at once at what gates wait for.

    Raises ``LockHeld`` when the run went on elsewhere since ``state`` was read: what was answered to may be settled by now.
    """
    lease = lease_of(stage, state.run)
    journal.acquire(lease)
    try:
        check_stands(state, journal)
        check_not_rolled_back(state, journal)
        plan = read_plan(pinned_folder(stage.loaded.project, state) / PLAN_FILE)
        forgiven = state.tripped is not None
        overrides = _overrides(stage, ignore_window, lease.actor)
        for event in first:
            if isinstance(event, ev.ItemAnswered):
                stage.outbox.settle(stage.loaded.scope, event.address, done=event.answer == "done")
        events = [ev.RunResumed(lease.actor, stage.around.host(), stage.around.pid()), *first, *overrides]
        journal.flush(journal.append(state.run, events))
        state = fold(journal.read(state.run))
        order = Order(
            state.run, stage.work, expectations(plan.items), state.items, forgiven, _requester(state), state, plan.header,
            stage.loaded.project.run_folder(state.run), looks_now=looks_now, unforgiven=_unforgiven(stage, first),
        )
        return _run(stage, journal, order, ignore_window, stop)
    finally:
        journal.release(lease)


def _unforgiven(stage: Stage, first: Sequence[ev.Event]) -> frozenset[str]:
    """Blocks whose failures the runbook's order does not let be passed over, unless somebody who may let it."""
    if stage.past is not None or any(isinstance(event, ev.OrderOverridden) for event in first):
        return frozenset()
    return stage.loaded.runbook.guarded_blocks()


def check_stands(state: RunState, journal: Journal) -> None:
    """Raises ``LockHeld`` when anything was journalled of a run since ``state`` was read."""
    if next(iter(journal.read(state.run, state.last_seq)), None) is not None:
        raise LockHeld(
            f"Run {state.run} has just gone on elsewhere",
            f"Somebody took it up at the same time. Look where it stands now: switchover status {state.run}",
        )


def _requester(state: RunState) -> str:
    return state.started.actor if state.started is not None else ""


def _run(stage: Stage, journal: Journal, order: Order, ignore_window: str | None, stop: Stop) -> RunStatus:
    windows = replace(stage.windows, ignored=ignore_window is not None)
    order = replace(order, notifier=notifier_of(stage), in_turn=stage.around.in_turn)
    if stage.past is not None:
        order = replace(order, closing=lambda: read_back(stage.scene, stage.work, fold(journal.read(order.run))))
    return Runner(stage.scene, journal, order, windows, stop).run()


def notifier_of(stage: Stage) -> Notifier | None:
    """Who writes to people for a run; None when nobody is ever to be written to."""
    loaded = stage.loaded
    invites = any(isinstance(step.gate, Appointment) and step.gate.invite for step in loaded.runbook.every_step())
    if loaded.inventory.notify is None and not invites:
        return None
    # Imported when there is somebody to write to: mail and calendars take a while to load.
    from engine.wiring.notices import MailNotifier  # noqa: PLC0415

    return MailNotifier(
        loaded.inventory, loaded.templates, stage.connections, stage.scene.clock, stage.secrets.redact, loaded.scope,
        loaded.project.state,
    )


def lease_of(stage: Stage, run: str) -> Lease:
    """The lease this process takes on the stage's scope."""
    return Lease(stage.loaded.scope, run, socket.gethostname(), os.getpid(), stage.around.actor(), stage.scene.clock.now())


def names_of(stage: Stage) -> Iterator[ev.Event]:
    """Names of all items, a thousand to an event."""
    items = (lane.item for work in stage.work for lane in work.lanes if lane.item is not None)
    labels = {item.key: label for item in items if (label := stage.scene.label(item))}
    entries = iter(labels.items())
    while part := dict(islice(entries, 1000)):
        yield ev.ItemsNamed(part)


def _overrides(stage: Stage, reason: str | None, who: str) -> list[ev.Event]:
    if reason is None:
        return []
    windows = dict.fromkeys(work.block.window.describe() for work in stage.work if work.block.window is not None)
    return [ev.WindowOverridden(window, reason, who) for window in windows]


# ---------------------------------------------------------------- a run's folder


@contextmanager
def pinned(loaded: Loaded, journal: Journal, run: str, inventory: Path | None = None) -> Iterator[Path]:
    """The folder of a run that is to begin, with copies of runbook and inventory: a run keeps to the revision it began with.

    Copied as soon as they were read, since somebody may edit them while the operator looks at the plan. The folder goes when
    no run came of it. ``inventory``: the folder its files were read from, when secret references start from another.
    """
    folder = loaded.project.run_folder(run)
    folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    try:
        folder.mkdir(mode=0o700)
        pin(loaded, folder, inventory or loaded.named.inventory)
        yield folder
    finally:
        with suppress(JournalBroken):  # who cannot tell whether it began keeps the folder
            if all(info.run != run for info in journal.runs(loaded.scope)):
                shutil.rmtree(folder, ignore_errors=True)


def pin(loaded: Loaded, folder: Path, inventory: Path) -> None:
    """Copies a runbook, and the inventory that was read from the folder ``inventory``."""
    _copy(loaded.named.runbook, folder / "runbook.yml")
    for name in loaded.inventory.files:
        _copy(inventory / name, folder / "inventory" / name)


def pinned_folder(project: Project, state: RunState) -> Path:
    """Where the copies are that a run goes by: in its own folder those it began with, below that each later revision's."""
    folder = project.run_folder(state.run)
    return folder if state.revision == 1 else folder / REVISIONS / str(state.revision)


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)  # an inventory may hold secrets
    with os.fdopen(descriptor, "wb") as copy, source.open("rb") as original:
        shutil.copyfileobj(original, copy)


def make_durable(folder: Path) -> None:
    """Waits until the folder is on disk with all in it: without it the run could not be taken up after a power cut."""
    for path in (*folder.rglob("*"), folder, folder.parent):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def load_pinned(project: Project, state: RunState, *, templates: bool = True, compiled: Templates | None = None) -> Loaded:
    """The run's own revision of everything. Raises ``StalePlan`` when actions, or ``templates``, changed under it: a rollback
    goes by receipts and renders none. ``compiled``: see ``load``."""
    header = run_header(state)
    loaded = load_copies(project, state, compiled)
    changed = differences(header, loaded, templates=templates)
    if changed:
        raise StalePlan(
            f"Run {state.run} cannot go on as it began" if templates else f"Run {state.run} cannot be looked back on",
            f"Since then, {_listed(changed)} changed. Restore what it began with"
            + (f" (git commit {header.git_commit[:12]})" if header.git_commit else "")
            + (f"; or go over to what is there now: {_amending(state, header)}" if templates and not header.rollback_of else "")
            + "; or make a new plan.",
        )
    return loaded


def load_copies(project: Project, state: RunState, compiled: Templates | None = None) -> Loaded:
    """What the run's newest copies say, read by the actions and templates of now."""
    header, folder = run_header(state), pinned_folder(project, state)
    if not folder.is_dir():
        raise SwitchoverError(
            f"The folder of run {state.run} is gone", f"{folder} held the runbook and the plan it went by; restore it."
        )
    # A rollback's limit says what is taken back of everything the run went through.
    named = Named(folder / "runbook.yml", folder / "inventory", {}, () if header.rollback_of else header.limit, header.lab)
    loaded = load(project, named, header.inputs, compiled=compiled)
    check_key(project, header.key_id, f"The plan of run {state.run}")
    # Secrets stay where they are: references start from the real folder, not from the copy.
    return replace(loaded, named=replace(loaded.named, inventory=project.root / header.inventory))


def _amending(state: RunState, header: PlanHeader) -> str:
    return f"switchover amend {state.run} --runbook {header.runbook}"


def run_header(state: RunState) -> PlanHeader:
    """The header of the plan a run goes by."""
    if state.started is None:
        raise SwitchoverError(f"Run {state.run} has no beginning in the journal", "Check the run's id with: switchover status")
    return header_from(state.header)


def reopened(state: RunState, who: str) -> list[ev.Event]:
    """What ``retry`` puts back: what failed, and what was blocked by it; but not what moved since the plan."""
    return [ev.ItemReopened(address, who) for address in state.to_try_again()]


def asked_again(state: RunState, who: str) -> list[ev.Event]:
    """What ``retry --ask-again`` puts back: approvals that no longer hold for some addresses, for these alone, and the
    addresses with what was blocked by them."""
    events: list[ev.Event] = []
    for gate, lapsed in state.lapsed().items():
        blocked = [a for a, item in state.items.items() if item.status is ItemStatus.BLOCKED and item.why in lapsed]
        events += [ev.GateReopened(gate, tuple(lapsed), who), *(ev.ItemReopened(address, who) for address in (*lapsed, *blocked))]
    return events


def answered(state: RunState, done: Sequence[str], again: Sequence[str], who: str) -> list[ev.Event]:
    """A person's word on items in doubt. Raises ``SwitchoverError`` for an address that is not."""
    events: list[ev.Event] = []
    for answer, addresses in (("done", done), ("again", again)):
        for address in addresses:
            if answer == "again" and state.cancelled is not None and state.is_closed(address):
                raise SwitchoverError(
                    f"{address} is not done again", f"Run {state.run} was cancelled by {state.cancelled.who}: "
                    f"{state.cancelled.reason}. Nothing of it is done any more.",
                )
            item = state.items.get(address)
            if item is None or not _is_in_doubt(item):
                open_ones = [a for a, i in state.items.items() if _is_in_doubt(i)]
                raise SwitchoverError(
                    f"{address} is not in doubt", f"In doubt are: {', '.join(open_ones) if open_ones else 'none'}."
                )
            events.append(ev.ItemAnswered(address, answer, who))
            # What waited for it in the same lane goes on with it.
            waiting = (a for a, i in state.items.items() if i.status is ItemStatus.BLOCKED and i.why == address)
            events += [ev.ItemReopened(blocked, who) for blocked in waiting]
    return events


def _is_in_doubt(item: ItemState) -> bool:
    return item.status is ItemStatus.IN_DOUBT or (item.open_intent and not item.observable)


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
