"""Order among named nodes. Knows no word of the trade."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter


class Circular(ValueError):
    """The nodes need each other in a circle; ``circle`` names it, first node repeated at the end."""

    def __init__(self, circle: tuple[str, ...]) -> None:
        super().__init__(" -> ".join(circle))
        self.circle = circle


def in_order(nodes: Iterable[str], needs: Mapping[str, Iterable[str]]) -> list[str]:
    """Every node after the ones it needs; otherwise in the order given. Raises ``Circular``."""
    given = list(nodes)
    try:
        TopologicalSorter({node: tuple(needs.get(node, ())) for node in given}).prepare()
    except CycleError as error:
        raise Circular(tuple(error.args[1])) from error
    placed: dict[str, None] = {}
    for node in given:
        _place(node, needs, placed)
    return list(placed)


def _place(node: str, needs: Mapping[str, Iterable[str]], placed: dict[str, None]) -> None:
    if node in placed:
        return
    for needed in needs.get(node, ()):
        _place(needed, needs, placed)
    placed[node] = None
