"""Which desk stands behind a connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.actions.ticket.desk import Desk
from engine.actions.ticket.rt import LEVELS, RequestTracker
from engine.ports import Sessions

TYPES = ("rt",)
"""Types of connections that lead to a ticket system."""


def desk_at(connection: str, at: Sessions) -> Desk:
    """The desk behind a connection, over a session of its own."""
    return _DESKS[at.connection_type(connection)](connection, at)


def _rt(connection: str, at: Sessions) -> Desk:
    levels = {**LEVELS, **at.setting(connection, "priorities", {})}
    withdrawn = str(at.setting(connection, "withdraw_as", "rejected"))
    return RequestTracker(at.http(connection), _page(connection, at), withdrawn, levels)


def _page(connection: str, at: Sessions) -> str:
    return str(at.setting(connection, "url", "")).rstrip("/")


_DESKS: Mapping[str, Callable[[str, Sessions], Desk]] = {"rt": _rt}
