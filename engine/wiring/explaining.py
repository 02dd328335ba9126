"""``explain``: finds the address that was asked for, and explains it by the scene that plans are made with, but without a single
session or secret: no system is read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from engine.execution.stop import Stop
from engine.language.names import ROOTS
from engine.language.nearest import did_you_mean, offered
from engine.language.runbook_reader import read_runbook
from engine.language.secret_names import is_reference, is_secret_name
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.errors import SwitchoverError
from engine.model.explanation import Explanation
from engine.model.inventory import Connection, Inventory, Item
from engine.model.runbook import Block, Runbook, Step
from engine.model.secret import MASK, Redactor, Secret
from engine.model.values import dataclass
from engine.planning.explain import Explainer, selected
from engine.planning.results import NoResults
from engine.planning.scene import Given, Scene
from engine.ports import Binding, Sessions
from engine.project import Project
from engine.wiring.loading import Loaded, Named, load, specs_of
from engine.wiring.surroundings import MACHINE

_NAMES = frozenset(ROOTS)


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be explained: ``phase/step``, ``phase/step[item]``, or a field of one. ``runbook``: None for the one of the
    project that has the address."""

    address: str
    runbook: Path | None
    inventory: Path
    given: Mapping[str, str]
    limit: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Address:
    """An address taken apart. ``key``: None for a whole step; ``field``: empty for all of it."""

    step: str
    key: str | None
    field: str


def taken_apart(text: str) -> Address:
    """``phones/config[805ec0].with.mac``: the step, the item, the field. Keys of items may hold dots, names of steps may not."""
    step, bracket, rest = text.partition("[")
    if not bracket:
        step, _, name = text.partition(".")
        return Address(step, None, name)
    key, _, name = rest.rpartition("]")
    return Address(step, key, name.removeprefix("."))


def explain(project: Project, asked: Asked) -> tuple[Explanation, tuple[Diagnostic, ...]]:
    """The explanation, and warnings about the files. Raises ``InvalidInput`` for what is wrong with them, and for an address that
    does not exist; ``SwitchoverError`` when several runbooks have it."""
    address = taken_apart(asked.address)
    runbook = asked.runbook or runbook_with(project, address.step)
    loaded = load(project, Named(runbook, asked.inventory, asked.given))
    return explained(explainer_of(loaded, asked.limit), address), loaded.warnings


def explained(explainer: Explainer, address: Address) -> Explanation:
    """One address by an explainer that is made. Raises ``InvalidInput`` when there is none such."""
    runbook, inventory = explainer.scene.runbook, explainer.scene.inventory
    block, step = _find_step(runbook, address.step)
    item = None if address.key is None else _find_item(runbook, inventory, block, address.key)
    names = tuple(address.field.split("."))
    if names[0] in _NAMES and len(names) > 1:
        whole = explainer.item(block, step, item)
        return replace(whole, fields=(explainer.name(block, item, names),), verdicts=(), files=())
    over_items = item is None and block.fan_out.for_each is not None
    whole = explainer.whole(block, step) if over_items else explainer.item(block, step, item)
    found = selected(whole, address.field) if address.field else whole
    if found is None:
        fields = [field.name for field in whole.fields]
        detail = f"{whole.address} has no field {address.field!r}. {offered(fields, 40)} Any name that templates see may be " \
                 "asked for too, such as vars.NAME or item.FIELD."
        raise InvalidInput([Diagnostic("Unknown field", detail, hint=did_you_mean(address.field, fields))])
    return found


def explainer_of(loaded: Loaded, limit: tuple[str, ...] = ()) -> Explainer:
    """Explains the addresses of what was loaded."""
    runbook, inventory = loaded.runbook, loaded.inventory
    scene = Scene(
        runbook, inventory, loaded.catalog, loaded.templates, NoSessions(inventory.connections),
        Unrevealed(runbook, inventory), MACHINE.clock(Stop()), Given(loaded.scope, "explain", loaded.inputs), NoResults(),
    )
    return Explainer(scene, loaded.templates, specs_of(loaded.catalog, runbook), loaded.named.given, limit)


# ---------------------------------------------------------------- what stands in for systems and secrets


class Unrevealed:
    """Gives a mask for every secret, without looking any up. What was written out as such under a secret's name is masked too."""

    def __init__(self, runbook: Runbook, inventory: Inventory) -> None:
        self._redactor = Redactor(set(_written_out(runbook, inventory)))

    def resolve(self, written: str) -> Secret:
        """A mask."""
        return Secret(MASK)

    def variables(self, values: Mapping[str, object]) -> Mapping[str, object]:
        """Variables for templates, with masks for what refers to secrets or is called like one."""
        return {name: Secret(MASK) if _is_secret(name, value) else value for name, value in values.items()}

    def redact(self, text: str) -> str:
        """Masks what was written out."""
        return self._redactor(text)


class NoSessions:
    """Opens nothing."""

    def __init__(self, connections: Mapping[str, Connection]) -> None:
        self._connections = connections

    def bind(self, binding: Binding) -> Sessions:
        """Never: an explanation reads no system."""
        raise AssertionError(f"{binding.address} asked for a session while being explained")

    def is_local(self, connection: str) -> bool:
        """As for a plan."""
        found = self._connections.get(connection)
        return found is not None and found.type == "local"

    def close(self) -> None:
        """Nothing is open."""


def _is_secret(name: str, value: object) -> bool:
    return isinstance(value, str) and (is_reference(value) or (is_secret_name(name) and bool(value)))


def _written_out(runbook: Runbook, inventory: Inventory) -> Iterator[str]:
    owned = [item.fields.get("vars") for collection in inventory.collections.values() for item in collection.items]
    for values in (runbook.defaults, inventory.defaults, *(own for own in owned if isinstance(own, Mapping))):
        yield from (str(v) for k, v in values.items() if isinstance(v, str) and is_secret_name(k) and not is_reference(v))


# ---------------------------------------------------------------- finding what was asked for


def runbook_with(project: Project, step: str) -> Path:
    """The one runbook of the project that has a step of this address. Raises ``InvalidInput`` when none has, ``SwitchoverError``
    when several have."""
    known: dict[str, list[Path]] = {}
    unread: list[str] = []
    for path in sorted((project.root / "runbooks").glob("*.yml")):
        runbook = read_runbook(path, project.display(path)).runbook
        if runbook is None:
            unread.append(project.display(path))
            continue
        for found in runbook.every_step():
            known.setdefault(found.address, []).append(path)
        for block in runbook.every_block():
            known.setdefault(block.address, []).append(path)
    paths = list(dict.fromkeys(known.get(step, ())))
    if len(paths) == 1:
        return paths[0]
    if not paths:
        note = f" Not looked into, for they cannot be read: {', '.join(unread)}." if unread else ""
        raise InvalidInput([_unknown(step, known, f"no runbook of {project.display(project.root / 'runbooks')}/", note)])
    names = " or ".join(project.display(path) for path in paths)
    raise SwitchoverError(f"Several runbooks have {step}", f"Name the one that is meant behind the address: {names}")


def _find_step(runbook: Runbook, address: str) -> tuple[Block, Step]:
    for block in runbook.every_block():
        for step in block.steps:
            if step.address == address:
                return block, step
        if block.address == address:
            steps = [step.address for step in block.steps]
            raise InvalidInput([Diagnostic("A group of steps", f"{address} is a group. Name a step of it. {offered(steps)}")])
    raise InvalidInput([_unknown(address, [step.address for step in runbook.every_step()], f"the runbook {runbook.name}", "")])


def _unknown(address: str, known: Iterable[str], where: str, note: str) -> Diagnostic:
    addresses = list(known)
    within = [one for one in addresses if one.startswith(f"{address}/")]
    detail = f"{address!r} is no step of {where}." if not where.startswith("no ") else f"{where.capitalize()} has {address!r}."
    return Diagnostic("Unknown address", f"{detail} {offered(within or addresses)}{note}", hint=did_you_mean(address, addresses))


def _find_item(runbook: Runbook, inventory: Inventory, block: Block, key: str) -> Item:
    source = runbook.document.source
    name = block.fan_out.for_each
    if name is None:
        span = source.value(block.path)
        detail = f"{block.address} has no for_each: it runs once, not for {key!r}. Leave out what stands in brackets."
        raise InvalidInput([Diagnostic("No items here", detail, span, source.line(span.line))])
    collections = inventory.collections
    items = collections[name].items if name in collections else ()
    found = next((item for item in items if item.key == key), None)
    if found is not None:
        return found
    span, keys = source.value((*block.path, "for_each")), [item.key for item in items]
    elsewhere = [c.name for c in collections.values() if any(item.key == key for item in c.items)]
    other = f"; {elsewhere[0]!r} has, but the step does not run over that" if elsewhere else ""
    detail = f"{block.address} runs over {name!r}, which has no item {key!r}{other}. {offered(keys, 8)}"
    raise InvalidInput([Diagnostic("Unknown item", detail, span, source.line(span.line), did_you_mean(key, keys))])
