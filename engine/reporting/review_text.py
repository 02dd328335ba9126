"""What changed between two revisions, for people on a terminal and for programs as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from engine.model.diagnostic import Diagnostic
from engine.model.review import Difference, Level, OpenRun, Review, RunbookReview
from engine.model.source import Span
from engine.reporting.diagnostics import format_diagnostics
from engine.reporting.terminal import many, printable

FORMAT = "switchover.review/1"
FOLDED = 12
"""Lines of a detail that are shown unless all are asked for."""
_COLORS = {Level.HIGH: "31;1", Level.MEDIUM: "33", Level.LOW: "32", Level.INFO: "2"}


def format_review(review: Review, *, color: bool = False, verbose: bool = False) -> str:
    """Each runbook with its differences, the weightiest first; runbooks without any are counted."""
    told = [runbook for runbook in review.runbooks if _has_something(runbook)]
    lines = [f"{_named(review.old, review.old_commit)} -> {_named(review.new or 'the working tree', review.new_commit)}"]
    if review.inventory:
        lines[0] += f", with {review.inventory}"
    for runbook in told:
        lines += ["", *_runbook(runbook, color, verbose)]
    lines += ["", _summary(review)]
    return "\n".join(lines)


def _has_something(runbook: RunbookReview) -> bool:
    return bool(runbook.differences or runbook.invalid or runbook.notes or runbook.open_runs)


def _named(label: str, commit: str) -> str:
    return label if not commit or commit.startswith(label) else f"{label} ({commit[:10]})"


def _runbook(runbook: RunbookReview, color: bool, verbose: bool) -> Iterator[str]:
    yield _paint(runbook.path, "1", color)
    for side, problems in runbook.invalid:
        yield f"  The {side} side is invalid ({many(len(problems), 'problem')}); compared is what can be:"
        yield from (f"  {line}".rstrip() for line in format_diagnostics(problems, color=color).splitlines())
    yield from (f"  note: {note}" for note in runbook.notes)
    for difference in runbook.differences:
        yield from _difference(difference, color, verbose)
    if runbook.open_runs:
        yield "  Open runs that go by the old side:"
        yield from (line for run in runbook.open_runs for line in _run(run))


def _difference(found: Difference, color: bool, verbose: bool) -> Iterator[str]:
    level = _paint(f"{found.risk.level.value:6}", _COLORS[found.risk.level], color)
    about = f"{printable(found.address)}: " if found.address else ""
    place = f"  ({found.span})" if found.span is not None else ""
    yield f"  {level} {found.risk.value:18} {about}{printable(found.reason)}{_paint(place, '2', color)}"
    if found.before or found.after:
        yield f"           {printable(found.before) or 'nothing'} -> {printable(found.after) or 'nothing'}"
    shown = found.detail if verbose else found.detail[:FOLDED]
    yield from (f"           {printable(line)}" for line in shown)
    if len(shown) < len(found.detail):
        yield f"           and {many(len(found.detail) - len(shown), 'line')} more (--verbose)"


def _run(run: OpenRun) -> Iterator[str]:
    waits = f", waits for {run.waits_for}" if run.waits_for else ""
    can = "amend would be possible" if not run.obstacles else "amend would be refused:"
    yield f"    {run.run} ({run.status}{waits}): {can}"
    yield from (f"      {printable(obstacle)}" for obstacle in run.obstacles)


def _summary(review: Review) -> str:
    found = review.differences
    if not found:
        same = "Nothing means anything else" if not any(runbook.invalid for runbook in review.runbooks) else "Nothing to compare"
        return f"{same}: {many(len(review.runbooks), 'runbook')} looked at."
    counts = {level: sum(one.risk.level is level for one in found) for level in Level}
    spelled = ", ".join(f"{count} {level.value}" for level, count in counts.items() if count)
    return f"{many(len(found), 'difference')} in {many(sum(bool(r.differences) for r in review.runbooks), 'runbook')}: {spelled}."


def _paint(text: str, code: str, color: bool) -> str:
    return f"\x1b[{code}m{text}\x1b[0m" if color and text else text


# ---------------------------------------------------------------- JSON


def review_data(review: Review) -> Mapping[str, Any]:
    """The same for programs; ``format`` names its form."""
    return {
        "format": FORMAT,
        "old": {"revision": review.old, "commit": review.old_commit},
        "new": {"revision": review.new, "commit": review.new_commit},
        "inventory": review.inventory,
        "risks": sorted(risk.value for risk in review.risks),
        "runbooks": [_runbook_data(runbook) for runbook in review.runbooks],
    }


def _runbook_data(runbook: RunbookReview) -> Mapping[str, Any]:
    return {
        "path": runbook.path,
        "differences": [_difference_data(one) for one in runbook.differences],
        "invalid": {side: [_problem_data(one) for one in problems] for side, problems in runbook.invalid},
        "open_runs": [
            {"run": one.run, "status": one.status, "waits_for": one.waits_for, "obstacles": list(one.obstacles)}
            for one in runbook.open_runs
        ],
        "notes": list(runbook.notes),
    }


def _difference_data(one: Difference) -> Mapping[str, Any]:
    return {
        "risk": one.risk.value, "level": one.risk.level.value, "kind": one.kind, "address": one.address, "reason": one.reason,
        "before": one.before, "after": one.after, "detail": list(one.detail), **_place(one.span),
    }


def _problem_data(one: Diagnostic) -> Mapping[str, Any]:
    return {"summary": one.summary, "detail": one.detail, "hint": one.hint, **_place(one.span)}


def _place(span: Span | None) -> Mapping[str, Any]:
    return {
        "file": span.file if span else None, "line": span.line if span else None, "column": span.column if span else None,
    }
