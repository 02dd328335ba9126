"""A review as a comment: what a reviewer must look at comes first, and no text in it is more than text."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from engine.model.diagnostic import Diagnostic
from engine.model.review import OpenRun, Review, Risk, RunbookReview
from engine.model.source import Span
from engine.reporting.markup import GITHUB_CHARACTERS, size
from engine.reporting.review_markdown import review_markdown
from engine.reporting.risk_words import MEANINGS
from tests.support.rendered import must_be_tame
from tests.support.reviews import EVIL, difference, mixed_review, review_of

Golden = Callable[[str, str], None]


def written(review: Review, limit: int = GITHUB_CHARACTERS) -> str:
    return review_markdown(review, limit)


def test_a_review_with_everything_in_it(matches_golden: Golden) -> None:
    """As a reviewer reads it."""
    text = written(mixed_review())
    must_be_tame(text)
    matches_golden("review_mixed.md", text)


def test_the_highest_risk_stands_above_what_is_lower() -> None:
    """Whatever the order in the runbook, and across runbooks."""
    low = RunbookReview("a.yml", (difference(Risk.WORDING, reason="aaa"), difference(Risk.ORDER, reason="bbb")))
    high = RunbookReview("b.yml", (difference(Risk.APPROVAL, reason="ccc"),))
    text = written(review_of(low, high))
    assert text.index("ccc") < text.index("bbb") < text.index("aaa")
    assert "**Highest risk: an approval is weaker** (high)" in text
    assert "## Runbook review: 1 high, 1 medium, 1 info" in text
    assert "aaa" not in text[: text.index("<details>")], "wording is nothing a reviewer must look at"


def test_no_difference_and_nothing_comparable_are_told_apart() -> None:
    """Silence would be read as safety."""
    same = written(review_of(RunbookReview("a.yml", ())))
    assert "nothing means anything else" in same
    wrong = Diagnostic("Merge conflict", "The file holds conflict markers.", Span("a.yml", 3, 1))
    unread = written(review_of(RunbookReview("a.yml", (), invalid=(("new", (wrong,)),))))
    assert "not everything could be compared" in unread
    assert "**as it is now is not valid** (1 problem)" in unread
    assert "`a.yml:3:1`: Merge conflict. The file holds conflict markers." in unread


def test_reviews_of_different_things_do_not_overwrite_each_other() -> None:
    """Nor does a second runbook in a later push make a comment of its own."""
    one = review_of(RunbookReview("a.yml", ()), inventory="inventories/acme")
    two = review_of(RunbookReview("a.yml", ()), RunbookReview("b.yml", ()), inventory="inventories/acme")
    first_lines = {review_markdown(review, 65_536).splitlines()[0] for review in (one, two)}
    assert first_lines == {"<!-- switchover:diff . inventories/acme -->"}
    assert review_markdown(two, 65_536, ["b.yml"]).startswith("<!-- switchover:diff b.yml inventories/acme -->\n")
    assert review_markdown(review_of(inventory=""), 65_536).startswith("<!-- switchover:diff . - -->\n")


def test_every_text_of_a_review_may_be_spiteful() -> None:
    """From names of phones to reasons that people gave."""
    evil = RunbookReview(
        EVIL,
        tuple(
            difference(risk, EVIL, EVIL, kind=EVIL, before=EVIL, after=EVIL, detail=(EVIL, "```", "@@ x"), span=Span(EVIL, 1, 1))
            for risk in Risk
        ),
        invalid=(("old", (Diagnostic(EVIL, EVIL, Span(EVIL, 1, 1)),)),), notes=(EVIL,),
        open_runs=(OpenRun(EVIL, EVIL, EVIL, (EVIL,)), OpenRun(EVIL, EVIL, "")),
    )
    for review in (review_of(evil), review_of(evil, evil, inventory=EVIL)):
        rendered = must_be_tame(written(review))
        assert EVIL[:60] in rendered.words


@pytest.mark.parametrize("limit", [4_000, 65_536, 1_000_000])
def test_a_large_change_fits_a_comment_and_says_what_is_left_out(limit: int) -> None:
    """Whole folds go, the lowest risk first; the command that shows them stands there."""
    lines = tuple(f"+line {line}" for line in range(90))
    steps = tuple(
        difference(risk, f"phase/step-{n}", "It differs, and this is why. " * 8, detail=lines)
        for n in range(120) for risk in (Risk.WORDING, Risk.GUARD)
    )
    text = written(review_of(RunbookReview("runbooks/a.yml", steps)), limit)
    rendered = must_be_tame(text)
    assert size(text) <= limit
    assert "120 high, 120 info" in text
    if limit < 1_000_000:
        assert "**Left out**" in text
        assert "`switchover diff main -i inventories/example-dental --verbose`" in text
    else:
        assert rendered.folds == 120


def test_every_risk_class_has_words() -> None:
    """A class that is added later is missed here."""
    assert set(MEANINGS) == set(Risk)
