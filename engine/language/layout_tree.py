"""A YAML text as what stands in it: mappings, lists and words with the comments that belong to each.

Built from libyaml's events and the text between them. Every word keeps the text it was written in, so nothing is said anew
that the author said; what is left between words are indicators, white space and comments, and of these only the comments count.
Whoever lays the tree out decides about the rest.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import Any

from yaml._yaml import CParser
from yaml.events import (
    AliasEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from engine.model.values import dataclass

_DASH = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\n)*[ \t]*-")
_PROPERTY = re.compile(r"[&!]\S*")
_BLOCK_HEADER = re.compile(r"([|>])([-+0-9]*)[ \t]*(#[^\n]*)?(?:\n|\Z)")
_BETWEEN = re.compile(r"(?:[ \t\n]|(?<=[ \t\n])#[^\n]*)*")
_COMMENT = re.compile(r"(?:^|(?<=[ \t]))#")
_ODD_BREAKS = re.compile("[\x85\u2028\u2029]")


class UnusualLayout(Exception):
    """The text is laid out in a way that is rare and better left to its author, such as keys behind ``?``."""


@dataclass(slots=True)
class Comment:
    """A comment from its ``#`` to the end of its line. ``blank``: an empty line stands before it."""

    text: str
    column: int
    blank: bool = False


@dataclass(slots=True)
class Leaf:
    """A word, or a list or mapping within brackets, as it was written."""

    text: str
    value: str | None = None
    """What a quoted word on one line says; None for everything else."""
    style: str = ""
    """One of ``"``, ``'``, ``|``, ``>``, ``[`` (within brackets), ``*``; empty for a plain word."""
    column: int = 0
    """Of the line it begins on: how far that is indented."""
    properties: tuple[str, ...] = ()
    """Anchor and tag."""
    places: int = 0
    """How many anchors and aliases stand in it."""

    @property
    def keeps_blank_lines(self) -> bool:
        """Whether the empty lines that follow are part of it."""
        return self.style in "|>" and self.style != "" and "+" in self.text.partition("\n")[0]


@dataclass(slots=True)
class Entry:
    """A key with its value, or an entry of a list, which has no key."""

    key: Leaf | None
    value: Leaf | Collection = field(default_factory=lambda: Leaf(""))
    lead: list[Comment] = field(default_factory=list)
    """Comments on lines of their own above it."""
    tail: Comment | None = None
    """The comment at the end of its first line; of its last, when the value is a word."""
    blank: bool = False
    """Whether an empty line stands before it, below its comments."""

    @property
    def name(self) -> str:
        """What its key says, in whatever quotes; empty for an entry of a list."""
        return "" if self.key is None else self.key.text if self.key.value is None else self.key.value


@dataclass(slots=True)
class Collection:
    """A mapping or a list over several lines."""

    is_mapping: bool
    column: int
    entries: list[Entry] = field(default_factory=list)
    properties: tuple[str, ...] = ()
    dangling: list[Comment] = field(default_factory=list)
    """Comments after its last entry."""
    least: int = 0
    """How far a comment has to be indented to be one of these."""


@dataclass(slots=True)
class Tree:
    """A whole document. ``prologue``: what stands up to its ``---``, if it has one."""

    root: Entry
    prologue: str
    rest: list[Comment]
    """Comments below a root that is within brackets."""


def read_tree(text: str) -> Tree:
    """The tree of a text that our reader takes, with line ends of ``\\n``. Raises ``UnusualLayout``."""
    if _ODD_BREAKS.search(text):
        raise UnusualLayout
    return _Reader(text, CParser(text)).tree()


@dataclass(slots=True)
class _Reader:
    """Walks events and text side by side."""

    text: str
    parser: Any
    at: int = 0
    """Up to where the text has been looked at."""
    pending: list[Comment] = field(default_factory=list)
    """Comments found that belong to what comes next."""
    blank: bool = False
    """Whether an empty line precedes what comes next."""
    last: Entry = field(default_factory=lambda: Entry(None))
    """Whose line a comment at its end belongs to; at first the document itself."""
    closed: list[Collection] = field(default_factory=list)
    """Collections that ended since the last word, innermost first."""

    def tree(self) -> Tree:
        get = self.parser.get_event
        get()
        start = get()
        prologue = self._prologue(start) if start.explicit else ""
        event = get()
        outermost = self.last
        outermost.value = self._value(event, outermost, -1, 0)
        is_a_word = isinstance(outermost.value, Leaf) and outermost.value.style != "["
        if is_a_word or get().explicit:
            raise UnusualLayout
        self._advance(len(self.text))
        return Tree(outermost, prologue, self.pending)

    def _prologue(self, start: Any) -> str:
        end = self.text.find("\n", start.end_mark.index)
        self.at = len(self.text) if end < 0 else end + 1
        rest = self.text[start.end_mark.index : self.at].strip()
        if rest and not rest.startswith("#"):
            raise UnusualLayout
        return self.text[: self.at].strip()

    def _value(self, event: Any, owner: Entry, parent: int, column: int) -> Leaf | Collection:
        """The value of an entry. ``parent``: indentation of the collection around it; ``column``: of the line it begins on."""
        properties = self._properties(event)
        kind = type(event)
        if kind in (MappingStartEvent, SequenceStartEvent) and not event.flow_style:
            return self._collection(kind is MappingStartEvent, event, properties, parent)
        leaf = self._leaf(event, properties, owner, parent, column)
        owner.lead += self.pending
        self.pending = []
        return leaf

    def _properties(self, event: Any) -> tuple[str, ...]:
        """Anchor and tag, passed by. A word that is empty ends with them, and what follows is not its own."""
        self._advance(event.start_mark.index)
        found: list[str] = []
        kind = type(event)
        count = 0 if kind is AliasEvent else (event.anchor is not None) + (event.tag is not None)
        for _ in range(count):
            match = _PROPERTY.match(self.text, self.at)
            if match is None:
                raise UnusualLayout
            found.append(match[0])
            self.at = match.end()
            if kind is not ScalarEvent or self.at < event.end_mark.index:
                between = _BETWEEN.match(self.text, self.at)
                self._advance(between.end() if between else self.at)
        return tuple(found)

    def _leaf(self, event: Any, properties: tuple[str, ...], owner: Entry, parent: int, column: int) -> Leaf:
        kind, start = type(event), self.at
        places = sum(part.startswith("&") for part in properties)
        if kind is ScalarEvent and event.style in ("|", ">"):
            return Leaf(self._block(owner, parent), None, event.style, column, properties, places)
        if kind is AliasEvent:
            end, style, value, places = event.end_mark.index, "*", None, 1
        elif kind is ScalarEvent:
            end, style = event.end_mark.index, event.style or ""
            value = event.value if style and event.tag is None else None
        else:
            (end, inner), style, value = self._brackets(), "[", None
            places += inner
        self.at = max(start, end)
        text = self.text[start : self.at]
        return Leaf(text, value if "\n" not in text else None, style, column, properties, places)

    def _brackets(self) -> tuple[int, int]:
        """Where a list or mapping within brackets ends, and how many anchors and aliases stand in it."""
        depth, places = 1, 0
        while True:
            event: Any = self.parser.get_event()
            kind = type(event)
            if kind in (MappingEndEvent, SequenceEndEvent):
                depth -= 1
                if not depth:
                    return int(event.end_mark.index), places
                continue
            depth += kind in (MappingStartEvent, SequenceStartEvent)
            places += event.anchor is not None

    def _block(self, owner: Entry, parent: int) -> str:
        """A block scalar from here on: its header, then its lines without their indentation."""
        header = _BLOCK_HEADER.match(self.text, self.at)
        if header is None:
            raise UnusualLayout
        style, signs, comment = header.groups()
        if comment:
            self._at_end_of_line(Comment(comment.rstrip(), header.start(3) - self.text.rfind("\n", 0, header.start()) - 1))
        digit = next((sign for sign in signs if sign.isdigit()), "")
        indent = max(parent, 0) + int(digit) if digit else 0
        self.blank = False
        lines, self.at = _lines_of_block(self.text, header.end(), indent, parent, keep="+" in signs)
        chomp = signs.replace(digit, "") if digit else signs
        if self.at == len(self.text) and lines and not self.text.endswith("\n"):
            chomp = "-"  # the line end that the file lacks would be added, and be part of the value
        return "\n".join([style + ("2" if digit else "") + chomp, *lines])

    def _collection(self, is_mapping: bool, event: Any, properties: tuple[str, ...], parent: int) -> Collection:
        column = self.at - self.text.rfind("\n", 0, self.at) - 1
        found = Collection(is_mapping, column, properties=properties, least=column + (column == parent))
        end: type = MappingEndEvent if is_mapping else SequenceEndEvent
        while type(event := self.parser.get_event()) is not end:
            found.entries.append(self._pair(event, column) if is_mapping else self._item(event, column))
        self.closed.append(found)
        return found

    def _pair(self, event: Any, column: int) -> Entry:
        self._advance(event.start_mark.index)
        entry = Entry(None, lead=self.pending, blank=self.blank)
        self.pending, self.last = [], entry
        before = self.text[self.text.rfind("\n", 0, self.at) + 1 : self.at]
        entry.key = self._leaf(event, self._properties(event), entry, column, column)
        indent = len(before) - len(before.lstrip(" "))
        entry.value = self._value(self.parser.get_event(), entry, column, indent)
        return entry

    def _item(self, event: Any, column: int) -> Entry:
        dash = _DASH.match(self.text, self.at)
        if dash is None:
            raise UnusualLayout
        self._advance(dash.end() - 1)
        entry = Entry(None, lead=self.pending, blank=self.blank)
        self.pending, self.last = [], entry
        self.at = dash.end()
        line = self.text[self.text.rfind("\n", 0, self.at) + 1 : self.at]
        entry.value = self._value(event, entry, column, len(line) - len(line.lstrip(" ")))
        return entry

    def _advance(self, to: int) -> None:
        """Looks at the text between two words."""
        start, self.at = self.at, max(self.at, to)
        gap = self.text[start : self.at]
        at_line_start = start == 0 or self.text[start - 1] == "\n"
        if "#" in gap:
            self._look_at(gap.split("\n"), start, at_line_start=at_line_start)
        elif "?" in gap:
            raise UnusualLayout
        elif gap:
            self.blank = gap.count("\n") > (not at_line_start)
        if self.at < len(self.text):
            self.closed = []

    def _look_at(self, lines: list[str], start: int, *, at_line_start: bool) -> None:
        self.blank = False
        for number, line in enumerate(lines):
            mark = _COMMENT.search(line)
            before = line if mark is None else line[: mark.start()]
            if "?" in before:
                raise UnusualLayout
            from_start = number > 0 or at_line_start
            if mark is not None:
                offset = 0 if from_start else start - self.text.rfind("\n", 0, start) - 1
                comment = Comment(line[mark.start() :].rstrip(), offset + mark.start(), self.blank)
                self._on_a_line_of_its_own(comment) if from_start and not before.strip() else self._at_end_of_line(comment)
            self.blank = mark is None and from_start and not before.strip() and (number < len(lines) - 1 or self.blank)

    def _at_end_of_line(self, comment: Comment) -> None:
        owner = self.last
        if owner.tail is not None:
            owner.lead.append(owner.tail)
        owner.tail = comment

    def _on_a_line_of_its_own(self, comment: Comment) -> None:
        if not self.pending:
            while self.closed and comment.column < self.closed[0].least:
                del self.closed[0]
            if self.closed:
                self.closed[0].dangling.append(comment)
                return
        self.pending.append(comment)


def _lines_of_block(text: str, at: int, indent: int, parent: int, *, keep: bool) -> tuple[list[str], int]:
    """The lines of a block scalar without their indentation, and where it ends. ``indent``: as its header says, else 0."""
    lines: list[str] = []
    count, end_of_text = 0, at
    while at < len(text):
        end = text.find("\n", at)
        end = len(text) if end < 0 else end
        line = text[at:end]
        at = min(end + 1, len(text))
        if line.strip(" "):
            depth = len(line) - len(line.lstrip(" "))
            indent = indent or max(depth, 1)
            if depth < indent or depth <= parent:
                break
            count, end_of_text = len(lines) + 1, at
        elif keep:
            end_of_text = at
        lines.append(line)
    if not count:
        indent = max(map(len, lines), default=0)
    if not keep:
        # The empty lines below are no part of it: left for whoever lays out what follows.
        lines = lines[:count]
    return [line[indent:] for line in lines], end_of_text
