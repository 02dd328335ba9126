"""Where things stand in the files people edit.

Positions live beside the data, never on it: a value stays a plain ``str`` or ``int`` and its position is looked up by its
path in the document. The table is built on first use, because a run without an error never needs one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field

from engine.model.values import dataclass

DataPath = tuple[str | int, ...]
"""Keys and indexes from the root of a document to a value."""


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A place in a file; line and column count from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


Positions = Mapping[DataPath, tuple[Span | None, Span]]
"""Path -> (where its key stands, where its value stands); the root and list entries have no key."""


@dataclass(slots=True)
class SourceMap:
    """Positions in one document, computed on first use from the text by ``locate``."""

    file: str
    text: str
    locate: Callable[[], Positions]
    _positions: Positions | None = field(default=None, repr=False)

    def value(self, path: DataPath) -> Span:
        """The position of the value at ``path``, or of its nearest ancestor that stands in the file."""
        return self._nearest(path)[1]

    def key(self, path: DataPath) -> Span:
        """The position of the key that ends ``path``; the value's own where there is no key."""
        key, value = self._nearest(path)
        return key or value

    def has(self, path: DataPath) -> bool:
        """Whether something was written at exactly this path; False for what the reader filled in."""
        if self._positions is None:
            self._positions = self.locate()
        return self._positions.get(path) is not None

    def at(self, line: int, column: int) -> DataPath:
        """The path of what stands at a place: that which begins last before it, key or value; empty above everything."""
        if self._positions is None:
            self._positions = self.locate()
        begin = [(span, path) for path, found in self._positions.items() for span in found if span is not None]
        before = [(span.line, span.column, len(path), path) for span, path in begin if (span.line, span.column) <= (line, column)]
        return max(before, key=lambda entry: entry[:3])[3] if before else ()

    def line(self, number: int) -> str:
        """The text of line ``number`` (from 1), without its line end; empty when there is none."""
        lines = self.text.splitlines()
        return lines[number - 1] if 0 < number <= len(lines) else ""

    def _nearest(self, path: DataPath) -> tuple[Span | None, Span]:
        if self._positions is None:
            self._positions = self.locate()
        for length in range(len(path), -1, -1):
            found = self._positions.get(path[:length])
            if found is not None:
                return found
        return None, Span(self.file, 1, 1)


@dataclass(frozen=True, slots=True)
class Document:
    """A file that was read: its plain data and where each part of it stands."""

    data: object
    source: SourceMap
