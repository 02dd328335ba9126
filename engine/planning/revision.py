"""A revision of a runbook and an inventory, rendered as of a run: what two of them come to can be compared.

Layout, comments and the order of keys do not count.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from functools import cached_property

from engine.language.templates import DependsOnLaterError
from engine.model.diagnostic import InvalidInput
from engine.model.inventory import Item
from engine.model.plan import address_of
from engine.model.runbook import Block, Runbook, Step
from engine.model.values import dataclass
from engine.planning.scene import AnyStep, CompiledGate, Lane, Scene


@dataclass(frozen=True, slots=True)
class Place:
    """An address of a revision: what stands there."""

    compiled: AnyStep
    block: Block
    item: Item | None

    @property
    def step(self) -> Step:
        return self.compiled.step


@dataclass(frozen=True, slots=True)
class Rendered:
    """What an address comes to. ``kind``: ``args``, ``skipped``, ``gate``, or ``open`` when that cannot be told, such as for want
    of a secret; ``value`` then is what is written."""

    kind: str
    value: object = None
    texts: Mapping[str, str] = field(default_factory=dict)
    """Of a gate, what it says."""


class Revision:
    """A runbook and inventory, rendered as of a run. ``scene``: one that looks back on that run."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.work = scene.work()
        self.places = {
            address: Place(compiled, work.block, lane.item)
            for work in self.work for lane in work.lanes for address, compiled in addresses(lane)
        }
        self.steps = {step.address: (step, block) for block in scene.runbook.blocks() for step in block.steps}

    @property
    def runbook(self) -> Runbook:
        return self.scene.runbook

    def rendered(self, address: str) -> Rendered:
        """What the address comes to."""
        place = self.places[address]
        runbook, inventory = self.runbook, self.scene.inventory
        data = (place.item.fields if place.item else {}, runbook.defaults, inventory.defaults, self.scene.given.inputs)
        written = Rendered("open", (place.step.args, place.step.when, place.step.gate, *data))
        try:
            if isinstance(place.compiled, CompiledGate):
                texts = self.scene.asked(place.compiled, place.block, place.item)
                return Rendered("skipped") if texts is None else Rendered("gate", place.compiled.gate, texts)
            ready = self.scene.ready(place.compiled, place.block, place.item)
            return Rendered("skipped") if ready is None else Rendered("args", ready.args)
        except (DependsOnLaterError, InvalidInput):
            return written

    @cached_property
    def ahead(self) -> Mapping[str, frozenset[str]]:
        """Step -> the steps that come before it: of blocks that its own needs, however far back, and of its own lane."""
        blocks = {block.address: block for block in self.runbook.blocks()}
        behind: dict[str, frozenset[str]] = {}
        ahead = {}
        for work in self.work:  # in an order that respects needs
            block = work.block
            behind[block.address] = frozenset(block.needs).union(*(behind.get(need, frozenset()) for need in block.needs))
            before = {step.address for need in behind[block.address] if need in blocks for step in blocks[need].steps}
            for step in block.steps:
                ahead[step.address] = frozenset(before)
                before.add(step.address)
        return ahead


def addresses(lane: Lane) -> Iterator[tuple[str, AnyStep]]:
    """A lane's addresses, each with its step."""
    for compiled in lane.steps:
        yield address_of(compiled.step.address, lane.key), compiled
