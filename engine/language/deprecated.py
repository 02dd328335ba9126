"""Older spellings that a runbook may still have. They are read as the new ones, so both make the same runbook, digest included.

The schema, and so the editor, knows the new ones only; ``lint`` tells of the old ones (SW401) and, with ``--fix``, writes the
new.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from engine.model.gate import GATE_KINDS
from engine.model.source import DataPath
from engine.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Deprecated:
    """Below a gate, ``key: old`` is now ``key: new``. ``since``: the version that has it so."""

    key: str
    old: str
    new: str
    since: str
    why: str


DEPRECATED: tuple[Deprecated, ...] = (
    Deprecated(
        "on_timeout", "reject", "refuse", "0.1.0",
        "people reject, as in the command of that name; a gate whose time is over refuses by itself",
    ),
)


def modernise(data: Any) -> None:
    """Gives what was read the new spellings, in place."""
    for gate, _ in _gates(data):
        for entry in DEPRECATED:
            if gate.get(entry.key) == entry.old:
                gate[entry.key] = entry.new


def places(data: Any) -> Iterator[tuple[DataPath, Deprecated]]:
    """Where an older spelling may stand: every gate's key that has one, whichever of them it has."""
    for gate, path in _gates(data):
        yield from (((*path, entry.key), entry) for entry in DEPRECATED if entry.key in gate)


def _gates(data: Any) -> Iterator[tuple[dict[str, Any], DataPath]]:
    """Nothing has been checked yet, so nothing is taken for granted."""
    if not isinstance(data, dict):
        return
    phases = data.get("phases")
    for index, phase in enumerate(phases if isinstance(phases, list) else ()):
        if isinstance(phase, dict):
            yield from _in_steps(phase.get("steps"), ("phases", index, "steps"))
    yield from _in_steps(data.get("on_cancel"), ("on_cancel",))


def _in_steps(steps: Any, path: DataPath) -> Iterator[tuple[dict[str, Any], DataPath]]:
    for index, step in enumerate(steps if isinstance(steps, list) else ()):
        if not isinstance(step, dict):
            continue
        for kind in GATE_KINDS.values():
            if isinstance(step.get(kind), dict):
                yield step[kind], (*path, index, kind)
        if "steps" in step and len(path) < 4:
            yield from _in_steps(step["steps"], (*path, index, "steps"))
