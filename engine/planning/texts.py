"""What people get to see of a change: before and after as unified diff lines, fields with their secrets masked."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from difflib import unified_diff
from pathlib import Path

from engine.model.plan import FieldChange, TextChange


def diff_lines(texts: Iterable[TextChange], redact: Callable[[str], str]) -> tuple[str, ...]:
    """Unified diff of all texts, without line ends, secrets masked. A new or removed file is all ``+`` or all ``-``."""
    whole = "\n".join(line for text in texts for line in _one(text))
    return tuple(redact(whole).split("\n")) if whole else ()


def _one(text: TextChange) -> Iterator[str]:
    before = None if text.before is None else text.before.splitlines()
    after = None if text.after is None else text.after.splitlines()
    if before is None or after is None:
        yield f"--- {text.name if before is not None else '(absent)'}"
        yield f"+++ {text.name if after is not None else '(removed)'}"
        yield from ((f"-{line}" for line in before) if before is not None else (f"+{line}" for line in after or ()))
        return
    yield from unified_diff(before, after, text.name, text.name, lineterm="", n=2)


def shortened(lines: tuple[str, ...], limit: int) -> tuple[str, ...]:
    """At most ``limit`` lines, the last one saying how many were left out."""
    if len(lines) <= limit:
        return lines
    return (*lines[: limit - 1], f"... {len(lines) - limit + 1} more lines")


def shown_fields(fields: Iterable[FieldChange], redact: Callable[[str], str]) -> tuple[FieldChange, ...]:
    """Fields fit to be shown and stored: JSON values, secrets masked at any depth."""
    return tuple(FieldChange(redact(f.name), plain(f.before, redact), plain(f.after, redact)) for f in fields)


_NUMBERS, _LISTS = (bool, int, float), (list, tuple, set, frozenset)


def plain(value: object, redact: Callable[[str], str] = str) -> object:
    """The value in JSON's types, every text through ``redact``; what JSON has no form for becomes text."""
    if isinstance(value, str):  # first, for nearly everything is; a mapping last, for that is the slowest to tell
        return redact(str(value))
    if value is None or isinstance(value, _NUMBERS):
        return value
    if isinstance(value, _LISTS):
        return [plain(entry, redact) for entry in value]
    if type(value) is dict or isinstance(value, Mapping):
        return {redact(str(key)): plain(entry, redact) for key, entry in value.items()}
    return redact(str(value))


def bug_in(action: str, error: Exception) -> str:
    """An unforeseen failure, for the operator and for whoever maintains the action."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"this is a bug in {action}: {type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})"
