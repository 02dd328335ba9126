"""``ask:WHAT``: the person at the terminal, asked once for each command, without showing what is typed."""

from __future__ import annotations

import getpass
import sys
from typing import ClassVar

from engine.language.secret_stores.store import Surroundings


class AskStore:
    """Asks where somebody is to answer. What was typed is kept nowhere, so a run that is taken up again asks again."""

    forms: ClassVar[tuple[str, ...]] = ("ask:WHAT",)

    def __init__(self, around: Surroundings) -> None:
        """Needs nothing of where it stands."""

    def look_up(self, rest: str) -> str:
        """What is typed, which must not be empty."""
        if not sys.stdin.isatty():
            raise LookupError(
                "Nobody is at the terminal to be asked for it. Start the command at one, or say where the secret is kept: "
                f"--set {rest}=env:NAME for an input, a reference in the inventory for anything else."
            )
        value = getpass.getpass(f"{rest} (not shown while you type): ", sys.stderr)
        if not value:
            raise LookupError("Nothing was typed.")
        return value
