"""A plan as one comment on a pull request: what it comes to and what to think about first, each step folded.

Items are put into words as they come and kept by step, each step up to its share of the comment's limit; past that they are
counted. So ten thousand phones need no more memory than the comment has room for.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import field
from typing import TextIO

from engine.model.plan import Outlook, PlanHeader, PlannedItem, Totals
from engine.model.values import dataclass
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
    size,
)
from engine.reporting.plan_text import creates, is_final
from engine.reporting.terminal import many, shortened, shown

_ALARMS: dict[Outlook, str] = {
    Outlook.ERROR: "Could not be read: apply would fail here",
    Outlook.REFUSED: "Changed by somebody else since: left alone",
}
_COUNTS: tuple[tuple[str, str], ...] = (
    ("error", "could not be read"), ("refused", "left alone, as somebody changed it"), ("final", "cannot be undone"),
    ("unpredictable", "not predictable"), ("change", "to change"), ("create", "to create"),
    ("gate", "where the run waits"), ("later", "decided later"), ("check", "to be checked"), ("stays", "not undone"),
    ("nothing", "already as it should be"), ("skip", "skipped"),
)
_HEADLINE = ("error", "refused", "final", "unpredictable", "change", "create", "gate", "later", "check")
_TOLD = {Outlook.CHANGE, Outlook.UNPREDICTABLE, Outlook.ERROR, Outlook.REFUSED, Outlook.GATE}
"""Outlooks that somebody has to look at; the others are counted."""
_RANKS = {"error": 0, "refused": 0, "final": 1, "unpredictable": 2, "change": 3, "create": 4}
"""Which steps are left out last."""
_LISTED = 15
_TEXT = 400
_BODIES = 2
"""New files of one step that are shown with their beginning; the next ones are known to look alike."""
_LINES = 40
"""Lines of one item's diff."""
_LINE = 300
_SHARE = 4
"""The part of the limit that one step may fill at the most, so that it does not push out all others."""


@dataclass(slots=True)
class _List:
    """Something to list at the top: all of it counted, the first few kept."""

    lines: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, address: str, text: str) -> None:
        self.count += 1
        if self.count <= _LISTED:
            told = f": {plain(shortened(text, _TEXT))}" if text else ""
            self.lines.append(f"  - {short_code(address)}{told}")


@dataclass(slots=True)
class _Step:
    """What a step comes to."""

    counts: Counter[str] = field(default_factory=Counter)
    items: list[str] = field(default_factory=list)
    room: int = 0
    untold: int = 0
    bodies: int = 0

    def rank(self) -> int:
        return min((_RANKS[name] for name in _RANKS if self.counts[name]), default=9)

    def add(self, item: PlannedItem, *, whole: bool) -> None:
        """Puts it into words while there is room, else counts it. ``whole``: with its file, however many like it there were."""
        self.bodies += creates(item)
        lines = _LINES if whole or not creates(item) or self.bodies <= _BODIES else 0
        markdown = "" if self.untold else _item(item, lines)
        self.room -= size(markdown) + 2
        if self.untold or self.room < 0:
            self.untold += 1
        else:
            self.items.append(markdown)


class PlanMarkdown:
    """Writes a plan to ``stream`` as a comment of at most ``limit`` characters. ``verbose`` also tells what is already so.

    Feed it every item with ``add``, in the plan's order, then call ``finish``.
    """

    def __init__(self, stream: TextIO, header: PlanHeader, limit: int, *, verbose: bool = False) -> None:
        self._stream, self._header, self._limit, self._verbose = stream, header, limit, verbose
        self._totals = Totals()
        self._counts: Counter[str] = Counter()
        self._steps: dict[str, _Step] = {}
        self._alarms = {outlook: _List() for outlook in _ALARMS}
        self._final, self._blind = _List(), _List()

    def add(self, item: PlannedItem) -> None:
        """Counts one address, and puts it into words where somebody has to look at it."""
        self._totals.add(item)
        step = self._steps.setdefault(item.step, _Step(room=self._limit // _SHARE))
        for name in _counted_as(item):
            self._counts[name] += 1
            step.counts[name] += 1
        if item.outlook in self._alarms:
            self._alarms[item.outlook].add(item.address, item.why)
        if is_final(item):
            self._final.add(item.address, item.summary)
        elif item.outlook is Outlook.UNPREDICTABLE:
            self._blind.add(item.address, item.why or item.summary)
        if self._verbose or item.outlook in _TOLD:
            step.add(item, whole=self._verbose)

    def finish(self) -> None:
        """Writes it."""
        sections = [*self._must_look(), *self._table(), *self._folds(), *self._lists()]
        self._stream.write(fitted(self._head(), sections, self._limit, self._whole()))

    def _head(self) -> str:
        header = self._header
        back = f"Rollback of run {header.rollback_of}: " if header.rollback_of else "Plan: "
        title = plain(shortened(f"{back}{header.runbook_title or header.runbook_name}, {header.customer}", 200))
        about = [f"{short_code(header.runbook)} for {short_code(header.inventory)}", f"plan {code(header.plan_id[:12])}"]
        about.append(f"made {code(header.created_at)}")
        if header.git_commit:
            about.append(f"at commit {code(header.git_commit[:10])}{' with changes not committed' if header.git_dirty else ''}")
        if header.lab:
            about.append("**against the lab, not the real systems**")
        if header.limit:
            about.append(f"limited to {short_code(' '.join(header.limit), 200)}")
        mark = marker("plan", header.runbook, f"{header.inventory}{'@lab' if header.lab else ''}")
        return "\n\n".join([mark, f"## {title}", self._headline(), " · ".join(about)])

    def _headline(self) -> str:
        counts = [f"{self._counts[name]:,} {words}" for name, words in _COUNTS if name in _HEADLINE and self._counts[name]]
        if not self._totals.pending and not self._counts["error"] and not self._counts["refused"]:
            counts.insert(0, "Nothing to undo" if self._header.rollback_of else "Nothing to change")
        return f"**{', '.join(counts)}**"

    def _must_look(self) -> Iterator[Section]:
        lists = [(_ALARMS[outlook], found) for outlook, found in self._alarms.items()]
        lists += [("Cannot be undone", self._final), ("Cannot be predicted", self._blind)]
        lines: list[str] = []
        for title, found in lists:
            if found.count:
                more = [f"  - and {found.count - _LISTED:,} more"] if found.count > _LISTED else []
                lines += [f"- **{title}** ({found.count:,})", *found.lines, *more]
        points = self._header.points_of_no_return
        if points:
            lines.append(f"- **Point of no return**: {', '.join(short_code(step) for step in points[:_LISTED])}")
        if lines:
            yield Section("\n".join(["### What a reviewer must look at", "", *lines]), "what a reviewer must look at", 0)

    def _table(self) -> Iterator[Section]:
        used = [(name, words) for name, words in _COUNTS if self._counts[name]]
        if not used:
            return
        lines = [f"| Step | {' | '.join(words for _, words in used)} |", f"|---|{'---:|' * len(used)}"]
        for address, step in self._steps.items():
            counts = " | ".join(f"{step.counts[name]:,}" if step.counts[name] else "" for name, _ in used)
            lines.append(f"| {code_cell(address)} | {counts} |")
        yield Section("\n".join(lines), "the counts per step", 1)

    def _folds(self) -> Iterator[Section]:
        for address, step in self._steps.items():
            if not step.items and not step.untold:
                continue
            told = ", ".join(f"{step.counts[name]:,} {words}" for name, words in _COUNTS if step.counts[name])
            title = self._header.titles.get(address, "")
            summary = f"{html_code(address)}{f' {html_text(title)}' if title else ''}: {html_text(told)}"
            more = [f"... and {many(step.untold, 'more item')}. {self._whole()}"] if step.untold else []
            yield Section(folded(summary, "\n\n".join([*step.items, *more])), short_code(address), 3 + step.rank())

    def _lists(self) -> Iterator[Section]:
        header = self._header
        for title, entries in (
            ("Time windows", header.windows), ("Only if the run is cancelled", header.on_cancel),
            ("Not migrated (known gaps)", header.known_gaps),
        ):
            if entries:
                lines = [f"- {plain(shortened(entry, _TEXT))}" for entry in entries[: 2 * _LISTED]]
                if len(entries) > len(lines):
                    lines.append(f"- and {len(entries) - len(lines):,} more")
                yield Section(folded(html_text(title), "\n".join(lines)), title.lower(), 2)

    def _whole(self) -> str:
        """How to see what was left out."""
        header = self._header
        if header.rollback_of:
            return f"All of it: {code(f'switchover rollback {header.rollback_of} --verbose')}"
        words = ["switchover", "plan", header.runbook, "-i", header.inventory, *(["--lab"] if header.lab else []), "--verbose"]
        return f"All of it: {code(' '.join(words))}, or {code('switchover show')} with the saved plan."


def _counted_as(item: PlannedItem) -> Iterator[str]:
    yield "create" if creates(item) else item.outlook.value
    if is_final(item):
        yield "final"


def _item(item: PlannedItem, lines_of_diff: int) -> str:
    label = plain(item.label) if item.label != item.item else ""
    who = " ".join(filter(None, (label, code(item.item) if item.item else "")))
    what = plain(shortened(item.summary, _TEXT)) if item.summary else ""
    flag = " **(cannot be undone)**" if is_final(item) else ""
    said = {Outlook.ERROR: "could not be read", Outlook.REFUSED: "left alone"}.get(item.outlook, "")
    first = ": ".join(filter(None, (f"**{who}**" if who else "", said or what or plain(item.outlook.value))))
    parts = [f"{first}{flag}"]
    if item.why and item.outlook in (Outlook.ERROR, Outlook.REFUSED, Outlook.UNPREDICTABLE, Outlook.GATE):
        parts.append(plain(item.why))
    lines = [f"- {code(f.name)}: {short_code(shown(f.before), 200)} → {short_code(shown(f.after), 200)}" for f in item.fields]
    lines += [f"- note: {plain(note)}" for note in item.notes]
    if lines:
        parts.append("\n".join(lines))
    if item.diff and lines_of_diff:
        parts.append(fence((shortened(line, _LINE) for line in item.diff[:lines_of_diff]), "diff"))
        if len(item.diff) > lines_of_diff:
            parts.append(f"... {many(len(item.diff) - lines_of_diff, 'more line')}")
    return "\n\n".join(parts)
