"""A runbook as people draw it: phases, what stands in them, and what comes after what.

Pure, and made of the runbook alone. A graph and a checklist both tell from this, so that they tell the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from engine.language.needs import needed_by
from engine.model.gate import GATE_KINDS
from engine.model.runbook import ON_CANCEL, Block, FanOut, Phase, Runbook, Step
from engine.model.values import dataclass
from engine.planning.gate_words import spelled


@dataclass(frozen=True, slots=True)
class Node:
    """A step or a gate. ``kind``: ``step``, or that of the gate. ``says``: the action, or whom and what a gate waits for."""

    address: str
    title: str
    kind: str
    says: str
    notes: tuple[str, ...]
    """Whether and when it is done at all."""
    is_final: bool
    """Whether it is a point of no return."""

    @property
    def name(self) -> str:
        return self.address.partition("/")[2]


@dataclass(frozen=True, slots=True)
class Part:
    """What the schedule orders: one node, or several that each item goes through in a lane of its own."""

    address: str
    nodes: tuple[Node, ...]
    is_lane: bool
    notes: tuple[str, ...]
    """For a lane: over what, how fast, when."""
    after: tuple[str, ...]
    """Addresses of the parts that come directly before; those that come before these are left out."""
    row: int
    """How many parts of its phase come before it, one after the other."""


@dataclass(frozen=True, slots=True)
class Section:
    """A phase, or what is done when the run is cancelled."""

    name: str
    title: str
    parts: tuple[Part, ...]

    @property
    def is_cancellation(self) -> bool:
        return self.name == ON_CANCEL

    @property
    def rows(self) -> list[list[Part]]:
        """Its parts, those beside each other that may run beside each other."""
        rows: list[list[Part]] = [[] for _ in range(1 + max(part.row for part in self.parts))]
        for part in self.parts:
            rows[part.row].append(part)
        return rows


@dataclass(frozen=True, slots=True)
class Outline:
    """All of a runbook."""

    name: str
    title: str
    description: str
    sections: tuple[Section, ...]

    def parts(self) -> Iterator[Part]:
        """All of them, in the order they stand."""
        for section in self.sections:
            yield from section.parts

    @property
    def size(self) -> str:
        """For people: ``12 phases, 58 steps``."""
        nodes = sum(len(part.nodes) for part in self.parts())
        phases = sum(not section.is_cancellation for section in self.sections)
        return f"{phases} phase{'s' if phases != 1 else ''}, {nodes} step{'s' if nodes != 1 else ''}"


def outline_of(runbook: Runbook) -> Outline:
    """The outline of a runbook that was read without an error."""
    before = needed_by(runbook)
    phases = [*runbook.phases, *([runbook.on_cancel] if runbook.on_cancel is not None else [])]
    sections = tuple(_section(phase, before) for phase in phases)
    return Outline(runbook.name, runbook.title, " ".join(runbook.description.split()), sections)


def _section(phase: Phase, before: Mapping[str, frozenset[str]]) -> Section:
    rows: dict[str, int] = {}
    parts = []
    for block in sorted(phase.blocks, key=lambda block: len(before.get(block.address, ()))):
        after = _directly_before(block, before)
        if phase.name == ON_CANCEL:
            # It comes after whatever the run has come to, which is no arrow from each of its steps.
            after = tuple(address for address in after if address.startswith(f"{ON_CANCEL}/"))
        rows[block.address] = 1 + max((rows[address] for address in after if address in rows), default=-1)
        parts.append(_part(block, after, rows[block.address]))
    order = {block.address: number for number, block in enumerate(phase.blocks)}
    return Section(phase.name, phase.title, tuple(sorted(parts, key=lambda part: order[part.address])))


def _directly_before(block: Block, before: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    implied = frozenset[str]().union(*(before.get(need, frozenset()) for need in block.needs))
    return tuple(need for need in block.needs if need not in implied)


def _part(block: Block, after: tuple[str, ...], row: int) -> Part:
    is_lane = any(step.path != block.path for step in block.steps)  # steps of a group stand below it, even a single one
    around = (*_fan_out(block.fan_out), *_window(block))
    nodes = tuple(_node(step, () if is_lane else around) for step in block.steps)
    return Part(block.address, nodes, is_lane, around if is_lane else (), after, row)


def _node(step: Step, around: tuple[str, ...]) -> Node:
    kind = "step" if step.gate is None else GATE_KINDS[type(step.gate)]
    says = step.action if step.gate is None else spelled(step.gate)
    notes = (*around, *([f"only when {' '.join(step.when.split())}"] if step.when is not None else []))
    return Node(step.address, step.title or step.name, kind, says, notes, step.point_of_no_return)


def _fan_out(fan_out: FanOut) -> Iterator[str]:
    if fan_out.for_each is None:
        return
    pace = [f"{fan_out.parallel} at once"] if fan_out.parallel > 1 else []
    pace += [f"{fan_out.rate:g} per second"] if fan_out.rate else []
    pace += [f"in batches of {', '.join(map(str, fan_out.batches))}"] if fan_out.batches else []
    yield ", ".join([f"for each of {fan_out.for_each}", *pace])
    if fan_out.where is not None:
        yield f"only where {' '.join(fan_out.where.split())}"


def _window(block: Block) -> Iterator[str]:
    if block.window is not None:
        closed = f", when {block.window.calendar} is open" if block.window.calendar else ""
        yield f"{block.window.describe()}{closed}"
