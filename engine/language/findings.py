"""Collects the problems of an inventory while it is read on, so that all of them are shown at once.

A file of 50,000 rows with a wrong column would bury its operator: past ``SHOWN`` problems of a kind in a file the rest are
counted. Lines are shown with their secrets masked, since a bad MAC often stands beside a password.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import field

from engine.language.secret_names import masked_line
from engine.model.diagnostic import Diagnostic, Severity
from engine.model.source import DataPath, Document, SourceMap, Span
from engine.model.values import dataclass

SHOWN = 50
"""Problems of one kind shown for one file."""


@dataclass(slots=True)
class Findings:
    """Problems found so far, in the order they were found."""

    _found: list[Diagnostic] = field(default_factory=list)
    _counts: Counter[tuple[str, str, Severity]] = field(default_factory=Counter)

    def add(
        self,
        document: Document,
        path: DataPath,
        summary: str,
        detail: str,
        *,
        hint: str = "",
        at_key: bool = False,
        severity: Severity = Severity.ERROR,
    ) -> None:
        """Notes a problem with what stands at ``path``; ``at_key`` points at its name instead of its value."""
        if not self._wanted(document.source.file, summary, severity):
            return
        span = document.source.key(path) if at_key else document.source.value(path)
        line = masked_line(document.source.line(span.line), _mapping_around(document.data, path))
        self._found.append(Diagnostic(summary, detail, span, line, hint, severity))

    def warn(self, document: Document, path: DataPath, summary: str, detail: str, *, hint: str = "") -> None:
        """Notes something that does not stop the command."""
        self.add(document, path, summary, detail, hint=hint, severity=Severity.WARNING)

    def extend(self, diagnostics: Iterable[Diagnostic]) -> None:
        """Takes over what another reader found."""
        self._found.extend(diagnostics)

    def place(self, source: SourceMap, span: Span, summary: str, detail: str, *, show_line: bool = True) -> None:
        """Notes a problem at a place that no data path leads to."""
        if self._wanted(span.file, summary, Severity.ERROR):
            self._found.append(Diagnostic(summary, detail, span, source.line(span.line) if show_line else ""))

    def all(self) -> list[Diagnostic]:
        """Everything found, and per kind how many more there were than are shown."""
        return [*self._found, *self._omitted()]

    @property
    def have_errors(self) -> bool:
        return any(found.is_error for found in self._found)

    def _wanted(self, file: str, summary: str, severity: Severity) -> bool:
        kind = (file, summary, severity)
        self._counts[kind] += 1
        return self._counts[kind] <= SHOWN

    def _omitted(self) -> Iterable[Diagnostic]:
        for (file, summary, severity), count in self._counts.items():
            if count > SHOWN:
                detail = f"{count - SHOWN:,} more like this in {file} are not shown. The first {SHOWN} tell what to change."
                yield Diagnostic(summary, detail, Span(file, 1, 1), severity=severity)


def _mapping_around(data: object, path: DataPath) -> dict[object, object]:
    """The innermost mapping that ``path`` leads through: the row or item a problem stands in."""
    around: dict[object, object] = {}
    for step in path:
        if isinstance(data, dict):
            around, data = data, data.get(step)
        elif isinstance(data, list) and isinstance(step, int) and step < len(data):
            data = data[step]
    return data if isinstance(data, dict) else around
