"""What all facts in a journal share."""

from __future__ import annotations

from typing import ClassVar

from engine.model.values import dataclass


@dataclass(frozen=True, slots=True)
class Event:
    """What all events share. ``address`` is that of an item (``phase/step[item]``) or of a block, or empty for the run."""

    kind: ClassVar[str] = ""
    is_letter: ClassVar[bool] = False
    """Whether a person or an outside system may add it to a run that another process is working on."""
