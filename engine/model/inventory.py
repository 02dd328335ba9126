"""The customer's data: how to reach systems, who is who, and the items that steps fan out over."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from engine.model.calendar import Calendar
from engine.model.source import Document, Span
from engine.model.values import dataclass


@dataclass(slots=True, eq=False)
class Item:
    """One phone, number, user, mailbox ... ``key`` is unique in its collection and names the item in addresses.

    Not a frozen dataclass for the sake of 50,000 of them: frozen construction costs four times as much. Nobody writes to one.
    """

    key: str
    fields: Mapping[str, object]
    row: int
    """Index in its collection's file, for the position of an error."""


@dataclass(frozen=True, slots=True)
class Collection:
    """Items of one kind. ``secret_fields`` are masked wherever they would be shown."""

    name: str
    items: tuple[Item, ...]
    source: Document
    data_path: tuple[str | int, ...] = ()
    """Where the list of items stands inside ``source``."""
    secret_fields: frozenset[str] = frozenset()

    def span(self, item: Item, field_name: str | None = None) -> Span:
        """Where an item, or one of its fields, was written."""
        path = (*self.data_path, item.row) if field_name is None else (*self.data_path, item.row, field_name)
        return self.source.source.value(path)


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach one system: ``type`` picks the transport, ``settings`` are its arguments.

    Secrets among the settings are still references here (``env:NAME``); they are resolved when a session opens.
    """

    name: str
    type: str
    settings: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Notify:
    """People who are asked at gates are written to, through a mail server. ``sender``: when not the connection's own;
    ``tokens``: whether each gets a token to act by."""

    connection: str
    sender: str = ""
    tokens: bool = False


@dataclass(frozen=True, slots=True)
class Inventory:
    """One customer's folder, read and checked."""

    customer: str
    title: str
    timezone: str
    folder: str
    document: Document
    connections: Mapping[str, Connection] = field(default_factory=dict)
    defaults: Mapping[str, object] = field(default_factory=dict)
    calendars: Mapping[str, Calendar] = field(default_factory=dict)
    people: Mapping[str, Mapping[str, object]] = field(default_factory=dict)
    """Role -> person: at least ``name``, usually ``email``, ``phone``."""
    notify: Notify | None = None
    """How people are written to; None: they are not."""
    collections: Mapping[str, Collection] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    """Every file read, relative to ``folder``; a run keeps copies of them."""
    digest: str = ""
    """SHA-256 over the meaning of it all, not over layout and comments."""
