"""Files that hold a secret in the clear must not be open to every user of the machine."""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path

ALLOW = "SWITCHOVER_OPEN_SECRETS"
"""Environment variable; ``allow``: files that everybody may read are used all the same."""


def refuse_open_file(path: Path, environ: Mapping[str, str]) -> None:
    """Raises ``LookupError`` for a file that any user may read or write, with the command that closes it.

    Only what others can reach counts: a file in a folder that lets nobody else pass is closed, whatever its own mode. A group
    that may read is somebody's decision, since no usual umask gives that alone. Root's files are root's to decide on, unless it
    is root who asks. What others may write is refused always: they would choose the secret.
    """
    try:
        found = path.stat()
    except OSError:
        return  # reading it says so better
    if not found.st_mode & (stat.S_IROTH | stat.S_IWOTH) or not _others_pass(path):
        return
    mode = stat.S_IMODE(found.st_mode)
    if mode & stat.S_IWOTH:
        raise LookupError(
            f"Every user of this machine may write {path} (mode {mode:04o}). Close it, and check it: chmod 600 {path}"
        )
    if environ.get(ALLOW) == "allow" or (found.st_uid == 0 and os.geteuid() != 0):
        return
    raise LookupError(
        f"Every user of this machine may read {path} (mode {mode:04o}). Close it: chmod 600 {path}. Where it has to stay open, "
        f"as what is mounted into a container may, set {ALLOW}=allow."
    )


def _others_pass(path: Path) -> bool:
    """Whether every folder above lets any user through."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.resolve().parents)
