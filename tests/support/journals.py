"""What tests around the journal and the reports are given: a clock that steps, and a few events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from engine.model.event import ItemChanged, RunStarted


@dataclass(slots=True)
class SteppingClock:
    """A ``Clock`` that moves on by ``step_s`` whenever somebody asks for the time, and by what is slept."""

    moment: datetime = datetime(2026, 3, 3, 20, 14, tzinfo=UTC)
    step_s: float = 1.0
    slept_s: float = 0.0

    def now(self) -> datetime:
        self.moment += timedelta(seconds=self.step_s)
        return self.moment

    def monotonic(self) -> float:
        return self.now().timestamp()

    def sleep(self, seconds: float) -> None:
        self.slept_s += seconds
        self.moment += timedelta(seconds=seconds)


def header(**values: Any) -> dict[str, Any]:
    """A plan's header as it stands in ``RunStarted``."""
    return {
        "plan_id": "p1", "created_at": "2026-03-03T20:10:00+00:00", "version": "0.1.0", "scope": "acme",
        "runbook": "runbooks/hosted-pbx-cutover.yml", "runbook_name": "hosted-pbx-cutover",
        "runbook_title": "Hosted PBX cutover", "inventory": "inventories/acme", "customer": "Acme Dental Group",
        "runbook_digest": "r" * 32, "inventory_digest": "i" * 32, "templates_digest": "t" * 32,
        "actions": {"phone.config": 1}, "inputs": {"ticket": "CHG-7"}, "limit": [], "lab": False,
        "git_commit": "04d70f5c", "git_dirty": False, "windows": ["phones: mon-fri 17:00-21:00 America/New_York"],
        "known_gaps": ["Call recordings stay behind unless exported"], **values,
    }


def started(
    scope: str, *, plan_id: str = "p1", runbook: str = "hosted-pbx-cutover", totals: Mapping[str, int] | None = None, **more: Any
) -> RunStarted:
    """The beginning of a run."""
    values = header(scope=scope, plan_id=plan_id, runbook_name=runbook, **more)
    return RunStarted(scope, plan_id, "ana", "pbx-admin-1", 4711, values, totals or {"change": 2, "nothing": 1})


def changed(address: str, *, receipt: Mapping[str, Any] | None = None, **more: Any) -> ItemChanged:
    """An item that was changed and proved."""
    return ItemChanged(address, more.pop("summary", "would be so"), receipt or {}, **more)
