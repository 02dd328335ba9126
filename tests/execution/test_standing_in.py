"""People who act at a gate for others: by delegation of this one gate, or as standing deputies of the inventory."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.model.inventory import Inventory
from engine.model.run import RunStatus
from engine.planning.people import person_of
from engine.wiring.delegation import delegate
from engine.wiring.gates import Account, NotAllowed, vote
from tests.support.gate_case import PEOPLE, PUT, Case, approval, case

ANA = {"name": "Ana", "email": "ana@example.net", "logins": ["ann"]}
FORM = "      - name: form\n        input: {by: partner, form: {properties: {x: {type: integer}}}}\n"
WORK = "      - name: work\n        task: {by: manager}\n"


def people(**more: Any) -> dict[str, Any]:
    return {**PEOPLE, "assistant": ANA, **more}


def opened(folder: Path, steps: str, **more: Any) -> Case:
    it = case(folder, steps + PUT)
    it.world.people = people(**more)
    assert it.start() is RunStatus.WAITING
    return it


def hand(it: Case, who: str, role: str, reason: str = "on leave", at: str = "p/sign-off", person: str = "") -> None:
    inventory: Inventory = it.world._inventory()
    to = person_of(inventory, role)
    it.act(lambda state: delegate(state, at, Account(who, person), it.clock.now(), to, reason))


def test_whoever_was_handed_it_acts_in_the_place_of_who_was_asked(tmp_path: Path) -> None:
    """The journal has both names, the role and the reason; the one voice is not two."""
    it = opened(tmp_path, approval(quorum="2"))
    hand(it, "max", "assistant")
    with pytest.raises(NotAllowed, match="Max handed it to Ana: on leave"):
        it.vote("max")
    it.vote("ann")
    assert it.go_on() is RunStatus.WAITING
    it.vote("pia")
    assert it.go_on() is RunStatus.SUCCEEDED
    assert it.why("p/sign-off") == "Ana for manager (delegated by Max: on leave) and Pia approved it"
    given = it.state.gates["p/sign-off"].votes[0]
    assert (given.who, given.role, given.behalf, given.basis) == ("Ana", "manager", "Max", "delegated by Max: on leave")


def test_it_can_be_handed_on_again_but_does_not_come_back(tmp_path: Path) -> None:
    """The voice stays the first one's."""
    it = opened(tmp_path, approval())
    hand(it, "max", "assistant")
    with pytest.raises(NotAllowed, match="Max has handed it to Ana, so it would come back: on leave"):
        hand(it, "ann", "manager")
    hand(it, "ann", "boss", "ill")
    with pytest.raises(NotAllowed, match="Ana handed it to Bo: ill"):
        it.vote("ann")
    it.vote("bo")
    assert it.go_on() is RunStatus.SUCCEEDED
    assert it.why("p/sign-off") == "Bo for manager (delegated by Ana: ill) approved it"
    assert it.state.gates["p/sign-off"].votes[0].behalf == "Max"


@pytest.mark.parametrize(("who", "to", "said"), [
    ("pia", "partner", "Pia is asked already; hand it to somebody else"),
    ("eve", "assistant", "No one of those who are asked is known by the account eve"),
    ("pia", "manager", "nobody counts twice: 2 have to agree, and 1 would be left"),
    ("pia", "starter", "Stan asked for this approval, and it takes four eyes"),
])
def test_what_would_make_two_voices_one_or_one_two_is_refused(tmp_path: Path, who: str, to: str, said: str) -> None:
    """And nothing is journalled."""
    it = opened(tmp_path, approval(quorum="2"), starter={"name": "Stan", "logins": ["ana"]})
    with pytest.raises(NotAllowed, match=said):
        hand(it, who, to)
    assert it.world.kinds().count("gate_delegated") == 0


def test_who_has_voted_neither_hands_on_nor_is_handed_anything(tmp_path: Path) -> None:
    it = opened(tmp_path, approval(quorum="2"))
    it.vote("pia")
    with pytest.raises(NotAllowed, match="Pia has no voice left to hand on: it was given already"):
        hand(it, "pia", "assistant")
    with pytest.raises(NotAllowed, match=r"Pia has voted already \(approve\), and nobody votes twice"):
        hand(it, "max", "partner")


def test_nobody_hands_on_without_a_reason_or_too_late_or_where_nobody_is_asked(tmp_path: Path) -> None:
    it = opened(tmp_path, "      - name: sign-off\n        wait: {signal: go}\n")
    with pytest.raises(NotAllowed, match="No one of those who are asked is known by the account max"):
        hand(it, "max", "assistant")
    it = opened(tmp_path, approval(within="2h"))
    with pytest.raises(NotAllowed, match="handing it on needs a --reason"):
        hand(it, "max", "assistant", " ")
    it.clock.pass_(hours=2)
    with pytest.raises(NotAllowed, match="it is too late"):
        hand(it, "max", "assistant")


def test_four_eyes_hold_for_whoever_acts_in_the_end(tmp_path: Path) -> None:
    """Also when the account that started the run is tied to nobody and says for whom it acts."""
    it = opened(tmp_path, approval(), assistant={"name": "Ana"})
    hand(it, "max", "assistant")
    with pytest.raises(NotAllowed, match="ana asked for this approval, and it takes four eyes"):
        it.act(lambda state: _vote_as(state, it))


def _vote_as(state: Any, it: Case) -> Any:
    return vote(state, "p/sign-off", Account("ana", "Ana"), it.clock.now(), choice="approve", comment="")


def test_forms_and_work_are_handed_on_alike(tmp_path: Path) -> None:
    """Who answered for whom stands in the reason the gate was passed for."""
    it = opened(tmp_path, FORM + WORK)
    hand(it, "pia", "assistant", at="p/form")
    it.answer("ann", {"x": 1})
    assert it.go_on() is RunStatus.WAITING
    assert it.why("p/form") == "Ana for partner (delegated by Pia: on leave) answered"
    with pytest.raises(NotAllowed, match="Pia handed it to Ana"):
        it.answer("pia", {"x": 2}, correct=True)
    hand(it, "max", "assistant", at="p/work")
    it.report("ann")
    assert it.go_on() is RunStatus.SUCCEEDED
    assert it.why("p/work") == "Ana for manager (delegated by Max: on leave) did it"


def deputy(start: str = "2026-11-24", end: str = "2026-11-25") -> dict[str, Any]:
    return {"manager": {**PEOPLE["manager"], "deputy": {"role": "assistant", "from": start, "until": end}}}


def test_a_standing_deputy_may_act_as_well_from_the_first_day_to_the_last(tmp_path: Path) -> None:
    """Days count whole, in the inventory's time zone; the gate was open before."""
    it = opened(tmp_path, approval(), **deputy())
    with pytest.raises(NotAllowed, match="Ana does not stand in for Max today"):
        it.vote("ann")
    it.clock.pass_(days=2, hours=5)  # 2026-11-25T23:00
    it.vote("ann")
    assert it.go_on() is RunStatus.SUCCEEDED
    assert it.why("p/sign-off") == "Ana for manager (deputy of Max until 2026-11-25) approved it"


def test_when_the_last_day_is_over_the_deputy_acts_no_longer(tmp_path: Path) -> None:
    it = opened(tmp_path, approval(), **deputy())
    it.clock.pass_(days=2, hours=6)  # 2026-11-26T00:00
    with pytest.raises(NotAllowed, match="Ana does not stand in for Max today"):
        it.vote("ann")
    it.vote("max")
    assert it.go_on() is RunStatus.SUCCEEDED


def test_a_deputy_and_whom_they_stand_in_for_are_one_voice(tmp_path: Path) -> None:
    """The first of the two to act counts; a deputy who is asked in their own right does not count twice either."""
    it = opened(tmp_path, approval(quorum="2"), **deputy("2026-11-23"))
    it.vote("ann")
    with pytest.raises(NotAllowed, match=r"Ana has voted for Max already \(approve\), and one voice counts once"):
        it.vote("max")
    it = opened(tmp_path, approval(quorum="2"), partner={
        **PEOPLE["partner"], "deputy": {"role": "manager", "from": "2026-11-23", "until": "2026-11-25"},
    })
    it.vote("max")
    with pytest.raises(NotAllowed, match="Max has voted already"):
        it.act(lambda state: _as_partner(state, it))
    it.vote("pia")
    assert it.go_on() is RunStatus.SUCCEEDED


def _as_partner(state: Any, it: Case) -> Any:
    return vote(state, "p/sign-off", Account("max", "partner"), it.clock.now(), choice="approve", comment="")


def test_a_deputy_does_not_hand_on_and_what_was_handed_on_is_no_longer_theirs(tmp_path: Path) -> None:
    """Only whoever is asked decides who acts for them at this gate."""
    it = opened(tmp_path, approval(), **deputy("2026-11-23"))
    with pytest.raises(NotAllowed, match="Ana only stands in for Max, who alone may hand it to somebody else"):
        hand(it, "ann", "boss")
    hand(it, "max", "boss")
    with pytest.raises(NotAllowed, match="known by the account ann"):
        it.vote("ann")
    it.vote("bo")
    assert it.go_on() is RunStatus.SUCCEEDED


def test_deputies_of_whom_it_is_passed_on_to_act_once_it_is(tmp_path: Path) -> None:
    boss = {"boss": {**PEOPLE["boss"], "deputy": {"role": "assistant"}}}
    it = opened(tmp_path, approval(within="2h", on_timeout="escalate", escalate_to="boss"), **boss)
    with pytest.raises(NotAllowed, match="known by the account ann"):
        it.vote("ann")
    it.clock.at += timedelta(hours=2)
    it.go_on()
    it.vote("ann")
    assert it.go_on() is RunStatus.SUCCEEDED
    assert it.why("p/sign-off") == "Ana for boss (deputy of Bo) approved it"
