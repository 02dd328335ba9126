"""What a rule is, and how a line of a runbook is excused from one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import field, replace
from enum import Enum

from engine.model.diagnostic import Diagnostic, Severity
from engine.model.inventory import Inventory
from engine.model.plan import Effect
from engine.model.runbook import Runbook
from engine.model.source import DataPath, SourceMap
from engine.model.values import dataclass


class Profile(Enum):
    """How much is asked of a runbook; each asks for all that the one before does."""

    BASIC = "basic"
    """What is wrong in any runbook, also in one that a single person tries out."""
    SHARED = "shared"
    """What others need to read, review and rely on it."""
    PRODUCTION = "production"
    """What a customer's evening needs: ways back, limits, windows, people who agree."""

    @property
    def holds(self) -> frozenset[Profile]:
        """The profiles whose rules count."""
        ladder = list(Profile)
        return frozenset(ladder[: ladder.index(self) + 1])


@dataclass(frozen=True, slots=True)
class ActionFacts:
    """What rules have to know of an action. ``undoable``: it can take back what it did; ``unseen``: why, with given arguments,
    no look tells whether it is done, or nothing when one does."""

    effect: Effect
    undoable: bool
    informs: bool = False
    """It only tells people or tickets something: nobody would take that back."""
    local: bool = False
    destroys: Callable[[Mapping[str, object]], bool] = lambda _given: False
    unseen: Callable[[Mapping[str, object]], str] = lambda _given: ""


@dataclass(frozen=True, slots=True)
class Subject:
    """What is held to the rules. ``actions``: of the runbook, by name; ``inventory``: None when none was named."""

    runbook: Runbook
    inventory: Inventory | None
    actions: Mapping[str, ActionFacts] = field(default_factory=dict)
    files: Callable[[], Iterable[str]] = tuple
    """The texts of all template files the runbook may render."""


Check = Callable[[Subject], Iterator["Finding"]]


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of text that leaves the meaning alone: ``old`` at the place becomes ``new``. ``key``: at the key that ends the
    path and not at its value."""

    path: DataPath
    old: str
    new: str
    key: bool = False


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that does not keep to a rule: where, and why it matters there. ``source``: the file, when not the runbook;
    ``at_key``: the key that ends the path is meant, and not its value; ``fix``: what puts it right."""

    path: DataPath
    detail: str
    hint: str = ""
    source: SourceMap | None = None
    at_key: bool = False
    fix: tuple[Edit, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """Something a runbook has to keep to beyond being valid. ``id`` never changes its meaning; ``doc`` says what, ``why`` what
    happens otherwise, ``repair`` what to do. ``of_inventory``: nothing is looked at without one."""

    id: str
    name: str
    severity: Severity
    doc: str
    check: Check
    profile: Profile = Profile.BASIC
    why: str = ""
    repair: str = ""
    of_inventory: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A finding as it is shown."""

    rule: Rule
    diagnostic: Diagnostic


_EXCUSED = re.compile(r"#\s*noqa:\s*(?P<ids>SW\d{3}(?:\s*,\s*SW\d{3})*)(?P<reason>.*)$")


def held_to(rules: tuple[Rule, ...], subject: Subject) -> Iterator[Found]:
    """What does not keep to the rules, but for lines that are excused with ``# noqa: SW101 reason``. An excuse wants a reason."""
    for rule in rules:
        for finding in rule.check(subject):
            source = finding.source or subject.runbook.document.source
            span = source.key(finding.path) if finding.at_key else source.value(finding.path)
            line = source.line(span.line)
            shown = Diagnostic(f"{rule.id} {rule.name}", finding.detail, span, line, finding.hint, rule.severity)
            excuse = _EXCUSED.search(line)
            if excuse is None or rule.id not in re.split(r"[\s,]+", excuse["ids"]):
                yield Found(rule, shown)
            elif not excuse["reason"].strip(" :-"):
                yield Found(rule, replace(shown, hint=f"The line is excused, but not why. Write # noqa: {rule.id} and a reason."))
