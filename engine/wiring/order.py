"""Going against an order that a runbook insists on: refused, unless somebody who may says so, with a reason, on record."""

from __future__ import annotations

from collections.abc import Sequence

from engine.model import event as ev
from engine.model.inventory import Inventory
from engine.model.plan import split_address
from engine.model.run import RunState
from engine.model.runbook import Runbook
from engine.model.values import dataclass
from engine.planning.limit import admits_step
from engine.planning.people import people_of
from engine.wiring.gates import Account, NotAllowed, person_of


@dataclass(frozen=True, slots=True)
class Override:
    """Somebody's word that the order may be gone against. ``account.person``: whose, by role or name."""

    account: Account
    reason: str


@dataclass(frozen=True, slots=True)
class Guarded:
    """A runbook's order, and who may override it for this customer."""

    runbook: Runbook
    inventory: Inventory
    override: Override | None = None

    def left_out(self, limit: tuple[str, ...]) -> list[ev.Event]:
        """For a plan or a run of a part: refuses to leave out steps that come before selected ones."""
        if not limit:
            return []
        missing = _left_out(self.runbook, limit)
        if not missing:
            return []
        first, then = missing
        return self._allowed(first, f"--limit leaves out {first}, and {then} comes after it")

    def skipped(self, address: str) -> list[ev.Event]:
        """For a step or a gate that is to be passed by."""
        guarded = self.runbook.guards(split_address(address)[0])
        return self._allowed(address, f"{address} would be passed by") if guarded else []

    def corrected(self, address: str) -> list[ev.Event]:
        """For a form that was answered, and whose answer is to be another: what hung on it may have been decided."""
        guarded = self.runbook.strict or bool(self.runbook.precedences)
        what = f"what hangs on the answer to {address} may have been decided, and would be decided anew"
        return self._allowed(address, what) if guarded else []

    def resumed(self, state: RunState, again: Sequence[str]) -> list[ev.Event]:
        """For a run that goes on: over a failure, or doing once more what may have been done."""
        allowed: list[ev.Event] = []
        if state.rollback_of:
            return allowed  # a way back has an order of its own
        for address in again:
            if self.runbook.strict:
                allowed += self._allowed(address, f"{address} may have been done, and would run a second time")
        if state.tripped is not None and state.tripped.address in self.runbook.guarded_blocks():
            failed = state.tripped.address
            instead = f"Try it again: switchover retry {state.run}. Pass it by: switchover skip {state.run} ADDRESS. Or go on:"
            allowed += self._allowed(failed, f"{failed} has failed, and what comes after it would start all the same", instead)
        return allowed

    def _allowed(self, address: str, doing: str, instead: str = "") -> list[ev.Event]:
        people = people_of(self.inventory, self.runbook.overridden_by)
        insists = "its runbook's order is strict" if self.runbook.strict else "its runbook says what must precede what"
        if self.override is None or not people:
            may = " or ".join(f"{p['name']} ({p['role']})" for p in people)
            how = f"{may} may: --override {people[0]['role']} --reason WHY" if people else "Nobody may override that"
            parts = [f"{doing}, and {insists}.", instead, f"{how}."]
            raise NotAllowed("Against the order", " ".join(filter(None, parts)))
        whom = "those who may override the order"
        person = person_of(people, self.override.account, "Not yours to override", whom, "--override")
        return [ev.OrderOverridden(address, doing, person.name, person.role, person.via, self.override.reason)]


def _left_out(runbook: Runbook, limit: tuple[str, ...]) -> tuple[str, str] | None:
    """A step that a limit leaves out, and one it selects that comes after: of a strict runbook any, else of a pair."""
    fans = {step.address: block.fan_out.for_each is not None for block in runbook.blocks() for step in block.steps}
    selected = {address for address, over_items in fans.items() if admits_step(limit, address, over_items)}
    for rule in runbook.precedences:
        if rule.then in selected and rule.first in fans and rule.first not in selected:
            return rule.first, rule.then
    order = list(fans)
    last = max((n for n, address in enumerate(order) if address in selected), default=-1)
    missing = next((address for address in order[: last + 1] if address not in selected), None) if runbook.strict else None
    return None if missing is None else (missing, order[last])

