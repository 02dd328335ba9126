"""What a change means, as one comment on a pull request: what a reviewer must look at first, the rest folded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from engine.model.diagnostic import Diagnostic
from engine.model.review import Difference, Level, OpenRun, Review, RunbookReview
from engine.reporting.markup import (
    Section,
    code,
    code_cell,
    fence,
    fitted,
    folded,
    html_code,
    html_text,
    marker,
    plain,
    short_code,
)
from engine.reporting.risk_words import LEVELS, MEANINGS, affected, by_level, counted, side
from engine.reporting.terminal import many, shortened

_MUST = (Level.HIGH, Level.MEDIUM)
_MARKS = {Level.HIGH: "🔴 high", Level.MEDIUM: "🟠 medium", Level.LOW: "🟢 low", Level.INFO: "⚪ info"}
_LISTED = 30
"""Differences told at the top; the folds below have all of them."""
_REASON = 400
"""Columns of a reason at the top."""
_VALUE = 2_000
_DETAIL_LINES = 200
"""Of one difference; a longer list is a file, and the file is in the change."""
_LINE = 500


def review_markdown(review: Review, limit: int, asked: Sequence[str] = ()) -> str:
    """The comment, of at most ``limit`` characters.

    ``asked``: the runbooks that were named, none for all of the project. With the inventory they are what the hidden marker
    in the first line is about, so that reviews of different things on one pull request do not overwrite each other.
    """
    sections = [*_must_look(review), *_obstacles(review), *_table(review), *_folds(review), *_notes(review)]
    return fitted(_head(review, asked), sections, limit, _whole(review))


def _head(review: Review, asked: Sequence[str]) -> str:
    found = review.differences
    about = [f"{code(side(review.old, review.old_commit))} → {code(side(review.new, review.new_commit))}"]
    about.append(affected(len(review.runbooks)))
    about.append(f"inventory {short_code(review.inventory)}" if review.inventory else "without an inventory")
    if found:
        title = f"Runbook review: {counted(found)}"
        worst = by_level(found)[0]
        where = f" at {short_code(worst.address)}" if worst.address else ""
        first = f"**Highest risk: {MEANINGS[worst.risk][0].lower()}** ({worst.risk.level.value}){where}"
    elif _unread(review):
        title, first = "Runbook review: not everything could be compared", "What could be compared means the same as before."
    else:
        title, first = "Runbook review: nothing means anything else", "The same is done to the same, under the same guards."
    return "\n\n".join([marker("diff", *(asked or (".",)), review.inventory), f"## {title}", first, " · ".join(about)])


def _unread(review: Review) -> bool:
    return any(runbook.invalid or runbook.notes for runbook in review.runbooks)


def _must_look(review: Review) -> Iterator[Section]:
    every = [(runbook, difference) for runbook in review.runbooks for difference in runbook.differences]
    found = [entry for entry in every if entry[1].risk.level in _MUST]
    if not found:
        return
    found.sort(key=lambda entry: LEVELS.index(entry[1].risk.level))
    several = len(review.runbooks) > 1
    lines = [_line(difference, runbook.path if several else "") for runbook, difference in found[:_LISTED]]
    if len(found) > _LISTED:
        lines.append(f"- and {len(found) - _LISTED:,} more, in the folds below")
    yield Section("\n".join(["### What a reviewer must look at", "", *lines]), "what a reviewer must look at", 0)


def _line(difference: Difference, runbook: str) -> str:
    where = " ".join(short_code(name) for name in (runbook, difference.address) if name)
    reason = plain(shortened(difference.reason, _REASON))
    return f"- **{_MARKS[difference.risk.level]}**{f' {where}' if where else ''}: {reason}{_sides(difference, 60)}"


def _sides(difference: Difference, width: int) -> str:
    if not difference.before and not difference.after:
        return ""
    before = short_code(difference.before, width) if difference.before else "(none)"
    after = short_code(difference.after, width) if difference.after else "(none)"
    return f" ({before} → {after})"


def _obstacles(review: Review) -> Iterator[Section]:
    lines: list[str] = []
    for runbook in review.runbooks:
        for which, diagnostics in runbook.invalid:
            lines += _invalid(runbook, which, diagnostics)
        lines += [_open_run(runbook, run) for run in runbook.open_runs]
    if lines:
        yield Section("\n".join(["### What stands in the way", "", *lines]), "what stands in the way", 1)


def _invalid(runbook: RunbookReview, which: str, diagnostics: Sequence[Diagnostic]) -> Iterator[str]:
    told = "as it was" if which == "old" else "as it is now"
    count = many(len(diagnostics), "problem")
    yield f"- {short_code(runbook.path)} **{told} is not valid** ({count}); only what can be read is compared"
    for problem in diagnostics[:5]:
        place = f"{short_code(str(problem.span))}: " if problem.span else ""
        yield f"  - {place}{plain(shortened(f'{problem.summary}. {problem.detail}', _REASON))}"


def _open_run(runbook: RunbookReview, run: OpenRun) -> str:
    state = f"run {short_code(run.run)} of {short_code(runbook.path)} goes by the old side ({plain(run.status)}"
    waits = f", waits for {plain(shortened(run.waits_for, _REASON))})" if run.waits_for else ")"
    if run.obstacles:
        why = "; ".join(plain(shortened(why, _REASON)) for why in run.obstacles[:5])
        return f"- {state}{waits} and **cannot be amended**: {why}"
    return f"- {state}{waits}; `switchover amend` takes it over"


def _table(review: Review) -> Iterator[Section]:
    rows = [runbook for runbook in review.runbooks if runbook.differences]
    if len(rows) < 2:  # the heading says it
        return
    lines = [f"| Runbook | {' | '.join(_MARKS[level] for level in LEVELS)} |", f"|---|{'---:|' * len(LEVELS)}"]
    for runbook in rows:
        levels = [difference.risk.level for difference in runbook.differences]
        counts = " | ".join(str(levels.count(level) or "") for level in LEVELS)
        lines.append(f"| {code_cell(runbook.path)} | {counts} |")
    yield Section("\n".join(lines), "the counts per runbook", 2)


def _folds(review: Review) -> Iterator[Section]:
    """A fold for each address of each runbook, the highest risk first; what has the lowest is left out first."""
    several = len(review.runbooks) > 1
    for runbook in review.runbooks:
        groups: dict[str, list[Difference]] = {}
        for difference in by_level(runbook.differences):
            groups.setdefault(difference.address, []).append(difference)
        for address, found in groups.items():
            name = html_code(address) if address else "the whole runbook"
            file = f"{html_code(runbook.path)} " if several else ""
            summary = f"{file}{name}: {html_text(counted(found))}"
            body = "\n\n".join(_difference(difference) for difference in found)
            called = " ".join(filter(None, (short_code(runbook.path) if several else "", short_code(address or "the whole"))))
            yield Section(folded(summary, body), called, 3 + LEVELS.index(found[0].risk.level))


def _difference(difference: Difference) -> str:
    title = MEANINGS[difference.risk][0]
    parts = [f"**{_MARKS[difference.risk.level]}: {title}** ({code(difference.kind)})", plain(difference.reason)]
    sides = (("before", difference.before), ("after", difference.after))
    values = [f"- {word}: {short_code(value, _VALUE)}" for word, value in sides if value]
    if values:
        parts.append("\n".join(values))
    if difference.span:
        parts.append(f"At {code(str(difference.span))}")
    if difference.detail:
        parts.append(_detail(difference.detail))
    return "\n\n".join(parts)


def _detail(detail: Sequence[str]) -> str:
    lines = [shortened(line, _LINE) for line in detail[:_DETAIL_LINES]]
    is_diff = any(line.startswith(("@@", "--- ", "+++ ")) for line in lines)
    block = fence(lines, "diff" if is_diff else "text")
    more = len(detail) - len(lines)
    return f"{block}\n\n... and {many(more, 'more line')}" if more else block


def _notes(review: Review) -> Iterator[Section]:
    lines = [f"- {short_code(runbook.path)}: {plain(note)}" for runbook in review.runbooks for note in runbook.notes[:20]]
    if lines:
        yield Section("\n".join(["### What could not be compared", "", *lines[:_LISTED]]), "what could not be compared", 2)


def _whole(review: Review) -> str:
    """How to see what was left out."""
    words = ["switchover diff", review.old, *([review.new] if review.new_commit else [])]
    if review.inventory:
        words += ["-i", review.inventory]
    words.append("--verbose")
    return f"All of it: {code(' '.join(words))}"
