"""``env:NAME``: a variable of the environment."""

from __future__ import annotations

from typing import ClassVar

from engine.language.secret_stores.store import Surroundings


class EnvStore:
    """The environment the command was started with."""

    forms: ClassVar[tuple[str, ...]] = ("env:NAME",)

    def __init__(self, around: Surroundings) -> None:
        self._environ = around.environ

    def look_up(self, rest: str) -> str:
        """The variable's value, which must not be empty."""
        value = self._environ.get(rest)
        if not value:
            state = "is empty" if value == "" else "is not set"
            raise LookupError(f"The environment variable {rest} {state}. Set it in the shell that runs the command.")
        return value
