"""A runbook as a checklist in Markdown that a customer can be sent: who does what and when, and what cannot be undone.

No word of it is for machines: no names of actions, no expressions, no settings. Whatever only a run can know is told as that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field

from engine.model.gate import Approval, Form, Gate, Limits, ManualTask, Wait
from engine.model.runbook import Block, FanOut, Phase, Runbook, Step
from engine.model.values import dataclass
from engine.model.window import Window
from engine.reporting.terminal import many, printable

_DAYS = {
    "mon": "Monday", "tue": "Tuesday", "wed": "Wednesday", "thu": "Thursday", "fri": "Friday", "sat": "Saturday", "sun": "Sunday",
}
_SHOWN = 500
"""Items of a collection that are listed."""


@dataclass(frozen=True, slots=True)
class Deed:
    """What an action does, in a sentence; whether it only looks; whether it stays done, because nothing takes it back."""

    says: str
    looks: bool = False
    stays: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """The items of a collection, secrets left out."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Known:
    """What is known beside the runbook. All but ``deeds`` comes from an inventory and is empty without one."""

    deeds: Mapping[str, Deed]
    customer: str = ""
    people: Mapping[str, str] = field(default_factory=dict)
    """Role -> name."""
    counts: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Address of a block -> for how many items it is done, and how many there are."""
    tables: Mapping[str, Table] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)
    """Address of a gate -> what people will be told, as far as that can be known before a run."""


def render_checklist(runbook: Runbook, known: Known) -> str:
    """The whole document, ending with a line break."""
    return "\n".join(_Checklist(runbook, known).lines()).rstrip("\n") + "\n"


@dataclass(frozen=True, slots=True)
class _Checklist:
    runbook: Runbook
    known: Known

    def lines(self) -> Iterator[str]:
        runbook, known = self.runbook, self.known
        yield f"# {_plain(runbook.title)}{f': {_plain(known.customer)}' if known.customer else ''}"
        if runbook.description.strip():
            yield from ("", _plain(" ".join(runbook.description.split())))
        yield from self._people()
        yield from self._beforehand()
        for number, phase in enumerate(runbook.phases, start=1):
            yield from self._phase(phase, f"{number}. ")
        if runbook.on_cancel is not None:
            yield from self._phase(runbook.on_cancel, "")
        if runbook.known_gaps:
            yield from ("", "## What is not carried over", "", *(f"- {_plain(gap)}" for gap in runbook.known_gaps))
        for name, table in known.tables.items():
            yield from ("", *_folded(name, table))

    def _people(self) -> Iterator[str]:
        roles = dict.fromkeys(role for step in self.runbook.every_step() for role in _roles(step.gate))
        if roles:
            yield from ("", "## Who is asked", "")
            for role in roles:
                name = self.known.people.get(role, "")
                yield f"- {_role(role)[:1].upper()}{_role(role)[1:]}{f': {_plain(name)}' if name and name != role else ''}"

    def _beforehand(self) -> Iterator[str]:
        final = [step for step in self.runbook.steps() if step.point_of_no_return]
        if final:
            said = " and ".join(_quoted(self._title(step)) for step in final)
            yield from ("", f"**There is no way back after** {said}: what is done by then stays done.")

    def _phase(self, phase: Phase, number: str) -> Iterator[str]:
        yield from ("", f"## {number}{_plain(phase.title or phase.name)}", "")
        windows = {block.window for block in phase.blocks}
        shared = next(iter(windows)) if len(windows) == 1 else None
        if shared is not None:
            yield from (f"Only {_window(shared)}.", "")
        for block in phase.blocks:
            yield from self._block(block, tell_window=shared is None)

    def _block(self, block: Block, *, tell_window: bool) -> Iterator[str]:
        notes = [f"Only {_window(block.window)}."] if tell_window and block.window is not None else []
        notes += _pace(block.fan_out)
        if all(step.path == block.path for step in block.steps):
            items = f" {self._items(block)}." if block.fan_out.for_each else ""
            yield from self._step(block.steps[0], "", items, notes)
            return
        yield f"- [ ] **{self._items(block)}**, each without waiting for the others:"
        yield from (f"  - {note}" for note in notes)
        for step in block.steps:
            yield from self._step(step, "  ", "", ())

    def _step(self, step: Step, indent: str, items: str, notes: Sequence[str]) -> Iterator[str]:
        only = "Only if needed. " if step.when is not None else ""
        said = _asked(step.gate, self) if step.gate is not None else self._done(step)
        yield f"{indent}- [ ] **{_plain(self._title(step))}**{_stop(self._title(step))}{items} {only}{said}".rstrip()
        inner = f"{indent}  "
        yield from (f"{inner}{line}" if line else "" for line in _quote(self.known.texts.get(step.address, "")))
        yield from (f"{inner}- [ ] {_plain(point)}" for point in _points(step.gate))
        yield from (f"{inner}- {note}" for note in (*notes, *_limits(step.gate)))
        if step.point_of_no_return:
            yield f"{inner}- **No way back from here:** neither this nor anything before it can be undone."

    def _title(self, step: Step) -> str:
        deed = self.known.deeds.get(step.action)
        return step.title or (deed.says.rstrip(".") if deed is not None else step.name.replace("-", " "))

    def _done(self, step: Step) -> str:
        deed = self.known.deeds.get(step.action)
        if deed is not None and deed.looks:
            return "Checked automatically."
        return "Done automatically; it cannot be taken back." if deed is not None and deed.stays else "Done automatically."

    def _items(self, block: Block) -> str:
        name = _role(block.fan_out.for_each or "")
        count = self.known.counts.get(block.address)
        if count is None:
            return f"For those of the {name} that it applies to" if block.fan_out.where is not None else f"For each of the {name}"
        done, of = count
        return f"For each of the {of:,} {name}" if done == of else f"For {done:,} of the {of:,} {name}"

    def who(self, roles: Sequence[str]) -> str:
        """Those of some roles, by name where that is known: ``Ana Ruiz (partner) or the director``."""
        return " or ".join(map(self.person, roles))

    def person(self, role: str) -> str:
        """``Ana Ruiz (partner)``, or ``the partner`` when nobody knows the name."""
        name = self.known.people.get(role, "")
        return f"{_plain(name)} ({_role(role)})" if name and name != role else f"the {_role(role)}"


def _asked(gate: Gate, told: _Checklist) -> str:
    if isinstance(gate, Wait):
        return _awaited(gate, told)
    who = told.who(gate.roles)
    who = who[:1].upper() + who[1:]
    if isinstance(gate, Approval):
        asked = ", ".join(map(told.person, gate.roles))
        several = f"{gate.quorum} of these have to agree: {asked}." if gate.quorum > 1 else f"{who} has to agree."
        return several + (" Whoever asked for it may not." if gate.four_eyes else "")
    if isinstance(gate, Form):
        return f"{who} answers these questions:" if any(_points(gate)) else f"{who} fills in a form."
    if isinstance(gate, ManualTask):
        return f"{who} does this and reports it{', with a file that proves it' if gate.evidence else ''}."
    ahead = f", and the time has to be chosen at least {gate.lead} ahead" if gate.lead is not None else ""
    return f"{who} chooses a time for it. It takes {gate.length}{ahead}."


def _awaited(gate: Wait, told: _Checklist) -> str:
    if gate.watched is not None:
        deed = told.known.deeds.get(gate.watched.action)
        so = f": {_plain(deed.says)}" if deed is not None else "."
        return f"Goes on by itself as soon as this is so{so} It is looked at every {gate.watched.every}."
    if gate.signal:
        return f"Goes on as soon as this is reported: {_plain(gate.signal)}."
    if gate.duration is not None:
        return f"Goes on {gate.duration} later."
    if "{" in gate.until:
        return "Goes on at a time that follows from what is decided before."
    return f"Goes on at {_plain(gate.until)}."


def _points(gate: Gate | None) -> Iterator[str]:
    if isinstance(gate, ManualTask):
        yield from (point for point in gate.checklist if "{{" not in point and "{%" not in point)
    if isinstance(gate, Form):
        properties = gate.schema.get("properties")
        for name, asked in properties.items() if isinstance(properties, Mapping) else ():
            described = asked.get("description") if isinstance(asked, Mapping) else None
            yield str(described or asked.get("title") or name.replace("_", " ") if isinstance(asked, Mapping) else name)


def _quote(text: str) -> Iterator[str]:
    """What people will be told, line by line as it was written."""
    lines = [_plain(line.strip()) for line in text.strip().splitlines()]
    if lines:
        yield from (f"> {line}\\" for line in lines[:-1])
        yield from (f"> {lines[-1]}", "")


def _limits(gate: Gate | None) -> Iterator[str]:
    limits = gate.limits if gate is not None else Limits()
    if limits.within is not None:
        counted = f", counted by the calendar {_quoted(limits.calendar)}"
        late = {
            "refuse": "after that it counts as refused", "approve": "after that it counts as agreed to",
            "escalate": f"after that the {_role(limits.escalate_to)} may act too",
        }
        by = counted if limits.calendar and limits.within.business else ""
        due = "Expected within" if isinstance(gate, Wait) else "Due, from being asked, within"
        yield f"{due} {limits.within}{by}; {late[limits.on_timeout]}."
    if limits.remind:
        yield f"Reminders after {' and '.join(map(str, limits.remind))}."


def _pace(fan_out: FanOut) -> list[str]:
    pace = [f"Up to {fan_out.parallel} at the same time."] if fan_out.parallel > 1 else []
    if fan_out.batches:
        pace.append(f"A few go first: {', then '.join(map(str, fan_out.batches))}; each part only when the one before went well.")
    if fan_out.max_failures.value:
        pace.append(f"If more than {fan_out.max_failures} fail, nothing further is started.")
    return pace


def _window(window: Window) -> str:
    zone = window.timezone.rpartition("/")[2].replace("_", " ")
    open_days = f", on days that are open in the calendar {_quoted(window.calendar)}" if window.calendar else ""
    night = " the next day" if window.closes <= window.opens else ""
    return f"{_days(window.days)} from {window.opens:%H:%M} to {window.closes:%H:%M}{night}, {zone} time{open_days}"


def _days(days: Sequence[str]) -> str:
    order = list(_DAYS)
    numbers = sorted(order.index(day) for day in days)
    names = [_DAYS[order[number]] for number in numbers]
    if len(names) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"{names[0]} to {names[-1]}"
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def _roles(gate: Gate | None) -> tuple[str, ...]:
    if gate is None:
        return ()
    escalated = (gate.limits.escalate_to,) if gate.limits.escalate_to else ()
    return escalated if isinstance(gate, Wait) else (*gate.roles, *escalated)


def _folded(name: str, table: Table) -> Iterator[str]:
    """A table that is opened when somebody wants to see it."""
    yield from ("<details>", f"<summary>{len(table.rows):,} {_plain(_role(name))}</summary>", "")
    if table.columns:
        yield f"| {' | '.join(_cell(_role(column)) for column in table.columns)} |"
        yield f"|{'---|' * len(table.columns)}"
        yield from (f"| {' | '.join(map(_cell, row))} |" for row in table.rows[:_SHOWN])
    if len(table.rows) > _SHOWN:
        yield from ("", f"And {many(len(table.rows) - _SHOWN, 'more', 'more')}.")
    yield from ("", "</details>")


def _role(name: str) -> str:
    return _plain(name.replace("_", " ").replace("-", " "))


def _stop(title: str) -> str:
    return "" if title.endswith((".", "!", "?", ":")) else "."


def _quoted(text: str) -> str:
    return f"\N{LEFT DOUBLE QUOTATION MARK}{_plain(text)}\N{RIGHT DOUBLE QUOTATION MARK}"


def _cell(text: str) -> str:
    return _plain(text) or " "


def _plain(text: str) -> str:
    """Text that Markdown leaves as it is."""
    return "".join(f"\\{char}" if char in "\\`*_{}[]<>#|~" else "&amp;" if char == "&" else char for char in printable(text))
