"""What is waited for: who may agree, how many, to what, how long, and what follows when nobody does."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from engine.model.duration import Duration
from engine.model.gate import Appointment, Approval, Form, Gate, Invite, Limits, ManualTask, Wait, Watched
from engine.model.review import Risk
from engine.planning.review.arguments import compare_arguments
from engine.planning.review.verdict import Verdict, Verdicts, changed_fields, listed, spelled, unlike, widened

_DAY_S = 8 * 3600.0
"""How long a business day is taken to be, where only which of two times is longer is asked."""


def compare_gates(old: Gate, new: Gate) -> Verdicts:
    """Two gates of one kind; a gate of another kind is another step."""
    changed = changed_fields(old, new)
    limits = changed.pop("limits", None)
    judges = _JUDGES[type(new)]
    for name, (then, now) in changed.items():
        judge = judges.get(name)
        if judge is not None:
            yield from judge(then, now)
        else:
            yield Verdict(Risk.EFFECT, "gate-changed", f"{name} is another one", spelled(then), spelled(now), (name,))
    if limits is not None:
        yield from _limits(*limits, is_approval=isinstance(new, Approval))


def is_shorter(now: Duration | None, then: Duration | None) -> bool:
    """Whether a time is shorter than another; None is for ever. Business time is taken for eight hours a day."""
    return _length(now) < _length(then)


def _length(duration: Duration | None) -> float:
    if duration is None:
        return float("inf")
    if duration.counts_business_days:
        return duration.amount * (86400.0 if not duration.business else _DAY_S * 3)
    return duration.seconds * (3 if duration.business else 1)


# ---------------------------------------------------------------- approvals


def _approvers(then: Sequence[str], now: Sequence[str]) -> Verdicts:
    added, gone = widened(then, now)
    before, after = ", ".join(then), ", ".join(now)
    if added:
        more = f", and {listed(gone)} may not" if gone else ""
        reason = f"approver group {'replaced' if gone else 'widened'}: {listed(added)} may agree now{more}"
        yield Verdict(Risk.APPROVAL, "approvers-widened", reason, before, after, ("by",))
    elif gone:
        reason = f"approver group narrowed: {listed(gone)} may not agree any more"
        yield Verdict(Risk.SAFER, "approvers-narrowed", reason, before, after, ("by",))
    else:
        yield Verdict(Risk.WORDING, "approvers-reordered", "the same roles in another order", before, after, ("by",))


def _quorum(then: int, now: int) -> Verdicts:
    risk = Risk.APPROVAL if now < then else Risk.SAFER
    yield Verdict(risk, "quorum-changed", f"{now} of them {'has' if now == 1 else 'have'} to agree instead of {then}", str(then),
                  str(now), ("quorum",))


def _four_eyes(then: bool, now: bool) -> Verdicts:
    reason = "whoever asked may not agree" if now else "whoever asked may agree to it alone"
    yield Verdict(Risk.SAFER if now else Risk.APPROVAL, "four-eyes-changed", reason, spelled(then), spelled(now), ("four_eyes",))


def _covers(then: Sequence[str], now: Sequence[str]) -> Verdicts:
    added, gone = widened(then, now)
    before, after = spelled(list(then)), spelled(list(now))
    if gone:
        reason = f"what {listed(gone)} would change is no longer shown to them, and no longer binding"
        yield Verdict(Risk.APPROVAL, "covers-narrowed", reason, before, after, ("covers",))
    elif added:
        reason = f"what {listed(added)} would change is shown to them, and binding"
        yield Verdict(Risk.SAFER, "covers-widened", reason, before, after, ("covers",))
    else:
        yield Verdict(Risk.WORDING, "covers-reordered", "it covers the same in another order", before, after, ("covers",))


def _wording(name: str) -> Callable[[Any, Any], Verdicts]:
    def judge(then: Any, now: Any) -> Verdicts:
        yield Verdict(Risk.WORDING, "text-changed", f"people read another text: {name}", spelled(then), spelled(now), (name,))

    return judge


def _limits(then: Limits, now: Limits, *, is_approval: bool) -> Verdicts:
    for name, (was, is_now) in changed_fields(then, now).items():
        before, after = _spelled_limit(was), _spelled_limit(is_now)
        risk, reason = _limit(name, then, now, is_approval=is_approval)
        yield Verdict(risk, f"{name.replace('_', '-')}-changed", reason, before, after, (name,))


def _limit(name: str, then: Limits, now: Limits, *, is_approval: bool) -> tuple[Risk, str]:
    loosened = Risk.APPROVAL if is_approval else Risk.GUARD
    if name == "on_timeout":
        if now.on_timeout == "approve":
            return loosened, "it counts as agreed when nobody acted in time"
        if now.on_timeout == "escalate":
            return loosened, "others may act when nobody did in time"
        return Risk.SAFER, "it is refused when nobody acted in time"
    if name == "within":
        shorter = is_shorter(now.within, then.within)
        if now.on_timeout == "approve":
            return (loosened if shorter else Risk.SAFER), f"it counts as agreed after {_spelled_limit(now.within)}"
        return Risk.EFFECT, f"it may take {_spelled_limit(now.within)} instead of {_spelled_limit(then.within)}"
    if name == "escalate_to":
        return loosened, f"{now.escalate_to or 'nobody'} may act when nobody did in time"
    if name == "remind":
        return Risk.EFFECT, "people are reminded at other times"
    return Risk.EFFECT, "business time is counted by another calendar" if name == "calendar" else f"{name} is another one"


def _spelled_limit(value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value)) or "none"
    return str(value) if value not in (None, "") else "none"


# ---------------------------------------------------------------- those who act


def _actors(then: Sequence[str], now: Sequence[str]) -> Verdicts:
    added, gone = widened(then, now)
    before, after = ", ".join(then), ", ".join(now)
    if added:
        yield Verdict(Risk.GUARD, "actors-widened", f"{listed(added)} may act now", before, after, ("by",))
    elif gone:
        yield Verdict(Risk.SAFER, "actors-narrowed", f"{listed(gone)} may not act any more", before, after, ("by",))
    else:
        yield Verdict(Risk.WORDING, "actors-reordered", "the same roles in another order", before, after, ("by",))


_CONSTRAINTS = frozenset({
    "required", "enum", "const", "pattern", "minLength", "maxLength", "minimum", "maximum", "format", "additionalProperties",
    "minItems", "maxItems", "exclusiveMinimum", "exclusiveMaximum", "type", "minProperties", "dependentRequired",
})
_WORDS = frozenset({"title", "description", "examples", "$comment"})


def _schema(then: Mapping[str, Any], now: Mapping[str, Any]) -> Verdicts:
    for path, was, is_now in unlike(then, now):
        key, name = ("form", *path), str(path[-1])
        before, after = spelled(was), spelled(is_now)
        if name in _WORDS and "properties" not in path[-2:-1]:
            yield Verdict(Risk.WORDING, "text-changed", f"people read another text: {name}", before, after, key)
        elif name in _CONSTRAINTS and "properties" not in path[-2:-1]:
            reason = f"answers are checked otherwise: {name}"
            yield Verdict(_constraint(name, was, is_now), "form-checked-otherwise", reason, before, after, key)
        else:
            gone = "is asked for no more" if is_now is None else "is asked for" if was is None else "is asked for otherwise"
            yield Verdict(Risk.EFFECT, "form-changed", f"{name} {gone}", before, after, key)


def _constraint(name: str, was: Any, is_now: Any) -> Risk:
    """Whether answers are held to less."""
    if was is None:
        return Risk.SAFER
    if is_now is None:
        return Risk.GUARD
    if name == "required":
        return Risk.SAFER if set(was) <= set(is_now) else Risk.GUARD
    if name == "enum":
        return Risk.SAFER if all(one in was for one in is_now) else Risk.GUARD
    if name in ("minLength", "minimum", "minItems", "exclusiveMinimum", "minProperties"):
        return Risk.SAFER if is_now > was else Risk.GUARD
    if name in ("maxLength", "maximum", "maxItems", "exclusiveMaximum"):
        return Risk.SAFER if is_now < was else Risk.GUARD
    return Risk.GUARD


def _checklist(then: Sequence[str], now: Sequence[str]) -> Verdicts:
    added, gone = widened(then, now)
    reason = f"points gone: {listed(gone)}" if gone else f"points added: {listed(added)}" if added else "points in another order"
    risk = Risk.GUARD if gone else Risk.SAFER if added else Risk.ORDER
    yield Verdict(risk, "checklist-changed", reason, spelled(list(then)), spelled(list(now)), ("checklist",))


def _evidence(then: bool, now: bool) -> Verdicts:
    reason = "a file has to prove it" if now else "no file has to prove it any more"
    yield Verdict(Risk.SAFER if now else Risk.PROOF, "evidence-changed", reason, spelled(then), spelled(now), ("evidence",))


# ---------------------------------------------------------------- waits and appointments


def _duration(then: Duration | None, now: Duration | None) -> Verdicts:
    reason = f"waits for {_spelled_limit(now)} instead of {_spelled_limit(then)}"
    yield Verdict(_loosened(then, now), "wait-changed", reason, _spelled_limit(then), _spelled_limit(now), ("for",))


def _loosened(then: Duration | None, now: Duration | None) -> Risk:
    """Of a time that has to pass first."""
    return Risk.GUARD if then is not None and (now is None or is_shorter(now, then)) else Risk.SAFER


def _waits_for(name: str) -> Callable[[Any, Any], Verdicts]:
    def judge(then: Any, now: Any) -> Verdicts:
        yield Verdict(Risk.GUARD, "wait-changed", f"waits for something else: {name}", spelled(then), spelled(now), (name,))

    return judge


def _watched(then: Watched | None, now: Watched | None) -> Verdicts:
    if then is None or now is None:
        reason = "waits for what is seen" if now is not None else "no longer waits for what is seen"
        yield Verdict(Risk.PROOF, "wait-changed", reason, spelled(then), spelled(now), ("observe",))
        return
    if then.action != now.action:
        yield Verdict(Risk.PROOF, "wait-changed", f"looks with {now.action} instead of {then.action}", then.action, now.action,
                      ("observe", "action"))
    for verdict in compare_arguments(now.action, then.args, now.args):
        risk = Risk.PROOF if verdict.risk is Risk.EFFECT else verdict.risk
        yield Verdict(risk, verdict.kind, f"its look {verdict.reason}", verdict.before, verdict.after, ("observe", *verdict.key))
    for name in ("every", "max_every", "backoff"):
        was, is_now = getattr(then, name), getattr(now, name)
        if was != is_now:
            yield Verdict(Risk.EFFECT, "looks-changed", f"looks at other times: {name}", str(was), str(is_now), (name,))


def _lead(then: Duration | None, now: Duration | None) -> Verdicts:
    reason = f"has to be chosen {_spelled_limit(now)} before its start" if now is not None else "may be chosen up to its start"
    yield Verdict(_loosened(then, now), "lead-changed", reason, _spelled_limit(then), _spelled_limit(now), ("lead",))


def _blackout(then: Sequence[Any], now: Sequence[Any]) -> Verdicts:
    added, gone = widened([str(day) for day in then], [str(day) for day in now])
    reason = f"may fall on {listed(gone)} now" if gone else f"may not fall on {listed(added)} any more" if added else "same days"
    risk = Risk.WINDOW if gone else Risk.SAFER if added else Risk.WORDING
    before, after = (spelled([str(day) for day in days]) for days in (then, now))
    yield Verdict(risk, "blackout-changed", reason, before, after, ("blackout",))


def _capacity(then: int | None, now: int | None) -> Verdicts:
    more = now is None or (then is not None and now > then)
    reason = "nobody counts how many begin on one day" if now is None else f"{now} may begin on one day"
    yield Verdict(Risk.GUARD if more else Risk.SAFER, "capacity-changed", reason, spelled(then), spelled(now), ("capacity",))


def _invite(then: Invite | None, now: Invite | None) -> Verdicts:
    if then is None or now is None:
        reason = "nobody is invited any more" if now is None else f"{', '.join(now.to)} are invited"
        yield Verdict(Risk.RECIPIENTS, "invitation-changed", reason, spelled(then), spelled(now), ("invite",))
        return
    for name, (was, is_now) in changed_fields(then, now).items():
        risk = Risk.RECIPIENTS if name in ("to", "sender", "connection") else Risk.WORDING
        key = {"sender": "from"}.get(name, name)
        yield Verdict(risk, "invitation-changed", f"the invitation's {key} is another one", spelled(was), spelled(is_now),
                      ("invite", key))


def _plain(name: str, key: str, reason: str) -> Callable[[Any, Any], Verdicts]:
    def judge(then: Any, now: Any) -> Verdicts:
        yield Verdict(Risk.EFFECT, f"{name}-changed", reason, str(then), str(now), (key,))

    return judge


_JUDGES: Mapping[type, Mapping[str, Callable[[Any, Any], Verdicts]]] = {
    Approval: {
        "roles": _approvers, "quorum": _quorum, "four_eyes": _four_eyes, "covers": _covers, "message": _wording("message"),
    },
    Form: {"roles": _actors, "schema": _schema, "message": _wording("message")},
    ManualTask: {"roles": _actors, "checklist": _checklist, "evidence": _evidence, "message": _wording("message")},
    Wait: {
        "duration": _duration, "until": _waits_for("until"), "signal": _waits_for("signal"), "watched": _watched,
        "message": _wording("message"),
    },
    Appointment: {
        "roles": _actors, "length": _plain("length", "for", "takes another time"), "lead": _lead, "blackout": _blackout,
        "slots": _plain("slots", "slots", "another number of times is proposed"), "capacity": _capacity, "invite": _invite,
        "not_before": _waits_for("not_before"), "message": _wording("message"),
    },
}
