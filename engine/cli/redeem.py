"""``switchover redeem``: acts by a token instead of an account."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from engine.cli.acting import told
from engine.cli.answer import values_of
from engine.cli.output import data, warn
from engine.model.errors import SwitchoverError
from engine.model.event import Event
from engine.model.run import RunState
from engine.project import Project, find_project
from engine.wiring.appointments import Desk, choose, decline, desk_of
from engine.wiring.clock import SystemClock
from engine.wiring.gates import answer, keep_evidence, report, vote
from engine.wiring.journals import open_journal, read_run
from engine.wiring.token_text import Token
from engine.wiring.tokens import bearer, read

_VERBS = ("approve", "reject", "answer", "done", "choose", "decline")
Decide = Callable[[RunState], Sequence[Event]]


@click.command("redeem")
@click.argument("token", type=click.Path(path_type=Path))
@click.argument("verb", type=click.Choice(_VERBS))
@click.option("--comment", default="", help="Why; a rejection needs it.")
@click.option("--file", type=click.Path(path_type=Path), help="The answer to a form, YAML or JSON.")
@click.option("--set", "given", multiple=True, metavar="NAME=VALUE", help="One field of the form. May be repeated.")
@click.option("--slot", default="", help="The time of an appointment: its number, or a start that fits.")
@click.option("--evidence", multiple=True, type=click.Path(path_type=Path), help="A file that proves manual work.")
def command(
    token: Path, verb: str, comment: str, file: Path | None, given: tuple[str, ...], slot: str, evidence: tuple[Path, ...]
) -> int:
    """Act by the TOKEN in a file: approve, reject, answer a form, report work as done, choose or decline a time. It counts
    once."""
    project, clock = find_project(), SystemClock()
    held = read(_text(token), project.state, clock.now())
    with open_journal(project, notice=warn) as journal:
        state = read_run(journal, held.run)
        if verb in ("choose", "decline"):
            desk = desk_of(project, journal, state, clock.now())
            told(journal, state.run, _appointing(held, verb, slot, comment, desk, clock), desk.unchanged)
        else:
            decide = _DECIDE[verb](project, held, comment, file, given, evidence, clock)
            decide(state)  # refused before anything is kept
            told(journal, state.run, decide)
    data(f"{verb}: {held.address} of run {held.run}, as {held.name}")
    return 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "It is no text"
        raise SwitchoverError(f"Cannot read the token {path}", f"{why}.") from None


def _vote(choice: str) -> Callable[..., Decide]:
    def make(
        _project: Project, held: Token, comment: str, _file: object, _given: object, _evidence: object, clock: SystemClock
    ) -> Decide:
        def decide(state: RunState) -> Sequence[Event]:
            _, account = bearer(state, held)
            return vote(state, held.address, account, clock.now(), choice=choice, comment=comment)

        return decide

    return make


def _answer(
    _project: Project, held: Token, _comment: str, file: Path | None, given: tuple[str, ...], _evidence: object,
    clock: SystemClock,
) -> Decide:
    def decide(state: RunState) -> Sequence[Event]:
        gate, account = bearer(state, held)
        return answer(state, held.address, account, clock.now(), values_of(gate, given, file))

    return decide


def _done(
    project: Project, held: Token, comment: str, _file: object, _given: object, evidence: tuple[Path, ...],
    clock: SystemClock,
) -> Decide:
    def decide(state: RunState) -> Sequence[Event]:
        _, account = bearer(state, held)
        report(state, held.address, account, clock.now(), outcome="done", reason=comment, evidence=[{}] if evidence else [])
        kept = keep_evidence(project.run_folder(held.run), evidence) if evidence else []
        return report(state, held.address, account, clock.now(), outcome="done", reason=comment, evidence=kept)

    return decide


def _appointing(held: Token, verb: str, slot: str, comment: str, desk: Desk, clock: SystemClock) -> Decide:
    if verb == "choose" and not slot:
        raise click.UsageError("choose: which time? Give --slot NUMBER, or --slot START.")

    def decide(state: RunState) -> Sequence[Event]:
        _, account = bearer(state, held)
        if verb == "choose":
            return choose(state, held.address, account, clock.now(), slot, desk)
        return decline(state, held.address, account, clock.now(), comment, desk, slots=(slot,) if slot else ())

    return decide


_DECIDE: dict[str, Callable[..., Decide]] = {
    "approve": _vote("approve"), "reject": _vote("reject"), "answer": _answer, "done": _done,
}
