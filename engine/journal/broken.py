"""What SQLite says when a journal cannot be used, in words that tell an operator what to do."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from engine.model.errors import JournalBroken


def worded(error: sqlite3.Error, path: Path) -> JournalBroken:
    """The error for whatever SQLite raised."""
    name = str(getattr(error, "sqlite_errorname", ""))
    for prefix, (summary, advice) in _KNOWN.items():
        if name.startswith(prefix):
            return JournalBroken(summary, f"{path}: {error}. {advice}")
    return JournalBroken("The journal cannot be used", f"{path}: {error}. Look at the disk and the file's owner and mode")


_STOPPED = "Nothing more was started. What was running may have ended without a record"
_THEN = "Then, if 'switchover status' names a run that had begun, 'switchover resume' it; else give the same command again"
_RESTORE = (
    "The file is damaged or was cut short. Restore it from a backup; without one, move it away and make a new plan, "
    "which reads the systems as they are"
)
_TWO = (
    "Another process added events to this run while this one was at work, so this one stopped. "
    "'switchover status' shows how the run stands"
)
_KNOWN: dict[str, tuple[str, str]] = {
    "SQLITE_FULL": (
        "The disk is full",
        f"{_STOPPED}. Make room on that disk. {_THEN}: it looks at each item before it goes on",
    ),
    "SQLITE_IOERR": (
        "The journal cannot be written",
        f"{_STOPPED}. Check the disk for errors, quotas and free space. {_THEN}",
    ),
    "SQLITE_READONLY": (
        "The journal is read-only",
        "Nothing is changed on any system without a record of it. Give yourself write access to the file and its folder",
    ),
    "SQLITE_CANTOPEN": (
        "The journal cannot be opened",
        "Check that its folder exists, and that you may read and write in it: beside the file SQLite keeps two more",
    ),
    "SQLITE_PERM": ("The journal cannot be opened", "Check the file's owner and mode"),
    "SQLITE_BUSY": (
        "The journal is locked",
        "Another process has been writing to it for longer than we waited. See which with 'fuser' on the file, then try again",
    ),
    "SQLITE_NOTADB": ("This is not a journal", _RESTORE),
    "SQLITE_CORRUPT": ("The journal is damaged", _RESTORE),
    "SQLITE_CONSTRAINT": ("Two processes write the same run", _TWO),
}


def two_at_work(path: Path) -> JournalBroken:
    """Somebody else went on with the run."""
    return JournalBroken("Two processes write the same run", f"{path}: {_TWO}")


def foreign(path: Path, why: str) -> JournalBroken:
    """A file that is something else."""
    return JournalBroken("This is not a journal", f"{path}: {why}. Name another file, or move this one away")


def emptied(path: Path) -> JournalBroken:
    """A journal is never empty: it is put in place complete."""
    return JournalBroken("The journal is empty", f"{path} has no content at all. {_RESTORE}")


def newer(path: Path, found: int, known: int) -> JournalBroken:
    """A later version changed the tables."""
    return JournalBroken(
        "The journal was written by a newer switchover",
        f"{path}: its tables have version {found}, this program knows up to {known}. Use the newer program",
    )


def unreachable(path: Path, error: OSError) -> JournalBroken:
    """The system does not let us at the file or its folder."""
    return JournalBroken(
        "The journal cannot be reached",
        f"{path}: {error.strerror or error}. Nothing is changed on any system without a record of it. "
        "Give yourself write access to that folder, or name another",
    )


def absent(path: Path) -> JournalBroken:
    """There is nothing to read yet."""
    return JournalBroken("There is no journal yet", f"{path} does not exist. It is made by the first 'switchover apply'")
