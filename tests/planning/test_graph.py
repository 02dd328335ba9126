"""Order among named nodes."""

from __future__ import annotations

import pytest

from engine.planning.graph import Circular, in_order


def test_nodes_keep_their_order_unless_a_need_says_otherwise() -> None:
    """Only what must move, moves."""
    assert in_order("abcd", {"b": ["d"]}) == ["a", "d", "b", "c"]


def test_a_circle_is_named() -> None:
    """The circle is shown from one node round to itself."""
    with pytest.raises(Circular) as caught:
        in_order("abc", {"a": ["b"], "b": ["c"], "c": ["a"]})
    assert caught.value.circle[0] == caught.value.circle[-1]
    assert set(caught.value.circle) == {"a", "b", "c"}
