"""Conditions of a runbook as formulas: what ``when`` and ``where`` say, over facts that fit each other.

Understood are comparisons of a name with a constant, lists of constants, names that count as true, ``and``, ``or``, ``not`` and
``if``. Anything else is a fact of its own, which may be so or not. The same name means the same wherever its value cannot have
changed in between: one item's fields, a step's results once it has ended, inputs. What may have changed is never the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import field
from typing import Literal

from engine.language.condition_parts import Joined, Named, Opposite, Part, Unknown, parts_of
from engine.model.gate import Form
from engine.model.inventory import Inventory
from engine.model.run import ItemStatus
from engine.model.runbook import Block, Input, Runbook, Step, is_compensation
from engine.model.values import dataclass
from engine.planning.lint.formula import Fact, Formula, both, either, facts_in, implies, negated
from engine.planning.results import Directory

_RAN_WELL = frozenset(s.value for s in (
    ItemStatus.CHANGED, ItemStatus.UNCHANGED, ItemStatus.RAN, ItemStatus.PROVED, ItemStatus.PASSED,
))
_TELLING = ("ok", "changed", "outputs", "status")
_NAMED = ("customer", "people", "known_gaps")
"""Roots whose values stay the same in a run."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """A fact that, where it holds, tells how a step came out. ``kind``: ok, changed, outputs or status; ``of_all``: told over all
    items of a step and not of one."""

    fact: Fact
    step: str
    kind: str
    of_all: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a condition stands."""

    address: str
    block: Block | None

    @property
    def phase(self) -> str:
        return self.block.phase if self.block is not None else ""

    @property
    def items(self) -> str | None:
        return self.block.fan_out.for_each if self.block is not None else None


@dataclass(slots=True)
class Conditions:
    """Reads the conditions of one runbook. With an inventory it knows which variables items have of their own."""

    runbook: Runbook
    inventory: Inventory | None = None
    evidence: dict[Fact, Evidence] = field(default_factory=dict)
    """Of all that was read so far."""
    _directory: Directory = field(init=False)
    _blocks: dict[str, Block] = field(init=False)
    _steps: dict[str, Step] = field(init=False)
    _read: dict[tuple[str, bool], Formula] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._directory = Directory(self.runbook)
        self._blocks = {step.address: block for block in self.runbook.every_block() for step in block.steps}
        self._steps = {step.address: step for step in self.runbook.every_step()}

    def block_of(self, step: str) -> Block:
        """The block a step stands in."""
        return self._blocks[step]

    def runs(self, step: str, *, picked: bool = True) -> Formula:
        """When a step runs, once it is reached. ``picked``: whether its ``where`` counts, by which items are picked."""
        key = (step, picked)
        if key not in self._read:
            block, when = self._blocks[step], self._steps[step].when
            place = _Place(step, block)
            where = block.fan_out.where if picked else None
            self._read[key] = both(*(self._formula(text, place) for text in (where, when) if text is not None))
        return self._read[key]

    def of_rule(self, expression: str) -> Formula:
        """A condition of the runbook as a whole."""
        return self._formula(expression, _Place("", None))

    def at_step(self, expression: str, step: str) -> Formula:
        """An expression as it stands in a step's arguments."""
        return self._formula(expression, _Place(step, self._blocks[step]))

    def known(self, about: Iterable[Fact]) -> Formula:
        """What is known of facts: a step that tells of a result has run, and names that have few values have one of them."""
        rules: list[Formula] = []
        facts = list(dict.fromkeys(about))
        for fact in facts:  # grows: what a step's results tell is told by facts of its own condition
            rule = self._of_results(fact)
            rules.append(rule)
            facts += [other for other in dict.fromkeys(facts_in(rule)) if other not in facts]
        for name, of_name in _by_name(facts).items():
            rules += self._of_values(name, of_name)
        return both(*rules)

    # ------------------------------------------------------------ what is known

    def _of_results(self, fact: Fact) -> Formula:
        told = self.evidence.get(fact)
        if told is None or told.kind == "ok":
            return True
        ran = self.runs(told.step)
        if told.of_all and any("[" in other.name or other.test == "any" for other in facts_in(ran)):
            return True  # some item ran: it need not be the one that is looked at
        return implies(fact, ran)

    def _of_values(self, name: str, facts: Sequence[Fact]) -> Iterator[Formula]:
        domain = self._domain(name)
        if domain is None:
            return
        values, always, words = domain
        yield from (negated(fact) for fact in facts if fact.test == "is" and fact.value not in values)
        if always is not False:
            yield implies(always, either(*(Fact(name, "is", value, words) for value in values)))

    def _domain(self, name: str) -> tuple[tuple[object, ...], Formula, str] | None:
        """The values a name may have, and when it surely has one of them."""
        root, _, rest = name.partition(".")
        if root == "inputs" and rest in self.runbook.inputs:
            values = _choices(self.runbook.inputs[rest])
            return None if values is None else (values, True, name)
        step, _, output = rest.partition(".outputs.")
        gate = self._steps[step].gate if root == "steps" and step in self._steps else None
        if not isinstance(gate, Form) or "." in output or "[" in output:
            return None
        asked = gate.schema.get("properties", {}).get(output, {})
        values = tuple(asked["enum"]) if "enum" in asked else (True, False) if asked.get("type") == "boolean" else None
        if values is None or not all(isinstance(value, str | int | float | bool | None) for value in values):
            return None
        return values, self.runs(step) if output in gate.schema.get("required", ()) else False, f"steps.{step}.outputs.{output}"

    # ------------------------------------------------------------ reading

    def _formula(self, expression: str, place: _Place) -> Formula:
        return self._truth(parts_of(expression), place)

    def _truth(self, part: Part, place: _Place) -> Formula:
        if isinstance(part, bool):
            return part
        if isinstance(part, Joined):
            found = (self._truth(one, place) for one in part.parts)
            return both(*found) if part.every else either(*found)
        if isinstance(part, Opposite):
            return negated(self._truth(part.of, place))
        if isinstance(part, Named):
            values = part.values
            if values is None:
                return self._fact(part, place, "true", None)
            return either(*(self._fact(part, place, "is", value) for value in values))
        return self._opaque(part, place)

    def _fact(self, named: Named, place: _Place, test: Literal["is", "true"], value: object) -> Formula:
        if named.chain == ("run", "cancelled") and test == "true":
            return is_compensation(place.address)
        name = self._name(named.chain, place)
        if name is None:
            return self._opaque(named.unknown, place)
        fact = Fact(name, test, value, ".".join(named.chain))
        self._note_evidence(fact, named.chain, place)
        return fact

    def _name(self, chain: tuple[str, ...], place: _Place) -> str | None:
        """What a name means here, the same for the same; None where that is not sure."""
        root, *fields = chain
        if root == "vars" and fields:
            root, *fields = fields
        if root == "steps" and len(fields) > 1:
            step = self._directory.find(fields[0], place.phase)
            return None if step is None else ".".join(["steps", step.address, *fields[1:]]) + self._item_of(step, place)
        if root == "inputs" or root in self.runbook.inputs:
            return ".".join(["inputs", *(fields if root == "inputs" else [root, *fields])])
        if root == "item":
            return f"{'.'.join(chain)}[{place.items}]"
        if root == "run":
            return None if "counts" in fields else ".".join(chain)
        if root in _NAMED:
            return ".".join(chain)
        own = f"[{place.items}]" if place.items is not None and self._items_may_have(root, place.items) else ""
        return ".".join(["vars", root, *fields]) + own

    def _item_of(self, step: Step, place: _Place) -> str:
        items = self._blocks[step.address].fan_out.for_each
        if items is None:
            return ""
        return f"[{items}]" if items == place.items else "[*]"

    def _items_may_have(self, variable: str, items: str) -> bool:
        collection = self.inventory.collections.get(items) if self.inventory is not None else None
        if collection is None:
            return True
        own = (item.fields.get("vars") for item in collection.items)
        return any(variable in found for found in own if isinstance(found, dict))

    def _note_evidence(self, fact: Fact, chain: tuple[str, ...], place: _Place) -> None:
        if chain[0] != "steps" or len(chain) < 3:
            return
        step = self._directory.find(chain[1], place.phase)
        kind = chain[2]
        if step is None or kind not in _TELLING or (kind == "status" and fact.value not in _RAN_WELL):
            return
        if fact.test == "is" and kind in ("ok", "changed") and not fact.value:
            return
        self.evidence[fact] = Evidence(fact, step.address, kind, fact.name.endswith("[*]"))

    def _opaque(self, part: Unknown, place: _Place) -> Fact:
        """Something that may be so or not: the same for the same words at places that see the same."""
        changes = part.calls or any(chain[0] in ("run", "steps") for chain in part.chains)
        own = any(chain[0] not in self.runbook.inputs for chain in part.chains)
        where = place.address if changes else f"{place.items}" if own else ""
        return Fact(f"{part.identity} at {where}", words=part.words)


def _by_name(facts: Iterable[Fact]) -> dict[str, list[Fact]]:
    found: dict[str, list[Fact]] = {}
    for fact in facts:
        found.setdefault(fact.name, []).append(fact)
    return found


def _choices(spec: Input) -> tuple[object, ...] | None:
    """All values an input may have; None when there is no end to them."""
    values = spec.choices or ((True, False) if spec.type == "boolean" else ())
    if not values:
        return None
    return values if spec.required or spec.default is not None else (*values, None)
