"""One item's way through a REST action in tests, as the engine goes it: looking is read-only, each change is read back."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from engine.model.args import builder_of
from engine.model.plan import Change, Receipt, Unpredictable
from engine.model.secret import Secret
from engine.ports import Action, HttpSession, Sessions
from engine.transports.http import HttpPool
from tests.support.sessions import Opened, TestSessions

A = TypeVar("A")
S = TypeVar("S")


def opened(pool: HttpPool, name: str, kind: str, left_s: float = 10.0, **settings: object) -> Opened:
    """A REST connection through the product's own transport."""

    def session(read_only: bool, host: str | None) -> HttpSession:
        return pool.session(name, kind, settings, read_only, lambda: left_s)

    return Opened(kind, session, {key: value for key, value in settings.items() if not isinstance(value, Secret)})


@dataclass
class Bench:
    """Plans, applies, proves and takes back."""

    at: TestSessions

    def plan(self, action: Action[A, S], **values: object) -> Change | Unpredictable | None:
        """What the plan would say."""
        args = builder_of(action.Args)(values)
        return action.diff(args, action.observe(args, cast(Sessions, self.at.reading())))

    def attempt(self, action: Action[A, S], **values: object) -> Receipt | None:
        """Observes and applies what differs; None when nothing does."""
        change = self.plan(action, **values)
        args = builder_of(action.Args)(values)
        return None if change is None else action.apply(change, args, cast(Sessions, self.at), key="k1")

    def apply(self, action: Action[A, S], **values: object) -> Receipt:
        """Applies something that differs, and proves it by reading."""
        receipt = self.attempt(action, **values)
        assert receipt is not None, "nothing differed"
        assert self.plan(action, **values) is None, "the read-back shows a difference"
        return receipt

    def settle(self, action: Action[A, S], within_s: float, **values: object) -> int:
        """Reads until nothing differs; returns how many readings still differed."""
        ends_at, differed = time.monotonic() + within_s, 0
        while self.plan(action, **values) is not None:
            assert time.monotonic() < ends_at, "never settled"
            differed += 1
            time.sleep(0.02)
        return differed

    def undo(self, action: Any, receipt: Receipt, **values: object) -> None:
        """Takes a change back, twice: the second time as after a lost answer."""
        for _ in range(2):
            action.undo(receipt, builder_of(action.Args)(values), self.at, key="u1")


def pairs_of(change: Change | Unpredictable | None) -> dict[str, list[object]] | None:
    """Field -> [before, after]; None for no change."""
    return None if change is None else {field.name: [field.before, field.after] for field in change.fields}


def requests_of(folder: Path, server: str, kind: str = "") -> list[dict[str, Any]]:
    """What a lab server was asked; ``kind``: only the reads or only the writes."""
    log = folder / f"{server}.jsonl"
    lines: Sequence[str] = log.read_text(encoding="utf-8").splitlines() if log.exists() else ()
    entries: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return [entry for entry in entries if entry["kind"] == kind or not kind]


CARRIER_SEED: Mapping[str, Any] = {
    "customer": "example",
    "numbers": [
        {"number": "+12025550100", "temporary_did": "+12025550190", "label": "Main"},
        {"number": "+12025550101", "temporary_did": "+12025550191", "label": "Sales"},
        {"number": "+12025550102", "temporary_did": "+12025550192", "trunk_sid": "TK" + "1" * 32},
        {"number": "+12025550103", "status": "port-pending"},
    ],
    "verified_numbers": ["+12025550150"],
    "sip_connections": [
        {"id": "700", "record_type": "credential_connection"},
        {"id": "701", "record_type": "ip_connection"},
        {"id": "702", "record_type": "fqdn_connection", "ani_override": "+12025550177"},
        {"id": "703", "record_type": "texml_application"},
    ],
    "secrets": {
        "telnyx_api_key": "KEY0123456789ABCDEF_lab", "twilio_account_sid": "AC" + "a" * 32, "twilio_auth_token": "b" * 32,
    },
}


def carrier_connections(pool: HttpPool, url: str) -> dict[str, Opened]:
    """Connections ``telnyx`` and ``twilio`` to the lab's carrier."""
    secrets = CARRIER_SEED["secrets"]
    return {
        "telnyx": opened(pool, "telnyx", "telnyx", url=url, api_key=Secret(secrets["telnyx_api_key"])),
        "twilio": opened(
            pool, "twilio", "twilio", url=url, account_sid=secrets["twilio_account_sid"],
            auth_token=Secret(secrets["twilio_auth_token"]), forward_url="https://hooks.example.net/forward?to={to}",
        ),
    }
