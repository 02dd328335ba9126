"""Which step of the old side is which of the new: by address, else by what it is and does, where only one fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from engine.model.runbook import Block, Runbook, Step
from engine.model.values import dataclass

How = Literal["same", "renamed", "moved"]


@dataclass(frozen=True, slots=True)
class Place:
    """A step and the block it stands in."""

    step: Step
    block: Block

    @property
    def address(self) -> str:
        return self.step.address


@dataclass(frozen=True, slots=True)
class Pair:
    """A step on both sides. ``moved``: into another phase; ``renamed``: within its own."""

    old: Place
    new: Place
    how: How


@dataclass(frozen=True, slots=True)
class Pairing:
    """All steps: those on both sides, in the order of the new one, and those on one side only."""

    pairs: tuple[Pair, ...]
    removed: tuple[Place, ...]
    added: tuple[Place, ...]

    @property
    def renamings(self) -> Mapping[str, str]:
        """Old address -> new address, of every pair."""
        return {pair.old.address: pair.new.address for pair in self.pairs}


def pair_up(old: Runbook, new: Runbook) -> Pairing:
    """Pairs the steps of two runbooks."""
    left = {place.address: place for place in _places(old)}
    right = {place.address: place for place in _places(new)}
    found = {address: Pair(left[address], place, "same") for address, place in right.items() if address in left}
    for alike in (_same_name_and_content, _same_content, _same_name_and_action):
        _match(left, right, found, alike)
    taken = {pair.old.address for pair in found.values()}
    return Pairing(
        tuple(found[address] for address in right if address in found),
        tuple(place for address, place in left.items() if address not in taken),
        tuple(place for address, place in right.items() if address not in found),
    )


def _places(runbook: Runbook) -> list[Place]:
    return [Place(step, block) for block in runbook.every_block() for step in block.steps]


def _match(
    left: Mapping[str, Place], right: Mapping[str, Place], found: dict[str, Pair], mark: Callable[[Place], object]
) -> None:
    """Adds pairs of those that are alike by ``mark``, on either side the only ones."""
    taken = {pair.old.address for pair in found.values()}
    then = [place for address, place in left.items() if address not in taken]
    now = [place for address, place in right.items() if address not in found]
    for place in now:
        partners = _alike(then, place, mark)
        if len(partners) == 1 and len(_alike(now, place, mark)) == 1:
            old = partners[0]
            how: How = "renamed" if old.step.phase == place.step.phase else "moved"
            found[place.address] = Pair(old, place, how)


def _alike(among: Sequence[Place], place: Place, mark: Callable[[Place], object]) -> list[Place]:
    wanted = mark(place)
    return [one for one in among if mark(one) == wanted]


def _content(place: Place) -> tuple[object, ...]:
    step = place.step
    return step.action, _frozen(step.args), repr(None if step.gate is None else replace(step.gate, message=""))


def _same_content(place: Place) -> object:
    return _content(place)


def _same_name_and_content(place: Place) -> object:
    return place.step.name, _content(place)


def _same_name_and_action(place: Place) -> object:
    return place.step.name, place.step.action


def _frozen(value: object) -> object:
    """To be compared whatever the order of keys, and 1 apart from true."""
    if isinstance(value, Mapping):
        return tuple(sorted((str(key), _frozen(inner)) for key, inner in value.items()))
    if isinstance(value, list | tuple):
        return tuple(_frozen(inner) for inner in value)
    return repr(value)
