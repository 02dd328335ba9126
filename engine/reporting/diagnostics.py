"""Problems as text: what, where, the line itself with a mark under the place, why, and what was probably meant."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Iterable

from engine.model.diagnostic import Diagnostic, in_order

_WIDTH = 100
_SHOWN = 110
"""Columns of a source line that are shown; longer ones are cut round the place."""
_STYLES = {
    "error": "\x1b[1;31m", "warning": "\x1b[1;33m", "bold": "\x1b[1m", "dim": "\x1b[2m", "mark": "\x1b[1;31m", "hint": "\x1b[32m",
}
_RESET = "\x1b[0m"


def format_diagnostics(diagnostics: Iterable[Diagnostic], *, color: bool = False, width: int = _WIDTH) -> str:
    """All of them, sorted by file and place, a blank line between two. Ends with a line break unless there are none. Sentences
    are broken at ``width`` columns, and at 100 where there is more room."""
    return "\n".join(_format(diagnostic, color, max(40, min(width, _WIDTH))) for diagnostic in in_order(diagnostics))


def _format(diagnostic: Diagnostic, color: bool, width: int) -> str:
    def style(name: str, text: str) -> str:
        return f"{_STYLES[name]}{text}{_RESET}" if color else text

    kind = diagnostic.severity.value
    lines = [f"{style(kind, kind + ':')} {style('bold', _printable(diagnostic.summary))}"]
    if diagnostic.span is not None:
        lines.append(f"  {diagnostic.span}")
        if diagnostic.line.strip():
            source, offset = _cut(_printable(diagnostic.line), diagnostic.span.column - 1)
            number = f"{diagnostic.span.line:5}"
            lines.append(f"{style('dim', number + ' |')} {source}".rstrip())
            lines.append(f"{style('dim', '      |')} {' ' * offset}{style('mark', '^')}")
    lines.extend(_wrapped(diagnostic.detail, width))
    lines.extend(style("hint", line) for line in _wrapped(diagnostic.hint, width))
    return "\n".join(lines) + "\n"


def _wrapped(text: str, width: int) -> list[str]:
    return [
        line
        for paragraph in text.splitlines()
        for line in textwrap.wrap(
            _printable(paragraph), width, initial_indent="  ", subsequent_indent="  ",
            break_long_words=False, break_on_hyphens=False,
        )
    ]


def _cut(line: str, index: int) -> tuple[str, int]:
    """The part of ``line`` to show and the column of character ``index`` in it."""
    if len(line) > _SHOWN:
        start = max(0, min(index - _SHOWN // 2, len(line) - _SHOWN))
        before, after = "…" if start else "", "…" if start + _SHOWN < len(line) else ""
        line, index = before + line[start : start + _SHOWN] + after, index - start + len(before)
    return line, sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in line[:index])


def _printable(text: str) -> str:
    """Nothing that moves the cursor or colours the terminal may come out of a file."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else " " if char == "\t" else "\N{REPLACEMENT CHARACTER}" for char in text)


def as_json(diagnostic: Diagnostic) -> dict[str, object]:
    """A diagnostic for machines."""
    span = diagnostic.span
    return {
        "severity": diagnostic.severity.value, "summary": diagnostic.summary, "detail": diagnostic.detail,
        "hint": diagnostic.hint, "file": span.file if span else None, "line": span.line if span else None,
        "column": span.column if span else None,
    }
