"""SW301, SW302, SW401, SW402: what stands in a runbook and does nothing, or is called what it should not be."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePath
from typing import Any

from engine.language.deprecated import places
from engine.language.yaml_reader import written
from engine.model.diagnostic import Severity
from engine.planning.lint.conditions import Conditions
from engine.planning.lint.formula import Undecided, both, facts_in, satisfied
from engine.planning.lint.rule import Edit, Finding, Rule, Subject

_KEBAB = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_CONDITIONS = ("when", "where")


def _unreachable(subject: Subject) -> Iterator[Finding]:
    conditions = Conditions(subject.runbook, subject.inventory)
    for block in subject.runbook.every_block():
        for step in block.steps:
            if step.when is None and block.fan_out.where is None:
                continue
            runs = conditions.runs(step.address)
            try:
                if satisfied(both(runs, conditions.known(facts_in(runs)))) is not None:
                    continue
            except Undecided:
                continue
            path = (*step.path, "when") if step.when is not None else (*block.path, "where")
            yield Finding(path, f"{step.address} never runs: there is no way through the runbook on which its condition holds.")


def _unused(subject: Subject) -> Iterator[Finding]:
    if not subject.runbook.inputs:
        return
    data: Any = subject.runbook.document.data
    code = [text for key, value in data.items() if key != "inputs" for text in _code_in(value, key)]
    everything = "\n".join([*code, *subject.files])
    for name in subject.runbook.inputs:
        if not re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", everything):
            detail = f"Nothing in the runbook, nor in a template, uses the input {name!r}: whoever gives it is misled."
            yield Finding(("inputs", name), detail)


def _code_in(value: object, key: str) -> Iterator[str]:
    """Texts in which names are looked up."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _code_in(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _code_in(inner, key)
    elif isinstance(value, str) and (key in _CONDITIONS or "{{" in value or "{%" in value):
        yield value


def _older(subject: Subject) -> Iterator[Finding]:
    document = subject.runbook.document
    for path, entry in places(document.data):
        if written(document, path) != entry.old:
            continue
        span = document.source.value(path)
        detail = f"{entry.key}: {entry.old} is called {entry.key}: {entry.new} since {entry.since}, because {entry.why}."
        line = document.source.line(span.line)
        start, end = line.rfind(entry.key, 0, span.column), line.find(entry.old, span.column - 1) + len(entry.old)
        old = line[start:end] if 0 <= start < end else ""
        edit = Edit(span.line, old, old.replace(entry.old, entry.new)) if old else None
        yield Finding(path, detail, edit=edit)


def _not_kebab(subject: Subject) -> Iterator[Finding]:
    runbook = subject.runbook
    data: Any = runbook.document.data
    yield from _name(runbook.name, ("name",), "runbook")
    yield from (found for name in data.get("windows", {}) for found in _name(name, ("windows", name), "window"))
    for index, phase in enumerate(runbook.phases):
        yield from _name(phase.name, ("phases", index, "name"), "phase")
    for block in runbook.every_block():
        yield from _name(block.name, (*block.path, "name"), "group" if len(block.steps) > 1 else "step")
        if block.steps[0].path != block.path:
            for step in block.steps:
                yield from _name(step.name, (*step.path, "name"), "step")
    stem = PurePath(runbook.document.source.file).stem
    if not _KEBAB.fullmatch(stem):
        detail = f"The file is called {stem!r}. Files of runbooks are named in small letters and single '-': {_kebab(stem)}."
        yield Finding(("name",), detail)


def _name(name: str, path: tuple[str | int, ...], what: str) -> Iterator[Finding]:
    if not _KEBAB.fullmatch(name):
        detail = f"The {what} {name!r} is not kebab-case: small letters and digits, joined by single '-': {_kebab(name)}."
        yield Finding(path, detail)


def _kebab(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()).strip("-")


UNREACHABLE = Rule(
    "SW301", "Step that never runs", Severity.WARNING,
    "A step whose condition can hold on no way through the runbook is a mistake in the condition, or left over.",
    _unreachable, "Correct the condition, or remove the step.", "basic",
)
UNUSED = Rule(
    "SW302", "Input that nothing uses", Severity.WARNING,
    "Somebody is asked for a value on the command line, and it changes nothing.",
    _unused, "Use it, or remove it.", "shared",
)
OLDER = Rule(
    "SW401", "Deprecated spelling", Severity.WARNING,
    "The old spelling is still read, as the new one, but will not be for ever.",
    _older, "Let switchover lint --fix write the new one; the runbook stays the same.", "basic", fixable=True,
)
NOT_KEBAB = Rule(
    "SW402", "Name that is not kebab-case", Severity.WARNING,
    "Names make addresses, which people type and read out. One way to spell them means that nobody has to look twice.",
    _not_kebab, "Rename it. A run that is under way keeps the old name, so rename between runs.", "shared",
)
