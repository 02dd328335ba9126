"""What earlier steps came to, counted as it comes in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from engine.language.templates import DependsOnLaterError
from engine.model.run import ItemStatus
from engine.planning.results import Results

NOW = datetime(2026, 11, 23, tzinfo=UTC)


def test_an_address_counts_once_however_often_it_ends() -> None:
    """Failed, then retried and changed: one changed."""
    results = Results()
    results.put("p/put[a]", ItemStatus.FAILED)
    results.put("p/put[a]", ItemStatus.CHANGED, NOW)
    results.put("p/put[b]", ItemStatus.CHANGED, NOW)
    counts = results.of_step("p/put")
    assert (counts.changed, counts.failed) == (2, 0)


def test_a_step_does_not_count_what_belongs_to_one_with_a_longer_name() -> None:
    """``put`` is not ``put-more``, and an item's key may hold brackets."""
    results = Results()
    results.put("p/put[a[1]]", ItemStatus.UNCHANGED)
    results.put("p/put-more[a]", ItemStatus.UNCHANGED)
    assert results.of_step("p/put").unchanged == 1
    assert results.of_run().unchanged == 2


def test_counts_wait_for_what_is_pending_and_for_nothing_else() -> None:
    """Once it has ended they are there."""
    results = Results()
    results.put_pending("p/put[a]")
    with pytest.raises(DependsOnLaterError, match="p/put"):
        results.of_step("p/put")
    assert results.of_step("p/other").changed == 0
    results.put("p/put[a]", ItemStatus.CHANGED, NOW)
    assert results.of_step("p/put").changed == 1
    results.forget()
    assert results.of_run().changed == 0


def test_counting_while_other_threads_note_results_never_fails() -> None:
    """Lanes run side by side, and any of them may ask."""
    results = Results()

    def note(part: int) -> None:
        for number in range(2000):
            results.put(f"p/put[{part}-{number}]", ItemStatus.UNCHANGED)

    def ask(_: int) -> int:
        return max(results.of_step("p/put").unchanged + results.of_run().unchanged for _ in range(500))

    with ThreadPoolExecutor(8) as pool:
        noting = [pool.submit(note, part) for part in range(4)]
        asking = [pool.submit(ask, part) for part in range(4)]
        for noted in noting:
            noted.result()
        assert all(asked.result() <= 16000 for asked in asking)
    assert results.of_step("p/put").unchanged == 8000


def test_a_gate_that_was_passed_tells_when() -> None:
    """By the journal's time, to the second; that is no change."""
    results = Results()
    results.put("p/form", ItemStatus.PASSED, NOW, {"route": "local"})
    found = results.of_item("p/form")
    assert (found.passed_at, found.changed, found.changed_at) == ("2026-11-23T00:00:00+00:00", False, "")
    assert found.outputs == {"route": "local"}
