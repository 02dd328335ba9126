"""The form of a journalled event, and the hash that ties it to the one before. Stores differ; this does not.

The hashed text is one JSON line, ``{"run":..,"seq":..,"at":..,"version":..,"kind":..,"address":..,"data":{..}}``, and
``hash = sha256(previous hash + "\\n" + line)`` in lower-case hex, the first previous hash being 64 zeros. So anybody can
check an exported journal with a dozen lines of any language. The chain shows accidents and careless edits; who rewrites a
whole journal is found out by comparing the last hash with the one printed in the run's report.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import orjson

from engine.model.errors import JournalBroken
from engine.model.event import SCHEMA_VERSION, Event, Record, decode, encode

GENESIS = "0" * 64
"""What stands for the hash before a run's first event."""


class Pending(NamedTuple):
    """An event on its way into a store: encoded, timed, not yet numbered."""

    run: str
    at: datetime
    event: Event
    address: str
    data: str
    stamp: str
    """``at`` as it is stored."""


class Row(NamedTuple):
    """An event as stored."""

    seq: int
    at: str
    version: int
    kind: str
    address: str
    data: str
    hash: str


class Head(NamedTuple):
    """Where a run's chain ends: its last number (0 = nothing yet) and hash."""

    seq: int
    hash: str


EMPTY = Head(0, GENESIS)


def pack(run: str, at: datetime, stamp: str, event: Event) -> Pending:
    """Encodes an event; ``stamp`` is ``at`` in ISO 8601.

    Raises ``TypeError`` when it holds what is not JSON: a bug in whoever made it.
    """
    values = encode(event)
    try:
        data = orjson.dumps(values)
    except TypeError:
        # Text from a system that broke its own encoding holds lone surrogates, which UTF-8 has no form for.
        values = {name: _writable(value) for name, value in values.items()}
        data = orjson.dumps(values)
    return Pending(run, at, event, values.get("address", ""), data.decode(), stamp)


def _writable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_writable(key): _writable(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_writable(entry) for entry in value]
    return value


Content = tuple[int, str, int, str, str, str]
"""A ``Row`` without its hash."""


def line_of(run: str, content: Content) -> bytes:
    """The text an event's hash covers. Raises ``TypeError`` where something else than text stands for text."""
    seq, at, version, kind, address, data = content
    # Put together by hand: half of what one call of the encoder for all of it takes, and a long run is read often.
    return b'{"run":%b,"seq":%d,"at":%b,"version":%b,"kind":%b,"address":%b,"data":%b}' % (
        _json(run), seq, orjson.dumps(at), _json(version), _json(kind), orjson.dumps(address), str.encode(data),
    )


@lru_cache
def _json(value: str | int) -> bytes:
    return orjson.dumps(value)


def link(previous: str, line: bytes) -> str:
    """The hash of the next event in a chain."""
    return hashlib.sha256(b"%b\n%b" % (previous.encode(), line)).hexdigest()


def chained(pending: Pending, head: Head) -> Row:
    """The event as the row that follows ``head``."""
    kind = pending.event.kind
    content = (head.seq + 1, pending.stamp, SCHEMA_VERSION, kind, pending.address, pending.data)
    return Row(*content, link(head.hash, line_of(pending.run, content)))


def checked(run: str, rows: Iterable[Row], start: Head, end: Head) -> Iterator[tuple[Row, bytes]]:
    """Passes rows on, each with its hashed line, as long as each follows the one before it and the last is ``end``.

    Raises ``JournalBroken`` at the first that does not.
    """
    seq, previous = start
    for row in rows:
        if row.seq != seq + 1:
            raise _missing(run, seq + 1, row.seq - 1)
        line = _line_again(run, row)
        if link(previous, line) != row.hash:
            raise _altered(run, row.seq)
        yield row, line
        seq, previous = row.seq, row.hash
    if seq < end.seq:
        raise _missing(run, seq + 1, end.seq)
    if (seq, previous) != end:
        raise _altered(run, seq)


def cut(run: str, last: int, recorded: int) -> JournalBroken:
    """The last event and the number the journal keeps of it differ: the tail was cut off, or something added behind it."""
    return _missing(run, last + 1, recorded) if last < recorded else _altered(run, recorded + 1)


def record_of(run: str, row: Row) -> Record:
    """The event in a row whose hash was found right."""
    try:
        event = decode(row.kind, orjson.loads(row.data))
    except (KeyError, TypeError, ValueError) as error:
        raise JournalBroken(
            "The journal was written by another version of switchover",
            f"Event {row.seq} of run {run} is of kind {row.kind!r}, form {row.version}, which this version cannot read. "
            "Use the version that wrote it, or a newer one.",
        ) from error
    return Record(run, row.seq, datetime.fromisoformat(row.at), event, row.hash)


def exported(line: bytes, previous: str, own: str) -> str:
    """A line for export: the hashed text with ``prev`` and ``hash`` added at its end."""
    return f'{line[:-1].decode()},"prev":"{previous}","hash":"{own}"}}'


def _line_again(run: str, row: Row) -> bytes:
    try:
        return line_of(run, row[:6])
    except (TypeError, ValueError) as error:  # what stands where text stood is not even text any more
        raise _altered(run, row.seq) from error


def _missing(run: str, first: int, last: int) -> JournalBroken:
    which = f"Event {first}" if first == last else f"Events {first} to {last}"
    return JournalBroken(
        "The journal has a gap",
        f"{which} of run {run} cannot be found: the file was cut short or edited. {_ADVICE}",
    )


def _altered(run: str, seq: int) -> JournalBroken:
    return JournalBroken(
        "The journal was altered",
        f"Event {seq} of run {run} does not match its hash: the file was edited or damaged. {_ADVICE}",
    )


_ADVICE = (
    "Nothing was changed on the customer's systems by reading it. Restore the journal from a backup. Without one, move it "
    "away and make a new plan: the plan reads the systems as they are, so what was done already shows as nothing to do. Only "
    "mails and bare commands cannot be read back: check by hand which of those went out"
)


