"""One look at what a gate waits for, through sessions that only read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from enum import Enum

from engine.model.errors import ActionFailure, Temporary
from engine.model.inventory import Item
from engine.model.plan import Unpredictable
from engine.model.runbook import Block
from engine.model.values import dataclass
from engine.planning.scene import CompiledStep, Ready, Scene
from engine.planning.texts import bug_in


class Finding(Enum):
    """What a look came to."""

    SO = "so"
    """As it is waited for."""
    NOT_YET = "not_yet"
    UNREAD = "unread"
    """It could not be read this time."""
    NEVER = "never"
    """It will not come about, or cannot be read at all."""


@dataclass(frozen=True, slots=True)
class Sight:
    """What was seen, in words. ``outputs``: what later steps may use, once it is so; ``wait_s``: the pause that a busy system
    asked for."""

    finding: Finding
    saw: str = ""
    outputs: Mapping[str, object] = field(default_factory=dict)
    wait_s: float = 0.0


def look(scene: Scene, compiled: CompiledStep, block: Block, item: Item | None) -> Sight:
    """Looks once; the step's time-out is ahead of it. Raises ``InvalidInput`` for a template that cannot be rendered, and
    ``DependsOnLaterError`` for one that needs a result there is none of yet."""
    ready = scene.ready(compiled, block, item)
    assert ready is not None  # noqa: S101  # a look has no ``when`` of its own
    try:
        return _seen(scene, ready)
    except ActionFailure as failure:
        finding = Finding.UNREAD if failure.retryable else Finding.NEVER
        wait_s = failure.wait_s if isinstance(failure, Temporary) else None
        return Sight(finding, ready.redact(failure.why), wait_s=wait_s or 0.0)
    except Exception as error:  # noqa: BLE001  # the border: a bug in one action must not take the run down
        return Sight(Finding.NEVER, ready.redact(bug_in(compiled.action.name, error)))


def _seen(scene: Scene, ready: Ready) -> Sight:
    action = ready.compiled.action
    seen = action.observe(ready.args, scene.sessions(ready, read_only=True))
    change = action.diff(ready.args, seen)
    if change is None:
        return Sight(Finding.SO, outputs=ready.outputs(seen))
    if isinstance(change, Unpredictable):
        return Sight(Finding.NEVER, ready.redact(f"{action.name} cannot be waited for: {change.why}"))
    return Sight(Finding.NOT_YET, ready.redact(change.summary))
