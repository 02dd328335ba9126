"""What would change, as values: the language between the action that looked, the plan, and the person who reads it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import field
from enum import Enum

from engine.model.values import dataclass


class Effect(Enum):
    """What an action may do to the other system."""

    READS = "reads"
    """Only looks: proves that something is so."""
    CHANGES = "changes"
    """Alters something that can be altered back, or be replaced."""
    DESTROYS = "destroys"
    """Removes something for good."""


class Outlook(Enum):
    """What the plan says of one address."""

    NOTHING = "nothing"
    """Already as it should be."""
    CHANGE = "change"
    """Would change, exactly so."""
    LATER = "later"
    """Depends on what an earlier step does; decided when that has ended."""
    UNPREDICTABLE = "unpredictable"
    """Will be done, but what it changes cannot be read beforehand (a bare command, a mail)."""
    CHECK = "check"
    """Will be proved by reading; nothing is written. Not true yet."""
    GATE = "gate"
    """People, a time or an outside event decide when the run goes on, or whether."""
    SKIP = "skip"
    """Its ``when`` is false."""
    ERROR = "error"
    """Could not be read; apply would fail here."""
    REFUSED = "refused"
    """Of a rollback: somebody changed it since the run did. It is left alone."""
    STAYS = "stays"
    """Of a rollback: it cannot be undone, or may not be."""

    __hash__ = object.__hash__  # as of ``ItemStatus``


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field before and after, as JSON values fit to be shown; None = absent."""

    name: str
    before: object
    after: object


Sides = tuple[str | None, str | None]
"""A file's text before and after; None = does not exist."""


class TextChange:
    """A file before and after, secrets masked; None = does not exist.

    Masking a file costs more than reading it, and of ten thousand files hardly any are looked at. So an action may leave
    the masking to whoever asks for ``before`` or ``after`` first: see ``later``.
    """

    __slots__ = ("_mask", "_sides", "is_new", "name")

    def __init__(self, name: str, before: str | None, after: str | None) -> None:
        self.name, self.is_new = name, before is None
        self._sides: Sides | None = (before, after)
        self._mask: Callable[[], Sides] | None = None

    @classmethod
    def later(cls, name: str, mask: Callable[[], Sides], *, is_new: bool) -> TextChange:
        """One whose masked sides are worked out by ``mask`` when they are first asked for. ``is_new``: nothing stood there."""
        change = cls(name, None, None)
        change.is_new, change._sides, change._mask = is_new, None, mask
        return change

    @property
    def before(self) -> str | None:
        return self._shown()[0]

    @property
    def after(self) -> str | None:
        return self._shown()[1]

    def _shown(self) -> Sides:
        if self._sides is None:
            assert self._mask is not None  # noqa: S101  # one of the two is always there
            self._sides, self._mask = self._mask(), None
        return self._sides

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TextChange) and (self.name, self._shown()) == (other.name, other._shown())

    def __hash__(self) -> int:
        return hash((self.name, self._shown()))

    def __repr__(self) -> str:
        return f"TextChange(name={self.name!r}, before={self.before!r}, after={self.after!r})"


@dataclass(frozen=True, slots=True)
class Change:
    """What an action would do to one item.

    Everything but ``payload`` is fit to be shown and stored. ``payload`` is for the action's own ``apply``. ``token`` tells
    apart changes that look the same once secrets are masked: a digest over the raw before and after.
    """

    summary: str
    fields: tuple[FieldChange, ...] = ()
    texts: tuple[TextChange, ...] = ()
    reversible: bool = True
    token: str = ""
    notes: tuple[str, ...] = ()
    payload: object = field(default=None, compare=False, repr=False)

    def digest(self) -> str:
        """Identifies this very change: same before, same after."""
        return digest([self.summary, *((f.name, f.before, f.after) for f in self.fields), self.token or _texts(self.texts)])


@dataclass(frozen=True, slots=True)
class Unpredictable:
    """Something that will be done without a way to read beforehand what it changes; ``why`` says so to the operator."""

    summary: str
    why: str
    reversible: bool = False
    not_yet_done: bool = False
    """True when the action knows from its own records that this has not happened yet, even after a lost attempt."""
    payload: object = field(default=None, compare=False, repr=False)
    fields: tuple[FieldChange, ...] = ()
    """What can be shown of it all the same, such as a mail's recipients."""
    texts: tuple[TextChange, ...] = ()
    """Likewise, such as a mail's text."""
    notes: tuple[str, ...] = ()

    def digest(self) -> str:
        """Identifies what would be done."""
        return digest([self.summary])


@dataclass(frozen=True, slots=True)
class Receipt:
    """What an action did, enough to undo it. JSON values only; contents go to the keep and are named by digest."""

    data: Mapping[str, object] = field(default_factory=dict)
    summary: str = ""


_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str, ensure_ascii=False)


def digest(value: object) -> str:
    """SHA-256 (first 128 bits, hex) over a JSON-able value, independent of key order."""
    if type(value) is list and set(map(type, value)) == {str}:
        # The same text. Setting the encoder up for a list costs more than encoding what nearly every change comes to.
        text = f"[{','.join(map(_CANONICAL.encode, value))}]"
    else:
        text = _CANONICAL.encode(value)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _texts(texts: Iterable[TextChange]) -> list[object]:
    return [(text.name, text.before, text.after) for text in texts]


def address_of(step: str, item_key: str | None) -> str:
    """``phase/step[item]``, or ``phase/step`` for a step that runs once."""
    return step if item_key is None else f"{step}[{item_key}]"


def split_address(address: str) -> tuple[str, str | None]:
    """The step's address and the item's key (None for a step that runs once): the inverse of ``address_of``."""
    step, bracket, key = address.partition("[")
    return (step, key[:-1]) if bracket and key.endswith("]") else (address, None)


@dataclass(frozen=True, slots=True)
class PlannedItem:
    """One address of a plan. ``change`` is there while planning and showing; what is kept and compared is ``observed``."""

    address: str
    block: str
    step: str
    """Address of the step, without the item."""
    item: str | None
    action: str
    outlook: Outlook
    summary: str = ""
    why: str = ""
    """For LATER: what it waits for. UNPREDICTABLE: why. SKIP: the condition. ERROR: the failure."""
    reversible: bool = True
    observed: str = ""
    """Digest of the change that was seen, made with the project's key, so that apply can tell when the item moved since."""
    label: str = ""
    """For people: what the item is called, such as ``101 Front desk``."""
    fields: tuple[FieldChange, ...] = ()
    diff: tuple[str, ...] = ()
    """Unified diff lines of texts, secrets masked."""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanHeader:
    """What a plan was made from. A plan applies only while all of it still holds."""

    plan_id: str
    created_at: str
    """ISO 8601 with offset."""
    version: str
    scope: str
    """The customer, with ``@lab`` when against the lab: one run at a time per scope."""
    runbook: str
    runbook_name: str
    runbook_title: str
    inventory: str
    customer: str
    runbook_digest: str
    inventory_digest: str
    templates_digest: str
    actions: Mapping[str, int]
    """Action name -> version."""
    inputs: Mapping[str, object]
    limit: tuple[str, ...]
    lab: bool
    git_commit: str | None
    git_dirty: bool | None
    key_id: str = ""
    """Of the key that ``observed`` was made with."""
    windows: tuple[str, ...] = ()
    """Spelled out: which phases wait for which window."""
    known_gaps: tuple[str, ...] = ()
    points_of_no_return: tuple[str, ...] = ()
    """Steps that a rollback never crosses backwards."""
    on_cancel: tuple[str, ...] = ()
    """Spelled out: what is done only if the run is cancelled."""
    titles: Mapping[str, str] = field(default_factory=dict)
    """Step -> what people call it, of those that have a title."""
    rollback_of: str = ""
    """The run that is taken back; empty for a plan that goes forward."""
    rollback_seq: int = 0
    """The last event of that run when the plan was made: once it has gone on, the plan is stale."""
    back_to: str = ""
    """The step or group that is left, with all before it; empty: everything is taken back."""


@dataclass(slots=True)
class Totals:
    """Counts over a plan. Grows as items are planned."""

    by_outlook: dict[Outlook, int] = field(default_factory=dict)
    irreversible: int = 0

    def add(self, item: PlannedItem) -> None:
        self.by_outlook[item.outlook] = self.by_outlook.get(item.outlook, 0) + 1
        if not item.reversible and item.outlook in (Outlook.CHANGE, Outlook.UNPREDICTABLE):
            self.irreversible += 1

    def __getitem__(self, outlook: Outlook) -> int:
        return self.by_outlook.get(outlook, 0)

    @property
    def pending(self) -> bool:
        """Whether applying would do, or might do, anything but prove."""
        return any(self[o] for o in (Outlook.CHANGE, Outlook.LATER, Outlook.UNPREDICTABLE, Outlook.GATE))
