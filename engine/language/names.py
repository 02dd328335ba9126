"""Names in expressions held against what will be there when they are rendered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field

from engine.language.gate_reader import outputs_of
from engine.language.nearest import did_you_mean, listed, offered
from engine.language.template_errors import Words, yaml_diagnostic
from engine.language.template_names import Reference
from engine.model.diagnostic import Diagnostic
from engine.model.inventory import Inventory
from engine.model.runbook import Runbook
from engine.model.source import DataPath, SourceMap
from engine.model.values import dataclass

CUSTOMER_FIELDS = ("name", "title", "timezone")
RUN_FIELDS = ("id", "scope", "started_at", "counts", "cancelled")
STEP_FIELDS = ("status", "changed", "changed_at", "passed_at", "ok", "outputs", "counts")
STEP_FIELDS_OVER_ITEMS = ("changed", "ok", "counts")
"""What a step has when it runs over other items than the one that asks: there is no single time or status then."""
ROOTS = ("item", "customer", "people", "inputs", "vars", "steps", "run", "known_gaps", "collections", "calendars")
"""Top-level names of every template; each variable stands beside them under its own name when it does not collide."""
_INVENTORIED = ("people", "collections", "calendars")


@dataclass(frozen=True, slots=True)
class Scope:
    """Where an expression stands. ``steps``: those whose results it may use, and the collection each runs over; ``why``: why
    no step may be used there; ``extra``: top-level names that are there besides."""

    collection: str | None
    steps: Mapping[str, str | None]
    why: str = ""
    extra: frozenset[str] = frozenset()


@dataclass(slots=True)
class NameCheck:
    """Knows every name that templates of this runbook and inventory may use."""

    runbook: Runbook
    inventory: Inventory | None
    variables: frozenset[str]
    outputs: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    """Step, by its name -> the outputs its action or gate declares; None: only the run can tell."""
    _fields: dict[str, frozenset[str]] = field(default_factory=dict)

    @classmethod
    def of(
        cls, runbook: Runbook, inventory: Inventory | None, outputs: Mapping[str, frozenset[str]] | None = None,
    ) -> NameCheck:
        """Collects the variables of all layers. ``outputs``: what each action declares, by its name."""
        names = {*runbook.defaults, *runbook.inputs, *(inventory.defaults if inventory else ())}
        for collection in inventory.collections.values() if inventory else ():
            for item in collection.items:
                own = item.fields.get("vars")
                if isinstance(own, Mapping):
                    names.update(str(name) for name in own)
        told: dict[str, frozenset[str] | None] = {}
        for step in runbook.every_step():
            acts = step.looks or step
            declared = (outputs or {}).get(acts.action, frozenset()) if acts.gate is None else outputs_of(acts.gate)
            known = told.get(step.name, frozenset())
            told[step.name] = None if known is None or declared is None else known | declared
        return cls(runbook, inventory, frozenset(names), told)

    def problems(self, reference: Reference, source: SourceMap, path: DataPath, scope: Scope) -> Iterator[Diagnostic]:
        """What is wrong with one name; nothing when it will be there."""
        words = self.words(reference, scope)
        if words is not None:
            yield yaml_diagnostic(words, source, path, reference.line)

    def words(self, reference: Reference, scope: Scope) -> Words | None:
        """What is wrong with one name, before it has a place; None when it will be there."""
        if reference.root in scope.extra:
            return None
        return self._root(reference, scope) or self._field(reference, scope)

    def _root(self, reference: Reference, scope: Scope) -> Words | None:
        name = reference.root
        if name == "item" and scope.collection is None:
            detail = "There is no item here: this step has no for_each, so it runs once."
            return Words("Unknown name", detail, "", name)
        if name in ROOTS or name in self.variables or (reference.is_guarded and not reference.fields):
            return None
        if self.inventory is None:
            # An inventory's defaults may well bring it.
            return None
        known = sorted({*ROOTS, *self.variables, *scope.extra} - ({"item"} if scope.collection is None else set()))
        detail = f"Nothing is called {name!r} here. {offered(known)}"
        return Words("Unknown name", detail, did_you_mean(name, known), name)

    def _field(self, reference: Reference, scope: Scope) -> Words | None:
        if not reference.fields:
            return None
        name = reference.fields[0]
        last = len(reference.fields) == 1
        if reference.root == "steps":
            return self._step(reference, scope)
        known = self._known(reference.root, scope)
        if known is None or name in known or (reference.is_guarded and last):
            return self._person(reference) if reference.root == "people" and known and name in known else None
        return _missing(reference.root, name, known, self._owner(reference.root, scope))

    def _known(self, root: str, scope: Scope) -> frozenset[str] | None:
        """The fields a top-level name has; None when that cannot be told."""
        if root == "customer":
            return frozenset(CUSTOMER_FIELDS)
        if root == "run":
            return frozenset(RUN_FIELDS)
        if root == "inputs":
            return frozenset(self.runbook.inputs)
        if self.inventory is None:
            return None
        if root == "vars":
            return self.variables
        if root == "people":
            return frozenset(self.inventory.people)
        if root in ("collections", "calendars"):
            named = self.inventory.collections if root == "collections" else self.inventory.calendars
            return frozenset(name.replace("-", "_") for name in named) | frozenset(named)
        return self._fields_of(scope.collection) if root == "item" else None

    def _fields_of(self, name: str | None) -> frozenset[str] | None:
        collection = self.inventory.collections.get(name) if self.inventory and name else None
        if collection is None or not collection.items:
            return None
        if collection.name not in self._fields:
            found: set[str] = set()
            for item in collection.items:
                found.update(item.fields)
            self._fields[collection.name] = frozenset(found)
        return self._fields[collection.name]

    def _person(self, reference: Reference) -> Words | None:
        if len(reference.fields) < 2 or self.inventory is None:
            return None
        role, name = reference.fields[:2]
        known = frozenset(map(str, self.inventory.people[role]))
        if name in known or (reference.is_guarded and len(reference.fields) == 2):
            return None
        return _missing(f"people.{role}", name, known, f"the inventory of {self.inventory.customer}")

    def _step(self, reference: Reference, scope: Scope) -> Words | None:
        name = reference.fields[0]
        if scope.why:
            return Words("Step cannot be used here", scope.why, "", name)
        # Templates write a-b as a_b: a dash would be a minus.
        usable = {step.replace("-", "_"): step for step in scope.steps}
        step = usable.get(name.replace("-", "_"))
        if step is not None:
            return self._step_field(reference, scope.steps[step], scope) or self._output(reference, step)
        if name in {step.name.replace("-", "_") for step in self.runbook.every_step()}:
            detail = f"The step {name!r} is not sure to have ended before this one. Only steps that this one needs can be " \
                     "used, and earlier steps of the same group."
            return Words("Step cannot be used here", detail, "", name)
        detail = f"There is no step {name!r}. Here these can be used: {listed(sorted(usable)) or 'none'}."
        return Words("Unknown step", detail, did_you_mean(name, usable), name)

    def _step_field(self, reference: Reference, collection: str | None, scope: Scope) -> Words | None:
        if len(reference.fields) < 2:
            return None
        step, name = reference.fields[:2]
        if name not in STEP_FIELDS:
            return _missing(f"steps.{step}", name, frozenset(STEP_FIELDS), "")
        if collection not in (None, scope.collection) and name not in STEP_FIELDS_OVER_ITEMS:
            detail = f"The step {step!r} runs over all of {collection!r}, so it has no single {name!r} here. " \
                     f"It has {listed(STEP_FIELDS_OVER_ITEMS)}."
            return Words("Unknown name", detail, "", name)
        return None

    def _output(self, reference: Reference, step: str) -> Words | None:
        if reference.fields[1:2] != ("outputs",) or len(reference.fields) < 3:
            return None
        name, known = reference.fields[2], self.outputs.get(step, frozenset())
        return None if known is None or name in known else _missing(f"steps.{reference.fields[0]}.outputs", name, known, "")

    def _owner(self, root: str, scope: Scope) -> str:
        if root == "item":
            return f"the collection {scope.collection!r}"
        if root == "inputs":
            return f"the runbook {self.runbook.name!r}"
        return f"the inventory of {self.inventory.customer}" if self.inventory and root in _INVENTORIED else ""


def _missing(owner: str, name: str, known: frozenset[str], where: str) -> Words:
    summary = "Unknown role" if owner == "people" else "Unknown name"
    place = f" in {where}" if where else ""
    return Words(summary, f"{owner!r} has no {name!r}{place}. {offered(sorted(known))}", did_you_mean(name, known), name)
