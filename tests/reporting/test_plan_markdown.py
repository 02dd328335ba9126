"""A plan as a comment: what cannot be undone, predicted or read comes first; each step is folded; it fits."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable

import pytest

from engine.model.plan import FieldChange, Outlook, PlannedItem
from engine.reporting.markup import GITHUB_CHARACTERS, size
from engine.reporting.plan_markdown import PlanMarkdown
from tests.support.plans import mixed_plan, new_phones, plan_header
from tests.support.rendered import must_be_tame
from tests.support.reviews import EVIL

Golden = Callable[[str, str], None]


def written(items: Iterable[PlannedItem], limit: int = GITHUB_CHARACTERS, *, verbose: bool = False, **header: object) -> str:
    stream = io.StringIO()
    view = PlanMarkdown(stream, plan_header(**header), limit, verbose=verbose)
    for item in items:
        view.add(item)
    view.finish()
    return stream.getvalue()


def test_a_plan_with_everything_in_it(matches_golden: Golden) -> None:
    """As a reviewer reads it."""
    text = written(mixed_plan())
    must_be_tame(text)
    matches_golden("plan_mixed.md", text)


def test_a_plan_with_nothing_to_do_says_so() -> None:
    """In its first line of text, with the count."""
    done = [PlannedItem(f"p/a[{n}]", "p/a", "p/a", str(n), "a", Outlook.NOTHING) for n in range(3)]
    text = written(done)
    assert "**Nothing to change**" in text
    assert "| `p/a` | 3 |" in text
    assert "<details><summary><code>p/a" not in text
    assert "<code>p/a" in written(done, verbose=True)
    assert "**Nothing to undo**" in written([], rollback_of="r-1")


def test_the_lab_and_the_real_systems_have_comments_of_their_own() -> None:
    """And one against the lab says so, so that nobody takes it for the real plan."""
    real, lab = written([]), written([], lab=True)
    assert real.splitlines()[0] != lab.splitlines()[0]
    assert lab.splitlines()[0].endswith("@lab -->")
    assert "against the lab, not the real systems" in lab
    assert "against the lab" not in real


def test_every_text_of_a_plan_may_be_spiteful() -> None:
    """A phone's name, a device's answer, a file's line."""
    items = [
        PlannedItem(f"p/{outlook.value}[{EVIL}]", "p/a", f"p/{outlook.value}", EVIL, "a", outlook, EVIL, EVIL, label=f"{EVIL} x",
                    reversible=False, fields=(FieldChange(EVIL, EVIL, None),), diff=("+++ a", f"+{EVIL}", "+```"), notes=(EVIL,))
        for outlook in Outlook
    ]
    text = written(
        items, verbose=True, runbook_title=EVIL, windows=(EVIL,), known_gaps=(EVIL,), on_cancel=(EVIL,),
        points_of_no_return=(EVIL,), titles={"p/change": EVIL},
    )
    rendered = must_be_tame(text)
    assert EVIL[:60] in rendered.words


@pytest.mark.parametrize(("count", "limit"), [(400, 4_000), (8_000, GITHUB_CHARACTERS), (400, 1_000_000)])
def test_many_phones_fit_a_comment(count: int, limit: int) -> None:
    """Counts stay exact, whatever had to be left out; one step does not push out all others."""
    text = written([*new_phones(count), *mixed_plan()], limit)
    must_be_tame(text)
    assert size(text) <= limit
    assert f"{count + 2:,} to create" in text
    assert "Could not be read" in text
    assert ("more item" in text or "**Left out**" in text) == (limit < 1_000_000)


def test_a_file_is_shown_by_its_beginning() -> None:
    """Ninety lines of a phone's configuration are known after forty, and the third file looks like the first two."""
    text = written(new_phones(5))
    assert text.count("+account.1.setting_") == 2 * 38
    assert text.count("... 54 more lines") == 2
    assert text.count("create 805ec0") == 5
    assert written(new_phones(5), verbose=True).count("+account.1.setting_") == 5 * 38
