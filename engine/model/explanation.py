"""What one address of a runbook comes to for one customer, and where each part of it comes from. Nothing here was read from a
system; every value is fit to be shown, in JSON's types, secrets masked."""

from __future__ import annotations

from enum import Enum

from engine.model.source import Span
from engine.model.values import dataclass


class Level(Enum):
    """Where a value may be given, weakest first: a later one wins."""

    RUNBOOK = "runbook defaults"
    INVENTORY = "inventory defaults"
    ITEM = "item"
    INPUT = "run input"
    """Declared by the runbook, with its default."""
    COMMAND = "command line"
    CUSTOMER = "inventory"
    """What only the inventory says: people, collections, the customer's name."""
    RUN = "run"
    """What an earlier step or the run itself comes to."""


class Status(Enum):
    """What becomes of an address."""

    IN = "in scope"
    OUT = "out of scope"
    SKIPPED = "skipped"
    OPEN = "decided in the run"


@dataclass(frozen=True, slots=True)
class Layer:
    """One place that gives a value. ``place``: what a position cannot say, such as a column or an option."""

    level: Level
    value: object
    span: Span | None = None
    place: str = ""
    won: bool = False


@dataclass(frozen=True, slots=True)
class Variable:
    """A name that a template uses. ``layers``: all that give it, weakest first. ``later``: what has to end or begin before it is
    known; empty when it is known now."""

    name: str
    value: object
    layers: tuple[Layer, ...] = ()
    later: str = ""
    note: str = ""
    line: int = 0
    """Where a template file uses it first; 0 elsewhere."""


@dataclass(frozen=True, slots=True)
class Fact:
    """Something to know beside a value, such as a setting of the connection it names."""

    name: str
    value: object
    span: Span | None = None


@dataclass(frozen=True, slots=True)
class Explained:
    """A field of a step. ``written``: as it stands in the runbook, when that is a template; ``origin``: where it comes from when
    nobody wrote it; ``later`` as of a variable; ``problem``: why it comes to nothing; ``parts``: those inside it that are
    templates themselves."""

    name: str
    value: object
    span: Span | None = None
    written: str = ""
    origin: str = ""
    later: str = ""
    problem: str = ""
    variables: tuple[Variable, ...] = ()
    facts: tuple[Fact, ...] = ()
    parts: tuple[Explained, ...] = ()


@dataclass(frozen=True, slots=True)
class Term:
    """A part of a condition that is not taken apart further. ``holds``: None when it cannot be told, and ``why`` says why.
    ``decides``: whether the whole is as it is because of this."""

    words: str
    holds: bool | None
    variables: tuple[Variable, ...] = ()
    why: str = ""
    decides: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing that has to hold for an address to be worked: ``for_each``, ``where``, ``limit`` or ``when``."""

    what: str
    holds: bool | None
    words: str
    span: Span | None = None
    terms: tuple[Term, ...] = ()
    why: str = ""
    """What it waits for, or why it cannot be told."""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class FileExplained:
    """A template file that is rendered, and the names it takes from outside."""

    name: str
    path: str
    variables: tuple[Variable, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Group:
    """Items of a step that fare alike, and why."""

    status: Status
    reason: str
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that is known of an address before anything runs. ``groups``: of a step over items, when no item was named."""

    address: str
    runbook: str
    span: Span
    action: str
    status: Status
    title: str = ""
    group: str = ""
    """The group of steps it belongs to; empty for one that stands alone."""
    label: str = ""
    verdicts: tuple[Verdict, ...] = ()
    fields: tuple[Explained, ...] = ()
    files: tuple[FileExplained, ...] = ()
    groups: tuple[Group, ...] = ()
    collection: str = ""
