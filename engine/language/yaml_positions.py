"""Where every key and value of a YAML text stands, and how each scalar was written.

Walks the text a second time, and only when somebody asks: the first thing that asks is an error.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from yaml._yaml import CParser
from yaml.error import YAMLError
from yaml.events import MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent, SequenceStartEvent

from engine.model.source import DataPath, Positions, SourceMap, Span


@dataclass(frozen=True, slots=True)
class WrittenScalar:
    """A scalar as it stands in the file. ``style``: '' plain, ``'``, ``"``, ``|`` or ``>``; lines count from 1."""

    text: str
    style: str
    first_line: int
    last_line: int


@dataclass(slots=True)
class YamlPositions:
    """Call it for the positions of a document that has been read without errors."""

    text: str
    file: str
    _walked: bool = field(default=False, repr=False)
    _positions: dict[DataPath, tuple[Span | None, Span]] = field(default_factory=dict, repr=False)
    _scalars: dict[DataPath, WrittenScalar] = field(default_factory=dict, repr=False)

    def __call__(self) -> Positions:
        if not self._walked:
            self._walked = True
            self._walk()
        return self._positions

    def scalar(self, path: DataPath) -> WrittenScalar | None:
        """How the scalar at ``path`` was written; None when another thing, or an alias, stands there."""
        self()
        return self._scalars.get(path)

    def _walk(self) -> None:
        parser: Any = CParser(self.text)
        try:
            parser.get_event()
            parser.get_event()
            self._node(parser.get_event, parser.get_event(), (), None)
        except YAMLError:
            # What stands before the error is known, and that is what a diagnostic can point at.
            return

    def _node(self, get: Any, event: Any, path: DataPath, key: Span | None) -> None:
        self._positions.setdefault(path, (key, self._span(event)))
        kind = type(event)
        if kind is ScalarEvent:
            start, end = event.start_mark.line + 1, event.end_mark.line + 1
            self._scalars.setdefault(path, WrittenScalar(event.value, event.style or "", start, end))
        elif kind is SequenceStartEvent:
            index = 0
            while type(entry := get()) is not SequenceEndEvent:
                self._node(get, entry, (*path, index), None)
                index += 1
        elif kind is MappingStartEvent:
            while type(name := get()) is not MappingEndEvent:
                self._node(get, get(), (*path, getattr(name, "value", "")), self._span(name))

    def _span(self, event: Any) -> Span:
        return Span(self.file, event.start_mark.line + 1, event.start_mark.column + 1)


def written_in(source: SourceMap, path: DataPath) -> str | None:
    """The text of the scalar at ``path`` as it stands in a YAML file; None when none stands there."""
    scalar = source.locate.scalar(path) if isinstance(source.locate, YamlPositions) else None
    return None if scalar is None else scalar.text
