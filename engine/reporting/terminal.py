"""Text for a terminal: colour where it is wanted, columns that line up, and nothing in it that could steer the terminal."""

from __future__ import annotations

import textwrap
import unicodedata
from datetime import datetime, timedelta

from engine.model.values import dataclass

_CODES = {
    "bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "blue": "34", "magenta": "35", "cyan": "36",
    "alarm": "1;31", "good": "1;32", "heading": "1;36",
}


@dataclass(frozen=True, slots=True)
class Paint:
    """Colours text, or leaves it alone."""

    color: bool

    def __call__(self, style: str, text: str) -> str:
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.color and text else text


def printable(text: str) -> str:
    """One line that shows and does nothing else: what a device answered must not move the cursor."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else " " if char in "\t\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


def columns(text: str) -> int:
    """How many columns a terminal gives a text."""
    if text.isascii():
        return len(text)
    return sum(_columns_of(char) for char in text)


def _columns_of(char: str) -> int:
    if unicodedata.combining(char):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1


def padded(text: str, width: int) -> str:
    """Filled up with spaces to ``width`` columns."""
    return text + " " * (width - columns(text))


def shortened(text: str, width: int) -> str:
    """Cut to ``width`` columns, with an ellipsis where something is missing."""
    if columns(text) <= width:
        return text
    kept = ""
    for char in text:
        if columns(kept + char) > width - 1:
            break
        kept += char
    return f"{kept}…"


def wrapped(text: str, width: int, indent: int) -> list[str]:
    """Broken into lines of at most ``width`` columns, all but the first indented; addresses are not broken."""
    filled = textwrap.wrap(
        printable(text), max(width, indent + 20), subsequent_indent=" " * indent, initial_indent=" " * indent,
        break_long_words=False, break_on_hyphens=False,
    )
    return [line.lstrip() if number == 0 else line for number, line in enumerate(filled)]


def many(count: int, one: str, several: str = "") -> str:
    """``1 phone``, ``3 phones``."""
    return f"{count:,} {one if count == 1 else several or one + 's'}"


def spelled(seconds: float) -> str:
    """A duration for people: ``0.4 s``, ``12 s``, ``3 min 20 s``, ``2 h 5 min``, ``3 d 4 h``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    for size, unit, lower, smaller in ((86_400, "d", "h", 3600), (3600, "h", "min", 60), (60, "min", "s", 1)):
        if whole >= size:
            rest = whole % size // smaller
            return f"{whole // size} {unit}" + (f" {rest} {lower}" if rest else "")
    return f"{whole} s"


def moment(at: datetime) -> str:
    """A time with its zone: ``2026-03-03 20:14:03 -0500``."""
    offset = at.utcoffset() or timedelta()
    return f"{at:%Y-%m-%d %H:%M:%S} {'UTC' if not offset else f'{at:%z}'}"


def shown(value: object) -> str:
    """A field's value: absent ones as a word, text as it is unless it would mislead."""
    if value is None:
        return "(none)"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return printable(value) if value.strip() == value and value else repr(value)
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value)) or "(empty)"
    return printable(str(value))


