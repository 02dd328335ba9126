"""A run as one page to hand over: needs no network, no script and no other file, reads on paper and on a dark screen.

Problems come first, what is not migrated is said aloud, and a page of ten thousand items stays a few megabytes: long diffs
are cut the shorter the more of them there are, and each cut says so.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from engine.model.event import Record
from engine.model.run import ItemStatus, RunStatus
from engine.reporting.story import Outcome, StepStory, Story, tell
from engine.reporting.terminal import many, moment, printable, shown, spelled
from engine.reporting.wording import (
    CAUSES,
    PROBLEMS,
    RUN_WORDS,
    STATUS_WORDS,
    UNFINISHED,
    amended,
    decisions,
    look_back,
    next_steps,
    policy_line,
    title_of,
    words_of,
)

_DIFF_LINES_IN_ALL = 40_000
_DIFF_LINES = (4, 400)
"""At least and at most per item."""
_OPEN_ITEMS = 60
"""Steps with more items, and no problem among them, are folded away."""
_LISTED = 200
"""Problems told at length; all of them stand in the outcomes below."""
_TONES: dict[ItemStatus, str] = {
    ItemStatus.CHANGED: "good", ItemStatus.RAN: "good", ItemStatus.PROVED: "good", ItemStatus.PASSED: "good",
    ItemStatus.WAITING: "info", ItemStatus.FAILED: "bad",
    ItemStatus.IN_DOUBT: "bad", ItemStatus.BLOCKED: "warn", ItemStatus.RETRYING: "warn", ItemStatus.INTENDED: "warn",
    ItemStatus.REOPENED: "warn", ItemStatus.CANCELLED: "warn",
}
_RUN_TONES = {RunStatus.SUCCEEDED: "good", RunStatus.FAILED: "bad", RunStatus.TRIPPED: "bad", RunStatus.RUNNING: "info"}
_ORDER = {status: rank for rank, status in enumerate((*PROBLEMS, *UNFINISHED))}


def render_html(records: Iterable[Record]) -> str:
    """The whole page."""
    story = tell(records)
    parts = [
        _header(story), '<main class="wrap">', _tiles(story), _attention(story), _gaps(story), _overrides(story),
        _timeline(story), _outcomes(story), _origin(story), _integrity(story), "</main>",
    ]
    template = Template(Path(__file__).with_name("page.html").read_text(encoding="utf-8"))
    return template.substitute(title=_text(f"{_title(story)}: run {story.state.run}"), body="\n".join(filter(None, parts)))


def _text(value: object) -> str:
    return escape(printable(str(value)))


def _title(story: Story) -> str:
    return title_of(story.header, "Migration run")


def _pill(word: str, tone: str = "") -> str:
    return f'<span class="pill {tone}">{_text(word)}</span>'


def _section(title: str, content: str, *, tone: str = "", note: str = "") -> str:
    small = f" <small>{_text(note)}</small>" if note else ""
    return f'<section class="{tone}"><h2>{_text(title)}{small}</h2>\n{content}</section>'


def _definitions(entries: Iterable[tuple[str, str]]) -> str:
    return f"<dl>{''.join(f'<dt>{_text(name)}</dt><dd>{html}</dd>' for name, html in entries)}</dl>"


def _header(story: Story) -> str:
    state, header = story.state, story.header
    customer = _text(header.get("customer", ""))
    lines = [f'<p class="kicker"><b>{customer}</b> · migration report</p>', f"<h1>{_text(_title(story))}</h1>"]
    about = [f"Run {state.run}"]
    if state.started and state.started_at and state.last_at:
        about += [
            f"{moment(state.started_at)} to {_until(state.started_at, state.last_at)}",
            spelled((state.last_at - state.started_at).total_seconds()), f"by {state.started.actor} on {state.started.host}",
        ]
    if state.read_back is not None:
        about.append(look_back(state.read_back))
    about += [f"{amended(event)}, {moment(at)}" for at, event in state.amendments]
    if header.get("lab"):
        about.append("rehearsed against the lab")
    lines.append(f"<p>{_pill(RUN_WORDS[state.status], _RUN_TONES.get(state.status, 'warn'))} {' · '.join(map(_text, about))}</p>")
    return f'<header><div class="wrap">{"".join(lines)}</div></header>'


def _until(start: datetime, end: datetime) -> str:
    return f"{end:%H:%M:%S}" if start.date() == end.date() else moment(end)


def _tiles(story: Story) -> str:
    state = story.state
    counts = state.counts()
    tiles = [("info", f"{len(state.items):,}", "items in all")]
    tiles += [
        (_TONES.get(status, ""), f"{counts[status.value]:,}", word)
        for status, word in words_of(story.header).items() if counts.get(status.value)
    ]
    return f'<div class="tiles">{"".join(_tile(*tile) for tile in tiles)}</div>'


def _tile(tone: str, number: str, word: str) -> str:
    return f'<div class="tile {tone}"><b>{_text(number)}</b><span>{_text(word)}</span></div>'


def _gaps(story: Story) -> str:
    gaps = story.header.get("known_gaps") or ()
    if not gaps:
        return ""
    listed = "".join(f"<li>{_text(gap)}</li>" for gap in gaps)
    return _section("Known gaps: not migrated", f"<ul>{listed}</ul>", tone="warn")


def _attention(story: Story) -> str:
    found = sorted((o for o in story.outcomes.values() if o.status in PROBLEMS), key=lambda o: _ORDER[o.status])
    pending = sum(outcome.status in UNFINISHED for outcome in story.outcomes.values())
    if not found and not pending:
        return ""
    parts = [_problem(outcome) for outcome in found[:_LISTED]]
    if len(found) > _LISTED:
        parts.append(f'<p class="soft">and {len(found) - _LISTED:,} more, first in their step below</p>')
    if pending:
        parts.append(f"<p>{_text(many(pending, 'item'))} not finished when this page was made.</p>")
    commands = "".join(
        f"<dt><code>{_text(command)}</code></dt><dd>{_text(what)}</dd>"
        for command, what in next_steps(story.state) if "switchover report" not in command
    )
    if commands:
        parts.append(f"<h3>What to do next</h3><dl>{commands}</dl>")
    return _section("Needs attention", "".join(parts), tone="bad", note=many(len(found), "problem") if found else "")


def _problem(outcome: Outcome) -> str:
    cause = f' <span class="soft">({_text(CAUSES[outcome.cause])})</span>' if outcome.cause in CAUSES else ""
    return (
        f'<div class="problem">{_pill(STATUS_WORDS[outcome.status], _TONES[outcome.status])} '
        f"<code>{_text(outcome.address)}</code><p>{_text(_why(outcome))}{cause}</p></div>"
    )


def _why(outcome: Outcome) -> str:
    return f"because {outcome.why} did not succeed" if outcome.status is ItemStatus.BLOCKED else outcome.why


def _overrides(story: Story) -> str:
    entries = [
        f"<li>{_text(o.actor)} let work start outside its window ({_text(o.window)}). Reason given: <b>{_text(o.reason)}</b></li>"
        for o in story.state.overrides
    ]
    entries += [f"<li>{_text(line)}</li>" for line in decisions(story.state)]
    return _section("Overrides", f"<ul>{''.join(entries)}</ul>", tone="warn") if entries else ""


def _timeline(story: Story) -> str:
    if not story.steps or story.state.started_at is None or story.state.last_at is None:
        return ""
    start, end = story.state.started_at, story.state.last_at
    rows = "".join(_bar(step, start, end, _named(step, story)) for step in story.steps.values())
    ends = f"<span>{_text(moment(start))}</span><span>{_text(_until(start, end))}</span>"
    axis = f'<span></span><div class="axis">{ends}</div><span></span>'
    stops = "".join(f"<li>{_text(moment(at))}: {_text(what)}</li>" for at, what in story.pauses)
    return _section("Timeline", f'<div class="bars">{rows}{axis}</div>{f"<ul>{stops}</ul>" if stops else ""}')


def _named(step: StepStory, story: Story) -> str:
    """A step by its address, after its title where it has one."""
    title = (story.header.get("titles") or {}).get(step.address)
    return f"{_text(title)} <code>{_text(step.address)}</code>" if title else f"<code>{_text(step.address)}</code>"


def _bar(step: StepStory, start: datetime, end: datetime, named: str) -> str:
    whole = max((end - start).total_seconds(), 0.001)
    left = 100 * (step.started_at - start).total_seconds() / whole
    took = (step.ended_at - step.started_at).total_seconds()
    span = f"{step.started_at:%H:%M:%S} to {_until(step.started_at, step.ended_at)}"
    return (
        f"<span>{named}</span>"
        f'<div class="track" title="{_text(span)}"><div class="bar {_tone_of(step)}" '
        f'style="left:{left:.2f}%;width:{max(100 * took / whole, 0.2):.2f}%"></div></div>'
        f'<span class="soft">{_text(step.started_at.strftime("%H:%M:%S"))} · {_text(spelled(took))}</span>'
    )


def _tone_of(step: StepStory) -> str:
    tones = {_TONES.get(status, "calm") for status in step.counts}
    return next((tone for tone in ("bad", "warn", "good") if tone in tones), "calm")


def _outcomes(story: Story) -> str:
    changed = sum(bool(outcome.diff) for outcome in story.outcomes.values())
    least, most = _DIFF_LINES
    limit = max(least, min(most, _DIFF_LINES_IN_ALL // max(changed, 1)))
    steps = "".join(_step(step, limit, words_of(story.header), _named(step, story)) for step in story.steps.values())
    return _section("Outcomes", steps or "<p>Nothing was started yet.</p>", tone="outcomes", note="item by item, problems first")


def _step(step: StepStory, limit: int, words: Mapping[ItemStatus, str], named: str) -> str:
    counts = step.counts
    pills = "".join(
        _pill(f"{counts[status]:,} {word}", _TONES.get(status, "")) for status, word in words.items() if counts[status]
    )
    is_open = len(step.outcomes) <= _OPEN_ITEMS or any(counts[status] for status in PROBLEMS)
    rows = sorted(step.outcomes, key=lambda outcome: _ORDER.get(outcome.status, len(_ORDER)))
    return (
        f'<details class="step"{" open" if is_open else ""}><summary>{named}{pills}</summary>\n'
        '<div class="scroll"><table class="items"><thead><tr><th>Item</th><th>Outcome</th><th>What</th>'
        '<th class="num">Tries</th><th class="num">Took</th><th class="num">At</th></tr></thead>\n<tbody>'
        f"{''.join(_row(outcome, limit, words) for outcome in rows)}</tbody></table></div></details>\n"
    )


def _row(outcome: Outcome, limit: int, words: Mapping[ItemStatus, str]) -> str:
    what = _text(outcome.summary) if outcome.summary else ""
    if outcome.why:
        tone = "why" if outcome.status in PROBLEMS else "soft"
        what += f'<div class="{tone}">{_text(_why(outcome))}</div>'
    marks = [mark for mark, is_so in (("found in place", outcome.adopted), ("cannot be undone", not outcome.reversible)) if is_so]
    took = spelled(outcome.took_s) if outcome.took_s else ""
    return (
        f"<tr><td>{_text(outcome.label)}{' ' if outcome.label else ''}<code>{_text(outcome.item or '(once)')}</code></td>"
        f"<td>{_pill(words[outcome.status], _TONES.get(outcome.status, ''))}</td>"
        f"<td>{what}{''.join(' ' + _pill(mark) for mark in marks)}{_change(outcome, limit)}</td>"
        f'<td class="num">{outcome.attempts or ""}</td><td class="num">{took}</td>'
        f'<td class="num">{outcome.ended_at:%H:%M:%S}</td></tr>\n'
    )


def _change(outcome: Outcome, limit: int) -> str:
    if not outcome.fields and not outcome.diff:
        return ""
    fields = "".join(_field(*change) for change in outcome.fields)
    table = f'<table class="fields"><tr><th></th><th>Before</th><th>After</th></tr>{fields}</table>' if fields else ""
    return f"<details><summary>before and after</summary>{table}{_diff(outcome.diff, limit)}</details>"


def _field(name: str, before: Any, after: Any) -> str:
    return (
        f'<tr><td>{_text(name)}</td><td class="before">{_text(shown(before))}</td>'
        f'<td class="after">{_text(shown(after))}</td></tr>'
    )


def _diff(lines: tuple[str, ...], limit: int) -> str:
    if not lines:
        return ""
    shown_lines = [_diff_line(line) for line in lines[:limit]]
    if len(lines) > limit:
        shown_lines.append(f'<span class="h">... {many(len(lines) - limit, "more line")}</span>')
    return "<pre>{}</pre>".format("\n".join(shown_lines))


def _diff_line(line: str) -> str:
    kind = "h" if line.startswith(("+++", "---", "@@")) else {"+": "a", "-": "d"}.get(line[:1], "")
    return f'<span class="{kind}">{_text(line)}</span>' if kind else _text(line)


def _origin(story: Story) -> str:
    return _section("What it was made from", _definitions(_origins(story)))


def _origins(story: Story) -> Iterator[tuple[str, str]]:
    header = story.header
    if story.state.amendments:
        yield "Revision", f"{story.state.revision}; what was done before went by earlier ones"
    plain = (
        ("Plan", "plan_id"), ("Planned at", "created_at"), ("switchover", "version"), ("Scope", "scope"), ("Runbook", "runbook"),
        ("Inventory", "inventory"), ("Runbook digest", "runbook_digest"), ("Inventory digest", "inventory_digest"),
        ("Templates digest", "templates_digest"),
    )
    for title, name in plain:
        if header.get(name):
            yield title, f"<code>{_text(header[name])}</code>"
    if header.get("git_commit"):
        dirty = " with local changes that were not committed" if header.get("git_dirty") else ""
        yield "Git commit", f"<code>{_text(header['git_commit'])}</code>{dirty}"
    for checked in story.state.policies:
        yield "Policy", _text(policy_line(checked))
    for title, name in (("Inputs", "inputs"), ("Actions", "actions")):
        values = header.get(name) or {}
        if values:
            yield title, ", ".join(f"{_text(key)} <code>{_text(shown(value))}</code>" for key, value in values.items())
    for title, name in (("Limited to", "limit"), ("Windows", "windows")):
        if header.get(name):
            yield title, "<br>".join(map(_text, header[name]))


def _integrity(story: Story) -> str:
    return (
        f"<footer><p>Made from {_text(many(story.state.last_seq, 'journalled event'))} of run {_text(story.state.run)}. Each "
        f"carries the hash of the one before it; the last is <code>{_text(story.last_hash)}</code>. A journal that ends in "
        "another hash is not the one this report was made from.</p></footer>"
    )
