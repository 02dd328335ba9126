"""Where the value of a name comes from: every layer that gives it, in the order of precedence, each with its place.

The value itself is never worked out here but taken from what the templates see, so that an explanation cannot differ from a plan.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from engine.language.secret_names import is_reference, is_secret_name
from engine.language.template_names import Reference
from engine.language.templates import DependsOnLaterError, Templates
from engine.language.yaml_reader import at_path
from engine.model.diagnostic import InvalidInput
from engine.model.explanation import Layer, Level, Variable
from engine.model.inventory import Collection, Inventory, Item
from engine.model.runbook import Block, Runbook
from engine.model.secret import MASK, Secret
from engine.model.source import DataPath, Document, SourceMap
from engine.model.values import dataclass
from engine.planning.results import Directory
from engine.planning.scene import View
from engine.planning.texts import plain

_LATER = "run", "steps"


@dataclass(frozen=True, slots=True)
class Layers:
    """The layers of every name that the templates of one address may use. ``given``: the inputs of the command line, as text;
    ``extra``: names that the action adds for its template files."""

    runbook: Runbook
    inventory: Inventory
    templates: Templates
    given: Mapping[str, str]
    block: Block
    item: Item | None
    view: View
    extra: frozenset[str] = frozenset()

    def variable(self, reference: Reference) -> Variable:
        """What a name comes to and where from."""
        name = ".".join((reference.root, *reference.fields))
        if reference.root in self.extra:
            return Variable(name, None, note="given by the action, or by the file that includes this one")
        layers = tuple(self._won(list(self._layers(reference))))
        try:
            value = self._value(reference)
        except DependsOnLaterError as later:
            return Variable(name, None, layers, later=later.step)
        except InvalidInput:
            return Variable(name, None, layers, note="nothing gives it")
        note = "a secret, which is not looked up" if self.is_secret(reference) else ""
        return Variable(name, value, layers, note=note)

    def is_secret(self, reference: Reference) -> bool:
        """Whether a name stands for a secret."""
        root, fields = reference.root, reference.fields
        if root == "item" and fields:
            return fields[0] in self._secret_fields or is_secret_name(fields[-1])
        found = self.view.context.get(fields[0] if root in ("vars", "inputs") and fields else root)
        return isinstance(found, Secret) or is_secret_name(fields[-1] if fields else root)

    # ------------------------------------------------------------ values

    def _value(self, reference: Reference) -> object:
        """Rendered like any other template. A whole collection is told by its size, a calendar by nothing."""
        root, fields = reference.root, reference.fields
        if root in ("collections", "calendars"):
            fields = fields[:1]
        chain = root + "".join(f"[{field!r}]" for field in fields)
        found = self.templates.compile_value(f"{{{{ {chain} }}}}", _NOWHERE, ()).render(self.view.context)
        if self.is_secret(reference):
            return MASK if found not in (None, "") else found
        if root == "collections" and isinstance(found, list):
            return f"{len(found)} items"
        if root == "calendars":
            return "a calendar"
        if root in ("collections", "run", "steps") and len(fields) < 2:
            return None
        return self.shown(found)

    def shown(self, value: object) -> object:
        """A value in JSON's types, secrets masked, whatever is called like one too."""
        return masked(plain(value, self.view.redact))

    # ------------------------------------------------------------ layers

    def _layers(self, reference: Reference) -> Iterator[Layer]:
        root, fields = reference.root, reference.fields
        if root in _LATER:
            yield from self._of_run(root, fields)
        elif root == "item":
            yield from self._of_item(fields)
        elif root == "inputs":
            yield from self._of_input(fields[0], fields[1:]) if fields else ()
        elif root == "vars":
            yield from self._of_variable(fields[0], fields[1:]) if fields else ()
        elif root in ("people", "customer", "collections", "calendars", "known_gaps"):
            yield from self._of_files(root, fields)
        else:
            yield from self._of_variable(root, fields)

    def _of_variable(self, name: str, inside: tuple[str, ...]) -> Iterator[Layer]:
        for level, document in ((Level.RUNBOOK, self.runbook.document), (Level.INVENTORY, self.inventory.document)):
            if isinstance(found := at_path(document.data, ("defaults",)), dict) and name in found:
                yield self._layer(level, document, ("defaults", name), inside)
        own = self.item.fields.get("vars") if self.item is not None else None
        if isinstance(own, Mapping) and name in own:
            yield from self._of_item(("vars", name, *inside))
        if name in self.runbook.inputs:
            yield from self._of_input(name, inside)

    def _of_input(self, name: str, inside: tuple[str, ...]) -> Iterator[Layer]:
        declared, document = self.runbook.inputs.get(name), self.runbook.document
        if declared is None:
            return
        path: DataPath = ("inputs", name, "default") if declared.default is not None else ("inputs", name)
        value = self.shown(declared.default) if not inside else None
        place = "" if declared.default is not None else "required" if declared.required else "no default"
        yield self._masked(Layer(Level.INPUT, value, document.source.value(path), place), name, declared.type == "secret")
        if name in self.given:
            layer = Layer(Level.COMMAND, self.view.redact(self.given[name]), None, f"--set {name}=...")
            yield self._masked(layer, name, declared.type == "secret")

    def _of_item(self, fields: tuple[str, ...]) -> Iterator[Layer]:
        collection = self._collection
        if self.item is None or collection is None or not fields:
            return
        path = (*collection.data_path, self.item.row, *fields)
        document = collection.source
        is_csv = document.source.file.lower().endswith(".csv")
        if not document.source.has((*collection.data_path, self.item.row, fields[0])):
            if fields[0] in self.item.fields:
                yield Layer(Level.ITEM, "", document.source.value(path), f"no {fields[0]} is given, so it is empty")
            return
        value = self.shown(at_path(dict(self.item.fields), fields))
        place = f"column {fields[0]}" if is_csv else ""
        layer = Layer(Level.ITEM, value, document.source.value(path), place)
        yield self._masked(layer, fields[-1], fields[0] in self._secret_fields)

    def _of_files(self, root: str, fields: tuple[str, ...]) -> Iterator[Layer]:
        document = self.runbook.document if root == "known_gaps" else self.inventory.document
        path: DataPath = (root, *fields)
        if root == "customer":
            key = "customer" if fields[:1] == ("name",) else fields[0] if fields else "customer"
            path = (key,) if document.source.has((key,)) else ("customer",)
        elif root in ("collections", "calendars") and fields:
            named = fields[0] if document.source.has((root, fields[0])) else fields[0].replace("_", "-")
            path = (root, named)
        level = Level.RUNBOOK if root == "known_gaps" else Level.CUSTOMER
        if document.source.has(path):
            layer = self._layer(level, document, path, (), whole=root not in ("collections", "calendars"))
            # Numbers and addresses of people are kept in one form, whatever they are written in.
            kept = self.shown(at_path(dict(self.inventory.people), fields)) if root == "people" else None
            yield layer if kept is None or layer.value == MASK else replace(layer, value=kept)

    def _of_run(self, root: str, fields: tuple[str, ...]) -> Iterator[Layer]:
        if root == "steps" and fields:
            step = Directory(self.runbook).find(fields[0], self.block.phase)
            if step is not None:
                yield Layer(Level.RUN, None, self.runbook.document.source.value(step.path), f"the result of {step.address}")
            return
        yield Layer(Level.RUN, None, None, "the run itself")

    # ------------------------------------------------------------ inside

    def _layer(
        self, level: Level, document: Document, path: DataPath, inside: tuple[str, ...], *, whole: bool = True
    ) -> Layer:
        full = (*path, *inside)
        value = self.shown(at_path(document.data, full)) if whole else None
        return self._masked(Layer(level, value, document.source.value(full)), str(full[-1]), is_reference(str(value)))

    def _masked(self, layer: Layer, name: str, is_secret: bool) -> Layer:
        """A reference is no secret, and tells people where to look."""
        if not (is_secret or is_secret_name(name)) or layer.value in (None, ""):
            return layer
        where = f"{layer.value}" if is_reference(str(layer.value)) else ""
        return replace(layer, value=MASK, place=", ".join(filter(None, (layer.place, where))))

    def _won(self, layers: list[Layer]) -> Iterator[Layer]:
        last = len(layers) - 1
        yield from (replace(layer, won=number == last) for number, layer in enumerate(layers))

    @property
    def _collection(self) -> Collection | None:
        return self.inventory.collections.get(self.block.fan_out.for_each or "")

    @property
    def _secret_fields(self) -> frozenset[str]:
        collection = self._collection
        return frozenset() if collection is None else collection.secret_fields


def masked(value: object) -> object:
    """Without what stands under a secret's name, at any depth."""
    if isinstance(value, dict):
        return {
            key: MASK if is_secret_name(key) and inner not in (None, "") and not isinstance(inner, dict | list) else masked(inner)
            for key, inner in value.items()
        }
    return [masked(inner) for inner in value] if isinstance(value, list) else value


_NOWHERE = SourceMap("", "", dict)
"""For a name that is rendered by itself; what is wrong with it is told where it is used."""
