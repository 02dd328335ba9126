"""Everything a plan and a run have in common: the compiled steps, the items they run over, and what one item's templates see."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field, replace
from datetime import datetime
from typing import Any

from engine.language.gate_reader import templates_of
from engine.language.names import ROOTS
from engine.language.templates import Compiled, Condition, DependsOnLaterError, Templates
from engine.model.args import BadArgument, Builder, builder_of
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.gate import Gate
from engine.model.inventory import Inventory, Item
from engine.model.plan import address_of
from engine.model.runbook import Block, Runbook, Step
from engine.model.secret import Redactor
from engine.model.values import dataclass
from engine.planning.graph import in_order
from engine.planning.limit import admits
from engine.planning.patience import Jitter, Patient, Waiting
from engine.planning.results import Directory, Results, RunView, Steps
from engine.planning.texts import plain
from engine.planning.views import Collections, calendars_of
from engine.ports import Action, Binding, Clock, SecretStore, Sessions, SessionSource


@dataclass(frozen=True, slots=True)
class CompiledStep:
    """A step ready to be worked for any item."""

    step: Step
    action: Action[Any, Any]
    build: Builder[Any]
    args: Compiled
    when: Condition | None
    settle_s: float
    local: bool
    """Whether all it touches is this machine: then items are worked in chunks instead of threads."""

    @property
    def is_gate(self) -> bool:
        return False


@dataclass(frozen=True, slots=True)
class CompiledGate:
    """A gate ready to be opened for any item."""

    step: Step
    gate: Gate
    texts: Compiled
    """Mapping of what holds templates: message, until and the like."""
    when: Condition | None
    local: bool = True
    looks: CompiledStep | None = None
    """What looks at what the gate waits for."""

    @property
    def is_gate(self) -> bool:
        return True


AnyStep = CompiledStep | CompiledGate


@dataclass(frozen=True, slots=True)
class Lane:
    """One item's way through a block."""

    item: Item | None
    steps: tuple[AnyStep, ...]

    @property
    def key(self) -> str | None:
        """The item's key; None for a block that runs once."""
        return None if self.item is None else self.item.key

    @property
    def addresses(self) -> Iterator[str]:
        """Of each of its steps, for its item."""
        return (address_of(compiled.step.address, self.key) for compiled in self.steps)


@dataclass(frozen=True, slots=True)
class BlockWork:
    """A block and the lanes it came to."""

    block: Block
    lanes: tuple[Lane, ...]
    local: bool


@dataclass(frozen=True, slots=True)
class Ready:
    """One address, rendered: what its action needs."""

    address: str
    compiled: CompiledStep
    args: Any
    context: Mapping[str, Any]
    redact: Callable[[str], str]
    rendered: dict[str, tuple[object, str]] = field(default_factory=dict)
    """Files rendered so far, for ``Binding``."""

    def outputs(self, seen: object) -> Mapping[str, object]:
        """What later steps may use of what was ``seen``, in JSON's types; empty for an action that declares none."""
        tell = getattr(self.compiled.action, "outputs", None)
        return {} if tell is None else {name: plain(value) for name, value in tell(self.args, seen).items()}


@dataclass(frozen=True, slots=True)
class View:
    """Names for the templates of one address, and what masks secrets in what they make of them."""

    context: Mapping[str, Any]
    redact: Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Given:
    """What comes from outside the files: inputs, limits, and the run's identity."""

    scope: str
    run: str
    inputs: Mapping[str, object]
    """Of secrets, the references."""
    limit: tuple[str, ...] = ()
    started: datetime | None = None
    """When the run started; None while only planning."""
    past: str = ""
    """The run that is looked back on: templates see its name and times, to the end."""
    seal: Callable[[str], str] = str
    """Makes a digest one that only who has the project's key can tell anything by."""
    patient: Patient = Waiting
    jitter: Jitter = random.random


class Scene:
    """Compiled once per plan or run; hands out lanes and prepared items."""

    def __init__(
        self,
        runbook: Runbook,
        inventory: Inventory,
        catalog: Mapping[str, Action[Any, Any]],
        templates: Templates,
        source: SessionSource,
        secrets: SecretStore,
        clock: Clock,
        given: Given,
        results: Results,
    ) -> None:
        self.runbook, self.inventory, self.given, self.results, self.clock = runbook, inventory, given, results, clock
        self._templates, self._source, self._secrets = templates, source, secrets
        self._directory = Directory(runbook)
        self._compiled = {step.address: self._compile(step, catalog) for step in runbook.every_step()}
        self._vars = secrets.variables({**runbook.defaults, **inventory.defaults})
        self._inputs = {**given.inputs, **secrets.variables(_secret_inputs(runbook, given.inputs))}
        self._fixed = self._fixed_names()

    def begin_run(self, started: datetime) -> None:
        """From planning to running: what the plan foresaw is forgotten, what the run finds out is remembered from here on."""
        if self.given.past:
            return
        self.results.forget()
        self._fixed["run"] = RunView(self.given.scope, self.results, self.given.run, started)

    def cancel(self, who: str, reason: str) -> None:
        """From the way forward to what is done when a run is cancelled: templates see by whom and why, and what was never
        reached. Raises as ``work`` does."""
        self._fixed["run"] = replace(self._fixed["run"], cancelled={"who": who, "reason": reason})
        reached = self.work()
        self.results.close(a for work in reached for lane in work.lanes for a in lane.addresses)
        worked = {compiled.step.address for work in reached for lane in work.lanes for compiled in lane.steps}
        self.results.close(step.address for step in self.runbook.steps() if step.address not in worked)

    # ------------------------------------------------------------ what there is to do

    def work(self) -> list[BlockWork]:
        """Every block with its lanes, in an order that respects ``needs``. Raises ``InvalidInput`` for a failing ``where``."""
        return self._in_order(self.runbook.blocks(), self.given.limit)

    def compensation(self) -> list[BlockWork]:
        """What is done when the run is cancelled; a limit does not hold for it. Raises as ``work`` does."""
        return self._in_order(self.runbook.compensation(), ())

    def _in_order(self, among: Iterable[Block], limit: tuple[str, ...]) -> list[BlockWork]:
        blocks = {block.address: block for block in among}
        needs = {address: [need for need in block.needs if need in blocks] for address, block in blocks.items()}
        return [self._block_work(blocks[address], limit) for address in in_order(blocks, needs)]

    def _block_work(self, block: Block, limit: tuple[str, ...]) -> BlockWork:
        compiled = [self._compiled[step.address] for step in block.steps]
        lanes = tuple(self._lanes(block, compiled, limit))
        return BlockWork(block, lanes, bool(compiled) and all(step.local for step in compiled))

    def _lanes(self, block: Block, compiled: list[AnyStep], limit: tuple[str, ...]) -> Iterator[Lane]:
        everything = tuple(compiled)
        for item in self._items(block):
            key = None if item is None else item.key
            steps = everything
            if limit:
                steps = tuple(step for step in compiled if admits(limit, step.step.address, key))
            if steps:
                yield Lane(item, steps)

    def _items(self, block: Block) -> Iterator[Item | None]:
        if block.fan_out.for_each is None:
            yield None
            return
        collection = self.inventory.collections.get(block.fan_out.for_each)
        if collection is None:
            return
        where = block.fan_out.where
        if where is None:
            yield from collection.items
            return
        condition = self._templates.compile_condition(where, self.runbook.document.source, (*block.path, "where"))
        for item in collection.items:
            try:
                holds = condition.holds(self._context(block, item, item.fields))
            except DependsOnLaterError as later:
                raise InvalidInput([self._too_early(later, block)]) from None
            if holds:
                yield item

    # ------------------------------------------------------------ one address

    def ready(self, compiled: CompiledStep, block: Block, item: Item | None) -> Ready | None:
        """Renders an address's arguments; None when its ``when`` is false.

        Raises ``InvalidInput`` pointing at the template, ``DependsOnLaterError`` when it needs a result that is not known yet.
        """
        fields, redact = self._reveal(block, item)
        try:
            return self._rendered(compiled, block, item, fields, redact)
        except InvalidInput as invalid:
            # What it quotes may be the item's own secret.
            raise InvalidInput([replace(d, detail=redact(d.detail)) for d in invalid.diagnostics]) from None

    def _rendered(
        self, compiled: CompiledStep, block: Block, item: Item | None, fields: Mapping[str, object], redact: Callable[[str], str]
    ) -> Ready | None:
        context = self._context(block, item, fields)
        if compiled.when is not None and not compiled.when.holds(context):
            return None
        values = compiled.args.render(context)
        address = address_of(compiled.step.address, None if item is None else item.key)
        try:
            args = compiled.build(values)
        except BadArgument as error:
            raise InvalidInput([self._explain(error, compiled, address)]) from None
        return Ready(address, compiled, args, context, redact)

    def asked(self, compiled: CompiledGate, block: Block, item: Item | None) -> Mapping[str, str] | None:
        """A gate's texts, rendered, by name (``invite.subject`` for those inside another); None when its ``when`` is false.
        Raises as ``ready`` does."""
        fields, redact = self._reveal(block, item)
        context = self._context(block, item, fields)
        if compiled.when is not None and not compiled.when.holds(context):
            return None
        return {name: redact(text) for name, text in _flat(compiled.texts.render(context))}

    def compiled(self, step: str) -> AnyStep:
        """A step by its address, as it is worked for each item."""
        return self._compiled[step]

    def view(self, block: Block, item: Item | None) -> View:
        """What the templates of an address see. Raises ``InvalidInput`` for a secret of the item that cannot be found."""
        fields, redact = self._reveal(block, item)
        return View(self._context(block, item, fields), redact)

    def picked(self, block: Block, item: Item) -> View:
        """What ``where`` sees of an item: its secrets as they are written."""
        return View(self._context(block, item, item.fields), self._reveal(block, item)[1])

    def sessions(self, ready: Ready, *, read_only: bool) -> Sessions:
        """Sessions for one exchange with the step's time-out ahead of it."""
        deadline = self.clock.monotonic() + ready.compiled.step.timeout_s
        return self._source.bind(Binding(ready.address, ready.context, ready.redact, read_only, deadline, ready.rendered))

    def label(self, item: Item | None) -> str:
        """What people call an item: its extension or number and its name, when it has them."""
        if item is None:
            return ""
        words: list[str] = []
        for name in ("extension", "label", "name"):
            word = str(item.fields.get(name) or "")
            if word and word != item.key and word not in words:
                words.append(word)
        return " ".join(words)

    # ------------------------------------------------------------ inside

    def _compile(self, step: Step, catalog: Mapping[str, Action[Any, Any]]) -> AnyStep:
        if step.gate is not None:
            looks = None if step.looks is None else self._compile_step(step.looks, catalog)
            return self._compile_gate(step, step.gate, looks)
        return self._compile_step(step, catalog)

    def _compile_step(self, step: Step, catalog: Mapping[str, Action[Any, Any]]) -> CompiledStep:
        source, action = self.runbook.document.source, catalog[step.action]
        args = self._templates.compile_value(dict(step.args), source, (*step.path, "with"))
        when = None if step.when is None else self._templates.compile_condition(step.when, source, (*step.path, "when"))
        settle_s = action.settle_s if step.settle_s is None else step.settle_s
        return CompiledStep(step, action, builder_of(action.Args), args, when, settle_s, self._is_local(step, action))

    def _compile_gate(self, step: Step, gate: Gate, looks: CompiledStep | None) -> CompiledGate:
        source, path = self.runbook.document.source, (*step.path, step.action)
        when = None if step.when is None else self._templates.compile_condition(step.when, source, (*step.path, "when"))
        local = looks is None or looks.local
        return CompiledGate(step, gate, self._templates.compile_value(templates_of(gate), source, path), when, local, looks)

    def _is_local(self, step: Step, action: Action[Any, Any]) -> bool:
        connection = step.args.get("connection")
        return action.local or (isinstance(connection, str) and self._source.is_local(connection))

    def _fixed_names(self) -> dict[str, Any]:
        inventory = self.inventory
        names: dict[str, Any] = {
            **self._vars, **self._inputs,
            "vars": {**self._vars, **self._inputs},
            "inputs": self._inputs,
            "people": inventory.people,
            "customer": {"name": inventory.customer, "title": inventory.title, "timezone": inventory.timezone},
            "run": RunView(self.given.scope, self.results, self.given.past or self.given.run, self.given.started),
            "known_gaps": self.runbook.known_gaps,
            "collections": Collections(inventory),
            "calendars": calendars_of(inventory),
        }
        return names

    def _context(self, block: Block, item: Item | None, fields: Mapping[str, object]) -> dict[str, Any]:
        context = self._fixed.copy()
        if item is not None:
            own = fields.get("vars")
            if own is not None and isinstance(own, Mapping):
                context.update(self._with_own(own))
            context["item"] = fields
        context["steps"] = Steps(self._directory, self.results, block, None if item is None else item.key)
        return context

    def _with_own(self, own: Mapping[str, object]) -> dict[str, Any]:
        """The variables of an item that has some of its own: under ``vars``, and each by its name where that is no other's."""
        variables = {**self._vars, **own, **self._inputs}
        return {**{name: value for name, value in variables.items() if name not in ROOTS}, "vars": variables}

    def _reveal(self, block: Block, item: Item | None) -> tuple[Mapping[str, object], Callable[[str], str]]:
        collection = self.inventory.collections.get(block.fan_out.for_each or "")
        if item is None or collection is None or not collection.secret_fields:
            return (item.fields if item is not None else {}), self._secrets.redact
        fields = dict(item.fields)
        revealed = []
        for name in collection.secret_fields:
            written = fields.get(name)
            if isinstance(written, str) and written:
                fields[name] = self._secrets.resolve(written).reveal()
                revealed.append(str(fields[name]))
        return fields, _both(self._secrets.redact, revealed)

    def _too_early(self, later: DependsOnLaterError, block: Block) -> Diagnostic:
        source = self.runbook.document.source
        span = source.value((*block.path, "where"))
        detail = f"'where' picks the items before anything runs, so it cannot ask for {later}. Use 'when' on the step."
        return Diagnostic("Not known yet", detail, span, source.line(span.line))

    def _explain(self, error: BadArgument, compiled: CompiledStep, address: str) -> Diagnostic:
        source = self.runbook.document.source
        span = source.value((*compiled.step.path, "with", error.name))
        return Diagnostic(
            "Unsuitable argument", f"{address}: {compiled.action.name} cannot take {error.name}: {error.why}.",
            span, source.line(span.line),
        )


def _flat(texts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for name, text in texts.items():
        if isinstance(text, Mapping):
            yield from ((f"{name}.{inner}", found) for inner, found in _flat(text))
        else:
            yield name, str(text)


def _secret_inputs(runbook: Runbook, inputs: Mapping[str, object]) -> dict[str, object]:
    """The references among the inputs. Another input may begin like one and is none."""
    return {name: value for name, value in inputs.items() if name in runbook.inputs and runbook.inputs[name].type == "secret"}


def _both(outer: Callable[[str], str], values: list[str]) -> Callable[[str], str]:
    if not values:
        return outer
    inner: list[Redactor] = []

    def redact(text: str) -> str:
        # Built on first use: most items are read and found to be so, and show nothing.
        if not inner:
            inner.append(Redactor(values))
        return outer(inner[0](text))

    return redact
