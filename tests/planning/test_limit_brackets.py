"""Addresses given back word for word, whatever an item's key looks like."""

from __future__ import annotations

import pytest

from engine.model.plan import address_of
from engine.planning.limit import matches


@pytest.mark.parametrize("key", ["a[1]", "[x]", "room 12", "b]", "Müller"])
def test_an_address_copied_from_the_plan_fits_itself(key: str) -> None:
    """Brackets in a key are letters like any other."""
    assert matches(address_of("rooms/move", key), "rooms/move", key)
    assert not matches(address_of("rooms/move", key), "rooms/move", "1")
