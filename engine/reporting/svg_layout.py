"""Where everything of a drawn outline stands: boxes and lines in pixels.

Phases go down a column and on at the top of the next, as the columns of a newspaper do: a runbook of sixty steps, each after the
other, would be a strip too narrow to be read on any screen. Lines between neighbours go straight; all others run in the gutters
between the columns, one track for each place they lead to, so that no line crosses a box.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from itertools import pairwise

from engine.model.values import dataclass
from engine.planning.outline import Node, Outline, Part, Section
from engine.reporting.mermaid import FINAL, KIND_WORDS
from engine.reporting.terminal import columns, printable

LINE = 17
"""Height of a line of text."""
WIDTH = 320
"""Of a node."""
_COLUMNS = 40
"""Columns of text in a node."""
_PAD, _INSET, _GAP, _BETWEEN, _TRACK, _MARGIN = 14, 12, 30, 40, 7, 24
_ASPECT = 1.5

Point = tuple[float, float]
Text = tuple[str, str]
"""Its style (``kind``, ``title``, ``says``, ``note``, ``final``) and its words."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle with the lines of text in it. ``shape``: the kind of its node, ``lane`` or ``section``."""

    shape: str
    left: float
    top: float
    width: float
    height: float
    texts: tuple[Text, ...]
    is_final: bool = False

    @property
    def bottom(self) -> float:
        return self.top + self.height

    @property
    def middle(self) -> float:
        return self.left + self.width / 2


@dataclass(frozen=True, slots=True)
class Drawing:
    """All of it, in the order in which it is drawn."""

    width: float
    height: float
    title: str
    subtitle: str
    boxes: tuple[Box, ...]
    lines: tuple[tuple[Point, ...], ...]
    """Each ends with an arrow."""


@dataclass(frozen=True, slots=True)
class _Seat:
    """Where a part belongs, before anything is measured."""

    column: int
    section: int
    row: int
    is_last: bool
    """Whether its row is the last of its section."""

    def is_above(self, other: _Seat) -> bool:
        """Whether a straight line leads from this part to the other without meeting a third."""
        if self.column != other.column:
            return False
        if self.section == other.section:
            return other.row == self.row + 1
        return other.section == self.section + 1 and self.is_last and other.row == 0


@dataclass(frozen=True, slots=True)
class _Placed:
    """A part in its place. ``top`` and ``bottom`` are those of the row it stands in."""

    box: Box
    top: float
    bottom: float


def drawing_of(outline: Outline) -> Drawing:
    """Lays the outline out."""
    columns = _columns(outline.sections)
    width = max(map(_width_of, outline.sections))
    tracks = _Tracks.of(outline, _seats(columns), width)
    boxes: list[Box] = []
    parts: dict[str, _Placed] = {}
    for left, sections in zip(tracks.columns, columns, strict=True):
        top = float(_MARGIN + 3 * LINE + _TRACK * len(tracks.bus))
        for section in sections:
            frame = Box("section", left, top, width, _height_of(section), _heading(section))
            boxes.append(frame)
            _fill(frame, section, boxes, parts)
            top = frame.bottom + _BETWEEN
    lines = [tracks.line(parts, before, part.address) for part, before in _edges(outline)]
    lines += [line for part in outline.parts() for line in _lane_lines(part, parts[part.address].box)]
    height = max(box.bottom for box in boxes) + _MARGIN
    return Drawing(tracks.right + _MARGIN, height, outline.title, outline.size, tuple(boxes), tuple(lines))


def _seats(columns: Sequence[Sequence[Section]]) -> dict[str, _Seat]:
    seats = {}
    number = 0
    for column, sections in enumerate(columns):
        for section in sections:
            rows = section.rows
            for part in section.parts:
                seats[part.address] = _Seat(column, number, part.row, part.row == len(rows) - 1)
            number += 1
    return seats


def _edges(outline: Outline) -> Iterator[tuple[Part, str]]:
    return ((part, before) for part in outline.parts() for before in part.after)


def _columns(sections: Sequence[Section]) -> list[list[Section]]:
    """Sections by column, so many columns that the whole is about as wide as a screen."""
    heights = [_height_of(section) + _BETWEEN for section in sections]
    width = max(_width_of(section) for section in sections) + 2 * _GAP
    count = max(1, min(len(sections), round(math.sqrt(_ASPECT * sum(heights) / width))))
    limit = max(*heights, sum(heights) / count) if count > 1 else math.inf
    columns: list[list[Section]] = [[]]
    filled = 0.0
    for section, height in zip(sections, heights, strict=True):
        if columns[-1] and filled + height / 2 > limit:
            columns.append([])
            filled = 0.0
        columns[-1].append(section)
        filled += height
    return columns


def _heading(section: Section) -> tuple[Text, ...]:
    return tuple(("title", line) for line in _lines(section.title or section.name, _COLUMNS))


def _lines(words: str, room: int) -> list[str]:
    """Broken into lines. A letter as wide as two, such as a Chinese one, counts as two."""
    text = printable(words)
    return textwrap.wrap(text, max(8, room * len(text) // max(columns(text), 1))) or [""]


def _texts(node: Node) -> tuple[Text, ...]:
    kind = KIND_WORDS[node.kind]
    texts: list[Text] = [("kind", kind.upper())] if kind else []
    texts += [("title", line) for line in _lines(node.title, _COLUMNS)]
    texts += [("says", line) for line in _lines(node.says, _COLUMNS)]
    texts += [("note", line) for note in node.notes for line in _lines(note, _COLUMNS)]
    texts += [("final", line) for line in _lines(FINAL, _COLUMNS)] if node.is_final else []
    return tuple(texts)


def _lane_texts(part: Part) -> tuple[Text, ...]:
    name = part.address.partition("/")[2]
    notes = [("note", line) for note in part.notes for line in _lines(note, _COLUMNS + 2)]
    return (("title", f"Each item in a lane: {name}"), *notes)


def _height_of_node(node: Node) -> float:
    return len(_texts(node)) * LINE + 2 * _INSET


def _height_of_part(part: Part) -> float:
    nodes = sum(map(_height_of_node, part.nodes))
    if not part.is_lane:
        return nodes
    return nodes + len(_lane_texts(part)) * LINE + 2 * _INSET + (len(part.nodes) - 1) * _GAP + _INSET


def _width_of_part(part: Part) -> float:
    return WIDTH + 2 * _PAD if part.is_lane else WIDTH


def _width_of(section: Section) -> float:
    rows = (sum(map(_width_of_part, row)) + (len(row) - 1) * _GAP for row in section.rows)
    return max(rows) + 2 * _PAD


def _height_of(section: Section) -> float:
    rows = sum(max(map(_height_of_part, row)) + _GAP for row in section.rows)
    return len(_heading(section)) * LINE + 2 * _INSET + _INSET + rows


def _fill(frame: Box, section: Section, boxes: list[Box], parts: dict[str, _Placed]) -> None:
    """Places what stands in a section, row by row, each row in the middle."""
    top = frame.top + len(frame.texts) * LINE + 3 * _INSET
    for row in section.rows:
        left = frame.middle - (sum(map(_width_of_part, row)) + (len(row) - 1) * _GAP) / 2
        bottom = top + max(map(_height_of_part, row))
        for part in row:
            box = _place(part, left, top, boxes)
            parts[part.address] = _Placed(box, top, bottom)
            left += box.width + _GAP
        top = bottom + _GAP


def _place(part: Part, left: float, top: float, boxes: list[Box]) -> Box:
    if not part.is_lane:
        boxes.append(_node_box(part.nodes[0], left, top))
        return boxes[-1]
    frame = Box("lane", left, top, _width_of_part(part), _height_of_part(part), _lane_texts(part))
    boxes += [frame, *_in_lane(part, frame)]
    return frame


def _in_lane(part: Part, frame: Box) -> Iterator[Box]:
    top = frame.top + len(frame.texts) * LINE + 2 * _INSET
    for node in part.nodes:
        box = _node_box(node, frame.left + _PAD, top)
        yield box
        top = box.bottom + _GAP


def _lane_lines(part: Part, frame: Box) -> Iterator[tuple[Point, ...]]:
    """From each step of a lane to the next."""
    if part.is_lane:
        yield from (((one.middle, one.bottom), (other.middle, other.top)) for one, other in pairwise(_in_lane(part, frame)))


def _node_box(node: Node, left: float, top: float) -> Box:
    return Box(node.kind, left, top, WIDTH, _height_of_node(node), _texts(node), node.is_final)


@dataclass(frozen=True, slots=True)
class _Tracks:
    """Where lines run that lead to no neighbour: in the gutters beside the columns, and in a bus above all of them."""

    seats: Mapping[str, _Seat]
    gutters: tuple[tuple[str, ...], ...]
    """For the gutter left of each column, and that at the right edge, the addresses that its tracks lead to."""
    bus: tuple[str, ...]
    width: float
    columns: list[float] = field(default_factory=list)
    """Left edge of each column."""

    @staticmethod
    def of(outline: Outline, seats: Mapping[str, _Seat], width: float) -> _Tracks:
        """Reserves a track for each place that a line leads to."""
        count = 1 + max(seat.column for seat in seats.values())
        gutters: list[dict[str, None]] = [{} for _ in range(count + 1)]
        bus: dict[str, None] = {}
        for part, before in _edges(outline):
            start, end = seats[before], seats[part.address]
            if start.is_above(end):
                continue
            leaves = _exit(start, end)
            gutters[leaves][part.address] = gutters[end.column][part.address] = None
            if leaves != end.column:
                bus[part.address] = None
        tracks = _Tracks(seats, tuple(map(tuple, gutters)), tuple(bus), width)
        for column in range(count):
            before_it = _MARGIN if column == 0 else tracks.columns[-1] + width
            tracks.columns.append(before_it + tracks._gutter(column))
        return tracks

    @property
    def right(self) -> float:
        return self.columns[-1] + self.width

    def line(self, parts: Mapping[str, _Placed], before: str, after: str) -> tuple[Point, ...]:
        """From the bottom of one part to the top of another."""
        start, end, first, last = self.seats[before], self.seats[after], parts[before], parts[after]
        x1, y1, x2, y2 = first.box.middle, first.box.bottom, last.box.middle, last.box.top
        if start.is_above(end):
            turn = first.bottom + _GAP * 0.6 if start.section == end.section else first.bottom + _GAP + _BETWEEN / 2
            return ((x1, y1), (x2, y2)) if x1 == x2 else ((x1, y1), (x1, turn), (x2, turn), (x2, y2))
        leaves = _exit(start, end)
        out, into = self._track(leaves, after), self._track(end.column, after)
        below, above = first.bottom + _GAP / 4, last.top - _INSET
        way: tuple[Point, ...] = ((x1, y1), (x1, below), (out, below))
        if leaves != end.column:
            level = _MARGIN + 2.5 * LINE + _TRACK * self.bus.index(after)
            way = (*way, (out, level), (into, level))
        return (*way, (into, above), (x2, above), (x2, y2))

    def _track(self, gutter: int, target: str) -> float:
        right = self.columns[gutter] if gutter < len(self.columns) else self.right + self._gutter(gutter)
        return right - _GAP / 2 - _TRACK * self.gutters[gutter].index(target)

    def _gutter(self, column: int) -> float:
        return _GAP + _TRACK * len(self.gutters[column])


def _exit(start: _Seat, end: _Seat) -> int:
    """The gutter by which a line leaves its column: the right one when it leads to a later column, else the left one."""
    return start.column + 1 if end.column > start.column else start.column
