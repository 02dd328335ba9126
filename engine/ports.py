"""The seams: what the engine asks of actions, sessions, stores, clocks and watchers.

Everything here is a Protocol; the concrete things meet in ``wiring`` alone. Sessions carry bytes: they never decide and
never retry. A session opened read-only raises ``WriteRefused`` on every verb that could alter the other side.

Failures: sessions and actions raise ``Temporary`` or ``Permanent``; anything else is journalled as a bug.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import field
from datetime import datetime
from typing import Any, ClassVar, Literal, Protocol, TypeVar

from engine.model.event import Event, Record
from engine.model.gate import GateState
from engine.model.plan import Change, Effect, Receipt, Unpredictable
from engine.model.secret import Secret
from engine.model.values import dataclass


class Clock(Protocol):
    """Time, passed in so that tests own it."""

    def now(self) -> datetime:
        """Wall time, aware."""
        ...

    def monotonic(self) -> float:
        """Seconds that never jump."""
        ...

    def sleep(self, seconds: float) -> None:
        """Waits; returns early when the run is asked to stop."""
        ...


# ---------------------------------------------------------------- sessions


class FileSession(Protocol):
    """Files on some system, whole: a local folder, SFTP, or a TFTP server. Paths are relative to the connection's root."""

    can_remove: bool
    """False where the protocol has no way to delete (TFTP): a created file then cannot be undone."""

    def read(self, path: str) -> bytes | None:
        """The whole content; None when it does not exist."""
        ...

    def write(self, path: str, data: bytes, mode: int | None = None) -> None:
        """Replaces the whole file, atomically where the protocol allows. ``mode``: permission bits, where they exist."""
        ...

    def remove(self, path: str) -> None:
        """Deletes it; no error when it is not there."""
        ...

    def modified_at(self, path: str) -> datetime | None:
        """When it last changed, by the other side's clock; None when that cannot be told or it does not exist."""
        ...


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended."""

    status: int
    stdout: bytes
    stderr: bytes


class ShellSession(Protocol):
    """Commands on another system."""

    def probe(self, command: str, stdin: bytes = b"") -> CommandResult:
        """Runs a command that is declared to only read. Allowed read-only."""
        ...

    def run(self, command: str, stdin: bytes = b"") -> CommandResult:
        """Runs a command that may alter the system."""
        ...


@dataclass(frozen=True, slots=True)
class HttpReply:
    """An HTTP answer. Header names are lower-case."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    data: Any = None
    """The parsed body when it is JSON, else None."""


class HttpSession(Protocol):
    """A REST API: base URL and credentials are the connection's."""

    def request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        json: object = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpReply:
        """One exchange. GET, HEAD and OPTIONS read; every other method writes.

        Answers of every status come back as they are, except what names itself as passing: 429, 502, 503, 504 and
        connection failures raise ``Temporary`` (with the wait the server asked for); 401 and 403 raise ``Permanent``.
        """
        ...


class MailSession(Protocol):
    """A mail submission server."""

    def check(self) -> None:
        """Connects, negotiates TLS and logs in, sends nothing."""
        ...

    def send(self, message: bytes, sender: str, recipients: Sequence[str]) -> str:
        """Hands one RFC 5322 message over, to every recipient or to none. Returns what the server said on taking it.

        ``Temporary`` and ``Permanent`` mean that it certainly was not sent; ``InDoubt`` that nobody can tell, because the
        connection was lost between the end of the message and the server's answer.
        """
        ...


@dataclass(frozen=True, slots=True)
class SipReply:
    """The final answer to a SIP request."""

    status: int
    reason: str
    headers: Mapping[str, str] = field(default_factory=dict)


class SipSession(Protocol):
    """SIP requests outside a dialog, over UDP."""

    def options(self, uri: str) -> SipReply:
        """Asks whether anybody is there. Reads."""
        ...

    def notify(self, uri: str, event: str, *, content_type: str = "", body: bytes = b"") -> SipReply:
        """An unsolicited NOTIFY with this Event header. Writes. Answers 401/407 with digest when it has credentials."""
        ...


class Keep(Protocol):
    """Contents put aside so that a change can be undone: mode 0600, named by digest."""

    def put(self, data: bytes) -> str:
        """Stores and returns the name."""
        ...

    def get(self, name: str) -> bytes:
        """What ``put`` stored. Raises ``Permanent`` when it is gone."""
        ...


OutboxStatus = Literal["unsent", "sending", "sent"]


@dataclass(frozen=True, slots=True)
class OutboxEntry:
    """One message in the outbox. ``detail``: the server's answer, or why it was not sent."""

    message_id: str
    scope: str
    address: str
    status: OutboxStatus
    at: datetime
    """When it got this status."""
    detail: str = ""


class Outbox(Protocol):
    """Messages put down before they are sent, by Message-ID, so that none leaves twice. Every change is durable on return."""

    def status(self, message_id: str) -> OutboxEntry | None:
        """What is known of a message; None when it never was put here."""
        ...

    def of_attempt(self, key: str) -> OutboxEntry | None:
        """The message last put down under this key: the same work may be worded anew when it is taken up again."""
        ...

    def put(self, message_id: str, message: bytes, *, scope: str, address: str, key: str) -> None:
        """Puts a message down as ``unsent``. Raises ``Permanent`` when it is there and not unsent."""
        ...

    def mark(self, message_id: str, status: OutboxStatus, detail: str = "") -> None:
        """``sending`` before the first byte leaves, then ``sent``, or ``unsent`` when the server certainly has not taken it."""
        ...

    def settle(self, scope: str, address: str, *, done: bool) -> tuple[OutboxEntry, ...]:
        """A person's answer for messages stuck in ``sending``: they become ``sent``, or ``unsent`` to be sent again.
        Returns them as they are now; none when nothing is in doubt there."""
        ...


class Sessions(Protocol):
    """What an action is given (``at``): sessions by connection name, bound to one item, one attempt and its deadline."""

    clock: Clock
    keep: Keep
    outbox: Outbox
    scope: str
    """The customer scope, for deterministic identifiers."""
    address: str
    """The address being worked on."""

    def files(self, connection: str) -> FileSession:
        """For connections of type local, tftp, sftp, ssh."""
        ...

    def shell(self, connection: str, host: str | None = None) -> ShellSession:
        """For type ssh. ``host`` replaces the connection's own: one login for many phones."""
        ...

    def http(self, connection: str) -> HttpSession:
        """For types http, telnyx, twilio, netsapiens, rt, servicenow, jira."""
        ...

    def mail(self, connection: str) -> MailSession:
        """For type smtp."""
        ...

    def sip(self, connection: str) -> SipSession:
        """For type sip."""
        ...

    def connection_type(self, connection: str) -> str:
        """The type of a connection, such as ``telnyx``."""
        ...

    def setting(self, connection: str, name: str, default: object = None) -> Any:
        """A plain setting of a connection; never a secret one."""
        ...

    def render(self, template: str, extra: Mapping[str, object] | None = None) -> str:
        """Renders a template file with the item's whole context plus ``extra``. Template names are relative to the
        project's ``templates/`` folder. Raises ``InvalidInput`` pointing at file and line."""
        ...

    def has_template(self, template: str) -> bool:
        """Whether a template file of this name exists."""
        ...

    def redact(self, text: str) -> str:
        """Masks every secret known for this item and its connections."""
        ...

    def locked(self, name: str) -> AbstractContextManager[None]:
        """Serialises work on a shared thing within this run, such as one file on one host."""
        ...


# ---------------------------------------------------------------- actions

A = TypeVar("A")
S = TypeVar("S")
A_contra = TypeVar("A_contra", contravariant=True)


class Action(Protocol[A, S]):
    """One kind of change to one kind of system.

    ``diff`` is pure. ``observe`` may only read; it gets read-only sessions. ``apply`` makes the one write and is called
    again with the same ``key`` when an attempt was lost. Optional: ``undo`` (see ``Undoable``), ``outputs`` (see ``Telling``);
    ``informs``, True for one that only tells somebody something; ``destroys(given)``, whether it does with these arguments.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    effect: ClassVar[Effect]
    doc: ClassVar[str]
    """One sentence: what the operator gets."""
    settle_s: ClassVar[float]
    """How long read-back may take to show a change."""
    local: ClassVar[bool]
    """True when it only works on this machine's processor and disk: the engine then works in chunks, not threads."""
    Args: type[A]

    def observe(self, args: A, at: Sessions) -> S:
        """Reads what is there."""
        ...

    def diff(self, args: A, seen: S) -> Change | Unpredictable | None:
        """What would change; None = already so."""
        ...

    def apply(self, change: Change | Unpredictable, args: A, at: Sessions, *, key: str) -> Receipt:
        """Makes the change."""
        ...


class Telling(Protocol):
    """An action whose result later steps can use: ``steps.open.outputs.id``.

    What it tells is read from the very observation that found nothing left to change, so that a ticket opened now, one that
    was there before and one that a lost attempt opened are told alike. It is journalled: no secrets.
    """

    Outputs: ClassVar[Mapping[str, str]]
    """Name -> what it is, as the end of a sentence."""

    def outputs(self, args: Any, seen: Any) -> Mapping[str, object]:
        """Every name of ``Outputs``, from what ``observe`` returned. Pure; JSON values."""
        ...


class Knowing(Protocol):
    """An action that rests on facts of the trade, kept as data: its page shows them."""

    def facts(self) -> Mapping[str, Sequence[str]]:
        """Title -> sentences, code in single backticks."""
        ...


class Unseen(Protocol):
    """An action that, with some arguments or all, leaves nothing to look at: no gate can wait for it."""

    def unseen(self, given: Mapping[str, object]) -> str:
        """Why nothing tells whether it is done, as part of a sentence; empty when a look does. ``given``: the arguments as the
        runbook has them, templates not rendered."""


class Rendering(Protocol):
    """An action that gives its template files more than the step does, or chooses them: then ``validate`` knows what they see."""

    TemplateNames: ClassVar[tuple[str, ...]]
    """Top-level names it adds."""
    TemplatesBy: ClassVar[tuple[str, ...]]
    """Arguments that decide which files it renders."""

    def templates(self, *values: str) -> tuple[str, ...]:
        """The files for values of those arguments, as far as they are known; empty where they fit nothing."""
        ...


class Undoable(Protocol[A_contra]):
    """An action that can take its change back. Only ``undo`` is needed; the others make a rollback surer."""

    def undo(self, receipt: Receipt, args: A_contra, at: Sessions, *, key: str) -> None:
        """Restores what ``apply`` found. Looks first, and may be called again when an attempt was lost: what is as it was
        before is left so. Raises ``ChangedSince`` for what somebody changed since."""
        ...

    def undoing(self, receipt: Receipt, args: A_contra, at: Sessions) -> Change | None:
        """What ``undo`` would change, read from the system through sessions that only read; None: all is as it was before.
        Raises ``ChangedSince`` as ``undo`` would. Without it a rollback cannot be previewed, nor proved by reading."""
        ...

    def prepare(self, change: Change, args: A_contra, at: Sessions) -> Receipt:
        """The receipt that ``apply`` will give for this change, with contents put in the keep, before anything is written.

        It is journalled with the intent, so that a change whose outcome was lost can be undone all the same. It reads no system.
        """
        ...


# ---------------------------------------------------------------- stores and watchers


@dataclass(frozen=True, slots=True)
class RunInfo:
    """A line in the list of runs."""

    run: str
    scope: str
    runbook: str
    plan_id: str
    started_at: datetime


@dataclass(frozen=True, slots=True)
class Lease:
    """Who works on a scope."""

    scope: str
    run: str
    host: str
    pid: int
    actor: str
    since: datetime


class Journal(Protocol):
    """Append-only events per run, and one lease per scope. One process writes a run at a time; any may read."""

    def append(self, run: str, events: Sequence[Event]) -> int:
        """Queues events, in order, and returns a ticket. Does not wait."""
        ...

    def flush(self, ticket: int | None = None) -> None:
        """Waits until everything up to ``ticket`` (or all) is on disk. Raises ``JournalBroken`` when that fails."""
        ...

    def append_if(
        self, run: str, events: Sequence[Event], after: int, due: datetime | None = None, *, letters: bool = False,
        check: Callable[[], bool] | None = None,
    ) -> bool:
        """Adds events if the run still ends with number ``after``, at once and durable on return; False when it has gone on,
        and whoever asks has to look again. ``due``: when the run then has something to do. ``letters``: for the process that
        works on the run: only a letter (see ``Event.is_letter``) that came since ``after`` stands in the way. ``check``: asked
        while nobody else can add anything to any run, for what has to hold over several; it may read the journal, and when it
        says no, nothing is added and False comes back."""
        ...

    def has_letters(self, run: str, after: int) -> bool:
        """Whether somebody added a letter past number ``after``. Cheap: the process at work asks every second."""
        ...

    def letters_met(self, run: str) -> int:
        """How many times something durable turned out to have letters before it that came since this process wrote last.
        Costs nothing, so that it can be asked before every effect: an effect must not follow a letter that forbids it."""
        ...

    def due_runs(self, now: datetime) -> list[RunInfo]:
        """Waiting runs that have something to do at ``now``, the longest due first. One indexed query."""
        ...

    def open_runs(self) -> list[RunInfo]:
        """Runs that have not succeeded, newest first. One indexed query."""
        ...

    def next_due(self) -> datetime | None:
        """When the next waiting run is due; None when none is, by itself."""
        ...

    def read(self, run: str, after: int = 0) -> Iterator[Record]:
        """The run's events past sequence ``after``, durable ones only. Raises ``JournalBroken`` when the chain is broken."""
        ...

    def pick(self, run: str, kinds: Collection[str]) -> Iterator[Record]:
        """The run's events of some kinds alone, in order. Not checked against the chain: for lists over many runs."""
        ...

    def subscribe(self, watcher: Callable[[Sequence[Record]], None]) -> None:
        """Calls ``watcher`` with events once durable, in order, from one thread."""
        ...

    def runs(self, scope: str | None = None) -> list[RunInfo]:
        """All runs, newest first."""
        ...

    def run_of_plan(self, plan_id: str) -> str | None:
        """The run a plan was applied by."""
        ...

    def last_changes(self, scope: str, runbook: str) -> Mapping[str, datetime]:
        """Address -> when any run of this runbook (by name) for this scope last changed it."""
        ...

    def acquire(self, lease: Lease) -> None:
        """Takes the scope's lease. Raises ``LockHeld`` while another live process holds it; a dead holder is replaced."""
        ...

    def holder(self, scope: str) -> Lease | None:
        """Who is at work on the scope; None when nobody is, or when the holder is known to be dead."""
        ...

    def release(self, lease: Lease) -> None:
        """Gives the lease back; no error when it is not held."""
        ...

    def close(self) -> None:
        """Flushes and closes."""
        ...


@dataclass(frozen=True, slots=True)
class Notice:
    """What one person is to be told of a gate, and why: see ``GateNotified``."""

    run: str
    address: str
    why: str
    person: Mapping[str, Any]
    gate: GateState

    @property
    def to(self) -> str:
        """Where they are written to."""
        return str(self.person.get("email", ""))


@dataclass(frozen=True, slots=True)
class Invitation:
    """An appointment that calendars are to know of (``request``), or to forget (``cancel``)."""

    run: str
    address: str
    why: str
    gate: GateState
    method: Literal["request", "cancel"]
    sequence: int

    @property
    def to(self) -> str:
        """Who is invited."""
        return ", ".join(str(p["email"]) for p in self.gate.opened.ask["invite"]["people"] if p.get("email"))


@dataclass(frozen=True, slots=True)
class Told:
    """What came of writing to somebody. ``unknown``: the answer was lost, so that nobody can tell, and nothing is sent again."""

    outcome: Literal["sent", "failed", "unknown"]
    message_id: str = ""
    detail: str = ""
    again: bool = False
    """Whether trying again may help."""
    unreachable: bool = False
    """Whether the other side cannot be reached at all, so that nobody else need be tried now."""


class Notifier(Protocol):
    """Writes to people who are asked at gates. What is asked for twice leaves once; what the other side does is an outcome."""

    @property
    def tells(self) -> bool:
        """Whether people are told of gates at all."""
        ...

    def tell(self, notice: Notice) -> Told:
        """Tells one person of a gate."""
        ...

    def invite(self, invitation: Invitation) -> Told:
        """Tells calendars of an appointment."""
        ...


class Observer(Protocol):
    """Watches a run. It cannot alter it; what it raises is a bug and is not swallowed."""

    def on_records(self, records: Sequence[Record]) -> None:
        """Durable events, in order."""
        ...


# ---------------------------------------------------------------- what opens sessions


@dataclass(frozen=True, slots=True)
class Binding:
    """What sessions are opened for: one item, one attempt."""

    address: str
    context: Mapping[str, Any]
    """Names for templates, secrets revealed."""
    redact: Callable[[str], str]
    read_only: bool
    deadline: float
    """On the monotonic clock: no exchange goes on past it."""
    rendered: dict[str, tuple[object, str]] = field(default_factory=dict)
    """Template -> with what else it was rendered for this item, and the text. Shared by all sessions of one attempt: what is
    proved to be there is then what was meant to be, and rendering is most of what a local step costs."""


class SessionSource(Protocol):
    """Hands out sessions; keeps one connection per host for the whole run."""

    def bind(self, binding: Binding) -> Sessions:
        """Sessions for one attempt. Cheap: nothing is opened until an action asks."""
        ...

    def is_local(self, connection: str) -> bool:
        """Whether a connection stays on this machine's disk."""
        ...

    def close(self) -> None:
        """Closes every connection."""
        ...


class SecretStore(Protocol):
    """Turns references into secrets and masks every one it has turned."""

    def resolve(self, written: str) -> Secret:
        """What a reference (``env:NAME`` ...) points to; a literal is taken as it is. Raises ``InvalidInput`` for a dead one."""
        ...

    def variables(self, values: Mapping[str, object]) -> Mapping[str, object]:
        """Variables for templates, references among them resolved, and masked from then on."""
        ...

    def redact(self, text: str) -> str:
        """Masks the secrets of all connections opened so far."""
        ...
