"""A run on one screen: how it stands, why, and what to do next."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

import pytest

from engine.model import event as ev
from engine.model.run import fold
from engine.ports import Lease
from engine.reporting.summary import format_runs, format_summary, summary_data
from tests.support.journals import changed, started
from tests.support.stories import big_run, eventful_run, quiet_run, recorded

Golden = Callable[[str, str], None]


def summary(*events: ev.Event) -> str:
    return format_summary(fold(recorded([started("acme"), *events])))


def test_a_run_with_everything_in_it(matches_golden: Golden) -> None:
    matches_golden("summary_eventful.txt", format_summary(fold(eventful_run())))


def test_what_to_do_next_fits_a_narrow_terminal() -> None:
    """A command that breaks in the middle of a word cannot be copied."""
    for events in (eventful_run(), quiet_run()):
        text = format_summary(fold(events), width=80)
        assert max(map(len, text[text.index("\nNext"):].splitlines())) <= 80


def test_a_run_that_changed_nothing(matches_golden: Golden) -> None:
    matches_golden("summary_quiet.txt", format_summary(fold(quiet_run())))


def test_a_list_of_runs(matches_golden: Golden) -> None:
    matches_golden("runs.txt", format_runs([fold(eventful_run()), fold(quiet_run())]))


def test_no_runs_yet_says_how_to_start_one() -> None:
    assert "switchover apply" in format_runs([])


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([ev.RunFinished("succeeded")], ["report"]),
        ([ev.ItemFailed("p/s[1]", "no", "permanent"), ev.RunFinished("failed")], ["retry", "rollback", "report"]),
        (
            [ev.ItemFailed("p/s[1]", "no", "moved"), ev.ItemBlocked("p/t[1]", "p/s[1]"), ev.RunFinished("failed")],
            ["plan", "rollback", "report"],
        ),
        (
            [ev.ItemFailed("p/s[1]", "no", "moved"), ev.ItemFailed("p/s[2]", "no", "temporary"), ev.RunFinished("failed")],
            ["plan", "retry", "rollback", "report"],
        ),
        ([ev.RunFinished("waiting")], ["resume", "report"]),
        ([ev.RunInterrupted("SIGINT")], ["resume", "report"]),
        ([ev.ItemIntended("p/s[1]", "k", "s", 1, True)], ["resume", "report"]),
        (
            [ev.ItemFailed("p/s[1]", "no", "bug"), ev.GuardTripped("p/s", 1, "0"), ev.RunFinished("tripped")],
            ["retry", "resume", "rollback", "report"],
        ),
        ([ev.ItemInDoubt("p/s[1]", "lost"), ev.RunFinished("waiting")], ["resume", "resume", "report"]),
    ],
)
def test_what_to_do_next_fits_how_the_run_stands(events: Sequence[ev.Event], expected: list[str]) -> None:
    """Every command that is named exists and makes sense now."""
    found = re.findall(r"^  switchover (\w+) ", summary(*events), re.MULTILINE)
    assert found == expected


def test_an_item_in_doubt_is_answered_by_address_quoted_for_the_shell() -> None:
    text = summary(ev.ItemInDoubt("p/mail[a b]", "lost"))
    assert "switchover resume r-20260303-7f3a --done 'p/mail[a b]'" in text
    assert "switchover resume r-20260303-7f3a --again 'p/mail[a b]'" in text


def test_a_dead_run_is_told_from_one_at_work() -> None:
    """Only the lease knows; the events look the same."""
    state = fold(recorded([started("acme"), ev.ItemIntended("p/s[1]", "k", "s", 1, True)]))
    lease = Lease("acme", state.run, "pbx-admin-1", 4711, "ana", datetime(2026, 3, 3, tzinfo=UTC))
    assert "its process is gone" in format_summary(state)
    assert "1 item not finished" in format_summary(state)
    alive = format_summary(state, holder=lease)
    assert "running" in alive
    assert "process 4711 on pbx-admin-1 is working on it" in alive
    assert "resume" not in alive


def test_a_hundred_failures_for_one_reason_are_one_problem() -> None:
    """Behind one dead switch."""
    text = format_summary(fold(big_run(1000)))
    assert "Failed (10)" in text
    assert len(text.splitlines()) < 40
    same = summary(*(ev.ItemFailed(f"p/s[{n}]", "switch 3 did not answer", "temporary") for n in range(100)))
    assert "p/s[0], p/s[1], p/s[2] and 97 more" in same
    assert same.count("switch 3 did not answer") == 1


def test_the_data_holds_what_the_screen_says() -> None:
    """JSON all through, with a format version."""
    found = json.loads(json.dumps(summary_data(fold(eventful_run()))))
    assert found["format"] == "switchover.run/1"
    assert found["status"] == "tripped"
    assert found["steps"]["phones/registered"] == {"proved": 4, "failed": 2}
    assert [p["status"] for p in found["problems"]] == ["failed", "blocked", "failed", "in_doubt"]
    assert found["overrides"][0]["actor"] == "ana"


def test_a_rollback_is_told_as_one() -> None:
    """Its title says of which run it is, its items are undone and not changed, and the last look is told."""
    state = fold(recorded([
        started("acme", rollback_of="r-20260301-aaaa"), changed("p/s[1]"), ev.ItemSkipped("p/m", "not undone: mail"),
        ev.RunReadBack(1, 0), ev.RunFinished("succeeded"),
    ]))
    text = format_summary(state)
    assert "Rollback of run r-20260301-aaaa: Hosted PBX cutover · Acme Dental Group" in text
    assert "read once more at the end: 1 undone, all as before the run" in text
    assert re.search(r"undone +not undone\n", text)
    assert summary_data(state)["rollback_of"] == "r-20260301-aaaa"
    assert "rollback of r-20260301-aaaa" in format_runs([state])
    failed = fold(recorded([started("acme", rollback_of="r1"), ev.ItemFailed("p/s", "no", "moved"), ev.RunFinished("failed")]))
    assert "switchover rollback" not in format_summary(failed)


def test_colour_only_wraps_the_same_text() -> None:
    state = fold(eventful_run())
    assert re.sub(r"\x1b\[[\d;]*m", "", format_summary(state, color=True)) == format_summary(state)
