"""How long to wait before trying again. Pure; the jitter is passed in."""

from __future__ import annotations

from engine.model.runbook import Retry


def wait_before(retry: Retry, failed_attempts: int, asked_s: float | None, jitter: float) -> float | None:
    """Seconds until the next attempt; None when there is none left.

    The wait doubles from ``backoff_s`` to ``max_backoff_s``; ``jitter`` (0 to 1) takes off up to half, so that forty phones
    turned away together do not come back together. A wait the other side asked for is a minimum.
    """
    if failed_attempts >= retry.attempts:
        return None
    backoff = min(retry.backoff_s * 2.0 ** (failed_attempts - 1), retry.max_backoff_s)
    return max(backoff * (1.0 - 0.5 * jitter), asked_s or 0.0)
