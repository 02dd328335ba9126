"""At a terminal: the plan is shown, somebody is asked, and only the whole word agrees."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.cli import command, environment
from tests.support.project import NAMED, RUNBOOK, Folder, inodes, project_at, served_here

PHONES = (*NAMED, "--limit", "phones/config")
PATIENCE_S = 30.0


@dataclass
class Terminal:
    """A command with a terminal on all three streams."""

    process: subprocess.Popen[bytes]
    master: int
    shown: str = field(default="")

    def until(self, word: str) -> None:
        """Reads what it shows until ``word`` stands there."""
        until = time.monotonic() + PATIENCE_S
        while word not in self.shown:
            assert time.monotonic() < until, self.shown
            if not self._read():
                pytest.fail(f"it ended without {word!r}:\n{self.shown}")

    def type(self, text: str) -> None:
        os.write(self.master, text.encode())

    def ended(self) -> int:
        """Reads to the end; the exit code."""
        while self._read():
            pass
        return self.process.wait(PATIENCE_S)

    def _read(self) -> bool:
        ready, _, _ = select.select([self.master], [], [], PATIENCE_S)
        assert ready, f"nothing more came:\n{self.shown}"
        try:
            data = os.read(self.master, 65536)
        except OSError:  # Linux says EIO when the other side is closed
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)


@contextlib.contextmanager
def terminal(folder: Folder, *arguments: object, **extra: str) -> Iterator[Terminal]:
    """A command as if typed; killed at the end of the block if it still runs. ``extra``: environment variables."""
    master, slave = pty.openpty()
    env = environment({"TERM": "xterm-256color", "COLUMNS": "120", "LINES": "40", **extra})
    try:
        with subprocess.Popen(command(arguments), cwd=folder.root, env=env, stdin=slave, stdout=slave, stderr=slave) as process:
            os.close(slave)
            try:
                yield Terminal(process, master)
            finally:
                if process.poll() is None:
                    process.kill()
    finally:
        os.close(master)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = project_at(tmp_path / "project")
    served_here(folder, tmp_path / "served")
    return folder


def plain(text: str) -> str:
    """Without colours and cursor movements."""
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text)


@pytest.mark.parametrize("answer", ["no", "y", "", "YES"])
def test_anything_but_yes_applies_nothing(folder: Folder, tmp_path: Path, answer: str) -> None:
    with terminal(folder, "apply", *PHONES) as at:
        at.until("Only 'yes' will do")
        at.type(f"{answer}\n")
        assert at.ended() == 0
    shown = plain(at.shown)
    assert "5 to change\r\nApply this to Kestrel Optical? Only 'yes'" in shown
    assert "805ec0570501.cfg" in shown
    assert "Nothing was applied" in shown
    assert inodes(tmp_path / "served") == {}
    assert folder.runs() == []


def test_ctrl_c_at_the_question_applies_nothing(folder: Folder, tmp_path: Path) -> None:
    with terminal(folder, "apply", *PHONES) as at:
        at.until("Only 'yes' will do")
        at.process.send_signal(2)
        assert at.ended() == 130
    assert inodes(tmp_path / "served") == {}
    assert folder.runs() == []


def test_yes_applies_what_was_shown_with_live_progress(folder: Folder, tmp_path: Path) -> None:
    with terminal(folder, "apply", *PHONES) as at:
        at.until("Only 'yes' will do")
        at.type("yes\n")
        assert at.ended() == 0
    assert "\x1b[" in at.shown
    assert "succeeded" in plain(at.shown)
    assert len(inodes(tmp_path / "served")) == 6
    assert at.shown.count("\x1b[?25l") == at.shown.count("\x1b[?25h"), "the cursor stayed hidden"


def test_a_secret_input_is_asked_for_and_never_shown(folder: Folder, tmp_path: Path) -> None:
    """Neither while it is typed nor in the plan, which holds that it was asked for."""
    folder.edit(RUNBOOK, "inputs:\n", "inputs:\n  gate: {type: secret, required: true}\n")
    folder.edit(RUNBOOK, "{{ customer.title }}: your", "{{ inputs.gate }}: your")
    with terminal(folder, "plan", *NAMED, "--limit", "announce", "--out", "c.plan", KESTREL_MAIL_PASSWORD="x") as at:
        at.until("not shown while you type")
        at.type("hunter2-typed\n")
        assert at.ended() == 0
    written = (folder.root / "c.plan").read_text(encoding="utf-8")
    assert "***: your phones move now" in plain(at.shown) and "ask:gate" in written
    assert "hunter2" not in at.shown + written
    nobody = folder.run("apply", "c.plan", env={"KESTREL_MAIL_PASSWORD": "x"}).must(3).err
    assert "Nobody is at the terminal" in nobody and "--set gate=env:NAME" in nobody


def test_a_long_error_is_broken_at_the_terminals_width(folder: Folder) -> None:
    """Nowhere else: in a log its sentence is searched for."""
    with terminal(folder, "resume", "nobody", COLUMNS="48") as narrow:
        assert narrow.ended() == 1
    with terminal(folder, "validate", "runbooks/nothing.yml", COLUMNS="48") as other:
        assert other.ended() in (1, 3)
    for shown in (narrow.shown, other.shown):
        detail = [line for line in plain(shown).splitlines() if line.startswith("  ")]
        assert detail
        assert max(map(len, detail)) <= 48, shown


def test_no_color_is_heeded_at_a_terminal(folder: Folder) -> None:
    with terminal(folder, "plan", *PHONES) as colored:
        assert colored.ended() == 0
    with terminal(folder, "plan", *PHONES, NO_COLOR="1") as bare:
        assert bare.ended() == 0
    assert "\x1b[" in colored.shown
    assert "\x1b[" not in bare.shown
