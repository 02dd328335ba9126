"""What a rule is, what it looks at, and how a line is excused from one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import field, replace
from typing import Literal

from engine.language.secret_names import masked_line
from engine.model.diagnostic import Diagnostic, Severity
from engine.model.inventory import Inventory
from engine.model.runbook import Runbook
from engine.model.source import DataPath, Document, Span
from engine.model.values import dataclass

Profile = Literal["basic", "shared", "production"]
PROFILES: tuple[Profile, ...] = ("basic", "shared", "production")
"""Each holds to the rules of those before it, and to its own."""


@dataclass(frozen=True, slots=True)
class Traits:
    """What rules know of an action. ``informs``: it only tells somebody something, which nobody would take back; ``destroys``:
    whether it removes something for good, with arguments as the runbook has them."""

    changes: bool = True
    destroys: Callable[[Mapping[str, object]], bool] = lambda _given: False
    undoable: bool = True
    informs: bool = False


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at. ``actions``: those of the runbook; ``files``: text of the project's template files, in which names of
    the runbook may stand."""

    runbook: Runbook
    inventory: Inventory | None = None
    actions: Mapping[str, Traits] = field(default_factory=dict)
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Edit:
    """A change of one line that keeps the meaning of the file: ``old`` becomes ``new``; ``below``, when given, is a line more."""

    line: int
    old: str
    new: str
    below: str = ""


@dataclass(frozen=True, slots=True)
class Finding:
    """One place that does not keep to a rule: where, and why it matters there. ``document``: None for the runbook's own."""

    path: DataPath
    detail: str
    hint: str = ""
    document: Document | None = None
    edit: Edit | None = None
    secret: str = field(default="", repr=False)
    """Never shown, wherever it stands in the line."""


Check = Callable[[Subject], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Rule:
    """Something a runbook has to keep to beyond being valid. ``id`` never changes its meaning; ``doc`` says what and why; ``fix``
    what to do about a finding. ``profile``: the first that holds to it."""

    id: str
    name: str
    severity: Severity
    doc: str
    check: Check
    fix: str = ""
    profile: Profile = "basic"
    needs_inventory: bool = False
    """Whether it looks at nothing without one."""
    fixable: bool = False


@dataclass(frozen=True, slots=True)
class Found:
    """A finding as it is shown."""

    rule: Rule
    diagnostic: Diagnostic
    edit: Edit | None = None


_EXCUSED = re.compile(r"#\s*noqa:\s*(?P<ids>SW\d+(?:\s*,\s*SW\d+)*)(?P<reason>.*)$")


@dataclass(frozen=True, slots=True)
class Excuse:
    """A ``# noqa: SW101 reason`` of a line."""

    line: int
    ids: tuple[str, ...]
    reason: str
    words: str


def of_profile(rules: tuple[Rule, ...], profile: Profile) -> tuple[Rule, ...]:
    """The rules a profile holds to."""
    reached = PROFILES[: PROFILES.index(profile) + 1]
    return tuple(rule for rule in rules if rule.profile in reached)


def excuses_in(document: Document) -> Iterator[Excuse]:
    """Every excuse of a file, in the order of lines."""
    if "noqa" not in document.source.text:
        return
    for number, line in enumerate(document.source.text.splitlines(), 1):
        match = _EXCUSED.search(line)
        if match is not None:
            ids = tuple(re.split(r"\s*,\s*", match["ids"].strip()))
            yield Excuse(number, ids, match["reason"].strip(" :-"), match.group())


def held_to(
    rules: tuple[Rule, ...], subject: Subject, stale: Rule | None = None, known: frozenset[str] = frozenset()
) -> Iterator[Found]:
    """What does not keep to the rules, but for lines that are excused with ``# noqa: SW101 reason``. An excuse wants a reason.
    ``stale``: the rule that excuses themselves are held to; ``known``: the ids there are."""
    used: set[tuple[str, int, str]] = set()
    for rule in rules:
        for finding in rule.check(subject):
            document = finding.document or subject.runbook.document
            source = document.source
            span = source.value(finding.path)
            line = masked_line(source.line(span.line), {"secret": finding.secret})
            shown = Diagnostic(f"{rule.id} {rule.name}", finding.detail, span, line, finding.hint, rule.severity)
            excuse = next((e for e in excuses_in(document) if e.line == span.line and rule.id in e.ids), None)
            if excuse is None:
                yield Found(rule, shown, finding.edit)
                continue
            used.add((source.file, excuse.line, rule.id))
            if not excuse.reason:
                yield Found(rule, replace(shown, hint=f"The line is excused, but not why. Write # noqa: {rule.id} and a reason."))
    if stale is not None:
        unchecked = {rule.id for rule in rules if rule.needs_inventory and subject.inventory is None}
        yield from _stale(stale, subject, {rule.id for rule in rules} - unchecked, known, used)


def _stale(
    rule: Rule, subject: Subject, judged: set[str], known: frozenset[str], used: set[tuple[str, int, str]]
) -> Iterator[Found]:
    """Excuses that name no rule, and those that excuse nothing. Rules that were not held to are not judged."""
    documents = [subject.runbook.document, *([subject.inventory.document] if subject.inventory is not None else [])]
    for document in documents:
        source = document.source
        for excuse in excuses_in(document):
            for name in excuse.ids:
                line = source.line(excuse.line)
                span = Span(source.file, excuse.line, line.index(excuse.words) + 1)
                if name not in known:
                    detail = f"There is no rule {name}, so this excuses nothing. See them all: switchover lint --list"
                elif name in judged and (source.file, excuse.line, name) not in used:
                    detail = f"Nothing on this line goes against {name}. Remove the excuse, before it hides something."
                else:
                    continue
                alone = len(excuse.ids) == 1 and document is subject.runbook.document
                edit = Edit(excuse.line, excuse.words, "") if alone else None
                yield Found(rule, Diagnostic(f"{rule.id} {rule.name}", detail, span, line, "", rule.severity), edit)
