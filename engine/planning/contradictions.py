"""What a new revision of a runbook would have otherwise of what a run has done: each a problem, at its place in the new file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any, cast

from engine.language.nearest import did_you_mean
from engine.model.diagnostic import Diagnostic
from engine.model.gate import Limits, Wait
from engine.model.plan import split_address
from engine.model.run import ItemStatus, RunState
from engine.model.runbook import Block, Step
from engine.model.source import DataPath
from engine.planning.revision import Rendered, Revision
from engine.planning.scene import CompiledGate

_NAMED = 3
"""Items of a step that a refusal names."""


class Judge:
    """Finds what the new revision would have otherwise of what is done."""

    def __init__(self, old: Revision, new: Revision, state: RunState, kept: set[str]) -> None:
        self._old, self._new, self._state = old, new, state
        self._by_step: dict[str, list[str]] = {}
        for address in kept:
            self._by_step.setdefault(split_address(address)[0], []).append(address)

    def problems(self) -> Iterator[Diagnostic]:
        yield from self._inputs()
        for step, done in self._by_step.items():
            done.sort()
            if step not in self._new.steps:
                yield self._removed(step, done)
                continue
            dropped = [address for address in done if address not in self._new.places]
            if dropped:
                yield self._dropped(step, dropped)
            yield from self._changed(step, [address for address in done if address in self._new.places])
            yield from self._too_late(step, done)

    def _inputs(self) -> Iterator[Diagnostic]:
        old, new = self._old.runbook.inputs, self._new.runbook.inputs
        for name, value in self._old.scene.given.inputs.items():
            if name not in new and name in old and value is not None and value != old[name].default:
                detail = f"The run was given {name!r}, and what was done went by it. Keep it, even if nothing uses it any more."
                yield self._problem("A given input is gone", detail, ("inputs",), key=True)

    def _removed(self, step: str, done: list[str]) -> Diagnostic:
        then = self._old.steps[step][0]
        alike = [a for a, (now, _) in self._new.steps.items() if a not in self._old.steps and _is_like(then, now)]
        hint = f"{alike[0]!r} looks like it: give it back its name, for a renamed step would be done again." if alike else \
            did_you_mean(step, [a for a in self._new.steps if a not in self._old.steps])
        where = next((("phases", i) for i, phase in enumerate(self._new.runbook.phases) if phase.name == then.phase), ("phases",))
        detail = f"{step} {self._is_done(done)}, so it has to stay: without it the run cannot say what it did, or undo it."
        return self._problem("A done step is gone", detail, where, hint)

    def _dropped(self, step: str, dropped: list[str]) -> Diagnostic:
        block, then = self._new.steps[step][1], self._old.steps[step][1].fan_out
        ran, runs = then.for_each or "nothing", block.fan_out.for_each or "nothing"
        if ran != runs:
            why, key = f"it ran over {ran} then, and over {runs} now", "for_each"
        elif any(self._is_listed(block, address) for address in dropped):
            why, key = "'where' no longer admits them", "where"
        else:
            why, key = f"the inventory no longer has them among its {runs}", "for_each"
        detail = f"{step} {self._is_done(dropped)}, and {why}. What is done has to stay in the run."
        return self._problem("What is done is left out", detail, (*block.path, key))

    def _is_listed(self, block: Block, address: str) -> bool:
        collection = self._new.scene.inventory.collections.get(block.fan_out.for_each or "")
        return collection is not None and any(item.key == split_address(address)[1] for item in collection.items)

    def _changed(self, step: str, done: list[str]) -> Iterator[Diagnostic]:
        then, now = self._old.steps[step][0], self._new.steps[step][0]
        if (then.gate is None) != (now.gate is None) or then.action != now.action:
            detail = f"{step} {self._is_done(done)} as {then.action}, and is {now.action} now. {_ANEW}"
            yield self._problem("A done step would change", detail, (*now.path, "action" if now.gate is None else now.action))
            return
        version = self._state.header.get("actions", {}).get(now.action)
        if then.gate is None and done and version != self._version(done[0]):
            detail = f"{step} {self._is_done(done)} by version {version} of {now.action}. Install that again."
            yield self._problem("A done step would change", detail, (*now.path, "action"))
        found: dict[tuple[str, str], list[str]] = {}
        for address in done:
            for difference in _differences(self._old.rendered(address), self._new.rendered(address)):
                found.setdefault(difference, []).append(address)
        for (key, why), which in found.items():
            inside = now.action if now.gate is not None else "with"
            place = (*now.path, key) if key == "when" else (*now.path, inside, *filter(None, [key]))
            advice = _PASSED if now.gate is not None else _ANEW
            yield self._problem(
                "A passed gate would change" if now.gate is not None else "A done step would change",
                f"{step} {self._is_done(which)}{f', and {why}' if why else ''}. {advice}", place,
            )

    def _version(self, address: str) -> int | None:
        compiled = self._new.places[address].compiled
        return None if isinstance(compiled, CompiledGate) else compiled.action.version

    def _too_late(self, step: str, done: list[str]) -> Iterator[Diagnostic]:
        """What would have to run before a done step, and did not have to when it was done."""
        now, block = self._new.steps[step]
        ended = {address for address in done if self._state.items[address].status.ended_well}
        for other in sorted(self._new.ahead[step] - self._old.ahead.get(step, frozenset())):
            late = self._left_of(other, block, ended)
            if not late:
                continue
            moved = other in self._old.steps
            detail = f"{late[0]} is not done and would have to come before {step}, which {self._is_done(done)}. " + (
                "Leave the done step where it was." if moved else
                "Put the new step after it, or say with 'needs' what it really comes after."
            )
            yield self._problem("It would run too late", detail, (now if moved else self._new.steps[other][0]).path)

    def _left_of(self, other: str, block: Block, done: set[str]) -> list[str]:
        """Addresses of a step that are not done; within one block only of the lanes that a done step belongs to."""
        within = other in {step.address for step in block.steps}
        keys = {split_address(address)[1] for address in done}
        return [
            address for address, place in self._new.places.items()
            if place.step.address == other and not self._ended_well(address)
            and (not within or (None if place.item is None else place.item.key) in keys)
        ]

    def _ended_well(self, address: str) -> bool:
        item = self._state.items.get(address)
        return item is not None and item.status.ended_well

    def _is_done(self, found: Sequence[str]) -> str:
        """``is done``, or how else it stands; for which items."""
        items = [self._state.items[address] for address in found]
        keys = [key for address in found if (key := split_address(address)[1]) is not None]
        more = f" and {len(keys) - _NAMED:,} more" if len(keys) > _NAMED else ""
        of = f" for {', '.join(keys[:_NAMED])}{more}" if keys else ""
        if not all(item.status.ended_well for item in items):
            return f"may have had its effect{of} (settle that first: switchover resume or retry)"
        if all(item.status is ItemStatus.PASSED for item in items):
            return f"was passed{of}"
        return f"was skipped{of}" if all(item.status is ItemStatus.SKIPPED for item in items) else f"is done{of}"

    def _problem(self, summary: str, detail: str, path: DataPath, hint: str = "", *, key: bool = False) -> Diagnostic:
        source = self._new.runbook.document.source
        span = source.key(path) if key else source.value(path)
        return Diagnostic(summary, detail, span, source.line(span.line), hint)


_ANEW = "To have it otherwise, leave the step as it was and add one of another name."
_PASSED = "What people agreed to stays as they saw it. To ask them something else, add a gate of another name."


def _is_like(then: Step, now: Step) -> bool:
    return (then.action, then.args, then.gate) == (now.action, now.args, now.gate)


def _differences(then: Rendered, now: Rendered) -> Iterator[tuple[str, str]]:
    """Which keys of a step come to something else, each with what, in words that tell no value: it may be a secret."""
    if then == now:
        return
    if "skipped" in (then.kind, now.kind) and then.kind != now.kind:
        yield "when", "its condition would decide otherwise now"
    elif then.kind != now.kind or then.kind == "open":
        yield "", "its arguments cannot be shown to be the same"
    elif then.kind == "gate":
        yield from _other_gate(then, now)
    else:
        for name in _unlike(then.value, now.value):
            yield name, f"its {name!r} would be another one"


def _other_gate(then: Rendered, now: Rendered) -> Iterator[tuple[str, str]]:
    if then.texts.get("until") != now.texts.get("until"):
        yield "until", "it waited for another time"
    for name in _unlike(_settled(then.value), _settled(now.value)):
        yield _WRITTEN.get(name, name), f"its {_WRITTEN.get(name, name)!r} was another one"


_WRITTEN = {"roles": "by", "schema": "form", "duration": "for"}
"""Fields of a gate by the keys they are written with."""


def _settled(gate: object) -> object:
    """What still counts of a gate once it was passed: not its words, nor how long it might have stayed open."""
    if isinstance(gate, Wait):
        gate = replace(gate, until="")  # as rendered, and compared so
    return replace(cast(Any, gate), message="", limits=Limits())


def _unlike(then: object, now: object) -> list[str]:
    if not is_dataclass(then) or type(then) is not type(now):
        return [""]
    return [entry.name for entry in fields(then) if getattr(then, entry.name) != getattr(now, entry.name)]
