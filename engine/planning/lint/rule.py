"""What a rule is, and how a line of a runbook is excused from one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace

from engine.model.diagnostic import Diagnostic, Severity
from engine.model.inventory import Inventory
from engine.model.runbook import Runbook
from engine.model.source import DataPath
from engine.model.values import dataclass

Check = Callable[[Runbook, Inventory | None], Iterator["Finding"]]


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that does not keep to a rule: where, and why it matters there."""

    path: DataPath
    detail: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Rule:
    """Something a runbook has to keep to beyond being valid. ``id`` never changes its meaning; ``doc`` says what and why."""

    id: str
    name: str
    severity: Severity
    doc: str
    check: Check


@dataclass(frozen=True, slots=True)
class Found:
    """A finding as it is shown."""

    rule: Rule
    diagnostic: Diagnostic


_EXCUSED = re.compile(r"#\s*noqa:\s*(?P<ids>SW\d{3}(?:\s*,\s*SW\d{3})*)(?P<reason>.*)$")


def held_to(rules: tuple[Rule, ...], runbook: Runbook, inventory: Inventory | None) -> Iterator[Found]:
    """What does not keep to the rules, but for lines that are excused with ``# noqa: SW101 reason``. An excuse wants a reason."""
    source = runbook.document.source
    for rule in rules:
        for finding in rule.check(runbook, inventory):
            span = source.value(finding.path)
            line = source.line(span.line)
            shown = Diagnostic(f"{rule.id} {rule.name}", finding.detail, span, line, finding.hint, rule.severity)
            excuse = _EXCUSED.search(line)
            if excuse is None or rule.id not in re.split(r"[\s,]+", excuse["ids"]):
                yield Found(rule, shown)
            elif not excuse["reason"].strip(" :-"):
                yield Found(rule, replace(shown, hint=f"The line is excused, but not why. Write # noqa: {rule.id} and a reason."))
