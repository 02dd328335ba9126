"""Filters of the trade."""

from __future__ import annotations

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
])
def test_what_each_filter_makes(name: str, given_value: object, result: str) -> None:
    """The spelling another system wants."""
    assert FILTERS[name](given_value) == result


@pytest.mark.parametrize(("name", "given_value"), [
    ("national10", "+442079460000"), ("national10", "555-0100"), ("e164", "555-0100"), ("e164", "442079460000"), ("e164", "+1"),
    ("mac_lower", "001565aabbccddee"), ("mac_upper", "SEP001565AABBCC"), ("mac_colons", ""), ("national10", "+6085550100"),
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
