"""Going over to another revision: its copies beside the old ones, and the one event that decides which of them counts."""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from engine.execution.gatekeeper import covered
from engine.execution.stop import Stop
from engine.model import event as ev
from engine.model.diagnostic import InvalidInput
from engine.model.errors import LockHeld, SwitchoverError
from engine.model.plan import PlanHeader
from engine.model.run import RunState, RunStatus
from engine.model.values import dataclass
from engine.planning.amendment import Comparison, approvals, compare, lapses, pending
from engine.planning.revision import Revision
from engine.planning.scene import BlockWork
from engine.ports import Journal
from engine.project import Project
from engine.wiring.loading import Loaded, Named, existing, load
from engine.wiring.runs import (
    REVISIONS,
    Stage,
    check_not_rolled_back,
    check_stands,
    lease_of,
    load_copies,
    make_durable,
    names_of,
    open_stage,
    pin,
    pinned_folder,
    run_header,
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a run is to go over to. ``inventory``: None for the one it goes by already; ``given``: values of its inputs."""

    runbook: Path
    inventory: Path | None
    given: Mapping[str, str]


def check_amendable(state: RunState, journal: Journal) -> None:
    """Raises ``SwitchoverError`` for a run that is over, was taken back or takes another back; ``LockHeld`` for one at work."""
    if state.rollback_of:
        raise SwitchoverError(
            f"Run {state.run} is a rollback", "It goes by receipts of the run it takes back, and by no runbook of its own."
        )
    if state.status is RunStatus.SUCCEEDED:
        raise SwitchoverError(
            f"Run {state.run} ended well", "There is nothing left in it to be done otherwise. Make a new plan and apply that."
        )
    if state.cancelled is not None:
        raise SwitchoverError(
            f"Run {state.run} was cancelled", f"By {state.cancelled.who}: {state.cancelled.reason}. It ends; make a new plan and "
            "apply that."
        )
    check_not_rolled_back(state, journal)
    holder = journal.holder(run_header(state).scope)
    if holder is not None:
        raise LockHeld(
            f"A process is at work on {holder.scope}",
            f"Process {holder.pid} of {holder.actor} on {holder.host} works on run {holder.run}. Stop it first (Ctrl-C where it "
            "runs; what is under way finishes), or let it come to where it waits.",
        )


def load_wanted(project: Project, state: RunState, wanted: Wanted) -> Loaded:
    """The new revision, read and checked. Raises ``InvalidInput``, and ``SwitchoverError`` when it is not for this run."""
    header = run_header(state)
    existing(wanted.runbook, "runbook")
    folder = wanted.inventory or pinned_folder(project, state) / "inventory"
    loaded = load(project, Named(wanted.runbook, folder, wanted.given, header.limit, header.lab), kept=header.inputs)
    for what, then, now in (
        ("runbook", header.runbook_name, loaded.runbook.name), ("customer", header.scope, loaded.scope),
    ):
        if then != now:
            raise SwitchoverError(f"This is another {what}", f"Run {state.run} is of the {what} {then}, and this is {now}.")
    # References start from the real folder, not from the copy.
    return loaded if wanted.inventory else replace(loaded, named=replace(loaded.named, inventory=project.root / header.inventory))


@dataclass(frozen=True, slots=True)
class Draft:
    """A revision that a run may go over to. ``stage``: its scene, as of where the run stands."""

    state: RunState
    number: int
    folder: Path
    """Its copies, to be put in place."""
    stage: Stage
    comparison: Comparison
    asked_anew: Mapping[str, str]
    """Gates, open or passed, that are to be asked again, each with why."""
    lapsed: Mapping[str, Sequence[str]]
    """Approval -> addresses for which it does not hold any more."""
    pending: Sequence[BlockWork]
    """What is left to do."""


@contextmanager
def drafted(project: Project, journal: Journal, state: RunState, wanted: Wanted, stop: Stop) -> Iterator[Draft]:
    """A revision to look at. Raises ``InvalidInput`` with everything in it that contradicts what is done, each at its place in
    the new runbook. Its copies go when nothing came of it."""
    old, new = load_copies(project, state), load_wanted(project, state, wanted)
    copied_from = wanted.inventory or pinned_folder(project, state) / "inventory"
    folder = project.run_folder(state.run) / REVISIONS / f".{secrets.token_hex(4)}"
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        folder.mkdir(mode=0o700, parents=True)
        pin(new, folder, copied_from)
        comparison = compared(old, new, journal, state, stop)
        stage = stack.enter_context(open_stage(new, journal, state.run, stop, state))
        if comparison.problems:
            raise InvalidInput(comparison.problems)
        lapsed = _lapsed(stage, comparison, state)
        again = {**comparison.asked_anew, **dict.fromkeys(lapsed, "what it covers would change otherwise now")}
        left = pending(stage.work, set(comparison.done) - set(again))
        yield Draft(state, state.revision + 1, folder, stage, comparison, again, lapsed, left)


def compared(old: Loaded, new: Loaded, journal: Journal, state: RunState, stop: Stop, *, passing: bool = False) -> Comparison:
    """What going over from one to the other means for a run as it stands. ``passing``: only looked at, so nothing is written."""
    with ExitStack() as stack:
        # Looked back on as this run, and without work of their own, so that no connection's secret is asked for.
        scenes = [
            stack.enter_context(
                open_stage(loaded, journal, state.run, stop, passing=passing, past=state, shaped=lambda _: ())
            ).scene
            for loaded in (old, new)
        ]
        return compare(Revision(scenes[0]), Revision(scenes[1]), state)


def _lapsed(stage: Stage, comparison: Comparison, state: RunState) -> Mapping[str, Sequence[str]]:
    """Looked at before anything is planned, as the gate itself would look."""
    found = {}
    for address, approval, gate in approvals(stage.work, state):
        changed = lapses(gate, covered(stage.scene, approval), comparison.altered)
        if changed:
            found[address] = changed
    return found


def events_of(draft: Draft, header: PlanHeader, totals: Mapping[str, int], who: str, reason: str) -> list[ev.Event]:
    """What is journalled of an amendment, all at once."""
    state, comparison, number = draft.state, draft.comparison, draft.number
    event = ev.RunAmended(
        number, who, reason, digests(run_header(state)), digests(header), header.git_commit or "",
        {name: getattr(header, name) for name in header.__dataclass_fields__}, totals,
    )
    withdrawn = [
        ev.GateClosed(address, "withdrawn", f"{why}, with revision {number}") for address, why in draft.asked_anew.items()
    ]
    gone = [
        ev.GateClosed(address, "withdrawn", f"it is gone with revision {number}")
        for address in comparison.dropped if address in state.gates and state.gates[address].is_open
    ]
    return [
        event, *names_of(draft.stage), *withdrawn, *gone,
        *(ev.ItemSkipped(address, f"gone with revision {number}") for address in comparison.dropped),
        *(ev.ItemReopened(address, who) for address in comparison.put_back if address not in draft.asked_anew),
    ]


def digests(header: PlanHeader) -> dict[str, str]:
    """What a revision is told by."""
    return {"runbook": header.runbook_digest, "inventory": header.inventory_digest, "templates": header.templates_digest}


def go_over(draft: Draft, journal: Journal, events: Sequence[ev.Event]) -> None:
    """Puts the copies in place and journals the amendment: until then the old revision counts, whatever happens.

    Raises ``LockHeld`` when the run went on, or somebody acted at one of its gates, since it was looked at.
    """
    state, folder = draft.state, draft.folder
    lease = lease_of(draft.stage, state.run)
    journal.acquire(lease)
    try:
        check_stands(state, journal)
        check_not_rolled_back(state, journal)
        place = folder.parent / str(draft.number)
        put_in_place(folder, place)
        due = draft.stage.scene.clock.now() if state.status is RunStatus.WAITING else None
        if not journal.append_if(state.run, events, state.last_seq, due):
            shutil.rmtree(place, ignore_errors=True)
            check_stands(state, journal)
    finally:
        journal.release(lease)


def put_in_place(folder: Path, place: Path) -> None:
    """Makes copies durable under their number, instead of what an amendment left that died before it was journalled."""
    shutil.rmtree(place, ignore_errors=True)
    make_durable(folder)
    folder.rename(place)
    _sync(folder.parent, folder.parent.parent)


def _sync(*folders: Path) -> None:
    for folder in folders:
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
