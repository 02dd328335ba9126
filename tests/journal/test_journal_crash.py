"""kill -9 at any instant: what was flushed is there, the chain is whole, and the next process goes on."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from engine.journal.sqlite import SqliteJournal
from engine.model.event import Event, ItemChanged, ItemIntended, ItemUnchanged
from tests.support.journals import SteppingClock

CHILD = Path(__file__).with_name("appending_child.py")


def killed_after(path: Path, lines: int) -> list[str]:
    """Starts the child, kills it once it has printed ``lines`` addresses, and returns all it managed to print."""
    with subprocess.Popen(
        [sys.executable, str(CHILD), str(path)], stdout=subprocess.PIPE, text=True, cwd=CHILD.parents[2],
        env={"PYTHONPATH": str(CHILD.parents[2]), "PATH": ""},
    ) as process:
        assert process.stdout is not None
        printed = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        printed += process.stdout.readlines()
    return [line.strip() for line in printed if line.endswith("\n")]


@pytest.mark.parametrize("round_", range(4))
def test_every_flushed_event_survives_kill_9(path: Path, clock: SteppingClock, round_: int) -> None:
    """Killed several times over in the same run, at moments nobody chose."""
    promised: list[str] = []
    dice = random.Random(round_)
    for n in range(2):
        promised += [f"{n}:{address}" for address in killed_after(path, dice.randrange(1, 150))]
        journal = SqliteJournal(path, clock)
        events = [record.event for record in journal.read("r")]
        journal.flush(journal.append("r", [ItemUnchanged(f"p/resumed[{n}]")]))
        assert journal.verify("r").seq == len(events) + 1
        journal.close()
        sessions = _by_session(events)
        assert len(sessions) == n + 1
        for promise in promised:
            session, _, address = promise.partition(":")
            assert sessions[int(session)][address] == [ItemIntended, ItemChanged]


def _by_session(events: list[Event]) -> list[dict[str, list[type]]]:
    sessions: list[dict[str, list[type]]] = [{}]
    for event in events:
        if isinstance(event, ItemUnchanged):
            sessions.append({})
        elif isinstance(event, ItemIntended | ItemChanged):
            sessions[-1].setdefault(event.address, []).append(type(event))
    return sessions
