"""What people can do in a rehearsal: each verb of a scenario, and the function behind the command of that name.

A verb is added here, to ``scenario_reader.VERBS`` and to ``schemas/scenario.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.model import event as ev
from engine.model.inventory import Inventory
from engine.model.run import RunState
from engine.model.scenario import Act
from engine.model.values import dataclass
from engine.project import Project
from engine.wiring.gates import Account, NotAllowed, answer, holdable, keep_evidence, report, vote
from engine.wiring.runs import answered, reopened


@dataclass(frozen=True, slots=True)
class RehearsedAccount(Account):
    """Somebody with an account that the scenario gives them, on no machine."""

    @property
    def via(self) -> str:
        return f"account {self.name} of a rehearsal"


@dataclass(frozen=True, slots=True)
class Moment:
    """An act, and what it is done with. ``files``: where evidence is looked for."""

    act: Act
    account: RehearsedAccount
    state: RunState
    project: Project
    now: datetime
    files: Path


Acting = Callable[[Moment], Sequence[ev.Event]]
"""What is journalled; raises ``SwitchoverError`` when it may not be."""


def account_of(act: Act, inventory: Inventory, starter: str) -> RehearsedAccount:
    """The account an act is done by: the one it names, else the person's first login, else their role."""
    return RehearsedAccount(act.account or login_of(act.role or starter, inventory), act.role)


def login_of(name: str, inventory: Inventory) -> str:
    """The account of a role; of what is no role the name itself."""
    logins: Any = inventory.people.get(name, {}).get("logins") or name
    return logins if isinstance(logins, str) else str(logins[0])


def _approve(at: Moment) -> Sequence[ev.Event]:
    return vote(at.state, at.act.gate, at.account, at.now, choice="approve", comment=str(at.act.fields.get("comment", "")))


def _reject(at: Moment) -> Sequence[ev.Event]:
    return vote(at.state, at.act.gate, at.account, at.now, choice="reject", comment=str(at.act.fields["reject"]))


def _answer(at: Moment) -> Sequence[ev.Event]:
    return answer(at.state, at.act.gate, at.account, at.now, at.act.fields["answer"], correct=bool(at.act.fields.get("correct")))


def _done(at: Moment) -> Sequence[ev.Event]:
    told: Any = at.act.fields["done"]
    given: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
    names = given.get("evidence", ())
    reason = str(given.get("reason", ""))
    report(at.state, at.act.gate, at.account, at.now, outcome="done", reason=reason, evidence=[{}] if names else [])
    folder = at.project.run_folder(at.state.run)
    kept = keep_evidence(folder, [_evidence(at, str(name), folder) for name in names]) if names else []
    return report(at.state, at.act.gate, at.account, at.now, outcome="done", reason=reason, evidence=kept)


def _evidence(at: Moment, name: str, folder: Path) -> Path:
    """A file that proves it: the one beside the scenario, else a stand-in."""
    real = at.files / name
    if real.is_file():
        return real
    stand_in = folder / "stand-ins" / Path(name).name
    stand_in.parent.mkdir(mode=0o700, exist_ok=True)
    stand_in.write_text(f"a stand-in for {name}\n", encoding="utf-8")
    return stand_in


def _undone(at: Moment) -> Sequence[ev.Event]:
    return report(at.state, at.act.gate, at.account, at.now, outcome=at.act.verb, reason=str(at.act.fields[at.act.verb]))


def _signal(at: Moment) -> Sequence[ev.Event]:
    return [ev.SignalReceived(str(at.act.fields["signal"]), dict(at.act.fields.get("data", {})), at.account.name)]


def _hold(at: Moment) -> Sequence[ev.Event]:
    address = str(at.act.fields.get("address", ""))
    holdable(at.project, at.state, address)
    if address in at.state.holds:
        raise NotAllowed("It is held already", f"By {at.state.holds[address].owner}: {at.state.holds[address].reason}.")
    return [ev.RunHeld(address, str(at.act.fields["hold"]), at.account.name)]


def _release(at: Moment) -> Sequence[ev.Event]:
    address = str(at.act.fields.get("address", ""))
    if address not in at.state.holds:
        raise NotAllowed("Nothing is held there", f"No hold is on {address or 'the run'}.")
    return [ev.RunReleased(address, str(at.act.fields["release"]), at.account.name)]


ACTS: Mapping[str, Acting] = {
    "approve": _approve, "reject": _reject, "answer": _answer, "done": _done, "blocked": _undone, "skipped": _undone,
    "signal": _signal, "hold": _hold, "release": _release,
}
"""What adds something to the run, whatever it is doing."""


def _retry(at: Moment) -> Sequence[ev.Event]:
    events = reopened(at.state, at.account.name)
    if not events:
        raise NotAllowed(f"Nothing failed in run {at.state.run}", "There is nothing to try again.")
    return events


def _resume(at: Moment) -> Sequence[ev.Event]:
    told: Any = at.act.fields["resume"]
    given: Mapping[str, Any] = told if isinstance(told, Mapping) else {}
    return answered(at.state, given.get("done", ()), given.get("again", ()), at.account.name)


TAKES_UP: Mapping[str, Acting] = {"retry": _retry, "resume": _resume}
"""What takes the run up itself, with what it journals first."""
