"""YAML files into plain data, quickly, strictly, and with positions for whoever asks.

Built from libyaml's events, not from PyYAML's node graph: that costs a sixth of the time and a tenth of the memory, and leaves
what an unquoted word means to ``yaml_scalars``. Positions and written forms are found by a second walk over the same text,
which a file without problems never pays for.

Refused: duplicate keys, several documents, tags of one's own, merge keys (``<<``), tabs in the indentation, files over 64 MiB
(before they are read), nesting deeper than 64, and aliases that would blow up the data. Keys are always text, as written.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import field
from pathlib import Path
from typing import Any

from yaml._yaml import CParser
from yaml.error import YAMLError
from yaml.events import (
    AliasEvent,
    DocumentEndEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)

from engine.language.yaml_errors import MAX_DEPTH, describe_syntax_error, line_of, too_deep
from engine.language.yaml_positions import YamlPositions, written_in
from engine.language.yaml_scalars import CORE, resolve, resolve_tagged, shown_tag
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.source import DataPath, Document, SourceMap, Span
from engine.model.values import dataclass

MAX_BYTES = 64 * 1024 * 1024
MAX_ALIASED = 100_000
"""Values that aliases may add in all. A customer's file shares a handful; a bomb makes billions."""
_MAX_PROBLEMS = 50


def read_yaml(path: Path, display: str | None = None) -> Document:
    """Reads one file. ``display``: how errors name it (default: the path as given).

    Raises ``InvalidInput`` when it cannot be read, is too big, is not UTF-8, or is not the YAML described above.
    """
    name = display if display is not None else str(path)
    return parse_yaml(decode(read_bytes(path, name), name), name)


def parse_yaml(text: str, display: str) -> Document:
    """Reads text as ``read_yaml`` reads a file."""
    text = text.removeprefix("\ufeff")
    with _collector_paused():
        try:
            build = _Build(text, display, CParser(text))
            data = build.document()
        except YAMLError as error:
            raise InvalidInput([describe_syntax_error(error, text, display)]) from None
        except UnicodeEncodeError:
            raise _unreadable("Not valid YAML", "The text holds half a surrogate pair.", display) from None
    if build.problems:
        raise InvalidInput(build.problems)
    return Document(data, SourceMap(display, text, YamlPositions(text, display)))


def written(document: Document, path: DataPath) -> str | None:
    """The scalar at ``path`` as it was written, such as ``1.10`` where the value is 1.1; None when none stands there."""
    return written_in(document.source, path)


def at_path(data: object, path: DataPath) -> Any:
    """The value at ``path`` in plain data; None when there is none."""
    for part in path:
        if isinstance(data, dict):
            data = data.get(part)
        elif isinstance(data, list) and isinstance(part, int) and 0 <= part < len(data):
            data = data[part]
        else:
            return None
    return data


_OPEN: ContextVar[Mapping[Path, str]] = ContextVar("open files")


@contextmanager
def overlaid(texts: Mapping[Path, str]) -> Iterator[None]:
    """For the length of a block some files, by their resolved paths, read as these texts: what stands in an editor and is not
    saved. They must exist."""
    token = _OPEN.set(texts)
    try:
        yield
    finally:
        _OPEN.reset(token)


def read_bytes(path: Path, display: str) -> bytes:
    """A file's content, refused before it is read when over the limit. Raises ``InvalidInput``."""
    unsaved = _OPEN.get(None)
    text = unsaved.get(path.resolve()) if unsaved else None
    if text is not None:
        return text.encode()
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1) if path.stat().st_size <= MAX_BYTES else None
    except FileNotFoundError:
        raise _unreadable("File not found", "There is no such file.", display) from None
    except IsADirectoryError:
        raise _unreadable("Not a file", "This is a folder; name the file in it.", display) from None
    except OSError as error:
        raise _unreadable("File cannot be read", f"The system says: {error.strerror or error}.", display) from None
    if data is None or len(data) > MAX_BYTES:
        detail = f"It is over {MAX_BYTES // 1024 // 1024} MiB, more than any runbook or inventory needs. Is it the right file?"
        raise _unreadable("File is too big", detail, display)
    return data


def decode(data: bytes, display: str) -> str:
    """UTF-8 bytes, with or without byte order mark, as text. Raises ``InvalidInput`` naming the first wrong byte."""
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise _unreadable("File is not UTF-8", "It is UTF-16. Save it as UTF-8.", display)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = error.start + (3 if data.startswith(b"\xef\xbb\xbf") else 0)
        before = data[:start].decode("utf-8-sig")
        span = Span(display, before.count("\n") + 1, len(before) - before.rfind("\n"))
        line = data.splitlines()[span.line - 1].decode("utf-8", "replace")
        detail = f"Byte {start} (0x{data[start]:02X}) is no UTF-8. The file may come from an old spreadsheet: save it as UTF-8."
        raise InvalidInput([Diagnostic("File is not UTF-8", detail, span, line)]) from None


def _unreadable(summary: str, detail: str, display: str) -> InvalidInput:
    return InvalidInput([Diagnostic(summary, detail, Span(display, 1, 1))])


@contextmanager
def _collector_paused() -> Iterator[None]:
    # Each full collection walks all that was built so far, which makes big files quadratic; none of it is garbage.
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


class _UnreadableError(Exception):
    """Going on makes no sense; the problem is recorded."""


@dataclass(slots=True)
class _Build:
    """Turns the events of one document into data."""

    text: str
    display: str
    parser: Any
    problems: list[Diagnostic] = field(default_factory=list)
    anchors: dict[str, tuple[object, int]] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    """One copy of each key: 50,000 items share their field names."""
    count: int = 0
    aliased: int = 0

    def document(self) -> object:
        get = self.parser.get_event
        get()
        if type(get()) is not DocumentStartEvent:
            self._problem("File is empty", "Nothing stands in it but comments or white space.", Span(self.display, 1, 1))
            return None
        try:
            data = self._node(get(), 0)
            get()
            more = get()
            if type(more) is not StreamEndEvent:
                self._at(more.start_mark, "Several documents", "A second document begins at this '---'. Use one file for each.")
        except _UnreadableError:
            return None
        return data

    def _node(self, event: Any, depth: int) -> object:
        kind = type(event)
        if kind is ScalarEvent:
            if event.implicit[0] and event.tag is None:
                value: object = resolve(event.value)
            elif event.tag is None:
                value = event.value
            else:
                value = self._tagged(event)
            if event.anchor is not None:
                self.anchors[event.anchor] = (value, 1)
            return value
        if kind is AliasEvent:
            return self._alias(event)
        return self._collection(event, depth)

    def _collection(self, event: Any, depth: int) -> object:
        if depth >= MAX_DEPTH:
            line = event.start_mark.line + 1
            self.problems.append(too_deep(Span(self.display, line, event.start_mark.column + 1), line_of(self.text, line)))
            raise _UnreadableError
        is_mapping = type(event) is MappingStartEvent
        if event.tag is not None and event.tag != CORE + ("map" if is_mapping else "seq"):
            self._at(event.start_mark, "Unknown tag", f"The tag {shown_tag(event.tag)} is not known here. Remove it.")
        before = self.count
        value = self._mapping(event, depth) if is_mapping else self._sequence(depth)
        self.count += 1 + len(value)
        if event.anchor is not None:
            self.anchors[event.anchor] = (value, self.count - before)
        return value

    def _sequence(self, depth: int) -> list[object]:
        get = self.parser.get_event
        result: list[object] = []
        while True:
            event = get()
            if type(event) is SequenceEndEvent:
                return result
            result.append(self._node(event, depth + 1))

    def _mapping(self, start: Any, depth: int) -> dict[str, object]:
        get, keys, node = self.parser.get_event, self.keys, self._node
        result: dict[str, object] = {}
        while True:
            event = get()
            kind = type(event)
            if kind is MappingEndEvent:
                return result
            key = event.value if kind is ScalarEvent else self._odd_key(event, depth)
            if event.anchor is not None and kind is ScalarEvent:
                self.anchors[event.anchor] = (key, 1)
            key = keys.setdefault(key, key)
            if key in result or not key or key == "<<":
                self._refuse_key(key, event, start)
            event = get()
            if type(event) is ScalarEvent and event.anchor is None and event.tag is None:
                # What nearly every value is, without a call of its own: as ``_node`` does it.
                result[key] = resolve(event.value) if event.implicit[0] else event.value
            else:
                result[key] = node(event, depth + 1)

    def _odd_key(self, event: Any, depth: int) -> str:
        mark = event.start_mark
        if type(event) is AliasEvent:
            value = self._alias(event)
            if isinstance(value, str):
                return value
        elif type(event) is MappingStartEvent and self.text[mark.index - 1 : mark.index] == "{":
            opening = Span(self.display, mark.line + 1, mark.column)
            detail = "A value that begins with '{{' must stand in quotes as a whole: \"{{ ... }}\"."
            self._problem("Template without quotes", detail, opening)
            raise _UnreadableError
        self._stop(mark, "Key is not text", "A key must be one word or text, not a list or a mapping.")
        return ""

    def _refuse_key(self, key: str, event: Any, start: Any) -> None:
        if key == "<<":
            detail = "Merge keys are not supported: readers of the file would have to merge in their heads. " \
                     "Write the values out, or use defaults."
            self._at(event.start_mark, "Merge key", detail)
        elif key == "":
            self._at(event.start_mark, "Key is missing", "There is no key in front of this ':'.")
        else:
            first = self._first_line(start.start_mark.index, key)
            detail = f"{key!r} already stands in this mapping, on line {first}. Only one of them could count; remove the other."
            self._at(event.start_mark, "Duplicate key", detail)

    def _first_line(self, mapping_index: int, key: str) -> int:
        """Line of the first ``key`` of the mapping that starts at ``mapping_index``."""
        parser = CParser(self.text)
        depth, at_key = 0, False
        while True:
            event: Any = parser.get_event()
            kind = type(event)
            if depth == 0:
                if kind is MappingStartEvent and event.start_mark.index == mapping_index:
                    depth, at_key = 1, True
                continue
            if depth == 1 and at_key and kind is ScalarEvent and event.value == key:
                return int(event.start_mark.line) + 1
            if kind in (MappingStartEvent, SequenceStartEvent):
                depth += 1
                continue
            if kind in (MappingEndEvent, SequenceEndEvent):
                depth -= 1
            if depth == 1:
                at_key = not at_key
            if kind is DocumentEndEvent:
                return 0

    def _alias(self, event: Any) -> object:
        if event.anchor not in self.anchors:
            detail = f"No anchor '&{event.anchor}' has ended before it. Put quotes round a value that begins with '*'."
            self._stop(event.start_mark, "Unknown alias", detail)
        value, size = self.anchors[event.anchor]
        self.aliased += size
        if self.aliased > MAX_ALIASED:
            detail = f"Aliases would add more than {MAX_ALIASED} values to this file. Write the data out, or use a collection."
            self._stop(event.start_mark, "Aliases grow too big", detail)
        self.count += size
        return value

    def _tagged(self, event: Any) -> object:
        try:
            return resolve_tagged(event.tag, event.value)
        except ValueError as error:
            self._at(event.start_mark, "Unknown tag" if "tag" in str(error)[:8] else "Wrong tag", str(error))
            return event.value

    def _at(self, mark: Any, summary: str, detail: str) -> None:
        self._problem(summary, detail, Span(self.display, mark.line + 1, mark.column + 1))

    def _stop(self, mark: Any, summary: str, detail: str) -> None:
        self._at(mark, summary, detail)
        raise _UnreadableError

    def _problem(self, summary: str, detail: str, span: Span) -> None:
        self.problems.append(Diagnostic(summary, detail, span, line_of(self.text, span.line)))
        if len(self.problems) >= _MAX_PROBLEMS:
            raise _UnreadableError
