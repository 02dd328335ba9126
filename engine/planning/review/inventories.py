"""A customer's folder on both sides: systems and how they are reached, who is who, calendars, items."""

from __future__ import annotations

import re
from collections.abc import Collection as AnyOf
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from engine.language.gate_reader import roles_of
from engine.language.secret_names import is_secret_name
from engine.model.calendar import Calendar
from engine.model.gate import Appointment, Approval
from engine.model.inventory import Collection, Connection, Inventory, Item
from engine.model.review import Risk
from engine.model.runbook import Runbook
from engine.model.secret import MASK
from engine.model.source import Span
from engine.model.values import dataclass
from engine.planning.review.scope import NAMED, counted
from engine.planning.review.verdict import Verdict, Verdicts, changed_fields, listed, spelled, unlike, widened

_SAFE: Mapping[str, AnyOf[object]] = {
    "verify": (True, None), "host_keys": ("strict", None), "security": ("starttls", "tls", None), "allow_plain": (False, None),
    "agent": (False,),
}
"""Settings that protect a connection, and the values by which they do; None: left out."""
_TRUST = frozenset({"ca_file", "known_hosts", "jump", "username", "key_file", "account_sid"})
_TUNING = frozenset({"blksize", "timeout_s", "retries", "keepalive_s", "fsync", "lab", "priorities", "close_code", "withdraw_as"})
_PERSON_ACTS = frozenset({"logins", "deputy"})


@dataclass(frozen=True, slots=True)
class Used:
    """What a runbook uses of an inventory, on either side: names of its connections, roles and collections."""

    connections: frozenset[str]
    approvers: frozenset[str]
    actors: frozenset[str]
    collections: frozenset[str]
    calendars: frozenset[str]


def used_by(*runbooks: Runbook) -> Used:
    """What any of the runbooks uses."""
    steps = [step for runbook in runbooks for step in runbook.every_step()]
    blocks = [block for runbook in runbooks for block in runbook.every_block()]
    gates = [step.gate for step in steps if step.gate is not None]
    named = [str(one.args["connection"]) for step in steps if "connection" in (one := step.looks or step).args]
    named += [gate.invite.connection for gate in gates if isinstance(gate, Appointment) and gate.invite is not None]
    approvers = {role for gate in gates if isinstance(gate, Approval) for role in (*gate.roles, gate.limits.escalate_to)}
    actors = {role for gate in gates for role in (*roles_of(gate), gate.limits.escalate_to)}
    calendars = {gate.limits.calendar for gate in gates} | {block.window.calendar or "" for block in blocks if block.window}
    text = " ".join(f"{step.args!r} {step.when}" for step in steps)
    asked = set(re.findall(r"\bcalendars\.(\w+)", text))
    return Used(
        frozenset(named), frozenset(approvers), frozenset(actors | set(re.findall(r"\bpeople\.(\w+)", text))),
        frozenset({block.fan_out.for_each or "" for block in blocks} | set(re.findall(r"\bcollections\.(\w+)", text))),
        frozenset(calendars | asked) - {""},
    )


@dataclass(frozen=True, slots=True)
class Placed:
    """A verdict on an inventory: what it is about, and where that stands."""

    verdict: Verdict
    address: str
    span: Span
    on_old: bool = False


@dataclass(frozen=True, slots=True)
class Inventories:
    """Compares two inventories for one runbook. ``covered``: (collection, key) of items that a finding on scope names."""

    old: Inventory
    new: Inventory
    used: Used
    covered: frozenset[tuple[str, str]]
    today: date

    def differences(self) -> Iterator[Placed]:
        """Every difference in what was read."""
        for name in ("customer", "title", "timezone"):
            then, now = getattr(self.old, name), getattr(self.new, name)
            if then != now:
                risk = Risk.WORDING if name == "title" else Risk.EFFECT
                yield self._at(Verdict(risk, f"{name}-changed", f"the customer's {name} is another one", then, now), "", (name,))
        for path, then, now in unlike(self.old.defaults, self.new.defaults):
            yield self._at(_default(path, then, now), "", ("defaults", *path))
        yield from self._connections()
        yield from self._people()
        yield from self._calendars()
        yield from self._notify()
        for name in dict.fromkeys([*self.old.collections, *self.new.collections]):
            yield from self._collection(name)

    def _at(self, verdict: Verdict, address: str, path: tuple[str | int, ...]) -> Placed:
        return Placed(verdict, address, self.new.document.source.value(path))

    def _gone(self, verdict: Verdict, address: str, path: tuple[str | int, ...]) -> Placed:
        return Placed(verdict, address, self.old.document.source.key(path), on_old=True)

    # ------------------------------------------------------------ systems

    def _connections(self) -> Iterator[Placed]:
        reached = self._reached()
        for name, then in self.old.connections.items():
            if name not in self.new.connections:
                risk = Risk.ACCESS if name in reached else Risk.WORDING
                verdict = Verdict(risk, "connection-removed", f"the connection {name} is gone", then.type)
                yield self._gone(verdict, name, ("connections", name))
        for name, now in self.new.connections.items():
            is_used = name in reached
            for verdict in _connection(self.old.connections.get(name), now):
                told = verdict if is_used else replace(
                    verdict, risk=Risk.WORDING, reason=f"{verdict.reason} (this runbook does not use it)"
                )
                yield self._at(told, name, ("connections", name, *verdict.key))

    def _reached(self) -> frozenset[str]:
        """Connections in use, those that others go through included, and all when one is named by a template."""
        names = set(self.used.connections)
        names |= {one.notify.connection for one in (self.old, self.new) if one.notify is not None}
        everything = {**self.old.connections, **self.new.connections}
        if any("{{" in name for name in names):
            return frozenset(everything)
        for _ in everything:
            names |= {str(everything[name].settings["jump"]) for name in names & everything.keys() if "jump" in
                      everything[name].settings}
        return frozenset(names)

    def _notify(self) -> Iterator[Placed]:
        then, now = self.old.notify, self.new.notify
        if then is None or now is None:
            if then is not now:
                reason = "people are written to when a gate opens" if now is not None else "nobody is written to any more"
                verdict = Verdict(Risk.RECIPIENTS, "notify-changed", reason, spelled(then), spelled(now))
                yield self._at(verdict, "", ("notify",))
            return
        for name, (was, is_now) in changed_fields(then, now).items():
            risk = Risk.ACCESS if name == "tokens" and is_now else Risk.SAFER if name == "tokens" else Risk.RECIPIENTS
            reason = {
                "tokens": f"people {'get' if is_now else 'do not get'} a token by which who has no account can act",
                "connection": "people are written to through another server", "sender": "people are written to in another name",
            }[name]
            yield self._at(Verdict(risk, "notify-changed", reason, spelled(was), spelled(is_now)), "", ("notify",))

    # ------------------------------------------------------------ people and days

    def _people(self) -> Iterator[Placed]:
        for role, then in self.old.people.items():
            if role not in self.new.people:
                verdict = Verdict(Risk.RECIPIENTS, "role-removed", f"nobody is {role} any more", str(then.get("name", "")))
                yield self._gone(verdict, role, ("people", role))
        for role, now in self.new.people.items():
            if role not in self.old.people:
                verdict = Verdict(Risk.RECIPIENTS, "role-added", f"{now.get('name')} is {role}", "", str(now.get("name", "")))
                yield self._at(verdict, role, ("people", role))
                continue
            for path, was, is_now in unlike(self.old.people[role], now):
                risk, reason = self._person(role, str(path[0]), was, is_now)
                verdict = Verdict(risk, "person-changed", reason, spelled(was, str(path[-1])), spelled(is_now, str(path[-1])))
                yield self._at(verdict, role, ("people", role, *path))

    def _person(self, role: str, key: str, was: Any, is_now: Any) -> tuple[Risk, str]:
        acts = Risk.APPROVAL if role in self.used.approvers else Risk.ACCESS
        if key == "logins":
            added, gone = widened(_texts(was), _texts(is_now))
            if added:
                return acts, f"{listed(added)} may act as {role}"
            return Risk.SAFER, f"{listed(gone)} may not act as {role} any more"
        if key == "deputy":
            return (Risk.SAFER if is_now is None else acts), f"another deputy may act for {role}" if is_now is not None else \
                f"no deputy may act for {role} any more"
        if key == "email":
            return Risk.RECIPIENTS, f"{role} is written to at another address"
        if key == "name":
            return Risk.RECIPIENTS, f"{role} is somebody else"
        return Risk.RECIPIENTS if role in self.used.actors else Risk.WORDING, f"{role} has another {key}"

    def _calendars(self) -> Iterator[Placed]:
        for name in dict.fromkeys([*self.old.calendars, *self.new.calendars]):
            then, now = self.old.calendars.get(name), self.new.calendars.get(name)
            if then is None and now is not None:
                verdict = Verdict(Risk.WORDING, "calendar-added", f"there is a new calendar {name}", "", now.timezone)
                yield self._at(verdict, name, ("calendars", name))
            elif now is None and then is not None:
                risk = Risk.WINDOW if name in self.used.calendars else Risk.WORDING
                yield self._gone(Verdict(risk, "calendar-removed", f"the calendar {name} is gone", then.timezone), name,
                                 ("calendars", name))
            elif then is not None and now is not None and then != now:
                for verdict in _calendar(then, now, name in self.used.calendars, self.today):
                    yield self._at(verdict, name, ("calendars", name, *verdict.key))

    # ------------------------------------------------------------ items

    def _collection(self, name: str) -> Iterator[Placed]:
        then, now = self.old.collections.get(name), self.new.collections.get(name)
        old, new = ({} if one is None else {item.key: item for item in one.items} for one in (then, now))
        for keys, of, words, kind in (
            ([key for key in new if key not in old], now, "newly in", "items-added"),
            ([key for key in old if key not in new], then, "no longer in", "items-removed"),
        ):
            bare = [key for key in keys if (name, key) not in self.covered]
            if bare and of is not None:
                used = name in self.used.collections
                reason = f"{counted(len(bare), name)} {words} the inventory, for which no step of this runbook is done"
                verdict = Verdict(Risk.EFFECT if used else Risk.WORDING, kind, reason, detail=_cut(bare))
                item = next(item for item in of.items if item.key == bare[0])
                yield Placed(verdict, name, of.span(item), on_old=of is then)
        if then is None or now is None:
            return
        yield from self._fields(name, then, now, old, new)
        if list(old) != list(new) and old.keys() == new.keys():
            first = next(item for item, was in zip(now.items, old, strict=True) if item.key != was)
            reason = f"{name} stand in another order, in which they are worked on"
            yield Placed(Verdict(Risk.WORDING, "items-reordered", reason), name, now.span(first))

    def _fields(
        self, name: str, then: Collection, now: Collection, old: Mapping[str, Item], new: Mapping[str, Item]
    ) -> Iterator[Placed]:
        secret = then.secret_fields | now.secret_fields
        found: dict[str, list[tuple[Item, Any, Any]]] = {}
        for key, item in new.items():
            before = old.get(key)
            if before is not None and before.fields != item.fields:
                for path, was, is_now in unlike(before.fields, item.fields):
                    found.setdefault(".".join(map(str, path)), []).append((item, was, is_now))
        for field_name, items in found.items():
            hides = field_name in secret or is_secret_name(field_name.rpartition(".")[2])
            used = name in self.used.collections
            reason = f"{field_name} of {counted(len(items), name)} is another one"
            lines = [f"{item.key}: {_shown(was, hides)} -> {_shown(is_now, hides)}" for item, was, is_now in items]
            verdict = Verdict(Risk.EFFECT if used else Risk.WORDING, "item-field-changed", reason, detail=_cut(lines))
            yield Placed(verdict, name, now.span(items[0][0], field_name.partition(".")[0]))


def _shown(value: Any, hides: bool) -> str:
    return MASK if hides and value not in (None, "") else spelled(value)


def _cut(lines: list[str]) -> tuple[str, ...]:
    return (*lines[:NAMED], *((f"and {len(lines) - NAMED:,} more",) if len(lines) > NAMED else ()))


def _texts(value: Any) -> list[str]:
    return [] if value is None else [str(one) for one in value] if isinstance(value, list | tuple) else [str(value)]


def _default(path: tuple[str | int, ...], then: Any, now: Any) -> Verdict:
    name = str(path[-1])
    reason = f"the customer's variable {'.'.join(map(str, path))} has another value"
    return Verdict(Risk.EFFECT, "default-changed", reason, spelled(then, name), spelled(now, name))


# ---------------------------------------------------------------- connections


def _connection(then: Connection | None, now: Connection) -> Verdicts:
    if then is None:
        yield Verdict(Risk.ACCESS, "connection-added", f"there is a new connection {now.name}", "", now.type)
        return
    if then.type != now.type:
        reason = f"{now.name} is reached by {now.type} instead of {then.type}"
        yield Verdict(Risk.ACCESS, "connection-changed", reason, then.type, now.type, ("type",))
    for path, was, is_now in unlike(then.settings, now.settings):
        key, name = str(path[0]), str(path[-1])
        if key != "type":
            risk, kind, reason = _setting(now.name, key, was, is_now)
            yield Verdict(risk, kind, reason, spelled(was, name), spelled(is_now, name), path)


def _setting(connection: str, key: str, was: Any, is_now: Any) -> tuple[Risk, str, str]:
    if key in _SAFE:
        if is_now in _SAFE[key]:
            risk = Risk.SAFER if was not in _SAFE[key] else Risk.WORDING
            return risk, "protection-changed", f"{connection} is protected: {key}"
        return Risk.ACCESS, "protection-loosened", f"{connection} is protected less: {key}"
    if key == "allow":
        added, gone = widened(_texts(was), _texts(is_now))
        if was is not None and is_now is not None and not added:
            return Risk.SAFER, "allowed-narrowed", f"{connection} writes to fewer: not to {listed(gone)}"
        if was is None:
            return Risk.SAFER, "allowed-narrowed", f"{connection} writes only to {listed(added)}"
        return Risk.RECIPIENTS, "allowed-widened", f"{connection} may write to {listed(added) or 'anybody'}"
    if key == "redirect_all":
        reason = f"mails of {connection} go to {'those they are for' if is_now is None else 'another address'}"
        return Risk.RECIPIENTS, "redirect-changed", reason
    if key == "from":
        return Risk.RECIPIENTS, "sender-changed", f"mails of {connection} come from another sender"
    if key in _TUNING:
        return Risk.EFFECT, "connection-changed", f"{connection} works otherwise: {key}"
    where = "trusts or logs in otherwise" if key in _TRUST or is_secret_name(key) else "is another system"
    return Risk.ACCESS, "connection-changed", f"{connection} {where}: {key}"


# ---------------------------------------------------------------- calendars


def _calendar(then: Calendar, now: Calendar, used: bool, today: date) -> Verdicts:
    worse, better = (Risk.WINDOW, Risk.SAFER) if used else (Risk.WORDING, Risk.WORDING)
    opened = sorted(day for day in then.closed if day >= today and not then.admits_day(day) and now.admits_day(day))
    closed = sorted(day for day in now.closed if day >= today and then.admits_day(day) and not now.admits_day(day))
    if opened:
        named = listed([f"{day:%A} {day} ({then.closed[day]})" for day in opened], 4)
        yield Verdict(worse, "holiday-opened", f"calendar {now.name} is open on {named}", key=("closed",))
    if closed:
        named = listed([f"{day:%A} {day} ({now.closed[day]})" for day in closed], 4)
        yield Verdict(better, "holiday-closed", f"calendar {now.name} is closed on {named}", key=("closed",))
    told = bool(opened or closed)
    for name, (was, is_now) in changed_fields(then, now).items():
        if name in ("closed", "special") and told:
            continue
        reason = f"calendar {now.name} counts other {_CALENDAR.get(name, name)}"
        yield Verdict(worse if name in ("hours", "special", "timezone") else Risk.EFFECT if used else Risk.WORDING,
                      "calendar-changed", reason, _days(was), _days(is_now), (_KEYS.get(name, name),))


_CALENDAR = {"hours": "hours", "special": "exceptional days", "closed": "closed days", "month_end_days": "days as month end",
             "timezone": "hours: its time zone is another one"}
_KEYS = {"special": "open", "month_end_days": "month_end"}


def _days(value: Any) -> str:
    if not isinstance(value, Mapping):
        return spelled(value)
    words = [f"{key} {', '.join(map(str, one)) if isinstance(one, tuple) else one}" for key, one in sorted(value.items())]
    return spelled(words)
