"""Waits between attempts."""

from __future__ import annotations

import pytest

from engine.execution.retry import wait_before
from engine.model.runbook import Retry

FOUR = Retry(attempts=4, backoff_s=2.0, max_backoff_s=5.0)


@pytest.mark.parametrize(
    ("failed", "asked", "jitter", "wait"),
    [
        (1, None, 0.0, 2.0), (2, None, 0.0, 4.0), (3, None, 0.0, 5.0), (1, None, 1.0, 1.0), (1, 30.0, 1.0, 30.0),
        (4, None, 0.0, None),
    ],
)
def test_the_wait_doubles_up_to_a_limit_and_honours_what_was_asked(
    failed: int, asked: float | None, jitter: float, wait: float | None
) -> None:
    """After the last attempt there is no wait: it has failed."""
    assert wait_before(FOUR, failed, asked, jitter) == wait
