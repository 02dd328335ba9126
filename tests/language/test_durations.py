"""Durations as people write them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.language.durations import duration_of, seconds_of
from engine.language.schema_check import schema_check
from engine.model.duration import UNIT_S, Duration


@pytest.mark.parametrize(("written", "duration"), [
    ("30s", Duration(30, "s")), ("15m", Duration(15, "m")), ("4h", Duration(4, "h")), ("2d", Duration(2, "d")),
    ("500ms", Duration(0.5, "s")), ("1.5m", Duration(1.5, "m")), (7, Duration(7, "s")), (0.25, Duration(0.25, "s")),
    ("4 hours", Duration(4, "h")), ("1 hour", Duration(1, "h")), ("3 days", Duration(3, "d")), ("90 seconds", Duration(90, "s")),
    ("4 business hours", Duration(4, "h", business=True)), ("1 business day", Duration(1, "d", business=True)),
    ("30 business minutes", Duration(30, "m", business=True)),
])
def test_durations(written: str | float, duration: Duration) -> None:
    """A number with its unit, short or in words, or a number of seconds."""
    assert duration_of(written) == duration


@pytest.mark.parametrize(("written", "seconds"), [("500ms", 0.5), ("1.5m", 90), ("2h", 7200), ("2 days", 172800), (7, 7)])
def test_seconds_a_machine_waits(written: str | float, seconds: float) -> None:
    """Every duration but business time has a length of its own."""
    assert seconds_of(written) == seconds


@pytest.mark.parametrize("written", ["30", "s", "-1s", "1 s", "٣s", "4  hours", "4hours", "2 weeks", "business day"])
def test_what_is_no_duration_is_refused(written: str) -> None:
    """Nothing is guessed, and what is refused here no schema lets through."""
    with pytest.raises(ValueError, match="is not a duration"):
        duration_of(written)
    assert not re.search(_pattern(), written)


@pytest.mark.parametrize(("written", "words"), [
    ("2 business days", "is business time, which no machine waits for"),
    ("1.5 business days", "1.5 business days is not a whole number of business days: say it in business hours"),
])
def test_business_time_is_no_number_of_seconds(written: str, words: str) -> None:
    """A time-out of two business days is a mistake, and half a business day has no length."""
    with pytest.raises(ValueError, match=words):
        seconds_of(written)
    assert not re.search(_pattern(), written)


@given(st.one_of(st.integers(0, 10**6), st.floats(0, 10**4, allow_nan=False)), st.sampled_from(list(UNIT_S)), st.booleans())
def test_what_a_duration_says_of_itself_is_read_back(amount: float, unit: str, business: bool) -> None:
    """The text for people is one that people may write."""
    whole = float(round(amount, 3)) if not (business and unit == "d") else float(int(amount))
    duration = Duration(whole, unit, business)  # type: ignore[arg-type]  # drawn from the units
    assert duration_of(str(duration)) == duration


@pytest.mark.parametrize("amount", [-1.0, float("nan"), float("inf")])
def test_a_length_of_time_is_a_number_from_zero_up(amount: float) -> None:
    """Also where one is worked out."""
    with pytest.raises(ValueError, match="is no length of time"):
        Duration(amount, "s")


def test_business_days_have_no_length_without_a_calendar() -> None:
    """Asking for it is a mistake in the code that asks."""
    with pytest.raises(ValueError, match="only a calendar knows"):
        _ = Duration(2, "d", business=True).seconds


def _pattern() -> str:
    return str(schema_check("runbook").schema["$defs"]["duration"]["pattern"])
