"""An explanation for people, and as data: what an address comes to, and under each value the places that set it or lost."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from enum import Enum

from engine.model.explanation import Explained, Explanation, Fact, FileExplained, Group, Layer, Status, Term, Variable, Verdict
from engine.model.source import Span
from engine.model.values import dataclass
from engine.reporting.terminal import Paint, many, printable, shortened, shown, wrapped

FORMAT = "switchover.explanation/1"
_STYLES = {Status.IN: "green", Status.OUT: "yellow", Status.SKIPPED: "yellow", Status.OPEN: "blue"}
_MARKS = {True: "true", False: "false", None: "not known"}
_EXAMPLES = 6
"""Items of a group that are named; the rest is counted."""


def as_data(explanation: Explanation) -> dict[str, object]:
    """For machines: every field of the explanation, places as ``file``, ``line`` and ``column``."""
    return {"format": FORMAT, **_object(explanation)}


def _object(value: object) -> dict[str, object]:
    return {field.name: _plain(getattr(value, field.name)) for field in fields(value)}  # type: ignore[arg-type]  # a dataclass


def _plain(value: object) -> object:
    if isinstance(value, Span):
        return {"file": value.file, "line": value.line, "column": value.column}
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return _object(value)
    return [_plain(entry) for entry in value] if isinstance(value, tuple) else value


def explanation_text(explanation: Explanation, *, color: bool = False, width: int = 100, verbose: bool = False) -> str:
    """For people. ``verbose``: defaults too, and every name that template files use."""
    return "\n".join(_Text(Paint(color), max(60, width), verbose).lines(explanation))


@dataclass(frozen=True, slots=True)
class _Text:
    paint: Paint
    width: int
    verbose: bool

    def lines(self, found: Explanation) -> Iterator[str]:
        label = f"  {printable(found.label)}" if found.label else ""
        yield self.paint("bold", printable(found.address)) + label
        if found.title:
            yield f"  {printable(found.title)}"
        group = f" in the group {found.group}" if found.group else ""
        yield f"  {found.action}{group}, {self._place(found.span)}"
        if found.groups or found.collection:
            yield from self._groups(found.groups, found.collection)
        if found.verdicts:
            yield f"  {self.paint(_STYLES[found.status], found.status.value)}"
        for verdict in found.verdicts:
            yield from self._verdict(verdict)
        written = [field for field in found.fields if self.verbose or field.span is not None or field.problem]
        if written:
            yield ""
        for field in written:
            yield from self._field(field)
        hidden = len(found.fields) - len(written)
        if hidden:
            yield f"  {self.paint('dim', many(hidden, 'default') + ': -v shows them')}"
        for file in found.files:
            yield from self._file(file)

    # ------------------------------------------------------------ in or out

    def _groups(self, groups: Iterable[Group], collection: str) -> Iterator[str]:
        found = list(groups)
        yield f"  {many(sum(len(group.keys) for group in found), 'item')} of {collection}"
        for group in found:
            status = self.paint(_STYLES[group.status], f"{len(group.keys):,} {group.status.value}")
            yield from self._sentence(4, f"{status}{f' - {printable(group.reason)}' if group.reason else ''}")
            names = ", ".join(map(printable, group.keys[:_EXAMPLES]))
            rest = len(group.keys) - _EXAMPLES
            yield f"      {self.paint('dim', names + (f' and {rest:,} more' if rest > 0 else ''))}"

    def _verdict(self, verdict: Verdict) -> Iterator[str]:
        mark = "" if verdict.what == "for_each" and verdict.holds else f" is {_MARKS[verdict.holds]}"
        yield f"    {verdict.what}: {printable(verdict.words)}{mark}{self._at(verdict.span)}"
        if verdict.why:
            yield from self._sentence(8, verdict.why)
        for term in verdict.terms:
            yield from self._term(term, alone=len(verdict.terms) == 1)

    def _term(self, term: Term, *, alone: bool) -> Iterator[str]:
        if not alone:
            mark = _MARKS[term.holds]
            why = f": {printable(term.why)}" if term.why else ""
            line = f"{term.words} is {mark}{why}"
            yield f"      {self.paint('bold', '* ' + printable(line)) if term.decides else '  ' + printable(line)}"
        for variable in term.variables:
            yield from self._variable(variable, 8)

    # ------------------------------------------------------------ values

    def _field(self, field: Explained, indent: int = 2) -> Iterator[str]:
        text = field.value if self.verbose and isinstance(field.value, str) and "\n" in field.value.strip() else ""
        value = "" if text else f" {self._value(field)}"
        yield f"{' ' * indent}{self.paint('bold', field.name)} ={value}{self._at(field.span)}"
        yield from (f"{' ' * indent}  | {printable(line)}" for line in text.splitlines())
        if field.written:
            yield from self._written(field.written, indent + 4)
        for variable in field.variables:
            yield from self._variable(variable, indent + 4)
        for fact in field.facts:
            yield from self._fact(fact, indent + 4)
        for part in field.parts:
            yield from self._field(part, indent + 4)

    def _value(self, field: Explained) -> str:
        if field.problem:
            return self.paint("red", printable(f"nothing: {field.problem}"))
        if field.later:
            return self.paint("blue", f"decided in the run, after {field.later}")
        if field.span is None and field.origin and field.value is None:
            return self.paint("dim", f"(none) {field.origin}")
        if field.origin and field.value is None:
            return self.paint("dim", field.origin)
        origin = self.paint("dim", f"  {field.origin}") if field.origin else ""
        return f"{self._shown(field.value)}{origin}"

    def _written(self, template: str, indent: int) -> Iterator[str]:
        lines = template.rstrip("\n").splitlines()
        yield from (f"{' ' * indent}{self.paint('dim', printable(line))}" for line in lines)

    def _variable(self, variable: Variable, indent: int, mark: str = "") -> Iterator[str]:
        pad, named = " " * indent, f"{mark}{printable(variable.name)}"
        value = f"known after {variable.later}" if variable.later else self._shown(variable.value)
        if variable.value is None and not variable.later:
            value = variable.note or "(none)"
        note = f" ({variable.note})" if variable.note and variable.value is not None else ""
        layers = list(reversed(variable.layers))
        if len(layers) == 1:
            yield f"{pad}{named} = {value}{note}  {self._layer(layers[0], with_value=False)}"
            return
        yield f"{pad}{named} = {value}{note}"
        for layer in layers:
            # An input without a default gives nothing that could have lost.
            mark = self.paint("green", "won ") if layer.won else self.paint("dim", "lost" if layer.value is not None else "    ")
            yield f"{pad}  {mark} {self._layer(layer, with_value=True)}"

    def _layer(self, layer: Layer, *, with_value: bool) -> str:
        value = f"{self._shown(layer.value)}  " if with_value and layer.value is not None else ""
        where = [layer.level.value, str(layer.span) if layer.span else "", layer.place]
        return value + self.paint("dim", printable(", ".join(filter(None, where))))

    def _fact(self, fact: Fact, indent: int) -> Iterator[str]:
        yield f"{' ' * indent}{printable(fact.name)}: {self._shown(fact.value)}{self._at(fact.span)}"

    def _file(self, file: FileExplained) -> Iterator[str]:
        yield ""
        yield f"  {self.paint('bold', printable(file.path))}"
        if file.problem:
            yield from self._sentence(6, file.problem)
        telling = [v for v in file.variables if self.verbose or len(v.layers) > 1]
        for variable in telling:
            yield from self._variable(variable, 6, f"{variable.line}: ")
        others = [v.name for v in file.variables if v not in telling]
        if others:
            yield from self._sentence(6, f"uses {', '.join(others)}; -v shows where each is from")

    # ------------------------------------------------------------ inside

    def _shown(self, value: object) -> str:
        is_nested = isinstance(value, dict) or (isinstance(value, list) and any(isinstance(v, dict | list) for v in value))
        text = json.dumps(value, ensure_ascii=False) if is_nested else shown(value)
        return shortened(text, self.width * 2)

    def _place(self, span: Span) -> str:
        return printable(str(span))

    def _at(self, span: Span | None) -> str:
        return f"  {self.paint('dim', self._place(span))}" if span is not None else ""

    def _sentence(self, indent: int, text: str) -> Iterator[str]:
        pad = " " * indent
        yield from (f"{pad}{line}" for line in wrapped(text, self.width - indent, 0)) if not self.paint.color else (pad + text,)
