"""Commands put together so that no value can become part of one: values are quoted words, names are checked."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Mapping

from engine.model.args import BadArgument
from engine.ports import CommandResult

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHOWN_LINES = 3
_SHOWN_CHARACTERS = 400


def with_environment(command: str, environment: Mapping[str, str]) -> str:
    """``command`` with variables set for it alone; without any it stays as it is, for devices that have no ``env``."""
    if not environment:
        return command
    settings = " ".join(shlex.quote(f"{name}={value}") for name, value in environment.items())
    return f"exec env {settings} sh -c {shlex.quote(command)}"


def check_environment(environment: Mapping[str, str]) -> None:
    """Raises ``BadArgument`` for a name that no shell takes."""
    for name in environment:
        if not _NAME.fullmatch(name):
            raise BadArgument("env", f"{name!r} is no name of a variable")


def last_words(result: CommandResult, redact: Callable[[str], str] = str) -> str:
    """What a command printed at its end, stderr first, fit for one line of an error. Masked before it is cut: the rest of a
    secret would not be known for one."""
    printed = result.stderr.strip() or result.stdout.strip()
    lines = redact(printed.decode("utf-8", "replace")).splitlines()[-_SHOWN_LINES:]
    return " / ".join(line.strip() for line in lines)[-_SHOWN_CHARACTERS:]
