"""Arguments of an action: which of them guard, prove, address people or systems, and what any other is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.model.review import Risk
from engine.planning.review.verdict import Verdict, Verdicts, dotted, spelled, unlike, widened

_RECIPIENTS = frozenset({"to", "cc", "bcc", "reply_to", "requestor", "from", "to_requestor"})
_SYSTEM = frozenset({"connection", "host", "domain"})
_GUARDS = frozenset({"creates", "unless", "onlyif", "expected_total", "require_ownership", "claims", "select", "key", "occasion"})
"""Without them, or with others, something may be done that was refused, or done a second time."""
_PROOFS = frozenset({
    "proof", "since", "fetch_log", "log_timezone", "user_agent", "device", "ignore_from", "tolerance_s", "states", "ok_status",
})
"""By them an action tells whether a change is there."""
_HIDES = frozenset({"secret_fields"})
_MAILS = ("mail.send", "mail.invite")
_DESTRUCTIVE: Mapping[str, object] = {"absent": True, "method": "DELETE", "reboot": True}


def compare_arguments(action: str, old: Mapping[str, Any], new: Mapping[str, Any], under: str = "with") -> Verdicts:
    """Each argument that differs. ``under``: the key they stand below."""
    for path, then, now in unlike(old, new):
        yield _judged(action, str(path[0]), (under, *path), then, now)


def is_destructive(args: Mapping[str, Any]) -> bool:
    """Whether arguments have something taken away or restarted."""
    return any(args.get(name) == value for name, value in _DESTRUCTIVE.items())


def _judged(action: str, name: str, key: tuple[str | int, ...], then: Any, now: Any) -> Verdict:
    risk, kind, reason = _class(action, name, dotted(key), then, now)
    return Verdict(risk, kind, reason, spelled(then, str(key[-1])), spelled(now, str(key[-1])), key)


def _class(action: str, name: str, where: str, then: Any, now: Any) -> tuple[Risk, str, str]:
    if name in _DESTRUCTIVE and now == _DESTRUCTIVE[name]:
        return Risk.DESTRUCTIVE, "destructive-argument", f"takes away or restarts what it only changed before: {where}"
    if name in _RECIPIENTS and (name != "to" or action in _MAILS):
        return Risk.RECIPIENTS, "recipients-changed", f"writes to others: {where}"
    if name in _SYSTEM:
        return Risk.ACCESS, "system-changed", f"reaches for another system: {where}"
    if name in _HIDES:
        return _list(where, then, now, Risk.ACCESS, "secrets-shown", "shows what was masked", "masks more")
    if name in _GUARDS:
        return _guard(where, then, now)
    if name in _PROOFS:
        return _proof(name, where, then, now)
    return Risk.EFFECT, "argument-changed", f"does it otherwise: {where}"


def _guard(where: str, then: Any, now: Any) -> tuple[Risk, str, str]:
    if then in (None, False) or (then == () and now):
        return Risk.SAFER, "guard-added", f"has a guard that it did not have: {where}"
    if now in (None, False, ()):
        return Risk.GUARD, "guard-removed", f"has no guard any more: {where}"
    if isinstance(then, list) and isinstance(now, list):
        added, gone = widened([str(one) for one in then], [str(one) for one in now])
        if not gone:
            return Risk.SAFER, "guard-added", f"claims more: {where}"
        return Risk.GUARD, "guard-changed", f"claims something else{'' if added else ', and less'}: {where}"
    return Risk.GUARD, "guard-changed", f"is guarded by something else: {where}"


def _proof(name: str, where: str, then: Any, now: Any) -> tuple[Risk, str, str]:
    if name in ("states", "ok_status", "ignore_from"):
        return _list(where, now, then, Risk.PROOF, "proof-weakened", "takes more for a proof", "takes less for a proof")
    if name == "tolerance_s" and isinstance(then, int | float) and isinstance(now, int | float) and now < then:
        return Risk.SAFER, "proof-tightened", f"allows clocks to differ by less: {where}"
    if then is None:
        return Risk.SAFER, "proof-added", f"is proved by more: {where}"
    if now is None:
        return Risk.PROOF, "proof-removed", f"is proved by less: {where} is gone"
    return Risk.PROOF, "proof-changed", f"is proved by something else: {where}"


def _list(where: str, keeps: Any, has: Any, risk: Risk, kind: str, worse: str, better: str) -> tuple[Risk, str, str]:
    """Worse when not all of ``keeps`` is in ``has``."""
    keeps, has = (list(one) if isinstance(one, list | tuple) else [] if one is None else [one] for one in (keeps, has))
    if all(one in has for one in keeps):
        return Risk.SAFER, kind.replace("weakened", "tightened"), f"{better}: {where}"
    return risk, kind, f"{worse}: {where}"
