"""Where every key and value of a YAML text stands, and how each scalar was written.

Walks the text a second time, and only when somebody asks: the first thing that asks is an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from typing import Any

from yaml._yaml import CParser
from yaml.error import YAMLError
from yaml.events import MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent, SequenceStartEvent

from engine.model.source import DataPath, Positions, SourceMap, Span
from engine.model.values import dataclass


@dataclass(frozen=True, slots=True)
class WrittenScalar:
    """A scalar as it stands in the file. ``style``: '' plain, ``'``, ``"``, ``|`` or ``>``; lines count from 1."""

    text: str
    style: str
    first_line: int
    last_line: int


@dataclass(slots=True)
class YamlPositions:
    """Call it for the positions of a document that has been read without errors.

    The walk goes only as far as what was asked for: a warning about the first of 50,000 items must not cost what reading
    all of them does, nor keep a position for every word of them.
    """

    text: str
    file: str
    _positions: dict[DataPath, tuple[Span | None, Span]] = field(default_factory=dict, repr=False)
    _scalars: dict[DataPath, WrittenScalar] = field(default_factory=dict, repr=False)
    _ahead: Iterator[None] | None = field(default=None, repr=False)

    def __call__(self) -> Positions:
        return _Positions(self)

    def find(self, path: DataPath) -> tuple[Span | None, Span] | None:
        """The positions of key and value at ``path``; None when nothing stands there."""
        while path not in self._positions and self._step():
            pass
        return self._positions.get(path)

    def scalar(self, path: DataPath) -> WrittenScalar | None:
        """How the scalar at ``path`` was written; None when another thing, or an alias, stands there."""
        self.find(path)
        return self._scalars.get(path)

    def all(self) -> Positions:
        """Positions of everything."""
        while self._step():
            pass
        return self._positions

    def _step(self) -> bool:
        """Walks on by one value; whether there was one."""
        if self._ahead is None:
            self._ahead = self._walk()
        return next(self._ahead, _END) is not _END

    def _walk(self) -> Iterator[None]:
        parser: Any = CParser(self.text)
        try:
            parser.get_event()
            parser.get_event()
            yield from self._node(parser.get_event, parser.get_event(), (), None)
        except YAMLError:
            # What stands before the error is known, and that is what a diagnostic can point at.
            return

    def _node(self, get: Any, event: Any, path: DataPath, key: Span | None) -> Iterator[None]:
        self._positions.setdefault(path, (key, self._span(event)))
        kind = type(event)
        if kind is ScalarEvent:
            start, end = event.start_mark.line + 1, event.end_mark.line + 1
            self._scalars.setdefault(path, WrittenScalar(event.value, event.style or "", start, end))
        yield
        if kind is SequenceStartEvent:
            index = 0
            while type(entry := get()) is not SequenceEndEvent:
                yield from self._node(get, entry, (*path, index), None)
                index += 1
        elif kind is MappingStartEvent:
            while type(name := get()) is not MappingEndEvent:
                yield from self._node(get, get(), (*path, getattr(name, "value", "")), self._span(name))

    def _span(self, event: Any) -> Span:
        return Span(self.file, event.start_mark.line + 1, event.start_mark.column + 1)


_END = object()


class _Positions(Mapping[DataPath, tuple[Span | None, Span]]):
    """A document's positions by path, found when asked for."""

    def __init__(self, positions: YamlPositions) -> None:
        self._positions = positions

    def __getitem__(self, path: DataPath) -> tuple[Span | None, Span]:
        found = self._positions.find(path)
        if found is None:
            raise KeyError(path)
        return found

    def __iter__(self) -> Iterator[DataPath]:
        return iter(self._positions.all())

    def __len__(self) -> int:
        return len(self._positions.all())


def written_in(source: SourceMap, path: DataPath) -> str | None:
    """The text of the scalar at ``path`` as it stands in a YAML file; None when none stands there."""
    scalar = source.locate.scalar(path) if isinstance(source.locate, YamlPositions) else None
    return None if scalar is None else scalar.text
