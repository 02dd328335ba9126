"""A whole cutover killed with -9 again and again, at instants nobody chose: phones, numbers and mail against the lab.

Each round of a run goes on until it is killed or ends; what a mail's fate was after a kill is answered the way an operator
answers it, by looking at the mail server.
"""

from __future__ import annotations

import random
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from engine.model.run import ItemStatus, RunStatus
from tests.support.cli import Ended, ended, under_way
from tests.support.project import NAMED, RUNBOOK, Folder, Lab, project_at, statuses

KILLS = 4
MACS = ("805ec0570501", "64167fc55902", "c074ad3cc003", "887556c9d404", "000413cc2805")
NUMBERS = tuple(f"+1212555011{n}" for n in (1, 2, 3))


def killed_after(folder: Folder, seconds: float, *arguments: str) -> Ended | None:
    """Runs a command for so long; None when it had to be killed."""
    with under_way(folder.root, *arguments) as process:
        try:
            return ended(process, seconds)
        except subprocess.TimeoutExpired:
            process.kill()
    return None


def answers(folder: Folder, lab: Lab) -> list[str]:
    """For every mail in doubt, what the mail server shows."""
    arrived = [str(mail["Subject"]) for mail in lab.mails()]
    words = {"announce/notify-partner": "your phones move now", "report/notify-result": "cutover done"}
    given: list[str] = []
    for address, item in folder.fold().items.items():
        if item.status is ItemStatus.IN_DOUBT:
            given += ["--done" if any(words[address] in subject for subject in arrived) else "--again", address]
    return given


def gone_on(folder: Folder, lab: Lab) -> None:
    """Resumes until the run has ended, answering what it asks."""
    for _ in range(3):
        done = folder.run("resume", *answers(folder, lab)).must(0, 6)
        if done.code == 0:
            return
    pytest.fail(f"it still waits: {folder.fold()}")


@pytest.mark.parametrize("seed", range(3))
def test_a_cutover_killed_at_random_ends_as_if_nothing_had_happened(tmp_path: Path, lab: Lab, seed: int) -> None:
    lab.reset()
    dice = random.Random(seed)
    folder = project_at(tmp_path / "project", lab=lab)
    folder.edit(RUNBOOK, "settle: 4s", "settle: 2s")
    folder.plan()
    command = ["apply", "c.plan"]
    for _ in range(KILLS):
        done = killed_after(folder, dice.uniform(0.3, 1.6), *command)
        if done is not None and done.must(0, 6).code == 0:
            break
        if folder.runs():
            command = ["resume", *answers(folder, lab)]
    if not folder.runs():
        folder.run("apply", "c.plan").must(0)
    gone_on(folder, lab)
    all_happened_once(lab)
    as_undisturbed(folder)


def all_happened_once(lab: Lab) -> None:
    """Counted by the systems themselves."""
    assert set(lab.files_written().values()) == {1}
    assert len(lab.files_written()) == 6
    assert set(lab.patches().values()) == {1}
    assert len(lab.patches()) == 6
    mails = Counter(str(mail["Message-ID"]) for mail in lab.mails())
    assert list(mails.values()) == [1, 1]
    heard = Counter(entry["to"] for entry in lab.requests("phones"))
    assert set(heard) == {"501", "502", "503", "504", "505"}


def as_undisturbed(folder: Folder) -> None:
    folder.verify()
    state = folder.fold()
    assert state.status is RunStatus.SUCCEEDED
    expected = {
        **{f"phones/config[{mac}]": "changed" for mac in MACS},
        **{f"phones/resync[{mac}]": "changed" for mac in MACS},
        **{f"phones/registered[{mac}]": "proved" for mac in MACS},
        **{f"numbers/{step}[{number}]": "changed" for step in ("forward", "caller-id") for number in NUMBERS},
        "announce/notify-partner": "ran", "report/notify-result": "ran",
    }
    assert statuses(state) == expected
    folder.quick("plan", *NAMED, "--lab", "--detailed-exitcode").must(0)
    assert "applied already" in folder.quick("apply", "c.plan").must(4).err
