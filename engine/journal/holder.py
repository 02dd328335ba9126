"""Is the process that holds a lease still there?

A pid alone cannot tell: it is reused, soonest after a reboot. So a lease also keeps which boot of the machine, and when in
it, the process started; Linux tells both under ``/proc``. Elsewhere the pid has to do.
"""

from __future__ import annotations

import os
import socket
from pathlib import Path

from engine.model.errors import LockHeld
from engine.ports import Lease

_START_TIME = 19
"""Index of ``starttime`` in /proc/PID/stat counted from the field after the command's name: proc(5), field 22."""


def process_identity(pid: int) -> str:
    """``boot/start`` of a live process; empty when it is gone or the system does not tell."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    # The name stands in brackets and may itself hold brackets and spaces.
    return f"{boot}/{stat.rpartition(')')[2].split()[_START_TIME]}"


def is_dead(lease: Lease, identity: str) -> bool:
    """Whether the holder is known to be gone. ``identity``: its ``process_identity`` when it took the lease."""
    if lease.host != socket.gethostname() and not _same_boot(identity):
        return False
    if identity:
        return process_identity(lease.pid) != identity
    try:
        os.kill(lease.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # it lives, as somebody else
        return False
    return False


def _same_boot(identity: str) -> bool:
    """A machine may change its name, a laptop with every network; its boot stays what it was."""
    boot = identity.partition("/")[0]
    return bool(boot) and process_identity(os.getpid()).startswith(f"{boot}/")


def held(lease: Lease, identity: str) -> LockHeld:
    """Says who stands in the way and what to do."""
    here = lease.host == socket.gethostname() or _same_boot(identity)
    who = f"{lease.actor} has been working on {lease.scope} since {lease.since:%Y-%m-%d %H:%M %Z}".rstrip()
    where = f"run {lease.run}, process {lease.pid} on {lease.host}"
    if here:
        advice = (
            f"Wait for it to end ('switchover status {lease.run}' shows how far it is), or stop it with Ctrl-C where it runs"
        )
    else:
        advice = (
            f"Whether that process still lives can only be told on {lease.host}: stop it there, or run "
            f"'switchover resume {lease.run}' there, which takes over from a process that died"
        )
    return LockHeld("Another run is working on this customer", f"{who} ({where}). {advice}")


def is_same(one: Lease, other: Lease) -> bool:
    """Whether two leases are the same run in the same process: a lease may be taken twice by its own holder."""
    return (one.scope, one.run, one.host, one.pid) == (other.scope, other.run, other.host, other.pid)


def refuse_living(present: Lease, identity: str, wanted: Lease) -> None:
    """Raises ``LockHeld`` unless ``present`` is the same holder, or dead."""
    if not is_same(present, wanted) and not is_dead(present, identity):
        raise held(present, identity)
