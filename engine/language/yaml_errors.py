"""Words for what the YAML parser refuses: its own were written for people who write YAML parsers."""

from __future__ import annotations

import re

from yaml.error import MarkedYAMLError, YAMLError
from yaml.reader import ReaderError

from engine.model.diagnostic import Diagnostic
from engine.model.source import Span

_QUOTE = "Put quotes round a value that holds ': ', ' #' or begins with one of { [ & * ! | > @ ` %."

# Problem text of libyaml -> what it means to the person who wrote the file.
_PROBLEMS = {
    "mapping values are not allowed in this context":
        "A ':' stands where none can. Either this line is indented further than the one above without reason, or a value on it "
        f"holds ': ' and needs quotes. {_QUOTE}",
    "found a tab character that violates indentation": "A tab stands in the indentation. Use spaces.",
    "found a tab character where an indentation space is expected": "A tab stands in the indentation. Use spaces.",
    "found unexpected end of stream": "A quote is opened here and never closed.",
    "found unexpected document indicator": "A quote is opened here and never closed.",
    "found unknown escape character":
        r"In double quotes '\' starts an escape and this one is not known. Use single quotes, or write '\\'.",
    "did not find expected '-' indicator":
        "This line belongs to no list: entries of the list above begin with '- ', all at the same depth.",
    "did not find expected ',' or ']'": "The list opened with '[' is not closed, or a ',' is missing.",
    "did not find expected ',' or '}'": "The mapping opened with '{' is not closed, or a ',' is missing.",
    "could not find expected ':'": "This line has no 'key: value' form: the ': ' is missing, or a value runs on unindented.",
    "found undefined tag handle": f"Tags such as '!name' are not used here. {_QUOTE}",
    "did not find expected alphabetic or numeric character":
        f"'&' and '*' begin an anchor and an alias, which need a name. {_QUOTE}",
    "block sequence entries are not allowed in this context": "A list begins on its own line, below its key.",
    "did not find expected comment or line break": "Nothing but '-', '+' or a digit may follow '|' or '>' on the line.",
    "did not find expected node content": f"A value is missing here, or begins with a sign that means something else. {_QUOTE}",
    "did not find expected key":
        "This does not line up with the keys above it, or follows a value that has already ended. Check the indentation; "
        f"a value that begins with '{{{{' or a quote must stand in quotes as a whole. {_QUOTE}",
}
_AT_OPENING = frozenset({
    "found unexpected end of stream", "found unexpected document indicator",
    "did not find expected ',' or ']'", "did not find expected ',' or '}'", "could not find expected ':'",
})
"""Problems noticed late whose cause is where the construct was opened."""
_CONFLICT = re.compile(r"^<{7}(?: .*)?\n(?:.*\n)*?={7}$", re.MULTILINE)
_TOO_DEEP = "exceeded maximum nesting depth"
"""libyaml has a limit of its own since 0.2.6, and meets it before we see the first of the levels."""
MAX_DEPTH = 64
"""Levels of lists and mappings: far more than a person can follow, far fewer than would exhaust the stack."""


def describe_syntax_error(error: YAMLError, text: str, display: str) -> Diagnostic:
    """The diagnostic for what libyaml raised."""
    if isinstance(error, ReaderError):
        return _unprintable(error, text, display)
    conflict = _CONFLICT.search(text)
    if conflict is not None:
        number = text.count("\n", 0, conflict.start()) + 1
        detail = "git left both sides of a conflict here. Keep what is right, and delete the lines that begin with <<<<<<<, " \
                 "======= and >>>>>>>."
        return Diagnostic("Merge conflict", detail, Span(display, number, 1), line_of(text, number))
    if not isinstance(error, MarkedYAMLError) or error.problem_mark is None:
        return Diagnostic("Not valid YAML", f"{error}.", Span(display, 1, 1))
    problem = error.problem or ""
    at_opening = problem in _AT_OPENING
    mark = (error.context_mark if at_opening else None) or error.problem_mark
    span = Span(display, mark.line + 1, mark.column + 1)
    line = line_of(text, span.line)
    if problem == _TOO_DEEP:
        return too_deep(span, line)
    return Diagnostic("Not valid YAML", _detail(problem, line, span.column), span, line)


def too_deep(span: Span, line: str) -> Diagnostic:
    """Nested past the limit, ours or the parser's."""
    return Diagnostic("Nested too deep", f"More than {MAX_DEPTH} levels of lists and mappings.", span, line)


def _detail(problem: str, line: str, column: int) -> str:
    if problem == "found character that cannot start any token":
        found = line[column - 1 : column]
        if found == "\t":
            return "A tab stands in the indentation. Use spaces."
        return f"A value cannot begin with {found!r}. Put quotes round it."
    return _PROBLEMS.get(problem, f"The parser says: {problem}.")


def _unprintable(error: ReaderError, text: str, display: str) -> Diagnostic:
    # libyaml counts bytes here.
    before = text.encode()[: error.position].decode(errors="replace")
    line = before.count("\n") + 1
    span = Span(display, line, len(before) - before.rfind("\n"))
    character = error.character
    code = character if isinstance(character, int) else ord(character[:1] or "\0")
    detail = f"The control character U+{code:04X} stands here; text files hold none. Delete it."
    return Diagnostic("Not valid YAML", detail, span, "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}"
                                                               for c in line_of(text, line)))


def line_of(text: str, number: int) -> str:
    """Line ``number`` (from 1) of a text; empty when there is none."""
    lines = text.splitlines()
    return lines[number - 1] if 0 < number <= len(lines) else ""
