"""Gates of a runbook: what is read of them, and what only an inventory can tell about them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from jsonschema_rs import Draft202012Validator

from engine.language.durations import duration_of
from engine.language.nearest import did_you_mean, offered
from engine.language.yaml_reader import at_path
from engine.model.diagnostic import Diagnostic, Severity
from engine.model.gate import (
    APPOINTED,
    Appointment,
    Approval,
    Form,
    Gate,
    Invite,
    Limits,
    ManualTask,
    Wait,
    Watched,
)
from engine.model.inventory import Inventory
from engine.model.runbook import Runbook, Step
from engine.model.slots import holds
from engine.model.source import DataPath


def gate_of(raw: Mapping[str, Any]) -> Gate | None:
    """The gate of a step that fits the schema; None for a step with an action."""
    return next((read(raw[kind]) for kind, read in _READERS.items() if kind in raw), None)


def roles_of(gate: Gate) -> tuple[str, ...]:
    """Who is asked first."""
    return () if isinstance(gate, Wait) else gate.roles


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
    return Wait(duration, raw.get("until", ""), raw.get("signal", ""), raw.get("message", ""), _limits(raw), _watched(raw))


def _watched(raw: Mapping[str, Any]) -> Watched | None:
    if "observe" not in raw:
        return None
    observe = raw["observe"]
    return Watched(
        observe["action"], observe.get("with", {}), duration_of(raw.get("every", "15m")),
        duration_of(raw.get("max_every", "1d")), raw.get("backoff", 1),
    )


def _appointment(raw: Mapping[str, Any]) -> Appointment:
    return Appointment(
        _roles(raw), duration_of(raw["for"]), raw.get("slots", 3), raw.get("not_before", ""),
        duration_of(raw["lead"]) if "lead" in raw else None, tuple(filter(None, map(_day, raw.get("blackout", ())))),
        raw.get("capacity"), _invite(raw["invite"]) if "invite" in raw else None, raw.get("message", ""), _limits(raw),
    )


def _invite(raw: Mapping[str, Any]) -> Invite:
    return Invite(
        raw["connection"], _several(raw["to"]), raw["subject"], raw.get("text", ""), raw.get("location", ""), raw.get("from", "")
    )


def _day(written: str) -> date | None:
    """The day; None for one that no calendar has, which ``gate_problems`` names."""
    try:
        return date.fromisoformat(written)
    except ValueError:
        return None


_READERS: Mapping[str, Callable[[Mapping[str, Any]], Gate]] = {
    "approval": _approval, "input": _form, "task": _task, "wait": _wait, "appointment": _appointment,
}


def _roles(raw: Mapping[str, Any]) -> tuple[str, ...]:
    return _several(raw["by"])


def _several(written: str | Sequence[str]) -> tuple[str, ...]:
    return (written,) if isinstance(written, str) else tuple(written)


def _limits(raw: Mapping[str, Any]) -> Limits:
    on_timeout = raw.get("on_timeout", "refuse")
    return Limits(
        duration_of(raw["within"]) if "within" in raw else None, on_timeout, raw.get("escalate_to", ""),
        tuple(map(duration_of, raw.get("remind", ()))), raw.get("calendar", ""),
    )


def outputs_of(gate: Gate) -> frozenset[str] | None:
    """Names that later steps may use of a gate; None where only what comes in can tell."""
    if isinstance(gate, Appointment):
        return frozenset(APPOINTED)
    if isinstance(gate, Form):
        return frozenset(map(str, gate.schema.get("properties", ()))) if _is_closed(gate.schema) else None
    if isinstance(gate, Approval):
        return frozenset({"approved_by"})
    return frozenset({"outcome", "evidence", "by"}) if isinstance(gate, ManualTask) else None


def _is_closed(schema: Mapping[str, Any]) -> bool:
    """Whether a form asks for the names of its ``properties`` alone: parts of it may bring in others."""
    if schema.get("additionalProperties"):
        return False
    return not {"allOf", "anyOf", "oneOf", "if", "then", "else", "$ref", "patternProperties", "dependentSchemas"} & schema.keys()


def templates_of(gate: Gate) -> Mapping[str, Any]:
    """What of a gate may hold templates, as it stands in the runbook."""
    texts = {"message": gate.message}
    if isinstance(gate, Wait):
        return {**texts, "until": gate.until}
    return {**texts, **gate.texts} if isinstance(gate, Appointment) else texts


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
    if isinstance(gate, Appointment):
        yield from _appointment_problems(runbook, gate, inventory, path)
    if inventory is not None:
        yield from _inventory_problems(runbook, gate, inventory, path)


def _inventory_problems(runbook: Runbook, gate: Gate, inventory: Inventory, path: DataPath) -> Iterator[Diagnostic]:
    raw = at_path(runbook.document.data, path)
    wanted = _placed(raw.get("by"), (*path, "by"))
    if isinstance(gate, Appointment) and gate.invite is not None:
        wanted += _placed(raw["invite"]["to"], (*path, "invite", "to"))
        yield from _invite_problems(runbook, gate.invite, inventory, (*path, "invite"))
    if gate.limits.escalate_to:
        wanted.append(((*path, "escalate_to"), gate.limits.escalate_to))
    for where, role in wanted:
        if role not in inventory.people:
            yield _unknown(runbook, "role", role, list(inventory.people), where)
        elif inventory.notify is not None and not inventory.people[role].get("email") and "invite" not in where:
            name = inventory.people[role].get("name", role)
            detail = f"{name} ({role}) is asked here and has no `email` in the inventory: nobody tells them, they have to look."
            yield replace(_problem(runbook, "Nobody tells them", detail, where), severity=Severity.WARNING)
    if gate.limits.calendar and gate.limits.calendar not in inventory.calendars:
        yield _unknown(runbook, "calendar", gate.limits.calendar, list(inventory.calendars), (*path, "calendar"))


def _placed(written: object, path: DataPath) -> list[tuple[DataPath, str]]:
    """Roles, one or several, each with its place."""
    if isinstance(written, list):
        return [((*path, index), role) for index, role in enumerate(written)]
    return [(path, written)] if isinstance(written, str) else []


def _invite_problems(runbook: Runbook, invite: Invite, inventory: Inventory, path: DataPath) -> Iterator[Diagnostic]:
    found = inventory.connections.get(invite.connection)
    if found is None:
        yield _unknown(runbook, "connection", invite.connection, list(inventory.connections), (*path, "connection"))
    elif found.type != "smtp":
        detail = f"{invite.connection!r} is of type {found.type}; invitations go by mail, through a connection of type smtp."
        yield _problem(runbook, "Unsuitable connection", detail, (*path, "connection"))
    for role in invite.to:
        person = inventory.people.get(role)
        if person is not None and not person.get("email"):
            detail = f"{person.get('name', role)} ({role}) is to be invited by mail, and has no `email` in the inventory."
            yield _problem(runbook, "No mail address", detail, (*path, "to"))


def _appointment_problems(
    runbook: Runbook, gate: Appointment, inventory: Inventory | None, path: DataPath
) -> Iterator[Diagnostic]:
    for index, written in enumerate(at_path(runbook.document.data, path).get("blackout", ())):
        if _day(written) is None:
            yield _problem(runbook, "Not a day", f"No calendar has a day {written}.", (*path, "blackout", index))
    if not gate.length.amount:
        yield _problem(runbook, "No time at all", "An appointment takes time: write 4h or 90m.", (*path, "for"))
        return
    calendar = inventory.calendars.get(gate.limits.calendar) if inventory is not None else None
    if calendar is not None and inventory is not None and not holds(calendar, gate.length.seconds):
        detail = (
            f"No day of the calendar {calendar.name!r} of {inventory.customer} has {gate.length} of business time at one go: no "
            "time could ever be proposed. Give it less time, or the calendar longer hours."
        )
        yield _problem(runbook, "Appointment that fits no day", detail, (*path, "for"))


def _limit_problems(runbook: Runbook, gate: Gate, path: DataPath) -> Iterator[Diagnostic]:
    limits = gate.limits
    if limits.on_timeout == "escalate" and not limits.escalate_to:
        detail = "'on_timeout: escalate' needs 'escalate_to', a role."
        yield _problem(runbook, "Nobody to escalate to", detail, (*path, "on_timeout"))
    if limits.on_timeout == "approve" and not isinstance(gate, Approval):
        detail = "Only an approval can be taken for given when nobody acts in time; use refuse or escalate."
        yield _problem(runbook, "Cannot be taken for given", detail, (*path, "on_timeout"))
    if isinstance(gate, Wait) and limits.within is not None and not gate.signal and gate.watched is None:
        detail = "A wait for a time ends by itself; 'within' limits one for a signal, or for what a look finds."
        yield _problem(runbook, "Limit without effect", detail, (*path, "within"))
    yield from _pause_problems(runbook, gate, path)
    spans = [limits.within, *limits.remind, gate.duration if isinstance(gate, Wait) else None]
    spans += [gate.lead] if isinstance(gate, Appointment) else []
    if any(span is not None and span.business for span in spans) and not limits.calendar:
        detail = "Business time is counted by a calendar of the inventory; name it with 'calendar'."
        yield _problem(runbook, "No calendar", detail, path)


def _pause_problems(runbook: Runbook, gate: Gate, path: DataPath) -> Iterator[Diagnostic]:
    watched = gate.watched if isinstance(gate, Wait) else None
    if watched is None:
        return
    raw = at_path(runbook.document.data, path)
    if watched.every.seconds <= 0:
        yield _problem(runbook, "No pause", "Between two looks there has to be some time: 15m.", (*path, "every"))
    if "max_every" in raw and watched.backoff <= 1:
        detail = "Without 'backoff' above 1 the pauses stay as they are, so 'max_every' would never count."
        yield _problem(runbook, "Limit without effect", detail, (*path, "max_every"))
    elif "max_every" in raw and watched.max_every.seconds < watched.every.seconds:
        detail = f"The pauses begin at {watched.every} and grow, so they cannot end at {watched.max_every}."
        yield _problem(runbook, "Limit below its beginning", detail, (*path, "max_every"))


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
