"""NetSapiens, API v2: the caller ID of one user.

A user's ``caller-id-number`` is what is shown for his calls, whichever number of the platform carries them. So the original
number can be shown while the temporary one does the work. Shapes: the platform's own OpenAPI document (docs.ns-api.com,
``/domains/{domain}/users/{user}``, GET and PUT); behaviour by github phoneware/netsapiens-mcp,
docs/netsapiens-controller-findings.md:

- Without ``synchronous: "yes"`` a PUT answers 202 before the change can be read. It is always sent.
- Numbers are digits with the country code and no plus; older records have ten digits, or ``[*]`` for the domain's own.
- ``caller-id-number-emergency`` is never touched: the original number has no emergency address on this side until it is
  ported, so showing it to 911 would send help to nowhere.
"""

from __future__ import annotations

import re
from urllib.parse import quote

from engine.actions.number.provider import Fields, Line, data_of
from engine.model.errors import Permanent
from engine.model.values import dataclass
from engine.ports import HttpSession

FIELD = "caller-id-number"


@dataclass(frozen=True, slots=True)
class NetSapiensCallerId:
    """The caller ID of one user of the connection's domain."""

    user: str

    def read(self, http: HttpSession) -> Line:
        reply = http.request("GET", self._path())
        if reply.status == 404:
            raise Permanent(f"there is no user {self.user} in this domain; create the user first, or correct 'line'")
        found = data_of(reply, f"reading user {self.user}")
        return Line(self.user, {FIELD: as_e164(found.get(FIELD))})

    def write(self, http: HttpSession, line: Line, fields: Fields) -> None:
        shown = str(fields[FIELD] or "").removeprefix("+")
        reply = http.request("PUT", self._path(), json={"synchronous": "yes", FIELD: shown})
        if reply.status != 202:  # accepted by a core that does not know synchronous: the read-back will tell
            data_of(reply, f"changing the caller ID of user {self.user}")

    def _path(self) -> str:
        return f"/domains/{{domain}}/users/{quote(self.user, safe='')}"


def as_e164(value: object) -> str | None:
    """A caller ID as read, with its country code and plus; anything that is no such number stays as it is."""
    text = "" if value is None else str(value).strip()
    if re.fullmatch(r"[2-9]\d{9}", text):
        return f"+1{text}"
    return f"+{text}" if re.fullmatch(r"[1-9]\d{10,14}", text) else text or None
