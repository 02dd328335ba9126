"""What no schema can see: names that point to nothing, in a runbook held against its actions, inventory and templates.

Reports everything at once. Without an inventory it judges what the runbook alone decides.
"""

from __future__ import annotations

from collections.abc import Collection as AnyOf
from collections.abc import Iterator, Mapping

from engine.language.action_args import ActionSpec, ArgumentCheck, compile_problems
from engine.language.gate_reader import gate_problems, templates_of
from engine.language.inputs import resolve_inputs
from engine.language.names import NameCheck, Scope
from engine.language.nearest import did_you_mean, offered
from engine.language.needs import check_needs, needed_by
from engine.language.order import order_problems
from engine.language.template_files import FileCheck
from engine.language.template_names import References
from engine.language.templates import Templates
from engine.language.yaml_reader import at_path
from engine.model.diagnostic import Diagnostic, InvalidInput, in_order
from engine.model.inventory import Inventory
from engine.model.runbook import Block, Runbook, Step
from engine.model.source import DataPath
from engine.model.values import dataclass
from engine.model.window import Window

__all__ = ["ActionSpec", "check_runbook", "resolve_inputs"]


def check_runbook(
    runbook: Runbook, catalog: Mapping[str, ActionSpec], inventory: Inventory | None, templates: Templates,
) -> list[Diagnostic]:
    """Every problem of a runbook that has been read, sorted. ``catalog``: action name -> what it takes."""
    outputs = {name: spec.outputs for name, spec in catalog.items()}
    check = _Check(runbook, catalog, inventory, templates, NameCheck.of(runbook, inventory, outputs))
    return in_order(check.problems())


@dataclass(frozen=True, slots=True)
class _Check:
    runbook: Runbook
    catalog: Mapping[str, ActionSpec]
    inventory: Inventory | None
    templates: Templates
    names: NameCheck

    def problems(self) -> Iterator[Diagnostic]:
        yield from check_needs(self.runbook)
        yield from order_problems(self.runbook, self.inventory)
        yield from self._precedences()
        yield from self._calendars()
        before = needed_by(self.runbook)
        blocks = {block.address: block for block in self.runbook.every_block()}
        for block in blocks.values():
            yield from self._block(block, [blocks[need] for need in before.get(block.address, ()) if need in blocks])

    def _precedences(self) -> Iterator[Diagnostic]:
        """The conditions of what must precede what: they may ask every step that runs once, whenever it ends."""
        once = {step.name: None for block in self.runbook.every_block() if not block.fan_out.for_each for step in block.steps}
        for rule in self.runbook.precedences:
            if rule.when is not None:
                yield from self._condition(rule.when, (*rule.path, "when"), Scope(None, once))

    def _calendars(self) -> Iterator[Diagnostic]:
        if self.inventory is None:
            return
        windows = at_path(self.runbook.document.data, ("windows",)) or {}
        for name, raw in windows.items():
            calendar = raw.get("calendar")
            if calendar is not None and calendar not in self.inventory.calendars:
                yield self._unknown(
                    "calendar", calendar, self.inventory.calendars, ("windows", name, "calendar"),
                )
        for window in {block.window for block in self.runbook.every_block() if block.window is not None}:
            yield from self._shut_for_good(window, self.inventory)

    def _shut_for_good(self, window: Window, inventory: Inventory) -> Iterator[Diagnostic]:
        calendar = inventory.calendars.get(window.calendar or "")
        if calendar is None or window.can_open(calendar):
            return
        source = self.runbook.document.source
        span = source.value(("windows", window.name, "calendar"))
        detail = (
            f"{window.name!r} ({window.describe()}) falls on no day that the calendar {calendar.name!r} of "
            f"{inventory.customer} opens, so nothing in it would ever start. Give it other days, or a calendar without `hours`."
        )
        yield Diagnostic("Window that never opens", detail, span, source.line(span.line))

    def _block(self, block: Block, before: list[Block]) -> Iterator[Diagnostic]:
        collection = block.fan_out.for_each
        if collection is not None and self.inventory is not None and collection not in self.inventory.collections:
            yield self._unknown("collection", collection, self.inventory.collections, (*block.path, "for_each"))
        results = {step.name: other.fan_out.for_each for other in before for step in other.steps}
        if block.fan_out.where is not None:
            scope = Scope(collection, {}, "When 'where' picks the items no step has run yet. Use 'when' on the step.")
            yield from self._condition(block.fan_out.where, (*block.path, "where"), scope)
        for index, step in enumerate(block.steps):
            earlier = {other.name: collection for other in block.steps[:index]}
            scope = Scope(collection, results | earlier)
            yield from self._step(step, scope)
            spec = self.catalog.get(step.action)
            if step.gate is None and spec is not None:
                files = FileCheck(self.runbook, self.inventory, self.templates, self.names)
                yield from files.problems(block, step, spec, scope)

    def _step(self, step: Step, scope: Scope) -> Iterator[Diagnostic]:
        spec = self.catalog.get(step.action)
        if step.gate is not None:
            yield from gate_problems(self.runbook, step, self.inventory)
            yield from self._values(templates_of(step.gate), (*step.path, step.action), scope)
            if step.looks is not None:
                yield from self._look(step.looks, scope)
        elif spec is None:
            yield self._unknown("action", step.action, self.catalog, (*step.path, "action"))
        else:
            yield from ArgumentCheck(self.runbook.document.source, self.inventory, self.templates).problems(step, spec)
        if step.when is not None:
            yield from self._condition(step.when, (*step.path, "when"), scope)
        yield from self._values(step.args, (*step.path, "with"), scope)

    def _look(self, step: Step, scope: Scope) -> Iterator[Diagnostic]:
        """What a gate looks with, until it finds things as they should be."""
        spec = self.catalog.get(step.action)
        if spec is None:
            yield self._unknown("action", step.action, self.catalog, (*step.path, "action"))
            return
        blind = spec.unseen(step.args) if spec.unseen is not None else ""
        if blind:
            source = self.runbook.document.source
            span = source.value((*step.path, "action"))
            detail = f"A gate cannot wait for {spec.name}: {blind}. Wait for something that can be read."
            yield Diagnostic("Cannot be looked at", detail, span, source.line(span.line))
            return
        yield from ArgumentCheck(self.runbook.document.source, self.inventory, self.templates).problems(step, spec)
        yield from self._values(step.args, (*step.path, "with"), scope)

    def _values(self, raw: object, path: DataPath, scope: Scope) -> Iterator[Diagnostic]:
        if isinstance(raw, Mapping):
            for key, value in raw.items():
                yield from self._values(value, (*path, key), scope)
        elif isinstance(raw, list | tuple):
            for index, value in enumerate(raw):
                yield from self._values(value, (*path, index), scope)
        else:
            source = self.runbook.document.source
            wrong = compile_problems(self.templates, raw, source, path)
            yield from wrong
            if not wrong:
                yield from self._references(self.templates.compile_value(raw, source, path).references, path, scope)

    def _condition(self, expression: str, path: DataPath, scope: Scope) -> Iterator[Diagnostic]:
        try:
            condition = self.templates.compile_condition(expression, self.runbook.document.source, path)
        except InvalidInput as error:
            yield from error.diagnostics
            return
        yield from self._references(condition.references, path, scope)

    def _references(self, references: References, path: DataPath, scope: Scope) -> Iterator[Diagnostic]:
        for reference in references.all:
            yield from self.names.problems(reference, self.runbook.document.source, path, scope)

    def _unknown(self, what: str, name: str, known: AnyOf[str], path: DataPath) -> Diagnostic:
        source = self.runbook.document.source
        span = source.value(path)
        where = "" if what == "action" or self.inventory is None else f" in the inventory of {self.inventory.customer}"
        detail = f"No {what} is called {name!r}{where}. {offered(sorted(known))}"
        return Diagnostic(f"Unknown {what}", detail, span, source.line(span.line), did_you_mean(name, known))
