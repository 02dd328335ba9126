"""A runbook file into the model: read, checked against its schema, names made into addresses and defaults made explicit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import field
from datetime import time
from pathlib import Path
from typing import Any

from engine.language.deprecated import modernise
from engine.language.durations import seconds_of
from engine.language.gate_reader import gate_of
from engine.language.nearest import did_you_mean, listed, offered
from engine.language.schema_check import schema_check
from engine.language.secret_names import is_reference, masked_line
from engine.language.time_zones import is_time_zone, unknown_time_zone
from engine.language.yaml_reader import read_yaml, written
from engine.model.diagnostic import Diagnostic, InvalidInput
from engine.model.gate import GATE_KINDS
from engine.model.plan import digest
from engine.model.runbook import ON_CANCEL, Block, FanOut, Input, Limit, Phase, Precedence, Retry, Runbook, Step
from engine.model.source import DataPath, Document
from engine.model.values import dataclass
from engine.model.window import Window


@dataclass(frozen=True, slots=True)
class Draft:
    """What could be read of a runbook, and all that is wrong with it. ``runbook`` is None when its form is wrong."""

    runbook: Runbook | None
    problems: tuple[Diagnostic, ...]


def load_runbook(path: Path, display: str | None = None) -> Runbook:
    """Reads a runbook. Raises ``InvalidInput`` with every problem of the file's own.

    What needs actions or an inventory to be judged is for ``semantics.check_runbook``.
    """
    draft = read_runbook(path, display)
    if draft.runbook is None or draft.problems:
        raise InvalidInput(draft.problems)
    return draft.runbook


def read_runbook(path: Path, display: str | None = None) -> Draft:
    """Reads a runbook as far as it can be read, for those who want its problems together with the semantic ones."""
    try:
        document = read_yaml(path, display)
    except InvalidInput as error:
        return Draft(None, error.diagnostics)
    modernise(document.data)
    problems = schema_check("runbook").problems(document.data, document.source)
    if problems:
        return Draft(None, tuple(problems))
    reader = _Reader(document)
    return Draft(reader.runbook(), tuple(reader.problems))


def limit_of(limit: str | int) -> Limit:
    """``5`` or ``10%``."""
    return Limit(float(limit[:-1]), percent=True) if isinstance(limit, str) else Limit(limit)


@dataclass(slots=True)
class _Reader:
    """Builds a ``Runbook`` from data that fits the schema."""

    document: Document
    problems: list[Diagnostic] = field(default_factory=list)

    def runbook(self) -> Runbook:
        data: Any = self.document.data
        windows = {name: self._window(name, raw) for name, raw in data.get("windows", {}).items()}
        self._refuse_doubles(data["phases"], ("phases",), "phase")
        phases = self._phases(data["phases"], windows)
        return Runbook(
            name=data["name"],
            title=data.get("title", data["name"]),
            description=data.get("description", "").strip(),
            phases=phases,
            document=self.document,
            defaults=data.get("defaults", {}),
            inputs={name: self._input(name, raw) for name, raw in data.get("inputs", {}).items()},
            digest=digest(data),
            known_gaps=tuple(data.get("known_gaps", ())),
            strict=data.get("order") == "strict",
            overridden_by=tuple(data.get("overrides", {}).get("by", ())),
            precedences=tuple(_precedence(raw, ("must_precede", n)) for n, raw in enumerate(data.get("must_precede", ()))),
            on_cancel=self._on_cancel(data.get("on_cancel", ()), phases, windows),
        )

    def _phases(self, raw: Sequence[Any], windows: Mapping[str, Window]) -> tuple[Phase, ...]:
        blocks_of = {phase["name"]: [f"{phase['name']}/{block['name']}" for block in phase["steps"]] for phase in raw}
        phases = []
        for index, phase in enumerate(raw):
            path: DataPath = ("phases", index)
            before = [raw[index - 1]["name"]] if index else []
            needed = phase.get("needs", before)
            self._check_known(needed, blocks_of, (*path, "needs"), "phase")
            gates = [block for name in needed for block in blocks_of.get(name, ())]
            if phase["name"] == ON_CANCEL:
                detail = "'on_cancel' makes a phase of this name, of what is done when a run is cancelled. Give it another name."
                self._problem("Reserved name", detail, (*path, "name"))
            phases.append(self._phase(phase, (*path, "steps"), gates, windows, self._find_window(phase, path, windows)))
        return tuple(phases)

    def _on_cancel(self, raw: Sequence[Any], phases: Sequence[Phase], windows: Mapping[str, Window]) -> Phase | None:
        if not raw:
            return None
        before = [block.address for phase in phases for block in phase.blocks]
        phase = {"name": ON_CANCEL, "title": "Only if the run is cancelled", "steps": raw}
        return self._phase(phase, ("on_cancel",), before, windows, None)

    def _phase(
        self, raw: Mapping[str, Any], steps: DataPath, gates: list[str], windows: Mapping[str, Window], shared: Window | None
    ) -> Phase:
        name = raw["name"]
        self._refuse_doubles(raw["steps"], steps, "step")
        blocks: list[Block] = []
        for index, block in enumerate(raw["steps"]):
            before = [blocks[-1].address] if blocks else []
            given = [need if "/" in need else f"{name}/{need}" for need in block["needs"]] if "needs" in block else before
            # What the phase waits for holds for each of its blocks, also where one loosens the order within the phase.
            needs = tuple(dict.fromkeys([*gates, *given] if "needs" in block or not before else given))
            window = self._find_window(block, (*steps, index), windows) if "window" in block else shared
            blocks.append(self._block(block, name, (*steps, index), needs, window))
        return Phase(name, raw.get("title", name), tuple(blocks))

    def _block(self, raw: Mapping[str, Any], phase: str, path: DataPath, needs: tuple[str, ...], window: Window | None) -> Block:
        if "steps" in raw:
            steps = tuple(self._step(step, phase, (*path, "steps", index)) for index, step in enumerate(raw["steps"]))
        else:
            steps = (self._step(raw, phase, path),)
        return Block(raw["name"], phase, steps, self._fan_out(raw), needs, path, window)

    def _step(self, raw: Mapping[str, Any], phase: str, path: DataPath) -> Step:
        retry, gate = raw.get("retry", {}), gate_of(raw)
        return Step(
            name=raw["name"],
            phase=phase,
            action=raw["action"] if gate is None else GATE_KINDS[type(gate)],
            args=raw.get("with", {}),
            path=path,
            title=raw.get("title", ""),
            when=_expression(raw.get("when")),
            retry=Retry(
                retry.get("attempts", 1), seconds_of(retry.get("backoff", 1)), seconds_of(retry.get("max_backoff", 60)),
            ),
            timeout_s=seconds_of(raw.get("timeout", 60)),
            settle_s=seconds_of(raw["settle"]) if "settle" in raw else None,
            gate=gate,
            point_of_no_return=raw.get("point_of_no_return", False),
        )

    def _fan_out(self, raw: Mapping[str, Any]) -> FanOut:
        return FanOut(
            for_each=raw.get("for_each"),
            where=_expression(raw.get("where")),
            parallel=raw.get("parallel", 1),
            rate=raw.get("rate"),
            batches=tuple(limit_of(size) for size in raw.get("batches", ())),
            max_failures=limit_of(raw.get("max_failures", 0)),
        )

    def _window(self, name: str, raw: Mapping[str, Any]) -> Window:
        path: DataPath = ("windows", name)
        if not is_time_zone(raw["timezone"]):
            detail, hint = unknown_time_zone(raw["timezone"])
            self._problem("Unknown time zone", detail, (*path, "timezone"), hint)
        return Window(
            name, tuple(raw["days"]), time.fromisoformat(raw["from"]), time.fromisoformat(raw["until"]),
            raw["timezone"], raw.get("calendar"),
        )

    def _find_window(self, raw: Mapping[str, Any], path: DataPath, windows: Mapping[str, Window]) -> Window | None:
        name = raw.get("window")
        if name is not None:
            self._check_known([name], windows, (*path, "window"), "window")
        return windows.get(name) if name is not None else None

    def _input(self, name: str, raw: Mapping[str, Any]) -> Input:
        path: DataPath = ("inputs", name)
        choices = tuple(
            self._typed(raw["type"], choice, (*path, "choices", index)) for index, choice in enumerate(raw.get("choices", ()))
        )
        default = self._typed(raw["type"], raw["default"], (*path, "default")) if raw.get("default") is not None else None
        if default is not None and raw.get("required"):
            detail = "A required input is always given, so its default would never count. Remove one of the two."
            self._problem("Default without effect", detail, (*path, "default"))
        if choices and raw["type"] == "secret":
            self._problem("Choices of a secret", "What one can choose from is no secret. Remove the choices.", (*path, "choices"))
        elif default is not None and choices and default not in choices:
            detail = f"{default!r} is not one of the choices {listed(map(str, choices))}."
            self._problem("Not one of the choices", detail, (*path, "default"))
        return Input(name, raw["type"], raw.get("description", ""), default, raw.get("required", False), choices)

    def _typed(self, kind: str, value: object, path: DataPath) -> object:
        if kind == "string":
            return value if isinstance(value, str) else written(self.document, path) or str(value)
        if kind == "secret":
            if not (isinstance(value, str) and is_reference(value)):
                detail = "A runbook is no place for a secret. Give a reference, such as env:NAME, or no default."
                span = self.document.source.value(path)
                line = masked_line(self.document.source.line(span.line), {"secret": value})
                self.problems.append(Diagnostic("Secret written out", detail, span, line))
            return value
        fits = {"integer": type(value) is int, "number": type(value) in (int, float), "boolean": type(value) is bool}
        if not fits[kind]:
            self._problem("Wrong type", f"This input is of type {kind}, and {value!r} is not.", path)
        return value

    def _check_known(self, names: Iterable[str], known: Iterable[str], path: DataPath, what: str) -> None:
        options = list(known)
        for index, name in enumerate(names):
            if name not in options:
                detail = f"No {what} of this runbook is called {name!r}. {offered(options)}"
                where = path if path[-1] == "window" else (*path, index)
                self._problem(f"Unknown {what}", detail, where, did_you_mean(name, options))

    def _refuse_doubles(self, entries: Sequence[Any], path: DataPath, what: str) -> None:
        seen: dict[str, DataPath] = {}
        for name, place in _names(entries, path):
            if name in seen:
                first = self.document.source.value(seen[name]).line
                where = "a phase, steps inside groups included" if what == "step" else "a runbook"
                detail = f"{name!r} is already taken, on line {first}. Names make addresses, so they are unique in {where}."
                self._problem("Duplicate name", detail, place)
            seen.setdefault(name, place)

    def _problem(self, summary: str, detail: str, path: DataPath, hint: str = "") -> None:
        span = self.document.source.value(path)
        self.problems.append(Diagnostic(summary, detail, span, self.document.source.line(span.line), hint))


def _precedence(raw: Any, path: DataPath) -> Precedence:
    if isinstance(raw, list):
        return Precedence(raw[0], raw[1], path)
    return Precedence(raw["first"], raw["then"], path, _expression(raw.get("when")), raw.get("why", ""), is_pair=False)


def _names(entries: Sequence[Any], path: DataPath) -> Iterable[tuple[str, DataPath]]:
    for index, entry in enumerate(entries):
        yield entry["name"], (*path, index, "name")
        inner = entry.get("steps", ()) if path[-1] in ("steps", "on_cancel") else ()
        yield from _names(inner, (*path, index, "steps"))


def _expression(raw: str | bool | None) -> str | None:
    return str(raw).lower() if isinstance(raw, bool) else raw
