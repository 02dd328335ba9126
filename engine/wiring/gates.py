"""What people do at the gates of a run, from any process: looked up, judged, journalled; or refused with the reason."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import socket
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from engine.execution.gates import Voter, why_no_vote, why_not, why_not_asked
from engine.language.nearest import did_you_mean, offered
from engine.language.schema_check import SchemaCheck
from engine.language.yaml_reader import parse_yaml, read_yaml
from engine.model import event as ev
from engine.model.diagnostic import InvalidInput
from engine.model.errors import SwitchoverError
from engine.model.gate import GateState, called
from engine.model.run import RunState, RunStatus, fold
from engine.model.source import Document
from engine.model.values import dataclass
from engine.ports import Journal
from engine.project import Project
from engine.wiring.runs import load_pinned


class NotAllowed(SwitchoverError):
    """Somebody wanted to act where they may not, or no longer."""

    exit_code = 4


@dataclass(frozen=True, slots=True)
class Account:
    """Who sits at the machine, as far as it knows. ``person``: whom they act for (``--as``), by role or name."""

    name: str
    person: str = ""

    @property
    def via(self) -> str:
        """How it is known who acted."""
        return f"account {self.name} on {socket.gethostname()}"

    def voter(self, gate: GateState) -> Voter | None:  # others tell by the gate
        """Who this is for certain, without looking at accounts; None when accounts tell."""
        return None


def act(
    journal: Journal, run: str, now: datetime, decide: Callable[[RunState], Sequence[ev.Event]],
    check: Callable[[], bool] | None = None,
) -> RunState:
    """Journals what ``decide`` makes of the run as it stands, if it still stands so; else decides again. ``check``: whether what
    was looked at in other runs still stands too, asked while nobody else can write. Returns the state it was decided on. Raises
    what ``decide`` raises."""
    while True:
        state = fold(journal.read(run))
        events = decide(state)
        waits = state.status is RunStatus.WAITING and not any(isinstance(event, ev.RunPaused) for event in events)
        ends = any(isinstance(event, ev.RunCancelled) for event in events) and state.status is RunStatus.PAUSED
        due = now if waits or ends else None
        if not events or journal.append_if(run, events, state.last_seq, due, check=check):
            return state


def refuse_closed(state: RunState, address: str) -> None:
    """Raises ``NotAllowed`` for what a cancelled run does no more."""
    cancelled = state.cancelled
    if cancelled is not None and (state.status is RunStatus.CANCELLED or state.is_closed(address)):
        raise NotAllowed(
            f"Run {state.run} was cancelled",
            f"By {cancelled.who}: {cancelled.reason}. What it did can still be taken back: switchover rollback {state.run}",
        )


def gate_at(state: RunState, address: str) -> GateState:
    """An open gate by address. Raises ``NotAllowed``."""
    refuse_closed(state, address)
    gate = state.gates.get(address)
    if gate is None:
        known = [other for other, found in state.gates.items() if found.is_open]
        if not known:
            raise NotAllowed(f"Nothing waits at {address}", f"No gate of run {state.run} is open: switchover status {state.run}")
        hint = did_you_mean(address, known)
        raise NotAllowed(f"Nothing waits at {address}", f"{offered(known)} {hint}".strip())
    return gate


def voter_at(gate: GateState, account: Account) -> Voter:
    """The person an account acts as. Raises ``NotAllowed`` when that cannot be told, or may not be."""
    certain = account.voter(gate)
    if certain is not None:
        return certain
    people = [*gate.people, *gate.deputies]
    if not _meant(people, account):
        _refuse_who_handed_it_on(gate, account)
    return person_of(people, account, "Not yours to decide", "those who are asked", "--as")


def person_of(people: Sequence[Mapping[str, Any]], account: Account, refused: str, whom: str, option: str) -> Voter:
    """Whom of ``people`` an account acts as. Raises ``NotAllowed`` as ``voter_at`` does; ``refused``, ``whom`` and ``option`` are
    its words."""
    wanted = _meant(people, account)
    asked = ", ".join(map(called, people))
    if not wanted:
        why = f"{account.person} is not among {whom}" if account.person else \
            f"No one of {whom} is known by the account {account.name}"
        raise NotAllowed(refused, f"{why}: {asked}. Say for whom you act with {option} ROLE.")
    person = next((p for p in wanted if account.name in p.get("logins", ())), wanted[0])
    if person.get("logins") and account.name not in person["logins"]:
        raise NotAllowed(
            refused,
            f"{person.get('name')} acts by the account {' or '.join(person['logins'])}, and this is {account.name}.",
        )
    unproved = "" if person.get("logins") else ", which the inventory ties to nobody"
    return voter_of(person, account, unproved)


def _meant(people: Sequence[Mapping[str, Any]], account: Account) -> list[Mapping[str, Any]]:
    if account.person:
        return [p for p in people if _is_named(p, account)]
    return [p for p in people if account.name in p.get("logins", ())]


def voter_of(person: Mapping[str, Any], account: Account, unproved: str = "") -> Voter:
    """An account as one of those who may act at a gate."""
    behalf, basis = str(person.get("behalf", "")), str(person.get("basis", ""))
    return Voter(str(person.get("name")), str(person.get("role")), account.name, account.via + unproved, behalf, basis)


def _is_named(person: Mapping[str, Any], account: Account) -> bool:
    """Whether ``--as`` means this person. Who acts for somebody else goes by a role of their own: by the role that is asked
    only if the account proves who they are, or what one person does would be put down to the other."""
    own = person.get("own_role", person.get("role"))
    return account.person in (own, person.get("name"), person.get("email")) or (
        account.person == person.get("role") and account.name in person.get("logins", ())
    )


def _refuse_who_handed_it_on(gate: GateState, account: Account) -> None:
    asked = [*gate.asked, *(told.to for told in gate.delegations)]
    logins = {person.get("name"): person.get("logins", ()) for person in asked}
    for told in gate.delegations:
        named = account.person in (told.who, told.role) if account.person else account.name in logins.get(told.who, ())
        if named:
            raise NotAllowed(
                "Not yours to decide any more", f"{told.who} handed it to {told.to.get('name')}: {told.reason}."
            )


def vote(
    state: RunState, address: str, account: Account, now: datetime, *, choice: str, comment: str, digest: str = ""
) -> list[ev.Event]:
    """An approval or a rejection. Raises ``NotAllowed`` with the reason: late, twice, one's own, of something else."""
    gate = gate_at(state, address)
    voter = voter_at(gate, account)
    refusal = why_no_vote(gate, voter, choice, digest, comment, now)
    if refusal:
        raise NotAllowed("The vote does not count", f"{address}: {refusal}.")
    return [ev.GateVoted(address, choice, voter.name, voter.via, gate.digest, comment, voter.role, voter.behalf, voter.basis)]


def answer(
    state: RunState, address: str, account: Account, now: datetime, data: Mapping[str, Any], *, correct: bool = False
) -> list[ev.Event]:
    """A filled-in form; a correction of one given before is a new version. Raises ``NotAllowed``, or ``InvalidInput`` with all
    that is wrong with the answer."""
    gate = gate_at(state, address)
    voter = voter_at(gate, account)
    corrects = correct and gate.answers and gate.opened.gate == "input"
    refusal = why_not_asked(gate, voter, now) if corrects else why_not(gate, "input", voter, now)
    if refusal:
        raise NotAllowed("The answer does not count", f"{address}: {refusal}.")
    problems = answer_problems(gate, parse_yaml(_as_yaml(data), "the answer"))
    if problems:
        raise InvalidInput(problems)
    return [ev.GateAnswered(
        address, len(gate.answers) + 1, dict(data), voter.name, voter.via, voter.role, voter.behalf, voter.basis
    )]


def answer_problems(gate: GateState, document: Document) -> list[Any]:
    """Everything that is wrong with an answer, with the place where it stands."""
    schema = {**gate.opened.ask.get("schema", {})}
    schema.setdefault("additionalProperties", False)  # a mistyped name must not be lost
    return SchemaCheck.of(schema).problems(document.data, document.source)


def answer_from(path: Path) -> Document:
    """A file with an answer, YAML or JSON. Raises ``InvalidInput``."""
    document = read_yaml(path)
    if not isinstance(document.data, dict):
        raise SwitchoverError(f"{path} is no answer", "It has to be a mapping: each name of the form with its value.")
    return document


def report(
    state: RunState, address: str, account: Account, now: datetime, *, outcome: str, reason: str,
    evidence: Sequence[Mapping[str, Any]] = (),
) -> list[ev.Event]:
    """How manual work stands. Raises ``NotAllowed``."""
    gate = gate_at(state, address)
    voter = voter_at(gate, account)
    refusal = why_not(gate, "task", voter, now)
    if not refusal and outcome != "done" and not reason.strip():
        refusal = f"'{outcome}' needs a --reason"
    if not refusal and outcome == "done" and gate.opened.ask.get("evidence") and not evidence:
        refusal = "it has to be proved: give a file with --evidence"
    if refusal:
        raise NotAllowed("This does not count", f"{address}: {refusal}.")
    return [ev.GateReported(
        address, outcome, voter.name, voter.via, reason, tuple(evidence), voter.role, voter.behalf, voter.basis
    )]


def holdable(project: Project, state: RunState, address: str) -> None:
    """Raises ``NotAllowed`` for what is neither empty nor a phase or a step or group of the run's runbook."""
    runbook = load_pinned(project, state).runbook
    known = [*(phase.name for phase in runbook.phases), *(block.address for block in runbook.blocks())]
    if address and address not in known:
        raise NotAllowed("Nothing to hold there", f"{offered(known)} {did_you_mean(address, known)}".strip())


def keep_evidence(folder: Path, files: Sequence[Path]) -> list[dict[str, Any]]:
    """Copies files into a run's folder, each under its digest; returns what is journalled of them. Raises ``SwitchoverError``."""
    kept = []
    target = folder / "evidence"
    target.mkdir(mode=0o700, exist_ok=True)
    for path in files:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise SwitchoverError(f"Cannot read the evidence {path}", f"{error.strerror}.") from error
        name = hashlib.sha256(data).hexdigest()
        copy = target / name
        if not copy.exists():
            temporary = target / f".{name}.{os.getpid()}"
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            shutil.move(temporary, copy)
        kept.append({"name": path.name, "sha256": name, "size": len(data)})
    return kept


def lost_evidence(state: RunState, folder: Path) -> list[str]:
    """What is wrong with the kept evidence: files gone or altered, in words."""
    problems = []
    for address, gate in state.gates.items():
        for entry in (entry for told in gate.reports for entry in told.evidence):
            copy = folder / "evidence" / str(entry["sha256"])
            if not copy.is_file():
                problems.append(f"{address}: the evidence {entry['name']} is gone from {copy.parent}")
            elif hashlib.sha256(copy.read_bytes()).hexdigest() != entry["sha256"]:
                problems.append(f"{address}: the evidence {entry['name']} was altered since it was given")
    return problems


def _as_yaml(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False)
