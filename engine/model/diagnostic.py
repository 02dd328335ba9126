"""Problems in what a person wrote, as data: collected, sorted, and shown together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

from engine.model.errors import SwitchoverError
from engine.model.source import Span
from engine.model.values import dataclass


class Severity(Enum):
    """An error stops the command; a warning does not."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One problem.

    ``summary`` is short and the same for every problem of its kind; ``detail`` says what is wrong here, why, and what to do,
    in sentences; ``line`` is the offending line itself; ``hint`` is a "did you mean".
    """

    summary: str
    detail: str
    span: Span | None = None
    line: str = ""
    hint: str = ""
    severity: Severity = Severity.ERROR

    @property
    def is_error(self) -> bool:
        return self.severity is Severity.ERROR


def in_order(diagnostics: Iterable[Diagnostic]) -> list[Diagnostic]:
    """Sorted by file and position, duplicates removed; those without a position come first."""
    unique = dict.fromkeys(diagnostics)
    return sorted(unique, key=lambda d: (d.span is not None, d.span or Span("", 0, 0), d.summary))


class InvalidInput(SwitchoverError):
    """Raised when what a person wrote has errors; carries every diagnostic, warnings too."""

    exit_code = 3

    def __init__(self, diagnostics: Sequence[Diagnostic]) -> None:
        self.diagnostics = tuple(in_order(diagnostics))
        errors = sum(d.is_error for d in self.diagnostics)
        super().__init__(f"{errors} problem{'s' if errors != 1 else ''} found")
