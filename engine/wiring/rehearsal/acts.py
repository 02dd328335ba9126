"""What people can do in a rehearsal: each verb of a scenario, and the function behind the command of that name.

A verb is added here, to ``scenario_reader.VERBS`` and to ``schemas/scenario.json``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.lab.overlay import local_root
from engine.model import event as ev
from engine.model.inventory import Inventory
from engine.model.run import RunState
from engine.model.scenario import Act
from engine.model.values import dataclass
from engine.ports import Journal
from engine.project import Project
from engine.wiring.appointments import choose, decline, desk_of, reschedule
from engine.wiring.gates import Account, NotAllowed, answer, holdable, keep_evidence, report, vote
from engine.wiring.order import Guarded, Override
from engine.wiring.runs import answered, load_pinned, reopened
from engine.wiring.steering import Said, cancel, pause, skip


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
    journal: Journal


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
    correct, gate = bool(at.act.fields.get("correct")), at.state.gates.get(at.act.gate)
    allowed = _guarded(at).corrected(at.act.gate) if correct and gate is not None and not gate.is_open else []
    return [*allowed, *answer(at.state, at.act.gate, at.account, at.now, at.act.fields["answer"], correct=correct)]


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
    """A file that proves it: what the run wrote (``CONNECTION:PATH``), the one beside the scenario, else a stand-in. Raises
    ``NotAllowed`` for a file of the run that is not there."""
    connection, colon, path = name.partition(":")
    if colon:
        written = local_root(at.project.lab, connection) / path
        if not written.is_file():
            raise NotAllowed("There is no such file", f"{name} is nothing that the run has written into the lab's {connection}.")
        return written
    real = at.files / name
    if real.is_file():
        return real
    stand_in = folder / "stand-ins" / Path(name).name
    stand_in.parent.mkdir(mode=0o700, exist_ok=True)
    stand_in.write_text(f"a stand-in for {name}\n", encoding="utf-8")
    return stand_in


def _undone(at: Moment) -> Sequence[ev.Event]:
    told = report(at.state, at.act.gate, at.account, at.now, outcome=at.act.verb, reason=str(at.act.fields[at.act.verb]))
    return [*_guarded(at).skipped(at.act.gate), *told] if at.act.verb == "skipped" else told


def _guarded(at: Moment) -> Guarded:
    """The order of the run's runbook, with the word of whoever overrides it."""
    loaded = load_pinned(at.project, at.state, templates=False)
    role = str(at.act.fields.get("override", ""))
    reason = str(at.act.fields.get("reason") or at.act.fields[at.act.verb])
    account = RehearsedAccount(login_of(role, loaded.inventory), role)
    return Guarded(loaded.runbook, loaded.inventory, Override(account, reason) if role else None)


def _skip(at: Moment) -> Sequence[ev.Event]:
    loaded, address = load_pinned(at.project, at.state, templates=False), str(at.act.fields.get("address", ""))
    said = Said(at.account, str(at.act.fields["skip"]), at.now)
    return [*skip(loaded.runbook, loaded.inventory, at.state, address, said), *_guarded(at).skipped(address)]


def _pause(at: Moment) -> Sequence[ev.Event]:
    return pause(at.state, Said(at.account, str(at.act.fields["pause"]), at.now))


def _cancel(at: Moment) -> Sequence[ev.Event]:
    return cancel(at.state, Said(at.account, str(at.act.fields["cancel"]), at.now))


def _signal(at: Moment) -> Sequence[ev.Event]:
    return [ev.SignalReceived(str(at.act.fields["signal"]), dict(at.act.fields.get("data", {})), at.account.name)]


def _choose(at: Moment) -> Sequence[ev.Event]:
    wanted = str(at.act.fields["choose"])
    return choose(at.state, at.act.gate, at.account, at.now, wanted, desk_of(at.project, at.journal, at.state, at.now))


def _decline(at: Moment) -> Sequence[ev.Event]:
    reason = str(at.act.fields["decline"])
    return decline(at.state, at.act.gate, at.account, at.now, reason, desk_of(at.project, at.journal, at.state, at.now))


def _reschedule(at: Moment) -> Sequence[ev.Event]:
    wanted, reason = str(at.act.fields["reschedule"]), str(at.act.fields.get("reason", ""))
    desk = desk_of(at.project, at.journal, at.state, at.now)
    return reschedule(at.state, at.act.gate, at.account, at.now, wanted, reason, desk)


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
    "signal": _signal, "hold": _hold, "release": _release, "choose": _choose, "decline": _decline, "reschedule": _reschedule,
    "skip": _skip, "pause": _pause, "cancel": _cancel,
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
    told = answered(at.state, given.get("done", ()), given.get("again", ()), at.account.name)
    return [*_guarded(at).resumed(at.state, given.get("again", ())), *told]


TAKES_UP: Mapping[str, Acting] = {"retry": _retry, "resume": _resume}
"""What takes the run up itself, with what it journals first."""
