"""Time zones as phones are told them."""

from __future__ import annotations

import pytest

from engine.actions.phone.local_time import Switch, local_time_of
from engine.model.errors import Permanent


def test_new_york_changes_on_the_second_sunday_of_march_and_the_first_of_november() -> None:
    """The rule is the one phones are given in every US office."""
    clock = local_time_of("America/New_York")
    assert (clock.offset_s, clock.saving_s, clock.hours, clock.gmt) == (-18000, 3600, "-5", "GMT-05:00")
    assert (clock.starts, clock.ends) == (Switch(3, 2, 0, 2, 0), Switch(11, 1, 0, 2, 0))
    assert clock.starts is not None
    assert (clock.starts.iso_weekday, clock.starts.from_day) == (7, 8)


def test_berlin_changes_on_last_sundays() -> None:
    """Week 5 of a POSIX rule means the last one of the month."""
    clock = local_time_of("Europe/Berlin")
    assert (clock.starts, clock.ends) == (Switch(3, 5, 0, 2, 0), Switch(10, 5, 0, 3, 0))
    assert clock.ends is not None
    assert clock.ends.from_day == -1


@pytest.mark.parametrize(
    ("zone", "hours", "saving_s"),
    [("Asia/Kolkata", "+5:30", 0), ("America/Phoenix", "-7", 0), ("America/St_Johns", "-3:30", 3600), ("UTC", "+0", 0),
     ("Australia/Lord_Howe", "+10:30", 1800)],
)
def test_odd_offsets_are_kept(zone: str, hours: str, saving_s: int) -> None:
    """Half hours and half-hour summer time come through."""
    assert (local_time_of(zone).hours, local_time_of(zone).saving_s) == (hours, saving_s)


def test_irish_time_is_told_the_usual_way_round() -> None:
    """By law Ireland's standard time is summer time; phones only know adding an hour in summer."""
    clock = local_time_of("Europe/Dublin")
    assert (clock.offset_s, clock.saving_s) == (0, 3600)
    assert clock.starts == Switch(3, 5, 0, 1, 0)


def test_a_rule_past_midnight_moves_to_the_next_day() -> None:
    """Jerusalem changes 26 hours after the fourth Thursday began: Friday at two."""
    assert local_time_of("Asia/Jerusalem").starts == Switch(3, 4, 5, 2, 0)


@pytest.mark.parametrize("zone", ["America/New_Yrok", "EST5EDT,M3.2.0", "../../etc/passwd", ""])
def test_what_is_no_zone_is_refused(zone: str) -> None:
    """A typing error does not put the phones on Greenwich time."""
    with pytest.raises(Permanent, match="time zone"):
        local_time_of(zone)
