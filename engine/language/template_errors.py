"""What goes wrong in a template, told at the place where it is written.

A template is compiled to Python, so the place of an error is worked out twice: Jinja maps the Python line to the line of the
template; for text inside a YAML file that line is then mapped to the file's, which depends on how the text was quoted.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from jinja2 import StrictUndefined, TemplateNotFound, TemplateSyntaxError, UndefinedError
from jinja2.exceptions import SecurityError
from jinja2.filters import FILTERS as JINJA_FILTERS
from jinja2.tests import TESTS as JINJA_TESTS
from jinja2.utils import missing

from engine.language.nearest import did_you_mean, listed, offered
from engine.language.template_filters import FILTERS
from engine.language.template_names import NONE, References
from engine.language.yaml_positions import YamlPositions
from engine.model.diagnostic import Diagnostic
from engine.model.source import DataPath, SourceMap, Span
from engine.model.values import dataclass


class MissingNameError(UndefinedError):
    """A template used a name that nothing defines. ``owner``: what was asked for it; ``missing`` for a top-level name."""

    def __init__(self, message: str, owner: object, name: object) -> None:
        super().__init__(message)
        self.owner = owner
        self.name = name


class Undefined(StrictUndefined):
    """Fails when used, and remembers what was asked for what."""

    __slots__ = ()

    def __init__(self, hint: str | None = None, obj: Any = missing, name: str | None = None, exc: Any = UndefinedError) -> None:
        super().__init__(hint, obj, name, exc)
        if exc is UndefinedError:
            self._undefined_exception = lambda message: MissingNameError(message or "", obj, name)  # type: ignore[assignment]  # called like a class


@dataclass(frozen=True, slots=True)
class Words:
    """An error in words, before it has a place. ``fragment``: what to point at in the line."""

    summary: str
    detail: str
    hint: str = ""
    fragment: str = ""


def describe(error: Exception, context: Mapping[str, object], references: References = NONE) -> Words:
    """Words for any exception that came out of a template. ``references``: the names used where it happened."""
    if isinstance(error, MissingNameError):
        return _missing_name(error, context, references)
    if isinstance(error, TemplateSyntaxError):
        unknown = _UNKNOWN_FILTER.match(error.message or "")
        if unknown is not None:
            kind, name = unknown.groups()
            known = JINJA_TESTS if kind == "test" else {**JINJA_FILTERS, **FILTERS}
            return Words(f"Unknown {kind}", f"Templates have no {kind} called {name!r}.", did_you_mean(name, known), name)
        message = (error.message or "not understood").replace("'end of print statement'", "the end of the expression")
        message = message.replace("'end of statement block'", "'%}'").replace("expected token", "expected")
        return Words("Template syntax error", f"{_sentence(message)} {_ADVICE}")
    if isinstance(error, TemplateNotFound):
        return Words("Template file not found", f"There is no template file {error.name!r}.", fragment=str(error.name))
    if isinstance(error, SecurityError):
        return Words("Not allowed in a template", f"{_sentence(str(error))} Templates may only read the values they are given.")
    if isinstance(error, UndefinedError):
        return Words("Unknown name", _sentence(str(error)))
    if isinstance(error, ValueError):
        return Words("Template failed", _sentence(str(error)))
    return Words("Template failed", f"It stopped with {type(error).__name__}: {error}.")


_UNKNOWN_FILTER = re.compile(r"No (filter|test) named '(.*?)'")
_ADVICE = "Expressions stand in {{ }}, statements in {% %}; each opened one must be closed."


def _missing_name(error: MissingNameError, context: Mapping[str, object], references: References) -> Words:
    name, owner = str(error.name), error.owner
    if owner is missing:
        return Words(
            "Unknown name", f"Nothing is called {name!r} here. {offered(sorted(context), 20)}",
            did_you_mean(name, context), name,
        )
    called = _called(name, references) or ("A mapping" if isinstance(owner, Mapping) else "A value")
    if owner is None:
        return Words("Unknown name", f"{called} is empty, so it has no field {name!r}.", "", name)
    fields = sorted(map(str, owner)) if isinstance(owner, Mapping) else [n for n in dir(owner) if not n.startswith("_")]
    known = f" It has {listed(fields, 20)}." if fields else ""
    return Words("Unknown name", f"{called} has no field {name!r}.{known}", did_you_mean(name, fields), name)


def _called(name: str, references: References) -> str:
    """What the template calls the value it asked for ``name``: ``item``, ``steps.config``; empty when that cannot be told."""
    for reference in references.all:
        if name in reference.fields:
            return ".".join([reference.root, *reference.fields[: reference.fields.index(name)]])
    return ""


def _sentence(text: str) -> str:
    text = text.strip()
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def template_line(error: Exception) -> tuple[str | None, int]:
    """(file of the innermost template, line in it); the file is None for text from YAML. Line 1 when it cannot be told."""
    if isinstance(error, TemplateSyntaxError):
        return error.filename, error.lineno
    found: tuple[str | None, int] = (None, 1)
    traceback: TracebackType | None = error.__traceback__
    while traceback is not None:
        template = traceback.tb_frame.f_globals.get("__jinja_template__")
        if template is not None:
            found = template.filename, template.get_corresponding_lineno(traceback.tb_lineno)
        traceback = traceback.tb_next
    return found


def place_in_yaml(source: SourceMap, path: DataPath, line: int, fragment: str) -> Span:
    """Where line ``line`` (from 1) of the text at ``path`` stands in its file, at ``fragment`` when it is found there."""
    start = source.value(path)
    scalar = source.locate.scalar(path) if isinstance(source.locate, YamlPositions) else None
    if scalar is None:
        return start
    if scalar.style == "|":
        candidates = list(range(scalar.first_line + line, scalar.last_line + 1))
    else:
        # Quoted and folded text may be wrapped anywhere: look for the words themselves.
        candidates = list(range(scalar.first_line, max(scalar.first_line, scalar.last_line) + 1))
    for number in candidates:
        column = column_of(fragment, source.line(number), start.column if number == start.line else 1)
        if column:
            return Span(source.file, number, column)
    if scalar.style == "|":
        number = scalar.first_line + line
        text = source.line(number)
        return Span(source.file, number, len(text) - len(text.lstrip()) + 1)
    return start


def column_of(fragment: str, line: str, start: int = 1) -> int:
    """Column of a word in a line, from column ``start`` on; 0 when it is not there."""
    found = re.compile(rf"(?<!\w){re.escape(fragment)}(?!\w)").search(line, start - 1) if fragment else None
    return found.start() + 1 if found else 0


def yaml_diagnostic(words: Words, source: SourceMap, path: DataPath, line: int) -> Diagnostic:
    """A problem in text of a YAML file."""
    span = place_in_yaml(source, path, line, words.fragment)
    return Diagnostic(words.summary, words.detail, span, source.line(span.line), words.hint)


def file_diagnostic(words: Words, file: str, text: str, line: int) -> Diagnostic:
    """A problem in a template file. ``text``: its content."""
    lines = text.splitlines()
    shown = lines[line - 1] if 0 < line <= len(lines) else ""
    column = column_of(words.fragment, shown) or len(shown) - len(shown.lstrip()) + 1
    return Diagnostic(words.summary, words.detail, Span(file, line, column), shown, words.hint)
