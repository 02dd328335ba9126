"""Files that steps render, before and after, per item: whose phone gets other lines, and which. No system is read."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from typing import Any, cast

from engine.language.action_args import ActionSpec
from engine.language.template_files import deciding_files, files_of
from engine.language.templates import DependsOnLaterError, Templates
from engine.model.diagnostic import InvalidInput
from engine.model.errors import ActionFailure, SwitchoverError
from engine.model.inventory import Item
from engine.model.review import Risk
from engine.model.runbook import Block, Step
from engine.model.values import dataclass
from engine.planning.review.inventories import Placed
from engine.planning.review.scope import counted
from engine.planning.review.verdict import Verdict
from engine.planning.scene import CompiledStep, Ready, Scene
from engine.ports import Sessions

RENDERED = 300
"""Items of a step that are rendered: what a change of a template means is plain from these."""
_LINES = 40
_NAMED = 20


@dataclass(frozen=True, slots=True)
class Rendering:
    """One side. ``scene``: made with a store that masks secrets; ``keys``: block -> its items."""

    scene: Scene
    templates: Templates
    specs: Mapping[str, ActionSpec]
    keys: Mapping[str, tuple[str, ...]]
    redact: Callable[[str], str]

    def steps(self) -> Mapping[str, tuple[Block, Step]]:
        """Steps that render files, by address."""
        return {
            step.address: (block, step) for block in self.scene.runbook.every_block() for step in block.steps
            if step.gate is None and (spec := self.specs.get(step.action)) is not None
            and (spec.templates is not None or deciding_files(spec) & step.args.keys())
        }

    def items(self, block: Block) -> Mapping[str, Item | None]:
        """In scope, by key; one without a name for a block that runs once."""
        if block.fan_out.for_each is None:
            return {"": None}
        collection = self.scene.inventory.collections.get(block.fan_out.for_each)
        found = {} if collection is None else {item.key: item for item in collection.items}
        return {key: found[key] for key in self.keys.get(block.address, ())}

    def files(self, block: Block, step: Step, item: Item | None) -> Mapping[str, str]:
        """Template -> what it comes to, masked. Raises ``InvalidInput`` and ``DependsOnLaterError`` as ``Scene.ready`` does."""
        ready = self.scene.ready(cast("CompiledStep", self.scene.compiled(step.address)), block, item)
        if ready is None:
            return {}
        spec = self.specs[step.action]
        recorder = _Recorder(self, ready)
        if spec.template_names:
            with suppress(_StopError):
                ready.compiled.action.observe(ready.args, cast("Sessions", recorder))
            return recorder.texts
        values = {name: getattr(ready.args, name) for name in deciding_files(spec)}
        for name in files_of(step, spec, values):
            if self.templates.has(name):
                recorder.render(name)
        return recorder.texts


class _StopError(Exception):
    """An action asked for a system: what it renders until then is known, nothing past it."""


class _Recorder:
    """What an action is given in place of sessions: renders, keeps what was rendered, and has nothing in any file."""

    can_remove = True

    def __init__(self, side: Rendering, ready: Ready) -> None:
        self._side, self._ready = side, ready
        self.texts: dict[str, str] = {}

    def render(self, template: str, extra: Mapping[str, object] | None = None) -> str:
        """As in a session, masked."""
        text = self._side.templates.render_file(template, {**self._ready.context, **(extra or {})})
        self.texts[template] = self.redact(text)
        return self.texts[template]

    def redact(self, text: str) -> str:
        """Masks what was written out under a secret's name."""
        return self._side.redact(self._ready.redact(text))

    def files(self, _connection: str) -> _Recorder:
        """Itself: an empty folder."""
        return self

    def read(self, _path: str) -> None:
        """Nothing stands there."""

    def __getattr__(self, name: str) -> Any:
        raise _StopError(name)


def compare_rendered(old: Rendering, new: Rendering, *, same_templates: bool) -> tuple[tuple[Placed, ...], tuple[str, ...]]:
    """What is rendered otherwise than before, and notes on what could not be told."""
    notes: dict[str, None] = {}
    before = old.steps()
    found = [
        placed for address, (block, step) in new.steps().items() if address in before
        for placed in _step(old, new, before[address], (block, step), notes, same_templates=same_templates)
    ]
    return tuple(found), tuple(notes)


def _step(
    old: Rendering, new: Rendering, then: tuple[Block, Step], now: tuple[Block, Step], notes: dict[str, None], *,
    same_templates: bool,
) -> Iterator[Placed]:
    was, items, step = old.items(then[0]), new.items(now[0]), now[1]
    same = same_templates and _base(old, then[1]) == _base(new, step)
    keys = [key for key in items if key in was and not (same and _fields(was[key]) == _fields(items[key]))]
    if len(keys) > RENDERED:
        notes[f"{step.address}: {RENDERED} items were rendered, and {len(keys) - RENDERED:,} more were not rendered."] = None
    groups: dict[tuple[str, tuple[str, ...]], tuple[list[str], list[str]]] = {}
    for key in keys[:RENDERED]:
        try:
            texts = old.files(*then, was[key]), new.files(*now, items[key])
        except DependsOnLaterError as later:
            notes[f"{step.address}: what it renders needs {later}, which is known only in a run."] = None
            continue
        except (InvalidInput, SwitchoverError, ActionFailure) as error:
            notes[f"{step.address}: what it renders cannot be told for some items, such as {key}: {_why(error)}."] = None
            continue
        for name in sorted({*texts[0], *texts[1]}):
            lines = _lines(texts[0].get(name, ""), texts[1].get(name, ""))
            changed = tuple(line for line in lines if line[:1] in ("+", "-"))
            if changed:
                groups.setdefault((name, changed), (lines, []))[1].append(key)
    span = new.scene.runbook.document.source.value(step.path)
    for (name, changed), (lines, whose) in groups.items():
        yield Placed(_verdict(name, len(changed), lines, whose, now[0].fan_out.for_each or ""), step.address, span)


def _why(error: Exception) -> str:
    if isinstance(error, InvalidInput):
        return error.diagnostics[0].summary
    return (error.why if isinstance(error, ActionFailure) else str(error)).rstrip(".")


def _verdict(name: str, changed: int, lines: list[str], whose: list[str], items: str) -> Verdict:
    many = f"{counted(len(whose), items)}: " if items else ""
    same = "the same " if len(whose) > 1 else ""
    more = [f"... {len(lines) - _LINES:,} more lines"] if len(lines) > _LINES else []
    named = [", ".join(whose[:_NAMED]) + (f" and {len(whose) - _NAMED:,} more" if len(whose) > _NAMED else "")] if items else []
    reason = f"{many}{same}{changed} line{'s' * (changed != 1)} rendered from {name} differ{'s' * (changed == 1)}"
    return Verdict(Risk.EFFECT, "rendered-changed", reason, detail=(*named, *lines[:_LINES], *more))


def _lines(before: str, after: str) -> list[str]:
    return list(difflib.unified_diff(before.splitlines(), after.splitlines(), n=0, lineterm=""))[2:]


def _fields(item: Item | None) -> object:
    return None if item is None else item.fields


def _base(side: Rendering, step: Step) -> object:
    runbook, inventory = side.scene.runbook, side.scene.inventory
    who = (inventory.customer, inventory.title, inventory.timezone, inventory.people)
    return (runbook.defaults, inventory.defaults, who, side.scene.given.inputs, step.action, step.args, step.when)
