"""A runbook as read and checked: phases of blocks of steps.

A *block* is what the schedule orders: either one step, or a group of steps that each item goes through on its own (lanes).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field, replace

from engine.model.gate import Gate, Wait
from engine.model.source import DataPath, Document
from engine.model.values import dataclass
from engine.model.window import Window

ON_CANCEL = "on-cancel"
"""The phase of the steps that are done when a run is cancelled. No other phase is called so."""


def is_compensation(address: str) -> bool:
    """Whether an address is one of what is done when a run is cancelled."""
    return address.startswith(f"{ON_CANCEL}/")


@dataclass(frozen=True, slots=True)
class Limit:
    """A number of items or a share of them: ``5`` or ``10%``."""

    value: float
    percent: bool = False

    def of(self, total: int) -> int:
        """The limit as a count of ``total`` items; shares round down."""
        return int(total * self.value / 100) if self.percent else int(self.value)

    def __str__(self) -> str:
        return f"{self.value:g}{'%' if self.percent else ''}"


@dataclass(frozen=True, slots=True)
class Retry:
    """How often a temporary failure is tried again: waits grow by doubling from ``backoff_s`` to ``max_backoff_s``."""

    attempts: int = 1
    backoff_s: float = 1.0
    max_backoff_s: float = 60.0


@dataclass(frozen=True, slots=True)
class FanOut:
    """What a block runs over and how fast. Without ``for_each`` it runs once."""

    for_each: str | None = None
    where: str | None = None
    parallel: int = 1
    rate: float | None = None
    """Starts per second."""
    batches: tuple[Limit, ...] = ()
    """Canaries: a batch starts when the one before has ended well. The last size repeats."""
    max_failures: Limit = Limit(0)
    """More failed items than this stop the run from starting anything new."""


@dataclass(frozen=True, slots=True)
class Step:
    """One action on one item, or a gate. ``args`` and ``when`` may hold templates; they are rendered per item."""

    name: str
    phase: str
    action: str
    """For a gate its kind, which no action is called."""
    args: Mapping[str, object]
    path: DataPath
    """Where the step stands in the runbook's document."""
    title: str = ""
    when: str | None = None
    retry: Retry = Retry()
    timeout_s: float = 60.0
    """For each exchange with the other side: looking, writing, and every read-back has this long."""
    settle_s: float | None = None
    """How long read-back may take to show the change; None = the action's own."""
    gate: Gate | None = None
    point_of_no_return: bool = False
    """Once it is done, neither it nor anything before it is rolled back."""
    address: str = field(init=False, repr=False, compare=False)
    """``phase/name``; asked for eight times an item, so put together once."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "address", f"{self.phase}/{self.name}")

    @property
    def looks(self) -> Step | None:
        """For a gate that waits for what an action's look finds, that look as a step of its own."""
        watched = self.gate.watched if isinstance(self.gate, Wait) else None
        if watched is None:
            return None
        path = (*self.path, self.action, "observe")
        return replace(self, action=watched.action, args=watched.args, path=path, gate=None, when=None)


@dataclass(frozen=True, slots=True)
class Block:
    """A step, or a group of steps run in lanes. ``needs`` are addresses of blocks that must have ended well before."""

    name: str
    phase: str
    steps: tuple[Step, ...]
    fan_out: FanOut
    needs: tuple[str, ...]
    path: DataPath
    window: Window | None = None

    @property
    def address(self) -> str:
        return f"{self.phase}/{self.name}"


@dataclass(frozen=True, slots=True)
class Phase:
    """A named part of the migration."""

    name: str
    title: str
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class Input:
    """A value asked for on the command line (``--set``)."""

    name: str
    type: str
    """``string``, ``integer``, ``number``, ``boolean``, or ``secret``: a reference to the value, which is kept instead of it."""
    description: str = ""
    default: object = None
    required: bool = False
    choices: tuple[object, ...] = ()


@dataclass(frozen=True, slots=True)
class Precedence:
    """The step ``then`` never runs unless ``first`` has ended well before it, where ``when`` holds. ``why`` is for people."""

    first: str
    then: str
    path: DataPath
    when: str | None = None
    why: str = ""
    is_pair: bool = True
    """Whether it is written as a list of two."""

    def place(self, key: str) -> DataPath:
        """Where ``first`` or ``then`` stands."""
        return (*self.path, ("first", "then").index(key) if self.is_pair else key)


@dataclass(frozen=True, slots=True)
class Runbook:
    """One type of migration, for any customer."""

    name: str
    title: str
    description: str
    phases: tuple[Phase, ...]
    document: Document
    defaults: Mapping[str, object] = field(default_factory=dict)
    inputs: Mapping[str, Input] = field(default_factory=dict)
    digest: str = ""
    """SHA-256 over the meaning, not over layout and comments."""
    known_gaps: tuple[str, ...] = ()
    """What this migration does not carry over; every report lists it."""
    on_cancel: Phase | None = None
    """What is done when a run is cancelled, and only then. Its blocks need all others, which is to say: come after them."""

    strict: bool = False
    """No step is left out, put before another or done twice without an override."""
    overridden_by: tuple[str, ...] = ()
    """Roles that may go against the order; empty: nobody."""
    precedences: tuple[Precedence, ...] = ()

    def guards(self, step: str) -> bool:
        """Whether a step may not be passed by: in a strict runbook none, else none that must precede another."""
        return self.strict or any(rule.first == step for rule in self.precedences)

    def guarded_blocks(self) -> frozenset[str]:
        """Blocks with a step that may not be passed by: their failures keep the run from going on, however often it is taken
        up."""
        blocks = self.every_block()
        return frozenset(block.address for block in blocks if any(self.guards(step.address) for step in block.steps))

    def blocks(self) -> Iterator[Block]:
        """All blocks of the way forward in the order they stand."""
        for phase in self.phases:
            yield from phase.blocks

    def compensation(self) -> tuple[Block, ...]:
        """The blocks of what is done when a run is cancelled."""
        return () if self.on_cancel is None else self.on_cancel.blocks

    def every_block(self) -> Iterator[Block]:
        """Those of the way forward, then those of a cancellation."""
        yield from self.blocks()
        yield from self.compensation()

    def every_step(self) -> Iterator[Step]:
        """Likewise."""
        for block in self.every_block():
            yield from block.steps

    def steps(self) -> Iterator[Step]:
        """All steps of the way forward in the order they stand."""
        for block in self.blocks():
            yield from block.steps

    def actions(self) -> Iterator[str]:
        """The action of each step that has one, carried out or only looked with."""
        for step in self.every_step():
            looks = step.looks
            if step.gate is None or looks is not None:
                yield (looks or step).action
