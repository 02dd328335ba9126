"""Which desk stands behind a connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from engine.actions.ticket import jira, rt, servicenow
from engine.actions.ticket.desk import Desk
from engine.ports import Sessions

TYPES = ("rt", "servicenow", "jira")
"""Types of connections that lead to a ticket system."""


def desk_at(connection: str, at: Sessions) -> Desk:
    """The desk behind a connection, over a session of its own."""
    return _DESKS[at.connection_type(connection)](connection, at)


def _rt(connection: str, at: Sessions) -> Desk:
    levels = {**rt.LEVELS, **at.setting(connection, "priorities", {})}
    return rt.RequestTracker(at.http(connection), _page(connection, at), _withdrawn(connection, at, "rejected"), levels)


def _servicenow(connection: str, at: Sessions) -> Desk:
    code = str(at.setting(connection, "close_code", "Solution provided"))
    return servicenow.ServiceNow(at.http(connection), _page(connection, at), code, _withdrawn(connection, at, "canceled"))


def _jira(connection: str, at: Sessions) -> Desk:
    levels = {**jira.LEVELS, **at.setting(connection, "priorities", {})}
    return jira.Jira(at.http(connection), _page(connection, at), _withdrawn(connection, at, ""), levels)


def _withdrawn(connection: str, at: Sessions, usual: str) -> str:
    return str(at.setting(connection, "withdraw_as", usual)).lower()


def _page(connection: str, at: Sessions) -> str:
    return str(at.setting(connection, "url", "")).rstrip("/")


_DESKS: Mapping[str, Callable[[str, Sessions], Desk]] = {"rt": _rt, "servicenow": _servicenow, "jira": _jira}
