"""Template files that a runbook's steps render: which of them say something else, line by line."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping

from engine.language.action_args import ActionSpec
from engine.language.names import NameCheck
from engine.language.template_files import FileCheck
from engine.language.templates import TemplateFile, Templates
from engine.model.diagnostic import InvalidInput
from engine.model.inventory import Inventory
from engine.model.review import Risk
from engine.model.runbook import Runbook
from engine.model.source import Span
from engine.model.values import dataclass
from engine.planning.review.inventories import Placed
from engine.planning.review.verdict import Verdict, listed

Specs = Mapping[str, ActionSpec]


@dataclass(frozen=True, slots=True)
class Files:
    """Template files by name, each with the steps that render it. ``unsure``: steps of which that is known only per item, while
    no inventory is looked at."""

    steps: Mapping[str, tuple[str, ...]]
    unsure: tuple[str, ...]


def files_of(runbook: Runbook, inventory: Inventory | None, templates: Templates, specs: Specs) -> Files:
    """The files of every step, those included in them too."""
    outputs = {name: spec.outputs for name, spec in specs.items()}
    check = FileCheck(runbook, inventory, templates, NameCheck.of(runbook, inventory, outputs))
    found: dict[str, dict[str, None]] = {}
    unsure = []
    for block in runbook.every_block():
        for step in block.steps:
            looks = step.looks or step
            spec = specs.get(looks.action)
            if spec is None or (step.gate is not None and step.looks is None):
                continue
            names = list(dict.fromkeys(check.files(block, looks, spec)))
            if not names and spec.templates is not None and inventory is None:
                unsure.append(step.address)
            for name in _with_included(names, templates):
                found.setdefault(name, {})[step.address] = None
    return Files({name: tuple(steps) for name, steps in found.items()}, tuple(unsure))


def _with_included(names: list[str], templates: Templates) -> list[str]:
    for name in names:  # grows
        file = _file(templates, name)
        names += [] if file is None else [one for one, _ in file.includes if one not in names]
    return names


def compare_texts(old: Files, new: Files, before: Templates, after: Templates) -> Iterator[Placed]:
    """Files that mean something else. Jinja's comments and spaces inside its braces are no meaning."""
    steps = {**old.steps, **new.steps}
    unsure = new.unsure or old.unsure
    others = {*before.names(), *after.names()} - steps.keys() if unsure else set()
    for name in sorted({*steps, *others}):
        then, now = _file(before, name), _file(after, name)
        if (then and then.text) != (now and now.text) and not _same(before, after, name):
            users = steps.get(name, ())
            yield _changed(name, then, now, users or unsure, sure=bool(users))


def _changed(name: str, then: TemplateFile | None, now: TemplateFile | None, steps: tuple[str, ...], *, sure: bool) -> Placed:
    before, after = ([] if one is None else one.text.splitlines() for one in (then, now))
    lines = [line.rstrip("\n") for line in difflib.unified_diff(before, after, n=1, lineterm="")][2:]
    changed = sum(line[:1] in ("+", "-") for line in lines)
    differs = f"says something else in {changed} line{'s' * (changed != 1)}"
    what = "is gone" if now is None else "is new" if then is None else differs
    whose = "" if sure else ", and may be rendered here (-i shows for which items)"
    verdict = Verdict(Risk.EFFECT, "template-changed", f"template {name} {what}{whose}", detail=tuple(lines))
    first = next((n for n, (a, b) in enumerate(zip(before, after, strict=False), 1) if a != b), min(len(before), len(after)) + 1)
    file = now or then
    number = 1 if now is None or then is None else min(first, max(len(after), 1))
    return Placed(verdict, listed(steps, 4), Span("" if file is None else file.display, number, 1))


def _same(before: Templates, after: Templates, name: str) -> bool:
    try:
        return before.meaning(name) == after.meaning(name)
    except InvalidInput:
        return False


def _file(templates: Templates, name: str) -> TemplateFile | None:
    try:
        return templates.file(name)
    except InvalidInput:
        return None
