"""Gates of a runbook: what is read of them, and what only an inventory can tell about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from jsonschema_rs import Draft202012Validator

from engine.language.durations import duration_of
from engine.language.nearest import did_you_mean, offered
from engine.language.yaml_reader import at_path
from engine.model.diagnostic import Diagnostic
from engine.model.gate import Approval, Form, Gate, Limits, ManualTask, Wait
from engine.model.inventory import Inventory
from engine.model.runbook import Runbook, Step
from engine.model.source import DataPath


def gate_of(raw: Mapping[str, Any]) -> Gate | None:
    """The gate of a step that fits the schema; None for a step with an action."""
    return next((read(raw[kind]) for kind, read in _READERS.items() if kind in raw), None)


def roles_of(gate: Gate) -> tuple[str, ...]:
    """Who is asked first."""
    return () if isinstance(gate, Wait) else gate.roles


def outputs_of(gate: Gate) -> frozenset[str] | None:
    """Names that later steps may use of a gate; None where only what comes in can tell."""
    if isinstance(gate, Form):
        return frozenset(map(str, gate.schema.get("properties", ()))) if _is_closed(gate.schema) else None
    if isinstance(gate, Approval):
        return frozenset(("approved_by",))
    return frozenset(("outcome", "evidence")) if isinstance(gate, ManualTask) else None


def _is_closed(schema: Mapping[str, Any]) -> bool:
    """Whether a form asks for the names of its ``properties`` alone: parts of it may bring in others."""
    brings = {"allOf", "anyOf", "oneOf", "if", "then", "else", "$ref", "patternProperties", "dependentSchemas"}
    return not brings & schema.keys() and not schema.get("additionalProperties")


def _approval(raw: Mapping[str, Any]) -> Approval:
    return Approval(
        _roles(raw), raw.get("quorum", 1), raw.get("four_eyes", True), tuple(raw.get("covers", ())), raw.get("message", ""),
        _limits(raw),
    )


def _form(raw: Mapping[str, Any]) -> Form:
    return Form(_roles(raw), {"type": "object", **raw["form"]}, raw.get("message", ""), _limits(raw))


def _task(raw: Mapping[str, Any]) -> ManualTask:
    return ManualTask(
        _roles(raw), tuple(raw.get("checklist", ())), raw.get("evidence", False), raw.get("message", ""), _limits(raw)
    )


def _wait(raw: Mapping[str, Any]) -> Wait:
    duration = duration_of(raw["for"]) if "for" in raw else None
    return Wait(duration, raw.get("until", ""), raw.get("signal", ""), raw.get("message", ""), _limits(raw))


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Gate]] = {
    "approval": _approval, "input": _form, "task": _task, "wait": _wait,
}


def _roles(raw: Mapping[str, Any]) -> tuple[str, ...]:
    return (raw["by"],) if isinstance(raw["by"], str) else tuple(raw["by"])


def _limits(raw: Mapping[str, Any]) -> Limits:
    return Limits(
        duration_of(raw["within"]) if "within" in raw else None, raw.get("on_timeout", "refuse"), raw.get("escalate_to", ""),
        tuple(map(duration_of, raw.get("remind", ()))), raw.get("calendar", ""),
    )


# ---------------------------------------------------------------- what the schema cannot see


def gate_problems(runbook: Runbook, step: Step, inventory: Inventory | None) -> Iterator[Diagnostic]:
    """Unknown roles, calendars and steps; forms that are no schema; time limits that make no sense."""
    gate = step.gate
    if gate is None:
        return
    path: DataPath = (*step.path, step.action)
    yield from _limit_problems(runbook, gate, path)
    if isinstance(gate, Form):
        yield from _form_problems(runbook, gate, path)
    if isinstance(gate, Approval):
        yield from _cover_problems(runbook, gate, path)
    if inventory is not None:
        yield from _inventory_problems(runbook, gate, inventory, path)


def _inventory_problems(runbook: Runbook, gate: Gate, inventory: Inventory, path: DataPath) -> Iterator[Diagnostic]:
    raw = at_path(runbook.document.data, path)
    several = isinstance(raw.get("by"), list)
    wanted = [((*path, "by", index) if several else (*path, "by"), role) for index, role in enumerate(roles_of(gate))]
    if gate.limits.escalate_to:
        wanted.append(((*path, "escalate_to"), gate.limits.escalate_to))
    for where, role in wanted:
        if role not in inventory.people:
            yield _unknown(runbook, "role", role, list(inventory.people), where)
    if gate.limits.calendar and gate.limits.calendar not in inventory.calendars:
        yield _unknown(runbook, "calendar", gate.limits.calendar, list(inventory.calendars), (*path, "calendar"))


def _limit_problems(runbook: Runbook, gate: Gate, path: DataPath) -> Iterator[Diagnostic]:
    limits = gate.limits
    if limits.on_timeout == "escalate" and not limits.escalate_to:
        detail = "'on_timeout: escalate' needs 'escalate_to', a role."
        yield _problem(runbook, "Nobody to escalate to", detail, (*path, "on_timeout"))
    if limits.on_timeout == "approve" and not isinstance(gate, Approval):
        detail = "Only an approval can be taken for given when nobody acts in time; use refuse or escalate."
        yield _problem(runbook, "Cannot be taken for given", detail, (*path, "on_timeout"))
    spans = [limits.within, *limits.remind, gate.duration if isinstance(gate, Wait) else None]
    if any(span is not None and span.business for span in spans) and not limits.calendar:
        detail = "Business time is counted by a calendar of the inventory; name it with 'calendar'."
        yield _problem(runbook, "No calendar", detail, path)


def _form_problems(runbook: Runbook, gate: Form, path: DataPath) -> Iterator[Diagnostic]:
    try:
        Draft202012Validator(dict(gate.schema))
    except ValueError as error:
        detail = f"It has to be a JSON Schema (2020-12), and is not: {str(error).splitlines()[0]}."
        yield _problem(runbook, "Not a form", detail, (*path, "form"))


def _cover_problems(runbook: Runbook, gate: Approval, path: DataPath) -> Iterator[Diagnostic]:
    known = [other.address for other in runbook.every_step() if other.gate is None]
    for index, address in enumerate(gate.covers):
        if address not in known:
            yield _unknown(runbook, "step", address, known, (*path, "covers", index))


def _unknown(runbook: Runbook, what: str, name: str, known: list[str], path: DataPath) -> Diagnostic:
    detail = f"No {what} is called {name!r}. {offered(sorted(known))}"
    return _problem(runbook, f"Unknown {what}", detail, path, did_you_mean(name, known))


def _problem(runbook: Runbook, summary: str, detail: str, path: DataPath, hint: str = "") -> Diagnostic:
    source = runbook.document.source
    span = source.value(path)
    return Diagnostic(summary, detail, span, source.line(span.line), hint)
