"""The command line as an operator has it: a process of its own or, where no process matters, the same entry point in this one."""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engine.cli.main import run

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 60.0
"""A command that takes longer hangs."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that ended: exit code (negative: killed by that signal), what it wrote to stdout and to stderr."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """All it wrote."""
        return self.out + self.err

    @property
    def json(self) -> Any:
        """Its stdout, which must be one JSON document."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[Any]:
        """Its stdout, which must be JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]

    def must(self, *codes: int) -> Ended:
        """Itself, after making sure that it ended as it should, and in words rather than with a traceback."""
        bug = self._bug() if self.code == 70 and 70 not in codes else ""
        assert self.code in codes, f"exit {self.code}, expected {codes}\n{self.out}\n--- stderr\n{self.err}{bug}"
        assert "Traceback" not in self.text, self.text
        return self

    def _bug(self) -> str:
        """What a command that met a bug wrote down about it."""
        named = re.search(r"\S*switchover-bug-\w+\.txt", self.err)
        return Path(named[0]).read_text(encoding="utf-8") if named else ""


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """What the commands' processes get: no colour, no project but their folder's, nothing of pytest's."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR", "LD_LIBRARY_PATH") if name in os.environ}
    return {**kept, "PYTHONPATH": str(ROOT), **(extra or {})}


def command(arguments: Sequence[object]) -> list[str]:
    """The command line of a ``switchover`` process."""
    return [sys.executable, "-P", "-m", "engine.cli.main", *map(str, arguments)]


def switchover(folder: Path, *arguments: object, env: Mapping[str, str] | None = None, timeout_s: float = TIMEOUT_S) -> Ended:
    """Runs a command in a process of its own, in ``folder``, with nobody at the terminal."""
    done = subprocess.run(
        command(arguments), cwd=folder, env=environment(env), stdin=subprocess.DEVNULL, capture_output=True, text=True,
        timeout=timeout_s, check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


@contextlib.contextmanager
def under_way(folder: Path, *arguments: object, env: Mapping[str, str] | None = None) -> Iterator[subprocess.Popen[str]]:
    """A command while it runs; killed at the end of the block if it still does."""
    with subprocess.Popen(
        command(arguments), cwd=folder, env=environment(env), stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def ended(process: subprocess.Popen[str], timeout_s: float = TIMEOUT_S) -> Ended:
    """Waits for a command under way."""
    out, err = process.communicate(timeout=timeout_s)
    return Ended(process.returncode, out, err)


def in_process(folder: Path, *arguments: object) -> Ended:
    """Runs a command in this process, where importing everything again would only cost time."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    return Ended(code, out.getvalue(), err.getvalue())
