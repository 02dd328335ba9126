"""A review to show: every level, an invalid side, a run under way, and text that wants to be markup."""

from __future__ import annotations

from engine.model.diagnostic import Diagnostic
from engine.model.review import Difference, OpenRun, Review, Risk, RunbookReview
from engine.model.source import Span

EVIL = (
    "@channel closes #12 !3 <img src=x onerror=alert(1)> | `x` **b** </details> <!-- --> https://evil.example/x"
    " [click](javascript:1) $a$ ~bug"
)
"""What nobody should be able to make a comment do."""


def difference(risk: Risk, address: str = "phones/config", reason: str = "It differs.", **more: object) -> Difference:
    """One, with what a test does not care about filled in."""
    return Difference(risk, str(more.pop("kind", "something-changed")), address, reason, **more)  # type: ignore[arg-type]  # passed through


def review_of(*runbooks: RunbookReview, inventory: str = "inventories/example-dental", new_commit: str = "") -> Review:
    """``main`` against the working tree."""
    return Review("main", "", "8a1f3c" + "0" * 34, new_commit, inventory, runbooks)


def mixed_review() -> Review:
    """Two runbooks, every level, one run that cannot follow."""
    path = "runbooks/cutover.yml"
    first = RunbookReview(
        path,
        (
            difference(Risk.WORDING, "phones", "The title says more.", kind="title-changed", before="Phones", after="All phones"),
            difference(
                Risk.SCOPE_MORE, "phones/config", "3 phones are newly in scope.", kind="items-added", before="12", after="15",
                detail=("805ec0000001 101 Front desk", "805ec0000002 102 Back office", "805ec0000003 103 Lab"),
                span=Span(path, 14, 9),
            ),
            difference(
                Risk.WAY_BACK, "numbers/forward", "The step is a point of no return now.", kind="point-of-no-return-added",
                span=Span(path, 40, 7),
            ),
            difference(Risk.SAFER, "numbers/forward", "A guard was added.", kind="guard-added", after="max_failures: 1"),
        ),
        open_runs=(OpenRun("20261122-2014-k3f9", "waiting", "approval by the customer", ("phones/config is done already",)),),
    )
    wrong = Diagnostic("Unknown key", "'parralel' is no key of a step.", Span("runbooks/moves.yml", 3, 5))
    second = RunbookReview(
        "runbooks/moves.yml",
        (difference(Risk.ORDER, "moves/notify", "The mail goes out before the phones move.", kind="step-moved", detail=(
            "@@ -1,2 +1,2 @@", "-  - name: notify", "+  - name: move",
        )),),
        invalid=(("old", (wrong,)),), notes=("steps could not be compared, as the old side is not valid",),
    )
    return review_of(first, second)
