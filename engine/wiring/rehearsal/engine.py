"""The engine in a process of its own, forked from one that has everything imported, so that it can be killed like the real one.

The time is the world's, in the parent: when the engine sleeps it asks, and while it does, what falls due in that time happens.
What is between the two is a pair of sockets; a process that was killed leaves an end of file.
"""

from __future__ import annotations

import ctypes
import os
import random
import signal
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Any, Protocol

from engine.execution.stop import Stop
from engine.lab.nursery import fork_apart
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.errors import SwitchoverError
from engine.model.values import dataclass
from engine.ports import Clock, Journal
from engine.project import Project
from engine.wiring.journals import open_journal
from engine.wiring.rehearsal.boundaries import Passing, WatchedJournal
from engine.wiring.surroundings import Surroundings

HOST = "rehearsal"
PID = 1
_REAL_S = 3.0
"""How long, really, is looked for what was just asked for: a lab phone fetches its file within a fraction of it."""
_HARDLY_S = 0.1
"""And for what only an attempt that was lost may have done, which is there or is not."""
_POLL_S = 0.05
_SHORTEST_S = 0.001
_PR_SET_PDEATHSIG = 1


class Timekeeper(Protocol):
    """Who has the time."""

    @property
    def now(self) -> datetime: ...

    @property
    def passed_s(self) -> float: ...

    def sleep(self, seconds: float) -> None:
        """Lets time pass, with all that falls due in it."""
        ...


class Wire:
    """The engine's end. Its threads may all send; one at a time asks."""

    def __init__(self, end: Connection) -> None:
        self._end, self._lock = end, threading.Lock()

    def send(self, what: str, value: Any) -> None:
        with self._lock:
            self._end.send((what, value))

    def ask(self, what: str, value: Any) -> Any:
        self.send(what, value)
        return self._end.recv()


class FarClock:
    """``ports.Clock`` on the engine's side. Time stands still but for sleeping."""

    def __init__(self, wire: Wire, now: datetime, passed_s: float) -> None:
        self._wire, self._now, self._passed_s = wire, now, passed_s

    def now(self) -> datetime:
        return self._now

    def monotonic(self) -> float:
        return self._passed_s

    def sleep(self, seconds: float) -> None:
        self._now, self._passed_s = self._wire.ask("sleep", max(seconds, _SHORTEST_S))


@dataclass(frozen=True, slots=True)
class StandingClock:
    """A time at which something is done, however long that takes."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        time.sleep(min(seconds, _POLL_S))


class ShortPatience:
    """Looks for a moment of real time, in which none of the virtual passes: systems on loopback answer at once. When that was in
    vain, all of the time has passed, however long it really took: a journal does not tell how busy the machine is."""

    def __init__(self, clock: Clock, within_s: float, *, likely: bool) -> None:
        self._clock, self._within_s = clock, within_s
        self._ends = time.monotonic() + min(within_s, _REAL_S if likely else _HARDLY_S)
        self._over = False

    def again(self, seconds: float) -> bool:
        left_s = self._ends - time.monotonic()
        if left_s <= 0:
            if not self._over:
                self._over = True
                self._clock.sleep(self._within_s)
            return False
        time.sleep(min(seconds, _POLL_S, left_s))
        return True


@dataclass(frozen=True, slots=True)
class Ended:
    """How the engine's process ended. Neither ``killed`` nor ``trouble``: ``result`` is what it came to."""

    result: Any = None
    killed: bool = False
    note: Any = None
    """What it said last before it was killed."""
    trouble: SwitchoverError | None = None


class Killed(Protocol):
    """May end the process at a boundary; ``say`` tells the parent something first."""

    def __call__(self, where: str, kind: str, address: str, say: Callable[[Any], None]) -> None: ...


@dataclass(frozen=True, slots=True)
class Inside:
    """What the engine's process works with."""

    around: Surroundings
    passing: Passing

    def journal(self, project: Project) -> AbstractContextManager[Journal]:
        """The project's journal, by this time and with these boundaries."""
        return open_journal(project, clock=self.around.clock(Stop()), store=self.around.journal)


Work = Callable[[Inside], Any]


@dataclass(frozen=True, slots=True)
class Manner:
    """How the engine is to be in its process. ``seed``: of chance; ``at_once`` and ``plain``: see ``WatchedJournal``."""

    actor: str = ""
    seed: str = ""
    at_once: bool = True
    plain: Callable[[str], str] = str
    deadly: Killed | None = None


def in_a_process(work: Work, keeper: Timekeeper, manner: Manner) -> Ended:
    """Forks, works, and serves the time meanwhile. To be called while this process has a single thread."""
    ours, theirs = Pipe()
    parent = os.getpid()
    pid = fork_apart(signal.SIG_IGN)  # the parent hears of an interruption, and ends this
    if pid == 0:
        ours.close()
        _become_engine(parent)
        wire = Wire(theirs)
        clock = FarClock(wire, keeper.now, keeper.passed_s)
        _work(work, wire, _inside(wire, clock, manner))
    theirs.close()
    try:
        return _served(ours, keeper)
    finally:
        ours.close()
        _reap(pid)


def _inside(wire: Wire, clock: FarClock, manner: Manner) -> Inside:
    chance = random.Random(manner.seed)  # noqa: S311  # jitter, not a secret

    def passing(where: str, kind: str, address: str) -> None:
        if manner.deadly is not None:
            manner.deadly(where, kind, address, lambda note: wire.send("note", note))

    def journal(path: Path, _clock: Clock, read_only: bool) -> WatchedJournal:
        return WatchedJournal(path, clock, read_only, passing, at_once=manner.at_once, plain=manner.plain)

    def own_clock(_stop: Stop) -> Clock:
        return clock

    around = Surroundings(
        clock=own_clock, journal=journal, actor=lambda: manner.actor, host=lambda: HOST, pid=lambda: PID, patient=ShortPatience,
        jitter=chance.random, in_turn=True,
    )
    return Inside(around, passing)


def _become_engine(parent: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)


def _work(work: Work, wire: Wire, inside: Inside) -> None:
    """Never comes back."""
    try:
        wire.send("ended", work(inside))
    except InvalidInput as error:
        wire.send("invalid", error.diagnostics)
    except SwitchoverError as error:
        wire.send("refused", (error.summary, error.detail))
    except BaseException:  # noqa: BLE001  # the border: told to the parent, which reports it as ours
        wire.send("bug", traceback.format_exc())
    finally:
        os._exit(0)


def _served(wire: Connection, keeper: Timekeeper) -> Ended:
    note: Any = None
    while True:
        try:
            what, value = wire.recv()
        except (EOFError, ConnectionResetError):
            return Ended(killed=True, note=note)
        if what == "sleep":
            keeper.sleep(value)
            wire.send((keeper.now, keeper.passed_s))
        elif what == "note":
            note = value
        else:
            return _ended(what, value)


def _ended(what: str, value: Any) -> Ended:
    if what == "ended":
        return Ended(value)
    if what == "invalid":
        found: tuple[Diagnostic, ...] = value
        return Ended(trouble=InvalidInput(found))
    if what == "refused":
        return Ended(trouble=SwitchoverError(*value))
    raise RuntimeError(f"the engine's process met a bug:\n{value}")


def _reap(pid: int) -> None:
    """Its end is waited for; one that still works, because we were interrupted, is ended."""
    if os.waitpid(pid, os.WNOHANG)[0] == 0:
        time.sleep(0)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
