"""What a store of secrets is, and what it gets to know of where it stands."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import ClassVar, Protocol

from engine.model.values import dataclass

KeyringLookup = Callable[[str, str], str | None]
"""Takes service and user; None when the keyring holds nothing for them."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """``base``: the inventory's folder, which relative paths start from. ``environ``: the process environment. ``keyring``: how
    to ask the keyring; by default the ``keyring`` package."""

    base: Path
    environ: Mapping[str, str]
    keyring: KeyringLookup | None = None

    def path(self, name: str) -> Path:
        """A file as a reference names it."""
        return self.base / Path(name).expanduser()


class Store(Protocol):
    """Looks secrets up for one run; asked by one thread at a time, so it may remember what it read."""

    forms: ClassVar[tuple[str, ...]]
    """How its references are written, for whoever wrote one that is none."""

    def __init__(self, around: Surroundings) -> None:
        """Reaches for nothing yet: most runs use one store, if any."""

    def look_up(self, rest: str) -> str:
        """The secret behind what follows the store's name and colon.

        Raises ``LookupError`` whose text says, in sentences and without any secret, what is missing and how to supply it.
        """
        ...
