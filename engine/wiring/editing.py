"""What an editor asks while files are written: what is wrong, what stands under the cursor, where something is defined.

All of it goes by the texts in the editor, saved or not, and by the very checks of ``validate``, ``lint`` and ``explain``. Knows
no protocol: places are spans, files are paths.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import field
from pathlib import Path

from engine.language.inventory_reader import INVENTORY_FILE, load_inventory
from engine.language.runbook_reader import load_runbook
from engine.language.semantics import resolve_inputs
from engine.language.template_files import files_of
from engine.language.templates import Templates
from engine.language.yaml_reader import at_path, overlaid
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.errors import SwitchoverError
from engine.model.explanation import Explanation, Status
from engine.model.inventory import Inventory, Item
from engine.model.runbook import Block, Runbook, Step
from engine.model.source import DataPath, Span
from engine.model.values import dataclass
from engine.planning.explain import Explainer, selected
from engine.planning.results import Directory
from engine.project import Project
from engine.wiring.explaining import explainer_of
from engine.wiring.linting import lint
from engine.wiring.loading import Named, check_runbook_files, load

_NAME = re.compile(r"[A-Za-z_]\w*(?:\.\w+)*")
_EXPRESSION = re.compile(r"\{\{.*?\}\}|\{%.*?%\}", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Problem:
    """A diagnostic, and the rule that found it; empty for what is invalid."""

    diagnostic: Diagnostic
    rule: str = ""


@dataclass(slots=True)
class Desk:
    """A project that is being edited. ``texts``: resolved path -> what the editor has; ``inventory``: the customer that values
    are shown for, None for the one that fits best."""

    project: Project
    inventory: Path | None = None
    texts: dict[Path, str] = field(default_factory=dict)
    fitted: dict[Path, Path] = field(default_factory=dict)
    """Runbook -> the customer that it was without an error for, when it last was."""

    # ------------------------------------------------------------ what is wrong

    def problems(self, path: Path) -> dict[Path, list[Problem]]:
        """Everything wrong with a file and what it is checked with, by file; files without a problem among them, as long as they
        were looked at."""
        with overlaid(self.texts):
            found: dict[Path, list[Problem]] = {path.resolve(): []}
            for problem in self._problems(path):
                span = problem.diagnostic.span
                at = path.resolve() if span is None else Path(span.file).resolve()
                found.setdefault(at, []).append(problem)
            return found

    def _problems(self, path: Path) -> Iterator[Problem]:
        folder = _customer_of(path)
        if folder is not None:
            yield from self._of_inventory(folder)
        elif self._is_template(path):
            for runbook in self.runbooks():
                yield from (p for p in self._of_runbook(runbook) if _stands_in(p.diagnostic, path))
        elif path.resolve() in self._resolved():
            yield from self._of_runbook(path)

    def _of_inventory(self, folder: Path) -> Iterator[Problem]:
        try:
            yield from map(Problem, load_inventory(folder, self.project.display(folder))[1])
        except InvalidInput as invalid:
            yield from map(Problem, invalid.diagnostics)

    def _of_runbook(self, path: Path) -> Iterator[Problem]:
        customer = self._customer(path)
        inventory = None
        if customer is not None:
            with suppress(InvalidInput):  # its own problems show in its own files
                inventory = load_inventory(customer, self.project.display(customer))[0]
        found = [Problem(diagnostic) for diagnostic in check_runbook_files(self.project, path, inventory)]
        if not any(problem.diagnostic.is_error for problem in found):
            with suppress(InvalidInput, SwitchoverError):
                linted = lint(self.project, [path], None if inventory is None else customer)
                found += [Problem(one.diagnostic, one.rule.id) for each in linted for one in each.found]
        yield from found

    def runbooks(self) -> list[Path]:
        """Every runbook of the project."""
        return sorted((self.project.root / "runbooks").glob("*.yml"))

    def affected(self, path: Path, others: Iterable[Path]) -> list[Path]:
        """Which of the open files have to be looked at again when one changes: runbooks are checked with everything else."""
        runbooks = self._resolved()
        open_ones = [] if path in runbooks else [other for other in others if other.resolve() in runbooks]
        return list(dict.fromkeys([path, *open_ones]))

    def _resolved(self) -> frozenset[Path]:
        return frozenset(path.resolve() for path in self.runbooks())

    # ------------------------------------------------------------ what stands under the cursor

    def hover(self, path: Path, line: int, column: int) -> str:
        """What the field at a place of a runbook comes to, for one item; empty where there is nothing to tell. Line and column
        count from 1."""
        with overlaid(self.texts):
            place = self._place(path, line, column)
            explained = None if place is None else _explained(place)
            return "" if explained is None else _words(explained)

    def definition(self, path: Path, line: int, column: int) -> list[Span]:
        """Where what is named at a place of a runbook is defined: a step, a window, a connection, a template file, a variable."""
        with overlaid(self.texts):
            place = self._place(path, line, column)
            if place is None:
                return []
            return list(dict.fromkeys(_Definitions(place, self.project, line, column).found()))

    def _place(self, path: Path, line: int, column: int) -> _Place | None:
        explainer = self._explainer(path)
        if explainer is None:
            return None
        runbook = explainer.scene.runbook
        at = runbook.document.source.at(line, column)
        found = _step_at(runbook, at)
        if found is None:
            return _Place(explainer, at, None, None, None)
        block, step = found
        return _Place(explainer, at, block, step, _first_item(explainer, block, step))

    def _explainer(self, path: Path) -> Explainer | None:
        customer = self._customer(path)
        if customer is None:
            return None
        try:
            runbook = load_runbook(path, self.project.display(path))
            return explainer_of(load(self.project, Named(path, customer, {}), _placeholders(runbook)))
        except (InvalidInput, SwitchoverError):
            return None

    def _customer(self, runbook: Path) -> Path | None:
        """The chosen customer, else the one that the runbook fits best: one that it fitted a moment ago still counts while a word
        is half written."""
        if self.inventory is not None:
            return self.inventory
        errors: dict[Path, int] = {}
        for folder in sorted(entry.parent for entry in (self.project.root / "inventories").glob(f"*/{INVENTORY_FILE}")):
            with suppress(InvalidInput):
                inventory = load_inventory(folder, self.project.display(folder))[0]
                found = check_runbook_files(self.project, runbook, inventory)
                errors[folder] = sum(problem.is_error for problem in found)
        best = min(errors, key=lambda folder: (errors[folder], folder), default=None)
        if best is not None and errors[best] and self.fitted.get(runbook) in errors:
            return self.fitted[runbook]
        if best is not None and not errors[best]:
            self.fitted[runbook] = best
        return best

    def _is_template(self, path: Path) -> bool:
        return any(path.resolve().is_relative_to(folder.resolve()) for folder in self.project.templates)


def _customer_of(path: Path) -> Path | None:
    """The customer's folder that a file lies in."""
    return next((folder for folder in path.resolve().parents if (folder / INVENTORY_FILE).is_file()), None)


def _stands_in(diagnostic: Diagnostic, path: Path) -> bool:
    return diagnostic.span is not None and Path(diagnostic.span.file).resolve() == path.resolve()


def _placeholders(runbook: Runbook) -> Mapping[str, object]:
    """Inputs for looking at a runbook: what has no default is called by its name."""
    given = {name: f"<{name}>" for name, one in runbook.inputs.items() if one.required and one.type == "string"}
    with suppress(InvalidInput):
        return resolve_inputs(runbook, given)
    return {name: one.default if one.default is not None else f"<{name}>" for name, one in runbook.inputs.items()}


# ---------------------------------------------------------------- a place in a runbook


@dataclass(frozen=True, slots=True)
class _Place:
    """A path in a runbook, and the step that it lies in, for an item."""

    explainer: Explainer
    path: DataPath
    block: Block | None
    step: Step | None
    item: Item | None


def _step_at(runbook: Runbook, path: DataPath) -> tuple[Block, Step] | None:
    """The step that a path lies in; of a group's own keys its first."""
    for block in runbook.every_block():
        for step in block.steps:
            if path[: len(step.path)] == step.path:
                return block, step
        if path[: len(block.path)] == block.path:
            return block, block.steps[0]
    return None


def _first_item(explainer: Explainer, block: Block, step: Step) -> Item | None:
    """The first item in scope, else the first of all."""
    collection = explainer.scene.inventory.collections.get(block.fan_out.for_each or "")
    items = () if collection is None else collection.items
    found = (item for item in items[:50] if explainer.item(block, step, item).status is not Status.OUT)
    return next(found, items[0] if items else None)


def _explained(place: _Place) -> Explanation | None:
    if place.block is None or place.step is None or (place.item is None and place.block.fan_out.for_each is not None):
        return None
    whole = place.explainer.item(place.block, place.step, place.item)
    if place.path[: len(place.step.path)] == place.step.path:
        inside = place.path[len(place.step.path) :]
    else:
        inside = place.path[len(place.block.path) :]
    names = [str(part) for part in inside]
    while names:
        found = selected(whole, ".".join(names))
        if found is not None:
            return found
        names.pop()
    return whole if inside[:1] in ((), ("name",), ("action",), ("title",)) else None


def _words(explanation: Explanation) -> str:
    from engine.reporting.explanation import explanation_text  # noqa: PLC0415  # only when something is shown

    return explanation_text(explanation, width=100, verbose=True)


@dataclass(frozen=True, slots=True)
class _Definitions:
    place: _Place
    project: Project
    line: int
    column: int

    def found(self) -> Iterator[Span]:
        runbook, path = self.place.explainer.scene.runbook, self.place.path
        name = self._name_under_cursor(runbook)
        if name:
            yield from self._of_name(name.split("."))
            return
        written = at_path(runbook.document.data, path)
        keys = [part for part in path if isinstance(part, str)]
        if not isinstance(written, str) or not keys:
            return
        if "needs" in keys or "must_precede" in keys or keys[-1] == "covers":
            yield from self._of_step(runbook, written)
        elif keys[-1] in ("window", "for_each", "calendar"):
            yield from self._of_key(runbook, self.place.explainer.scene.inventory, keys[-1], written)
        else:
            yield from self._of_argument(keys[-1], written)

    def _name_under_cursor(self, runbook: Runbook) -> str:
        """A name in an expression, up to the part that the cursor stands on."""
        text = runbook.document.source.line(self.line)
        spans = [match.span() for match in _EXPRESSION.finditer(text)]
        is_condition = self.place.path[-1:] in (("when",), ("where",))
        for match in _NAME.finditer(text):
            inside = is_condition or any(start <= match.start() < end for start, end in spans)
            if inside and match.start() < self.column <= match.end() + 1 and (match[0] not in ("when", "where")):
                return match[0]
        return ""

    def _of_name(self, names: list[str]) -> Iterator[Span]:
        place = self.place
        if names[0] == "steps" and len(names) > 1:
            runbook = place.explainer.scene.runbook
            step = Directory(runbook).find(names[1], place.block.phase if place.block else "")
            if step is not None:
                yield runbook.document.source.value((*step.path, "name"))
        elif place.block is not None:
            found = place.explainer.name(place.block, place.item, tuple(names))
            yield from (layer.span for v in found.variables for layer in v.layers if layer.won and layer.span is not None)

    def _of_step(self, runbook: Runbook, written: str) -> Iterator[Span]:
        source = runbook.document.source
        phase = self.place.block.phase if self.place.block is not None else ""
        for index, one in enumerate(runbook.phases):
            if one.name == written and len(self.place.path) == 4:
                yield source.value(("phases", index, "name"))
        for block in runbook.every_block():
            for path, address in ((block.path, block.address), *((s.path, s.address) for s in block.steps)):
                if address in (written, f"{phase}/{written}"):
                    yield source.value((*path, "name"))

    def _of_key(self, runbook: Runbook, inventory: Inventory, key: str, written: str) -> Iterator[Span]:
        if key == "window":
            yield runbook.document.source.key(("windows", written))
        else:
            section = "collections" if key == "for_each" else "calendars"
            yield inventory.document.source.key((section, written))

    def _of_argument(self, name: str, written: str) -> Iterator[Span]:
        """A connection, the template files that an argument names, or those that the action picks for the item."""
        explainer, step = self.place.explainer, self.place.step
        inventory, spec = explainer.scene.inventory, None if step is None else explainer.specs.get(step.action)
        argument = None if spec is None else spec.arguments.get(name)
        if argument is not None and argument.connection and written in inventory.connections:
            yield inventory.document.source.key(("connections", written))
        if step is None or spec is None or self.place.block is None:
            return
        if name == "action" or name in spec.templates_by or (argument is not None and argument.template):
            whole = explainer.item(self.place.block, step, self.place.item)
            values = {f.name.removeprefix("with."): f.value for f in whole.fields if f.value is not None}
            yield from self._files(explainer.templates, files_of(step, spec, values))

    def _files(self, templates: Templates, names: Iterable[str]) -> Iterator[Span]:
        for name in names:
            path = templates.find(name)
            if path is not None:
                yield Span(self.project.display(path), 1, 1)
