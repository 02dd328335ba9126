"""Every event of a run as JSON lines, each with its number and hash."""

from __future__ import annotations

from collections.abc import Iterable

import orjson

from engine.model.event import Record, address_of_event, encode

FORMAT = "switchover.event/1"


def record_line(record: Record) -> str:
    """One event, without a line end."""
    return orjson.dumps({
        "format": FORMAT, "run": record.run, "seq": record.seq, "at": record.at.isoformat(), "kind": record.event.kind,
        "address": address_of_event(record.event), "data": encode(record.event), "hash": record.hash,
    }, default=str).decode()


def render_jsonl(records: Iterable[Record]) -> str:
    """All events, a line each."""
    return "".join(f"{record_line(record)}\n" for record in records)
