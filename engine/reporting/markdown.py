"""A run in a few lines of Markdown, for a ticket or a pull request."""

from __future__ import annotations

from collections.abc import Iterable

from engine.model.event import Record
from engine.reporting.markup import code, code_cell, plain
from engine.reporting.story import Story, tell
from engine.reporting.terminal import moment, spelled
from engine.reporting.wording import PROBLEMS, RUN_WORDS, STATUS_WORDS, decisions, title_of, words_of

_LISTED = 20


def render_markdown(records: Iterable[Record]) -> str:
    """Heading, counts per step, problems, known gaps."""
    story = tell(records)
    state = story.state
    lines = [f"## {plain(_title(story))}", "", f"Run `{state.run}` **{RUN_WORDS[state.status]}**."]
    if state.started and state.started_at and state.last_at:
        took = spelled((state.last_at - state.started_at).total_seconds())
        lines[-1] += f" Started {moment(state.started_at)} by {plain(state.started.actor)}, {took}."
    lines += ["", *_table(story)]
    problems = [outcome for outcome in story.outcomes.values() if outcome.status in PROBLEMS]
    if problems:
        lines += ["", "### Needs attention", ""]
        lines += [f"- {code(o.address)} {STATUS_WORDS[o.status]}: {plain(o.why)}" for o in problems[:_LISTED]]
        if len(problems) > _LISTED:
            lines.append(f"- and {len(problems) - _LISTED:,} more")
    decided = decisions(state)
    if decided:
        lines += ["", "### Decided by people", "", *(f"- {plain(line)}" for line in decided)]
    gaps = story.header.get("known_gaps") or ()
    if gaps:
        lines += ["", "### Not migrated (known gaps)", "", *(f"- {plain(gap)}" for gap in gaps)]
    return "\n".join(lines) + "\n"


def _title(story: Story) -> str:
    return f"{title_of(story.header, 'Run')}: {story.header.get('customer', '')}".rstrip(": ")


def _table(story: Story) -> list[str]:
    words = words_of(story.header)
    used = [status for status in words if any(step.counts[status] for step in story.steps.values())]
    if not used:
        return ["Nothing was started yet."]
    rows = [f"| Step | {' | '.join(words[status] for status in used)} |", f"|---|{'---:|' * len(used)}"]
    for step in story.steps.values():
        rows.append(f"| {code_cell(step.address)} | {' | '.join(str(step.counts[status] or '') for status in used)} |")
    return rows
