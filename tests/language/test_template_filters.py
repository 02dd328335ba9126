"""Filters of the trade."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine.language.template_filters import FILTERS


@pytest.mark.parametrize(("name", "given_value", "result"), [
    ("digits", "+1 (608) 555-0100", "16085550100"), ("digits", 16085550100, "16085550100"),
    ("national10", "+16085550100", "6085550100"),
    ("national10", "608-555-0100", "6085550100"), ("e164", "608-555-0100", "+16085550100"),
    ("e164", "+442079460000", "+442079460000"),
    ("e164", "16085550100", "+16085550100"), ("mac_lower", "00:15:65:AA:BB:CC", "001565aabbcc"),
    ("mac_lower", "0015.65aa.bbcc", "001565aabbcc"), ("mac_upper", "001565aabbcc", "001565AABBCC"),
    ("mac_colons", "001565AABBCC", "00:15:65:aa:bb:cc"), ("mac_dashes", "001565AABBCC", "00-15-65-aa-bb-cc"),
    ("date", "2026-11-04T17:00-06:00", "Wed 04 Nov 2026"), ("date", "2026-11-04", "Wed 04 Nov 2026"),
    ("money", "240", Decimal("240.00")), ("money", 19.95, Decimal("19.95")), ("money", "0.335", Decimal("0.34")),
    ("money", "-10", Decimal("-10.00")),
])
def test_what_each_filter_makes(name: str, given_value: object, result: object) -> None:
    """The spelling another system wants."""
    assert FILTERS[name](given_value) == result


@pytest.mark.parametrize(("name", "given_value"), [
    ("national10", "+442079460000"), ("national10", "555-0100"), ("e164", "555-0100"), ("e164", "442079460000"), ("e164", "+1"),
    ("mac_lower", "001565aabbccddee"), ("mac_upper", "SEP001565AABBCC"), ("mac_colons", ""), ("national10", "+6085550100"),
    ("date", "tomorrow"), ("date", ""), ("money", "1,234.50"), ("money", "NaN"), ("money", True), ("money", None),
    ("fields", "Tax"),
])
def test_what_cannot_be_turned_is_refused(name: str, given_value: object) -> None:
    """A wrong number is not dialled and a wrong file is not written."""
    with pytest.raises(ValueError, match=r"is no|has"):
        FILTERS[name](given_value)


@given(st.from_regex(r"[0-9a-f]{12}", fullmatch=True))
def test_every_spelling_of_a_mac_leads_back(mac: str) -> None:
    """Upper case, colons and dashes lose nothing."""
    assert [FILTERS["mac_lower"](FILTERS[name](mac)) for name in ("mac_upper", "mac_colons", "mac_dashes")] == [mac] * 3


def test_each_filter_is_documented() -> None:
    """The docstring is what ``doc`` shows."""
    assert all(function.__doc__ for function in FILTERS.values())


def test_a_time_of_day_is_the_one_of_the_zone_it_was_written_in() -> None:
    """Nobody is told an hour of another zone."""
    assert FILTERS["date"]("2026-11-04T17:00-06:00", "%H:%M") == "17:00"


ROWS = [{"family": "Tax", "price": "10.00", "note": "x"}, {"family": "Audit", "price": "20.00", "note": "y"}]


def test_fields_are_taken_and_renamed() -> None:
    """A row of a CSV becomes a line of a document, which takes no other fields."""
    assert FILTERS["fields"](ROWS[0], "price", name="family") == {"price": "10.00", "name": "Tax"}
    with pytest.raises(ValueError, match="there is no 'cost' among family, price, note"):
        FILTERS["fields"](ROWS[0], "cost")


def test_rows_are_revised_and_nothing_that_was_meant_for_one_is_lost() -> None:
    """The rows themselves stay as they are: others look at them too."""
    revised = FILTERS["revised"](ROWS, "price", {"Audit": "21.00"}, "family")
    assert [row["price"] for row in revised] == ["10.00", "21.00"]  # type: ignore[attr-defined]  # a list of rows
    assert ROWS[1]["price"] == "20.00"
    with pytest.raises(ValueError, match="no row has 'Audti' as its family: Tax, Audit"):
        FILTERS["revised"](ROWS, "price", {"Audti": "21.00"}, "family")
    with pytest.raises(ValueError, match="a list of rows and a mapping"):
        FILTERS["revised"](ROWS, "price", ["21.00"], "family")
