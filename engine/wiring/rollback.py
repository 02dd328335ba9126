"""A rollback's beginning: what it takes back of which run, from that run's own copies of runbook and inventory."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from engine import __version__
from engine.execution.rollback import Reach, WayBack, way_back
from engine.execution.stop import Stop
from engine.language.nearest import did_you_mean, offered
from engine.model.errors import SwitchoverError
from engine.model.plan import PlanHeader
from engine.model.run import ItemStatus, RunState, fold
from engine.model.values import dataclass
from engine.planning.drift import only_changed
from engine.planning.scene import BlockWork
from engine.ports import Clock, Journal
from engine.project import Project
from engine.wiring.journals import rollbacks_of
from engine.wiring.loading import Loaded
from engine.wiring.runs import Stage, load_pinned, open_stage, run_header


@dataclass(frozen=True, slots=True)
class Back:
    """A rollback ready to be planned or run."""

    stage: Stage
    way: WayBack


def load_back(project: Project, state: RunState) -> Loaded:
    """What is needed to take a run back. Raises ``SwitchoverError`` for a run that is itself a rollback."""
    if state.rollback_of:
        raise SwitchoverError(
            f"Run {state.run} is itself a rollback, of run {state.rollback_of}",
            "To do again what that run did: make a new plan, look at it, and apply it.",
        )
    loaded = load_pinned(project, state, templates=False)
    return replace(loaded, named=replace(loaded.named, limit=()))


def header_back(state: RunState, clock: Clock, reach: Reach) -> PlanHeader:
    """What a plan of the way back is made from: all that the run was made from, and where that run stood."""
    return replace(
        run_header(state), plan_id=uuid.uuid4().hex, created_at=clock.now().isoformat(timespec="seconds"), version=__version__,
        limit=reach.limit, windows=(), on_cancel=(), rollback_of=state.run, rollback_seq=state.last_seq, back_to=reach.to,
    )


@contextmanager
def open_back(loaded: Loaded, journal: Journal, state: RunState, run: str, reach: Reach, stop: Stop) -> Iterator[Back]:
    """The scene of rollback ``run``, which takes back run ``state``. Raises ``SwitchoverError`` for a step there is not."""
    _check_step(loaded, reach.to)
    ways: list[WayBack] = []

    def shaped(work: Sequence[BlockWork]) -> Sequence[BlockWork]:
        ways.append(way_back(work, state, reach))
        return ways[0].work

    with open_stage(loaded, journal, run, stop, past=state, shaped=shaped) as stage:
        yield Back(stage, ways[0])


@contextmanager
def open_run(project: Project, journal: Journal, state: RunState, stop: Stop) -> Iterator[Stage]:
    """The scene of a run that is to go on, forwards or back."""
    if not state.rollback_of:
        with open_stage(load_pinned(project, state), journal, state.run, stop, state) as stage:
            yield stage
        return
    header = run_header(state)
    past = fold(journal.read(state.rollback_of))
    loaded = load_pinned(project, state, templates=False)
    reach = Reach(header.back_to, header.limit, undone_before(past, journal, apart_from=state.run))
    with open_back(loaded, journal, past, state.run, reach, stop) as back:
        yield back.stage


@contextmanager
def open_left(project: Project, journal: Journal, state: RunState, stop: Stop) -> Iterator[Stage]:
    """The scene of a run to look back on, with what it changed as its work."""
    if state.rollback_of:
        with open_run(project, journal, state, stop) as stage:
            yield replace(stage, work=only_changed(stage.work, state))
        return
    loaded = load_pinned(project, state)
    with open_stage(loaded, journal, state.run, stop, past=state, shaped=lambda work: only_changed(work, state)) as stage:
        yield stage


def undone_before(state: RunState, journal: Journal, apart_from: str = "") -> frozenset[str]:
    """Addresses of a run that earlier rollbacks undid without a way to see it by reading: the journal alone knows."""
    earlier = [back for back in rollbacks_of(state, journal) if back.run != apart_from]
    return frozenset(a for back in earlier for a, item in back.items.items() if item.status is ItemStatus.RAN)


def _check_step(loaded: Loaded, to: str) -> None:
    known = [a for block in loaded.runbook.every_block() for a in (block.address, *(step.address for step in block.steps))]
    if to and to not in known:
        steps = list(dict.fromkeys(known))
        raise SwitchoverError(f"There is no step {to} in this run", f"{did_you_mean(to, steps) or offered(steps)}")
