"""Tickets of one system of the lab's desk: what the systems have in common."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import field
from typing import Any

from engine.lab.board import Board
from engine.model.values import dataclass


@dataclass(slots=True)
class Filed:
    """One ticket. ``shows_at``: on the monotonic clock, when searches begin to find it."""

    number: int
    fields: dict[str, Any]
    comments: list[dict[str, Any]] = field(default_factory=list)
    version: int = 1
    shows_at: float = 0.0


class Store:
    """The tickets of one system, numbered from 1. Safe to use from several threads."""

    def __init__(self, board: Board, first: int = 1) -> None:
        self.board, self._first = board, first
        self._tickets: dict[int, Filed] = {}
        self._lock = threading.RLock()

    def file(self, subject: str, fields: dict[str, Any]) -> Filed:
        """Opens a ticket. ``subject``: of the request, for faults."""
        late = self.board.fault("late", subject)
        with self._lock:
            number = self._first + len(self._tickets)
            shows_at = time.monotonic() + (0.0 if late is None else late.value or 1.0)
            filed = self._tickets[number] = Filed(number, fields, shows_at=shows_at)
            return filed

    def found(self) -> Iterator[Filed]:
        """What a search sees, the oldest first."""
        with self._lock:
            tickets = list(self._tickets.values())
        return (ticket for ticket in tickets if ticket.shows_at <= time.monotonic())

    def all(self) -> list[Filed]:
        """Every one, those too that no search shows yet."""
        with self._lock:
            return list(self._tickets.values())

    def get(self, number: int) -> Filed | None:
        """One by number, at once."""
        return self._tickets.get(number)

    def change(self, ticket: Filed, changes: dict[str, Any]) -> None:
        """Alters fields."""
        with self._lock:
            ticket.fields.update(changes)
            ticket.version += 1

    def say(self, ticket: Filed, comment: dict[str, Any]) -> None:
        """Adds a comment."""
        with self._lock:
            ticket.comments.append(comment)
            ticket.version += 1
