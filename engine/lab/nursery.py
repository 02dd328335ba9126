"""Lab servers forked from a process that has everything imported: a lab in a few hundredths of a second, for rehearsals that
raise many, one after another.

Unlike those of ``switchover lab up`` they end with the process that started them, however it ends.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import runpy
import signal
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path

from engine.lab.control import SERVERS, ServerKind

_PR_SET_PDEATHSIG = 1
_INTERRUPTING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def kinds_for(names: Sequence[str]) -> tuple[ServerKind, ...]:
    """The servers of these names and those they need, in the lab's order."""
    wanted, before = set(names), set[str]()
    while wanted != before:
        before = set(wanted)
        wanted |= {need for kind in SERVERS if kind.name in wanted for need in kind.needs}
    return tuple(kind for kind in SERVERS if kind.name in wanted)


def warm_up(kinds: Sequence[ServerKind]) -> None:
    """Imports what the servers will need, so that each is only forked."""
    for kind in kinds:
        importlib.import_module(kind.module)


def fork_apart(disposition: signal.Handlers) -> int:
    """``os.fork``, with the signals that interrupt held back until it is done: raised inside it, an interruption would be lost.
    ``disposition``: what the child does on them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _INTERRUPTING)
    try:
        pid = os.fork()
        if pid == 0:
            for number in _INTERRUPTING:
                signal.signal(number, disposition)
        return pid
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def forked(kind: ServerKind, folder: Path, port: int) -> int:
    """Starts one server. To be called while this process has a single thread."""
    here = os.getpid()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = fork_apart(signal.SIG_DFL)
    if pid == 0:
        code = 1
        try:
            _settle_in(kind, folder, here)
            code = _serve(kind, folder, port)
        finally:
            os._exit(code)
    return pid


def _settle_in(kind: ServerKind, folder: Path, parent: int) -> None:
    """Cuts the ties to the parent, but for one: when that dies, so does this."""
    os.setsid()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    # Else a pipe of the parent's would never be seen to end. Not closed: what was inherited with them may still write to their
    # numbers, and must not find one of our sockets there.
    for inherited in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if inherited > 2 and inherited != nothing:
            os.dup2(nothing, inherited)
    os.dup2(nothing, 0)
    for number, ending in ((1, "out"), (2, "err")):
        file = os.open(folder / f"{kind.name}.{ending}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(file, number)
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before it could be asked to tell
        os._exit(1)


def _serve(kind: ServerKind, folder: Path, port: int) -> int:
    warnings.simplefilter("ignore")  # it was imported before: that is the point
    sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115  # lives as long as the process
    sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
    sys.argv = [kind.module, "--folder", str(folder), "--seed", str(folder / "seed.json"), "--port", str(port)]
    try:
        runpy.run_module(kind.module, run_name="__main__")
    except SystemExit as ended:
        return int(ended.code or 0) if isinstance(ended.code, int | None) else 1
    return 0
