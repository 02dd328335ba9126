"""A plan for the person who has to say yes: what would change, item by item, and what to think about before.

Addresses are printed as they are planned, so that nothing is kept but what the end needs. What needs no decision (already so,
decided later, to be checked) is counted; what does is shown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import field
from typing import TextIO

from engine.model.plan import FieldChange, Outlook, PlanHeader, PlannedItem, Totals
from engine.model.values import dataclass
from engine.reporting.terminal import Paint, columns, many, padded, printable, shortened, shown, wrapped

_MARKS: dict[Outlook, tuple[str, str]] = {
    Outlook.NOTHING: ("=", "dim"), Outlook.CHANGE: ("~", "yellow"), Outlook.LATER: (">", "blue"),
    Outlook.UNPREDICTABLE: ("?", "magenta"), Outlook.CHECK: ("✓?", "cyan"), Outlook.SKIP: ("-", "dim"),
    Outlook.GATE: ("‖", "bold"), Outlook.ERROR: ("!", "alarm"),
    Outlook.REFUSED: ("x", "alarm"), Outlook.STAYS: ("·", "dim"),
}
_CREATES = ("+", "green")
_COUNTED = (Outlook.NOTHING, Outlook.LATER, Outlook.CHECK, Outlook.SKIP, Outlook.STAYS)
_WORDS: dict[Outlook, str] = {
    Outlook.NOTHING: "already as it should be", Outlook.LATER: "decided later", Outlook.CHECK: "to be checked",
    Outlook.SKIP: "skipped", Outlook.CHANGE: "would change", Outlook.UNPREDICTABLE: "will be done",
    Outlook.GATE: "waits", Outlook.ERROR: "more could not be read: --verbose shows each",
    Outlook.REFUSED: "left alone", Outlook.STAYS: "not undone",
}
_BODIES = 2
"""New files of one step that are shown with their beginning; the next ones are known to look alike."""
_BODY_LINES = 8
_UNREAD = 3
"""Unreadable items of one step that are shown, the rest counted: a server that is down fails all of them alike."""
_DIFF_LINES = 24
_INDENT = 7
"""Where what belongs to an item begins."""
_LISTED = 12
"""Addresses per list at the end."""


@dataclass(slots=True)
class _List:
    """Something to list at the end: all of it counted, the first few kept."""

    entries: list[tuple[str, str]] = field(default_factory=list)
    count: int = 0

    def add(self, address: str, text: str, limit: int) -> None:
        self.count += 1
        if self.count <= limit:
            self.entries.append((address, text))


class PlanPrinter:
    """Prints a plan on ``stream``. ``verbose`` shows unchanged items, whole files and whole lists.

    Feed it every item with ``add``, in the plan's order, then call ``finish``.
    """

    def __init__(
        self, stream: TextIO, header: PlanHeader, *, color: bool = False, width: int = 100, verbose: bool = False
    ) -> None:
        self._stream = stream
        self._header = header
        self._paint = Paint(color)
        self._width = max(60, width)
        self._verbose = verbose
        self._limit = 1_000_000 if verbose else _LISTED
        self._totals = Totals()
        self._created = 0
        self._block = ""
        self._counted: Counter[tuple[str, Outlook, str]] = Counter()
        self._bodies: Counter[str] = Counter()
        self._unread: Counter[str] = Counter()
        self._final, self._blind, self._failed, self._refused = _List(), _List(), _List(), _List()
        self._stays: Counter[tuple[str, str]] = Counter()
        self._waits: Counter[str] = Counter()
        self._begin()

    def add(self, item: PlannedItem) -> None:
        """Prints one address, or counts it."""
        if item.block != self._block:
            self._end_block()
            self._block = item.block
            self._say()
            self._say(self._paint("heading", item.block))
        self._totals.add(item)
        self._remember(item)
        if self._is_counted(item):
            self._counted[(_own_name(item.step), item.outlook, _reason(item))] += 1
        else:
            self._item(item)

    def _is_counted(self, item: PlannedItem) -> bool:
        """Whether a count says enough: nothing happens to it, or it cannot be read as three others of its step could not."""
        if self._verbose:
            return False
        if item.outlook is not Outlook.ERROR:
            return item.outlook in _COUNTED
        self._unread[item.step] += 1
        return self._unread[item.step] > _UNREAD

    def finish(self) -> None:
        """Prints what is left of the last block, the totals, and what to think about."""
        self._end_block()
        self._say()
        self._say(self._paint("dim", "─" * min(self._width, 72)))
        for line in self._total_lines():
            self._say(f"  {line}")
        self._list("Could not be read: apply would fail here", self._failed, "alarm")
        self._list("Changed by somebody else since: left alone", self._refused, "alarm")
        stays = [f"{step}: {many(count, 'item')}, {why}" for (step, why), count in self._stays.items()]
        self._plain_list("Not undone: it stays as the run left it", stays)
        self._list("Cannot be undone", self._final, "red")
        self._list("Cannot be predicted", self._blind, "magenta")
        self._waiting()
        self._plain_list("Time windows", self._header.windows)
        self._plain_list(
            "Point of no return: once it is done, a rollback takes back neither it nor what came before",
            self._header.points_of_no_return,
        )
        self._plain_list("Only if the run is cancelled", self._header.on_cancel)
        self._plain_list("Not migrated (known gaps)", self._header.known_gaps)

    def _begin(self) -> None:
        header = self._header
        back = f"Rollback of run {header.rollback_of}: " if header.rollback_of else ""
        self._say(self._paint("bold", f"{back}{header.runbook_title or header.runbook_name}: {header.customer}"))
        parts = [f"plan {header.plan_id[:12]}", f"made {header.created_at}"]
        if header.lab:
            parts.append("against the lab")
        if header.back_to:
            parts.append(f"back to {header.back_to}, which stays")
        if header.limit:
            parts.append(f"limited to {' '.join(header.limit)}")
        self._say(self._paint("dim", "  ".join(parts)))

    def _item(self, item: PlannedItem) -> None:
        mark, style = _CREATES if creates(item) else _MARKS[item.outlook]
        flag = "cannot be undone" if is_final(item) else ""
        said = {Outlook.ERROR: "could not be read", Outlook.REFUSED: "left alone"}.get(item.outlook, "")
        what = said or item.summary or _reason(item) or _WORDS[item.outlook]
        who = self._who(item)
        room = self._width - 7 - columns(who) - len(flag) - 2
        text = printable(what) if self._verbose else shortened(printable(what), max(12, room))
        self._say(f"  {self._paint(style, padded(mark, 2))} {who}{text}" + (f"  {self._paint('red', flag)}" if flag else ""))
        for line in self._details(item):
            self._say(f"{' ' * _INDENT}{line}")

    def _who(self, item: PlannedItem) -> str:
        name = printable(item.label or item.item or "")
        parts = [padded(shortened(name, 28), 22)] if name else []
        if item.step != item.block:
            parts.append(padded(_own_name(item.step), 12))
        return "".join(f"{part}  " for part in parts)

    def _details(self, item: PlannedItem) -> Iterator[str]:
        room = self._width - _INDENT
        if item.outlook in (Outlook.ERROR, Outlook.REFUSED, Outlook.UNPREDICTABLE) and item.why:
            yield from wrapped(item.why, room, 0)
        if item.outlook in (Outlook.CHANGE, Outlook.UNPREDICTABLE):
            yield from self._fields(item.fields)
            yield from self._diff(item)
        for note in item.notes:
            yield from (self._paint("cyan", line) for line in wrapped(f"note: {note}", room, 6))

    def _fields(self, fields: Iterable[FieldChange]) -> Iterator[str]:
        listed = list(fields)
        width = max((columns(change.name) for change in listed), default=0)
        for change in listed:
            before, after = shown(change.before), shown(change.after)
            if not self._verbose:
                before, after = shortened(before, 40), shortened(after, 60)
            yield f"{padded(printable(change.name), width)}  {self._paint('red', before)} -> {self._paint('green', after)}"

    def _diff(self, item: PlannedItem) -> Iterator[str]:
        lines, limit = item.diff, _DIFF_LINES
        if self._verbose:
            limit = len(lines)
        elif lines and (creates(item) or _removes(item)):
            self._bodies[item.step] += 1
            limit = _BODY_LINES if self._bodies[item.step] <= _BODIES else 0
        if not limit:
            return
        for line in lines[:limit]:
            yield self._diff_line(line)
        if len(lines) > limit:
            yield self._paint("dim", f"... {many(len(lines) - limit, 'more line')}")

    def _diff_line(self, line: str) -> str:
        text = printable(line)
        if not self._verbose:
            text = shortened(text, self._width - _INDENT)
        if line.startswith(("+++", "---")):
            return self._paint("bold", text)
        style = {"+": "green", "-": "red", "@": "cyan"}.get(line[:1], "")
        return self._paint(style, text) if style else text

    def _end_block(self) -> None:
        steps = list(dict.fromkeys(step for step, _, _ in self._counted))
        lanes = steps != [_own_name(self._block)]
        for (step, outlook, reason), count in sorted(self._counted.items(), key=lambda entry: steps.index(entry[0][0])):
            mark, style = _MARKS[outlook]
            text = f"{count:,} {_WORDS[outlook]}{f': {reason}' if reason else ''}"
            name = f"{padded(step, 12)}  " if lanes else ""
            room = self._width - 7 - columns(name)
            self._say(f"  {self._paint(style, padded(mark, 2))} {name}{self._paint('dim', shortened(printable(text), room))}")
        self._counted.clear()

    def _remember(self, item: PlannedItem) -> None:
        self._created += creates(item)
        if is_final(item):
            self._final.add(item.address, item.summary, self._limit)
        if item.outlook is Outlook.UNPREDICTABLE:
            self._blind.add(item.address, item.why or item.summary, self._limit)
        if item.outlook is Outlook.ERROR:
            self._failed.add(item.address, item.why, self._limit)
        if item.outlook is Outlook.REFUSED:
            self._refused.add(item.address, item.why, self._limit)
        if item.outlook is Outlook.STAYS:
            self._stays[item.step, item.why] += 1
        if item.outlook is Outlook.LATER:
            self._waits[_awaited(item.why)] += 1

    def _total_lines(self) -> Iterator[str]:
        totals, paint = self._totals, self._paint
        back = bool(self._header.rollback_of)
        if not totals.pending and not totals[Outlook.ERROR] and not totals[Outlook.REFUSED]:
            so = "as it was before the run" if back else "as it should be"
            yield paint("good", f"Nothing to {'undo' if back else 'change'}: everything read is {so}.")
        changes = totals[Outlook.CHANGE] - self._created
        rows = (
            ("~", "yellow", changes, "to undo" if back else "to change"), ("+", "green", self._created, "to create"),
            ("?", "magenta", totals[Outlook.UNPREDICTABLE], "to be done, outcome not predictable"),
            (">", "blue", totals[Outlook.LATER], "decided later, when earlier steps have ended"),
            ("‖", "bold", totals[Outlook.GATE], "where the run waits for people, times or events"),
            ("✓?", "cyan", totals[Outlook.CHECK], "to be checked, nothing is written"),
            ("=", "dim", totals[Outlook.NOTHING], "already as they were before the run" if back else "already as they should be"),
            ("-", "dim", totals[Outlook.SKIP], "skipped"),
            ("!", "alarm", totals[Outlook.ERROR], "could not be read"),
            ("x", "alarm", totals[Outlook.REFUSED], "changed by somebody else since: left alone"),
            ("·", "dim", totals[Outlook.STAYS], "not undone"),
        )
        for mark, style, count, text in rows:
            if count:
                yield f"{paint(style, padded(mark, 2))} {count:>7,}  {text}"

    def _list(self, title: str, found: _List, style: str) -> None:
        if not found.count:
            return
        self._say()
        self._say(f"{self._paint(style, title)} ({found.count:,})")
        width = min(44, max(columns(address) for address, _ in found.entries))
        for address, text in found.entries:
            lines = wrapped(text, self._width - 2, width + 4)
            self._say(f"  {padded(printable(address), width)}  {lines[0] if lines else ''}".rstrip())
            for line in lines[1:]:
                self._say(line)
        self._rest(found.count - len(found.entries))

    def _waiting(self) -> None:
        if self._waits:
            lines = [f"{many(count, 'address', 'addresses')} after {what}" for what, count in self._waits.items()]
            self._plain_list("Decided later", lines)

    def _plain_list(self, title: str, entries: Iterable[str]) -> None:
        listed = list(entries)
        if not listed:
            return
        self._say()
        self._say(self._paint("bold", title))
        for entry in listed[: self._limit]:
            for number, line in enumerate(wrapped(entry, self._width - 2, 4)):
                self._say(f"  {line}" if number == 0 else line)
        self._rest(len(listed) - self._limit)

    def _rest(self, count: int) -> None:
        if count > 0:
            self._say(self._paint("dim", f"  ... and {count:,} more: --verbose lists them all"))

    def _say(self, line: str = "") -> None:
        self._stream.write(f"{line}\n")


def _own_name(step: str) -> str:
    return step.rpartition("/")[2]


def _reason(item: PlannedItem) -> str:
    if item.outlook is Outlook.LATER:
        return f"after {_awaited(item.why)}"
    if item.outlook is Outlook.SKIP:
        return item.why.removeprefix("when: ") + " is false" if item.why else ""
    if item.outlook in (Outlook.ERROR, Outlook.REFUSED):
        return ""
    if item.outlook is Outlook.CHECK:
        # Forty phones to be checked are one line, whatever each is called.
        return item.summary if item.item is None else ""
    return item.why


def _awaited(why: str) -> str:
    """What a LATER waits for, without its item: forty phones that wait for the same step are one line."""
    return why.partition("[")[0]


def creates(item: PlannedItem) -> bool:
    """Whether nothing stood there before."""
    if item.outlook is not Outlook.CHANGE or not (item.fields or item.diff):
        return False
    return all(change.before is None for change in item.fields) and (not item.diff or item.diff[0] == "--- (absent)")


def _removes(item: PlannedItem) -> bool:
    return item.diff[1:2] == ("+++ (removed)",)


def is_final(item: PlannedItem) -> bool:
    """Whether it will be done, and cannot be undone."""
    return not item.reversible and item.outlook in (Outlook.CHANGE, Outlook.UNPREDICTABLE)
