"""How one problem is laid out."""

from __future__ import annotations

import re

from engine.model.diagnostic import Diagnostic, Severity
from engine.model.source import Span
from engine.reporting.diagnostics import format_diagnostics


def problem(line: str, column: int, *, detail: str = "Why.", file: str = "f.yml", number: int = 7) -> Diagnostic:
    return Diagnostic("Summary", detail, Span(file, number, column), line)


def marked(text: str) -> str:
    """The character of the source line that the mark stands under."""
    lines = text.splitlines()
    mark = next(index for index, line in enumerate(lines) if line.strip(" |") == "^")
    return lines[mark - 1][lines[mark].index("^")]


def test_a_problem_reads_top_down() -> None:
    """What, where, the line, why, and what was meant."""
    found = Diagnostic("Unknown action", "No action is called 'x'.", Span("f.yml", 12, 4), "a: x", "Did you mean 'y'?")
    assert format_diagnostics([found]) == (
        "error: Unknown action\n  f.yml:12:4\n   12 | a: x\n      |    ^\n  No action is called 'x'.\n  Did you mean 'y'?\n"
    )


def test_problems_stand_in_the_order_of_the_files_and_once() -> None:
    """Whoever finds them first; those without a place lead."""
    first, second = problem("a", 1, number=1), problem("b", 1, number=2)
    placeless = Diagnostic("No place", "Why.", severity=Severity.WARNING)
    text = format_diagnostics([second, first, second, placeless])
    assert re.findall(r"^(?:error|warning): .*|f\.yml:\d", text, re.MULTILINE) == [
        "warning: No place", "error: Summary", "f.yml:1", "error: Summary", "f.yml:2",
    ]


def test_nothing_gives_nothing() -> None:
    """No problems, no text."""
    assert format_diagnostics([]) == ""


def test_a_long_line_is_cut_round_the_place() -> None:
    """The mark stays under the character it means."""
    text = format_diagnostics([problem("a" * 300 + "X" + "b" * 300, 301)])
    assert (marked(text), max(map(len, text.splitlines())) < 125) == ("X", True)


def test_tabs_and_wide_characters_do_not_shift_the_mark() -> None:
    """A tab is shown as one space; a wide character takes two columns on a terminal."""
    assert marked(format_diagnostics([problem("\ta: X", 5)])) == "X"
    lines = format_diagnostics([problem("電話: X", 5)]).splitlines()
    assert lines[3].index("^") == len("    7 | ") + 6


def test_a_file_cannot_steer_the_terminal() -> None:
    """Escape sequences from a file are shown as what they are: junk."""
    text = format_diagnostics([problem("a: \x1b[2J\x1b]0;x\x07", 1, detail="Value \x1b[31m is bad.")])
    assert ("\x1b" in text, "\x07" in text) == (False, False)


def test_colour_only_on_request() -> None:
    """And the words are the same without it."""
    plain = format_diagnostics([problem("a", 1)])
    coloured = format_diagnostics([problem("a", 1)], color=True)
    assert ("\x1b" in plain, "\x1b[1;31merror:\x1b[0m" in coloured) == (False, True)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == plain


def test_long_sentences_are_wrapped_and_paths_in_them_are_not() -> None:
    """A terminal of a hundred columns shows them whole."""
    path = "/" + "x" * 120
    text = format_diagnostics([problem("a", 1, detail="word " * 40 + path)])
    assert (path in text, text.count("\n  word")) == (True, 3)
