"""Failures that know their exit code or their retry class, so that no caller keeps a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar


class SwitchoverError(Exception):
    """A failure an operator can cause or meet. ``summary`` is fixed and short, ``detail`` says why and what to do."""

    exit_code: ClassVar[int] = 1

    def __init__(self, summary: str, detail: str = "") -> None:
        super().__init__(summary)
        self.summary = summary
        self.detail = detail

    def __str__(self) -> str:
        return f"{self.summary}. {self.detail}" if self.detail else self.summary


class StalePlan(SwitchoverError):
    """The plan no longer matches the runbook, the inventory or its own digest, or was applied before."""

    exit_code = 4


class LockHeld(SwitchoverError):
    """Another run holds this customer's lease."""

    exit_code = 4


class WindowShut(SwitchoverError):
    """The runbook's window does not admit the start of work now."""

    exit_code = 6


class JournalBroken(SwitchoverError):
    """The journal cannot be read or written: cut short, edited, read-only or on a full disk."""


class ActionFailure(Exception):
    """What an action or transport raises when the other side did not do as asked. ``why`` is shown to the operator."""

    retryable: ClassVar[bool]

    def __init__(self, why: str) -> None:
        super().__init__(why)
        self.why = why


class Temporary(ActionFailure):
    """Trying again later may work.

    ``wait_s``: seconds the other side asked to wait, when it said so. ``nothing_done``: True when the failure came before
    anything could have happened over there (no connection), so that even a bare command may simply be tried again.
    """

    retryable = True

    def __init__(self, why: str, wait_s: float | None = None, *, nothing_done: bool = False) -> None:
        super().__init__(why)
        self.wait_s = wait_s
        self.nothing_done = nothing_done


class Permanent(ActionFailure):
    """Trying again will not help: a person has to change something first."""

    retryable = False


class WriteRefused(Permanent):
    """A session opened read-only was asked to write. The engine refuses before a byte leaves the machine."""


class ChangedSince(Permanent):
    """What is to be taken back is no longer as the run left it: somebody changed it since, so it is left alone."""


class InDoubt(Permanent):
    """The effect may or may not have happened and cannot be read back. ``why`` says where a person can look."""


_MASK = "masked_by"


def masked_by(error: Exception, redact: Callable[[str], str]) -> None:
    """Notes on an error how to mask what is written about it, for where nothing is known of secrets any more."""
    error.__dict__[_MASK] = redact


def masked(error: Exception, text: str) -> str:
    """A text about an error, masked as was noted on it."""
    redact: Callable[[str], str] = error.__dict__.get(_MASK, str)
    return redact(text)
