"""What to do about an address, as a table."""

from __future__ import annotations

import pytest

from engine.execution.decide import NO_PAST, Expected, Past, Verdict, decide
from engine.model.plan import Change, Effect, FieldChange, Outlook, Unpredictable

CHANGE = Change("set forward", (FieldChange("forward", None, "+12025550190"),))
OTHER = Change("set forward", (FieldChange("forward", "+12025550111", "+12025550190"),))
MAIL = Unpredictable("send", "a mail cannot be read back")
UNSENT_MAIL = Unpredictable("send", "a mail cannot be read back", not_yet_done=True)

PLANNED = Expected(Outlook.CHANGE, CHANGE.digest())
PLANNED_MAIL = Expected(Outlook.UNPREDICTABLE, MAIL.digest())
NOTHING = Expected(Outlook.NOTHING, "")
LATER = Expected(Outlook.LATER, "")
LOST = Past(lost=True)
LOST_UNREADABLE = Past(lost=True, readable=False)
SEALED = Expected(Outlook.CHANGE, f"sealed {CHANGE.digest()}")
TOLD = Past(lost=True, readable=False, told_again=True)


@pytest.mark.parametrize(
    ("change", "effect", "expected", "past", "verdict"),
    [
        (None, Effect.CHANGES, PLANNED, NO_PAST, Verdict.UNCHANGED),
        (None, Effect.CHANGES, NOTHING, NO_PAST, Verdict.UNCHANGED),
        (None, Effect.CHANGES, PLANNED, LOST, Verdict.ADOPT),
        (None, Effect.READS, None, NO_PAST, Verdict.PROVED),
        (CHANGE, Effect.READS, None, NO_PAST, Verdict.AWAIT),
        (CHANGE, Effect.CHANGES, PLANNED, NO_PAST, Verdict.APPLY),
        (CHANGE, Effect.DESTROYS, PLANNED, NO_PAST, Verdict.APPLY),
        (CHANGE, Effect.CHANGES, LATER, NO_PAST, Verdict.APPLY),
        (CHANGE, Effect.CHANGES, None, NO_PAST, Verdict.APPLY),
        (OTHER, Effect.CHANGES, PLANNED, NO_PAST, Verdict.MOVED),
        (CHANGE, Effect.CHANGES, NOTHING, NO_PAST, Verdict.MOVED),
        (CHANGE, Effect.CHANGES, Expected(Outlook.SKIP, ""), NO_PAST, Verdict.MOVED),
        (CHANGE, Effect.CHANGES, Expected(Outlook.ERROR, ""), NO_PAST, Verdict.MOVED),
        (OTHER, Effect.CHANGES, PLANNED, LOST, Verdict.APPLY),
        (MAIL, Effect.CHANGES, PLANNED_MAIL, NO_PAST, Verdict.APPLY),
        (MAIL, Effect.CHANGES, PLANNED_MAIL, LOST_UNREADABLE, Verdict.ASK),
        (MAIL, Effect.CHANGES, PLANNED_MAIL, TOLD, Verdict.APPLY),
        (UNSENT_MAIL, Effect.CHANGES, PLANNED_MAIL, LOST_UNREADABLE, Verdict.APPLY),
        (None, Effect.CHANGES, PLANNED_MAIL, LOST_UNREADABLE, Verdict.ADOPT),
    ],
)
def test_the_verdict_follows_from_what_was_seen_planned_and_tried(
    change: Change | Unpredictable | None, effect: Effect, expected: Expected | None, past: Past, verdict: Verdict
) -> None:
    """The whole of the decision, one line per case."""
    assert decide(change, effect, expected, past) is verdict


def test_what_the_plan_saw_is_compared_as_the_plan_sealed_it() -> None:
    """With another key nothing is as planned."""

    def seal(digest: str) -> str:
        return f"sealed {digest}"

    assert decide(CHANGE, Effect.CHANGES, SEALED, NO_PAST, seal) is Verdict.APPLY
    assert decide(OTHER, Effect.CHANGES, SEALED, NO_PAST, seal) is Verdict.MOVED
    assert decide(CHANGE, Effect.CHANGES, SEALED, NO_PAST) is Verdict.MOVED
