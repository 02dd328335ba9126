"""The lab's desk: ticket systems in one process, each with tickets of its own.

Started as ``python -m engine.lab.desk --folder DIR --seed FILE.json --port N``; announces ``{"http": port}``. Each system stands
in a module of its own and is as strict as its published form: credentials are checked, unknown fields are refused.

Faults beside those of every HTTP server here:

- ``late`` (value: seconds): a new ticket is found by a search only then;
- ``lower_priority``: a priority that is set comes out as the lowest, whatever was asked, as by rules over there;
- ``conflict``: an update meets one by somebody else, which is 412 where the system has that;
- ``rejects``: a ticket that is read was closed by somebody as not to be done.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from engine.lab.board import Board
from engine.lab.desk_jira import JiraDesk
from engine.lab.desk_rt import RtDesk
from engine.lab.desk_servicenow import ServiceNowDesk
from engine.lab.web_server import Refused, Route, WebApp, WebReply, WebRequest, plain_error, serve


class System(Protocol):
    """One ticket system."""

    @property
    def prefix(self) -> str:
        """Where its paths begin."""
        ...

    @property
    def routes(self) -> Sequence[Route]:
        """What it answers."""
        ...

    def admits(self, request: WebRequest) -> bool:
        """Whether the credentials are right."""
        ...

    def word_error(self, status: int, why: str) -> WebReply:
        """An error in its own form."""
        ...


def build(board: Board, seed: Mapping[str, Any]) -> WebApp:
    """All of them, with the credentials of ``seed["secrets"]``."""
    systems: Sequence[System] = (RtDesk(board, seed), ServiceNowDesk(board, seed), JiraDesk(board, seed))

    def of(request: WebRequest) -> System | None:
        return next((system for system in systems if request.path.startswith(system.prefix)), None)

    def guard(request: WebRequest) -> WebReply | None:
        system = of(request)
        if system is not None and not system.admits(request):
            raise Refused(401, "Unauthorized")
        return None

    def word_error(request: WebRequest, status: int, why: str) -> WebReply:
        system = of(request)
        return plain_error(request, status, why) if system is None else system.word_error(status, why)

    return WebApp(tuple(route for system in systems for route in system.routes), guard, word_error)


if __name__ == "__main__":
    serve("desk", build)
