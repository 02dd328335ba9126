"""A scenario file into the model: read, checked against its schema, and held against the runbook and the inventory it names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import field
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from engine.language.durations import duration_of
from engine.language.nearest import did_you_mean, offered
from engine.language.schema_check import schema_check
from engine.language.yaml_reader import at_path, read_yaml
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.event import KINDS
from engine.model.inventory import Inventory
from engine.model.plan import split_address
from engine.model.runbook import Runbook
from engine.model.scenario import Act, Crash, Deed, Expectation, LabFault, Scenario, When
from engine.model.source import DataPath, Document
from engine.model.values import dataclass

VERBS = (
    "approve", "reject", "answer", "done", "blocked", "skipped", "signal", "hold", "release", "retry", "resume",
    "choose", "decline", "reschedule", "skip", "pause", "cancel",
)
"""The acts, each the key that says what is done."""


def read_scenario(path: Path, display: str | None = None) -> Scenario:
    """Reads a file. Raises ``InvalidInput`` with everything that is wrong with it by itself."""
    document = read_yaml(path, display)
    problems = schema_check("scenario").problems(document.data, document.source)
    if problems:
        raise InvalidInput(problems)
    reader = _Reader(document, path.parent)
    scenario = reader.scenario()
    if reader.problems:
        raise InvalidInput(reader.problems)
    return scenario


@dataclass(slots=True)
class _Reader:
    """Builds a ``Scenario`` from data that fits the schema."""

    document: Document
    folder: Path
    problems: list[Diagnostic] = field(default_factory=list)

    def scenario(self) -> Scenario:
        data: Any = self.document.data
        lab = data.get("lab", {})
        second = data.get("second_apply", "no changes")
        return Scenario(
            name=data["name"],
            title=data.get("title", data["name"]),
            runbook=self.folder / data["runbook"],
            inventory=self.folder / data["inventory"],
            start=self._moment(("start",)),
            document=self.document,
            folder=self.folder,
            seed=data.get("seed", 1),
            inputs={name: _as_given(value) for name, value in data.get("inputs", {}).items()},
            started_by=data.get("started_by", "operator"),
            calendar=data.get("calendar", ""),
            ignore_window=data.get("ignore_window"),
            faults=tuple(self._fault(raw, ("lab", "faults", i)) for i, raw in enumerate(lab.get("faults", ()))),
            deeds=tuple(self._deed(raw, ("lab", "does", i)) for i, raw in enumerate(lab.get("does", ()))),
            acts=tuple(self._act(raw, ("people", i)) for i, raw in enumerate(data.get("people", ()))),
            crashes=tuple(self._crash(raw, ("crash", i)) for i, raw in enumerate(data.get("crash", ()))),
            expect=self._expect(data.get("expect", {})),
            second_apply=second if isinstance(second, str) else tuple(second),
        )

    def _act(self, raw: Mapping[str, Any], path: DataPath) -> Act:
        when: When = duration_of(0)
        if "at" in raw:
            when = self._when((*path, "at"))
        elif "after" in raw:
            when = self._span((*path, "after"))
        if "after" in raw and ("at" in raw or "gate" not in raw):
            instead = "It has 'at' already." if "at" in raw else "Nothing opens here: write 'at', such as +2d."
            self._problem("Cannot be told when", f"'after' counts from the opening of a gate. {instead}", (*path, "after"))
        verb = next(verb for verb in VERBS if verb in raw)
        return Act(
            verb, when, path, raw.get("gate", ""), raw.get("as", ""), raw.get("account", ""), raw.get("opening", 1),
            raw.get("optional", False), raw,
        )

    def _fault(self, raw: Mapping[str, Any], path: DataPath) -> LabFault:
        lasts = self._span((*path, "for")) if "for" in raw else None
        return LabFault(
            self._when((*path, "at")), raw["server"], raw["name"], lasts, raw.get("match", ""), raw.get("count"), raw.get("value")
        )

    def _deed(self, raw: Mapping[str, Any], path: DataPath) -> Deed:
        return Deed(self._when((*path, "at")), raw["action"], raw.get("with", {}), path)

    def _crash(self, raw: Mapping[str, Any], path: DataPath) -> Crash:
        when: Literal["before", "after"] = "after" if "after" in raw else "before"
        kind = raw[when]
        if kind not in KINDS:
            self._problem("Unknown event", f"No event is of kind {kind!r}.", (*path, when), did_you_mean(kind, KINDS))
        return Crash(when, kind, raw.get("address", ""), raw.get("nth", 1))

    def _expect(self, raw: Mapping[str, Any]) -> Expectation:
        return Expectation(
            status=raw.get("status", ""),
            steps=raw.get("steps", {}),
            order=tuple(raw.get("order", ())),
            before={address: self._moment(("expect", "before", address)) for address in raw.get("before", {})},
            after={address: self._moment(("expect", "after", address)) for address in raw.get("after", {})},
            mails=tuple(raw.get("mails", ())),
            refused=tuple({"reason": entry} if isinstance(entry, str) else entry for entry in raw.get("refused", ())),
        )

    def _when(self, path: DataPath) -> When:
        text = str(at_path(self.document.data, path))
        return self._span(path, text[1:]) if text.startswith("+") else self._moment(path)

    def _moment(self, path: DataPath) -> datetime:
        text = str(at_path(self.document.data, path))
        try:
            return datetime.fromisoformat(text)
        except ValueError as error:
            self._problem("No such date", f"{text!r} is on no calendar: {error}.", path)
            return datetime.min

    def _span(self, path: DataPath, text: str | None = None) -> Any:
        written = str(at_path(self.document.data, path)) if text is None else text
        try:
            return duration_of(written)
        except ValueError as error:
            self._problem("Not a duration", f"{error}.", path)
            return duration_of(0)

    def _problem(self, summary: str, detail: str, path: DataPath, hint: str = "") -> None:
        self.problems.append(problem_at(self.document, summary, detail, path, hint))


def _as_given(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def problem_at(
    document: Document, summary: str, detail: str, path: DataPath, hint: str = "", *, at_key: bool = False
) -> Diagnostic:
    """A diagnostic at a place of a scenario."""
    span = document.source.key(path) if at_key else document.source.value(path)
    return Diagnostic(summary, detail, span, document.source.line(span.line), hint)


# ---------------------------------------------------------------- against runbook and inventory


_KINDS_OF = {
    "approve": "approval", "reject": "approval", "answer": "input", "done": "task", "blocked": "task", "skipped": "task",
}
"""Verb -> the kind of gate it is for."""


def scenario_problems(
    scenario: Scenario, runbook: Runbook, inventory: Inventory, servers: Mapping[str, object], actions: Mapping[str, object]
) -> Iterator[Diagnostic]:
    """Names that lead nowhere: gates, roles, steps, calendars, the lab's servers, actions."""
    yield from _Names(scenario, runbook, inventory).problems(servers, actions)


@dataclass(frozen=True, slots=True)
class _Names:
    scenario: Scenario
    runbook: Runbook
    inventory: Inventory

    def problems(self, servers: Mapping[str, object], actions: Mapping[str, object]) -> Iterator[Diagnostic]:
        for act in self.scenario.acts:
            yield from self._act(act)
        for index, fault in enumerate(self.scenario.faults):
            if fault.server not in servers:
                yield self._unknown("lab server", fault.server, servers, ("lab", "faults", index, "server"))
        for deed in self.scenario.deeds:
            if deed.action not in actions:
                yield self._unknown("action", deed.action, actions, (*deed.path, "action"))
        yield from self._expected()
        yield from self._business()

    def _act(self, act: Act) -> Iterator[Diagnostic]:
        gates = {step.address: step for step in self.runbook.every_step() if step.gate is not None}
        step = gates.get(split_address(act.gate)[0]) if act.gate else None
        if act.gate and step is None:
            yield self._unknown("gate", act.gate, gates, (*act.path, "gate"))
        if act.role and act.role not in self.inventory.people:
            yield self._unknown("role", act.role, self.inventory.people, (*act.path, "as"))
        wanted = _KINDS_OF.get(act.verb)
        if step is not None and wanted is not None and step.action != wanted:
            detail = f"{act.gate} is a gate of kind {step.action}, and {act.verb!r} is for one of kind {wanted}."
            yield self._problem("Not for this gate", detail, (*act.path, act.verb))

    def _expected(self) -> Iterator[Diagnostic]:
        expect = self.scenario.expect
        known = [step.address for step in self.runbook.every_step()]
        places: list[tuple[str, DataPath, bool]] = [
            *((name, ("expect", key, name), True) for key in ("steps", "before", "after") for name in getattr(expect, key)),
            *((address, ("expect", "order", index), False) for index, address in enumerate(expect.order)),
        ]
        for address, path, at_key in places:
            step = split_address(address)[0]
            if "*" not in step and step not in known:
                detail = f"No step is called {step!r}. {offered(known)}"
                yield problem_at(self.scenario.document, "Unknown step", detail, path, did_you_mean(step, known), at_key=at_key)

    def _business(self) -> Iterator[Diagnostic]:
        """Business time needs a calendar."""
        scenario, calendars = self.scenario, self.inventory.calendars
        if scenario.calendar and scenario.calendar not in calendars:
            yield self._unknown("calendar", scenario.calendar, calendars, ("calendar",))
        of_gates = {step.address: step.gate.limits.calendar for step in self.runbook.every_step() if step.gate is not None}
        for act in scenario.acts:
            named = scenario.calendar or of_gates.get(split_address(act.gate)[0], "")
            if getattr(act.when, "business", False) and not named:
                key = "at" if "at" in act.fields else "after"
                detail = "Business time is counted by a calendar of the inventory; name it with 'calendar' at the top."
                yield self._problem("No calendar", detail, (*act.path, key))

    def _unknown(self, what: str, name: str, known: Mapping[str, object], path: DataPath) -> Diagnostic:
        detail = f"No {what} is called {name!r}. {offered(sorted(known))}"
        return self._problem(f"Unknown {what}", detail, path, did_you_mean(name, known))

    def _problem(self, summary: str, detail: str, path: DataPath, hint: str = "") -> Diagnostic:
        return problem_at(self.scenario.document, summary, detail, path, hint)
