"""CSV files as spreadsheets and phone systems export them, read strictly.

Nothing is guessed that could put a value into the wrong column: the delimiter must be plain from the header, and every row
must have as many cells as the header. Cells stay text, without the blanks around them. Positions are worked out only when a
problem has to be shown, from the text, row by row.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from engine.language.findings import Findings
from engine.language.secret_names import is_secret_name
from engine.language.yaml_reader import read_bytes
from engine.model.diagnostic import Diagnostic, InvalidInput, Severity
from engine.model.source import DataPath, Document, SourceMap, Span

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab"}

_LINE_END = re.compile(r"\r\n|\r|\n")
_NOT_IN_NAMES = re.compile(r"[^0-9a-z]+")
_MULTIBYTE = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")
_SAVE = "It may be a workbook, or UTF-16 without its mark: save it as CSV UTF-8."
_UTF8_MARK = b"\xef\xbb\xbf"
_UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")
_UNDEFINED_IN_CP1252 = b"\x81\x8d\x8f\x90\x9d"


def read_csv(path: Path, display: str, aliases: Mapping[str, str] | None = None) -> tuple[Document, list[Diagnostic]]:
    """Reads a CSV file: its data is a list of dicts of text, one per row that is not blank.

    ``aliases``: other names of a column -> the name to give it. Column names come out as ``lower_snake``. Returns warnings
    beside the document. Raises ``InvalidInput`` with every problem found, also when there is no such file.
    """
    text, warnings = _decode(read_bytes(path, display), display)
    return parse_csv(text, display, aliases), warnings


def parse_csv(text: str, display: str, aliases: Mapping[str, str] | None = None) -> Document:
    """``read_csv`` for text that is already decoded."""
    return _Reader(text, display, aliases or {}).read()


def column_name(written: str) -> str:
    """A header cell as a field name: ``"MAC Address "`` -> ``mac_address``."""
    return _NOT_IN_NAMES.sub("_", written.strip().lower()).strip("_")


# ---------------------------------------------------------------- bytes to text


def _decode(raw: bytes, display: str) -> tuple[str, list[Diagnostic]]:
    if raw.startswith(_UTF16_MARKS):  # a spreadsheet's "Unicode text"; its mark leaves nothing to guess
        return _decode_marked_utf16(raw, display), []
    body = raw.removeprefix(_UTF8_MARK)
    try:
        return body.decode("utf-8"), []
    except UnicodeDecodeError as error:
        return _decode_windows(body, display, error, marked=body is not raw)


def _decode_marked_utf16(raw: bytes, display: str) -> str:
    try:
        return raw.decode("utf-16")
    except UnicodeDecodeError:
        detail = "The file starts with the mark of UTF-16 but cannot be read as such. Save it as CSV UTF-8."
        raise InvalidInput([Diagnostic("Unreadable text", detail, Span(display, 1, 1))]) from None


def _decode_windows(
    raw: bytes, display: str, error: UnicodeDecodeError, *, marked: bool
) -> tuple[str, list[Diagnostic]]:
    """What is not UTF-8 comes from an old spreadsheet on Windows, unless something speaks against it."""
    before = raw[: error.start].decode("utf-8")
    span = _span_at(before, len(before), display)
    against = _not_windows(raw, marked)
    if against:
        detail = f"The encoding cannot be told: {against}. Save the file as CSV UTF-8."
        raise InvalidInput([Diagnostic("Unreadable text", detail, span)]) from None
    text = raw.decode("cp1252")
    detail = (
        f"The file is not UTF-8; it was read as Windows-1252 (cp1252), which makes the first such character "
        f"{text[error.start]!r}. Check the names in it, or save it as CSV UTF-8."
    )
    return text, [Diagnostic("Encoding assumed", detail, span, severity=Severity.WARNING)]


def _not_windows(raw: bytes, marked: bool) -> str:
    """Why bytes that are not UTF-8 are not Windows-1252 either; empty when they may be."""
    if marked or _MULTIBYTE.search(raw):
        return "some of the file is UTF-8 and some is not, so two encodings were mixed"
    if 0 in raw:
        return "the file holds NUL bytes, so it is no CSV text at all. It may be a workbook"
    undefined = next((byte for byte in _UNDEFINED_IN_CP1252 if byte in raw), None)
    return "" if undefined is None else f"byte 0x{undefined:02x} exists neither in UTF-8 nor in Windows-1252"


def _span_at(text: str, offset: int, display: str) -> Span:
    ends = list(_LINE_END.finditer(text, 0, offset))
    return Span(display, len(ends) + 1, offset - (ends[-1].end() if ends else 0) + 1)


# ---------------------------------------------------------------- text to rows


class _Reader:
    """One file being read."""

    def __init__(self, text: str, display: str, aliases: Mapping[str, str]) -> None:
        self.text = text
        self.source = SourceMap(display, text, dict)
        self.aliases = aliases
        self.findings = Findings()
        start = self._find_header()
        self.layout = _Layout(text, display, start, self._delimiter(start))

    def read(self) -> Document:
        layout = self.layout
        stream = io.StringIO(self.text, newline="")
        stream.seek(layout.start)
        reader = csv.reader(stream, delimiter=layout.delimiter, strict=True)
        names: list[str] = []
        rows: list[dict[str, str]] = []
        try:
            names = self._names(next(reader))
            rows = self._rows(reader, names)
        except csv.Error as error:
            self._bad_quoting(str(error))
        self._stop_on_errors()
        return Document(rows, SourceMap(self.source.file, self.text, lambda: _CellPositions(layout, names)))

    def _stop_on_errors(self) -> None:
        if self.findings.have_errors:
            raise InvalidInput(self.findings.all())

    def _find_header(self) -> int:
        nul = self.text.find("\0")
        if nul >= 0:
            span = _span_at(self.text, nul, self.source.file)
            raise InvalidInput([Diagnostic("Unreadable text", f"The file holds a NUL character. {_SAVE}", span)])
        found = re.search(r"\S", self.text)
        if found is None:
            detail = "The file is empty. Its first row must name the columns."
            raise InvalidInput([Diagnostic("Empty file", detail, Span(self.source.file, 1, 1))])
        return max(self.text.rfind("\n", 0, found.start()), self.text.rfind("\r", 0, found.start())) + 1

    def _delimiter(self, start: int) -> str:
        counts = _outside_quotes(self.text, start)
        if len(counts) > 1:
            kinds = " and ".join(DELIMITERS[sign] for sign in counts)
            detail = (
                f"The header holds more than one sign that may separate columns ({kinds}), so the columns cannot be told. "
                "Put a column name that contains one in double quotes, or rename it."
            )
            span = _span_at(self.text, start, self.source.file)
            raise InvalidInput([Diagnostic("Unclear delimiter", detail, span, self.source.line(span.line))])
        return next(iter(counts), ",")

    def _names(self, cells: list[str]) -> list[str]:
        """Field names by column; empty for a column without a name. Notes those that clash."""
        names: list[str] = []
        written: dict[str, str] = {}
        for index, cell in enumerate(cells):
            name = column_name(cell)
            name = self.aliases.get(name, name)
            if name in written:
                detail = f"Two columns mean `{name}`: {written[name]!r} and {cell.strip()!r}. Remove or rename one."
                self._note_cell(self.layout.start, index, "Duplicate column", detail)
            elif name:
                written[name] = cell.strip()
            names.append(name)
        return names

    def _rows(self, reader: Any, names: list[str]) -> list[dict[str, str]]:
        rows: list[dict[str, str]] = []
        width = len(names)
        nameless = [index for index, name in enumerate(names) if not name]
        line = reader.line_num
        for cells in reader:
            values = [cell.strip() for cell in cells]
            if len(values) == width and any(values):
                rows.append(dict(zip(names, values)))  # noqa: B905  # the lengths are equal; a check per row costs
                if nameless:
                    self._refuse_nameless(line, values, nameless)
                    del rows[-1][""]
            elif any(values):
                self._refuse_ragged(line, values, names)
            line = reader.line_num
        return rows

    def _refuse_nameless(self, line: int, values: list[str], nameless: list[int]) -> None:
        for index in nameless:
            if values[index]:
                detail = (
                    f"Column {index + 1} has no name in the header, but this row has something in it. "
                    "Name the column or empty it."
                )
                self._note_cell(self.layout.offset_of_line(line), index, "Column without a name", detail)

    def _refuse_ragged(self, line: int, values: list[str], names: list[str]) -> None:
        offset = self.layout.offset_of_line(line)
        detail = (
            f"This row has {_count(len(values), 'cell')}, the header names {_count(len(names), 'column')}. "
            f"Here stands: {_shown(values, names)}. "
        )
        if len(values) > len(names):
            detail += "Quote a value that contains the delimiter, or remove what is too much."
            self._note_cell(offset, len(names), "Too many cells", detail)
        else:
            detail += f"Nothing stands for `{names[len(values)]}` and what follows; empty cells need their delimiters too."
            self._note(offset, "Too few cells", detail)

    def _bad_quoting(self, why: str) -> None:
        offset = self.layout.first_unreadable_cell()
        if "field limit" in why:
            detail = "A cell is longer than 131,072 characters. A quote that is never closed makes such cells."
        elif "end of data" in why:
            detail = 'The double quote that opens here is never closed. Close it, or write a quote inside a value twice ("").'
        else:
            detail = (
                "After the closing double quote something other than a delimiter follows. "
                'A quote inside a value is written twice ("").'
            )
        self._note(offset, "Bad quoting", detail)

    def _note(self, offset: int, summary: str, detail: str) -> None:
        self.findings.place(self.source, self.layout.span(offset), summary, detail, show_line=not self._holds_secrets())

    def _note_cell(self, record: int, index: int, summary: str, detail: str) -> None:
        offsets = [offset for offset, _ in self.layout.cells(record)]
        self._note(offsets[min(index, len(offsets) - 1)], summary, detail)

    def _holds_secrets(self) -> bool:
        """Then lines are not shown: in a row that is out of step nobody knows which cell is the password."""
        return any(is_secret_name(column_name(cell)) for _, cell in self.layout.cells(self.layout.start))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' if number != 1 else ''}"


def _shown(values: list[str], names: list[str]) -> str:
    """The cells of a ragged row for an error. Where a column is secret only the first: cells may have moved."""
    holds_secrets = any(is_secret_name(name) for name in names)
    cells = [value if len(value) <= 30 else value[:27] + "..." for value in (values[:1] if holds_secrets else values)]
    return " | ".join(cells) + (" | ***" if holds_secrets else "")


def _outside_quotes(text: str, start: int) -> dict[str, int]:
    """How often each delimiter stands outside quotes in the record at ``start``."""
    counts: dict[str, int] = {}
    quoted = False
    for index in range(start, len(text)):
        sign = text[index]
        if sign == '"':
            quoted = not quoted
        elif not quoted and sign in "\r\n":
            break
        elif not quoted and sign in DELIMITERS:
            counts[sign] = counts.get(sign, 0) + 1
    return counts


# ---------------------------------------------------------------- where cells stand


class _Layout:
    """Finds records and cells in the text again, by the same rules as the reader."""

    def __init__(self, text: str, display: str, start: int, delimiter: str) -> None:
        self.text = text
        self.display = display
        self.start = start
        self.delimiter = delimiter
        d = re.escape(delimiter)
        self._cell = re.compile(
            rf'"(?:[^"]|"")*"(?=[{d}\r\n]|\Z)'  # quoted: may hold delimiters and line ends
            rf'|(?!")[^{d}\r\n]*'  # plain: a quote inside means itself
        )
        self._first_line = len(_LINE_END.findall(text, 0, start)) + 1
        self._line_starts: list[int] | None = None

    def cells(self, record: int) -> list[tuple[int, str]]:
        """The cells of the record at an offset: where each begins, and its text as written."""
        found: list[tuple[int, str]] = []
        offset = record
        while True:
            match = self._cell.match(self.text, offset)
            if match is None:
                return found or [(record, "")]
            found.append((offset, match.group()))
            offset = match.end()
            if self.text[offset : offset + 1] != self.delimiter:
                return found
            offset += 1

    def records(self) -> Iterator[int]:
        """Offsets of the header and of every row that is not blank."""
        offset = self.start
        while offset < len(self.text):
            cells = self.cells(offset)
            if any(_unquoted(cell).strip() for _, cell in cells):
                yield offset
            last, written = cells[-1]
            end = _LINE_END.match(self.text, last + len(written))
            if end is None:
                return
            offset = end.end()

    def first_unreadable_cell(self) -> int:
        """Where the quoting goes wrong."""
        offset = self.start
        while offset < len(self.text):
            match = self._cell.match(self.text, offset)
            if match is None:
                return offset
            offset = match.end() + (2 if self.text.startswith("\r\n", match.end()) else 1)
        return self.start

    def offset_of_line(self, line: int) -> int:
        """Offset of a physical line, counted from 0 at the header's."""
        return self._starts()[line]

    def span(self, offset: int) -> Span:
        starts = self._starts()
        low, high = 0, len(starts)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if starts[middle] <= offset else (low, middle)
        return Span(self.display, self._first_line + low, offset - starts[low] + 1)

    def _starts(self) -> list[int]:
        if self._line_starts is None:
            ends = _LINE_END.finditer(self.text, self.start)
            self._line_starts = [self.start, *(end.end() for end in ends)]
        return self._line_starts


def _unquoted(cell: str) -> str:
    return cell[1:-1].replace('""', '"') if cell.startswith('"') else cell


class _CellPositions(Mapping[DataPath, tuple[Span | None, Span]]):
    """Positions by path: ``()``, ``(row,)`` and ``(row, column name)``. Cells of a row are located when asked for."""

    def __init__(self, layout: _Layout, names: list[str]) -> None:
        self._layout = layout
        self._columns = {name: index for index, name in enumerate(names) if name}
        header, *self._rows = layout.records()
        self._header = [layout.span(offset) for offset, _ in layout.cells(header)]

    def __getitem__(self, path: DataPath) -> tuple[Span | None, Span]:
        if not path:
            return None, self._header[0]
        row = path[0]
        if not isinstance(row, int) or not 0 <= row < len(self._rows) or len(path) > 2:
            raise KeyError(path)
        if len(path) == 1:
            return None, self._layout.span(self._rows[row])
        column = self._columns[str(path[1])]
        offset, _ = self._layout.cells(self._rows[row])[column]
        return self._header[column], self._layout.span(offset)

    def __iter__(self) -> Iterator[DataPath]:
        yield ()
        for row in range(len(self._rows)):
            yield (row,)
            yield from ((row, name) for name in self._columns)

    def __len__(self) -> int:
        return 1 + len(self._rows) * (1 + len(self._columns))
