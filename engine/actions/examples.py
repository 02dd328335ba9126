"""The complete example of an action, kept as a file beside it: a runbook, ``---``, and the inventory that goes with it.

``noun.example.yml`` beside ``noun.py``; actions of other packages are found alike. Tests hold each to the lab, so what a page
shows is what works.
"""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import Any

from engine.model.values import dataclass
from engine.ports import Action

ENDING = ".example.yml"
_BETWEEN = "---\n"
_NAME = re.compile(r"# (\S+\.yml)\n")


@dataclass(frozen=True, slots=True)
class Example:
    """Two files as an operator would write them; each text begins with a comment that says where it stands in a project."""

    runbook: str
    inventory: str

    @property
    def files(self) -> dict[str, str]:
        """Path in a project -> text, the runbook first. Raises ``ValueError`` for a text that does not say where it stands."""
        return {_place(text): text for text in (self.runbook, self.inventory)}


def example_of(action: Action[Any, Any]) -> Example | None:
    """The action's example; None when it brings none. Raises ``ValueError`` for a file that is not two documents."""
    source = Path(inspect.getfile(type(action)))
    path = source.with_name(source.stem + ENDING)
    if not path.is_file():
        return None
    parts = path.read_text(encoding="utf-8").split(_BETWEEN)
    if len(parts) != 2:
        raise ValueError(f"{path} must hold a runbook, a line '---' and an inventory; it has {len(parts)} parts")
    return Example(*parts)


def _place(text: str) -> str:
    named = _NAME.match(text)
    if named is None:
        raise ValueError(f"an example has to begin with '# PATH.yml', not with {text.splitlines()[0]!r}")
    return named[1]
