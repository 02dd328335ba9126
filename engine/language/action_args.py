"""The ``with:`` of a step against what its action declares, as far as that can be judged before a template is rendered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from engine.language.nearest import did_you_mean, listed
from engine.language.schema_check import SchemaCheck
from engine.language.templates import Templates, has_template
from engine.model.args import Argument
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.inventory import Inventory
from engine.model.runbook import Step
from engine.model.source import DataPath, SourceMap
from engine.model.values import dataclass


@dataclass(frozen=True, slots=True)
class ActionSpec:
    """What the language has to know of an action."""

    name: str
    arguments: Mapping[str, Argument]
    outputs: frozenset[str] = frozenset()
    """What later steps may use of its result."""
    unseen: Callable[[Mapping[str, object]], str] | None = None
    """Why, with these arguments as the runbook has them, nothing tells whether it is done; empty when a look does, as one always
    does for None."""
    template_names: frozenset[str] = frozenset()
    """What the template files it renders see besides."""
    templates_by: tuple[str, ...] = ()
    """Arguments that decide which template files it renders, where those that name one do not say."""
    templates: Callable[..., Iterable[str]] | None = None
    """Gives the files for values of those."""


@dataclass(frozen=True, slots=True)
class ArgumentCheck:
    """Checks the arguments of steps. ``inventory``: None when only the runbook is looked at."""

    source: SourceMap
    inventory: Inventory | None
    templates: Templates

    def problems(self, step: Step, spec: ActionSpec) -> Iterator[Diagnostic]:
        """Unknown and missing arguments, constants of the wrong type, and names of connections and template files."""
        at = (*step.path, "with")
        for name, value in step.args.items():
            argument = spec.arguments.get(name)
            if argument is None:
                known = listed(sorted(spec.arguments), 24)
                detail = f"The action {spec.name} has no argument {name!r}. It has {known}." if known else (
                    f"The action {spec.name} takes no arguments."
                )
                yield self._problem("Unknown argument", detail, (*at, name), did_you_mean(name, spec.arguments), at_key=True)
            elif not _is_templated(value):
                yield from self._constant(argument, value, (*at, name))
        near = {did_you_mean(name, spec.arguments) for name in step.args if name not in spec.arguments}
        for argument in spec.arguments.values():
            if argument.required and argument.name not in step.args and f"Did you mean {argument.name!r}?" not in near:
                detail = f"The action {spec.name} needs {argument.name!r}: {argument.doc}"
                yield self._problem("Missing argument", detail, at, at_key=True)

    def _constant(self, argument: Argument, value: object, path: DataPath) -> Iterator[Diagnostic]:
        wrong = SchemaCheck.of(dict(argument.accepts)).problems(_as_built(value, argument.accepts), self.source, path)
        if wrong or not isinstance(value, str):
            yield from wrong
        elif argument.connection:
            yield from self._connection(argument, value, path)
        elif argument.template:
            yield from self._template_files(value, argument.template, path)

    def _connection(self, argument: Argument, value: str, path: DataPath) -> Iterator[Diagnostic]:
        if self.inventory is None:
            return
        connection = self.inventory.connections.get(value)
        if connection is None:
            fitting = [c.name for c in self.inventory.connections.values() if c.type in argument.connection]
            detail = f"The inventory of {self.inventory.customer} has no connection {value!r}. " + (
                f"Of a fitting type there are {listed(fitting)}." if fitting
                else f"It has none of type {' or '.join(argument.connection)} at all."
            )
            yield self._problem("Unknown connection", detail, path, did_you_mean(value, self.inventory.connections))
        elif connection.type not in argument.connection:
            detail = f"The connection {value!r} is of type {connection.type}; " \
                     f"{argument.name!r} needs one of type {' or '.join(argument.connection)}."
            yield self._problem("Wrong type of connection", detail, path)

    def _template_files(self, value: str, endings: tuple[str, ...], path: DataPath) -> Iterator[Diagnostic]:
        if not value:  # none is named
            return
        first = value + endings[0]
        if not self.templates.has(first):
            folders = " or ".join(self.templates.display(folder) for folder in self.templates.folders)
            known = [name.removesuffix(endings[0]) for name in self.templates.names() if name.endswith(endings[0])]
            detail = f"There is no template file {first!r} in {folders}."
            yield self._problem("Template file not found", detail, path, did_you_mean(value, known))
        for ending in endings:
            if self.templates.has(value + ending):
                yield from self.templates.check_file(value + ending)

    def _problem(self, summary: str, detail: str, path: DataPath, hint: str = "", *, at_key: bool = False) -> Diagnostic:
        span = self.source.key(path) if at_key else self.source.value(path)
        return Diagnostic(summary, detail, span, self.source.line(span.line), hint)


def compile_problems(templates: Templates, raw: object, source: SourceMap, path: DataPath) -> list[Diagnostic]:
    """Syntax errors of every template inside a value, not just of the first."""
    if isinstance(raw, Mapping):
        return [d for key, value in raw.items() for d in compile_problems(templates, value, source, (*path, key))]
    if isinstance(raw, list | tuple):
        return [d for index, value in enumerate(raw) for d in compile_problems(templates, value, source, (*path, index))]
    try:
        templates.compile_value(raw, source, path)
    except InvalidInput as error:
        return list(error.diagnostics)
    return []


def _is_templated(value: object) -> bool:
    if isinstance(value, Mapping):
        return any(_is_templated(inner) for inner in value.values())
    if isinstance(value, list | tuple):
        return any(_is_templated(inner) for inner in value)
    return isinstance(value, str) and has_template(value)


def _as_built(value: object, accepts: Mapping[str, Any]) -> object:
    """The value as the action will get it: a whole number where text is declared becomes text, and the other way round."""
    options = accepts.get("anyOf", [accepts])
    kinds = {option.get("type") for option in options}
    if isinstance(value, int) and not isinstance(value, bool) and "string" in kinds and not kinds & {"integer", "number"}:
        return str(value)
    if isinstance(value, str) and "integer" in kinds and "string" not in kinds and value.isascii() and value.isdigit():
        return int(value)
    if isinstance(value, Mapping) and isinstance(accepts.get("additionalProperties"), Mapping):
        return {key: _as_built(inner, accepts["additionalProperties"]) for key, inner in value.items()}
    if isinstance(value, list | tuple) and isinstance(accepts.get("items"), Mapping):
        return [_as_built(inner, accepts["items"]) for inner in value]
    return value
