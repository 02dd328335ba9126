"""Items as a table for a spreadsheet: one row per address, CSV as RFC 4180 has it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping

from engine.model.event import Record
from engine.model.run import ItemStatus
from engine.reporting.story import Outcome, tell
from engine.reporting.terminal import shown
from engine.reporting.wording import words_of

COLUMNS = (
    "address", "step", "item", "label", "outcome", "summary", "why", "changes", "attempts", "started_at", "ended_at", "seconds",
    "can_be_undone", "found_in_place",
)
_STEERS = ("=", "+", "-", "@", "\t", "\r")
"""A spreadsheet takes a cell that begins so for a formula: https://owasp.org/www-community/attacks/CSV_Injection"""


def render_csv(records: Iterable[Record]) -> str:
    """The whole table with its heading. Cells that a spreadsheet would take for a formula begin with an apostrophe."""
    story = tell(records)
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    for step in story.steps.values():
        for outcome in step.outcomes:
            writer.writerow(map(_harmless, _row(outcome, words_of(story.header))))
    return text.getvalue()


def _row(outcome: Outcome, words: Mapping[ItemStatus, str]) -> tuple[str, ...]:
    return (
        outcome.address, outcome.step, outcome.item or "", outcome.label,
        words[outcome.status], outcome.summary, outcome.why,
        "; ".join(f"{name}: {shown(before)} -> {shown(after)}" for name, before, after in outcome.fields),
        str(outcome.attempts), outcome.started_at.isoformat(), outcome.ended_at.isoformat(), f"{outcome.took_s:.3f}",
        "yes" if outcome.reversible else "no", "yes" if outcome.adopted else "no",
    )


def _harmless(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_STEERS) else cell
