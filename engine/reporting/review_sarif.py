"""What a change means, as SARIF 2.1.0: code scanning shows each difference at its line of the pull request.

Rules are the risk classes, so that a policy, a report and a code scanning filter speak of the same things.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from engine import __version__
from engine.model.diagnostic import Diagnostic
from engine.model.review import Difference, Level, Review, Risk, RunbookReview
from engine.model.source import Span
from engine.reporting.risk_words import MEANINGS
from engine.reporting.terminal import printable

SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
UNREADABLE = "unreadable"
"""The rule of a side that is not valid: nothing can be said of what it means."""
_LEVELS = {Level.HIGH: "error", Level.MEDIUM: "warning", Level.LOW: "note", Level.INFO: "note"}
_LISTED = 50
"""Lines of a difference's detail that go into its message."""


def review_sarif(review: Review, prefix: str = "") -> dict[str, Any]:
    """The log, as JSON values. ``prefix``: the project's folder inside its repository, when it is not the repository itself."""
    results = [result for runbook in review.runbooks for result in _results(runbook, prefix)]
    rules = _rules()
    places = {rule["id"]: place for place, rule in enumerate(rules)}
    for result in results:
        result["ruleIndex"] = places[result["ruleId"]]
    driver = {"name": "switchover", "semanticVersion": __version__, "version": __version__, "rules": rules}
    run = {
        "tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results,
        # One category for each comparison: uploads of others are not closed by this one.
        "automationDetails": {"id": f"switchover/diff/{review.inventory or '-'}/"},
        "invocations": [{"executionSuccessful": True, "toolExecutionNotifications": list(_notifications(review))}],
        "properties": {"old": review.old, "new": review.new, "oldCommit": review.old_commit, "newCommit": review.new_commit},
    }
    return {"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}


def _rules() -> list[dict[str, Any]]:
    rules = [_rule(risk.value, *MEANINGS[risk], _LEVELS[risk.level]) for risk in Risk]
    unreadable = _rule(UNREADABLE, "A side cannot be read", "One revision is not valid, so not all can be compared.", "error")
    return [*rules, unreadable]


def _rule(name: str, title: str, meaning: str, level: str) -> dict[str, Any]:
    return {
        "id": name, "name": "".join(word.capitalize() for word in name.split("-")), "shortDescription": {"text": title},
        "fullDescription": {"text": meaning}, "help": {"text": meaning}, "defaultConfiguration": {"level": level},
        "properties": {"tags": ["runbook", "review"]},
    }


def _results(runbook: RunbookReview, prefix: str) -> Iterator[dict[str, Any]]:
    for which, diagnostics in runbook.invalid:
        for problem in diagnostics:
            yield _unreadable(runbook, which, problem, prefix)
    for difference in runbook.differences:
        yield _result(runbook, difference, prefix)


def _result(runbook: RunbookReview, difference: Difference, prefix: str) -> dict[str, Any]:
    level = difference.risk.level
    about = {"kind": difference.kind, "level": level.value, "address": difference.address}
    sides = {"before": difference.before, "after": difference.after}
    return {
        "ruleId": difference.risk.value, "level": _LEVELS[level], "message": {"text": _message(difference)},
        "locations": [_location(difference.span, runbook.path, difference.address, prefix)],
        "partialFingerprints": {"switchoverDifference/v1": _fingerprint(runbook.path, *about.values(), *sides.values())},
        "properties": {**about, **{name: value for name, value in sides.items() if value}},
    }


def _unreadable(runbook: RunbookReview, which: str, problem: Diagnostic, prefix: str) -> dict[str, Any]:
    told = "As it was" if which == "old" else "As it is now"
    text = f"{told}: {problem.summary}. {problem.detail} {problem.hint}".strip()
    return {
        # The old side is no longer there to be mended.
        "ruleId": UNREADABLE, "level": "note" if which == "old" else "error", "message": {"text": printable(text)},
        "locations": [_location(problem.span if which == "new" else None, runbook.path, "", prefix)],
        "partialFingerprints": {"switchoverDifference/v1": _fingerprint(runbook.path, which, problem.summary, problem.detail)},
        "properties": {"side": which},
    }


def _message(difference: Difference) -> str:
    where = f"{difference.address}: " if difference.address else ""
    lines = [printable(f"{where}{difference.reason}")]
    if difference.before or difference.after:
        lines.append(printable(f"{difference.before or '(none)'} -> {difference.after or '(none)'}"))
    lines += [printable(line) for line in difference.detail[:_LISTED]]
    if len(difference.detail) > _LISTED:
        lines.append(f"... and {len(difference.detail) - _LISTED:,} more lines")
    # In a SARIF message [text](target) is a link.
    return "\n".join(lines).replace("](", "] (")


def _location(span: Span | None, path: str, address: str, prefix: str) -> dict[str, Any]:
    file = span.file if span else path
    physical: dict[str, Any] = {"artifactLocation": {"uri": quote(f"{prefix.rstrip('/')}/{file}" if prefix else file)}}
    if span is not None:
        physical["region"] = {"startLine": max(1, span.line), "startColumn": max(1, span.column)}
    location: dict[str, Any] = {"physicalLocation": physical}
    if address:
        location["logicalLocations"] = [{"fullyQualifiedName": address, "kind": "member"}]
    return location


def _fingerprint(*parts: str) -> str:
    """The same while the difference is the same, wherever its line moves."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _notifications(review: Review) -> Iterator[dict[str, Any]]:
    for runbook in review.runbooks:
        for note in runbook.notes:
            yield {"level": "warning", "message": {"text": printable(f"{runbook.path}: {note}")}}
