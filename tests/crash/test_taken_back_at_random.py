"""A move that is stopped wherever it happens to be, by kill -9 or by a system that misbehaves, and is then taken back.

Whatever had been done, and however the rollback itself is killed: files, forwardings and caller IDs are as before.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from tests.support.dying import child
from tests.support.moved import MOVE, held, moved_project, put
from tests.support.project import Folder, Lab

FILES = ("805ec0570501.cfg", "64167fc55902.cfg", "64167fc55902-settings.cfg", "cfgc074ad3cc003.xml", "spa887556c9d404.cfg")
FAULTS = (
    ("carrier", "lost_reply", 2), ("carrier", "drop", 2), ("carrier", "status", 3), ("platform", "lost_reply", 2),
    ("platform", "read_only", 6),
)


BOUNDARIES = ("before effect", "after effect", "after commit item_intended", "inside commit item_changed")


def killed_somewhere(folder: Folder, dice: random.Random, *arguments: str) -> None:
    """Runs a command, which ends itself by SIGKILL the n-th time it comes to a boundary, if it comes to it that often.

    Counted and not timed: how far a process gets in a second says more about the machine than about the engine.
    """
    child(folder, dice.choice(BOUNDARIES), dice.randint(1, 11), *arguments).must(0, 5, 7, -9)


def stopped_somewhere(folder: Folder, lab: Lab, dice: random.Random) -> None:
    """Begins the move; something ends it, or it ends."""
    if dice.random() < 0.5:
        server, fault, count = dice.choice(FAULTS)
        lab.fault(server, fault, count=count, value=503 if fault == "status" else None)
    killed_somewhere(folder, dice, "apply", *MOVE, "--yes")
    lab.heal()
    if dice.random() < 0.3:
        killed_somewhere(folder, dice, "resume")


def taken_back(folder: Folder, dice: random.Random) -> None:
    """Rolls the run back, killed on the way more often than not, and takes that up until it has ended."""
    (run,) = folder.runs()
    killed_somewhere(folder, dice, "rollback", run, "--yes")
    if len(folder.runs()) > 1:
        folder.run("resume").must(0)
    folder.run("rollback", run, "--yes").must(0)


@pytest.mark.parametrize("seed", range(8))
def test_a_move_stopped_at_random_and_taken_back_leaves_everything_as_it_was(tmp_path: Path, lab: Lab, seed: int) -> None:
    lab.reset()
    dice = random.Random(seed)
    for name in dice.sample(FILES, dice.randint(0, len(FILES))):
        put(lab, name, f"# before {dice.random()}\n")
    folder = moved_project(tmp_path / "project", lab)
    before = held(lab)

    stopped_somewhere(folder, lab, dice)
    taken_back(folder, dice)

    assert held(lab) == before
    folder.verify()
    assert "Nothing to roll back" in folder.quick("rollback", folder.runs()[-1], "--yes").must(0).err
