"""Before and after of files, as unified diff lines."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from difflib import unified_diff

from engine.model.plan import TextChange


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
