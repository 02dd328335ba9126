"""What a run finds around it that stands in no file: the time, the machine, who is at it, chance.

For the real thing all of it is the machine's own. A rehearsal in virtual time puts its own in the place of each, so that the same
seed gives the same journal.
"""

from __future__ import annotations

import os
import random
import socket
from collections.abc import Callable
from pathlib import Path

from engine.execution.stop import Stop
from engine.journal.sqlite import SqliteJournal
from engine.model.values import dataclass
from engine.planning.patience import Jitter, Patient, Waiting
from engine.ports import Clock
from engine.wiring.clock import SystemClock
from engine.wiring.journals import actor, sqlite_journal


@dataclass(frozen=True, slots=True)
class Surroundings:
    """``host`` and ``pid`` are those that are journalled; the lease always names the real ones, for it has to tell the dead."""

    clock: Callable[[Stop], Clock] = SystemClock
    journal: Callable[[Path, Clock, bool], SqliteJournal] = sqlite_journal
    """Opens the one in a file; the flag: only to read."""
    actor: Callable[[], str] = actor
    host: Callable[[], str] = socket.gethostname
    pid: Callable[[], int] = os.getpid
    patient: Patient = Waiting
    jitter: Jitter = random.random
    in_turn: bool = False
    """One lane after another, never two at once."""


MACHINE = Surroundings()
"""The machine as it is."""
