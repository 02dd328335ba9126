"""Names inside template files, held against what the step that renders them gives: at the file's own line, before any plan.

A file may be rendered by several steps, and includes others; each sees the names of the step, what its action adds, and what the
files above it have set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from engine.language.action_args import ActionSpec
from engine.language.names import NameCheck, Scope
from engine.language.template_errors import Words, file_diagnostic
from engine.language.template_names import Reference
from engine.language.templates import Compiled, DependsOnLaterError, TemplateFile, Templates
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.inventory import Inventory, Item
from engine.model.runbook import Block, Runbook, Step
from engine.model.values import dataclass

_JINJA = frozenset({"self", "super", "loop", "caller", "varargs", "kwargs"})
"""Names that Jinja itself brings where they make sense."""


@dataclass(frozen=True, slots=True)
class FileCheck:
    """Checks the files that steps render. ``inventory``: None when only the runbook is looked at."""

    runbook: Runbook
    inventory: Inventory | None
    templates: Templates
    names: NameCheck

    def problems(self, block: Block, step: Step, spec: ActionSpec, scope: Scope) -> Iterator[Diagnostic]:
        """What is wrong with the files of a step, as far as it can be told beforehand which these are."""
        seen = replace(scope, extra=scope.extra | spec.template_names)
        for name in sorted(set(self.files(block, step, spec))):
            yield from self._file(name, seen, frozenset())

    # ------------------------------------------------------------ which files

    def files(self, block: Block, step: Step, spec: ActionSpec) -> Iterator[str]:
        """The files that a step renders, as far as the runbook and the inventory tell; a file may be named several times."""
        deciding = [name for name in deciding_files(spec) if name in step.args]
        source = self.runbook.document.source
        try:
            compiled = {
                name: self.templates.compile_value(step.args[name], source, (*step.path, "with", name)) for name in deciding
            }
        except InvalidInput:
            return
        fixed = all(value.is_constant for value in compiled.values())
        for values in self._values(block, compiled, once=fixed):
            yield from files_of(step, spec, values)

    def _values(self, block: Block, compiled: Mapping[str, Compiled], *, once: bool) -> Iterator[Mapping[str, object]]:
        """What the arguments come to, for each item that differs in them; without what cannot be told yet."""
        known: set[tuple[object, ...]] = set()
        base = self._base()
        for item in [None] if once else self._items(block, base):
            context = _context(base, item)
            values = {name: found for name, value in compiled.items() if (found := _told(value, context)) is not None}
            mark = tuple(sorted((name, str(value)) for name, value in values.items()))
            if mark not in known:
                known.add(mark)
                yield values

    def _items(self, block: Block, base: Mapping[str, object]) -> Iterator[Item | None]:
        collection = self.inventory.collections.get(block.fan_out.for_each or "") if self.inventory is not None else None
        if collection is None:
            if block.fan_out.for_each is None:
                yield None
            return
        holds = None
        if block.fan_out.where is not None:
            try:
                path = (*block.path, "where")
                holds = self.templates.compile_condition(block.fan_out.where, self.runbook.document.source, path).holds
            except InvalidInput:
                return
        for item in collection.items:
            try:
                if holds is None or holds(_context(base, item)):
                    yield item
            except (InvalidInput, DependsOnLaterError):
                return

    def _base(self) -> Mapping[str, object]:
        inventory = self.inventory
        variables: dict[str, object] = {**self.runbook.defaults, **(inventory.defaults if inventory is not None else {})}
        context: dict[str, object] = {**variables, "vars": variables}
        if inventory is not None:
            context["people"] = inventory.people
            context["customer"] = {"name": inventory.customer, "title": inventory.title, "timezone": inventory.timezone}
        return context

    # ------------------------------------------------------------ what is in them

    def _file(self, name: str, scope: Scope, above: frozenset[str]) -> Iterator[Diagnostic]:
        if name in above or not self.templates.has(name):
            return
        wrong = self.templates.check_file(name)
        file = None if wrong else self.templates.file(name)
        if file is None:
            yield from wrong
            return
        guarded = {(r.root, r.fields) for r in file.references.all if r.is_guarded}
        for reference in (found for found in file.references.all if found.root not in _JINJA):
            # Asked for once with `default` or `is defined`, it is known to be missing at times, also where it is used then.
            sure = replace(reference, is_guarded=True) if (reference.root, reference.fields) in guarded else reference
            yield from self._reference(sure, file, scope)
        inner = replace(scope, extra=scope.extra | file.assigned)
        for included, line in file.includes:
            if not self.templates.has(included):
                words = Words("Template file not found", f"There is no template file {included!r}.", fragment=included)
                yield file_diagnostic(words, file.display, file.text, line)
            yield from self._file(included, inner, above | {name})

    def _reference(self, reference: Reference, file: TemplateFile, scope: Scope) -> Iterator[Diagnostic]:
        words = self.names.words(reference, scope)
        if words is not None:
            yield file_diagnostic(words, file.display, file.text, reference.line)


def deciding_files(spec: ActionSpec) -> set[str]:
    """Arguments of an action that name or decide which template files it renders."""
    return {*(argument.name for argument in spec.arguments.values() if argument.template), *spec.templates_by}


def files_of(step: Step, spec: ActionSpec, values: Mapping[str, object]) -> Iterator[str]:
    """The template files that a step renders, given what its arguments come to; without those that cannot be told."""
    for argument in spec.arguments.values():
        if argument.template and values.get(argument.name):
            yield from (f"{values[argument.name]}{ending}" for ending in argument.template)
    if spec.templates is not None and all(values.get(name) for name in spec.templates_by if name in step.args):
        yield from spec.templates(*(str(values.get(name, "")) for name in spec.templates_by))


def _context(base: Mapping[str, object], item: Item | None) -> Mapping[str, object]:
    if item is None:
        return base
    own = item.fields.get("vars")
    return {**base, **(own if isinstance(own, Mapping) else {}), "item": item.fields}


def _told(value: Compiled, context: Mapping[str, object]) -> object:
    try:
        return value.render(context)
    except (InvalidInput, DependsOnLaterError):
        return None
