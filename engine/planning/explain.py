"""What one address comes to and why, before anything runs: each field of its step with the layers behind every name it uses.

Values come from the scene's own rendering, the one that plans and runs go by; here they are only laid out. No system is read, and
no secret is looked up: the scene has to be made with a store that gives masks in place of secrets.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import field, replace
from typing import Any

from engine.language.action_args import ActionSpec
from engine.language.secret_names import is_reference, is_secret_name
from engine.language.template_files import files_of
from engine.language.template_names import Reference
from engine.language.templates import DependsOnLaterError, Templates, has_template
from engine.model.args import Argument
from engine.model.diagnostic import InvalidInput
from engine.model.explanation import Explained, Explanation, Fact, FileExplained, Status
from engine.model.inventory import Item
from engine.model.runbook import Block, Step, is_compensation
from engine.model.secret import MASK, Redactor
from engine.model.source import DataPath
from engine.model.values import dataclass
from engine.planning.explain_gate import gate_fields
from engine.planning.explain_settings import settings_of
from engine.planning.layers import Layers, masked
from engine.planning.scene import CompiledGate, CompiledStep, Scene, View
from engine.planning.texts import plain
from engine.planning.verdicts import Verdicts, grouped, status_of

_JINJA = frozenset({"self", "super", "loop", "caller", "varargs", "kwargs"})


class _RunToCome:
    """``run`` for what is done when a run is cancelled: who cancels it, when and why, nobody knows before."""

    def __getattr__(self, name: str) -> Any:
        raise DependsOnLaterError("the cancellation of the run")


@dataclass(slots=True)
class Explainer:
    """Explains addresses of one scene. ``given``: inputs of the command line, as text; ``limit``: likewise; ``specs``: what is
    declared of each action."""

    scene: Scene
    templates: Templates
    specs: Mapping[str, ActionSpec]
    given: Mapping[str, str]
    limit: tuple[str, ...] = ()
    verdicts: Verdicts = field(init=False)

    def __post_init__(self) -> None:
        self.verdicts = Verdicts(self.templates, self.scene.runbook.document.source, self.limit)

    # ------------------------------------------------------------ whole addresses

    def item(self, block: Block, step: Step, item: Item | None) -> Explanation:
        """One address: of an item, or of a step that runs once."""
        at = self._layers(block, item)
        verdicts = self.verdicts.of(step, at, self._picking(block, item))
        fields = (*self._own_fields(step, at), *settings_of(step, at, self.scene.clock.now(), self._settle(step)))
        made = self._begun(block, step, status_of(verdicts), None if item is None else item.key)
        files = tuple(self._files(step, at, fields))
        return replace(made, label=self.scene.label(item), verdicts=verdicts, fields=fields, files=files)

    def whole(self, block: Block, step: Step) -> Explanation:
        """A step over items: how many are worked and why the others are not, and what is the same for all."""
        collection = self.scene.inventory.collections.get(block.fan_out.for_each or "")
        items = () if collection is None else collection.items
        groups = grouped(
            (item, self.verdicts.of(step, self._layers(block, item), self._picking(block, item))) for item in items
        )
        at = self._layers(block, None)
        own = tuple(self._alike(found) for found in self._own_fields(step, at))
        fields = (*own, *settings_of(step, at, self.scene.clock.now(), self._settle(step)))
        made = self._begun(block, step, Status.IN if any(g.status is not Status.OUT for g in groups) else Status.OUT, None)
        return replace(made, fields=fields, groups=groups, collection=block.fan_out.for_each or "")

    def name(self, block: Block, item: Item | None, names: tuple[str, ...]) -> Explained:
        """What a name such as ``vars.region`` or ``item.mac`` comes to for an address, used there or not."""
        at = self._layers(block, item)
        variable = at.variable(Reference(names[0], names[1:], 1))
        return Explained(".".join(names), variable.value, None, later=variable.later, variables=(variable,))

    # ------------------------------------------------------------ fields

    def _own_fields(self, step: Step, at: Layers) -> Iterator[Explained]:
        compiled = self.scene.compiled(step.address)
        if isinstance(compiled, CompiledStep):
            yield from self._arguments(compiled, at, "with")
            return
        assert isinstance(compiled, CompiledGate)  # noqa: S101  # there is no third kind
        yield from gate_fields(step, compiled.gate, at, self.scene.clock.now(), self.value)
        if compiled.looks is not None:
            yield from self._arguments(compiled.looks, at, f"{step.action}.observe.with")

    def _arguments(self, compiled: CompiledStep, at: Layers, prefix: str) -> Iterator[Explained]:
        """Each argument as the action gets it, those written first."""
        step, spec = compiled.step, self.specs[compiled.step.action]
        built = self._built(compiled, at)
        for name, raw in step.args.items():
            found = self.value(f"{prefix}.{name}", raw, (*step.path, "with", name), at)
            if not found.later and not found.problem:
                found = self._checked(found, name, compiled, at, built)
            argument = spec.arguments.get(name)
            yield replace(found, facts=tuple(self._connection(found, argument, at)))
        for argument in spec.arguments.values():
            if argument.name not in step.args:
                value = plain(argument.default)
                yield Explained(f"{prefix}.{argument.name}", value, origin=f"default of {spec.name}")

    def _built(self, compiled: CompiledStep, at: Layers) -> Any:
        """The action's arguments as planned, all of them; None when they cannot be told, or the step is skipped."""
        try:
            ready = self.scene.ready(compiled, at.block, at.item)
        except (InvalidInput, DependsOnLaterError):
            return None
        return None if ready is None else ready.args

    def _checked(self, found: Explained, name: str, compiled: CompiledStep, at: Layers, built: Any) -> Explained:
        """With the value that the action's declaration makes of it, such as a number of digits."""
        if built is not None:
            return replace(found, value=self._shown(found, getattr(built, name), at))
        raw = self.templates.compile_value(
            compiled.step.args[name], at.runbook.document.source, (*compiled.step.path, "with", name)
        )
        try:
            value = compiled.build.checks[name](raw.render(at.view.context))
        except (ValueError, KeyError) as error:
            return replace(found, value=None, problem=f"{compiled.action.name} cannot take it: {error}")
        return replace(found, value=self._shown(found, value, at))

    def _shown(self, found: Explained, value: object, at: Layers) -> object:
        shown = at.shown(value)
        name = found.name.rsplit(".", 1)[-1]
        if shown in (None, "") or is_reference(str(shown)):
            return shown
        makes_of_secret = any("secret" in variable.note for variable in found.variables) and MASK not in str(shown)
        return MASK if is_secret_name(name) or makes_of_secret else shown

    def value(self, name: str, raw: object, path: DataPath, at: Layers) -> Explained:
        """Something of the runbook that may hold templates at any depth."""
        source = at.runbook.document.source
        compiled = self.templates.compile_value(raw, source, path)
        names = dict.fromkeys(replace(r, line=0, is_guarded=False) for r in compiled.references.all)
        written = raw if isinstance(raw, str) and has_template(raw) else ""
        parts = () if isinstance(raw, str) else tuple(self._parts(name, raw, path, at))
        variables = () if parts else tuple(map(at.variable, names))
        found = Explained(name, None, source.value(path), written, variables=variables, parts=parts)
        try:
            return replace(found, value=self._shown(found, compiled.render(at.view.context), at))
        except DependsOnLaterError as later:
            return replace(found, later=later.step)
        except InvalidInput as invalid:
            return replace(found, problem=at.view.redact(invalid.diagnostics[0].detail))

    def _parts(self, name: str, raw: object, path: DataPath, at: Layers) -> Iterator[Explained]:
        inner: Iterable[tuple[str | int, object]] = ()
        if isinstance(raw, Mapping):
            inner = raw.items()
        elif isinstance(raw, list | tuple):
            inner = enumerate(raw)
        for key, value in inner:
            if isinstance(value, str) and has_template(value):
                yield self.value(f"{name}.{key}", value, (*path, key), at)
            else:
                yield from self._parts(f"{name}.{key}", value, (*path, key), at)

    def _connection(self, found: Explained, argument: Argument | None, at: Layers) -> Iterator[Fact]:
        connection = at.inventory.connections.get(str(found.value)) if argument is not None and argument.connection else None
        if connection is None:
            return
        source, path = at.inventory.document.source, ("connections", connection.name)
        yield Fact("type", connection.type, source.value((*path, "type")))
        for name, value in connection.settings.items():
            if name != "type" and source.has((*path, name)):
                yield Fact(name, _setting(name, value), source.value((*path, name)))

    # ------------------------------------------------------------ template files

    def _files(self, step: Step, at: Layers, fields: tuple[Explained, ...]) -> Iterator[FileExplained]:
        spec = self.specs.get(step.action)
        if step.gate is not None or spec is None:
            return
        values = {f.name.removeprefix("with."): f.value for f in fields if f.name.startswith("with.") and f.value is not None}
        seen = replace(at, extra=spec.template_names)
        for name in dict.fromkeys(files_of(step, spec, values)):
            if self.templates.has(name):
                yield from self._file(name, seen, frozenset())

    def _file(self, name: str, at: Layers, above: frozenset[str]) -> Iterator[FileExplained]:
        if name in above:
            return
        try:
            file = self.templates.file(name)
        except InvalidInput as invalid:
            yield FileExplained(name, name, problem=invalid.diagnostics[0].detail)
            return
        if file is None:
            return
        lines: dict[Reference, int] = {}
        for used in file.references.all:
            if used.root not in _JINJA:
                lines.setdefault(replace(used, line=0, is_guarded=False), used.line)
        found = (replace(at.variable(reference), line=line) for reference, line in lines.items())
        yield FileExplained(name, file.display, tuple(found))
        for included, _ in file.includes:
            yield from self._file(included, replace(at, extra=at.extra | file.assigned), above | {name})

    # ------------------------------------------------------------ inside

    def _alike(self, found: Explained) -> Explained:
        """A field as it is for every item, or without a value where that differs."""
        inner = [variable for part in (found, *found.parts) for variable in part.variables]
        if not any(variable.name.partition(".")[0] == "item" for variable in inner):
            return found
        bare = Explained(found.name, None, found.span, found.written)
        return replace(bare, origin="differs from item to item: name one to see")

    def _begun(self, block: Block, step: Step, status: Status, key: str | None) -> Explanation:
        runbook = self.scene.runbook
        address = step.address if key is None else f"{step.address}[{key}]"
        span = runbook.document.source.value(step.path)
        group = "" if block.address == step.address else block.address
        return Explanation(address, runbook.name, span, step.action, status, step.title, group)

    def _layers(self, block: Block, item: Item | None) -> Layers:
        return Layers(
            self.scene.runbook, self.scene.inventory, self.templates, self.given, block, item, self._view(block, item)
        )

    def _picking(self, block: Block, item: Item | None) -> Layers:
        """As ``where`` sees it: the item's secrets as they are written."""
        at = self._layers(block, item)
        if item is None:
            return at
        view, collection = self.scene.picked(block, item), self.scene.inventory.collections.get(block.fan_out.for_each or "")
        names = frozenset() if collection is None else collection.secret_fields
        written_out = [str(item.fields[name]) for name in names if item.fields.get(name)]
        if not written_out:
            return replace(at, view=view)
        # What goes wrong in a condition may quote what it was given.
        inner = Redactor(written_out)
        return replace(at, view=View(view.context, lambda text: view.redact(inner(text))))

    def _view(self, block: Block, item: Item | None) -> View:
        view = self.scene.view(block, item)
        return View({**view.context, "run": _RunToCome()}, view.redact) if is_compensation(block.address) else view

    def _settle(self, step: Step) -> float | None:
        compiled = self.scene.compiled(step.address)
        return compiled.settle_s if isinstance(compiled, CompiledStep) else None


def _setting(name: str, value: object) -> object:
    """A connection's setting, fit to be shown. A reference tells people where to look, and is no secret."""
    if isinstance(value, Mapping):
        return {key: _setting(name if name != "headers" else str(key), inner) for key, inner in value.items()}
    if isinstance(value, str) and is_reference(value):
        return f"{MASK} ({value})"
    return MASK if is_secret_name(name) and value not in (None, "") else masked(plain(value))


def selected(explanation: Explanation, name: str) -> Explanation | None:
    """An explanation narrowed to a field, such as ``with.to``, ``retry`` or ``files``; None when it has no such field."""
    if name == "files":
        return replace(explanation, fields=(), verdicts=(), groups=())
    if name in ("where", "when", "limit"):
        verdicts = tuple(v for v in explanation.verdicts if v.what == name)
        if verdicts:
            return replace(explanation, fields=(), files=(), verdicts=verdicts, groups=())
    fields = tuple(_within(explanation.fields, name))
    return replace(explanation, fields=fields, files=(), verdicts=(), groups=()) if fields else None


def _within(fields: Iterable[Explained], name: str) -> Iterator[Explained]:
    for found in fields:
        if found.name == name or found.name.startswith(f"{name}."):
            yield found
        elif name.startswith(f"{found.name}."):
            inner = list(_within(found.parts, name))
            yield from inner
            value, known = _inside(found.value, name.removeprefix(f"{found.name}.").split("."))
            if not inner and known:
                yield Explained(name, value, found.span)


def _inside(value: object, names: list[str]) -> tuple[object, bool]:
    for name in names:
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            return None, False
    return value, True
