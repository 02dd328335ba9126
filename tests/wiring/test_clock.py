"""The machine's clock, and how the wish to stop reaches who sleeps on it."""

from __future__ import annotations

import threading
import time

from engine.execution.stop import Stop
from engine.wiring.clock import SystemClock


def test_a_sleep_ends_at_the_moment_the_run_is_asked_to_stop() -> None:
    """Nobody sits out a minute's wait after Ctrl-C."""
    stop = Stop()
    threading.Timer(0.05, stop.set, ("SIGINT",)).start()
    began = time.monotonic()
    SystemClock(stop).sleep(60)
    assert time.monotonic() - began < 30


def test_who_still_waits_after_that_really_waits() -> None:
    """A read-back that goes on while the run stops keeps its pace: it does not hammer the other side."""
    stop = Stop()
    stop.set("SIGINT")
    began = time.monotonic()
    SystemClock(stop).sleep(0.05)
    assert time.monotonic() - began >= 0.05
